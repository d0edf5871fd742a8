"""The publications of atlases: of those that nilearn fetches, as its documentation names them, and of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from niimasker.inputs.atlas_descriptions import find_references
from niimasker.inputs.templates import is_template
from niimasker.regions.atlases.queries import PREFIX, is_atlas_query
from niimasker.regions.roi_files import name_for_all_images, parse_roi_file
from niimasker.reports.references import Reference, Text

# By the names of queries.
OF_NILEARN: Mapping[str, tuple[Reference, ...]] = {
    "aal": (
        Reference(
            "Tzourio-Mazoyer N, Landeau B, Papathanassiou D, et al.",
            "Automated anatomical labeling of activations in SPM using a macroscopic anatomical parcellation of "
            "the MNI MRI single-subject brain",
            "NeuroImage",
            2002,
            "15",
            "273-289",
            "10.1006/nimg.2001.0978",
        ),
    ),
    "allen": (
        Reference(
            "Allen EA, Erhardt EB, Damaraju E, et al.",
            "A baseline for the multivariate comparison of resting-state networks",
            "Frontiers in Systems Neuroscience",
            2011,
            "5",
            "2",
            "10.3389/fnsys.2011.00002",
        ),
    ),
    "basc": (
        Reference(
            "Bellec P, Rosa-Neto P, Lyttelton OC, Benali H, Evans AC",
            "Multi-level bootstrap analysis of stable clusters in resting-state fMRI",
            "NeuroImage",
            2010,
            "51",
            "1126-1139",
            "10.1016/j.neuroimage.2010.02.082",
        ),
    ),
    "craddock": (
        Reference(
            "Craddock RC, James GA, Holtzheimer PE, Hu XP, Mayberg HS",
            "A whole brain fMRI atlas generated via spatially constrained spectral clustering",
            "Human Brain Mapping",
            2012,
            "33",
            "1914-1928",
            "10.1002/hbm.21333",
        ),
    ),
    "destrieux": (
        Reference(
            "Destrieux C, Fischl B, Dale A, Halgren E",
            "Automatic parcellation of human cortical gyri and sulci using standard anatomical nomenclature",
            "NeuroImage",
            2010,
            "53",
            "1-15",
            "10.1016/j.neuroimage.2010.06.010",
        ),
    ),
    "difumo": (
        Reference(
            "Dadi K, Varoquaux G, Machlouzarides-Shalit A, et al.",
            "Fine-grain atlases of functional modes for fMRI analysis",
            "NeuroImage",
            2020,
            "221",
            "117126",
            "10.1016/j.neuroimage.2020.117126",
        ),
    ),
    "harvard_oxford": (
        Reference(
            "Makris N, Goldstein JM, Kennedy D, et al.",
            "Decreased volume of left and total anterior insular lobule in schizophrenia",
            "Schizophrenia Research",
            2006,
            "83",
            "155-171",
            "10.1016/j.schres.2005.11.020",
        ),
        Reference(
            "Frazier JA, Chiu S, Breeze JL, et al.",
            "Structural brain magnetic resonance imaging of limbic and thalamic volumes in pediatric bipolar disorder",
            "American Journal of Psychiatry",
            2005,
            "162",
            "1256-1265",
            "10.1176/appi.ajp.162.7.1256",
        ),
        Reference(
            "Desikan RS, Ségonne F, Fischl B, et al.",
            "An automated labeling system for subdividing the human cerebral cortex on MRI scans into gyral "
            "based regions of interest",
            "NeuroImage",
            2006,
            "31",
            "968-980",
            "10.1016/j.neuroimage.2006.01.021",
        ),
        Reference(
            "Goldstein JM, Seidman LJ, Makris N, et al.",
            "Hypothalamic abnormalities in schizophrenia: sex effects and genetic vulnerability",
            "Biological Psychiatry",
            2007,
            "61",
            "935-945",
            "10.1016/j.biopsych.2006.06.027",
        ),
    ),
    "juelich": (
        Reference(
            "Amunts K, Mohlberg H, Bludau S, Zilles K",
            "Julich-Brain: A 3D probabilistic atlas of the human brain's cytoarchitecture",
            "Science",
            2020,
            "369",
            "988-992",
            "10.1126/science.abb4588",
        ),
    ),
    "msdl": (
        Reference(
            "Varoquaux G, Gramfort A, Pedregosa F, Michel V, Thirion B",
            "Multi-subject dictionary learning to segment an atlas of brain spontaneous activity",
            "Information Processing in Medical Imaging",
            2011,
            "",
            "562-573",
            "10.1007/978-3-642-22092-0_46",
            is_in_book=True,
        ),
    ),
    "pauli": (
        Reference(
            "Pauli WM, Nili AN, Tyszka JM",
            "A high-resolution probabilistic in vivo atlas of human subcortical brain nuclei",
            "Scientific Data",
            2018,
            "5",
            "180063",
            "10.1038/sdata.2018.63",
        ),
    ),
    "schaefer": (
        Reference(
            "Schaefer A, Kong R, Gordon EM, et al.",
            "Local-global parcellation of the human cerebral cortex from intrinsic functional connectivity MRI",
            "Cerebral Cortex",
            2018,
            "28",
            "3095-3114",
            "10.1093/cercor/bhx179",
        ),
    ),
    "smith": (
        Reference(
            "Smith SM, Fox PT, Miller KL, et al.",
            "Correspondence of the brain's functional architecture during activation and rest",
            "Proceedings of the National Academy of Sciences",
            2009,
            "106",
            "13040-13045",
            "10.1073/pnas.0905267106",
        ),
    ),
    "talairach": (
        Reference(
            "Lancaster JL, Rainey LH, Summerlin JL, et al.",
            "Automated labeling of the human brain: a preliminary report on the development and evaluation of a "
            "forward-transform method",
            "Human Brain Mapping",
            1997,
            "5",
            "238-242",
            "10.1002/(SICI)1097-0193(1997)5:4<238::AID-HBM6>3.0.CO;2-4",
        ),
        Reference(
            "Lancaster JL, Woldorff MG, Parsons LM, et al.",
            "Automated Talairach Atlas labels for functional brain mapping",
            "Human Brain Mapping",
            2000,
            "10",
            "120-131",
            "10.1002/1097-0193(200007)10:3<120::AID-HBM30>3.0.CO;2-8",
        ),
    ),
    "yeo": (
        Reference(
            "Yeo BTT, Krienen FM, Sepulcre J, et al.",
            "The organization of the human cerebral cortex estimated by intrinsic functional connectivity",
            "Journal of Neurophysiology",
            2011,
            "106",
            "1125-1165",
            "10.1152/jn.00338.2011",
        ),
    ),
}


@dataclass(frozen=True)
class AtlasReferences:
    """The references of an atlas: publications that a text can cite in short, and those of its JSON files."""

    publications: tuple[Reference, ...] = ()
    of_files: tuple[Text, ...] = ()


def cite_atlas(roi_file: str) -> AtlasReferences:
    """Return the references of an atlas; none where they are not known, or where each run has an atlas of its own."""
    if is_atlas_query(roi_file):
        return AtlasReferences(OF_NILEARN[roi_file.removeprefix(PREFIX).partition(":")[0]])
    if is_template(roi_file):
        return AtlasReferences()
    name = name_for_all_images(roi_file)
    found = find_references(parse_roi_file(roi_file).path)
    texts = [Text(name, text, _make_key(name, number)) for number, text in enumerate(found, start=1)]
    return AtlasReferences(of_files=tuple(texts))


def _make_key(name: str, number: int) -> str:
    letters = "".join(letter for letter in name.partition(".")[0] if letter.isascii() and letter.isalnum())
    return f"atlas:{letters}:{number}"
