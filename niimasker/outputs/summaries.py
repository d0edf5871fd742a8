"""The summary of a study: summary.tsv with one row per run, written and read back, and parameters.json."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from niimasker.options.settings import Settings
from niimasker.outputs.files import is_inside, replacing, write_json
from niimasker.outputs.outcomes import COLUMNS, DONE, EXCLUDED, FAILED, NAMED_ENTITIES, NOT_STARTED, Row
from niimasker.outputs.provenance import settings_record, software_versions
from niimasker.outputs.study_names import parameters_path, summary_path
from niimasker.outputs.tables import text_column, write_records

TEXTS = (
    "image",
    "confounds",
    "output",
    *NAMED_ENTITIES,
    "pipeline",
    "status",
    "verdict",
    "concerns",
    "reason",
    "analysis",
)
_STATUSES = (DONE, EXCLUDED, FAILED, NOT_STARTED)
_RECORDED = ("image", "confounds", "output", "pipeline", "status", "reason")


def make_summary(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows of all runs as a table."""
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    texts = {name: text_column(values) for name, values in columns.items() if name in TEXTS}
    return pd.DataFrame({**columns, **texts})


def read_summary(path: Path) -> list[Row] | None:
    """Return the rows of a summary, with None for n/a; None if there is no readable summary.

    Somebody may have edited it: rows and numbers that niimasker cannot have written are left out.
    """
    try:
        table = pd.read_csv(
            path,
            sep="\t",
            na_values=["n/a"],
            keep_default_na=False,
            dtype=dict.fromkeys(TEXTS, object),
            encoding="utf-8",
            encoding_errors="surrogateescape",
        )
    except pd.errors.EmptyDataError:
        return []  # a shard without runs
    except (OSError, ValueError):
        return None
    if not set(COLUMNS) <= set(table.columns):
        return None  # not a summary of this version of niimasker, or edited
    numbers = {name: pd.to_numeric(table[name], errors="coerce") for name in COLUMNS if name not in TEXTS}
    rows = table.assign(**numbers)[list(COLUMNS)].to_dict("records")
    read = [{str(name): _plain(value) for name, value in row.items()} for row in rows]
    return [row for row in read if row["status"] in _STATUSES and row["output"] and is_inside(row["output"])]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_parameters(
    settings: Settings, rows: Sequence[Mapping[str, Any]], command: Sequence[str], files: Sequence[str]
) -> None:
    """Write parameters.json.

    Parameters
    ----------
    rows
        The rows of summary.tsv.
    files
        The files of the study, relative to the output folder.
    """
    write_json(
        parameters_path(settings.output_dir),
        {
            "command": shlex.join(command),
            "parameters": settings_record(settings),
            "meta_data": software_versions(),
            "runs": [{key: row[key] for key in _RECORDED} for row in rows],
            "files": list(files),
        },
    )


def write_summary(output_dir: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write summary.tsv, one row per run."""
    with replacing(summary_path(output_dir)) as temporary:
        write_records(temporary, make_summary(rows))
