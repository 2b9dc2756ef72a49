"""Placed meshes as a scene for ray casting (Open3D), with what each ray met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.appearance import Appearance, appearance
from perception3d.simulation.labels import is_thing
from perception3d.simulation.materials import column
from perception3d.simulation.mesh import Mesh


@dataclass(frozen=True)
class Placed:
    """A mesh in the world.

    Attributes:
        mesh: vertices in the world frame.
        instance: instance id, 1..65535, given to the triangles of thing classes; 0 for things that are never counted.
        gain: float32 (M,) factor on the remission of each material on this object.
        speed_mps: how fast it drives or walks along its own x axis; None for what is put there to stand.
    """

    mesh: Mesh
    instance: int
    gain: NDArray[np.float32]
    speed_mps: float | None = None


def object_gain(rng: np.random.Generator) -> NDArray[np.float32]:
    """(M,) remission of one object relative to the usual remission of each material."""
    return np.exp(rng.normal(0.0, column("object_sigma"))).astype(np.float32)


@dataclass(frozen=True)
class Hits:
    """What N rays met first; entries of rays that met nothing have an infinite range and label 0.

    Attributes:
        range_m: float32 (N,) distance along the ray.
        cos_incidence: float32 (N,) cosine of the angle between the ray and the surface normal.
        label: uint16 (N,) original SemanticKITTI id.
        instance: uint16 (N,) instance id, 0 for stuff.
        material: uint8 (N,) ``Material``.
        gain: float32 (N,) remission of the object relative to its material's.
    """

    range_m: NDArray[np.float32]
    cos_incidence: NDArray[np.float32]
    label: NDArray[np.uint16]
    instance: NDArray[np.uint16]
    material: NDArray[np.uint8]
    gain: NDArray[np.float32]


class Scene:
    """Meshes ready for ray casting, on one thread: parallelism is by process."""

    def __init__(self, objects: Sequence[Placed]) -> None:
        import open3d  # two seconds; only those who cast pay for it

        self._tensor: Any = open3d.core.Tensor
        self._caster = open3d.t.geometry.RaycastingScene(nthreads=1)
        objects = [placed for placed in objects if len(placed.mesh.triangles)]
        self.objects = tuple(objects)
        self.label, self.material, self.gain, self.instance = _attributes(objects)
        if objects:
            starts = np.cumsum([0] + [len(placed.mesh.vertices) for placed in objects])
            vertices = np.concatenate([placed.mesh.vertices for placed in objects]).astype(np.float32)
            triangles = np.concatenate(
                [placed.mesh.triangles + start for placed, start in zip(objects, starts, strict=False)]
            ).astype(np.uint32)
            self._caster.add_triangles(self._tensor(vertices), self._tensor(triangles))

    def cast(self, origins: NDArray[np.float64], directions: NDArray[np.float64]) -> Hits:
        """The first surface on each ray.

        Args:
            origins: (N, 3) in the frame of the placed meshes.
            directions: (N, 3) unit vectors.
        """
        count = len(directions)
        if not len(self.label):
            nothing = np.zeros(count, np.float32)
            return Hits(nothing + np.inf, nothing, nothing.astype(np.uint16), nothing.astype(np.uint16),
                        nothing.astype(np.uint8), nothing)  # fmt: skip
        rays = np.concatenate([origins, directions], axis=1).astype(np.float32)
        answer = self.trace(rays)
        range_m = answer["t_hit"]
        met = np.isfinite(range_m)
        triangle = np.where(met, answer["primitive_ids"], 0)
        cosine = np.abs(np.einsum("ij,ij->i", answer["primitive_normals"], rays[:, 3:]))
        return Hits(
            range_m=range_m,
            cos_incidence=np.where(met, cosine, 0).astype(np.float32),
            label=np.where(met, self.label[triangle], 0).astype(np.uint16),
            instance=np.where(met, self.instance[triangle], 0).astype(np.uint16),
            material=self.material[triangle],
            gain=self.gain[triangle],
        )

    def trace(self, rays: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """What rays (N, 6), origin and direction, meet first in a scene that is not empty.

        Returns:
            float32 ``t_hit`` (N,) in lengths of the direction, infinite for nothing; uint32 ``primitive_ids`` (N,);
            float32 ``primitive_uvs`` (N, 2), weights of the second and third vertex; ``primitive_normals`` (N, 3).
        """
        return {
            name: value.numpy()
            for name, value in self._caster.cast_rays(self._tensor.from_numpy(rays), nthreads=1).items()
        }

    def occluded(self, rays: NDArray[np.float32], within_m: float = float("inf")) -> NDArray[np.bool_]:
        """Which rays (N, 6) meet anything, ``within_m`` lengths of their direction."""
        if not len(self.label):
            return np.zeros(len(rays), bool)
        return self._caster.test_occlusions(self._tensor.from_numpy(rays), tfar=within_m, nthreads=1).numpy()

    @cached_property
    def looks(self) -> Appearance:
        """How the triangles look; only cameras ask."""
        return appearance(self.objects)


def _attributes(
    objects: Sequence[Placed],
) -> tuple[NDArray[np.uint16], NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint16]]:
    """Label, material, gain and instance of each triangle of the scene."""
    label = np.concatenate([np.zeros(0, np.uint16), *[placed.mesh.label for placed in objects]])
    material = np.concatenate([np.zeros(0, np.uint8), *[placed.mesh.material for placed in objects]])
    gain = np.concatenate([np.zeros(0, np.float32), *[placed.gain[placed.mesh.material] for placed in objects]])
    counts = [len(placed.mesh.triangles) for placed in objects]
    instance = np.repeat(np.array([placed.instance for placed in objects], np.uint16), counts)
    return label, material, gain, np.where(is_thing(label), instance, 0).astype(np.uint16)


def nearer(first: Hits, second: Hits) -> Hits:
    """Of two answers to the same rays, the one met first."""
    take = second.range_m < first.range_m
    merged = {name: np.where(take, getattr(second, name), getattr(first, name)) for name in first.__dataclass_fields__}
    return Hits(**merged)
