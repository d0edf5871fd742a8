"""tedana's rejected components; nilearn's loader is the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from confounds_tables import load, refuse, write
from nilearn.interfaces import fmriprep

from niimasker.errors import ConfoundsError
from niimasker.inputs.tedana import choose_rejected

LABELS = {
    "ICA_00": "accepted",
    "ICA_01": "rejected",
    "ICA_02": "ignored",
    "ICA_10": "rejected",
    "ICA_11": "accepted",
}
MIXING, METRICS = "sub-1_task-x_desc-ICA_mixing.tsv", "sub-1_task-x_desc-tedana_metrics.tsv"


def write_mixing(folder: Path, names: Sequence[str] = tuple(LABELS), n_rows: int = 4) -> Path:
    values = np.random.default_rng(0).normal(size=(n_rows, len(names))).astype(str)
    return write(folder / MIXING, "\n".join("\t".join(cells) for cells in [list(names), *values]) + "\n")


def write_metrics(folder: Path, labels: Mapping[str, str] = LABELS) -> Path:
    rows = [f'{name}\t{number}.5\t{label}\t"a, b"\tLow variance' for number, (name, label) in enumerate(labels.items())]
    header = "Component\tkappa\tclassification\tclassification_tags\trationale"
    return write(folder / METRICS, "\n".join([header, *rows]) + "\n")


def choose(names: Sequence[str], path: Path) -> tuple[str, ...]:
    return choose_rejected(names, dict.fromkeys(names, path))


def refuse_choice(names: Sequence[str], path: Path) -> str:
    """Return the message of the error that choosing raises, in one line."""
    with pytest.raises(ConfoundsError) as caught:
        choose(names, path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rejected_components_are_chosen(tmp_path):
    write_metrics(tmp_path)
    assert choose(tuple(LABELS), tmp_path / MIXING) == ("ICA_01", "ICA_10")


def test_components_come_in_the_mixing_tables_order(tmp_path):
    write_metrics(tmp_path)
    assert choose(("ICA_10", "ICA_00", "ICA_01"), tmp_path / MIXING) == ("ICA_10", "ICA_01")


@pytest.mark.parametrize(
    ("in_mixing", "in_metrics"), [("ICA_04", "ICA_4"), ("ICA_4", "ICA_04"), ("ICA_004", "ICA_04"), ("ICA_00", "ICA_0")]
)
def test_leading_zeros_tell_no_components_apart(tmp_path, in_mixing, in_metrics):
    write_metrics(tmp_path, {in_metrics: "rejected"})
    assert choose((in_mixing, "ICA_40"), tmp_path / MIXING) == (in_mixing,)


def test_trailing_zeros_tell_components_apart(tmp_path):
    write_metrics(tmp_path, {"ICA_1": "rejected", "ICA_10": "accepted", "ICA_100": "accepted"})
    assert choose(("ICA_001", "ICA_010", "ICA_100"), tmp_path / MIXING) == ("ICA_001",)


def test_nothing_rejected_chooses_nothing(tmp_path):
    write_metrics(tmp_path, {"ICA_00": "accepted"})
    assert choose(("ICA_00",), tmp_path / MIXING) == ()


@pytest.mark.parametrize("name", ["confounds.tsv", "sub-1_desc-tedana_metrics.tsv"])
def test_table_that_is_not_tedanas_is_refused_with_the_one_expected(tmp_path, name):
    message = refuse_choice(("ICA_00",), tmp_path / name)
    assert message.startswith(f"{tmp_path / name}: ")
    assert "*desc-ICA_mixing.tsv" in message
    assert "--regressor_files" in message


def test_missing_metrics_are_named(tmp_path):
    message = refuse_choice(("ICA_00",), tmp_path / MIXING)
    assert message.startswith(f"{tmp_path / METRICS} cannot be read (No such file or directory)")
    assert "tedana's table of metrics beside the mixing table" in message


@pytest.mark.parametrize("lacking", ["Component", "classification"])
def test_metrics_without_a_column_are_refused_with_what_they_have(tmp_path, lacking):
    other = {"Component": "classification", "classification": "Component"}[lacking]
    write(tmp_path / METRICS, f"{other}\tkappa\nrejected\t1\n")
    assert refuse_choice(("ICA_00",), tmp_path / MIXING) == (
        f"{tmp_path / METRICS} has no column {lacking}; it has {other}, kappa."
    )


def test_metrics_of_another_run_are_refused_with_both_numbers(tmp_path):
    write_metrics(tmp_path)
    message = refuse_choice(("ICA_00", "ICA_01"), tmp_path / MIXING)
    assert str(tmp_path / METRICS) in message
    assert str(tmp_path / MIXING) in message
    assert "rejects 2 components" in message
    assert "has 1" in message


@pytest.mark.parametrize("word", ["Rejected", "reject", "n/a", "x" * 500])
def test_class_that_tedana_does_not_know_is_refused(tmp_path, word):
    path = write_metrics(tmp_path, {"ICA_00": "accepted", "ICA_01": word, "ICA_02": "rejected"})
    message = refuse_choice(("ICA_00", "ICA_01", "ICA_02"), tmp_path / MIXING)
    assert message.startswith(f"{path} classifies a component as '{word[:4]}".removesuffix("'"))
    assert message.endswith(
        " in row 2 (the first row below the header is row 1); expected accepted, rejected or ignored."
    )


# As a word


@pytest.mark.parametrize("word", ["tedana", "tedana=aggressive"])
@pytest.mark.parametrize("spelling", [lambda name: name, lambda name: name.replace("_0", "_")])
def test_word_chooses_columns_and_values_as_nilearn_does(tmp_path, word, spelling):
    path = write_mixing(tmp_path)
    write_metrics(tmp_path, {spelling(name): label for name, label in LABELS.items()})
    image = str(tmp_path / "sub-1_task-x_desc-optcom_bold.nii.gz")
    frame, _ = fmriprep.load_confounds(image, strategy=("tedana",), tedana="aggressive", demean=False)
    confounds = load(path, [word], 4)
    # nilearn puts the label before the name.
    assert sorted(f"rejected_{name}" for name in confounds.names) == sorted(frame.columns)
    expected = frame[[f"rejected_{name}" for name in confounds.names]]
    np.testing.assert_allclose(confounds.values, expected, rtol=1e-12)


def test_columns_beside_the_word_add_up_once(tmp_path):
    path = write_mixing(tmp_path)
    write_metrics(tmp_path)
    assert load(path, ["ICA_02", "ICA_10", "tedana"], 4).names == ("ICA_02", "ICA_10", "ICA_01")


def test_non_aggressive_is_refused_with_a_reason(tmp_path):
    path = write_mixing(tmp_path)
    write_metrics(tmp_path)
    message = refuse(path, ["tedana=non-aggressive"], 4)
    assert "tedana=non-aggressive" in message
    assert "accepted" in message
    assert "tedana=aggressive" in message


def test_words_of_fmriprep_are_refused_for_a_mixing_table(tmp_path):
    path = write_mixing(tmp_path)
    write_metrics(tmp_path)
    assert refuse(path, ["tedana", "motion=basic"], 4).startswith(
        f"{path} lacks columns that motion=basic takes: trans_x, trans_y, trans_z, rot_x, rot_y, rot_z; it has "
    )
