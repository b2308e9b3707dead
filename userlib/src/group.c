// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Groups: opening, closing, and what becomes of them at fork().
 *
 * The child of fork() has the group's descriptor, and so the group, but none
 * of its tasks: the kernel takes only threads that joined, and of the
 * parent's threads there is only the one that forked. So the child forgets
 * whom it knew, for which groups are kept in a list.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

#define COOP_OPTIONS_SIZE_V1 \
	(offsetof(struct coop_options, flags) + sizeof(unsigned int))

static pthread_mutex_t groups_lock = PTHREAD_MUTEX_INITIALIZER;
static struct coop_group *groups;

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static int init_error;

static void fork_prepare(void)
{
	pthread_mutex_lock(&groups_lock);
	coop_offload_fork(true);
}

static void fork_parent(void)
{
	coop_offload_fork(false);
	pthread_mutex_unlock(&groups_lock);
}

static void fork_child(void)
{
	struct coop_group *group;

	for (group = groups; group; group = group->next)
		atomic_store(&group->users, 0);
	coop_thread_forked();
	coop_offload_forked();
	pthread_mutex_unlock(&groups_lock);
}

static void init(void)
{
	init_error = coop_thread_init();
	if (!init_error)
		init_error = -pthread_atfork(fork_prepare, fork_parent,
					     fork_child);
}

static void list_add(struct coop_group *group)
{
	pthread_mutex_lock(&groups_lock);
	group->next = groups;
	groups = group;
	pthread_mutex_unlock(&groups_lock);
}

static void list_del(struct coop_group *group)
{
	struct coop_group **link = &groups;

	pthread_mutex_lock(&groups_lock);
	while (*link != group)
		link = &(*link)->next;
	*link = group->next;
	pthread_mutex_unlock(&groups_lock);
}

static void close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

static int open_device(const struct coop_options *options)
{
	struct coop_setup setup = {
		.turns = options->turns ? options->turns : 1,
		.flags = options->flags,
	};
	int fd, ret;

	fd = coop_sys_open(0);
	if (fd < 0)
		return fd;
	/* Also if it changes nothing: it tells whether that is our device. */
	ret = coop_sys_setup(fd, &setup);
	if (ret) {
		close_quietly(fd);
		return ret;
	}
	return fd;
}

int coop_open(struct coop_group **group, const struct coop_options *options)
{
	struct coop_options known;
	struct coop_group *new;
	int ret;

	if (!group)
		return -EINVAL;
	ret = coop_copy_options(&known, sizeof(known), COOP_OPTIONS_SIZE_V1,
				options);
	if (ret)
		return ret;
	pthread_once(&init_once, init);
	if (init_error)
		return init_error;

	ret = open_device(&known);
	if (ret < 0)
		return ret;
	new = malloc(sizeof(*new));
	if (!new) {
		close_quietly(ret);
		return -ENOMEM;
	}
	new->fd = ret;
	atomic_init(&new->users, 0);
	list_add(new);
	*group = new;
	return 0;
}

int coop_close(struct coop_group *group)
{
	int fd;

	if (!group)
		return -EINVAL;
	if (atomic_load(&group->users))
		return -EBUSY;
	list_del(group);
	fd = group->fd;
	free(group);
	close_quietly(fd);
	return 0;
}

int coop_fd(const struct coop_group *group)
{
	return group ? group->fd : -EINVAL;
}

/**
 * coop_group_get() - keep coop_close() from freeing a group
 * @group: that group
 */
void coop_group_get(struct coop_group *group)
{
	atomic_fetch_add(&group->users, 1);
}

/**
 * coop_group_put() - undo coop_group_get()
 * @group: not to be used afterwards
 */
void coop_group_put(struct coop_group *group)
{
	atomic_fetch_sub(&group->users, 1);
}
