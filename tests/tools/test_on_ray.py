"""The tools on a Ray cluster of two nodes on this machine: the same files as from one process, whatever dies."""

import hashlib
import importlib.util
import re
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="needs the extra cluster: pip install 'perception3d[cluster]'")

from ray_items import Work  # noqa: E402
from sweep_world import rows_and_scenes, write_mortal, write_world  # noqa: E402

from corruptions.cluster import ATTEMPTS, Lost, connected  # noqa: E402
from corruptions.core import InputError  # noqa: E402
from perception3d.launch import run  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NODE = dict(num_cpus=1, object_store_memory=80 * 2**20)


@pytest.fixture(scope="module")
def nodes():
    """Two nodes with a core each."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="ray")  # names of sockets have at most 107 bytes: pytest's folders are too deep
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        started = Cluster(initialize_head=True, head_node_args=dict(include_dashboard=False, **NODE))
        started.add_node(**NODE)
        yield started
        started.shutdown()
    shutil.rmtree(folder)


@pytest.fixture
def cluster(nodes):
    with connected(nodes.address) as cluster:
        yield cluster


def main(tool, *arguments):
    """Run a tool as from the command line; returns its exit status."""
    spec = importlib.util.spec_from_file_location(f"{tool}_on_ray", ROOT / "tools" / f"{tool}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        run(lambda: module.main([str(word) for word in arguments]))
    except SystemExit as end:
        return end.code
    return 0


def test_faults_pass_and_room_is_needed(cluster, tmp_path):
    with pytest.raises(ZeroDivisionError, match="^a$"):
        list(cluster.spread(Work(tmp_path), ["wrong:a"]))
    with pytest.raises(InputError, match="expected a node with 2 cores and a GPU, found none"):
        list(cluster.spread(Work(tmp_path), ["do:a"], cpus=2, gpus=1))
    assert (cluster.places(1), cluster.places(2), cluster.most_cpus(), cluster.gpus()) == (2, 0, 1, False)


def test_what_dies_is_done_by_another(cluster, nodes, tmp_path):
    items = ["mortal:a", "do:b", "fatal:c", "wait:d", "wait:e", "do:f", "wait:g"]
    lost_node = nodes.add_node(**NODE)

    def workers_that_wait():
        pids = [path.read_text().split()[-1] for path in tmp_path.glob("[deg].starts")]
        return sum(Path(f"/proc/{pid}").exists() for pid in pids)

    def lose_a_node():
        for count in (3, 2):  # on each node one; then the lost one is gone
            deadline_s = time.monotonic() + 30
            while workers_that_wait() != count and time.monotonic() < deadline_s:
                time.sleep(0.05)
            if count == 3:
                nodes.remove_node(lost_node, allow_graceful=False)
        (tmp_path / "go").touch()

    with ThreadPoolExecutor() as pool:
        losing = pool.submit(lose_a_node)
        results = {items[index]: result for index, result in cluster.spread(Work(tmp_path), items)}
        losing.result()
    assert sorted(results) == sorted(items)
    starts = {path.stem: path.read_text().split() for path in tmp_path.glob("*.starts")}
    assert len(starts["a"]) == 2 and len(set(starts["a"])) == 2
    assert len(starts["c"]) == ATTEMPTS
    assert sorted(len(starts[name]) for name in "deg") == [1, 1, 2]  # the lost one is done elsewhere
    lost = results.pop("fatal:c")
    assert isinstance(lost, Lost)
    assert lost.reason.startswith(f"{ATTEMPTS} workers died over this, the last by ActorDiedError: The actor died")
    assert [name for name, _, _ in results.values()] == [item[-1] for item in results]
    assert {prepared for _, _, prepared in results.values()} == {1}  # each worker once, not for each item


@pytest.mark.parametrize(
    ("work", "items", "message"),
    [
        ("input", ["do:a"], "^scans.txt: expected scans, found none$"),
        ("", ["do:a", "bad:b"], "^b: expected finite values$"),
        ("die", ["do:a"], "3 workers of the cluster died before their first item, the last by ActorDiedError"),
    ],
)
def test_bad_input_ends_the_work(cluster, tmp_path, monkeypatch, work, items, message):
    monkeypatch.setattr("corruptions.cluster.LOOK_EVERY_S", 0.2)
    with pytest.raises(InputError, match=message):
        list(cluster.spread(Work(tmp_path, work), items))


def test_an_export_has_the_same_bytes(nodes, tmp_path):
    root = write_world(tmp_path)[0].parent / "kitti"
    words = ["semantickitti", "--root", root, "--corruptions", "noise", "--clean"]
    assert main("corrupt", *words, "--out", tmp_path / "one") == 0
    assert main("corrupt", *words, "--out", tmp_path / "ray", "--ray", nodes.address) == 0
    trees = [
        {path.relative_to(out): hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*.*")}
        for out in (tmp_path / "one", tmp_path / "ray")
        if (out / "SemanticKITTI-C").is_dir()
    ]
    assert trees[0] == trees[1]
    assert len(trees[0]) == 7 * 3 * 2 + 2


def test_a_sweep_has_the_same_rows_though_a_worker_dies(nodes, tmp_path, capsys):
    config, checkpoint = write_world(tmp_path)
    mortal, file = write_mortal(config)
    words = [mortal, checkpoint, "--corruptions", "local_distortion", "--work-dir"]
    assert main("sweep", *words, tmp_path / "one") == 0
    file.touch()
    assert main("sweep", *words, tmp_path / "ray", "--ray", nodes.address) == 0
    assert not file.exists()
    assert rows_and_scenes(tmp_path / "ray") == rows_and_scenes(tmp_path / "one")
    assert len(rows_and_scenes(tmp_path / "one")) == 4 * 2
    printed = capsys.readouterr().out
    assert re.search(r"^Ray cluster with room for [23] models, 1 core each$", printed, re.MULTILINE)
    assert "[4/4] " in printed
    assert {path.name for path in (tmp_path / "ray").iterdir()} == {"rows", "examples", "semantickitti_c.md"}
