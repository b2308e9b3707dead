// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"

static atomic_int errors[FAKE_CALLS];
static atomic_uint counts[FAKE_CALLS];
static atomic_int last_id;
static _Thread_local int my_id;

/* Permits of the latest tasks, and who waits for one. */
#define PERMITS 4096
static bool permits[PERMITS];
static pthread_mutex_t permits_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t permit_given = PTHREAD_COND_INITIALIZER;

const char *fake_path;
int fake_flags;
bool fake_opens_path;
atomic_bool fake_slow_wakes;
struct coop_setup fake_setup;
_Thread_local struct coop_switch fake_switch;
_Thread_local struct coop_wait fake_wait;
_Atomic int fake_fd;

int fake_reset(void **state)
{
	(void)state;
	for (int i = 0; i < FAKE_CALLS; i++) {
		atomic_store(&errors[i], 0);
		atomic_store(&counts[i], 0);
	}
	fake_path = NULL;
	fake_opens_path = false;
	fake_slow_wakes = false;
	return 0;
}

void fake_fail(enum fake_call call, int error)
{
	atomic_store(&errors[call], error);
}

unsigned int fake_count(enum fake_call call)
{
	return atomic_load(&counts[call]);
}

struct coop_group *fake_group(void)
{
	struct coop_group *group;

	assert_int_equal(coop_open(&group, NULL), 0);
	return group;
}

void fake_close_when_idle(struct coop_group *group)
{
	int ret;

	while ((ret = coop_close(group)) == -EBUSY)
		sched_yield();
	assert_int_equal(ret, 0);
}

static int counted(enum fake_call call)
{
	atomic_fetch_add(&counts[call], 1);
	return atomic_load(&errors[call]);
}

/* As the libc's functions that return -1 and set errno. */
static int failed(int error)
{
	errno = error;
	return -1;
}

static int join(void)
{
	if (my_id)
		return failed(EBUSY);
	my_id = atomic_fetch_add(&last_id, 1) + 1;
	pthread_mutex_lock(&permits_lock);
	permits[my_id % PERMITS] = false;
	pthread_mutex_unlock(&permits_lock);
	return my_id;
}

static int fill_info(struct coop_info *info)
{
	memset(info, 0, sizeof(*info));
	info->abi = COOP_ABI_VERSION;
	info->turns_max = COOP_TURNS_MAX;
	return 0;
}

static int fill_stat(struct coop_stat *stat)
{
	stat->tasks = 7;
	return 0;
}

static int wake(int id)
{
	if (id > atomic_load(&last_id))
		return failed(ESRCH);
	pthread_mutex_lock(&permits_lock);
	permits[id % PERMITS] = true;
	pthread_cond_broadcast(&permit_given);
	pthread_mutex_unlock(&permits_lock);
	if (fake_slow_wakes)
		usleep(100);
	return 0;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000,
				  .tv_nsec = ns % 1000000000 };
}

static int wait_for_wake(const struct coop_wait *wait)
{
	struct timespec until = to_timespec(wait->deadline);
	bool *permit = &permits[my_id % PERMITS];
	int error = 0;

	pthread_mutex_lock(&permits_lock);
	while (!*permit && !error) {
		if (wait->flags & COOP_WAIT_DEADLINE)
			error = pthread_cond_clockwait(&permit_given,
						       &permits_lock,
						       CLOCK_MONOTONIC, &until);
		else
			pthread_cond_wait(&permit_given, &permits_lock);
	}
	error = !*permit;
	*permit = false;
	pthread_mutex_unlock(&permits_lock);
	return error ? COOP_WAIT_DEADLINE : COOP_WAIT_WAKE;
}

static int wait_for_fd(const struct coop_wait *wait)
{
	struct pollfd fd = { .fd = wait->fd, .events = wait->events };
	uint64_t now = coop_deadline(0);
	int timeout = -1;

	if (wait->flags & COOP_WAIT_DEADLINE)
		timeout = wait->deadline <= now ? 0 : (wait->deadline - now + 999999) / 1000000;
	if (poll(&fd, 1, timeout) < 1)
		return COOP_WAIT_DEADLINE;
	if (fd.revents & POLLNVAL)
		return failed(EBADF);
	return COOP_WAIT_FD | fd.revents << 16;
}

/* The library waits for a descriptor or for a wake, never for both. */
static int wait_for(const struct coop_wait *wait)
{
	struct timespec until = to_timespec(wait->deadline);

	fake_wait = *wait;
	if (!my_id)
		return failed(EPERM);
	if (wait->flags & COOP_WAIT_WAKE)
		return wait_for_wake(wait);
	if (wait->flags & COOP_WAIT_FD)
		return wait_for_fd(wait);
	if (!(wait->flags & COOP_WAIT_DEADLINE))
		return failed(EINVAL);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	return COOP_WAIT_DEADLINE;
}

static int switch_to(const struct coop_switch *to)
{
	fake_switch = *to;
	if (!my_id)
		return failed(EPERM);
	if (!(to->flags & COOP_SWITCH_WAIT))
		return 0;
	return wake(to->task) ? -1 : wait_for(&to->wait);
}

int __wrap_ioctl(int fd, unsigned long cmd, void *arg);
int __wrap_ioctl(int fd, unsigned long cmd, void *arg)
{
	int error = counted(_IOC_NR(cmd));

	fake_fd = fd;
	if (error)
		return failed(error);
	switch (cmd) {
	case COOP_IOC_INFO:
		return fill_info(arg);
	case COOP_IOC_SETUP:
		fake_setup = *(struct coop_setup *)arg;
		return 0;
	case COOP_IOC_JOIN:
		return arg ? failed(EINVAL) : join();
	case COOP_IOC_SWITCH:
		return switch_to(arg);
	case COOP_IOC_WAIT:
		return wait_for(arg);
	case COOP_IOC_WAKE:
		return wake(((struct coop_wake *)arg)->task);
	case COOP_IOC_STAT:
		return fill_stat(arg);
	case COOP_IOC_LEAVE:
	case COOP_IOC_YIELD:
		if (arg)
			return failed(EINVAL);
		if (!my_id)
			return failed(EPERM);
		if (cmd == COOP_IOC_LEAVE)
			my_id = 0;
		return 0;
	default:
		return failed(ENOTTY);
	}
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	int error = counted(FAKE_OPEN);

	fake_path = path;
	fake_flags = flags;
	if (error)
		return failed(error);
	return open(fake_opens_path ? path : "/dev/null", flags);
}

void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return counted(FAKE_MALLOC) ? NULL : malloc(size);
}

void *__wrap_calloc(size_t number, size_t size);
void *__wrap_calloc(size_t number, size_t size)
{
	return counted(FAKE_CALLOC) ? NULL : calloc(number, size);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg)
{
	int error = counted(FAKE_THREAD);

	return error ? error : pthread_create(thread, attr, fn, arg);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	int error = counted(FAKE_SPECIFIC);

	return error ? error : pthread_setspecific(key, value);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *))
{
	int error = counted(FAKE_KEY);

	return error ? error : pthread_key_create(key, end);
}

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void),
			  void (*child)(void));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void),
			  void (*child)(void))
{
	int error = counted(FAKE_ATFORK);

	return error ? error : pthread_atfork(prepare, parent, child);
}
