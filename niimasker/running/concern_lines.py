"""The line of the summary that says which runs need a look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from niimasker.errors import count
from niimasker.inputs.entities import read_name
from niimasker.options.settings import Settings
from niimasker.outputs.outcomes import DONE, NAMED_ENTITIES, SKIPPED, Outcome
from niimasker.outputs.results import summary_numbers
from niimasker.outputs.study_names import summary_path
from niimasker.study.verdicts import CRITERIA, RED, Judgement, judge

# A concern that more runs share is described once.
_MAX_DESCRIBED = 3
_MAX_NAMED = 5


@dataclass(frozen=True)
class ConcernedRun:
    """A run that needs a look, with its concerns, grave ones first."""

    name: str
    concerns: tuple[Judgement, ...]

    @property
    def is_red(self) -> bool:
        """Whether a concern is grave."""
        return self.concerns[0].grade == RED

    def __str__(self) -> str:
        return f"{self.name} ({'; '.join(each.concern for each in self.concerns)})"


def describe_concerns(outcomes: Sequence[Outcome], settings: Settings) -> Iterator[str]:
    """Yield a line that says which runs need a look and why, the worst first; none if no run does.

    Excluded and failed runs do not count; they have lines of their own.
    """
    runs = sorted(_find_concerned(outcomes, settings), key=_grade_concerns)
    if runs:
        yield _describe(
            runs, len(outcomes), f"see the columns verdict and concerns of {summary_path(settings.output_dir)}"
        )


def _grade_concerns(run: ConcernedRun) -> tuple[int, int]:
    """Return what runs are sorted by, as on the index: how many numbers are red, and how many are of any concern."""
    return -sum(each.grade == RED for each in run.concerns), -len(run.concerns)


def _describe(runs: Sequence[ConcernedRun], n_runs: int, listed: str) -> str:
    verb = "needs" if len(runs) == 1 else "need"
    need = f"{len(runs):,} of {count(n_runs, 'run')} {verb} a look"
    if len(runs) <= _MAX_DESCRIBED:
        return f"{need}: {', '.join(map(str, runs))}"
    n_red = sum(run.is_red for run in runs)
    need += f" ({n_red:,} red)" if n_red else ""
    shared = _find_shared(runs)
    more = ", ..." if len(runs) > _MAX_NAMED else ""
    if any(len(sharing) > _MAX_DESCRIBED for sharing in shared.values()):
        worst = ", ".join(run.name for run in runs[:_MAX_NAMED])
        return f"{need}: {', '.join(_describe_shared(shared))}; worst first: {worst}{more}; {listed}"
    return f"{need}: {', '.join(map(str, runs[:_MAX_NAMED]))}{more}; {listed}"


def _find_concerned(outcomes: Sequence[Outcome], settings: Settings) -> Iterator[ConcernedRun]:
    names = _name_runs(outcomes)
    for outcome in outcomes:
        if outcome.status in (DONE, SKIPPED) and outcome.result is not None:
            concerns = judge(summary_numbers(outcome.result), settings.judge).concerns
            if concerns:
                yield ConcernedRun(names[outcome.run.output_stem], concerns)


def _name_runs(outcomes: Sequence[Outcome]) -> Mapping[str, str]:
    """Return a short name of each run by its output name: its subject, and the entities in which runs differ."""
    entities = {outcome.run.output_stem: read_name(outcome.run.image_path.name).entities for outcome in outcomes}
    differing = [
        key for key in NAMED_ENTITIES if key == "sub" or len({found.get(key) for found in entities.values()}) > 1
    ]
    names = {}
    for outcome in outcomes:
        stem, pipeline = outcome.run.output_stem, outcome.run.pipeline
        short = "_".join(f"{key}-{entities[stem][key]}" for key in differing if entities[stem].get(key))
        names[stem] = f"{short} with {pipeline}" if short and pipeline else short or stem
    # Runs may differ in other entities.
    return names if len(set(names.values())) == len(names) else {stem: stem for stem in names}


def _find_shared(runs: Sequence[ConcernedRun]) -> dict[str, list[tuple[str, Judgement]]]:
    """Return the names of the runs with each concern, with its numbers, by the key of its criterion."""
    shared: dict[str, list[tuple[str, Judgement]]] = {criterion.key: [] for criterion in CRITERIA}
    for run in runs:
        for judgement in run.concerns:
            shared[judgement.criterion.key].append((run.name, judgement))
    return shared


def _describe_shared(shared: Mapping[str, Sequence[tuple[str, Judgement]]]) -> Iterator[str]:
    """Yield each concern with the number of runs that share it, and the run with the worst value."""
    for criterion in CRITERIA:
        sharing = shared[criterion.key]
        if not sharing:
            continue
        choose, extreme = (max, "highest") if criterion.is_concern_above else (min, "lowest")
        name, worst = choose(sharing, key=lambda pair: pair[1].value)
        limit = criterion.add_unit(f"{worst.threshold.amber:g}") if worst.threshold else ""
        yield (
            f"{criterion.noun} {criterion.side} {limit} in {count(len(sharing), 'run')} "
            f"({extreme} {worst.text} in {name})"
        )
