// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Spawned tasks: a thread is made, joins the group and runs a function.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define COOP_TASK_OPTIONS_SIZE_V1 \
	(offsetof(struct coop_task_options, name) + sizeof(char *))

/* What a task that has ended has for a joiner. */
static struct coop_waiter ended;

static void task_free(struct coop_task *task)
{
	coop_group_put(task->group);
	free(task);
}

static void *task_main(void *arg)
{
	struct coop_task *task = arg;

	if (task->name[0])
		pthread_setname_np(pthread_self(), task->name);
	task->error = coop_thread_begin(task);
	if (!task->error)
		task->result = task->fn(task->arg);
	/* Now and not with the thread, whose other destructors may be slow. */
	coop_thread_end(NULL);
	return NULL;
}

/**
 * coop_task_end() - a spawned task's thread is done with it
 * @task: not to be used afterwards
 */
void coop_task_end(struct coop_task *task)
{
	struct coop_waiter *joiner = atomic_exchange(&task->joiner, &ended);

	if (joiner)
		coop_waiter_go(joiner);
	if (atomic_exchange(&task->fate, COOP_FATE_ENDED) == COOP_FATE_DETACHED)
		task_free(task);
}

static int start_thread(struct coop_task *task, size_t stack_size)
{
	pthread_attr_t attr;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return -ret;
	if (stack_size)
		ret = pthread_attr_setstacksize(&attr, stack_size);
	if (!ret)
		ret = pthread_create(&task->thread, &attr, task_main, task);
	pthread_attr_destroy(&attr);
	return -ret;
}

int coop_spawn(struct coop_group *group, struct coop_task **task,
	       int (*fn)(void *arg), void *arg,
	       const struct coop_task_options *options)
{
	struct coop_task_options known;
	struct coop_task *new;
	int ret;

	if (!group || !task || !fn)
		return -EINVAL;
	ret = coop_copy_options(&known, sizeof(known),
				COOP_TASK_OPTIONS_SIZE_V1, options);
	if (ret)
		return ret;
	if (known.name && strlen(known.name) > COOP_NAME_MAX)
		return -EINVAL;

	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->group = group;
	atomic_init(&new->id, -EBUSY);
	new->pid = getpid();
	new->result = -ECANCELED;
	new->fn = fn;
	new->arg = arg;
	if (known.name)
		strcpy(new->name, known.name);
	coop_group_get(group);
	ret = start_thread(new, known.stack_size);
	if (ret) {
		task_free(new);
		return ret;
	}
	*task = new;
	return 0;
}

/* Whether this process may join or detach it. */
static int check_spawned(const struct coop_task *task)
{
	if (!task || !task->pid)
		return -EINVAL;
	return task->pid == getpid() ? 0 : -ESRCH;
}

/*
 * As a task: until it has ended and its thread is about to. Then there is no
 * other task to wait for, so the turn need not be given up.
 */
static void await_end(struct coop_task *task)
{
	struct coop_waiter *nobody = NULL;
	struct coop_waiter waiter;

	coop_waiter_init(&waiter);
	if (atomic_compare_exchange_strong(&task->joiner, &nobody, &waiter))
		coop_waiter_settle(&waiter);
}

int coop_join(struct coop_task *task, int *result)
{
	int ret;

	ret = check_spawned(task);
	if (ret)
		return ret;
	if (coop_thread_is(task))
		return -EDEADLK;
	if (coop_self())
		await_end(task);
	pthread_join(task->thread, NULL);

	ret = task->error;
	if (!ret && result)
		*result = task->result;
	task_free(task);
	return ret;
}

int coop_detach(struct coop_task *task)
{
	int ret = check_spawned(task);

	if (ret)
		return ret;
	/* First, since the task may free itself as soon as it may. */
	pthread_detach(task->thread);
	if (atomic_exchange(&task->fate, COOP_FATE_DETACHED) == COOP_FATE_ENDED)
		task_free(task);
	return 0;
}

int coop_id(const struct coop_task *task)
{
	return task ? atomic_load(&task->id) : -EINVAL;
}
