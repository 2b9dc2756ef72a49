"""The corruption engine: LiDAR and camera corruptions with numpy and numba, usable without torch."""

from __future__ import annotations

from corruptions.core import ADDED, KEPT, MOVED, Corrupted, Corruption, InputError, Scan, level_text
from corruptions.rng import generator

# Version of the bytes: it changes when any corruption makes other bytes from the same seed.
__version__ = "1.1.0"

__all__ = ["ADDED", "KEPT", "MOVED", "Corrupted", "Corruption", "InputError", "Scan", "corrupt"]


def corrupt(
    scan: Scan, name: str, level: str | None = None, *, seed: int, sample: str, **physical: float | int | str | bool
) -> Corrupted:
    """Corrupt one LiDAR sweep: ``corrupt(scan, "fog", alpha_per_m=0.037, seed=0, sample="08/000004")``.

    Args:
        scan: the sweep; it is not written to.
        name: corruption in ``corruptions.catalog``.
        level: named level of the corruption, e.g. "heavy"; may be left out when physical values say it all.
        seed: base seed of the whole sweep.
        sample: name of the sweep within its data set: ``SEQ/FRAME`` for SemanticKITTI, the file stem for nuScenes.
        physical: parameters of the corruption by name; they replace those of the level.

    Returns:
        The corrupted sweep; the same bytes for the same arguments, whatever was corrupted before.

    Raises:
        InputError: for an unknown name, level or parameter (with near matches), or a value out of range.
    """
    # Here and not above: `import corruptions` need not pay for every model.
    from corruptions.catalog import get

    return get(name)(scan, generator(seed, name, level_text(level, physical), sample), level, **physical)
