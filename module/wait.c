// SPDX-License-Identifier: GPL-2.0
/*
 * What a task can wait for: a descriptor's events, a deadline, a wake.
 *
 * A wait is armed, then the turn is given up, unless something has happened by
 * then; so nothing that happens in between is lost. Events come from wait
 * queues and from the timer, with their locks held. They make the task READY
 * and do not run it: it is woken once, when it has a turn. All that a wait needs
 * is on the stack of its call and is taken down before that returns, whatever
 * ended it: nothing is left when a signal, a kill or an exec comes.
 *
 *	event, then asleep	coop_turn_wait() finds the event noted, and the
 *				turn is kept.
 *	asleep, then event	The event finds the task WAITING.
 *	event after event	The second is noted and changes nothing.
 *	event, then a signal,	The signal cuts the turn-wait short. The restarted
 *	before the turn		call finds the events still there, the deadline
 *				passed, and the permit, which is given back.
 *	signal, then event	The restarted call finds it.
 *	events are gone when	Somebody else has read, say. The task looks when it
 *	the turn comes		has the turn, and waits again.
 *	the file is closed	It is held, and goes when the wait has ended.
 */
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/sched/rt.h>
#include <linux/slab.h>
#include <linux/time_namespace.h>

#include "compat.h"
#include "coop.h"

#define COOP_WAIT_KNOWN_EVENTS						\
	(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP |		\
	 EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND |	\
	 EPOLLMSG | EPOLLRDHUP)

/*
 * One place in a wait queue.
 *
 * head is NULL once the queue is gone, which a few tell before they free it
 * (POLLFREE): then nothing is to be touched any more.
 */
struct coop_wait_entry {
	struct wait_queue_entry wait;
	struct wait_queue_head *head;
	struct coop_await *await;
	struct coop_wait_entry *next;
};

/*
 * A wait. Nearly every file has one queue. What has more (a FIFO opened for
 * both, a terminal, a datagram socket) has its further entries allocated.
 */
struct coop_await {
	struct coop_task *me;
	struct file *file;
	__poll_t events;
	int error;
	bool timed;
	poll_table table;
	struct coop_wait_entry first;
	struct coop_wait_entry *entries;
	struct hrtimer timer;
};

static int coop_wait_event(struct wait_queue_entry *wait, unsigned int mode,
			   int sync, void *key)
{
	struct coop_wait_entry *entry =
		container_of(wait, struct coop_wait_entry, wait);
	struct coop_await *await = entry->await;
	__poll_t events = key_to_poll(key);

	/* Who gives no key leaves it to us to look. */
	if (events && !(events & (await->events | POLLFREE)))
		return 0;
	coop_turn_event(await->me, COOP_WAIT_FD);
	if (events & POLLFREE) {
		list_del_init(&wait->entry);
		/* Pairs with coop_wait_unqueue(). Last: it lets the entry go. */
		smp_store_release(&entry->head, NULL);
	}
	return 1;
}

/* Called by the file's poll, once for each of its queues. */
static void coop_wait_queue(struct file *file, struct wait_queue_head *head,
			    poll_table *table)
{
	struct coop_await *await =
		container_of(table, struct coop_await, table);
	struct coop_wait_entry *entry = &await->first;

	if (await->entries)
		entry = kmalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);
	if (!entry) {
		await->error = -ENOMEM;
		return;
	}
	init_waitqueue_func_entry(&entry->wait, coop_wait_event);
	entry->head = head;
	entry->await = await;
	entry->next = await->entries;
	await->entries = entry;
	add_wait_queue(head, &entry->wait);
}

static void coop_wait_unqueue(struct coop_await *await)
{
	struct coop_wait_entry *entry, *next;
	struct wait_queue_head *head;

	for (entry = await->entries; entry; entry = next) {
		next = entry->next;
		/* A queue that goes early is freed a grace period later. */
		rcu_read_lock();
		/* Pairs with coop_wait_event(). */
		head = smp_load_acquire(&entry->head);
		if (head)
			remove_wait_queue(head, &entry->wait);
		rcu_read_unlock();
		if (entry != &await->first)
			kfree(entry);
	}
}

/*
 * Which of the events are there now. What is noted of the past is forgotten
 * first, so that an event that comes while we look is noted again.
 */
static __poll_t coop_wait_look(struct coop_await *await)
{
	if (!await->file)
		return 0;
	atomic_andnot(COOP_WAIT_FD, &await->me->ended);
	/* Pairs with the barrier in wake_up(): forget, then look. */
	smp_mb__after_atomic();
	return vfs_poll(await->file, &await->table) & await->events;
}

static enum hrtimer_restart coop_wait_expired(struct hrtimer *timer)
{
	struct coop_await *await = container_of(timer, struct coop_await, timer);

	coop_turn_event(await->me, COOP_WAIT_DEADLINE);
	return HRTIMER_NORESTART;
}

/*
 * The caller's clock may have an offset, if it is in a time namespace. What is
 * too late for the host's clock never comes.
 */
static ktime_t coop_wait_deadline(const struct coop_wait *wait)
{
	struct timespec64 offset = {};
	u64 deadline = wait->deadline;
	s64 ahead;

	timens_add_monotonic(&offset);
	ahead = timespec64_to_ns(&offset);
	if (deadline >= KTIME_MAX || (s64)deadline > KTIME_MAX + min(ahead, 0LL))
		return KTIME_MAX;
	return deadline - ahead;
}

static void coop_wait_start_timer(struct coop_await *await,
				  const struct coop_wait *wait)
{
	u64 slack = rt_task(current) ? 0 : current->timer_slack_ns;
	ktime_t deadline = coop_wait_deadline(wait);

	if (ktime_get() >= deadline) {
		coop_turn_event(await->me, COOP_WAIT_DEADLINE);
		return;
	}
	coop_hrtimer_on_stack(&await->timer, coop_wait_expired,
			      HRTIMER_MODE_ABS);
	hrtimer_start_range_ns(&await->timer, deadline, slack, HRTIMER_MODE_ABS);
	await->timed = true;
}

static int coop_wait_arm(struct coop_await *await, struct coop_task *me,
			 struct file *self, const struct coop_wait *wait)
{
	await->me = me;
	await->file = NULL;
	await->error = 0;
	await->timed = false;
	await->entries = NULL;
	await->table._qproc = NULL;
	if (wait->flags & COOP_WAIT_FD) {
		await->file = fget(wait->fd);
		if (!await->file)
			return -EBADF;
		if (await->file == self)
			return -EINVAL;
		await->events = (__force __poll_t)wait->events |
				EPOLLERR | EPOLLHUP;
		init_poll_funcptr(&await->table, coop_wait_queue);
		await->table._key = await->events;
	}
	if (wait->flags & COOP_WAIT_DEADLINE)
		coop_wait_start_timer(await, wait);
	return 0;
}

static void coop_wait_disarm(struct coop_await *await)
{
	if (await->timed) {
		hrtimer_cancel(&await->timer);
		destroy_hrtimer_on_stack(&await->timer);
	}
	coop_wait_unqueue(await);
	if (await->file)
		fput(await->file);
}

static long coop_wait_armed(struct coop_await *await,
			    const struct coop_wait *wait, u32 call)
{
	__poll_t events = coop_wait_look(await);
	int ended = 0;

	/* From now on, only look. */
	await->table._qproc = NULL;
	if (await->error)
		return await->error;
	/* A call that was restarted has no turn yet. */
	while (!events || call ||
	       READ_ONCE(await->me->state) == COOP_TASK_OUT) {
		if (events)
			coop_turn_event(await->me, COOP_WAIT_FD);
		ended = coop_turn_wait(await->me, wait, call);
		if (ended < 0)
			return ended;
		call = 0;
		events = coop_wait_look(await);
		ended &= ~COOP_WAIT_FD;
		if (ended)
			break;
	}
	if (events)
		ended |= COOP_WAIT_FD | (__force int)events << 16;
	return ended;
}

/**
 * coop_wait() - give up the turn until something happens
 * @me: the caller's task, with a turn or OUT
 * @self: the group's file, which is not waited for
 * @wait: what; checked
 * @call: id of a task to be woken and handed the turn, or 0
 *
 * Return: what has happened and which events, see COOP_IOC_WAIT; with a turn.
 * -ERESTARTNOINTR, cut short, without one, but @call is done. Any other error,
 * nothing was done, and the turn is as it was.
 */
long coop_wait(struct coop_task *me, struct file *self,
	       const struct coop_wait *wait, u32 call)
{
	struct coop_await await;
	long ret;

	atomic_set(&me->ended, 0);
	/* For a wake alone there is nothing to arm. */
	if (!(wait->flags & (COOP_WAIT_FD | COOP_WAIT_DEADLINE)))
		return coop_turn_wait(me, wait, call);
	ret = coop_wait_arm(&await, me, self, wait);
	if (!ret)
		ret = coop_wait_armed(&await, wait, call);
	coop_wait_disarm(&await);
	return ret;
}

/**
 * coop_wait_check() - look at what came from user space
 * @wait: that
 *
 * Return: 0 or -EINVAL.
 */
int coop_wait_check(const struct coop_wait *wait)
{
	const u32 what = COOP_WAIT_FD | COOP_WAIT_DEADLINE | COOP_WAIT_WAKE;

	if (wait->reserved || !(wait->flags & what) ||
	    wait->flags & ~(what | COOP_WAIT_INTR))
		return -EINVAL;
	if (wait->flags & COOP_WAIT_FD &&
	    wait->events & ~(__force u32)COOP_WAIT_KNOWN_EVENTS)
		return -EINVAL;
	return 0;
}
