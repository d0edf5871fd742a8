"""The table of the comparison of pipelines: one row per pipeline, atlas and kind of connectivity."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from niimasker.group.comparison import AtlasComparison, Comparison, PipelineMeasures
from niimasker.group.tables import DIGITS
from niimasker.outputs.files import replacing
from niimasker.outputs.tables import text_column, write_records


def write_comparison_table(path: Path, comparison: Comparison) -> None:
    """Write the table of the comparison."""
    with replacing(path) as temporary:
        write_records(temporary, comparison_table(comparison), DIGITS)


def comparison_table(comparison: Comparison) -> pd.DataFrame:
    """Return one row per pipeline, atlas and kind of connectivity."""
    found = [(part, measures) for part in comparison.parts for measures in part.measures]
    table = pd.DataFrame([_row(comparison, part, measures) for part, measures in found])
    # Names may not be valid Unicode.
    table.insert(0, "pipeline", text_column([measures.pipeline for _, measures in found]))
    table.insert(1, "atlas", text_column([part.atlas for part, _ in found]))
    return table


def _row(comparison: Comparison, part: AtlasComparison, measures: PipelineMeasures) -> dict[str, Any]:
    runs = comparison.runs
    losses, modularity, similarity = runs.losses[measures.pipeline], measures.modularity, measures.identifiability
    return {
        "connectivity": part.kind,
        "n_runs": len(runs.any_members),
        "n_runs_all": runs.n_runs,
        "n_runs_lost": losses.n_runs_lost,
        "n_subjects": runs.n_subjects,
        "n_regions": len(part.names),
        "n_edges": part.n_edges,
        "mean_fd": float(runs.mean_fd.mean()),
        "qcfc_median_abs_r": measures.qcfc.median_absolute,
        "qcfc_share_p05": measures.qcfc.share_significant,
        "qcfc_share_fdr05": measures.qcfc.share_significant_fdr,
        "qcfc_distance_rho": measures.dependence.rho if measures.dependence else math.nan,
        "censored_share": losses.censored_share,
        "degrees_of_freedom": losses.degrees_of_freedom,
        "degrees_of_freedom_lost_share": losses.degrees_of_freedom_lost_share,
        "modularity": modularity.quality,
        "modularity_n_networks": modularity.n_networks,
        "modularity_networks": modularity.source,
        "similarity_within": similarity.within if similarity else math.nan,
        "similarity_between": similarity.between if similarity else math.nan,
        "similarity_difference": similarity.difference if similarity else math.nan,
        "identification_rate": similarity.rate if similarity else math.nan,
    }
