#!/usr/bin/env bash
# What only a machine with GPUs can tell, in so many minutes; all else goes to OUT.
#
#   bash tools/reproduce/gpu.sh MINUTES OUT
#   bash tools/reproduce/gpu.sh MINUTES OUT --short     the same on a CPU, tiny
#
# The suite's tests on CUDA; 20 steps of configs/dne_interhand.py by dist_train.sh on
# all GPUs, 30 images each, in float32 and bfloat16; the step without the data path; a
# run killed by SIGKILL and continued; in the minutes that are left the papers' tables.
# OUT gets gpu.md, gpu.json, logs, the tables and the checkpoints below 16 MB. Images are
# rendered, weights start at random: nothing is downloaded.
#
# MMHAND_VENV  the environment (default: .venv in the project; made where it is absent)
# WHEELS       folder of tools/offline_wheels.sh: install from it, without a network
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
usage() { sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
case "${1:-}" in -h | --help) usage; exit 0 ;; esac
[ $# -ge 2 ] || { usage >&2; exit 2; }
minutes=$1 out=$2 short=''
case "${3:-}" in '') ;; --short) short=1 ;; *) usage >&2; exit 2 ;; esac
end=$(($(date +%s) + minutes * 60))
VENV="${MMHAND_VENV:-$ROOT/.venv}"
PY="$VENV/bin/python"
mkdir -p "$out"
out="$(cd "$out" && pwd)" work="$out/work"
mkdir -p "$work"
cd "$ROOT"
say() { echo "== $*"; }
left() { local m=$(((end - $(date +%s)) / 60)); echo $((m > 0 ? m : 0)); }

if [ -n "${WHEELS:-}" ] && [ ! -x "$PY" ]; then
    say 'install from a folder'
    python3 -m venv --system-site-packages "$VENV"
    "$PY" -m pip install -q --no-index --find-links "$WHEELS" mmhand_dne
    "$VENV/bin/mmhand-dne" setup --no-index --find-links "$WHEELS"
elif [ ! -x "$PY" ]; then
    say install
    bash tools/install.sh
fi
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"

gpus="$("$PY" -c 'import torch; print(torch.cuda.device_count())')"
device=cuda batch=30 steps=20
size=(--image-size 512 334) narrow=()
if [ -n "$short" ]; then
    device=cpu batch=2 steps=4 gpus=1 size=(--image-size 96 96)
    # A crop of 64 pixels, one narrow stage.
    narrow=(model.backbone.depth=18 'model.neck.in_channels=[64,128,256,512]'
            model.refine_head.map_size=16 model.refine_head.num_stages=1
            model.refine_head.num_samples=1 train_dataloader.num_workers=0
            train_dataloader.persistent_workers=False
            train_dataloader.dataset.pipeline.2.input_size=64)
elif [ "$gpus" = 0 ]; then
    echo 'error: torch sees no GPU here; add --short to try this on a CPU' >&2
    exit 2
fi

say 'suite'
if "$PY" -c 'import pytest' 2> /dev/null; then
    # On CUDA all that has it in its name, the kernels' too; short, one file.
    tests=(-k on_cpu tests/test_engine/test_devices.py)
    [ $device = cpu ] || tests=(-k cuda tests)
    "$PY" -m pytest -q -m 'not browser and not large' "${tests[@]}" \
        > "$out/suite.log" 2>&1 || echo "the suite failed, see suite.log" >> "$out/failed"
    tail -n 1 "$out/suite.log"
else
    echo 'pytest is not installed: no tests were run' | tee "$out/suite.log"
fi

say 'render'
"$PY" tools/make_rendered_data.py "$work/images" --train $((batch * steps * gpus)) \
    --cameras 2 --moments 2 "${size[@]}" > "$out/render.log"

# train NAME [options of the config]: dist_train.sh on all GPUs, one epoch.
train() {
    local name=$1 free='import socket; print(socket.create_server(("", 0)).getsockname()[1])'
    shift
    PORT="$("$PY" -c "$free")" PYTHON="$PY" exec bash tools/dist_train.sh \
        configs/dne_interhand.py "$gpus" --work-dir "$work/$name" --no-validate --resume \
        --cfg-options "train_dataloader.dataset.data_root=$work/images" \
        "train_dataloader.batch_size=$batch" model.backbone.init_cfg=None \
        train_cfg.max_epochs=1 default_hooks.logger.interval=1 \
        default_hooks.checkpoint.iter_interval=2 "${narrow[@]}" "$@"
}
optim=BFloat16OptimWrapper
for name in fp32 bf16; do
    say "$name"
    options=()
    [ $name = fp32 ] || options=("optim_wrapper.type=$optim")
    (train $name "${options[@]}") > "$out/$name.log" 2>&1 ||
        echo "$name failed, see $name.log" >> "$out/failed"
done

# A process and all that come of it: torchrun's are in sessions of their own.
family() {
    local child
    for child in $(grep -l "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status 2> /dev/null |
        cut -d / -f 3); do
        family "$child"
    done
    echo "$1"
}

say 'killed and continued'
setsid bash -c "$(declare -f train); $(declare -p gpus work batch PY narrow); train killed" \
    > "$out/killed.log" 2>&1 &
killed=$!
for _ in $(seq 600); do
    [ ! -e "$work/killed/last_checkpoint" ] || break
    kill -0 $killed 2> /dev/null || break
    sleep 0.2
done
# shellcheck disable=SC2046
kill -KILL $(family $killed) 2> /dev/null || true
wait $killed || true
cp "$work/killed/last_checkpoint" "$out/killed_at" 2> /dev/null || true
(train killed) > "$out/continued.log" 2>&1 ||
    echo 'the killed run did not continue, see continued.log' >> "$out/failed"

if [ -z "$short" ]; then
    for name in fp32 bf16 amp; do  # amp: float16 with a scaled loss, as train.py --amp
        say "steps without the data path, $name"
        flags=()
        [ $name = fp32 ] || flags=("--$name")
        "$PY" tools/benchmarks/train_step.py --device $device --batch-size $batch \
            --repeats 10 --models dne "${flags[@]}" --out "$out/step_$name.json" \
            > "$out/step_$name.log" 2>&1 ||
            echo "the steps in $name failed, see step_$name.log" >> "$out/failed"
    done
    say "tables, $(left) minutes"
    # Half an hour is not spent on rendering.
    bash tools/reproduce/all.sh --data "$out/benchmark" --minutes "$(left)" \
        --count $((minutes < 30 ? 6000 : 26000)) \
        -- --out "$out/tables" > "$out/tables.log" 2>&1 ||
        { [ $? = 3 ] || echo 'the tables failed, see tables.log' >> "$out/failed"; }
fi
"$PY" tools/reproduce/gpu_report.py "$out"
[ ! -e "$out/failed" ] || { cat "$out/failed" >&2; exit 1; }
