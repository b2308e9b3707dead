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
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/coop.h>
#include <linux/perf_event.h>

#include "kselftest_harness.h"

#define join(fd)	ioctl(fd, COOP_IOC_JOIN, 0)
#define leave(fd)	ioctl(fd, COOP_IOC_LEAVE, 0)
#define yield(fd)	ioctl(fd, COOP_IOC_YIELD, 0)

static inline int hand_over(int fd, int task)
{
	struct coop_switch to = { .task = task };

	return ioctl(fd, COOP_IOC_SWITCH, &to);
}

/* A wait that is told as its fields: for_fd(fd, POLLIN), for_wake(). */
#define for_fd(what, which)	((struct coop_wait){		\
	.flags = COOP_WAIT_FD, .fd = what, .events = which })
#define for_wake()		((struct coop_wait){ .flags = COOP_WAIT_WAKE })
#define for_deadline(when)	((struct coop_wait){		\
	.flags = COOP_WAIT_DEADLINE, .deadline = when })

/* What a wait returns that was ended by these events of its descriptor. */
#define ended_by(events)	(COOP_WAIT_FD | (events) << 16)

static inline int wait_for(int fd, struct coop_wait wait)
{
	return ioctl(fd, COOP_IOC_WAIT, &wait);
}

static inline int wait_fd(int fd, int what, unsigned int events)
{
	return wait_for(fd, for_fd(what, events));
}

static inline int wait_wake(int fd)
{
	return wait_for(fd, for_wake());
}

static inline int wake(int fd, int task)
{
	struct coop_wake wake = { .task = task };

	return ioctl(fd, COOP_IOC_WAKE, &wake);
}

/* Wake a task, hand the turn to it, and wait. */
static inline int call_and_wait(int fd, int task, struct coop_wait wait)
{
	struct coop_switch to = {
		.task = task, .flags = COOP_SWITCH_WAIT, .wait = wait };

	return ioctl(fd, COOP_IOC_SWITCH, &to);
}

#define MS	1000000ULL

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static inline int open_group_with(unsigned int turns, unsigned int flags)
{
	struct coop_setup setup = { .turns = turns, .flags = flags };
	int fd = open("/dev/coop", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, COOP_IOC_SETUP, &setup))
		abort();
	return fd;
}

/* Most tests hold a turn and poll, so theirs is kept while they sleep. */
static inline int open_group(unsigned int turns)
{
	return open_group_with(turns, COOP_GROUP_ATOMIC);
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
 * Wait, for a minute at most, until a counter of the group has that value.
 * Polls: a test proves nothing by sleeping.
 */
static inline bool wait_count(int fd, size_t counter, unsigned int wanted)
{
	struct coop_stat stat;

	for (int i = 0; i < 60000; i++, usleep(1000))
		if (!get_stat(fd, 0, &stat) &&
		    *(__u32 *)((char *)&stat + counter) == wanted)
			return true;
	return false;
}

#define wait_ready(fd, n) wait_count(fd, offsetof(struct coop_stat, ready), n)
#define wait_waiting(fd, n) wait_count(fd, offsetof(struct coop_stat, waiting), n)
#define wait_tasks(fd, n) wait_count(fd, offsetof(struct coop_stat, tasks), n)

static inline bool wait_state(int fd, int task, unsigned int state)
{
	struct coop_stat stat;

	for (int i = 0; i < 60000; i++, usleep(1000))
		if (!get_stat(fd, task, &stat) && stat.state == state)
			return true;
	return false;
}

/* Until a task has begun to wait that often; a restart counts, too. */
static inline bool wait_waits(int fd, int task, unsigned int waits)
{
	struct coop_stat stat;

	for (int i = 0; i < 60000; i++, usleep(1000))
		if (!get_stat(fd, task, &stat) && stat.waits == waits &&
		    stat.state == COOP_TASK_WAITING)
			return true;
	return false;
}

/* Memory that is zero and stays shared after fork(). */
static inline void *map_shared(size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		abort();
	return map;
}

/* How many are inside a turn right now, and whether it was ever too many. */
struct inside {
	int turns;
	atomic_int now, worked, broken;
	volatile long counter;
};

static inline void work_inside(struct inside *inside)
{
	long was = inside->counter;

	inside->worked++;
	if (atomic_fetch_add(&inside->now, 1) >= inside->turns)
		inside->broken++;
	/* A window in which another one would be noticed. */
	for (volatile int work = 0; work < 20; work++)
		;
	if (inside->turns == 1)
		inside->counter = was + 1;
	atomic_fetch_sub(&inside->now, 1);
}

/* A task works for that many turns, and leaves. */
static inline void work_and_leave(int fd, struct inside *inside, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		work_inside(inside);
		if (yield(fd))
			inside->broken++;
	}
	if (leave(fd))
		inside->broken++;
}

static inline void take_turns(int fd, struct inside *inside, int rounds)
{
	if (join(fd) <= 0)
		inside->broken++;
	work_and_leave(fd, inside, rounds);
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

#define WAITS_MOST	3

/* In which order waiters' first waits end. */
static atomic_int places;

/*
 * A task beside the test's own that waits as it is told, once for each wait
 * that has flags, and leaves. Before the first it hands its turn to call.
 */
struct waiter {
	pthread_t thread;
	int fd, call;
	struct coop_wait waits[WAITS_MOST];
	atomic_int id, tid, done, place, ended[WAITS_MOST];
};

static inline void *wait_as_told(void *arg)
{
	struct waiter *me = arg;
	int ended;

	me->tid = gettid();
	me->id = join(me->fd);
	for (int i = 0; i < WAITS_MOST && me->waits[i].flags; i++) {
		if (me->call && !i)
			ended = call_and_wait(me->fd, me->call, me->waits[i]);
		else
			ended = wait_for(me->fd, me->waits[i]);
		me->ended[i] = ended < 0 ? -errno : ended;
		if (!i)
			me->place = ++places;
		me->done++;
	}
	leave(me->fd);
	return NULL;
}

static inline void start_waiter(struct waiter *waiter, int fd,
				struct coop_wait wait)
{
	waiter->fd = fd;
	waiter->waits[0] = wait;
	if (start(&waiter->thread, wait_as_told, waiter))
		abort();
}

/*
 * Start one that waits, and take the turn it gives up before its deadline comes.
 * If that was too slow, with a later one.
 */
static inline void wait_beside_us(struct waiter *waiter, int fd,
				  struct coop_wait wait)
{
	for (__u64 ahead = 20 * MS; ; ahead *= 2) {
		wait.deadline = now() + ahead;
		start_waiter(waiter, fd, wait);
		while (!waiter->id)
			usleep(1000);
		if (join(fd) <= 0)
			abort();
		if (!waiter->done)
			return;
		/* It may be in its next wait by now. */
		wake(fd, waiter->id);
		leave(fd);
		pthread_join(waiter->thread, NULL);
		waiter->id = waiter->done = 0;
	}
}

/* Never -1, which kill() would take for everybody. */
static inline pid_t fork_child(void)
{
	pid_t child = fork();

	if (child < 0)
		abort();
	return child;
}

/* The text of /proc/self/fdinfo has this line. */
static inline bool fdinfo_has(int fd, const char *line)
{
	char path[64], text[1024] = "";
	int fdinfo;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	fdinfo = open(path, O_RDONLY);
	if (fdinfo < 0 || read(fdinfo, text, sizeof(text) - 1) <= 0)
		abort();
	close(fdinfo);
	return strstr(text, line);
}

static inline void pin_to_one_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Counts every context switch of CPU 0, once it is enabled. */
static inline int count_context_switches(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
		.disabled = 1,
	};

	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

/*
 * None of the program's tests can run. The harness would run a test even where
 * its fixture was skipped, so this comes before it begins.
 */
static inline void skip_all(const char *why, int status)
{
	printf("TAP version 13\n1..1\nok 1 %s # SKIP %s\n",
	       program_invocation_short_name, why);
	puts("# Totals: pass:0 fail:0 xfail:0 xpass:0 skip:1 error:0");
	exit(status);
}

/* With kselftest's status for what was skipped. */
static void __attribute__((constructor)) require_coop(void)
{
	if (access("/dev/coop", R_OK | W_OK))
		skip_all("no /dev/coop: insmod coop.ko", 4);
}

/* Whether a task that has blocked waits for a turn before user code. */
static inline bool is_strict(void)
{
	struct coop_info info = {};
	int fd = open("/dev/coop", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, COOP_IOC_INFO, &info))
		abort();
	close(fd);
	return info.features & COOP_FEATURE_STRICT;
}

#define REQUIRE_STRICT()					\
	do {							\
		if (!is_strict())				\
			SKIP(return, "COOP_FEATURE_STRICT is missing"); \
	} while (0)

#define EXPECT_ERRNO(error, call)		\
	do {					\
		errno = 0;			\
		EXPECT_EQ(-1, call);		\
		EXPECT_EQ(error, errno);	\
	} while (0)

/* A group with one turn, which nobody has joined. */
FIXTURE(group) {
	int fd;
};

FIXTURE_SETUP(group)
{
	self->fd = open_group(1);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(group)
{
	close(self->fd);
}

#endif
