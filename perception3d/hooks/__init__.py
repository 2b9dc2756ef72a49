"""Hooks in scope "perception3d"; importing this package registers them."""

from perception3d.hooks.pictures import SegmentationPictureHook

__all__ = ["SegmentationPictureHook"]
