"""The script runs.js, from which the page of a run learns of the study and of the other runs."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ID = re.compile(r'niimaskerRuns = \{"study":"([0-9a-f]{16})"')


def read_study_id(path: Path) -> str:
    """Return the name under which browsers keep the ratings of a study: that in the script, otherwise a new one."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            found = _ID.match(file.read(100))
    except FileNotFoundError:
        found = None
    return found[1] if found else secrets.token_hex(8)


def make_script(study_id: str, groups: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the script; a group is the runs of one pipeline, and there are none until the index is written."""
    content = json.dumps({"study": study_id, "groups": list(groups)}, separators=(",", ":"), allow_nan=False)
    return f"niimaskerRuns = {content};\n"
