#!/usr/bin/env bash
# Try the plug-in on every Python 3.10 to 3.14 that is here, with NumPy 1 and 2 and on
# the maintained forks of MMEngine and MMCV: import, two training iterations, the shipped
# model on a photo, the tests of tests/test_compat. Prints one table, a row a stack.
#
#   bash tools/test_matrix.sh                          all that is here
#   bash tools/test_matrix.sh --python 3.12 --stack numpy2
#   bash tools/test_matrix.sh --envs DIR               keep the environments there
#   bash tools/test_matrix.sh --torch-envs DIR         share DIR/python3.12's torch, ...
#   bash tools/test_matrix.sh --check import --check train
#
# Stacks: numpy1 (NumPy 1, OpenCV 4, xtcocotools where it has wheels), numpy2 (the newest
# of all), onedl (the newest with onedl-mmengine and onedl-mmcv). Pythons are looked for
# on the path, with pyenv and with uv. Environments are made with uv where it is, which
# shares files between them, else with venv and pip.
#
# MMHAND_TORCH  the torch to install (default: 2.13.0; oldest: 2.6.0)
# MMHAND_MMCV   the mmcv of numpy1 and numpy2 (default: mmcv-lite==2.1.0), such as a wheel
#               of mmcv with operators: MMCV_WITH_OPS=1 pip wheel --no-deps
#               --no-build-isolation mmcv==2.1.0, in an environment that has torch
# TORCH_INDEX   where from, such as https://download.pytorch.org/whl/cpu
set -uo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TORCH="${MMHAND_TORCH:-2.13.0}"
pythons=() stacks=() checks=() envs='' torch_envs=''
usage() { sed -n '2,24s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
need() { [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case "$1" in
        --python) need "$@"; pythons+=("$2"); shift ;;
        --stack) need "$@"; stacks+=("$2"); shift ;;
        --check) need "$@"; checks+=("$2"); shift ;;
        --envs) need "$@"; mkdir -p "$2"; envs="$(cd "$2" && pwd)"; shift ;;
        --torch-envs) need "$@"; torch_envs="$(cd "$2" && pwd)"; shift ;;
        -h | --help) usage; exit 0 ;;
        *) echo "unknown flag $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
[ "${#pythons[@]}" -gt 0 ] || pythons=(3.10 3.11 3.12 3.13 3.14)
[ "${#stacks[@]}" -gt 0 ] || stacks=(numpy1 numpy2 onedl)
[ "${#checks[@]}" -gt 0 ] || checks=(import train photo compat)
for stack in "${stacks[@]}"; do
    case "$stack" in
        numpy1 | numpy2 | onedl) ;;
        *) echo "unknown stack $stack; choose numpy1, numpy2 or onedl" >&2; exit 2 ;;
    esac
done
if [ -z "$envs" ]; then
    envs="$(mktemp -d)"
    trap 'rm -rf "$envs"' EXIT
fi
UV="$(command -v uv || true)"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" PIP_DISABLE_PIP_VERSION_CHECK=1

# find_python 3.12: the interpreter of that version, nothing where there is none.
find_python() {
    local path
    for path in "python$1" "$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python \
        2>/dev/null | tail -n 1)" "$([ -z "$UV" ] || "$UV" python find "$1" 2>/dev/null)"
    do
        if [ "$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2])' \
            2>/dev/null)" = "$1" ]; then
            command -v "$path"
            return
        fi
    done
}

# add ENV FLAGS...: install into an environment.
add() {
    local env=$1
    shift
    if [ -n "$UV" ]; then
        "$UV" pip install -q --python "$env/bin/python" "$@"
    else
        "$env/bin/python" -m pip install -q "$@"
    fi
}

# make_env ENV VERSION STACK PYTHON
make_env() {
    local env=$1 version=$2 stack=$3 python=$4 plain late list pins=() shared
    [ -e "$env/made" ] && return
    rm -rf "$env"
    "$python" -m venv "$env" || return
    shared="$torch_envs/python$version/lib/python$version/site-packages"
    if [ -n "$torch_envs" ] && [ -d "$shared/torch" ]; then
        # Also what its own .pth files add, such as setuptools' distutils.
        echo "import site; site.addsitedir('$shared')" \
            > "$env/lib/python$version/site-packages/shared_torch.pth"
    else
        add "$env" "torch==$TORCH" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} || return
    fi
    list="$ROOT/tools/misc/requirements.py"
    # mmengine is a stack's own.
    mapfile -t plain < <("$python" "$list" plain | grep -v ^mmengine)
    mapfile -t late < <("$python" "$list" on-torch)
    if [ "$stack" = numpy1 ]; then
        pins=('numpy<2' 'opencv-python<4.12')
        case "$version" in 3.10 | 3.11) pins+=('xtcocotools>=1.12') ;; esac
    fi
    add "$env" "${plain[@]}" "${pins[@]}" pytest wheel setuptools || return
    if [ "$stack" = onedl ]; then
        add "$env" onedl-mmengine onedl-mmcv || return
    else
        add "$env" 'mmengine>=0.10.7,<1' "${MMHAND_MMCV:-mmcv-lite==2.1.0}" || return
    fi
    add "$env" --no-deps "${late[@]}" mmpose==1.3.2 || return
    touch "$env/made"
}

versions() {  # of a stack, as cells of the table
    "$1" - <<'PY'
from importlib import metadata
def first(*names):
    for name in names:
        try:
            return f'{name} {metadata.version(name)}'
        except metadata.PackageNotFoundError:
            pass
import platform
found = [first(n).split()[1] for n in ('torch', 'numpy', 'opencv-python')]
found += [first('onedl-mmengine', 'mmengine'), first('onedl-mmcv', 'mmcv-lite', 'mmcv')]
print(' | '.join([platform.python_version(), *found]))
PY
}

check_import() { "$1" -c 'import mmhand_dne; print(mmhand_dne.__version__)'; }

check_train() {  # two rendered images, one step of the baseline, one of the stage
    "$1" "$ROOT/tools/make_rendered_data.py" data --train 2 --test 2 \
        --image-size 128 96 --workers 1 &&
        "$1" "$ROOT/tools/train.py" "$ROOT/configs/dne_rendered.py" --work-dir run \
            --no-validate --cfg-options train_dataloader.dataset.data_root=data \
            train_dataloader.batch_size=2 train_dataloader.num_workers=0 \
            train_cfg.max_epochs=2 custom_hooks.0.begin=1 &&
        [ -s run/epoch_2.pth ]
}

check_photo() {
    "$1" "$ROOT/tools/demo.py" "$ROOT/tests/data/hands/1193_4.jpg" --vis \
        --save json npz --out-dir photo | tee photo.txt && grep -q '1 image: 1 hand' photo.txt
}

check_compat() {
    "$1" -m pytest -q -c "$ROOT/.pytest.ini" --rootdir "$ROOT" \
        -m 'not large and not browser' "$ROOT/tests/test_compat"
}

failed=0
rows=()
for version in "${pythons[@]}"; do
    python="$(find_python "$version")"
    if [ -z "$python" ]; then
        rows+=("| $version | no Python $version is here |")
        continue
    fi
    for stack in "${stacks[@]}"; do
        # NumPy 1 ends at Python 3.12.
        if [ "$stack" = numpy1 ] && [ "${version#3.}" -gt 12 ]; then
            rows+=("| $version numpy1 | NumPy 1 has no wheels for Python $version |")
            continue
        fi
        env="$envs/python$version-$stack"
        echo "== Python $version, $stack" >&2
        if ! make_env "$env" "$version" "$stack" "$python" > "$env.log" 2>&1; then
            echo "not installed; see $env.log" >&2
            rows+=("| $version $stack | not installed: $(tail -n 1 "$env.log") |")
            failed=1
            continue
        fi
        cells=''
        for check in "${checks[@]}"; do
            rm -rf "$env/work"
            mkdir "$env/work"
            start=$SECONDS
            if (cd "$env/work" && PYTHONPATH="$ROOT" "check_$check" "$env/bin/python") \
                > "$env/$check.log" 2>&1; then
                cells="$cells | passed"
            else
                cells="$cells | **failed**"
                failed=1
                tail -n 5 "$env/$check.log" >&2
            fi
            echo "$check: $((SECONDS - start)) s" >&2
        done
        rows+=("| $(versions "$env/bin/python")$cells |")
    done
done
printf '| Python | torch | NumPy | OpenCV | MMEngine | MMCV'
printf ' | %s' "${checks[@]}"
echo ' |'
printf '|---%.0s' 1 2 3 4 5 6 "${checks[@]}"
echo '|'
printf '%s\n' "${rows[@]}"
exit "$failed"
