"""MELODIC's mixing matrix beside a confounds table, and which of its components ICA-AROMA rejects."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import ConfoundsError, count, list_names
from niimasker.inputs.aroma import BASIC, NOISE, ORTHOGONAL_NOISE
from niimasker.inputs.ica_components import Components, check_accepted
from niimasker.inputs.shared_readings import read_once
from niimasker.inputs.text_tables import TextTable, read_lines, read_text_table

# The ends of a table's name, and of those of the mixing matrix and the classification beside it. fMRIPrep before 23.1,
# and fMRIPost-AROMA, whose mixing matrix names the space in which MELODIC ran.
_NOISE_COMPONENTS, _METRICS = "_AROMAnoiseICs.csv", "_desc-aroma_metrics.tsv"
_FMRIPREP = (("_desc-MELODIC_mixing.tsv",), _NOISE_COMPONENTS)
_FMRIPOST = (("_space-MNI152NLin6Asym_res-2_desc-melodic_mixing.tsv", "_desc-melodic_mixing.tsv"), _METRICS)
_NAMES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "_desc-confounds_timeseries.tsv": _FMRIPREP,
    "_desc-confounds_regressors.tsv": _FMRIPREP,
    "_desc-aroma_timeseries.tsv": _FMRIPOST,
}

# What the components that ICA-AROMA accepts are called; the rejected ones have names in the confounds table.
_SIGNAL = "aroma_signal_"


@dataclass(frozen=True)
class Melodic:
    """MELODIC's mixing matrix and the file that classifies its components, which may be missing."""

    mixing_path: Path
    classification_path: Path

    @property
    def is_complete(self) -> bool:
        """Whether both files are there."""
        return self.mixing_path.exists() and self.classification_path.exists()


def find_melodic(table_path: Path) -> Melodic | None:
    """Return the files that belong to a confounds table with ICA-AROMA's components; None for another program's."""
    for ending, (mixings, classification) in _NAMES.items():
        if table_path.name.endswith(ending):
            stem = table_path.name.removesuffix(ending)
            candidates = [table_path.with_name(stem + mixing) for mixing in mixings]
            mixing_path = next((path for path in candidates if path.exists()), candidates[0])
            return Melodic(mixing_path, table_path.with_name(stem + classification))
    return None


def choose_melodic(names: Sequence[str], paths: Mapping[str, Path]) -> Melodic | None:
    """Return the files with the components that ica_aroma=orthogonal preserves.

    None if it takes columns that fMRIPost-AROMA has orthogonalised, because there are no such files beside the tables,
    and if the tables have no components at all.
    """
    noise = [paths[name] for name in choose_noise(names)]
    found = [find_melodic(path) for path in dict.fromkeys(noise or paths.values())]
    melodic = next((each for each in found if each is not None), None)
    if melodic is None or melodic.is_complete:
        return melodic
    is_needed = bool(noise) and not any(name.startswith(ORTHOGONAL_NOISE) for name in names)
    return melodic if is_needed else None


def choose_noise(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the noise components as they are."""
    return tuple(name for name in names if re.fullmatch(rf"{NOISE}[0-9]+", name))


def read_components(melodic: Melodic, names: Sequence[str]) -> Components:
    """Return the components of a run, rejected ones by the names of their columns: aroma_motion_01 is the first.

    Accepted ones are called aroma_signal_02 and so on.

    Parameters
    ----------
    melodic
        The files to read.
    names
        The names of the columns of the run's confounds tables.

    Raises
    ------
    ConfoundsError
        A file is missing, unreadable or of another run, or all components are rejected.
    """
    mixing = _read_mixing(melodic.mixing_path)
    noise = {int(name.removeprefix(NOISE)): name for name in choose_noise(names)}
    rejected = _read_rejected(melodic.classification_path, len(mixing.names))
    if set(rejected) != set(noise):
        raise ConfoundsError(
            f"{melodic.classification_path} rejects components {list_names([*map(str, rejected)]) or 'none'}, but the "
            f"confounds have columns {list_names([*noise.values()]) or 'none'}; both must come from the same run."
        )
    numbers = range(1, len(mixing.names) + 1)
    named = dataclasses.replace(mixing, names=tuple(noise.get(number, f"{_SIGNAL}{number:02d}") for number in numbers))
    accepted = tuple(name for number, name in zip(numbers, named.names, strict=True) if number not in noise)
    components = Components(tuple(noise.values()), accepted, melodic.classification_path, named)
    return check_accepted(components, f"ica_aroma={BASIC}")


@read_once
def _read_mixing(path: Path) -> TextTable:
    expected = "MELODIC's mixing matrix beside the confounds table"
    return read_text_table(path, ConfoundsError, expected, needs_header=False)


@read_once
def _read_rejected(path: Path, n_components: int) -> list[int]:
    """Return the numbers of the components that ICA-AROMA rejects, counted from 1."""
    rejected = _read_metrics(path, n_components) if path.name.endswith(_METRICS) else _read_noise_components(path)
    if rejected and not 1 <= min(rejected) <= max(rejected) <= n_components:
        raise ConfoundsError(
            f"{path} rejects components {min(rejected)} to {max(rejected)}, but the mixing matrix has "
            f"{count(n_components, 'component')}, counted from 1; both must come from the same run."
        )
    return rejected


def _read_noise_components(path: Path) -> list[int]:
    expected = "the numbers of the components that ICA-AROMA rejects, separated by commas"
    cells = re.split(r"[,\s]+", " ".join(read_lines(path, ConfoundsError, expected)).strip())
    wrong = [cell for cell in cells if cell and not cell.isdecimal()]
    if wrong:
        raise ConfoundsError(f"{path} holds {wrong[0][:40]!r}; expected {expected}.")
    return [int(cell) for cell in cells if cell]


def _read_metrics(path: Path, n_components: int) -> list[int]:
    metrics = read_text_table(path, ConfoundsError, "fMRIPost-AROMA's table of metrics beside the confounds table")
    if "classification" not in metrics.names:
        raise ConfoundsError(f"{path} has no column classification; it has {list_names(metrics.names)}.")
    if len(metrics.rows) != n_components:
        raise ConfoundsError(
            f"{path} has {count(len(metrics.rows), 'row')}, but the mixing matrix has "
            f"{count(n_components, 'component')}; both must come from the same run."
        )
    return [number for number, label in enumerate(metrics.column("classification"), start=1) if label == "rejected"]
