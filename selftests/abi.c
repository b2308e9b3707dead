// SPDX-License-Identifier: GPL-2.0
/* The ABI: sizes and numbers are pinned, and every wrong argument is named. */
#include "coop_test.h"

TEST(sizes_and_numbers)
{
	EXPECT_EQ(24, sizeof(struct coop_info));
	EXPECT_EQ(8, offsetof(struct coop_info, features));
	EXPECT_EQ(16, offsetof(struct coop_info, tasks_max));
	EXPECT_EQ(16, sizeof(struct coop_setup));
	EXPECT_EQ(8, offsetof(struct coop_setup, budget));
	EXPECT_EQ(24, sizeof(struct coop_wait));
	EXPECT_EQ(8, offsetof(struct coop_wait, fd));
	EXPECT_EQ(16, offsetof(struct coop_wait, deadline));
	EXPECT_EQ(32, sizeof(struct coop_switch));
	EXPECT_EQ(8, offsetof(struct coop_switch, wait));
	EXPECT_EQ(8, sizeof(struct coop_wake));
	EXPECT_EQ(88, sizeof(struct coop_stat));
	EXPECT_EQ(32, offsetof(struct coop_stat, switches));
	EXPECT_EQ(40, offsetof(struct coop_stat, handovers));
	EXPECT_EQ(48, offsetof(struct coop_stat, blocks));
	EXPECT_EQ(56, offsetof(struct coop_stat, stalls));
	EXPECT_EQ(64, offsetof(struct coop_stat, waits));
	EXPECT_EQ(72, offsetof(struct coop_stat, wakes));
	EXPECT_EQ(80, offsetof(struct coop_stat, overruns));
	EXPECT_EQ(0x8018c900, COOP_IOC_INFO);
	EXPECT_EQ(0x4010c901, COOP_IOC_SETUP);
	EXPECT_EQ(0xc902, COOP_IOC_JOIN);
	EXPECT_EQ(0xc903, COOP_IOC_LEAVE);
	EXPECT_EQ(0xc904, COOP_IOC_YIELD);
	EXPECT_EQ(0x4020c905, COOP_IOC_SWITCH);
	EXPECT_EQ(0xc058c906, COOP_IOC_STAT);
	EXPECT_EQ(0x4018c907, COOP_IOC_WAIT);
	EXPECT_EQ(0x4008c908, COOP_IOC_WAKE);
}

TEST_F(group, info)
{
	struct coop_info info;
	struct { struct coop_info info; __u64 later; } longer;

	memset(&info, 0xa5, sizeof(info));
	ASSERT_EQ(0, ioctl(self->fd, COOP_IOC_INFO, &info));
	EXPECT_EQ(COOP_ABI_VERSION, info.abi);
	EXPECT_EQ(COOP_TURNS_MAX, info.turns_max);
	EXPECT_EQ(COOP_FEATURE_HAND_BACK | COOP_FEATURE_WAIT |
		  COOP_FEATURE_BUDGET,
		  info.features & ~COOP_FEATURE_STRICT);
	EXPECT_LT(0, info.tasks_max);
	EXPECT_EQ(0, info.reserved);

	memset(&longer, 0xa5, sizeof(longer));
	ASSERT_EQ(0, ioctl(self->fd, _IOR(COOP_IOC_MAGIC, 0, longer), &longer));
	EXPECT_EQ(0, longer.later);
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, _IOR(COOP_IOC_MAGIC, 0, __u64), &info));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, COOP_IOC_INFO, NULL));
}

TEST_F(group, unknown_calls)
{
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, _IO(COOP_IOC_MAGIC, 0xff), 0));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, _IO(0xC8, 0x04), 0));
	EXPECT_ERRNO(EBADF, ioctl(-1, COOP_IOC_YIELD, 0));
}

TEST_F(group, arguments_of_calls_that_take_none)
{
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_JOIN, 1));
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_YIELD, 1));
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_LEAVE, 1));
}

TEST_F(group, turns_and_flags)
{
	struct coop_setup setup = { .turns = 2 };
	struct { struct coop_setup setup; __u64 later; } longer = { { 3, 0 }, 0 };
	struct coop_stat stat;

	EXPECT_EQ(0, ioctl(self->fd, COOP_IOC_SETUP, &setup));
	EXPECT_EQ(0, ioctl(self->fd, _IOW(COOP_IOC_MAGIC, 1, longer), &longer));
	longer.later = 1;
	EXPECT_ERRNO(E2BIG, ioctl(self->fd, _IOW(COOP_IOC_MAGIC, 1, longer), &longer));
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, _IOW(COOP_IOC_MAGIC, 1, __u32), &setup));
	ASSERT_EQ(0, get_stat(self->fd, 0, &stat));
	EXPECT_EQ(3, stat.turns);
	setup.turns = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_SETUP, &setup));
	setup.turns = COOP_TURNS_MAX + 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_SETUP, &setup));
	setup.turns = COOP_TURNS_MAX;
	EXPECT_EQ(0, ioctl(self->fd, COOP_IOC_SETUP, &setup));
	setup.flags = COOP_GROUP_PREEMPT << 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_SETUP, &setup));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, COOP_IOC_SETUP, NULL));
	setup.flags = 0;
	ASSERT_LT(0, join(self->fd));
	EXPECT_ERRNO(EBUSY, ioctl(self->fd, COOP_IOC_SETUP, &setup));
}

/* Each is wrong in one way only, and would end at once were it let pass. */
TEST_F(group, arguments_of_waits_and_wakes)
{
	const struct coop_wait good = {
		.flags = COOP_WAIT_DEADLINE, .deadline = 1 };
	struct coop_wait wait = good;
	struct coop_switch to = { .flags = 2, .wait = good };
	struct coop_wake wake = {};
	int id = join(self->fd);

	ASSERT_LT(0, id);
	EXPECT_EQ(COOP_WAIT_DEADLINE, wait_for(self->fd, wait));
	wait.reserved = 1;
	EXPECT_ERRNO(EINVAL, wait_for(self->fd, wait));
	wait = good;
	wait.flags |= 1U << 31;
	EXPECT_ERRNO(EINVAL, wait_for(self->fd, wait));
	wait.flags = 0;
	EXPECT_ERRNO(EINVAL, wait_for(self->fd, wait));
	wait.flags = COOP_WAIT_INTR;
	EXPECT_ERRNO(EINVAL, wait_for(self->fd, wait));
	wait = good;
	wait.flags |= COOP_WAIT_FD;
	wait.fd = -1;
	EXPECT_ERRNO(EBADF, wait_for(self->fd, wait));
	wait.fd = self->fd;
	EXPECT_ERRNO(EINVAL, wait_for(self->fd, wait));
	wait.fd = STDERR_FILENO;
	wait.events = 1U << 31;
	EXPECT_ERRNO(EINVAL, wait_for(self->fd, wait));
	to.task = id;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_SWITCH, &to));
	to.flags = COOP_SWITCH_WAIT;
	EXPECT_ERRNO(EDEADLK, ioctl(self->fd, COOP_IOC_SWITCH, &to));
	to.task = id + 1;
	EXPECT_ERRNO(ESRCH, ioctl(self->fd, COOP_IOC_SWITCH, &to));
	wake.task = id;
	wake.flags = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_WAKE, &wake));
	wake.task = id + 1;
	wake.flags = 0;
	EXPECT_ERRNO(ESRCH, ioctl(self->fd, COOP_IOC_WAKE, &wake));
}

TEST_F(group, who_may_call)
{
	struct coop_switch to = { .task = 1 };
	struct coop_stat stat;
	int other = open_group(1);
	int id;

	EXPECT_ERRNO(EPERM, yield(self->fd));
	EXPECT_ERRNO(EPERM, leave(self->fd));
	EXPECT_ERRNO(EPERM, hand_over(self->fd, 1));
	id = join(self->fd);
	ASSERT_LT(0, id);
	EXPECT_ERRNO(EBUSY, join(self->fd));
	EXPECT_ERRNO(EBUSY, join(other));
	EXPECT_ERRNO(EPERM, yield(other));
	EXPECT_ERRNO(EDEADLK, hand_over(self->fd, id));
	EXPECT_ERRNO(ESRCH, hand_over(self->fd, id + 1));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, COOP_IOC_SWITCH, NULL));
	to.flags = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_SWITCH, &to));
	EXPECT_ERRNO(ESRCH, get_stat(self->fd, id + 1, &stat));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, COOP_IOC_STAT, NULL));
	stat.flags = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, COOP_IOC_STAT, &stat));
	EXPECT_EQ(0, yield(self->fd));
	EXPECT_EQ(0, leave(self->fd));
	EXPECT_ERRNO(EPERM, leave(self->fd));
	EXPECT_LT(id, join(self->fd));
	EXPECT_EQ(0, leave(self->fd));
	EXPECT_LT(0, join(other));
	close(other);
	/* That group is dead, so the thread is free to be a task elsewhere. */
	EXPECT_LT(0, join(self->fd));
}

TEST_F(group, fdinfo)
{
	static const char *const names[] = {
		"coop-group:\t", "turns:\t1\n", "tasks:\t1\n", "ready:\t0\n",
		"running:\t1\n", "waiting:\t0\n", "out:\t0\n", "switches:\t1\n",
		"handovers:\t0\n",
	};
	char path[64], text[1024] = "";
	int fdinfo;

	ASSERT_LT(0, join(self->fd));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	fdinfo = open(path, O_RDONLY);
	ASSERT_LE(0, fdinfo);
	ASSERT_LT(0, read(fdinfo, text, sizeof(text) - 1));
	close(fdinfo);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		EXPECT_TRUE(!!strstr(text, names[i]))
			TH_LOG("no %s", names[i]);
	}
}

#define TASKS_MAX "/sys/module/coop/parameters/tasks_max"

/* Makes @now the most tasks of a group; returns what it was, 0 on failure. */
static unsigned int set_tasks_max(unsigned int now)
{
	FILE *file = fopen(TASKS_MAX, "r+");
	unsigned int was = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%u", &was) != 1)
		was = 0;
	rewind(file);
	fprintf(file, "%u\n", now);
	return fclose(file) ? 0 : was;
}

FIXTURE(tasks_max) {
	unsigned int was;
	int fd;
};

FIXTURE_SETUP(tasks_max)
{
	self->fd = open_group(1);
	ASSERT_LT(0, join(self->fd));
	self->was = set_tasks_max(2);
}

FIXTURE_TEARDOWN(tasks_max)
{
	if (self->was)
		EXPECT_EQ(2, set_tasks_max(self->was));
	close(self->fd);
}

static void *join_and_leave(void *fd)
{
	join(*(int *)fd);
	leave(*(int *)fd);
	return NULL;
}

static void *join_in_vain(void *fd)
{
	return (void *)(long)(join(*(int *)fd) == -1 ? errno : 0);
}

TEST_F(tasks_max, more_are_refused)
{
	struct coop_stat before, after;
	struct coop_info info;
	pthread_t second, third;
	void *error;

	if (!self->was)
		SKIP(return, "cannot write %s: be root", TASKS_MAX);
	ASSERT_EQ(0, ioctl(self->fd, COOP_IOC_INFO, &info));
	EXPECT_EQ(2, info.tasks_max);
	ASSERT_EQ(0, start(&second, join_and_leave, &self->fd));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	ASSERT_EQ(0, get_stat(self->fd, 0, &before));
	ASSERT_EQ(0, start(&third, join_in_vain, &self->fd));
	pthread_join(third, &error);
	EXPECT_EQ(ENOSPC, (long)error);
	/* The group is as it was, works, and has room again. */
	ASSERT_EQ(0, get_stat(self->fd, 0, &after));
	/* But for our own waiting. */
	after.stalls = before.stalls;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(0, yield(self->fd));
	pthread_join(second, NULL);
	ASSERT_EQ(0, start(&third, join_and_leave, &self->fd));
	ASSERT_TRUE(wait_ready(self->fd, 1));
	EXPECT_EQ(0, leave(self->fd));
	pthread_join(third, NULL);
}

TEST_F(group, unload_while_in_use_is_refused)
{
	if (geteuid())
		SKIP(return, "needs root");
	EXPECT_ERRNO(EWOULDBLOCK, syscall(SYS_delete_module, "coop", O_NONBLOCK));
}

TEST_HARNESS_MAIN
