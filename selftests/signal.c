// SPDX-License-Identifier: GPL-2.0
/* P5 while a task waits: signals, stops, debuggers, death. Nothing is lost. */
#include "coop_test.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>

static atomic_int handled;

static void note_signal(int signal)
{
	handled++;
}

FIXTURE(signal) {
	int fd, event;
	struct waiter waiter, other;
	struct coop_stat stat;
};

FIXTURE_SETUP(signal)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGUSR1, &action, NULL);
	self->fd = open_group(1);
	self->event = eventfd(0, 0);
}

FIXTURE_TEARDOWN(signal)
{
	close(self->event);
	close(self->fd);
}

#define START_WAITER(wait)						\
	do {								\
		start_waiter(&self->waiter, self->fd, wait);		\
		ASSERT_TRUE(wait_waiting(self->fd, 1));			\
	} while (0)

/* And see that its handler has run. */
#define INTERRUPT(waiter)						\
	do {								\
		int before = handled;					\
									\
		pthread_kill((waiter).thread, SIGUSR1);			\
		while (handled == before)				\
			usleep(1000);					\
	} while (0)

TEST_F(signal, handler_runs_and_the_wait_goes_on)
{
	START_WAITER(for_fd(self->event, POLLIN));
	for (int i = 1; i <= 3; i++) {
		INTERRUPT(self->waiter);
		ASSERT_TRUE(wait_waits(self->fd, self->waiter.id, i + 1));
	}
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	EXPECT_EQ(1, self->stat.waiting);
	EXPECT_EQ(1, self->stat.switches);
	EXPECT_EQ(0, self->waiter.done);
	ASSERT_EQ(0, eventfd_write(self->event, 1));
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(ended_by(POLLIN), self->waiter.ended[0]);
}

/* If each restart began anew, it would never end under this fire. */
TEST_F(signal, deadline_stays)
{
	__u64 deadline = now() + 100000000;

	start_waiter(&self->waiter, self->fd, for_deadline(deadline));
	while (!self->waiter.done) {
		if (self->waiter.id)
			pthread_kill(self->waiter.thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_DEADLINE, self->waiter.ended[0]);
	EXPECT_LE(deadline, now());
}

/*
 * What ended the wait came first, then a signal cuts the READY task short. It
 * comes back before one that was READY behind it, and still with its reason.
 */
#define READY_AND_INTERRUPTED(happens)					\
	do {								\
		self->waiter.waits[1] = for_deadline(0);		\
		self->waiter.waits[1].flags |= COOP_WAIT_WAKE;		\
		ASSERT_LT(0, join(self->fd));				\
		ASSERT_EQ(0, happens);					\
		start_waiter(&self->other, self->fd, for_deadline(0));	\
		ASSERT_TRUE(wait_ready(self->fd, 2));			\
		INTERRUPT(self->waiter);				\
		ASSERT_TRUE(wait_ready(self->fd, 2));			\
		EXPECT_EQ(0, self->waiter.done);			\
		ASSERT_EQ(0, leave(self->fd));				\
		pthread_join(self->waiter.thread, NULL);		\
		pthread_join(self->other.thread, NULL);			\
		EXPECT_EQ(1, self->waiter.place);			\
		EXPECT_EQ(2, self->other.place);			\
		EXPECT_EQ(COOP_WAIT_DEADLINE, self->waiter.ended[1]);	\
	} while (0)

TEST_F(signal, after_an_event)
{
	START_WAITER(for_fd(self->event, POLLIN));
	READY_AND_INTERRUPTED(eventfd_write(self->event, 1));
	EXPECT_EQ(ended_by(POLLIN), self->waiter.ended[0]);
}

TEST_F(signal, after_a_wake)
{
	START_WAITER(for_wake());
	READY_AND_INTERRUPTED(wake(self->fd, self->waiter.id));
	EXPECT_EQ(COOP_WAIT_WAKE, self->waiter.ended[0]);
}

/* The wake comes between the signal and the restart, or during either. */
TEST_F(signal, before_a_wake)
{
	START_WAITER(for_wake());
	pthread_kill(self->waiter.thread, SIGUSR1);
	ASSERT_EQ(0, wake(self->fd, self->waiter.id));
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, self->waiter.ended[0]);
}

#define INTR(wait) ({					\
		struct coop_wait intr = wait;		\
		intr.flags |= COOP_WAIT_INTR;		\
		intr;					\
	})

/* The handler runs at once, the call returns when it has a turn. */
TEST_F(signal, eintr_with_a_turn)
{
	START_WAITER(INTR(for_fd(self->event, POLLIN)));
	ASSERT_LT(0, join(self->fd));
	INTERRUPT(self->waiter);
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, self->waiter.done);
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(-EINTR, self->waiter.ended[0]);
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	EXPECT_EQ(3, self->stat.switches);
	EXPECT_EQ(0, self->stat.waiting);
}

/* The permit that ended the wait is there for the next one, as the event is. */
TEST_F(signal, eintr_keeps_what_came)
{
	struct coop_wait wait = INTR(for_fd(self->event, POLLIN));

	wait.flags |= COOP_WAIT_WAKE;
	self->waiter.waits[1] = for_wake();
	self->waiter.waits[2] = for_fd(self->event, POLLIN);
	START_WAITER(wait);
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, wake(self->fd, self->waiter.id));
	ASSERT_EQ(0, eventfd_write(self->event, 1));
	INTERRUPT(self->waiter);
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(-EINTR, self->waiter.ended[0]);
	EXPECT_EQ(COOP_WAIT_WAKE, self->waiter.ended[1]);
	EXPECT_EQ(ended_by(POLLIN), self->waiter.ended[2]);
}

/* The server waits twice, and is woken once. */
#define START_CALL(wait)						\
	do {								\
		self->other.waits[1] = for_wake();			\
		start_waiter(&self->other, self->fd, for_wake());	\
		ASSERT_TRUE(wait_waiting(self->fd, 1));			\
		self->waiter.call = self->other.id;			\
		start_waiter(&self->waiter, self->fd, wait);		\
		ASSERT_TRUE(wait_waits(self->fd, self->other.id, 2));	\
		ASSERT_TRUE(wait_waiting(self->fd, 2));			\
	} while (0)

#define EXPECT_CALLS(nr)						\
	do {								\
		ASSERT_EQ(0, get_stat(self->fd, self->other.id, &self->stat)); \
		EXPECT_EQ(nr, self->stat.wakes);			\
		EXPECT_EQ(COOP_TASK_WAITING, self->stat.state);		\
		EXPECT_EQ(1, self->other.done);				\
	} while (0)

/* The reply, and a second request, which ends the server. */
#define END_CALL()							\
	do {								\
		ASSERT_EQ(0, wake(self->fd, self->waiter.id));		\
		pthread_join(self->waiter.thread, NULL);		\
		EXPECT_EQ(COOP_WAIT_WAKE, self->waiter.ended[0]);	\
		ASSERT_EQ(0, wake(self->fd, self->other.id));		\
		pthread_join(self->other.thread, NULL);			\
	} while (0)

TEST_F(signal, call_is_not_made_twice)
{
	START_CALL(for_wake());
	for (int i = 1; i <= 3; i++) {
		INTERRUPT(self->waiter);
		ASSERT_TRUE(wait_waits(self->fd, self->waiter.id, i + 1));
	}
	EXPECT_CALLS(1);
	END_CALL();
}

TEST_F(signal, call_with_eintr_is_not_made_twice)
{
	START_CALL(INTR(for_wake()));
	INTERRUPT(self->waiter);
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(-EINTR, self->waiter.ended[0]);
	EXPECT_CALLS(1);
	ASSERT_EQ(0, wake(self->fd, self->other.id));
	pthread_join(self->other.thread, NULL);
}

/* Calls again from the same place, as a loop does. */
static void *call_twice(void *arg)
{
	struct waiter *me = arg;
	struct coop_switch to = { .task = me->call, .flags = COOP_SWITCH_WAIT };

	to.wait = me->waits[0];
	me->id = join(me->fd);
	for (int i = 0; i < 2; i++) {
		me->ended[i] = ioctl(me->fd, COOP_IOC_SWITCH, &to);
		me->done++;
	}
	leave(me->fd);
	return NULL;
}

TEST_F(signal, call_is_made_again_after_one_that_was_cut_short)
{
	self->other.waits[1] = self->other.waits[2] = for_wake();
	start_waiter(&self->other, self->fd, for_wake());
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	self->waiter.fd = self->fd;
	self->waiter.call = self->other.id;
	self->waiter.waits[0] = for_wake();
	ASSERT_EQ(0, start(&self->waiter.thread, call_twice, &self->waiter));
	for (int i = 1; i <= 2; i++) {
		ASSERT_TRUE(wait_waits(self->fd, self->other.id, i + 1));
		ASSERT_TRUE(wait_waiting(self->fd, 2));
		EXPECT_EQ(i, self->other.done);
		INTERRUPT(self->waiter);
		ASSERT_EQ(0, wake(self->fd, self->waiter.id));
	}
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, self->waiter.ended[1]);
	ASSERT_EQ(0, wake(self->fd, self->other.id));
	pthread_join(self->other.thread, NULL);
}

/* A handler that calls the device itself. */
static struct {
	int fd, ended;
	struct coop_switch to;
} handler;

static void wait_in_handler(int signal)
{
	handler.ended = wait_for(handler.fd, for_deadline(0));
	handled++;
}

TEST_F(signal, handler_waits_within_a_call)
{
	struct sigaction action = { .sa_handler = wait_in_handler };

	sigaction(SIGUSR1, &action, NULL);
	handler.fd = self->fd;
	START_CALL(for_wake());
	for (int i = 1; i <= 3; i++) {
		INTERRUPT(self->waiter);
		ASSERT_TRUE(wait_waits(self->fd, self->waiter.id, i + 1));
	}
	EXPECT_EQ(COOP_WAIT_DEADLINE, handler.ended);
	EXPECT_CALLS(1);
	END_CALL();
}

static void wait_for_wake_in_handler(int signal)
{
	handler.ended = wait_for(handler.fd, for_wake());
}

/* A second signal cuts the handler's own call short. */
TEST_F(signal, handlers_call_is_cut_short_too)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGUSR2, &action, NULL);
	action.sa_handler = wait_for_wake_in_handler;
	sigaction(SIGUSR1, &action, NULL);
	handler.fd = self->fd;
	START_CALL(for_wake());
	pthread_kill(self->waiter.thread, SIGUSR1);
	ASSERT_TRUE(wait_waits(self->fd, self->waiter.id, 2));
	pthread_kill(self->waiter.thread, SIGUSR2);
	ASSERT_TRUE(wait_waits(self->fd, self->waiter.id, 3));
	ASSERT_EQ(0, wake(self->fd, self->waiter.id));
	ASSERT_TRUE(wait_waits(self->fd, self->waiter.id, 4));
	EXPECT_EQ(COOP_WAIT_WAKE, handler.ended);
	EXPECT_CALLS(1);
	END_CALL();
}

static void hand_over_in_handler(int signal)
{
	handled++;
	handler.ended = ioctl(handler.fd, COOP_IOC_SWITCH, &handler.to);
}

/* It has no turn to hand over yet, and is cut short as it waits for one. */
TEST_F(signal, handlers_hand_over_is_still_to_be_done)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGUSR2, &action, NULL);
	action.sa_handler = hand_over_in_handler;
	sigaction(SIGUSR1, &action, NULL);
	/* Ids count up, and the other will know its own when it has a turn. */
	handler.to = (struct coop_switch){ .task = join(self->fd) + 1 };
	start_waiter(&self->other, self->fd, for_wake());
	ASSERT_TRUE(wait_ready(self->fd, 1));
	start_waiter(&self->waiter, self->fd, for_deadline(0));
	ASSERT_TRUE(wait_ready(self->fd, 2));
	handler.fd = self->fd;
	INTERRUPT(self->waiter);
	ASSERT_TRUE(wait_ready(self->fd, 2));
	pthread_kill(self->waiter.thread, SIGUSR2);
	while (handled < 2)
		usleep(1000);
	ASSERT_TRUE(wait_ready(self->fd, 2));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(0, handler.ended);
	ASSERT_EQ(0, get_stat(self->fd, self->other.id, &self->stat));
	EXPECT_EQ(1, self->stat.handovers);
	ASSERT_EQ(0, wake(self->fd, self->other.id));
	pthread_join(self->other.thread, NULL);
}

/* And one that spoils the structure of the call it cuts short. */
static void spoil(int signal)
{
	handler.to.wait.flags = 0;
	handled++;
}

static void *call_with_spoilt(void *arg)
{
	struct waiter *me = arg;
	int ret;

	handler.to = (struct coop_switch){ .task = me->call,
		.flags = COOP_SWITCH_WAIT, .wait = for_wake() };
	me->id = join(me->fd);
	for (int i = 0; i < 2; i++) {
		ret = ioctl(me->fd, COOP_IOC_SWITCH, &handler.to);
		me->ended[i] = ret < 0 ? -errno : ret;
		handler.to.wait = for_wake();
	}
	leave(me->fd);
	return NULL;
}

/* The restart fails. The next call is a new one, and wakes the task again. */
TEST_F(signal, restart_that_fails_is_the_end_of_it)
{
	struct sigaction action = { .sa_handler = spoil };

	sigaction(SIGUSR1, &action, NULL);
	self->other.waits[1] = self->other.waits[2] = for_wake();
	start_waiter(&self->other, self->fd, for_wake());
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	self->waiter.fd = self->fd;
	self->waiter.call = self->other.id;
	ASSERT_EQ(0, start(&self->waiter.thread, call_with_spoilt,
			   &self->waiter));
	ASSERT_TRUE(wait_waits(self->fd, self->other.id, 2));
	ASSERT_TRUE(wait_waiting(self->fd, 2));
	INTERRUPT(self->waiter);
	ASSERT_TRUE(wait_waits(self->fd, self->waiter.id, 2));
	EXPECT_EQ(-EINVAL, self->waiter.ended[0]);
	ASSERT_EQ(0, get_stat(self->fd, self->other.id, &self->stat));
	EXPECT_EQ(2, self->stat.wakes);
	EXPECT_EQ(0, wake(self->fd, self->waiter.id));
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, self->waiter.ended[1]);
	EXPECT_EQ(0, wake(self->fd, self->other.id));
	pthread_join(self->other.thread, NULL);
}

/* A task of another process, which ends with what its wait returned. */
FIXTURE(child) {
	int fd, status;
	atomic_int *id;
	pid_t pid;
	struct coop_stat stat;
};

FIXTURE_VARIANT(child) {
	__u32 flags;
	int ended;
};

FIXTURE_VARIANT_ADD(child, that_goes_on) { COOP_WAIT_WAKE, COOP_WAIT_WAKE };
FIXTURE_VARIANT_ADD(child, that_wants_eintr) {
	COOP_WAIT_WAKE | COOP_WAIT_INTR, -EINTR };

FIXTURE_SETUP(child)
{
	self->fd = open_group(1);
	self->id = map_shared(sizeof(*self->id));
	self->pid = fork_child();
	if (!self->pid) {
		int ended;

		*self->id = join(self->fd);
		ended = wait_for(self->fd,
				 (struct coop_wait){ .flags = variant->flags });
		_exit(ended < 0 ? -errno : ended);
	}
	ASSERT_TRUE(wait_waiting(self->fd, 1));
}

FIXTURE_TEARDOWN(child)
{
	munmap(self->id, sizeof(*self->id));
	close(self->fd);
}

#define EXPECT_EXIT()							\
	do {								\
		ASSERT_EQ(self->pid, waitpid(self->pid, &self->status, 0)); \
		ASSERT_TRUE(WIFEXITED(self->status));			\
		EXPECT_EQ(variant->ended, (signed char)WEXITSTATUS(self->status)); \
	} while (0)

/* As it is stopped it does not wait; the wake is kept for it. */
TEST_F(child, stopped_and_continued)
{
	ASSERT_EQ(0, kill(self->pid, SIGSTOP));
	ASSERT_EQ(self->pid, waitpid(self->pid, &self->status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(self->status));
	ASSERT_EQ(0, get_stat(self->fd, *self->id, &self->stat));
	EXPECT_EQ(COOP_TASK_OUT, self->stat.state);
	EXPECT_EQ(0, self->stat.waiting);
	ASSERT_EQ(0, wake(self->fd, *self->id));
	ASSERT_EQ(0, kill(self->pid, SIGCONT));
	EXPECT_EXIT();
}

TEST_F(child, traced_and_let_go)
{
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, self->pid, 0, 0));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, self->pid, 0, 0));
	ASSERT_EQ(self->pid, waitpid(self->pid, &self->status, __WALL));
	ASSERT_TRUE(WIFSTOPPED(self->status));
	ASSERT_EQ(0, get_stat(self->fd, *self->id, &self->stat));
	EXPECT_EQ(COOP_TASK_OUT, self->stat.state);
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->pid, 0, 0));
	if (variant->ended > 0) {
		ASSERT_TRUE(wait_waits(self->fd, *self->id, 2));
		ASSERT_EQ(0, wake(self->fd, *self->id));
	}
	EXPECT_EXIT();
}

/* Somebody else has the turn all the time. */
TEST_F(child, killed_while_waiting)
{
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(self->pid, waitpid(self->pid, &self->status, 0));
	EXPECT_TRUE(WIFSIGNALED(self->status));
	ASSERT_TRUE(wait_tasks(self->fd, 1));
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	EXPECT_EQ(0, self->stat.waiting);
	EXPECT_EQ(2, self->stat.switches);
	EXPECT_ERRNO(ESRCH, wake(self->fd, *self->id));
}

TEST_F(child, killed_while_ready)
{
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, wake(self->fd, *self->id));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(self->pid, waitpid(self->pid, &self->status, 0));
	ASSERT_TRUE(wait_tasks(self->fd, 1));
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	EXPECT_EQ(0, self->stat.ready);
	EXPECT_EQ(0, self->stat.waiting);
	EXPECT_EQ(0, yield(self->fd));
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	EXPECT_EQ(2, self->stat.switches);
}

/* A thread waits, and is gone when another one has made the new image. */
TEST_F(signal, exec_by_another_thread)
{
	pid_t child = fork_child();
	int status;

	if (!child) {
		start_waiter(&self->waiter, self->fd, for_wake());
		wait_waiting(self->fd, 1);
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_TRUE(wait_tasks(self->fd, 0));
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	EXPECT_EQ(0, self->stat.waiting);
	EXPECT_EQ(1, self->stat.waits);
	EXPECT_LT(0, join(self->fd));
}

TEST_HARNESS_MAIN
