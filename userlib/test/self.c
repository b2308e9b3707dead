// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The calling thread as a task. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

static void test_no_task(void **state)
{
	(void)state;
	assert_null(coop_self());
	assert_int_equal(coop_yield(), -EPERM);
	assert_int_equal(coop_leave(), -EPERM);
	assert_int_equal(coop_enter(NULL), -EINVAL);
	assert_int_equal(coop_yield_to(NULL), -EINVAL);
	assert_int_equal(coop_id(NULL), -EINVAL);
	assert_int_equal(fake_count(FAKE_LEAVE), 0);
}

static void test_enter_and_leave(void **state)
{
	struct coop_group *group = fake_group();
	struct coop_task *me;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(coop_enter(group), 0);
		me = coop_self();
		assert_non_null(me);
		assert_true(coop_id(me) > 0);
		assert_int_equal(coop_enter(group), -EBUSY);
		assert_int_equal(coop_close(group), -EBUSY);
		assert_int_equal(coop_yield(), 0);
		assert_int_equal(coop_leave(), 0);
		assert_int_equal(coop_id(me), -ESRCH);
		assert_int_equal(coop_yield_to(me), -EPERM);
		assert_null(coop_self());
	}
	assert_int_equal(fake_count(FAKE_YIELD), 2);
	assert_int_equal(coop_close(group), 0);
}

static void test_yield_to(void **state)
{
	struct coop_group *group = fake_group();
	struct coop_task *me;

	(void)state;
	assert_int_equal(coop_enter(group), 0);
	me = coop_self();
	/* That it is the caller is for the kernel to see. */
	assert_int_equal(coop_yield_to(me), 0);
	assert_int_equal(fake_switch.task, coop_id(me));
	fake_fail(FAKE_SWITCH, EBUSY);
	assert_int_equal(coop_yield_to(me), -EBUSY);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_close(group), 0);
}

static void test_failures(void **state)
{
	struct coop_group *group = fake_group();

	(void)state;
	fake_fail(FAKE_SPECIFIC, ENOMEM);
	assert_int_equal(coop_enter(group), -ENOMEM);
	assert_int_equal(fake_count(FAKE_JOIN), 0);
	fake_fail(FAKE_SPECIFIC, 0);

	fake_fail(FAKE_JOIN, ENOSPC);
	assert_int_equal(coop_enter(group), -ENOSPC);
	assert_null(coop_self());
	assert_int_equal(coop_yield(), -EPERM);
	assert_int_equal(coop_close(group), 0);
}

static void *enter_and_end(void *group)
{
	if (coop_enter(group))
		return NULL;
	return coop_self();
}

static void *enter_and_exit(void *group)
{
	pthread_exit(enter_and_end(group));
}

static void run_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;
	void *result;

	assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
}

static void test_thread_ends_inside(void **state)
{
	struct coop_group *group = fake_group();

	(void)state;
	run_thread(enter_and_end, group);
	assert_int_equal(fake_count(FAKE_LEAVE), 1);
	run_thread(enter_and_exit, group);
	assert_int_equal(fake_count(FAKE_LEAVE), 2);
	assert_int_equal(coop_close(group), 0);
}

static int in_child(struct coop_group *group)
{
	if (coop_self() || coop_yield() != -EPERM)
		return 1;
	/* The fake device does not know of fork(). */
	coop_sys_leave(coop_fd(group));
	if (coop_enter(group) || coop_close(group) != -EBUSY)
		return 2;
	if (coop_leave() || coop_close(group))
		return 3;
	return 0;
}

static void test_fork(void **state)
{
	struct coop_group *group = fake_group();
	struct coop_group *other = fake_group();
	struct coop_task *me;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(coop_enter(group), 0);
	me = coop_self();
	pid = fork();
	if (!pid)
		_exit(in_child(group));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_ptr_equal(coop_self(), me);
	assert_int_equal(coop_close(group), -EBUSY);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_close(group), 0);
	assert_int_equal(coop_close(other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_task, fake_reset),
		cmocka_unit_test_setup(test_enter_and_leave, fake_reset),
		cmocka_unit_test_setup(test_yield_to, fake_reset),
		cmocka_unit_test_setup(test_failures, fake_reset),
		cmocka_unit_test_setup(test_thread_ends_inside, fake_reset),
		cmocka_unit_test_setup(test_fork, fake_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
