#!/usr/bin/env bash
# Measures all that docs/en/speed.md wants of a GPU, in one call of less than
# ten minutes, into OUT (default: work_dirs/gpu):
#
#     OUT=DIR tools/benchmarks/gpu_all.sh [CONFIG ...]
#
# NEVER RUN ON A GPU; tried on a CPU with small networks (DEVICE=cpu FRAMES=4).
# What fails is named at the end, and the rest goes on.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
OUT=${OUT:-work_dirs/gpu} DEVICE=${DEVICE:-cuda:0} FRAMES=${FRAMES:-200}
SLOTS=${SLOTS:-1 8 32 128} BATCHES=${BATCHES:-32 64 128}
MODES=${MODES:-eager compiled graph}
PYTHON=${PYTHON:-python3}
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
[ $# -gt 0 ] || set -- configs/simtrack/sim_b16_lasot.py \
    configs/simtrack/sim_s16-6l_real.py
mkdir -p "$OUT"
failed=()

step() { # NAME COMMAND...: run it, keep what it prints
    local name=$1
    shift
    echo "== $name: $*"
    timeout "${LIMIT:-150}" "$@" 2>&1 | tee "$OUT/$name.txt" ||
        failed+=("$name")
}

command -v nvidia-smi > /dev/null && nvidia-smi | tee "$OUT/device.txt"
# the boxes and losses are those of the CPU
MMSIMTRACK_DEVICE=$DEVICE step parity "$PYTHON" -m pytest -q \
    -p no:cacheprovider tests/test_models/test_devices.py
for config; do
    name=$(basename "$config" .py)
    # latency of one video, throughput of many
    for mode in $MODES; do
        # shellcheck disable=SC2086 # several numbers
        step "speed-$name-$mode" "$PYTHON" tools/benchmarks/speed.py \
            "$config" --device "$DEVICE" --mode $mode --precision fp32 bf16 \
            --num-frames "$FRAMES" --slots $SLOTS --out "$OUT/$name-$mode.json"
    done
    # shellcheck disable=SC2086
    step "training-$name" "$PYTHON" tools/benchmarks/training.py "$config" \
        --device "$DEVICE" --batch-size $BATCHES --num-steps "$((FRAMES / 4))"
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILED: ${failed[*]}"
    exit 1
fi
