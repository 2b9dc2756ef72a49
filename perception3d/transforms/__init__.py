"""Pipeline transforms in scope "perception3d"; importing this package registers them."""

from perception3d.transforms.corrupt import CorruptPoints
from perception3d.transforms.density import RandomBeams, RandomPointDrop, RandomVisibility
from perception3d.transforms.held_out import RandomCorruption
from perception3d.transforms.loading import LoadLidarLabels, LoadLidarPoints
from perception3d.transforms.mix3d import Mix3D
from perception3d.transforms.noise import NearClutter, RandomIntensity, SelectiveJitter

__all__ = [
    "CorruptPoints",
    "LoadLidarLabels",
    "LoadLidarPoints",
    "Mix3D",
    "NearClutter",
    "RandomBeams",
    "RandomCorruption",
    "RandomIntensity",
    "RandomPointDrop",
    "RandomVisibility",
    "SelectiveJitter",
]
