// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Queues of waiting tasks, first in, first out, for what tasks share.
 *
 * Each shared object has an ordinary mutex around its state and its queues.
 * It is held for moments only, and never while a turn is given up on purpose.
 * Its holder may lose its turn to a page fault all the same: whoever then
 * waits for the mutex blocks, and so gives a turn back.
 *
 * Who ends a wait takes the waiter off its queue with the mutex held, and tells
 * it without: the object may be gone as soon as the waiter knows.
 */
#include <errno.h>

#include "internal.h"

/**
 * coop_queue_pop() - take the first waiter off a queue
 * @queue: with its object's mutex held
 *
 * Return: it, or NULL.
 */
struct coop_waiter *coop_queue_pop(struct coop_queue *queue)
{
	struct coop_waiter *waiter = queue->first;

	if (waiter) {
		queue->first = waiter->next;
		waiter->queued = false;
	}
	return waiter;
}

static void push(struct coop_queue *queue, struct coop_waiter *waiter)
{
	waiter->next = NULL;
	waiter->queued = true;
	if (queue->first)
		queue->last->next = waiter;
	else
		queue->first = waiter;
	queue->last = waiter;
}

static void take_out(struct coop_queue *queue, struct coop_waiter *waiter)
{
	struct coop_waiter *before = NULL;
	struct coop_waiter **link = &queue->first;

	while (*link != waiter) {
		before = *link;
		link = &before->next;
	}
	*link = waiter->next;
	if (queue->last == waiter)
		queue->last = before;
}

/**
 * coop_queue_pop_all() - take all waiters off a queue
 * @queue: with its object's mutex held
 *
 * Return: them, for coop_queue_go().
 */
struct coop_waiter *coop_queue_pop_all(struct coop_queue *queue)
{
	struct coop_waiter *all = queue->first;

	while (coop_queue_pop(queue))
		;
	return all;
}

/**
 * coop_queue_go() - end the waits of a list of waiters
 * @waiters: linked by @next, and not on a queue any more; may be NULL
 */
void coop_queue_go(struct coop_waiter *waiters)
{
	struct coop_waiter *next;

	for (; waiters; waiters = next) {
		next = waiters->next;
		coop_waiter_go(waiters);
	}
}

/**
 * coop_queue_wait() - wait in a queue
 * @queue: with its object's mutex held
 * @lock: that mutex; released
 * @waiter: for the calling task, of which there must be one unless @deadline
 *	is COOP_NOW
 * @deadline: until when, or COOP_FOREVER
 *
 * Return: 0, taken off the queue and told to go. -ETIME, or an error of
 * coop_sys_wait(): not in the queue any more, and nobody knows of @waiter.
 */
int coop_queue_wait(struct coop_queue *queue, pthread_mutex_t *lock,
		    struct coop_waiter *waiter, uint64_t deadline)
{
	bool queued;
	int ret;

	if (deadline == COOP_NOW) {
		pthread_mutex_unlock(lock);
		return -ETIME;
	}
	coop_waiter_init(waiter);
	push(queue, waiter);
	pthread_mutex_unlock(lock);
	ret = coop_waiter_wait(waiter, deadline);
	if (!ret)
		return 0;

	pthread_mutex_lock(lock);
	queued = waiter->queued;
	if (queued)
		take_out(queue, waiter);
	pthread_mutex_unlock(lock);
	if (queued)
		return ret;
	/* Somebody has just taken it off, and will tell. */
	coop_waiter_settle(waiter);
	return 0;
}

/**
 * coop_may_wait() - can the caller wait until that deadline?
 * @deadline: COOP_NOW needs no task
 *
 * Return: 0 or -EPERM.
 */
int coop_may_wait(uint64_t deadline)
{
	return coop_self() || deadline == COOP_NOW ? 0 : -EPERM;
}
