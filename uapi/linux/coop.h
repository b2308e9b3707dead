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
 * A signal never makes a call fail. The handler runs, then the call goes on
 * where it was cut short, as if by SA_RESTART, and what it had already done
 * is not done twice.
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

/**
 * COOP_GROUP_ATOMIC - flag of COOP_IOC_SETUP: a task that blocks keeps its turn
 *
 * So between two calls of this device nothing else of the group runs, which is
 * what an event loop promises, and all wait while one blocks. How often that
 * happened is counted, and traced with how long it took.
 */
#define COOP_GROUP_ATOMIC	0x1U

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
 */
struct coop_setup {
	__u32 turns;
	__u32 flags;
};

/**
 * struct coop_switch - whom to hand the turn to
 * @task: id of a READY task of the same group
 * @flags: zero; the caller stays READY
 */
struct coop_switch {
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
 *	EINVAL	also: @turns is not within 1 and COOP_TURNS_MAX
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
 * COOP_IOC_SWITCH - hand the turn over to a named READY task
 *
 * The task named in struct coop_switch runs next, wherever it stood in the
 * queue; the caller goes to READY's tail. Returns 0 when the caller has a
 * turn again.
 *
 *	EBUSY	that task is not READY: it has a turn already, or a signal
 *		has cut its wait for one short
 *	EDEADLK	that task is the caller
 *	EPERM	the thread is not a task of this group
 *	ESRCH	no such task in this group
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

#endif /* _UAPI_LINUX_COOP_H */
