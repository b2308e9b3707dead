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
#include <linux/poll.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/smp.h>

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
		list_add(&task->link, &group->ready);
	else
		list_add_tail(&task->link, &group->ready);
	group->nr_ready++;
	trace_coop_ready(task);
}

static void coop_unqueue_locked(struct coop_task *task)
{
	lockdep_assert_held(&task->group->lock);
	list_del(&task->link);
	task->group->nr_ready--;
}

static struct coop_task *coop_head_locked(struct coop_group *group)
{
	lockdep_assert_held(&group->lock);
	return list_first_entry_or_null(&group->ready, struct coop_task, link);
}

/*
 * The turn that prev has, or a free one, goes to next, which is in no list. Nor
 * is prev afterwards, which gets a new state from the caller.
 */
static void coop_grant_locked(struct coop_task *prev, struct coop_task *next,
			      enum coop_why why)
{
	struct coop_group *group = next->group;

	lockdep_assert_held(&group->lock);
	group->switches++;
	if (prev)
		list_replace(&prev->link, &next->link);
	else
		list_add(&next->link, &group->running);
	next->switches++;
	next->first = false;
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
		list_del(&prev->link);
		group->free++;
		trace_coop_switch(group, prev, NULL, why);
	}
	return next;
}

/* Turns that nobody has need no watching, until one gets a holder again. */
static void coop_watch_locked(struct coop_group *group)
{
	lockdep_assert_held(&group->lock);
	if (!group->budget || group->watched)
		return;
	group->watched = true;
	hrtimer_start(&group->timer, ns_to_ktime(group->budget),
		      HRTIMER_MODE_REL_PINNED_HARD);
}

/*
 * A task gets a free turn, or is queued for one. Returns true if it has one
 * now.
 */
static bool coop_claim_locked(struct coop_task *task, enum coop_why why)
{
	struct coop_group *group = task->group;

	lockdep_assert_held(&group->lock);
	if (group->free) {
		group->free--;
		coop_grant_locked(NULL, task, why);
		coop_watch_locked(group);
		return true;
	}
	coop_queue_locked(task, task->first);
	if (group->polled) {
		group->polled = false;
		irq_work_queue(&group->poll_work);
	}
	return false;
}

/*
 * A signal is pending while the caller is parked. Returns true if it is OUT now;
 * false if it has been given a turn in the meantime.
 */
static bool coop_cut_short(struct coop_task *me)
{
	struct coop_group *group = me->group;
	unsigned long flags;
	bool cut;

	raw_spin_lock_irqsave(&group->lock, flags);
	cut = me->state != COOP_TASK_RUNNING;
	if (me->state == COOP_TASK_READY) {
		coop_unqueue_locked(me);
		me->first = true;
	} else if (me->state == COOP_TASK_WAITING) {
		group->nr_waiting--;
	}
	if (cut)
		WRITE_ONCE(me->state, COOP_TASK_OUT);
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return cut;
}

/* A task that is OUT wants a turn. Returns false if its group is dead. */
static bool coop_come_back(struct coop_task *me)
{
	struct coop_group *group = me->group;
	unsigned long flags;
	bool alive;

	raw_spin_lock_irqsave(&group->lock, flags);
	alive = !group->dead;
	if (alive)
		coop_claim_locked(me, COOP_WHY_RETURN);
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return alive;
}

/*
 * Sleep until granted a turn. A signal, a stop, the freezer and a debugger all
 * make signal_pending() true: then the task goes off READY, so that no turn is
 * given to one that will not use it, and the call is restarted later.
 *
 * It can be OUT at the beginning, or because its turn was seized before it woke
 * up. Of the others only its own thread brings a task out of OUT, and that is
 * here. Returns 0 without a turn if the group is dead.
 */
static int coop_turn_park(struct coop_task *me)
{
	int ret = 0;
	u32 state;

	me->parked = true;
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		/* Pairs with coop_grant_locked(). */
		state = smp_load_acquire(&me->state);
		if (state == COOP_TASK_RUNNING)
			break;
		if (state == COOP_TASK_OUT) {
			if (!coop_come_back(me))
				break;
			continue;
		}
		if (signal_pending(current)) {
			if (!coop_cut_short(me))
				continue;
			ret = -ERESTARTNOINTR;
			break;
		}
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	me->parked = false;
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

static void coop_wake_pollers(struct irq_work *work)
{
	struct coop_group *group =
		container_of(work, struct coop_group, poll_work);

	wake_up_poll(&group->poll, EPOLLIN | EPOLLRDNORM);
}

/**
 * coop_turn_open() - make a group that nobody else sees yet ready for use
 * @group: new
 */
void coop_turn_open(struct coop_group *group)
{
	raw_spin_lock_init(&group->lock);
	INIT_LIST_HEAD(&group->ready);
	INIT_LIST_HEAD(&group->running);
	init_waitqueue_head(&group->poll);
	init_irq_work(&group->poll_work, coop_wake_pollers);
	group->turns = 1;
	group->free = 1;
}

/**
 * coop_turn_poll() - is a task READY?
 * @group: whose poll queue the caller is in, if it wants to be told of the next
 *
 * Return: true if one is.
 */
bool coop_turn_poll(struct coop_group *group)
{
	unsigned long flags;
	bool ready;

	raw_spin_lock_irqsave(&group->lock, flags);
	group->polled = true;
	ready = group->nr_ready;
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return ready;
}

/**
 * coop_turn_setup() - set the number of turns, the flags and the budget
 * @group: one that no task has joined yet
 * @setup: valid
 *
 * Return: 0, or -EBUSY.
 */
int coop_turn_setup(struct coop_group *group, const struct coop_setup *setup)
{
	unsigned long flags;
	int ret = 0;

	raw_spin_lock_irqsave(&group->lock, flags);
	/* The first to join was granted a turn, whatever became of it. */
	if (group->switches) {
		ret = -EBUSY;
	} else {
		group->turns = setup->turns;
		group->free = setup->turns;
		group->flags = setup->flags;
		group->budget = min_t(u64, setup->budget, KTIME_MAX);
	}
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return ret;
}

/**
 * coop_turn_close() - the last descriptor is gone, and with it every call
 * @group: from now on its tasks are tasks no more
 *
 * Calls hold the descriptor, so those that are still parked were on their way
 * back from a block. They go on, one at a time lest interrupts be off for long.
 */
void coop_turn_close(struct coop_group *group)
{
	struct coop_task *task;
	unsigned long flags;

	do {
		raw_spin_lock_irqsave(&group->lock, flags);
		WRITE_ONCE(group->dead, true);
		task = coop_head_locked(group);
		if (task) {
			coop_unqueue_locked(task);
			WRITE_ONCE(task->state, COOP_TASK_OUT);
			wake_up_process(task->thread);
		}
		raw_spin_unlock_irqrestore(&group->lock, flags);
	} while (task);
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
	coop_claim_locked(me, COOP_WHY_JOIN);
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return coop_turn_park(me);
}

/* me goes to READY's tail and the head runs. Returns as coop_turn_yield() does. */
static int coop_give_up(struct coop_task *me, enum coop_why why)
{
	struct coop_group *group = me->group;
	struct coop_task *next;
	unsigned long flags;

	raw_spin_lock_irqsave(&group->lock, flags);
	next = coop_head_locked(group);
	if (!next || me->state != COOP_TASK_RUNNING) {
		raw_spin_unlock_irqrestore(&group->lock, flags);
		return next ? -EAGAIN : 0;
	}
	coop_unqueue_locked(next);
	coop_grant_locked(me, next, why);
	coop_queue_locked(me, false);
	return coop_hand_over(me, next, flags);
}

/**
 * coop_turn_yield() - let the head of READY run; go to its tail
 * @me: the caller's task
 *
 * Return: 0 with a turn; -ERESTARTNOINTR, cut short; or -EAGAIN if it has to
 * come back first, since its turn was seized this very moment.
 */
int coop_turn_yield(struct coop_task *me)
{
	/* Who is queued this very moment may as well have come later. */
	if (!list_empty(&me->group->ready))
		return coop_give_up(me, COOP_WHY_YIELD);
	/* It would have given its turn up: this is as good as a new one. */
	WRITE_ONCE(me->seen, 0);
	return 0;
}

/* Whether @me may hand its turn to @to, which may be no task at all. */
static int coop_may_hand_over_locked(struct coop_task *me, struct coop_task *to)
{
	if (me->state != COOP_TASK_RUNNING)
		return -EAGAIN;
	if (!to || to->state == COOP_TASK_GONE)
		return -ESRCH;
	if (to == me)
		return -EDEADLK;
	return to->state == COOP_TASK_READY ? 0 : -EBUSY;
}

/**
 * coop_turn_switch() - let a named task run; go to READY's tail
 * @me: the caller's task
 * @id: of the task that shall run
 *
 * Return: 0 with a turn; -ERESTARTNOINTR, cut short; -EAGAIN as with yield; or
 * -ESRCH, -EDEADLK or -EBUSY with the turn kept.
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
	group->handovers++;
	to->handovers++;
	coop_grant_locked(me, to, COOP_WHY_HANDOVER);
	coop_queue_locked(me, false);
	return coop_hand_over(me, to, flags);
}

/* A task's wait is over, by this. */
static void coop_end_wait_locked(struct coop_task *task, u32 what)
{
	lockdep_assert_held(&task->group->lock);
	atomic_or(what, &task->ended);
	task->group->nr_waiting--;
	trace_coop_wake(task, what);
}

/*
 * A wake for a task. Returns true if that ends its wait: it is in no list then,
 * and has to be claimed a turn, or given one. If not, it has a permit.
 */
static bool coop_wake_locked(struct coop_task *task)
{
	lockdep_assert_held(&task->group->lock);
	task->group->wakes++;
	task->wakes++;
	if (task->state != COOP_TASK_WAITING ||
	    !(task->waits_for & COOP_WAIT_WAKE)) {
		task->permit = true;
		return false;
	}
	coop_end_wait_locked(task, COOP_WAIT_WAKE);
	return true;
}

/**
 * coop_turn_event() - something has happened that a task waits for
 * @task: any that is within coop_wait(), asleep or not; from any context
 * @what: COOP_WAIT_FD or COOP_WAIT_DEADLINE
 */
void coop_turn_event(struct coop_task *task, u32 what)
{
	struct coop_group *group = task->group;
	unsigned long flags;
	bool granted = false;

	raw_spin_lock_irqsave(&group->lock, flags);
	if (task->state == COOP_TASK_WAITING) {
		coop_end_wait_locked(task, what);
		granted = coop_claim_locked(task, COOP_WHY_WAKE);
	} else {
		atomic_or(what, &task->ended);
	}
	raw_spin_unlock(&group->lock);
	if (granted)
		wake_up_process(task->thread);
	local_irq_restore(flags);
}

/**
 * coop_turn_wake() - end a task's wait, or leave it a permit
 * @group: of this group
 * @id: which one
 *
 * Return: 0, or -ESRCH.
 */
int coop_turn_wake(struct coop_group *group, u32 id)
{
	struct coop_task *task;
	unsigned long flags;
	bool granted = false;
	int ret = 0;

	raw_spin_lock_irqsave(&group->lock, flags);
	task = xa_load(&group->tasks, id);
	if (!task || task->state == COOP_TASK_GONE)
		ret = -ESRCH;
	else if (coop_wake_locked(task))
		granted = coop_claim_locked(task, COOP_WHY_WAKE);
	raw_spin_unlock(&group->lock);
	if (granted)
		wake_up_process(task->thread);
	local_irq_restore(flags);
	return ret;
}

/* Has what me waits for happened? A permit is used up here. */
static bool coop_met_locked(struct coop_task *me, const struct coop_wait *wait)
{
	lockdep_assert_held(&me->group->lock);
	if (wait->flags & COOP_WAIT_WAKE && me->permit) {
		me->permit = false;
		atomic_or(COOP_WAIT_WAKE, &me->ended);
	}
	return atomic_read(&me->ended);
}

/*
 * me, RUNNING, gives its turn away: to is who gets it, and is in no list, or is
 * NULL for the head of READY. Returns who got it.
 */
static struct coop_task *coop_give_locked(struct coop_task *me,
					  struct coop_task *to)
{
	if (!to)
		return coop_pass_locked(me, COOP_WHY_WAIT);
	me->group->handovers++;
	to->handovers++;
	coop_grant_locked(me, to, COOP_WHY_HANDOVER);
	return to;
}

/*
 * me waits, and calls to, if not NULL, which is in no list. Returns who has been
 * given a turn by that and is to be woken.
 */
static struct coop_task *coop_wait_locked(struct coop_task *me,
					  const struct coop_wait *wait,
					  struct coop_task *to)
{
	struct coop_group *group = me->group;
	bool runs = me->state == COOP_TASK_RUNNING;
	bool met = coop_met_locked(me, wait);
	struct coop_task *next = NULL;

	if (runs && met && !to)
		return NULL;
	if (runs)
		next = coop_give_locked(me, to);
	else if (to && coop_claim_locked(to, COOP_WHY_WAKE))
		next = to;
	if (met) {
		coop_claim_locked(me, COOP_WHY_RETURN);
		return next;
	}
	me->first = false;
	me->waits_for = wait->flags;
	me->waits++;
	group->waits++;
	group->nr_waiting++;
	WRITE_ONCE(me->state, COOP_TASK_WAITING);
	trace_coop_wait(me, wait);
	return next;
}

/* Sleep until the wait has ended and there is a turn. */
static int coop_park_waiting(struct coop_task *me)
{
	struct coop_group *group = me->group;
	int ret = coop_turn_park(me);
	unsigned long flags;

	if (!ret)
		return atomic_read(&me->ended);
	/* The restarted call will want its permit again. */
	raw_spin_lock_irqsave(&group->lock, flags);
	if (atomic_read(&me->ended) & COOP_WAIT_WAKE)
		me->permit = true;
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return ret;
}

/*
 * me calls a task, which is woken. It comes back in *to and is in no list, or
 * *to is NULL if it cannot run now.
 */
static int coop_call_locked(struct coop_task *me, u32 id, struct coop_task **to)
{
	struct coop_task *task = xa_load(&me->group->tasks, id);

	lockdep_assert_held(&me->group->lock);
	if (!task || task->state == COOP_TASK_GONE)
		return -ESRCH;
	if (task == me)
		return -EDEADLK;
	if (coop_wake_locked(task)) {
		*to = task;
	} else if (task->state == COOP_TASK_READY &&
		   me->state == COOP_TASK_RUNNING) {
		coop_unqueue_locked(task);
		*to = task;
	}
	return 0;
}

/**
 * coop_turn_wait() - give up the turn until something happens
 * @me: the caller's task, RUNNING or OUT; what it waits for is armed
 * @wait: that
 * @call: 0, or the id of a task that is woken, and handed the turn if it takes
 *	it; then @me gives its turn up even if what it waits for has happened
 *
 * Return: what has happened, COOP_WAIT_*, and @me has a turn; -ERESTARTNOINTR,
 * cut short; or -ESRCH or -EDEADLK and nothing was done.
 */
int coop_turn_wait(struct coop_task *me, const struct coop_wait *wait, u32 call)
{
	struct coop_group *group = me->group;
	struct coop_task *to = NULL, *next;
	unsigned long flags;
	int ret;

	raw_spin_lock_irqsave(&group->lock, flags);
	if (call) {
		ret = coop_call_locked(me, call, &to);
		if (ret) {
			raw_spin_unlock_irqrestore(&group->lock, flags);
			return ret;
		}
	}
	next = coop_wait_locked(me, wait, to);
	raw_spin_unlock(&group->lock);
	if (next)
		coop_wake_here(next->thread);
	local_irq_restore(flags);
	return coop_park_waiting(me);
}

/**
 * coop_turn_return() - a task that is OUT wants a turn again
 * @me: the caller's task
 *
 * One that had its wait for a turn cut short, or its turn seized, goes to the
 * head of READY; one that blocked, to the tail.
 *
 * Return: 0 with a turn, or -ERESTARTNOINTR, cut short.
 */
int coop_turn_return(struct coop_task *me)
{
	return coop_turn_park(me);
}

/* A task that has blocked loses its turn. Returns who has it now, to be woken. */
static struct coop_task *coop_block_locked(struct coop_task *task)
{
	struct coop_task *next = coop_pass_locked(task, COOP_WHY_BLOCK);

	WRITE_ONCE(task->state, COOP_TASK_OUT);
	task->group->blocks++;
	task->blocks++;
	return next;
}

/**
 * coop_turn_free() - a task is about to block: free its turn if nobody wants it
 * @me: the caller's task; the runqueue's lock is held, so nobody can be woken,
 *	and the group's lock can only be tried
 *
 * Return: true if that is done; else coop_turn_block() has to be called later.
 */
bool coop_turn_free(struct coop_task *me)
{
	struct coop_group *group = me->group;
	bool freed = false;

	if (!raw_spin_trylock(&group->lock))
		return false;
	if (!group->nr_ready && me->state == COOP_TASK_RUNNING &&
	    !group->dead) {
		coop_block_locked(me);
		freed = true;
	}
	raw_spin_unlock(&group->lock);
	return freed;
}

/**
 * coop_turn_block() - a task has blocked: pass its turn on
 * @task: any task; may be called from interrupts
 *
 * If it has woken up and come back in the meantime, it keeps its turn.
 */
void coop_turn_block(struct coop_task *task)
{
	struct coop_group *group = task->group;
	struct coop_task *next = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&group->lock, flags);
	if (READ_ONCE(task->blocked) && task->state == COOP_TASK_RUNNING &&
	    !group->dead)
		next = coop_block_locked(task);
	raw_spin_unlock(&group->lock);
	if (next)
		wake_up_process(next->thread);
	local_irq_restore(flags);
}

/* See to it that a task that is OUT waits for a turn before user code. */
static void coop_send_back_locked(struct coop_task *task)
{
	lockdep_assert_held(&task->group->lock);
	if (task->resuming ||
	    !coop_before_user_mode(task->thread, &task->resume))
		return;
	task->resuming = true;
	kref_get(&task->ref);
}

/**
 * coop_turn_unblock() - a task that has blocked is about to go on
 * @me: the caller's task; preemption is off
 */
void coop_turn_unblock(struct coop_task *me)
{
	struct coop_group *group = me->group;
	unsigned long flags;

	raw_spin_lock_irqsave(&group->lock, flags);
	WRITE_ONCE(me->blocked, false);
	if (group->flags & COOP_GROUP_ATOMIC) {
		group->stalls++;
		me->stalls++;
		trace_coop_stall(me, local_clock() - me->blocked_at);
	} else if (me->state == COOP_TASK_OUT && !group->dead) {
		if (group->free)
			coop_claim_locked(me, COOP_WHY_RETURN);
		else
			coop_send_back_locked(me);
	}
	raw_spin_unlock_irqrestore(&group->lock, flags);
}

/*
 * me, OUT, takes a free turn, or that of another task, whose thread is returned,
 * counted.
 */
static struct task_struct *coop_seize_locked(struct coop_task *me)
{
	struct coop_group *group = me->group;
	struct coop_task *from;

	lockdep_assert_held(&group->lock);
	if (group->dead)
		return NULL;
	if (group->free) {
		coop_claim_locked(me, COOP_WHY_RETURN);
		return NULL;
	}
	from = list_first_entry(&group->running, struct coop_task, link);
	coop_grant_locked(from, me, COOP_WHY_SIGNAL);
	from->first = true;
	WRITE_ONCE(from->state, COOP_TASK_OUT);
	coop_send_back_locked(from);
	return get_task_struct(from->thread);
}

static void coop_do_nothing(void *unused)
{
}

/*
 * A task on its way to user mode, OUT, has a signal to handle. It cannot wait any
 * longer, and it cannot go without a turn, since nothing would stop it after
 * the handler. So it takes that of another one, who comes back to the head of
 * READY before it executes another instruction of user code: its thread has
 * work to do before user mode, and if it is there now, on another CPU, the
 * interrupt that we wait for makes it leave.
 */
static void coop_seize(struct coop_task *me)
{
	struct coop_group *group = me->group;
	struct task_struct *thread;
	unsigned long flags;

	raw_spin_lock_irqsave(&group->lock, flags);
	thread = coop_seize_locked(me);
	raw_spin_unlock_irqrestore(&group->lock, flags);
	if (thread) {
		smp_call_function_single(task_cpu(thread), coop_do_nothing,
					 NULL, true);
		put_task_struct(thread);
	}
}

static bool coop_dying(void)
{
	return fatal_signal_pending(current) ||
	       current->flags & (PF_EXITING | PF_POSTCOREDUMP);
}

/**
 * coop_turn_resume() - wait for a turn before user code; may sleep
 * @me: the caller's task; it may have come back by now, or has a turn that
 *	lasted too long, and yields
 *
 * Returns with a turn, unless the thread or the group dies. The kernel runs this
 * before it looks for a signal, and would run it again and again if it were
 * queued anew, so when there is a signal to be handled, it has to be over:
 *
 *	the thread dies		It goes without a turn, and runs no user code.
 *	any other signal, a	A turn is seized, and with that the signal is
 *	stop, a debugger,	handled, and user code goes on. If that blocks,
 *	the freezer		as a stop does, the turn is passed on as with any
 *				block, and the thread comes here again later.
 *	a turn is granted and	The grant wins: see coop_turn_park().
 *	a signal comes
 *	the turn is granted	coop_turn_park() sees it OUT again, and puts it at
 *	and seized again	the head of READY.
 */
void coop_turn_resume(struct coop_task *me)
{
	struct coop_group *group = me->group;
	unsigned long flags;
	bool out, over;
	int ret = 0;

	raw_spin_lock_irqsave(&group->lock, flags);
	me->resuming = false;
	out = me->state == COOP_TASK_OUT;
	over = me->state == COOP_TASK_RUNNING && me->over == me->switches;
	raw_spin_unlock_irqrestore(&group->lock, flags);
	if (coop_dying())
		return;
	if (over)
		ret = coop_give_up(me, COOP_WHY_BUDGET);
	if (out || ret == -EAGAIN)
		ret = coop_turn_park(me);
	if (ret && !coop_dying())
		coop_seize(me);
}

/* A turn has a holder. Is it the same turn as when the timer looked last? */
static void coop_look_locked(struct coop_task *task, u64 now)
{
	struct coop_group *group = task->group;

	lockdep_assert_held(&group->lock);
	if (READ_ONCE(task->seen) != task->switches) {
		WRITE_ONCE(task->seen, task->switches);
		task->seen_at = now;
		task->overran = false;
		return;
	}
	if (!task->overran) {
		task->overran = true;
		task->overruns++;
		group->overruns++;
	}
	trace_coop_overrun(task, now - task->seen_at);
	if (group->flags & COOP_GROUP_PREEMPT && group->nr_ready) {
		task->over = task->switches;
		coop_send_back_locked(task);
	}
}

/**
 * coop_turn_tick() - look for turns that last longer than the budget
 * @group: one that has a budget
 *
 * Return: true if there is to be a next time; else it is begun anew when a
 * task gets a turn.
 */
bool coop_turn_tick(struct coop_group *group)
{
	u64 now = ktime_get_ns();
	struct coop_task *task;
	unsigned long flags;
	bool again;

	raw_spin_lock_irqsave(&group->lock, flags);
	list_for_each_entry(task, &group->running, link)
		coop_look_locked(task, now);
	again = !group->dead && !list_empty(&group->running);
	group->watched = again;
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return again;
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
		else if (state == COOP_TASK_WAITING)
			group->nr_waiting--;
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
	stat->blocks = group->blocks;
	stat->stalls = group->stalls;
	stat->overruns = group->overruns;
	stat->waits = group->waits;
	stat->wakes = group->wakes;
	if (stat->task) {
		task = xa_load(&group->tasks, stat->task);
		if (!task || task->state == COOP_TASK_GONE) {
			ret = -ESRCH;
			goto out;
		}
		stat->state = task->state;
		stat->switches = task->switches;
		stat->handovers = task->handovers;
		stat->blocks = task->blocks;
		stat->stalls = task->stalls;
		stat->overruns = task->overruns;
		stat->waits = task->waits;
		stat->wakes = task->wakes;
	}
	stat->turns = group->turns;
	stat->tasks = group->nr_tasks;
	stat->ready = group->nr_ready;
	stat->running = group->turns - group->free;
	stat->waiting = group->nr_waiting;
out:
	raw_spin_unlock_irqrestore(&group->lock, flags);
	return ret;
}
