from __future__ import annotations

import itertools
import json
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import load_confounds as oracle
import numpy as np
import pandas as pd
import pytest
from confounds_tables import (
    FULL_MOTION,
    IMAGE,
    MOTION,
    N_VOLUMES,
    OLD,
    ORACLES_OWN,
    REST,
    RUN_1,
    RUN_2,
    load,
    load_quietly,
    refuse,
    write,
    write_table,
)
from nilearn.interfaces import fmriprep

from niimasker.errors import NiimaskerWarning, record_warnings
from niimasker.inputs.confounds import Confounds, load_confounds
from niimasker.inputs.strategies import STRATEGIES

COSINES = ("cosine00", "cosine01")
TABLES = pytest.mark.parametrize(
    "name", [RUN_1, RUN_2, REST, ORACLES_OWN], ids=["run-1", "run-2", "rest", "oracles-own"]
)


def write_json(folder: Path, description: object) -> Path:
    return write(folder / "run.json", json.dumps(description))


def make_components(prefix: str, n_components: int) -> list[str]:
    return [f"{prefix}_comp_cor_{number:02}" for number in range(n_components)]


def describe(names: Iterable[str], mask: str = "combined") -> Mapping[str, object]:
    return {name: {"Mask": mask, "Retained": True} for name in names}


def test_strategy_takes_its_columns_from_any_table(tmp_path):
    names = [*MOTION, *COSINES, "task"]
    text = "\n".join(",".join(cells) for cells in [names, *[[str(row)] * len(names) for row in range(3)]])
    confounds = load(write(tmp_path / "my confounds.csv", text), ["Params6"])
    assert set(confounds.names) == {*MOTION, *COSINES}
    assert confounds.values.tolist() == [[row] * 8 for row in range(3)]


def test_strategy_ignores_a_users_own_camel_case_columns(tmp_path):
    path = write_table(tmp_path, ["myTask", "X", *MOTION, *COSINES])
    assert set(load(path, ["Params6"]).names) == {*MOTION, *COSINES}


def test_strategy_fills_the_first_row_of_derivatives(tmp_path):
    names = [*FULL_MOTION, *COSINES]
    rows = [["n/a" if "derivative" in name else "1" for name in names], ["2"] * len(names), ["3"] * len(names)]
    path = write(tmp_path / "run.tsv", "\n".join("\t".join(cells) for cells in [names, *rows]))
    confounds = load(path, ["Params24"])
    assert confounds.values[0].tolist() == [2 if "derivative" in name else 1 for name in confounds.names]


def test_strategy_refuses_gaps_as_named_columns_do(tmp_path):
    path = write(tmp_path / "run.tsv", "global_signal\n1\n2\nn/a\n")
    assert f"{path}: column 'global_signal' has no value in row 3 (" in refuse(path, ["global"])


def test_strategy_keeps_the_volumes_marked_as_non_steady_state(tmp_path):
    path = write(tmp_path / "run.tsv", "global_signal\tnon_steady_state_outlier00\n1\t1\n2\t0\n3\t0\n")
    confounds = load(path, ["global"])
    assert confounds.names == ("global_signal",)
    assert confounds.values[:, 0].tolist() == [1, 2, 3]


def test_strategy_leaves_nothing_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    load(write_table(tmp_path, ["global_signal"]), ["global"])
    assert [path.name for path in tmp_path.iterdir()] == ["run.tsv"]


def test_temporary_folder_that_misleads_nilearn_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/scratch/tsv_files")
    assert refuse(write_table(tmp_path, ["global_signal", "not_asked_for_before"]), ["global"]) == (
        "the folder for temporary files, /scratch/tsv_files, has 'tsv' in its path, which nilearn's loader of "
        "confounds mistakes for the table's ending; set TMPDIR to another folder."
    )


@pytest.mark.parametrize(
    ("names", "words", "lacking"),
    [
        ([*MOTION[:4], "cosine00"], ["Params6"], "Params6 takes: rot_y, rot_z"),
        (["cosine00"], ["Params2"], "Params2 takes: csf, white_matter"),
        (["cosine00", "csf"], ["Params2"], "Params2 takes: white_matter"),
        (["csf"], ["global", "wm_csf"], "global_signal=basic wm_csf=basic takes: global_signal, white_matter"),
        (
            ["a"],
            ["motion"],
            "motion=full takes: trans_x, trans_x_derivative1, trans_x_power2, trans_x_derivative1_power2, ",
        ),
        (["\u00e9"], ["Params2"], "Params2 takes: csf, white_matter"),
    ],
)
def test_columns_that_a_strategy_misses_are_listed(tmp_path, names, words, lacking):
    path = write_table(tmp_path, names)
    message = refuse(path, words)
    assert message.startswith(f"{path} lacks columns that {lacking}")
    assert message.endswith(f"it has {', '.join(names)}.")


def test_high_pass_alone_without_cosines_is_an_error(tmp_path):
    path = write_table(tmp_path, ["csf"])
    assert refuse(path, ["high_pass"]) == f"{path} has no columns that high_pass takes (cosine00, ...); it has csf."


def test_strategy_without_cosines_warns_and_goes_on(tmp_path):
    path = write_table(tmp_path, MOTION)
    with pytest.warns(NiimaskerWarning) as caught:
        confounds = load(path, ["Params6"])
    assert set(confounds.names) == set(MOTION)
    assert [str(warning.message) for warning in caught] == [
        "the confounds have no columns cosine00, ...; Params6 applies no high-pass filter, see --high_pass."
    ]


@pytest.mark.parametrize(
    ("words", "label", "missing"),
    [
        (["Params24"], "Params24", "derivatives and squares"),
        (["motion"], "motion=full", "derivatives and squares"),
        (["wm_csf=power2"], "wm_csf=power2", "squares"),
        (["global_signal=derivatives"], "global_signal=derivatives", "derivatives"),
        (["ica_aroma"], "ica_aroma=basic", "columns aroma_motion_01, ..."),
        (
            ["AnatCompCor"],
            "AnatCompCor",
            "JSON file that says where CompCor's components come from and no derivatives and squares",
        ),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_old_tables_are_refused_for_what_they_do_not_have(tmp_path, words, label, missing):
    path = write_table(tmp_path, ["CSF", "WhiteMatter", "X", "RotX", ""])
    assert refuse(path, words) == (
        f"{path} is from fMRIPrep before 1.2, whose tables have no {missing}, which {label} takes; give motion=basic, "
        "wm_csf=basic, global_signal=basic, high_pass, Params2, Params6 or Params9, or name columns in --regressors: "
        "CSF, WhiteMatter, X, RotX."
    )


def test_old_table_without_a_column_is_refused_by_its_own_names(tmp_path):
    path = write_table(tmp_path, ["CSF", "X", "RotX"])
    assert refuse(path, ["motion=basic", "wm_csf"]) == (
        f"{path} lacks columns that motion=basic wm_csf=basic takes: Y, Z, RotY, RotZ, WhiteMatter; "
        "it has CSF, X, RotX."
    )


OLD_COSINES = tuple(f"Cosine0{number}" for number in range(6))
OLD_MOTION = ("RotX", "RotY", "RotZ", "X", "Y", "Z")


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        (["motion=basic"], OLD_MOTION),
        (["wm_csf"], ("CSF", "WhiteMatter")),
        (["global"], ("GlobalSignal",)),
        (["high_pass"], OLD_COSINES),
        (["Params2"], (*OLD_COSINES, "CSF", "WhiteMatter")),
        (["Params6"], (*OLD_COSINES, *OLD_MOTION)),
        (["Params9"], (*OLD_COSINES, *OLD_MOTION, "CSF", "WhiteMatter", "GlobalSignal")),
        (["stdDVARS", "motion=basic"], ("stdDVARS", *OLD_MOTION)),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_real_table_of_fmriprep_1_1_serves_words_whose_columns_it_has(data_dir, words, columns):
    path = data_dir / "confounds" / OLD
    confounds = load(path, words, N_VOLUMES[OLD])
    assert sorted(confounds.names) == sorted(columns)
    expected = pd.read_csv(path, sep="\t")[list(confounds.names)].bfill(limit=1)
    np.testing.assert_allclose(confounds.values, expected, rtol=1e-12)


# CompCor


def test_compcor_takes_ten_combined_components(tmp_path):
    names = make_components("a", 15)
    path = write_table(tmp_path, [*names, *COSINES])
    # Components of one tissue come first here; they are not combined.
    write_json(tmp_path, {**describe(names[:3], "WM"), **describe(names[3:])})
    assert set(load(path, ["compcor", "high_pass"]).names) == {*names[3:13], *COSINES}


def test_compcor_without_high_pass_takes_no_cosines_and_warns(tmp_path):
    names = make_components("a", 10)
    path = write_table(tmp_path, [*names, *COSINES])
    write_json(tmp_path, describe(names))
    with pytest.warns(NiimaskerWarning) as caught:
        assert set(load(path, ["compcor"]).names) == set(names)
    assert [str(warning.message) for warning in caught] == [
        "fMRIPrep computes CompCor components after a high-pass filter of 128 s, which the signals lack; "
        "add high_pass to --regressors, or give --high_pass 0.008 or more."
    ]


@pytest.mark.parametrize(("cut_off", "warns"), [(0.007, True), (1 / 128, False), (0.01, False)])
def test_compcor_without_cosines_warns_only_if_the_signals_keep_what_fmriprep_filtered_out(tmp_path, cut_off, warns):
    names = make_components("a", 10)
    path = write_table(tmp_path, names)
    write_json(tmp_path, describe(names))
    with record_warnings() as said:
        load_confounds([path], ["compcor"], n_volumes=3, image_path=IMAGE, high_pass=cut_off)
    assert any("a high-pass filter of 128 s" in warning for warning in said) == warns


def test_fewer_components_than_asked_for_warn_with_both_numbers(tmp_path):
    names = make_components("t", 3)
    path = write_table(tmp_path, [*names, *COSINES])
    write_json(tmp_path, describe(names))
    with pytest.warns(NiimaskerWarning) as caught:
        assert set(load(path, ["TempCompCor"]).names) == {*names, *COSINES}
    assert [str(warning.message) for warning in caught] == [
        "the confounds have 3 CompCor components of the 6 that TempCompCor takes."
    ]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["AnatCompCor"], "AnatCompCor"),
        (["TempCompCor"], "TempCompCor"),
        (["motion", "compcor"], "motion=full compcor=anat_combined"),
    ],
)
def test_compcor_names_the_json_it_misses(tmp_path, words, shown):
    path = write_table(tmp_path, [*make_components("a", 10), *make_components("t", 6), *COSINES])
    assert refuse(path, words) == (
        f"{shown} needs the JSON file that fMRIPrep 1.4 and later writes beside the table: "
        f"{tmp_path / 'run.json'} is missing (No such file or directory); put it there, or name columns in "
        "--regressors."
    )


def test_only_compcor_reads_the_json(tmp_path):
    path = write_table(tmp_path, ["global_signal"])
    write(tmp_path / "run.json", "not JSON")
    assert load(path, ["global"]).names == ("global_signal",)


def test_broken_json_is_said(tmp_path):
    path = write_table(tmp_path, [*make_components("t", 6), *COSINES])
    json_path = write(tmp_path / "run.json", '{"t_comp_cor_00": ')
    assert refuse(path, ["TempCompCor"]) == (
        f"{json_path} is not JSON (Expecting value: line 1 column 19 (char 18)); "
        "TempCompCor needs it as fMRIPrep wrote it."
    )


def test_json_of_another_shape_is_said(tmp_path):
    path = write_table(tmp_path, [*make_components("t", 6), *COSINES])
    json_path = write_json(tmp_path, ["t_comp_cor_00"])
    assert refuse(path, ["TempCompCor"]) == (
        f"{json_path} is not a JSON object; TempCompCor needs it as fMRIPrep wrote it."
    )


def test_json_without_components_is_said(tmp_path):
    path = write_table(tmp_path, [*make_components("t", 6), *COSINES])
    json_path = write_json(tmp_path, {"csf": {"Method": "Mean"}})
    assert refuse(path, ["TempCompCor"]) == (
        f"{json_path} lists no components t_comp_cor_00, ..., which TempCompCor takes; it must come with {path}."
    )


def test_json_of_another_run_names_the_components_not_in_the_table(tmp_path):
    path = write_table(tmp_path, [*make_components("t", 2), *COSINES])
    json_path = write_json(tmp_path, describe(make_components("t", 4)))
    assert refuse(path, ["TempCompCor"]) == (
        f"{json_path} lists components that {path} lacks: t_comp_cor_02, t_comp_cor_03; "
        "for TempCompCor both must come from the same run."
    )


@pytest.mark.parametrize("entry", [{"Retained": True}, None, {"Mask": "CSF"}])
def test_json_that_describes_no_combined_component_is_said(tmp_path, entry):
    names = make_components("a", 3)
    path = write_table(tmp_path, [*names, *COSINES])
    json_path = write_json(tmp_path, dict.fromkeys(names, entry))
    assert refuse(path, ["compcor", "high_pass"]).startswith(
        f"{json_path} does not describe the components a_comp_cor_00, ... as fMRIPrep does (numbered without a gap, "
    )


def test_json_without_components_of_each_tissue_is_said_to_those_who_ask_for_them(tmp_path):
    names = make_components("a", 3)
    path = write_table(tmp_path, [*names, *COSINES])
    write_json(tmp_path, describe(names))
    assert "each a_comp_cor with its Mask, some of them 'WM' and 'CSF')" in refuse(path, ["compcor=anat_separated"])


@pytest.mark.parametrize(("name", "n_found"), [(RUN_1, 3), (REST, 3)])
def test_fmriprep_tables_with_three_temporal_components_warn(data_dir, name, n_found):
    with pytest.warns(
        NiimaskerWarning, match=f"^the confounds have {n_found} CompCor components of the 6 that TempCompCor takes"
    ):
        load(data_dir / "confounds" / name, ["TempCompCor"], N_VOLUMES[name])


# Against load_confounds 0.6.5 and nilearn


def assert_same(confounds: Confounds, labels: Iterable[str], expected: np.ndarray) -> None:
    """Compare columns as sets, then their values without their means.

    Both sides read the same text. pandas' fast parser is off by some units in the last place (2e-16 of a value) and a
    mean over 200 rows by no more, so 1e-12 of a column's largest value leaves room for rounding and for nothing else.
    """
    labels = list(labels)
    assert sorted(confounds.names) == sorted(labels)
    values = confounds.values[:, [confounds.names.index(label) for label in labels]]
    differences = np.abs(values - values.mean(axis=0) - expected)
    assert (differences <= 1e-12 * np.abs(values).max(axis=0)).all()


def load_oracle(strategy: oracle.Confounds, path: Path) -> tuple[list[str], np.ndarray]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "could not find any confound with the key t_comp_cor_", UserWarning)
        values = strategy.load(str(path))
    return list(strategy.columns_), values


def make_oracle(name: str) -> oracle.Confounds:
    # 0.6.5 loops over range(n_compcor + 1). For AnatCompCor, 9 makes it take the 10 that it documents and we take.
    # TempCompCor's default of 6 makes it look for a seventh component too, which no table here has: they agree as is.
    return oracle.AnatCompCor(n_compcor=9) if name == "AnatCompCor" else getattr(oracle, name)()


@TABLES
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies_agree_with_load_confounds(data_dir, name, strategy):
    path = data_dir / "confounds" / name
    assert_same(load_quietly(path, [strategy], N_VOLUMES[name]), *load_oracle(make_oracle(strategy), path))


@TABLES
def test_anat_compcor_is_one_component_short_of_load_confounds_default(data_dir, name):
    path = data_dir / "confounds" / name
    labels, _ = load_oracle(oracle.AnatCompCor(), path)
    assert set(labels) - set(load(path, ["AnatCompCor"], N_VOLUMES[name]).names) == {"a_comp_cor_10"}


# The word global alone gives one column, which pandas 3 hands to the oracle as a read-only view that it writes to.
FLEXIBLE_WORDS = ("motion", "high_pass", "wm_csf", "compcor", "global")
WORD_SETS = [words for size in range(1, 6) for words in itertools.combinations(FLEXIBLE_WORDS, size)]
WORD_SETS.remove(("global",))


@TABLES
@pytest.mark.parametrize("words", WORD_SETS, ids="-".join)
def test_flexible_words_agree_with_load_confounds(data_dir, name, words):
    path = data_dir / "confounds" / name
    expected = load_oracle(oracle.Confounds(strategy=list(words), n_compcor=9), path)
    assert_same(load_quietly(path, words, N_VOLUMES[name]), *expected)


@TABLES
@pytest.mark.parametrize("strategy", ["Params6", "Params36", "TempCompCor"])
def test_strategies_beside_columns_agree_with_load_confounds_and_add_up(data_dir, name, strategy):
    path = data_dir / "confounds" / name
    labels, expected = load_oracle(make_oracle(strategy), path)
    confounds = load_quietly(path, ["dvars", strategy, "rot_z"], N_VOLUMES[name])
    added = [label for label in ("dvars", "rot_z") if label not in labels]
    assert sorted(confounds.names) == sorted([*labels, *added])
    kept = [position for position, label in enumerate(confounds.names) if label in labels]
    assert_same(Confounds(tuple(confounds.names[n] for n in kept), confounds.values[:, kept]), labels, expected)


@TABLES
def test_global_alone_agrees_with_load_confounds_beside_other_columns(data_dir, name):
    path = data_dir / "confounds" / name
    labels, expected = load_oracle(oracle.Confounds(strategy=["global", "wm_csf"]), path)
    chosen = [label not in {"csf", "white_matter"} for label in labels]
    assert_same(load(path, ["global"], N_VOLUMES[name]), itertools.compress(labels, chosen), expected[:, chosen])


@TABLES
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_values_are_those_of_nilearns_loader_in_every_row(data_dir, tmp_path, name, strategy):
    # nilearn reads the real table here, so that the stand-in table cannot hide a difference; its sample mask leaves out
    # the volumes marked as non-steady-state (run-2 and the oracle's own table), its values do not.
    path = data_dir / "confounds" / name
    (tmp_path / "sub-1_desc-confounds_timeseries.tsv").symlink_to(path)
    (tmp_path / "sub-1_desc-confounds_timeseries.json").symlink_to(path.with_suffix(".json"))
    image = str(tmp_path / "sub-1_desc-preproc_bold.nii.gz")
    frame, _ = fmriprep.load_confounds(image, demean=False, **STRATEGIES[strategy])
    confounds = load_quietly(path, [strategy], N_VOLUMES[name])
    assert confounds.names == tuple(frame.columns)
    assert confounds.values.shape == (N_VOLUMES[name], frame.shape[1])
    np.testing.assert_allclose(confounds.values, frame.to_numpy(), rtol=1e-12)
