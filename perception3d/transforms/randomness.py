"""Where training augmentations take their random numbers from."""

from __future__ import annotations

import numpy as np
import torch


def next_generator() -> np.random.Generator:
    """A generator for one sample, seeded from torch's stream.

    mmengine seeds that stream from ``randomness.seed``, the rank and the worker, so a run repeats; what a sample draws
    does not depend on how many numbers the transforms before it took.
    """
    return np.random.default_rng(int(torch.randint(2**63 - 1, ())))
