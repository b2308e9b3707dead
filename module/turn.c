// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a turn. The only file that changes a task's state.
 *
 * A hand-over is: put oneself on READY, take the next one off it and make it
 * RUNNING, all under the group's lock; then wake that one and sleep. The
 * next one is woken with interrupts still off, so that between the wake-up
 * and the sleep nothing preempts the caller, and a hand-over is one context
 * switch and not two.
 */
#include <linux/errno.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "coop.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static void coop_queue_locked(struct coop_task *task, bool first)
{
	struct coop_group *group = task->group;

	lockdep_assert_held(&group->lock);
	WRITE_ONCE(task->state, COOP_TASK_READY);
	if (first)
		list_add(&task->ready, &group->ready);
	else
		list_add_tail(&task->ready, &group->ready);
	group->nr_ready++;
	trace_coop_ready(task);
}

static void coop_unqueue_locked(struct coop_task *task)
{
	lockdep_assert_held(&task->group->lock);
	list_del(&task->ready);
	task->group->nr_ready--;
}

static struct coop_task *coop_head_locked(struct coop_group *group)
{
	lockdep_assert_held(&group->lock);
	return list_first_entry_or_null(&group->ready, struct coop_task, ready);
}

/* The turn that prev had, or a free one, goes to next, which is in no queue. */
static void coop_grant_locked(struct coop_task *prev, struct coop_task *next,
			      enum coop_why why)
{
	struct coop_group *group = next->group;

	lockdep_assert_held(&group->lock);
	group->switches++;
	next->switches++;
	trace_coop_switch(group, prev, next, why);
	/* Pairs with coop_turn_park(): what the turn protects was written. */
	smp_store_release(&next->state, COOP_TASK_RUNNING);
}

/*
 * The turn that prev gives up goes to the head of READY, which is returned to
 * be woken, or else becomes free. prev gets a new state from the caller.
 */
static struct coop_task *coop_pass_locked(struct coop_task *prev,
					  enum coop_why why)
{
	struct coop_group *group = prev->group;
	struct coop_task *next = coop_head_locked(group);

	if (next) {
		coop_unqueue_locked(next);
		coop_grant_locked(prev, next, why);
	} else {
		group->free++;
		trace_coop_switch(group, prev, NULL, why);
	}
	return next;
}

/*
 * A signal is pending while the caller waits for a turn. Returns true if it
 * is off READY now; false if it has been given a turn in the meantime.
 */
static bool coop_cut_short(struct coop_task *me)
{
	struct coop_group *group = me->group;
	unsigned long flags;
	bool cut;

	raw_spin_lock_irqsave(&group->lock, flags);
	cut = me->state == COOP_TASK_READY;
	if (cut) {
		coop_unqueue_locked(me);
		WRITE_ONCE(me->state, COOP_TASK_OUT);
	}
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return cut;
}

/*
 * Sleep until granted a turn. A signal, a stop, the freezer and a debugger all
 * make signal_pending() true: then the task goes off READY, so that no turn is
 * given to one that will not use it, and the call is restarted later.
 */
static int coop_turn_park(struct coop_task *me)
{
	int ret = 0;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		/* Pairs with coop_grant_locked(). */
		if (smp_load_acquire(&me->state) == COOP_TASK_RUNNING)
			break;
		if (signal_pending(current)) {
			if (coop_cut_short(me))
				ret = -ERESTARTNOINTR;
			break;
		}
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return ret;
}

/*
 * Drop the lock with interrupts left off, wake next, and park. Interrupts off
 * also keep next's memory: it is freed after an RCU grace period.
 */
static int coop_hand_over(struct coop_task *me, struct coop_task *next,
			  unsigned long flags)
	__releases(&me->group->lock)
{
	raw_spin_unlock(&me->group->lock);
	coop_wake_here(next->thread);
	local_irq_restore(flags);
	return coop_turn_park(me);
}

/**
 * coop_turn_open() - make a group that nobody else sees yet ready for use
 * @group: new
 */
void coop_turn_open(struct coop_group *group)
{
	raw_spin_lock_init(&group->lock);
	INIT_LIST_HEAD(&group->ready);
	group->turns = 1;
	group->free = 1;
}

/**
 * coop_turn_setup() - set the number of turns
 * @group: one that no task has joined yet
 * @turns: 1 to COOP_TURNS_MAX
 *
 * Return: 0, or -EBUSY.
 */
int coop_turn_setup(struct coop_group *group, u32 turns)
{
	unsigned long flags;
	int ret = 0;

	raw_spin_lock_irqsave(&group->lock, flags);
	/* The first to join was granted a turn, whatever became of it. */
	if (group->switches) {
		ret = -EBUSY;
	} else {
		group->turns = turns;
		group->free = turns;
	}
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return ret;
}

/**
 * coop_turn_close() - the last descriptor is gone, and with it every call
 * @group: from now on its tasks are tasks no more
 *
 * Calls hold the descriptor, so no task is parked.
 */
void coop_turn_close(struct coop_group *group)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&group->lock, flags);
	WARN_ON_ONCE(!list_empty(&group->ready));
	WRITE_ONCE(group->dead, true);
	raw_spin_unlock_irqrestore(&group->lock, flags);
}

/* Take a free turn, or queue and wait for one. Enters with the lock held. */
static int coop_claim(struct coop_task *me, bool first, enum coop_why why,
		      unsigned long flags)
	__releases(&me->group->lock)
{
	struct coop_group *group = me->group;

	if (group->free) {
		group->free--;
		coop_grant_locked(NULL, me, why);
		raw_spin_unlock_irqrestore(&group->lock, flags);
		return 0;
	}
	coop_queue_locked(me, first);
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return coop_turn_park(me);
}

/**
 * coop_turn_join() - a new task enters the group and waits for a turn
 * @me: the caller's task, with an id
 * @tasks_max: how many tasks the group may have, this one counted
 *
 * Return: 0 with a turn; -ENOSPC with @me not in the group; -ERESTARTNOINTR
 * with @me in the group, cut short.
 */
int coop_turn_join(struct coop_task *me, u32 tasks_max)
{
	struct coop_group *group = me->group;
	unsigned long flags;

	raw_spin_lock_irqsave(&group->lock, flags);
	if (group->nr_tasks >= tasks_max) {
		raw_spin_unlock_irqrestore(&group->lock, flags);
		return -ENOSPC;
	}
	group->nr_tasks++;
	trace_coop_join(me);
	return coop_claim(me, false, COOP_WHY_JOIN, flags);
}

/**
 * coop_turn_yield() - let the head of READY run; go to its tail
 * @me: the caller's task, RUNNING
 *
 * Return: 0 with a turn, or -ERESTARTNOINTR, cut short.
 */
int coop_turn_yield(struct coop_task *me)
{
	struct coop_group *group = me->group;
	struct coop_task *next;
	unsigned long flags;

	/* Who is queued this very moment may as well have come later. */
	if (list_empty(&group->ready))
		return 0;

	raw_spin_lock_irqsave(&group->lock, flags);
	next = coop_head_locked(group);
	if (!next) {
		raw_spin_unlock_irqrestore(&group->lock, flags);
		return 0;
	}
	coop_unqueue_locked(next);
	coop_queue_locked(me, false);
	coop_grant_locked(me, next, COOP_WHY_YIELD);
	return coop_hand_over(me, next, flags);
}

/* Whether @me may hand its turn to @to, which may be no task at all. */
static int coop_may_hand_over_locked(struct coop_task *me, struct coop_task *to)
{
	if (!to || to->state == COOP_TASK_GONE)
		return -ESRCH;
	if (to == me)
		return -EDEADLK;
	return to->state == COOP_TASK_READY ? 0 : -EBUSY;
}

/**
 * coop_turn_switch() - let a named task run; go to READY's tail
 * @me: the caller's task, RUNNING
 * @id: of the task that shall run
 *
 * Return: 0 with a turn; -ERESTARTNOINTR, cut short; or -ESRCH, -EDEADLK or
 * -EBUSY with the turn kept.
 */
int coop_turn_switch(struct coop_task *me, u32 id)
{
	struct coop_group *group = me->group;
	struct coop_task *to;
	unsigned long flags;
	int ret;

	raw_spin_lock_irqsave(&group->lock, flags);
	/* Interrupts off are a read side of RCU, so @to stays. */
	to = xa_load(&group->tasks, id);
	ret = coop_may_hand_over_locked(me, to);
	if (ret) {
		raw_spin_unlock_irqrestore(&group->lock, flags);
		return ret;
	}
	coop_unqueue_locked(to);
	coop_queue_locked(me, false);
	group->handovers++;
	to->handovers++;
	coop_grant_locked(me, to, COOP_WHY_HANDOVER);
	return coop_hand_over(me, to, flags);
}

/**
 * coop_turn_return() - a task that was cut short wants its turn again
 * @me: the caller's task, OUT
 *
 * It had waited for its turn already, so it goes to the head of READY.
 *
 * Return: 0 with a turn, or -ERESTARTNOINTR, cut short again.
 */
int coop_turn_return(struct coop_task *me)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&me->group->lock, flags);
	return coop_claim(me, true, COOP_WHY_RETURN, flags);
}

/**
 * coop_turn_leave() - a task leaves its group, and its turn is passed on
 * @task: any task; may be called from interrupts
 * @why: of the coop_why values
 *
 * Return: true if it is the caller who made it GONE and has to take it apart.
 */
bool coop_turn_leave(struct coop_task *task, enum coop_why why)
{
	struct coop_group *group = task->group;
	struct coop_task *next = NULL;
	unsigned long flags;
	u32 state;

	raw_spin_lock_irqsave(&group->lock, flags);
	state = task->state;
	if (state != COOP_TASK_GONE) {
		if (state == COOP_TASK_READY)
			coop_unqueue_locked(task);
		else if (state == COOP_TASK_RUNNING)
			next = coop_pass_locked(task, why);
		WRITE_ONCE(task->state, COOP_TASK_GONE);
		group->nr_tasks--;
		trace_coop_leave(task);
	}
	raw_spin_unlock(&group->lock);
	if (next)
		wake_up_process(next->thread);
	local_irq_restore(flags);
	return state != COOP_TASK_GONE;
}

/**
 * coop_turn_stat() - read the counters
 * @group: of the group, or
 * @stat: of the task it names; filled
 *
 * Return: 0, or -ESRCH.
 */
int coop_turn_stat(struct coop_group *group, struct coop_stat *stat)
{
	struct coop_task *task = NULL;
	unsigned long flags;
	int ret = 0;

	raw_spin_lock_irqsave(&group->lock, flags);
	stat->state = 0;
	stat->switches = group->switches;
	stat->handovers = group->handovers;
	if (stat->task) {
		task = xa_load(&group->tasks, stat->task);
		if (!task || task->state == COOP_TASK_GONE) {
			ret = -ESRCH;
			goto out;
		}
		stat->state = task->state;
		stat->switches = task->switches;
		stat->handovers = task->handovers;
	}
	stat->turns = group->turns;
	stat->tasks = group->nr_tasks;
	stat->ready = group->nr_ready;
	stat->running = group->turns - group->free;
	stat->waiting = 0;
out:
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return ret;
}
