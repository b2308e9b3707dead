// SPDX-License-Identifier: GPL-2.0
/* P1 exclusive, P2, P4 fair: who runs, in which order, and never two. */
#include "coop_test.h"

#define MOST_TASKS 1000

static struct {
	int fd, rounds, order[MOST_TASKS];
	atomic_int ran;
	struct inside inside;
} shared;

static void *count_in_turn(void *arg)
{
	take_turns(shared.fd, &shared.inside, shared.rounds);
	return NULL;
}

FIXTURE(exclusive) {
	pthread_t threads[MOST_TASKS];
};

FIXTURE_VARIANT(exclusive) {
	int turns, tasks;
};

FIXTURE_VARIANT_ADD(exclusive, turns_1_tasks_2) { 1, 2 };
FIXTURE_VARIANT_ADD(exclusive, turns_1_tasks_10) { 1, 10 };
FIXTURE_VARIANT_ADD(exclusive, turns_1_tasks_1000) { 1, 1000 };
FIXTURE_VARIANT_ADD(exclusive, turns_2_tasks_100) { 2, 100 };
FIXTURE_VARIANT_ADD(exclusive, turns_8_tasks_100) { 8, 100 };
FIXTURE_VARIANT_ADD(exclusive, turns_8_tasks_1000) { 8, 1000 };

FIXTURE_SETUP(exclusive)
{
	memset(&shared, 0, sizeof(shared));
	shared.fd = open_group(variant->turns);
	ASSERT_LE(0, shared.fd);
	shared.inside.turns = variant->turns;
	shared.rounds = 100000 / variant->tasks;
}

FIXTURE_TEARDOWN(exclusive)
{
	close(shared.fd);
}

TEST_F_TIMEOUT(exclusive, over_100000_yields, 600)
{
	struct coop_stat stat;

	for (int i = 0; i < variant->tasks; i++)
		ASSERT_EQ(0, start(&self->threads[i], count_in_turn, NULL));
	for (int i = 0; i < variant->tasks; i++)
		pthread_join(self->threads[i], NULL);
	EXPECT_EQ(0, shared.inside.broken);
	if (variant->turns == 1)
		EXPECT_EQ((long)shared.rounds * variant->tasks,
			  shared.inside.counter);
	ASSERT_EQ(0, get_stat(shared.fd, 0, &stat));
	EXPECT_EQ(0, stat.tasks);
	EXPECT_EQ(0, stat.ready);
	EXPECT_EQ(0, stat.running);
}

static void *note_order(void *arg)
{
	long me = (long)arg;

	join(shared.fd);
	shared.order[shared.ran++] = me;
	yield(shared.fd);
	leave(shared.fd);
	return NULL;
}

FIXTURE(order) {
	pthread_t threads[MOST_TASKS];
};

FIXTURE_SETUP(order)
{
	memset(&shared, 0, sizeof(shared));
	shared.fd = open_group(1);
	ASSERT_LT(0, join(shared.fd));
}

FIXTURE_TEARDOWN(order)
{
	close(shared.fd);
}

TEST_F_TIMEOUT(order, first_in_first_out, 120)
{
	for (long i = 0; i < MOST_TASKS; i++) {
		ASSERT_EQ(0, start(&self->threads[i], note_order, (void *)i));
		ASSERT_TRUE(wait_ready(shared.fd, i + 1));
	}
	EXPECT_EQ(0, yield(shared.fd));
	EXPECT_EQ(MOST_TASKS, shared.ran);
	for (int i = 0; i < MOST_TASKS; i++)
		EXPECT_EQ(i, shared.order[i]);
	leave(shared.fd);
	for (int i = 0; i < MOST_TASKS; i++)
		pthread_join(self->threads[i], NULL);
}

static atomic_int handled;

static void note_signal(int signal)
{
	handled++;
}

TEST_F(order, cut_short_by_a_signal_comes_back_first)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGUSR1, &action, NULL);
	for (long i = 0; i < 3; i++) {
		ASSERT_EQ(0, start(&self->threads[i], note_order, (void *)i));
		ASSERT_TRUE(wait_ready(shared.fd, i + 1));
	}
	pthread_kill(self->threads[1], SIGUSR1);
	while (!handled)
		usleep(1000);
	ASSERT_TRUE(wait_ready(shared.fd, 3));
	EXPECT_EQ(0, yield(shared.fd));
	EXPECT_EQ(1, shared.order[0]);
	EXPECT_EQ(0, shared.order[1]);
	EXPECT_EQ(2, shared.order[2]);
	leave(shared.fd);
	for (int i = 0; i < 3; i++)
		pthread_join(self->threads[i], NULL);
}

TEST_F(order, handed_over_by_name_jumps_the_queue)
{
	struct coop_stat stat;
	int id;

	for (long i = 0; i < 5; i++) {
		ASSERT_EQ(0, start(&self->threads[i], note_order, (void *)i));
		ASSERT_TRUE(wait_ready(shared.fd, i + 1));
	}
	/* Ids are given in order; the fourth thread is the last but one. */
	ASSERT_EQ(0, get_stat(shared.fd, 0, &stat));
	for (id = 1; id < 100; id++)
		if (!get_stat(shared.fd, id, &stat) && stat.state == COOP_TASK_RUNNING)
			break;
	EXPECT_EQ(0, hand_over(shared.fd, id + 4));
	EXPECT_EQ(5, shared.ran);
	EXPECT_EQ(3, shared.order[0]);
	EXPECT_EQ(0, shared.order[1]);
	ASSERT_EQ(0, get_stat(shared.fd, 0, &stat));
	EXPECT_EQ(1, stat.handovers);
	leave(shared.fd);
	for (int i = 0; i < 5; i++)
		pthread_join(self->threads[i], NULL);
}

TEST_F(order, nobody_ready_returns_at_once)
{
	struct coop_stat stat;

	EXPECT_EQ(0, yield(shared.fd));
	ASSERT_EQ(0, get_stat(shared.fd, 0, &stat));
	EXPECT_EQ(1, stat.switches);
}

static void *yield_many(void *arg)
{
	int perf = *(int *)arg;

	join(shared.fd);
	ioctl(perf, PERF_EVENT_IOC_ENABLE, 0);
	for (int i = 0; i < shared.rounds; i++)
		yield(shared.fd);
	ioctl(perf, PERF_EVENT_IOC_DISABLE, 0);
	leave(shared.fd);
	return NULL;
}

/* Two in a hundred are let pass: kernel threads run on this CPU, too. */
TEST_F_TIMEOUT(order, one_context_switch_a_yield, 120)
{
	int perf[2] = { count_context_switches(), -1 };
	struct coop_stat stat;
	__u64 count = 0;
	int yields;

	if (perf[0] < 0)
		SKIP(return, "cannot count context switches (%s): be root",
		     strerror(errno));
	pin_to_one_cpu();
	shared.rounds = 10000;
	yields = 2 * shared.rounds;
	/* The first one counts from its first yield to its last. */
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, start(&self->threads[i], yield_many, &perf[i]));
		ASSERT_TRUE(wait_ready(shared.fd, i + 1));
	}
	leave(shared.fd);
	for (int i = 0; i < 2; i++)
		pthread_join(self->threads[i], NULL);
	ASSERT_EQ(0, get_stat(shared.fd, 0, &stat));
	EXPECT_LE(yields, stat.switches);
	ASSERT_EQ(sizeof(count), read(perf[0], &count, sizeof(count)));
	EXPECT_LE(yields, count);
	EXPECT_GE(yields + yields / 50 + 50, count);
	close(perf[0]);
}

TEST_HARNESS_MAIN
