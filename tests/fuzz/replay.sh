#!/bin/sh
# Run every file of each target's corpus through its replay program: replay.sh PROGRAM…
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
for r in "$@"; do
    target=$(basename "$r" | sed 's/^fuzz_//')
    if out=$("$r" "tests/fuzz/corpus/$target" 2>&1 </dev/null); then
        echo "$target: $out"
        passed=$((passed + 1))
    else
        echo "FAILED: $r"
        printf '%s\n' "$out" | tail -40
        failed=$((failed + 1))
    fi
done
echo "corpora: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
