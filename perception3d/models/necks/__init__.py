"""Necks that mmdet does not have."""

from perception3d.models.necks.cpfpn import CPFPN

__all__ = ["CPFPN"]
