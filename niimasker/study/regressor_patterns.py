"""Check that the patterns of --regressors match a column of some table."""

from __future__ import annotations

from collections.abc import Sequence, Set

from niimasker.errors import ConfoundsError
from niimasker.inputs.joined_tables import join_tables, show_paths
from niimasker.inputs.motion_parameters import read_confounds
from niimasker.inputs.regressor_words import Source, find_unmatched
from niimasker.inputs.runs import Run
from niimasker.options.settings import Settings
from niimasker.study.plans import Plan


def check_patterns(settings: Settings, runs: Sequence[Run], plans: Sequence[Plan]) -> None:
    """Raise ConfoundsError for a pattern of --regressors that matches no column in any run.

    The tables of a pipeline's runs must match the patterns of that pipeline.
    """
    for pipeline, of_pipeline in settings.by_pipeline.items():
        unmatched = _find_unmatched_in_all(
            of_pipeline,
            [run for run in runs if run.pipeline == pipeline],
            [plan for plan in plans if plan.run.pipeline == pipeline],
        )
        if unmatched:
            which = f"pipeline {pipeline!r}: " if pipeline else ""
            raise ConfoundsError(
                f"{which}--regressors: no column of any table matches {', '.join(sorted(unmatched))}; "
                f"see the columns of {show_paths(runs[0].confounds_paths)}."
            )


def _find_unmatched_in_all(settings: Settings, runs: Sequence[Run], plans: Sequence[Plan]) -> set[str]:
    unmatched = set(settings.regressors).intersection(*(plan.unmatched for plan in plans))
    # Tables of other shards and invalid runs are read only if no planned run has a matching column.
    planned = {plan.run for plan in plans}
    for run in runs:
        if unmatched and run not in planned:
            unmatched &= _find_unmatched(unmatched, run, settings.motion_format)
    return unmatched


def _find_unmatched(words: Set[str], run: Run, motion_format: str) -> set[str]:
    """Return the patterns that match no column of a run's table; an empty set if it cannot be read."""
    if not run.confounds_paths:
        return set()
    try:
        table = join_tables([read_confounds(path, motion_format) for path in run.confounds_paths])
    except ConfoundsError:
        return set()
    return set(find_unmatched(tuple(words), Source(table.names, table.paths, run.image_path)))
