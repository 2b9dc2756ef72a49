#!/usr/bin/env bash
# The main job in one command: data, training, robustness sweeps of a segmentation model and a detector, one report.
# Set-up comes first if needed. Safe to run again: every step goes on where it was interrupted.
#
# usage: tools/demo.sh [--root-path DIR --config FILE] [--work-dir DIR]
#   --root-path DIR  a SemanticKITTI folder to use in place of the simulated world; then there is no detector
#   --config FILE    training config (default: the small MinkowskiNet for the simulated world)
#   --work-dir DIR   where everything goes (default: work_dirs/demo)
# SETUP_OPTIONS holds options for tools/setup_env.sh, e.g. SETUP_OPTIONS="--torch-index URL".
set -euo pipefail
# OpenMP threads that spin long while they wait slow a shared machine down several times over; threads that never spin
# slow an idle one down as much
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-3000}
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
root="" work=work_dirs/demo config=configs/segmentation/minkunet-small_1xb1-700i_semantickitti-sim.py
detector=configs/cmt/cmt-tiny_masked_1xb2_nuscenes-sim # .py and .pth
while [ $# -gt 0 ]; do
    case $1 in
        --root-path) root=${2:?--root-path needs a folder}; shift 2 ;;
        --config) config=${2:?--config needs a file}; shift 2 ;;
        --work-dir) work=${2:?--work-dir needs a folder}; shift 2 ;;
        -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "error: unknown option $1; see $0 --help" >&2; exit 2 ;;
    esac
done
# shellcheck disable=SC2086  # SETUP_OPTIONS is a list of words
if [ -z "$root" ] && [ ! -f "$detector.pth" ]; then
    echo "error: $detector.pth: expected the weights of the detector, found no file; it belongs to this repository" >&2
    exit 2
fi
bash tools/setup_env.sh ${SETUP_OPTIONS:-}
python=$here/.venv/bin/python
step() { printf '\n== %s (%d s since start)\n' "$*" "$SECONDS"; }

runs=("$work/sweep")
simulated=""
if [ -z "$root" ]; then
    simulated=yes root=$work/semantickitti
    step "simulate SemanticKITTI sequences into $root"
    "$python" tools/simulate.py semantickitti --out "$root" --seed 0 --workers "$(nproc)"
fi
step "list the scans of $root"
"$python" tools/create_data.py semantickitti --root-path "$root" --out-dir "$work/infos"
data=(--root-path "$root" --info-dir "$work/infos")

step "train $config"
"$python" tools/train.py "$config" "${data[@]}" --work-dir "$work/train" --resume
checkpoint=$(cat "$work/train/last_checkpoint")

step "sweep SemanticKITTI-C over up to 8 validation scans"
"$python" tools/sweep.py "$config" "$checkpoint" "${data[@]}" --suite semantickitti_c --work-dir "$work/sweep" \
    --cfg-options test_dataloader.dataset.indices=8

if [ -n "$simulated" ]; then
    # another seed than that of the scenes which the detector learned from
    step "simulate nuScenes keyframes into $work/nuscenes"
    "$python" tools/simulate.py nuscenes --out "$work/nuscenes" --seed 1 --workers "$(nproc)"
    "$python" tools/create_data.py nuscenes --root-path "$work/nuscenes" --version v1.0-mini --out-dir "$work/infos"
    for suite in missing_sensors consistent_weather; do
        step "sweep $suite with the detector of $detector.pth"
        "$python" tools/sweep.py "$detector.py" "$detector.pth" --root-path "$work/nuscenes" --info-dir "$work/infos" \
            --suite $suite --work-dir "$work/detection"
    done
    runs+=("$work/detection")
fi

step "report"
"$python" tools/report.py "${runs[@]}" --out "$work/report"
step "done; open $work/report/report.html (as text: $work/report/report.md)"
