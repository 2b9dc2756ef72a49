"""Corruptions as augmentation, without those that the benchmark scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from corruptions import catalog
from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C
from perception3d.registry import TRANSFORMS
from perception3d.transforms.augmentation import Augmentation, check_span
from perception3d.transforms.corrupt import CorruptPoints

SCORED = frozenset(setting.corruption for setting in SEMANTICKITTI_C.settings)
"""Corruptions whose settings make the scores of SemanticKITTI-C."""

TWINS: Mapping[str, str] = {"cross_sensor": "beam_reduction", "impulse_noise": "local_distortion"}
"""Corruptions that do nearly the same under another name: cross_sensor keeps every n-th beam by beam_reduction's own
code, impulse_noise displaces a share of the points, each alone, by about the scored distances."""

HELD_OUT = SCORED | set(TWINS)
"""Corruptions that no model scored on SemanticKITTI-C may see in training, at any level or parameter."""


def check_trainable(corruption: str) -> None:
    """Raise :class:`InputError` for a corruption that is scored, or a twin of one."""
    if corruption in HELD_OUT:
        why = f"a twin of {TWINS[corruption]}, which is" if corruption in TWINS else "which is"
        allowed = ", ".join(sorted(set(catalog.CATALOG) - HELD_OUT - {"missing_lidar"}))
        raise InputError(
            f"training on {corruption}: {why} scored by SemanticKITTI-C and therefore held out; allowed: {allowed}"
        )


@TRANSFORMS.register_module()
class RandomCorruption(Augmentation):
    """One corruption of a list, with random physical values. Directly after the labels, before rotations and flips.

    Args:
        choices: ``dict(corruption=NAME, PARAMETER=(least, most), ...)`` each; one is drawn, its parameters uniform
            (whole numbers where both bounds are).
        prob: chance that it acts on a scan.
        fill, label_set, intensity_max, sensor, ring_dim: as for ``CorruptPoints``.

    Raises:
        InputError: for an unknown corruption or parameter, or a corruption that is held out (:data:`HELD_OUT`).
    """

    def __init__(
        self,
        choices: Sequence[Mapping[str, Any]],
        prob: float = 0.3,
        fill: int = 19,
        label_set: str = "semantickitti_19",
        intensity_max: float = 1.0,
        sensor: str = "HDL-64E",
        ring_dim: int | None = None,
    ) -> None:
        super().__init__(prob)
        if not choices:
            raise InputError("choices: expected at least one corruption, found none")
        self.choices = [dict(choice) for choice in choices]
        self.settings: dict[str, Any] = dict(
            fill=fill, label_set=label_set, intensity_max=intensity_max, sensor=sensor, ring_dim=ring_dim
        )
        for choice in self.choices:
            name, spans = _parts(choice)
            check_trainable(name)
            catalog.get(name).parameters(None, {key: least for key, (least, _) in spans.items()})

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """Draw a corruption and its values, and apply it with its own label rule."""
        name, spans = _parts(self.choices[rng.integers(len(self.choices))])
        parameters = {key: draw_value(rng, *span) for key, span in spans.items()}
        seed = int(rng.integers(2**31))
        return CorruptPoints(name, seed=seed, parameters=parameters, **self.settings).transform(results)


def draw_value(rng: np.random.Generator, least: float, most: float) -> float | int:
    """A uniform draw, a whole number where both bounds are whole numbers."""
    if isinstance(least, int) and isinstance(most, int):
        return int(rng.integers(least, most + 1))
    return float(rng.uniform(least, most))


def _parts(choice: Mapping[str, Any]) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """Name of the corruption and the span of each parameter."""
    if "corruption" not in choice:
        raise InputError(f"choices: expected dict(corruption=NAME, PARAMETER=(least, most)), found {dict(choice)}")
    spans = {key: tuple(span) for key, span in choice.items() if key != "corruption"}
    for key, span in spans.items():
        check_span(f"{choice['corruption']} {key}", span, -np.inf, np.inf)
    return str(choice["corruption"]), spans
