from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corruptions import benchmark
from corruptions.synthetic import synthetic_image, synthetic_scan

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, subject: str = "corruptions") -> subprocess.CompletedProcess:
    command = [sys.executable, "tools/benchmark.py", subject, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("kitti")
    scan = synthetic_scan(steps=30)
    for name, values in (("velodyne/a.bin", scan.points), ("labels/a.label", scan.labels.astype(np.uint32))):
        (root / name).parent.mkdir()
        values.tofile(root / name)
    return root / "velodyne/a.bin"


def test_table_and_json(scan_file, tmp_path):
    out = tmp_path / "figures.json"
    names = ["density_decrease", "incomplete_echo"]
    result = run("--scan", str(scan_file), "--corruptions", *names, "--repeat", "2", "--out", str(out))
    assert result.returncode == 0, result.stderr
    table = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 6
    assert len({line.count("|") for line in table}) == 1
    assert [line.split("|")[1].strip() for line in table[2:]] == [*["incomplete_echo"] * 3, *["density_decrease"] * 3]
    figures = json.loads(out.read_text())
    count = scan_file.stat().st_size // 16
    rows = figures["rows"]
    assert {row["size_in"] for row in rows} == {count}
    assert [row["size_out"] for row in rows[3:]] == [count - round(share * count) for share in (0.2, 0.4, 0.6)]
    assert all(row["ms_min"] <= row["ms"] <= row["ms_max"] for row in rows)
    assert [row["first_call_ms"] is None for row in rows] == [False, True, True] * 2
    assert figures["machine"]["threads"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_bad_input(tmp_path):
    for arguments, message in (
        (["--corruptions", "fgo"], "error: unknown corruption 'fgo': did you mean fog?"),
        (["--camera", "--corruptions", "jpg"], "error: unknown camera corruption 'jpg': did you mean jpeg?"),
        (["--repeat", "0"], "error: --repeat: expected at least 1, found 0"),
        (["--scan", str(tmp_path / "no.bin")], "expected a file, found none"),
    ):
        result = run(*arguments)
        assert result.returncode == 2
        assert message in result.stderr
        assert "Traceback" not in result.stderr


def test_peak_memory_counts_what_a_call_allocates():
    scan = synthetic_scan(steps=30)
    (row,) = (r for r in benchmark.measure_scan(scan, ["missing_lidar"], 2))
    assert row.size_out == 0
    held = []

    def allocate(sample: int) -> int:
        block = np.zeros(3_000_000, np.uint8)
        held.append(len(block))
        return len(block)

    made = benchmark._row("lidar", "x", "y", allocate, 2, 1.0, 1, first=True)
    assert made.peak_mb == pytest.approx(3.0, rel=0.01)
    assert len(held) == 4  # first call, two timed ones, one for memory


def test_images(monkeypatch):
    image, depth_m = synthetic_image(height=45, width=80)
    rows = list(benchmark.measure_image(image, ["contrast", "frozen_frame"], 2))
    assert [row.level for row in rows] == ["light", "moderate", "heavy"] * 2
    assert {row.size_out for row in rows} == {45 * 80}
    assert "pixels out" in benchmark.markdown(rows)
    assert depth_m.shape == (45, 80)


def test_cmt():
    config = "configs/cmt/cmt-tiny_1xb2_nuscenes-sim.py"
    result = run(config, "--samples", "1", subject="cmt")
    assert result.returncode == 0, result.stderr[-2000:]
    assert "1 passes of each kind, " in result.stdout
    assert "6 images of 352 x 128" in result.stdout
    assert {"| decoder |", "| written out, as published |", "| ratio |"} <= {
        "|".join([*line.split("|")[:2], ""]) for line in result.stdout.splitlines()
    }
    result = run(config, "--samples", "0", subject="cmt")
    assert (result.returncode, "Traceback" in result.stderr) == (2, False)
    assert "error: --samples: expected at least 1, found 0" in result.stderr
