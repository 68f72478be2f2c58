#!/bin/sh
# Everything that proves the tree, in a table: one plain build with all tests, one sanitizer build with unit
# tests, recorded cases and fuzzing corpora. `make check` calls it. SEED picks what is sampled; `make sweep`
# (SWEEP=1) leaves nothing out. Each part ends with "N passed, N failed, N skipped"; the last line adds them.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${MAKE:=make}" "${SEED:=$(date +%j%H%M%S | sed 's/^0*//')}"
export SEED SWEEP
logs=build/check
rm -rf "$logs" && mkdir -p "$logs"
passed=0 failed=0 skipped=0
table=$logs/table
printf '%-34s %8s %8s %8s %8s\n' part passed failed skipped seconds >"$table"
echo "check: seed $SEED (SEED=$SEED make check repeats it)"

# part NAME COMMAND…: run it, show only what failed or was skipped, add its totals
part() {
    name=$1
    shift
    log=$logs/$(printf '%s' "$name" | tr ' ,/' '___').log
    start=$(date +%s)
    "$@" >"$log" 2>&1 </dev/null
    rc=$?
    seconds=$(($(date +%s) - start))
    line=$(grep -E '(^|: )[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -1)
    # shellcheck disable=SC2046
    set -- $(printf '%s' "$line" | sed -e 's/^.*: //' -e 's/[^0-9 ]//g')
    p=${1:-0} f=${2:-0} s=${3:-0}
    if [ -z "$line" ] && [ $rc -eq 0 ]; then p=1; fi
    if [ $rc -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '%-34s %8d %8d %8d %8d\n' "$name" "$p" "$f" "$s" "$seconds" >>"$table"
    if [ "$f" -ne 0 ]; then
        echo "--- $name failed; the end of $log:"
        tail -60 "$log"
        echo "---"
    fi
    grep -iE '^(skipped|ok [0-9]+ .*# skip|not ok [0-9]+ # skip)' "$log" | head -5
    echo "check: $name: $p passed, $f failed, $s skipped, ${seconds}s"
}

J=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
part 'build'                   "$MAKE" -s -j"$J" all test-programs
part 'lint'                    "$MAKE" -s lint
part 'unit tests'              "$MAKE" -s check-unit
part 'recorded cases'          "$MAKE" -s check-cases
part 'random repositories'     "$MAKE" -s check-property
part 'real repositories'       "$MAKE" -s check-samples
part 'end to end'              "$MAKE" -s check-e2e
part 'around a run'            "$MAKE" -s check-around
part 'stages and people'       "$MAKE" -s check-stages
part 'first boot, simulated'   "$MAKE" -s check-firstboot
part 'those who watch'         "$MAKE" -s check-watchers
part "launchd's days"          "$MAKE" -s check-launchd
part 'trust'                   "$MAKE" -s check-trust
part 'bootstrap.json'          "$MAKE" -s check-bootstrap
part 'decisions explained'     "$MAKE" -s check-why
part 'planted faults'          "$MAKE" -s check-doctor
part 'packages end to end'     "$MAKE" -s check-package
part 'product package'         "$MAKE" -s check-product
part 'macOS: every object'     "$MAKE" -s macos-objects-now
part 'life of software'         "$MAKE" -s check-lifecycle
part 'trees read by others'    "$MAKE" -s check-trees
part 'hostile packages'        "$MAKE" -s check-hostile
part 'faults'                  "$MAKE" -s check-fault
part 'sanitizer build'         "$MAKE" -s -j"$J" SAN=address,undefined all test-programs replay-programs
part 'sanitizers: unit tests'  "$MAKE" -s SAN=address,undefined check-unit
part 'sanitizers: cases'       "$MAKE" -s SAN=address,undefined check-cases
part 'sanitizers: real repos'  "$MAKE" -s SAN=address,undefined check-samples
[ -z "${SWEEP:-}" ] || part 'sanitizers: random repos' "$MAKE" -s SAN=address,undefined check-property
[ -z "${SWEEP:-}" ] || part 'sanitizers: hostile'     "$MAKE" -s SAN=address,undefined check-hostile
part 'sanitizers: corpora'     "$MAKE" -s SAN=address,undefined check-fuzz

echo
cat "$table"
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
