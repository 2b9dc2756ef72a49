import cv2
import numpy as np
import pytest
from street_images import street

from corruptions.camera import Views


@pytest.fixture(scope="session")
def scene() -> Views:
    """Six views with depth and the views before."""
    images = street(6, 90, 160)
    depth_m = np.broadcast_to(np.linspace(120, 4, 90, dtype=np.float32)[:, None], (6, 90, 160)).copy()
    return Views(images, "rgb", depth_m=depth_m, previous=np.roll(images, 5, axis=2))


@pytest.fixture(scope="session")
def nuscenes_views(data_root) -> Views:
    """One sample of nuScenes: six views at half size, and those of another sample."""
    folders = sorted((data_root / "nuscenes" / "samples").glob("CAM_*"))
    files = [sorted(folder.glob("*.jpg"))[:2] for folder in folders]
    if len(files) != 6 or any(len(pair) != 2 for pair in files):
        pytest.skip("no nuScenes camera images")
    pairs = [
        [cv2.resize(cv2.imread(str(path)), (800, 450), interpolation=cv2.INTER_AREA) for path in pair] for pair in files
    ]
    images, previous = np.array(pairs).transpose(1, 0, 2, 3, 4)
    return Views(images, "bgr", previous=previous)
