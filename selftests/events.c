// SPDX-License-Identifier: GPL-2.0
/* Events of an awaited descriptor: which, when, and what becomes of it. */
#include "coop_test.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define ROUNDS 10000

FIXTURE(sockets) {
	int fd, ours, theirs;
	struct waiter waiter;
	struct coop_stat stat;
};

FIXTURE_SETUP(sockets)
{
	int both[2];

	self->fd = open_group(1);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, both));
	self->ours = both[0];
	self->theirs = both[1];
}

FIXTURE_TEARDOWN(sockets)
{
	close(self->ours);
	close(self->theirs);
	close(self->fd);
}

#define START_WAITER(what, events)					\
	do {								\
		start_waiter(&self->waiter, self->fd, for_fd(what, events)); \
		ASSERT_TRUE(wait_waiting(self->fd, 1));			\
	} while (0)

TEST_F(sockets, hangup_is_told_without_asking)
{
	START_WAITER(self->ours, 0);
	close(self->theirs);
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(ended_by(POLLHUP), self->waiter.ended[0]);
	ASSERT_LT(0, join(self->fd));
	EXPECT_EQ(ended_by(POLLHUP), wait_fd(self->fd, self->ours, 0));
	EXPECT_EQ(ended_by(POLLHUP | POLLIN | POLLRDHUP | POLLOUT),
		  wait_fd(self->fd, self->ours,
			  POLLIN | POLLRDHUP | POLLOUT | POLLPRI));
}

TEST_F(group, error_is_told_without_asking)
{
	struct waiter waiter = {};
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	start_waiter(&waiter, self->fd, for_fd(fds[1], 0));
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	close(fds[0]);
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(ended_by(POLLERR), waiter.ended[0]);
	close(fds[1]);
}

TEST_F(sockets, what_is_not_asked_for_wakes_nobody)
{
	START_WAITER(self->ours, POLLRDHUP);
	/* It is told of that before write() returns. */
	ASSERT_EQ(1, write(self->theirs, "", 1));
	ASSERT_EQ(0, get_stat(self->fd, self->waiter.id, &self->stat));
	EXPECT_EQ(COOP_TASK_WAITING, self->stat.state);
	EXPECT_EQ(1, self->stat.switches);
	ASSERT_EQ(0, shutdown(self->theirs, SHUT_WR));
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(ended_by(POLLRDHUP), self->waiter.ended[0]);
}

TEST_F(sockets, event_does_not_take_the_turn)
{
	START_WAITER(self->ours, POLLIN);
	ASSERT_EQ(0, get_stat(self->fd, self->waiter.id, &self->stat));
	EXPECT_EQ(1, self->stat.waits);
	EXPECT_EQ(0, self->stat.running);
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(1, write(self->theirs, "", 1));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, self->waiter.done);
	ASSERT_EQ(0, yield(self->fd));
	EXPECT_EQ(1, self->waiter.done);
	pthread_join(self->waiter.thread, NULL);
}

/* Somebody else reads what the task was woken for: it waits again. */
TEST_F(sockets, event_is_gone_when_the_turn_comes)
{
	char byte;

	START_WAITER(self->ours, POLLIN);
	ASSERT_LT(0, join(self->fd));
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(1, write(self->theirs, "", 1));
		ASSERT_TRUE(wait_ready(self->fd, 1));
		ASSERT_EQ(1, read(self->ours, &byte, 1));
		ASSERT_EQ(0, yield(self->fd));
		ASSERT_EQ(0, get_stat(self->fd, self->waiter.id, &self->stat));
		EXPECT_EQ(COOP_TASK_WAITING, self->stat.state);
		EXPECT_EQ(i + 1, self->stat.waits);
	}
	EXPECT_EQ(0, self->waiter.done);
	ASSERT_EQ(1, write(self->theirs, "", 1));
	ASSERT_EQ(0, yield(self->fd));
	EXPECT_EQ(ended_by(POLLIN), self->waiter.ended[0]);
	pthread_join(self->waiter.thread, NULL);
}

/* A deadline that came as well is told, without the events that are gone. */
TEST_F(sockets, event_is_gone_and_a_wake_is_not)
{
	struct coop_wait wait = for_fd(self->ours, POLLIN);
	char byte;

	wait.flags |= COOP_WAIT_WAKE;
	start_waiter(&self->waiter, self->fd, wait);
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, wake(self->fd, self->waiter.id));
	ASSERT_EQ(1, write(self->theirs, "", 1));
	ASSERT_EQ(1, read(self->ours, &byte, 1));
	ASSERT_EQ(0, yield(self->fd));
	EXPECT_EQ(COOP_WAIT_WAKE, self->waiter.ended[0]);
	pthread_join(self->waiter.thread, NULL);
}

/* The wait goes on, and is ended by what the other end does. */
TEST_F(sockets, closed_while_it_is_awaited)
{
	START_WAITER(self->ours, POLLIN);
	close(self->ours);
	ASSERT_EQ(0, get_stat(self->fd, self->waiter.id, &self->stat));
	EXPECT_EQ(COOP_TASK_WAITING, self->stat.state);
	/* Its number is another file's now, which is not waited for. */
	ASSERT_EQ(self->ours, eventfd(1, 0));
	ASSERT_EQ(1, write(self->theirs, "", 1));
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(ended_by(POLLIN), self->waiter.ended[0]);
	/* And it has gone with the wait. */
	EXPECT_ERRNO(EPIPE, send(self->theirs, "", 1, MSG_NOSIGNAL));
}

/* A restart finds no descriptor any more. */
static atomic_int handled;

static void note_signal(int signal)
{
	handled++;
}

TEST_F(sockets, closed_and_then_a_signal)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGUSR1, &action, NULL);
	START_WAITER(self->ours, POLLIN);
	close(self->ours);
	pthread_kill(self->waiter.thread, SIGUSR1);
	pthread_join(self->waiter.thread, NULL);
	EXPECT_EQ(-EBADF, self->waiter.ended[0]);
	EXPECT_EQ(1, handled);
}

TEST_F(group, own_group_by_any_descriptor)
{
	int copy = dup(self->fd), again;

	ASSERT_LT(0, join(self->fd));
	EXPECT_ERRNO(EINVAL, wait_fd(self->fd, self->fd, POLLIN));
	EXPECT_ERRNO(EINVAL, wait_fd(self->fd, copy, POLLIN));
	EXPECT_ERRNO(EINVAL, wait_fd(copy, self->fd, POLLIN));
	/* But another of the same device is as good as any file. */
	again = open_group(1);
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, (struct coop_wait){
		.flags = COOP_WAIT_FD | COOP_WAIT_DEADLINE, .fd = again,
		.events = POLLIN }));
	close(copy);
	close(again);
}

static int epoll_of(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		abort();
	return epoll;
}

/*
 * It waits until another one is READY beside it. That is over when its turn
 * comes if the other one had a turn before and waits now.
 */
TEST_F(group, own_group_in_an_epoll)
{
	int epoll = epoll_of(self->fd), event = eventfd(0, 0);
	struct waiter watcher = {}, other = {};
	struct coop_stat stat;

	start_waiter(&watcher, self->fd, for_fd(epoll, POLLIN));
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_LT(0, join(self->fd));
	start_waiter(&other, self->fd, for_fd(event, POLLIN));
	/* That one, and with it the watcher, behind it. */
	ASSERT_TRUE(wait_ready(self->fd, 2));
	ASSERT_EQ(0, yield(self->fd));
	/* Each had its turn. We were READY when the watcher looked. */
	EXPECT_EQ(ended_by(POLLIN), watcher.ended[0]);
	EXPECT_EQ(0, other.done);
	pthread_join(watcher.thread, NULL);
	ASSERT_EQ(0, leave(self->fd));

	start_waiter(&watcher, self->fd, for_fd(epoll, POLLIN));
	ASSERT_TRUE(wait_waiting(self->fd, 2));
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, eventfd_write(event, 1));
	ASSERT_TRUE(wait_ready(self->fd, 2));
	/* The other one goes, and then nobody is READY: it waits again, once. */
	watcher.done = 0;
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(other.thread, NULL);
	ASSERT_TRUE(wait_waits(self->fd, watcher.id, 2));
	EXPECT_EQ(0, watcher.done);
	ASSERT_LT(0, join(self->fd));
	start_waiter(&other, self->fd, for_fd(event, POLLIN));
	ASSERT_TRUE(wait_ready(self->fd, 2));
	ASSERT_EQ(0, yield(self->fd));
	EXPECT_EQ(ended_by(POLLIN), watcher.ended[0]);
	pthread_join(watcher.thread, NULL);
	pthread_join(other.thread, NULL);
	close(epoll);
	close(event);
}

TEST(groups_await_each_other)
{
	struct waiter in_a = {}, in_b = {}, other = {};
	int a, b;

	a = open_group(1);
	b = open_group(1);
	start_waiter(&in_a, a, for_fd(b, POLLIN));
	start_waiter(&in_b, b, for_fd(a, POLLIN));
	ASSERT_TRUE(wait_waiting(a, 1));
	ASSERT_TRUE(wait_waiting(b, 1));
	ASSERT_LT(0, join(a));
	start_waiter(&other, a, for_deadline(0));
	pthread_join(in_b.thread, NULL);
	EXPECT_EQ(ended_by(POLLIN), in_b.ended[0]);
	leave(a);
	pthread_join(other.thread, NULL);
	EXPECT_EQ(0, in_a.done);
	ASSERT_LT(0, join(b));
	start_waiter(&other, b, for_deadline(0));
	pthread_join(in_a.thread, NULL);
	EXPECT_EQ(ended_by(POLLIN), in_a.ended[0]);
	leave(b);
	pthread_join(other.thread, NULL);
	close(a);
	close(b);
}

/* How many groups there are, or -1. */
static int count_groups(void)
{
	FILE *file = fopen("/sys/module/coop/refcnt", "r");
	int count;

	if (!file || fscanf(file, "%d", &count) != 1)
		count = -1;
	if (file)
		fclose(file);
	return count;
}

/* Neither descriptor is open any more but in the other's wait. */
static void await_each_other_for_ever(atomic_int *ready)
{
	int a = open_group(1), b = open_group(1);
	struct waiter in_a = {}, in_b = {};

	start_waiter(&in_a, a, for_fd(b, POLLIN));
	start_waiter(&in_b, b, for_fd(a, POLLIN));
	wait_waiting(a, 1);
	wait_waiting(b, 1);
	close(a);
	close(b);
	*ready = 1;
	for (;;)
		pause();
}

TEST(groups_that_await_each_other_can_be_killed)
{
	atomic_int *ready = map_shared(sizeof(*ready));
	int status, before = count_groups();
	pid_t child;

	child = fork_child();
	if (!child)
		await_each_other_for_ever(ready);
	while (!*ready)
		usleep(1000);
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	for (int i = 0; count_groups() > before && i < 60000; i++)
		usleep(1000);
	EXPECT_EQ(before, count_groups());
	munmap(ready, sizeof(*ready));
}

/* It goes when the task is READY, and so still in it if it was not taken out. */
TEST_F(group, queue_that_goes_before_the_file)
{
	struct waiter waiter = {};
	int queue = open("/dev/coop_queue", O_RDWR);

	if (queue < 0)
		SKIP(return, "no /dev/coop_queue (%s): insert coop_queue.ko of make test-module",
		     strerror(errno));
	start_waiter(&waiter, self->fd, for_fd(queue, POLLIN));
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(1, write(queue, "", 1));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(ended_by(POLLERR), waiter.ended[0]);
	close(queue);
}

/* A cgroup goes while its pressure is awaited. */
TEST_F(group, cgroup_that_goes_before_the_file)
{
	static const char trigger[] = "some 500000 1000000";
	char root[] = "/tmp/coop-cgroup-XXXXXX", dir[64], path[80];
	struct waiter waiter = {};
	int pressure;

	ASSERT_TRUE(!!mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/coop", root);
	snprintf(path, sizeof(path), "%s/cpu.pressure", dir);
	if (mount("none", root, "cgroup2", 0, NULL) || mkdir(dir, 0700)) {
		umount(root);
		rmdir(root);
		SKIP(return, "cannot make a cgroup (%s): be root",
		     strerror(errno));
	}
	pressure = open(path, O_RDWR);
	if (pressure >= 0 &&
	    write(pressure, trigger, sizeof(trigger)) == sizeof(trigger)) {
		start_waiter(&waiter, self->fd, for_fd(pressure, 0));
		ASSERT_TRUE(wait_waiting(self->fd, 1));
		EXPECT_EQ(0, rmdir(dir));
		pthread_join(waiter.thread, NULL);
		EXPECT_EQ(ended_by(POLLERR), waiter.ended[0]);
	} else {
		EXPECT_EQ(0, rmdir(dir));
		errno = EOPNOTSUPP;
	}
	close(pressure);
	EXPECT_EQ(0, umount(root));
	rmdir(root);
	if (!waiter.id)
		SKIP(return, "no pressure to await: boot with psi=1");
}

static void *ping_pong(void *arg)
{
	struct waiter *me = arg;
	__u64 count;

	me->id = join(me->fd);
	ioctl(me->call, PERF_EVENT_IOC_ENABLE, 0);
	for (int i = 0; i < ROUNDS; i++) {
		if (eventfd_write(me->waits[1].fd, 1) ||
		    wait_for(me->fd, me->waits[0]) != ended_by(POLLIN) ||
		    read(me->waits[0].fd, &count, sizeof(count)) < 0)
			abort();
	}
	ioctl(me->call, PERF_EVENT_IOC_DISABLE, 0);
	eventfd_write(me->waits[1].fd, 1);
	leave(me->fd);
	return NULL;
}

/* Two in a hundred are let pass: kernel threads run on this CPU, too. */
TEST_F_TIMEOUT(group, one_context_switch_an_await, 120)
{
	int perf = count_context_switches(), events[2], awaits = 2 * ROUNDS;
	struct waiter waiters[2] = {};
	struct coop_stat stat;
	__u64 count = 0;

	if (perf < 0)
		SKIP(return, "cannot count context switches (%s): be root",
		     strerror(errno));
	pin_to_one_cpu();
	ASSERT_LT(0, join(self->fd));
	for (int i = 0; i < 2; i++)
		events[i] = eventfd(0, 0);
	for (int i = 0; i < 2; i++) {
		waiters[i].fd = self->fd;
		waiters[i].call = i ? -1 : perf;
		waiters[i].waits[0] = for_fd(events[i], POLLIN);
		waiters[i].waits[1] = for_fd(events[!i], POLLIN);
		ASSERT_EQ(0, start(&waiters[i].thread, ping_pong, &waiters[i]));
		ASSERT_TRUE(wait_ready(self->fd, i + 1));
	}
	leave(self->fd);
	for (int i = 0; i < 2; i++)
		pthread_join(waiters[i].thread, NULL);
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_GE(awaits, stat.waits);
	EXPECT_LE(awaits - 2, stat.waits);
	ASSERT_EQ(sizeof(count), read(perf, &count, sizeof(count)));
	EXPECT_LE(awaits - 2, count);
	EXPECT_GE(awaits + awaits / 50 + 50, count);
	close(perf);
	close(events[0]);
	close(events[1]);
}

TEST_HARNESS_MAIN
