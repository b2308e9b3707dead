// SPDX-License-Identifier: GPL-2.0
/* COOP_IOC_WAIT: deadlines, what comes at once, what it refuses, counters. */
#include "coop_test.h"

#include <poll.h>
#include <sys/eventfd.h>

#define ALL	(COOP_WAIT_FD | COOP_WAIT_DEADLINE | COOP_WAIT_WAKE)

TEST_F(group, ready_at_once_keeps_the_turn)
{
	int event = eventfd(1, 0), me = join(self->fd);
	struct coop_stat stat;

	ASSERT_LT(0, me);
	EXPECT_EQ(ended_by(POLLIN), wait_fd(self->fd, event, POLLIN));
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, for_deadline(0)));
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, for_deadline(now())));
	ASSERT_EQ(0, wake(self->fd, me));
	EXPECT_EQ(COOP_WAIT_WAKE, wait_wake(self->fd));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(1, stat.switches);
	EXPECT_EQ(0, stat.waits);
	close(event);
}

TEST_F(group, deadline)
{
	struct coop_stat stat = {};
	__u64 deadline;

	ASSERT_LT(0, join(self->fd));
	/* Again, if we were too slow to wait at all. */
	for (__u64 ahead = 20 * MS; !stat.waits; ahead *= 2) {
		deadline = now() + ahead;
		EXPECT_EQ(COOP_WAIT_DEADLINE,
			  wait_for(self->fd, for_deadline(deadline)));
		EXPECT_LE(deadline, now());
		ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	}
	EXPECT_EQ(1, stat.waits);
	EXPECT_EQ(2, stat.switches);
}

/* The deadline only makes the task READY. */
TEST_F(group, deadline_does_not_take_the_turn)
{
	struct waiter waiter = {};

	wait_beside_us(&waiter, self->fd, for_deadline(0));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, waiter.done);
	ASSERT_EQ(0, yield(self->fd));
	EXPECT_EQ(COOP_WAIT_DEADLINE, waiter.ended[0]);
	pthread_join(waiter.thread, NULL);
}

FIXTURE(never) {
	int fd;
};

FIXTURE_VARIANT(never) {
	__u64 deadline;
};

FIXTURE_VARIANT_ADD(never, greatest) { ~0ULL };
FIXTURE_VARIANT_ADD(never, greatest_signed) { INT64_MAX };
FIXTURE_VARIANT_ADD(never, nearly_greatest_signed) { INT64_MAX - 1 };
FIXTURE_VARIANT_ADD(never, least_negative) { 1ULL << 63 };

FIXTURE_SETUP(never)
{
	self->fd = open_group(1);
}

FIXTURE_TEARDOWN(never)
{
	close(self->fd);
}

TEST_F(never, comes_and_a_wake_does)
{
	struct waiter waiter = {};
	struct coop_wait wait = for_deadline(variant->deadline);

	wait.flags |= COOP_WAIT_WAKE;
	start_waiter(&waiter, self->fd, wait);
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended[0]);
}

/* Run a test of a child whose CLOCK_MONOTONIC is that many seconds ahead. */
static int in_time_namespace(int fd, int ahead, int (*run)(int fd))
{
	int status, offsets;
	char text[64];
	pid_t child;

	if (unshare(CLONE_NEWTIME))
		return -errno;
	offsets = open("/proc/self/timens_offsets", O_WRONLY);
	snprintf(text, sizeof(text), "monotonic %d 0", ahead);
	if (offsets < 0 || write(offsets, text, strlen(text)) < 0)
		return -errno;
	close(offsets);
	child = fork_child();
	if (!child)
		_exit(run(fd));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int wait_till_deadline(int fd)
{
	__u64 deadline = now() + 20 * MS;

	if (join(fd) <= 0)
		return 1;
	if (wait_for(fd, for_deadline(deadline)) != COOP_WAIT_DEADLINE)
		return 2;
	if (now() < deadline)
		return 3;
	return wait_for(fd, for_deadline(now())) == COOP_WAIT_DEADLINE ? 0 : 4;
}

/* Near the greatest there is, and so later than that by the host's clock. */
static int wait_for_ever(int fd)
{
	struct coop_wait wait = for_deadline(INT64_MAX - 1000);
	struct waiter waiter = {};

	wait.flags |= COOP_WAIT_WAKE;
	start_waiter(&waiter, fd, wait);
	while (!waiter.id)
		usleep(1000);
	/* It has given its turn up, or was refused that. */
	if (join(fd) <= 0)
		return 1;
	wake(fd, waiter.id);
	leave(fd);
	pthread_join(waiter.thread, NULL);
	return waiter.ended[0] == COOP_WAIT_WAKE ? 0 : 2;
}

FIXTURE(namespace) {
	int fd;
};

FIXTURE_VARIANT(namespace) {
	int ahead;
	int (*run)(int fd);
};

FIXTURE_VARIANT_ADD(namespace, ahead) { 1000, wait_till_deadline };
FIXTURE_VARIANT_ADD(namespace, behind) { -1, wait_till_deadline };
FIXTURE_VARIANT_ADD(namespace, ahead_for_ever) { 1000, wait_for_ever };
FIXTURE_VARIANT_ADD(namespace, behind_for_ever) { -1, wait_for_ever };

FIXTURE_SETUP(namespace)
{
	self->fd = open_group(1);
}

FIXTURE_TEARDOWN(namespace)
{
	close(self->fd);
}

TEST_F(namespace, deadline_is_by_its_clock)
{
	int ret = in_time_namespace(self->fd, variant->ahead, variant->run);

	if (ret == -EPERM || ret == -EINVAL)
		SKIP(return, "no time namespace (%s): be root", strerror(-ret));
	EXPECT_EQ(0, ret);
}

/* All at once: nothing is lost, and what is not returned stays. */
TEST_F(group, all_there_at_once)
{
	struct coop_wait wait = { .flags = ALL, .events = POLLIN };
	int me = join(self->fd);

	wait.fd = eventfd(1, 0);
	ASSERT_EQ(0, wake(self->fd, me));
	EXPECT_EQ(ended_by(POLLIN), wait_for(self->fd, wait));
	wait.flags &= ~COOP_WAIT_FD;
	EXPECT_EQ(COOP_WAIT_WAKE | COOP_WAIT_DEADLINE,
		  wait_for(self->fd, wait));
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, wait));
	close(wait.fd);
}

/* What comes between the end of the wait and the turn is told as well. */
TEST_F(group, deadline_then_event_then_wake)
{
	struct waiter waiter = {};
	struct coop_wait wait = { .flags = ALL, .events = POLLIN };

	wait.fd = eventfd(0, 0);
	waiter.waits[1] = for_wake();
	wait_beside_us(&waiter, self->fd, wait);
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, eventfd_write(wait.fd, 1));
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_DEADLINE | ended_by(POLLIN), waiter.ended[0]);
	/* It was not WAITING any more, so that was a permit. */
	EXPECT_EQ(COOP_WAIT_WAKE, waiter.ended[1]);
	close(wait.fd);
}

TEST_F(group, wake_then_event)
{
	struct waiter waiter = {};
	struct coop_wait wait = { .flags = ALL, .events = POLLIN,
				  .deadline = ~0ULL };

	wait.fd = eventfd(0, 0);
	start_waiter(&waiter, self->fd, wait);
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	ASSERT_LT(0, join(self->fd));
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	ASSERT_EQ(0, eventfd_write(wait.fd, 1));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(COOP_WAIT_WAKE | ended_by(POLLIN), waiter.ended[0]);
	close(wait.fd);
}

/* The error of WAIT, if SWITCH with the same struct inside has it, too. */
static int refusal(int fd, int task, struct coop_wait wait)
{
	int error = wait_for(fd, wait) < 0 ? errno : 0;

	return call_and_wait(fd, task, wait) < 0 && errno == error ? error : 0;
}

#define REFUSAL(...)	\
	refusal(self->fd, other.id, (struct coop_wait){ __VA_ARGS__ })

TEST_F(group, what_a_wait_refuses)
{
	struct waiter other = {};
	int event = eventfd(1, 0), path = open("/", O_PATH), me;
	struct coop_stat stat;

	start_waiter(&other, self->fd, for_wake());
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	/* Not a task. */
	EXPECT_EQ(EPERM, REFUSAL(.flags = COOP_WAIT_WAKE));
	me = join(self->fd);
	EXPECT_EQ(EINVAL, REFUSAL(.flags = 0));
	EXPECT_EQ(EINVAL, REFUSAL(.flags = COOP_WAIT_INTR));
	EXPECT_EQ(EINVAL, REFUSAL(.flags = ALL | 0x10));
	EXPECT_EQ(EINVAL, REFUSAL(.flags = ALL | 1U << 31));
	EXPECT_EQ(EINVAL, REFUSAL(.flags = COOP_WAIT_WAKE, .reserved = 1));
	EXPECT_EQ(EINVAL, REFUSAL(.flags = COOP_WAIT_FD, .fd = event,
				  .events = POLLIN | POLLNVAL));
	EXPECT_EQ(EINVAL, REFUSAL(.flags = COOP_WAIT_FD, .fd = event,
				  .events = POLLIN | 1U << 31));
	EXPECT_EQ(EINVAL, REFUSAL(.flags = COOP_WAIT_FD, .fd = event,
				  .events = POLLIN | 0x10000));
	EXPECT_EQ(EINVAL, REFUSAL(.flags = COOP_WAIT_FD, .fd = self->fd));
	EXPECT_EQ(EBADF, REFUSAL(.flags = COOP_WAIT_FD, .fd = -1));
	EXPECT_EQ(EBADF, REFUSAL(.flags = COOP_WAIT_FD, .fd = 1000000));
	EXPECT_EQ(EBADF, REFUSAL(.flags = COOP_WAIT_FD, .fd = path));
	/* The turn was kept all along, nobody was woken, nothing was counted. */
	ASSERT_EQ(0, get_stat(self->fd, me, &stat));
	EXPECT_EQ(COOP_TASK_RUNNING, stat.state);
	EXPECT_EQ(1, stat.switches);
	EXPECT_EQ(0, stat.waits);
	ASSERT_EQ(0, get_stat(self->fd, other.id, &stat));
	EXPECT_EQ(COOP_TASK_WAITING, stat.state);
	EXPECT_EQ(0, stat.wakes);
	/* What is not waited for is not looked at. */
	ASSERT_EQ(0, wake(self->fd, me));
	EXPECT_EQ(COOP_WAIT_WAKE, wait_for(self->fd, (struct coop_wait){
		.flags = COOP_WAIT_WAKE, .events = ~0U, .fd = -1 }));
	ASSERT_EQ(0, wake(self->fd, other.id));
	ASSERT_EQ(0, leave(self->fd));
	pthread_join(other.thread, NULL);
	close(event);
	close(path);
}

#define SIZED(cmd, size)	_IOC(_IOC_WRITE, COOP_IOC_MAGIC, _IOC_NR(cmd), size)

TEST_F(group, sizes_of_the_structures)
{
	struct { struct coop_wait wait; __u64 more; } wait = {
		.wait = for_deadline(0), .more = 1 };
	struct { struct coop_wake wake; __u64 more; } wake = { .more = 1 };
	struct { struct coop_switch to; __u64 more; } to = { .more = 1 };

	wake.wake.task = join(self->fd);
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, SIZED(COOP_IOC_WAIT, 23), &wait));
	EXPECT_ERRNO(E2BIG, ioctl(self->fd, SIZED(COOP_IOC_WAIT, 32), &wait));
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, SIZED(COOP_IOC_WAKE, 7), &wake));
	EXPECT_ERRNO(E2BIG, ioctl(self->fd, SIZED(COOP_IOC_WAKE, 16), &wake));
	EXPECT_ERRNO(E2BIG, ioctl(self->fd, SIZED(COOP_IOC_SWITCH, 40), &to));
	wait.more = 0;
	wake.more = 0;
	EXPECT_EQ(COOP_WAIT_DEADLINE,
		  ioctl(self->fd, SIZED(COOP_IOC_WAIT, 32), &wait));
	EXPECT_EQ(0, ioctl(self->fd, SIZED(COOP_IOC_WAKE, 16), &wake));
	/* A short one has no wait, which is as one of zeros. */
	to.to.task = wake.wake.task;
	to.to.flags = COOP_SWITCH_WAIT;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, SIZED(COOP_IOC_SWITCH, 8), &to));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, COOP_IOC_WAIT, NULL));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, COOP_IOC_WAKE, NULL));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, COOP_IOC_SWITCH, NULL));
}

TEST_F(group, fdinfo_shows_waits)
{
	struct waiter waiter = {};

	start_waiter(&waiter, self->fd, for_wake());
	ASSERT_TRUE(wait_waiting(self->fd, 1));
	EXPECT_TRUE(fdinfo_has(self->fd, "\nwaiting:\t1\n"));
	EXPECT_TRUE(fdinfo_has(self->fd, "\nrunning:\t0\n"));
	EXPECT_TRUE(fdinfo_has(self->fd, "\nout:\t0\n"));
	EXPECT_TRUE(fdinfo_has(self->fd, "\nwaits:\t1\n"));
	EXPECT_TRUE(fdinfo_has(self->fd, "\nwakes:\t0\n"));
	ASSERT_EQ(0, wake(self->fd, waiter.id));
	pthread_join(waiter.thread, NULL);
	EXPECT_TRUE(fdinfo_has(self->fd, "\nwaiting:\t0\n"));
	EXPECT_TRUE(fdinfo_has(self->fd, "\nwakes:\t1\n"));
}

TEST_HARNESS_MAIN
