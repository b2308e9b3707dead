// SPDX-License-Identifier: GPL-2.0
/* COOP_IOC_WAKE: who may wake whom, permits, and every race with a wait. */
#include "coop_test.h"

#include <poll.h>
#include <sys/eventfd.h>

TEST_F(group, by_no_task)
{
	struct waiter waiter = {};
	struct coop_stat stat;

	start_waiter(&waiter, self->fd, for_wake());
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended[0]);
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.wakes);
	EXPECT_EQ(0, stat.tasks);
	EXPECT_EQ(0, stat.running);
}

/* It becomes READY, behind those who are, and the waker keeps its turn. */
TEST_F(group, by_a_task)
{
	struct waiter waiter = {}, before = {};
	struct coop_stat stat;
	int me;

	start_waiter(&waiter, self->fd, for_wake());
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	me = join(self->fd);
	start_waiter(&before, self->fd, for_deadline(0));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	ASSERT_EQ(0, get_stat(self->fd, waiter.id, &stat));
	EXPECT_EQ(COOP_TASK_READY, stat.state);
	EXPECT_EQ(1, stat.wakes);
	EXPECT_EQ(2, stat.ready);
	EXPECT_EQ(0, waiter.done);
	ASSERT_EQ(0, get_stat(self->fd, me, &stat));
	EXPECT_EQ(COOP_TASK_RUNNING, stat.state);
	EXPECT_EQ(0, stat.wakes);
	ASSERT_EQ(0, yield(self->fd));
	EXPECT_EQ(1, before.done);
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended[0]);
	pthread_join(waiter.thread, NULL);
	pthread_join(before.thread, NULL);
}

TEST_F(group, by_another_process)
{
	struct waiter waiter = {};
	int status;
	pid_t child;

	start_waiter(&waiter, self->fd, for_wake());
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	child = fork_child();
	if (!child)
		_exit(wake(self->fd, waiter.id));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended[0]);
}

/* A turn is free: two that wait are woken at once and both run. */
TEST(of_as_many_as_there_are_turns)
{
	struct waiter waiters[2] = {};
	struct coop_stat stat;
	int fd;

	fd = open_group(2);
	for (int i = 0; i < 2; i++)
		start_waiter(&waiters[i], fd, for_wake());
	ASSERT_TRUE(wait_waiting(fd, 2));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, wake(fd, waiters[i].id));
	for (int i = 0; i < 2; i++)
		pthread_join(waiters[i].thread, NULL);
	ASSERT_EQ(0, get_stat(fd, 0, &stat));
	EXPECT_EQ(4, stat.switches);
	EXPECT_EQ(2, stat.waits);
	close(fd);
}

TEST_F(group, permit_is_one)
{
	int me = join(self->fd);
	struct coop_wait wait = {
		.flags = COOP_WAIT_WAKE | COOP_WAIT_DEADLINE };

	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, wake(self->fd, me));
	/* A wait for something else lets it be. */
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, for_deadline(0)));
	EXPECT_EQ(COOP_WAIT_WAKE, wait_wake(self->fd));
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, wait));
}

TEST_F(group, permit_of_one_that_is_ready)
{
	struct waiter waiter = {};

	ASSERT_LT(0, join(self->fd));
	waiter.waits[1] = for_deadline(0);
	waiter.waits[1].flags |= COOP_WAIT_WAKE;
	start_waiter(&waiter, self->fd, for_wake());
	ASSERT_TRUE(wait_ready(self->fd, 1));
	/* Ids are given in order. */
	ASSERT_EQ(0, wake(self->fd, 2));
	ASSERT_EQ(0, wake(self->fd, 2));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(2, waiter.id);
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended[0]);
	EXPECT_EQ(COOP_WAIT_DEADLINE, waiter.ended[1]);
}

TEST_F(group, of_one_that_waits_for_something_else)
{
	int event = eventfd(0, 0);
	struct waiter waiter = {};
	struct coop_stat stat;

	waiter.waits[1] = for_wake();
	start_waiter(&waiter, self->fd, for_fd(event, POLLIN));
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	ASSERT_EQ(0, get_stat(self->fd, waiter.id, &stat));
	EXPECT_EQ(COOP_TASK_WAITING, stat.state);
	EXPECT_EQ(1, stat.wakes);
	ASSERT_EQ(0, eventfd_write(event, 1));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(ended_by(POLLIN), waiter.ended[0]);
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended[1]);
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.waits);
	close(event);
}

TEST_F(group, what_a_wake_refuses)
{
	struct coop_wake flags = { .flags = 1 };
	int me, other = open_group(1);

	EXPECT_ERRNO(ESRCH, wake(self->fd, 1));
	me = join(self->fd);
	flags.task = me;
	EXPECT_ERRNO(ESRCH, wake(self->fd, 0));
	EXPECT_ERRNO(ESRCH, wake(self->fd, -1));
	EXPECT_ERRNO(ESRCH, wake(self->fd, me + 1));
	EXPECT_ERRNO(ESRCH, wake(other, me));
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_WAKE, &flags));
	ASSERT_EQ(0, leave(self->fd));
	EXPECT_ERRNO(ESRCH, wake(self->fd, me));
	close(other);
}

/*
 * Races. The waker goes on when its wake has been told of, so the two meet in
 * every order; a wake that was lost would leave both waiting, and one told
 * twice would leave the counts apart.
 */
static struct {
	int fd, event, waits;
	struct coop_wait wait;
	__u64 most_ahead;
	atomic_int id, tid, told, others, broken, signals;
	atomic_bool over;
} race;

static void note_signal(int signal)
{
	race.signals++;
}

static void *be_woken(void *arg)
{
	struct coop_wait wait = race.wait;
	unsigned int seed = 1;

	race.tid = gettid();
	race.id = join(race.fd);
	while (race.told < race.waits) {
		int ended;

		if (race.most_ahead)
			wait.deadline = now() + rand_r(&seed) % race.most_ahead;
		ended = wait_for(race.fd, wait);
		if (ended < 0)
			race.broken++;
		if (ended & (COOP_WAIT_DEADLINE | COOP_WAIT_FD))
			race.others++;
		if (ended & COOP_WAIT_WAKE)
			race.told++;
	}
	/* No permit is left. */
	wait.flags = COOP_WAIT_WAKE | COOP_WAIT_DEADLINE;
	wait.deadline = 0;
	if (wait_for(race.fd, wait) != COOP_WAIT_DEADLINE)
		race.broken++;
	leave(race.fd);
	race.over = true;
	return NULL;
}

static void *send_signals(void *arg)
{
	while (!race.over) {
		syscall(SYS_tgkill, getpid(), race.tid, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

static void *send_events(void *arg)
{
	__u64 count;

	while (!race.over) {
		eventfd_write(race.event, 1);
		sched_yield();
		if (read(race.event, &count, sizeof(count)) < 0)
			race.broken++;
	}
	return NULL;
}

FIXTURE(race) {
	int fd;
};

FIXTURE_VARIANT(race) {
	__u32 flags;
	__u64 most_ahead;
	void *(*disturb)(void *arg);
};

FIXTURE_VARIANT_ADD(race, wait) { COOP_WAIT_WAKE, 0, NULL };
FIXTURE_VARIANT_ADD(race, deadline) {
	COOP_WAIT_WAKE | COOP_WAIT_DEADLINE, 200000, NULL };
FIXTURE_VARIANT_ADD(race, signal) { COOP_WAIT_WAKE, 0, send_signals };
FIXTURE_VARIANT_ADD(race, signal_and_deadline) {
	COOP_WAIT_WAKE | COOP_WAIT_DEADLINE, 200000, send_signals };
FIXTURE_VARIANT_ADD(race, event) {
	COOP_WAIT_WAKE | COOP_WAIT_FD, 0, send_events };

FIXTURE_SETUP(race)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGUSR1, &action, NULL);
	race.fd = open_group(1);
	race.event = eventfd(0, 0);
	race.waits = 5000;
	race.wait = (struct coop_wait){ .flags = variant->flags,
		.events = POLLIN, .fd = race.event };
	race.most_ahead = variant->most_ahead;
}

FIXTURE_TEARDOWN(race)
{
	close(race.event);
	close(race.fd);
}

TEST_F_TIMEOUT(race, with_a_wake, 120)
{
	pthread_t waiter, disturber;
	struct coop_stat stat;

	ASSERT_EQ(0, start(&waiter, be_woken, NULL));
	while (!race.id)
		usleep(1000);
	if (variant->disturb)
		ASSERT_EQ(0, start(&disturber, variant->disturb, NULL));
	for (int i = 0; i < race.waits; i++) {
		ASSERT_EQ(0, wake(race.fd, race.id));
		while (race.told == i)
			sched_yield();
	}
	pthread_join(waiter, NULL);
	if (variant->disturb)
		pthread_join(disturber, NULL);
	EXPECT_EQ(race.waits, race.told);
	EXPECT_EQ(0, race.broken);
	ASSERT_EQ(0, get_stat(race.fd, 0, &stat));
	EXPECT_EQ(race.waits, stat.wakes);
	EXPECT_EQ(0, stat.waiting);
	EXPECT_EQ(0, stat.running);
	/* The race took place. */
	EXPECT_LT(0, stat.waits);
	EXPECT_LE(variant->disturb == send_signals, race.signals);
	EXPECT_LE(variant->flags != COOP_WAIT_WAKE, race.others);
}

/* One that is killed as it is woken takes no turn with it. */
TEST_F_TIMEOUT(group, race_of_a_wake_with_death, 120)
{
	atomic_int *id = map_shared(sizeof(*id));
	struct coop_stat stat;

	for (int i = 1; i <= 300; i++) {
		pid_t child = fork_child();
		int woken = 0;

		if (!child) {
			*id = join(self->fd);
			for (;;)
				wait_wake(self->fd);
		}
		while (!*id)
			sched_yield();
		while (!wake(self->fd, *id))
			if (++woken == i)
				kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		*id = 0;
		ASSERT_TRUE(wait_tasks(self->fd, 0));
	}
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(0, stat.running);
	EXPECT_EQ(0, stat.ready);
	EXPECT_EQ(0, stat.waiting);
	EXPECT_LT(0, join(self->fd));
	munmap(id, sizeof(*id));
}

TEST_HARNESS_MAIN
