"""The publications that pages cite: in short as in a text, and in full."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from importlib.metadata import version

_ET_AL = "et al."


@dataclass(frozen=True)
class Reference:
    """A publication.

    Parameters
    ----------
    authors
        Surnames and initials, separated by commas; "et al." at the end stands for more.
    source
        The journal or, if `is_in_book`, the book.
    volume
        Empty where there is none.
    """

    authors: str
    title: str
    source: str
    year: int
    volume: str
    pages: str
    doi: str
    is_in_book: bool = False

    @property
    def surnames(self) -> list[str]:
        """The surnames of the authors that are listed."""
        return [name.rpartition(" ")[0] for name in self.authors.split(", ") if name != _ET_AL]

    @property
    def short(self) -> str:
        """How a text cites it: surnames of one or two authors, or that of the first, and the year."""
        first, *others = self.surnames
        if len(others) == 1 and not self.authors.endswith(_ET_AL):
            return f"{first} and {others[0]}, {self.year}"
        return f"{first} {_ET_AL}, {self.year}" if others or self.authors.endswith(_ET_AL) else f"{first}, {self.year}"

    @property
    def full(self) -> str:
        """The entry in a list of references."""
        volume = f"; {self.volume}" if self.volume else ""
        source = f"In: {self.source}" if self.is_in_book else self.source
        authors = self.authors.removesuffix(".")
        return f"{authors}. {self.title}. {source} {self.year}{volume}: {self.pages}. doi:{self.doi}"

    @property
    def key(self) -> str:
        """The key in BibTeX: the first author's surname and the year, in ASCII letters."""
        decomposed = unicodedata.normalize("NFKD", self.surnames[0])
        return "".join(letter for letter in decomposed if letter.isascii() and letter.isalpha()).lower() + str(
            self.year
        )


@dataclass(frozen=True)
class Software:
    """A version of a program, cited by its name; what it is and who has written it as in CITATION.cff."""

    name: str
    number: str
    authors: str
    description: str

    @property
    def short(self) -> str:
        """How a text cites it."""
        return f"{self.name} {self.number}"

    @property
    def full(self) -> str:
        """The entry in a list of references."""
        return f"{self.authors}. {self.name} {self.number}: {self.description} [computer software]."

    @property
    def key(self) -> str:
        """The key in BibTeX."""
        return self.name


@dataclass(frozen=True)
class Text:
    """A reference as a file gives it; `name` says what it is of."""

    name: str
    text: str
    key: str

    @property
    def full(self) -> str:
        """The entry in a list of references."""
        return f"{self.name}: {self.text}"


Cited = Reference | Software | Text

NIIMASKER = Software(
    "niimasker",
    version("niimasker"),
    "The niimasker developers",
    "Region time series from fMRI images, from the shell, a JSON file or Python",
)
ABRAHAM_2014 = Reference(
    "Abraham A, Pedregosa F, Eickenberg M, et al.",
    "Machine learning for neuroimaging with scikit-learn",
    "Frontiers in Neuroinformatics",
    2014,
    "8",
    "14",
    "10.3389/fninf.2014.00014",
)
POWER_2014 = Reference(
    "Power JD, Mitra A, Laumann TO, Snyder AZ, Schlaggar BL, Petersen SE",
    "Methods to detect, characterize, and remove motion artifact in resting state fMRI",
    "NeuroImage",
    2014,
    "84",
    "320-341",
    "10.1016/j.neuroimage.2013.08.048",
)
CIRIC_2017 = Reference(
    "Ciric R, Wolf DH, Power JD, et al.",
    "Benchmarking of participant-level confound regression strategies for the control of motion artifact in "
    "studies of functional connectivity",
    "NeuroImage",
    2017,
    "154",
    "174-187",
    "10.1016/j.neuroimage.2017.03.020",
)
FAIR_2020 = Reference(
    "Fair DA, Miranda-Dominguez O, Snyder AZ, et al.",
    "Correction of respiratory artifacts in MRI head motion estimates",
    "NeuroImage",
    2020,
    "208",
    "116400",
    "10.1016/j.neuroimage.2019.116400",
)
GRATTON_2020 = Reference(
    "Gratton C, Dworetsky A, Coalson RS, et al.",
    "Removal of high frequency contamination from motion estimates in single-band fMRI saves data without "
    "biasing functional connectivity",
    "NeuroImage",
    2020,
    "217",
    "116866",
    "10.1016/j.neuroimage.2020.116866",
)
POWER_2012 = Reference(
    "Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE",
    "Spurious but systematic correlations in functional connectivity MRI networks arise from subject motion",
    "NeuroImage",
    2012,
    "59",
    "2142-2154",
    "10.1016/j.neuroimage.2011.10.018",
)
PARKES_2018 = Reference(
    "Parkes L, Fulcher B, Yücel M, Fornito A",
    "An evaluation of the efficacy, reliability, and sensitivity of motion correction strategies for "
    "resting-state functional MRI",
    "NeuroImage",
    2018,
    "171",
    "415-436",
    "10.1016/j.neuroimage.2017.12.073",
)
DUPRE_2021 = Reference(
    "DuPre E, Salo T, Ahmed Z, et al.",
    "TE-dependent analysis of multi-echo fMRI with tedana",
    "Journal of Open Source Software",
    2021,
    "6",
    "3669",
    "10.21105/joss.03669",
)
FRITSCH_1984 = Reference(
    "Fritsch FN, Butland J",
    "A method for constructing local monotone piecewise cubic interpolants",
    "SIAM Journal on Scientific and Statistical Computing",
    1984,
    "5",
    "300-304",
    "10.1137/0905021",
)
LEDOIT_2004 = Reference(
    "Ledoit O, Wolf M",
    "A well-conditioned estimator for large-dimensional covariance matrices",
    "Journal of Multivariate Analysis",
    2004,
    "88",
    "365-411",
    "10.1016/S0047-259X(03)00096-4",
)
LINDQUIST_2019 = Reference(
    "Lindquist MA, Geuter S, Wager TD, Caffo BS",
    "Modular preprocessing pipelines can reintroduce artifacts into fMRI data",
    "Human Brain Mapping",
    2019,
    "40",
    "2358-2376",
    "10.1002/hbm.24528",
)
ESTEBAN_2019 = Reference(
    "Esteban O, Markiewicz CJ, Blair RW, et al.",
    "fMRIPrep: a robust preprocessing pipeline for functional MRI",
    "Nature Methods",
    2019,
    "16",
    "111-116",
    "10.1038/s41592-018-0235-4",
)
MEHTA_2024 = Reference(
    "Mehta K, Salo T, Madison TJ, et al.",
    "XCP-D: A robust pipeline for the post-processing of fMRI data",
    "Imaging Neuroscience",
    2024,
    "2",
    "1-26",
    "10.1162/imag_a_00257",
)
WANG_2024 = Reference(
    "Wang H-T, Meisler SL, Sharmarke H, et al.",
    "Continuous evaluation of denoising strategies in resting-state fMRI connectivity using fMRIPrep and Nilearn",
    "PLOS Computational Biology",
    2024,
    "20",
    "e1011942",
    "10.1371/journal.pcbi.1011942",
)
BEHZADI_2007 = Reference(
    "Behzadi Y, Restom K, Liau J, Liu TT",
    "A component based noise correction method (CompCor) for BOLD and perfusion based fMRI",
    "NeuroImage",
    2007,
    "37",
    "90-101",
    "10.1016/j.neuroimage.2007.04.042",
)

# What the methods paragraph of a run may cite, apart from atlases and other programs.
OF_RUNS = (
    ABRAHAM_2014,
    BEHZADI_2007,
    CIRIC_2017,
    DUPRE_2021,
    FAIR_2020,
    FRITSCH_1984,
    GRATTON_2020,
    LEDOIT_2004,
    LINDQUIST_2019,
    NIIMASKER,
    POWER_2012,
    POWER_2014,
    WANG_2024,
)
