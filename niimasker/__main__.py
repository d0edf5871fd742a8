"""`python -m niimasker`, and the entry point of the installed command."""

import sys

from niimasker.running.interrupts import ignore_signals, interrupt_at_signals
from niimasker.running.messages import expendable_messages, open_closed_descriptors


def run() -> int:
    """Run niimasker and return its exit code."""
    code = None
    try:
        open_closed_descriptors()
        interrupt_at_signals()
        # Imported here: Ctrl-C may arrive during the imports.
        from niimasker.cli import main

        code = main()
        ignore_signals()
    except KeyboardInterrupt:
        ignore_signals()
        if code is None:
            code = 130
            with expendable_messages():
                sys.stderr.write("niimasker: interrupted: every output file that exists is complete.\n")
    return code


if __name__ == "__main__":
    sys.exit(run())
