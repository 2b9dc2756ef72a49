"""Robustness scores: pure functions over plain numbers.

A setting without a result is None, and None makes every mean over it None: a mean over what happens to be there would
compare with nothing.

* SemanticKITTI-C (Yan et al., IJCV 2024): per type R = mIoU / clean mIoU; RmIoU and mR are means over the six types,
  each first averaged over its levels. They are not means over the 16 settings.
* Robo3D (Kong et al., ICCV 2023): CE and RR per corruption from sums over levels; mCE and mRR.
* MultiCorrupt (Beemelmanns et al., IV 2024): RA and RRA per corruption; mRA and mRRA.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Score = float | None
Levels = Mapping[str, Sequence[Score]]


def mean(values: Iterable[Score]) -> Score:
    """Mean, or None when a value is missing or there are none."""
    known: list[float] = []
    for value in values:
        if value is None:
            return None
        known.append(value)
    return sum(known) / len(known) if known else None


def group_means(scores: Mapping[str, Score], groups: Mapping[str, Iterable[str]]) -> dict[str, Score]:
    """Mean score of each group: of a type over its settings, or of a group over its types.

    Args:
        scores: score by setting or type; one that is not there counts as missing.
        groups: members of each group, e.g. ``SEMANTICKITTI_C.types`` or ``SEMANTICKITTI_C.groups``.

    Returns:
        Mean by group, in the order of ``groups``.
    """
    return {group: mean(scores.get(member) for member in members) for group, members in groups.items()}


def resilience(type_miou: Mapping[str, Score], clean: Score) -> dict[str, Score]:
    """R of SemanticKITTI-C: mIoU of each type in per cent of the clean mIoU."""
    return {name: _percent(miou, clean) for name, miou in type_miou.items()}


def rmiou(type_miou: Mapping[str, Score]) -> Score:
    """RmIoU of SemanticKITTI-C: mean mIoU over the types."""
    return mean(type_miou.values())


def mr(type_miou: Mapping[str, Score], clean: Score) -> Score:
    """The score mR of SemanticKITTI-C in per cent: mean R over the types."""
    return mean(resilience(type_miou, clean).values())


def corruption_errors(miou: Levels, baseline: Levels) -> dict[str, Score]:
    """CE of Robo3D in per cent: ``sum(100 - mIoU) / sum(100 - mIoU of the baseline)`` over the levels.

    Args:
        miou: mIoU in per cent by corruption and level.
        baseline: the same of the baseline model, with as many levels.

    Returns:
        CE by corruption, in the order of ``miou``.
    """
    return {
        name: _percent(_total(_errors(levels)), _total(_errors(_same_levels(name, levels, baseline))))
        for name, levels in miou.items()
    }


def mce(miou: Levels, baseline: Levels) -> Score:
    """The score mCE of Robo3D in per cent; the baseline has 100, less is better."""
    return mean(corruption_errors(miou, baseline).values())


def resilience_rates(miou: Levels, clean: Score) -> dict[str, Score]:
    """RR of Robo3D in per cent: mean mIoU over the levels of each corruption, relative to the clean mIoU."""
    return {name: _percent(mean(levels), clean) for name, levels in miou.items()}


def mrr(miou: Levels, clean: Score) -> Score:
    """The score mRR of Robo3D in per cent."""
    return mean(resilience_rates(miou, clean).values())


def resistance_abilities(metric: Levels, clean: Score) -> dict[str, Score]:
    """RA of MultiCorrupt as a fraction: mean over the levels of metric / clean metric.

    Args:
        metric: NDS or mAP by corruption and level.
        clean: the same metric on clean data.
    """
    return {name: _ratio(mean(levels), clean) for name, levels in metric.items()}


def mra(metric: Levels, clean: Score) -> Score:
    """The score mRA of MultiCorrupt as a fraction."""
    return mean(resistance_abilities(metric, clean).values())


def relative_resistance_abilities(metric: Levels, baseline: Levels) -> dict[str, Score]:
    """RRA of MultiCorrupt in per cent: ``sum(metric) / sum(metric of the baseline) - 1`` over the levels.

    Args:
        metric: NDS or mAP by corruption and level.
        baseline: the same of the baseline model, with as many levels.
    """
    gains: dict[str, Score] = {}
    for name, levels in metric.items():
        percent = _percent(_total(levels), _total(_same_levels(name, levels, baseline)))
        gains[name] = None if percent is None else percent - 100
    return gains


def mrra(metric: Levels, baseline: Levels) -> Score:
    """The score mRRA of MultiCorrupt in per cent; the baseline has 0, more is better."""
    return mean(relative_resistance_abilities(metric, baseline).values())


def _errors(levels: Sequence[Score]) -> list[Score]:
    return [None if miou is None else 100 - miou for miou in levels]


def _total(values: Sequence[Score]) -> Score:
    average = mean(values)
    return None if average is None else average * len(values)


def _ratio(value: Score, reference: Score) -> Score:
    return None if value is None or reference is None or reference == 0 else value / reference


def _percent(value: Score, reference: Score) -> Score:
    ratio = _ratio(value, reference)
    return None if ratio is None else 100 * ratio


def _same_levels(name: str, levels: Sequence[Score], baseline: Levels) -> Sequence[Score]:
    """The baseline's levels of a corruption, or as many missing ones when it has not got it."""
    reference = baseline.get(name, [None] * len(levels))
    if len(reference) != len(levels):
        raise ValueError(f"{name}: expected as many levels as the baseline has ({len(reference)}), found {len(levels)}")
    return reference
