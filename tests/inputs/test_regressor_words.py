"""What the words of --regressors stand for; nilearn's loader is the oracle on the real tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confounds_tables import (
    FULL_MOTION,
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
    write_table,
)
from nilearn.interfaces import fmriprep

from niimasker.errors import ConfoundsError, NiimaskerWarning
from niimasker.inputs.regressor_words import Source, choose_columns, find_unmatched
from niimasker.inputs.strategies import STRATEGIES

# nilearn returns what it is asked for in one alphabetical order.
SORTED_MOTION = tuple(sorted(MOTION))
COSINES = ("cosine00", "cosine01")
TISSUES = ("csf", "white_matter")
AROMA = ("aroma_motion_02", "aroma_motion_11")
NAMES = ("mine", *FULL_MOTION, *TISSUES, "global_signal", *COSINES, *AROMA)
TABLE, IMAGE = Path("run.tsv"), Path("sub-1_desc-preproc_bold.nii.gz")
AROMA_IMAGE = Path("sub-1_space-MNI152NLin6Asym_desc-smoothAROMAnonaggr_bold.nii.gz")


def of(names: Sequence[str], table: Path = TABLE, image_path: Path = IMAGE) -> Source:
    """Return the columns of one table and an image as the source of regressors."""
    return Source(tuple(names), dict.fromkeys(names, table), image_path)


def choose(*words: str, names: Sequence[str] = NAMES, image_path: Path = IMAGE) -> tuple[str, ...]:
    return choose_columns(words, of(names, image_path=image_path))


def refuse_words(*words: str, names: Sequence[str] = NAMES, image_path: Path = IMAGE) -> str:
    """Return the message with which words are refused, in one line."""
    with pytest.raises(ConfoundsError) as caught:
        choose(*words, names=names, image_path=image_path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_components(folder: Path, n_components: Mapping[str, int]) -> Path:
    """Write a table of components, and the JSON that says which mask each comes from."""
    described = {
        f"{prefix}_comp_cor_{number:02}": {"Mask": {"a": "combined", "w": "WM", "c": "CSF"}.get(prefix)}
        for prefix, n in n_components.items()
        for number in range(n)
    }
    (folder / "run.json").write_text(json.dumps(described), encoding="utf-8")
    return write_table(folder, [*described, *COSINES])


# Adding up


def test_columns_strategies_and_words_add_up_in_their_order():
    assert choose("mine", "Params6", "wm_csf") == ("mine", *COSINES, *SORTED_MOTION, *TISSUES)


def test_strategies_come_in_the_order_in_which_they_are_given():
    assert choose("Params6", "Params2") == (*COSINES, *SORTED_MOTION, *TISSUES)
    assert choose("Params2", "Params6") == (*COSINES, *TISSUES, *SORTED_MOTION)


def test_columns_stay_before_and_behind_words():
    assert choose("cosine01", "wm_csf", "mine") == ("cosine01", *TISSUES, "mine")


def test_columns_stay_before_and_behind_strategies():
    assert choose("trans_x", "Params2", "mine") == ("trans_x", *COSINES, *TISSUES, "mine")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("trans_y", "motion=basic"), ("trans_y", *[name for name in SORTED_MOTION if name != "trans_y"])),
        (("motion=basic", "trans_y"), SORTED_MOTION),
        (("cosine01", "cosine*"), ("cosine01", "cosine00")),
        (("Params2", "high_pass", "csf"), (*COSINES, *TISSUES)),
        (("motion=basic", "motion=basic"), SORTED_MOTION),
        (("global", "global_signal"), ("global_signal",)),
        (("global", "global_signal=basic"), ("global_signal",)),
    ],
)
def test_columns_asked_for_twice_count_once_at_their_first_place(words, expected):
    assert choose(*words) == expected


@pytest.mark.parametrize(
    "name", ["motion", "Params6", "global", "cosine*", "a[01]", "n_compcor=5", "fd_threshold=0.2", "motion=x"]
)
def test_word_that_is_a_columns_name_is_that_column(name):
    assert choose(name, names=(*NAMES, name)) == (name,)


@pytest.mark.parametrize("word", ["scrub", "non_steady_state"])
def test_words_about_volumes_choose_no_column(word):
    assert choose(word) == ()
    assert choose(word, names=(*NAMES, word)) == ()
    assert choose(word, "csf") == ("csf",)


# Patterns


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("cosine*", COSINES),
        ("rot_?", ("rot_x", "rot_y", "rot_z")),
        ("trans_[xz]", ("trans_x", "trans_z")),
        ("trans_[!xz]", ("trans_y",)),
        ("*_signal", ("global_signal",)),
        ("aroma_motion_*", AROMA),
    ],
)
def test_pattern_stands_for_the_columns_that_match(pattern, expected):
    assert choose(pattern) == expected


def test_matches_come_in_the_tables_order():
    assert choose("c*", names=("c9", "b", "c10", "c1")) == ("c9", "c10", "c1")


def test_pattern_matches_whole_names():
    assert choose("trans_?") == ("trans_x", "trans_y", "trans_z")


@pytest.mark.parametrize("pattern", ["COSINE*", "b_comp_cor_0*", "cosine0[2-9]"])
def test_pattern_without_match_stands_for_no_column_and_is_found(pattern):
    names = ("csf", *COSINES)
    assert choose("csf", pattern, names=names) == ("csf",)
    assert choose(pattern, names=names) == ()
    assert find_unmatched(["csf", pattern], of(names)) == (pattern,)


def test_patterns_without_match_are_found_among_patterns_with_one_and_words():
    words = ["a[01]", "cosine*", "motion", "high_pass", "Params6", "b_comp_cor_*", "scrub", "n_compcor=5", "mine", "?"]
    assert find_unmatched(words, of(NAMES)) == ("a[01]", "b_comp_cor_*", "?")


def test_column_whose_name_is_a_pattern_matches():
    # As a pattern, a[01] would match a0 and a1 alone.
    assert find_unmatched(["a[01]"], of(("csf", "a[01]"))) == ()


def test_column_without_a_name_is_no_match():
    assert find_unmatched(["*"], of(("", ""))) == ("*",)


def test_pattern_leaves_columns_without_a_name_out():
    assert choose("*", names=("", "a", "b")) == ("a", "b")


# Parameters


@pytest.mark.parametrize(
    ("word", "suffixes"),
    [
        ("motion=basic", [""]),
        ("motion=power2", ["", "_power2"]),
        ("motion=derivatives", ["", "_derivative1"]),
        ("motion=full", ["", "_derivative1", "_power2", "_derivative1_power2"]),
        ("motion", ["", "_derivative1", "_power2", "_derivative1_power2"]),
    ],
)
def test_motions_parameter_says_which_expansions(word, suffixes):
    assert sorted(choose(word)) == sorted(f"{name}{suffix}" for name in MOTION for suffix in suffixes)


@pytest.mark.parametrize(
    "spelling", ["non-aggressive", "nonaggressive", "non_aggressive", "nonaggr", "NonAggr", "soft"]
)
@pytest.mark.parametrize(("key", "removes_all"), [("tedana", "aggressive"), ("ica_aroma", "basic")])
def test_non_aggressive_denoising_is_refused_with_the_words_there_are(key, removes_all, spelling):
    message = refuse_words("csf", f"{key}={spelling}")
    assert message.startswith(f"{TABLE}: {key}={spelling} is not available: accepted and rejected components ")
    assert f"Give {key}=orthogonal, which keeps" in message
    assert f"{key}={removes_all}, which removes" in message


@pytest.mark.parametrize("word", ["global", "global_signal", "global=basic", "global_signal=basic"])
def test_global_is_another_name_of_global_signal(word):
    assert choose(word) == ("global_signal",)


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("motion=ful", ["basic", "power2", "derivatives", "full"]),
        ("motion=FULL", ["basic", "power2", "derivatives", "full"]),
        ("motion=", ["basic", "power2", "derivatives", "full"]),
        ("motion=5", ["basic", "power2", "derivatives", "full"]),
        ("wm_csf=anat", ["basic", "power2", "derivatives", "full"]),
        ("global=none", ["basic", "power2", "derivatives", "full"]),
        (
            "compcor=anat",
            [
                "anat_combined",
                "anat_separated",
                "temporal",
                "temporal_anat_combined",
                "temporal_anat_separated",
            ],
        ),
        ("ica_aroma=bsic", ["basic", "full", "orthogonal"]),
        ("tedana=aggr", ["aggressive", "orthogonal"]),
        ("high_pass=0.01", ["no parameter"]),
    ],
)
def test_unknown_parameter_is_named_with_those_there_are(word, parts):
    message = refuse_words("csf", word)
    assert word.replace("global=", "global_signal=") in message
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    "words",
    [
        ("motion", "motion=basic"),
        ("motion=derivatives", "motion=full"),
        ("wm_csf=full", "wm_csf"),
        ("global", "global_signal=full"),
        ("compcor=temporal", "compcor=anat_combined"),
        ("compcor=temporal", "compcor"),
        ("compcor=temporal", "n_compcor=5", "n_compcor=6"),
    ],
    ids=" ".join,
)
def test_component_with_two_parameters_is_refused(words):
    message = refuse_words("csf", *words)
    assert words[-1] in message
    assert "give one of them" in message


def test_strategy_beside_a_word_of_another_parameter_adds_up():
    assert set(choose("Params6", "motion=derivatives")) == {*choose("Params6"), *choose("motion=derivatives")}


@pytest.mark.parametrize("words", [("n_compcor=5",), ("motion", "n_compcor=all"), ("AnatCompCor", "n_compcor=5")])
def test_n_compcor_without_compcor_is_refused(tmp_path, words):
    components = write_components(tmp_path, {"a": 10})
    names = (*components.read_text().split("\n")[0].split("\t"), *FULL_MOTION)
    with pytest.raises(ConfoundsError, match=r"n_compcor .*add compcor"):
        choose_columns(words, of(names, components))


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "few", "ALL", "", "=5"])
def test_n_compcor_is_a_whole_number_or_all(value):
    message = refuse_words("compcor", f"n_compcor={value}")
    assert f"n_compcor={value}" in message
    assert "a whole number above 0, or all" in message


@pytest.mark.parametrize("words", [("compcor", "n_compcor=2", "high_pass"), ("n_compcor=2", "high_pass", "compcor")])
def test_n_compcor_counts_wherever_it_stands(tmp_path, words):
    path = write_components(tmp_path, {"a": 12})
    assert set(load(path, words).names) == {"a_comp_cor_00", "a_comp_cor_01", *COSINES}


def test_n_compcor_all_takes_every_component(tmp_path):
    path = write_components(tmp_path, {"a": 12})
    assert len(load(path, ["compcor", "n_compcor=all", "high_pass"]).names) == 12 + len(COSINES)


def test_n_compcor_counts_in_each_mask(tmp_path):
    path = write_components(tmp_path, {"t": 3, "w": 3, "c": 3})
    confounds = load_quietly(path, ["compcor=anat_separated", "n_compcor=2", "high_pass"], 3)
    assert set(confounds.names) == {*(f"{mask}_comp_cor_{n:02}" for mask in "wc" for n in range(2)), *COSINES}


@pytest.mark.parametrize(
    ("words", "n_found", "n_asked"),
    [
        (("compcor=temporal", "n_compcor=4"), 3, 4),
        (("compcor=temporal_anat_combined", "n_compcor=6"), 3 + 5, 12),
        (("compcor=anat_combined", "n_compcor=10"), 5, 10),
    ],
)
def test_fewer_components_than_asked_for_are_warned_of_with_both_numbers(tmp_path, words, n_found, n_asked):
    path = write_components(tmp_path, {"a": 5, "t": 3})
    with pytest.warns(NiimaskerWarning) as caught:
        load(path, [*words, "high_pass"])
    kind, n_compcor = words
    assert [str(warning.message) for warning in caught] == [
        f"the confounds have {n_found} CompCor components of the {n_asked} that {kind} high_pass {n_compcor} takes."
    ]


@pytest.mark.parametrize("word", ["compcor", "compcor=anat_combined", "compcor=temporal_anat_combined"])
def test_fewer_components_than_the_default_are_no_news(tmp_path, word):
    path = write_components(tmp_path, {"a": 5, "t": 3})
    # A warning is an error in this test run.
    n_found = 8 if "temporal" in word else 5
    assert len(load(path, [word, "high_pass"]).names) == n_found + len(COSINES)


@pytest.mark.parametrize("words", [("n_compcor=5",), ("n_compcor=4",)])
def test_as_many_components_as_asked_for_are_no_news(tmp_path, words):
    path = write_components(tmp_path, {"a": 5})
    # A warning is an error in this test run.
    assert load(path, ["compcor", *words, "high_pass"]).names


def test_n_compcor_all_never_asks_for_too_many(tmp_path):
    path = write_components(tmp_path, {"t": 3})
    # A warning is an error in this test run.
    assert len(load(path, ["compcor=temporal", "n_compcor=all", "high_pass"]).names) == 3 + len(COSINES)


@pytest.mark.parametrize("brings_cosines", ["high_pass", "Params2", "cosine*"])
def test_compcor_beside_cosines_is_not_told_to_add_them(tmp_path, brings_cosines):
    path = write_components(tmp_path, {"a": 10})
    names = path.read_text().split("\n")[0].split("\t")
    # A warning is an error in this test run.
    assert "a_comp_cor_09" in choose_columns([brings_cosines, "compcor"], of((*names, *TISSUES), path))


def test_components_of_another_run_are_named_in_every_mask(tmp_path):
    path = write_components(tmp_path, {"w": 4, "c": 2})
    names = path.read_text().split("\n")[0].split("\t")
    fewer = [name for name in names if name not in {"w_comp_cor_02", "w_comp_cor_03"}]
    with pytest.raises(ConfoundsError, match=r"lists components that .* lacks: w_comp_cor_02, w_comp_cor_03"):
        choose_columns(["compcor=anat_separated", "n_compcor=all", "high_pass"], of(tuple(fewer), path))


# Unknown words


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("params6", "Params6"),
        ("AnatCompcor", "AnatCompCor"),
        ("Motion", "motion"),
        ("white_mater", "white_matter"),
        ("ica-aroma", "ica_aroma"),
        ("tedanna", "tedana"),
        ("scrubb", "scrub"),
        ("non_steady", "non_steady_state"),
        ("highpass", "high_pass"),
        ("cosin00", "cosine00"),
        ("motoin=derivatives", "motion=derivatives"),
        ("wmcsf=full", "wm_csf=full"),
        ("tedanna=aggressive", "tedana=aggressive"),
        # The nearest takes no such parameter.
        ("motoin=aggressive", "motion"),
        ("highpass=full", "high_pass"),
        ("motoin=", "motion"),
        ("Params6=full", "Params6"),
        ("ncompcor=5", "n_compcor"),
    ],
)
def test_unknown_word_is_named_with_the_nearest_of_words_strategies_and_columns(word, nearest):
    message = refuse_words("csf", word)
    assert f"{word!r} (nearest: {nearest})" in message


def test_unknown_word_like_nothing_has_no_nearest():
    message = refuse_words("qqqq")
    assert "'qqqq'" in message
    assert "nearest" not in message


@pytest.mark.parametrize("word", ["motion,wm_csf", "motion, wm_csf", "csf,cosine00", "Params6,qqqq"])
def test_words_with_commas_are_told_how_words_are_separated(word):
    message = refuse_words(word)
    assert f"{word!r} (words are separated by spaces, in JSON they are a list)" in message


@pytest.mark.parametrize("word", ["motion=basic,wm_csf=full", "motion=basic wm_csf", "compcor=temporal,n_compcor=5"])
def test_words_joined_behind_a_parameter_are_told_that_they_are_not_separated(word):
    assert f"{word} holds several words; separate them by spaces, in JSON give a list" in refuse_words(word)


def test_all_unknown_words_are_named_at_once():
    message = refuse_words("qqqq", "csf", "zzzz")
    assert "'qqqq', 'zzzz'" in message


def test_unknown_word_shows_what_there_is():
    message = refuse_words("qqqq", names=("csf", "a"))
    words = ["motion", "wm_csf", "global_signal", "high_pass", "compcor", "ica_aroma", "tedana", "scrub"]
    assert "run.tsv" in message
    assert "csf, a" in message
    assert [word for word in [*words, "non_steady_state", *STRATEGIES] if word not in message] == []


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("fd_threshold=0.2", "--fd_threshold"),
        ("fd_threshold", "--fd_threshold"),
        ("std_dvars_threshold=3", "--std_dvars_threshold"),
        # nilearn's parameter scrub is the shortest stretch that is kept; who writes 0.3 means the displacement.
        ("scrub=5", "--fd_threshold, --scrub_segment, ..."),
        ("scrub=0.3", "--fd_threshold, --scrub_segment, ..."),
    ],
)
def test_parameter_that_is_an_option_points_to_it(word, option):
    assert f"{word!r} (use the options {option})" in refuse_words("scrub", word)


# ICA-AROMA


@pytest.mark.parametrize("word", ["ica_aroma", "ica_aroma=basic"])
def test_ica_aroma_takes_the_noise_components(word):
    assert choose(word) == AROMA


def test_ica_aroma_beside_what_it_means_counts_once():
    assert choose("ica_aroma", "ica_aroma=basic") == AROMA
    assert choose("ica_aroma=full", "ica_aroma", image_path=AROMA_IMAGE) == ()


@pytest.mark.parametrize("word", ["ica_aroma", "ica_aroma=full"])
def test_ica_aroma_takes_no_column_of_an_image_that_is_denoised(word):
    assert choose(word, image_path=AROMA_IMAGE) == ()


@pytest.mark.parametrize("word", ["ica_aroma", "ica_aroma=full"])
def test_words_beside_ica_aroma_are_taken_of_an_image_that_is_denoised(word):
    assert choose("wm_csf", word, "high_pass", image_path=AROMA_IMAGE) == (*COSINES, *TISSUES)


def test_only_the_images_name_says_that_it_is_denoised():
    assert choose("ica_aroma", image_path=Path("AROMAnonaggr") / IMAGE) == AROMA


def test_ica_aroma_full_is_refused_for_an_image_that_is_not_denoised():
    assert refuse_words("ica_aroma=full") == (
        f"{IMAGE}: ica_aroma=full is for images that ICA-AROMA has denoised (desc-smoothAROMAnonaggr, or "
        "desc-nonaggrDenoised, desc-aggrDenoised, desc-orthaggrDenoised of fMRIPost-AROMA); choose such images, as "
        "with --desc smoothAROMAnonaggr, or give ica_aroma=basic to regress the noise components out."
    )


def test_ica_aroma_basic_of_an_image_that_is_denoised_warns():
    with pytest.warns(NiimaskerWarning) as caught:
        assert choose("ica_aroma=basic", image_path=AROMA_IMAGE) == AROMA
    assert [str(warning.message) for warning in caught] == [
        "ica_aroma=basic regresses out what ICA-AROMA has taken out of the image already."
    ]


FMRIPOST = ("aroma_motion_02", "aroma_motion_11", "aroma_orth_motion_02", "aroma_orth_motion_11")


@pytest.mark.parametrize(
    ("word", "expected"),
    [("ica_aroma", FMRIPOST[:2]), ("ica_aroma=basic", FMRIPOST[:2]), ("ica_aroma=orthogonal", FMRIPOST[2:])],
)
def test_fmripost_aromas_two_kinds_of_components_are_taken_apart(word, expected):
    assert choose(word, names=(*FMRIPOST, "csf")) == expected


def test_orthogonal_components_are_taken_beside_other_words():
    words = ("ica_aroma=orthogonal", "wm_csf", "csf")
    assert choose(*words, names=(*FMRIPOST, "csf", "white_matter")) == (*FMRIPOST[2:], "csf", "white_matter")


def test_table_without_orthogonal_components_is_refused_for_them():
    assert refuse_words("ica_aroma=orthogonal", names=(*AROMA, "csf")) == (
        f"{TABLE} lacks columns that ica_aroma=orthogonal takes: aroma_orth_motion_01, ..., or aroma_motion_01, ... in "
        "a table with fMRIPrep's or fMRIPost-AROMA's name and MELODIC's mixing matrix beside it; "
        f"it has {', '.join(AROMA)}, csf."
    )


def test_table_of_orthogonal_components_alone_is_refused_for_ica_aroma():
    assert refuse_words("ica_aroma", names=FMRIPOST[2:]) == (
        f"{TABLE} lacks columns that ica_aroma=basic takes: aroma_motion_01, ...; it has {', '.join(FMRIPOST[2:])}."
    )


@pytest.mark.parametrize("desc", ["nonaggrDenoised", "aggrDenoised", "orthaggrDenoised", "orthAggrDenoised"])
def test_images_of_fmripost_aroma_are_denoised_already(desc):
    image_path = Path(f"sub-1_task-rest_space-MNI152NLin6Asym_res-2_desc-{desc}_bold.nii.gz")
    assert choose("ica_aroma", "csf", names=(*FMRIPOST, "csf"), image_path=image_path) == ("csf",)
    assert choose("ica_aroma=full", names=FMRIPOST, image_path=image_path) == ()
    with pytest.warns(NiimaskerWarning) as caught:
        assert choose("ica_aroma=orthogonal", names=FMRIPOST, image_path=image_path) == FMRIPOST[2:]
    assert [str(warning.message) for warning in caught] == [
        "ica_aroma=orthogonal regresses out what ICA-AROMA has taken out of the image already."
    ]


def test_table_without_noise_components_is_refused_for_ica_aroma():
    message = refuse_words("ica_aroma", names=("csf", *COSINES))
    assert "aroma_motion" in message
    assert "it has csf, cosine00, cosine01" in message


def test_missing_noise_components_are_said_beside_compcor(data_dir):
    message = refuse(data_dir / "confounds" / REST, ["compcor", "ica_aroma", "high_pass"], N_VOLUMES[REST])
    assert "aroma_motion" in message


# Against nilearn, on the real tables

TABLES = pytest.mark.parametrize(
    "name", [RUN_1, RUN_2, REST, ORACLES_OWN], ids=["run-1", "run-2", "rest", "oracles-own"]
)
MODELS = ("basic", "power2", "derivatives", "full")
COMPCOR = ("anat_combined", "anat_separated", "temporal", "temporal_anat_combined", "temporal_anat_separated")

# What nilearn is asked for, of each set of words.
ASKED: dict[tuple[str, ...], dict[str, Any]] = {
    **{
        (f"{component}={model}",): {"strategy": (component,), component: model}
        for component in ("motion", "wm_csf", "global_signal")
        for model in MODELS
    },
    **{
        (f"compcor={kind}", f"n_compcor={n}", "high_pass"): {
            "strategy": ("compcor", "high_pass"),
            "compcor": kind,
            "n_compcor": n,
        }
        for kind in COMPCOR
        for n in ("all", 2)
    },
    ("high_pass",): {"strategy": ("high_pass",)},
    ("motion", "wm_csf", "global"): {
        "strategy": ("motion", "wm_csf", "global_signal"),
        "motion": "full",
        "wm_csf": "basic",
        "global_signal": "basic",
    },
    ("compcor", "high_pass"): {"strategy": ("compcor", "high_pass"), "compcor": "anat_combined", "n_compcor": 10},
    ("high_pass", "wm_csf=derivatives", "motion=power2"): {
        "strategy": ("high_pass", "wm_csf", "motion"),
        "wm_csf": "derivatives",
        "motion": "power2",
    },
}


@pytest.fixture(scope="module")
def linked(data_dir, tmp_path_factory) -> Mapping[str, str]:
    """Of each table the image beside which nilearn finds it."""
    images = {}
    for number, name in enumerate((RUN_1, RUN_2, REST, ORACLES_OWN)):
        folder = tmp_path_factory.mktemp(f"run{number}")
        for suffix in (".tsv", ".json"):
            source = (data_dir / "confounds" / name).with_suffix(suffix)
            (folder / f"sub-1_desc-confounds_timeseries{suffix}").symlink_to(source)
        images[name] = str(folder / "sub-1_desc-preproc_bold.nii.gz")
    return images


@TABLES
@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_words_choose_columns_and_values_as_nilearn_does(data_dir, linked, name, words):
    frame, _ = fmriprep.load_confounds(linked[name], demean=False, **ASKED[words])
    confounds = load_quietly(data_dir / "confounds" / name, words, N_VOLUMES[name])
    assert confounds.names == tuple(frame.columns)
    np.testing.assert_allclose(confounds.values, frame.to_numpy(), rtol=1e-12)


@TABLES
@pytest.mark.parametrize("kind", COMPCOR)
def test_compcor_without_high_pass_is_nilearns_without_the_cosines(data_dir, linked, name, kind):
    asked = {"strategy": ("compcor", "high_pass"), "compcor": kind, "n_compcor": 3}
    frame, _ = fmriprep.load_confounds(linked[name], demean=False, **asked)
    expected = [column for column in frame.columns if "cosine" not in column]
    with pytest.warns(NiimaskerWarning, match="add high_pass to --regressors"):
        confounds = load(data_dir / "confounds" / name, [f"compcor={kind}", "n_compcor=3"], N_VOLUMES[name])
    assert confounds.names == tuple(expected)
    np.testing.assert_allclose(confounds.values, frame[expected].to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("words", [("ica_aroma=basic",), ("ica_aroma", "wm_csf", "high_pass")], ids=" ".join)
def test_ica_aroma_chooses_as_nilearn_does(data_dir, linked, words):
    strategy = tuple(word.partition("=")[0] for word in words)
    asked = {"strategy": strategy, "ica_aroma": "basic", "wm_csf": "basic"}
    frame, _ = fmriprep.load_confounds(linked[ORACLES_OWN], demean=False, **asked)
    confounds = load(data_dir / "confounds" / ORACLES_OWN, words, N_VOLUMES[ORACLES_OWN])
    assert confounds.names == tuple(frame.columns)
    np.testing.assert_allclose(confounds.values, frame.to_numpy(), rtol=1e-12)


@TABLES
def test_patterns_choose_what_pandas_filters(data_dir, name):
    path = data_dir / "confounds" / name
    frame = pd.read_csv(path, sep="\t").filter(regex=r"^(a_comp_cor_0.*|trans_.)$")
    confounds = load(path, ["trans_?", "a_comp_cor_0*"], N_VOLUMES[name])
    assert sorted(confounds.names) == sorted(frame.columns)
    np.testing.assert_allclose(confounds.values, frame[list(confounds.names)].to_numpy(), rtol=1e-12)


# What the real tables do not allow

CLPIPE = "bold/clpipe/sample_confounds_timeseries.tsv"
HAXBY = "bold/haxby/run-01/motion.tsv"
OF_FMRIPREP = [("motion",), ("wm_csf",), ("global",), ("high_pass",), ("compcor",), ("ica_aroma",)]


SERVED = {"Params2", "Params6", "Params9", "motion=basic", "wm_csf", "wm_csf=basic", "global_signal", "global"}
SERVED |= {"global_signal=basic", "high_pass"}
WORDS_OF_ALL = [*[(name,) for name in STRATEGIES], *ASKED, *OF_FMRIPREP]


@pytest.mark.parametrize("words", [words for words in WORDS_OF_ALL if not SERVED.issuperset(words)], ids=" ".join)
def test_table_of_fmriprep_1_1_is_refused_for_what_it_does_not_have(data_dir, words):
    path = data_dir / "confounds" / OLD
    message = refuse(path, words, N_VOLUMES[OLD])
    assert message.startswith(f"{path} is from fMRIPrep before 1.2, whose tables have no ")


@pytest.mark.parametrize("words", [words for words in WORDS_OF_ALL if SERVED.issuperset(words)], ids=" ".join)
def test_table_of_fmriprep_1_1_serves_words_of_basic_columns(data_dir, words):
    path = data_dir / "confounds" / OLD
    assert set(load(path, words, N_VOLUMES[OLD]).names) <= set(pd.read_csv(path, sep="\t"))


def test_table_of_fmriprep_1_1_serves_patterns_of_columns(data_dir):
    confounds = load(data_dir / "confounds" / OLD, ["Cosine*", "aCompCor0[01]", "Rot?"], N_VOLUMES[OLD])
    assert confounds.names == (*(f"Cosine0{n}" for n in range(6)), "aCompCor00", "aCompCor01", "RotX", "RotY", "RotZ")


@pytest.mark.parametrize("name", [RUN_1, RUN_2, REST], ids=["run-1", "run-2", "rest"])
def test_tables_without_ica_aroma_are_refused_for_it(data_dir, name):
    path = data_dir / "confounds" / name
    assert refuse(path, ["ica_aroma"], N_VOLUMES[name]).startswith(
        f"{path} lacks columns that ica_aroma=basic takes: aroma_motion_01, ...; it has "
    )


@pytest.mark.parametrize("name", [RUN_1, RUN_2, REST, ORACLES_OWN, OLD])
def test_tables_of_fmriprep_are_refused_for_tedana(data_dir, name):
    path = data_dir / "confounds" / name
    message = refuse(path, ["tedana"], N_VOLUMES[name])
    assert message.startswith(f"{path}: ")
    assert "desc-ICA_mixing.tsv" in message


@pytest.mark.parametrize(
    ("words", "lacking"),
    [
        (["Params2"], "csf, white_matter"),
        (["Params6"], "trans_x, trans_y, trans_z, rot_x, rot_y, rot_z"),
        (["Params9"], "(9 in all)"),
        (["Params24"], "(24 in all)"),
        (["Params36"], "(36 in all)"),
        (["AnatCompCor"], "run-01/motion.json"),
        (["TempCompCor"], "run-01/motion.json"),
        (["motion=derivatives"], "(12 in all)"),
        (["wm_csf=power2"], "csf, csf_power2, white_matter, white_matter_power2"),
        (["global_signal=full"], "global_signal, global_signal_derivative1"),
        (["high_pass"], "cosine00, ..."),
        (["compcor"], "run-01/motion.json"),
        (["ica_aroma"], "aroma_motion_01, ..."),
        (["trans_x"], "'trans_x'"),
    ],
    ids=lambda part: part if isinstance(part, str) else " ".join(part),
)
def test_table_of_another_program_lacks_what_words_take(data_dir, words, lacking):
    path = data_dir / HAXBY
    message = refuse(path, words, 121)
    assert str(path.parent) in message
    assert lacking in message.removeprefix(str(path))


def test_table_of_another_program_serves_columns_and_patterns(data_dir):
    confounds = load(data_dir / HAXBY, ["motion_6", "motion_[12]", "cosine*"], 121)
    assert confounds.names == ("motion_6", "motion_1", "motion_2")
    assert confounds.unmatched == ("cosine*",)


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if "CompCor" not in name])
def test_table_without_json_serves_strategies_without_components(data_dir, strategy):
    path = data_dir / CLPIPE
    confounds = load_quietly(path, [strategy], 10)
    frame = pd.read_csv(path, sep="\t")
    assert {name for name in frame.columns if name.startswith("cosine")} <= set(confounds.names)
    expected = frame[list(confounds.names)].bfill(limit=1).to_numpy()
    np.testing.assert_allclose(confounds.values, expected, rtol=1e-12)


@pytest.mark.parametrize("words", [["AnatCompCor"], ["TempCompCor"], ["compcor=temporal", "high_pass"]], ids=" ".join)
def test_table_without_json_is_refused_for_components(data_dir, words):
    path = data_dir / CLPIPE
    assert f"{path.with_suffix('.json')} is missing" in refuse(path, words, 10)
