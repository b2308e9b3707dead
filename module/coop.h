/* SPDX-License-Identifier: GPL-2.0 */
/*
 * coop: groups of tasks that take turns. The types, and who may touch what.
 *
 * Files, and which way calls run:
 *
 *	main.c	the device: checks what comes in, finds the caller's task
 *	wait.c	what a task can wait for
 *	task.c	a thread becomes a task and stops being one: leaves, dies, execs
 *	block.c	what the scheduler tells of a task
 *	turn.c	who has a turn. Nothing else changes a task's state
 *
 *	main -> wait -> task -> block -> turn. Nothing calls back upwards.
 *
 * States of a task
 *
 *	           join, no turn free            granted
 *	    (new) ---------------------> READY ------------> RUNNING
 *	      |                          ^   |                |  |  |
 *	      | join, a turn was free    |   | cut short      |  |  | leave
 *	      +--------> RUNNING         |   v                |  |  v
 *	                                 |  OUT <-------------+  | (gone)
 *	                        comes    |   |   blocks, or the  |
 *	                        back     +---+   turn was seized |
 *	                                 ^                       |
 *	                                 +-----------------------+
 *	                                 |  yield, hand-over     |
 *	                                 |                       |
 *	                                 +------- WAITING <------+
 *	                                   event         wait
 *
 *	READY	in group->ready, its thread parked in coop_turn_park(). Only
 *		parked threads are there, so a turn given to the head is used.
 *	RUNNING	has one of the group's turns, and is in group->running.
 *	WAITING	parked as well, until an event makes it READY, or RUNNING where
 *		a turn is free. It waits only inside its call: a signal makes
 *		it OUT, and when the call ends nothing of the wait is left.
 *	OUT	has no turn and does not ask for one now. It comes back before
 *		it runs user code: at the restart of the call that a signal
 *		has cut short, in its next call, or on its way to user mode
 *		(block.c).
 *	GONE	has left; the memory waits for its last users.
 *
 *	Always: group->free is what group->turns leaves after those RUNNING,
 *	and while it is not 0, group->ready is empty. (No READY task sits
 *	beside a free turn.)
 *
 * Locks
 *
 *	group->lock, raw, taken with interrupts off since grants are made from
 *	irq_work as well: the lists, the counts, and the state, place and
 *	counters of every task of the group. Functions called with it held end
 *	in _locked. pi_lock and the runqueue's lock nest inside it; where those
 *	may be held, as in the notifier's sched_out, it can only be tried.
 *
 *	Events come with a wait queue's lock held, or from a timer; that lock
 *	is outside of group->lock. The group's own poll queue is woken from an
 *	irq_work with neither held.
 *
 *	The xarray's own lock: changes of group->tasks. Process context only,
 *	never together with group->lock. Looking up needs neither.
 *
 *	A task's thread alone touches its link in current->preempt_notifiers,
 *	parked, cuts and nr_cuts, without a lock. It reads its own state without
 *	the lock where a stale answer is seen again later.
 *
 *	blocked is set by the task's thread as it is switched out, and cleared
 *	under group->lock as it is switched in.
 *
 * Lifetimes
 *
 *	A group is counted by its open file and by each of its tasks, and keeps
 *	the module loaded. When the file is closed the group is dead: its tasks
 *	are tasks no more, and are taken apart when their threads die, exec, or
 *	join another group.
 *
 *	A task is counted by its registration and by a task_work that is queued
 *	on its thread. The registration ends once, by whoever makes the task
 *	GONE: its thread in LEAVE or exec, or the irq_work that its death
 *	queued. That one takes the id out and, after irq_work_sync() (irq_work
 *	looks at its item after the callback), drops the count. The memory goes
 *	an RCU grace period after the last count (others may have found it by
 *	its id, the scheduler may be walking a list with its notifier, a waker
 *	may have its thread).
 */
#ifndef COOP_H
#define COOP_H

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/task_work.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <linux/coop.h>

/* How many calls of a thread, each from a handler within the last, are known. */
#define COOP_CUTS_MAX	4

/* Beside those of enum coop_task_state, which user space never sees. */
#define COOP_TASK_GONE	0

/**
 * struct coop_group - tasks that share turns; what an open file stands for
 * @lock: see above
 * @turns: how many tasks may be RUNNING
 * @flags: COOP_GROUP_*; like @turns, constant once a task has joined
 * @budget: how long a turn may last, in ns, or 0; constant like these
 * @free: how many of @turns nobody has
 * @nr_ready: length of @ready
 * @nr_waiting: how many are WAITING
 * @nr_tasks: tasks that are not GONE
 * @ready: READY tasks, the next to run first
 * @running: RUNNING tasks, in no order
 * @switches: turns granted
 * @handovers: turns granted by name
 * @blocks: turns that tasks lost because they blocked
 * @stalls: how often a task of a COOP_GROUP_ATOMIC group blocked
 * @waits: turns that tasks gave up to wait
 * @wakes: COOP_IOC_WAKE and the like
 * @overruns: turns that lasted longer than @budget
 * @watched: @timer runs; only while a task has a turn
 * @polled: somebody waits in @poll for the next READY task
 * @dead: the last descriptor was closed
 * @timer: looks every @budget who has had the same turn for so long
 * @poll: those who wait in poll() on the group
 * @poll_work: wakes them
 * @next_id: where the search for a free id starts, so that ids come back late
 * @tasks: the tasks by id
 * @id: names the group in traces and in fdinfo; never used again
 * @ref: the file, and each task
 */
struct coop_group {
	raw_spinlock_t lock;
	u32 turns;
	u32 flags;
	u64 budget;
	u32 free;
	u32 nr_ready;
	u32 nr_waiting;
	u32 nr_tasks;
	struct list_head ready;
	struct list_head running;
	u64 switches;
	u64 handovers;
	u64 blocks;
	u64 stalls;
	u64 waits;
	u64 wakes;
	u64 overruns;
	bool watched;
	bool polled;
	bool dead;
	struct hrtimer timer;
	wait_queue_head_t poll;
	struct irq_work poll_work;

	u32 next_id;
	struct xarray tasks;
	u64 id;
	struct kref ref;
};

/**
 * struct coop_task - a thread that takes part
 * @notifier: in its thread's list; also how current finds its task
 * @group: counted
 * @state: enum coop_task_state, or COOP_TASK_GONE
 * @id: key in @group's tasks
 * @link: in the group's @ready while READY, in its @running while RUNNING
 * @thread: counted
 * @first: while OUT: comes back to the head of READY, since it lost its turn, or
 *	its place in the queue, to no fault of its own
 * @parked: waits for a turn, so that its sleep is no block
 * @blocked: sleeps while it has, or had, a turn
 * @died: has been switched out for the last time
 * @resuming: @resume is queued; guarded by the group's lock
 * @permit: a wake that came before the wait
 * @waits_for: while WAITING, the flags of struct coop_wait
 * @ended: what has ended the wait, COOP_WAIT_*. Set under the group's lock;
 *	COOP_WAIT_FD is cleared without it
 * @nr_cuts: how many @cuts there are
 * @blocked_at: local_clock() when it stalled its group
 * @switches: turns it was granted
 * @handovers: how many of these by name
 * @blocks: turns it lost because it blocked
 * @stalls: how often it blocked and kept its turn
 * @waits: how often it gave its turn up to wait
 * @wakes: how often it was woken by name
 * @overruns: how many of its turns lasted longer than the budget
 * @seen: @switches when the timer first saw the turn it has, 0 if it yielded
 * @seen_at: and when that was, in ns of CLOCK_MONOTONIC
 * @overran: the turn that was @seen is counted in @overruns
 * @over: @switches of a turn that it shall give up before user mode
 * @cuts: calls that signals have cut short, by command and argument; each but
 *	the first is one of a handler that runs within the one before
 * @out: passes the turn on when the thread has blocked or died
 * @resume: waits for a turn before the thread goes back to user mode
 * @ref: registration, and @resume while queued
 * @reap: takes apart what may sleep
 * @rcu: frees
 */
struct coop_task {
	struct preempt_notifier notifier;
	struct coop_group *group;
	u32 state;
	u32 id;
	struct list_head link;
	struct task_struct *thread;
	bool first;
	bool parked;
	bool blocked;
	bool died;
	bool resuming;
	bool permit;
	u32 waits_for;
	atomic_t ended;
	u32 nr_cuts;
	u64 blocked_at;
	u64 switches;
	u64 handovers;
	u64 blocks;
	u64 stalls;
	u64 waits;
	u64 wakes;
	u64 overruns;
	u64 seen;
	u64 seen_at;
	u64 over;
	bool overran;

	struct {
		unsigned int cmd;
		unsigned long arg;
	} cuts[COOP_CUTS_MAX];
	struct irq_work out;
	struct callback_head resume;
	struct kref ref;
	struct work_struct reap;
	struct rcu_head rcu;
};

/* Why a turn moved: the last field of the tracepoint coop_switch. */
enum coop_why {
	COOP_WHY_JOIN,
	COOP_WHY_LEAVE,
	COOP_WHY_YIELD,
	COOP_WHY_HANDOVER,
	COOP_WHY_RETURN,
	COOP_WHY_EXIT,
	COOP_WHY_EXEC,
	COOP_WHY_BLOCK,
	COOP_WHY_SIGNAL,
	COOP_WHY_WAIT,
	COOP_WHY_WAKE,
	COOP_WHY_BUDGET,
};

/* wait.c */
int coop_wait_check(const struct coop_wait *wait);
long coop_wait(struct coop_task *me, struct file *self,
	       const struct coop_wait *wait, u32 call);

/* task.c */
struct coop_task *coop_task_current(struct coop_group *group);
long coop_task_join(struct coop_group *group, u32 tasks_max);
void coop_task_leave(struct coop_task *me);
bool coop_task_again(struct coop_task *me, unsigned int cmd, unsigned long arg);
void coop_task_forget(struct coop_task *me);
long coop_task_begin(struct coop_task *me, unsigned int cmd, unsigned long arg);
long coop_task_fail(struct coop_task *me, unsigned int cmd, unsigned long arg,
		    long ret);
struct coop_group *coop_group_new(void);
void coop_group_put(struct coop_group *group);
int coop_task_init(void);
void coop_task_exit(void);

/* block.c */
void coop_block_open(struct coop_group *group);
void coop_block_close(struct coop_group *group);
struct coop_task *coop_block_current(void);
void coop_block_watch(struct coop_task *me);
void coop_block_unwatch(struct coop_task *me);

/* turn.c */
void coop_turn_open(struct coop_group *group);
int coop_turn_setup(struct coop_group *group, const struct coop_setup *setup);
bool coop_turn_tick(struct coop_group *group);
void coop_turn_close(struct coop_group *group);
int coop_turn_join(struct coop_task *me, u32 tasks_max);
int coop_turn_yield(struct coop_task *me);
int coop_turn_switch(struct coop_task *me, u32 id);
int coop_turn_return(struct coop_task *me);
int coop_turn_wait(struct coop_task *me, const struct coop_wait *wait, u32 call);
void coop_turn_event(struct coop_task *task, u32 what);
int coop_turn_wake(struct coop_group *group, u32 id);
bool coop_turn_poll(struct coop_group *group);
bool coop_turn_free(struct coop_task *me);
void coop_turn_block(struct coop_task *task);
void coop_turn_unblock(struct coop_task *me);
void coop_turn_resume(struct coop_task *me);
bool coop_turn_leave(struct coop_task *task, enum coop_why why);
int coop_turn_stat(struct coop_group *group, struct coop_stat *stat);

#endif /* COOP_H */
