"""The worst of similar warnings, as the terminal shows it, for texts from the functions that warn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import make_labels, save

from niimasker.cli import main
from niimasker.errors import record_warnings
from niimasker.inputs.censoring import warn_of_many_censored
from niimasker.running.warning_groups import group_texts
from niimasker.running.worst_cases import find_worst
from niimasker.signals.connectivity import warn_of_few_degrees_of_freedom
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.signals.timeline import Timeline

LABELS = make_labels()
N_VOLUMES = 20


def warnings_of(function, cases) -> list[str]:
    """The one warning of a function for each case."""
    with record_warnings() as recorded:
        for case in cases:
            function(case)
    assert len(recorded) == len(cases)
    return recorded


def lose_degrees_of_freedom(n_kept: int) -> None:
    timeline = Timeline(30, 0, {"user": np.arange(30) >= n_kept})
    prepare_nuisance(None, timeline, Cleaning(False, None, None, None, 2.0, "header", "pchip"))


@pytest.mark.parametrize(
    ("function", "cases", "position", "words"),
    [
        (lose_degrees_of_freedom, (12, 10, 15), 1, "degrees of freedom 9 to 14, lowest in"),
        (
            lambda n_left: warn_of_few_degrees_of_freedom(["pearson"], n_left, 3, "aal: "),
            (14.5, 3.0, 19.0),
            1,
            "degrees of freedom 3 to 19, lowest in",
        ),
        (
            lambda n_left: warn_of_few_degrees_of_freedom(["precision"], n_left, 100, ""),
            (30.0, 99.5),
            0,
            "degrees of freedom 30 to 99.5, lowest in",
        ),
        (
            lambda n: warn_of_many_censored(Path("sub-1_c.txt"), np.arange(20) < n, means_kept=False),
            (12, 19, 11),
            1,
            "censored volumes 11 to 19, highest in",
        ),
    ],
)
def test_number_of_a_warning_tells_which_is_worst(function, cases, position, words):
    worst = find_worst(warnings_of(function, cases))
    assert worst is not None
    assert (worst.position, worst.words) == (position, words)


@pytest.mark.parametrize(
    "texts",
    [
        ["regressors left out: a (constant).", "regressors left out: b_2 (constant)."],
        ["only 40% of the atlas lies", "only 40% of the atlas lies"],
        ["only 40% of the atlas lies", "only some of the atlas lies"],
    ],
)
def test_without_a_number_or_a_range_none_is_worst(texts):
    assert find_worst(texts) is None


def test_groups_without_such_a_number_show_the_first():
    (group,) = group_texts([("a_1 is odd.", "run-1"), ("a_2 is odd.", "run-2")])
    assert str(group) == "a_1 is odd. (similar in 2 runs, first run-1)"


def test_several_similar_warnings_of_one_run_are_counted():
    texts = ["aal: only 60% of the atlas is in the image.", "bn: only 4% of the atlas is in the image."]
    (group,) = group_texts([(text, "run-1") for text in texts])
    assert str(group) == "bn: only 4% of the atlas is in the image. (run-1, and 1 similar)"


# Commands


@pytest.fixture
def study(tmp_path, monkeypatch) -> list[str]:
    """The words of a study of three runs that cover 25, 10 and 40 % of region 2's voxels."""
    monkeypatch.chdir(tmp_path)
    save(Path("atlas.nii.gz"), LABELS)
    values = np.random.default_rng(1).normal(500, 10, (*LABELS.shape, N_VOLUMES)).astype(np.float32)
    voxels = np.argwhere(LABELS == 2)
    for number, share in enumerate((0.25, 0.1, 0.4), start=1):
        spoilt = values.copy()
        spoilt[tuple(voxels[int(share * len(voxels)) :].T)] = 0
        save(Path(f"sub-{number}_bold.nii.gz"), spoilt, t_r=2.0)
    return ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report"]


def about_coverage(text: str) -> str:
    (line,) = (line for line in text.splitlines() if "coverage <" in line)
    return line


@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_terminal_shows_the_lowest_coverage_of_all_runs(study, capsys, n_jobs):
    assert main([*study, "--n_jobs", n_jobs]) == 0
    line = about_coverage(capsys.readouterr().err)
    assert "(coverage < 0.5, lowest 0.10): roi 2 0.10; see" in line
    assert line.endswith("(similar in 3 runs, coverage 0.10 to 0.40, lowest in sub-2_bold)")


def test_runs_of_an_earlier_call_take_part(study, capsys):
    assert main([*study[:2], "sub-2_bold.nii.gz", *study[3:]]) == 0
    capsys.readouterr()
    assert main([*study, "--resume"]) == 0
    printed, said = capsys.readouterr()
    assert "2 runs done, 1 skipped" in printed + said
    assert about_coverage(said).endswith("(similar in 3 runs, coverage 0.10 to 0.40, lowest in sub-2_bold)")


def test_pipelines_of_an_image_are_runs_of_their_own(study, capsys):
    for number in (1, 2, 3):
        table = pd.DataFrame({"csf": np.random.default_rng(number).normal(size=N_VOLUMES)})
        table.to_csv(f"sub-{number}_confounds.tsv", sep="\t", index=False)
    Path("pipelines.json").write_text('{"raw": {"regressors": "none"}, "csf": {"regressors": ["csf"]}}')
    words = ["--regressor_files", "sub-*_confounds.tsv", "--pipelines", "pipelines.json"]
    assert main([*study, *words]) == 0
    line = about_coverage(capsys.readouterr().err)
    assert "similar in 6 runs, coverage 0.10 to 0.40, lowest in sub-2" in line
