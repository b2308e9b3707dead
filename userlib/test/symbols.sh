#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Usage: symbols.sh LIBCOOP.SO
# The library exports what the header declares, each with its version, and
# nothing else.
set -euo pipefail

library=$1
cd "$(dirname "$0")/.."
exported=$(nm -D --defined-only "$library" | awk '$2 == "T" { print $3 }' | sort)
strange=$(nm -D --defined-only "$library" | awk '$2 !~ /[TA]/')
declared=$(grep -v '^[ /]\*' include/coop.h | grep -oE '\bcoop_[a-z_]+\(' |
	tr -d '(' | sed 's/$/@@COOP_1.0/' | sort)

if [ "$exported" != "$declared" ]; then
	echo "symbols: libcoop.map and coop.h differ:" >&2
	diff <(echo "$exported") <(echo "$declared") >&2 || true
	exit 1
fi
if [ -n "$strange" ]; then
	echo "symbols: exported, but no function: $strange" >&2
	exit 1
fi
echo "libcoop.so exports $(wc -l <<<"$exported") functions, as coop.h declares"
