"""Folders of reports for the browser: the index of made-up runs, and pages that hold only what study.js fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from niimasker.outputs.naming import report_path
from niimasker.reports.index_page import write_index
from niimasker.reports.pages import write_assets

_PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>run</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="{assets}/style.css">
<script src="{assets}/../runs.js" defer></script>
<script src="{assets}/ratings.js" defer></script>
<script src="{assets}/study.js" defer></script>
<main><nav class="neighbours" aria-label="Other runs" data-run="{output}" hidden></nav>
<div id="verdict"><p><span class="status good">complete</span></p></div>
<p><span class="place-among" data-rank="median_tsnr"></span> <span class="place-among" data-rank="mean_fd"></span></p>
<p><input id="field"></p>
<nav class="neighbours" aria-label="Other runs, below" data-run="{output}" hidden></nav></main>
"""


def write_study(output_dir: Path, rows: Sequence[Mapping[str, Any]], *, with_index: bool = True) -> Path:
    """Write the index and a page of each run with numbers, and return the folder of reports."""
    folder = output_dir / "reports"
    write_assets(folder)
    paths = [report_path(output_dir, row["output"]) if row["n_volumes"] else None for row in rows]
    for row, path in zip(rows, paths, strict=True):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            assets = "../" * (len(path.relative_to(folder).parts) - 1) + "assets"
            path.write_text(_PAGE.format(assets=assets, output=row["output"]), encoding="utf-8")
    if with_index:
        write_index(output_dir, rows, paths)
    return folder
