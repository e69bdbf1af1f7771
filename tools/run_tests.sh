#!/usr/bin/env bash
# Run the tests in the project's environment, which is made where it is absent.
#
#   bash tools/run_tests.sh              the suite
#   bash tools/run_tests.sh --all        with the tests marked large and browser
#   bash tools/run_tests.sh -k camera    any flags of pytest
#
# MMHAND_REAL_DATA  folder with interhand2.6m/; tests on real images skip without it
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PY="${MMHAND_VENV:-$ROOT/.venv}/bin/python"
bash "$ROOT/tools/install.sh"

marks='not large and not browser'
flags=()
for flag in "$@"; do
    if [ "$flag" = --all ]; then marks=''; else flags+=("$flag"); fi
done
# A process a core with one thread each: the tests are many and small.
workers="$("$PY" -c 'import os; print(min(4, len(os.sched_getaffinity(0))))')"
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
cd "$ROOT"
exec "$PY" -m pytest -m "$marks" -n "$workers" --dist loadfile "${flags[@]}"
