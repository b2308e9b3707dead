#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Every public function has a manual page, no page has a fault, and the example
# in libcoop(7) is the one that is built.
set -euo pipefail

cd "$(dirname "$0")/.."
command -v mandoc >/dev/null || {
	echo "man: mandoc is missing: run tools/setup" >&2
	exit 1
}
mandoc -T lint -W warning man/*.[347]
while read -r function; do
	grep -qx "\.Nm $function\( ,\)\?" man/*.3 || {
		echo "man: $function has no page: write $page" >&2
		exit 1
	}
done < <(sed -n 's/^\t\t\(coop_.*\);$/\1/p' libcoop.map)
diff <(sed '1,/^#include/ { /^#include/!d; }' examples/hello.c) \
	<(sed -n '/^#include/,/^\.Ed/p' man/libcoop.7 |
		sed -e '/^\.Ed/d' -e 's/\\en/\\n/g') || {
	echo "man: the example in man/libcoop.7 is not examples/hello.c" >&2
	exit 1
}
pages=(man/*)
echo "manual pages: ${#pages[@]}, no fault"
