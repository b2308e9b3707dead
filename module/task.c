// SPDX-License-Identifier: GPL-2.0
/*
 * A thread becomes a task and stops being one: it leaves, dies, or execs.
 *
 * What becomes of a task at each point of its life:
 *
 *	dies	READY, the signal first cuts its wait short, so it is in no
 *		queue when it is gone. RUNNING, its turn is passed on when it
 *		blocks, or when the scheduler switches it out for the last time.
 *	execs	The turn is passed on before the new image runs: that image
 *		may have other rights, and is nobody's task.
 *	forks	The child has no notifier, so it is not a task.
 *	loses	the descriptor: it is a task while another one is open.
 *		After the last it is not, but the notifier stays until its
 *		thread dies, execs, or joins another group.
 */
#include <linux/binfmts.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>

#include <trace/events/sched.h>

#include "coop.h"

static struct kmem_cache *coop_task_cache;
static struct workqueue_struct *coop_reaper;
static struct tracepoint *coop_exec_tracepoint;
static atomic64_t coop_last_group_id = ATOMIC64_INIT(0);

/**
 * coop_group_new() - make a group
 *
 * Return: a group with one reference, or NULL if there is no memory.
 */
struct coop_group *coop_group_new(void)
{
	struct coop_group *group = kzalloc(sizeof(*group), GFP_KERNEL_ACCOUNT);

	if (!group)
		return NULL;
	coop_turn_open(group);
	coop_block_open(group);
	xa_init_flags(&group->tasks, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	kref_init(&group->ref);
	group->id = atomic64_inc_return(&coop_last_group_id);
	__module_get(THIS_MODULE);
	return group;
}

static void coop_group_free(struct kref *ref)
{
	struct coop_group *group = container_of(ref, struct coop_group, ref);

	WARN_ON_ONCE(!xa_empty(&group->tasks));
	coop_block_close(group);
	irq_work_sync(&group->poll_work);
	xa_destroy(&group->tasks);
	kfree(group);
	/* This may let rmmod begin, which waits for us in coop_task_exit(). */
	module_put(THIS_MODULE);
}

/**
 * coop_group_put() - drop a reference; may sleep
 * @group: not to be used afterwards
 */
void coop_group_put(struct coop_group *group)
{
	kref_put(&group->ref, coop_group_free);
}

static void coop_task_free_rcu(struct rcu_head *rcu)
{
	struct coop_task *task = container_of(rcu, struct coop_task, rcu);

	put_task_struct(task->thread);
	kmem_cache_free(coop_task_cache, task);
}

static void coop_task_free(struct kref *ref)
{
	struct coop_task *task = container_of(ref, struct coop_task, ref);
	struct coop_group *group = task->group;

	call_rcu(&task->rcu, coop_task_free_rcu);
	coop_group_put(group);
}

static void coop_task_put(struct coop_task *task)
{
	kref_put(&task->ref, coop_task_free);
}

/* Take apart a task that is GONE; whoever made it so, once. */
static void coop_task_reap(struct coop_task *task)
{
	xa_erase(&task->group->tasks, task->id);
	irq_work_sync(&task->out);
	coop_task_put(task);
}

static void coop_task_reap_work(struct work_struct *work)
{
	coop_task_reap(container_of(work, struct coop_task, reap));
}

/* The thread was switched out, and has blocked or died. */
static void coop_task_out(struct irq_work *work)
{
	struct coop_task *task = container_of(work, struct coop_task, out);

	if (!READ_ONCE(task->died))
		coop_turn_block(task);
	else if (coop_turn_leave(task, COOP_WHY_EXIT))
		queue_work(coop_reaper, &task->reap);
}

/* The thread is about to go back to user mode, and lost its turn before. */
static void coop_task_resume(struct callback_head *work)
{
	struct coop_task *me = container_of(work, struct coop_task, resume);

	coop_turn_resume(me);
	/* Until here this has kept the module; coop_task_exit() waits for the end. */
	coop_task_put(me);
}

/* Tracepoint sched_process_exec: the old image is gone, the new not begun. */
static void coop_task_execed(void *data, struct task_struct *thread,
			     pid_t old_pid, struct linux_binprm *bprm)
{
	struct coop_task *me = coop_block_current();

	if (!me)
		return;
	coop_block_unwatch(me);
	if (coop_turn_leave(me, COOP_WHY_EXEC))
		queue_work(coop_reaper, &me->reap);
}

static struct coop_task *coop_task_new(struct coop_group *group)
{
	struct coop_task *task;
	int ret;

	task = kmem_cache_zalloc(coop_task_cache, GFP_KERNEL_ACCOUNT);
	if (!task)
		return NULL;
	task->group = group;
	task->thread = current;
	task->out = IRQ_WORK_INIT_HARD(coop_task_out);
	init_task_work(&task->resume, coop_task_resume);
	kref_init(&task->ref);
	INIT_WORK(&task->reap, coop_task_reap_work);
	ret = xa_alloc_cyclic(&group->tasks, &task->id, task,
			      XA_LIMIT(1, INT_MAX), &group->next_id,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0) {
		kmem_cache_free(coop_task_cache, task);
		return NULL;
	}
	get_task_struct(current);
	kref_get(&group->ref);
	return task;
}

/**
 * coop_task_current() - the calling thread as a task of a group
 * @group: one that the caller holds open
 *
 * Return: the task, or NULL if the thread is not a task of @group.
 */
struct coop_task *coop_task_current(struct coop_group *group)
{
	struct coop_task *me = coop_block_current();

	return me && me->group == group ? me : NULL;
}

/**
 * coop_task_join() - make the calling thread a task
 * @group: of this group
 * @tasks_max: how many tasks the group may have
 *
 * Return: the task's id with a turn; -EBUSY, -ENOMEM or -ENOSPC and no task;
 * -ERESTARTNOINTR, a task that was cut short.
 */
long coop_task_join(struct coop_group *group, u32 tasks_max)
{
	struct coop_task *me = coop_block_current();
	int ret;

	if (me) {
		if (!READ_ONCE(me->group->dead))
			return -EBUSY;
		coop_task_leave(me);
	}
	me = coop_task_new(group);
	if (!me)
		return -ENOMEM;
	coop_block_watch(me);
	ret = coop_turn_join(me, tasks_max);
	if (ret == -ENOSPC) {
		coop_block_unwatch(me);
		coop_task_reap(me);
		return ret;
	}
	return ret ? coop_task_fail(me, COOP_IOC_JOIN, 0, ret) : me->id;
}

/**
 * coop_task_leave() - make the calling thread an ordinary one
 * @me: its task, not to be used afterwards
 */
void coop_task_leave(struct coop_task *me)
{
	coop_block_unwatch(me);
	if (coop_turn_leave(me, COOP_WHY_LEAVE))
		coop_task_reap(me);
}

/**
 * coop_task_again() - is this the restart of a call that was cut short?
 * @me: the caller's task
 * @cmd: the call that begins
 * @arg: and its argument
 *
 * Return: true if it is, and has done its part.
 */
bool coop_task_again(struct coop_task *me, unsigned int cmd, unsigned long arg)
{
	u32 nr = me->nr_cuts;

	return nr && me->cuts[nr - 1].cmd == cmd && me->cuts[nr - 1].arg == arg;
}

/*
 * One more call was cut short. If there are too many the first is forgotten:
 * then it is done anew, should its handler ever return.
 */
static void coop_task_cut(struct coop_task *me, unsigned int cmd,
			  unsigned long arg)
{
	if (me->nr_cuts == COOP_CUTS_MAX) {
		me->nr_cuts--;
		memmove(&me->cuts[0], &me->cuts[1],
			me->nr_cuts * sizeof(me->cuts[0]));
	}
	me->cuts[me->nr_cuts].cmd = cmd;
	me->cuts[me->nr_cuts].arg = arg;
	me->nr_cuts++;
}

/**
 * coop_task_forget() - the last call that was cut short is over
 * @me: the caller's task
 */
void coop_task_forget(struct coop_task *me)
{
	me->nr_cuts--;
}

/**
 * coop_task_begin() - come back to a call that was cut short, if this is it
 * @me: the caller's task
 * @cmd: the call that begins
 * @arg: and its argument
 *
 * A call that a signal cut short is restarted with the same argument after the
 * handler. It had done its part, and only the turn is missing. Any other call
 * comes from the handler: it needs a turn first, too, then is done in full,
 * and leaves the one cut short to its own restart.
 *
 * Return: 0 if the call is still to be done; 1 if it is done now; or
 * -ERESTARTNOINTR.
 */
long coop_task_begin(struct coop_task *me, unsigned int cmd, unsigned long arg)
{
	bool again = coop_task_again(me, cmd, arg);
	int ret = 0;

	if (READ_ONCE(me->state) == COOP_TASK_OUT)
		ret = coop_turn_return(me);
	if (ret || !again)
		return ret;
	coop_task_forget(me);
	return 1;
}

/**
 * coop_task_fail() - note a call that was cut short, or see that it has a turn
 * @me: the caller's task
 * @cmd: the call that ends
 * @arg: and its argument
 * @ret: what it fails with; if that is -ERESTARTNOINTR, it has done its part
 *
 * A restarted call that now fails is over, and has not asked for a turn yet.
 *
 * Return: @ret, or -ERESTARTNOINTR.
 */
long coop_task_fail(struct coop_task *me, unsigned int cmd, unsigned long arg,
		    long ret)
{
	bool again = coop_task_again(me, cmd, arg);

	if (ret == -ERESTARTNOINTR) {
		if (!again)
			coop_task_cut(me, cmd, arg);
		return ret;
	}
	if (again)
		coop_task_forget(me);
	/* It will fail again. */
	if (READ_ONCE(me->state) == COOP_TASK_OUT && coop_turn_return(me))
		return -ERESTARTNOINTR;
	return ret;
}

static void coop_find_exec_tracepoint(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "sched_process_exec"))
		coop_exec_tracepoint = tp;
}

static int coop_watch_execs(void)
{
	int ret = -ENOENT;

	for_each_kernel_tracepoint(coop_find_exec_tracepoint, NULL);
	if (coop_exec_tracepoint)
		ret = tracepoint_probe_register(coop_exec_tracepoint,
						coop_task_execed, NULL);
	if (ret)
		pr_err("cannot watch the tracepoint sched_process_exec (%d)\n",
		       ret);
	return ret;
}

/**
 * coop_task_init() - what tasks need while the module is loaded
 *
 * Return: 0, -ENOMEM, or -ENOENT where the kernel cannot tell us of execs.
 */
int __init coop_task_init(void)
{
	int ret = -ENOMEM;

	coop_task_cache = KMEM_CACHE(coop_task, 0);
	if (!coop_task_cache)
		return ret;
	coop_reaper = alloc_workqueue("coop_reaper", WQ_UNBOUND, 0);
	if (!coop_reaper)
		goto destroy_cache;
	ret = coop_watch_execs();
	if (ret)
		goto destroy_reaper;
	/*
	 * Once and not with each group: it patches the scheduler's text on
	 * every CPU, which no user shall be able to do in a loop.
	 */
	preempt_notifier_inc();
	return 0;

destroy_reaper:
	destroy_workqueue(coop_reaper);
destroy_cache:
	kmem_cache_destroy(coop_task_cache);
	return ret;
}

/**
 * coop_task_exit() - undo coop_task_init(); there is no group any more
 */
void coop_task_exit(void)
{
	preempt_notifier_dec();
	tracepoint_probe_unregister(coop_exec_tracepoint, coop_task_execed,
				    NULL);
	tracepoint_synchronize_unregister();
	destroy_workqueue(coop_reaper);
	/* The last instructions of coop_task_resume(), in a thread preempted there. */
	synchronize_rcu_tasks();
	rcu_barrier();
	kmem_cache_destroy(coop_task_cache);
}
