#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Usage: O=BUILD install.sh, or install.sh DESTDIR PREFIX
# A program builds and starts against an installed libcoop, found by
# pkg-config, linked both ways. Installs it first, or takes it from DESTDIR.
set -euo pipefail

cd "$(dirname "$0")/.."
if [ $# = 2 ]; then
	dest=$1
	prefix=$2
else
	dest=$O/userlib/dest
	prefix=/opt/coop
	trap 'rm -rf "$dest"' EXIT
	rm -rf "$dest"
	${MAKE:-make} -s install O="$O" DESTDIR="$dest" prefix=$prefix
fi

export PKG_CONFIG_SYSROOT_DIR=$dest
export PKG_CONFIG_LIBDIR=$dest$prefix/lib/pkgconfig
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
run env LD_LIBRARY_PATH="$dest$prefix/lib" "$program"
${CC:-cc} -static "${cflags[@]}" examples/hello.c -o "$program" "${static_libs[@]}"
run "$program"
rm "$program"
echo "installed libcoop: hello builds by pkg-config, shared and static"
