import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real scans beside the project."""
    root = Path(os.environ.get("PERCEPTION3D_DATA", ROOT.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"no real scans at {root}; set PERCEPTION3D_DATA")
    return root
