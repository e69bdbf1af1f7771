#!/usr/bin/env bash
# Make the environment of this project, or return at once if it is there.
#
#   bash tools/install.sh
#
# MMHAND_VENV    where it goes (default: .venv in the project)
# MMHAND_PYTHON  the Python 3.10 to 3.14 that makes it (default: the first found)
set -euo pipefail

case "${1:-}" in
    '') ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "install.sh takes no argument $1; see --help" >&2; exit 2 ;;
esac

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${MMHAND_VENV:-$ROOT/.venv}"
PY="$VENV/bin/python"
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { echo "[install] $SECONDS s: $*"; }

# Without byte code, of which most is never imported: a third of the time. The check
# compiles what is.
pip_install() { "$PY" -m pip install -qq --no-compile "$@"; }

has_torch() {  # PYTHON: whether it imports torch >= 2.6
    "$1" -c 'import sys, torch
numbers = torch.__version__.split("+")[0].split(".")[:2]
sys.exit(tuple(map(int, numbers)) < (2, 6))' >/dev/null 2>&1
}

has_mmcv() {  # either of mmcv, mmcv-lite and their onedl forks
    "$PY" -c 'import importlib.util, sys
sys.exit(importlib.util.find_spec("mmcv") is None)'
}

find_python() {
    local name found=""
    for name in ${MMHAND_PYTHON:-python3.11 python3.12 python3.13 python3.14 python3.10 python3 python}
    do
        local version
        version="$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' \
            2>/dev/null)" || continue
        found="$found $name=$version"
        case "$version" in
            3.1[0-4]) ;;
            *) continue ;;
        esac
        if "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$name"
            return
        fi
        found="$found(without-venv)"
    done
    {
        echo "No usable Python 3.10 to 3.14 with its venv module, found:${found:- none}."
        echo "Install one (Debian: apt-get install python3 python3-venv), or name it:"
        echo "MMHAND_PYTHON=/path/to/python3.12 bash $0"
    } >&2
    return 1
}

make_venv() {
    local base flags=()
    base="$(find_python)"
    if has_torch "$base"; then
        say "using the torch of $base"
        flags=(--system-site-packages)
    fi
    "$base" -m venv "${flags[@]}" "$VENV"
}

install_packages() {
    say "setuptools"
    pip_install "setuptools>=64" wheel
    if has_torch "$PY"; then
        say "torch is there"
    else
        say "torch 2.13.0"
        pip_install torch==2.13.0
    fi
    say "packages"
    # First ours, whose bounds on NumPy and OpenCV then hold for mmcv's needs.
    pip_install --no-build-isolation -e "$ROOT[tests]" $(pins)
    say "mmcv, mmpose"
    has_mmcv || pip_install mmcv-lite==2.1.0
    # Its metadata asks for chumpy, which it never imports and which does not build.
    pip_install --no-deps mmpose==1.3.2
}

# Where xtcocotools has wheels, which NumPy 1 they need, and no NumPy 2 is there yet.
pins() {
    "$PY" -c 'import sys
from importlib import metadata, util
new = util.find_spec("numpy") and metadata.version("numpy").split(".")[0] != "1"
sys.exit(sys.version_info >= (3, 12) or bool(new))' &&
        echo 'numpy<2 opencv-python<4.12 xtcocotools>=1.12'
}

repair_opencv() {  # without libGL only the headless build of OpenCV loads
    local error
    if error="$("$PY" -c 'import cv2' 2>&1)"; then
        return
    fi
    case "$error" in
        *libGL* | *libgthread* | *libglib*) ;;
        *) return ;;  # check_env names it
    esac
    say "no libGL on this machine, OpenCV without windows"
    local version
    version="$("$PY" -c \
        'from importlib import metadata; print(metadata.version("opencv-python"))')"
    "$PY" -m pip uninstall -qq -y opencv-python
    # The two share their files, so one that was there before has just lost them.
    pip_install --no-deps --force-reinstall "opencv-python-headless==$version"
}

STAMP="$VENV/.mmhand_dne_stamp"
WANTED="$(cat "$ROOT/setup.py" "${BASH_SOURCE[0]}" | cksum) $ROOT"
if [ -x "$PY" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$WANTED" ]; then
    exit 0
fi
SECONDS=0
if [ ! -x "$PY" ] || ! "$PY" -m pip --version >/dev/null 2>&1; then
    say "environment $VENV"
    make_venv
fi
install_packages
repair_opencv
# It imports all that the tools do, so that the byte code is there at their first start,
# also where the environment says that no program should write it.
say "check, byte code"
if ! report="$(PYTHONDONTWRITEBYTECODE='' "$PY" "$ROOT/tools/check_env.py" 2>&1)"; then
    echo "$report" >&2
    exit 1
fi
echo "$WANTED" > "$STAMP"
say "done; to use it: source $VENV/bin/activate"
