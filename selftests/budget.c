// SPDX-License-Identifier: GPL-2.0
/* How long a turn may last: overruns are counted, and taken if so wished. */
#include "coop_test.h"

#define BUDGET	COOP_BUDGET_MIN

static int set_up(int fd, unsigned int flags, __u64 budget)
{
	struct coop_setup setup = {
		.turns = 1, .flags = flags, .budget = budget };

	return ioctl(fd, COOP_IOC_SETUP, &setup);
}

static int open_budget(unsigned int turns, unsigned int flags)
{
	struct coop_setup setup = {
		.turns = turns, .flags = flags, .budget = BUDGET };
	int fd = open("/dev/coop", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, COOP_IOC_SETUP, &setup))
		abort();
	return fd;
}

static __u64 overruns(int fd, int task)
{
	struct coop_stat stat;

	if (get_stat(fd, task, &stat))
		abort();
	return stat.overruns;
}

static void spin_budgets(int n)
{
	__u64 end = now() + n * BUDGET;

	while (now() < end)
		;
}

TEST(setup)
{
	int fd;

	fd = open("/dev/coop", O_RDWR | O_CLOEXEC);
	EXPECT_ERRNO(EINVAL, set_up(fd, 0, 1));
	EXPECT_ERRNO(EINVAL, set_up(fd, 0, BUDGET - 1));
	EXPECT_ERRNO(EINVAL, set_up(fd, COOP_GROUP_PREEMPT, 0));
	EXPECT_ERRNO(EINVAL, set_up(fd, COOP_GROUP_PREEMPT | COOP_GROUP_ATOMIC,
				    BUDGET));
	EXPECT_EQ(0, set_up(fd, COOP_GROUP_ATOMIC, BUDGET));
	if (is_strict()) {
		EXPECT_EQ(0, set_up(fd, COOP_GROUP_PREEMPT, BUDGET));
	} else {
		EXPECT_ERRNO(EOPNOTSUPP,
			     set_up(fd, COOP_GROUP_PREEMPT, BUDGET));
	}
	EXPECT_EQ(0, set_up(fd, 0, ~0ULL));
	EXPECT_LT(0, join(fd));
	EXPECT_EQ(0, overruns(fd, 0));
	EXPECT_EQ(0, leave(fd));
	close(fd);
}

TEST(a_turn_is_counted_once)
{
	int fd, me;

	fd = open_budget(1, 0);
	me = join(fd);
	ASSERT_LT(0, me);
	while (!overruns(fd, me))
		;
	spin_budgets(5);
	EXPECT_EQ(1, overruns(fd, me));
	EXPECT_EQ(1, overruns(fd, 0));
	/* The next turn is counted anew; the timer has to be started for it. */
	ASSERT_EQ(0, leave(fd));
	spin_budgets(5);
	me = join(fd);
	while (!overruns(fd, me))
		;
	EXPECT_EQ(2, overruns(fd, 0));
	close(fd);
}

TEST(no_budget_no_overrun)
{
	int fd;

	fd = open_group_with(1, 0);
	ASSERT_LT(0, join(fd));
	spin_budgets(20);
	EXPECT_EQ(0, overruns(fd, 0));
	close(fd);
}

/* With nobody READY it keeps its turn, and yet has not forgotten the others. */
TEST(a_yield_alone_begins_a_new_turn)
{
	int fd, me;

	fd = open_budget(1, 0);
	me = join(fd);
	while (!overruns(fd, me))
		;
	ASSERT_EQ(0, yield(fd));
	while (overruns(fd, me) < 2)
		;
	EXPECT_EQ(2, overruns(fd, 0));
	close(fd);
}

/*
 * Never gives its turn up. A turn can be taken between any two lines, so a task
 * looks whether another one goes on while it has one and the same turn.
 */
struct hog {
	pthread_t thread;
	int fd;
	struct hog *other;
	atomic_int *stop;
	atomic_int id, began, looked, broken;
	atomic_long worked;
};

static __u64 turns_of(struct hog *hog)
{
	struct coop_stat stat;

	if (get_stat(hog->fd, hog->id, &stat))
		abort();
	return stat.switches;
}

static void look(struct hog *hog)
{
	__u64 turn = turns_of(hog);
	long other = hog->other->worked;

	for (volatile int work = 0; work < 2000; work++)
		;
	if (hog->other->worked == other)
		return;
	if (turns_of(hog) == turn)
		hog->broken = 1;
	hog->looked++;
}

static void *hog(void *arg)
{
	struct hog *hog = arg;

	hog->id = join(hog->fd);
	hog->began = 1;
	while (!*hog->stop) {
		hog->worked++;
		if (hog->other && hog->worked % 100 == 0)
			look(hog);
	}
	leave(hog->fd);
	return NULL;
}

static void start_hogs(struct hog *hogs, int n, int fd, atomic_int *stop)
{
	for (int i = 0; i < n; i++) {
		hogs[i].fd = fd;
		hogs[i].stop = stop;
		if (start(&hogs[i].thread, hog, &hogs[i]))
			abort();
	}
	for (int i = 0; i < n; i++)
		while (!hogs[i].began)
			usleep(1000);
}

TEST(a_hog_keeps_its_turn)
{
	struct hog one = {}, two = {};
	atomic_int stop = 0;
	int fd;

	fd = open_budget(1, 0);
	start_hogs(&one, 1, fd, &stop);
	two.fd = fd;
	two.stop = &stop;
	ASSERT_EQ(0, start(&two.thread, hog, &two));
	ASSERT_TRUE(wait_ready(fd, 1));
	while (!overruns(fd, one.id))
		usleep(1000);
	usleep(20000);
	EXPECT_EQ(0, two.began);
	stop = 1;
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	close(fd);
}

TEST(a_turn_is_taken)
{
	struct hog hogs[2] = {};
	atomic_int stop = 0;
	int fd;

	REQUIRE_STRICT();
	fd = open_budget(1, COOP_GROUP_PREEMPT);
	hogs[0].other = &hogs[1];
	hogs[1].other = &hogs[0];
	start_hogs(hogs, 2, fd, &stop);
	/* Turns went to and fro, and some did so while one was looking. */
	while (turns_of(&hogs[0]) < 20 || turns_of(&hogs[1]) < 20 ||
	       !hogs[0].looked || !hogs[1].looked)
		usleep(1000);
	stop = 1;
	for (int i = 0; i < 2; i++) {
		pthread_join(hogs[i].thread, NULL);
		EXPECT_EQ(0, hogs[i].broken);
	}
	EXPECT_LE(2, overruns(fd, 0));
	close(fd);
}

TEST(all_get_their_turns)
{
	struct hog hogs[5] = {};
	atomic_int stop = 0;
	struct coop_stat stat;
	int fd;

	REQUIRE_STRICT();
	fd = open_budget(2, COOP_GROUP_PREEMPT);
	start_hogs(hogs, 5, fd, &stop);
	for (int i = 0; i < 5; i++)
		while (turns_of(&hogs[i]) < 5)
			usleep(1000);
	ASSERT_EQ(0, get_stat(fd, 0, &stat));
	EXPECT_GE(2, stat.running);
	stop = 1;
	for (int i = 0; i < 5; i++)
		pthread_join(hogs[i].thread, NULL);
	close(fd);
}

TEST(nobody_waits_nothing_is_taken)
{
	struct coop_stat stat;
	int fd, me;

	REQUIRE_STRICT();
	fd = open_budget(1, COOP_GROUP_PREEMPT);
	me = join(fd);
	while (!overruns(fd, me))
		;
	spin_budgets(5);
	ASSERT_EQ(0, get_stat(fd, me, &stat));
	EXPECT_EQ(1, stat.switches);
	close(fd);
}

static atomic_int handled;

static void count(int signal)
{
	handled++;
}

TEST(a_storm_of_signals)
{
	struct sigaction action = { .sa_handler = count };
	struct hog hogs[2] = {};
	int fd, rounds = 2000;
	atomic_int stop = 0;

	REQUIRE_STRICT();
	fd = open_budget(1, COOP_GROUP_PREEMPT);
	sigaction(SIGUSR1, &action, NULL);
	hogs[0].other = &hogs[1];
	hogs[1].other = &hogs[0];
	start_hogs(hogs, 2, fd, &stop);
	while (rounds--)
		pthread_kill(hogs[rounds % 2].thread, SIGUSR1);
	stop = 1;
	for (int i = 0; i < 2; i++) {
		pthread_join(hogs[i].thread, NULL);
		EXPECT_EQ(0, hogs[i].broken);
	}
	EXPECT_LT(0, handled);
	close(fd);
}

TEST_F_TIMEOUT(group, killed_as_it_loses_its_turn, 120)
{
	int fd, status;
	pid_t child;

	REQUIRE_STRICT();
	fd = open_budget(1, COOP_GROUP_PREEMPT);
	for (int i = 0; i < 50; i++) {
		child = fork_child();
		if (!child) {
			atomic_int stop = 0;
			struct hog alone = { .fd = fd, .stop = &stop };

			hog(&alone);
			_exit(0);
		}
		ASSERT_TRUE(wait_tasks(fd, 1));
		ASSERT_LT(0, join(fd));
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_EQ(0, leave(fd));
		ASSERT_TRUE(wait_tasks(fd, 0));
	}
	close(fd);
}

TEST_HARNESS_MAIN
