"""The components that tedana=orthogonal and ica_aroma=orthogonal regress out, and those that they preserve."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from confounds_tables import IMAGE, load, refuse
from ica_files import (
    ACCEPTED,
    FMRIPOST_METRICS,
    FMRIPOST_MIXING,
    FMRIPREP_MIXING,
    N_VOLUMES,
    NOISE_COMPONENTS,
    REJECTED,
    TEDANA_METRICS,
    TEDANA_MIXING,
    make_mixing,
    write_fmripost,
    write_fmriprep,
    write_mixing,
    write_tedana,
)

from niimasker.errors import ConfoundsError
from niimasker.inputs.confounds import Confounds, load_confounds

TEDANA, AROMA = ["tedana=orthogonal"], ["ica_aroma=orthogonal"]
REJECTED_TEDANA = tuple(f"ICA_{number - 1:02d}" for number in REJECTED)
REJECTED_AROMA = tuple(f"aroma_motion_{number:02d}" for number in REJECTED)
WRITERS = {"fMRIPrep": write_fmriprep, "fMRIPost-AROMA": write_fmripost}
of_both_programs = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
MIXING = make_mixing()


def load_ica(path: Path, words: Sequence[str]) -> Confounds:
    return load(path, words, N_VOLUMES)


def refuse_ica(path: Path, words: Sequence[str]) -> str:
    return refuse(path, words, N_VOLUMES)


def assert_preserved(confounds: Confounds, regressors: Sequence[str], names: Sequence[str], numbers=ACCEPTED) -> None:
    """Expect regressors, and the names and values of the components that are preserved."""
    assert confounds.preserved.regressors == tuple(regressors)
    assert confounds.preserved.names == tuple(names)
    expected = MIXING[:, [number - 1 for number in numbers]]
    np.testing.assert_allclose(confounds.preserved.values, expected, rtol=1e-12)


# tedana


def test_tedanas_accepted_components_are_preserved(tmp_path):
    confounds = load_ica(write_tedana(tmp_path, MIXING), TEDANA)
    assert confounds.names == REJECTED_TEDANA
    np.testing.assert_allclose(confounds.values, MIXING[:, [number - 1 for number in REJECTED]], rtol=1e-12)
    assert_preserved(confounds, REJECTED_TEDANA, [f"ICA_{number - 1:02d}" for number in ACCEPTED])
    assert confounds.preserved.sources == (tmp_path / TEDANA_METRICS,)


@pytest.mark.parametrize("words", [["tedana"], ["tedana=aggressive"], ["ICA_01"], []])
def test_nothing_is_preserved_unless_asked_for(tmp_path, words):
    assert load(write_tedana(tmp_path, MIXING[:40]), words, 40).preserved is None


def test_ignored_components_are_neither_regressed_out_nor_preserved(tmp_path):
    classes = {1: "accepted", 2: "rejected", 3: "ignored", 4: "accepted"}
    confounds = load_ica(write_tedana(tmp_path, MIXING, classes), TEDANA)
    assert confounds.names == ("ICA_01",)
    assert_preserved(confounds, ["ICA_01"], ["ICA_00", "ICA_03"], (1, 4))


def test_accepted_component_that_is_a_regressor_is_not_preserved(tmp_path):
    confounds = load_ica(write_tedana(tmp_path, MIXING), ["ICA_04", *TEDANA])
    assert confounds.names == ("ICA_04", *REJECTED_TEDANA)
    assert_preserved(confounds, REJECTED_TEDANA, ["ICA_00", "ICA_03", "ICA_05", "ICA_07"], (1, 4, 6, 8))


def test_nothing_rejected_needs_nothing_preserved(tmp_path):
    confounds = load_ica(write_tedana(tmp_path, MIXING, {1: "accepted"}), TEDANA)
    assert (confounds.names, confounds.preserved) == ((), None)


def test_table_that_tedort_writes_serves_too(tmp_path):
    path = write_tedana(tmp_path, MIXING)
    path = path.rename(tmp_path / "sub-1_desc-ICAOrth_mixing.tsv")
    assert load_ica(path, TEDANA).preserved.names == tuple(f"ICA_{number - 1:02d}" for number in ACCEPTED)
    assert TEDANA_MIXING.removeprefix("sub-1_") in refuse_ica(path, ["tedana"])


def test_no_accepted_component_is_refused_with_the_other_word(tmp_path):
    path = write_tedana(tmp_path, MIXING, {1: "rejected", 2: "ignored"})
    assert refuse_ica(path, TEDANA) == (
        f"{tmp_path / TEDANA_METRICS} accepts none of the components, so that there is nothing to preserve "
        "(rejected: ICA_00); leave this run out, or give tedana=aggressive."
    )


def test_accepted_component_that_the_mixing_table_lacks_is_refused(tmp_path):
    path = write_tedana(tmp_path, MIXING[:, :6])
    (tmp_path / TEDANA_METRICS).write_text("Component\tclassification\nICA_0\trejected\nICA_9\taccepted\n", "utf-8")
    message = refuse_ica(path, TEDANA)
    assert message == (
        f"{tmp_path / TEDANA_METRICS} accepts 1 components, of which {path} has 0; both must come from the same run."
    )


def test_component_without_a_class_is_refused(tmp_path):
    path = write_tedana(tmp_path, MIXING)
    lines = (tmp_path / TEDANA_METRICS).read_text("utf-8").splitlines(keepends=True)
    (tmp_path / TEDANA_METRICS).write_text("".join(lines[:-1]), "utf-8")
    assert refuse_ica(path, TEDANA) == (
        f"{tmp_path / TEDANA_METRICS} does not classify ICA_07 of {path}; both must come from the same run."
    )


def test_missing_metrics_are_named(tmp_path):
    path = write_tedana(tmp_path, MIXING)
    (tmp_path / TEDANA_METRICS).unlink()
    assert refuse_ica(path, TEDANA).startswith(f"{tmp_path / TEDANA_METRICS} cannot be read")


def test_gap_in_an_accepted_component_is_refused_at_a_kept_volume_alone(tmp_path):
    path = write_tedana(tmp_path, np.where(np.arange(N_VOLUMES)[:, None] == 5, np.nan, MIXING)[:, [0, 1]], None)
    (tmp_path / TEDANA_METRICS).write_text("Component\tclassification\nICA_0\taccepted\nICA_1\trejected\n", "utf-8")
    table = path.read_text("utf-8").splitlines()
    table[6] = f"\t{MIXING[5, 1]}"
    path.write_text("\n".join(table) + "\n", "utf-8")
    assert refuse_ica(path, TEDANA) == (
        f"{path}: the accepted component ICA_00 has no finite number in row 6 (the first row below the header is row "
        "1); correct the table."
    )
    kept = np.arange(N_VOLUMES) != 5
    confounds = load_confounds([path], TEDANA, n_volumes=N_VOLUMES, image_path=IMAGE, kept=kept)
    assert np.isfinite(confounds.preserved.values[kept]).all()


# ICA-AROMA


@of_both_programs
def test_aromas_accepted_components_are_read_from_the_mixing_matrix(tmp_path, write):
    confounds = load_ica(write(tmp_path, MIXING), AROMA)
    assert confounds.names == REJECTED_AROMA
    np.testing.assert_allclose(confounds.values, MIXING[:, [number - 1 for number in REJECTED]], rtol=1e-12)
    assert_preserved(confounds, REJECTED_AROMA, [f"aroma_signal_{number:02d}" for number in ACCEPTED])


def test_sources_are_the_mixing_matrix_and_the_classification(tmp_path):
    found = load_ica(write_fmriprep(tmp_path, MIXING), AROMA).preserved.sources
    assert found == (tmp_path / FMRIPREP_MIXING, tmp_path / NOISE_COMPONENTS)


@pytest.mark.parametrize("name", ["sub-1_desc-confounds_regressors.tsv", "sub-1_desc-confounds_timeseries.tsv"])
def test_both_names_of_fmripreps_tables_are_known(tmp_path, name):
    path = write_fmriprep(tmp_path, MIXING).rename(tmp_path / name)
    assert load_ica(path, AROMA).preserved is not None


def test_mixing_matrix_without_space_in_its_name_serves_too(tmp_path):
    path = write_fmripost(tmp_path, MIXING)
    (tmp_path / FMRIPOST_MIXING).rename(tmp_path / "sub-1_desc-melodic_mixing.tsv")
    assert load_ica(path, AROMA).preserved.sources[0] == tmp_path / "sub-1_desc-melodic_mixing.tsv"


@pytest.mark.parametrize("missing", [FMRIPOST_MIXING, FMRIPOST_METRICS])
def test_fmripost_aromas_own_orthogonal_columns_are_taken_without_the_other_files(tmp_path, missing):
    path = write_fmripost(tmp_path, MIXING)
    (tmp_path / missing).unlink()
    confounds = load_ica(path, AROMA)
    assert confounds.names == tuple(name.replace("aroma_", "aroma_orth_") for name in REJECTED_AROMA)
    assert confounds.preserved is None


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (FMRIPREP_MIXING, "give MELODIC's mixing matrix beside the confounds table."),
        (NOISE_COMPONENTS, "give the numbers of the components that ICA-AROMA rejects, separated by commas."),
    ],
)
def test_missing_file_is_named_with_what_it_is(tmp_path, missing, expected):
    path = write_fmriprep(tmp_path, MIXING)
    (tmp_path / missing).unlink()
    assert refuse_ica(path, AROMA) == f"{tmp_path / missing} cannot be read (No such file or directory); {expected}"


def test_table_of_another_name_is_refused_with_the_names_there_are(tmp_path):
    path = write_fmriprep(tmp_path, MIXING).rename(tmp_path / "mine.tsv")
    assert "with fMRIPrep's or fMRIPost-AROMA's name and MELODIC's mixing matrix" in refuse_ica(path, AROMA)


@of_both_programs
def test_no_noise_component_chooses_nothing(tmp_path, write):
    path = write_fmriprep(tmp_path, MIXING, ())
    if write is write_fmripost:
        write_fmripost(tmp_path, MIXING)
        (tmp_path / FMRIPOST_METRICS).write_text("classification\n" + "accepted\n" * 8, "utf-8")
        path = tmp_path / "sub-1_desc-aroma_timeseries.tsv"
        path.write_text("intercept\n" + "1\n" * N_VOLUMES, "utf-8")
    confounds = load_ica(path, AROMA)
    assert (confounds.names, confounds.preserved) == ((), None)


def test_all_components_rejected_is_refused_with_the_other_word(tmp_path):
    path = write_fmriprep(tmp_path, MIXING, tuple(range(1, 9)))
    message = refuse_ica(path, AROMA)
    assert message.startswith(f"{tmp_path / NOISE_COMPONENTS} accepts none of the components")
    assert message.endswith("leave this run out, or give ica_aroma=basic.")


@pytest.mark.parametrize(
    ("listed", "part"),
    [
        ("2,3", "rejects components 2, 3, but the confounds have columns aroma_motion_02, aroma_motion_03, aroma"),
        ("2,3,8", "rejects components 2, 3, 8, but the confounds have columns aroma_motion_02"),
        ("", "rejects components none, but the confounds have columns aroma_motion_02"),
        # The program aroma of the makers of tedana counts from 0.
        ("0,2,3", "rejects components 0 to 3, but the mixing matrix has 8 components, counted from 1"),
        ("2,3,9", "rejects components 2 to 9, but the mixing matrix has 8 components, counted from 1"),
        ("2;3", "holds '2;3'; expected the numbers of the components that ICA-AROMA rejects, separated by commas."),
        ("2,3,7.0", "holds '7.0'; expected the numbers"),
    ],
)
def test_component_numbers_that_do_not_fit_are_named(tmp_path, listed, part):
    path = write_fmriprep(tmp_path, MIXING)
    (tmp_path / NOISE_COMPONENTS).write_text(listed, "utf-8")
    assert refuse_ica(path, AROMA).startswith(f"{tmp_path / NOISE_COMPONENTS} {part}")


@pytest.mark.parametrize("separator", [",", ", ", " ", "\n", ",\n"])
def test_separators_of_the_noise_components_do_not_matter(tmp_path, separator):
    path = write_fmriprep(tmp_path, MIXING)
    (tmp_path / NOISE_COMPONENTS).write_text(separator.join(map(str, REJECTED)) + "\n", "utf-8")
    assert load_ica(path, AROMA).preserved.regressors == REJECTED_AROMA


def test_metrics_with_another_number_of_components_are_refused(tmp_path):
    path = write_fmripost(tmp_path, MIXING)
    with (tmp_path / FMRIPOST_METRICS).open("a", encoding="utf-8") as file:
        file.write("0.9\taccepted\t\n")
    assert refuse_ica(path, AROMA) == (
        f"{tmp_path / FMRIPOST_METRICS} has 9 rows, but the mixing matrix has 8 components; both must come from the "
        "same run."
    )


def test_metrics_without_classification_are_refused_with_what_they_have(tmp_path):
    path = write_fmripost(tmp_path, MIXING)
    (tmp_path / FMRIPOST_METRICS).write_text("HFC\tclass\n" + "1\taccepted\n" * 8, "utf-8")
    assert refuse_ica(path, AROMA) == f"{tmp_path / FMRIPOST_METRICS} has no column classification; it has HFC, class."


@of_both_programs
def test_mixing_matrix_of_another_length_is_refused_with_both_tables(tmp_path, write):
    # Early versions of fMRIPost-AROMA left the volumes before the steady state out.
    path = write(tmp_path, MIXING)
    mixing_path = write_mixing(next(tmp_path.glob("*[CcIO]_mixing.tsv")), MIXING[2:])
    message = refuse_ica(path, AROMA)
    assert message.startswith(f"{path} has 80 rows but {mixing_path} has 78; ")


@of_both_programs
def test_mixing_matrix_with_other_values_is_refused(tmp_path, write):
    path = write(tmp_path, MIXING)
    mixing_path = write_mixing(next(tmp_path.glob("*[CcIO]_mixing.tsv")), make_mixing(seed=1))
    assert refuse_ica(path, AROMA) == (
        f"{mixing_path}: component aroma_motion_02 has other values than the confounds' column of that name; both must "
        "come from the same run of ICA-AROMA."
    )


def test_rounded_values_are_the_same_components(tmp_path):
    path = write_fmriprep(tmp_path, MIXING)
    write_mixing(tmp_path / FMRIPREP_MIXING, MIXING.round(6))
    assert load_ica(path, AROMA).preserved.regressors == REJECTED_AROMA


def test_values_of_volumes_not_kept_are_not_compared(tmp_path):
    path = write_fmriprep(tmp_path, MIXING)
    kept = np.arange(N_VOLUMES) > 3
    write_mixing(tmp_path / FMRIPREP_MIXING, np.where(kept[:, None], MIXING, 77.0))
    confounds = load_confounds([path], AROMA, n_volumes=N_VOLUMES, image_path=IMAGE, kept=kept)
    assert np.isnan(confounds.preserved.values[~kept]).all()
    with pytest.raises(ConfoundsError, match="has other values"):
        load_ica(path, AROMA)


def test_both_icas_together_preserve_the_accepted_components_of_both(tmp_path):
    paths = [write_fmriprep(tmp_path, MIXING), write_tedana(tmp_path, MIXING)]
    words = [*AROMA, "csf", *TEDANA]
    confounds = load_confounds(paths, words, n_volumes=N_VOLUMES, image_path=IMAGE)
    assert set(confounds.preserved.regressors) == {*REJECTED_AROMA, *REJECTED_TEDANA}
    assert set(confounds.names) == {*REJECTED_AROMA, *REJECTED_TEDANA, "csf"}
    assert len(confounds.preserved.names) == confounds.preserved.values.shape[1] == 2 * len(ACCEPTED)


def test_mixing_matrix_is_found_beside_the_table_with_the_components(tmp_path):
    (tmp_path / "post").mkdir()
    post = write_fmripost(tmp_path / "post", MIXING)
    confounds_path = write_fmriprep(tmp_path, MIXING)
    shutil.copy(confounds_path, plain := tmp_path / "sub-1_desc-confounds_regressors.tsv")
    plain.write_text("csf\n" + "1\n" * N_VOLUMES, "utf-8")
    confounds = load_confounds([plain, post], AROMA, n_volumes=N_VOLUMES, image_path=IMAGE)
    assert {source.parent.name for source in confounds.preserved.sources} == {"post"}
