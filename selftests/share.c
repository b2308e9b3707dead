// SPDX-License-Identifier: GPL-2.0
/* A group is its open file: who shares it, and what closing it does. */
#include "coop_test.h"

#include <sys/socket.h>

#define ROUNDS 1000

/* What a thread that shall be a task needs to know. */
struct other {
	int fd;
	struct inside *inside;
};

static void *be_task(void *arg)
{
	struct other *other = arg;

	take_turns(other->fd, other->inside, ROUNDS);
	return NULL;
}

FIXTURE(pair) {
	int fd;
	struct inside *inside;
};

FIXTURE_SETUP(pair)
{
	self->inside = map_shared(sizeof(*self->inside));
	self->inside->turns = 1;
	self->fd = open_group(1);
	ASSERT_LT(0, join(self->fd));
}

/* Another task was READY beside us; both have taken all their turns. */
FIXTURE_TEARDOWN(pair)
{
	struct coop_stat stat;

	ASSERT_TRUE(wait_tasks(self->fd, 0));
	EXPECT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(0, stat.running);
	/* The turn went to and fro at every yield, and not only at the end. */
	EXPECT_LE(2 * ROUNDS, stat.switches);
	EXPECT_EQ(2 * ROUNDS, self->inside->counter);
	EXPECT_EQ(0, self->inside->broken);
	munmap(self->inside, sizeof(*self->inside));
	close(self->fd);
}

TEST_F_TIMEOUT(pair, by_fork, 120)
{
	pid_t child = fork_child();

	if (!child) {
		take_turns(self->fd, self->inside, ROUNDS);
		_exit(0);
	}
	ASSERT_TRUE(wait_ready(self->fd, 1));
	work_and_leave(self->fd, self->inside, ROUNDS);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
}

TEST_F_TIMEOUT(pair, by_dup, 120)
{
	struct other other = { dup(self->fd), self->inside };
	pthread_t thread;

	ASSERT_LE(0, other.fd);
	/* A task by one descriptor is the same task by the other. */
	EXPECT_ERRNO(EBUSY, join(other.fd));
	EXPECT_EQ(0, yield(other.fd));
	ASSERT_EQ(0, start(&thread, be_task, &other));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	work_and_leave(self->fd, self->inside, ROUNDS);
	pthread_join(thread, NULL);
	close(other.fd);
}

static int send_fd(int socket, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {
		.head = {
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		},
	};
	struct iovec byte = { "", 1 };
	struct msghdr message = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0);
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* The receiver is nobody's child, and has the group by the socket only. */
TEST_F_TIMEOUT(pair, by_a_socket, 120)
{
	int sockets[2];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork_child();
	if (!child) {
		close(self->fd);
		if (fork_child() == 0)
			take_turns(receive_fd(sockets[1]), self->inside, ROUNDS);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	ASSERT_EQ(1, send_fd(sockets[0], self->fd));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	work_and_leave(self->fd, self->inside, ROUNDS);
	close(sockets[0]);
	close(sockets[1]);
}

FIXTURE(processes) {
	int fd;
	struct inside *inside;
};

FIXTURE_VARIANT(processes) {
	int turns;
};

FIXTURE_VARIANT_ADD(processes, turns_1) { 1 };
FIXTURE_VARIANT_ADD(processes, turns_3) { 3 };

FIXTURE_SETUP(processes)
{
	self->inside = map_shared(sizeof(*self->inside));
	self->inside->turns = variant->turns;
	self->fd = open_group(variant->turns);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(processes)
{
	munmap(self->inside, sizeof(*self->inside));
	close(self->fd);
}

TEST_F_TIMEOUT(processes, of_threads_are_exclusive, 120)
{
	enum { PROCESSES = 5, THREADS = 4 };
	struct other other = { self->fd, self->inside };
	pthread_t threads[THREADS];
	struct coop_stat stat;

	for (int i = 0; i < PROCESSES; i++) {
		if (fork_child())
			continue;
		for (int j = 0; j < THREADS; j++)
			start(&threads[j], be_task, &other);
		for (int j = 0; j < THREADS; j++)
			pthread_join(threads[j], NULL);
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		ASSERT_LT(0, wait(NULL));
	EXPECT_EQ(0, self->inside->broken);
	EXPECT_EQ(PROCESSES * THREADS * ROUNDS, self->inside->worked);
	ASSERT_TRUE(wait_tasks(self->fd, 0));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(0, stat.running);
}

/* The last descriptor: the task has no group, and may join another one. */
TEST_F(group, closed_by_the_running_task)
{
	int other = open_group(1);

	ASSERT_LT(0, join(self->fd));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_ERRNO(EBADF, yield(self->fd));
	EXPECT_ERRNO(EBADF, leave(self->fd));
	EXPECT_ERRNO(EBADF, join(self->fd));
	EXPECT_ERRNO(EPERM, yield(other));
	EXPECT_LT(0, join(other));
	EXPECT_EQ(0, yield(other));
	EXPECT_EQ(0, leave(other));
	close(other);
}

/* A task of one group, then of another, as its main thread says. */
struct mover {
	int from, to, ret[4];
	atomic_int step;
};

static void wait_step(struct mover *mover, int step)
{
	while (mover->step < step)
		usleep(1000);
}

static void *move(void *arg)
{
	struct mover *mover = arg;

	mover->ret[0] = join(mover->from);
	mover->step = 1;
	wait_step(mover, 2);
	mover->ret[1] = yield(mover->from) ? errno : 0;
	mover->ret[2] = join(mover->to);
	mover->ret[3] = yield(mover->to);
	leave(mover->to);
	return NULL;
}

TEST_F_TIMEOUT(group, closed_while_a_thread_is_running, 120)
{
	struct mover mover = { self->fd, open_group(1) };
	struct coop_stat stat;
	pthread_t thread;

	ASSERT_EQ(0, start(&thread, move, &mover));
	wait_step(&mover, 1);
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.running);
	close(self->fd);
	mover.step = 2;
	pthread_join(thread, NULL);
	EXPECT_LT(0, mover.ret[0]);
	EXPECT_EQ(EBADF, mover.ret[1]);
	EXPECT_LT(0, mover.ret[2]);
	EXPECT_EQ(0, mover.ret[3]);
	ASSERT_EQ(0, get_stat(mover.to, 0, &stat));
	EXPECT_EQ(0, stat.tasks);
	EXPECT_EQ(1, stat.switches);
	close(mover.to);
}

TEST_F_TIMEOUT(group, closed_here_and_open_elsewhere, 120)
{
	struct coop_stat stat;
	int status;
	pid_t child = fork_child();

	if (!child) {
		if (join(self->fd) <= 0)
			_exit(1);
		close(self->fd);
		/* Still a task of the group, which lives on in the parent. */
		if (join(open_group(1)) != -1 || errno != EBUSY)
			_exit(2);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status))
		TH_LOG("the child ended with %#x", status);
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.tasks);
	EXPECT_EQ(1, stat.running);
	kill(child, SIGCONT);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_TRUE(wait_tasks(self->fd, 0));
	EXPECT_LT(0, join(self->fd));
	EXPECT_EQ(0, yield(self->fd));
}

/* Calls of a process that forked from a task and has not joined. */
static int call_as_no_task(int fd)
{
	if (yield(fd) != -1 || errno != EPERM)
		return 1;
	if (leave(fd) != -1 || errno != EPERM)
		return 2;
	return 0;
}

TEST_F(group, child_of_fork_is_no_task)
{
	struct coop_stat before, after;
	int status;
	pid_t child;

	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, get_stat(self->fd, 0, &before));
	child = fork_child();
	if (!child)
		_exit(call_as_no_task(self->fd));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	child = fork_child();
	if (!child)
		pause();
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	ASSERT_EQ(0, get_stat(self->fd, 0, &after));
	/* But for our own waiting. */
	after.stalls = before.stalls;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(0, yield(self->fd));
}

TEST_HARNESS_MAIN
