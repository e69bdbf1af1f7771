#!/usr/bin/env bash
# Train the shipped model (configs/dne_real.py) again, from nothing: convert MediaPipe's
# networks, render hands, label photos, train in three phases, publish one file.
#
#   bash tools/train_real.sh                     by estimate 1.7 hours on two cores
#   bash tools/train_real.sh --photos DIR        also on photos of one hand each: 2.1 hours
#   bash tools/train_real.sh --mediapipe FILE    the wheel mediapipe 0.10.21, if it is
#                                                here already; else pip downloads it
#   bash tools/train_real.sh --start FILE        train these weights on, not from nothing:
#                                                mmhand_dne/weights/dne_real.pth, into
#                                                work_dirs/dne_real_more
#   bash tools/train_real.sh --images N          render N images (24000: 30,000 hands)
#   bash tools/train_real.sh --seed N            another set, another training
#   bash tools/train_real.sh --data DIR          elsewhere than data/real
#   bash tools/train_real.sh --work-dir DIR      elsewhere than work_dirs/dne_real
#   bash tools/train_real.sh --cfg-options K=V ...   keys of the config, last flag
#
# Run again it continues: what is there is not made again, training resumes from its
# last checkpoint. On a machine with GPUs: GPUS=4 bash tools/train_real.sh
#
# Measured with 1,799 photos, on two cores of an Intel Xeon: 2 hours and 6 minutes. 11 for
# 24,800 images rendered (39 a second), 5 for the photos' labels, then 1,625 steps an epoch
# of 8 crops on each core: 6 epochs of 0.35 s a step (the network rests), 2 of 0.59 s, 1 of
# 0.78 s. Without photos a step takes four fifths of that, by estimate.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PY="${MMHAND_VENV:-$ROOT/.venv}/bin/python"
WHEEL=mediapipe==0.10.21  # newer ones hold no networks

photos='' mediapipe='' start='' images=24000 seed=0 data='' work_dir='' options=()
usage() { sed -n '2,24s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
need() { [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case "$1" in
        --photos) need "$@"; photos="$(cd "$2" && pwd)"; shift ;;
        --mediapipe) need "$@"; mediapipe="$(realpath "$2")"; shift ;;
        --start) need "$@"; start="$(realpath "$2")"; shift ;;
        --images) need "$@"; images=$2; shift ;;
        --seed) need "$@"; seed=$2; shift ;;
        --data) need "$@"; data=$2; shift ;;
        --work-dir) need "$@"; work_dir=$2; shift ;;
        --cfg-options) shift; options=("$@"); break ;;
        -h | --help) usage; exit 0 ;;
        *) echo "unknown flag $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
# What photos show: hands turned anyhow, of broad and slender people, with arms and
# sleeves, holding things, clasped, cut off, before rooms and people.
scenes=(--image-size 256 256 --max-turn 180 --camera-spread 80 --cameras 2 --moments 2
        --hand-share 0.34 0.6 --breadth -1 5 --gesture-share 0.6 --arm-share 0.85
        --held-share 0.25 --clasped-share 0.6 --truncated-share 0.2 --natural-share 0.9
        --interacting-share 0.25 --occlusion-share 0.15)
config=dne_real
if [ -n "$start" ]; then
    [ -f "$start" ] || { echo "--start: there is no file $start" >&2; exit 2; }
    config=dne_real_more
    options=("load_from=$start" "${options[@]}")
fi
data="${data:-$ROOT/data/real}" work_dir="${work_dir:-$ROOT/work_dirs/$config}"
mkdir -p "$data" "$work_dir"
data="$(cd "$data" && pwd)" work_dir="$(cd "$work_dir" && pwd)"
cd "$ROOT"

if [ ! -e "$data/mediapipe_hands.pth" ]; then
    echo '== convert'
    if [ -z "$mediapipe" ]; then
        "$PY" -m pip download -q --no-deps --only-binary=:all: --python-version 3.11 \
            --platform manylinux_2_28_x86_64 "$WHEEL" -d "$data/wheel"
        mediapipe="$(ls "$data"/wheel/mediapipe-*.whl)"
    fi
    "$PY" -c 'import tflite' 2> /dev/null || "$PY" -m pip install -q tflite
    "$PY" tools/model_converters/convert_mediapipe.py "$mediapipe" \
        "$data/mediapipe_hands.pth"
fi

echo '== render'
"$PY" tools/make_rendered_data.py "$data/rendered" --seed "$seed" \
    --train "$images" --test $((images / 30)) "${scenes[@]}"
# To tell what is hard from what is not: one hand, whole, nothing before it or in it.
"$PY" tools/make_rendered_data.py "$data/plain" --seed $((seed + 5)) \
    --train 0 --test $(((images + 59) / 60)) "${scenes[@]}" --interacting-share 0 \
    --occlusion-share 0 --held-share 0 --clasped-share 0 --truncated-share 0

annotated="$data/photo_landmarks.json" photo_set=train_dataloader.dataset.datasets.1
if [ -z "$photos" ]; then  # renderings only
    annotated="$data/no_photos.json"
    echo '{"hands": []}' > "$annotated"
    options=('train_dataloader.dataset.shares=[1,0]' 'model.consistency=None'
             "${options[@]}")
elif [ ! -e "$annotated" ]; then
    echo '== label photos'
    "$PY" tools/dataset_converters/label_photos.py "$photos" \
        "$data/mediapipe_hands.pth" "$annotated"
fi
# Two processes share the batch; data are loaded in place unless there are cores to
# spare.
processes="${GPUS:-2}"
cores="$(env -u OMP_NUM_THREADS nproc)"  # which goes by that variable
if [ -z "${GPUS:-}" ] && [ "$cores" -lt 2 ]; then processes=1; fi
if [ "$cores" -ge $((2 * processes)) ]; then workers=1; else workers=0; fi
options=(
    "train_dataloader.num_workers=$workers"
    "train_dataloader.persistent_workers=$([ "$workers" = 0 ] && echo False || echo True)"
    "randomness.seed=$seed"
    "model.backbone.init_cfg.checkpoint=$data/mediapipe_hands.pth"
    "model.mano_head.readout.init_cfg.checkpoint=$data/mediapipe_hands.pth"
    "train_dataloader.dataset.datasets.0.dataset.data_root=$data/rendered"
    "val_dataloader.dataset.dataset.data_root=$data/rendered"
    "test_dataloader.dataset.dataset.data_root=$data/rendered"
    "$photo_set.dataset.ann_file=$annotated"
    "$photo_set.dataset.data_prefix.img=$photos"
    "${options[@]}"
)

echo '== train'
free='import socket; print(socket.create_server(("", 0)).getsockname()[1])'
OMP_NUM_THREADS=$((cores > processes ? cores / processes : 1)) PYTHON="$PY" \
    PORT="$("$PY" -c "$free")" tools/dist_train.sh "configs/$config.py" "$processes" \
    --work-dir "$work_dir" --resume --cfg-options "${options[@]}"

echo '== publish'
"$PY" tools/model_converters/publish_real.py "$(cat "$work_dir/last_checkpoint")" \
    "$data/mediapipe_hands.pth" "$work_dir/dne_real.pth"
