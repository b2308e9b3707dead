// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The thin calls: what reaches the device, and how its errors come back. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"

#define FD 1234

static int join(void)
{
	return coop_sys_join(FD);
}

static int leave(void)
{
	return coop_sys_leave(FD);
}

static int yield(void)
{
	return coop_sys_yield(FD);
}

static int switch_to(void)
{
	return coop_sys_switch(FD, 42);
}

static int info(void)
{
	struct coop_info info;

	return coop_sys_info(FD, &info);
}

static int setup(void)
{
	struct coop_setup setup = { .turns = 3 };

	return coop_sys_setup(FD, &setup);
}

static int stat(void)
{
	struct coop_stat stat = { .task = 0 };

	return coop_sys_stat(FD, &stat);
}

static int wait_now(void)
{
	struct coop_wait wait = { .flags = COOP_WAIT_DEADLINE };

	return coop_sys_wait(FD, &wait);
}

static int wake(void)
{
	return coop_sys_wake(FD, 1);
}

static int (*const calls[])(void) = {
	[FAKE_INFO] = info,
	[FAKE_SETUP] = setup,
	[FAKE_JOIN] = join,
	[FAKE_LEAVE] = leave,
	[FAKE_YIELD] = yield,
	[FAKE_SWITCH] = switch_to,
	[FAKE_STAT] = stat,
	[FAKE_WAIT] = wait_now,
	[FAKE_WAKE] = wake,
};

static void test_calls_reach_the_device(void **state)
{
	struct coop_info info;
	struct coop_stat stat = { .task = 0 };

	(void)state;
	assert_true(join() > 0);
	assert_int_equal(fake_fd, FD);
	assert_int_equal(yield(), 0);
	assert_int_equal(switch_to(), 0);
	assert_int_equal(fake_switch.task, 42);
	assert_int_equal(fake_switch.flags, 0);
	assert_int_equal(wait_now(), COOP_WAIT_DEADLINE);
	assert_int_equal(wake(), 0);
	assert_int_equal(leave(), 0);
	assert_int_equal(setup(), 0);
	assert_int_equal(fake_setup.turns, 3);
	memset(&info, 0xff, sizeof(info));
	assert_int_equal(coop_sys_info(FD, &info), 0);
	assert_int_equal(info.abi, COOP_ABI_VERSION);
	assert_int_equal(coop_sys_stat(FD, &stat), 0);
	assert_int_equal(stat.tasks, 7);
	for (int i = FAKE_INFO; i <= FAKE_WAKE; i++)
		assert_int_equal(fake_count(i), 1);
}

static void test_errors_come_back(void **state)
{
	(void)state;
	for (int i = FAKE_INFO; i <= FAKE_WAKE; i++) {
		fake_fail(i, EBADF);
		errno = 77;
		assert_int_equal(calls[i](), -EBADF);
		assert_int_equal(errno, 77);
	}
}

static void test_call(void **state)
{
	struct coop_wait wait = { .flags = COOP_WAIT_WAKE };
	int id = join();

	(void)state;
	assert_int_equal(coop_sys_call(FD, id, &wait), COOP_WAIT_WAKE);
	assert_int_equal(fake_switch.task, id);
	assert_int_equal(fake_switch.flags, COOP_SWITCH_WAIT);
	assert_int_equal(fake_switch.wait.flags, COOP_WAIT_WAKE);
	fake_fail(FAKE_SWITCH, ESRCH);
	assert_int_equal(coop_sys_call(FD, id, &wait), -ESRCH);
	assert_int_equal(leave(), 0);
}

static void test_null_stays_here(void **state)
{
	struct coop_wait wait = { .flags = COOP_WAIT_WAKE };

	(void)state;
	assert_int_equal(coop_sys_wait(FD, NULL), -EINVAL);
	assert_int_equal(coop_sys_wake(FD, 0), -EINVAL);
	assert_int_equal(coop_sys_call(FD, 0, &wait), -EINVAL);
	assert_int_equal(coop_sys_call(FD, 1, NULL), -EINVAL);
	assert_int_equal(coop_sys_info(FD, NULL), -EINVAL);
	assert_int_equal(coop_sys_setup(FD, NULL), -EINVAL);
	assert_int_equal(coop_sys_stat(FD, NULL), -EINVAL);
	assert_int_equal(coop_sys_switch(FD, 0), -EINVAL);
	assert_int_equal(coop_sys_switch(FD, -1), -EINVAL);
	for (int i = FAKE_INFO; i <= FAKE_WAKE; i++)
		assert_int_equal(fake_count(i), 0);
}

static void test_open(void **state)
{
	int fd;

	(void)state;
	unsetenv("COOP_DEVICE");
	errno = 77;
	fd = coop_sys_open(0);
	assert_true(fd >= 0);
	assert_string_equal(fake_path, "/dev/coop");
	assert_int_equal(fake_flags, O_RDWR | O_CLOEXEC);
	close(fd);

	assert_int_equal(coop_sys_open(1), -EINVAL);
	assert_int_equal(fake_count(FAKE_OPEN), 1);

	fake_fail(FAKE_OPEN, EACCES);
	assert_int_equal(coop_sys_open(0), -EACCES);
	assert_int_equal(errno, 77);
}

static void test_open_other_device(void **state)
{
	(void)state;
	setenv("COOP_DEVICE", "/nowhere/coop", 1);
	fake_opens_path = true;
	assert_int_equal(coop_sys_open(0), -ENOENT);
	assert_string_equal(fake_path, "/nowhere/coop");
	unsetenv("COOP_DEVICE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_calls_reach_the_device, fake_reset),
		cmocka_unit_test_setup(test_errors_come_back, fake_reset),
		cmocka_unit_test_setup(test_call, fake_reset),
		cmocka_unit_test_setup(test_null_stays_here, fake_reset),
		cmocka_unit_test_setup(test_open, fake_reset),
		cmocka_unit_test_setup(test_open_other_device, fake_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
