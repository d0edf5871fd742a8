"""Values of options, the JSON file, and its precedence over the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from niimasker.errors import NiimaskerWarning, SettingsError, record_warnings, shorten_text
from niimasker.options.command_line import read_command_line
from niimasker.options.config_file import read_config
from niimasker.options.merging import make_settings
from niimasker.options.settings import CONNECTIVITY_KINDS, OPTIONS, config_template

ROOT = Path(__file__).parents[2]
MINIMAL = {"output_dir": "out", "input_files": ["bold.nii.gz"], "roi_file": "atlas.nii.gz"}

# The options of the specification.
SPECIFIED = [
    "output_dir",
    "input_files",
    "roi_file",
    "mask_img",
    "labels",
    "participant_label",
    "session",
    "task",
    "run",
    "echo",
    "space",
    "res",
    "den",
    "desc",
    "entities",
    "exclude",
    "atlas_name",
    "regressor_files",
    "regressors",
    "motion_format",
    "motion_filter",
    "band_stop_min",
    "band_stop_max",
    "as_voxels",
    "radius",
    "allow_overlap",
    "standardize",
    "standardize_method",
    "t_r",
    "high_pass",
    "low_pass",
    "interpolation",
    "detrend",
    "smoothing_fwhm",
    "discard_scans",
    "scrub",
    "fd_threshold",
    "head_radius",
    "std_dvars_threshold",
    "scrub_segment",
    "censor_before",
    "censor_after",
    "censor_file",
    "censor_keep",
    "censored",
    "min_minutes",
    "max_mean_fd",
    "max_censored",
    "judge",
    "min_coverage",
    "valid_voxels",
    "connectivity",
    "fisher_z",
    "pipelines",
    "n_jobs",
    "n_decimals",
    "atlas_dir",
    "engine",
    "output_layout",
    "tidy",
    "cifti_out",
    "no_report",
    "timeout",
    "scheduler",
    "shard",
    "resume",
    "overwrite",
    "dry_run",
    "fail_fast",
    "quiet",
    "verbose",
]

# What the templates of 0.0.4 and of nixtract hold.
OLD_TEMPLATE = {
    "input_files": [],
    "roi_file": "",
    "mask_img": None,
    "labels": [],
    "as_voxels": False,
    "radius": None,
    "sphere_size": None,
    "allow_overlap": False,
    "smoothing_fwhm": None,
    "regressor_files": None,
    "regressors": [],
    "standardize": False,
    "t_r": None,
    "high_pass": None,
    "low_pass": None,
    "detrend": False,
    "discard_scans": None,
    "n_jobs": 1,
    "n_decimals": None,
    "verbose": False,
}

NOT_FLAGS = [1, 0, "true", "yes", [True, True], {"a": 1}]
NOT_TEXTS = [1.5, True, {"a": 1}, [None], [1.5], [["a"]], "a\0b"]
NOT_PATHS = [1, True, ["a.nii", "b.nii"], {"a": 1}, "a\0b"]
NOT_NUMBERS = [True, False, "2", [2, 3], {"a": 1}, float("nan"), float("inf"), -1, 10**400]
NOT_COUNTS = [*NOT_NUMBERS[:-1], 1.5]
# An object can stand for words with parameters (see below), but not every object does.
NOT_WORDS = [
    *[value for value in NOT_TEXTS if not isinstance(value, dict)],
    {"motion": ["full", "basic"]},
    {"motion": []},
    {"motion": [["full"]]},
    {"motion": {"full": True}},
    {"motion": [{"full": True}]},
    {"motion": "a\0b"},
    {"a\0b": True},
    {},
    {"motion": False},
    {"motion": None, "high_pass": [False]},
]
WRONG_VALUES = {
    "output_dir": NOT_PATHS,
    "input_files": NOT_TEXTS,
    **{name: [*NOT_TEXTS, "a b", ["a", "../b"]] for name in ("participant_label", "session", "task", "run", "echo")},
    **{name: [1.5, True, ["a", "b"], {"a": 1}, "a\0b", "a_b"] for name in ("space", "res", "den")},
    "desc": [1.5, True, ["a", "b"], {"a": 1}, "a\0b", "a_", "a b"],
    "entities": [1.5, True, {"a": []}, {"a": 1.5}, {"a": None}, [None], "a\0b", "reg", ["reg=a", "reg-b"], "reg=a b"],
    "exclude": NOT_TEXTS,
    "roi_file": NOT_TEXTS,
    "mask_img": NOT_PATHS,
    "labels": NOT_TEXTS,
    "atlas_name": [*NOT_TEXTS, "a-b", "a b", ["a", "b_c"], "ä"],
    "as_voxels": NOT_FLAGS,
    "radius": [*NOT_NUMBERS, 0],
    "allow_overlap": NOT_FLAGS,
    "atlas_dir": NOT_PATHS,
    "regressor_files": NOT_TEXTS,
    "regressors": NOT_WORDS,
    "motion_format": ["FSL", "bids", 1, True, ["fsl", "spm"], {"a": 1}],
    "motion_filter": ["LP", "bandstop", 1, True, ["lp", "notch"], {"a": 1}],
    "band_stop_min": [*NOT_NUMBERS, 0],
    "band_stop_max": [*NOT_NUMBERS, 0],
    "smoothing_fwhm": NOT_NUMBERS,
    "discard_scans": [*NOT_COUNTS, "Auto", "all", ["auto", "auto"]],
    "scrub": NOT_FLAGS,
    "fd_threshold": NOT_NUMBERS,
    "head_radius": [*NOT_NUMBERS, 0],
    "std_dvars_threshold": NOT_NUMBERS,
    "scrub_segment": NOT_COUNTS,
    "censor_before": NOT_COUNTS,
    "censor_after": NOT_COUNTS,
    "censor_file": NOT_TEXTS,
    "censor_keep": NOT_FLAGS,
    "min_minutes": [*NOT_NUMBERS, 0],
    "max_mean_fd": [*NOT_NUMBERS, 0],
    "max_censored": [*NOT_NUMBERS, 1.0001, 50],
    "judge": [1, 1.5, True, [1, 2], ["a", "b"], [["a"], "b"], "a\0b"],
    "censored": ["keep", "NaN", 0, True, ["drop", "nan"], {"a": 1}],
    "detrend": NOT_FLAGS,
    "high_pass": NOT_NUMBERS,
    "low_pass": NOT_NUMBERS,
    "interpolation": ["spline", "PCHIP", 3, True, ["pchip", "cubic"], {"a": 1}],
    "t_r": [*NOT_NUMBERS, 0],
    "standardize": NOT_FLAGS,
    "standardize_method": ["z", "PSC", 1, True, ["psc", "zscore"], {"a": 1}],
    "min_coverage": [*NOT_NUMBERS, 1.0001, 50],
    "valid_voxels": NOT_FLAGS,
    "connectivity": [*NOT_TEXTS[:-1], "pearsons", "partial", "Pearson", ["pearson", "tangent"]],
    "fisher_z": NOT_FLAGS,
    "pipelines": [1, True, [1], [["24P"]], "a\0b"],
    "tidy": ["csv", "TSV.GZ", 1, True, ["parquet", "tsv.gz"], {"a": 1}],
    "cifti_out": NOT_FLAGS,
    "no_report": NOT_FLAGS,
    "n_decimals": NOT_COUNTS,
    "output_layout": ["nested", 1, True, ["flat", "mirror"], {"a": 1}],
    "engine": ["afni", 1, True, ["nilearn", "stream"], {"a": 1}],
    "n_jobs": [value for value in NOT_COUNTS if value != -1] + [0, -2],
    "timeout": [*NOT_NUMBERS, 0],
    "scheduler": NOT_PATHS,
    "shard": [1, True, 0.5, ["1/2", "2/2"], "0/3", "4/3", "3", "1/0", "-1/3", "1.5/3", "a/b", "1/", "/3", "a\0b"],
    "resume": NOT_FLAGS,
    "overwrite": NOT_FLAGS,
    "dry_run": NOT_FLAGS,
    "fail_fast": NOT_FLAGS,
    "quiet": NOT_FLAGS,
    "verbose": NOT_FLAGS,
}

# Control characters are refused, see below.
WORDS = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1).filter(lambda s: s[0] != "-")
LISTS = st.lists(WORDS, min_size=1, max_size=3)
LABELS = st.from_regex("([a-z]{2,4}-)?[0-9A-Za-z+]{1,9}", fullmatch=True)
POSITIVE = st.floats(min_value=1e-3, max_value=1e3)
VALID_VALUES = {
    "input_files": LISTS,
    **dict.fromkeys(("participant_label", "session", "task", "run", "echo"), st.lists(LABELS, min_size=1, max_size=3)),
    **dict.fromkeys(("space", "res", "den", "desc"), LABELS),
    "entities": st.lists(st.from_regex("[a-z]{2,4}=[0-9A-Za-z+*]{1,9}", fullmatch=True), min_size=1, max_size=3),
    "exclude": LISTS,
    "roi_file": LISTS,
    "mask_img": WORDS,
    "labels": LISTS,
    "atlas_name": st.lists(st.from_regex("[A-Za-z0-9]{1,9}", fullmatch=True), min_size=1, max_size=3),
    "as_voxels": st.booleans(),
    "radius": POSITIVE | st.integers(1, 20),
    "allow_overlap": st.booleans(),
    "atlas_dir": WORDS,
    "regressor_files": LISTS,
    "regressors": LISTS,
    "motion_format": st.sampled_from(["fmriprep", "fsl", "afni", "spm", "hcp"]),
    "motion_filter": st.sampled_from(["lp", "notch"]),
    "band_stop_min": st.floats(1, 10),
    "band_stop_max": st.floats(11, 20),
    "smoothing_fwhm": POSITIVE | st.integers(0, 20),
    "discard_scans": st.integers(0, 50) | st.just("auto"),
    "scrub": st.booleans(),
    "fd_threshold": POSITIVE | st.just(0),
    "head_radius": POSITIVE,
    "std_dvars_threshold": POSITIVE,
    "scrub_segment": st.integers(0, 50),
    "censor_before": st.integers(0, 5),
    "censor_after": st.integers(0, 5),
    "censor_file": LISTS,
    "censor_keep": st.booleans(),
    "censored": st.sampled_from(["drop", "nan"]),
    "min_minutes": POSITIVE,
    "max_mean_fd": POSITIVE,
    "max_censored": st.floats(0, 1),
    "judge": st.fixed_dictionaries(
        {"minutes": st.fixed_dictionaries({"amber": st.floats(5, 9), "red": st.integers(0, 5)}), "coverage": st.none()}
    ),
    "detrend": st.booleans(),
    "high_pass": st.floats(1e-4, 0.05),
    "low_pass": st.floats(0.06, 0.5),
    "interpolation": st.sampled_from(["pchip", "linear", "cubic"]),
    "t_r": POSITIVE,
    "standardize": st.booleans(),
    "standardize_method": st.sampled_from(["zscore_sample", "zscore", "psc"]),
    "min_coverage": st.floats(0, 1),
    "valid_voxels": st.booleans(),
    "connectivity": st.lists(st.sampled_from(CONNECTIVITY_KINDS)).map(lambda kinds: [*kinds, "pearson"]),
    "fisher_z": st.booleans(),
    "pipelines": st.just(["24P"]),
    "tidy": st.sampled_from(["parquet", "tsv.gz"]),
    "cifti_out": st.booleans(),
    "no_report": st.booleans(),
    "n_decimals": st.integers(0, 15),
    "output_layout": st.sampled_from(["flat", "mirror", "bids"]),
    "engine": st.sampled_from(["stream", "nilearn"]),
    "n_jobs": st.integers(1, 64) | st.just(-1),
    "timeout": POSITIVE,
    "scheduler": WORDS,
    "shard": st.integers(1, 9).map(lambda number: f"{number}/9"),
    "resume": st.booleans(),
    "overwrite": st.booleans(),
    "dry_run": st.booleans(),
    "fail_fast": st.booleans(),
    "quiet": st.booleans(),
    "verbose": st.booleans(),
}
LIST_OPTIONS = [
    option.name
    for option in OPTIONS
    if isinstance(option.default, tuple) and option.name not in ("connectivity", "pipelines")
]
NUMBER_OPTIONS = [name for name, values in WRONG_VALUES.items() if "2" in values]


@pytest.fixture
def config_path(tmp_path) -> Path:
    return tmp_path / "Config.json"


def write_config(config_path: Path, config: object) -> Path:
    config_path.write_text(json.dumps(config), encoding="utf-8")
    return config_path


def refusal(config_path: Path, text: str | None = None) -> str:
    """Return the error message for a JSON file, when it is read or its values are checked."""
    if text is not None:
        config_path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        make_settings(MINIMAL, read_config(config_path))
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


# The options


def test_options_are_those_specified():
    assert {option.name for option in OPTIONS} == set(SPECIFIED)


def test_wrong_and_valid_values_are_known_of_every_option():
    assert set(WRONG_VALUES) == set(SPECIFIED)
    assert set(VALID_VALUES) == set(SPECIFIED) - {"output_dir"}


def refusal_of(**given: object) -> str:
    """Return what is said of options that are refused, or that they are taken."""
    try:
        make_settings({**MINIMAL, **given})
    except SettingsError as error:
        return str(error)
    return f"{given} is taken"


@pytest.mark.parametrize("name", [option.name for option in OPTIONS])
def test_value_of_the_wrong_kind_names_option_and_value(name):
    for value in WRONG_VALUES[name]:
        message = refusal_of(**{name: value})
        assert f"{name}: expected " in message
        assert f"found {shorten_text(json.dumps(value))}" in message


def test_entities_as_in_file_names_are_refused_with_a_hint():
    with pytest.raises(SettingsError) as caught:
        make_settings({**MINIMAL, "entities": ["reg-default"]})
    assert str(caught.value) == (
        '--entities: expected KEY=VALUE, a list of them, or an object such as {"reg": "default"}, found '
        '["reg-default"] (write reg=default).'
    )


@pytest.mark.parametrize("name", sorted(name for name, values in WRONG_VALUES.items() if "a\0b" in values))
def test_control_character_in_a_text_is_refused_with_a_hint(name):
    hint = r"(it contains a control character; in JSON, write a path with / or \\)."
    for character in ("\0", "\t", "\n", "\x1f"):
        value = f"C:{character}emp.nii"
        assert refusal_of(**{name: value}).endswith(f", found {json.dumps(value)} {hint}")


def test_control_character_in_a_list_is_refused_with_a_hint(config_path):
    message = refusal(config_path, '{"labels": ["a.tsv", "C:\\temp.tsv"]}')
    assert message.endswith(r"(it contains a control character; in JSON, write a path with / or \\).")


@pytest.mark.parametrize("name", NUMBER_OPTIONS)
def test_true_and_false_are_no_numbers_in_json(config_path, name):
    for value in (True, False):
        message = refusal(config_path, json.dumps({name: value}))
        assert name in message
        assert json.dumps(value) in message


@pytest.mark.parametrize("name", NUMBER_OPTIONS)
def test_word_that_is_no_number_is_refused_on_the_command_line(name):
    for word in ("two", "2,5", "1e999", "nan"):
        given_words = read_command_line(["out", "-i", "a.nii", "-r", "b.nii", f"--{name}", word])
        assert re.search(f"--{name}: expected a (whole )?number", refusal_of(**given_words))


@pytest.mark.parametrize("name", ["discard_scans", "scrub_segment", "censor_before", "n_decimals", "n_jobs"])
def test_whole_number_written_with_a_point_stays_whole(name):
    value = getattr(make_settings({**MINIMAL, "regressor_files": ["a.tsv"], "scrub": True, name: 2.0}), name)
    assert (value, type(value)) == (2, int)


def test_n_jobs_minus_one_is_allowed():
    assert make_settings({**MINIMAL, "n_jobs": -1}).n_jobs == -1


@pytest.mark.parametrize("name", LIST_OPTIONS)
def test_text_in_json_counts_as_a_list_of_one(config_path, name):
    takes_labels = name in ("atlas_name", "participant_label", "session", "task", "run", "echo")
    text = "A1" if takes_labels else "a=b" if name == "entities" else "a b.tsv"
    config = {"input_files": "bold.nii.gz", "roi_file": "atlas.nii.gz", "regressor_files": "a.tsv", name: text}
    built = make_settings({"output_dir": "out"}, read_config(write_config(config_path, config)))
    assert getattr(built, name) == (text,)


def test_lists_of_paths_are_taken_from_python():
    built = make_settings({**MINIMAL, "input_files": [Path("a.nii"), Path("b.nii")], "mask_img": Path("m.nii")})
    assert built.input_files == ("a.nii", "b.nii")
    assert built.mask_img == Path("m.nii")


@pytest.mark.parametrize("name", ["mask_img", "atlas_dir", "output_dir"])
def test_home_folder_is_resolved(name):
    assert getattr(make_settings({**MINIMAL, name: "~/data"}), name) == Path.home() / "data"


def test_unknown_option_from_python_names_the_nearest():
    with pytest.raises(SettingsError, match=r"unknown option 'standardise'; .* 'standardize'"):
        make_settings({**MINIMAL, "standardise": True})


@pytest.mark.parametrize("name", ["output_dir", "input_files", "roi_file"])
def test_missing_option_is_named(name):
    with pytest.raises(SettingsError, match=f"{name} is missing; give"):
        make_settings({key: value for key, value in MINIMAL.items() if key != name})


def test_high_pass_above_low_pass_shows_both():
    with pytest.raises(SettingsError, match=r"--high_pass 0\.2 Hz is not below --low_pass 0\.1 Hz"):
        make_settings({**MINIMAL, "high_pass": 0.2, "low_pass": 0.1})


def test_lists_of_one_and_empty_objects_as_jsonlite_of_r_writes_them_are_taken(tmp_path):
    path = write_config(tmp_path / "r.json", {"t_r": [2.5], "standardize": [True], "mask_img": {}, "roi_file": ["a"]})
    settings = make_settings({"output_dir": "out", "input_files": ["b.nii"]}, read_config(path))
    assert (settings.t_r, settings.standardize, settings.mask_img, settings.roi_file) == (2.5, True, None, ("a",))


# Words with parameters


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"motion": "derivatives", "wm_csf": True}, ("motion=derivatives", "wm_csf")),
        ({"high_pass": True, "compcor": "temporal", "n_compcor": 5}, ("high_pass", "compcor=temporal", "n_compcor=5")),
        ({"compcor": True, "n_compcor": "all"}, ("compcor", "n_compcor=all")),
        ({"Params6": True, "my column": True, "cosine*": True}, ("Params6", "my column", "cosine*")),
        ({"motion": "full", "wm_csf": False, "global_signal": None}, ("motion=full",)),
        # As R's jsonlite writes it without auto_unbox.
        (
            {"motion": ["derivatives"], "high_pass": [True], "wm_csf": [False], "n_compcor": [5], "compcor": [True]},
            ("motion=derivatives", "high_pass", "n_compcor=5", "compcor"),
        ),
        # Refused with a hint when the confounds table is read.
        ({"fd_threshold": 0.2, "n_compcor": [1.5]}, ("fd_threshold=0.2", "n_compcor=1.5")),
        (["motion=derivatives", "wm_csf", "a_comp_cor_0*"], ("motion=derivatives", "wm_csf", "a_comp_cor_0*")),
        ("motion=full", ("motion=full",)),
    ],
)
def test_regressors_in_json_are_words_or_an_object_of_them(config_path, value, words):
    config = read_config(write_config(config_path, {"regressors": value, "regressor_files": "a.tsv"}))
    assert make_settings(MINIMAL, config).regressors == words


def test_regressors_from_python_may_be_an_object():
    given = {**MINIMAL, "regressor_files": ["a.tsv"], "regressors": {"motion": "basic", "high_pass": True}}
    assert make_settings(given).regressors == ("motion=basic", "high_pass")


def test_regressors_of_an_empty_object_are_not_given(config_path):
    assert read_config(write_config(config_path, {"regressors": {}})) == {}


@pytest.mark.parametrize("value", [["full", "basic"], [], {"full": True}, [[True]]])
def test_wrong_value_in_an_object_names_its_word(config_path, value):
    message = refusal(config_path, json.dumps({"regressors": {"high_pass": True, "motion": value, "wm_csf": {}}}))
    assert message.endswith(" ('motion' takes a single string or number, true or false).")


@pytest.mark.parametrize("value", [{"motion": False}, {"motion": [False], "wm_csf": None}])
def test_object_without_an_enabled_word_does_not_mean_all_columns(config_path, value):
    message = refusal(config_path, json.dumps({"regressors": value, "regressor_files": "a.tsv"}))
    assert message.startswith("--regressors: expected ")
    assert message.endswith(' (every word in it is off; leave it out to use all columns, or give "none").')


def test_word_given_twice_in_an_object_is_named(config_path):
    message = refusal(config_path, '{"regressors": {"motion": "full", "motion": "basic"}}')
    assert f"{config_path}: 'motion' is given twice" in message


def test_words_of_the_command_line_may_hold_parameters():
    words = ["motion=derivatives", "wm_csf", "n_compcor=all", "a_comp_cor_0*"]
    typed = read_command_line(
        ["out", "-i", "a.nii", "-r", "b.nii", "--regressor_files", "c.tsv", "--regressors", *words]
    )
    assert make_settings(typed).regressors == tuple(words)


def test_object_in_json_that_says_what_the_command_line_says_gives_no_warning(config_path):
    typed = {**MINIMAL, "regressor_files": ["a.tsv"], "regressors": ["motion=full", "high_pass"]}
    config = read_config(write_config(config_path, {"regressors": {"motion": "full", "high_pass": True}}))
    # A warning is an error in this test run.
    assert make_settings(typed, config).regressors == ("motion=full", "high_pass")


def test_object_in_json_wins_with_a_warning(config_path):
    typed = {**MINIMAL, "regressor_files": ["a.tsv"], "regressors": ["motion=full"]}
    config = read_config(write_config(config_path, {"regressors": {"motion": "basic"}}))
    with pytest.warns(NiimaskerWarning, match="--regressors is .*motion=full.* on the command line .* JSON file wins"):
        assert make_settings(typed, config).regressors == ("motion=basic",)


def test_old_name_of_regressors_takes_an_object(config_path):
    config = read_config(write_config(config_path, {"regressor_names": {"motion": "full"}, "regressor_files": "a.tsv"}))
    with pytest.warns(NiimaskerWarning, match="'regressor_names' is deprecated"):
        assert make_settings(MINIMAL, config).regressors == ("motion=full",)


# Censoring, and options that go together


@pytest.mark.parametrize("where", ["json", "command line"])
def test_discard_scans_auto_is_taken(config_path, where):
    words = ["out", "-i", "a.nii", "-r", "b.nii", "--regressor_files", "c.tsv"]
    typed = read_command_line([*words, "--discard_scans", "auto"] if where == "command line" else words)
    config = read_config(write_config(config_path, {"discard_scans": "auto"} if where == "json" else {}))
    assert make_settings(typed, config).discard_scans == "auto"


def test_defaults_of_censoring_are_nilearns():
    built = make_settings(MINIMAL)
    assert (built.fd_threshold, built.std_dvars_threshold, built.scrub_segment) == (0.5, 1.5, 5)
    assert (built.scrub, built.censor_file, built.censored) == (False, (), "drop")


@pytest.mark.parametrize("option", [{"scrub": True}, {"discard_scans": "auto"}, {"regressors": "csf"}])
def test_option_that_reads_the_confounds_needs_them(option):
    assert make_settings({**MINIMAL, **option}).needs_confounds


def test_censor_file_needs_no_confounds():
    assert make_settings({**MINIMAL, "censor_file": "c.txt"}).censor_file == ("c.txt",)


@pytest.mark.parametrize("option", [{"scrub": True}, {"regressors": ["csf", "scrub"]}, {"regressors": {"scrub": True}}])
def test_scrubbing_is_asked_for_by_option_or_word(option):
    built = make_settings({**MINIMAL, "regressor_files": ["a.tsv"], **option, "fd_threshold": 0.2, "scrub_segment": 0})
    assert built.scrubs
    assert (built.fd_threshold, built.scrub_segment) == (0.2, 0)


@pytest.mark.parametrize("word", ["none", ["none"], {"none": True}])
@pytest.mark.parametrize("tables", [(), ("a.tsv",)])
def test_word_none_regresses_out_nothing_and_needs_no_confounds(word, tables):
    built = make_settings({**MINIMAL, "regressor_files": tables, "regressors": word})
    assert built.requested_regressors is None
    assert not built.needs_confounds


def test_word_none_leaves_scrubbing_its_confounds():
    built = make_settings({**MINIMAL, "regressors": "none", "scrub": True})
    assert built.needs_confounds
    assert built.needs_only_motion


@pytest.mark.parametrize("words", [["none", "motion", "csf"], ["motion", "none", "csf"]])
def test_word_none_with_other_words_is_refused(words):
    with pytest.raises(SettingsError, match=r"^--regressors none regresses out nothing, but motion csf is given"):
        make_settings({**MINIMAL, "regressors": words})


def test_scrubbing_is_not_asked_for_by_other_words():
    assert not make_settings({**MINIMAL, "regressor_files": ["a.tsv"], "regressors": ["motion", "scrubbed"]}).scrubs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fd_threshold", 0.2),
        ("std_dvars_threshold", 3),
        ("scrub_segment", 0),
        ("fd_threshold", 0),
        ("censor_before", 1),
        ("censor_after", 2),
    ],
)
def test_threshold_without_scrubbing_warns(name, value):
    with pytest.warns(NiimaskerWarning, match=f"^--{name} is ignored without --scrub"):
        make_settings({**MINIMAL, name: value})


def test_scrubbing_by_no_threshold_is_refused():
    given = {**MINIMAL, "regressor_files": ["a.tsv"], "scrub": True, "fd_threshold": 0, "std_dvars_threshold": 0}
    with pytest.raises(SettingsError, match="--fd_threshold and --std_dvars_threshold are both 0"):
        make_settings(given)


@pytest.mark.parametrize("name", ["fd_threshold", "std_dvars_threshold"])
def test_scrubbing_by_one_threshold_is_allowed(name):
    built = make_settings({**MINIMAL, "regressor_files": ["a.tsv"], "scrub": True, name: 0})
    assert getattr(built, name) == 0


def test_valid_voxels_with_smoothing_are_refused_with_a_reason():
    with pytest.raises(SettingsError, match=r"--valid_voxels .* --smoothing_fwhm: smoothing has already spread"):
        make_settings({**MINIMAL, "valid_voxels": True, "smoothing_fwhm": 6})


def test_valid_voxels_with_smoothing_of_no_width_are_allowed():
    assert make_settings({**MINIMAL, "valid_voxels": True, "smoothing_fwhm": 0}).valid_voxels


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_min_coverage_is_a_share(value):
    assert make_settings({**MINIMAL, "min_coverage": value}).min_coverage == value


@pytest.mark.parametrize("method", ["zscore", "psc"])
def test_standardize_method_without_standardize_warns(method):
    with pytest.warns(NiimaskerWarning, match=f"--standardize_method {method} is ignored without --standardize"):
        make_settings({**MINIMAL, "standardize_method": method})


def test_standardize_method_with_standardize_is_quiet():
    built = make_settings({**MINIMAL, "standardize": True, "standardize_method": "psc"})
    assert (built.standardize, built.standardize_method) == (True, "psc")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "ignored without --detrend, --high_pass or --low_pass"),
        ({"censor_file": "c.txt", "standardize": True}, "ignored without --detrend, --high_pass or --low_pass"),
        ({"low_pass": 0.1}, "ignored: it bridges the gaps of censored volumes, but none of --scrub, --censor_file and"),
        (
            {"detrend": True, "regressors": "csf"},
            ".* none of --scrub, --censor_file and --regressors non_steady_state is",
        ),
    ],
)
def test_interpolation_without_gaps_to_bridge_warns(given, message):
    with pytest.warns(NiimaskerWarning, match=f"--interpolation cubic is {message}"):
        make_settings({**MINIMAL, "interpolation": "cubic", **given})


@pytest.mark.parametrize("filtered", [{"detrend": True}, {"high_pass": 0.01}, {"low_pass": 0.1}])
@pytest.mark.parametrize(
    "censored", [{"scrub": True}, {"censor_file": "c.txt"}, {"regressors": "scrub"}, {"regressors": "non_steady_state"}]
)
def test_interpolation_with_gaps_to_bridge_is_quiet(filtered, censored):
    assert make_settings({**MINIMAL, "interpolation": "cubic", **filtered, **censored}).interpolation == "cubic"


def test_default_interpolation_is_quiet_without_gaps():
    assert make_settings({**MINIMAL, "interpolation": "pchip"}).interpolation == "pchip"


@pytest.mark.parametrize("given", ["precision", ["precision"], ["precision", "precision"]])
def test_kinds_of_connectivity_are_a_list_in_which_each_counts_once(given):
    assert make_settings({**MINIMAL, "connectivity": given}).connectivity == ("precision",)


def test_kinds_of_connectivity_keep_their_order_and_take_a_space_for_an_underscore():
    built = make_settings({**MINIMAL, "connectivity": ["partial correlation", "pearson", "partial_correlation"]})
    assert built.connectivity == ("partial_correlation", "pearson")


def test_connectivity_of_voxels_is_refused_with_ways_out():
    with pytest.raises(SettingsError, match=r"--connectivity .* --as_voxels: .* leave --as_voxels out, or correlate"):
        make_settings({**MINIMAL, "connectivity": "pearson", "as_voxels": True})


def test_fisher_z_without_a_correlation_is_refused():
    with pytest.raises(SettingsError, match="--connectivity is covariance, precision; add one of pearson"):
        make_settings({**MINIMAL, "connectivity": ["covariance", "precision"], "fisher_z": True})


def test_fisher_z_without_connectivity_warns():
    with pytest.warns(NiimaskerWarning, match="--fisher_z is ignored without --connectivity"):
        make_settings({**MINIMAL, "fisher_z": True})


# The JSON file


@pytest.mark.parametrize(
    ("text", "place", "cause"),
    [
        # Python 3.13 gives the position of the comma, older versions that of the text after it.
        ('{\n  "standardize": true,\n}', "line (2, column 22|3, column 1)", "a comma after the last item"),
        ('{\n  "labels": ["a", "b",]\n}', "line 2, column 2[23]", "a comma after the last item"),
        ("{\n  'standardize': true\n}", "line 2, column 3", "single quotes"),
        ("{\n  \"roi_file\": 'a.nii'\n}", "line 2, column 15", "single quotes"),
        ('{\n  "t_r": 2, // seconds\n  "detrend": true\n}', "line 2, column 13", "a comment"),
        ('{\n  "t_r": 2 # seconds\n}', "line 2, column 12", "a comment"),
        ('{\n  /* seconds */ "t_r": 2\n}', "line 2, column 3", "a comment"),
        ('{\n  "t_r": 2\n  "detrend": true\n}', "line 3, column 3", "a comma is missing"),
        ('{\n  "labels": ["a" "b"]\n}', "line 2, column 18", "a comma is missing"),
        ('{\n  "standardize": True\n}', "line 2, column 18", "Python's spelling.* true, false and null"),
        ('{\n  "t_r": None\n}', "line 2, column 10", "Python's spelling.* true, false and null"),
        ('{\n  "roi_file": "C:\\atlas.nii"\n}', "line 2, column 18", "a backslash"),
        ('{\n  "roi_file": "C:\\users\\me.nii"\n}', "line 2, column 1[89]", "a backslash"),
        ('{\n  "roi_file": "a.nii,\n  "t_r": 2\n}', r"line 2, column \d+", "a quote"),
        ("", "line 1, column 1", "the file is empty"),
        ("  \n\n", r"line \d, column \d", "the file is empty"),
    ],
)
def test_broken_json_shows_file_place_and_likely_cause(config_path, text, place, cause):
    message = refusal(config_path, text)
    assert message.startswith(f"{config_path}, line ")
    assert re.search(f"{place}: not valid JSON", message)
    assert re.search(f"; .*{cause}", message)


@pytest.mark.parametrize("rest", ["}", "]", '\n{"t_r": 2}'])
def test_text_after_the_object_is_not_reported_as_missing(config_path, rest):
    message = refusal(config_path, '{"t_r": 2}\n' + rest)
    assert message.startswith(f"{config_path}, line ")
    assert "missing" not in message


@pytest.mark.parametrize("text", ["[]", '"roi_file"', "null", "3"])
def test_json_that_is_no_object_is_refused(config_path, text):
    assert f"{config_path}: expected one JSON object" in refusal(config_path, text)


def test_key_given_twice_is_named(config_path):
    assert f"{config_path}: 't_r' is given twice" in refusal(config_path, '{"t_r": 2, "t_r": 3}')


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_json_that_is_not_utf_8_is_refused(config_path, encoding):
    config_path.write_bytes('{"roi_file": "Übersicht.nii"}'.encode(encoding))
    assert refusal(config_path) == f"{config_path}: the configuration is not UTF-8 text; save it as UTF-8."


def test_byte_order_mark_is_accepted(config_path):
    config_path.write_text('{"roi_file": "Übersicht.nii"}', encoding="utf-8-sig")
    assert read_config(config_path) == {"roi_file": "Übersicht.nii"}


@pytest.mark.parametrize("opening", ["[", '{"labels":'])
def test_deeply_nested_json_is_refused(config_path, opening):
    assert f"{config_path}: not a configuration: it is nested too deeply" in refusal(config_path, opening * 100_000)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_number_that_is_not_finite_is_refused(config_path, word):
    assert "--t_r: expected a number above 0, in seconds" in refusal(config_path, f'{{"t_r": {word}}}')


def test_number_of_too_many_digits_is_refused(config_path):
    assert refusal(config_path, f'{{"n_jobs": {"9" * 5000}}}')


def test_json_file_that_does_not_exist_is_named(config_path):
    assert f"{config_path}: the configuration cannot be read (No such file" in refusal(config_path)


def test_folder_in_the_place_of_the_json_file_is_named(tmp_path):
    assert f"{tmp_path}: the configuration cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("standardise", "standardize"),
        ("Radius", "radius"),
        ("TR", "t_r"),
        ("input_file", "input_files"),
        ("smoothing", "smoothing_fwhm"),
        ("highpass", "high_pass"),
        ("regressor", "regressors"),
        ("mask_image", "mask_img"),
    ],
)
def test_unknown_key_names_the_nearest_option(config_path, key, nearest):
    message = refusal(config_path, json.dumps({key: 1}))
    assert message.startswith(f"{config_path}: unknown option {key!r}; ")
    assert message.endswith(f" {nearest!r}.")


def test_unknown_key_like_no_option_lists_them(config_path):
    message = refusal(config_path, '{"banana": 1}')
    assert message.startswith(f"{config_path}: unknown option 'banana'; the options are ")
    assert set(config_template()) <= set(re.findall(r"\w+", message))


@pytest.mark.parametrize("value", [None, "", "x"])
def test_unknown_key_is_an_error_whatever_its_value(config_path, value):
    assert "unknown option 'standardise'" in refusal(config_path, json.dumps({"standardise": value}))


@pytest.mark.parametrize("key", ["output_dir", "config", "example", "help", "help_all", "version"])
def test_option_of_the_command_line_alone_is_refused_in_json(config_path, key):
    message = refusal(config_path, json.dumps({key: "x"}))
    assert message == f"{config_path}: {key!r} can only be given on the command line; remove it from the file."


@pytest.mark.parametrize("name", config_template())
def test_empty_value_means_not_given(config_path, name):
    for value in (None, "", []):
        assert (read_config(write_config(config_path, {name: value})), value) == ({}, value)


@pytest.mark.parametrize(("name", "value"), [("standardize", False), ("discard_scans", 0), ("labels", ["a"])])
def test_false_and_zero_are_given(config_path, name, value):
    assert read_config(write_config(config_path, {name: value})) == {name: value}


@given(st.text() | st.text("{}[]\",:\\/# \n0123456789truefalsenullNaN.eE+-'") | st.from_regex(r'\{"t_r": .*\}'))
@example("{" * 100_000)
@example('{"\\ud800": 1}')
@settings(deadline=None, max_examples=100)
def test_any_text_is_read_as_a_dict_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        config = read_config(path)
    except SettingsError:
        return
    assert isinstance(config, dict)


# The template


def test_template_file_holds_every_option_with_its_default():
    text = (ROOT / "config_template.json").read_text(encoding="utf-8")
    assert json.loads(text) == config_template()
    assert list(json.loads(text)) == list(config_template())


def test_template_holds_every_option_but_output_dir():
    assert set(config_template()) == set(SPECIFIED) - {"output_dir"}


def test_template_changes_no_default():
    assert make_settings(MINIMAL, read_config(ROOT / "config_template.json")) == make_settings(MINIMAL)


@pytest.mark.parametrize("name", OLD_TEMPLATE)
def test_every_key_of_old_templates_is_accepted_empty(config_path, name):
    for empty in (None, "", []):
        config = read_config(write_config(config_path, {name: empty}))
        assert (make_settings(MINIMAL, config), empty) == (make_settings(MINIMAL), empty)


@pytest.mark.parametrize("labels", [[], ""])
@pytest.mark.parametrize("regressors", [{"regressor_names": []}, {"regressor_names": None}, {}])
def test_old_template_changes_no_default(config_path, labels, regressors):
    config = read_config(write_config(config_path, {**OLD_TEMPLATE, "labels": labels, **regressors}))
    assert make_settings(MINIMAL, config) == make_settings(MINIMAL)


# Precedence


def test_command_line_wins_over_default():
    assert make_settings({**MINIMAL, "n_decimals": 3}, {}).n_decimals == 3


@pytest.mark.parametrize(
    ("name", "typed", "in_json"),
    [
        ("t_r", 2.5, 2),
        ("standardize", True, False),
        ("labels", ["a", "b"], ["b", "a"]),
        ("output_layout", "flat", "mirror"),
        ("n_jobs", 4, 1),
    ],
)
def test_json_wins_with_a_warning_that_shows_both_values(name, typed, in_json):
    with pytest.warns(NiimaskerWarning) as caught:
        built = make_settings({**MINIMAL, name: typed}, {name: in_json})
    assert getattr(built, name) == (tuple(in_json) if isinstance(in_json, list) else in_json)
    (message,) = [str(warning.message) for warning in caught]
    assert f"--{name} is {json.dumps(typed)} on the command line and {json.dumps(in_json)} in the JSON file" in message
    assert "JSON file wins" in message


def test_warning_shows_a_whole_number_as_it_was_typed():
    typed = read_command_line(["out", "-i", "a.nii", "-r", "b.nii", "--n_jobs", "4"])
    with pytest.warns(NiimaskerWarning, match="--n_jobs is 4 on the command line and 1 in the JSON file"):
        make_settings(typed, {"n_jobs": 1})


@pytest.mark.parametrize(
    ("name", "typed", "in_json"),
    [
        ("t_r", 2.0, 2),
        ("labels", ["a"], "a"),
        ("labels", ["1", "2"], [1, 2]),
        ("standardize", True, True),
        ("roi_file", "atlas.nii.gz", "atlas.nii.gz"),
    ],
)
def test_equal_values_give_no_warning(name, typed, in_json):
    make_settings({**MINIMAL, name: typed}, {name: in_json})  # A warning is an error in this test run.


def test_empty_value_in_json_leaves_that_of_the_command_line(config_path):
    config = read_config(write_config(config_path, {"t_r": None, "labels": [], "mask_img": ""}))
    built = make_settings({**MINIMAL, "t_r": 2, "labels": ["a"], "mask_img": "m.nii"}, config)
    assert (built.t_r, built.labels, built.mask_img) == (2, ("a",), Path("m.nii"))


def make_words(options: dict) -> list[str]:
    """Return a command line that gives these options."""
    words = []
    for name, value in options.items():
        if value is False:
            continue
        values = [] if value is True else value if isinstance(value, list) else [value]
        words += [f"--{name}", *map(str, values)]
    return words


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_command_line_and_json_make_the_same_settings(tmp_path_factory, data):
    required = {"input_files", "roi_file", "regressor_files"}
    names = data.draw(st.permutations(sorted(VALID_VALUES)))
    chosen = [name for name in names if name in required or data.draw(st.booleans(), label=name)]
    options = {name: data.draw(VALID_VALUES[name], label=name) for name in chosen}
    # Of two that contradict each other one is left out, and names that are not one an atlas.
    contradict = ("valid_voxels", "smoothing_fwhm"), ("connectivity", "as_voxels"), ("cifti_out", "as_voxels")
    for pair in (*contradict, ("scheduler", "timeout"), ("quiet", "verbose")):
        if all(options.get(name) for name in pair):
            del options[pair[data.draw(st.integers(0, 1))]]
    # A filter needs its cut-offs.
    if not {"band_stop_min", "band_stop_max"} <= options.keys():
        options.pop("motion_filter", None)
    if len(options.get("atlas_name", options["roi_file"])) != len(options["roi_file"]):
        del options["atlas_name"]
    config_path = write_config(tmp_path_factory.getbasetemp() / "same.json", options)
    # The command line takes an object of thresholds from a file.
    files = {
        name: str(write_config(tmp_path_factory.getbasetemp() / f"{name}.json", value))
        for name, value in options.items()
        if name == "judge"
    }
    with record_warnings() as of_typed:
        typed = make_settings(read_command_line(["out", *make_words({**options, **files})]))
    with record_warnings() as of_json:
        in_json = make_settings({"output_dir": "out"}, read_config(config_path))
    assert typed == in_json
    assert of_typed == of_json


# Old names


@pytest.mark.parametrize(
    ("old", "new", "value", "taken"),
    [("regressor_names", "regressors", ["csf"], ("csf",)), ("sphere_size", "radius", 5, 5.0)],
)
def test_old_name_in_json_is_taken_with_a_warning(config_path, old, new, value, taken):
    config = read_config(write_config(config_path, {old: value, "regressor_files": "a.tsv"}))
    with pytest.warns(NiimaskerWarning, match=f"'{old}' is deprecated.*'{new}'"):
        assert getattr(make_settings(MINIMAL, config), new) == taken


def test_regressor_names_on_the_command_line_is_taken_with_a_warning():
    words = ["out", "-i", "a.nii", "-r", "b.nii", "--regressor_files", "c.tsv", "--regressor_names", "csf", "wm"]
    typed = read_command_line(words)
    with pytest.warns(NiimaskerWarning, match=r"regressor_names.* is deprecated.*regressors"):
        assert make_settings(typed).regressors == ("csf", "wm")


@pytest.mark.parametrize(("old", "new"), [("regressor_names", "regressors"), ("sphere_size", "radius")])
@pytest.mark.parametrize("where", ["json", "both"])
def test_old_and_new_name_together_are_an_error(config_path, old, new, where):
    value = 5 if new == "radius" else ["csf"]
    typed = {**MINIMAL, "regressor_files": ["a.tsv"], **({new: value} if where == "both" else {})}
    config = {old: value, **({new: value} if where == "json" else {})}
    with pytest.raises(SettingsError, match=f"both '{old}' and '{new}' are given"):
        make_settings(typed, read_config(write_config(config_path, config)))
