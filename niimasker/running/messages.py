"""The standard streams for the length of a command: a message that cannot be written costs nothing but itself."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO, cast

_STANDARD_DESCRIPTORS = (0, 1, 2)


class MessageStream(io.TextIOBase):
    """A text stream that passes on what can be written and drops the rest.

    The terminal may be closed, the disk of the log file full, the reader of the pipe gone, or the stream closed from
    the start. Characters that its encoding lacks are written as backslash escapes.

    Parameters
    ----------
    stream
        What is written to; None, as Python has it for a closed file descriptor, drops everything.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write a text, as far as that is possible, and return its length."""
        if self._stream is not None:
            written = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
                self._stream.write(written)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, as far as that is possible."""
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """Return the file descriptor of the stream; raises as other streams do where there is none."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def end(self) -> None:
        """Write what is buffered. If that fails, drop it: Python tries again as it exits, and would exit with 120."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), self.fileno())


@contextlib.contextmanager
def expendable_messages() -> Iterator[None]:
    """Let nothing that is printed within the block fail, whatever has become of the standard streams."""
    streams = sys.stdout, sys.stderr
    expendable = [MessageStream(stream) for stream in streams]
    # Without this, `print` writes to standard output where standard error is None.
    sys.stdout, sys.stderr = (cast(TextIO, stream) for stream in expendable)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in expendable:
            stream.end()


def open_closed_descriptors() -> None:
    """Open the standard descriptors that are closed on the null device.

    The next file that is opened would have the number of a closed one, and what a library of C prints would go into it.
    """
    for descriptor in _STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is the one of this descriptor.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
