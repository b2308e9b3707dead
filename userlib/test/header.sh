#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The public header compiles alone, as C and C++, for 64 and for 32 bit.
set -euo pipefail

cd "$(dirname "$0")/.."
flags=(-fsyntax-only -Wall -Wextra -Wpedantic -Werror -Iinclude -I../uapi)
program='
#include <coop.h>
int main(void)
{
	struct coop_options options = COOP_OPTIONS_INIT;
	struct coop_task_options task_options = COOP_TASK_OPTIONS_INIT;
	struct coop_mutex mutex = COOP_MUTEX_INIT;
	struct coop_cond cond = COOP_COND_INIT;
	struct coop_sem sem = COOP_SEM_INIT(3);
	struct coop_wait_group wait = COOP_WAIT_GROUP_INIT(3);
	void *items[3];
	struct coop_channel channel = COOP_CHANNEL_INIT(items);
	struct coop_channel direct = COOP_CHANNEL_INIT_DIRECT(int);

	(void)mutex;
	(void)cond;
	return !(options.size && task_options.size && sem.count == 3 &&
		 wait.count == 3 && channel.capacity == 3 && direct.size);
}'

for bits in 64 32; do
	${CC:-cc} "${flags[@]}" -m$bits -std=c99 -x c - <<<"$program"
	${CXX:-c++} "${flags[@]}" -m$bits -std=c++11 -x c++ - <<<"$program"
	echo "coop.h compiles alone, C99 and C++11, $bits bit"
done
