import os

import pytest

from corruptions.core import InputError
from perception3d.robustness.rows import (
    read_row,
    read_rows,
    read_suites,
    refuse_other_fingerprint,
    row_path,
    write_atomically,
    write_row,
)


def test_a_row_comes_back_as_it_was_written(tmp_path, make_row):
    for row in (make_row("fog_heavy", 41.25), make_row("clean_data", None)):
        path = write_row(tmp_path, row)
        assert path == tmp_path / "rows" / "semantickitti_c" / f"{row.setting['folder']}.json"
        assert read_row(path) == row
    assert sorted(read_rows(tmp_path, "semantickitti_c")) == ["clean_data", "fog_heavy"]
    assert read_suites(tmp_path) == ["semantickitti_c"]
    assert read_rows(tmp_path, "robo3d") == {}


def test_an_interrupted_write_leaves_the_old_row_and_nothing_else(tmp_path, make_row, monkeypatch):
    path = write_row(tmp_path, make_row("fog_heavy", 41.25))

    def stop(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_row(tmp_path, make_row("fog_heavy", 10.0))
    assert read_row(path).score.metrics["mIoU_present"] == 41.25
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("size", [0, 10, 400])
def test_a_truncated_row_is_named_with_the_remedy(tmp_path, make_row, size):
    path = write_row(tmp_path, make_row("fog_heavy", 41.25))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=rf"fog_heavy\.json: expected a whole row .* found {size} bytes .* delete"):
        read_rows(tmp_path, "semantickitti_c")


def test_a_file_that_is_no_row_is_refused(tmp_path, make_row):
    path = write_row(tmp_path, make_row("fog_heavy", 41.25))
    whole = path.read_text()
    path.write_text(whole.replace('"fingerprint"', '"print"'))
    with pytest.raises(InputError, match="KeyError: 'fingerprint'"):
        read_row(path)
    path.write_text(whole.replace('"error": null', '"error": {"message": "", "traceback": ""}'))
    with pytest.raises(InputError, match="expected a score or an error, found both or neither"):
        read_row(path)


def test_a_renamed_row_is_refused(tmp_path, make_row):
    path = write_row(tmp_path, make_row("fog_heavy", 41.25))
    path.rename(path.with_name("fog_light.json"))
    with pytest.raises(InputError, match="expected the row of semantickitti_c/fog_light, found .*/fog_heavy"):
        read_rows(tmp_path, "semantickitti_c")


def test_a_folder_without_rows_is_named(tmp_path):
    with pytest.raises(InputError, match="expected rows of a sweep"):
        read_suites(tmp_path)


def test_unwritable_places_are_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match=r"file/row\.json: expected to write this file, found: "):
        write_atomically(blocked / "row.json", b"")


@pytest.mark.parametrize("name", ["seed", "config", "checkpoint", "data", "engine"])
def test_rows_of_another_run_are_refused(tmp_path, make_row, name):
    ours = make_row("clean_data", 50.0)
    theirs = make_row("fog_heavy", 50.0, **{name: 7 if name == "seed" else "0123456789abcdef"})
    refuse_other_fingerprint([ours], ours.fingerprint, tmp_path)
    with pytest.raises(InputError) as refusal:
        refuse_other_fingerprint([ours, theirs], ours.fingerprint, tmp_path)
    message = str(refusal.value)
    assert message.startswith(f"{row_path(tmp_path, 'semantickitti_c', 'fog_heavy')}: ")
    assert f"({name} {7 if name == 'seed' else '0123456789ab'})" in message
    assert message.endswith("choose another --work-dir")
    for other in {"seed", "config", "checkpoint", "data", "engine"} - {name}:
        assert f"({other} " not in message
