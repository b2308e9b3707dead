// SPDX-License-Identifier: GPL-2.0
/*
 * Turns given back by tasks that block. P1, P2, P3 and P5 between a block and
 * the next instruction of user code.
 */
#include "coop_test.h"

#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

/* Longer than any time slice: who may run beside us, does. */
#define TICKS 20000000

static struct {
	int fd, pipe[2];
	pthread_t thread;
	atomic_int tid, id;
	atomic_bool blocked_is_back, in_handler, has_called;
	atomic_long ticks;
} shared;

static void on_signal(int signal)
{
	atomic_store(&shared.in_handler, true);
}

/* Joins, blocks until there is something to read, and says that it is back. */
static void *block_once(void *arg)
{
	char byte;

	shared.tid = gettid();
	shared.id = join(shared.fd);
	if (read(shared.pipe[0], &byte, 1) != 1)
		return NULL;
	atomic_store(&shared.blocked_is_back, true);
	while (shared.ticks < TICKS)
		shared.ticks++;
	leave(shared.fd);
	return NULL;
}

/* As block_once(), but its next call wants a turn. */
static void *block_and_yield(void *arg)
{
	char byte;

	shared.id = join(shared.fd);
	if (read(shared.pipe[0], &byte, 1) != 1)
		return NULL;
	atomic_store(&shared.blocked_is_back, true);
	yield(shared.fd);
	atomic_store(&shared.has_called, true);
	leave(shared.fd);
	return NULL;
}

static bool task_state_is(int id, unsigned int state)
{
	struct coop_stat stat;

	for (int i = 0; i < 10000; i++, usleep(1000))
		if (!get_stat(shared.fd, id, &stat) && stat.state == state)
			return true;
	return false;
}

/* Without a sleep of our own, which would cost us the turn that we hold. */
static void watch_until_ready(int id)
{
	struct coop_stat stat;

	while (get_stat(shared.fd, id, &stat) || stat.state != COOP_TASK_READY)
		;
}

/* Some work for which no system call is needed. */
static void spin(int rounds)
{
	for (volatile int i = 0; i < rounds * 10000; i++)
		;
}

FIXTURE(block) {
	struct coop_stat stat;
};

FIXTURE_SETUP(block)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	memset(&shared, 0, sizeof(shared));
	mlockall(MCL_CURRENT | MCL_FUTURE);
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, pipe(shared.pipe));
	shared.fd = open_group_with(1, 0);
	ASSERT_LE(0, shared.fd);
}

FIXTURE_TEARDOWN(block)
{
	close(shared.fd);
	close(shared.pipe[0]);
	close(shared.pipe[1]);
}

/* Leave a thread blocked in read(), with the turn free. */
#define START_BLOCKED_IN(run)						\
	do {								\
		ASSERT_EQ(0, start(&shared.thread, run, NULL));		\
		while (!shared.id)					\
			usleep(1000);					\
		ASSERT_TRUE(task_state_is(shared.id, COOP_TASK_OUT));	\
	} while (0)

#define START_BLOCKED() START_BLOCKED_IN(block_once)

/* Join, and let it wait for a turn on its way back to user code. */
#define WAKE_WHILE_RUNNING()						\
	do {								\
		ASSERT_LT(0, join(shared.fd));				\
		ASSERT_EQ(1, write(shared.pipe[1], "", 1));		\
		watch_until_ready(shared.id);				\
	} while (0)

TEST_F(block, passes_the_turn_on)
{
	START_BLOCKED();
	ASSERT_LT(0, join(shared.fd));
	ASSERT_EQ(0, get_stat(shared.fd, shared.id, &self->stat));
	EXPECT_EQ(1, self->stat.blocks);
	EXPECT_EQ(0, self->stat.stalls);
	EXPECT_EQ(1, self->stat.running);
	leave(shared.fd);
	ASSERT_EQ(1, write(shared.pipe[1], "", 1));
	pthread_join(shared.thread, NULL);
}

TEST_F(block, waits_for_a_turn_before_user_code)
{
	REQUIRE_STRICT();
	START_BLOCKED();
	WAKE_WHILE_RUNNING();
	spin(1000);
	EXPECT_FALSE(shared.blocked_is_back);
	EXPECT_EQ(0, yield(shared.fd));
	EXPECT_TRUE(shared.blocked_is_back);
	leave(shared.fd);
	pthread_join(shared.thread, NULL);
}

/* Without COOP_FEATURE_STRICT it runs beside us until then. */
TEST_F(block, waits_for_a_turn_in_its_next_call_at_the_latest)
{
	/* Asked first: on PREEMPT_RT, to close the group that it opens blocks. */
	bool strict = is_strict();

	START_BLOCKED_IN(block_and_yield);
	WAKE_WHILE_RUNNING();
	EXPECT_EQ(!strict, shared.blocked_is_back);
	spin(1000);
	EXPECT_FALSE(shared.has_called);
	leave(shared.fd);
	pthread_join(shared.thread, NULL);
	EXPECT_TRUE(shared.has_called);
}

TEST_F(block, a_signal_on_the_way_back_seizes_the_turn)
{
	long ticks;

	REQUIRE_STRICT();
	START_BLOCKED();
	WAKE_WHILE_RUNNING();
	EXPECT_EQ(0, syscall(SYS_tgkill, getpid(), shared.tid, SIGUSR1));
	/* It seizes our turn, so we get no further before it has ended. */
	while (!shared.in_handler)
		;
	EXPECT_EQ(TICKS, shared.ticks);
	leave(shared.fd);
	pthread_join(shared.thread, NULL);
	EXPECT_TRUE(shared.blocked_is_back);
}

TEST_F(block, free_turn_is_taken_at_once)
{
	START_BLOCKED();
	ASSERT_EQ(1, write(shared.pipe[1], "", 1));
	pthread_join(shared.thread, NULL);
	EXPECT_TRUE(shared.blocked_is_back);
	ASSERT_EQ(0, get_stat(shared.fd, 0, &self->stat));
	EXPECT_EQ(0, self->stat.tasks);
	EXPECT_EQ(0, self->stat.running);
}

TEST_F(block, closing_the_last_descriptor_lets_it_go)
{
	REQUIRE_STRICT();
	START_BLOCKED();
	WAKE_WHILE_RUNNING();
	close(shared.fd);
	pthread_join(shared.thread, NULL);
	EXPECT_TRUE(shared.blocked_is_back);
	shared.fd = open_group_with(1, 0);
	EXPECT_LT(0, join(shared.fd));
}

TEST_F(block, sigkill_on_the_way_back)
{
	int status, *id = mmap(NULL, sizeof(*id), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	REQUIRE_STRICT();
	child = fork();
	if (!child) {
		char byte;

		*id = join(shared.fd);
		_exit(read(shared.pipe[0], &byte, 1) != 1);
	}
	while (!(shared.id = *(volatile int *)id))
		usleep(1000);
	ASSERT_TRUE(task_state_is(shared.id, COOP_TASK_OUT));
	WAKE_WHILE_RUNNING();
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, yield(shared.fd));
	ASSERT_TRUE(wait_tasks(shared.fd, 1));
	munmap(id, sizeof(*id));
}

/* A child process that takes a turn over and over, and can be stopped. */
static pid_t start_looping_child(int *id, volatile long *loops)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	*id = join(shared.fd);
	for (;;) {
		++*loops;
		usleep(100);
	}
}

FIXTURE(stop) {
	struct { int id; volatile long loops; } *child;
	pid_t pid;
};

FIXTURE_VARIANT(stop) {
	bool traced;
};

FIXTURE_VARIANT_ADD(stop, by_signal) { false };
FIXTURE_VARIANT_ADD(stop, by_debugger) { true };

FIXTURE_SETUP(stop)
{
	memset(&shared, 0, sizeof(shared));
	shared.fd = open_group_with(1, 0);
	self->child = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	self->pid = start_looping_child(&self->child->id, &self->child->loops);
	while (self->child->loops < 3)
		usleep(1000);
}

FIXTURE_TEARDOWN(stop)
{
	kill(self->pid, SIGKILL);
	waitpid(self->pid, NULL, 0);
	munmap(self->child, 4096);
	close(shared.fd);
}

/*
 * The child comes back from its sleep while we have the turn, and waits for it;
 * there the stop finds it. It seizes our turn to obey, and stops, which gives
 * the turn back; it then waits for one before it goes on.
 */
TEST_F(stop, reaches_a_task_on_its_way_back)
{
	long loops;
	int status;

	REQUIRE_STRICT();
	for (int round = 0; round < 200; round++) {
		ASSERT_LT(0, join(shared.fd));
		watch_until_ready(self->child->id);
		if (variant->traced && !round)
			ASSERT_EQ(0, ptrace(PTRACE_SEIZE, self->pid, 0, 0));
		if (variant->traced)
			ptrace(PTRACE_INTERRUPT, self->pid, 0, 0);
		else
			kill(self->pid, SIGSTOP);
		ASSERT_EQ(self->pid, waitpid(self->pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		loops = self->child->loops;
		if (variant->traced)
			ptrace(PTRACE_CONT, self->pid, 0, 0);
		else
			kill(self->pid, SIGCONT);
		spin(1);
		EXPECT_GE(loops + 1, self->child->loops);
		leave(shared.fd);
		while (self->child->loops <= loops)
			usleep(100);
	}
}

static void *hog(void *arg)
{
	while (!shared.in_handler)
		;
	return NULL;
}

/* Also while the state is set to sleep: read() of a pipe does that all along. */
TEST_F(block, to_be_preempted_is_not_to_block)
{
	pthread_t thread;
	struct rusage before, after;

	pin_to_one_cpu();
	ASSERT_EQ(0, start(&thread, hog, NULL));
	shared.id = join(shared.fd);
	getrusage(RUSAGE_THREAD, &before);
	do {
		spin(10);
		getrusage(RUSAGE_THREAD, &after);
	} while (after.ru_nivcsw < before.ru_nivcsw + 20);
	ASSERT_EQ(0, get_stat(shared.fd, shared.id, &self->stat));
	EXPECT_EQ(0, self->stat.blocks);
	EXPECT_EQ(1, self->stat.switches);
	shared.in_handler = true;
	pthread_join(thread, NULL);
}

TEST(atomic_group_keeps_the_turn_of_one_that_blocks)
{
	struct coop_stat stat;
	pthread_t thread;
	int id;

	memset(&shared, 0, sizeof(shared));
	shared.fd = open_group_with(1, COOP_GROUP_ATOMIC);
	ASSERT_EQ(0, pipe(shared.pipe));
	id = join(shared.fd);
	ASSERT_EQ(0, start(&thread, block_once, NULL));
	ASSERT_TRUE(wait_ready(shared.fd, 1));
	usleep(20000);
	EXPECT_EQ(0, shared.id);
	ASSERT_EQ(0, get_stat(shared.fd, id, &stat));
	EXPECT_EQ(0, stat.blocks);
	EXPECT_LE(1, stat.stalls);
	ASSERT_EQ(1, write(shared.pipe[1], "", 1));
	leave(shared.fd);
	pthread_join(thread, NULL);
	close(shared.fd);
}

/* A page that another thread supplies late. */
static void *touch_page(void *page)
{
	shared.id = join(shared.fd);
	shared.ticks = *(volatile char *)page;
	leave(shared.fd);
	return NULL;
}

TEST_F(block, in_a_page_fault_served_late)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range;
	struct uffdio_copy copy;
	char source[4096] = { 42 };
	pthread_t thread;
	char *page;
	int uffd;

	REQUIRE_STRICT();
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		SKIP(return, "userfaultfd needs root or its sysctl");
	munlockall();
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	range = (struct uffdio_register){
		.range = { (unsigned long)page, 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &range));
	ASSERT_EQ(0, start(&thread, touch_page, page));
	while (!shared.id)
		usleep(1000);
	ASSERT_TRUE(task_state_is(shared.id, COOP_TASK_OUT));
	ASSERT_LT(0, join(shared.fd));
	copy = (struct uffdio_copy){
		.dst = (unsigned long)page, .src = (unsigned long)source,
		.len = 4096,
	};
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_COPY, &copy));
	watch_until_ready(shared.id);
	EXPECT_EQ(0, shared.ticks);
	leave(shared.fd);
	pthread_join(thread, NULL);
	EXPECT_EQ(42, shared.ticks);
	munmap(page, 4096);
	close(uffd);
}

TEST_HARNESS_MAIN
