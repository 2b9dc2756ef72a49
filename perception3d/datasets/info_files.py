"""Info files of mmdet3d: written together, and found outside the data set too."""

from __future__ import annotations

import contextlib
import os
import os.path as osp
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from corruptions.core import InputError

INFO_VERSION = "1.1"


def write_info_files(contents: Mapping[Path, Mapping[str, Any]]) -> None:
    """Write info files; none takes its place before all are complete.

    Args:
        contents: ``metainfo`` and ``data_list`` by path.

    Raises:
        InputError: when a folder cannot be written.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path].write_bytes(pickle.dumps(dict(content), protocol=4))
        for path in contents:
            os.replace(temporary[path], path)
    except OSError as error:
        raise InputError(
            f"{path.parent}: expected a folder to write info files to, found: {error.strerror}; choose another "
            "--out-dir"
        ) from None
    finally:
        for path in temporary.values():
            with contextlib.suppress(OSError):  # moved away already, or never made
                path.unlink()


class InfoFileDataset(BaseDataset):
    """A relative ``ann_file`` lies below ``data_root`` as in mmdet3d, else below the working directory.

    Info files stay outside a data set that may be read-only or shared.
    """

    ann_file: str

    def _join_prefix(self) -> None:
        given = self.ann_file
        super()._join_prefix()
        if not osp.isfile(self.ann_file) and osp.isfile(given):
            self.ann_file = given

    def check_files(self, name: str, title: str, content: str) -> str:
        """Raise :class:`InputError` unless data root and info file are there.

        Args:
            name: the data set, as ``tools/create_data.py`` calls it.
            title: the data set, as its authors call it.
            content: what the data root holds.

        Returns:
            What to do about a wrong info file, for further messages.
        """
        if self.data_root and not osp.isdir(self.data_root):
            raise InputError(
                f"{self.data_root}: expected the {title} folder (the one that holds {content}) as data_root, found "
                "none; set data_root in the config or with --root-path"
            )
        remedy = (
            f"run `python tools/create_data.py {name} --root-path {self.data_root or '.'} "
            f"--out-dir {osp.dirname(self.ann_file) or '.'}`"
        )
        if not osp.isfile(self.ann_file):
            raise InputError(f"{self.ann_file or 'ann_file'}: expected an info file, found none; {remedy}")
        return remedy
