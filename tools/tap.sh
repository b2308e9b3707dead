# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# For tests in bash, which source it: results as TAP, and at the end the totals
# that tools/check reads.
tap_passed=0
tap_failed=0

# tap NAME COMMAND...: the test NAME passes if COMMAND succeeds.
tap()
{
	local name=$1 result="not ok"
	shift
	if "$@"; then
		result=ok
		tap_passed=$((tap_passed + 1))
	else
		tap_failed=$((tap_failed + 1))
	fi
	echo "$result $((tap_passed + tap_failed)) $name"
}

# Says what was done, and whether all of it passed.
tap_end()
{
	echo "1..$((tap_passed + tap_failed))"
	echo "# Totals: pass:$tap_passed fail:$tap_failed xfail:0 xpass:0 skip:0 error:0"
	[ $tap_failed = 0 ]
}
