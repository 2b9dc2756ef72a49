"""Puts objects beside the street, block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.blocks import Lot
from perception3d.simulation.labels import is_thing
from perception3d.simulation.mesh import Mesh
from perception3d.simulation.scene import Placed, object_gain
from perception3d.simulation.street import Frame, Street

INSTANCES_PER_BLOCK = 100
STATIC_INSTANCES = 60_000  # ids above are left to what moves


class Builder:
    """Collects the objects of one block; ``at`` puts one beside the street."""

    def __init__(self, frame: Frame, street: Street, index: int) -> None:
        self.frame, self.street, self.index = frame, street, index
        self.rng = street.rng("block", index)
        self.placed: list[Placed] = []
        self._things = 0

    def add(self, mesh: Mesh) -> None:
        """Add a mesh that already lies in the world."""
        self._things += bool(is_thing(mesh.label).any())
        # Ids come round again after 600 blocks (19 km), far out of sight of each other.
        instance = 1 + (self.index * INSTANCES_PER_BLOCK + self._things) % STATIC_INSTANCES
        self.placed.append(Placed(mesh, instance, object_gain(self.rng)))

    def at(self, mesh: Mesh, s: float, d: float, turn_rad: float, lift_m: float) -> None:
        """Stand a mesh at (s, d), turned against the direction of the street."""
        yaw = self.frame.yaw_rad(s) + turn_rad
        pitch = self.frame.pitch_rad(s) * np.cos(turn_rad)
        self.add(mesh.placed(self.frame.points(s, d, lift_m), yaw, pitch))

    def beside(
        self, lot: Lot, mesh: Mesh, s: float, out_m: float, turn_rad: float = 0.0, lift_m: float | None = None
    ) -> None:
        """Stand a mesh ``out_m`` from the centre line on the side of a lot, its y axis away from the street."""
        facing = 0.0 if lot.side > 0 else np.pi
        self.at(mesh, s, lot.side * out_m, facing + turn_rad, lot.lift_m if lift_m is None else lift_m)

    def traffic_facing(self, lot: Lot, mesh: Mesh, s: float, out_m: float) -> None:
        """Stand a sign so that it faces the traffic on its side of the street, a little askew."""
        driving = 0.0 if lot.side < 0 else np.pi
        self.at(mesh, s, lot.side * out_m, driving + self.rng.normal(0, 0.12), lot.lift_m)

    def spots(self, lot: Lot, spacing_m: float, margin_m: float = 1.0) -> NDArray[np.float64]:
        """Irregular positions along a lot, about ``spacing_m`` and never less than half of that apart."""
        count = max(0, int((lot.length_m - 2 * margin_m) / spacing_m))
        spacing = (lot.length_m - 2 * margin_m) / max(count, 1)
        jitter = self.rng.uniform(-0.25, 0.25, count)
        return lot.start_m + margin_m + (np.arange(count) + 0.5 + jitter) * spacing
