// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Semaphores and wait groups: what counts, and lets tasks wait for the count.
 *
 * A semaphore that is posted while tasks wait goes to the first of them, and
 * its count stays zero.
 */
#include <errno.h>
#include <limits.h>

#include "internal.h"

int coop_sem_wait(struct coop_sem *sem, uint64_t deadline)
{
	struct coop_waiter waiter;
	int ret;

	if (!sem)
		return -EINVAL;
	ret = coop_may_wait(deadline);
	if (ret)
		return ret;
	pthread_mutex_lock(&sem->lock);
	if (sem->count) {
		sem->count--;
		pthread_mutex_unlock(&sem->lock);
		return 0;
	}
	return coop_queue_wait(&sem->queue, &sem->lock, &waiter, deadline);
}

int coop_sem_post(struct coop_sem *sem)
{
	struct coop_waiter *first;
	int ret = 0;

	if (!sem)
		return -EINVAL;
	pthread_mutex_lock(&sem->lock);
	first = coop_queue_pop(&sem->queue);
	if (!first && sem->count == UINT_MAX)
		ret = -EOVERFLOW;
	else if (!first)
		sem->count++;
	pthread_mutex_unlock(&sem->lock);
	if (first)
		coop_waiter_go(first);
	return ret;
}

int coop_wait_group_add(struct coop_wait_group *wait, int n)
{
	struct coop_waiter *all = NULL;
	int ret = 0;
	int count;

	if (!wait)
		return -EINVAL;
	pthread_mutex_lock(&wait->lock);
	if (__builtin_add_overflow(wait->count, n, &count))
		ret = -EOVERFLOW;
	else if (count < 0)
		ret = -EINVAL;
	else
		wait->count = count;
	if (!ret && !count)
		all = coop_queue_pop_all(&wait->queue);
	pthread_mutex_unlock(&wait->lock);
	coop_queue_go(all);
	return ret;
}

int coop_wait_group_done(struct coop_wait_group *wait)
{
	return coop_wait_group_add(wait, -1);
}

int coop_wait_group_wait(struct coop_wait_group *wait, uint64_t deadline)
{
	struct coop_waiter waiter;
	int ret;

	if (!wait)
		return -EINVAL;
	ret = coop_may_wait(deadline);
	if (ret)
		return ret;
	pthread_mutex_lock(&wait->lock);
	if (!wait->count) {
		pthread_mutex_unlock(&wait->lock);
		return 0;
	}
	return coop_queue_wait(&wait->queue, &wait->lock, &waiter, deadline);
}
