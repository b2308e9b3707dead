// SPDX-License-Identifier: GPL-2.0
/* poll() on a group tells whether a task is READY, and of the next one. */
#include "coop_test.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define ROUNDS	2000

static short events_of(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = ~0 };

	if (poll(&pollfd, 1, 0) < 0)
		return -1;
	return pollfd.revents;
}

static int epoll_of(int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		abort();
	return epoll;
}

static int happened(int epoll)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, 0);
}

/* It is told a moment later: not where the task became READY, but soon. */
static int happens(int epoll)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, 60000);
}

FIXTURE(polled) {
	int fd, epoll;
	struct waiter first, second;
};

FIXTURE_SETUP(polled)
{
	self->fd = open_group(1);
	self->epoll = -1;
}

FIXTURE_TEARDOWN(polled)
{
	close(self->epoll);
	close(self->fd);
}

/* Make a task READY: it is gone after one turn. */
#define START_READY(waiter, nr)						\
	do {								\
		start_waiter(&(waiter), self->fd, for_deadline(0));	\
		ASSERT_TRUE(wait_ready(self->fd, nr));			\
	} while (0)

TEST_F(polled, in_if_and_only_if_one_is_ready)
{
	EXPECT_EQ(0, events_of(self->fd));
	start_waiter(&self->first, self->fd, for_wake());
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	/* One that waits, and one that runs, which is who asks. */
	EXPECT_EQ(0, events_of(self->fd));
	ASSERT_LT(0, join(self->fd));
	EXPECT_EQ(0, events_of(self->fd));
	ASSERT_EQ(0, wake(self->fd, self->first.id));
	EXPECT_EQ(POLLIN | POLLRDNORM, events_of(self->fd));
	EXPECT_EQ(POLLIN | POLLRDNORM, events_of(self->fd));
	START_READY(self->second, 2);
	EXPECT_EQ(POLLIN | POLLRDNORM, events_of(self->fd));
	ASSERT_EQ(0, yield(self->fd));
	EXPECT_EQ(0, events_of(self->fd));
	pthread_join(self->first.thread, NULL);
	pthread_join(self->second.thread, NULL);
}

static void *poll_for_ready(void *arg)
{
	struct waiter *me = arg;
	struct pollfd pollfd = { .fd = me->fd, .events = POLLIN };

	me->tid = gettid();
	me->ended[0] = poll(&pollfd, 1, -1) == 1 ? pollfd.revents : -1;
	me->done = 1;
	return NULL;
}

/* A thread sleeps, as the third field of its stat says. */
static bool wait_asleep(const struct waiter *waiter)
{
	char path[64], state;
	FILE *file;

	while (!waiter->tid)
		usleep(1000);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", waiter->tid);
	for (int i = 0; i < 60000; i++, usleep(1000)) {
		file = fopen(path, "r");
		if (!file)
			return false;
		if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		fclose(file);
		if (state == 'S')
			return true;
	}
	return false;
}

FIXTURE(asleep) {
	int fd, event;
	struct waiter poller, waiter;
};

FIXTURE_VARIANT(asleep) {
	__u32 flags;
};

/* Woken by a join, a wake, an event, and from a timer's interrupt. */
FIXTURE_VARIANT_ADD(asleep, until_a_join) { 0 };
FIXTURE_VARIANT_ADD(asleep, until_a_wake) { COOP_WAIT_WAKE };
FIXTURE_VARIANT_ADD(asleep, until_an_event) { COOP_WAIT_FD };
FIXTURE_VARIANT_ADD(asleep, until_a_deadline) { COOP_WAIT_DEADLINE };

FIXTURE_SETUP(asleep)
{
	self->fd = open_group(1);
	self->event = eventfd(0, 0);
	self->poller.fd = self->fd;
}

FIXTURE_TEARDOWN(asleep)
{
	close(self->event);
	close(self->fd);
}

/* As the variant says. A deadline does it by itself. */
static int make_ready(struct waiter *waiter, int fd, struct coop_wait wait)
{
	switch (wait.flags) {
	case COOP_WAIT_WAKE:
		return wake(fd, waiter->id);
	case COOP_WAIT_FD:
		return eventfd_write(wait.fd, 1);
	case 0:
		start_waiter(waiter, fd, for_deadline(0));
	}
	return 0;
}

TEST_F(asleep, in_poll)
{
	struct coop_wait wait = { .flags = variant->flags, .fd = self->event,
		.events = POLLIN };

	if (variant->flags)
		wait_beside_us(&self->waiter, self->fd, wait);
	else if (join(self->fd) <= 0)
		abort();
	ASSERT_EQ(0, start(&self->poller.thread, poll_for_ready, &self->poller));
	/* A deadline may come before that. */
	if (variant->flags != COOP_WAIT_DEADLINE) {
		ASSERT_TRUE(wait_asleep(&self->poller));
		EXPECT_EQ(0, self->poller.done);
	}
	ASSERT_EQ(0, make_ready(&self->waiter, self->fd, wait));
	pthread_join(self->poller.thread, NULL);
	EXPECT_EQ(POLLIN, self->poller.ended[0]);
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(self->waiter.thread, NULL);
}

TEST_F(polled, by_an_epoll_level_triggered)
{
	self->epoll = epoll_of(self->fd, EPOLLIN);
	ASSERT_LT(0, join(self->fd));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, happened(self->epoll));
		START_READY(self->first, 1);
		EXPECT_EQ(1, happens(self->epoll));
		EXPECT_EQ(1, happened(self->epoll));
		ASSERT_EQ(0, yield(self->fd));
		EXPECT_EQ(0, happened(self->epoll));
		pthread_join(self->first.thread, NULL);
	}
}

/* An edge is where READY was empty and is not any more. */
TEST_F(polled, by_an_epoll_edge_triggered)
{
	self->epoll = epoll_of(self->fd, EPOLLIN | EPOLLET);
	ASSERT_LT(0, join(self->fd));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, happened(self->epoll));
		START_READY(self->first, 1);
		EXPECT_EQ(1, happens(self->epoll));
		EXPECT_EQ(0, happened(self->epoll));
		ASSERT_EQ(0, yield(self->fd));
		EXPECT_EQ(0, happened(self->epoll));
		pthread_join(self->first.thread, NULL);
	}
}

/*
 * An event loop of somebody else's making: it keeps its turn while it sleeps in
 * epoll_wait(), and yields when it is told that one is READY.
 */
FIXTURE(loop) {
	int fd, event, yields;
	pthread_t threads[3];
	struct coop_stat stat;
};

FIXTURE_VARIANT(loop) {
	unsigned int events;
};

FIXTURE_VARIANT_ADD(loop, level_triggered) { EPOLLIN };
FIXTURE_VARIANT_ADD(loop, edge_triggered) { EPOLLIN | EPOLLET };

FIXTURE_SETUP(loop)
{
	self->fd = open_group(1);
	self->event = eventfd(0, 0);
}

FIXTURE_TEARDOWN(loop)
{
	close(self->event);
	close(self->fd);
}

/* Waits before each round, so that READY is empty again and again. */
static void *come_and_go(void *arg)
{
	int *fds = arg;

	if (join(fds[0]) <= 0)
		abort();
	for (int i = 0; i < ROUNDS; i++)
		if (wait_for(fds[0], for_deadline(now() + i % 50 * 1000)) !=
		    COOP_WAIT_DEADLINE)
			abort();
	eventfd_write(fds[1], 1);
	leave(fds[0]);
	return NULL;
}

TEST_F_TIMEOUT(loop, that_yields_when_told, 120)
{
	int epoll = epoll_of(self->fd, variant->events);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = self->event };
	int fds[2] = { self->fd, self->event }, over = 0;
	eventfd_t count;

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->event, &event));
	ASSERT_LT(0, join(self->fd));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, start(&self->threads[i], come_and_go, fds));
	while (over < 3) {
		ASSERT_EQ(1, epoll_wait(epoll, &event, 1, -1));
		if (event.data.fd == self->fd) {
			self->yields++;
			ASSERT_EQ(0, yield(self->fd));
		} else {
			ASSERT_EQ(0, eventfd_read(self->event, &count));
			over += count;
		}
	}
	for (int i = 0; i < 3; i++)
		pthread_join(self->threads[i], NULL);
	ASSERT_EQ(0, get_stat(self->fd, 0, &self->stat));
	EXPECT_LT(0, self->yields);
	EXPECT_LT(0, self->stat.stalls);
	EXPECT_EQ(0, self->stat.blocks);
	EXPECT_EQ(1, self->stat.tasks);
	close(epoll);
}

/*
 * All of it above the thread that tells pollers where PREEMPT_RT has one, and
 * on its CPU: so when the group goes, its pollers have not been told.
 */
TEST(closed_before_it_is_told)
{
	struct sched_param above = { .sched_priority = 50 };
	struct waiter waiter = {};
	struct coop_stat stat;
	int fd, epoll;

	pin_to_one_cpu();
	if (sched_setscheduler(0, SCHED_FIFO, &above))
		SKIP(return, "SCHED_FIFO needs CAP_SYS_NICE");
	fd = open_group(1);
	epoll = epoll_of(fd, EPOLLIN);
	ASSERT_LT(0, join(fd));
	start_waiter(&waiter, fd, for_deadline(0));
	do {
		sched_yield();
		ASSERT_EQ(0, get_stat(fd, 0, &stat));
	} while (!stat.ready);
	ASSERT_EQ(0, leave(fd));
	pthread_join(waiter.thread, NULL);
	close(epoll);
	close(fd);
}

TEST_HARNESS_MAIN
