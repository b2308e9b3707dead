// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Options of other sizes than this library's. */
#include <errno.h>
#include <string.h>

#include "fake.h"

struct options_v2 {
	size_t size;
	unsigned int first;
	unsigned int second;
};

struct options_v3 {
	struct options_v2 old;
	unsigned int third[4];
};

#define SIZE_V1 (offsetof(struct options_v2, first) + sizeof(unsigned int))

static int copy(struct options_v2 *to, const void *from)
{
	memset(to, 0xff, sizeof(*to));
	return coop_copy_options(to, sizeof(*to), SIZE_V1, from);
}

static void test_none(void **state)
{
	struct options_v2 to;

	(void)state;
	assert_int_equal(copy(&to, NULL), 0);
	assert_int_equal(to.first, 0);
	assert_int_equal(to.second, 0);
}

static void test_same_size(void **state)
{
	struct options_v2 to, from = { sizeof(from), 1, 2 };

	(void)state;
	assert_int_equal(copy(&to, &from), 0);
	assert_int_equal(to.first, 1);
	assert_int_equal(to.second, 2);
}

static void test_older(void **state)
{
	struct options_v2 to, from = { SIZE_V1, 1, 2 };

	(void)state;
	assert_int_equal(copy(&to, &from), 0);
	assert_int_equal(to.first, 1);
	assert_int_equal(to.second, 0);
	from.size = 0;
	assert_int_equal(copy(&to, &from), 0);
	assert_int_equal(to.first, 1);
	assert_int_equal(to.second, 0);
	from.size = SIZE_V1 - 1;
	assert_int_equal(copy(&to, &from), -EINVAL);
}

static void test_newer(void **state)
{
	struct options_v3 from = { { sizeof(from), 1, 2 }, { 0 } };
	struct options_v2 to;

	(void)state;
	assert_int_equal(copy(&to, &from), 0);
	assert_int_equal(to.first, 1);
	assert_int_equal(to.second, 2);
	from.third[3] = 1;
	assert_int_equal(copy(&to, &from), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_same_size),
		cmocka_unit_test(test_older),
		cmocka_unit_test(test_newer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
