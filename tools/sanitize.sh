#!/bin/sh
# Builds the engine with a sanitizer in a copy of the tree and runs tests/engine under it.
#   tools/sanitize.sh PYTHON address,undefined|thread [pytest arguments]
# Owns: the copy in build/sanitize-*. Never: touches the engine that is installed.
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
kind=$2
shift 2
copy=build/sanitize-$(echo "$kind" | tr , -)
mkdir -p "$copy"
rm -rf "$copy/slasshy_rpc" "$copy/tests" "$copy/ext"
cp -R slasshy_rpc tests ext setup.py pyproject.toml conftest.py README.md LICENSE "$copy"
rm -f "$copy"/slasshy_rpc/_*.so
cd "$copy"
SLASSHY_SANITIZE=$kind "$python" setup.py --quiet build_ext --inplace --force

compiler=${CC:-cc}
case $kind in
    thread) runtime=libtsan.so ;;
    *) runtime=libasan.so ;;
esac
library=$("$compiler" -print-file-name=$runtime)
if [ ! -e "$library" ]; then
    echo "The sanitizer library $runtime is missing: sudo apt install gcc libc6-dev" >&2
    exit 1
fi
# Python itself is not instrumented and keeps memory until it exits: leaks are counted by tests, not here.
export LD_PRELOAD="$library"
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/engine/tsan.supp"
[ -e tests/engine/tsan.supp ] || export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
export PYTHONMALLOC=malloc SLASSHY_SANITIZED=$kind
echo "tests/engine under $kind"
# -s: pytest would swallow the report of a process that the sanitizer ends.
# The runtime wants the address layout that it knows: no randomisation.
exec setarch "$(uname -m)" -R "$python" -m pytest -p no:cacheprovider -q -s --timeout=300 tests/engine "$@"
