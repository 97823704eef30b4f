#!/bin/sh
# The proof of the proof: each patch here puts one bug into a copy of the server, and
# the tests that the patch names must fail with it.
#
#   tests/mutants/run.sh [PATCH...]      (all of them by default; TIMEOUT=120 SEEDS=25 FOR=0)
#
# The copy lives in build/mutants and is built incrementally. A mutant that survives, a
# patch that does not apply, and a test that fails without any patch are failures. A run
# that does not end in time counts as a death: the bound is many times what is usual.
# FOR=600 begins no further patch after so many seconds, and tries a test without any patch
# just before the first one that names it.
set -u
cd "$(dirname "$0")/../.."
root=$(pwd)
copy=build/mutants/tree
log=build/mutants/log
: "${TIMEOUT:=120}" "${SEEDS:=25}" "${FOR:=0}"
end=$(($(date +%s) + FOR))
LIFE_COUNT=$SEEDS
export LIFE_COUNT
mkdir -p "$copy"
for part in Makefile proto server client tests; do
    rm -rf "$copy/$part.new"
    cp -a "$part" "$copy/$part.new"
    # what is the same stays as old as it is, so that little is built again
    if [ -d "$part" ] && [ -d "$copy/$part" ]; then
        (cd "$copy/$part.new" && find . -type f) | while read -r file; do
            if cmp -s "$copy/$part/$file" "$copy/$part.new/$file"; then
                touch -r "$copy/$part/$file" "$copy/$part.new/$file"
            else
                touch "$copy/$part.new/$file"
            fi
        done
    fi
    rm -rf "${copy:?}/$part"
    mv "$copy/$part.new" "$copy/$part"
done
cd "$copy" || exit 1

programs() { # what a test is, or needs
    case $1 in
    integration/*) echo build/release/holdfastd build/release/holdfast ;;
    fuzz_*) echo "build/release/fuzz/$1" ;;
    *) echo "build/release/tests/$1" ;;
    esac
}

build_and_run() { # tests...; 0: all pass, 1: one fails, 2: it does not build
    # shellcheck disable=SC2046
    make -s -j2 LTO= $(for test in "$@"; do programs "$test"; done) >"$root/$log" 2>&1 || return 2
    for test in "$@"; do
        case $test in
        integration/*)
            set -- env HOLDFASTD="$PWD/build/release/holdfastd" \
                HOLDFAST="$PWD/build/release/holdfast" python3 tests/integration/run.py "${test#*/}" ;;
        fuzz_*) # a few random inputs, and those that are kept
            # shellcheck disable=SC2046
            set -- "$(programs "$test")" 20000 1 $(find "tests/fuzz/corpus/$test" -type f | sort) ;;
        *) set -- "$(programs "$test")" ;;
        esac
        timeout "$TIMEOUT" "$@" >>"$root/$log" 2>&1 || return 1
    done
    return 0
}

[ $# -gt 0 ] || set -- "$root"/tests/mutants/*.patch
tried=' '
try_unpatched() { # tests...
    for test in "$@"; do
        case $tried in *" $test "*) continue ;; esac
        build_and_run "$test" || {
            echo "$test fails without any mutant; see $log"
            exit 1
        }
        tried="$tried$test "
    done
}
if [ "$FOR" -eq 0 ]; then
    # shellcheck disable=SC2046
    build_and_run $(sed -n 's/^Killed by: //p' "$@" | tr ' ' '\n' | sort -u) || {
        echo "the tests fail without any mutant; see $log"
        exit 1
    }
fi
killed=0 failed=0
for patch in "$@"; do
    name=$(basename "$patch" .patch)
    if [ "$FOR" -gt 0 ]; then
        [ "$(date +%s)" -lt "$end" ] || break
        # shellcheck disable=SC2046
        try_unpatched $(sed -n 's/^Killed by: //p' "$patch")
    fi
    if ! patch -s -F0 -p1 --dry-run <"$patch" >"$root/$log" 2>&1; then
        echo "FAILED   $name: the patch does not apply"
        failed=$((failed + 1))
        continue
    fi
    patch -s -F0 -p1 --no-backup-if-mismatch <"$patch" >"$root/$log" 2>&1
    # shellcheck disable=SC2046
    build_and_run $(sed -n 's/^Killed by: //p' "$patch")
    case $? in
    0) echo "SURVIVED $name" && failed=$((failed + 1)) ;;
    1) echo "killed   $name" && killed=$((killed + 1)) ;;
    *) echo "FAILED   $name: it does not build; see $log" && failed=$((failed + 1)) ;;
    esac
    patch -s -R -p1 --no-backup-if-mismatch <"$patch" >>"$root/$log" 2>&1
done
echo "$killed mutants killed, $failed not"
[ "$failed" -eq 0 ]
