#!/bin/sh
# Compiles requirements/*.in to *.txt: exact versions and hashes for every supported Python, and no addresses.
# Needs uv on the PATH. Run it after editing an .in file; add --upgrade to take newer releases.
set -eu
cd "$(dirname "$0")"
lock() {
  name=$1; shift
  uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
    --quiet "$@" "$name.in" --output-file "$name.txt"
}
lock core "$@"
lock dev "$@"
lock bench "$@"
lock prefect "$@"
lock server "$@"
lock build "$@"
lock release "$@"
lock demo --no-deps "$@"
for version in 14 15 16 17; do lock "postgres$version" --no-deps "$@"; done
