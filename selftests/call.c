// SPDX-License-Identifier: GPL-2.0
/* COOP_SWITCH_WAIT: call a task and wait, whatever state the two are in. */
#include "coop_test.h"

#include <poll.h>
#include <sys/eventfd.h>

/*
 * The test's own thread sets the scene while it has the turn. It then leaves to
 * the caller, which is at the head of READY; a bystander is behind it.
 */
FIXTURE(call) {
	int fd, event;
	struct waiter caller, called, bystander;
	struct coop_stat stat;
};

FIXTURE_SETUP(call)
{
	self->fd = open_group(1);
	self->event = eventfd(0, 0);
	self->called.waits[1] = for_deadline(0);
	self->called.waits[1].flags |= COOP_WAIT_WAKE;
}

FIXTURE_TEARDOWN(call)
{
	close(self->event);
	close(self->fd);
}

#define START_CALLED(wait)						\
	do {								\
		start_waiter(&self->called, self->fd, wait);		\
		ASSERT_TRUE(wait_waiting(self->fd, 1));			\
	} while (0)

/* The caller, then the bystander. */
#define SET_UP_CALL(task, wait)						\
	do {								\
		self->caller.call = task;				\
		start_waiter(&self->caller, self->fd, wait);		\
		ASSERT_TRUE(wait_ready(self->fd, 1));		\
		start_waiter(&self->bystander, self->fd, for_deadline(0)); \
		ASSERT_TRUE(wait_ready(self->fd, 2));		\
	} while (0)

#define JOIN_CALL()							\
	do {								\
		pthread_join(self->caller.thread, NULL);		\
		pthread_join(self->called.thread, NULL);		\
		pthread_join(self->bystander.thread, NULL);		\
	} while (0)

TEST_F(call, of_one_that_waits_for_a_wake)
{
	START_CALLED(for_wake());
	ASSERT_LT(0, join(self->fd));
	SET_UP_CALL(self->called.id, for_wake());
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(self->called.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, self->called.ended[0]);
	/* That was its wake, and left no permit. */
	EXPECT_EQ(COOP_WAIT_DEADLINE, self->called.ended[1]);
	pthread_join(self->bystander.thread, NULL);
	EXPECT_EQ(1, self->called.place);
	EXPECT_EQ(2, self->bystander.place);
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	EXPECT_EQ(1, self->stat.handovers);
	EXPECT_EQ(1, self->stat.wakes);
	ASSERT_EQ(0, wake(self->fd, self->caller.id));
	pthread_join(self->caller.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, self->caller.ended[0]);
}

/* It runs next all the same, and finds a permit in its wait. */
TEST_F(call, of_one_that_is_ready)
{
	int me = join(self->fd);

	ASSERT_LT(0, me);
	SET_UP_CALL(me + 3, for_wake());
	start_waiter(&self->called, self->fd, for_wake());
	ASSERT_TRUE(wait_ready(self->fd, 3));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(self->called.thread, NULL);
	EXPECT_EQ(me + 3, self->called.id);
	EXPECT_EQ(COOP_WAIT_WAKE, self->called.ended[0]);
	EXPECT_EQ(COOP_WAIT_DEADLINE, self->called.ended[1]);
	EXPECT_EQ(1, self->called.place);
	ASSERT_EQ(0, wake(self->fd, self->caller.id));
	JOIN_CALL();
	EXPECT_EQ(COOP_WAIT_WAKE, self->caller.ended[0]);
}

/* It has a permit, and the turn goes to the head of READY. */
TEST_F(call, of_one_that_waits_for_something_else)
{
	START_CALLED(for_fd(self->event, POLLIN));
	ASSERT_LT(0, join(self->fd));
	SET_UP_CALL(self->called.id, for_wake());
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(self->bystander.thread, NULL);
	ASSERT_TRUE(wait_waiting(self->fd, 2));
	ASSERT_EQ(0, get_stat(self->fd, self->called.id, &self->stat));
	EXPECT_EQ(1, self->stat.wakes);
	EXPECT_EQ(1, self->stat.waits);
	EXPECT_EQ(0, self->called.done);
	ASSERT_EQ(0, eventfd_write(self->event, 1));
	ASSERT_EQ(0, wake(self->fd, self->caller.id));
	JOIN_CALL();
	EXPECT_EQ(ended_by(POLLIN), self->called.ended[0]);
	EXPECT_EQ(COOP_WAIT_WAKE | COOP_WAIT_DEADLINE, self->called.ended[1]);
}

/* What the caller waits for is there: it goes behind all that are READY. */
TEST_F(call, with_the_reply_already_there)
{
	int me;

	START_CALLED(for_wake());
	me = join(self->fd);
	SET_UP_CALL(self->called.id, for_wake());
	self->caller.waits[1] = self->called.waits[1];
	/* The reply is a permit. */
	ASSERT_EQ(0, wake(self->fd, me + 1));
	ASSERT_EQ(0, leave(self->fd));
	JOIN_CALL();
	EXPECT_EQ(COOP_WAIT_WAKE, self->caller.ended[0]);
	EXPECT_EQ(COOP_WAIT_DEADLINE, self->caller.ended[1]);
	EXPECT_EQ(COOP_WAIT_WAKE, self->called.ended[0]);
	EXPECT_EQ(1, self->called.place);
	EXPECT_EQ(2, self->bystander.place);
	EXPECT_EQ(3, self->caller.place);
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	/* The called one's, and nobody else's. */
	EXPECT_EQ(1, self->stat.waits);
}

TEST_F(call, with_an_event_already_there)
{
	ASSERT_EQ(0, eventfd_write(self->event, 1));
	START_CALLED(for_wake());
	ASSERT_LT(0, join(self->fd));
	SET_UP_CALL(self->called.id, for_fd(self->event, POLLIN));
	ASSERT_EQ(0, leave(self->fd));
	JOIN_CALL();
	EXPECT_EQ(ended_by(POLLIN), self->caller.ended[0]);
	EXPECT_EQ(1, self->called.place);
	EXPECT_EQ(3, self->caller.place);
}

TEST_F(call, with_a_deadline_that_has_passed)
{
	START_CALLED(for_wake());
	ASSERT_LT(0, join(self->fd));
	SET_UP_CALL(self->called.id, for_deadline(0));
	ASSERT_EQ(0, leave(self->fd));
	JOIN_CALL();
	EXPECT_EQ(COOP_WAIT_DEADLINE, self->caller.ended[0]);
	EXPECT_EQ(1, self->called.place);
	EXPECT_EQ(3, self->caller.place);
}

/* The reply never comes; the deadline does. */
TEST_F(call, until_a_deadline)
{
	struct coop_wait wait = for_deadline(now() + 20000000);

	wait.flags |= COOP_WAIT_WAKE;
	START_CALLED(for_wake());
	ASSERT_LT(0, join(self->fd));
	SET_UP_CALL(self->called.id, wait);
	ASSERT_EQ(0, leave(self->fd));
	JOIN_CALL();
	EXPECT_EQ(COOP_WAIT_DEADLINE, self->caller.ended[0]);
	EXPECT_EQ(COOP_WAIT_WAKE, self->called.ended[0]);
	EXPECT_LE(wait.deadline, now());
}

TEST(call_of_one_that_runs)
{
	struct waiter caller = {};
	struct coop_stat stat;
	int fd;

	fd = open_group(2);
	caller.call = join(fd);
	start_waiter(&caller, fd, for_wake());
	ASSERT_TRUE(wait_waiting(fd, 1));
	ASSERT_EQ(0, get_stat(fd, caller.call, &stat));
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(1, stat.wakes);
	EXPECT_EQ(0, stat.handovers);
	EXPECT_EQ(COOP_WAIT_WAKE, wait_wake(fd));
	ASSERT_EQ(0, wake(fd, caller.id));
	pthread_join(caller.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, caller.ended[0]);
	close(fd);
}

/* Blocks before it waits. */
static void *block_and_wait(void *arg)
{
	struct waiter *me = arg;
	eventfd_t count;

	me->id = join(me->fd);
	eventfd_read(me->waits[0].fd, &count);
	me->ended[0] = wait_wake(me->fd);
	leave(me->fd);
	return NULL;
}

TEST(call_of_one_that_blocks)
{
	struct waiter caller = {}, called = {};
	struct coop_stat stat;

	called.fd = open_group_with(1, 0);
	called.waits[0].fd = eventfd(0, 0);
	ASSERT_EQ(0, start(&called.thread, block_and_wait, &called));
	while (!called.id)
		usleep(1000);
	ASSERT_TRUE(wait_state(called.fd, called.id, COOP_TASK_OUT));
	caller.call = called.id;
	start_waiter(&caller, called.fd, for_wake());
	ASSERT_TRUE(wait_waiting(called.fd, 1));
	ASSERT_EQ(0, get_stat(called.fd, called.id, &stat));
	EXPECT_EQ(COOP_TASK_OUT, stat.state);
	EXPECT_EQ(1, stat.wakes);
	EXPECT_EQ(0, stat.running);
	ASSERT_EQ(0, eventfd_write(called.waits[0].fd, 1));
	pthread_join(called.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, called.ended[0]);
	ASSERT_EQ(0, wake(called.fd, caller.id));
	pthread_join(caller.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, caller.ended[0]);
	close(called.waits[0].fd);
	close(called.fd);
}

/* Then nothing is done, and the turn is kept. */
TEST_F(call, what_it_refuses)
{
	int me, gone = join(self->fd);

	leave(self->fd);
	me = join(self->fd);
	start_waiter(&self->bystander, self->fd, for_deadline(0));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_ERRNO(ESRCH, call_and_wait(self->fd, 0, for_wake()));
	EXPECT_ERRNO(ESRCH, call_and_wait(self->fd, -1, for_wake()));
	EXPECT_ERRNO(ESRCH, call_and_wait(self->fd, gone, for_wake()));
	EXPECT_ERRNO(EDEADLK, call_and_wait(self->fd, me, for_wake()));
	/* And also with what it waits for already there. */
	EXPECT_ERRNO(EDEADLK, call_and_wait(self->fd, me, for_deadline(0)));
	EXPECT_ERRNO(EBADF, call_and_wait(self->fd, me, for_fd(-1, 0)));
	ASSERT_EQ(0, get_stat(self->fd, me, &self->stat));
	EXPECT_EQ(COOP_TASK_RUNNING, self->stat.state);
	EXPECT_EQ(0, self->stat.wakes);
	EXPECT_EQ(0, self->stat.waits);
	EXPECT_EQ(1, self->stat.switches);
	EXPECT_EQ(0, self->bystander.done);
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(self->bystander.thread, NULL);
}

static void *serve(void *arg)
{
	struct waiter *server = arg;

	server->id = join(server->fd);
	if (wait_wake(server->fd) != COOP_WAIT_WAKE)
		abort();
	for (int i = 0; i < 1000; i++) {
		server->done++;
		if (call_and_wait(server->fd, server->call, for_wake()) !=
		    COOP_WAIT_WAKE)
			abort();
	}
	leave(server->fd);
	return NULL;
}

TEST_F(group, call_and_reply)
{
	struct waiter server = { .fd = self->fd };
	struct coop_stat before, after;

	server.call = join(self->fd);
	ASSERT_EQ(0, start(&server.thread, serve, &server));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, yield(self->fd));
	ASSERT_EQ(0, get_stat(self->fd, 0, &before));
	for (int i = 0; i < 1000; i++) {
		ASSERT_EQ(COOP_WAIT_WAKE,
			  call_and_wait(self->fd, server.id, for_wake()));
		ASSERT_EQ(i + 1, server.done);
	}
	ASSERT_EQ(0, get_stat(self->fd, 0, &after));
	EXPECT_EQ(2000, after.switches - before.switches);
	EXPECT_EQ(2000, after.handovers - before.handovers);
	ASSERT_EQ(0, wake(self->fd, server.id));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(server.thread, NULL);
}

/* P1 in a mixture of all calls. None waits for long, so nobody is stuck. */
static struct {
	int fd, event, rounds, first;
	struct inside inside;
} mix;

enum { MIX_TASKS = 40 };

static int do_something(unsigned int *seed)
{
	int other = mix.first + rand_r(seed) % MIX_TASKS;
	struct coop_wait wait = for_deadline(now() + rand_r(seed) % 100000);

	wait.fd = mix.event;
	wait.events = rand_r(seed) % 2 ? POLLIN : POLLOUT;
	wait.flags |= rand_r(seed) % 2 ? COOP_WAIT_FD : 0;
	wait.flags |= rand_r(seed) % 2 ? COOP_WAIT_WAKE : 0;
	switch (rand_r(seed) % 6) {
	case 0:
		return wait_for(mix.fd, wait);
	case 1:
		wake(mix.fd, other);
		return 0;
	case 2:
		/* It may be the caller, or gone. */
		call_and_wait(mix.fd, other, wait);
		return 0;
	case 3:
		hand_over(mix.fd, other);
		return 0;
	case 4:
		return rand_r(seed) % 2 ? eventfd_write(mix.event, 1) :
			wait_for(mix.fd, for_deadline(0));
	default:
		return yield(mix.fd);
	}
}

static void *mix_calls(void *arg)
{
	unsigned int seed = (long)arg;

	if (join(mix.fd) <= 0)
		mix.inside.broken++;
	for (int i = 0; i < mix.rounds; i++) {
		work_inside(&mix.inside);
		if (do_something(&seed) < 0)
			mix.inside.broken++;
	}
	leave(mix.fd);
	return NULL;
}

FIXTURE(exclusive) {
	pthread_t threads[MIX_TASKS];
};

FIXTURE_VARIANT(exclusive) {
	int turns;
};

FIXTURE_VARIANT_ADD(exclusive, turns_1) { 1 };
FIXTURE_VARIANT_ADD(exclusive, turns_2) { 2 };
FIXTURE_VARIANT_ADD(exclusive, turns_8) { 8 };

FIXTURE_SETUP(exclusive)
{
	mix.fd = open_group(variant->turns);
	mix.event = eventfd(0, EFD_NONBLOCK);
	mix.first = 1;
	mix.inside.turns = variant->turns;
	mix.rounds = 100000 / MIX_TASKS;
}

FIXTURE_TEARDOWN(exclusive)
{
	close(mix.event);
	close(mix.fd);
}

TEST_F_TIMEOUT(exclusive, in_100000_mixed_calls, 240)
{
	struct coop_stat stat;

	for (long i = 0; i < MIX_TASKS; i++)
		ASSERT_EQ(0, start(&self->threads[i], mix_calls, (void *)i));
	for (int i = 0; i < MIX_TASKS; i++)
		pthread_join(self->threads[i], NULL);
	EXPECT_EQ(0, mix.inside.broken);
	EXPECT_EQ(mix.rounds * MIX_TASKS, mix.inside.worked);
	ASSERT_EQ(0, get_stat(mix.fd, 0, &stat));
	EXPECT_EQ(0, stat.tasks);
	EXPECT_EQ(0, stat.ready);
	EXPECT_EQ(0, stat.running);
	EXPECT_EQ(0, stat.waiting);
	EXPECT_LT(1000, stat.waits);
	EXPECT_LT(1000, stat.wakes);
}

TEST_HARNESS_MAIN
