#!/usr/bin/env bash
# tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [flags of test.py]
# Several nodes: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -e
# shellcheck source=launch.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/launch.sh"
need 3 'CONFIG CHECKPOINT PROCESSES_PER_NODE [flags of tools/test.py]' "$@"
run_distributed "$3" test.py "$1" "$2" --launcher pytorch "${@:4}"
