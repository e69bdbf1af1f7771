#!/usr/bin/env bash
# All tables of both papers on the free benchmark, over as many calls as it takes, what
# tells their causes, and the page of results.
#
#   bash tools/reproduce/all.sh                  all of it
#   bash tools/reproduce/all.sh --minutes M      stop after so many, exit status 3
#   bash tools/reproduce/all.sh --count N        a smaller benchmark, see benchmark.sh
#   bash tools/reproduce/all.sh --data DIR       elsewhere than data/benchmark
#   bash tools/reproduce/all.sh [...] -- FLAGS   flags of table.py, such as --seeds 0
#
# Run again it continues. table.py says before how long the rest takes. The page and its
# numbers are in DIR/results; publish.py writes those that the project keeps.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
PY="${MMHAND_VENV:-$ROOT/.venv}/bin/python"

count=26000 data="$ROOT/data/benchmark" minutes=''
usage() { sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --) shift; break ;;
        --count | --data | --minutes)
            [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
            printf -v "${1#--}" %s "$2"; shift ;;
        *) echo "unknown flag $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
start=$(date +%s)
limit() { [ -z "$minutes" ] || echo --minutes $((minutes - ($(date +%s) - start) / 60)); }
mkdir -p "$data"
data="$(cd "$data" && pwd)"

# shellcheck disable=SC2046
bash "$ROOT/tools/reproduce/benchmark.sh" --count "$count" --data "$data" $(limit)
cd "$ROOT"
# shellcheck disable=SC2046
"$PY" tools/reproduce/table.py all --cache "$data/cache" $(limit) "$@"
flags=(--cache "$data/cache" "$@")
for tool in step_cost line_of_sight ranking occlusion sample_choice; do
    "$PY" "tools/reproduce/$tool.py" "${flags[@]}"
done
"$PY" tools/reproduce/publish.py "${flags[@]}" --to "$data/results"
