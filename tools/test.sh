#!/usr/bin/env bash
# Set up if needed, then lint, type check and tests, in as many processes as there are processors, at most four (-n 0: in
# one). Options go to tools/setup_env.sh; words after -- go to pytest.
set -euo pipefail
# threads that wait briefly before they sleep: longer spinning costs several times the work itself on a shared machine,
# none at all as much on an idle one
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
