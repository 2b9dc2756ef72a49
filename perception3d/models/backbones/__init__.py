"""Image backbones that mmdet does not have."""

from perception3d.models.backbones.vovnet import VoVNet

__all__ = ["VoVNet"]
