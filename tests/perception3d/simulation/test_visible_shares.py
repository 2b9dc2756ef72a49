"""What is seen of a thing behind walls that hide all of it, its right half, or nothing."""

import numpy as np
import pytest

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import box
from perception3d.simulation.nuscenes.annotations import things, visible_shares
from perception3d.simulation.scene import Placed, Scene

pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")

GAIN = np.ones(len(Material), np.float32)
EYE = np.array([0.0, 0.0, 0.5])


def block(size, centre, label, instance):
    return Placed(box(size, centre).labelled(label), instance, GAIN)


@pytest.mark.parametrize(
    ("wall_y", "expected"),
    [((-9.0, 9.0), (0.0, 0.0)), ((-9.0, 0.0), (0.3, 0.7)), ((5.0, 9.0), (1.0, 1.0))],
)
def test_shares_behind_a_wall(wall_y, expected):
    low, high = wall_y
    car = block((4.0, 2.0, 1.5), (20.0, 0.0, 0.75), Label.CAR, 7)
    wall = block((0.2, high - low, 6.0), (10.0, (low + high) / 2, 1.0), Label.BUILDING, 0)
    beside = block((4.0, 2.0, 1.5), (20.0, 30.0, 0.75), Label.CAR, 8)
    shares = visible_shares((Scene([wall, beside]), Scene([car])), things([car, beside]), EYE)
    assert expected[0] <= shares[0] <= expected[1]
    assert shares[1] == 1.0


def test_nothing_to_see():
    assert visible_shares((Scene([]),), [], EYE).shape == (0,)
