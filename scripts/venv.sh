#!/bin/sh
# venv.sh PYTHON DIR: makes the virtual environment DIR with whatever this machine has.
# Debian ships venv without ensurepip unless python3-venv is installed, so a pip from elsewhere may have to fill it.
set -eu
python=$1
dir=$2
say() { printf '%s\n' "mainspring: $*" >&2; }

if ! found=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null); then
  say "no Python 3.11 or newer found (tried: $python). Install one, or name it: make PYTHON=/path/to/python3.11"
  exit 2
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "Python 3.11 or newer is needed, and $python is $found. Name another: make PYTHON=/path/to/python3.11"
  exit 2
fi

same() { [ "$("$dir/bin/python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)" = "$found" ]; }
works() { "$dir/bin/python" -m pip --version >/dev/null 2>&1; }

# Fill an environment that has no pip by a pip (22.3 or newer) that this machine has somewhere.
borrow_pip() {
  for pip in "$python -m pip" "python3 -m pip" "pip3" "pip"; do
    $pip --python "$dir/bin/python" install --quiet pip >/dev/null 2>&1 && works && return 0
  done
  return 1
}

if same && works; then exit 0; fi
echo "making $dir with Python $found"
rm -rf "$dir"
if "$python" -m venv "$dir" >/dev/null 2>&1 && works; then exit 0; fi
rm -rf "$dir"
if "$python" -m venv --without-pip "$dir" >/dev/null 2>&1 && borrow_pip; then exit 0; fi
rm -rf "$dir"
if "$python" -m virtualenv --quiet "$dir" >/dev/null 2>&1 && works; then exit 0; fi
rm -rf "$dir"
if virtualenv --quiet --python "$python" "$dir" >/dev/null 2>&1 && works; then exit 0; fi
rm -rf "$dir"
say "$python ($found) cannot make a virtual environment: it has no ensurepip, and no pip or virtualenv was found." \
  "Install one of them, for example: apt install python3-venv"
exit 2
