#!/usr/bin/env bash
# tools/dist_train.sh CONFIG PROCESSES [flags of train.py]
# Several nodes: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -e
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG PROCESSES_PER_NODE [flags of tools/train.py]" >&2
    exit 2
fi
CONFIG=$1
PROCESSES=$2
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" \
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$PROCESSES" \
    "$ROOT/tools/train.py" "$CONFIG" --launcher pytorch "${@:3}"
