"""`python -m niimasker`, and what the installed command calls."""

import signal
import sys

# A job whose time is over, and a terminal that is closed: what is finished is listed, as after Ctrl-C.
_ENDINGS = ("SIGTERM", "SIGHUP")


def run() -> int:
    """Run niimasker and return its exit code."""
    try:
        _take_as_interrupts(_ENDINGS)
        # In here: Ctrl-C may come before anything is imported.
        from niimasker.cli import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("niimasker: interrupted: nothing was begun, or what was finished is complete.\n")
        return 130


def _take_as_interrupts(names: tuple[str, ...]) -> None:
    for name in names:
        number = getattr(signal, name, None)  # Windows has not all of them
        # nohup has a signal ignored, which is to stay.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(run())
