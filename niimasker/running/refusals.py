"""Why a call may not write to its output folder, and what it replaces there, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from niimasker.errors import NiimaskerError, OutputError, count, list_names
from niimasker.inputs.exclusions import find_excluded, read_exclusions
from niimasker.inputs.run_images import RunImage
from niimasker.inputs.runs import Run
from niimasker.outputs.analyses import Analysis, describe_difference
from niimasker.outputs.calls import Call
from niimasker.outputs.contents import Contents, OtherRun, is_image_gone
from niimasker.outputs.outcomes import has_tables
from niimasker.study.input_files import InputFiles


def refuse_calls(
    output_dir: Path, calls: Sequence[Call], analysis: Analysis, to_do: Sequence[Run]
) -> Iterator[NiimaskerError]:
    """Yield an error for each call at work that this one cannot run beside."""
    for call in calls:
        is_same = analysis.agrees_with(call.analysis)
        if call.is_abandoned or (call.is_abandoned is None and is_same):
            continue
        shared = [run.output_stem for run in to_do if run.output_stem in call.runs]
        if is_same and not shared:
            continue
        way_out = "wait until it has ended, or give another output_dir"
        if call.is_abandoned is None:
            way_out += f"; if it has ended already, remove {call.record_path}"
        if is_same:
            what = f"with the same runs ({list_names(shared)})"
        else:
            theirs, ours = describe_difference(call.analysis, analysis)
            what = f"with {theirs}, and this call has {ours}"
        yield OutputError(f"{output_dir}: another niimasker ({call.words}) is at work there {what}; {way_out}.")


def refuse_others(output_dir: Path, staying: dict[str, OtherRun], analysis: Analysis) -> Iterator[NiimaskerError]:
    """Yield an error if tables of another analysis would stay beside those of this call."""
    if staying:
        described, ours = _describe_runs(list(staying.values()), analysis)
        yield OutputError(
            f"{output_dir}: {described} would stay there; this call has {ours}. Tables of two analyses in one folder "
            "could not be told apart: give another output_dir, or --overwrite to remove what would stay."
        )


def _describe_runs(runs: Sequence[OtherRun], analysis: Analysis) -> tuple[str, str]:
    """Return how many runs were made with what, and what this call has instead."""
    counts = Counter(run.analysis.own_checksum for run in runs)
    (checksum, n_most), *rest = counts.most_common()
    example = next(run for run in runs if run.analysis.own_checksum == checksum)
    theirs, ours = describe_difference(example.analysis, analysis)
    more = f" (and {count(len(runs) - n_most, 'run')} with other differences)" if rest else ""
    return f"{count(n_most, 'run')} made with {theirs}{more}", ours


def describe_removed(
    output_dir: Path, replaced: dict[str, OtherRun], staying: dict[str, OtherRun], analysis: Analysis
) -> Iterator[str]:
    """Yield a note about runs of other analyses that this call replaces, and about those that --overwrite removes."""
    if replaced:
        described, ours = _describe_runs(list(replaced.values()), analysis)
        yield f"{output_dir}: this call replaces {described} by {ours}."
    if staying:
        described, _ = _describe_runs(list(staying.values()), analysis)
        yield f"{output_dir}: --overwrite removes {described}: {list_names(sorted(staying))}."


def describe_gone(output_dir: Path, contents: Contents, outputs: Set[str]) -> Iterator[str]:
    """Yield a note about runs of this analysis that have files in the folder, but whose images are gone."""
    gone = [name for name, row in contents.rows.items() if name not in outputs and is_image_gone(row)]
    if gone:
        yield (
            f"{output_dir} holds {count(len(gone), 'run')} whose image is no longer there: {list_names(gone)}; to take "
            f"a run out, remove its files, such as {gone[0]}_*, and call niimasker again."
        )


def describe_excluded(output_dir: Path, contents: Contents, outputs: Set[str], exclude: Sequence[str]) -> Iterator[str]:
    """Yield a note about runs of this analysis that --exclude leaves out, but that have files of an earlier call."""
    staying = {name: Path(row["image"]) for name, row in contents.rows.items() if name not in outputs}
    if not (exclude and staying):
        return
    excluded = find_excluded([RunImage.from_path(path) for path in staying.values()], read_exclusions(exclude))
    names = [name for name, path in staying.items() if path in excluded]
    if names:
        yield (
            f"{output_dir} holds {count(len(names), 'run')} of an earlier call that --exclude leaves out: "
            f"{list_names(names)}; the index, the group page and --tidy include what is in the folder. Give another "
            f"output_dir, or remove their files, such as {names[0]}_*, and call niimasker again."
        )


def refuse_images(output_dir: Path, contents: Contents, to_do: Sequence[Run]) -> Iterator[NiimaskerError]:
    """Yield an error if runs would replace those of other images that have the same output name."""
    others = [
        (row["image"], run)
        for run in to_do
        if (row := contents.rows.get(run.output_stem)) and has_tables(row) and _is_other(row["image"], run)
    ]
    if others:
        image, run = others[0]
        yield OutputError(
            f"{output_dir}: {run.output_stem} is there already, made from {image}; this call would replace it by that "
            f"of {run.image_path}{_count_more([run.image_path for _, run in others], 'run')}. Give another output_dir, "
            "or --overwrite to replace it."
        )


def _is_other(image: str, run: Run) -> bool:
    """Return whether an image that still exists is another file than that of a run."""
    try:
        return not Path(image).samefile(run.image_path)
    except (OSError, ValueError):
        return False


def refuse_files(
    existing: Sequence[Path], removed: Sequence[Path], *, known: Set[Path], inputs: InputFiles
) -> Iterator[NiimaskerError]:
    """Yield an error for files that would be replaced or removed and are inputs, or are not niimasker's."""
    taken = [path for path in dict.fromkeys((*existing, *removed)) if path in inputs]
    if taken:
        yield OutputError(
            f"{taken[0]} is an input of this call, which would replace or remove it{_count_more(taken)}; "
            "give another output_dir."
        )
    foreign = [path for path in existing if path not in known and path not in taken]
    if foreign:
        yield OutputError(
            f"{foreign[0]} exists and was not written by niimasker; this call would replace it{_count_more(foreign)}; "
            "move it away, or give another output_dir."
        )


def _count_more(paths: Sequence[Path], noun: str = "file") -> str:
    return f" and {count(len(paths) - 1, f'other {noun}')}" if len(paths) > 1 else ""
