"""Strategies: the names of load_confounds 0.6.5, and the columns of fMRIPrep's tables that nilearn selects for them."""

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
from niimasker.inputs.aroma import NOISE, drop_orthogonal
from niimasker.inputs.joined_tables import show_paths
from niimasker.inputs.old_tables import check_old_table, is_old_table, translate_names
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
    # load_confounds 0.6.5 took one component more than requested, here and for the word compcor.
    "AnatCompCor": {
        "strategy": ("high_pass", "motion", "compcor"),
        "motion": "full",
        "compcor": "anat_combined",
        "n_compcor": 10,
    },
    "TempCompCor": {"strategy": ("high_pass", "compcor"), "compcor": "temporal", "n_compcor": 6},
}

# Used only in messages about missing columns: nilearn selects columns, but does not say which ones it misses.
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
# In some versions of fMRIPrep the components of single masks are w_comp_cor_00, c_comp_cor_00, ...
_ANAT, _TEMPORAL = ("a_comp_cor_", "w_comp_cor_", "c_comp_cor_"), ("t_comp_cor_",)

# For each kind of CompCor, the prefixes of its components, and the number of masks that give n_compcor components each.
_COMPCOR: Mapping[str, tuple[tuple[tuple[str, ...], ...], int]] = {
    "anat_combined": ((_ANAT,), 1),
    "anat_separated": ((_ANAT,), 2),
    "temporal": ((_TEMPORAL,), 1),
    "temporal_anat_combined": ((_TEMPORAL, _ANAT), 2),
    "temporal_anat_separated": ((_TEMPORAL, _ANAT), 3),
}


@dataclass(frozen=True)
class _Request:
    """A strategy to apply to a run's tables: all columns, the table of each, and the arguments of nilearn's loader."""

    names: tuple[str, ...]
    paths: Mapping[str, Path]
    label: str
    arguments: Mapping[str, Any]

    @property
    def tables(self) -> str:
        """The tables, for messages."""
        return show_paths(list(dict.fromkeys(self.paths.values())))

    @property
    def compcor_path(self) -> Path:
        """The table with CompCor's components, else the first."""
        having = [path for name, path in self.paths.items() if "_comp_cor_" in name]
        return (having or list(self.paths.values()))[0]


def choose_by_strategy(
    names: Sequence[str], paths: Mapping[str, Path], *, label: str, arguments: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the names of the columns that nilearn selects for a strategy.

    Parameters
    ----------
    names : sequence of str
        The names of all columns of the run's tables.
    paths : Mapping of str to Path
        The table of each column, for messages. fMRIPrep's JSON file is read only for CompCor; it lies beside the table
        of the components and has the same stem.
    label : str
        The strategy's words, for messages.
    arguments : Mapping
        Arguments of nilearn's loader: a value of `STRATEGIES`, or the combination of several words.

    Returns
    -------
    tuple of str
        In nilearn's order.

    Raises
    ------
    ConfoundsError
        The table, or fMRIPrep's JSON file, lacks columns that the strategy takes.
    """
    request = _Request(tuple(names), paths, label, arguments)
    if is_old_table(names):
        check_old_table(names, request.tables, label=label, arguments=arguments)
        by_new_name = translate_names(names)
        new_paths = {new: paths[old] for new, old in by_new_name.items()}
        chosen = choose_by_strategy(tuple(by_new_name), new_paths, label=label, arguments=arguments)
        return tuple(by_new_name[name] for name in chosen)
    description = _read_description(request) if "compcor" in arguments["strategy"] else {}
    try:
        chosen = _ask_nilearn(drop_orthogonal(request.names), json.dumps(description), tuple(arguments.items()))
    # nilearn raises KeyError for a table with only some of the columns, and for gaps in the JSON file.
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfoundsError(_explain_refusal(request, description)) from error
    if not chosen:
        raise ConfoundsError(_explain_refusal(request, description))
    _warn_of_missing_columns(request, chosen)
    return chosen


# A call takes 15 ms, and the tables of one study have the same columns.
@lru_cache(maxsize=16)
def _ask_nilearn(names: tuple[str, ...], description: str, arguments: tuple[tuple[str, Any], ...]) -> tuple[str, ...]:
    """Return the columns that nilearn's loader selects among `names`; the description is fMRIPrep's JSON file as text.

    The loader gets a stand-in table of zeros with these columns. The values are read elsewhere, so that named columns
    and strategies pass the same checks, and no row is lost to the loader's sample mask.
    """
    # Every run imports this module, but few call nilearn: python -X importtime -c "import niimasker.inputs.confounds"
    # takes 0.2 s, and 2.4 s with this import at the top (nilearn 0.14.1, 2 cores; most of it is scikit-learn).
    from nilearn.interfaces import fmriprep

    strategy = dict(arguments)["strategy"]
    # nilearn requires high_pass with compcor, load_confounds 0.6.5 did not.
    requested = {**dict(arguments), "strategy": tuple(dict.fromkeys((*strategy, "high_pass")))}
    with _make_bids_folder() as folder:
        _write_stand_in(folder / "sub-1_desc-confounds_timeseries.tsv", names)
        (folder / "sub-1_desc-confounds_timeseries.json").write_text(description, encoding="utf-8")
        # nilearn uses the image's name only; the file need not exist.
        chosen, _ = fmriprep.load_confounds(str(folder / "sub-1_desc-preproc_bold.nii.gz"), demean=False, **requested)
    return tuple(name for name in chosen.columns if "high_pass" in strategy or "cosine" not in name)


@contextmanager
def _make_bids_folder() -> Iterator[Path]:
    """Yield a temporary folder in which nilearn finds a table's JSON file.

    nilearn replaces "tsv" anywhere in the table's path. One in 8000 of `tempfile`'s random names contains it, often
    enough for a large batch; hexadecimal digits never do.
    """
    parent = tempfile.gettempdir()
    if "tsv" in parent:
        raise ConfoundsError(
            f"the folder for temporary files, {parent}, has 'tsv' in its path, which nilearn's loader of confounds "
            "mistakes for the table's ending; set TMPDIR to another folder."
        )
    folder = Path(parent, f"niimasker-{uuid.uuid4().hex}")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _write_stand_in(path: Path, names: Iterable[str]) -> None:
    # nilearn takes a capital letter in any name as a sign of an old fMRIPrep, so a user's own columns are left out.
    written = [name for name in names if re.fullmatch("[a-z][a-z0-9_]*", name)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([written, *[["0"] * len(written)] * 2])


def _read_description(request: _Request) -> dict[str, Any]:
    """Return the content of fMRIPrep's JSON file beside the table."""
    path = request.compcor_path.with_suffix(".json")
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
    """Return the message that says why nilearn cannot select the columns."""
    lacking = [name for name in _list_component_columns(request.arguments) if name not in request.names]
    if "ica_aroma" in request.arguments["strategy"] and not any(NOISE in name for name in request.names):
        lacking.append(f"{NOISE}01, ...")
    takes, has = f"that {request.label} takes", f"it has {list_names(request.names)}."
    if lacking:
        return f"{request.tables} lacks columns {takes}: {list_names(lacking)}; {has}"
    if "compcor" in request.arguments["strategy"]:
        return _explain_compcor(request, description)
    return f"{request.tables} has no columns {takes} (cosine00, ...); {has}"


def _list_component_columns(arguments: Mapping[str, Any]) -> list[str]:
    """Return the columns of motion, tissue signals and the global signal that the strategy takes."""
    return [
        f"{column}{suffix}"
        for component in arguments["strategy"]
        for column in _COMPONENT_COLUMNS.get(component, ())
        for suffix in _MODEL_SUFFIXES[arguments[component]]
    ]


def _explain_compcor(request: _Request, description: Mapping[str, Any]) -> str:
    """Return the message that says how the JSON file's components do not fit the strategy."""
    json_path = request.compcor_path.with_suffix(".json")
    kinds, _ = _COMPCOR[request.arguments["compcor"]]
    lacking = [name for name in description if name.startswith(sum(kinds, ())) and name not in request.names]
    unlisted = [spellings[0] for spellings in kinds if not any(name.startswith(spellings) for name in description)]
    prefix = (unlisted or [kinds[0][0]])[0]
    if unlisted:
        return (
            f"{json_path} lists no components {prefix}00, ..., which {request.label} takes; "
            f"it must come with {request.compcor_path}."
        )
    if lacking:
        return (
            f"{json_path} lists components that {request.compcor_path} lacks: {list_names(lacking)}; "
            f"for {request.label} both must come from the same run."
        )
    masks = "'WM' and 'CSF'" if request.arguments["compcor"].endswith("separated") else "'combined'"
    return (
        f"{json_path} does not describe the components {prefix}00, ... as fMRIPrep does (numbered without a gap, "
        f"each a_comp_cor with its Mask, some of them {masks}); {request.label} needs it as fMRIPrep wrote it."
    )


def _warn_of_missing_columns(request: _Request, chosen: Sequence[str]) -> None:
    """Warn where the table has fewer columns than the strategy takes."""
    label, strategy = request.label, request.arguments["strategy"]
    # Not an error: fMRIPrep writes no cosines for a run shorter than its filter's cut-off of 128 s.
    if "high_pass" in strategy and not any("cosine" in name for name in chosen):
        warn(f"the confounds have no columns cosine00, ...; {label} applies no high-pass filter, see --high_pass.")
    if "compcor" not in strategy:
        return
    n_found, n_per_mask = sum("_comp_cor_" in name for name in chosen), request.arguments["n_compcor"]
    n_requested = 0 if n_per_mask == "all" else n_per_mask * _COMPCOR[request.arguments["compcor"]][1]
    # No warning for fewer than the default number, which the user has not asked for.
    if n_found < n_requested and (label in STRATEGIES or "n_compcor=" in label):
        warn(f"the confounds have {n_found} CompCor components of the {n_requested} that {label} takes.")
