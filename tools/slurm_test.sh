#!/usr/bin/env bash
# Test as a Slurm job step, with one task per GPU.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]

  GPUS           processes in all (default: 8)
  GPUS_PER_NODE  processes on a machine (default: 8, or GPUS if that is less)
  CPUS_PER_TASK  CPU cores of a process (default: 4)
  GRES           resource to ask for (default: gpu:GPUS_PER_NODE; set it to an
                 empty text to run on CPUs)
  SRUN_ARGS      further arguments of srun, separated by blanks
  MASTER_PORT    port of the first machine (default: from the job's number)
  PYTHON         Python to use (default: python)
EOF
}

if (($# < 4)); then
    usage >&2
    exit 2
fi
partition=$1
job_name=$2
config=$3
checkpoint=$4
shift 4

gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
gres=${GRES-gpu:$gpus_per_node}
read -ra srun_args <<<"${SRUN_ARGS:-}" || true
if [[ -n $gres ]]; then
    srun_args+=(--gres "$gres")
fi

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The first machine and the number of the job are known only inside of it.
# shellcheck disable=SC2016
inside='
set -euo pipefail
nodes=$(scontrol show hostnames "${SLURM_STEP_NODELIST:-$SLURM_JOB_NODELIST}")
export MASTER_ADDR=$(head -n 1 <<<"$nodes")
export MASTER_PORT=${MASTER_PORT:-$((20000 + SLURM_JOB_ID % 10000))}
exec "$@"
'
exec srun \
    --partition "$partition" \
    --job-name "$job_name" \
    --ntasks "$gpus" \
    --ntasks-per-node "$gpus_per_node" \
    --cpus-per-task "${CPUS_PER_TASK:-4}" \
    --kill-on-bad-exit=1 \
    ${srun_args[@]+"${srun_args[@]}"} \
    bash -c "$inside" bash \
    "${PYTHON:-python}" -u "$tools/test.py" "$config" "$checkpoint" \
    --launcher slurm "$@"
