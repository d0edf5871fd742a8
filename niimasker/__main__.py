"""`python -m niimasker`, and the entry point of the installed command."""

import signal
import sys

# Sent when the time of a job is over, or a terminal is closed: finished runs are listed, as after Ctrl-C.
_INTERRUPTING_SIGNALS = ("SIGTERM", "SIGHUP")


def run() -> int:
    """Run niimasker and return its exit code."""
    try:
        _treat_as_interrupts(_INTERRUPTING_SIGNALS)
        # Imported here: Ctrl-C may arrive during the imports.
        from niimasker.cli import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("niimasker: interrupted: every output file that exists is complete.\n")
        return 130


def _treat_as_interrupts(names: tuple[str, ...]) -> None:
    for name in names:
        number = getattr(signal, name, None)  # Windows does not have all of them
        # A signal that nohup has set to be ignored stays ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(run())
