/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernels. The only file that asks for the version.
 */
#ifndef COOP_COMPAT_H
#define COOP_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/sched.h>
#include <linux/task_work.h>
#include <linux/version.h>
#include <linux/wait.h>

#ifndef CONFIG_PREEMPT_NOTIFIERS
#error "coop needs a kernel with CONFIG_PREEMPT_NOTIFIERS=y (CONFIG_KVM selects it)"
#endif

#ifndef CONFIG_TRACEPOINTS
#error "coop needs a kernel with CONFIG_TRACEPOINTS=y (CONFIG_FTRACE brings it)"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "coop needs Linux 6.1 or newer"
#endif

/*
 * The scheduler's private wake-up flags, from kernel/sched/sched.h of the
 * versions named. They are hints: a wrong one costs speed, nothing else.
 *
 * WF_SYNC (6.1 and later): the waker is about to sleep.
 * WF_CURRENT_CPU (6.6 and later): keep the wakee on the waker's CPU. Before,
 * default_wake_function() warned of any flag but WF_SYNC.
 */
#define COOP_WF_SYNC		0x10
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define COOP_WF_CURRENT_CPU	0x40
#else
#define COOP_WF_CURRENT_CPU	0
#endif

/**
 * coop_wake_here() - wake a thread; the caller is about to sleep
 * @thread: a thread in TASK_INTERRUPTIBLE sleep, or on its way there
 *
 * The wakee had best run on this CPU, which is what the flags say.
 */
static inline void coop_wake_here(struct task_struct *thread)
{
	struct wait_queue_entry entry = { .private = thread };

	default_wake_function(&entry, TASK_INTERRUPTIBLE,
			      COOP_WF_SYNC | COOP_WF_CURRENT_CPU, NULL);
}

/**
 * coop_thread_blocks() - does the caller, who is being switched out, sleep?
 *
 * Its state does not tell: a thread that is preempted between setting its
 * state and schedule() is still queued to run. One that waits for a lock which
 * PREEMPT_RT made a sleeping one does not count: elsewhere it would spin.
 *
 * Return: true if it sleeps; false if it was only preempted.
 */
static inline bool coop_thread_blocks(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	if (task_is_runnable(current))
		return false;
#else
	if (current->on_rq)
		return false;
#endif
	return !(READ_ONCE(current->__state) & TASK_RTLOCK_WAIT);
}

/*
 * Kbuild looks whether modules may call task_work_add() in this kernel. If not,
 * a task that comes back from a block runs at once, and waits for a turn in
 * its next call.
 */
#define COOP_FEATURES_ALWAYS						\
	(COOP_FEATURE_HAND_BACK | COOP_FEATURE_WAIT | COOP_FEATURE_BUDGET)
#ifdef COOP_HAVE_TASK_WORK_ADD
#define COOP_FEATURES	(COOP_FEATURES_ALWAYS | COOP_FEATURE_STRICT)
#else
#define COOP_FEATURES	COOP_FEATURES_ALWAYS
#endif

/**
 * coop_before_user_mode() - have a thread do something before user code
 * @thread: which thread
 * @work: what; not queued already
 *
 * Return: true if it will; false if it cannot, or has no user code any more.
 */
static inline bool coop_before_user_mode(struct task_struct *thread,
					 struct callback_head *work)
{
#ifdef COOP_HAVE_TASK_WORK_ADD
	return !task_work_add(thread, work, TWA_RESUME);
#else
	return false;
#endif
}

static inline void
coop_hrtimer_setup(struct hrtimer *timer,
		   enum hrtimer_restart (*expired)(struct hrtimer *timer),
		   enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, expired, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = expired;
#endif
}

static inline void
coop_hrtimer_on_stack(struct hrtimer *timer,
		      enum hrtimer_restart (*expired)(struct hrtimer *timer),
		      enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup_on_stack(timer, expired, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init_on_stack(timer, CLOCK_MONOTONIC, mode);
	timer->function = expired;
#endif
}

#endif /* COOP_COMPAT_H */
