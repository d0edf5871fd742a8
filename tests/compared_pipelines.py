"""Runs cleaned by several pipelines: their rows of summary.tsv and their tables, for which no image was needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from group_members import CENTRES, NAMES, make_edges

from niimasker.group.compared_runs import find_compared_runs
from niimasker.group.comparison import Comparison, compare_pipelines
from niimasker.group.edges import matrix_of
from niimasker.options.merging import make_settings
from niimasker.options.settings import Settings
from niimasker.outputs.naming import name_files
from niimasker.outputs.tables import write_records, write_relmat

PIPELINES = ("baseline", "24P", "scrubbing.2+gsr")
N_RUNS = 14
# Volumes of each run: read and not discarded.
N_AVAILABLE = 200


@dataclass(frozen=True)
class Study:
    """What a comparison is made of."""

    settings: dict[str, Settings]
    rows: list[dict[str, Any]]
    keys: tuple[str, ...]

    def compare(self) -> Comparison:
        """Return the comparison of the pipelines."""
        return compare_pipelines(self.settings, find_compared_runs(self.settings, self.rows, self.keys))


def make_correlations(n_runs: int = N_RUNS, n_edges: int = 15) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return correlations of shape (n_runs, n_edges) by pipeline, which depend less and less on motion; and mean FD."""
    raw, motion = make_edges(n_runs, n_edges)
    own = np.random.default_rng(5).normal(0, 0.2, raw.shape)
    shares = np.linspace(1, 0, len(PIPELINES))
    return {name: np.tanh(share * raw + own) for name, share in zip(PIPELINES, shares, strict=True)}, motion


def write_study(
    folder: Path,
    edges: Mapping[str, np.ndarray],
    motion: np.ndarray,
    *,
    subjects: Sequence[str] | None = None,
    names: Sequence[str] = NAMES,
    centres: np.ndarray = CENTRES,
    keys: Sequence[str] = ("atlas",),
    **options: Any,
) -> Study:
    """Write the tables of runs, each of a subject of its own unless subjects are given."""
    folder.mkdir(exist_ok=True)
    given = {"output_dir": str(folder), "input_files": "a_bold.nii.gz", "roi_file": "atlas.nii.gz"}
    settings = {name: make_settings({**given, "connectivity": "pearson", **options}) for name in edges}
    subjects = subjects or [f"{number:02}" for number in range(len(motion))]
    rows = []
    for number, (subject, mean_fd) in enumerate(zip(subjects, motion, strict=True)):
        for rank, (pipeline, values) in enumerate(edges.items()):
            image = f"sub-{subject}_run-{number + 1}_bold"
            row = make_row(f"/data/{image}.nii.gz", f"{image}_desc-{rank}", pipeline, mean_fd, n_censored=10 * rank)
            for tables in name_files(settings[pipeline], row["output"], keys).tables:
                for path in tables.relmat_paths:
                    write_relmat(path, matrix_of(values[number], len(names)), names)
                x, y, z = centres.T
                write_records(tables.regions_path, pd.DataFrame({"name": names, "x": x, "y": y, "z": z}))
            rows.append(row)
    return Study(settings, rows, tuple(keys))


def make_row(image: str, output: str, pipeline: str, mean_fd: float, *, n_censored: int = 0) -> dict[str, Any]:
    """Return the row of summary.tsv of a finished run."""
    return {
        "image": image,
        "output": output,
        "pipeline": pipeline,
        "status": "done",
        "verdict": "complete",
        "reason": None,
        "mean_fd": mean_fd,
        "n_volumes": N_AVAILABLE - n_censored,
        "n_discarded": 4,
        "n_censored": n_censored,
        "degrees_of_freedom": N_AVAILABLE - 2 * n_censored - 12.4,
    }
