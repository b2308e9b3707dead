// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Channels: items of one size, in a ring that is the caller's.
 *
 * A sender that finds a receiver waiting copies to where that wants it. So
 * receivers wait only while the ring is empty, and senders only while it is
 * full, which is always so for a ring of no items.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static char *slot(const struct coop_channel *channel, size_t n)
{
	size_t at = (channel->first + n) % channel->capacity;

	return (char *)channel->items + at * channel->size;
}

static void put(struct coop_channel *channel, const void *item)
{
	memcpy(slot(channel, channel->count++), item, channel->size);
}

static void get(struct coop_channel *channel, void *item)
{
	memcpy(item, slot(channel, 0), channel->size);
	channel->first = (channel->first + 1) % channel->capacity;
	channel->count--;
}

/*
 * With the lock held, one step without waiting: true if it ended the call,
 * with a result. Who waited for just this is taken off its queue.
 */
static bool try_send(struct coop_channel *channel, const void *item,
		     struct coop_waiter **other, int *result)
{
	*result = channel->closed ? -EPIPE : 0;
	if (channel->closed)
		return true;
	*other = coop_queue_pop(&channel->receivers);
	if (*other)
		memcpy((*other)->item, item, channel->size);
	else if (channel->count < channel->capacity)
		put(channel, item);
	else
		return false;
	return true;
}

static bool try_recv(struct coop_channel *channel, void *item,
		     struct coop_waiter **other, int *result)
{
	*result = 0;
	*other = coop_queue_pop(&channel->senders);
	if (channel->count) {
		get(channel, item);
		if (*other)
			put(channel, (*other)->item);
		return true;
	}
	if (*other) {
		memcpy(item, (*other)->item, channel->size);
		return true;
	}
	*result = -EPIPE;
	return channel->closed;
}

/* With the lock held; it is released. */
static int wait_in(struct coop_channel *channel, struct coop_queue *queue,
		   void *item, uint64_t deadline)
{
	struct coop_waiter waiter;
	int ret;

	waiter.item = item;
	waiter.closed = false;
	ret = coop_queue_wait(queue, &channel->lock, &waiter, deadline);
	return !ret && waiter.closed ? -EPIPE : ret;
}

int coop_channel_send(struct coop_channel *channel, const void *item,
		      uint64_t deadline)
{
	struct coop_waiter *other = NULL;
	int ret;

	if (!channel || !item)
		return -EINVAL;
	ret = coop_may_wait(deadline);
	if (ret)
		return ret;
	pthread_mutex_lock(&channel->lock);
	if (!try_send(channel, item, &other, &ret))
		return wait_in(channel, &channel->senders, (void *)item,
			       deadline);
	pthread_mutex_unlock(&channel->lock);
	if (other)
		coop_waiter_go(other);
	return ret;
}

int coop_channel_recv(struct coop_channel *channel, void *item,
		      uint64_t deadline)
{
	struct coop_waiter *other = NULL;
	int ret;

	if (!channel || !item)
		return -EINVAL;
	ret = coop_may_wait(deadline);
	if (ret)
		return ret;
	pthread_mutex_lock(&channel->lock);
	if (!try_recv(channel, item, &other, &ret))
		return wait_in(channel, &channel->receivers, item, deadline);
	pthread_mutex_unlock(&channel->lock);
	if (other)
		coop_waiter_go(other);
	return ret;
}

static struct coop_waiter *turn_away(struct coop_queue *queue)
{
	struct coop_waiter *waiter;

	for (waiter = queue->first; waiter; waiter = waiter->next)
		waiter->closed = true;
	return coop_queue_pop_all(queue);
}

int coop_channel_close(struct coop_channel *channel)
{
	struct coop_waiter *senders, *receivers;

	if (!channel)
		return -EINVAL;
	pthread_mutex_lock(&channel->lock);
	channel->closed = 1;
	senders = turn_away(&channel->senders);
	receivers = turn_away(&channel->receivers);
	pthread_mutex_unlock(&channel->lock);
	coop_queue_go(senders);
	coop_queue_go(receivers);
	return 0;
}
