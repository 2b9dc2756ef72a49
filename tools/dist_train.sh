#!/usr/bin/env bash
# dist_train.sh CONFIG PROCESSES [flags of train.py]: one process per GPU, or gloo processes on CPU.
set -euo pipefail
# OpenMP threads that spin long while they wait slow a shared machine down several times over; threads that never spin
# slow an idle one down as much
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-3000}
if [ $# -lt 2 ]; then echo "usage: $0 CONFIG PROCESSES [flags of train.py]" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
config=$1 processes=$2
shift 2
PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$processes" "$here/train.py" "$config" --launcher pytorch "$@"
