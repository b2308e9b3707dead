// SPDX-License-Identifier: GPL-2.0
/* P3, P5, P6: however a task dies, is cut short or stopped, turns go on. */
#include "coop_test.h"

#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

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
	self->fd = open_group(1);
	the_fd = self->fd;
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
	pid_t child = fork_child();

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
	child = fork_child();
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
	child = fork_child();
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

static void block_in_handler(int signal)
{
	if (*handled)
		syscall(SYS_exit, 0);
	(*handled)++;
	for (;;)
		pause();
}

/* Dies where neither READY nor RUNNING would show it: in a signal handler. */
static void die_while_out(struct __test_metadata *_metadata, int fd, int signal)
{
	struct sigaction action = {
		.sa_handler = block_in_handler,
		.sa_flags = SA_NODEFER,
	};
	struct coop_stat stat;
	pid_t child;

	handled = map_shared(sizeof(*handled));
	ASSERT_LT(0, join(fd));
	child = fork_child();
	if (!child) {
		sigaction(SIGUSR1, &action, NULL);
		join(fd);
		_exit(99);
	}
	ASSERT_TRUE(wait_ready(fd, 1));
	kill(child, SIGUSR1);
	ASSERT_TRUE(wait_ready(fd, 0));
	while (!*handled)
		usleep(1000);
	ASSERT_EQ(0, get_stat(fd, 0, &stat));
	EXPECT_EQ(2, stat.tasks);
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(0, yield(fd));
	kill(child, signal);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	ASSERT_TRUE(wait_tasks(fd, 1));
	EXPECT_EQ(0, yield(fd));
	ASSERT_EQ(0, get_stat(fd, 0, &stat));
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(1, stat.switches);
}

TEST_F_TIMEOUT(group, killed_while_out, 120)
{
	die_while_out(_metadata, self->fd, SIGKILL);
}

TEST_F_TIMEOUT(group, thread_exits_while_out, 120)
{
	die_while_out(_metadata, self->fd, SIGUSR1);
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
	pid_t child = fork_child();

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
	if (variant->traced)
		ptrace(PTRACE_CONT, child, 0, 0);
	else
		kill(child, SIGCONT);
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, yield(self->fd));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

#define NOBODY 65534

/* A set-user-id file of our own, in a new directory; its name goes to @path. */
static bool copy_set_user_id(char *path, size_t size)
{
	char directory[] = "/tmp/coop.XXXXXX", command[128];

	if (!mkdtemp(directory) || chmod(directory, 0755))
		return false;
	snprintf(path, size, "%s/sleep", directory);
	snprintf(command, sizeof(command), "cp /bin/sleep %s", path);
	return !system(command) && !chmod(path, 04755);
}

static void remove_with_directory(char *path)
{
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
}

/* The effective user of a process, -1 if it cannot be seen. */
static int effective_user(pid_t pid)
{
	char name[64], line[256];
	int user = -1;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/status", pid);
	file = fopen(name, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Uid: %*d %d", &user) == 1)
			break;
	if (file)
		fclose(file);
	return user;
}

static void exec_as_nobody(int fd, const char *path)
{
	/* The new image has the descriptor, and still is no task. */
	fcntl(fd, F_SETFD, 0);
	if (setgid(NOBODY) || setuid(NOBODY) || join(fd) <= 0)
		_exit(99);
	execl(path, path, "1000", NULL);
	_exit(98);
}

/* We are READY when it execs, and must not have to wait for the new image. */
TEST_F_TIMEOUT(group, exec_of_a_set_user_id_file, 120)
{
	struct coop_stat stat;
	struct statvfs tmp;
	char path[64];
	pid_t child;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, statvfs("/tmp", &tmp));
	if (tmp.f_flag & ST_NOSUID)
		SKIP(return, "/tmp is mounted nosuid");
	ASSERT_LT(0, join(self->fd));
	ASSERT_TRUE(copy_set_user_id(path, sizeof(path)));
	child = fork_child();
	if (!child)
		exec_as_nobody(self->fd, path);
	EXPECT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, yield(self->fd));
	EXPECT_TRUE(wait_tasks(self->fd, 1));
	/* It has passed the turn on before it took on the other rights. */
	for (int i = 0; i < 10000 && effective_user(child) == NOBODY; i++)
		usleep(1000);
	EXPECT_EQ(0, effective_user(child));
	EXPECT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(3, stat.switches);
	EXPECT_EQ(0, yield(self->fd));
	EXPECT_EQ(0, kill(child, 0));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	remove_with_directory(path);
}

static void take_turns_for_ever(int fd)
{
	if (join(fd) <= 0)
		_exit(1);
	for (;;)
		yield(fd);
}

static void *yield_for_ever(void *fd)
{
	take_turns_for_ever(*(int *)fd);
	return NULL;
}

static __u64 switches(int fd)
{
	struct coop_stat stat;

	return get_stat(fd, 0, &stat) ? 0 : stat.switches;
}

/* A minute is given to the turns to go on from what they have been. */
static bool turns_go_on(int fd)
{
	__u64 was = switches(fd);

	for (int i = 0; i < 60000; i++, usleep(1000))
		if (switches(fd) > was + 1000)
			return true;
	return false;
}

TEST_F_TIMEOUT(group, gdb_attaches_and_detaches, 280)
{
	struct coop_stat stat;
	char command[256];
	pthread_t thread;
	pid_t child;

	if (system("command -v gdb >/dev/null"))
		SKIP(return, "gdb is not installed");
	child = fork_child();
	if (!child) {
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
		start(&thread, yield_for_ever, &self->fd);
		take_turns_for_ever(self->fd);
	}
	EXPECT_TRUE(turns_go_on(self->fd));
	snprintf(command, sizeof(command),
		 "%s -p %d -ex '%s' -ex detach </dev/null 2>&1 | %s",
		 "gdb -nx -batch", child, "thread apply all p $pc",
		 "grep -c '^Thread ' | grep -qx 2");
	EXPECT_EQ(0, system(command));
	EXPECT_TRUE(turns_go_on(self->fd));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(2, stat.tasks);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_TRUE(wait_tasks(self->fd, 0));
}

/* COOP_KILLS in the environment: how many, 500 by default. */
TEST_F_TIMEOUT(group, random_kills, 900)
{
	const char *wanted = getenv("COOP_KILLS");
	int kills = wanted ? atoi(wanted) : 500;
	struct coop_stat stat;
	pid_t children[8];

	srand(1);
	for (int i = 0; i < 8; i++) {
		children[i] = fork_child();
		if (!children[i])
			take_turns_for_ever(self->fd);
	}
	for (int i = 0; i < kills; i++) {
		int victim = rand() % 8;

		for (volatile int spin = rand() % 20000; spin; spin--)
			;
		kill(children[victim], SIGKILL);
		ASSERT_EQ(children[victim], waitpid(children[victim], NULL, 0));
		children[victim] = fork_child();
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
