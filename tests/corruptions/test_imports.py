"""Imports run one way, and `import corruptions` costs next to nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import corruptions

PACKAGE = Path(corruptions.__file__).parent
ABOVE = {"torch", "mmengine", "mmcv", "mmdet", "mmdet3d", "perception3d", "tools"}
SLOW = {"scipy", "numba", "cv2"}


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in ``sys.modules`` of a fresh interpreter after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("statement", ["import corruptions", "import corruptions.catalog, corruptions.suites"])
def test_import_is_light(statement: str) -> None:
    assert not loaded_by(statement) & (ABOVE | SLOW)


def test_import_leaves_the_catalog_alone() -> None:
    code = "import corruptions, sys\nassert not any('weather' in name or 'catalog' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=True, timeout=60)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_upwards(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            imported.add(node.module.partition(".")[0])
    assert not imported & ABOVE
