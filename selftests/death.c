// SPDX-License-Identifier: GPL-2.0
/* P3, P5, P6: however a task dies, is cut short or stopped, turns go on. */
#include "coop_test.h"

#include <sys/ptrace.h>

enum { RETURN, PTHREAD_EXIT, EXIT_GROUP, KILLED, FAULT, EXEC, EXEC_KEPT };

static int the_fd;
static int *volatile nowhere;

static void *die(void *how)
{
	if (join(the_fd) <= 0)
		_exit(99);
	switch ((long)how) {
	case RETURN:
		return NULL;
	case PTHREAD_EXIT:
		pthread_exit(NULL);
	case EXIT_GROUP:
		syscall(SYS_exit_group, 0);
	case KILLED:
		kill(getpid(), SIGKILL);
		break;
	case FAULT:
		*nowhere = 0;
		break;
	case EXEC_KEPT:
		fcntl(the_fd, F_SETFD, 0);
		/* fall through */
	case EXEC:
		execl("/bin/sleep", "sleep", "1000", NULL);
	}
	return NULL;
}

FIXTURE(death) {
	int fd;
};

FIXTURE_VARIANT(death) {
	long how;
};

FIXTURE_VARIANT_ADD(death, by_return) { RETURN };
FIXTURE_VARIANT_ADD(death, by_pthread_exit) { PTHREAD_EXIT };
FIXTURE_VARIANT_ADD(death, by_exit_group) { EXIT_GROUP };
FIXTURE_VARIANT_ADD(death, by_sigkill) { KILLED };
FIXTURE_VARIANT_ADD(death, by_fault) { FAULT };
FIXTURE_VARIANT_ADD(death, by_exec) { EXEC };
FIXTURE_VARIANT_ADD(death, by_exec_with_descriptor) { EXEC_KEPT };

FIXTURE_SETUP(death)
{
	REQUIRE_COOP();
	self->fd = the_fd = open_group(1);
	ASSERT_LT(0, join(the_fd));
}

FIXTURE_TEARDOWN(death)
{
	close(the_fd);
}

TEST_F(death, of_the_running_task)
{
	struct coop_stat stat;
	pthread_t thread;
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		start(&thread, die, (void *)variant->how);
		pthread_join(thread, NULL);
		if (variant->how > PTHREAD_EXIT)
			pause();
		_exit(0);
	}
	ASSERT_TRUE(wait_ready(the_fd, 1));
	/* The child runs, dies with the turn, and we get it back. */
	EXPECT_EQ(0, yield(the_fd));
	ASSERT_TRUE(wait_tasks(the_fd, 1));
	ASSERT_EQ(0, get_stat(the_fd, 0, &stat));
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(0, stat.ready);
	EXPECT_EQ(3, stat.switches);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST_F(group, killed_while_ready)
{
	struct coop_stat stat;
	pid_t child;

	ASSERT_LT(0, join(self->fd));
	child = fork();
	if (!child) {
		join(self->fd);
		_exit(99);
	}
	ASSERT_TRUE(wait_ready(self->fd, 1));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ASSERT_TRUE(wait_tasks(self->fd, 1));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(0, stat.ready);
	EXPECT_EQ(1, stat.switches);
	EXPECT_EQ(0, yield(self->fd));
}

static atomic_int *handled; /* shared with the child that counts in it */

static void note_signal(int signal)
{
	(*handled)++;
}

/* A signal cuts the wait for a turn short; the call restarts by itself. */
TEST_F(group, signal_while_ready)
{
	struct sigaction action = { .sa_handler = note_signal };
	struct coop_stat stat;
	int status;
	pid_t child;

	handled = map_shared(sizeof(*handled));
	ASSERT_LT(0, join(self->fd));
	child = fork();
	if (!child) {
		sigaction(SIGUSR1, &action, NULL);
		if (join(self->fd) <= 0 || yield(self->fd))
			_exit(1);
		_exit(*handled == 1 ? 0 : 2);
	}
	ASSERT_TRUE(wait_ready(self->fd, 1));
	/* Run it once, so that it is READY in its yield and not in JOIN. */
	EXPECT_EQ(0, yield(self->fd));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	kill(child, SIGUSR1);
	while (!*handled)
		usleep(1000);
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, yield(self->fd));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_TRUE(wait_tasks(self->fd, 1));
	/* Us, the child, us, the child, us: its yield was done once. */
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(5, stat.switches);
}

FIXTURE(held) {
	int fd;
};

FIXTURE_VARIANT(held) {
	bool traced;
};

FIXTURE_VARIANT_ADD(held, by_sigstop) { false };
FIXTURE_VARIANT_ADD(held, by_ptrace) { true };

FIXTURE_SETUP(held)
{
	REQUIRE_COOP();
	self->fd = open_group(1);
	ASSERT_LT(0, join(self->fd));
}

FIXTURE_TEARDOWN(held)
{
	close(self->fd);
}

TEST_F(held, task_gets_no_turn)
{
	struct coop_stat stat;
	int status;
	pid_t child = fork();

	if (!child)
		_exit(join(self->fd) > 0 ? 0 : 1);
	ASSERT_TRUE(wait_ready(self->fd, 1));
	if (variant->traced) {
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, child, 0, 0));
		ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, child, 0, 0));
	} else {
		kill(child, SIGSTOP);
	}
	ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(0, stat.ready);
	EXPECT_EQ(0, yield(self->fd));
	if (variant->traced) {
		ASSERT_EQ(0, ptrace(PTRACE_CONT, child, 0, 0));
	} else {
		kill(child, SIGCONT);
	}
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, yield(self->fd));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

static void take_turns_for_ever(int fd)
{
	if (join(fd) <= 0)
		_exit(1);
	for (;;)
		yield(fd);
}

/* COOP_KILLS in the environment: how many, 500 by default. */
TEST_F_TIMEOUT(group, random_kills, 300)
{
	const char *wanted = getenv("COOP_KILLS");
	int kills = wanted ? atoi(wanted) : 500;
	struct coop_stat stat;
	pid_t children[8];

	srand(1);
	for (int i = 0; i < 8; i++) {
		children[i] = fork();
		if (!children[i])
			take_turns_for_ever(self->fd);
	}
	for (int i = 0; i < kills; i++) {
		int victim = rand() % 8;

		for (volatile int spin = rand() % 20000; spin; spin--)
			;
		kill(children[victim], SIGKILL);
		ASSERT_EQ(children[victim], waitpid(children[victim], NULL, 0));
		children[victim] = fork();
		if (!children[victim])
			take_turns_for_ever(self->fd);
	}
	ASSERT_LT(0, join(self->fd));
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(0, yield(self->fd));
	for (int i = 0; i < 8; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	ASSERT_TRUE(wait_tasks(self->fd, 1));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(0, stat.ready);
}

TEST_HARNESS_MAIN
