// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Options are structures that begin with their size, so that they can grow:
 * an old program passes a short one, a new program a long one to an old
 * library.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static bool all_zero(const unsigned char *from, const unsigned char *end)
{
	while (from < end) {
		if (*from++)
			return false;
	}
	return true;
}

/**
 * coop_copy_options() - copy options of any size, NULL for the defaults
 * @to: filled; what the caller did not give is zero
 * @size: of @to
 * @size_v1: of the first version, which all programs know
 * @from: begins with its size, 0 for that of the first version; or NULL
 *
 * Return: 0, -EINVAL for a size below @size_v1, or -E2BIG if @from has
 * something beyond @size that is not zero.
 */
int coop_copy_options(void *to, size_t size, size_t size_v1, const void *from)
{
	const unsigned char *bytes = from;
	size_t given;

	memset(to, 0, size);
	if (!from)
		return 0;
	memcpy(&given, from, sizeof(given));
	if (!given)
		given = size_v1;
	if (given < size_v1)
		return -EINVAL;
	if (given > size && !all_zero(bytes + size, bytes + given))
		return -E2BIG;
	memcpy(to, from, given < size ? given : size);
	return 0;
}
