"""`python -m niimasker`."""

import sys

from niimasker.cli import main

sys.exit(main())
