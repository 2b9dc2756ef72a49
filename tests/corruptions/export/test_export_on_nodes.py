"""A node of a cluster checks that it would write the files of this export."""

from __future__ import annotations

import pytest

from corruptions.core import InputError
from corruptions.export.manifest import MANIFEST, installed
from corruptions.export.run import _Node


def test_a_node_must_see_the_export(tmp_path):
    node = _Node(tmp_path, (), {"packages": installed(with_camera=False)})
    with pytest.raises(InputError, match=f"expected {tmp_path / MANIFEST}, found none; --out must be on a file system"):
        node()
    (tmp_path / MANIFEST).write_text("{}")
    node()


@pytest.mark.parametrize("with_camera", [False, True])
def test_a_node_must_have_the_same_packages(tmp_path, with_camera):
    (tmp_path / MANIFEST).write_text("{}")
    packages = installed(with_camera)
    _Node(tmp_path, (), {"packages": packages})()
    name = "opencv" if with_camera else "numpy"
    with pytest.raises(InputError, match=rf"expected the packages .*'{name}': '1.2.3'.*install the same versions on"):
        _Node(tmp_path, (), {"packages": {**packages, name: "1.2.3"}})()
