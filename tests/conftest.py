import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def own_logger() -> Iterator[None]:
    """A logger for each test.

    mmengine names a run by config and second, and hands logger and message hub of that name to the next run of the same
    second, with the first run's closed output and its scores.
    """
    yield
    if "mmengine.logging" in sys.modules:
        sys.modules["mmengine.logging"].MMLogger._instance_dict.clear()
        sys.modules["mmengine.logging"].MessageHub._instance_dict.clear()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real scans beside the project."""
    root = Path(os.environ.get("PERCEPTION3D_DATA", ROOT.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"no real scans at {root}; set PERCEPTION3D_DATA")
    return root


@pytest.fixture(scope="session")
def sim_nuscenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny simulated nuScenes data set, read-only: ``v1.0-mini`` with two scenes of three keyframes.

    scene-0061 is of mini_train, scene-0103 of mini_val; images are 112 x 200. Holds sweeps, lidarseg and depth maps as
    well. Made once per session in some seconds; skips without Open3D.
    """
    pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")
    from perception3d.simulation.nuscenes.request import Request, scene_names
    from perception3d.simulation.nuscenes.writer import write

    root = tmp_path_factory.mktemp("simulated") / "nuscenes"
    scenes = dict.fromkeys(scene_names("v1.0-mini", 2), 3)
    write(Request(root, "v1.0-mini", 0, scenes, 112, 200, depth=True), 1, lambda done, total: None)
    return root
