#!/usr/bin/env bash
# Set up if needed, then lint, type check and tests, in up to four processes. Options go to tools/setup_env.sh; words
# after -- go to pytest: -- -n 0 (one process), -- -m slow (the tests that take minutes), -- -m gpu.
set -euo pipefail
# OpenMP threads that spin long while they wait slow a shared machine down several times over; threads that never spin
# slow an idle one down as much
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-3000}
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
setup=()
while [ $# -gt 0 ] && [ "$1" != "--" ]; do setup+=("$1"); shift; done
[ $# -gt 0 ] && shift
bash tools/setup_env.sh "${setup[@]}"
bin=$here/.venv/bin
echo "== ruff"
"$bin/ruff" check .
"$bin/ruff" format --check .
echo "== mypy"
"$bin/mypy"
echo "== pytest"
# the tests of a file stay together: they share what takes long to make
exec "$bin/python" -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"
