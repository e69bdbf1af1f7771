#!/usr/bin/env bash
# tools/dist_train.sh CONFIG PROCESSES [flags of train.py]
# Several nodes: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -e
# shellcheck source=launch.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/launch.sh"
need 2 'CONFIG PROCESSES_PER_NODE [flags of tools/train.py]' "$@"
run_distributed "$2" train.py "$1" --launcher pytorch "${@:3}"
