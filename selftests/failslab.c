// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation that a call makes fails once: each alone, and each together
 * with all that come after it. The call then fails with ENOMEM or does without,
 * and nothing has changed. What leaks, kmemleak finds (tools/check-debug).
 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "coop_test.h"

#define FAILSLAB "/sys/kernel/debug/failslab/"

#define MANY "1000000"

enum { STEP = 32, MOST_BYTES = 1 << 16 };

static int fail_nth, fail_me;

static bool put(int fd, int value)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", value);

	return pwrite(fd, text, length, 0) == length;
}

/* debugfs wants its files opened for each reading and writing. */
static bool set(const char *name, const char *value)
{
	int fd = open(name, O_WRONLY);
	bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

	close(fd);
	return done;
}

static bool is_still(const char *name, const char *value)
{
	char text[16] = "";
	int fd = open(name, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		abort();
	close(fd);
	return atoi(text) == atoi(value);
}

static bool prepare(void)
{
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	fail_me = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
	/* Fail those that may sleep as well, and say nothing of it. */
	return fail_nth >= 0 && fail_me >= 0 &&
	       set(FAILSLAB "ignore-gfp-wait", "N") &&
	       set(FAILSLAB "verbose", "0") &&
	       set(FAILSLAB "task-filter", "Y") &&
	       set(FAILSLAB "probability", "100");
}

/* A call: what it returns is 0 or more, or -1 with errno. */
struct call {
	int (*make)(struct call *call);
	void (*undo)(struct call *call, int made);
	int fd, other;
	struct coop_wait wait;
	/* How often it failed, and how often in a way that it must not. */
	int failed, wrong;
};

static void judge(struct call *call, int ret, int error, bool injected)
{
	if (ret >= 0) {
		if (call->undo)
			call->undo(call, ret);
		return;
	}
	call->failed++;
	if (injected && error == ENOMEM)
		return;
	call->wrong++;
	fprintf(stderr, "# wrong: %s, with%s an allocation that failed\n",
		strerror(error), injected ? "" : "out");
}

/* Fails the nth allocation alone. Returns false when there is none. */
static bool fail_one(struct call *call, int nth)
{
	char left = 0;
	int ret, error;
	bool injected;

	put(fail_nth, nth);
	ret = call->make(call);
	error = errno;
	pread(fail_nth, &left, 1, 0);
	injected = left == '0';
	put(fail_nth, 0);
	judge(call, ret, error, injected);
	return injected;
}

/* Fails all but the first so many bytes. Returns false when that was all. */
static bool fail_all_after(struct call *call, int bytes)
{
	char space[16];
	int ret, error;
	bool injected;

	sprintf(space, "%d", bytes);
	set(FAILSLAB "times", MANY);
	set(FAILSLAB "space", space);
	put(fail_me, 1);
	ret = call->make(call);
	error = errno;
	put(fail_me, 0);
	injected = !is_still(FAILSLAB "times", MANY);
	judge(call, ret, error, injected);
	return injected;
}

/* Returns how often the call failed as it should; -1 if once as it should not. */
static int starve(struct call *call)
{
	int ret;

	call->failed = 0;
	call->wrong = 0;
	/* The first time, with what is done once for all. */
	ret = call->make(call);
	judge(call, ret, errno, false);
	for (int nth = 1; fail_one(call, nth); nth++)
		;
	for (int bytes = 0; bytes < MOST_BYTES; bytes += STEP)
		if (!fail_all_after(call, bytes))
			return call->wrong ? -1 : call->failed;
	return -1;
}

static int make_open(struct call *call)
{
	return open("/dev/coop", O_RDWR | O_CLOEXEC);
}

static void undo_open(struct call *call, int fd)
{
	close(fd);
}

static int make_setup(struct call *call)
{
	struct coop_setup setup = {
		.turns = 2, .budget = COOP_BUDGET_MIN,
		.flags = COOP_GROUP_PREEMPT };

	return ioctl(call->fd, COOP_IOC_SETUP, &setup);
}

static int make_join(struct call *call)
{
	return join(call->fd);
}

static void undo_join(struct call *call, int id)
{
	leave(call->fd);
}

static int make_wait(struct call *call)
{
	return ioctl(call->fd, COOP_IOC_WAIT, &call->wait);
}

static int make_call_and_wait(struct call *call)
{
	return call_and_wait(call->fd, call->other, call->wait);
}

static int make_watch(struct call *call)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(call->other, EPOLL_CTL_ADD, call->fd, &event);
}

static void undo_watch(struct call *call, int unused)
{
	epoll_ctl(call->other, EPOLL_CTL_DEL, call->fd, NULL);
}

static int make_look(struct call *call)
{
	char name[32], text[4096];
	int fd, ret, error;

	sprintf(name, "/proc/self/fdinfo/%d", call->fd);
	fd = open(name, O_RDONLY);
	if (fd < 0)
		return -1;
	ret = read(fd, text, sizeof(text));
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

FIXTURE(failslab) {
	int fd;
};

FIXTURE_SETUP(failslab)
{
	ASSERT_TRUE(prepare());
	self->fd = open_group(2);
	ASSERT_LE(0, self->fd);
}

/* Whatever failed, the group works as ever. */
FIXTURE_TEARDOWN(failslab)
{
	struct coop_stat stat;

	leave(self->fd);
	ASSERT_TRUE(wait_tasks(self->fd, 0));
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, yield(self->fd));
	ASSERT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, (struct coop_wait){
		.flags = COOP_WAIT_DEADLINE, .deadline = now() + 1000000 }));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.running);
	EXPECT_EQ(0, stat.ready + stat.waiting);
	ASSERT_EQ(0, leave(self->fd));
	close(self->fd);
}

TEST_F_TIMEOUT(failslab, open, 300)
{
	struct call call = { .make = make_open, .undo = undo_open };

	EXPECT_LT(0, starve(&call));
}

TEST_F_TIMEOUT(failslab, set_up, 300)
{
	struct call call = { .make = make_setup, .fd = self->fd };

	/* It allocates nothing. */
	EXPECT_EQ(0, starve(&call));
	ASSERT_LT(0, join(self->fd));
}

static void *stay(void *arg)
{
	int fd = *(int *)arg;

	join(fd);
	wait_wake(fd);
	leave(fd);
	return NULL;
}

/* With so many tasks there, how often does the next one fail to join? */
static int starve_join(int others)
{
	struct call call = {
		.make = make_join, .undo = undo_join, .fd = open_group(2) };
	pthread_t threads[others];
	int failures;

	for (int i = 0; i < others; i++)
		if (start(&threads[i], stay, &call.fd))
			abort();
	if (!wait_waiting(call.fd, others))
		return -1;
	failures = starve(&call);
	for (int i = 0; i < others; i++)
		if (wake(call.fd, i + 1))
			return -1;
	for (int i = 0; i < others; i++)
		pthread_join(threads[i], NULL);
	close(call.fd);
	return failures;
}

/*
 * The tree of ids needs a node for the first task, none while an id is free in
 * that one, and two more when it is full.
 */
TEST_F_TIMEOUT(failslab, join, 300)
{
	int to_none = starve_join(0);
	int to_one = starve_join(1);
	int to_many = starve_join(63);

	EXPECT_LT(0, to_one);
	EXPECT_LT(to_one, to_none);
	EXPECT_LT(to_none, to_many);
	ASSERT_LT(0, join(self->fd));
}

/*
 * A file with several wait queues, whose further entries are allocated. The
 * deadline has passed, so the call looks at the file and returns.
 */
static int starve_wait(int fd, int what)
{
	struct call call = {
		.make = make_wait, .fd = fd,
		.wait = {
			.flags = COOP_WAIT_FD | COOP_WAIT_DEADLINE,
			.fd = what, .events = POLLPRI, .deadline = 1,
		},
	};

	return starve(&call);
}

TEST_F_TIMEOUT(failslab, wait_for_a_fifo, 300)
{
	char name[] = "/tmp/coop-XXXXXX", fifo[64];
	struct coop_stat stat;
	int what;

	ASSERT_NE(NULL, mkdtemp(name));
	sprintf(fifo, "%s/fifo", name);
	ASSERT_EQ(0, mkfifo(fifo, 0600));
	what = open(fifo, O_RDWR);
	unlink(fifo);
	rmdir(name);
	ASSERT_LE(0, what);
	ASSERT_LT(0, join(self->fd));
	EXPECT_LT(0, starve_wait(self->fd, what));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(0, stat.waits);
	EXPECT_EQ(1, stat.switches);
	close(what);
}

TEST_F_TIMEOUT(failslab, wait_for_a_terminal, 300)
{
	int ours, theirs;

	ASSERT_EQ(0, openpty(&ours, &theirs, NULL, NULL, NULL));
	ASSERT_LT(0, join(self->fd));
	EXPECT_LT(0, starve_wait(self->fd, theirs));
	EXPECT_LT(0, starve_wait(self->fd, ours));
	close(ours);
	close(theirs);
}

TEST_F_TIMEOUT(failslab, wait_for_a_socket, 300)
{
	int one[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, one));
	ASSERT_LT(0, join(self->fd));
	/* It has one queue: nothing fails. */
	EXPECT_EQ(0, starve_wait(self->fd, one[0]));
	close(one[0]);
	close(one[1]);
}

/* Who is called is not woken by a call that fails. */
TEST_F_TIMEOUT(failslab, call_and_wait, 300)
{
	struct call call = {
		.make = make_call_and_wait, .fd = self->fd,
		.wait = { .flags = COOP_WAIT_FD, .events = POLLPRI },
	};
	struct coop_stat stat;
	int ours, theirs, id;
	pthread_t server;

	ASSERT_EQ(0, openpty(&ours, &theirs, NULL, NULL, NULL));
	ASSERT_EQ(0, start(&server, stay, &self->fd));
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_LT(0, join(self->fd));
	for (id = 1; get_stat(self->fd, id, &stat) ||
	     stat.state != COOP_TASK_WAITING; id++)
		;
	call.other = id;
	call.wait.fd = theirs;
	ASSERT_TRUE(fail_one(&call, 1));
	EXPECT_EQ(1, call.failed);
	EXPECT_EQ(0, call.wrong);
	ASSERT_EQ(0, get_stat(self->fd, id, &stat));
	EXPECT_EQ(COOP_TASK_WAITING, stat.state);
	EXPECT_EQ(0, stat.wakes);
	EXPECT_EQ(0, wake(self->fd, id));
	pthread_join(server, NULL);
	close(ours);
	close(theirs);
}

TEST_F_TIMEOUT(failslab, epoll, 300)
{
	struct call call = {
		.make = make_watch, .undo = undo_watch, .fd = self->fd,
		.other = epoll_create1(EPOLL_CLOEXEC) };

	ASSERT_LE(0, call.other);
	EXPECT_LT(0, starve(&call));
	close(call.other);
}

TEST_F_TIMEOUT(failslab, fdinfo, 300)
{
	struct call call = { .make = make_look, .fd = self->fd };

	EXPECT_LT(0, starve(&call));
}

static void __attribute__((constructor)) skip_where_nothing_can_fail(void)
{
	if (!prepare())
		skip_all("the kernel has no CONFIG_FAILSLAB, or no debugfs", 0);
}

TEST_HARNESS_MAIN
