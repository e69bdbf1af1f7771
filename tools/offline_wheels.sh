#!/usr/bin/env bash
# Fill a folder with the wheels that a machine without a network installs from.
#
#   bash tools/offline_wheels.sh DIR                  for this machine's Python
#   bash tools/offline_wheels.sh DIR --python 3.12    for another one
#   bash tools/offline_wheels.sh DIR --no-torch       for a machine that has torch
#   bash tools/offline_wheels.sh DIR --wheel FILE     with this wheel of ours, not a new one
#
# On the other machine, in its environment:
#   pip install --no-index --find-links DIR mmhand_dne
#   mmhand-dne setup --no-index --find-links DIR
#
# Wheels are for Linux (glibc 2.28 or newer) on this machine's kind of processor.
# PYTHON       the interpreter whose pip downloads (default: python3)
# TORCH_INDEX  one more index, such as https://download.pytorch.org/whl/cpu
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PYTHON="${PYTHON:-python3}"
export PIP_DISABLE_PIP_VERSION_CHECK=1
dir='' version='' torch=1 wheel=''
usage() { sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
need() { [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case "$1" in
        --python) need "$@"; version=$2; shift ;;
        --no-torch) torch='' ;;
        --wheel) need "$@"; wheel=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        -*) echo "unknown flag $1" >&2; usage >&2; exit 2 ;;
        *) dir=$1 ;;
    esac
    shift
done
[ -n "$dir" ] || { usage >&2; exit 2; }
version="${version:-$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}"
mkdir -p "$dir"

target=(--only-binary=:all: --implementation cp --python-version "$version")
machine="$(uname -m)"
for glibc in $(seq 28 -1 5); do target+=(--platform "manylinux_2_${glibc}_$machine"); done
for name in manylinux2014 manylinux2010 manylinux1; do
    target+=(--platform "${name}_$machine")
done

download() {
    "$PYTHON" -m pip download -q -d "$dir" "${target[@]}" "$@"
}

if [ -n "$wheel" ]; then
    cp "$wheel" "$dir"
else
    "$PYTHON" -m pip wheel -q --no-deps -w "$dir" "$ROOT"
fi
mapfile -t plain < <("$PYTHON" "$ROOT/tools/misc/requirements.py" plain)
mapfile -t on_torch < <("$PYTHON" "$ROOT/tools/misc/requirements.py" on-torch)
# Together, so that one version of each fits them all.
if [ -n "$torch" ]; then
    download ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} 'torch>=2.6' \
        "${plain[@]}" "${on_torch[@]}" mmcv-lite==2.1.0
else
    download "${plain[@]}" mmcv-lite==2.1.0
    download --no-deps "${on_torch[@]}"
fi
# Its metadata asks for chumpy, which it never imports and which does not build.
download --no-deps mmpose==1.3.2

# matplotlib's fonttools runs without its compiled parts, which are four fifths of it.
for compiled in "$dir"/fonttools-*-cp*.whl; do
    [ -e "$compiled" ] || continue
    file="$(basename "$compiled")"
    release="${file#fonttools-}"
    "$PYTHON" -m pip download -q -d "$dir" --no-deps --only-binary=:all: --platform any \
        --implementation py --abi none --python-version "$version" \
        "fonttools==${release%%-*}"
    rm "$compiled"
done

cd "$dir"
echo "Python $version, wheels in $PWD:"
for file in *.whl; do
    printf '%8.2f MB  %s\n' "$(stat -c %s "$file" | awk '{print $1 / 1e6}')" "$file"
done | sort -rn
large='^(torch|numpy|opencv_python|scipy|nvidia_|cuda_|triton)'
printf '%8.2f MB  without torch, NumPy, OpenCV and SciPy\n' "$(
    find . -name '*.whl' -printf '%f %s\n' | grep -Ev "$large" |
        awk '{sum += $2} END {print sum / 1e6}')"
