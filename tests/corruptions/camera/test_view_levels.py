"""Every level table changes more from level to level, on a drawn street and on real views."""

import numpy as np
import pytest

from corruptions.camera import VIEW_CORRUPTIONS, Views, corrupt_views


def mean_change(views: Views, name: str, level: str) -> float:
    """Mean absolute change over three samples, since the place of the sun and the angle of a shake are drawn."""
    outs = [corrupt_views(views, name, level, seed=0, sample=sample) for sample in "abc"]
    return float(np.mean([np.abs(out.astype(np.int16) - views.images).mean() for out in outs]))


def assert_monotone(views: Views, name: str) -> None:
    changes = [mean_change(views, name, level) for level in VIEW_CORRUPTIONS[name].levels]
    assert 0 < changes[0] < changes[1] < changes[2], changes


@pytest.mark.parametrize("name", VIEW_CORRUPTIONS)
def test_change_grows_on_a_drawn_street(name, scene):
    assert_monotone(scene, name)


@pytest.mark.parametrize("name", VIEW_CORRUPTIONS)
def test_change_grows_on_nuscenes(name, nuscenes_views):
    assert_monotone(nuscenes_views, name)
