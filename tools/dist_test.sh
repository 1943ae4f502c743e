#!/usr/bin/env bash
# Test with several processes, on one machine or on many.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]

GPUS is the number of processes on this machine; without an accelerator they
run on the CPU. On several machines, run the same command on each, with

  NNODES       number of machines (default: 1)
  NODE_RANK    number of this machine, from 0 (default: 0)
  MASTER_ADDR  address of machine 0 (default: 127.0.0.1)
  PORT         its port (default: a free one; 29500 if NNODES is not 1)
  PYTHON       Python to use (default: python)

All machines must share the work dir: the scores are computed from its files.
EOF
}

if (($# < 3)) || ! [[ $3 =~ ^[1-9][0-9]*$ ]]; then
    usage >&2
    exit 2
fi
config=$1
checkpoint=$2
gpus=$3
shift 3

nnodes=${NNODES:-1}
if [[ $nnodes == 1 && -z ${PORT:-} ]]; then
    meeting=(--standalone)
else
    meeting=(
        --nnodes "$nnodes"
        --node_rank "${NODE_RANK:-0}"
        --master_addr "${MASTER_ADDR:-127.0.0.1}"
        --master_port "${PORT:-29500}"
    )
fi

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# one message instead of one of each process
"${PYTHON:-python}" "$tools/test.py" "$config" "$checkpoint" --dry-run "$@"
exec "${PYTHON:-python}" -m torch.distributed.run "${meeting[@]}" \
    --nproc_per_node "$gpus" \
    "$tools/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
