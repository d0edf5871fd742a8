"""Shards of a study that run as separate jobs: each writes its own summary, and the last one merges them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from niimasker.inputs.runs import Run
from niimasker.options.option_types import Shard
from niimasker.outputs.files import shard_summaries, summary_name
from niimasker.outputs.outcomes import Outcome, summary_row
from niimasker.outputs.summaries import Row, read_summary


def merge_shards(folder: Path, shard: Shard, runs: Sequence[Run], write: Callable[[list[Row]], None]) -> None:
    """Write the merged summary of all shards once each shard has written its own; until then do nothing.

    Two shards that end at the same time both write. There is no lock, because a killed job would leave it behind:
    a shard that finds that a summary has changed since it was read writes again.

    Parameters
    ----------
    runs
        The runs of the whole study, in order.
    write
        Called with one row per run.
    """
    while (states := _read_states(folder, shard)) is not None:
        write(_merge_rows(folder, shard, runs))
        if _read_states(folder, shard) == states:
            return


def read_shards(folder: Path, shard: Shard, runs: Sequence[Run]) -> list[Row] | None:
    """Return one row per run of the whole study; None until each shard has written its summary."""
    return None if _read_states(folder, shard) is None else _merge_rows(folder, shard, runs)


def _summary_paths(folder: Path, shard: Shard) -> Iterator[Path]:
    # A generator: the number of shards may be huge, and the first missing summary ends the search.
    return (folder / summary_name(Shard(number, shard.n_shards)) for number in range(1, shard.n_shards + 1))


def _merge_rows(folder: Path, shard: Shard, runs: Sequence[Run]) -> list[Row]:
    rows = {row["output"]: row for path in _summary_paths(folder, shard) for row in read_summary(path) or []}
    return [rows.get(run.output_stem) or summary_row(Outcome(run)) for run in runs]


def _read_states(folder: Path, shard: Shard) -> list[tuple[int, int, int]] | None:
    """Return what changes when a summary is written again; None if a summary is missing."""
    try:
        stats = [path.stat() for path in _summary_paths(folder, shard)]
    except OSError:
        return None
    return [(stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats]


def remove_shard_summaries(folder: Path) -> None:
    """Remove the summaries of shards, which the summary of the whole study replaces."""
    for path in shard_summaries(folder):
        path.unlink(missing_ok=True)
