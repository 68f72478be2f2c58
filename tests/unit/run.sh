#!/bin/sh
# Run unit test programs (cmocka), as many at once as there are processors; show what fails, count: run.sh PROGRAM…
set -u
passed=0 failed=0 skipped=0
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
export said
# shellcheck disable=SC2016
printf '%s\n' "$@" | xargs -n 1 -P "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)" sh -c '
    name=$(basename "$1")
    CMOCKA_MESSAGE_OUTPUT=tap "$1" >"$said/$name" 2>&1 </dev/null
    echo $? >"$said/$name.exit"' run
for t in "$@"; do
    name=$(basename "$t")
    out=$said/$name
    rc=$(cat "$out.exit" 2>/dev/null || echo 1)
    p=$(grep -cE '^ok ' "$out")
    s=$(grep -cE '^(not )?ok .*# SKIP' "$out")
    f=$(grep -E '^not ok ' "$out" | grep -cvE '# SKIP')
    po=$(grep -cE '^ok .*# SKIP' "$out")
    p=$((p - po))
    if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$rc" -eq 0 ] && [ $((p + f + s)) -eq 0 ]; then echo "$t ran no test"; f=1; fi
    grep -E '^(skipped|(not )?ok .*# SKIP)' "$out" | sed "s|^|$name: |"
    if [ "$f" -ne 0 ]; then
        echo "FAILED: $t (exit $rc)"
        grep -vE '^ok ' "$out" | tail -60
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
