"""The Cross Modal Transformer (Yan et al., ICCV 2023, arXiv 2301.01283)."""

from perception3d.models.cmt.box_coder import CMTBoxCoder
from perception3d.models.cmt.detector import CMTDetector
from perception3d.models.cmt.grid_mask import GridMask
from perception3d.models.cmt.head import CMTHead

__all__ = ["CMTBoxCoder", "CMTDetector", "CMTHead", "GridMask"]
