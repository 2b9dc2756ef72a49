"""Hooks in scope "perception3d"; importing this package registers them."""

from perception3d.hooks.fade import FadeObjectsHook
from perception3d.hooks.pictures import DetectionPictureHook, SegmentationPictureHook

__all__ = ["DetectionPictureHook", "FadeObjectsHook", "SegmentationPictureHook"]
