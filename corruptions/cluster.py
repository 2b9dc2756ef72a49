"""Work spread over a Ray cluster; what a killed worker or node had in hand goes to another.

Ray is an optional extra, imported here alone and only when an address is given. Each worker is a process that prepares
itself once (loads a model) and then does one item after another. The nodes must have this project installed in the same
version, and see the current folder of the command, as relative paths are taken from there.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import corruptions
from corruptions.core import InputError

ATTEMPTS = 3
"""Workers that may die over one item before it is given up."""
LOOK_EVERY_S = 5.0
CONNECT_S = 10.0

Item = TypeVar("Item")
Do = Callable[[Item], Any]


@dataclass(frozen=True)
class Lost:
    """Stands for the result of an item that no worker has survived."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """Bad input that a worker has met; it travels as a value, as Ray would wrap the exception into its traceback."""

    message: str


@contextmanager
def connected(address: str | None) -> Iterator[Cluster | None]:
    """A connection to a Ray cluster for a ``with`` block; None without an address.

    Args:
        address: "HOST:PORT" of the head node of the cluster that this machine is part of, "auto" to find it, "local"
            for a new one of this machine alone.

    Raises:
        InputError: without Ray, or where no cluster answers.
    """
    if address is None:
        yield None
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # "local" would report to Ray's makers
    try:
        import ray
    except ImportError:
        raise InputError(
            f"--ray {address}: expected the package ray, found none; install the extra cluster: "
            "pip install 'perception3d[cluster]'"
        ) from None
    _check_answer(address)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"--ray {address}: expected a Ray cluster, found: {reason}; try ray start --head") from None
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _check_answer(address: str) -> None:
    """Look whether anything listens: Ray would try for minutes, and then end the process."""
    if "://" in address:
        raise InputError(
            f"--ray {address}: expected HOST:PORT, auto or local, found an address of another kind; run the command "
            "on a node of the cluster"
        )
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--ray {address}: expected a Ray cluster, found: {error}; try ray start --head") from None


class Cluster:
    """A connected Ray cluster.

    Args:
        ray: the package, connected.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def gpus(self) -> bool:
        """Whether any node has a GPU."""
        return any(node.get("GPU", 0) for node in self._nodes())

    def places(self, cpus: int, gpus: int = 0) -> int:
        """How many workers of ``cpus`` cores and ``gpus`` GPUs find room, node by node."""
        return sum(
            min(int(node.get("CPU", 0) // cpus), int(node.get("GPU", 0) // gpus) if gpus else 1 << 30)
            for node in self._nodes()
        )

    def most_cpus(self) -> int:
        """Cores of the largest node."""
        return max((int(node.get("CPU", 0)) for node in self._nodes()), default=0)

    def spread(
        self, prepare: Callable[[], Do[Item]], items: Sequence[Item], cpus: int = 1, gpus: int = 0, ahead: int = 1
    ) -> Iterator[tuple[int, Any]]:
        """Do items on the workers of the cluster.

        There are as many workers as find room, but no more than items; nodes that join later get workers too. An item
        whose worker or node dies is done by another one; after ``ATTEMPTS`` deaths it is given up.

        Args:
            prepare: called once in each worker; gives the function that does an item. It and the items are pickled.
            items: what to do.
            cpus: cores of a worker.
            gpus: GPUs of a worker.
            ahead: items in the hands of a worker; 2 for short ones, so that it need not wait for the next.

        Yields:
            Index of an item and what the function gave for it, or :class:`Lost`, in order of completion.

        Raises:
            InputError: bad input that ``prepare`` or the function has met, workers that die while they prepare, or a
                cluster that has no room for one, or none any longer.
        """
        pool = _Pool(self, self._ray, prepare, items, cpus, gpus, ahead)
        try:
            yield from pool.results()
        finally:
            pool.close()

    def _nodes(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]


class _Pool:
    """The workers of one :meth:`Cluster.spread`, and which items each has in hand."""

    def __init__(
        self,
        cluster: Cluster,
        ray: Any,
        prepare: Callable[[], Do[Any]],
        items: Sequence[Any],
        cpus: int,
        gpus: int,
        ahead: int,
    ) -> None:
        self._cluster, self._ray, self._items = cluster, ray, items
        self._cpus, self._gpus, self._ahead = cpus, gpus, ahead
        self._start = ray.remote(_Worker).options(num_cpus=cpus, num_gpus=gpus, scheduling_strategy="SPREAD").remote
        self._job = ([ray.put(prepare)], os.getcwd(), list(sys.path), corruptions.__version__)
        self._waiting = deque(range(len(items)))
        self._deaths = [0] * len(items)
        self._deaths_in_preparation = 0
        self._preparing: dict[Any, Any] = {}  # worker by the reference to its answer
        self._in_hand: dict[Any, dict[Any, int]] = {}  # by worker: item by the reference to its result, oldest first
        self._looked_s = -LOOK_EVERY_S

    def results(self) -> Iterator[tuple[int, Any]]:
        """As :meth:`Cluster.spread`."""
        while self._waiting or any(self._in_hand.values()):
            self._engage()
            self._hand_out()
            pending = [*self._preparing, *(ref for hand in self._in_hand.values() for ref in hand)]
            for ref in self._ray.wait(pending, num_returns=1, timeout=LOOK_EVERY_S)[0]:
                if ref in self._preparing:
                    self._meet(ref)
                else:
                    yield from self._take(ref)

    def close(self) -> None:
        """End the workers."""
        for worker in [*self._in_hand, *self._preparing.values()]:
            self._ray.kill(worker)

    def _engage(self) -> None:
        """Start workers where there is room; looked at now and then, as nodes come and go."""
        if self._in_hand and time.monotonic() - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = time.monotonic()
        places = self._cluster.places(self._cpus, self._gpus)
        if not places and not self._in_hand:
            raise InputError(
                f"the Ray cluster: expected a node with {self._cpus} cores{' and a GPU' * bool(self._gpus)}, found "
                "none; when there is one again, the same command goes on"
            )
        unfinished = len(self._waiting) + sum(len(hand) for hand in self._in_hand.values())
        for _ in range(min(unfinished, places) - len(self._in_hand) - len(self._preparing)):
            worker = self._start(*self._job)
            self._preparing[worker.prepare.remote()] = worker

    def _hand_out(self) -> None:
        for held in range(self._ahead):  # everybody gets one before anybody gets two
            for worker, hand in self._in_hand.items():
                if self._waiting and len(hand) == held:
                    index = self._waiting.popleft()
                    hand[worker.do.remote(self._items[index])] = index

    def _meet(self, ref: Any) -> None:
        """A worker has prepared itself, or died over it."""
        worker = self._preparing.pop(ref)
        try:
            answer = self._get(ref)
        except self._ray.exceptions.RayError as death:
            self._deaths_in_preparation += 1
            if self._deaths_in_preparation >= ATTEMPTS and not self._in_hand:
                raise InputError(
                    f"{self._deaths_in_preparation} workers of the cluster died before their first item, the last by "
                    f"{_reason(death)}; is there enough memory on the nodes, and this project installed?"
                ) from None
            return
        _check(answer)
        self._in_hand[worker] = {}

    def _take(self, ref: Any) -> Iterator[tuple[int, Any]]:
        """The result of an item; or a worker has died, and what it had in hand goes back."""
        worker = next(worker for worker, hand in self._in_hand.items() if ref in hand)
        try:
            result = self._get(ref)
        except self._ray.exceptions.RayError as death:
            hand = list(self._in_hand.pop(worker).values())
            self._ray.kill(worker)  # it may live where only its result was lost
            self._looked_s = -LOOK_EVERY_S
            self._deaths[hand[0]] += 1
            given_up = self._deaths[hand[0]] >= ATTEMPTS
            self._waiting.extendleft(reversed(hand[given_up:]))
            if given_up:
                yield hand[0], Lost(f"{ATTEMPTS} workers died over this, the last by {_reason(death)}")
            return
        _check(result)
        yield self._in_hand[worker].pop(ref), result

    def _get(self, ref: Any) -> Any:
        """An answer; raises ``RayError`` for a dead worker, and what the worker raised, which is a fault of ours."""
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as failure:
            raise failure.cause from failure


class _Worker:
    """A process of the cluster."""

    def __init__(self, prepare: list[Any], folder: str, path: Sequence[str], version: str) -> None:
        # a reference in a list, which Ray does not resolve before the path is complete
        self._prepare, self._folder, self._path, self._version = prepare, folder, path, version
        self._do: Do[Any] | None = None

    def prepare(self) -> Refused | None:
        """Make ready for items."""
        node = platform.node()
        if corruptions.__version__ != self._version:
            return Refused(
                f"node {node}: expected version {self._version} of the corruption engine, found "
                f"{corruptions.__version__}; install the same on every node"
            )
        try:
            os.chdir(self._folder)
        except OSError as error:
            return Refused(
                f"node {node}: expected the folder {self._folder} of the command, found: {error.strerror}; every node "
                "must see it under the same path"
            )
        import ray

        sys.path += [place for place in self._path if place not in sys.path]  # modules of readers and configs
        try:
            self._do = ray.get(self._prepare[0])()
        except InputError as error:
            return Refused(str(error))
        return None

    def do(self, item: Any) -> Any:
        """Do an item."""
        if self._do is None:
            raise RuntimeError("an item before the preparation")
        try:
            return self._do(item)
        except InputError as error:
            return Refused(str(error))


def _check(answer: Any) -> None:
    if isinstance(answer, Refused):
        raise InputError(answer.message)


def _reason(death: Exception) -> str:
    return f"{type(death).__name__}: {next(iter(str(death).strip().splitlines()), '')}"
