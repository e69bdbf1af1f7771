#!/usr/bin/env bash
# Train the shipped model (configs/dne_real.py) again, from nothing: convert MediaPipe's
# networks, render hands, label photos, train in two phases, publish one file.
#
#   bash tools/train_real.sh                     about two hours on two cores
#   bash tools/train_real.sh --photos DIR        also on photos of one hand each
#   bash tools/train_real.sh --mediapipe FILE    the wheel mediapipe 0.10.21, if it is
#                                                here already; else pip downloads it
#   bash tools/train_real.sh --images N          render N images (30000)
#   bash tools/train_real.sh --seed N --work-dir DIR
#   bash tools/train_real.sh --cfg-options K=V ...   keys of the config, last flag
#
# Run again it continues: what is there is not made again, training resumes from its
# last checkpoint. On a machine with GPUs: GPUS=4 bash tools/train_real.sh
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PY="${MMHAND_VENV:-$ROOT/.venv}/bin/python"
CONFIG="$ROOT/configs/dne_real.py"
WHEEL=mediapipe==0.10.21  # newer ones hold no networks

photos='' mediapipe='' images=30000 seed=0 work_dir='' options=()
usage() { sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
need() { [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case "$1" in
        --photos) need "$@"; photos="$(cd "$2" && pwd)"; shift ;;
        --mediapipe) need "$@"; mediapipe="$(realpath "$2")"; shift ;;
        --images) need "$@"; images=$2; shift ;;
        --seed) need "$@"; seed=$2; shift ;;
        --work-dir) need "$@"; work_dir=$2; shift ;;
        --cfg-options) shift; options=("$@"); break ;;
        -h | --help) usage; exit 0 ;;
        *) echo "unknown flag $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
cd "$ROOT"
data="$ROOT/data/real"
work_dir="${work_dir:-$ROOT/work_dirs/dne_real}"
mkdir -p "$data" "$work_dir"

if [ ! -e "$data/mediapipe_hands.pth" ]; then
    echo '== convert'
    if [ -z "$mediapipe" ]; then
        "$PY" -m pip download -q --no-deps --only-binary=:all: --python-version 3.11 \
            --platform manylinux_2_17_x86_64 "$WHEEL" -d "$data/wheel"
        mediapipe="$(ls "$data"/wheel/mediapipe-*.whl)"
    fi
    "$PY" -c 'import tflite' 2> /dev/null || "$PY" -m pip install -q tflite
    "$PY" tools/model_converters/convert_mediapipe.py "$mediapipe" \
        "$data/mediapipe_hands.pth"
fi

echo '== render'
"$PY" tools/make_rendered_data.py "$data/rendered" --train "$images" \
    --test $((images / 30)) --image-size 256 256 --max-turn 180 --camera-spread 80 \
    --interacting-share 0.25

if [ -n "$photos" ]; then
    if [ ! -e "$data/photo_landmarks.json" ]; then
        echo '== label photos'
        "$PY" tools/dataset_converters/label_photos.py "$photos" \
            "$data/mediapipe_hands.pth" "$data/photo_landmarks.json"
    fi
    options=("train_dataloader.dataset.datasets.1.dataset.dataset.data_prefix.img=$photos"
        "${options[@]}")
else  # renderings only
    echo '{"hands": []}' > "$data/no_photos.json"
    options=('train_dataloader.dataset.shares=[1,0]'
        "train_dataloader.dataset.datasets.1.dataset.dataset.ann_file=$data/no_photos.json"
        "${options[@]}")
fi

echo '== train'
processes="${GPUS:-2}"
cores="$(nproc)"
if [ -z "${GPUS:-}" ] && [ "$cores" -lt 2 ]; then processes=1; fi
free='import socket; print(socket.create_server(("", 0)).getsockname()[1])'
OMP_NUM_THREADS=$((cores > processes ? cores / processes : 1)) PYTHON="$PY" \
    PORT="$("$PY" -c "$free")" tools/dist_train.sh "$CONFIG" "$processes" \
    --work-dir "$work_dir" --resume \
    --cfg-options "randomness.seed=$seed" "${options[@]}"

echo '== publish'
"$PY" tools/model_converters/publish_real.py "$(cat "$work_dir/last_checkpoint")" \
    "$data/mediapipe_hands.pth" "$work_dir/dne_real.pth"
