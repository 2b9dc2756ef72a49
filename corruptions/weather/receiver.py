"""When a return is strong enough to be seen: received power and detection threshold, for rain and wet ground.

Power is relative throughout: a target of reflectance ``rho`` at ``r`` metres that fills the beam returns ``rho / r^2``
(lidar equation of an extended target; the sensor's constants cancel). Reflectance is taken as intensity /
intensity_max.

A hard threshold alone cannot be right for measured scans: about a tenth of the returns of a SemanticKITTI scan have
intensity 0 and so no power at all, yet the sensor saw them. How far above its threshold such a return was is unknown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.core import INTENSITY, Scan, check_within

# Reflectance of the target that max_range_m is quoted for (LISA, Kilic et al. 2021)
MAX_RANGE_REFLECTANCE = 0.9
# A return at the origin has no direction and no power law; it is treated as one at a millimetre.
NEAREST_M = 1e-3


def clear_power(scan: Scan, range_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) relative power ``rho / r^2`` [1/m^2] of each return as it was measured."""
    return scan.points[:, INTENSITY] / scan.intensity_max / np.square(range_m)


def ranges(scan: Scan) -> NDArray[np.float64]:
    """(N,) range of each return in metres, never 0."""
    return np.maximum(scan.range_m, NEAREST_M).astype(np.float64)


def threshold_at(max_range_m: float) -> float:
    """Weakest relative power [1/m^2] that a sensor sees: ``0.9 / max_range_m^2`` (LISA).

    For the 120 m of an HDL-64E this is 6.3e-5; the weakest thousandth of the dry ground returns of SemanticKITTI scans
    lies at 6e-5 to 1e-4.

    Raises:
        InputError: for a range outside 1 to 1000 m.
    """
    check_within("max_range_m", max_range_m, 1, 1000)
    return MAX_RANGE_REFLECTANCE / max_range_m**2


def detection_probability(
    clear: NDArray[np.float64], transmission: NDArray[np.float64], threshold: float
) -> NDArray[np.float64]:
    """Chance that a return seen in clear air is still seen when only a share of its power arrives.

    ``P_detect = min(1, max(P_clear, P_min) * transmission / P_min)``: certain above the threshold, falling in
    proportion to the power below it. A return below the nominal threshold counts as lying at it, since the sensor did
    see it: the chance is then the transmission. Full transmission loses nothing, and stronger returns never fare
    worse.

    Args:
        clear: (N,) relative power in clear air [1/m^2].
        transmission: (N,) share of the power that still arrives, in [0, 1].
        threshold: ``P_min`` [1/m^2], above 0.

    Returns:
        (N,) probabilities.
    """
    return np.minimum(np.maximum(clear, threshold) * transmission / threshold, 1.0)
