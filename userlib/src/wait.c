// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Awaiting: a descriptor's events, a time, a wake.
 *
 * The kernel keeps the permits of wakes, one per task. What the library itself
 * waits for (see waiter.c) may take one that was meant for coop_park(): that
 * is kept in the task's permit. So is a wake for a task that has no id yet.
 */
#include <errno.h>
#include <time.h>

#include "internal.h"

#define NS_PER_S UINT64_C(1000000000)

/**
 * coop_wait_for() - what to wait for, as the kernel takes it
 * @flags: COOP_WAIT_*, without COOP_WAIT_DEADLINE
 * @deadline: COOP_FOREVER for none
 *
 * Return: that.
 */
struct coop_wait coop_wait_for(unsigned int flags, uint64_t deadline)
{
	struct coop_wait wait = { .flags = flags };

	if (deadline != COOP_FOREVER) {
		wait.flags |= COOP_WAIT_DEADLINE;
		wait.deadline = deadline;
	}
	return wait;
}

uint64_t coop_deadline(uint64_t ns)
{
	struct timespec now;
	uint64_t since;

	clock_gettime(CLOCK_MONOTONIC, &now);
	since = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	return ns < COOP_FOREVER - since ? since + ns : COOP_FOREVER;
}

int coop_await(int fd, short events, uint64_t deadline)
{
	struct coop_wait wait = coop_wait_for(COOP_WAIT_FD, deadline);
	struct coop_task *me = coop_self();
	int ret;

	if (!me)
		return -EPERM;
	wait.fd = fd;
	wait.events = (unsigned short)events;
	ret = coop_sys_wait(me->group->fd, &wait);
	if (ret < 0)
		return ret;
	return ret & COOP_WAIT_FD ? (int)COOP_WAIT_EVENTS(ret) : -ETIME;
}

int coop_sleep(uint64_t deadline)
{
	struct coop_wait wait = coop_wait_for(0, deadline);
	struct coop_task *me = coop_self();
	int ret;

	if (!me)
		return -EPERM;
	ret = coop_sys_wait(me->group->fd, &wait);
	return ret < 0 ? ret : 0;
}

int coop_park(uint64_t deadline)
{
	struct coop_wait wait = coop_wait_for(COOP_WAIT_WAKE, deadline);
	struct coop_task *me = coop_self();
	int ret;

	if (!me)
		return -EPERM;
	if (atomic_exchange(&me->permit, false))
		return 0;
	ret = coop_sys_wait(me->group->fd, &wait);
	if (ret < 0)
		return ret;
	return ret & COOP_WAIT_WAKE ? 0 : -ETIME;
}

int coop_wake(struct coop_task *task)
{
	int id = coop_id(task);

	if (id == -EBUSY) {
		/* In this order, since it gets its id and then may park. */
		atomic_store(&task->permit, true);
		id = coop_id(task);
		if (id == -EBUSY)
			return 0;
	}
	return id > 0 ? coop_sys_wake(task->group->fd, id) : id;
}

int coop_call(struct coop_task *task, uint64_t deadline)
{
	struct coop_task *me = coop_self();
	struct coop_wait wait;
	bool permit;
	int id, ret;

	if (!task)
		return -EINVAL;
	if (!me)
		return -EPERM;
	if (task->group != me->group)
		return -ESRCH;
	id = coop_id(task);
	if (id == -EBUSY) {
		/* It cannot be named yet. */
		ret = coop_wake(task);
		return ret ? ret : coop_park(deadline);
	}
	if (id < 0)
		return id;
	permit = atomic_load(&me->permit);
	wait = coop_wait_for(COOP_WAIT_WAKE, permit ? COOP_NOW : deadline);
	ret = coop_sys_call(me->group->fd, id, &wait);
	if (ret < 0)
		return ret;
	if (permit)
		atomic_store(&me->permit, false);
	return permit || ret & COOP_WAIT_WAKE ? 0 : -ETIME;
}
