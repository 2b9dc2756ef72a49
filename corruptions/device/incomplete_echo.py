"""Incomplete echo: dark or shiny vehicles send too little light back, and most of their points are missing.

The model of Robo3D (Kong et al., ICCV 2023, arXiv 2303.17597): a share of the points of each vehicle class goes, where
the class has more than ten. Moving vehicles belong to the class of those that stand, so that raw ids and train ids lose
the same points.
"""

from __future__ import annotations

import numpy as np

from corruptions.core import Corrupted, Corruption, InputError, Scan, check_within, select
from corruptions.noise.displacement import choose_share
from corruptions.semantics import VEHICLE_CLASSES, members


def incomplete_echo(scan: Scan, rng: np.random.Generator, *, drop_share: float, spared_points: int = 10) -> Corrupted:
    """Remove a share of the points of every vehicle class.

    Args:
        scan: the sweep, with labels.
        rng: random generator.
        drop_share: share of the points of a class that go, in [0, 1].
        spared_points: classes with at most this many points stay whole.

    Returns:
        The remaining points, untouched.

    Raises:
        InputError: for a scan without labels, or values out of range.
    """
    check_within("drop_share", drop_share, 0, 1)
    check_within("spared_points", spared_points, 0, whole=True)
    if scan.labels is None:
        raise InputError(
            "incomplete_echo removes points of vehicles: expected scan.labels, found None; pass the labels"
        )
    keep = np.ones(len(scan.points), dtype=bool)
    vehicle = np.flatnonzero(members(scan.labels, scan.label_set, "vehicle"))
    vehicle_labels = scan.labels[vehicle]
    for ids in VEHICLE_CLASSES[scan.label_set]:
        rows = vehicle[np.isin(vehicle_labels, ids)]
        if len(rows) > spared_points:
            keep[rows[choose_share(len(rows), drop_share, rng)]] = False
    return select(scan, keep)


INCOMPLETE_ECHO = Corruption(
    name="incomplete_echo",
    group="sensor failure",
    reference="Robo3D, Kong et al., ICCV 2023, arXiv 2303.17597",
    levels={"light": {"drop_share": 0.75}, "moderate": {"drop_share": 0.85}, "heavy": {"drop_share": 0.95}},
    fn=incomplete_echo,
    severity="share of vehicle points lost",
)
