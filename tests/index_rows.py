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
        "degrees_of_freedom",
        "mean_fd",
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
    """A run with numbers, all good ones unless said otherwise."""
    numbers = {
        "seconds": 2.0,
        "n_volumes": 196,
        "n_discarded": 4,
        "n_censored": 0,
        "degrees_of_freedom": 170.0,
        "mean_fd": 0.15,
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


def not_started(name: str) -> dict[str, Any]:
    """A run that Ctrl-C came before."""
    return _row(name, status="not started", seconds=None)


def study_rows(n_runs: int) -> list[dict[str, Any]]:
    """Runs as fMRIPrep names them, of which every twentieth failed; FD is the run's number in micrometres."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(1, n_runs + 1):
        name = f"sub-{number}_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold"
        numbers = {
            "n_censored": int(rng.integers(0, 40)),
            "median_tsnr": float(rng.normal(60, 8)),
            "min_coverage": float(rng.uniform(0.8, 1)),
            "seconds": float(rng.normal(2, 0.1)),
            "mean_fd": number / 1000,
        }
        kept = 196 - numbers["n_censored"]
        run = done(name, **numbers, n_volumes=kept, degrees_of_freedom=float(kept - 26))
        rows.append(failed(name) if number % 20 == 0 else run)
    return rows
