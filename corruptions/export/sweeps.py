"""A corrupted copy of the LiDAR sweeps of any data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from corruptions.cluster import Cluster
from corruptions.core import InputError
from corruptions.export.jobs import sweep_jobs
from corruptions.export.manifest import describe
from corruptions.export.run import Report, run_jobs
from corruptions.export.settings import manifest_settings
from corruptions.readers import Reader, reading
from corruptions.suites import Setting, Suite


def export(
    reader: Reader,
    suite: Suite,
    out: Path,
    *,
    settings: Sequence[Setting] | None = None,
    seed: int = 0,
    workers: int = 1,
    with_clean: bool = False,
    stream: TextIO | None = None,
    cluster: Cluster | None = None,
) -> Report:
    """Corrupt every sweep of a data set at every setting, into ``out/<data set>-C/<folder of the setting>``.

    Each sweep gets the bytes that ``corruptions.corrupt`` gives for the same seed and sample, and its labels follow the
    label rule of the suite: dropped points get raw id 0, others keep their value, instance id included.

    Args:
        reader: the data set.
        suite: benchmark that gives folders and label rule.
        out: folder to write to.
        settings: settings of the suite; all of them by default.
        seed: base seed.
        workers: number of processes; it does not change a byte.
        with_clean: also copy the sweeps as they are, to the suite's clean folder.
        stream: where to say what it will take and how far it has come, or None.
        cluster: does the work in place of ``workers``; its nodes see the data and ``out`` under the same paths.

    Raises:
        InputError: for bad input, an output folder that belongs to something else or cannot be written, or too little
            disk space. What is finished stays, and the same call goes on from there.
    """
    root = out / f"{reader.name}-C"
    chosen = suite.settings if settings is None else settings
    sources = [(sample.id, path) for sample in reader.samples() for path in sample.files]
    for _, path in sources:
        if path.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{path}: is read from {root}, where the export goes; choose another --out")
    jobs = list(sweep_jobs(reader, suite.clean_folder, None, (), seed)) if with_clean else []
    for setting in chosen:
        jobs += sweep_jobs(reader, suite.path(setting), setting, suite.drop_of(setting), seed)
    description = describe(reader.name, seed, manifest_settings(suite, chosen, jobs), sources, reading(reader))
    return run_jobs(root, jobs, description, workers, stream, cluster)
