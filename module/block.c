// SPDX-License-Identifier: GPL-2.0
/*
 * What the scheduler tells of a task, by a preempt notifier that hangs on its
 * thread. That list is also how a thread finds out which task it is, without
 * a table or a lock.
 *
 * sched_out runs under the runqueue's lock, where nothing may be woken and no
 * lock of ours may be taken. So it only queues an irq_work, which runs as
 * soon as interrupts are on again.
 */
#include "coop.h"

static void coop_sched_in(struct preempt_notifier *notifier, int cpu)
{
}

static void coop_sched_out(struct preempt_notifier *notifier,
			   struct task_struct *next)
{
	/* The last switch of a thread; it will not come back. */
	if (unlikely(READ_ONCE(current->__state) == TASK_DEAD)) {
		struct coop_task *me;

		me = container_of(notifier, struct coop_task, notifier);
		irq_work_queue(&me->death);
	}
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
