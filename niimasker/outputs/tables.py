"""Tables as they are written: signals, and facts of regions, voxels and runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from niimasker.outputs.files import replacing
from niimasker.regions.weights import RegionWeights
from niimasker.signals.extraction import Signals


def write_signals(path: Path, values: np.ndarray, names: Sequence[str], *, n_decimals: int) -> None:
    """Write signals of shape (n_volumes, n_regions) under their regions' names; NaN as n/a."""
    _write_table(path, pd.DataFrame(values, columns=list(names)), float_format=f"%.{n_decimals}f")


def write_records(path: Path, table: pd.DataFrame) -> None:
    """Write a table of facts, numbers with six significant digits; what is missing as n/a."""
    _write_table(path, table, float_format="%.6g")


def _write_table(path: Path, table: pd.DataFrame, *, float_format: str) -> None:
    with replacing(path) as temporary:
        table.to_csv(
            temporary,
            sep="\t",
            index=False,
            na_rep="n/a",
            float_format=float_format,
            encoding="utf-8",
            errors="backslashreplace",
        )


def regions_table(weights: RegionWeights, signals: Signals) -> pd.DataFrame:
    """Return a row of facts per region; coverage is the share of its voxels that hold a signal."""
    no_voxels = np.full(len(weights.names), np.nan)
    coverage = np.divide(signals.n_valid, weights.n_voxels, out=no_voxels.copy(), where=weights.n_voxels > 0)
    x, y, z = weights.centres.T
    return pd.DataFrame(
        {
            "index": weights.indices,
            "name": weights.names,
            "x": x,
            "y": y,
            "z": z,
            "n_voxels": weights.n_voxels,
            "n_valid": signals.n_valid,
            "coverage": coverage,
            "mean": signals.values.mean(axis=0),
            "tsnr": signals.tsnr,
            "status": signals.status,
        }
    )


def voxels_table(weights: RegionWeights) -> pd.DataFrame:
    """Return where each column of single voxels comes from: region, voxel indices, and mm."""
    assert weights.voxels is not None
    i, j, k = weights.voxels.ijk.T
    x, y, z = weights.centres.T
    regions = weights.voxels.regions
    return pd.DataFrame({"column": weights.names, "region": regions, "i": i, "j": j, "k": k, "x": x, "y": y, "z": z})
