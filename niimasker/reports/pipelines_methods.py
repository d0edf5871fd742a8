"""The methods paragraph of a comparison of pipelines, ready for a publication."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version

from niimasker.errors import count
from niimasker.group.comparison import AtlasComparison, Comparison
from niimasker.group.edges import SIGNIFICANT
from niimasker.group.modularity import FROM_NAMES, LOUVAIN_SEEDS
from niimasker.reports.paragraphs import Paragraph, make_paragraph
from niimasker.reports.references import CIRIC_2017, NIIMASKER, PARKES_2018, POWER_2012, WANG_2024, Reference
from niimasker.signals.connectivity import DESCRIPTIONS

BENJAMINI_1995 = Reference(
    "Benjamini Y, Hochberg Y",
    "Controlling the false discovery rate: a practical and powerful approach to multiple testing",
    "Journal of the Royal Statistical Society: Series B",
    1995,
    "57",
    "289-300",
    "10.1111/j.2517-6161.1995.tb02031.x",
)
RUBINOV_2011 = Reference(
    "Rubinov M, Sporns O",
    "Weight-conserving characterization of complex functional brain networks",
    "NeuroImage",
    2011,
    "56",
    "2068-2079",
    "10.1016/j.neuroimage.2011.03.069",
)
BLONDEL_2008 = Reference(
    "Blondel VD, Guillaume J-L, Lambiotte R, Lefebvre E",
    "Fast unfolding of communities in large networks",
    "Journal of Statistical Mechanics: Theory and Experiment",
    2008,
    "",
    "P10008",
    "10.1088/1742-5468/2008/10/P10008",
)
FINN_2015 = Reference(
    "Finn ES, Shen X, Scheinost D, et al.",
    "Functional connectome fingerprinting: identifying individuals using patterns of brain connectivity",
    "Nature Neuroscience",
    2015,
    "18",
    "1664-1671",
    "10.1038/nn.4135",
)
AMICO_2018 = Reference(
    "Amico E, Goñi J",
    "The quest for identifiability in human functional connectomes",
    "Scientific Reports",
    2018,
    "8",
    "8254",
    "10.1038/s41598-018-25089-1",
)
_REFERENCES = (
    AMICO_2018,
    BENJAMINI_1995,
    BLONDEL_2008,
    CIRIC_2017,
    FINN_2015,
    NIIMASKER,
    PARKES_2018,
    POWER_2012,
    RUBINOV_2011,
    WANG_2024,
)


def describe_comparison(comparison: Comparison, versions: Mapping[str, str]) -> Paragraph:
    """Return the methods paragraph of a comparison.

    Parameters
    ----------
    versions
        Software versions, by package.
    """
    sentences = (
        *_runs(comparison, versions),
        *_qcfc(comparison, versions),
        *_losses(),
        *_modularity(comparison),
        *_similarity(comparison),
    )
    text = " ".join(sentences)
    return make_paragraph(text, _REFERENCES)


def _runs(comparison: Comparison, versions: Mapping[str, str]) -> Iterator[str]:
    runs = comparison.runs
    names = ", ".join(runs.pipelines)
    subjects = f" of {count(runs.n_subjects, 'subject')}" if runs.n_subjects is not None else ""
    kinds = "; ".join(dict.fromkeys(map(_describe_kind, comparison.parts)))
    n_compared = len(runs.any_members)
    of_all = "" if n_compared == runs.n_runs else f" of {runs.n_runs:,}"
    yield (
        f"Denoising by {count(len(runs.pipelines), 'pipeline')} ({names}) was compared with niimasker "
        f"{versions['niimasker']} after published benchmarks ({CIRIC_2017.short}; {PARKES_2018.short}; "
        f"{WANG_2024.short}), over "
        f"the {n_compared:,}{of_all} runs{subjects} that every pipeline kept, and over the pairs of regions (edges) "
        f"with a value in all of these. Connectivity was measured by {kinds}."
    )


def _describe_kind(part: AtlasComparison) -> str:
    return f"{DESCRIPTIONS[part.kind]}{', as Fisher z' if part.is_fisher_z else ''}"


def _qcfc(comparison: Comparison, versions: Mapping[str, str]) -> Iterator[str]:
    has_distance = any(measures.dependence for part in comparison.parts for measures in part.measures)
    distance = (
        ", and its distance dependence, Spearman's correlation over edges between QC-FC and the Euclidean distance "
        f"between the centres of the regions ({PARKES_2018.short})"
        if has_distance
        else ""
    )
    yield (
        "Residual effects of motion were assessed by QC-FC, Pearson's correlation over runs between each edge and mean "
        f"framewise displacement ({POWER_2012.short}), with scipy {versions['scipy']}: the median absolute "
        "correlation, "
        f"the share of edges with p < {SIGNIFICANT:g} (two-sided, uncorrected), the share with a false discovery rate "
        f"below {SIGNIFICANT:g} ({BENJAMINI_1995.short}){distance}."
    )


def _losses() -> Iterator[str]:
    yield (
        "The loss of degrees of freedom was the share of volumes, without discarded ones, that censoring, regressors, "
        "filters, trend and mean took up; losses of degrees of freedom and volumes were averaged over runs."
    )


def _modularity(comparison: Comparison) -> Iterator[str]:
    sources = {measures.modularity.source for part in comparison.parts for measures in part.measures}
    louvain = (
        f"found in the positive edges by the Louvain method ({BLONDEL_2008.short}; networkx {version('networkx')}, the "
        f"best of {len(LOUVAIN_SEEDS)} seeds)"
    )
    named = "that the atlas assigns the regions to"
    if sources == {FROM_NAMES}:
        networks = named
    else:
        networks = f"{named} or, where it has none, {louvain}" if FROM_NAMES in sources else louvain
    yield (
        f"The modularity of the mean matrix over runs was the signed, weighted Q* ({RUBINOV_2011.short}) of the "
        "networks "
        f"{networks}{_negation(comparison)}."
    )


def _negation(comparison: Comparison) -> str:
    if all(part.kind != "precision" for part in comparison.parts):
        return ""
    return "; for precision, whose sign is opposite to that of the partial correlation, of the negative of that matrix"


def _similarity(comparison: Comparison) -> Iterator[str]:
    found = [measures.identifiability for part in comparison.parts for measures in part.measures]
    known = [each for each in found if each is not None]
    if not known:
        return
    yield (
        "Individual differences were assessed by the mean correlation over edges between runs of one subject, less "
        f"that between runs of different subjects ({AMICO_2018.short}), and by the share of runs whose most "
        "similar other "
        f"run was of the same subject ({FINN_2015.short}), of the {known[0].n_identified_from} runs of subjects with "
        "several runs."
    )
