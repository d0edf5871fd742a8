"""Strategies: words of load_confounds 0.6.5 and the columns of fMRIPrep's tables that nilearn chooses for them."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from niimasker.errors import ConfoundsError, list_names, warn
from niimasker.options.json_files import read_json

# load_confounds 0.6.5's strategies (Ciric et al. 2017, doi:10.1016/j.neuroimage.2017.03.020) as keyword arguments of
# nilearn.interfaces.fmriprep.load_confounds.
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "Params2": {"strategy": ("high_pass", "wm_csf"), "wm_csf": "basic"},
    "Params6": {"strategy": ("high_pass", "motion"), "motion": "basic"},
    "Params9": {
        "strategy": ("high_pass", "motion", "wm_csf", "global_signal"),
        "motion": "basic",
        "wm_csf": "basic",
        "global_signal": "basic",
    },
    "Params24": {"strategy": ("high_pass", "motion"), "motion": "full"},
    "Params36": {
        "strategy": ("high_pass", "motion", "wm_csf", "global_signal"),
        "motion": "full",
        "wm_csf": "full",
        "global_signal": "full",
    },
    # load_confounds 0.6.5 took one component more than it was asked for, here and for the word compcor.
    "AnatCompCor": {
        "strategy": ("high_pass", "motion", "compcor"),
        "motion": "full",
        "compcor": "anat_combined",
        "n_compcor": 10,
    },
    "TempCompCor": {"strategy": ("high_pass", "compcor"), "compcor": "temporal", "n_compcor": 6},
}

# Only to say what a table lacks: nilearn chooses, but names no columns when it finds none of them.
_COMPONENT_COLUMNS = {
    "motion": ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"),
    "wm_csf": ("csf", "white_matter"),
    "global_signal": ("global_signal",),
}
_MODEL_SUFFIXES = {
    "basic": ("",),
    "power2": ("", "_power2"),
    "derivatives": ("", "_derivative1"),
    "full": ("", "_derivative1", "_power2", "_derivative1_power2"),
}
# Some versions of fMRIPrep call the components of single masks w_comp_cor_00, c_comp_cor_00, ...
_ANAT, _TEMPORAL = ("a_comp_cor_", "w_comp_cor_", "c_comp_cor_"), ("t_comp_cor_",)

# Of each kind of CompCor, what its components are called, and from how many masks n_compcor of them come.
_COMPCOR: Mapping[str, tuple[tuple[tuple[str, ...], ...], int]] = {
    "anat_combined": ((_ANAT,), 1),
    "anat_separated": ((_ANAT,), 2),
    "temporal": ((_TEMPORAL,), 1),
    "temporal_anat_combined": ((_TEMPORAL, _ANAT), 2),
    "temporal_anat_separated": ((_TEMPORAL, _ANAT), 3),
}

# fMRIPrep 1.0 and 1.1 on the left, 1.2 and later on the right.
_OLD_NAMES = frozenset({"X", "RotX", "CSF", "WhiteMatter"})
_NEW_NAMES = frozenset({"trans_x", "rot_x", "csf", "white_matter"})


@dataclass(frozen=True)
class _Request:
    """What is asked of a table: `names` are those of all its columns, `arguments` are nilearn's."""

    names: tuple[str, ...]
    path: Path
    label: str
    arguments: Mapping[str, Any]


def choose_by_strategy(
    names: Sequence[str], table_path: Path, *, label: str, arguments: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the names of the columns that nilearn chooses.

    Parameters
    ----------
    names : sequence of str
        The names of all columns of the table.
    table_path : Path
        The table, for messages. fMRIPrep's JSON is looked for beside it under the same stem, and only for CompCor.
    label : str
        The strategy's words, for messages.
    arguments : Mapping
        Of nilearn's loader: a value of `STRATEGIES`, or what several words make together.

    Returns
    -------
    tuple of str
        In nilearn's order.

    Raises
    ------
    ConfoundsError
        The table, or fMRIPrep's JSON, lacks what the strategy takes.
    """
    request = _Request(tuple(names), table_path, label, arguments)
    _check_version(request)
    description = _read_description(request) if "compcor" in arguments["strategy"] else {}
    try:
        chosen = _ask_nilearn(request.names, json.dumps(description), tuple(arguments.items()))
    # nilearn raises KeyError where a table has some of the columns it looks for, and for gaps in the JSON.
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfoundsError(_explain_refusal(request, description)) from error
    if not chosen:
        raise ConfoundsError(_explain_refusal(request, description))
    _warn_of_less(request, chosen)
    return chosen


# Asked it takes 15 ms a run, and tables of one study have the same columns.
@lru_cache(maxsize=16)
def _ask_nilearn(names: tuple[str, ...], description: str, arguments: tuple[tuple[str, Any], ...]) -> tuple[str, ...]:
    """Return the names that nilearn's loader chooses among these; the description is fMRIPrep's JSON.

    The loader gets a stand-in table with these names over zeros: the values are read elsewhere, so that the same checks
    serve named columns and strategies, and no row is lost to the loader's sample mask.
    """
    # Every run imports this module, few runs ask nilearn: python -X importtime -c "import niimasker.inputs.confounds"
    # gives 0.2 s, and 2.4 s with this import above (nilearn 0.14.1, 2 cores; most of it is scikit-learn).
    from nilearn.interfaces import fmriprep

    strategy = dict(arguments)["strategy"]
    # nilearn refuses compcor without high_pass; load_confounds 0.6.5 did not.
    asked = {**dict(arguments), "strategy": tuple(dict.fromkeys((*strategy, "high_pass")))}
    with _make_bids_folder() as folder:
        _write_stand_in(folder / "sub-1_desc-confounds_timeseries.tsv", names)
        (folder / "sub-1_desc-confounds_timeseries.json").write_text(description, encoding="utf-8")
        # The image's name is read, the image is not.
        chosen, _ = fmriprep.load_confounds(str(folder / "sub-1_desc-preproc_bold.nii.gz"), demean=False, **asked)
    return tuple(name for name in chosen.columns if "high_pass" in strategy or "cosine" not in name)


@contextmanager
def _make_bids_folder() -> Iterator[Path]:
    """Give a temporary folder in which nilearn finds a table's JSON.

    nilearn replaces "tsv" anywhere in the table's path. A random name of `tempfile` spells it once in 8000 times, which
    a batch meets; hexadecimal digits never do.
    """
    parent = tempfile.gettempdir()
    if "tsv" in parent:
        raise ConfoundsError(
            f"the folder for temporary files, {parent}, has 'tsv' in its name, which nilearn's loader of confounds "
            "mistakes for the table's ending; set TMPDIR to another folder."
        )
    folder = Path(parent, f"niimasker-{uuid.uuid4().hex}")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _write_stand_in(path: Path, names: Iterable[str]) -> None:
    # nilearn takes one capital in any name for an old fMRIPrep, so a user's own columns are left out.
    written = [name for name in names if re.fullmatch("[a-z][a-z0-9_]*", name)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([written, *[["0"] * len(written)] * 2])


def _check_version(request: _Request) -> None:
    if _OLD_NAMES & set(request.names) and not _NEW_NAMES & set(request.names):
        raise ConfoundsError(
            f"{request.path} is of an fMRIPrep too old (before 1.2) for {request.label}; "
            f"name columns in --regressors instead: {', '.join(request.names)}."
        )


def _read_description(request: _Request) -> dict[str, Any]:
    """Return fMRIPrep's JSON beside the table."""
    path = request.path.with_suffix(".json")
    try:
        description = read_json(path)
    except OSError as error:
        raise ConfoundsError(
            f"{request.label} needs the JSON file that fMRIPrep 1.4 and later writes beside the table: "
            f"{path} is missing ({error.strerror}); put it there, or name columns in --regressors."
        ) from error
    except ValueError as error:
        raise ConfoundsError(f"{path} is not JSON ({error}); {request.label} needs it as fMRIPrep wrote it.") from error
    if not isinstance(description, dict):
        raise ConfoundsError(f"{path} is not a JSON object; {request.label} needs it as fMRIPrep wrote it.")
    return description


def _explain_refusal(request: _Request, description: Mapping[str, Any]) -> str:
    """Return what keeps nilearn from choosing the columns."""
    lacking = [name for name in _name_components(request.arguments) if name not in request.names]
    if "ica_aroma" in request.arguments["strategy"] and not any("aroma" in name for name in request.names):
        lacking.append("aroma_motion_01, ...")
    takes, has = f"that {request.label} takes", f"it has {list_names(request.names)}."
    if lacking:
        return f"{request.path} lacks columns {takes}: {list_names(lacking)}; {has}"
    if "compcor" in request.arguments["strategy"]:
        return _explain_compcor(request, description)
    return f"{request.path} has no columns {takes} (cosine00, ...); {has}"


def _name_components(arguments: Mapping[str, Any]) -> list[str]:
    """Return the columns of motion, tissues and the global signal that the strategy takes."""
    return [
        f"{column}{suffix}"
        for component in arguments["strategy"]
        for column in _COMPONENT_COLUMNS.get(component, ())
        for suffix in _MODEL_SUFFIXES[arguments[component]]
    ]


def _explain_compcor(request: _Request, description: Mapping[str, Any]) -> str:
    """Return how the JSON's components do not fit those that the strategy takes."""
    json_path = request.path.with_suffix(".json")
    kinds, _ = _COMPCOR[request.arguments["compcor"]]
    lacking = [name for name in description if name.startswith(sum(kinds, ())) and name not in request.names]
    unlisted = [spellings[0] for spellings in kinds if not any(name.startswith(spellings) for name in description)]
    prefix = (unlisted or [kinds[0][0]])[0]
    if unlisted:
        return (
            f"{json_path} lists no components {prefix}00, ..., which {request.label} takes; "
            f"it must come with {request.path}."
        )
    if lacking:
        return (
            f"{json_path} lists components that {request.path} lacks: {list_names(lacking)}; "
            f"for {request.label} both must come from the same run."
        )
    return (
        f"{json_path} does not describe the components {prefix}00, ... as fMRIPrep does (numbered without a gap, "
        f"each a_comp_cor with its Mask, some of them 'combined'); {request.label} needs it as fMRIPrep wrote it."
    )


def _warn_of_less(request: _Request, chosen: Sequence[str]) -> None:
    """Warn where fMRIPrep wrote less than the strategy asks for."""
    label, strategy = request.label, request.arguments["strategy"]
    # fMRIPrep writes no cosines for a run shorter than its filter's 128 s, so this cannot be an error.
    if "high_pass" in strategy and not any("cosine" in name for name in chosen):
        warn(f"the confounds have no columns cosine00, ...; {label} filters nothing here, see --high_pass.")
    if "compcor" not in strategy:
        return
    n_found, n_each = sum("_comp_cor_" in name for name in chosen), request.arguments["n_compcor"]
    n_asked = 0 if n_each == "all" else n_each * _COMPCOR[request.arguments["compcor"]][1]
    # That there are fewer than the default is no news: nobody has asked for so many.
    if n_found < n_asked and (label in STRATEGIES or "n_compcor=" in label):
        warn(f"the confounds have {n_found} CompCor components of the {n_asked} that {label} takes.")
