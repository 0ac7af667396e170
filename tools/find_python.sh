#!/bin/sh
# Prints the Python to build with. $1, if given, is the only candidate.
# Owns: the choice. Never: installs anything. When none fits, one line says which package to install.
here=$(dirname "$0")
first_complaint=
for candidate in ${1:-python3.13 python3.12 python3.11 python3}; do
    # A name on PATH may still be a launcher without a Python behind it: run it.
    path=$("$candidate" -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null) || continue
    [ -n "$path" ] || continue
    if complaint=$("$path" "$here/toolchain.py" 2>&1); then
        echo "$path"
        exit 0
    fi
    first_complaint=${first_complaint:-$complaint}
done
if [ -n "$first_complaint" ]; then
    echo "$first_complaint" >&2
elif [ -n "$1" ]; then
    echo "PYTHON=$1 is not a Python 3.11 or newer: name another one." >&2
elif command -v brew >/dev/null 2>&1 || [ "$(uname)" = Darwin ]; then
    echo "Python 3.11 or newer is missing: brew install python@3.13" >&2
elif command -v dnf >/dev/null 2>&1; then
    echo "Python 3.11 or newer is missing: sudo dnf install python3 python3-devel" >&2
else
    echo "Python 3.11 or newer is missing: sudo apt install python3 python3-dev python3-venv" >&2
fi
exit 1
