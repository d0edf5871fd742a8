"""The measures by which pipelines are compared: names, units, what they mean, and which value is best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from niimasker.group.comparison import PipelineMeasures
from niimasker.group.edges import SIGNIFICANT
from niimasker.group.losses import Losses
from niimasker.group.modularity import FROM_NAMES

LOWEST, NEAREST_TO_0, HIGHEST = "lower is better", "nearer to 0 is better", "higher is better"

# What the smallest value is for each of these; the best value comes first.
_ORDERS: dict[str, Callable[[float], float]] = {
    LOWEST: lambda value: value,
    NEAREST_TO_0: abs,
    HIGHEST: lambda value: -value,
}


@dataclass(frozen=True)
class Measure:
    """A number that each pipeline has for an atlas and kind of connectivity.

    Parameters
    ----------
    column
        Its name in pipelines.tsv.
    unit
        Unit of the number as it is shown; empty if it has none.
    find
        Returns the number.
    decimals, factor
        How it is shown: multiplied by a factor, which is 100 for percent.
    best
        Which value is best; empty if none is.
    """

    column: str
    label: str
    unit: str
    description: str
    find: Callable[[PipelineMeasures, Losses], float]
    decimals: int
    best: str = ""
    factor: float = 1.0

    def show(self, value: float) -> str:
        """Return a value as text without its unit; 0 has no sign."""
        return "n/a" if math.isnan(value) else f"{self.round(value):.{self.decimals}f}"

    def round(self, value: float) -> float:
        """Return a value as it is shown."""
        return round(value * self.factor, self.decimals) + 0.0

    def find_best(self, values: Sequence[float]) -> list[bool]:
        """Return for each value whether it is the best; none is if all look the same."""
        if not self.best:
            return [False] * len(values)
        # NaN stays NaN, which equals nothing.
        ranks = [_ORDERS[self.best](self.round(value)) for value in values]
        known = {rank for rank in ranks if not math.isnan(rank)}
        return [len(known) > 1 and rank == min(known) for rank in ranks]


MEASURES = (
    Measure(
        "qcfc_median_abs_r",
        "Median |QC-FC|",
        "r",
        "median over edges of the absolute correlation with mean FD over runs",
        lambda measures, losses: measures.qcfc.median_absolute,
        3,
        LOWEST,
    ),
    Measure(
        "qcfc_share_p05",
        "Edges with p\u00a0<\u00a00.05",
        "%",
        f"edges whose QC-FC has p < {SIGNIFICANT:g}, uncorrected; {SIGNIFICANT:.0%} are expected by chance",
        lambda measures, losses: measures.qcfc.share_significant,
        1,
        LOWEST,
        100,
    ),
    Measure(
        "qcfc_share_fdr05",
        "Edges with FDR\u00a0<\u00a00.05",
        "%",
        f"edges whose QC-FC has a false discovery rate below {SIGNIFICANT:g}",
        lambda measures, losses: measures.qcfc.share_significant_fdr,
        1,
        LOWEST,
        100,
    ),
    Measure(
        "qcfc_distance_rho",
        "Distance dependence",
        "rho",
        "Spearman's correlation over edges of QC-FC with the distance between the centres of the two regions",
        lambda measures, losses: measures.dependence.rho if measures.dependence else math.nan,
        3,
        NEAREST_TO_0,
    ),
    Measure(
        "degrees_of_freedom_lost_share",
        "Degrees of freedom lost",
        "%",
        "mean over runs, of the volumes that are not discarded",
        lambda measures, losses: losses.degrees_of_freedom_lost_share,
        1,
        LOWEST,
        100,
    ),
    Measure(
        "censored_share",
        "Volumes censored",
        "%",
        "mean over runs, of the volumes that are not discarded",
        lambda measures, losses: losses.censored_share,
        1,
        LOWEST,
        100,
    ),
    Measure(
        "n_runs_lost",
        "Runs lost",
        "runs",
        "runs that failed, were excluded or did not start, of all runs",
        lambda measures, losses: losses.n_runs_lost,
        0,
        LOWEST,
    ),
    Measure(
        "modularity",
        "Modularity",
        "Q*",
        "how well the mean matrix falls into networks; edges of either sign",
        lambda measures, losses: measures.modularity.quality,
        3,
        HIGHEST,
    ),
    Measure(
        "similarity_difference",
        "Subject similarity",
        "r",
        "mean correlation over edges of two runs of one subject, less that of two runs of different subjects",
        lambda measures, losses: measures.identifiability.difference if measures.identifiability else math.nan,
        3,
        HIGHEST,
    ),
    Measure(
        "identification_rate",
        "Runs identified",
        "%",
        "runs whose most similar other run is of the same subject, of the runs of subjects with several runs",
        lambda measures, losses: measures.identifiability.rate if measures.identifiability else math.nan,
        1,
        HIGHEST,
        100,
    ),
)

# The numbers behind these, which are not better or worse by themselves.
DETAILS = (
    Measure(
        "degrees_of_freedom",
        "Degrees of freedom left",
        "",
        "mean over runs",
        lambda measures, losses: losses.degrees_of_freedom,
        1,
    ),
    Measure(
        "modularity_n_networks",
        "Networks",
        "",
        "number of networks that modularity is of",
        lambda measures, losses: measures.modularity.n_networks,
        0,
    ),
    Measure(
        "similarity_within",
        "Similarity within subjects",
        "r",
        "mean over pairs of runs of one subject",
        lambda measures, losses: measures.identifiability.within if measures.identifiability else math.nan,
        3,
    ),
    Measure(
        "similarity_between",
        "Similarity between subjects",
        "r",
        "mean over pairs of runs of different subjects",
        lambda measures, losses: measures.identifiability.between if measures.identifiability else math.nan,
        3,
    ),
)


def describe_networks(measures: Sequence[PipelineMeasures]) -> str:
    """Return where the networks of modularity are from."""
    if measures[0].modularity.source == FROM_NAMES:
        return "the networks that the names of the regions state"
    return "networks found in each matrix by the Louvain method"
