"""Atlases that nilearn can fetch: `nilearn:<atlas>:<parameters>` -> image and names."""

from __future__ import annotations

import difflib
import io
import re
import shutil
import textwrap
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import SpatialImage

from niimasker.errors import RegionsError

PREFIX = "nilearn:"

# Without a network nilearn raises requests' errors, all of them OSError; ValueError is its word for a read-only
# folder and pandas' for a damaged table, the others are damaged images and label files.
FETCH_ERRORS = (OSError, ValueError, EOFError, ImageFileError, ElementTree.ParseError)

# nilearn downloads and unpacks in a subfolder named by an MD5 sum, then moves the files out of it.
SANDBOX = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Atlas:
    """An atlas as fetched.

    Attributes
    ----------
    name : str
        The query's atlas name, for example "schaefer".
    img : nibabel image
        3D label image, or 4D probabilistic maps.
    names : Mapping of int to str
        A region's name by its value in the label image (0, the background, left out), or by its position,
        from 1, among 4D maps. Names without a voxel in the image are kept.
    """

    name: str
    img: SpatialImage
    names: Mapping[int, str]


ImageAndNames = tuple[SpatialImage, dict[int, str]]


@dataclass(frozen=True)
class Parameter:
    """One word of a query.

    Attributes
    ----------
    name : str
        What errors and the documentation call it.
    words : Mapping of str to Mapping
        Valid words, each with the fetcher's keywords that it stands for. None: what is valid stands in the image.
    default : str or None
        The word taken when it is left out; None: it has to be given.
    """

    name: str
    words: Mapping[str, Mapping[str, Any]] | None
    default: str | None = None


def accept(words: Mapping[str, str]) -> str:
    """Return no objection."""
    return ""


@dataclass(frozen=True)
class AtlasSource:
    """Where an atlas comes from.

    Attributes
    ----------
    fetcher : str
        A function of `nilearn.datasets`. By name: importing it takes over a second, which only queries should cost.
    folder : str
        nilearn's folder of it below the atlas folder; may hold the fetcher's keywords in braces.
    read : callable
        (what the fetcher returned, words by parameter) -> image, names.
    parameters : tuple of Parameter
        In the query's order.
    separator : str
        What stands between two words of the query.
    objection : callable
        Words by parameter -> why they do not go together, or "".
    """

    fetcher: str
    folder: str
    read: Callable[[Any, Mapping[str, str]], ImageAndNames]
    parameters: tuple[Parameter, ...] = ()
    separator: str = "-"
    objection: Callable[[Mapping[str, str]], str] = accept


@dataclass(frozen=True)
class Query:
    """A query that has been checked: `words` by parameter, and what they mean to the fetcher."""

    text: str
    name: str
    source: AtlasSource
    words: Mapping[str, str]
    arguments: Mapping[str, Any]


def fetch_atlas(query: str, atlas_dir: Path | None) -> Atlas:
    """Return the atlas that a query names, from disk or else from the network.

    Parameters
    ----------
    query : str
        `nilearn:<atlas>:<parameters>`, for example "nilearn:schaefer:400-17-2".
    atlas_dir : Path or None
        Where atlases are kept, laid out as nilearn does it; None for nilearn's own folders.

    Returns
    -------
    Atlas

    Raises
    ------
    RegionsError
        The query is not valid, or its files are neither in the folder nor to be downloaded.
    """
    parsed = parse_query(query)
    folders = atlas_folders(parsed, atlas_dir)
    try:
        with undone_on_failure(folders), quiet_nilearn():
            img, names = parsed.source.read(call_fetcher(parsed, atlas_dir), parsed.words)
    except FETCH_ERRORS as error:
        raise RegionsError(unavailable(parsed, folders, error)) from error
    return Atlas(name=parsed.name, img=img, names=names)


def is_atlas_query(roi_file: str) -> bool:
    """Return whether a roi_file asks for one of nilearn's atlases rather than for a file."""
    return roi_file.startswith(PREFIX)


# ---------------------------------------------------------------------------------------------------- the query


def parse_query(text: str) -> Query:
    """Return the checked query; raise RegionsError with the valid words otherwise."""
    name, _, rest = text.removeprefix(PREFIX).partition(":")
    if name not in ATLASES:
        raise RegionsError(
            f"{text}: there is no atlas {name!r}.{suggestion(name, ATLASES)} Valid names: {', '.join(ATLASES)}."
        )
    source = ATLASES[name]
    words = split_words(text, name, rest)
    arguments: dict[str, Any] = {}
    for parameter in source.parameters:
        arguments |= (parameter.words or {}).get(words[parameter.name], {})
    if objection := source.objection(words):
        raise RegionsError(f"{text}: {objection}")
    return Query(text=text, name=name, source=source, words=words, arguments=arguments)


def split_words(text: str, name: str, rest: str) -> dict[str, str]:
    """Return the query's words by parameter, with defaults for those left out at its end."""
    source = ATLASES[name]
    given = rest.split(source.separator) if rest else []
    if len(given) > len(source.parameters):
        raise RegionsError(
            f"{text} has {len(given)} parameters, but {name} takes {len(source.parameters)}: write {grammar(name)}."
        )
    left_out: list[str | None] = [parameter.default for parameter in source.parameters[len(given) :]]
    return {
        parameter.name: checked_word(text, name, parameter, word)
        for parameter, word in zip(source.parameters, [*given, *left_out], strict=True)
    }


def checked_word(text: str, name: str, parameter: Parameter, word: str | None) -> str:
    """Return the word as the table spells it; raise RegionsError if it is missing or not valid."""
    if word is None:
        raise RegionsError(f"{text} lacks <{parameter.name}>: write {grammar(name)}.{valid(parameter)}")
    # 0.0.4 took numbers through int(): sym-020 is sym-20.
    word = str(int(word)) if word.isdecimal() else word
    if parameter.words is None or word in parameter.words:
        return word
    raise RegionsError(
        f"{text}: {word!r} is no <{parameter.name}> of {grammar(name)}."
        f"{suggestion(word, parameter.words)}{valid(parameter)}"
    )


def grammar(name: str) -> str:
    """Return how a query for this atlas is written."""
    source = ATLASES[name]
    parameters = source.separator.join(f"<{parameter.name}>" for parameter in source.parameters)
    return f"{PREFIX}{name}:{parameters}" if parameters else f"{PREFIX}{name}"


def valid(parameter: Parameter) -> str:
    """Return the sentence that lists a parameter's words."""
    return f" Valid for <{parameter.name}>: {', '.join(parameter.words)}." if parameter.words else ""


def suggestion(word: str, words: Iterable[str]) -> str:
    """Return the sentence that names the nearest valid word, if one is near."""
    by_lower = {valid_word.lower(): valid_word for valid_word in words}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


# ---------------------------------------------------------------------------------------------------- fetching


def call_fetcher(query: Query, atlas_dir: Path | None) -> Any:
    """Return what nilearn's fetcher returns for a query."""
    from nilearn import datasets

    fetcher = getattr(datasets, query.source.fetcher)
    return fetcher(**query.arguments, data_dir=None if atlas_dir is None else str(atlas_dir), verbose=0)


def atlas_folders(query: Query, atlas_dir: Path | None) -> list[Path]:
    """Return the folders, in nilearn's order, in which an atlas is looked for."""
    from nilearn.datasets import get_data_dirs

    folder = query.source.folder.format(**query.arguments)
    return [Path(parent) / folder for parent in get_data_dirs(None if atlas_dir is None else str(atlas_dir))]


@contextmanager
def quiet_nilearn() -> Iterator[None]:
    """Keep back what is no news to the user."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():  # Pauli's fetcher prints in spite of verbose=0
        # Names without voxels are a property of many atlases; every region gets its line in regions.tsv.
        warnings.filterwarnings("ignore", message=r"\s*The following regions are present")
        # The exception that follows says the same.
        warnings.filterwarnings("ignore", message="An error occurred while fetching")
        yield


@contextmanager
def undone_on_failure(folders: Sequence[Path]) -> Iterator[None]:
    """Remove what a failed or interrupted fetch leaves and a later one would trip over.

    A file half unpacked in nilearn's sandbox passes for complete next time, and an empty folder in the first of
    nilearn's places hides a full one in the next. Complete files stay, and so does all that was there before.
    """
    before = [*folders, *sandboxes(folders)]
    existing = {path for path in before if path.exists()}
    try:
        yield
    except BaseException:
        for sandbox in sandboxes(folders):
            if sandbox not in existing:
                shutil.rmtree(sandbox)
        for folder in folders:
            if folder not in existing:
                with suppress(OSError):  # not empty, or never made
                    folder.rmdir()
        raise


def sandboxes(folders: Sequence[Path]) -> list[Path]:
    """Return nilearn's sandboxes in these folders."""
    inside = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return [path for path in inside if path.is_dir() and SANDBOX.fullmatch(path.name)]


def unavailable(query: Query, folders: Sequence[Path], error: BaseException) -> str:
    """Return the message for an atlas that is neither on disk nor to be downloaded."""
    reason = textwrap.shorten(f"{type(error).__name__}: {error}", width=120, placeholder=" ...")
    keywords = "".join(f"{keyword}={value!r}, " for keyword, value in query.arguments.items())
    fetcher = query.source.fetcher
    return (
        f"{query.text}: no usable copy in {' or '.join(map(str, folders))}, and none could be downloaded ({reason}). "
        f'Where there is a network, run: python -c "from nilearn.datasets import {fetcher}; '
        f"{fetcher}({keywords}data_dir='atlases')\" and copy the folder atlases/{folders[0].name} to {folders[0]}, "
        "replacing what is there; or give --atlas_dir a folder that holds it."
    )


# ---------------------------------------------------------------------------------------------------- reading


def read_labelled(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return a label image with the names of nilearn's look-up table."""
    return open_parcellation(bunch.maps), without_background(zip(bunch.lut["index"], bunch.lut["name"], strict=True))


def read_numbered(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return a label image whose regions have numbers and no names."""
    img, names = read_labelled(bunch, words)
    return img, default_names(names)


def read_aal(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return AAL, whose look-up table nilearn sorts by index without its names."""
    return open_parcellation(bunch.maps), without_background(zip(bunch.indices, bunch.labels, strict=True))


def read_named_maps(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return maps with a list of names, one a map."""
    names = [name for name in bunch.labels if name != "Background"]  # FSL's lists have one too many
    return open_img(bunch.maps), {position: str(name) for position, name in enumerate(names, start=1)}


def read_unnamed_maps(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return maps that nobody named."""
    img = open_img(bunch.maps)
    return img, default_names(range(1, img.shape[3] + 1))


def read_difumo(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return DiFuMo's maps with the names of its own table."""
    table = bunch.labels
    return open_img(bunch.maps), without_background(zip(table["component"], table["difumo_names"], strict=True))


def read_pauli(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return Pauli's nuclei as labels or maps."""
    readers = {"deterministic": read_labelled, "probabilistic": read_named_maps}
    return readers[bunch.atlas_type](bunch, words)


def read_allen(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return Allen's 28 resting-state networks with the names of the paper, or all 75 components."""
    if words["set"] == "all75":
        return read_unnamed_maps(bunch, words)
    names = [f"{network} IC{component}" for network, components in bunch.rsn_indices for component in components]
    return open_img(bunch.rsn28), dict(enumerate(names, start=1))


def read_harvard_oxford(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return FSL's Harvard-Oxford atlas."""
    if words["split"] == "symmetric_split" and words["atlas"].startswith("sub-"):
        # Spelt as nilearn spells the atlas that is not split.
        names = read_fsl_names(fsl_folder(bunch) / "HarvardOxford-Subcortical.xml")
        names = {index: name.replace("Ventrical", "Ventricle") for index, name in names.items()}
        return bunch.maps, split_names(bunch, names)
    read = read_named_maps if bunch.atlas_type == "probabilistic" else read_labelled
    # The file itself, which is read when needed, not the reoriented copy in memory. Split cortex is a file too.
    return open_img(bunch.filename), read(bunch, words)[1]


def read_juelich(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return FSL's Juelich atlas."""
    if bunch.atlas_type == "probabilistic":
        return read_named_maps(bunch, words)
    if words["split"] == "unsplit":
        return read_labelled(bunch, words)
    names = read_fsl_names(fsl_folder(bunch) / "Juelich.xml")
    return bunch.maps, split_names(bunch, {index: side_first(name) for index, name in names.items()})


def read_craddock(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return the one parcellation of Craddock's stack that the query names."""
    stack = open_img(bunch.maps)
    volumes = np.asarray(stack.dataobj)  # 47 x 56 x 46 x 43 small integers: 10 MB
    indices = [np.unique(volumes[..., position]) for position in range(volumes.shape[3])]
    indices = [values[values != 0] for values in indices]
    position = craddock_position(words, [len(values) for values in indices])
    return stack.slicer[..., position], default_names(int(index) for index in indices[position])


def craddock_position(words: Mapping[str, str], n_regions: Sequence[int]) -> int:
    """Return the position from 0 of the volume that "v<position from 1>" or a number of regions names."""
    word = words["n_regions"]
    by_word = {f"v{position}": [position - 1] for position in range(1, len(n_regions) + 1)}
    for position, n in enumerate(n_regions):
        by_word.setdefault(str(n), []).append(position)
    found = by_word.get(word, [])
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} volumes have {word} regions" if found else f"there is no parcellation {word!r}"
    nearest = "" if found else nearest_number(word, n_regions)
    volumes = ", ".join(f"v{position}: {n}" for position, n in enumerate(n_regions, start=1))
    raise RegionsError(
        f"nilearn:craddock: {problem} ({words['homogeneity']}, {words['group']}).{nearest} "
        f"Give the number of regions, or the volume as v<position>; volumes and their numbers of regions: {volumes}."
    )


def nearest_number(word: str, numbers: Sequence[int]) -> str:
    """Return the sentence that names the nearest number."""
    return f" The nearest is {min(numbers, key=lambda n: abs(n - int(word)))}." if word.isdecimal() else ""


def split_names(bunch: Any, names: Mapping[int, str]) -> dict[int, str]:
    """Return the names of an FSL atlas whose regions nilearn split at the midline.

    nilearn pairs the values found in the image with the names by position, so that every name after a region without
    voxels is wrong. Here each new index is traced to the index that its voxels had.

    Parameters
    ----------
    bunch : Bunch
        What the fetcher returned: `maps`, the split image, and `filename`, the image as it was.
    names : Mapping of int to str
        Names by index before the split.

    Returns
    -------
    dict of int to str
        Names by index after it.
    """
    from nilearn.image import reorder_img

    before = np.asarray(reorder_img(bunch.filename).dataobj)  # as nilearn does before it splits
    new, voxels = np.unique(np.asarray(bunch.maps.dataobj), return_index=True)
    origins = {int(index): int(before.flat[voxel]) for index, voxel in zip(new, voxels, strict=True) if index != 0}
    n_parts = Counter(origins.values())
    split: dict[int, str] = {}
    for index, origin in origins.items():
        # The left part has the lower of the two new indices.
        side = "" if n_parts[origin] == 1 else "Right " if origins.get(index - 1) == origin else "Left "
        split[index] = side + names[origin]
    return split


def side_first(name: str) -> str:
    """Return "GM Amygdala L" as "Left GM Amygdala", as nilearn writes it when it splits Juelich."""
    sides = {" L": "Left ", " R": "Right "}
    return sides[name[-2:]] + name[:-2] if name[-2:] in sides else name


def fsl_folder(bunch: Any) -> Path:
    """Return the folder of the label files that belong to an FSL atlas."""
    return Path(bunch.filename).parents[1]


def read_fsl_names(xml_path: Path) -> dict[int, str]:
    """Return the names in one of FSL's label files by their values in the label image."""
    labels = ElementTree.parse(xml_path).iter("label")
    return {int(label.attrib["index"]) + 1: (label.text or "").strip() for label in labels}


def open_img(maps: Any) -> SpatialImage:
    """Return an image that a fetcher gave as a path or as an image."""
    return nibabel.load(maps) if isinstance(maps, str | Path) else maps


def open_parcellation(maps: Any) -> SpatialImage:
    """Return a 3D label image."""
    img = open_img(maps)
    return img.slicer[..., 0] if len(img.shape) == 4 else img  # Yeo's files are 256 x 256 x 256 x 1


def without_background(named: Iterable[tuple[Any, Any]]) -> dict[int, str]:
    """Return names by index, whatever types a fetcher used for the two, without index 0."""
    return {int(index): str(name) for index, name in named if int(index) != 0}


def default_names(indices: Iterable[int]) -> dict[int, str]:
    """Return the names that regions without one have."""
    return {index: f"roi {index}" for index in indices}


# ---------------------------------------------------------------------------------------------------- the table


def choices(keyword: str, values: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Return words that are a keyword's values, spelt as such."""
    return {str(value): {keyword: value} for value in values}


def object_to_split_maps(words: Mapping[str, str]) -> str:
    """Return why probabilistic maps cannot be split, if that is what the words ask for."""
    if words["split"] == "unsplit" or "maxprob" in words["atlas"]:
        return ""
    return f"probabilistic maps cannot be split at the midline; leave out {words['split']} or take a maxprob atlas."


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
        # nilearn's default is 3v2 today; nilearn:aal has meant SPM12 since 0.0.4.
        parameters=(Parameter("version", choices("version", ["SPM12", "SPM8", "SPM5", "3v2"]), default="SPM12"),),
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
            Parameter("version", choices("version", ["sym", "asym"]), default="sym"),
            Parameter("scale", choices("resolution", [7, 12, 20, 36, 64, 122, 197, 325, 444]), default="7"),
        ),
    ),
    "craddock": AtlasSource(
        fetcher="fetch_atlas_craddock_2012",
        folder="craddock_2012",
        read=read_craddock,
        parameters=(
            Parameter("n_regions", None),
            Parameter("homogeneity", choices("homogeneity", ["spatial", "temporal", "random"]), default="spatial"),
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
            Parameter("dimension", choices("dimension", [64, 128, 256, 512, 1024]), default="64"),
            Parameter("resolution", choices("resolution_mm", [2, 3]), default="2"),
        ),
    ),
    "harvard_oxford": AtlasSource(
        fetcher="fetch_atlas_harvard_oxford",
        folder="fsl",
        read=read_harvard_oxford,
        parameters=(
            Parameter(
                "atlas",
                choices("atlas_name", [f"{part}-{kind}" for part in ("cort", "cortl", "sub") for kind in FSL_KINDS]),
            ),
            SPLIT,
        ),
        separator=":",
        objection=object_to_split_maps,
    ),
    "juelich": AtlasSource(
        fetcher="fetch_atlas_juelich",
        folder="fsl",
        read=read_juelich,
        parameters=(Parameter("atlas", choices("atlas_name", FSL_KINDS)), SPLIT),
        separator=":",
        objection=object_to_split_maps,
    ),
    "msdl": AtlasSource(fetcher="fetch_atlas_msdl", folder="msdl_atlas", read=read_named_maps),
    "pauli": AtlasSource(
        fetcher="fetch_atlas_pauli_2017",
        folder="pauli_2017",
        read=read_pauli,
        parameters=(
            Parameter("type", choices("atlas_type", ["probabilistic", "deterministic"]), default="probabilistic"),
        ),
    ),
    "schaefer": AtlasSource(
        fetcher="fetch_atlas_schaefer_2018",
        folder="schaefer_2018",
        read=read_labelled,
        parameters=(
            Parameter("n_rois", choices("n_rois", range(100, 1001, 100)), default="400"),
            Parameter("networks", choices("yeo_networks", [7, 17]), default="7"),
            Parameter("resolution", choices("resolution_mm", [1, 2]), default="1"),
        ),
    ),
    "smith": AtlasSource(
        fetcher="fetch_atlas_smith_2009",
        folder="smith_2009",
        read=read_unnamed_maps,
        parameters=(
            Parameter("dimension", choices("dimension", [10, 20, 70]), default="10"),
            Parameter("data", {"resting": {"resting": True}, "brainmap": {"resting": False}}, default="resting"),
        ),
    ),
    "talairach": AtlasSource(
        fetcher="fetch_atlas_talairach",
        folder="talairach_atlas",
        read=read_labelled,
        parameters=(Parameter("level", choices("level_name", ["hemisphere", "lobe", "gyrus", "tissue", "ba"])),),
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
