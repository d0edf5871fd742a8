"""The runs over which pipelines are compared: those that every pipeline kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from niimasker.errors import count, list_names
from niimasker.group.connectivity import Member, Names, find_common_names, find_member, round_as_in_summary
from niimasker.group.edges import MIN_RUNS
from niimasker.group.losses import Losses, measure_losses
from niimasker.options.settings import Settings
from niimasker.outputs.outcomes import DONE, NOT_STARTED

Row = Mapping[str, Any]


@dataclass(frozen=True)
class LeftOut:
    """A run that is not compared, because of one pipeline or, with None, of all.

    Parameters
    ----------
    run
        The name of the image, or its path where two images have one name.
    """

    run: str
    pipeline: str | None
    reason: str


@dataclass(frozen=True)
class ComparedRuns:
    """The runs that are compared, and those that are left out.

    Parameters
    ----------
    n_runs
        Number of all runs.
    members
        By pipeline, its results of the compared runs. The runs are in the same order for all pipelines, and those of
        one subject follow each other.
    names
        The names of the regions of each atlas.
    losses
        What each pipeline removes, by its name.
    few_runs
        The pipelines that are not compared because they have results of fewer than 10 runs, and of how many.
    """

    n_runs: int
    members: Mapping[str, tuple[Member, ...]]
    names: tuple[Names, ...]
    left_out: tuple[LeftOut, ...]
    losses: Mapping[str, Losses]
    few_runs: Mapping[str, int]

    @property
    def pipelines(self) -> tuple[str, ...]:
        """The names of the pipelines, in the order given."""
        return tuple(self.members)

    @property
    def any_members(self) -> tuple[Member, ...]:
        """The compared runs as the first pipeline has them; subject and motion are those of all pipelines."""
        return next(iter(self.members.values()), ())

    @property
    def subjects(self) -> tuple[str | None, ...]:
        """The subject of each compared run; None if the file name has none."""
        return tuple(member.subject for member in self.any_members)

    @property
    def n_subjects(self) -> int | None:
        """Number of subjects; None if the file name of a run has no subject."""
        return None if None in self.subjects else len(set(self.subjects))

    @property
    def mean_fd(self) -> np.ndarray:
        """Mean framewise displacement of each compared run in mm."""
        return np.array([member.mean_fd for member in self.any_members])


def find_compared_runs(settings: Mapping[str, Settings], rows: Sequence[Row], keys: Sequence[str]) -> ComparedRuns:
    """Return the runs that are compared.

    A pipeline with results of fewer than 10 runs is not compared, so that the others can be: a preset may need columns
    that no confounds table of a study has. A run is compared if every other pipeline has its tables, its mean framewise
    displacement is known, and its regions have the same names as those of most runs.

    Parameters
    ----------
    settings
        The settings of each pipeline, by its name.
    rows
        The rows of summary.tsv, one per run and pipeline.
    keys
        The key of each atlas in file names.
    """
    by_image: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row["pipeline"] in settings:
            by_image.setdefault(row["image"], {})[row["pipeline"]] = row
    n_done = Counter(row["pipeline"] for own in by_image.values() for row in own.values() if row["status"] == DONE)
    few_runs = {name: n_done[name] for name in settings if n_done[name] < MIN_RUNS}
    compared = [name for name in settings if name not in few_runs]
    shown = _display_images(list(by_image))
    motion = {image: _find_motion(own, settings) for image, own in by_image.items()}
    losses = [each for image, own in by_image.items() for each in _find_losses(shown[image], own, settings)]
    unknown = [_without_motion(shown[image]) for image in by_image if math.isnan(motion[image])]
    lost = {each.run for each in (*losses, *unknown) if each.pipeline not in few_runs}
    kept = {image: own for image, own in by_image.items() if compared and shown[image] not in lost}
    members = {
        image: {
            # A pipeline without regressors need not know the motion of its runs.
            name: replace(find_member(settings[name], own[name], keys), mean_fd=motion[image])
            for name in compared
        }
        for image, own in kept.items()
    }
    names, odd = _find_names(members, len(keys), shown)
    lost |= {each.run for each in odd}
    n_lost = Counter(each.pipeline for each in losses)
    images = sorted((image for image in members if shown[image] not in lost), key=_subject_order(members))
    return ComparedRuns(
        len(by_image),
        {name: tuple(members[image][name] for image in images) for name in compared},
        names,
        (*losses, *unknown, *odd),
        {name: measure_losses([kept[image][name] for image in images], n_lost[name]) for name in compared},
        few_runs,
    )


def _subject_order(members: Mapping[str, Mapping[str, Member]]) -> Callable[[str], int]:
    """Return a key that puts runs of one subject next to each other, subjects in the order of their first runs."""
    subjects = {image: next(iter(own.values())).subject for image, own in members.items()}
    ranks = {subject: rank for rank, subject in enumerate(dict.fromkeys(subjects.values()))}
    return lambda image: ranks[subjects[image]]


def _display_images(images: Sequence[str]) -> dict[str, str]:
    counts = Counter(Path(image).name for image in images)
    return {image: name if counts[name := Path(image).name] == 1 else image for image in images}


def _find_losses(run: str, own: Mapping[str, Row], pipelines: Iterable[str]) -> Iterator[LeftOut]:
    """Yield why a run has no result, for each pipeline that lost it."""
    for name in pipelines:
        row = own.get(name)
        if row is None or row["status"] == NOT_STARTED:
            yield LeftOut(run, name, "it did not start")
        elif row["status"] != DONE:
            yield LeftOut(run, name, row["reason"] or row["status"])


def _without_motion(run: str) -> LeftOut:
    return LeftOut(run, None, "its mean framewise displacement is not known")


def _find_motion(own: Mapping[str, Row], settings: Mapping[str, Settings]) -> float:
    """Return the mean framewise displacement of a run, by which all pipelines are compared; NaN if none knows it.

    It is that of a pipeline that does not filter the motion parameters, if there is one. A run that all pipelines lost
    has none either, but is not left out for that.
    """
    if not any(row["status"] == DONE for row in own.values()):
        return 0.0
    unfiltered_first = sorted(own, key=lambda name: settings[name].motion_filter is not None)
    known = [round_as_in_summary(own[name]["mean_fd"]) for name in unfiltered_first]
    return next((value for value in known if math.isfinite(value)), math.nan)


def _find_names(
    members: Mapping[str, Mapping[str, Member]], n_atlases: int, shown: Mapping[str, str]
) -> tuple[tuple[Names, ...], list[LeftOut]]:
    """Return the names of regions that most runs have, atlas by atlas, and the runs left out for others."""
    everyone = [member for own in members.values() for member in own.values()]
    names: list[Names] = []
    left_out: list[LeftOut] = []
    for position in range(n_atlases):
        common, reasons = find_common_names(everyone, position)
        names.append(common)
        for image, own in members.items():
            found = {pipeline: reasons[member.name] for pipeline, member in own.items() if member.name in reasons}
            if len(found) == len(own):
                left_out.append(LeftOut(shown[image], None, next(iter(found.values()))))
            else:
                left_out += [LeftOut(shown[image], pipeline, reason) for pipeline, reason in found.items()]
    return tuple(names), list(dict.fromkeys(left_out))


def reason_without_comparison(settings: Mapping[str, Settings], runs: ComparedRuns) -> str:
    """Return why pipelines are not compared, in one line; an empty text if they are."""
    if len(settings) < 2:
        return "there is one pipeline."
    n_compared = len(runs.any_members)
    if len(runs.pipelines) < 2:
        listed = ", ".join(f"{name} ({n_done})" for name, n_done in runs.few_runs.items())
        return f"it needs two pipelines with results of {MIN_RUNS} runs; there are fewer for {listed}{_lost(runs)}."
    if not find_common_kinds(settings, runs.pipelines):
        return "the pipelines have no kind of --connectivity in common."
    if n_compared < MIN_RUNS:
        kept = f"it needs {MIN_RUNS} runs that every pipeline kept and whose mean framewise displacement is known"
        return f"{kept}; {n_compared} of {count(runs.n_runs, 'run')} {'is' if n_compared == 1 else 'are'}{_lost(runs)}."
    if len(set(runs.mean_fd.tolist())) == 1:
        return f"the mean framewise displacement of all runs is {runs.mean_fd[0]:g} mm."
    return ""


def _lost(compared: ComparedRuns) -> str:
    """Return which runs are missing, and which pipeline lost them."""
    by_pipeline: dict[str | None, dict[str, None]] = {}
    for each in compared.left_out:
        by_pipeline.setdefault(each.pipeline, {})[each.run] = None
    parts = [
        f"{'left out for all pipelines' if pipeline is None else f'left out by {pipeline}'}: {list_names(list(runs))}"
        for pipeline, runs in by_pipeline.items()
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def find_common_kinds(settings: Mapping[str, Settings], pipelines: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds of connectivity that all of these pipelines have."""
    first, *others = (settings[name] for name in pipelines)
    return tuple(kind for kind in first.connectivity if all(kind in other.connectivity for other in others))
