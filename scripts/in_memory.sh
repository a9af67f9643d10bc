#!/bin/sh
# in_memory.sh COMMAND...: runs it with its temporary files in memory, where this machine has room for them; else where they always are.
# Tests make thousands of stores and wait for the disk at each commit; what they prove of a power cut they prove by files of their own.
set -u
memory=/dev/shm
need=$((6 * 1024 * 1024)) # KiB

has_room() {
  [ -w "$memory" ] && [ "$(df -Pk "$memory" | awk 'NR == 2 { print $4 }')" -ge "$need" ] &&
    [ "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)" -ge "$need" ]
}

if [ -n "${TMPDIR:-}" ] || ! has_room 2>/dev/null; then exec "$@"; fi
TMPDIR=$(mktemp -d "$memory/mainspring-XXXXXX") || exit 1
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 1777 "$TMPDIR" # servers run as somebody else
printf '#!/bin/sh\n' >"$TMPDIR/try"
chmod 755 "$TMPDIR/try"
if ! "$TMPDIR/try"; then # programs may not be started from there
  rm -rf "$TMPDIR"
  trap - EXIT
  unset TMPDIR
  exec "$@"
fi
rm "$TMPDIR/try"
"$@"
