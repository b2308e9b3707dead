// SPDX-License-Identifier: GPL-2.0
/* P1 exclusive, P2, P4 fair: who runs, in which order, and never two. */
#include <stdatomic.h>

#include "coop_test.h"

#define MOST_TASKS 1000

static struct {
	int fd, rounds, turns, order[MOST_TASKS], ids[MOST_TASKS];
	atomic_int inside, broken, ran;
	volatile long counter;
} shared;

static void *count_in_turn(void *arg)
{
	if (join(shared.fd) <= 0)
		shared.broken++;
	for (int i = 0; i < shared.rounds; i++) {
		if (atomic_fetch_add(&shared.inside, 1) >= shared.turns)
			shared.broken++;
		if (shared.turns == 1) {
			/* A window in which a second one would be noticed. */
			long was = shared.counter;

			for (volatile int work = 0; work < 20; work++)
				;
			shared.counter = was + 1;
		}
		atomic_fetch_sub(&shared.inside, 1);
		if (yield(shared.fd))
			shared.broken++;
	}
	atomic_fetch_add(&shared.inside, 1);
	atomic_fetch_sub(&shared.inside, 1);
	leave(shared.fd);
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
	REQUIRE_COOP();
	memset(&shared, 0, sizeof(shared));
	shared.fd = open_group(variant->turns);
	ASSERT_LE(0, shared.fd);
	shared.turns = variant->turns;
	shared.rounds = 100000 / variant->tasks;
}

FIXTURE_TEARDOWN(exclusive)
{
	close(shared.fd);
}

TEST_F_TIMEOUT(exclusive, over_100000_yields, 120)
{
	struct coop_stat stat;

	for (int i = 0; i < variant->tasks; i++)
		ASSERT_EQ(0, start(&self->threads[i], count_in_turn, NULL));
	for (int i = 0; i < variant->tasks; i++)
		pthread_join(self->threads[i], NULL);
	EXPECT_EQ(0, shared.broken);
	if (variant->turns == 1)
		EXPECT_EQ((long)shared.rounds * variant->tasks, shared.counter);
	ASSERT_EQ(0, get_stat(shared.fd, 0, &stat));
	EXPECT_EQ(0, stat.tasks);
	EXPECT_EQ(0, stat.ready);
	EXPECT_EQ(0, stat.running);
}

static void *note_order(void *arg)
{
	long me = (long)arg;

	shared.ids[me] = join(shared.fd);
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
	REQUIRE_COOP();
	memset(&shared, 0, sizeof(shared));
	shared.fd = open_group(1);
	ASSERT_LT(0, join(shared.fd));
}

FIXTURE_TEARDOWN(order)
{
	close(shared.fd);
}

TEST_F(order, first_in_first_out)
{
	const int tasks = 200;

	for (long i = 0; i < tasks; i++) {
		ASSERT_EQ(0, start(&self->threads[i], note_order, (void *)i));
		ASSERT_TRUE(wait_ready(shared.fd, i + 1));
	}
	EXPECT_EQ(0, yield(shared.fd));
	EXPECT_EQ(tasks, shared.ran);
	for (int i = 0; i < tasks; i++)
		EXPECT_EQ(i, shared.order[i]);
	leave(shared.fd);
	for (int i = 0; i < tasks; i++)
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
	struct rusage usage;

	if (join(shared.fd) <= 0)
		shared.broken++;
	for (int i = 0; i < shared.rounds; i++)
		yield(shared.fd);
	getrusage(RUSAGE_THREAD, &usage);
	shared.counter += usage.ru_nvcsw;
	leave(shared.fd);
	return NULL;
}

TEST_F(order, one_context_switch_a_hand_over)
{
	struct coop_stat stat;

	pin_to_one_cpu();
	shared.rounds = 2000;
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, start(&self->threads[i], yield_many, NULL));
		ASSERT_TRUE(wait_ready(shared.fd, i + 1));
	}
	leave(shared.fd);
	for (int i = 0; i < 2; i++)
		pthread_join(self->threads[i], NULL);
	ASSERT_EQ(0, get_stat(shared.fd, 0, &stat));
	/* Each grant but the first and last of a task follows one sleep. */
	EXPECT_LE(2 * shared.rounds, shared.counter + 4);
	EXPECT_GE(stat.switches + 20, shared.counter);
}

TEST_HARNESS_MAIN
