from __future__ import annotations

from pathlib import Path

import pytest
from export_files import write_sequence


@pytest.fixture(scope="session")
def kitti_root(tmp_path_factory) -> Path:
    """Three sweeps of sequence 08; do not write to it."""
    root = tmp_path_factory.mktemp("kitti")
    write_sequence(root, "08")
    return root
