"""Signals that interrupt a command: the first one ends the study, and others wait until what is finished is listed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from niimasker.errors import EXIT_INTERRUPTED

# Ctrl-C; the time of a job is over; the terminal is closed. Windows does not have all of them.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_MAX_SIGNALS = 2


def interrupt_at_signals() -> None:
    """Let each signal that asks the process to end raise KeyboardInterrupt, once, in the main thread."""
    for number in _SIGNALS:
        # A signal that nohup or a shell's background job has set to be ignored stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Raise KeyboardInterrupt, and hold off further signals while the command ends."""
    hold = _Hold(n_received=1)
    for number in _SIGNALS:
        if signal.getsignal(number) is interrupt:
            signal.signal(number, hold)
    raise KeyboardInterrupt


def ignore_signals() -> None:
    """Ignore the signals from now on, so that the exit code stays what it is.

    As Python exits, it would let them end the process. And `python -m` ends itself by SIGINT if KeyboardInterrupt has
    passed through code that is compiled from a string, as dataclasses do while they are imported; running other code
    of that kind resets this.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    exec("")


@contextlib.contextmanager
def hold_interrupts() -> Iterator[None]:
    """Hold off a KeyboardInterrupt until the block has ended; the third signal ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    raising = {number: each for number, each in handlers.items() if each in (interrupt, signal.default_int_handler)}
    hold = _Hold(n_received=0)
    try:
        for number in raising:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)
        if hold.received:
            signal.raise_signal(hold.received[0])


class _Hold:
    """A handler that notes signals.

    Parameters
    ----------
    n_received
        The number of signals received before.
    """

    def __init__(self, n_received: int) -> None:
        self._n_before = n_received
        self.received: list[int] = []

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
        if self._n_before + len(self.received) > _MAX_SIGNALS:
            os._exit(EXIT_INTERRUPTED)
        # Not through sys.stderr, in which this handler may have interrupted another message.
        with contextlib.suppress(OSError):
            os.write(2, b"niimasker: interrupted: the summary is being written; a third signal ends without it.\n")
