// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The calling thread: becoming a task, passing its turn on, and its end.
 */
#include <errno.h>

#include "internal.h"

/* The task that this thread is now. A signal handler may look. */
static _Thread_local struct coop_task *self;

/* The task that this thread was spawned as, until it ends. */
static _Thread_local struct coop_task *spawned;

/* What other threads are, and spawned ones in other groups than their own. */
static _Thread_local struct coop_task here;

/* Calls coop_thread_end() in threads that set it, however they end. */
static pthread_key_t end_key;

/**
 * coop_thread_init() - what threads need, once per process
 *
 * Return: 0, or -EAGAIN or -ENOMEM as pthread_key_create() has it.
 */
int coop_thread_init(void)
{
	return -pthread_key_create(&end_key, coop_thread_end);
}

static int watch_end(void)
{
	return -pthread_setspecific(end_key, &here);
}

/* Which of its structs the thread is as a task of this group. */
static struct coop_task *task_for(struct coop_group *group)
{
	return spawned && spawned->group == group ? spawned : &here;
}

/* Join the group, which is kept from being closed, and wait for a turn. */
static int step_in(struct coop_group *group)
{
	struct coop_task *me = task_for(group);
	int ret = coop_sys_join(group->fd);

	if (ret < 0) {
		atomic_store(&me->id, -ESRCH);
		return ret;
	}
	atomic_store(&me->id, ret);
	self = me;
	return 0;
}

/* Leave the group, which is still kept from being closed. */
static int step_out(void)
{
	struct coop_task *me = self;

	if (!me)
		return -EPERM;
	self = NULL;
	atomic_store(&me->id, -ESRCH);
	return coop_sys_leave(me->group->fd);
}

/*
 * Let go of the group that coop_enter() took, if any. A spawned task's own
 * group is not one of these: it is kept until the task is freed.
 */
static void drop_here(void)
{
	struct coop_group *group = here.group;

	if (group) {
		here.group = NULL;
		coop_group_put(group);
	}
}

/**
 * coop_thread_begin() - a spawned thread becomes the task it was spawned as
 * @task: that task
 *
 * Return: 0, -ENOMEM or -ENOSPC.
 */
int coop_thread_begin(struct coop_task *task)
{
	int ret;

	spawned = task;
	ret = watch_end();
	return ret ? ret : step_in(task->group);
}

/**
 * coop_thread_end() - the calling thread ends, or as a task it may as well
 * @unused: what the thread-specific key hands over
 *
 * May run twice, and does nothing then.
 */
void coop_thread_end(void *unused)
{
	struct coop_task *task = spawned;

	(void)unused;
	step_out();
	drop_here();
	if (task) {
		spawned = NULL;
		coop_task_end(task);
	}
}

/**
 * coop_thread_forked() - the calling thread is the only one of a new process
 */
void coop_thread_forked(void)
{
	self = NULL;
	spawned = NULL;
	here.group = NULL;
}

/**
 * coop_thread_is() - was the calling thread spawned as this task?
 * @task: which may have left its group
 *
 * Return: true if it was.
 */
bool coop_thread_is(const struct coop_task *task)
{
	return spawned == task;
}

int coop_enter(struct coop_group *group)
{
	bool own;
	int ret;

	if (!group)
		return -EINVAL;
	if (self)
		return -EBUSY;
	own = task_for(group) == spawned;
	if (!own) {
		ret = watch_end();
		if (ret)
			return ret;
		coop_group_get(group);
		here.group = group;
		/* None of an earlier stay. */
		atomic_store(&here.permit, false);
	}
	ret = step_in(group);
	if (ret && !own)
		drop_here();
	return ret;
}

int coop_leave(void)
{
	int ret = step_out();

	drop_here();
	return ret;
}

int coop_yield(void)
{
	struct coop_task *me = self;

	return me ? coop_sys_yield(me->group->fd) : -EPERM;
}

int coop_yield_to(struct coop_task *task)
{
	struct coop_task *me = self;
	int id;

	if (!task)
		return -EINVAL;
	if (!me)
		return -EPERM;
	if (task->group != me->group)
		return -ESRCH;
	id = coop_id(task);
	return id > 0 ? coop_sys_switch(me->group->fd, id) : id;
}

struct coop_task *coop_self(void)
{
	return self;
}
