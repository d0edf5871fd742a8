"""The atlases that nilearn can fetch, by their names in queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from niimasker.regions.atlases.queries import AtlasSource, Parameter
from niimasker.regions.atlases.readers import (
    read_aal,
    read_allen,
    read_craddock,
    read_difumo,
    read_harvard_oxford,
    read_juelich,
    read_labelled,
    read_named_maps,
    read_numbered,
    read_pauli,
    read_unnamed_maps,
)


def make_words(keyword: str, values: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Return a word for each value of a fetcher's keyword, spelt as the value."""
    return {str(value): {keyword: value} for value in values}


def find_split_conflict(words: Mapping[str, str]) -> str:
    """Return why the words cannot be combined if they ask to split probabilistic maps, else ""."""
    if words["split"] == "unsplit" or "maxprob" in words["atlas"]:
        return ""
    return f"probabilistic maps cannot be split at the midline; leave out {words['split']} or use a maxprob atlas."


MAXPROB = [f"maxprob-thr{threshold}-{size}mm" for threshold in (0, 25, 50) for size in (1, 2)]
FSL_KINDS = [*MAXPROB, "prob-1mm", "prob-2mm"]
SPLIT = Parameter(
    "split",
    {"unsplit": {"symmetric_split": False}, "symmetric_split": {"symmetric_split": True}},
    default="unsplit",
)

ATLASES: dict[str, AtlasSource] = {
    "aal": AtlasSource(
        fetcher="fetch_atlas_aal",
        folder="aal_{version}",
        read=read_aal,
        # nilearn's default is 3v2, but nilearn:aal has been SPM12 since 0.0.4.
        parameters=(Parameter("version", make_words("version", ["SPM12", "SPM8", "SPM5", "3v2"]), default="SPM12"),),
    ),
    "allen": AtlasSource(
        fetcher="fetch_atlas_allen_2011",
        folder="allen_rsn_2011",
        read=read_allen,
        parameters=(Parameter("set", {"rsn28": {}, "all75": {}}),),
    ),
    "basc": AtlasSource(
        fetcher="fetch_atlas_basc_multiscale_2015",
        folder="basc_multiscale_2015",
        read=read_numbered,
        parameters=(
            Parameter("version", make_words("version", ["sym", "asym"]), default="sym"),
            Parameter("scale", make_words("resolution", [7, 12, 20, 36, 64, 122, 197, 325, 444]), default="7"),
        ),
    ),
    "craddock": AtlasSource(
        fetcher="fetch_atlas_craddock_2012",
        folder="craddock_2012",
        read=read_craddock,
        parameters=(
            Parameter("n_regions", None),
            Parameter("homogeneity", make_words("homogeneity", ["spatial", "temporal", "random"]), default="spatial"),
            Parameter("group", {"mean": {"grp_mean": True}, "2level": {"grp_mean": False}}, default="mean"),
        ),
    ),
    "destrieux": AtlasSource(
        fetcher="fetch_atlas_destrieux_2009",
        folder="destrieux_2009",
        read=read_labelled,
        parameters=(
            Parameter(
                "sides",
                {"lateralized": {"lateralized": True}, "nonlateralized": {"lateralized": False}},
                default="lateralized",
            ),
        ),
    ),
    "difumo": AtlasSource(
        fetcher="fetch_atlas_difumo",
        folder="difumo_atlases",
        read=read_difumo,
        parameters=(
            Parameter("dimension", make_words("dimension", [64, 128, 256, 512, 1024]), default="64"),
            Parameter("resolution", make_words("resolution_mm", [2, 3]), default="2"),
        ),
    ),
    "harvard_oxford": AtlasSource(
        fetcher="fetch_atlas_harvard_oxford",
        folder="fsl",
        read=read_harvard_oxford,
        parameters=(
            Parameter(
                "atlas",
                make_words("atlas_name", [f"{part}-{kind}" for part in ("cort", "cortl", "sub") for kind in FSL_KINDS]),
            ),
            SPLIT,
        ),
        separator=":",
        find_conflict=find_split_conflict,
    ),
    "juelich": AtlasSource(
        fetcher="fetch_atlas_juelich",
        folder="fsl",
        read=read_juelich,
        parameters=(Parameter("atlas", make_words("atlas_name", FSL_KINDS)), SPLIT),
        separator=":",
        find_conflict=find_split_conflict,
    ),
    "msdl": AtlasSource(fetcher="fetch_atlas_msdl", folder="msdl_atlas", read=read_named_maps),
    "pauli": AtlasSource(
        fetcher="fetch_atlas_pauli_2017",
        folder="pauli_2017",
        read=read_pauli,
        parameters=(
            Parameter("type", make_words("atlas_type", ["probabilistic", "deterministic"]), default="probabilistic"),
        ),
    ),
    "schaefer": AtlasSource(
        fetcher="fetch_atlas_schaefer_2018",
        folder="schaefer_2018",
        read=read_labelled,
        parameters=(
            Parameter("n_rois", make_words("n_rois", range(100, 1001, 100)), default="400"),
            Parameter("networks", make_words("yeo_networks", [7, 17]), default="7"),
            Parameter("resolution", make_words("resolution_mm", [1, 2]), default="1"),
        ),
    ),
    "smith": AtlasSource(
        fetcher="fetch_atlas_smith_2009",
        folder="smith_2009",
        read=read_unnamed_maps,
        parameters=(
            Parameter("dimension", make_words("dimension", [10, 20, 70]), default="10"),
            Parameter("data", {"resting": {"resting": True}, "brainmap": {"resting": False}}, default="resting"),
        ),
    ),
    "talairach": AtlasSource(
        fetcher="fetch_atlas_talairach",
        folder="talairach_atlas",
        read=read_labelled,
        parameters=(Parameter("level", make_words("level_name", ["hemisphere", "lobe", "gyrus", "tissue", "ba"])),),
    ),
    "yeo": AtlasSource(
        fetcher="fetch_atlas_yeo_2011",
        folder="yeo_2011",
        read=read_labelled,
        parameters=(
            Parameter(
                "variant",
                {
                    f"{thickness}_{n_networks}": {"n_networks": n_networks, "thickness": thickness}
                    for thickness in ("thin", "thick")
                    for n_networks in (7, 17)
                },
                default="thick_7",
            ),
        ),
    ),
}
