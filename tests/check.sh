#!/bin/sh
# Everything that proves the tree, in a table: one plain build with all tests, one sanitizer build with unit
# tests, recorded cases and fuzzing corpora. `make check` calls it. SEED picks what is sampled; `make sweep`
# (SWEEP=1) leaves nothing out. As many parts run at once as there are processors (JOBS=N: N), each as soon as what
# it needs has passed. Each ends with "N passed, N failed, N skipped"; the last line adds them.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${MAKE:=make}" "${SEED:=$(date +%j%H%M%S | sed 's/^0*//')}"
export SEED SWEEP
J=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
: "${JOBS:=$J}"
# no part takes a fifth of it on two idle processors; what hangs must not hang for ever
bound=900
[ -z "${SWEEP:-}" ] || bound=7200
began=$(date +%s)
logs=build/check
# two of them in one tree would take each other's logs, and stop each other's parts
if [ -f "$logs/check.pid" ] && kill -0 "$(cat "$logs/check.pid")" 2>/dev/null; then
    echo "check: another runs in this tree, process $(cat "$logs/check.pid")" >&2
    exit 1
fi
rm -rf "$logs" && mkdir -p "$logs" && mkfifo "$logs/ended" || exit 1
echo $$ >"$logs/check.pid"
exec 3<>"$logs/ended"
# a version manager's python3 searches for the real one at every start, and there are hundreds
mkdir "$logs/bin" && printf '#!/bin/sh\nexec "%s" "$@"\n' "$(python3 -c 'import sys; print(sys.executable)')" >"$logs/bin/python3"
chmod 755 "$logs/bin/python3"
PATH=$PWD/$logs/bin:$PATH
export PATH
echo "check: seed $SEED (SEED=$SEED make check repeats it)"

# part NAME NEEDED ARGUMENTS: `make ARGUMENTS` once the part NEEDED (or -) has passed. Their order is that of the table and,
# as far as needs allow, of their start: what others need, then what mostly waits, beside which processors compile and test.
parts=0 name='' state='' needed='' row=''
part() {
    parts=$((parts + 1))
    eval "name_$parts=\$1 needed_$parts=\$2 arguments_$parts=\$3 state_$parts=waits"
}

# launch N: begin it; it writes N into the pipe when it ends
launch() {
    eval "state_$1=runs set -- $1 \$arguments_$1"
    n=$1
    shift
    {
        python3 tests/part.py "$bound" "$logs/$n.log" "$logs/$n.end" "$MAKE" -s "$@" &
        echo $! >"$logs/$n.pid"
        wait $!
        echo "$n" >&3
    } &
}

# counted N PASSED FAILED SKIPPED SECONDS PROCESSOR: a line of the table, in the end
passed=0 failed=0 skipped=0
counted() {
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
    eval "row_$1='$2 $3 $4 $5 $6' state_$1=passed name=\$name_$1"
    [ "$3" -eq 0 ] || eval "state_$1=failed"
    echo "check: $name: $2 passed, $3 failed, $4 skipped, ${5}s"
}

# ended N: show only what failed or was skipped, add its totals
ended() {
    n=$1
    eval "name=\$name_$n"
    log=$logs/$(printf '%s' "$name" | tr ' ,/' '___').log
    mv "$logs/$n.log" "$log" || echo "its log is gone" >"$log"
    rm -f "$logs/$n.pid"
    rc=1 seconds=0 processor=0
    [ ! -f "$logs/$n.end" ] || read -r rc seconds processor <"$logs/$n.end"
    line=$(grep -E '(^|: )[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -1)
    # shellcheck disable=SC2046
    set -- $(printf '%s' "$line" | sed -e 's/^.*: //' -e 's/[^0-9 ]//g')
    p=${1:-0} f=${2:-0} s=${3:-0}
    if [ -z "$line" ] && [ "$rc" -eq 0 ]; then p=1; fi
    if grep -q '^its log is gone$' "$log"; then f=1; fi
    if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$f" -ne 0 ]; then
        echo "--- $name failed; $log:"
        grep -vE '^ok ' "$log" | tail -200
        echo "---"
    fi
    grep -iE '^(skipped|ok [0-9]+ .*# skip|not ok [0-9]+ # skip)' "$log" | head -5
    counted "$n" "$p" "$f" "$s" "$seconds" "$processor"
}

# look NAME: sets before to the state of the part that is called so (nothing is started for it: this is asked often)
look() {
    before=passed k=0
    while [ "$1" != - ] && [ $((k += 1)) -le $parts ]; do
        eval "[ \"\$name_$k\" != \"\$1\" ] || before=\$state_$k"
    done
}

# shellcheck disable=SC2317,SC2329 # called by the trap
stop_all() {
    trap '' INT TERM HUP
    echo "check: stopped"
    for pid in "$logs"/[0-9]*.pid; do kill "$(cat "$pid")" 2>/dev/null; done
    wait
    exit 130
}
trap stop_all INT TERM HUP

part 'build'                   -                 "-j$J all test-programs"
part 'macOS: every object'     -                 macos-objects-now
part 'sanitizer build'         build             "-j$J SAN=address,undefined all test-programs replay-programs"
part 'sanitizers: unit tests'  'sanitizer build' 'SAN=address,undefined check-unit'
part 'those who watch'         build             check-watchers
part 'packages end to end'     build             check-package
part 'end to end'              build             check-e2e
part 'stages and people'       build             check-stages
part "launchd's days"          build             check-launchd
part 'around a run'            build             check-around
part 'trust'                   build             check-trust
part 'bootstrap.json'          build             check-bootstrap
part 'unit tests'              build             check-unit
part 'hostile packages'        build             check-hostile
part 'faults'                  build             check-fault
part 'planted faults'          build             check-doctor
part 'lint'                    build             lint
part 'random repositories'     build             check-property
part 'recorded cases'          build             check-cases
part 'sanitizers: cases'       'sanitizer build' 'SAN=address,undefined check-cases'
part 'sanitizers: real repos'  'sanitizer build' 'SAN=address,undefined check-samples'
[ -z "${SWEEP:-}" ] || part 'sanitizers: random repos' 'sanitizer build' 'SAN=address,undefined check-property'
[ -z "${SWEEP:-}" ] || part 'sanitizers: hostile' 'sanitizer build' 'SAN=address,undefined check-hostile'
part 'sanitizers: corpora'     'sanitizer build' 'SAN=address,undefined check-fuzz'
part 'trees read by others'    build             check-trees
part 'life of software'        build             check-lifecycle
part 'real repositories'       build             check-samples
part 'product package'         build             check-product
part 'decisions explained'     build             check-why
part 'first boot, simulated'   build             check-firstboot

running=0 left=$parts
while [ "$left" -gt 0 ]; do
    i=0
    while [ "$running" -lt "$JOBS" ] && [ $((i += 1)) -le $parts ]; do
        eval "state=\$state_$i needed=\$needed_$i"
        [ "$state" = waits ] || continue
        look "$needed"
        if [ "$before" = failed ]; then
            echo "check: for want of the $needed this cannot run:"
            counted "$i" 0 1 0 0 0
            left=$((left - 1))
        elif [ "$before" = passed ]; then
            launch "$i"
            running=$((running + 1))
        fi
    done
    [ "$running" -gt 0 ] || continue
    read -r i <&3 || continue
    ended "$i"
    running=$((running - 1)) left=$((left - 1))
done

{
    printf '%-34s %8s %8s %8s %8s %10s\n' part passed failed skipped seconds processor
    i=0
    while [ $((i += 1)) -le $parts ]; do
        eval "name=\$name_$i row=\$row_$i"
        # shellcheck disable=SC2086
        printf '%-34s %8d %8d %8d %8d %10d\n' "$name" $row
    done
} >"$logs/table"
echo
cat "$logs/table"
echo
echo "the whole took $(($(date +%s) - began)) s, $JOBS parts at once"
rm -f "$logs/check.pid"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
