"""Mix3D: two scans as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from corruptions.core import InputError
from perception3d.registry import TRANSFORMS
from perception3d.transforms.augmentation import LABELS, Augmentation


@TRANSFORMS.register_module()
class Mix3D(Augmentation):
    """The union of this scan and a random other one, each augmented on its own before.

    Nekrasov et al., "Mix3D: Out-of-Context Data Augmentation for 3D Scenes", 3DV 2021, section 3. Like mmdet3d's
    PolarMix and LaserMix it takes the other scan from ``results["dataset"]``, which mmdet3d's segmentation datasets
    pass on in training. The other scan passes through the transforms that stand before Mix3D in that dataset's
    pipeline, so they need not be written twice.

    Args:
        prob: chance that a scan is mixed.

    Raises:
        InputError: for a sample without ``dataset``, or a dataset whose pipeline does not hold this transform.
    """

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """Append the points and labels of the other scan."""
        dataset = results.get("dataset")
        if dataset is None:
            raise InputError("Mix3D: expected the dataset in the sample, found none; use it in a training pipeline")
        other = dataset.get_data_info(other_index(rng, results.get("sample_idx"), len(dataset)))
        other["dataset"] = dataset
        for transform in self._before(dataset):
            other = transform(other)
        points = results["points"]
        results["points"] = points.cat([points, other["points"]])
        for key in LABELS:
            if key in results:
                results[key] = np.concatenate([results[key], other[key]])
        return results

    def _before(self, dataset: Any) -> list[Any]:
        transforms = dataset.pipeline.transforms
        for position, transform in enumerate(transforms):
            if transform is self:
                return transforms[:position]
        raise InputError(
            "Mix3D: expected itself in the pipeline of the dataset, found only "
            f"{', '.join(type(transform).__name__ for transform in transforms)}; do not nest it in another transform"
        )


def other_index(rng: np.random.Generator, own: int | None, count: int) -> int:
    """A random index below ``count``, not the scan's own where there is another."""
    if own is None or count == 1:
        return int(rng.integers(count))
    return int((own + rng.integers(1, count)) % count)
