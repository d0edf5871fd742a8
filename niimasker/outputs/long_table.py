"""One long (tidy) table over all runs: a row for each run, atlas, region and volume."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from niimasker.errors import OutputError
from niimasker.inputs.entities import read_name
from niimasker.options.settings import Settings
from niimasker.outputs.files import replacing
from niimasker.outputs.naming import RunFiles, Tables, name_files
from niimasker.outputs.outcomes import Row
from niimasker.outputs.study_names import long_table_path

_COLUMNS_BEFORE_ENTITIES, _COLUMNS_AFTER_ENTITIES = ("run",), ("atlas", "volume", "time", "region", "value")
# Follows the entities where runs have pipelines.
_PIPELINE = "pipeline"
_MISSING = b"n/a"

_HEMISPHERE = "hemi"

# With --as_voxels a run has many columns. This limits a row group of Parquet, and the rows in memory at once.
_MAX_ROWS = 1 << 20


@dataclass(frozen=True)
class TidyRun:
    """A run of the long table: the stem of its files, the BIDS entities of its image by column, and its pipeline."""

    output_stem: str
    entities: Mapping[str, str]
    pipeline: str | None


@dataclass(frozen=True)
class Block:
    """The signals of one run and atlas, or some columns of them.

    Parameters
    ----------
    texts
        Values that are the same in all rows, by column; None where the run has none.
    volumes
        Number of each row's volume in the image, from 0.
    times
        Time of each row in seconds; None without a repetition time.
    regions
        Names of the columns.
    cells
        Bytes of the cells as written in the table of signals, of shape (n_volumes, n_regions).
    """

    texts: Mapping[str, str | None]
    volumes: np.ndarray
    times: np.ndarray | None
    regions: Sequence[str]
    cells: np.ndarray

    def parts(self) -> Iterator[Block]:
        """Yield the block in parts of limited size, each of one column or more."""
        step = max(1, _MAX_ROWS // len(self.volumes))
        for start in range(0, len(self.regions), step):
            columns = slice(start, start + step)
            yield Block(self.texts, self.volumes, self.times, self.regions[columns], self.cells[:, columns])


def write_long_table(settings: Settings, runs: Sequence[Row], keys: Sequence[str], *, tidy: str) -> Path:
    """Write the tables of these runs as one long table, run by run, and return its path.

    Parameters
    ----------
    runs
        The row of each run in summary.tsv.
    keys
        The key of each atlas in file names.
    tidy
        Format of the table.

    Raises
    ------
    OutputError
        The long table cannot be written, or the table of a run cannot be read.
    """
    tidy_runs = [
        TidyRun(row["output"], _read_run_entities(row["image"], row["output"]), row["pipeline"]) for row in runs
    ]
    # The image name with most entities sets the order of their columns.
    by_length = sorted((run.entities for run in tidy_runs), key=len, reverse=True)
    entities = tuple(dict.fromkeys(name for run_entities in by_length for name in run_entities))
    if any(run.pipeline for run in tidy_runs):
        entities = (*entities, _PIPELINE)
    path = long_table_path(settings.output_dir, tidy)
    with replacing(path) as temporary, WRITERS[tidy](temporary, entities) as write:
        for run in tidy_runs:
            files = name_files(settings, run.output_stem, keys)
            for tables in files.tables:
                for part in _read_block(run, files, tables, entities).parts():
                    write(part)
    return path


def _read_run_entities(image: str, output_stem: str) -> dict[str, str]:
    """Return the BIDS entities of a run's image; without the hemisphere where the run has both."""
    entities = read_entities(image)
    if _HEMISPHERE not in read_name(Path(output_stem).name).entities:
        entities.pop(_HEMISPHERE, None)
    return entities


def read_entities(image: str) -> dict[str, str]:
    """Return the BIDS entities of an image's name; one named like another column gets a suffix, as in run_entity."""
    taken = (*_COLUMNS_BEFORE_ENTITIES, _PIPELINE, *_COLUMNS_AFTER_ENTITIES)
    return {
        f"{key}_entity" if key in taken else key: value
        for key, value in read_name(Path(image).name).entities.items()
        if key.isalpha()
    }


def _read_block(run: TidyRun, files: RunFiles, tables: Tables, entities: Sequence[str]) -> Block:
    try:
        sidecar = json.loads(tables.sidecar_path.read_text("utf-8"))
        volumes = _find_volumes(sidecar, files.outliers_path)
        regions, cells = _read_cells(tables.signals_path)
    except (OSError, ValueError, LookupError) as error:
        raise OutputError(
            f"{tables.signals_path} and the files beside it cannot be read for the long table ({error}); process that "
            "run again without --resume."
        ) from error
    if cells.shape != (len(volumes), len(regions)):
        raise OutputError(
            f"{tables.signals_path} has {cells.shape[0]} rows of {cells.shape[1]} values, but its JSON file says "
            f"{len(volumes)} rows and its header has {len(regions)} names; process that run again without --resume."
        )
    times = _find_times(sidecar, volumes)
    values = {**run.entities, _PIPELINE: run.pipeline}
    texts = {"run": run.output_stem, **{name: values.get(name) for name in entities}, "atlas": tables.atlas}
    return Block(texts, volumes, times, regions, cells)


def _find_volumes(sidecar: Mapping[str, Any], outliers_path: Path) -> np.ndarray:
    """Return the number of each row's volume in the image."""
    counts = sidecar["Volumes"]
    if counts["Kept"] == counts["Read"]:
        return np.arange(counts["Read"])
    if sidecar["Settings"]["censored"] == "nan":
        return np.arange(counts["Discarded"], counts["Read"])
    outliers = np.loadtxt(outliers_path, delimiter="\t", skiprows=1, dtype=int, ndmin=2)
    return np.flatnonzero(~outliers.any(axis=1))


def _find_times(sidecar: Mapping[str, Any], volumes: np.ndarray) -> np.ndarray | None:
    """Return the time of each row in seconds, None if it is not known."""
    times, start, t_r = sidecar.get("VolumeTiming"), sidecar["StartTime"], sidecar["RepetitionTime"]
    if times is not None:
        return np.array(times)
    # Rounded to the microsecond: further digits are rounding errors of the product.
    return None if t_r is None else np.round(start + (volumes - volumes[0]) * t_r, 6)


def _read_cells(path: Path) -> tuple[list[str], np.ndarray]:
    """Return a table's names, and its cells as bytes: parsing and writing numbers might change their last digit."""
    with path.open("rb") as file:
        (names,) = csv.reader([file.readline().decode("utf-8")], delimiter="\t")
        return names, np.stack([np.array(line.rstrip(b"\n").split(b"\t")) for line in file])


Write = Callable[[Block], None]


@contextlib.contextmanager
def _parquet(path: Path, entities: Sequence[str]) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow import parquet

    text = pa.dictionary(pa.int32(), pa.string())
    types = {"volume": pa.int32(), "time": pa.float64(), "value": pa.float64()}
    names = (*_COLUMNS_BEFORE_ENTITIES, *entities, *_COLUMNS_AFTER_ENTITIES)
    schema = pa.schema([(_as_unicode(name), types.get(name, text)) for name in names])

    def write(block: Block) -> None:
        columns = _columns(block)
        n_rows = len(columns["volume"])
        arrays = [columns[name] for name in names]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=n_rows)

    with path.open("wb") as file, parquet.ParquetWriter(file, schema) as writer:
        yield write


def _columns(block: Block) -> dict[str, Any]:
    """Return a block's columns as Arrow arrays, region after region."""
    import pyarrow as pa

    n_volumes, n_regions = block.cells.shape
    n_rows = n_volumes * n_regions
    cells = block.cells.T.ravel()
    is_missing = cells == _MISSING
    values = np.where(is_missing, b"nan", cells).astype(np.float64)
    regions = pa.array(np.repeat(np.arange(n_regions, dtype=np.int32), n_volumes))
    names = [_as_unicode(name) for name in block.regions]
    times = pa.nulls(n_rows, pa.float64()) if block.times is None else pa.array(np.tile(block.times, n_regions))
    return {name: _constant_column(value, n_rows) for name, value in block.texts.items()} | {
        "volume": pa.array(np.tile(block.volumes, n_regions), pa.int32()),
        "time": times,
        "region": pa.DictionaryArray.from_arrays(regions, pa.array(names, pa.string())),
        "value": pa.array(values, mask=is_missing),
    }


def _constant_column(value: str | None, n_rows: int) -> Any:
    import pyarrow as pa

    places = pa.nulls(n_rows, pa.int32()) if value is None else pa.array(np.zeros(n_rows, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(places, pa.array([] if value is None else [_as_unicode(value)], pa.string()))


def _as_unicode(text: str) -> str:
    # A file name may not be valid Unicode.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextlib.contextmanager
def _tsv_gz(path: Path, entities: Sequence[str]) -> Iterator[Write]:
    from isal import igzip

    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("wb"))
        # A fixed name and time in the gzip header give the same bytes for the same runs.
        packed = stack.enter_context(igzip.IGzipFile("timeseries.tsv", "wb", fileobj=raw, mtime=0))
        file = stack.enter_context(io.TextIOWrapper(packed, "utf-8", errors="backslashreplace", newline=""))
        file.write(_tsv_line((*_COLUMNS_BEFORE_ENTITIES, *entities, *_COLUMNS_AFTER_ENTITIES)) + "\n")
        yield lambda block: _write_lines(file, block)


def _write_lines(file: TextIO, block: Block) -> None:
    first = _tsv_line(["n/a" if text is None else text for text in block.texts.values()])
    times = ["n/a"] * len(block.volumes) if block.times is None else block.times.tolist()
    heads = [f"{first}\t{volume}\t{time}\t" for volume, time in zip(block.volumes.tolist(), times, strict=True)]
    for region, cells in zip(block.regions, block.cells.T, strict=True):
        name = _tsv_line([region])
        # One write per column: one write per line takes four times as long.
        numbers = b"\n".join(cells.tolist()).decode("ascii").split("\n")
        file.write("".join([f"{head}{name}\t{number}\n" for head, number in zip(heads, numbers, strict=True)]))


def _tsv_line(cells: Sequence[str]) -> str:
    """Return cells as the csv module writes them, quoted where necessary."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="").writerow(cells)
    return text.getvalue()


WRITERS: dict[str, Callable[[Path, Sequence[str]], contextlib.AbstractContextManager[Write]]] = {
    "parquet": _parquet,
    "tsv.gz": _tsv_gz,
}
