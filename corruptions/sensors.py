"""LiDAR models as data, and the laser index (ring) of each point for files that do not store it.

Elevations come from the manufacturers' manuals where they are uniform, and are fitted to recorded scans where the
device's own calibration matters; each table says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, Scan, unknown


@dataclass(frozen=True)
class Sensor:
    """A spinning LiDAR.

    Attributes:
        name: key in ``SENSORS``.
        elevations_deg: elevation of each laser in ring order, upward positive.
        steps_per_turn: azimuth steps of one turn at the usual frame rate (10 Hz; HDL-32E 20 Hz).
        divergence_rad: full divergence of the beam.
        wavelength_nm: wavelength of the laser.
        intensity_max: full scale of the intensity that the device reports; a data set may rescale it (KITTI: 0..1).
        min_range_m: shortest distance with a return.
        max_range_m: longest distance with a return.
        beam_heights_m: height at which the line of each laser crosses the vertical axis of the sensor frame, in ring
            order; empty where all lasers start at the origin. A point at horizontal distance ``rho`` from laser ``k``
            has ``z = beam_heights_m[k] + rho * tan(elevation)``.
    """

    name: str
    elevations_deg: tuple[float, ...]
    steps_per_turn: int
    divergence_rad: float
    wavelength_nm: float
    intensity_max: float
    min_range_m: float
    max_range_m: float
    beam_heights_m: tuple[float, ...] = ()

    @property
    def num_rings(self) -> int:
        """Number of lasers."""
        return len(self.elevations_deg)

    @property
    def top_down(self) -> bool:
        """Whether ring 0 is the uppermost laser."""
        return self.elevations_deg[0] > self.elevations_deg[-1]

    @property
    def azimuth_step_rad(self) -> float:
        """Angle between two firings of one laser."""
        return 2 * np.pi / self.steps_per_turn


def sensor(name: str) -> Sensor:
    """The LiDAR model of this name; raises :class:`InputError` with near matches for an unknown one."""
    if name not in SENSORS:
        raise InputError(unknown("sensor", name, SENSORS))
    return SENSORS[name]


def rings_of(scan: Scan) -> tuple[NDArray[np.integer], int]:
    """Laser index of each point of a scan, estimated where the scan has none, and the number of lasers.

    Returns:
        int (N,) ring and the number of lasers it counts to.
    """
    if scan.ring is not None:
        return scan.ring, scan.ring_count
    model = sensor(scan.sensor)
    return estimate_rings(scan.points, model), model.num_rings


def estimate_rings(points: NDArray[np.float32], sensor: Sensor) -> NDArray[np.int32]:
    """Laser index of each point of a file that does not store it.

    Files written ring by ring (KITTI, SemanticKITTI) are read off their order, which is exact; any other file by
    elevation.

    Args:
        points: float32 (N, C >= 3) x, y, z in metres in the sensor frame.
        sensor: model of the LiDAR.

    Returns:
        int32 (N,) in 0..sensor.num_rings - 1, in the order of ``sensor.elevations_deg``.
    """
    by_order = _count_wraps(points)
    if len(points) and by_order[-1] == sensor.num_rings - 1 and _is_monotone(points, by_order, sensor):
        return by_order
    return rings_from_elevation(points, sensor)


def rings_from_azimuth(points: NDArray[np.float32], num_rings: int) -> NDArray[np.int32]:
    """Laser index for files stored ring by ring, each ring counter-clockwise from straight ahead (KITTI).

    A new ring starts where the azimuth passes straight ahead from right to left: the turn fraction
    ``(1 - atan2(y, -x) / pi) / 2`` falls from over 0.8 to under 0.2.

    Args:
        points: float32 (N, C >= 3) in file order, x forward, y left.
        num_rings: number of lasers; later wraps stay in the last ring.

    Returns:
        int32 (N,) in 0..num_rings - 1, ring 0 first in the file (the uppermost in KITTI).
    """
    return np.minimum(_count_wraps(points), num_rings - 1)


def rings_from_elevation(points: NDArray[np.float32], sensor: Sensor) -> NDArray[np.int32]:
    """Laser index by the nearest elevation in the table, for files in any order.

    A tilted sensor and motion compensation shift the elevations of a recorded scan by up to several ring spacings;
    both are fitted first (:func:`_elevation_shift`) when there are enough points.

    Args:
        points: float32 (N, C >= 3) x, y, z in metres in the sensor frame.
        sensor: model of the LiDAR.

    Returns:
        int32 (N,) in 0..sensor.num_rings - 1, in the order of ``sensor.elevations_deg``.
    """
    lasers = _Lasers(sensor)
    x, y, z = np.ascontiguousarray(points[:, :3].T)
    rho = np.maximum(np.hypot(x, y), np.float32(1e-3))
    shift: NDArray[np.floating] | float = 0.0
    sample = _fit_sample(rho, sensor)
    if len(sample):
        coefficients = _fit_shift(x[sample], y[sample], z[sample], rho[sample], lasers)
        shift = np.einsum("in,i->n", _shift_terms(x, y, z, rho), coefficients.astype(np.float32))
    return lasers.order[lasers.nearest(z, rho, shift)]


def _count_wraps(points: NDArray[np.float32]) -> NDArray[np.int32]:
    x, y = points[:, 0], points[:, 1]
    # Within 0.2 turns of straight ahead: the same test as on the turn fraction, without an arctangent per point.
    ahead = np.abs(y) < np.float32(np.tan(0.4 * np.pi)) * x
    right = y < 0
    ring = np.zeros(len(points), np.int32)
    np.cumsum(ahead[:-1] & right[:-1] & ahead[1:] & ~right[1:], out=ring[1:])
    return ring


def _is_monotone(points: NDArray[np.float32], ring: NDArray[np.int32], sensor: Sensor) -> bool:
    """Whether the mean elevation falls or rises from ring to ring as in the table of the sensor."""
    xyz = points[:, :3]
    slope = xyz[:, 2] / np.maximum(np.sqrt(np.einsum("ij,ij->i", xyz, xyz)), np.float32(1e-6))
    mean = np.bincount(ring, slope, sensor.num_rings) / np.bincount(ring, minlength=sensor.num_rings)
    steps = np.diff(mean)
    return bool((steps < 0).all() if sensor.top_down else (steps > 0).all())


class _Lasers:
    """The lasers of a sensor from the lowest to the highest; ``order`` leads back to ring indices."""

    def __init__(self, sensor: Sensor) -> None:
        self.order = np.argsort(sensor.elevations_deg).astype(np.int32)
        self.elevation = np.radians(np.asarray(sensor.elevations_deg)[self.order]).astype(np.float32)
        heights = np.asarray(sensor.beam_heights_m or (0.0,) * sensor.num_rings)
        self.height_m = heights[self.order].astype(np.float32)
        self.between = (self.elevation[1:] + self.elevation[:-1]) / 2
        self.half_spacing = np.gradient(self.elevation) / 2

    def nearest(
        self, z: NDArray[np.float32], rho: NDArray[np.float32], shift: NDArray[np.floating] | float
    ) -> NDArray[np.intp]:
        """Index of the laser nearest in elevation; ``shift`` (N,) is taken off the measured elevation first."""
        height: NDArray[np.float32] | np.float32 = self.height_m.mean()
        # The height of the laser matters near the sensor and depends on the answer: one more round settles it.
        for _ in range(2 if np.ptp(self.height_m) > 0 else 1):
            index = np.searchsorted(self.between, np.arctan2(z - height, rho) - shift)
            height = self.height_m[index]
        return index


def _fit_sample(rho: NDArray[np.float32], sensor: Sensor) -> NDArray[np.intp]:
    """About 4000 points beyond the vehicle's own roof, or none when they are too few to fit nine numbers."""
    sample = np.arange(0, len(rho), max(1, len(rho) // 4000))
    sample = sample[rho[sample] > 2]
    return sample if len(sample) >= 20 * sensor.num_rings else sample[:0]


def _shift_terms(
    x: NDArray[np.float32], y: NDArray[np.float32], z: NDArray[np.float32], rho: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(9, N) derivatives of the elevation by offset, tilt, planar motion, and the rates of both over the turn.

    A horizontal step of the sensor by d towards the point changes its elevation by ``d z / r^2``; time within the
    sweep is proportional to azimuth.
    """
    cos, sin, turn = x / rho, y / rho, np.arctan2(y, x)
    parallax = z / (rho * rho + z * z)
    near_cos, near_sin = parallax * cos, parallax * sin
    offset = np.ones_like(cos)
    return np.stack([offset, cos, sin, near_cos * turn, near_sin * turn, near_cos, near_sin, cos * turn, sin * turn])


def _fit_shift(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    z: NDArray[np.float32],
    rho: NDArray[np.float32],
    lasers: _Lasers,
) -> NDArray[np.float64]:
    """Robust fit of the (9,) coefficients of ``_shift_terms``, started from several speeds along x and y.

    Starts are needed because at speed the lowest rings are displaced by more than their spacing.
    """
    terms = _shift_terms(x, y, z, rho).astype(np.float64)

    def refine(coefficients: NDArray[np.float64], rounds: int) -> tuple[float, NDArray[np.float64]]:
        for _ in range(rounds):
            shift = np.einsum("in,i->n", terms, coefficients)
            index = lasers.nearest(z, rho, shift)
            residual = np.arctan2(z - lasers.height_m[index], rho) - lasers.elevation[index]
            weight = np.clip(1 - ((residual - shift) / lasers.half_spacing[index]) ** 2, 0, None)
            weighted = terms * weight
            # einsum adds in one order; a matrix product may split the sum by the number of BLAS threads.
            normal = np.einsum("in,jn->ij", weighted, terms)
            # The small ridge keeps terms that the scan cannot tell apart (a flat scene, a sector) at zero.
            normal += 1e-6 * len(x) * np.eye(len(terms))
            coefficients = np.linalg.solve(normal, np.einsum("in,n->i", weighted, residual))
        return float(weight.mean()), coefficients

    starts = [np.zeros(9)]
    for speed_m_per_rad in (-0.24, -0.16, -0.08, 0.08, 0.16, 0.24):
        starts += [speed_m_per_rad * np.eye(9)[3], speed_m_per_rad * np.eye(9)[4]]
    _, best = max((refine(start, 2) for start in starts), key=lambda fit: fit[0])
    return refine(best, 6)[1]


# fmt: off
# HDL-64E of the KITTI car, ring 0 uppermost as in KITTI's files. Elevations and beam heights are fitted to 43
# SemanticKITTI scans: the unit deviates from the manual's uniform +2 ... -8.33 deg (1/3 deg) and -8.83 ... -24.33 deg
# (1/2 deg) by up to 0.8 deg. The two blocks of 32 lasers sit about 0.2 m and 0.12 m above the origin.
# Divergence as in Hahner et al., CVPR 2022; closest return as in Hahner et al., ICCV 2021.
_HDL_64E_DEG = (
    1.93, 1.57, 1.3, 0.87, 0.58, 0.18, -0.09, -0.45, -0.81, -1.2, -1.5, -1.84, -2.21, -2.55, -2.88, -3.24, -3.54,
    -3.94, -4.22, -4.59, -4.92, -5.25, -5.61, -5.96, -6.33, -6.68, -7.0, -7.28, -7.68, -8.05, -8.3, -8.7, -9.01,
    -9.56, -10.05, -10.46, -10.94, -11.59, -12.11, -12.56, -13.04, -13.48, -14.05, -14.6, -15.2, -15.67, -16.19,
    -16.57, -17.22, -17.76, -18.36, -18.84, -19.37, -19.79, -20.28, -20.85, -21.38, -22.02, -22.52, -22.95, -23.41,
    -24.06, -24.58, -25.09,
)
_HDL_64E = Sensor(
    name="HDL-64E",
    elevations_deg=_HDL_64E_DEG,
    steps_per_turn=2083,
    divergence_rad=3.0e-3,
    wavelength_nm=905,
    intensity_max=255,
    min_range_m=0.9,
    max_range_m=120,
    beam_heights_m=(*(round(0.2095 - 0.00043 * ring, 4) for ring in range(32)), *(0.122,) * 32),
)

# Uniform by the manual; ring 0 lowest as in the ring column of nuScenes, whose returns reach 105.2 m.
_HDL_32E = Sensor(
    name="HDL-32E",
    elevations_deg=tuple(round(-30.67 + ring * 4 / 3, 2) for ring in range(32)),
    steps_per_turn=1085,
    divergence_rad=2.79e-3,
    wavelength_nm=903,
    intensity_max=255,
    min_range_m=1.0,
    max_range_m=106,
)

# Channel 1 of the manual, the uppermost, is ring 0 here; some drivers number upwards. A recorded scan agrees to
# 0.02 deg. The manual does not state the divergence: 3 mrad is the usual value of this class.
_PANDAR_64_DEG = (
    14.882, 11.032, 8.059, 5.057, 3.04, 2.028, 1.86, 1.688, 1.522, 1.351, 1.184, 1.013, 0.846, 0.675, 0.508, 0.337,
    0.169, 0.0, -0.169, -0.337, -0.508, -0.675, -0.845, -1.013, -1.184, -1.351, -1.522, -1.688, -1.86, -2.028, -2.198,
    -2.365, -2.536, -2.7, -2.873, -3.04, -3.21, -3.375, -3.548, -3.712, -3.884, -4.05, -4.221, -4.385, -4.558, -4.72,
    -4.892, -5.057, -5.229, -5.391, -5.565, -5.726, -5.898, -6.061, -7.063, -8.059, -9.06, -9.885, -11.032, -12.006,
    -12.974, -13.93, -18.889, -24.897,
)
_PANDAR_64 = Sensor(
    name="Pandar64",
    elevations_deg=_PANDAR_64_DEG,
    steps_per_turn=1800,
    divergence_rad=3.0e-3,
    wavelength_nm=905,
    intensity_max=255,
    min_range_m=0.3,
    max_range_m=200,
)

# The manual's table (-25 ... +15 deg), ring 0 uppermost.
_PANDAR_40P = Sensor(
    name="Pandar40P",
    elevations_deg=(
        *(15.0, 11.0, 8.0, 5.0, 3.0),
        *(round(2 - step / 3, 2) for step in range(25)),
        *(-7.0, -8.0, -9.0, -10.0, -11.0, -12.0, -13.0, -14.0, -19.0, -25.0),
    ),
    steps_per_turn=1800,
    divergence_rad=3.0e-3,
    wavelength_nm=905,
    intensity_max=255,
    min_range_m=0.3,
    max_range_m=205,
)

# The earlier 40-laser unit (-16 ... +7 deg), which drivers and files also call Pandar40P; fitted to a recorded scan.
_PANDAR_40_DEG = (
    7.143, 6.142, 5.136, 4.128, 3.115, 2.102, 1.767, 1.421, 1.087, 0.752, 0.406, 0.071, -0.268, -0.606, -0.945,
    -1.284, -1.621, -1.96, -2.298, -2.636, -2.974, -3.311, -3.648, -3.986, -4.319, -4.661, -4.995, -5.326, -5.667,
    -6.0, -7.001, -7.997, -8.987, -9.971, -10.948, -11.917, -12.874, -13.825, -14.766, -15.696,
)
_PANDAR_40 = Sensor(
    name="Pandar40",
    elevations_deg=_PANDAR_40_DEG,
    steps_per_turn=1800,
    divergence_rad=3.0e-3,
    wavelength_nm=905,
    intensity_max=255,
    min_range_m=0.3,
    max_range_m=205,
)

# Fitted to a recorded scan (exact to 0.01 deg: the file is one unit's own calibration), ring 0 uppermost. The beams
# start 15.8 mm from the axis, 36 mm above the frame's origin. Data sheet: 0.18 deg divergence; returns reach 217 m.
_OS_1_128_DEG = (
    20.95, 20.67, 20.36, 20.03, 19.73, 19.41, 19.11, 18.76, 18.47, 18.14, 17.82, 17.5, 17.19, 16.86, 16.53, 16.2,
    15.89, 15.56, 15.23, 14.9, 14.57, 14.23, 13.9, 13.57, 13.25, 12.91, 12.57, 12.22, 11.9, 11.55, 11.2, 10.87, 10.54,
    10.18, 9.84, 9.51, 9.15, 8.81, 8.47, 8.11, 7.78, 7.43, 7.08, 6.74, 6.39, 6.04, 5.7, 5.34, 4.98, 4.64, 4.29, 3.93,
    3.58, 3.24, 2.88, 2.53, 2.17, 1.82, 1.47, 1.12, 0.78, 0.41, 0.07, -0.28, -0.64, -0.99, -1.35, -1.7, -2.07, -2.4,
    -2.75, -3.11, -3.46, -3.81, -4.15, -4.5, -4.86, -5.22, -5.57, -5.9, -6.27, -6.61, -6.97, -7.3, -7.67, -8.01,
    -8.35, -8.69, -9.05, -9.38, -9.71, -10.07, -10.42, -10.76, -11.09, -11.43, -11.78, -12.12, -12.46, -12.78, -13.15,
    -13.46, -13.8, -14.12, -14.48, -14.79, -15.11, -15.46, -15.79, -16.12, -16.45, -16.76, -17.11, -17.44, -17.74,
    -18.06, -18.39, -18.72, -19.02, -19.32, -19.67, -19.99, -20.27, -20.57, -20.92, -21.22, -21.54, -21.82,
)
_OS_1_128 = Sensor(
    name="OS-1-128",
    elevations_deg=_OS_1_128_DEG,
    steps_per_turn=1024,
    divergence_rad=3.14e-3,
    wavelength_nm=865,
    intensity_max=255,
    min_range_m=0.8,
    max_range_m=240,
    beam_heights_m=tuple(round(0.0362 - 0.0158 * float(np.tan(np.radians(deg))), 4) for deg in _OS_1_128_DEG),
)

# Uniform by the manual; ring 0 lowest as its drivers number the lasers.
_VLP_16 = Sensor(
    name="VLP-16",
    elevations_deg=tuple(float(deg) for deg in range(-15, 16, 2)),
    steps_per_turn=1808,
    divergence_rad=3.0e-3,
    wavelength_nm=903,
    intensity_max=255,
    min_range_m=0.5,
    max_range_m=130,
)

# fmt: on
SENSORS: Mapping[str, Sensor] = {
    model.name: model for model in (_HDL_64E, _HDL_32E, _PANDAR_64, _PANDAR_40P, _PANDAR_40, _OS_1_128, _VLP_16)
}
