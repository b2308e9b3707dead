# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# For scripts in bash that run many test programs, which source it: a line for
# each, and at the end how many tests passed. $build is where output is kept.
passed=0 failed=0 skipped=0

# run_test NAME COMMAND...
run_test()
{
	local name=$1 log=$build/vm/$1.tap pass fail skip status
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log"
	status=$?
	# The totals line is the harness's; a test that died has none.
	read -r pass fail skip < <(sed -n \
		's/^# Totals: pass:\([0-9]*\) fail:\([0-9]*\) .* skip:\([0-9]*\) .*/\1 \2 \3/p' "$log")
	: "${pass:=0}" "${fail:=0}" "${skip:=0}"
	[ $status = 0 ] || [ "$fail" -gt 0 ] || fail=1
	[ "$((pass + skip + fail))" -gt 0 ] || fail=1
	printf '%-16s %3d passed %3d failed %3d skipped\n' "$name" "$pass" "$fail" "$skip"
	grep -iE "# SKIP" "$log"
	[ "$fail" = 0 ] || cat "$log"
	passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
}

# Says the sums; fails if any test did, or none was run.
count_end()
{
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ] && [ $passed -gt 0 ]
}
