#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Usage: O=BUILD install.sh
# A program builds and starts against an installed libcoop, found by
# pkg-config, linked both ways.
set -euo pipefail

cd "$(dirname "$0")/.."
dest=$O/userlib/dest
rm -rf "$dest"
${MAKE:-make} -s install O="$O" DESTDIR="$dest" prefix=/opt/coop

export PKG_CONFIG_SYSROOT_DIR=$dest
export PKG_CONFIG_LIBDIR=$dest/opt/coop/lib/pkgconfig
program=$dest/hello
read -ra cflags < <(pkg-config --cflags libcoop)
read -ra libs < <(pkg-config --libs libcoop)
read -ra static_libs < <(pkg-config --static --libs libcoop)

advice='hello: /dev/coop is not there'
run()
{
	local output

	output=$(COOP_DEVICE=$dest/none "$@" 2>&1) && {
		echo "install: hello ran without a device" >&2
		return 1
	}
	[[ $output = "$advice"* ]] || {
		echo "install: hello said: $output" >&2
		return 1
	}
}

${CC:-cc} "${cflags[@]}" examples/hello.c -o "$program" "${libs[@]}"
run env LD_LIBRARY_PATH="$dest/opt/coop/lib" "$program"
${CC:-cc} -static "${cflags[@]}" examples/hello.c -o "$program" "${static_libs[@]}"
run "$program"
rm -rf "$dest"
echo "installed libcoop: hello builds by pkg-config, shared and static"
