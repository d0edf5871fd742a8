"""What the page of a run shows of the other runs, as a script: pages that are opened from a disk cannot fetch data."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from niimasker.options.thresholds import Thresholds
from niimasker.outputs.study_names import RUNS_SCRIPT
from niimasker.reports.outlying_runs import find_outliers
from niimasker.reports.pages import write_page
from niimasker.reports.run_names import short_names
from niimasker.reports.run_states import STATES, find_state
from niimasker.reports.run_titles import make_title
from niimasker.reports.runs_script import make_script

Row = Mapping[str, Any]

# The numbers of which pages say how many runs have lower or higher ones.
RANKED = ("median_tsnr", "mean_fd")


def write_runs_data(
    reports_folder: Path, study_id: str, rows: Sequence[Row], links: Sequence[str | None], thresholds: Thresholds
) -> None:
    """Write what the pages of runs show of the other runs.

    Parameters
    ----------
    rows
        The runs' rows of summary.tsv.
    links
        The link to each run's page, relative to the folder of reports; None where there is none.
    """
    by_pipeline: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        by_pipeline.setdefault(row["pipeline"] or "", []).append(place)
    groups = [
        {
            "pipeline": pipeline,
            **_pack_runs([rows[place] for place in places], thresholds),
            "titles": pack_names(_list_titles([rows[place] for place in places])),
            "without_page": [at for at, place in enumerate(places) if not _is_reachable(links[place])],
        }
        for pipeline, places in by_pipeline.items()
    ]
    write_page(reports_folder / RUNS_SCRIPT, make_script(study_id, groups))


def _list_titles(rows: Sequence[Row]) -> list[str]:
    """Return what the runs of a pipeline are called: as short as they can be told apart."""
    titles = [make_title(Path(row["image"]).name) for row in rows]
    main = [title.main for title in titles]
    full = [f"{title.main} ({title.rest})" if title.rest else title.main for title in titles]
    return next(
        (each for each in (main, full) if len(set(each)) == len(rows)), short_names([row["output"] for row in rows])
    )


def _pack_runs(rows: Sequence[Row], thresholds: Thresholds) -> dict[str, Any]:
    # One letter per run.
    states = "".join(str(STATES.index(find_state(row, thresholds).word)) for row in rows)
    numbers = {key: np.array([math.nan if row[key] is None else row[key] for row in rows]) for key in RANKED}
    return {
        "outputs": pack_names(row["output"] for row in rows),
        "states": states,
        "outliers": {key: sorted(find_outliers(values)) for key, values in numbers.items()},
        **{key: _pack_numbers(values) for key, values in numbers.items()},
    }


def _pack_numbers(values: np.ndarray) -> str:
    """Return numbers as float32 in base64, with NaN for missing ones."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")


def pack_names(names: Iterable[str]) -> list[str]:
    """Return names without what each shares with the one before: `<n first>,<n last>,<what lies between>`.

    The numbers count characters at the beginning and at the end of the name before, in UTF-16 code units as in
    JavaScript.
    """
    packed, before = [], ""
    for name in names:
        # Only characters of one code unit are counted alike by Python and JavaScript.
        n_first = _count_alike(before, name) if before.isascii() and name.isascii() else 0
        n_last = _count_alike(before[n_first:][::-1], name[n_first:][::-1]) if n_first else 0
        packed.append(f"{n_first},{n_last},{name[n_first : len(name) - n_last]}")
        before = name
    return packed


def _count_alike(name: str, other: str) -> int:
    """Return the number of equal characters that two names begin with."""
    pairs = enumerate(zip(name, other, strict=False))
    return next((place for place, (one, two) in pairs if one != two), min(len(name), len(other)))


def _is_reachable(link: str | None) -> bool:
    """Return whether JavaScript can make the link to a page; it cannot for names that are not valid Unicode."""
    if link is None:
        return False
    try:
        link.encode()
    except UnicodeEncodeError:
        return False
    return True
