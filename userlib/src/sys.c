// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The device's calls, one by one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "internal.h"

#define COOP_DEVICE "/dev/coop"

static int coop_ioctl(int fd, unsigned long cmd, const void *arg)
{
	int saved = errno;
	int ret = ioctl(fd, cmd, arg);

	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

int coop_sys_open(unsigned int flags)
{
	const char *path = secure_getenv("COOP_DEVICE");
	int saved = errno;
	int fd;

	if (flags)
		return -EINVAL;
	fd = open(path ? path : COOP_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		errno = saved;
	}
	return fd;
}

int coop_sys_info(int fd, struct coop_info *info)
{
	return info ? coop_ioctl(fd, COOP_IOC_INFO, info) : -EINVAL;
}

int coop_sys_setup(int fd, const struct coop_setup *setup)
{
	return setup ? coop_ioctl(fd, COOP_IOC_SETUP, setup) : -EINVAL;
}

int coop_sys_join(int fd)
{
	return coop_ioctl(fd, COOP_IOC_JOIN, NULL);
}

int coop_sys_leave(int fd)
{
	return coop_ioctl(fd, COOP_IOC_LEAVE, NULL);
}

int coop_sys_yield(int fd)
{
	return coop_ioctl(fd, COOP_IOC_YIELD, NULL);
}

int coop_sys_switch(int fd, int id)
{
	struct coop_switch to = { .task = id };

	return id > 0 ? coop_ioctl(fd, COOP_IOC_SWITCH, &to) : -EINVAL;
}

int coop_sys_stat(int fd, struct coop_stat *stat)
{
	return stat ? coop_ioctl(fd, COOP_IOC_STAT, stat) : -EINVAL;
}

int coop_sys_wait(int fd, const struct coop_wait *wait)
{
	return wait ? coop_ioctl(fd, COOP_IOC_WAIT, wait) : -EINVAL;
}

int coop_sys_wake(int fd, int id)
{
	struct coop_wake whom = { .task = id };

	return id > 0 ? coop_ioctl(fd, COOP_IOC_WAKE, &whom) : -EINVAL;
}

int coop_sys_call(int fd, int id, const struct coop_wait *wait)
{
	struct coop_switch to = { .task = id, .flags = COOP_SWITCH_WAIT };

	if (id <= 0 || !wait)
		return -EINVAL;
	to.wait = *wait;
	return coop_ioctl(fd, COOP_IOC_SWITCH, &to);
}
