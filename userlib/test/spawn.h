/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A test's group, and tasks in it that are expected to start and to return 0. */
#ifndef COOP_TEST_SPAWN_H
#define COOP_TEST_SPAWN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <coop.h>

static struct coop_group *group;

static inline struct coop_task *spawn(int (*fn)(void *), void *arg)
{
	struct coop_task *task;

	assert_int_equal(coop_spawn(group, &task, fn, arg, NULL), 0);
	return task;
}

static inline void join(struct coop_task *task)
{
	int result = -1;

	assert_int_equal(coop_join(task, &result), 0);
	assert_int_equal(result, 0);
}

#endif /* COOP_TEST_SPAWN_H */
