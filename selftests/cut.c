// SPDX-License-Identifier: GPL-2.0
/* Waits that a signal cuts short after their end, before the turn; poll(). */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "coop_test.h"

static atomic_int handled;

static void note_signal(int signal)
{
	handled++;
}

struct waiter {
	pthread_t thread;
	int fd, call;
	struct coop_wait wait;
	atomic_int id, done, ended;
};

static void *wait_once(void *arg)
{
	struct waiter *waiter = arg;
	int ended;

	waiter->id = join(waiter->fd);
	if (waiter->call)
		ended = call_and_wait(waiter->fd, waiter->call, waiter->wait);
	else
		ended = wait_for(waiter->fd, waiter->wait);
	waiter->ended = ended < 0 ? -errno : ended;
	waiter->done = 1;
	leave(waiter->fd);
	return NULL;
}

/* A waiter, and the test's own task with the group's only turn. */
FIXTURE(cut) {
	int fd, event;
	struct waiter waiter;
};

FIXTURE_SETUP(cut)
{
	struct sigaction action = { .sa_handler = note_signal };

	REQUIRE_COOP();
	handled = 0;
	sigaction(SIGUSR1, &action, NULL);
	self->fd = open_group(1);
	self->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	self->waiter.fd = self->fd;
	self->waiter.wait = (struct coop_wait){
		.fd = self->event, .events = POLLIN };
}

FIXTURE_TEARDOWN(cut)
{
	close(self->event);
	close(self->fd);
}

static bool start_waiting(struct waiter *waiter, __u32 flags)
{
	waiter->wait.flags = flags;
	return !start(&waiter->thread, wait_once, waiter) &&
	       wait_waiting(waiter->fd, 1) && join(waiter->fd) > 0;
}

static void signal_waiter(struct waiter *waiter)
{
	int was = handled;

	pthread_kill(waiter->thread, SIGUSR1);
	while (handled == was)
		usleep(1000);
}

/* Give the turn away; what the waiter's call returned. */
static int let_it_end(struct waiter *waiter)
{
	leave(waiter->fd);
	pthread_join(waiter->thread, NULL);
	return waiter->ended;
}

TEST_F(cut, permit_is_kept)
{
	ASSERT_TRUE(start_waiting(&self->waiter, COOP_WAIT_WAKE));
	ASSERT_EQ(0, wake(self->fd, self->waiter.id));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	signal_waiter(&self->waiter);
	/* It is READY again by its permit, and needs no other wake. */
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, self->waiter.done);
	EXPECT_EQ(COOP_WAIT_WAKE, let_it_end(&self->waiter));
}

TEST_F(cut, still_waits_for_the_wake)
{
	struct coop_stat stat;

	ASSERT_TRUE(start_waiting(&self->waiter, COOP_WAIT_WAKE));
	for (int i = 0; i < 10; i++)
		signal_waiter(&self->waiter);
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.waiting);
	EXPECT_EQ(0, stat.ready);
	ASSERT_EQ(0, wake(self->fd, self->waiter.id));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(0, stat.waiting);
	EXPECT_EQ(1, stat.ready);
	EXPECT_EQ(COOP_WAIT_WAKE, let_it_end(&self->waiter));
}

TEST_F(cut, calls_once)
{
	struct coop_stat stat;
	int me = join(self->fd);

	self->waiter.call = me;
	self->waiter.wait.flags = COOP_WAIT_WAKE;
	ASSERT_EQ(0, start(&self->waiter.thread, wait_once, &self->waiter));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, yield(self->fd));
	for (int i = 0; i < 10; i++)
		signal_waiter(&self->waiter);
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_EQ(0, get_stat(self->fd, me, &stat));
	EXPECT_EQ(1, stat.wakes);
	ASSERT_EQ(0, wake(self->fd, self->waiter.id));
	EXPECT_EQ(COOP_WAIT_WAKE, let_it_end(&self->waiter));
}

TEST_F(cut, fails_if_it_wants_to)
{
	ASSERT_TRUE(start_waiting(&self->waiter, COOP_WAIT_WAKE | COOP_WAIT_INTR));
	signal_waiter(&self->waiter);
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(-EINTR, let_it_end(&self->waiter));
}

/* The event is gone before the waiter has a turn. */
TEST_F(cut, somebody_else_has_read)
{
	struct coop_stat stat;
	__u64 one = 1;

	ASSERT_TRUE(start_waiting(&self->waiter, COOP_WAIT_FD));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(8, write(self->event, &one, 8));
		ASSERT_TRUE(wait_ready(self->fd, 1));
		ASSERT_EQ(8, read(self->event, &one, 8));
		ASSERT_EQ(0, yield(self->fd));
		/* It had the turn, has looked, and waits again. */
		ASSERT_EQ(0, get_stat(self->fd, self->waiter.id, &stat));
		ASSERT_EQ(COOP_TASK_WAITING, stat.state);
		ASSERT_EQ(1, stat.waiting);
	}
	ASSERT_EQ(8, write(self->event, &one, 8));
	EXPECT_EQ(COOP_WAIT_FD | POLLIN << 16, let_it_end(&self->waiter));
}

/* Nothing of the wait holds the file when it is over. */
TEST_F(cut, the_file_is_let_go)
{
	char byte;
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_LT(0, join(self->fd));
	EXPECT_EQ(COOP_WAIT_FD | POLLOUT << 16,
		  wait_fd(self->fd, ends[1], POLLOUT));
	close(ends[1]);
	/* The end of the file, and not a wait for ever. */
	EXPECT_EQ(0, read(ends[0], &byte, 1));
	close(ends[0]);
}

/* epoll waits for a notice; poll() would look by itself as well. */
TEST_F(cut, poll_is_told_of_who_gets_ready)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &event));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	self->waiter.wait.flags = COOP_WAIT_DEADLINE;
	ASSERT_EQ(0, start(&self->waiter.thread, wait_once, &self->waiter));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 20000));
	EXPECT_EQ(COOP_WAIT_DEADLINE, let_it_end(&self->waiter));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	close(epoll);
}

TEST_HARNESS_MAIN
