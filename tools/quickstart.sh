#!/usr/bin/env bash
# Install, render a small data set, train on it, test, draw, and print one table.
#
#   bash tools/quickstart.sh                        at most 10 minutes on 2 cores
#   bash tools/quickstart.sh --short                the same phases, too short to learn
#   bash tools/quickstart.sh --data-root DIR        on a real InterHand2.6M
#   bash tools/quickstart.sh --work-dir DIR         elsewhere than work_dirs/quickstart
#   bash tools/quickstart.sh --cfg-options K=V ...  keys of the config, last flag
#
# Run again it continues: finished phases are skipped, training resumes from its last
# checkpoint. Remove the work folder to begin anew.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PY="${MMHAND_VENV:-$ROOT/.venv}/bin/python"
CONFIG="$ROOT/configs/dne_freehand.py"

short='' data_root='' work_dir='' options=()
usage() { sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
need() { [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case "$1" in
        --short) short=1 ;;
        --data-root) need "$@"; data_root="$(cd "$2" && pwd)"; shift ;;
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
    options=(train_cfg.max_epochs=1 "${options[@]}")
else
    name=quickstart train_images=1024 test_images=256
fi
pictures=32       # one in so many test images is drawn
test_seed=1000    # other people, poses and cameras than those of training
train_seed=0

work_dir="${work_dir:-$ROOT/work_dirs/$name}"
data="${data_root:-$ROOT/data/${name/quickstart/freehand}}"
options=(
    "train_dataloader.dataset.data_root=$data"
    "val_dataloader.dataset.data_root=$data"
    "test_dataloader.dataset.data_root=$data"
    "${options[@]}"
)
mkdir -p "$work_dir/done"
cd "$ROOT"

timings=()
# phase NAME COMMAND...: run it, time it; skip it where the same command has succeeded.
phase() {
    local name=$1 start=$SECONDS mark="$work_dir/done/$1" took
    shift
    if [ -f "$mark" ] && [ "$(head -n 1 "$mark")" = "$*" ]; then
        took="$(tail -n 1 "$mark") s before"
        echo "== $name: done before"
    else
        echo "== $name"
        "$@"
        took="$((SECONDS - start)) s"
        printf '%s\n%s\n' "$*" "$((SECONDS - start))" > "$mark"
    fi
    timings+=("$(printf '%-10s %s' "$name" "$took")")
}

render() {
    "$PY" tools/make_freehand_data.py "$data" --train "$train_images" \
        --seed "$train_seed"
    "$PY" tools/make_freehand_data.py "$data" --test "$test_images" --seed "$test_seed"
}

train() {  # --resume: from the last checkpoint, or from the start if there is none
    "$PY" tools/train.py "$CONFIG" --work-dir "$work_dir" --resume \
        --cfg-options "${options[@]}"
}

evaluate() {
    "$PY" tools/test.py "$CONFIG" "$(cat "$work_dir/last_checkpoint")" \
        --work-dir "$work_dir" --out "$work_dir/metrics.json" \
        --show-dir "$work_dir/pictures" --interval "$pictures" \
        --cfg-options "${options[@]}"
}

constant() {
    "$PY" tools/analysis_tools/constant_predictor.py "$CONFIG" \
        --out "$work_dir/constant.json" --cfg-options "${options[@]}"
}

start=$SECONDS
bash tools/install.sh
timings+=("$(printf '%-10s %s' install "$((SECONDS - start)) s")")
[ -n "$data_root" ] || phase render render "$data" "$train_images" "$test_images"
phase train train
phase test evaluate
phase constant constant

echo
echo "Test split, a constant prediction beside the coarse and the refined mesh:"
"$PY" tools/analysis_tools/summarize_results.py "$work_dir/metrics.json" \
    --constant "$work_dir/constant.json"
echo
printf '%s\n' "${timings[@]}" "$(printf '%-10s %s' total "$SECONDS s")"
echo "pictures: $work_dir/pictures"
