#!/usr/bin/env bash
# tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [flags of train.py]
# Environment: GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS.
set -e
# shellcheck source=launch.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/launch.sh"
need 4 'PARTITION JOB_NAME CONFIG WORK_DIR [flags of tools/train.py]' "$@"
run_slurm "$1" "$2" train.py "$3" --work-dir="$4" --launcher=slurm "${@:5}"
