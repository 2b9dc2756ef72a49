"""Pipeline transforms in scope "perception3d"; importing this package registers them."""

from perception3d.transforms.bev_augment import AugmentBEV
from perception3d.transforms.corrupt import CorruptPoints
from perception3d.transforms.corrupt_sample import DelaySensors, MisalignCameras
from perception3d.transforms.corrupt_sweeps import LoadCorruptedSweeps
from perception3d.transforms.corrupt_views import CorruptViews
from perception3d.transforms.density import RandomBeams, RandomPointDrop, RandomVisibility
from perception3d.transforms.held_out import RandomCorruption
from perception3d.transforms.image_augment import ResizeCropFlipImages
from perception3d.transforms.lidar_sweeps import LoadLidarSweeps
from perception3d.transforms.loading import LoadLidarLabels, LoadLidarPoints
from perception3d.transforms.missing_sensors import DropSensors, ModalMask
from perception3d.transforms.mix3d import Mix3D
from perception3d.transforms.noise import NearClutter, RandomIntensity, SelectiveJitter
from perception3d.transforms.object_sample import SampleObjects
from perception3d.transforms.packing import PackMultiModalInputs
from perception3d.transforms.view_loading import LoadMultiViewImages

__all__ = [
    "AugmentBEV",
    "CorruptPoints",
    "CorruptViews",
    "DelaySensors",
    "DropSensors",
    "LoadCorruptedSweeps",
    "LoadLidarLabels",
    "LoadLidarPoints",
    "LoadLidarSweeps",
    "LoadMultiViewImages",
    "MisalignCameras",
    "Mix3D",
    "ModalMask",
    "NearClutter",
    "PackMultiModalInputs",
    "RandomBeams",
    "RandomCorruption",
    "RandomIntensity",
    "RandomPointDrop",
    "RandomVisibility",
    "ResizeCropFlipImages",
    "SampleObjects",
    "SelectiveJitter",
]
