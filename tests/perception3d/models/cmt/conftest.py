import os
from pathlib import Path

import pytest
from cmt_world import ROOT, KnownAnswers
from mmengine.registry import init_default_scope


@pytest.fixture
def known():
    """Loader of known answers of the published implementation: known("A_fused_head_eval")."""
    folder = Path(os.environ.get("PERCEPTION3D_FIXTURES", ROOT.parent / "shared" / "fixtures")) / "cmt"
    if not folder.is_dir():
        pytest.skip(f"no known answers at {folder}; set PERCEPTION3D_FIXTURES")
    return lambda name: KnownAnswers(folder, name)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmdet3d")
