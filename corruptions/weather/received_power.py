"""What a LiDAR receives from a beam with several targets: who blocks whom, and where the summed echo peaks.

Hahner et al., "LiDAR Snowfall Simulation for Robust 3D Object Detection", CVPR 2022. Each target returns a pulse
sin^2(pi (R - r) / (c tau)) over R in [r, r + c tau], scaled by its share of the beam. The authors sample the sum on a
10 cm grid. All pulses have the same width, so between two pulse ends the sum is A/2 - |Z|/2 cos(...), a single cosine
with a known maximum: the result is exact and costs a few operations per target.

Imported only inside the functions that use it, since numba is slow to import.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from corruptions.weather.fog_pulse import LIGHT_SPEED_M_PER_S, OVERLAP_FULL_M, OVERLAP_START_M

# Pulse length c tau in metres, tau = 10 ns.
PULSE_M = LIGHT_SPEED_M_PER_S * 10e-9
_WAVE_PER_M = 2 * math.pi / PULSE_M
# Rounding of a peak that lies on the end of a pulse, where the next interval finds it as well.
_END_M = 1e-7


@numba.njit(cache=True)
def strongest_echoes(
    first: NDArray[np.int64],
    flake_m: NDArray[np.float64],
    centre_rad: NDArray[np.float64],
    half_width_rad: NDArray[np.float64],
    divergence_rad: float,
    target_m: NDArray[np.float64],
    target_power: NDArray[np.float64],
    flake_power: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strongest echo of each beam with flakes in front of its target.

    Args:
        first: int64 (N + 1,) flakes ``first[i]:first[i + 1]`` touch beam ``i``.
        flake_m: (K,) range of each flake; nearer than the target of its beam.
        centre_rad: (K,) angle of each flake off the axis of the beam.
        half_width_rad: (K,) half the angle that each flake takes.
        divergence_rad: full angle of the beams.
        target_m: (N,) range of the target.
        target_power: (N,) power of the target's echo in the free beam.
        flake_power: power of the echo of a flake that fills the beam at 1 m.

    Returns:
        (N,) range in metres and (N,) power of the strongest echo. A beam without flakes gives its target. Power 0 means
        that nothing comes back; the range is then the target's.
    """
    echo_m, echo_power = target_m.copy(), target_power.copy()
    most = 1
    for beam in range(len(target_m)):
        most = max(most, first[beam + 1] - first[beam] + 1)
    pulse_m, pulse_power = np.empty(most), np.empty(most)
    cosine, sine = np.empty(most), np.empty(most)
    starts, ends = np.empty(most), np.empty(most)
    order = np.empty(most, np.int64)
    for beam in range(len(target_m)):
        flakes = first[beam + 1] - first[beam]
        if flakes == 0:
            continue
        sort_by_range(flake_m, first[beam], flakes, order)
        blocked_rad, intervals, pulses = 0.0, 0, 0
        for flake in order[:flakes]:
            left = max(centre_rad[flake] - half_width_rad[flake], -divergence_rad / 2)
            right = min(centre_rad[flake] + half_width_rad[flake], divergence_rad / 2)
            free_rad, intervals = take_free_part(left, right, starts, ends, intervals)
            blocked_rad += free_rad
            seen = overlap(flake_m[flake]) * free_rad / divergence_rad
            if seen > 0:
                pulse_m[pulses], pulse_power[pulses] = flake_m[flake], flake_power * seen / flake_m[flake] ** 2
                pulses += 1
        pulse_m[pulses] = target_m[beam]
        pulse_power[pulses] = target_power[beam] * max(1 - blocked_rad / divergence_rad, 0.0)
        pulses += 1
        at_m, echo_power[beam] = highest_peak(pulse_m, pulse_power, pulses, cosine, sine)
        if echo_power[beam] > 0:
            echo_m[beam] = at_m
    return echo_m, echo_power


@numba.njit(cache=True)
def overlap(range_m: float) -> float:
    """Share of an echo from this range that the receiver sees; compiled twin of ``fog_pulse.overlap``."""
    return min(max((range_m - OVERLAP_START_M) / (OVERLAP_FULL_M - OVERLAP_START_M), 0.0), 1.0)


@numba.njit(cache=True)
def sort_by_range(range_m: NDArray[np.float64], first: int, count: int, order: NDArray[np.int64]) -> None:
    """Write the indices ``first .. first + count - 1`` to ``order`` by ascending range; few, so by insertion."""
    for k in range(count):
        place = k
        while place > 0 and range_m[order[place - 1]] > range_m[first + k]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = first + k


@numba.njit(cache=True)
def take_free_part(
    left: float, right: float, starts: NDArray[np.float64], ends: NDArray[np.float64], count: int
) -> tuple[float, int]:
    """Cover [left, right] beside the ``count`` disjoint covered intervals; return the newly covered length, new count.

    ``starts`` and ``ends`` hold the intervals, in no order, and are updated; they need room for one more.
    """
    if right <= left:
        return 0.0, count
    free = right - left
    kept = 0
    for k in range(count):
        if ends[k] < left or starts[k] > right:
            starts[kept], ends[kept] = starts[k], ends[k]
            kept += 1
        else:
            free -= min(ends[k], right) - max(starts[k], left)
            left, right = min(left, starts[k]), max(right, ends[k])
    starts[kept], ends[kept] = left, right
    return max(free, 0.0), kept + 1


@numba.njit(cache=True)
def highest_peak(
    pulse_m: NDArray[np.float64],
    power: NDArray[np.float64],
    count: int,
    cosine: NDArray[np.float64],
    sine: NDArray[np.float64],
) -> tuple[float, float]:
    """Range and height of the maximum of the sum of ``count`` pulses; the range is that of a lone pulse there.

    ``pulse_m`` ascends; ``cosine`` and ``sine`` are scratch of the same length.
    """
    for k in range(count):
        cosine[k] = power[k] * math.cos(_WAVE_PER_M * pulse_m[k])
        sine[k] = power[k] * math.sin(_WAVE_PER_M * pulse_m[k])
    total, real, imaginary = 0.0, 0.0, 0.0
    best, best_m = 0.0, pulse_m[0]
    begun, ended = 0, 0
    while ended < count:
        if begun < count and pulse_m[begun] <= pulse_m[ended] + PULSE_M:
            here_m = pulse_m[begun]
            total, real, imaginary = total + power[begun], real + cosine[begun], imaginary + sine[begun]
            begun += 1
        else:
            here_m = pulse_m[ended] + PULSE_M
            total, real, imaginary = total - power[ended], real - cosine[ended], imaginary - sine[ended]
            ended += 1
        if begun == ended:
            # No pulse is on: drop the rounding that strong near flakes would leave on weak far ones.
            total, real, imaginary = 0.0, 0.0, 0.0
            continue
        height = (total + math.sqrt(real * real + imaginary * imaginary)) / 2
        if height <= best:
            continue
        next_m = pulse_m[ended] + PULSE_M
        if begun < count:
            next_m = min(next_m, pulse_m[begun])
        peak_m = (math.atan2(imaginary, real) + math.pi) / _WAVE_PER_M
        peak_m += math.ceil((here_m - _END_M - peak_m) / PULSE_M) * PULSE_M
        if peak_m <= next_m + _END_M:
            best, best_m = height, peak_m - PULSE_M / 2
    return best_m, best
