#!/usr/bin/env bash
# slurm_sweep.sh PARTITION JOB_NAME CONFIG CHECKPOINT [flags of sweep.py]
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS as in mmdet3d.
set -euo pipefail
if [ $# -lt 4 ]; then echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [flags of sweep.py]" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
partition=$1 job=$2 config=$3 checkpoint=$4
shift 4
# shellcheck disable=SC2086  # SRUN_ARGS is a list of words
PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" exec srun -p "$partition" --job-name="$job" \
    --gres=gpu:"${GPUS_PER_NODE:-8}" --ntasks="${GPUS:-8}" --ntasks-per-node="${GPUS_PER_NODE:-8}" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$here/sweep.py" "$config" "$checkpoint" --launcher slurm "$@"
