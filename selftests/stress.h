/* SPDX-License-Identifier: GPL-2.0 */
/* What the tasks of the stress test do, and how they notice what is wrong. */
#ifndef STRESS_H
#define STRESS_H

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "coop_test.h"

enum { PROCESSES = 6, THREADS = 4, MOST_TURNS = 3 };

/*
 * One word for each turn names the thread that has it. A thread with a turn
 * claims a word that is free, or whose process is doomed: it is about to be
 * killed or to exec, and may have died with the turn. While turns are
 * exclusive there is such a word, and nobody else takes it until it is freed.
 */
static struct arena {
	int fd, other, event, turns, flags;
	/* There is one turn, and it may be lost between any two lines. */
	bool lone;
	atomic_int holders[MOST_TURNS];
	/* Of each process, its first generation that is not doomed. */
	atomic_int alive[PROCESSES];
	atomic_int tids[PROCESSES * THREADS], ids[PROCESSES * THREADS];
	atomic_int broken, finished;
	/* Goes on while any task does. */
	atomic_long steps;
	atomic_long turns_taken, handled, waits, refused, looks;
	atomic_int forks, execs, thread_deaths, kills, stops, signals;
} *arena;

/* A thread: its name, the place of its name, and what makes it random. */
struct actor {
	int name, slot;
	unsigned int seed;
	atomic_int *word;
};

/* Names are above 0, and are not used again by those that come later. */
static int name_of(int slot, int generation)
{
	return 1 + slot + generation * PROCESSES * THREADS;
}

static int generation_of(int name)
{
	return (name - 1) / (PROCESSES * THREADS);
}

static void doom(int process, int generation)
{
	arena->alive[process] = generation + 1;
}

static bool is_doomed(int name)
{
	int slot = (name - 1) % (PROCESSES * THREADS);

	return generation_of(name) < arena->alive[slot / THREADS];
}

static void complain(const char *what, int error)
{
	dprintf(STDERR_FILENO, "# wrong: %s%s%s\n", what, error ? ": " : "",
		error ? strerror(error) : "");
	arena->broken++;
}

static unsigned int draw(struct actor *actor, unsigned int below)
{
	return rand_r(&actor->seed) / 7 % below;
}

/* A thread with a turn finds the word that stands for it. */
static void claim_word(struct actor *actor)
{
	for (int i = 0; i < arena->turns; i++) {
		int holder = arena->holders[i];

		if (holder && !is_doomed(holder))
			continue;
		actor->word = &arena->holders[i];
		if (atomic_compare_exchange_strong(actor->word, &holder,
						   actor->name))
			return;
	}
	actor->word = NULL;
	complain("more tasks run than there are turns", 0);
}

static __u64 turns_of(int task)
{
	struct coop_stat stat;

	return get_stat(arena->fd, task, &stat) ? 0 : stat.switches;
}

/*
 * While this task has one and the same turn, no other one goes on. Long enough
 * for an emulator that runs one CPU at a time.
 */
static void look(struct actor *actor)
{
	int me = arena->ids[actor->slot];
	bool others;
	__u64 turn;
	long was;

	if (!arena->lone)
		return;
	turn = turns_of(me);
	was = arena->steps;
	for (volatile int work = draw(actor, 20000); work; work--)
		;
	others = arena->steps != was;
	arena->looks++;
	if (others && turns_of(me) == turn && !is_doomed(actor->name))
		complain("another task ran during this one's turn", 0);
}

static void enter(struct actor *actor)
{
	arena->turns_taken++;
	if (arena->flags & COOP_GROUP_ATOMIC)
		claim_word(actor);
	else if (!draw(actor, 4))
		look(actor);
}

static void pass(struct actor *actor)
{
	int holder = actor->name;

	for (int work = draw(actor, draw(actor, 20) ? 200 : 20000); work; work--)
		arena->steps++;
	if (actor->word &&
	    !atomic_compare_exchange_strong(actor->word, &holder, 0) &&
	    !is_doomed(actor->name))
		complain("another task ran in this one's turn", 0);
}

static int any_id(struct actor *actor)
{
	return arena->ids[draw(actor, PROCESSES * THREADS)];
}

static void become_task(struct actor *actor)
{
	int id = join(arena->fd);

	if (id <= 0)
		complain("join", errno);
	arena->ids[actor->slot] = id;
	enter(actor);
}

static void do_yield(struct actor *actor)
{
	pass(actor);
	if (yield(arena->fd))
		complain("yield", errno);
	enter(actor);
}

static void do_hand_over(struct actor *actor)
{
	int to = any_id(actor);

	pass(actor);
	if (hand_over(arena->fd, to) && errno != ESRCH && errno != EBUSY &&
	    errno != EDEADLK)
		complain("hand over", errno);
	enter(actor);
}

/* Anything that a task may wait for. Mostly it ends by itself. */
static struct coop_wait any_wait(struct actor *actor)
{
	struct coop_wait wait = { .fd = arena->event, .events = POLLIN };

	wait.flags = 1 + draw(actor, 7);
	if (draw(actor, 8))
		wait.flags |= COOP_WAIT_DEADLINE;
	else
		wait.flags |= COOP_WAIT_WAKE;
	if (!draw(actor, 4))
		wait.flags |= COOP_WAIT_INTR;
	if (!draw(actor, 4))
		wait.fd = arena->other;
	if (!draw(actor, 8))
		wait.events |= POLLOUT;
	wait.deadline = now() + draw(actor, 3000) * 1000;
	return wait;
}

static void check_ended(const struct coop_wait *wait, int ended)
{
	__u32 what = ended & 0xffff, events = COOP_WAIT_EVENTS(ended);

	arena->waits++;
	if (ended == -1) {
		if (errno != EINTR || !(wait->flags & COOP_WAIT_INTR))
			complain("wait", errno);
	} else if (!what || what & ~wait->flags || events & ~wait->events ||
		   !events != !(what & COOP_WAIT_FD)) {
		complain("a wait ended by what it did not wait for", 0);
	}
}

static void do_wait(struct actor *actor)
{
	struct coop_wait wait = any_wait(actor);

	pass(actor);
	check_ended(&wait, wait_for(arena->fd, wait));
	enter(actor);
}

static void do_call(struct actor *actor)
{
	struct coop_wait wait = any_wait(actor);
	int ended;

	pass(actor);
	ended = call_and_wait(arena->fd, any_id(actor), wait);
	if (ended != -1 || (errno != ESRCH && errno != EDEADLK))
		check_ended(&wait, ended);
	enter(actor);
}

static void do_wake(struct actor *actor)
{
	if (wake(arena->fd, any_id(actor)) && errno != ESRCH)
		complain("wake", errno);
}

/* The event comes and goes, also before those who were woken look. */
static void do_event(struct actor *actor)
{
	__u64 one = 1;

	if (draw(actor, 2))
		write(arena->event, &one, sizeof(one));
	else
		read(arena->event, &one, sizeof(one));
}

static void do_sleep(struct actor *actor)
{
	usleep(draw(actor, 500));
	look(actor);
}

static void do_leave(struct actor *actor)
{
	pass(actor);
	if (leave(arena->fd))
		complain("leave", errno);
	if (draw(actor, 2))
		usleep(draw(actor, 500));
	become_task(actor);
}

static void do_stat(struct actor *actor)
{
	int task = any_id(actor);
	struct coop_stat stat;

	if (get_stat(arena->fd, task, &stat) && errno != ESRCH)
		complain("stat", errno);
}

static void do_signal(struct actor *actor)
{
	int to = actor->slot / THREADS * THREADS + draw(actor, THREADS);

	arena->signals++;
	syscall(SYS_tgkill, getpid(), arena->tids[to], SIGUSR1);
}

/* A task of another group for a while, whose poll() others wait for. */
static void do_visit(struct actor *actor)
{
	pass(actor);
	if (leave(arena->fd) || join(arena->other) <= 0)
		complain("join another group", errno);
	for (int i = 0; i < 5; i++)
		if (yield(arena->other))
			complain("yield in another group", errno);
	if (leave(arena->other))
		complain("leave another group", errno);
	become_task(actor);
}

static int send_fd(int over, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(over, &message, MSG_DONTWAIT);
}

/* Descriptors come, go, and are closed on their way. */
static void do_descriptors(struct actor *actor)
{
	int ends[2], again = dup(arena->fd), alone = open_group(1);

	if (again < 0 || alone < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		complain("descriptors", errno);
		return;
	}
	send_fd(ends[0], again);
	send_fd(ends[1], alone);
	close(alone);
	pass(actor);
	if (yield(again))
		complain("yield by another descriptor", errno);
	enter(actor);
	close(again);
	close(ends[0]);
	close(ends[1]);
}

/* Not a task, though its process has some. It ends a task's blocking read. */
static void *be_a_stranger(void *arg)
{
	int end = *(int *)arg;

	if (yield(arena->fd) != -1 || errno != EPERM)
		complain("yield of a stranger", errno);
	if (wait_wake(arena->fd) != -1 || errno != EPERM)
		complain("wait of a stranger", errno);
	write(end, "", 1);
	close(end);
	return NULL;
}

static void do_block(struct actor *actor)
{
	pthread_t thread;
	char byte;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC)) {
		complain("pipe", errno);
		return;
	}
	if (start(&thread, be_a_stranger, &ends[1])) {
		close(ends[1]);
		close(ends[0]);
		return;
	}
	while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
		;
	pthread_join(thread, NULL);
	close(ends[0]);
	look(actor);
}

/* The child of a task is none. */
static void do_fork(struct actor *actor)
{
	pid_t child = fork();

	if (!child) {
		if (yield(arena->fd) != -1 || errno != EPERM)
			complain("yield after fork", errno);
		_exit(0);
	}
	arena->forks += child > 0;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	look(actor);
}

/* By number of the call, the errors that it may fail with. */
static const int errors_of[][10] = {
	[0] = { EINVAL, EFAULT },
	[1] = { EINVAL, EFAULT, E2BIG, EBUSY },
	[2] = { EINVAL, EBUSY },
	[3] = { EINVAL },
	[4] = { EINVAL },
	[5] = { EINVAL, EFAULT, E2BIG, EBUSY, EDEADLK, ESRCH, EBADF, EINTR },
	[6] = { EINVAL, EFAULT, ESRCH },
	[7] = { EINVAL, EFAULT, E2BIG, EBADF, EINTR },
	[8] = { EINVAL, EFAULT, E2BIG, ESRCH },
	[9] = { ENOTTY },
};

static bool is_documented(int number, int error)
{
	for (int i = 0; i < 10 && errors_of[number][i]; i++)
		if (error == errors_of[number][i])
			return true;
	/* A call is a call by its direction, too. */
	return error == ENOTTY;
}

static __thread __u32 data[16384 / 4];

/* Any call, with sizes, pointers and words as they should not be. */
static void do_harm(struct actor *actor)
{
	const __u32 words[] = {
		0, 1, 2, 3, 4, 7, 8, 1U << 31, ~0U, arena->fd, arena->event };
	const int sizes[] = { 0, 4, 8, 16, 24, 32, 88, 200, 4095, 16383 };
	int number = draw(actor, 10), size = sizes[draw(actor, 10)];
	const void *pointers[] = { NULL, (void *)-4096L, (void *)1, errors_of };
	void *arg = data;

	memset(data, 0, sizeof(data));
	for (int i = 0; i < 8; i++)
		data[i] = words[draw(actor, 11)];
	if (!draw(actor, 10))
		data[draw(actor, 4096)] = 1;
	if (!draw(actor, 4))
		arg = (void *)pointers[draw(actor, 4)];
	/* With no argument these would be what they should be. */
	if (number >= 2 && number <= 4 && !arg)
		return;
	pass(actor);
	if (ioctl(arena->fd, _IOC(draw(actor, 4), COOP_IOC_MAGIC, number, size),
		  arg) == -1) {
		arena->refused++;
		if (!is_documented(number, errno)) {
			dprintf(STDERR_FILENO, "# call %d: ", number);
			complain("an error that is not documented", errno);
		}
	}
	enter(actor);
}

/* The whole process is gone, and the director starts another one. */
static void do_exec(struct actor *actor)
{
	arena->execs++;
	doom(actor->slot / THREADS, generation_of(actor->name));
	execl("/bin/true", "true", NULL);
	complain("exec", errno);
}

static void *act(void *arg);

/* The thread dies as a task with a turn; another one takes its place. */
static void *do_die(struct actor *actor)
{
	pthread_t thread;
	int error;

	arena->thread_deaths++;
	pass(actor);
	error = start(&thread, act, actor);
	if (!error)
		pthread_detach(thread);
	/* While another thread execs, the kernel starts none. */
	else if (!is_doomed(actor->name))
		complain("start a thread", error);
	return NULL;
}

static void *act(void *arg)
{
	struct actor *actor = arg;

	arena->tids[actor->slot] = syscall(SYS_gettid);
	become_task(actor);
	for (;;) {
		unsigned int what = draw(actor, 1000);

		if (what < 400)
			do_yield(actor);
		else if (what < 500)
			do_hand_over(actor);
		else if (what < 550)
			do_stat(actor);
		else if (what < 600)
			do_leave(actor);
		else if (what < 620)
			do_sleep(actor);
		else if (what < 680)
			do_wait(actor);
		else if (what < 720)
			do_call(actor);
		else if (what < 790)
			do_wake(actor);
		else if (what < 830)
			do_event(actor);
		else if (what < 860)
			do_harm(actor);
		else if (what < 870)
			do_visit(actor);
		else if (what < 880)
			do_descriptors(actor);
		else if (what < 890)
			do_block(actor);
		else if (what < 960)
			do_signal(actor);
		else if (what < 980)
			do_fork(actor);
		else if (what < 982)
			do_exec(actor);
		else
			return do_die(actor);
	}
}

#endif
