#!/usr/bin/env bash
# The main job, for someone who sees Holdfast for the first time: start the daemon, load
# Debian's package index and the countries of iso-codes, read them, change them in
# transactions, kill the daemon in the middle, and find everything that was acknowledged.
# Says each command before it runs, and fails if anything is not as it says.
#
#     tests/tour.sh [FOLDER]      a new folder for the data (default: a temporary one)
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
export PATH="${HOLDFAST_BUILD:-$top/build/release}:$PATH"
keep=${1:-}
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
cd "$folder"
daemon=

leave()
{
    [ -z "$daemon" ] || kill "$daemon" 2> /dev/null || true
    [ -z "$daemon" ] || wait "$daemon" 2> /dev/null || true
    [ -n "$keep" ] || rm -rf "$folder"
}
trap leave EXIT

say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; eval "$*"; }

# Start the daemon, and wait for its one line on standard output.
start()
{
    local ready

    printf '$ %s &\n' "$*"
    exec {out}< <(exec "$@" 2>> holdfastd.log & echo $!; wait)
    read -r daemon <&"$out"
    if ! read -r ready <&"$out"; then
        cat holdfastd.log
        exit 1
    fi
    echo "$ready"
}

expect()
{
    [ "$1" = "$2" ] && return
    echo "expected $2, and found $1"
    exit 1
}

port=${HOLDFAST_PORT:-4653}
export HOLDFAST_CONNECT=127.0.0.1:$port

say "A server in a new folder, $folder."
start holdfastd --data ./data --listen "127.0.0.1:$port" --stage-size 64MB

say "All packages that Debian offers, as lines of JSON, and the world's countries."
run "apt-cache dumpavail | python3 $top/tests/integration/packages_to_ndjson.py > packages.ndjson"
run "python3 $top/tests/integration/iso_to_ndjson.py countries > countries.ndjson"
run "python3 $top/tests/integration/iso_to_ndjson.py subdivisions > subdivisions.ndjson"
run "wc -l *.ndjson"
run "holdfast import packages packages.ndjson --key Package,Architecture"
run "holdfast import countries countries.ndjson --key alpha_2"
run "holdfast import subdivisions subdivisions.ndjson --key code"

say "Reading: one record, some from the end of a range, how many there are."
run "holdfast get packages '[\"libuv1-dev\",\"amd64\"]'"
run "holdfast scan packages --gte '[\"libuv\"]' --lt '[\"libuw\"]' --limit 5 --reverse --keys"
run "holdfast count packages"
loaded=$(holdfast count packages)
expect "$loaded" "$(wc -l < packages.ndjson)"

say "A transaction: all of it or nothing. This one is rolled back, the next committed."
run "printf 'begin\ndelete countries NZ\ncount countries\nrollback\n' | holdfast"
expect "$(holdfast has countries NZ)" true
run "printf 'begin\ndelete countries NZ\nput countries {\"alpha_2\":\"XA\",\"name\":\"Atlantis\"}\ncommit\n' | holdfast"
expect "$(holdfast has countries NZ)" false

say "The power of a kill: a load is under way, and the daemon is killed."
echo "$ holdfast import again packages.ndjson --key Package,Architecture &"
holdfast import again packages.ndjson --key Package,Architecture 2> import.log &
loading=$!
while [ "$(holdfast count again 2> /dev/null || echo 0)" = 0 ] && kill -0 "$loading" 2> /dev/null; do :; done
run "kill -9 $daemon"
wait "$daemon" 2> /dev/null || true
wait "$loading" || true
daemon=
cat import.log

say "Started again, it has everything that was acknowledged."
start holdfastd --data ./data --listen "127.0.0.1:$port"
run "holdfast count packages"
expect "$(holdfast count packages)" "$loaded"
run "holdfast get countries XA"
expect "$(holdfast has countries XA)" true
expect "$(holdfast has countries NZ)" false
run "holdfast count again"
surely=$(sed -nE 's/.* ([0-9]+) records committed.*/\1/p' import.log)
[ "$(holdfast count again)" -ge "${surely:-0}" ]

say "What the server says of itself, and of who holds what."
run "holdfast status | cut -c 1-300"
run "holdfast holds"

say "Done. Your own: build/release/holdfastd --data ./data, then build/release/holdfast"
