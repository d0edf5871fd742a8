"""The connection to the scheduler of a running Dask cluster."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from niimasker.errors import SettingsError
from niimasker.options.json_files import read_json
from niimasker.running.cluster_workers import ClusterWorkers

if TYPE_CHECKING:
    from distributed import Client

_SECONDS_TO_CONNECT = 30
# How long a study waits for a scheduler that no longer answers.
SECONDS_TO_RECONNECT = 60.0
_SECONDS_BETWEEN_TRIALS = 0.2
_PROTOCOLS_WITHOUT_PORT = ("ucx://", "inproc://")
# They report a lost scheduler with tracebacks; niimasker reports it in one line.
_LOGGERS = ("distributed", "distributed.client", "tornado.application", "asyncio")


@contextlib.contextmanager
def connect(scheduler: str) -> Iterator[Client]:
    """Provide a client of a Dask scheduler, given its address or the JSON file that it writes.

    Raises
    ------
    SettingsError
        No scheduler answers, distributed is not installed, or every worker has other versions than this process.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError(
            "--scheduler needs the package distributed; install it with: pip install 'niimasker[dask]'."
        ) from error
    address = _read_address(Path(scheduler)) if scheduler.endswith(".json") else scheduler
    _check_address(address)
    with _quiet_logs():
        try:
            with Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False) as client:
                ClusterWorkers(client).check()
            # A client connects again for as long as it may take to connect at first.
            client = Client(address, timeout=SECONDS_TO_RECONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"--scheduler: no Dask scheduler answers at {scheduler} ({error}); check its address and that it runs."
            ) from error
        with client:
            yield client


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep the messages of distributed off the standard error stream."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _read_address(path: Path) -> str:
    """Return the address in the JSON file that a scheduler writes."""
    if not path.is_file():
        raise SettingsError(
            f"--scheduler: {path} does not exist; start the scheduler with dask scheduler --scheduler-file {path}."
        )
    try:
        address = read_json(path)["address"]
    except (OSError, ValueError, KeyError, TypeError):
        address = None
    if not isinstance(address, str):
        raise SettingsError(
            f"--scheduler: {path} holds no address; give the file that dask scheduler --scheduler-file writes."
        )
    return address


def _check_address(address: str) -> None:
    """Raise if the text is not an address: distributed's client would too, but leaves a thread that never ends."""
    from distributed.comm import get_address_host_port

    if address.startswith(_PROTOCOLS_WITHOUT_PORT):
        return
    try:
        get_address_host_port(address)
    except ValueError as error:
        raise SettingsError(
            f"--scheduler: {address} is not the address of a Dask scheduler ({error}); "
            "expected one such as tcp://10.0.0.1:8786."
        ) from error


def wait_for_answer(client: Client, ask: Callable[[], bool]) -> bool:
    """Return whether the scheduler answers within a minute.

    Parameters
    ----------
    ask
        Asks the scheduler, and returns whether it has answered.
    """
    end = time.monotonic() + SECONDS_TO_RECONNECT
    while not ask():
        if client.status == "closed" or time.monotonic() > end:
            return False
        time.sleep(_SECONDS_BETWEEN_TRIALS)
    return True
