# Sourced by {dist,slurm}_{train,test}.sh, which start one of our tools in several
# processes. PYTHON chooses the interpreter; the package beside the tools comes first.
ROOT="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)"
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"

# need COUNT USAGE ARGUMENTS...: stop with the usage where there are fewer arguments.
need() {
    if [ $# -lt $(($1 + 2)) ]; then
        echo "usage: $0 $2" >&2
        exit 2
    fi
}

# run_distributed PROCESSES TOOL ARGUMENTS...
# Environment, for several nodes: NNODES, NODE_RANK, MASTER_ADDR, PORT.
run_distributed() {
    local port=${PORT:-29500}
    if [ "${NODE_RANK:-0}" = 0 ] && (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        echo "error: port $port is in use; choose a free one, as in PORT=29501 $0" >&2
        exit 2
    fi
    exec "${PYTHON:-python}" "$ROOT/tools/launch.py" \
        --nnodes="${NNODES:-1}" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="$port" \
        --nproc_per_node="$1" \
        "$ROOT/tools/$2" "${@:3}"
}

# run_slurm PARTITION JOB_NAME TOOL ARGUMENTS...
# Environment: GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS.
run_slurm() {
    local gpus=${GPUS:-4}
    # SRUN_ARGS is several arguments in one string.
    # shellcheck disable=SC2086
    exec srun -p "$1" \
        --job-name="$2" \
        --gres="gpu:${GPUS_PER_NODE:-$gpus}" \
        --ntasks="$gpus" \
        --ntasks-per-node="${GPUS_PER_NODE:-$gpus}" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        "${PYTHON:-python}" -u "$ROOT/tools/$3" "${@:4}"
}
