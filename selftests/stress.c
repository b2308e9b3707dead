// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls, signals and deaths in several processes that share a group.
 *
 *	COOP_SECONDS	how long each variant runs, 30 by default
 *	COOP_SEED	what chooses; printed, by default another one each time
 *
 * The test's own process is the director: no task, it kills, replaces and
 * signals the others, whose threads are tasks and do anything a task may do.
 */
#include "coop_test.h"

#include <time.h>

enum { PROCESSES = 6, THREADS = 4, MOST_TURNS = 3 };

/*
 * One word for each turn names the thread that has it. A thread with a turn
 * claims a word that is free, or whose process is doomed: it is about to be
 * killed or to exec, and may have died with the turn. While turns are
 * exclusive there is such a word, and nobody else takes it until it is freed.
 */
static struct arena {
	int fd, turns, flags;
	atomic_int holders[MOST_TURNS];
	/* Of each process, its first generation that is not doomed. */
	atomic_int alive[PROCESSES];
	atomic_int tids[PROCESSES * THREADS], ids[PROCESSES * THREADS];
	atomic_int broken, finished;
	atomic_long turns_taken, handled;
	atomic_int forks, execs, thread_deaths, kills, signals;
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

static void enter(struct actor *actor)
{
	arena->turns_taken++;
	/* Where blocks hand turns back, another task may run between any lines. */
	if (!(arena->flags & COOP_GROUP_ATOMIC))
		return;
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

static void pass(struct actor *actor)
{
	int holder = actor->name;

	for (volatile int work = draw(actor, 200); work; work--)
		;
	if (actor->word &&
	    !atomic_compare_exchange_strong(actor->word, &holder, 0) &&
	    !is_doomed(actor->name))
		complain("another task ran in this one's turn", 0);
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
	int to = arena->ids[draw(actor, PROCESSES * THREADS)];

	pass(actor);
	if (hand_over(arena->fd, to) && errno != ESRCH && errno != EBUSY &&
	    errno != EDEADLK)
		complain("hand over", errno);
	enter(actor);
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
	int task = arena->ids[draw(actor, PROCESSES * THREADS)];
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

		if (what < 600)
			do_yield(actor);
		else if (what < 750)
			do_hand_over(actor);
		else if (what < 820)
			do_stat(actor);
		else if (what < 870)
			do_leave(actor);
		else if (what < 890)
			usleep(draw(actor, 500));
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

static pid_t start_process(int process, unsigned int seed)
{
	static struct actor actors[THREADS];
	pthread_t thread;
	pid_t child = fork_child();

	if (child)
		return child;
	for (int i = 0; i < THREADS; i++) {
		int slot = process * THREADS + i;

		actors[i].slot = slot;
		actors[i].name = name_of(slot, arena->alive[process]);
		actors[i].seed = seed + i;
		if (start(&thread, act, &actors[i]))
			_exit(99);
		pthread_detach(thread);
	}
	for (;;)
		pause();
}

/* A READY task must not stay beside a free turn. */
static void *watch(void *arg)
{
	struct coop_stat stat;
	int looks = 0;

	for (; !arena->finished; usleep(1000)) {
		get_stat(arena->fd, 0, &stat);
		looks = stat.ready && stat.running < stat.turns ? looks + 1 : 0;
		if (looks == 3)
			complain("a task is READY beside a free turn", 0);
	}
	return NULL;
}

static void note_signal(int signal)
{
	struct coop_stat stat;

	arena->handled++;
	get_stat(arena->fd, 0, &stat);
}

static void kill_process(int process, int generation, pid_t pid)
{
	doom(process, generation);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Returns true if the process has come to its end. */
static bool bother(struct actor *director, int process, int generation, pid_t pid)
{
	int slot = process * THREADS + draw(director, THREADS);

	if (!draw(director, 20)) {
		arena->kills++;
		kill_process(process, generation, pid);
		return true;
	}
	if (waitpid(pid, NULL, WNOHANG)) {
		if (arena->alive[process] == generation)
			complain("a process has died by itself", 0);
		doom(process, generation);
		return true;
	}
	arena->signals++;
	syscall(SYS_tgkill, pid, arena->tids[slot], SIGUSR1);
	return false;
}

/*
 * Signals hide a lost wake-up, since they wake as well. So let the tasks be
 * for some hundred turns, or until there is none who wants one.
 */
static void leave_in_peace(void)
{
	struct coop_stat stat;
	__u64 was;

	get_stat(arena->fd, 0, &stat);
	was = stat.switches;
	for (int i = 0; i < 20000; i++, usleep(1000)) {
		get_stat(arena->fd, 0, &stat);
		if (!stat.tasks || stat.switches > was + 500)
			return;
	}
	complain("no turn is passed when nobody is signalled", 0);
}

static void direct(struct actor *director, int seconds)
{
	time_t end = time(NULL) + seconds;
	int generations[PROCESSES] = {};
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++)
		pids[i] = start_process(i, rand_r(&director->seed));
	while (time(NULL) < end) {
		int i = draw(director, PROCESSES);

		usleep(draw(director, 3000));
		if (!draw(director, 100))
			leave_in_peace();
		if (!bother(director, i, generations[i], pids[i]))
			continue;
		generations[i]++;
		pids[i] = start_process(i, rand_r(&director->seed));
	}
	for (int i = 0; i < PROCESSES; i++)
		kill_process(i, generations[i], pids[i]);
}

static int environment(const char *name, int otherwise)
{
	const char *value = getenv(name);

	return value ? atoi(value) : otherwise;
}

FIXTURE(stress) {
	pthread_t watchdog;
};

FIXTURE_VARIANT(stress) {
	int turns, flags;
};

FIXTURE_VARIANT_ADD(stress, turns_1_atomic) { 1, COOP_GROUP_ATOMIC };
FIXTURE_VARIANT_ADD(stress, turns_3_atomic) { MOST_TURNS, COOP_GROUP_ATOMIC };
FIXTURE_VARIANT_ADD(stress, turns_1) { 1, 0 };
FIXTURE_VARIANT_ADD(stress, turns_3) { MOST_TURNS, 0 };

FIXTURE_SETUP(stress)
{
	struct sigaction action = { .sa_handler = note_signal };

	REQUIRE_COOP();
	sigaction(SIGUSR1, &action, NULL);
	arena = map_shared(sizeof(*arena));
	arena->turns = variant->turns;
	arena->flags = variant->flags;
	arena->fd = open_group_with(variant->turns, variant->flags);
	ASSERT_LE(0, arena->fd);
	ASSERT_EQ(0, start(&self->watchdog, watch, NULL));
}

FIXTURE_TEARDOWN(stress)
{
	close(arena->fd);
	munmap(arena, sizeof(*arena));
}

TEST_F_TIMEOUT(stress, of_everything, 24 * 3600)
{
	int seconds = environment("COOP_SECONDS", 30);
	struct actor director = {
		.seed = environment("COOP_SEED", time(NULL) % 1000000),
	};
	struct coop_stat stat;

	TH_LOG("COOP_SEED=%u COOP_SECONDS=%d", director.seed, seconds);
	direct(&director, seconds);
	TH_LOG("%ld turns, %ld of %d signals handled, %d forks, %d execs",
	       arena->turns_taken, arena->handled, arena->signals,
	       arena->forks, arena->execs);
	TH_LOG("%d processes killed, %d threads ended as tasks", arena->kills,
	       arena->thread_deaths);
	EXPECT_LT(0, arena->turns_taken);
	EXPECT_TRUE(wait_tasks(arena->fd, 0));
	arena->finished = 1;
	pthread_join(self->watchdog, NULL);
	EXPECT_LT(0, join(arena->fd));
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(0, yield(arena->fd));
	ASSERT_EQ(0, get_stat(arena->fd, 0, &stat));
	EXPECT_EQ(1, stat.tasks);
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(0, stat.ready);
	EXPECT_EQ(0, leave(arena->fd));
	EXPECT_EQ(0, arena->broken);
}

TEST_HARNESS_MAIN
