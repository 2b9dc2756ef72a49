"""What is refused before a Ray cluster does anything; the work on one is tested in tests/tools/test_on_ray.py."""

from __future__ import annotations

import socket
import sys

import pytest

import corruptions
from corruptions.cluster import Refused, _Worker, connected
from corruptions.core import InputError


def refused(address: str) -> str:
    with pytest.raises(InputError) as error, connected(address):
        pass
    return str(error.value)


def test_without_an_address_there_is_no_cluster(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with connected(None) as cluster:
        assert cluster is None


def test_a_missing_ray_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    message = "--ray auto: expected the package ray, found none; install the extra cluster: "
    assert refused("auto") == f"{message}pip install 'perception3d[cluster]'"


def test_addresses_where_no_cluster_is(monkeypatch, tmp_path):
    pytest.importorskip("ray", reason="needs the extra cluster: pip install 'perception3d[cluster]'")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where a cluster of this machine would have noted its address
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert f"--ray 127.0.0.1:{port}: expected a Ray cluster, found: [Errno 111] Connection" in refused(
        f"127.0.0.1:{port}"
    )
    assert "--ray nonsense: expected a Ray cluster, found: Invalid address format: nonsense" in refused("nonsense")
    assert "run the command on a node of the cluster" in refused("ray://127.0.0.1:10001")


def test_nodes_that_differ_are_named(tmp_path):
    gone, same = str(tmp_path / "gone"), corruptions.__version__
    (message,) = vars(_Worker([], gone, [], same).prepare()).values()
    assert (
        f"expected the folder {gone} of the command, found: No such file or directory; every node must see" in message
    )
    found = _Worker([], str(tmp_path), [], "0.9").prepare()
    assert isinstance(found, Refused)
    assert (
        f"expected version 0.9 of the corruption engine, found {same}; install the same on every node" in found.message
    )
