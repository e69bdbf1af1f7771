#!/usr/bin/env bash
# Make the free benchmark: render its images, let the frozen networks see its crops.
#
#   bash tools/reproduce/benchmark.sh               26000 images to train on, 3466 to
#                                                   test: 34,327 and 4,640 crops
#   bash tools/reproduce/benchmark.sh --count N     N images to train on, N / 7.5 to test
#   bash tools/reproduce/benchmark.sh --data DIR    elsewhere than data/benchmark
#   bash tools/reproduce/benchmark.sh --minutes M   stop after so many, exit status 3
#   bash tools/reproduce/benchmark.sh --workers W   processes that render (all cores)
#
# The same count gives the same bytes. Run again it continues; what is there is not made
# again. Rendering takes 0.1 s of a core an image, the networks 0.03 s a crop.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
PY="${MMHAND_VENV:-$ROOT/.venv}/bin/python"
LEFT=3  # exit status: the minutes are over, and not all is done

count=26000 data="$ROOT/data/benchmark" minutes='' workers="$(nproc)"
usage() { sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --count | --data | --minutes | --workers)
            [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
            printf -v "${1#--}" %s "$2"; shift ;;
        *) echo "unknown flag $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
mkdir -p "$data"
data="$(cd "$data" && pwd)"
cd "$ROOT"
end=$(($(date +%s) + ${minutes:-100000} * 60))

# Seconds that are left, at least one.
left() { local s=$((end - $(date +%s))); echo $((s > 0 ? s : 1)); }

# The world of train_real.sh's hands with other people, poses and cameras (the seed), a
# third of two hands as in InterHand2.6M's tables, and four images in ten hard.
rc=0
timeout "$(left)" "$PY" tools/make_rendered_data.py "$data/images" --seed 2025 \
    --train "$count" --test $((count * 2 / 15)) --tagged --workers "$workers" \
    --image-size 256 256 --max-turn 180 --camera-spread 80 --cameras 2 --moments 2 \
    --hand-share 0.34 0.6 --breadth -1 5 --gesture-share 0.6 --arm-share 0.85 \
    --held-share 0.2 --clasped-share 0.6 --truncated-share 0.1 --natural-share 0.9 \
    --interacting-share 0.35 --occlusion-share 0.15 --blur-share 0.1 || rc=$?
if [ $rc = 124 ]; then exit $LEFT; elif [ $rc != 0 ]; then exit $rc; fi
"$PY" tools/reproduce/cache_features.py "$data/images" "$data/cache" \
    --minutes "$(($(left) / 60))"
