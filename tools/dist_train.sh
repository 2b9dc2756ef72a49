#!/usr/bin/env bash
# dist_train.sh CONFIG PROCESSES [flags of train.py]: one process per GPU, or gloo processes on CPU.
set -euo pipefail
# threads that wait without spinning: on a shared machine spinning ones cost several times the work itself
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
if [ $# -lt 2 ]; then echo "usage: $0 CONFIG PROCESSES [flags of train.py]" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
config=$1 processes=$2
shift 2
PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$processes" "$here/train.py" "$config" --launcher pytorch "$@"
