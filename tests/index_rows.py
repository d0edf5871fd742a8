"""Rows of summary.tsv for pages of studies that nobody has run."""

from __future__ import annotations

from typing import Any

import numpy as np

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"quotes' & <b>bold</b>",
    "<!--<script>",
    "{{ 7 * 7 }}",
    "sub-é_タスク_🧠",
    "n" * 200,
)

_NONE = dict.fromkeys(
    (
        "n_volumes",
        "n_discarded",
        "n_censored",
        "minutes",
        "degrees_of_freedom",
        "mean_fd",
        "mean_fd_kept",
        "n_regions",
        "n_regions_without_signal",
        "median_tsnr",
        "min_coverage",
        "n_warnings",
    )
)


def _row(name: str, **values: Any) -> dict[str, Any]:
    return {
        "image": f"/data/{name}.nii.gz",
        "confounds": None,
        "output": name,
        "pipeline": None,
        "reason": None,
        **_NONE,
        **values,
    }


def done(name: str, **values: Any) -> dict[str, Any]:
    """A run with numbers, all good ones unless said otherwise; no volume is censored for its motion."""
    numbers = {
        "seconds": 2.0,
        "n_volumes": 600,
        "n_discarded": 4,
        "n_censored": 0,
        "minutes": values.get("n_volumes", 600) / 60,
        "degrees_of_freedom": 170.0,
        "mean_fd": 0.15,
        "mean_fd_kept": values.get("mean_fd", 0.15),
        "n_regions": 100,
        "n_regions_without_signal": 0,
        "median_tsnr": 60.0,
        "min_coverage": 0.95,
        "n_warnings": 0,
    }
    return _row(name, status="done", **{**numbers, **values})


def failed(name: str, reason: str = "the image is damaged") -> dict[str, Any]:
    """A run without numbers but the seconds until it failed."""
    return _row(name, status="failed", reason=reason, seconds=0.2)


def excluded(
    name: str, reason: str = "its mean framewise displacement is above 0.5 mm", **values: Any
) -> dict[str, Any]:
    """A run with tables that a limit excludes."""
    return {**done(name, **values), "status": "excluded", "reason": reason}


def not_started(name: str) -> dict[str, Any]:
    """A run that Ctrl-C came before."""
    return _row(name, status="not started", seconds=None)


def study_rows(n_runs: int) -> list[dict[str, Any]]:
    """Runs as fMRIPrep names them, of which every twentieth failed; FD is the run's number in 10 nanometres."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(1, n_runs + 1):
        name = f"sub-{number}_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold"
        numbers = {
            "n_censored": int(rng.integers(0, 40)),
            "median_tsnr": float(rng.normal(60, 8)),
            "min_coverage": float(rng.uniform(0.8, 1)),
            "seconds": float(rng.normal(2, 0.1)),
            "mean_fd": number / 100_000,
        }
        kept = 600 - numbers["n_censored"]
        run = done(name, **numbers, n_volumes=kept, degrees_of_freedom=float(kept - 26))
        rows.append(failed(name) if number % 20 == 0 else run)
    return rows
