"""Parts of a study that run apart, as jobs of an array: each with its own summary, merged by the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from niimasker.inputs.runs import Run
from niimasker.options.option_types import Shard
from niimasker.outputs.files import shard_summaries, summary_name
from niimasker.outputs.outcomes import Outcome, summary_row
from niimasker.outputs.summaries import Row, read_summary


def merge_shards(folder: Path, shard: Shard, runs: Sequence[Run], write: Callable[[list[Row]], None]) -> None:
    """Write what all shards have done, once each has its summary; until then nothing.

    Two that end at once both write. Neither holds a lock, which a killed job would leave behind: who finds that a
    summary has changed since it was read writes again.

    Parameters
    ----------
    runs
        Of the whole study, in order.
    write
        Takes a row per run.
    """
    while (states := _states(folder, shard)) is not None:
        write(_merge(folder, shard, runs))
        if _states(folder, shard) == states:
            return


def read_shards(folder: Path, shard: Shard, runs: Sequence[Run]) -> list[Row] | None:
    """Return a row per run of the whole study, None until each shard has its summary."""
    return None if _states(folder, shard) is None else _merge(folder, shard, runs)


def _summary_paths(folder: Path, shard: Shard) -> Iterator[Path]:
    # One after the other: of the parts there may be said to be any number, of which the first is missing.
    return (folder / summary_name(Shard(number, shard.n_shards)) for number in range(1, shard.n_shards + 1))


def _merge(folder: Path, shard: Shard, runs: Sequence[Run]) -> list[Row]:
    rows = {row["output"]: row for path in _summary_paths(folder, shard) for row in read_summary(path) or []}
    return [rows.get(run.output_stem) or summary_row(Outcome(run)) for run in runs]


def _states(folder: Path, shard: Shard) -> list[tuple[int, int, int]] | None:
    try:
        found = [path.stat() for path in _summary_paths(folder, shard)]
    except OSError:
        return None
    return [(each.st_mtime_ns, each.st_size, each.st_ino) for each in found]


def remove_shard_summaries(folder: Path) -> None:
    """Remove the summaries of shards: that of the whole study says more, and later."""
    for path in shard_summaries(folder):
        path.unlink(missing_ok=True)
