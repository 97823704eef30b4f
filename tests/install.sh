#!/usr/bin/env bash
# Install what Holdfast needs on Debian 12: to be built and tried, or (`install.sh test`)
# to be tested by all its tests, or (`install.sh bench`) to be measured beside its rivals. What is
# there already is left alone.
set -euo pipefail

build="build-essential libuv1-dev libssl-dev libmsgpack-dev liblz4-dev libxxhash-dev
    libedit-dev libutf8proc-dev zlib1g-dev lemon python3 iso-codes"
# Clang, its formatter and runtime for `make lint`, `make CC=clang`, `make fuzz`; check
# for the unit tests; pynvim and npm for clients that are not ours; pyte for what a terminal shows.
test="clang clang-format libclang-rt-14-dev git procps check libsubunit-dev pkg-config
    xfsprogs python3-pynvim python3-pyte"

# The rivals of `make bench`. Their services need not run: the tool starts its own.
bench="redis-server postgresql tarantool liblmdb-dev librocksdb-dev"

wanted=$build
[ "${1:-build}" = bench ] && wanted="$build $bench"
[ "${1:-build}" = test ] && wanted="$build $test"
# Debian's npm does not install beside another node, so only where there is none.
[ "${1:-build}" = test ] && ! command -v npm > /dev/null && wanted="$wanted nodejs npm"

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $wanted

# Node's packages: abstract-level and TypeScript, which their tests use where they are there.
if [ "${1:-build}" = test ]; then
    (cd "$(dirname "$0")/../client/node" && npm install --silent --no-audit --no-fund) ||
        echo "npm install in client/node failed; the tests that need it will be skipped"
fi
