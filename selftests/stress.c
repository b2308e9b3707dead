// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls, signals and deaths in several processes that share a group.
 *
 *	COOP_SECONDS	how long each variant runs, 10 by default
 *	COOP_SEED	what chooses; printed, by default another one each time
 *
 * The test's own process is the director: no task, it kills, replaces and
 * signals the others, whose threads are tasks and do anything a task may do.
 */
#include "stress.h"

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

/* STAT looks with the lock held, so once is enough. */
static void *watch(void *arg)
{
	struct coop_stat stat;

	for (; !arena->finished; usleep(1000)) {
		get_stat(arena->fd, 0, &stat);
		if (stat.ready && stat.running < stat.turns)
			complain("a task is READY beside a free turn", 0);
		if (stat.ready + stat.running + stat.waiting > stat.tasks)
			complain("more tasks are counted than there are", 0);
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

static void stop_a_while(struct actor *director, pid_t pid)
{
	arena->stops++;
	kill(pid, SIGSTOP);
	usleep(draw(director, 2000));
	kill(pid, SIGCONT);
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
	if (!draw(director, 10))
		stop_a_while(director, pid);
	wake(arena->fd, any_id(director));
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
	struct coop_setup setup;
};

FIXTURE_VARIANT_ADD(stress, turns_1_atomic) {
	{ 1, COOP_GROUP_ATOMIC, COOP_BUDGET_MIN } };
FIXTURE_VARIANT_ADD(stress, turns_3_atomic) {
	{ MOST_TURNS, COOP_GROUP_ATOMIC } };
FIXTURE_VARIANT_ADD(stress, turns_1) { { 1, 0 } };
FIXTURE_VARIANT_ADD(stress, turns_3) { { MOST_TURNS, 0, COOP_BUDGET_MIN } };
FIXTURE_VARIANT_ADD(stress, turns_1_preempt) {
	{ 1, COOP_GROUP_PREEMPT, COOP_BUDGET_MIN } };
FIXTURE_VARIANT_ADD(stress, turns_3_preempt) {
	{ MOST_TURNS, COOP_GROUP_PREEMPT, COOP_BUDGET_MIN } };

static bool set_up_arena(struct coop_setup setup)
{
	struct coop_info info;
	bool strict;

	arena = map_shared(sizeof(*arena));
	arena->turns = setup.turns;
	arena->flags = setup.flags;
	arena->fd = open("/dev/coop", O_RDWR | O_CLOEXEC);
	arena->other = open_group(1);
	arena->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (arena->fd < 0 || arena->other < 0 || arena->event < 0 ||
	    ioctl(arena->fd, COOP_IOC_INFO, &info))
		return false;
	strict = info.features & COOP_FEATURE_STRICT;
	arena->lone = strict && setup.turns == 1 &&
		      !(setup.flags & COOP_GROUP_ATOMIC);
	if (!strict)
		setup.flags &= ~COOP_GROUP_PREEMPT;
	return !ioctl(arena->fd, COOP_IOC_SETUP, &setup);
}

FIXTURE_SETUP(stress)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_TRUE(set_up_arena(variant->setup));
	ASSERT_EQ(0, start(&self->watchdog, watch, NULL));
}

FIXTURE_TEARDOWN(stress)
{
	close(arena->event);
	close(arena->other);
	close(arena->fd);
	munmap(arena, sizeof(*arena));
}

TEST_F_TIMEOUT(stress, of_everything, 24 * 3600)
{
	int seconds = environment("COOP_SECONDS", 10);
	struct actor director = {
		.seed = environment("COOP_SEED", time(NULL) % 1000000),
	};
	struct coop_stat stat;

	TH_LOG("COOP_SEED=%u COOP_SECONDS=%d", director.seed, seconds);
	direct(&director, seconds);
	TH_LOG("%ld turns, %ld of %d signals handled, %d forks, %d execs",
	       arena->turns_taken, arena->handled, arena->signals,
	       arena->forks, arena->execs);
	TH_LOG("%d processes killed, %d stopped, %d threads ended as tasks",
	       arena->kills, arena->stops, arena->thread_deaths);
	TH_LOG("%ld waits ended, %ld calls refused, %ld looks for others",
	       arena->waits, arena->refused, arena->looks);
	EXPECT_LT(0, arena->turns_taken);
	EXPECT_TRUE(wait_tasks(arena->fd, 0));
	EXPECT_TRUE(wait_tasks(arena->other, 0));
	arena->finished = 1;
	pthread_join(self->watchdog, NULL);
	EXPECT_LT(0, join(arena->fd));
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(0, yield(arena->fd));
	ASSERT_EQ(0, get_stat(arena->fd, 0, &stat));
	EXPECT_EQ(1, stat.tasks);
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(0, stat.ready + stat.waiting);
	EXPECT_EQ(0, leave(arena->fd));
	EXPECT_EQ(0, arena->broken);
}

TEST_HARNESS_MAIN
