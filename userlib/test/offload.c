// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Functions run by helper threads. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

#define TASKS (3 * COOP_OFFLOAD_MAX)

static struct coop_group *group;

static int enter(void **state)
{
	fake_reset(state);
	group = fake_group();
	return coop_enter(group);
}

static int leave(void **state)
{
	(void)state;
	return coop_leave() || coop_close(group);
}

static int add_one(void *number)
{
	return *(int *)number + 1;
}

static void test_no_helper(void **state)
{
	int number = 41, result = 7;

	(void)state;
	errno = 77;
	fake_fail(FAKE_THREAD, EAGAIN);
	assert_int_equal(coop_offload(add_one, &number, &result), -EAGAIN);
	fake_fail(FAKE_THREAD, 0);
	assert_int_equal(result, 7);
	assert_int_equal(coop_offload(NULL, NULL, NULL), -EINVAL);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_offload(add_one, &number, &result), -EPERM);
	assert_int_equal(coop_enter(group), 0);
	assert_int_equal(errno, 77);
}

static int check_thread(void *unused)
{
	sigset_t blocked;

	(void)unused;
	if (coop_self() || coop_yield() != -EPERM)
		return 1;
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	return sigismember(&blocked, SIGALRM) ? 0 : 2;
}

static void test_result(void **state)
{
	int number = 41, result = 0;

	(void)state;
	assert_int_equal(coop_offload(add_one, &number, &result), 0);
	assert_int_equal(result, 42);
	assert_int_equal(coop_offload(add_one, &number, NULL), 0);
	assert_int_equal(coop_offload(check_thread, NULL, &result), 0);
	assert_int_equal(result, 0);
	/* One after the other needs but one helper, as soon as that is idle. */
	assert_in_range(fake_count(FAKE_THREAD), 1, 3);
}

static atomic_int at_work, done;

/* Returns when all helpers are busy, the first time. */
static int fill_helpers(void *unused)
{
	(void)unused;
	atomic_fetch_add(&at_work, 1);
	while (atomic_load(&at_work) < COOP_OFFLOAD_MAX)
		sched_yield();
	return atomic_fetch_add(&done, 1);
}

static int offload_one(void *unused)
{
	return coop_offload(fill_helpers, unused, NULL);
}

static void test_many(void **state)
{
	struct coop_task *tasks[TASKS];
	int result;

	(void)state;
	for (int i = 0; i < TASKS; i++)
		assert_int_equal(coop_spawn(group, &tasks[i], offload_one, NULL,
					    NULL),
				 0);
	for (int i = 0; i < TASKS; i++) {
		assert_int_equal(coop_join(tasks[i], &result), 0);
		assert_int_equal(result, 0);
	}
	assert_int_equal(done, TASKS);
	/* None can be made, and none is needed. */
	fake_fail(FAKE_THREAD, EAGAIN);
	assert_int_equal(coop_offload(check_thread, NULL, &result), 0);
	assert_int_equal(result, 0);
}

static int in_child(void)
{
	int number = 1, result = 0;

	/* The fake device does not know of fork(). */
	coop_sys_leave(coop_fd(group));
	if (coop_enter(group))
		return 1;
	fake_fail(FAKE_THREAD, EAGAIN);
	if (coop_offload(add_one, &number, &result) != -EAGAIN)
		return 2;
	fake_fail(FAKE_THREAD, 0);
	if (coop_offload(add_one, &number, &result) || result != 2)
		return 3;
	return 0;
}

/* The child has helpers of its own. */
static void test_fork(void **state)
{
	int number = 1, result = 0, status;
	pid_t pid;

	(void)state;
	assert_int_equal(coop_offload(add_one, &number, &result), 0);
	pid = fork();
	if (!pid)
		_exit(in_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(coop_offload(add_one, &number, &result), 0);
	assert_int_equal(result, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	/* In this order: there are no helpers yet. */
	const struct CMUnitTest tests[] = {
		TEST(test_no_helper),
		TEST(test_result),
		TEST(test_many),
		TEST(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
