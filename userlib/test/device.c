// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The library on the real device; every test is skipped where there is none.
 * The module's own promises have their tests in selftests/.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "internal.h"

#define TASKS 20
#define ROUNDS 500

static struct coop_group *group;

/* Plain, since at most one task runs; volatile, as tasks take turns in it. */
static volatile long counter;

static void open_group_with(unsigned int turns, unsigned int flags)
{
	struct coop_options options = COOP_OPTIONS_INIT;
	int ret;

	counter = 0;
	options.turns = turns;
	options.flags = flags;
	ret = coop_open(&group, &options);
	if (ret == -ENOENT)
		skip();
	assert_int_equal(ret, 0);
}

static void open_group(unsigned int turns)
{
	open_group_with(turns, 0);
}

static struct coop_task *spawn(int (*fn)(void *), void *arg)
{
	struct coop_task *task;

	assert_int_equal(coop_spawn(group, &task, fn, arg, NULL), 0);
	return task;
}

static void join(struct coop_task *task, int expected)
{
	int result = expected + 1;

	assert_int_equal(coop_join(task, &result), 0);
	assert_int_equal(result, expected);
}

/* Loses additions if another task runs meanwhile, on this CPU or another. */
static int count(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		long seen = counter;

		for (volatile int pause = 0; pause < 50; pause++)
			;
		counter = seen + 1;
		if (coop_yield())
			return 1;
	}
	return 0;
}

static void run_counters(void)
{
	struct coop_task *tasks[TASKS];

	for (int i = 0; i < TASKS; i++)
		tasks[i] = spawn(count, NULL);
	for (int i = 0; i < TASKS; i++)
		join(tasks[i], 0);
	assert_int_equal(counter, TASKS * ROUNDS);
}

static void test_exclusive(void **state)
{
	(void)state;
	open_group(1);
	run_counters();
	assert_int_equal(coop_close(group), 0);
}

static void test_exclusive_joined_by_task(void **state)
{
	(void)state;
	open_group(1);
	assert_int_equal(coop_enter(group), 0);
	run_counters();
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_close(group), 0);
}

static void on_alarm(int signo)
{
	(void)signo;
	coop_yield();
}

/* A handler that yields runs beside the task with the turn, but no turn is
 * lost, and calls that it cuts short go on.
 */
static void test_signals(void **state)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };

	(void)state;
	open_group(1);
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 5; i++) {
		counter = 0;
		for (int j = 0; j < TASKS; j++)
			join(spawn(count, NULL), 0);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	assert_int_equal(coop_close(group), 0);
}

static int hand_back(void *to)
{
	for (int i = 0; i < ROUNDS; i++) {
		counter++;
		if (coop_yield_to(to))
			return 1;
	}
	return 0;
}

static void test_yield_to(void **state)
{
	struct coop_task *other;

	(void)state;
	open_group(1);
	assert_int_equal(coop_enter(group), 0);
	other = spawn(hand_back, coop_self());
	assert_int_equal(coop_yield_to(other), -EBUSY);
	while (coop_id(other) == -EBUSY)
		coop_yield();
	for (int i = 1; i < ROUNDS; i++) {
		assert_int_equal(counter, i);
		assert_int_equal(coop_yield_to(other), 0);
	}
	assert_int_equal(coop_yield_to(coop_self()), -EDEADLK);
	join(other, 0);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_close(group), 0);
}

static int stay(void *unused)
{
	(void)unused;
	while (counter)
		coop_yield();
	return 0;
}

static void test_stat(void **state)
{
	struct coop_stat stat = { .task = 0 };
	struct coop_info info;
	struct coop_task *task;

	(void)state;
	open_group(2);
	assert_int_equal(coop_sys_info(coop_fd(group), &info), 0);
	assert_true(info.abi >= COOP_ABI_VERSION);
	counter = 1;
	task = spawn(stay, NULL);
	while (coop_id(task) == -EBUSY)
		sched_yield();
	stat.task = coop_id(task);
	assert_int_equal(coop_sys_stat(coop_fd(group), &stat), 0);
	assert_int_equal(stat.state, COOP_TASK_RUNNING);
	assert_int_equal(stat.turns, 2);
	assert_int_equal(stat.tasks, 1);
	counter = 0;
	join(task, 0);
	assert_int_equal(coop_sys_stat(coop_fd(group), &stat), -ESRCH);
	assert_int_equal(coop_close(group), 0);
}

static int end_early(void *how)
{
	if (how)
		pthread_exit(NULL);
	while (sleep(1000))
		;
	return 0;
}

/* However a task ends, the next gets its turn. */
static void test_ends(void **state)
{
	struct coop_task *task;

	(void)state;
	open_group(1);
	join(spawn(end_early, "pthread_exit"), -ECANCELED);
	task = spawn(end_early, NULL);
	while (coop_id(task) == -EBUSY)
		sched_yield();
	pthread_cancel(task->thread);
	join(task, -ECANCELED);
	run_counters();
	assert_int_equal(coop_close(group), 0);
}

/* For a call that blocks, as the turn stays with a task that does. */
static int leave_to_read(void *fd)
{
	char byte;

	if (coop_leave() || read(*(int *)fd, &byte, 1) != 1)
		return 1;
	return coop_enter(group) || coop_yield();
}

static void test_leave_and_enter(void **state)
{
	struct coop_task *reader;
	int fds[2];

	(void)state;
	open_group(1);
	assert_int_equal(pipe(fds), 0);
	reader = spawn(leave_to_read, &fds[0]);
	run_counters();
	assert_int_equal(write(fds[1], "x", 1), 1);
	join(reader, 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(coop_close(group), 0);
}

static void test_detach(void **state)
{
	int ret;

	(void)state;
	open_group(1);
	for (int i = 0; i < TASKS; i++)
		assert_int_equal(coop_detach(spawn(count, NULL)), 0);
	while ((ret = coop_close(group)) == -EBUSY)
		sched_yield();
	assert_int_equal(ret, 0);
	assert_int_equal(counter, TASKS * ROUNDS);
}

static int count_in_child(volatile long *shared)
{
	if (coop_self() || coop_yield() != -EPERM || coop_enter(group))
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		long seen = *shared;

		*shared = seen + 1;
		if (coop_yield())
			return 2;
	}
	return coop_leave() || coop_close(group);
}

/* By a task with the only turn, which it keeps until it leaves. */
static void test_fork(void **state)
{
	volatile long *shared;
	int status;

	(void)state;
	open_group_with(1, COOP_GROUP_ATOMIC);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	assert_int_equal(coop_enter(group), 0);
	for (int i = 0; i < 4; i++) {
		if (!fork())
			_exit(count_in_child(shared));
	}
	assert_int_equal(*shared, 0);
	assert_int_equal(coop_leave(), 0);
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	assert_int_equal(*shared, 4 * ROUNDS);
	munmap((void *)shared, sizeof(*shared));
	assert_int_equal(coop_close(group), 0);
}

static void test_too_many_turns(void **state)
{
	struct coop_options options = COOP_OPTIONS_INIT;
	struct coop_group *none;

	(void)state;
	open_group(COOP_TURNS_MAX);
	assert_int_equal(coop_close(group), 0);
	options.turns = COOP_TURNS_MAX + 1;
	assert_int_equal(coop_open(&none, &options), -EINVAL);
	options.turns = 1;
	options.flags = 1u << 31;
	assert_int_equal(coop_open(&none, &options), -EINVAL);
	setenv("COOP_DEVICE", "/dev/null", 1);
	assert_int_equal(coop_open(&none, NULL), -ENOTTY);
	unsetenv("COOP_DEVICE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclusive),
		cmocka_unit_test(test_exclusive_joined_by_task),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_yield_to),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_leave_and_enter),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_too_many_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
