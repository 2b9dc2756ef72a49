"""Global outliers: returns that no surface caused, anywhere in the scan.

Yan et al., IJCV 132(7), 2024: noise points uniform in 3D space, as a share of the scan. The paper does not give the box
or the intensity; here the box is that of the scan, and the intensity is uniform over its scale.
"""

from __future__ import annotations

import numpy as np

from corruptions.core import INTENSITY, Corrupted, Corruption, Scan, X, Y, Z, append, check_within


def global_outliers(scan: Scan, rng: np.random.Generator, *, share: float) -> Corrupted:
    """Append ``round(share * N)`` points uniform in the bounding box of the scan.

    Further columns (ring, time) of an outlier are those of a point of the scan drawn at random: valid values, whatever
    the column means.

    Args:
        scan: the sweep.
        rng: random stream.
        share: added points per point of the scan, 0 to 100.

    Returns:
        The points of the input, then the outliers (``ADDED``).
    """
    check_within("share", share, 0, 100)
    count = round(share * len(scan.points))
    added = np.empty((count, scan.points.shape[1]), dtype=np.float32)
    if count:
        for axis in (X, Y, Z):
            along = scan.points[:, axis]
            added[:, axis] = rng.uniform(along.min(), along.max(), count)
        added[:, INTENSITY] = rng.uniform(0, scan.intensity_max, count)
        added[:, INTENSITY + 1 :] = scan.points[rng.integers(len(scan.points), size=count), INTENSITY + 1 :]
    return append(scan, added)


GLOBAL_OUTLIERS = Corruption(
    name="global_outliers",
    group="measurement noise",
    reference="Yan et al., IJCV 2024, global outliers",
    fn=global_outliers,
    levels={"light": {"share": 0.001}, "moderate": {"share": 0.05}, "heavy": {"share": 0.5}},
    severity="share",
)
