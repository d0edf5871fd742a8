"""`python -m niimasker`, and what the installed command calls."""

import sys


def run() -> int:
    """Run niimasker and return its exit code."""
    try:
        # In here: Ctrl-C may come before anything is imported.
        from niimasker.cli import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("niimasker: interrupted: nothing was begun, or what was finished is complete.\n")
        return 130


if __name__ == "__main__":
    sys.exit(run())
