"""The pages of confounds and censoring have every word, and say what their commands leave."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
from documentation import IMAGE, ON_THE_EXAMPLE, PAGES, code_in, table

from niimasker.errors import EXIT_DONE
from niimasker.inputs.motion_parameters import FORMATS
from niimasker.inputs.regressor_words import DEFAULTS, VOLUME_WORDS, WORDS
from niimasker.inputs.strategies import STRATEGIES
from niimasker.options.merging import make_settings
from niimasker.options.settings import MOTION_FORMATS, NO_REGRESSORS, STANDARDIZE_METHODS
from niimasker.reports.point_words import VOXELS
from niimasker.reports.steps import list_steps
from niimasker.signals.filtering import Cleaning
from niimasker.signals.motion_filter import MotionFilter
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline


def test_every_strategy_and_flexible_word_is_described():
    words = [row[0] for row in table("strategy or word", "parameter", "columns")]
    assert words == [*STRATEGIES, *WORDS, *VOLUME_WORDS, NO_REGRESSORS]


def test_parameters_of_words_are_the_codes_with_the_default_in_bold():
    described = {word: parameter for word, parameter, _ in table("strategy or word", "parameter", "columns")}
    expected = {
        word: ", ".join(f"**{each}**" if each == DEFAULTS.get(word) else each for each in WORDS.get(word, ()))
        for word in described
    }
    assert described == expected


def test_parameters_of_columns_are_explained():
    assert tuple(code for row in table("parameter", "columns") for code in code_in(row[0])) == tuple(WORDS["motion"])


def test_number_of_compcor_components_is_the_codes():
    columns = {row[0]: row[2] for row in table("strategy or word", "parameter", "columns")}
    assert f"first {DEFAULTS['n_compcor']} components" in columns["compcor"]
    assert f"first {STRATEGIES['AnatCompCor']['n_compcor']} a_comp_cor" in columns["AnatCompCor"]
    assert f"first {STRATEGIES['TempCompCor']['n_compcor']} t_comp_cor" in columns["TempCompCor"]


def test_formats_of_motion_parameters_are_the_codes():
    rows = table("`--motion_format`", "files", "columns", "rotations")
    assert tuple(row[0] for row in rows) == MOTION_FORMATS
    in_degrees = {name: file_format.in_degrees for name, file_format in FORMATS.items()}
    assert {row[0]: row[3] == "degrees" for row in rows[1:]} == in_degrees
    for row in rows[1:]:
        assert all(f"{n_columns} columns" in row[1] for n_columns in list(FORMATS[row[0]].columns)[1:])


def test_methods_of_standardising_are_the_codes():
    assert tuple(row[0] for row in table("`--standardize_method`", "columns become")) == STANDARDIZE_METHODS


def freedom_of(summary_folder):
    return set(pd.read_csv(summary_folder / "niimasker_data/summary.tsv", sep="\t")["degrees_of_freedom"])


def test_steps_are_listed_in_the_order_of_a_run_s_page():
    section = PAGES["confounds"].split("## The order of the steps")[1]
    documented = [
        verb
        for item in re.findall(r"^\d+\. (.*?)(?=^\d+\. |\n\n)", section, re.M | re.S)
        for words, verb in STEPS.items()
        if words in item
    ]
    assert documented == list(STEPS.values())
    assert list_verbs() == documented


# What the items of the list begin with, and the verbs of these steps on a run's page.
STEPS = {
    "`--motion_filter`": "filter motion",
    "`--discard_scans`": "discard",
    "[Censored]": "censor",
    "`--smoothing_fwhm`": "smooth",
    "signals are extracted": "extract",
    "`--detrend`": "detrend",
    "`--high_pass`": "filter",
    "`--regressors`": "regress",
    "`--standardize`": "standardise",
    "`--connectivity`": "measure connectivity",
}


def list_verbs() -> list[str]:
    """The verbs of a run with all steps, without those that only some kinds of regressors and filters need."""
    settings = make_settings(
        {
            "output_dir": "out",
            "input_files": ["a.nii"],
            "roi_file": ["atlas.nii"],
            "smoothing_fwhm": 6,
            "connectivity": ["pearson"],
        }
    )
    motion_filter = MotionFilter("lp", 6, None, 2.0)
    cleaning = Cleaning(True, "zscore", 0.01, 0.1, 2.0, "header", "pchip", motion_filter)
    timeline = Timeline(100, 4, {"user": np.isin(np.arange(100), [50])})
    nuisance = Nuisance(("csf",), np.zeros((95, 1)), {}, 50.0)
    verbs = [step.verb for step in list_steps(settings, cleaning, timeline, nuisance, (), VOXELS)]
    return [verb for verb in verbs if verb != "bridge gaps"]


class TestDegreesOfFreedom:
    text = " ".join(PAGES["confounds"].split())

    def test_low_pass_leaves_what_is_said(self, example):
        (said,) = re.findall(r"119 x 0.4 - 27 - 1 = ([\d.]+) degrees of freedom", self.text)
        assert freedom_of(example.output("low_pass_output")) == {float(said)}
        facts = json.loads((example.output("low_pass_output") / f"{IMAGE}_timeseries.json").read_text("utf-8"))
        assert len(facts["Confounds"]) == 27

    def test_all_volumes_leave_what_is_said(self, example):
        (said,) = re.findall(r"With all 120 volumes it would be (\d+)", self.text)
        words = [word for word in ON_THE_EXAMPLE["low_pass_output"][1:] if word not in ("--discard_scans", "auto")]
        assert example.run(["all_volumes_output", *words]) == EXIT_DONE
        assert freedom_of(example.folder / "all_volumes_output") == {float(said)}

    def test_no_filter_leaves_what_is_said(self, example):
        (said,) = re.findall(r"without `--low_pass` 119 - 27 - 1 = (\d+)", self.text)
        assert freedom_of(example.output("out")) == {float(said)}


def test_scrub_example_censors_volumes_and_regresses(example):
    folder = example.output("scrub_output")
    facts = json.loads((folder / f"{IMAGE}_timeseries.json").read_text("utf-8"))
    n_kept = len(pd.read_csv(folder / f"{IMAGE}_timeseries.tsv", sep="\t"))
    assert facts["Volumes"]["Discarded"] == 1
    assert facts["Volumes"]["Censored"] > 0
    assert n_kept == facts["Volumes"]["Kept"] == 119 - facts["Volumes"]["Censored"]
    assert {"trans_x_derivative1", "white_matter", "cosine00"} <= set(facts["Confounds"])


def test_word_scrub_alone_leaves_censored_rows_empty_and_regresses_nothing_out(example):
    folder = example.output("censored_output")
    facts = json.loads((folder / f"{IMAGE}_timeseries.json").read_text("utf-8"))
    is_empty = pd.read_csv(folder / f"{IMAGE}_timeseries.tsv", sep="\t").isna().all(axis=1)
    outliers = pd.read_csv(folder / f"{IMAGE}_outliers.tsv", sep="\t")
    is_censored = outliers[outliers["discarded"] == 0].any(axis=1)
    assert is_empty.tolist() == is_censored.tolist()
    assert is_censored.sum() == facts["Volumes"]["Censored"] > 0
    assert facts["Confounds"] == []
