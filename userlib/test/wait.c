// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Awaiting descriptors, times and wakes. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "fake.h"
#include "spawn.h"

#define MS UINT64_C(1000000)

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

static void test_no_task(void **state)
{
	struct coop_task *me = coop_self();

	(void)state;
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_await(0, POLLIN, COOP_NOW), -EPERM);
	assert_int_equal(coop_sleep(COOP_NOW), -EPERM);
	assert_int_equal(coop_park(COOP_NOW), -EPERM);
	assert_int_equal(coop_call(me, COOP_NOW), -EPERM);
	assert_int_equal(coop_wake(me), -ESRCH);
	assert_int_equal(fake_count(FAKE_WAIT), 0);
	assert_int_equal(coop_enter(group), 0);
}

static void test_null(void **state)
{
	(void)state;
	assert_int_equal(coop_wake(NULL), -EINVAL);
	assert_int_equal(coop_call(NULL, COOP_NOW), -EINVAL);
}

static void test_deadline(void **state)
{
	uint64_t now = coop_deadline(0);

	(void)state;
	assert_true(now > 0);
	assert_true(coop_deadline(MS) >= now + MS);
	assert_true(coop_deadline(UINT64_MAX) == COOP_FOREVER);
	assert_true(coop_deadline(UINT64_MAX - now) == COOP_FOREVER);
}

static void test_await(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(coop_await(fds[1], POLLOUT, COOP_FOREVER), POLLOUT);
	assert_int_equal(fake_wait.flags, COOP_WAIT_FD);
	assert_int_equal(fake_wait.events, POLLOUT);
	assert_int_equal(coop_await(fds[0], POLLIN, COOP_NOW), -ETIME);
	assert_int_equal(coop_await(fds[0], POLLIN, coop_deadline(MS)), -ETIME);
	close(fds[1]);
	assert_int_equal(coop_await(fds[0], POLLIN, coop_deadline(MS)), POLLHUP);
	close(fds[0]);
	assert_int_equal(coop_await(fds[0], POLLIN, COOP_FOREVER), -EBADF);
	fake_fail(FAKE_WAIT, ENOMEM);
	assert_int_equal(coop_await(fds[0], POLLIN, COOP_FOREVER), -ENOMEM);
	fake_fail(FAKE_WAIT, 0);
}

static void test_sleep(void **state)
{
	uint64_t until = coop_deadline(MS);

	(void)state;
	assert_int_equal(coop_sleep(until), 0);
	assert_true(coop_deadline(0) >= until);
	assert_int_equal(coop_sleep(COOP_NOW), 0);
	assert_int_equal(coop_sleep(COOP_FOREVER), -EINVAL);
}

static void test_park_and_wake(void **state)
{
	(void)state;
	assert_int_equal(coop_park(COOP_NOW), -ETIME);
	assert_int_equal(coop_park(coop_deadline(MS)), -ETIME);
	assert_int_equal(coop_wake(coop_self()), 0);
	assert_int_equal(coop_park(COOP_FOREVER), 0);
	assert_int_equal(fake_wait.flags, COOP_WAIT_WAKE);
	assert_int_equal(coop_park(COOP_NOW), -ETIME);
	fake_fail(FAKE_WAIT, EBADF);
	assert_int_equal(coop_park(COOP_FOREVER), -EBADF);
	fake_fail(FAKE_WAIT, 0);
}

static int park_until_set(void *flag)
{
	int ret = 0;

	while (!ret && !atomic_load((atomic_int *)flag))
		ret = coop_park(COOP_FOREVER);
	return ret;
}

/* The wake comes anywhere between the spawn and the park. */
static void test_wake_early(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		atomic_int flag = 0;
		struct coop_task *task = spawn(park_until_set, &flag);

		for (int j = 0; j < i; j++)
			sched_yield();
		atomic_store(&flag, 1);
		assert_int_equal(coop_wake(task), 0);
		join(task);
	}
}

struct service {
	struct coop_task *client;
	atomic_int asked;
	atomic_int answered;
};

static int serve(void *arg)
{
	struct service *service = arg;
	int ret = 0;

	for (int i = 1; i <= 100 && !ret; i++) {
		while (atomic_load(&service->asked) < i && !ret)
			ret = coop_park(COOP_FOREVER);
		atomic_store(&service->answered, i);
		coop_wake(service->client);
	}
	return ret;
}

static void test_call(void **state)
{
	struct service service = { .client = coop_self() };
	struct coop_task *server = spawn(serve, &service);

	(void)state;
	for (int i = 1; i <= 100; i++) {
		atomic_store(&service.asked, i);
		do
			assert_int_equal(coop_call(server, COOP_FOREVER), 0);
		while (atomic_load(&service.answered) < i);
	}
	assert_true(fake_count(FAKE_SWITCH) > 0);
	join(server);
}

static int sleep_long(void *flag)
{
	while (!atomic_load((atomic_int *)flag))
		sched_yield();
	return 0;
}

static void test_call_fails(void **state)
{
	struct coop_group *other = fake_group();
	atomic_int flag = 0;
	struct coop_task *task = spawn(sleep_long, &flag);

	(void)state;
	while (coop_id(task) == -EBUSY)
		sched_yield();
	assert_int_equal(coop_call(task, coop_deadline(MS)), -ETIME);
	fake_fail(FAKE_SWITCH, EDEADLK);
	assert_int_equal(coop_call(task, COOP_FOREVER), -EDEADLK);
	fake_fail(FAKE_SWITCH, 0);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_enter(other), 0);
	assert_int_equal(coop_call(task, COOP_FOREVER), -ESRCH);
	assert_int_equal(coop_leave(), 0);
	assert_int_equal(coop_enter(group), 0);
	atomic_store(&flag, 1);
	while (coop_id(task) > 0)
		sched_yield();
	assert_int_equal(coop_call(task, COOP_FOREVER), -ESRCH);
	assert_int_equal(coop_wake(task), -ESRCH);
	join(task);
	assert_int_equal(coop_close(other), 0);
}

/* A wake that came first is an answer, and the other task is woken all the same. */
static void test_call_with_permit(void **state)
{
	atomic_int flag = 0;
	struct coop_task *task = spawn(park_until_set, &flag);

	(void)state;
	while (coop_id(task) == -EBUSY)
		sched_yield();
	atomic_store(&coop_self()->permit, true);
	atomic_store(&flag, 1);
	assert_int_equal(coop_call(task, COOP_FOREVER), 0);
	join(task);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_task),
		TEST(test_null),
		TEST(test_deadline),
		TEST(test_await),
		TEST(test_sleep),
		TEST(test_park_and_wake),
		TEST(test_wake_early),
		TEST(test_call),
		TEST(test_call_fails),
		TEST(test_call_with_permit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
