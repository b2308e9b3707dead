// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Mutexes and conditions.
 *
 * A mutex that is unlocked while tasks wait for it goes to the first of them
 * there and then: nobody overtakes.
 */
#include <errno.h>

#include "internal.h"

int coop_mutex_lock(struct coop_mutex *mutex, uint64_t deadline)
{
	struct coop_task *me = coop_self();
	struct coop_waiter waiter;
	int ret;

	if (!mutex)
		return -EINVAL;
	if (!me)
		return -EPERM;
	pthread_mutex_lock(&mutex->lock);
	if (mutex->owner && mutex->owner != me)
		return coop_queue_wait(&mutex->queue, &mutex->lock, &waiter,
				       deadline);
	ret = mutex->owner ? -EDEADLK : 0;
	mutex->owner = me;
	pthread_mutex_unlock(&mutex->lock);
	return ret;
}

int coop_mutex_unlock(struct coop_mutex *mutex)
{
	struct coop_waiter *next;

	if (!mutex)
		return -EINVAL;
	pthread_mutex_lock(&mutex->lock);
	if (!mutex->owner || mutex->owner != coop_self()) {
		pthread_mutex_unlock(&mutex->lock);
		return -EPERM;
	}
	next = coop_queue_pop(&mutex->queue);
	mutex->owner = next ? next->task : NULL;
	pthread_mutex_unlock(&mutex->lock);
	if (next)
		coop_waiter_go(next);
	return 0;
}

int coop_cond_wait(struct coop_cond *cond, struct coop_mutex *mutex,
		   uint64_t deadline)
{
	struct coop_waiter waiter;
	int ret, locked;

	if (!cond || !mutex)
		return -EINVAL;
	if (!coop_self())
		return -EPERM;
	/* Who signals needs this one, so between the two nothing is missed. */
	pthread_mutex_lock(&cond->lock);
	ret = coop_mutex_unlock(mutex);
	if (ret) {
		pthread_mutex_unlock(&cond->lock);
		return ret;
	}
	ret = coop_queue_wait(&cond->queue, &cond->lock, &waiter, deadline);
	locked = coop_mutex_lock(mutex, COOP_FOREVER);
	return locked ? locked : ret;
}

int coop_cond_signal(struct coop_cond *cond)
{
	struct coop_waiter *first;

	if (!cond)
		return -EINVAL;
	pthread_mutex_lock(&cond->lock);
	first = coop_queue_pop(&cond->queue);
	pthread_mutex_unlock(&cond->lock);
	if (first)
		coop_waiter_go(first);
	return 0;
}

int coop_cond_broadcast(struct coop_cond *cond)
{
	struct coop_waiter *all;

	if (!cond)
		return -EINVAL;
	pthread_mutex_lock(&cond->lock);
	all = coop_queue_pop_all(&cond->queue);
	pthread_mutex_unlock(&cond->lock);
	coop_queue_go(all);
	return 0;
}
