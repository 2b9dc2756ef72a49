"""A LiDAR that loses part of its field of view, or all of it. What is left is untouched."""

from __future__ import annotations

import numpy as np

from corruptions.core import Corrupted, Corruption, Scan, X, Y, check_within, select


def field_of_view_loss(
    scan: Scan, rng: np.random.Generator, *, field_of_view_deg: float, heading_deg: float = 0.0
) -> Corrupted:
    """Keep only a sector of the sweep, as when the rest is blocked.

    Nothing is drawn from ``rng``: the sector is that of the level.

    Args:
        scan: the sweep.
        rng: random generator (not used).
        field_of_view_deg: width of the sector that is left, 0 to 360.
        heading_deg: its middle, counter-clockwise from x. The LiDAR of nuScenes has y ahead: 90 there.

    Returns:
        The points inside the sector.

    Raises:
        InputError: for angles out of range.
    """
    check_within("field_of_view_deg", field_of_view_deg, 0, 360)
    check_within("heading_deg", heading_deg, -360, 360)
    heading = np.radians(heading_deg)
    x, y = scan.points[:, X], scan.points[:, Y]
    # In the frame turned to the sector's middle; rounding near 180 degrees must not cut a full turn.
    ahead = x * np.float32(np.cos(heading)) + y * np.float32(np.sin(heading))
    left = y * np.float32(np.cos(heading)) - x * np.float32(np.sin(heading))
    off_middle = np.abs(np.arctan2(left, ahead))
    inside = off_middle <= np.radians(field_of_view_deg / 2) if field_of_view_deg < 360 else np.ones(len(x), dtype=bool)
    return select(scan, inside)


def missing_lidar(scan: Scan, rng: np.random.Generator) -> Corrupted:
    """No point at all: the LiDAR is off or unplugged."""
    return select(scan, np.zeros(len(scan.points), dtype=bool))


FIELD_OF_VIEW_LOSS = Corruption(
    name="field_of_view_loss",
    group="sensor failure",
    reference="Dong et al., CVPR 2023, arXiv 2303.11040, severities 1, 3, 5",
    levels={
        "light": {"field_of_view_deg": 210.0},
        "moderate": {"field_of_view_deg": 150.0},
        "heavy": {"field_of_view_deg": 90.0},
    },
    fn=field_of_view_loss,
    severity="share of the turn lost",
)
MISSING_LIDAR = Corruption(
    name="missing_lidar",
    group="sensor failure",
    reference="total failure of one sensor, as the missing camera of MultiCorrupt, Beemelmanns et al., IV 2024",
    levels={"heavy": {}},
    fn=missing_lidar,
    severity="share of points lost",
)
