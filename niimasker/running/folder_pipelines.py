"""The pipelines of all runs in an output folder: those of this call, and those that earlier calls have left beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from niimasker.options.settings import CONNECTIVITY_KINDS, MOTION_FILTERS, Settings
from niimasker.outputs.naming import name_sidecars
from niimasker.outputs.outcomes import DONE, Row
from niimasker.outputs.run_sidecars import read_sidecar
from niimasker.study.preparation import Study


def find_pipelines(study: Study, rows: Sequence[Row]) -> dict[str, Settings]:
    """Return the settings of each pipeline by its name, those of this call first.

    Of a pipeline of an earlier call, the connectivity and the filter of motion are those that its JSON files record.

    Parameters
    ----------
    rows
        The rows of summary.tsv.
    """
    found = dict(study.settings.by_pipeline)
    for row in rows:
        name = row["pipeline"] or ""
        if name not in found and row["status"] == DONE:
            settings = _read_settings(study, row["output"])
            if settings is not None:
                found[name] = settings
    return found


def _read_settings(study: Study, output: str) -> Settings | None:
    """Return the settings that a run's JSON file records; None if it cannot be read."""
    sidecar = read_sidecar(name_sidecars(study.settings, output, study.keys)[0])
    if not sidecar:
        return None
    recorded = sidecar["Settings"]
    kinds, motion_filter = recorded.get("connectivity"), recorded.get("motion_filter")
    return dataclasses.replace(
        study.settings,
        pipelines=(),
        connectivity=tuple(kind for kind in CONNECTIVITY_KINDS if isinstance(kinds, list) and kind in kinds),
        fisher_z=recorded.get("fisher_z") is True,
        motion_filter=motion_filter if motion_filter in MOTION_FILTERS else None,
    )
