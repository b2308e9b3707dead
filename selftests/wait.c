// SPDX-License-Identifier: GPL-2.0
/* What a task can wait for: descriptors, deadlines, wakes, and all at once. */
#include <poll.h>
#include <sys/eventfd.h>

#include "coop_test.h"

/* Beside the test's own task, another one that waits as it is told. */
struct waiter {
	pthread_t thread;
	int fd;
	struct coop_wait wait;
	int call;
	atomic_int id, ended, done;
};

static void *wait_as_told(void *arg)
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

static void start_waiter(struct waiter *waiter, int fd, struct coop_wait wait)
{
	waiter->fd = fd;
	waiter->wait = wait;
	if (start(&waiter->thread, wait_as_told, waiter))
		abort();
}

TEST_F(group, ready_at_once_keeps_the_turn)
{
	int event = eventfd(1, 0);
	struct coop_stat stat;

	ASSERT_LT(0, join(self->fd));
	EXPECT_EQ(COOP_WAIT_FD | POLLIN << 16,
		  wait_fd(self->fd, event, POLLIN));
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, (struct coop_wait){
		.flags = COOP_WAIT_DEADLINE, .deadline = 1 }));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.switches);
	EXPECT_EQ(0, stat.waits);
	close(event);
}

TEST_F(group, event_of_a_descriptor)
{
	struct waiter waiter = {};
	struct coop_stat stat;
	int event = eventfd(0, 0);
	__u64 one = 1;

	start_waiter(&waiter, self->fd, (struct coop_wait){
		.flags = COOP_WAIT_FD, .fd = event, .events = POLLIN });
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_EQ(0, get_stat(self->fd, waiter.id, &stat));
	EXPECT_EQ(COOP_TASK_WAITING, stat.state);
	EXPECT_EQ(1, stat.waits);
	EXPECT_EQ(0, stat.running);
	ASSERT_EQ(8, write(event, &one, 8));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_FD | POLLIN << 16, waiter.ended);
	close(event);
}

TEST_F(group, event_does_not_take_the_turn)
{
	struct waiter waiter = {};
	int event = eventfd(0, 0);
	__u64 one = 1;

	start_waiter(&waiter, self->fd, (struct coop_wait){
		.flags = COOP_WAIT_FD, .fd = event, .events = POLLIN });
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(8, write(event, &one, 8));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, waiter.done);
	ASSERT_EQ(0, yield(self->fd));
	EXPECT_EQ(1, waiter.done);
	pthread_join(waiter.thread, NULL);
	close(event);
}

TEST_F(group, deadline)
{
	__u64 deadline = now() + 20000000;

	ASSERT_LT(0, join(self->fd));
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, (struct coop_wait){
		.flags = COOP_WAIT_DEADLINE, .deadline = deadline }));
	EXPECT_LE(deadline, now());
}

TEST_F(group, wake_and_permit)
{
	struct waiter waiter = {};
	int me;

	start_waiter(&waiter, self->fd, (struct coop_wait){
		.flags = COOP_WAIT_WAKE });
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	/* From a thread that is not a task. */
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended);

	me = join(self->fd);
	ASSERT_EQ(0, wake(self->fd, me));
	ASSERT_EQ(0, wake(self->fd, me));
	EXPECT_EQ(COOP_WAIT_WAKE, wait_wake(self->fd));
	/* Two wakes leave one permit. */
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, (struct coop_wait){
		.flags = COOP_WAIT_WAKE | COOP_WAIT_DEADLINE,
		.deadline = now() + 1000000 }));
}

static void *serve(void *arg)
{
	struct waiter *server = arg;
	struct coop_wait wait = { .flags = COOP_WAIT_WAKE };

	server->id = join(server->fd);
	if (wait_wake(server->fd) != COOP_WAIT_WAKE)
		abort();
	for (int i = 0; i < 1000; i++) {
		server->done++;
		if (call_and_wait(server->fd, server->call, wait) != COOP_WAIT_WAKE)
			abort();
	}
	leave(server->fd);
	return NULL;
}

TEST_F(group, call_and_reply)
{
	struct coop_wait wait = { .flags = COOP_WAIT_WAKE };
	struct waiter server = { .fd = self->fd };
	struct coop_stat before, after;

	server.call = join(self->fd);
	ASSERT_EQ(0, start(&server.thread, serve, &server));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, yield(self->fd));
	ASSERT_EQ(0, get_stat(self->fd, 0, &before));
	for (int i = 0; i < 1000; i++) {
		ASSERT_EQ(COOP_WAIT_WAKE,
			  call_and_wait(self->fd, server.id, wait));
		ASSERT_EQ(i + 1, server.done);
	}
	ASSERT_EQ(0, get_stat(self->fd, 0, &after));
	EXPECT_EQ(2000, after.switches - before.switches);
	EXPECT_EQ(2000, after.handovers - before.handovers);
	ASSERT_EQ(0, wake(self->fd, server.id));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(server.thread, NULL);
}

TEST_HARNESS_MAIN
