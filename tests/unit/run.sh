#!/bin/sh
# Run unit test programs (cmocka), show what fails, count: run.sh PROGRAM…
set -u
passed=0 failed=0 skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for t in "$@"; do
    CMOCKA_MESSAGE_OUTPUT=tap "$t" >"$out" 2>&1 </dev/null
    rc=$?
    p=$(grep -cE '^ok ' "$out")
    s=$(grep -cE '^(not )?ok .*# SKIP' "$out")
    f=$(grep -E '^not ok ' "$out" | grep -cvE '# SKIP')
    po=$(grep -cE '^ok .*# SKIP' "$out")
    p=$((p - po))
    if [ $rc -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ $rc -eq 0 ] && [ $((p + f + s)) -eq 0 ]; then echo "$t ran no test"; f=1; fi
    grep -E '^(skipped|(not )?ok .*# SKIP)' "$out" | sed "s|^|$(basename "$t"): |"
    if [ "$f" -ne 0 ]; then
        echo "FAILED: $t (exit $rc)"
        grep -vE '^ok ' "$out" | tail -60
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
