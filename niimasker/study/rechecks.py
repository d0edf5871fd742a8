"""Check again what changed after the check before the first run, and that nothing changes while a run is processed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from niimasker.errors import RegionsError, RunError, count
from niimasker.inputs.file_states import list_changed, read_settled_states, read_states
from niimasker.options.settings import Settings
from niimasker.regions.definitions import Origin
from niimasker.study.plans import InvalidRun, Plan, plan_run
from niimasker.study.preparation import Study
from niimasker.study.run_inputs import list_run_files, list_shared_regions


def recheck(plan: Plan, settings: Settings, origins: Sequence[Origin]) -> Plan:
    """Return a run's plan, made again if one of its files has changed since; the states of its files are settled.

    Parameters
    ----------
    origins
        The origin of each atlas that all runs share.

    Raises
    ------
    RunError
        The run is no longer valid, its image is on another space, or a file is being written.
    """
    paths = list_run_files(plan.run, settings)
    states = read_settled_states(paths)
    unsettled = [role for role, state in states.items() if state is not None and not state.is_settled]
    if unsettled:
        shown = _show(unsettled, paths)
        raise RunError(f"{shown}: is being written; process this run with --resume once it is complete.")
    changed = list_changed(plan.states, states)
    if not changed:
        return plan
    # A file written just before the check may have changed since and still have the same state.
    shown = _show([role for role in changed if plan.states.get(role) != states.get(role)] or changed, paths)
    checked = plan_run(plan.run, settings, origins)
    if isinstance(checked, InvalidRun):
        error = checked.errors[0]
        raise RunError(
            f"{shown}: changed after the check before the first run: {error} Process this run again with --resume."
        ) from error
    if checked.series.space != plan.series.space:
        raise RunError(
            f"{shown}: changed after the check before the first run, and the image is now on another grid; "
            "process this run again with --resume."
        )
    return dataclasses.replace(checked, states=states)


def check_unchanged(plan: Plan, settings: Settings) -> None:
    """Raise RunError if one of a run's files has changed since `recheck`."""
    if shown := find_changed(plan, settings):
        raise RunError(
            f"{shown}: changed while the run was processed; process this run again with --resume once it is complete."
        )


def find_changed(plan: Plan, settings: Settings) -> str:
    """Return which of a run's files have changed since `recheck`; an empty string if none has."""
    paths = list_run_files(plan.run, settings)
    return _show(list_changed(plan.states, read_states(paths)), paths)


def check_regions(study: Study) -> None:
    """Raise RegionsError if the regions, names or mask that all runs share have changed since they were loaded."""
    paths = list_shared_regions(study.settings)
    if shown := _show(list_changed(study.region_states, read_states(paths)), paths):
        raise RegionsError(f"{shown}: changed while it was loaded; start niimasker again once it is complete.")


def _show(roles: Iterable[str], paths: Mapping[str, Path]) -> str:
    # A table of names that is gone is no longer among the files.
    first, *others = [str(paths.get(role, role)) for role in roles] or [""]
    return f"{first} and {count(len(others), 'more file')}" if others else first
