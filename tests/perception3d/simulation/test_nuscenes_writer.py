"""The simulated nuScenes data set as nuscenes-devkit reads it."""

import pytest

pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")
pytest.importorskip("nuscenes", reason="the devkit reads the tables")


@pytest.fixture(scope="module")
def devkit(sim_nuscenes):
    from nuscenes import NuScenes

    return NuScenes("v1.0-mini", str(sim_nuscenes), verbose=False)


def test_devkit_loads_it(devkit):
    assert [scene["name"] for scene in devkit.scene] == ["scene-0061", "scene-0103"]
    assert len(devkit.sample) == 6
    assert all(len(sample["data"]) == 7 and sample["anns"] for sample in devkit.sample)
