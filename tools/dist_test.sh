#!/usr/bin/env bash
# dist_test.sh CONFIG CHECKPOINT PROCESSES [flags of test.py]: one process per GPU, or gloo processes on CPU.
set -euo pipefail
# threads that wait without spinning: on a shared machine spinning ones cost several times the work itself
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
if [ $# -lt 3 ]; then echo "usage: $0 CONFIG CHECKPOINT PROCESSES [flags of test.py]" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
config=$1 checkpoint=$2 processes=$3
shift 3
PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$processes" "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
