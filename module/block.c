// SPDX-License-Identifier: GPL-2.0
/*
 * What the scheduler tells of a task, by a preempt notifier that hangs on its
 * thread. That list is also how a thread finds out which task it is, without
 * a table or a lock.
 *
 * A task that blocks while it has a turn gives it to the next. sched_out runs
 * under the runqueue's lock, where nothing may be woken, and our lock can only be
 * tried. If nobody wants the turn and the lock is there, it is free at once.
 * Else sched_out sets a flag and queues an irq_work, which runs as soon as
 * interrupts are on again, and passes the turn on. sched_in clears the flag; if
 * the turn is gone by then, the thread takes a free one, or gets work to do
 * before it returns to user mode, and that waits for a turn. The orders of events:
 *
 *	sched_out, irq_work, sched_in	The turn is passed on; the task waits.
 *	sched_out, sched_in, irq_work	It was a short sleep: the irq_work finds the
 *					flag cleared, and the task keeps its turn.
 *	sched_in, sched_out, irq_work	The irq_work of the first sleep finds the
 *					flag of the second, and is as good.
 *	irq_work and sched_in at once	The group's lock decides which of the above.
 *
 * A budget is watched by one timer for the group, which looks once a budget who
 * has had the same turn for so long. With COOP_GROUP_PREEMPT it gives that
 * thread work to do before it returns to user mode: to yield. So the turn is
 * taken while its holder is in the kernel, and no one else has to wait for it
 * to get there.
 *
 * To be preempted is not to block, and costs no turn. A task that waits for a
 * turn sleeps without blocking in this sense: it says so by its parked flag.
 */
#include <linux/sched/clock.h>

#include "compat.h"
#include "coop.h"

static struct coop_task *coop_task_of(struct preempt_notifier *notifier)
{
	return container_of(notifier, struct coop_task, notifier);
}

static void coop_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct coop_task *me = coop_task_of(notifier);

	if (unlikely(me->blocked))
		coop_turn_unblock(me);
}

static void coop_sched_out(struct preempt_notifier *notifier,
			   struct task_struct *next)
{
	struct coop_task *me = coop_task_of(notifier);
	struct coop_group *group = me->group;

	/* The last switch of a thread; it will not come back. */
	if (unlikely(READ_ONCE(current->__state) == TASK_DEAD)) {
		WRITE_ONCE(me->died, true);
		irq_work_queue(&me->out);
		return;
	}
	if (me->parked || READ_ONCE(me->state) != COOP_TASK_RUNNING ||
	    !coop_thread_blocks() || READ_ONCE(group->dead))
		return;
	WRITE_ONCE(me->blocked, true);
	if (group->flags & COOP_GROUP_ATOMIC)
		me->blocked_at = local_clock();
	else if (!coop_turn_free(me))
		irq_work_queue(&me->out);
}

static enum hrtimer_restart coop_block_tick(struct hrtimer *timer)
{
	struct coop_group *group = container_of(timer, struct coop_group, timer);

	if (!coop_turn_tick(group))
		return HRTIMER_NORESTART;
	/* A budget from now, even if this was late: what we saw has lasted that. */
	hrtimer_set_expires(timer, ktime_add_safe(hrtimer_cb_get_time(timer),
						  ns_to_ktime(group->budget)));
	return HRTIMER_RESTART;
}

/**
 * coop_block_open() - make a group's timer ready for use
 * @group: new
 */
void coop_block_open(struct coop_group *group)
{
	coop_hrtimer_setup(&group->timer, coop_block_tick,
			   HRTIMER_MODE_REL_PINNED_HARD);
}

/**
 * coop_block_close() - stop the timer; may sleep
 * @group: one that has no tasks any more
 */
void coop_block_close(struct coop_group *group)
{
	hrtimer_cancel(&group->timer);
}

static struct preempt_ops coop_preempt_ops = {
	.sched_in = coop_sched_in,
	.sched_out = coop_sched_out,
};

/**
 * coop_block_current() - which task is this thread?
 *
 * Return: the task, perhaps of a group that is dead; or NULL.
 */
struct coop_task *coop_block_current(void)
{
	struct preempt_notifier *notifier;

	hlist_for_each_entry(notifier, &current->preempt_notifiers, link) {
		if (notifier->ops == &coop_preempt_ops)
			return container_of(notifier, struct coop_task,
					    notifier);
	}
	return NULL;
}

/**
 * coop_block_watch() - hang a task's notifier on the calling thread
 * @me: the task that the thread becomes
 */
void coop_block_watch(struct coop_task *me)
{
	preempt_notifier_init(&me->notifier, &coop_preempt_ops);
	preempt_disable();
	preempt_notifier_register(&me->notifier);
	preempt_enable();
}

/**
 * coop_block_unwatch() - take it off again
 * @me: the calling thread's task
 *
 * The scheduler may be walking the list on this CPU, so @me must stay for an
 * RCU grace period.
 */
void coop_block_unwatch(struct coop_task *me)
{
	preempt_disable();
	preempt_notifier_unregister(&me->notifier);
	preempt_enable();
}
