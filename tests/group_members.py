"""Runs with tables of connectivity and regions that no image was needed for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from niimasker.group.connectivity import Member
from niimasker.group.edges import distances_between, matrix_of
from niimasker.outputs.naming import Tables
from niimasker.outputs.tables import write_records, write_relmat

NAMES = ("L_a", "L_b", "L_c", "R_a", "R_b", "R_c")
CENTRES = np.array([[-40.0, 10, 5], [-30, -60, 20], [-8, 30, 40], [41, 12, 4], [29, -62, 18], [9, 33, 38]])
DISTANCES = distances_between(CENTRES)


def make_edges(n_runs: int, n_edges: int = len(DISTANCES)) -> tuple[np.ndarray, np.ndarray]:
    """Return edges of shape (n_runs, n_edges), which go with motion to different degrees, and mean FD."""
    rng = np.random.default_rng(3)
    motion = rng.gamma(2, 0.1, n_runs).round(6)
    return 0.2 + np.outer(motion, rng.normal(0.2, 0.5, n_edges)) + rng.normal(0, 0.15, (n_runs, n_edges)), motion


def write_member(
    folder: Path,
    name: str,
    edges: np.ndarray,
    *,
    mean_fd: float = 0.1,
    subject: str | None = None,
    names: Sequence[str] = NAMES,
    centres: np.ndarray = CENTRES,
) -> Member:
    """Write the tables of a run and return it."""
    tables = Tables(
        "atlas",
        signals_path=folder / f"{name}_timeseries.tsv",
        sidecar_path=folder / f"{name}_timeseries.json",
        regions_path=folder / f"{name}_regions.tsv",
        points_path=None,
        relmat_paths=(folder / f"{name}_connectivity-pearson_relmat.tsv",),
    )
    tables.relmat_paths[0].parent.mkdir(parents=True, exist_ok=True)
    write_relmat(tables.relmat_paths[0], matrix_of(edges, len(names)), names)
    x, y, z = centres.T
    write_records(tables.regions_path, pd.DataFrame({"name": names, "x": x, "y": y, "z": z}))
    return Member(name, subject, mean_fd, (tables,))


def write_members(folder: Path, edges: np.ndarray, motion: np.ndarray, **options) -> list[Member]:
    """Write the tables of runs, each of a subject of its own, and return them."""
    return [
        write_member(folder, f"sub-{number:02}_bold", values, mean_fd=mean_fd, subject=f"{number:02}", **options)
        for number, (values, mean_fd) in enumerate(zip(edges, motion, strict=True))
    ]
