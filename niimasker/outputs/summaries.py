"""The summary of a study: summary.tsv with one row per run, written and read back, and parameters.json."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from niimasker.options.paths import RECORD_NAME
from niimasker.options.settings import Settings
from niimasker.outputs.files import summary_name, write_json
from niimasker.outputs.provenance import settings_record, software_versions
from niimasker.outputs.tables import text_column, write_records

Row = dict[str, Any]

# Statuses of runs that have outputs; those of skipped runs are from an earlier call.
FINISHED = ("done", "skipped")

TEXTS = ("image", "confounds", "output", "status", "reason")


def make_summary(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows of all runs as a table."""
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    texts = {name: text_column(values) for name, values in columns.items() if name in TEXTS}
    return pd.DataFrame({**columns, **texts})


def read_summary(path: Path) -> list[Row] | None:
    """Return the rows of a summary, with None for n/a; None if there is no readable summary."""
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
    if "output" not in table.columns:
        return None  # not a summary of niimasker, or edited
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_study(folder: Path, settings: Settings, rows: Sequence[Mapping[str, Any]], command: Sequence[str]) -> None:
    """Write parameters.json and summary.tsv; `rows` are the runs' rows of the summary."""
    keys = ("image", "confounds", "output", "status", "reason")
    write_json(
        folder / RECORD_NAME,
        {
            "command": shlex.join(command),
            "parameters": settings_record(settings),
            "meta_data": software_versions(),
            "runs": [{key: row[key] for key in keys} for row in rows],
        },
    )
    write_summary(folder / summary_name(None), rows)


def write_summary(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the summary, one row per run."""
    write_records(path, make_summary(rows))
