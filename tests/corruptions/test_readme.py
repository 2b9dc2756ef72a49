from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import corruptions
from corruptions.camera import VIEW_CORRUPTIONS
from corruptions.catalog import CATALOG
from corruptions.describe import catalog_text

ROOT = Path(corruptions.__file__).parents[1]
README = (ROOT / "corruptions/README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README + (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.strip().splitlines()[-1][:40] for block in BLOCKS])
def test_examples_run_by_themselves(block, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_tables_are_those_of_the_catalogs():
    for table in catalog_text(markdown=True).split("\n\n"):
        assert table in README, "out of date: python tools/corrupt.py list --markdown prints the tables"


def test_every_corruption_has_a_picture_and_a_speed():
    shown = set(re.findall(r"^\| `(\w+)` \| [\d./ ]+ \| [\d.]+ \| \d+ \|$", README, flags=re.MULTILINE))
    assert shown == {*CATALOG, *VIEW_CORRUPTIONS}
    pictures = re.findall(r"!\[.*?\]\((images/\w+\.png)\)", README)
    assert sorted(pictures) == sorted(f"images/{path.name}" for path in (ROOT / "corruptions/images").iterdir())
    assert all((ROOT / "corruptions" / path).stat().st_size < 300_000 for path in pictures)


def test_links_lead_somewhere():
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", README, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in headings
        else:
            assert (ROOT / "corruptions" / target).exists(), target


def test_changelog_has_the_version():
    assert f"## Engine {corruptions.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
