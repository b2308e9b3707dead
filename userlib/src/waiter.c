// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * How the library lets a task wait until another thread tells it to go.
 *
 * Who tells says so in the waiter and wakes the task; the task looks at the
 * waiter, however its sleep ended. So neither a wake that was meant for
 * something else nor one that comes too late does harm.
 */
#include <errno.h>
#include <time.h>

#include "internal.h"

/**
 * coop_waiter_init() - the calling task is going to wait
 * @waiter: set up
 */
void coop_waiter_init(struct coop_waiter *waiter)
{
	struct coop_task *me = coop_self();

	waiter->task = me;
	waiter->fd = me->group->fd;
	waiter->id = coop_id(me);
	atomic_init(&waiter->done, false);
}

/**
 * coop_waiter_wait() - wait until another thread says go
 * @waiter: of the calling task
 * @deadline: until when, or COOP_FOREVER
 *
 * Return: 0. -ETIME, or an error of coop_sys_wait(): then another thread may
 * still know of @waiter.
 */
int coop_waiter_wait(struct coop_waiter *waiter, uint64_t deadline)
{
	struct coop_wait wait = coop_wait_for(COOP_WAIT_WAKE, deadline);
	int ret;

	while (!atomic_load(&waiter->done)) {
		ret = coop_sys_wait(waiter->fd, &wait);
		if (ret < 0)
			return ret;
		if (!(ret & COOP_WAIT_WAKE))
			return -ETIME;
		/* Wakes are merged: one for coop_park() may be in this. */
		atomic_store(&waiter->task->permit, true);
	}
	return 0;
}

/**
 * coop_waiter_settle() - wait until another thread says go, come what may
 * @waiter: of the calling task, and another thread knows of it
 *
 * Only a program that has left or closed the group behind the library's back
 * has to look now and then.
 */
void coop_waiter_settle(struct coop_waiter *waiter)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	while (coop_waiter_wait(waiter, COOP_FOREVER))
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	pthread_setcancelstate(cancel, &cancel);
}

/**
 * coop_waiter_go() - tell a task that its wait is over
 * @waiter: not to be used afterwards
 */
void coop_waiter_go(struct coop_waiter *waiter)
{
	int fd = waiter->fd;
	int id = waiter->id;

	atomic_store(&waiter->done, true);
	/* It may have seen that and be gone: then this fails or is too much. */
	coop_sys_wake(fd, id);
}
