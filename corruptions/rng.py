"""One random stream per (seed, corruption, level, sample): the same draws whatever the order and process count."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, corruption: str, level: str, sample: str) -> np.random.Generator:
    """Random generator of one corruption of one sample.

    Args:
        seed: base seed of the whole sweep.
        corruption: name in the catalog.
        level: level name, or the text of physical values (``corruptions.core.level_text``).
        sample: ``SEQ/FRAME`` for SemanticKITTI (e.g. "08/000004"), the file stem for nuScenes.

    Returns:
        A generator that depends on these four and on nothing else.
    """
    key = "\x1f".join((str(int(seed)), corruption, level, sample)).encode()
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(key).digest(), "little")))
