"""The workers of a Dask cluster, of which only those with the versions of this process get runs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from niimasker.errors import SettingsError, list_names, warn

if TYPE_CHECKING:
    from distributed import Client

Versions = Mapping[str, str]

# Their versions are part of a result's fingerprint, or change the last digits of its numbers.
_PACKAGES = ("niimasker", "nilearn", "numpy", "scipy")
# A stopped process keeps its connection but never answers.
_SECONDS_TO_ANSWER = 10
# Enough for a worker to have the next run at once, and few enough for workers that join to get some.
_SUBMITTED_PER_THREAD = 2
# What a client raises when its connection is lost during a call.
LOST_CONNECTION_ERRORS = (OSError, asyncio.CancelledError, concurrent.futures.CancelledError)


@cache
def versions_here() -> dict[str, str]:
    """Return the versions of this process that workers must share: of Python without its last number, and packages."""
    return {"Python": _join(platform.python_version_tuple()), **{package: version(package) for package in _PACKAGES}}


def _join(python_version: tuple[str, ...]) -> str:
    return ".".join(python_version[:2])


class ClusterWorkers:
    """The workers of a cluster: those that get runs, and those that are refused because of their versions."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._n_threads: dict[str, int] = {}
        self._asked: set[str] = set()
        self._fitting: set[str] = set()
        self._refused: dict[str, str] = {}
        self._unfit_since: float | None = None

    def check(self) -> None:
        """Raise SettingsError if the cluster has workers, but none with the versions of this process."""
        self._ask_new()
        if self._refused and not self._fitting:
            raise SettingsError(f"--scheduler: {self.describe_unfit()}")

    def update(self) -> bool:
        """Look for new workers, warn of those that are refused, and return whether the scheduler has answered."""
        before = set(self._refused)
        try:
            if self._client.status != "running":
                return False
            self._ask_new()
        except LOST_CONNECTION_ERRORS:
            return False
        self._warn_of(self._refused.keys() - before)
        return True

    def refuse(self, address: str, versions: Versions) -> None:
        """Give a worker no more runs, and warn of it."""
        if address not in self._refused:
            self._sort(address, versions)
            self._warn_of({address})

    @property
    def chosen(self) -> list[str] | None:
        """The addresses of the workers that may get runs; None for all workers, also those that join later."""
        return sorted(self._fitting) if self._refused else None

    def count_runs(self, most: int) -> int:
        """Return how many runs to submit at a time, given the number for a cluster on which all workers fit."""
        if not self._refused:
            return most
        n_threads = sum(self._n_threads.get(address, 0) for address in self._fitting)
        return min(most, max(1, _SUBMITTED_PER_THREAD * n_threads)) if self._fitting else 0

    def are_replaced(self, addresses: Collection[str] | None) -> bool:
        """Return whether none of some workers is there any more, but others that fit are."""
        present = self._n_threads.keys()
        return addresses is not None and not present & set(addresses) and bool(present & self._fitting)

    @property
    def seconds_unfit(self) -> float:
        """The time for which workers have been refused while none fitted."""
        is_unfit = self._unfit_since is not None and not self._fitting
        return time.monotonic() - self._unfit_since if is_unfit else 0.0  # type: ignore[operator]

    def describe_unfit(self) -> str:
        """Return a sentence that names the workers that are refused."""
        return f"no worker of the Dask cluster has the versions of this machine: {self._describe(self._refused)}."

    def _ask_new(self) -> None:
        """Ask the workers that have joined for their versions."""
        self._n_threads = self._client.nthreads(callback_timeout=_SECONDS_TO_ANSWER)
        new = sorted(self._n_threads.keys() - self._asked)
        if new:
            # Once only: this process would wait for a worker that does not answer again and again.
            self._asked.update(new)
            for address, versions in _ask(self._client, new).items():
                self._sort(address, versions)

    def _sort(self, address: str, versions: Versions) -> None:
        """Count a worker to those that fit or to those that are refused."""
        difference = ", ".join(
            f"{name} {versions.get(name, 'not installed')} instead of {expected}"
            for name, expected in versions_here().items()
            if versions.get(name) != expected
        )
        if not difference:
            self._fitting.add(address)
            return
        self._fitting.discard(address)
        self._refused[address] = difference
        self._unfit_since = self._unfit_since or time.monotonic()

    def _warn_of(self, addresses: Collection[str]) -> None:
        if addresses:
            refused = {address: self._refused[address] for address in addresses}
            warn(f"--scheduler: workers with other versions than this machine get no runs: {self._describe(refused)}.")

    def _describe(self, refused: Mapping[str, str]) -> str:
        by_difference = defaultdict(list)
        for address, difference in sorted(refused.items()):
            by_difference[difference].append(address)
        return "; ".join(f"{list_names(addresses)} ({difference})" for difference, addresses in by_difference.items())


def _ask(client: Client, addresses: list[str]) -> dict[str, dict[str, str]]:
    """Return the versions of the workers that answer.

    The workers call functions of the standard library, since they may have another niimasker, or none.
    """
    answers = {"Python": _run(client, addresses, platform.python_version_tuple)}
    answers |= {package: _run(client, addresses, version, package) for package in _PACKAGES}
    versions: dict[str, dict[str, str]] = {}
    for address in addresses:
        python = answers["Python"].get(address)
        if isinstance(python, tuple):
            packages = {name: answers[name].get(address) for name in _PACKAGES}
            versions[address] = {"Python": _join(python)}
            # An error says that the package is not installed.
            versions[address] |= {name: found for name, found in packages.items() if isinstance(found, str)}
    return versions


def _run(client: Client, addresses: list[str], function: Callable[..., object], *args: str) -> dict[str, Any]:
    """Return what a function returns, or the error that it raises, on each worker that answers."""
    answers: dict[str, Any] = client.run(
        function, *args, workers=addresses, on_error="return", callback_timeout=_SECONDS_TO_ANSWER
    )
    return answers
