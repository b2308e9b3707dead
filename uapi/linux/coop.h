/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/coop: tasks that take turns.
 *
 * What open("/dev/coop") returns is a group; dup(), fork() and SCM_RIGHTS
 * share it. Threads become tasks of a group by COOP_IOC_JOIN, and then run
 * user code only while they have one of the group's turns. The manual page
 * coop(4) has the whole story with examples.
 *
 * Every call is an ioctl() on the group's descriptor. It returns a value of
 * zero or more, or -1 with errno set. Common to all of them:
 *
 *	EBADF	the descriptor is not open
 *	EFAULT	the argument points outside the caller's memory
 *	EINVAL	an unknown flag, a reserved field that is not zero, an
 *		argument to a call that takes none, or a structure shorter
 *		than its first published version
 *	E2BIG	a structure longer than this kernel knows, with something
 *		other than zeros in the part it does not know (what only
 *		comes out, as with INFO and STAT, is zeroed there instead)
 *	ENOTTY	not a call of this device, or not one this version has
 *
 * A signal never makes a call fail, unless COOP_WAIT_INTR asks for it. The
 * handler runs, then the call goes on where it was cut short, as if by
 * SA_RESTART, and what it had already done is not done twice.
 */
#ifndef _UAPI_LINUX_COOP_H
#define _UAPI_LINUX_COOP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** COOP_ABI_VERSION - what struct coop_info's @abi says: grows, never breaks */
#define COOP_ABI_VERSION	1

/** COOP_TURNS_MAX - the most turns one group can have */
#define COOP_TURNS_MAX		256

/**
 * COOP_FEATURE_HAND_BACK - a task that blocks loses its turn
 *
 * A task that sleeps in the kernel while it has a turn (a read, a page fault, a
 * lock) gives it to the next at once, unless the group is COOP_GROUP_ATOMIC.
 */
#define COOP_FEATURE_HAND_BACK	0x1ULL

/**
 * COOP_FEATURE_STRICT - and waits for another one before it runs user code
 *
 * Without this bit it runs at once, beside others, and waits in its next call.
 */
#define COOP_FEATURE_STRICT	0x2ULL

/** COOP_FEATURE_WAIT - COOP_IOC_WAIT, COOP_IOC_WAKE, COOP_SWITCH_WAIT, poll() */
#define COOP_FEATURE_WAIT	0x4ULL

/** COOP_FEATURE_BUDGET - struct coop_setup's @budget */
#define COOP_FEATURE_BUDGET	0x8ULL

/** COOP_BUDGET_MIN - the smallest budget of a turn, in ns: a millisecond */
#define COOP_BUDGET_MIN		1000000ULL

/**
 * COOP_GROUP_ATOMIC - flag of COOP_IOC_SETUP: a task that blocks keeps its turn
 *
 * So between two calls of this device nothing else of the group runs, which is
 * what an event loop promises, and all wait while one blocks. How often that
 * happened is counted, and traced with how long it took.
 */
#define COOP_GROUP_ATOMIC	0x1U

/**
 * COOP_GROUP_PREEMPT - flag of COOP_IOC_SETUP: a turn is taken over budget
 *
 * A task that has a turn for longer than the budget, while others are READY,
 * yields on its way to user mode, wherever it is. Needs a budget and
 * COOP_FEATURE_STRICT, and goes not together with COOP_GROUP_ATOMIC.
 */
#define COOP_GROUP_PREEMPT	0x2U

/**
 * enum coop_task_state - what a task is doing, as COOP_IOC_STAT tells it
 * @COOP_TASK_READY: parked in the queue of those that want a turn
 * @COOP_TASK_RUNNING: has a turn
 * @COOP_TASK_WAITING: parked until something happens
 * @COOP_TASK_OUT: has no turn and is not queued for one: it blocks in the
 *	kernel, or a signal cut its call short and it has not come back yet
 */
enum coop_task_state {
	COOP_TASK_READY		= 1,
	COOP_TASK_RUNNING	= 2,
	COOP_TASK_WAITING	= 3,
	COOP_TASK_OUT		= 4,
};

/**
 * struct coop_info - what this kernel's coop is and can do
 * @abi: COOP_ABI_VERSION of the module
 * @turns_max: the most turns that COOP_IOC_SETUP accepts
 * @features: COOP_FEATURE_* bits
 * @tasks_max: the most tasks that one group holds
 * @reserved: zero
 */
struct coop_info {
	__u32 abi;
	__u32 turns_max;
	__u64 features;
	__u32 tasks_max;
	__u32 reserved;
};

/**
 * struct coop_setup - how a group shall work
 * @turns: how many of its tasks may run at once, 1 to COOP_TURNS_MAX
 * @flags: COOP_GROUP_* bits, or zero
 * @budget: how long one turn may last before it counts as an overrun, in ns:
 *	COOP_BUDGET_MIN or more, or zero for no limit
 *
 * The budget is looked at once a budget, so that an overrun is noticed when the
 * turn has lasted between one and two of them.
 */
struct coop_setup {
	__u32 turns;
	__u32 flags;
	__aligned_u64 budget;
};

/** COOP_WAIT_FD - flag of struct coop_wait: the descriptor has an event */
#define COOP_WAIT_FD		0x1U
/** COOP_WAIT_DEADLINE - flag of struct coop_wait: the deadline has passed */
#define COOP_WAIT_DEADLINE	0x2U
/** COOP_WAIT_WAKE - flag of struct coop_wait: somebody woke the task */
#define COOP_WAIT_WAKE		0x4U
/** COOP_WAIT_INTR - flag of struct coop_wait: a signal makes it fail with EINTR */
#define COOP_WAIT_INTR		0x8U

/**
 * COOP_WAIT_EVENTS() - the events of the descriptor, from what a wait returned
 *
 * As in poll(2)'s revents; 0 unless the value has COOP_WAIT_FD.
 */
#define COOP_WAIT_EVENTS(ended)	((__u32)(ended) >> 16)

/**
 * struct coop_wait - what to wait for: any combination
 * @flags: COOP_WAIT_*; at least one of FD, DEADLINE and WAKE
 * @events: with COOP_WAIT_FD, as in poll(2)'s events; POLLERR and POLLHUP are
 *	always waited for
 * @fd: with COOP_WAIT_FD, the descriptor; not one of the task's own group
 * @reserved: zero
 * @deadline: with COOP_WAIT_DEADLINE, when, in ns of CLOCK_MONOTONIC
 */
struct coop_wait {
	__u32 flags;
	__u32 events;
	__s32 fd;
	__u32 reserved;
	__aligned_u64 deadline;
};

/**
 * COOP_SWITCH_WAIT - flag of struct coop_switch: wake the task, and wait
 *
 * As COOP_IOC_WAKE on @task and COOP_IOC_WAIT for @wait in one call, with the
 * turn going to @task: the way to call a server and wait for its reply.
 */
#define COOP_SWITCH_WAIT	0x1U

/**
 * struct coop_switch - whom to hand the turn to
 * @task: id of a task of the same group
 * @flags: COOP_SWITCH_WAIT, or zero to stay READY
 * @wait: with COOP_SWITCH_WAIT, what to wait for; else not looked at
 */
struct coop_switch {
	__u32 task;
	__u32 flags;
	struct coop_wait wait;
};

/**
 * struct coop_wake - whom to wake
 * @task: id of a task of the group
 * @flags: zero
 */
struct coop_wake {
	__u32 task;
	__u32 flags;
};

/**
 * struct coop_stat - counters of a group or of one of its tasks
 * @task: in: the task's id, or 0 for the whole group
 * @flags: in: zero
 * @state: out: the task's enum coop_task_state; 0 for a group
 * @turns: out: how many turns the group has
 * @tasks: out: tasks that are in the group
 * @ready: out: tasks that are READY
 * @running: out: tasks that are RUNNING
 * @waiting: out: tasks that are WAITING
 * @switches: out: turns granted so far, to the task or in the group; each
 *	time a turn got a new holder counts as one
 * @handovers: out: how many of @switches were by name (COOP_IOC_SWITCH)
 * @blocks: out: turns lost so far because a task blocked
 * @stalls: out: how often a task blocked and kept its turn (COOP_GROUP_ATOMIC)
 * @waits: out: how often a task gave up its turn to wait (COOP_IOC_WAIT)
 * @wakes: out: how many wakes came, from COOP_IOC_WAKE and COOP_SWITCH_WAIT
 * @overruns: out: how many turns have lasted longer than the budget
 *
 * The counts of tasks are the group's in either case. A task that is neither
 * READY, RUNNING nor WAITING is COOP_TASK_OUT.
 */
struct coop_stat {
	__u32 task;
	__u32 flags;
	__u32 state;
	__u32 turns;
	__u32 tasks;
	__u32 ready;
	__u32 running;
	__u32 waiting;
	__u64 switches;
	__u64 handovers;
	__u64 blocks;
	__u64 stalls;
	__u64 waits;
	__u64 wakes;
	__u64 overruns;
};

/*
 * 0xC9 is free in Documentation/userspace-api/ioctl/ioctl-number.rst. The
 * kernel looks at type and number and takes the size from the command, so a
 * structure that grows at its end stays the same call.
 */
#define COOP_IOC_MAGIC		0xC9

/**
 * COOP_IOC_INFO - fill a struct coop_info
 *
 * Works for any holder of a descriptor. Returns 0.
 */
#define COOP_IOC_INFO		_IOR(COOP_IOC_MAGIC, 0x00, struct coop_info)

/**
 * COOP_IOC_SETUP - set the number of turns and the flags of a group
 *
 * Optional (a new group has one turn), and only before the first
 * COOP_IOC_JOIN. Returns 0.
 *
 *	EBUSY	a task has already joined
 *	EINVAL	also: @turns is not within 1 and COOP_TURNS_MAX; @budget is not
 *		zero and less than COOP_BUDGET_MIN; COOP_GROUP_PREEMPT without a
 *		budget, or with COOP_GROUP_ATOMIC
 *	EOPNOTSUPP	COOP_GROUP_PREEMPT where COOP_FEATURE_STRICT is missing
 */
#define COOP_IOC_SETUP		_IOW(COOP_IOC_MAGIC, 0x01, struct coop_setup)

/**
 * COOP_IOC_JOIN - the calling thread becomes a task of the group
 *
 * Takes no argument (pass 0). Returns the task's id, a positive int, once the
 * task has a turn. A thread that dies or execs leaves by itself; a thread made
 * by fork() or clone() is not a task until it joins. A task that closes its
 * descriptor stays one while the group is open anywhere, and be it in a call
 * that another thread waits in: leave first.
 *
 *	EBUSY	the thread is a task already, of this group or of another
 *	ENOMEM	out of memory
 *	ENOSPC	the group holds tasks_max tasks (see struct coop_info)
 */
#define COOP_IOC_JOIN		_IO(COOP_IOC_MAGIC, 0x02)

/**
 * COOP_IOC_LEAVE - stop being a task, and pass the turn on
 *
 * Takes no argument (pass 0). Returns 0.
 *
 *	EPERM	the thread is not a task of this group
 */
#define COOP_IOC_LEAVE		_IO(COOP_IOC_MAGIC, 0x03)

/**
 * COOP_IOC_YIELD - let the task at the head of READY run
 *
 * Takes no argument (pass 0). The caller goes to READY's tail and the call
 * returns 0 when it has a turn again. With nobody READY it returns at once.
 *
 *	EPERM	the thread is not a task of this group
 */
#define COOP_IOC_YIELD		_IO(COOP_IOC_MAGIC, 0x04)

/**
 * COOP_IOC_SWITCH - hand the turn over to a named task
 *
 * The READY task named in struct coop_switch runs next, wherever it stood in
 * the queue; the caller goes to READY's tail. Returns 0 when the caller has a
 * turn again.
 *
 * With COOP_SWITCH_WAIT the named task is woken, too (see COOP_IOC_WAKE). It
 * runs next if it is READY or a wake ends its wait; if it can do neither now,
 * it has a permit, and the turn goes to READY's head. The caller waits as by
 * COOP_IOC_WAIT and the call returns what that returns. If what it waits for
 * has happened already, it goes to READY's tail while the named task runs, and
 * keeps its turn if that cannot run now.
 *
 *	EBUSY	that task is not READY (without COOP_SWITCH_WAIT): it has a
 *		turn already, it waits, or a signal has cut its wait short
 *	EDEADLK	that task is the caller
 *	EPERM	the thread is not a task of this group
 *	ESRCH	no such task in this group
 *
 * and with COOP_SWITCH_WAIT those of COOP_IOC_WAIT.
 */
#define COOP_IOC_SWITCH		_IOW(COOP_IOC_MAGIC, 0x05, struct coop_switch)

/**
 * COOP_IOC_STAT - read the counters of a group or of a task
 *
 * Works for any holder of a descriptor. Returns 0.
 *
 *	ESRCH	no such task in this group
 */
#define COOP_IOC_STAT		_IOWR(COOP_IOC_MAGIC, 0x06, struct coop_stat)

/**
 * COOP_IOC_WAIT - give up the turn until something happens
 *
 * The task is WAITING until one of what struct coop_wait names has happened,
 * then READY, and the call returns when it has a turn again: COOP_WAIT_* bits
 * of what has happened, and COOP_WAIT_EVENTS() of it. If something has happened
 * already, it returns at once and the turn is kept; events that are there come
 * alone then, and a permit is left for the next wait. Events of the descriptor
 * are looked at as the call returns, so they are true of that moment; a file
 * that poll(2) calls always ready is so here. The open file is held: to
 * close its descriptor meanwhile does not end the wait.
 *
 * A signal cuts the wait short and loses nothing: the call is restarted, with
 * the same deadline, events that are still there, and its permit. With
 * COOP_WAIT_INTR it fails with EINTR instead, once it has a turn.
 *
 *	EBADF	@fd is not open
 *	EINTR	a signal came, or the task was stopped (COOP_WAIT_INTR only)
 *	EINVAL	also: @flags name nothing to wait for; @events has a bit that
 *		poll(2) has not; @fd is the task's own group
 *	ENOMEM	out of memory
 *	EPERM	the thread is not a task of this group
 */
#define COOP_IOC_WAIT		_IOW(COOP_IOC_MAGIC, 0x07, struct coop_wait)

/**
 * COOP_IOC_WAKE - end a task's wait, or leave it a permit
 *
 * Works for any holder of a descriptor, task or not. A task that is WAITING
 * with COOP_WAIT_WAKE becomes READY. Any other is left a permit, which makes
 * its next such wait return at once; a task has at most one. Returns 0.
 *
 *	ESRCH	no such task in this group
 */
#define COOP_IOC_WAKE		_IOW(COOP_IOC_MAGIC, 0x08, struct coop_wake)

/*
 * poll(2) on a group: POLLIN means that a task is READY and waits for a turn.
 * A task that is in an event loop can so learn that it is time to yield, and
 * others can watch. Nothing else is reported.
 */

#endif /* _UAPI_LINUX_COOP_H */
