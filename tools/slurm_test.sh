#!/usr/bin/env bash
# tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [flags of test.py]
# Environment: GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS.
set -e
# shellcheck source=launch.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/launch.sh"
need 4 'PARTITION JOB_NAME CONFIG CHECKPOINT [flags of tools/test.py]' "$@"
run_slurm "$1" "$2" test.py "$3" "$4" --launcher=slurm "${@:5}"
