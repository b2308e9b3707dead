/* SPDX-License-Identifier: GPL-2.0 */
/* What coop's selftests share: opening groups, and threads that are tasks. */
#ifndef COOP_TEST_H
#define COOP_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/coop.h>

#include "kselftest_harness.h"

#define join(fd)	ioctl(fd, COOP_IOC_JOIN, 0)
#define leave(fd)	ioctl(fd, COOP_IOC_LEAVE, 0)
#define yield(fd)	ioctl(fd, COOP_IOC_YIELD, 0)

static inline int hand_over(int fd, int task)
{
	struct coop_switch to = { .task = task };

	return ioctl(fd, COOP_IOC_SWITCH, &to);
}

static inline int open_group(unsigned int turns)
{
	struct coop_setup setup = { .turns = turns };
	int fd = open("/dev/coop", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && turns != 1 && ioctl(fd, COOP_IOC_SETUP, &setup))
		abort();
	return fd;
}

/* A group's counters, or a task's. Poisoned first. */
static inline int get_stat(int fd, int task, struct coop_stat *stat)
{
	memset(stat, 0xa5, sizeof(*stat));
	stat->task = task;
	stat->flags = 0;
	return ioctl(fd, COOP_IOC_STAT, stat);
}

/*
 * Wait, for ten seconds at most, until that many tasks are READY (or in the
 * group). Polls: a test proves nothing by sleeping.
 */
static inline bool wait_ready(int fd, unsigned int ready)
{
	struct coop_stat stat;

	for (int i = 0; i < 10000; i++, usleep(1000))
		if (!get_stat(fd, 0, &stat) && stat.ready == ready)
			return true;
	return false;
}

static inline bool wait_tasks(int fd, unsigned int tasks)
{
	struct coop_stat stat;

	for (int i = 0; i < 10000; i++, usleep(1000))
		if (!get_stat(fd, 0, &stat) && stat.tasks == tasks)
			return true;
	return false;
}

static inline int start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	ret = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return ret;
}

static inline void pin_to_one_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

#define REQUIRE_COOP()						\
	do {							\
		if (access("/dev/coop", R_OK | W_OK))		\
			SKIP(return, "no /dev/coop: insmod coop.ko"); \
	} while (0)

#endif
