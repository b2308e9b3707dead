// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* What the first coop_open() of a process sets up, and may not get. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

/* In a process of its own, since it is set up but once. */
static void expect_failure(enum fake_call call, int error)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct coop_group *group;

		fake_fail(call, error);
		if (coop_open(&group, NULL) != -error)
			_exit(1);
		fake_fail(call, 0);
		_exit(coop_open(&group, NULL) != -error);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_no_key(void **state)
{
	(void)state;
	expect_failure(FAKE_KEY, EAGAIN);
}

static void test_no_fork_handler(void **state)
{
	(void)state;
	expect_failure(FAKE_ATFORK, ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_key, fake_reset),
		cmocka_unit_test_setup(test_no_fork_handler, fake_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
