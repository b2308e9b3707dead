// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fake.h"

static atomic_int errors[FAKE_CALLS];
static atomic_uint counts[FAKE_CALLS];
static atomic_int last_id;
static _Thread_local bool is_task;

const char *fake_path;
int fake_flags;
bool fake_opens_path;
struct coop_setup fake_setup;
struct coop_switch fake_switch;
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
	if (is_task)
		return failed(EBUSY);
	is_task = true;
	return atomic_fetch_add(&last_id, 1) + 1;
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
		fake_switch = *(struct coop_switch *)arg;
		return is_task ? 0 : failed(EPERM);
	case COOP_IOC_STAT:
		return fill_stat(arg);
	case COOP_IOC_LEAVE:
	case COOP_IOC_YIELD:
		if (arg)
			return failed(EINVAL);
		if (!is_task)
			return failed(EPERM);
		is_task = cmd == COOP_IOC_YIELD;
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
