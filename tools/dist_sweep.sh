#!/usr/bin/env bash
# dist_sweep.sh CONFIG CHECKPOINT PROCESSES [flags of sweep.py]: one process per GPU, or several on CPU, share it.
set -euo pipefail
# OpenMP threads that spin long while they wait slow a shared machine down several times over; threads that never spin
# slow an idle one down as much
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-3000}
if [ $# -lt 3 ]; then echo "usage: $0 CONFIG CHECKPOINT PROCESSES [flags of sweep.py]" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
config=$1 checkpoint=$2 processes=$3
shift 3
PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$processes" "$here/sweep.py" "$config" "$checkpoint" --launcher pytorch "$@"
