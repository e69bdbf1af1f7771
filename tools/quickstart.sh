#!/usr/bin/env bash
# Install, show the shipped model on real hands, then render a small data set, train on
# it, test, draw, and print one table.
#
#   bash tools/quickstart.sh                        at most 10 minutes on 2 cores
#   bash tools/quickstart.sh --short                the same phases, too short to learn
#   bash tools/quickstart.sh --data-root DIR        on a real InterHand2.6M
#   bash tools/quickstart.sh --seed N               another data set, another training
#   bash tools/quickstart.sh --work-dir DIR         elsewhere than work_dirs/quickstart
#   bash tools/quickstart.sh --cfg-options K=V ...  keys of the config, last flag
#
# Run again it continues: finished phases are skipped, training resumes from its last
# checkpoint. Remove the work folder to begin anew.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PY="${MMHAND_VENV:-$ROOT/.venv}/bin/python"
CONFIG="$ROOT/configs/dne_rendered.py"

short='' data_root='' work_dir='' seed=0 options=()
usage() { sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
need() { [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case "$1" in
        --short) short=1 ;;
        --data-root) need "$@"; data_root="$(cd "$2" && pwd)"; shift ;;
        --seed) need "$@"; seed=$2; shift ;;
        --work-dir) need "$@"; mkdir -p "$2"; work_dir="$(cd "$2" && pwd)"; shift ;;
        --cfg-options) shift; options=("$@"); break ;;
        -h | --help) usage; exit 0 ;;
        *) echo "unknown flag $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

# The whole schedule of the quick start; what is not here is in the config.
if [ -n "$short" ]; then
    name=quickstart_short train_images=32 test_images=16
    # One epoch of each phase of the training.
    options=(train_cfg.max_epochs=2 custom_hooks.0.begin=1 "${options[@]}")
else
    name=quickstart train_images=1024 test_images=256
fi
# Small pictures of hands that mostly show their backs, few things in front of them: what
# a small network learns in minutes.
scenes=(--image-size 256 180 --max-turn 35 --camera-spread 20 --occlusion-share 0.1
        --interacting-share 0.15)
every=16  # one in so many test images is drawn

# Two processes share the batch: on two cores they are faster than two threads. Their
# data are loaded in place unless there are cores to spare.
batch=8 processes=2
cores="$(nproc)"
if [ "$cores" -lt 2 ]; then processes=1; fi
if [ "$cores" -ge $((2 * processes)) ]; then workers=1; else workers=0; fi
loader=(
    "train_dataloader.batch_size=$((batch / processes))"
    "train_dataloader.num_workers=$workers"
    "train_dataloader.persistent_workers=$([ "$workers" = 0 ] && echo False || echo True)"
)

if [ "$seed" != 0 ]; then name=${name}_seed$seed; fi
work_dir="${work_dir:-$ROOT/work_dirs/$name}"
data="${data_root:-$ROOT/data/${name/quickstart/rendered}}"
options=(
    "train_dataloader.dataset.data_root=$data"
    "val_dataloader.dataset.data_root=$data"
    "test_dataloader.dataset.data_root=$data"
    "randomness.seed=$seed"
    "${options[@]}"
)
mkdir -p "$work_dir/done"
cd "$ROOT"

# Ctrl-C is no failure of the phase that it stops.
trap 'printf "\nstopped; the same command goes on from here\n" >&2; exit 130' INT

timings=() redo=''
# phase OUTPUT NAME FLAGS...: run the function NAME with FLAGS and time it. Skip it where
# it has made OUTPUT with the same flags and no phase before it had to run.
phase() {
    local output=$1 name=$2 start=$SECONDS mark="$work_dir/done/$2" took
    shift
    if [ -z "$redo" ] && [ -e "$output" ] && [ -f "$mark" ] &&
        [ "$(head -n 1 "$mark")" = "$*" ]; then
        took="$(tail -n 1 "$mark") s, in an earlier run"
    else
        echo "== $name"
        redo=1
        rm -f "$mark"
        if [ "$name" = render ]; then "$@"; else logged "$work_dir/$name.log" "$@"; fi
        took="$((SECONDS - start)) s"
        printf '%s\n%s\n' "$*" "$((SECONDS - start))" > "$mark"
    fi
    timings+=("$(printf '%-10s %s' "$name" "$took")")
}

# logged FILE COMMAND...: show how far it is; all that it says goes into FILE.
logged() {
    local file=$1 progress='(Epoch\([a-z]+\)) +(\[[^]]*\](\[[^]]*\])?)'
    shift
    if ! "$@" 2>&1 | tee "$file" | sed -unE \
        -e "s/.*$progress .*(eta: [^ ]+).* (loss: [^ ]+).*/  \1 \2  \4  \5/p;t" \
        -e "s/.*$progress +(eta: [^ ]+).*/  \1 \2  \4/p"; then
        tail -n 15 "$file" >&2
        echo "$1 failed; all that it said: $file" >&2
        exit 1
    fi
}

# The model that comes with the package, on a few photos; --overwrite since it may be
# another one than last time.
real_hands() {
    "$PY" tools/demo.py tests/data/hands --vis --report --overwrite \
        --out-dir "$work_dir/real_hands"
}

# The splits differ in people, shapes, poses and cameras. The progress bar is for you.
render() {
    "$PY" tools/make_rendered_data.py "$data" "$@"
}

train() {  # --resume: from the last checkpoint, or from the start if there is none
    local free='import socket; print(socket.create_server(("", 0)).getsockname()[1])'
    OMP_NUM_THREADS=$((cores / processes)) PYTHON="$PY" PORT="$("$PY" -c "$free")" \
        tools/dist_train.sh "$CONFIG" "$processes" \
        --work-dir "$work_dir" --resume --no-validate "$@"
}

evaluate() {
    "$PY" tools/test.py "$CONFIG" "$(cat "$work_dir/last_checkpoint")" \
        --work-dir "$work_dir" --out "$work_dir/metrics.json" \
        --show-dir "$work_dir/pictures" "$@"
}

constant() {
    "$PY" tools/analysis_tools/constant_predictor.py "$CONFIG" \
        --out "$work_dir/constant.json" --workers "$processes" "$@"
}

start=$SECONDS
bash tools/install.sh
timings+=("$(printf '%-10s %s' install "$((SECONDS - start)) s")")
echo '== real_hands'
start=$SECONDS
logged "$work_dir/real_hands.log" real_hands
tail -n 1 "$work_dir/real_hands.log"
echo "the shipped model on real hands: $work_dir/real_hands/*_overlay.jpg, report.html"
timings+=("$(printf '%-10s %s' real_hands "$((SECONDS - start)) s")")
if [ -z "$data_root" ]; then
    annotations="$data/annotations/test/InterHand2.6M_test_data.json"
    phase "$annotations" render --seed "$seed" \
        --train "$train_images" --test "$test_images" "${scenes[@]}"
fi
phase "$work_dir/last_checkpoint" train --cfg-options "${loader[@]}" "${options[@]}"
phase "$work_dir/metrics.json" evaluate --interval "$every" \
    --cfg-options "${options[@]}"
phase "$work_dir/constant.json" constant --cfg-options "${options[@]}"

echo
echo "Test split, a constant prediction beside the coarse and the refined mesh:"
"$PY" tools/analysis_tools/summarize_results.py "$work_dir/metrics.json" \
    --constant "$work_dir/constant.json"
echo
printf '%s\n' "${timings[@]}" "$(printf '%-10s %s' total "$SECONDS s")"
echo "pictures: $work_dir/pictures; of real hands, by the shipped model: \
$work_dir/real_hands"
