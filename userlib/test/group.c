// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Opening and closing groups. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static void test_defaults(void **state)
{
	struct coop_group *group;
	int fd;

	(void)state;
	assert_int_equal(coop_open(&group, NULL), 0);
	assert_int_equal(fake_setup.turns, 1);
	assert_int_equal(fake_setup.flags, 0);
	fd = coop_fd(group);
	assert_int_equal(fake_fd, fd);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(coop_close(group), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_options(void **state)
{
	struct coop_options options = COOP_OPTIONS_INIT;
	struct coop_group *group;

	(void)state;
	options.turns = 8;
	options.flags = 0x10;
	assert_int_equal(coop_open(&group, &options), 0);
	assert_int_equal(fake_setup.turns, 8);
	assert_int_equal(fake_setup.flags, 0x10);
	assert_int_equal(coop_close(group), 0);

	options.size = sizeof(size_t);
	assert_int_equal(coop_open(&group, &options), -EINVAL);
}

static void test_several(void **state)
{
	struct coop_group *groups[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		groups[i] = fake_group();
	assert_int_equal(coop_close(groups[1]), 0);
	assert_int_equal(coop_close(groups[0]), 0);
	assert_int_equal(coop_close(groups[2]), 0);
}

static void test_null(void **state)
{
	(void)state;
	assert_int_equal(coop_open(NULL, NULL), -EINVAL);
	assert_int_equal(coop_close(NULL), -EINVAL);
	assert_int_equal(coop_fd(NULL), -EINVAL);
}

static void test_no_device(void **state)
{
	struct coop_group *group = NULL;
	int ret;

	(void)state;
	setenv("COOP_DEVICE", "/nowhere/coop", 1);
	fake_opens_path = true;
	errno = 77;
	ret = coop_open(&group, NULL);
	unsetenv("COOP_DEVICE");
	assert_int_equal(ret, -ENOENT);
	assert_int_equal(errno, 77);
	assert_null(group);
	assert_non_null(strstr(coop_explain(ret), "insmod coop.ko"));
}

/* Each failure is reported, and leaves neither memory nor descriptor. */
static void test_failures(void **state)
{
	static const struct {
		enum fake_call call;
		int error;
	} failures[] = {
		{ FAKE_OPEN, EACCES },
		{ FAKE_SETUP, ENOTTY },
		{ FAKE_SETUP, EINVAL },
		{ FAKE_MALLOC, ENOMEM },
	};
	struct coop_group *group = NULL;
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		fake_reset(NULL);
		fake_fail(failures[i].call, failures[i].error);
		errno = 77;
		assert_int_equal(coop_open(&group, NULL), -failures[i].error);
		assert_int_equal(errno, 77);
		assert_null(group);
		assert_int_equal(fcntl(next + 1, F_GETFD), -1);
	}
}

static void test_explain(void **state)
{
	(void)state;
	assert_string_equal(coop_explain(0), "no error");
	assert_string_equal(coop_explain(5), "no error");
	assert_non_null(strstr(coop_explain(-EPERM), "coop_enter"));
	assert_non_null(strstr(coop_explain(-EACCES), "mode"));
	assert_string_equal(coop_explain(-EXDEV), strerror(EXDEV));
	assert_non_null(coop_explain(-4000));
	assert_non_null(coop_explain(INT32_MIN));
	for (int error = 1; error < 4096; error++)
		assert_null(strchr(coop_explain(-error), '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, fake_reset),
		cmocka_unit_test_setup(test_options, fake_reset),
		cmocka_unit_test_setup(test_several, fake_reset),
		cmocka_unit_test_setup(test_null, fake_reset),
		cmocka_unit_test_setup(test_no_device, fake_reset),
		cmocka_unit_test_setup(test_failures, fake_reset),
		cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
