// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Spawned tasks. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

static struct coop_group *group;
static atomic_int gate;

static int open_group(void **state)
{
	fake_reset(state);
	atomic_store(&gate, 0);
	return coop_open(&group, NULL);
}

static int close_group(void **state)
{
	(void)state;
	return coop_close(group);
}

static struct coop_task *spawn(int (*fn)(void *), void *arg)
{
	struct coop_task *task;

	assert_int_equal(coop_spawn(group, &task, fn, arg, NULL), 0);
	return task;
}

static int return_it(void *arg)
{
	return *(int *)arg;
}

static int wait_at_gate(void *unused)
{
	(void)unused;
	while (!atomic_load(&gate))
		sched_yield();
	return 0;
}

static void test_result(void **state)
{
	int given = 42, got = 0;
	struct coop_task *task = spawn(return_it, &given);

	(void)state;
	assert_int_equal(coop_close(group), -EBUSY);
	assert_int_equal(coop_join(task, &got), 0);
	assert_int_equal(got, 42);
	assert_int_equal(coop_join(spawn(return_it, &given), NULL), 0);
	assert_int_equal(fake_count(FAKE_JOIN), 2);
	assert_int_equal(fake_count(FAKE_LEAVE), 2);
}

static int check_self(void *arg)
{
	struct coop_task *me = coop_self();

	if (!me || coop_id(me) <= 0 || coop_enter(group) != -EBUSY)
		return 1;
	if (coop_yield() || coop_join(me, NULL) != -EDEADLK)
		return 2;
	*(struct coop_task **)arg = me;
	return 0;
}

static void test_is_a_task(void **state)
{
	struct coop_task *seen = NULL, *task = spawn(check_self, &seen);
	int got = -1;

	(void)state;
	assert_int_equal(coop_join(task, &got), 0);
	assert_int_equal(got, 0);
	assert_ptr_equal(seen, task);
}

static void test_yield_to(void **state)
{
	struct coop_group *other = fake_group();
	struct coop_task *task = spawn(wait_at_gate, NULL);
	int id;

	(void)state;
	while ((id = coop_id(task)) == -EBUSY)
		sched_yield();
	assert_true(id > 0);
	assert_int_equal(coop_yield_to(task), -EPERM);
	assert_int_equal(coop_enter(other), 0);
	assert_int_equal(coop_yield_to(task), -ESRCH);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_enter(group), 0);
	assert_int_equal(coop_yield_to(task), 0);
	assert_int_equal(fake_switch.task, id);

	atomic_store(&gate, 1);
	while (coop_id(task) > 0)
		sched_yield();
	assert_int_equal(coop_yield_to(task), -ESRCH);
	assert_int_equal(fake_count(FAKE_SWITCH), 1);
	assert_int_equal(coop_join(task, NULL), 0);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_close(other), 0);
}

static int check_options(void *size)
{
	pthread_attr_t attr;
	size_t stack_size;
	char name[16];

	pthread_getname_np(pthread_self(), name, sizeof(name));
	if (strcmp(name, "fifteen letters"))
		return 1;
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstacksize(&attr, &stack_size);
	pthread_attr_destroy(&attr);
	return stack_size == *(size_t *)size ? 0 : 2;
}

static void test_options(void **state)
{
	struct coop_task_options options = COOP_TASK_OPTIONS_INIT;
	struct coop_task *task;
	char name[] = "fifteen letters";
	int got = -1;

	(void)state;
	options.stack_size = 1 << 20;
	options.name = name;
	assert_int_equal(coop_spawn(group, &task, check_options,
				    &options.stack_size, &options),
			 0);
	assert_int_equal(coop_join(task, &got), 0);
	assert_int_equal(got, 0);

	options.name = "sixteen letters!";
	assert_int_equal(coop_spawn(group, &task, check_options, NULL,
				    &options),
			 -EINVAL);
	options.name = NULL;
	options.stack_size = 1;
	assert_int_equal(coop_spawn(group, &task, check_options, NULL,
				    &options),
			 -EINVAL);
	options.size = sizeof(size_t);
	assert_int_equal(coop_spawn(group, &task, check_options, NULL,
				    &options),
			 -EINVAL);
}

static void test_wrong_arguments(void **state)
{
	struct coop_task *task;

	(void)state;
	assert_int_equal(coop_spawn(NULL, &task, return_it, NULL, NULL),
			 -EINVAL);
	assert_int_equal(coop_spawn(group, NULL, return_it, NULL, NULL),
			 -EINVAL);
	assert_int_equal(coop_spawn(group, &task, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(coop_join(NULL, NULL), -EINVAL);
	assert_int_equal(coop_detach(NULL), -EINVAL);

	assert_int_equal(coop_enter(group), 0);
	assert_int_equal(coop_join(coop_self(), NULL), -EINVAL);
	assert_int_equal(coop_detach(coop_self()), -EINVAL);
	assert_int_equal(coop_leave(), 0);
}

static void test_spawn_fails(void **state)
{
	struct coop_task *task = NULL;
	int given = 0;

	(void)state;
	errno = 77;
	fake_fail(FAKE_CALLOC, ENOMEM);
	assert_int_equal(coop_spawn(group, &task, return_it, &given, NULL),
			 -ENOMEM);
	fake_fail(FAKE_CALLOC, 0);
	fake_fail(FAKE_THREAD, EAGAIN);
	assert_int_equal(coop_spawn(group, &task, return_it, &given, NULL),
			 -EAGAIN);
	assert_int_equal(errno, 77);
	assert_null(task);
}

static int must_not_run(void *ran)
{
	*(bool *)ran = true;
	return 0;
}

static void test_join_call_fails(void **state)
{
	static const struct {
		enum fake_call call;
		int error;
	} failures[] = { { FAKE_JOIN, ENOSPC }, { FAKE_SPECIFIC, ENOMEM } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		bool ran = false;
		int got = 42;

		fake_reset(NULL);
		fake_fail(failures[i].call, failures[i].error);
		assert_int_equal(coop_join(spawn(must_not_run, &ran), &got),
				 -failures[i].error);
		assert_false(ran);
		assert_int_equal(got, 42);
	}
}

static int exit_thread(void *unused)
{
	(void)unused;
	pthread_exit(NULL);
}

static void test_pthread_exit(void **state)
{
	int got = 0;

	(void)state;
	assert_int_equal(coop_join(spawn(exit_thread, NULL), &got), 0);
	assert_int_equal(got, -ECANCELED);
	assert_int_equal(fake_count(FAKE_LEAVE), 1);
}

static int sleep_for_ever(void *unused)
{
	(void)unused;
	while (pause())
		;
	return 0;
}

static void test_cancel(void **state)
{
	struct coop_task *task = spawn(sleep_for_ever, NULL);
	int got = 0;

	(void)state;
	while (coop_id(task) == -EBUSY)
		sched_yield();
	pthread_cancel(task->thread);
	assert_int_equal(coop_join(task, &got), 0);
	assert_int_equal(got, -ECANCELED);
	assert_int_equal(fake_count(FAKE_LEAVE), 1);
}

/* A task that joins one stays a task, and waits without its turn. */
static void test_join_by_task(void **state)
{
	struct coop_task *task = spawn(wait_at_gate, NULL);
	struct coop_task *me;
	int id;

	(void)state;
	assert_int_equal(coop_enter(group), 0);
	me = coop_self();
	id = coop_id(me);
	atomic_store(&gate, 1);
	assert_int_equal(coop_join(task, NULL), 0);
	assert_ptr_equal(coop_self(), me);
	assert_int_equal(coop_id(me), id);
	assert_int_equal(coop_leave(), 0);
}

static int wake_and_return(void *joiner)
{
	/* Not what it waits for. */
	for (int i = 0; i < 5; i++) {
		while (fake_count(FAKE_WAIT) <= (unsigned int)i)
			sched_yield();
		assert_int_equal(coop_wake(joiner), 0);
	}
	return 42;
}

static void test_join_by_task_parks(void **state)
{
	int got = 0;

	(void)state;
	assert_int_equal(coop_enter(group), 0);
	assert_int_equal(coop_join(spawn(wake_and_return, coop_self()), &got),
			 0);
	assert_int_equal(got, 42);
	/* The wakes are not lost. */
	assert_int_equal(coop_park(COOP_NOW), 0);
	assert_int_equal(coop_leave(), 0);
}

static int let_waits_work(void *unused)
{
	(void)unused;
	fake_fail(FAKE_WAIT, 0);
	return 42;
}

/* As if the program had closed the descriptor of its group, say. */
static void test_join_by_task_cannot_park(void **state)
{
	int got = 0;

	(void)state;
	assert_int_equal(coop_enter(group), 0);
	fake_fail(FAKE_WAIT, EBADF);
	assert_int_equal(coop_join(spawn(let_waits_work, NULL), &got), 0);
	assert_int_equal(got, 42);
	assert_int_equal(coop_leave(), 0);
}

static void *join_it(void *task)
{
	coop_join(task, NULL);
	return NULL;
}

/* The joiner is gone, and what it waited for can still be joined. */
static void test_joiner_is_cancelled(void **state)
{
	struct coop_task *task = spawn(wait_at_gate, NULL);
	pthread_t joiner;

	(void)state;
	assert_int_equal(pthread_create(&joiner, NULL, join_it, task), 0);
	pthread_cancel(joiner);
	assert_int_equal(pthread_join(joiner, NULL), 0);
	atomic_store(&gate, 1);
	assert_int_equal(coop_join(task, NULL), 0);
}

static void test_detach(void **state)
{
	struct coop_task *task;
	int given = 0;

	(void)state;
	assert_int_equal(coop_detach(spawn(wait_at_gate, NULL)), 0);
	assert_int_equal(coop_close(group), -EBUSY);
	atomic_store(&gate, 1);
	fake_close_when_idle(group);

	/* One that has ended already, or nearly. */
	group = fake_group();
	task = spawn(return_it, &given);
	while (coop_id(task) != -ESRCH)
		sched_yield();
	assert_int_equal(coop_detach(task), 0);
	fake_close_when_idle(group);
	group = fake_group();
}

static int detach_self(void *unused)
{
	(void)unused;
	return coop_detach(coop_self());
}

static void test_detach_self(void **state)
{
	(void)state;
	spawn(detach_self, NULL);
	fake_close_when_idle(group);
	group = fake_group();
}

/* Out and in again, elsewhere and back: the same task to its joiner. */
static int travel(void *arg)
{
	struct coop_group *other = arg;
	struct coop_task *me = coop_self();

	if (coop_leave() || coop_self() || coop_id(me) != -ESRCH)
		return 1;
	if (coop_join(me, NULL) != -EDEADLK)
		return 2;
	if (coop_enter(other) || coop_self() == me)
		return 3;
	if (coop_close(other) != -EBUSY || coop_leave())
		return 4;
	if (coop_enter(group) || coop_self() != me || coop_id(me) <= 0)
		return 5;
	/* It ends in the other group. */
	return coop_leave() || coop_enter(other) ? 6 : 0;
}

static void test_leave_and_enter(void **state)
{
	struct coop_group *other = fake_group();
	int got = -1;

	(void)state;
	assert_int_equal(coop_join(spawn(travel, other), &got), 0);
	assert_int_equal(got, 0);
	assert_int_equal(fake_count(FAKE_JOIN), 4);
	assert_int_equal(fake_count(FAKE_LEAVE), 4);
	assert_int_equal(coop_close(other), 0);
}

static int in_child(struct coop_task *task)
{
	if (coop_join(task, NULL) != -ESRCH || coop_detach(task) != -ESRCH)
		return 1;
	return coop_close(group) ? 2 : 0;
}

static void test_fork(void **state)
{
	struct coop_task *task = spawn(wait_at_gate, NULL);
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		_exit(in_child(task));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	atomic_store(&gate, 1);
	assert_int_equal(coop_join(task, NULL), 0);
}

static int add_one(void *counter)
{
	atomic_fetch_add((atomic_int *)counter, 1);
	return coop_yield();
}

static void test_many(void **state)
{
	struct coop_task *tasks[100];
	atomic_int counter = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		tasks[i] = spawn(add_one, &counter);
	for (int i = 0; i < 100; i++)
		assert_int_equal(coop_join(tasks[i], NULL), 0);
	assert_int_equal(counter, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_group, \
						   close_group)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_result),
		TEST(test_is_a_task),
		TEST(test_yield_to),
		TEST(test_options),
		TEST(test_wrong_arguments),
		TEST(test_spawn_fails),
		TEST(test_join_call_fails),
		TEST(test_pthread_exit),
		TEST(test_cancel),
		TEST(test_join_by_task),
		TEST(test_join_by_task_parks),
		TEST(test_join_by_task_cannot_park),
		TEST(test_joiner_is_cancelled),
		TEST(test_detach),
		TEST(test_detach_self),
		TEST(test_leave_and_enter),
		TEST(test_fork),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
