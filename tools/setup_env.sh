#!/usr/bin/env bash
# Make .venv and install perception3d with its pinned stack. Safe to run again: it does only what is missing.
#
# usage: tools/setup_env.sh [--venv DIR] [--torch-index URL] [--torch SPEC] [--cuda cuXXX]
#   --venv DIR         where the environment goes (default: .venv in the project)
#   --torch-index URL  index that offers CPU builds of torch (a plain PyPI torch is the CUDA build, several GB)
#   --torch SPEC       the torch to install (default: torch==2.13.0)
#   --cuda cuXXX       CUDA flavour: spconv-cuXXX with the torch that you give by --torch / --torch-index
# PYTHON names the interpreter (default: python3.11). pip's own configuration (pip.conf, PIP_*) is obeyed.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
venv=$here/.venv torch_index="" torch_spec="torch==2.13.0" cuda=""
say() { printf '[setup] %s\n' "$*"; }
die() { printf '[setup] error: %s\n' "$*" >&2; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
        --venv) venv=${2:?--venv needs a folder}; shift 2 ;;
        --torch-index) torch_index=${2:?--torch-index needs a URL}; shift 2 ;;
        --torch) torch_spec=${2:?--torch needs a requirement}; shift 2 ;;
        --cuda) cuda=${2:?--cuda needs a version such as cu126}; shift 2 ;;
        -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option $1; see $0 --help" ;;
    esac
done

find_python() {
    local candidate
    # a PYTHON that is given is meant: no other takes its place
    for candidate in ${PYTHON:-python3.11 python3}; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.11 ] || continue
        command -v "$candidate"
        return
    done
    die "expected Python 3.11, found $("${PYTHON:-python3}" --version 2>/dev/null || echo none); install it (Debian: apt-get install python3.11 python3.11-venv python3.11-dev) or name it: PYTHON=/path/to/python3.11 $0"
}

check_build_tools() {
    local python=$1 include
    command -v g++ >/dev/null || die "expected g++ (mmcv compiles its ops), found none; Debian: apt-get install g++"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "expected the venv module of $python, found none; Debian: apt-get install python3.11-venv"
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -f "$include/Python.h" ] ||
        die "expected the Python headers in $include, found none; Debian: apt-get install python3.11-dev"
}

# open3d loads these at import; a wheel cannot bring them
system_libraries() {
    local missing=()
    have_library libusb-1.0.so.0 || missing+=(libusb-1.0-0)
    have_library libGL.so.1 || missing+=(libgl1)
    have_library libgomp.so.1 || missing+=(libgomp1)
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        say "installing the system libraries of open3d: ${missing[*]}"
        apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null ||
            die "apt-get could not install ${missing[*]}; install them by hand and run this again"
    else
        die "open3d needs the system libraries ${missing[*]}; Debian: sudo apt-get install ${missing[*]}"
    fi
}

have_library() {
    PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -q -F "$1"
}

# the stamp changes when this script, the pins, the options or the interpreter do
stamp_of() {
    {
        cat "$here/tools/setup_env.sh" "$here/tools/constraints.txt" "$here/setup.py"
        printf '%s|%s|%s|%s' "$torch_spec" "$cuda" "$here" "$("$1" -c 'import sys; print(sys.version)')"
    } | cksum
}

installed() { # name==version, by exact metadata
    "$venv/bin/python" - "$1" <<'EOF' 2>/dev/null
import sys
from importlib.metadata import version

name, _, wanted = sys.argv[1].partition("==")
found = version(name)
sys.exit(bool(wanted) and wanted not in (found, found.split("+")[0]))
EOF
}

# a line a minute while a long command runs, so that nobody takes it for dead
with_heartbeat() {
    local what=$1 pid minutes=0
    shift
    "$@" &
    pid=$!
    while sleep 60 && kill -0 "$pid" 2>/dev/null; do
        minutes=$((minutes + 1))
        say "$what: $minutes min so far"
    done &
    local beat=$!
    trap 'kill "$pid" "$beat" 2>/dev/null; exit 130' INT TERM
    local status=0
    wait "$pid" || status=$?
    kill "$beat" 2>/dev/null || true
    trap - INT TERM
    return "$status"
}

pip_install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

python=$(find_python)
if [ -f "$venv/perception3d.stamp" ] && [ "$(cat "$venv/perception3d.stamp")" = "$(stamp_of "$python")" ]; then
    exit 0
fi
check_build_tools "$python"
system_libraries
pins=$here/tools/constraints.txt own_constraint=${PIP_CONSTRAINT:-}
export PIP_CONSTRAINT="$pins $own_constraint"

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "making $venv with $python"
    "$python" -m venv --clear "$venv"
fi
say "build tools"
pip_install "setuptools>=77.0.3,<81" wheel ninja numpy

if ! installed "$torch_spec" || ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    say "$torch_spec (the CPU build is 0.2 GB, PyPI's CUDA build several GB)"
    pip_install "$torch_spec" ${torch_index:+--index-url "$torch_index"} ||
        die "$torch_spec could not be installed; give an index that has it: $0 --torch-index URL"
fi
if ! "$venv/bin/python" -c 'import mmcv.ops' 2>/dev/null; then
    say "mmcv 2.1.0 from source, once: about 9 minutes on two cores (pip keeps the wheel)"
    export MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(nproc)}
    with_heartbeat "compiling mmcv" pip_install --no-build-isolation "mmcv==2.1.0" ||
        die "mmcv did not build; run again to see the compiler's words: $venv/bin/pip install --no-build-isolation mmcv==2.1.0"
fi
say "mmdet3d, spconv${cuda:+-$cuda}, nuscenes-devkit, open3d and the rest: about 1.5 GB"
if [ -n "$cuda" ]; then
    sed '/^spconv==/d' "$pins" >"$venv/constraints.txt"
    export PIP_CONSTRAINT="$venv/constraints.txt $own_constraint"
    pip_install "spconv-$cuda==2.3.8" || die "there is no spconv-$cuda 2.3.8; PyPI has spconv-cu118, -cu121, -cu124 and -cu126"
    pip_install --no-build-isolation -e "$here[camera,simulation,dev]" mmengine mmdet mmdet3d nuscenes-devkit matplotlib
else
    pip_install --no-build-isolation -e "$here[camera,models,simulation,dev]"
fi

say "checking that everything imports"
(cd "$here" && "$venv/bin/python" - <<'EOF') || die "the installed stack does not import; remove $venv and run this again"
import corruptions, mmcv.ops, mmdet3d, nuscenes, open3d, perception3d, spconv.pytorch
from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.utils import register_all_modules

register_all_modules()
if MODELS.get("perception3d.LidarSegmentor") is None or DATASETS.get("perception3d.SemanticKittiDataset") is None:
    raise SystemExit("perception3d's classes are not in mmdet3d's registries")
EOF
stamp_of "$python" >"$venv/perception3d.stamp"
say "done: $venv/bin/python"
