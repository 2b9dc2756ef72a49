"""spconv as the models use it; the only model file that imports spconv.

Import from here, not from spconv: ``perception3d.models`` repairs spconv's CPU kernels before this file is read.
"""

from spconv.pytorch import (
    SparseConv3d,
    SparseConvTensor,
    SparseInverseConv3d,
    SparseModule,
    SubMConv3d,
)

__all__ = [
    "SparseConv3d",
    "SparseConvTensor",
    "SparseInverseConv3d",
    "SparseModule",
    "SubMConv3d",
]
