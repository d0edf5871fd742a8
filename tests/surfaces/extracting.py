"""Extract runs as a user does, from Python and from the command line, and read what was written."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from answers import Result

from niimasker import extract
from niimasker.cli import main
from niimasker.errors import NiimaskerWarning

N_DECIMALS = 12
# Values are written with 12 decimals; sums of float32 values in float64 agree to much less than 1e-9.
CLOSE = {"rtol": 1e-9, "atol": 0.51 * 10.0**-N_DECIMALS}
# Workbench writes float32.
AS_FLOAT32 = {"rtol": 1e-6, "atol": 0.51 * 10.0**-N_DECIMALS}


@dataclass(frozen=True)
class Extracted:
    """The tables of one run, the content of its JSON file, and the warnings of the call."""

    signals: pd.DataFrame
    regions: pd.DataFrame
    sidecar: dict
    warnings: tuple[str, ...]
    signals_path: Path

    @property
    def facts(self) -> pd.DataFrame:
        """The table of regions, by the names of the columns."""
        return self.regions.set_index("name")

    def warnings_with(self, *parts: str) -> list[str]:
        """Return the warnings that hold all of these parts, in upper or lower case."""
        return [text for text in self.warnings if all(part.lower() in text.lower() for part in parts)]


def extract_all(output_dir: Path | str, **options: object) -> list[Extracted]:
    """Extract runs, all of which must be done, and return the tables of the first atlas of each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcomes = extract(output_dir, **{"no_report": True, "n_decimals": N_DECIMALS, **options})
    assert [each for each in caught if not issubclass(each.category, NiimaskerWarning)] == []
    assert [outcome.reason for outcome in outcomes] == [None] * len(outcomes)
    texts = tuple(str(each.message) for each in caught)
    return [_read(outcome.tables[0], texts) for outcome in outcomes]


def extract_run(output_dir: Path | str, **options: object) -> Extracted:
    """Extract a single run, which must be done."""
    (extracted,) = extract_all(output_dir, **options)
    return extracted


def _read(tables, texts: tuple[str, ...]) -> Extracted:
    sidecar = json.loads(tables.sidecar_path.read_text("utf-8"))
    return Extracted(read(tables.signals_path), read(tables.regions_path), sidecar, texts, Path(tables.signals_path))


def read(path: Path | str) -> pd.DataFrame:
    """Return a table; n/a is NaN."""
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


def run(*words: object) -> Result:
    """Run a command, and return its exit code and what it wrote to both streams."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Result(code, out.getvalue(), err.getvalue())


def refuse(output_dir: Path | str, *words: object) -> str:
    """Run a command that must be refused or whose only run must fail; return its one line."""
    result = run(output_dir, *words, "--no_report")
    lines = [line for line in result.lines if re.match("niimasker: (error|failed): ", line)]
    assert result.code in (1, 2), result
    assert len(lines) == 1, result.err
    assert result.lines[-1:] == lines or result.code == 1, result.err
    assert "Traceback" not in result.err
    assert not list(Path(output_dir).rglob("*_timeseries.tsv"))
    return lines[0]


def numbers_in(text: str) -> set[float]:
    """Return the numbers in a text; thousands may be separated by commas."""
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    return {float(number) for number in re.findall(r"(?<![\w.-])\d+(?:\.\d+)?", plain)}


def assert_signals(extracted: Extracted, expected: pd.DataFrame, **tolerance: float) -> None:
    """Check names, their order and values; NaN where a column has no value."""
    assert extracted.signals.columns.tolist() == expected.columns.tolist()
    np.testing.assert_allclose(extracted.signals.to_numpy(float), expected.to_numpy(float), **(tolerance or CLOSE))
