"""Work for the workers of a Ray cluster, which import it from here: items that tell, fail, or kill their process."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from corruptions.core import InputError

PREPARED = []


@dataclass(frozen=True)
class Work:
    """Prepares a worker that does items of the form ``action:name`` and notes each start in a folder."""

    folder: Path
    fail: str = ""

    def __call__(self):
        if self.fail == "input":
            raise InputError("scans.txt: expected scans, found none")
        if self.fail == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        PREPARED.append(os.getpid())
        return self.do

    def do(self, item):
        """Do an item: which process did it, and how often that has prepared itself."""
        action, name = item.split(":")
        starts = self.folder / f"{name}.starts"
        with starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
        count = len(starts.read_text().split())
        if action == "fatal" or (action == "mortal" and count == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "bad":
            raise InputError(f"{name}: expected finite values")
        if action == "wrong":
            raise ZeroDivisionError(name)
        if action == "wait":  # until somebody says go
            while not (self.folder / "go").exists():
                time.sleep(0.05)
        return name, os.getpid(), len(PREPARED)
