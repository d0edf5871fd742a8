"""`python -m niimasker`, and what the installed command calls."""

import signal
import sys


def run() -> int:
    """Run niimasker and return its exit code."""
    try:
        # A job whose time is over is told so by this signal: what is finished is listed, as after Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # In here: Ctrl-C may come before anything is imported.
        from niimasker.cli import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("niimasker: interrupted: nothing was begun, or what was finished is complete.\n")
        return 130


if __name__ == "__main__":
    sys.exit(run())
