"""Call niimasker with pipelines as a user does, and read what it wrote by the pipelines' names."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from answers import Result
from studies import results_in as _all_results_in

from niimasker import extract
from niimasker.cli import main
from niimasker.errors import NiimaskerWarning

Options = Mapping[str, Any]

# What the JSON file of a run says of its cleaning, which does not depend on the files' names.
FACTS = (
    *("SamplingFrequency", "StartTime", "RepetitionTime", "Volumes", "Confounds", "ConfoundsLeftOut"),
    *("DegreesOfFreedom", "Columns", "Settings", "Summary", "Warnings"),
)


def label_of(name: str) -> str:
    """Return how the names of files call a pipeline: its letters, digits and +."""
    return re.sub(r"[^A-Za-z0-9+]", "", name)


def call(*words: object) -> Result:
    """Run a command, and return its exit code and what it wrote to both streams."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Result(code, out.getvalue(), err.getvalue())


def refuse(*words: object) -> str:
    """Run a command that must be refused before anything is written, and return its one line."""
    result = call("refused", *words, "--no_report")
    assert result.code == 2, result
    assert len(result.failures) == 1, result.err
    assert "Traceback" not in result.err
    assert not Path("refused").exists()
    return result.failures[0]


def extract_quietly(output_dir: Path | str, **options: Any) -> list[Any]:
    """Extract runs without pages, and return the outcomes; niimasker's own warnings are ignored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NiimaskerWarning)
        return extract(output_dir, **{"no_report": True, **options})


def write_pipelines(path: str, pipelines: Options) -> str:
    """Write pipelines as a JSON file, and return its name."""
    Path(path).write_text(json.dumps(pipelines))
    return path


def results_in(output_dir: Path | str) -> dict[str, bytes]:
    """Return the content of every file of the runs; the name of the output folder is left out of JSON files."""
    found = _all_results_in(Path(output_dir))
    name = re.escape(json.dumps(str(output_dir)).encode())
    return {path: re.sub(rb'\n *"output_dir": ' + name + b",", b"", content) for path, content in found.items()}


def files_of(output_dir: Path | str, name: str) -> dict[str, bytes]:
    """Return the content of the files of a pipeline's runs, by their names without that of the pipeline."""
    part = f"_desc-{label_of(name)}"
    found = results_in(Path(output_dir))
    return {
        path.replace(part, ""): content for path, content in found.items() if re.search(re.escape(part) + "_", path)
    }


def tables_of(output_dir: Path | str, name: str) -> dict[str, bytes]:
    """Return the content of the tables of a pipeline's runs, by their names without that of the pipeline."""
    return only_tables(files_of(output_dir, name))


def tables_alone(output_dir: Path | str) -> dict[str, bytes]:
    """Return the content of the tables of the runs of a call without pipelines."""
    return only_tables(results_in(output_dir))


def only_tables(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that are tables."""
    return {path: content for path, content in files.items() if path.endswith(".tsv")}


def facts_in(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return what the JSON files of time series say of the cleaning, by their names."""
    found = {path: json.loads(content) for path, content in files.items() if path.endswith("_timeseries.json")}
    return {path: _settled({key: sidecar[key] for key in FACTS}) for path, sidecar in found.items()}


def _settled(facts: dict[str, Any]) -> dict[str, Any]:
    # Every pipeline is its own call: what the others are is in parameters.json.
    return {**facts, "Settings": {name: value for name, value in facts["Settings"].items() if name != "pipelines"}}


def assert_as_alone(output_dir: Path | str, name: str, alone: Path | str) -> None:
    """Check that a pipeline has written what a call of its own has written: the same bytes, the same facts."""
    found, expected = files_of(output_dir, name), results_in(alone)
    assert sorted(only_tables(found)) == sorted(only_tables(expected))
    differing = [path for path, content in only_tables(expected).items() if found[path] != content]
    assert differing == []
    assert facts_in(found) == facts_in(expected)


def sidecars_of(output_dir: Path | str, name: str) -> list[dict[str, Any]]:
    """Return the JSON files of a pipeline's time series."""
    files = files_of(output_dir, name)
    return [json.loads(content) for path, content in files.items() if path.endswith("_timeseries.json")]


def summary(output_dir: Path | str = "out") -> pd.DataFrame:
    """Return summary.tsv."""
    return pd.read_csv(Path(output_dir, "niimasker_data/summary.tsv"), sep="\t", dtype={"pipeline": str})


def statuses(output_dir: Path | str = "out") -> dict[tuple[str, str], str]:
    """Return how each run ended, by image and pipeline; "skipped" where the last call did not do it."""
    table = summary(output_dir)
    images = [Path(path).name.split("_")[0] for path in table["image"]]
    ends = table["status"].mask(table["skipped"] == 1, "skipped")
    return dict(zip(zip(images, table["pipeline"], strict=True), ends, strict=True))


def record(output_dir: Path | str = "out") -> dict[str, Any]:
    """Return the content of parameters.json."""
    return json.loads(Path(output_dir, "niimasker_data/parameters.json").read_text("utf-8"))
