"""JSON files of images: BIDS inheritance, start times, and times of volumes in place of a repetition time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import SHAPE, make_labels, make_series, save

from niimasker.cli import main
from niimasker.inputs.sidecars import Sidecars

N = 60
FUNC = Path("data/sub-01/ses-1/func")
IMAGE = FUNC / "sub-01_ses-1_task-rest_space-T1w_desc-preproc_bold.nii.gz"
STEM = IMAGE.name.removesuffix(".nii.gz")
UNEVEN = [2.0 * volume + (volume >= 30) for volume in range(N)]
EVEN = [0.5 + 2.5 * volume for volume in range(N)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: a dataset of one image, whose header gives a repetition time of 2 s, and an atlas."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).normal(size=(*SHAPE, N)).astype(np.float32)
    save(IMAGE, (make_series(make_labels(), N) + noise).astype(np.float32), t_r=2.0)
    save(Path("atlas.nii.gz"), make_labels())
    return tmp_path


def write(path: str | Path, **content: object) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def extract(*words: str, code: int = 0) -> dict:
    """Run a command and return the sidecar of its table."""
    assert main(["out", "-i", str(IMAGE), "-r", "atlas.nii.gz", "--no_report", *words]) == code
    path = Path(f"out/{STEM}_timeseries.json")
    return json.loads(path.read_text()) if path.exists() else {}


def times_in(path: str = "out/timeseries.tsv.gz") -> list[float]:
    """Return the times of one region's rows in the long table."""
    table = pd.read_csv(path, sep="\t")
    return table[table["region"] == "roi 1"]["time"].tolist()


class TestInheritance:
    @pytest.mark.parametrize(
        "name",
        [
            f"{STEM}.json",
            "sub-01_ses-1_task-rest_bold.json",
            "task-rest_bold.json",
            "../sub-01_ses-1_bold.json",
            "../../sub-01_task-rest_bold.json",
            "../../../task-rest_bold.json",
            "../../../bold.json",
        ],
    )
    def test_repetition_time_comes_from_the_image_s_folder_and_those_above(self, name):
        write(FUNC / name, RepetitionTime=2.5)
        sidecar = extract()
        assert (sidecar["RepetitionTime"], sidecar["RepetitionTimeSource"]) == (2.5, "sidecar")

    @pytest.mark.parametrize(
        "name",
        [
            "task-other_bold.json",
            "task-rest_run-1_bold.json",
            "task-rest_boldref.json",
            "task-rest_cbv.json",
            "../../../sub-02_bold.json",
            "../../../../task-rest_bold.json",
            "._task-rest_bold.json",
        ],
    )
    def test_files_of_other_images_and_above_the_dataset_do_not_apply(self, name):
        write(FUNC / name, RepetitionTime=2.5)
        sidecar = extract()
        assert (sidecar["RepetitionTime"], sidecar["RepetitionTimeSource"]) == (2.0, "header")

    def test_root_is_the_nearest_folder_with_a_description(self):
        write("data/sub-01/dataset_description.json", Name="a")
        write("data/task-rest_bold.json", RepetitionTime=2.5)
        assert extract()["RepetitionTimeSource"] == "header"

    def test_keys_of_nearer_and_more_specific_files_win_one_by_one(self):
        write("data/bold.json", RepetitionTime=9.0, StartTime=0.25)
        write("data/sub-01/task-rest_bold.json", RepetitionTime=8.0)
        write(FUNC / "task-rest_bold.json", RepetitionTime=7.0)
        write(FUNC / "task-rest_desc-preproc_bold.json", RepetitionTime=2.5)
        sidecar = extract()
        assert (sidecar["RepetitionTime"], sidecar["StartTime"]) == (2.5, 0.25)

    def test_files_are_listed_from_the_nearest_on(self):
        names = ["../../../bold.json", "../../task-rest_bold.json", "ses-1_task-rest_bold.json", f"{STEM}.json"]
        written = [write(FUNC / name).resolve() for name in names]
        assert [path.resolve() for path in Sidecars().find(IMAGE)] == written[::-1]

    def test_image_without_a_subject_has_its_own_file_only(self):
        Path("other").mkdir()
        os.link(IMAGE, "other/task-rest_bold.nii.gz")
        write("other/bold.json", RepetitionTime=9.0)
        write("other/task-rest_bold.json", RepetitionTime=2.5)
        assert main(["out", "-i", "other/task-rest_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report"]) == 0
        assert json.loads(Path("out/task-rest_bold_timeseries.json").read_text())["RepetitionTime"] == 2.5

    def test_two_files_of_one_folder_that_differ_fail_the_run(self, capsys):
        write(FUNC / "task-rest_bold.json", RepetitionTime=2.5)
        write(FUNC / "ses-1_bold.json", RepetitionTime=3.0)
        extract(code=1)
        assert (
            f"{FUNC}/ses-1_bold.json and task-rest_bold.json apply to the same image and differ in RepetitionTime: "
            "3.0 and 2.5; correct one of them."
        ) in capsys.readouterr().err

    def test_two_files_of_one_folder_that_agree_are_fine(self):
        write(FUNC / "task-rest_bold.json", RepetitionTime=2.5)
        write(FUNC / "ses-1_bold.json", RepetitionTime=2.5)
        assert extract()["RepetitionTime"] == 2.5

    def test_file_that_is_not_fetched_is_said(self, capsys):
        (FUNC / "task-rest_bold.json").symlink_to("nowhere.json")
        assert extract()["RepetitionTimeSource"] == "header"
        assert capsys.readouterr().err == (
            "niimasker: warning: task-rest_bold.json cannot be read ([Errno 2] No such file or directory: "
            f"'{FUNC}/task-rest_bold.json'); its RepetitionTime, VolumeTiming and StartTime are not used. ({STEM})\n"
        )

    def test_resume_does_a_run_again_when_an_inherited_file_appears_or_changes(self):
        extract()
        for t_r in (2.5, 3.0):
            write("data/task-rest_bold.json", RepetitionTime=t_r)
            assert extract("--resume")["RepetitionTime"] == t_r


class TestStartTime:
    @pytest.mark.parametrize(
        ("words", "first_volume"),
        [
            ([], 0),
            (["--discard_scans", "2"], 2),
            (["--discard_scans", "2", "--censor_file", "censor.txt"], 3),
            (["--discard_scans", "2", "--censor_file", "censor.txt", "--censored", "nan"], 2),
        ],
    )
    @pytest.mark.parametrize("layout", ["flat", "bids"])
    def test_start_time_is_the_image_s_plus_the_volumes_before(self, words, first_volume, layout):
        write(IMAGE.with_name(f"{STEM}.json"), RepetitionTime=2.0, StartTime=0.98)
        Path("censor.txt").write_text("".join(f"{int(volume == 2)}\n" for volume in range(N)))
        main(["out", "-i", str(IMAGE), "-r", "atlas.nii.gz", "--no_report", "--output_layout", layout, *words])
        (path,) = Path("out").rglob("*_timeseries.json")
        assert json.loads(path.read_text())["StartTime"] == 0.98 + 2 * first_volume

    def test_times_of_the_long_table_begin_with_it(self):
        write(IMAGE.with_name(f"{STEM}.json"), StartTime=0.98)
        extract("--tidy", "tsv.gz", "--discard_scans", "1")
        assert times_in() == [pytest.approx(0.98 + 2 * volume) for volume in range(1, N)]

    def test_table_of_regressors_begins_with_it(self):
        write(IMAGE.with_name(f"{STEM}.json"), StartTime=0.98)
        table = IMAGE.with_name("sub-01_ses-1_task-rest_desc-confounds_timeseries.tsv")
        table.write_text("a\n" + "".join(f"{volume % 7}\n" for volume in range(N)))
        extract("--regressors", "a", "--output_layout", "bids")
        (path,) = Path("out").rglob("*_design.json")
        assert json.loads(path.read_text())["StartTime"] == 0.98

    @pytest.mark.parametrize("value", [True, "1", None, [1.0]])
    def test_value_that_is_no_time_is_not_used(self, value):
        write(IMAGE.with_name(f"{STEM}.json"), StartTime=value)
        assert extract()["StartTime"] == 0.0


class TestVolumeTiming:
    def test_there_is_no_repetition_time_and_rows_have_their_own(self):
        write("data/task-rest_bold.json", VolumeTiming=UNEVEN)
        sidecar = extract("--tidy", "tsv.gz", "--discard_scans", "1")
        assert [sidecar[key] for key in ("RepetitionTime", "RepetitionTimeSource", "SamplingFrequency")] == [None] * 3
        assert (sidecar["StartTime"], sidecar["VolumeTiming"]) == (UNEVEN[1], UNEVEN[1:])
        assert times_in() == UNEVEN[1:]

    def test_start_time_shifts_all_volumes(self):
        write("data/task-rest_bold.json", VolumeTiming=UNEVEN, StartTime=0.5)
        extract("--tidy", "tsv.gz")
        assert times_in() == [time + 0.5 for time in UNEVEN]

    def test_without_it_the_sidecar_has_none(self):
        assert extract()["VolumeTiming"] is None

    @pytest.mark.parametrize(
        ("times", "apart", "way_out"),
        [
            (UNEVEN, "2 to 3 s", "leave the filter out, or leave this run out"),
            (EVEN, "2.5 to 2.5 s", "give --t_r 2.5"),
        ],
        ids=["uneven", "even"],
    )
    def test_filter_fails_the_run_and_says_why(self, capsys, times, apart, way_out):
        write("data/task-rest_bold.json", VolumeTiming=times)
        extract("--low_pass", "0.1", code=1)
        assert (
            f"{IMAGE}: VolumeTiming in the image's JSON file gives times of volumes ({apart} apart) and no repetition "
            f"time; --high_pass and --low_pass need evenly spaced volumes: {way_out}."
        ) in capsys.readouterr().err

    def test_t_r_that_is_the_distance_of_all_volumes_is_accepted(self):
        write("data/task-rest_bold.json", VolumeTiming=EVEN)
        sidecar = extract("--low_pass", "0.1", "--t_r", "2.5", "--tidy", "tsv.gz")
        assert (sidecar["RepetitionTime"], sidecar["RepetitionTimeSource"]) == (2.5, "t_r")
        assert times_in() == EVEN

    def test_other_t_r_fails_the_run(self, capsys):
        write("data/task-rest_bold.json", VolumeTiming=UNEVEN)
        extract("--t_r", "2", code=1)
        assert (
            f"{IMAGE}: --t_r is 2 s, but VolumeTiming in the image's JSON file places volumes 2 to 3 s apart; "
            "leave --t_r out."
        ) in capsys.readouterr().err

    def test_trend_over_uneven_volumes_warns(self, capsys):
        write("data/task-rest_bold.json", VolumeTiming=UNEVEN)
        extract("--detrend")
        assert capsys.readouterr().err == (
            "niimasker: warning: --detrend fits a line as if volumes were evenly spaced, but VolumeTiming places them "
            f"2 to 3 s apart. ({STEM})\n"
        )

    def test_repetition_time_beside_it_is_not_used(self, capsys):
        write("data/task-rest_bold.json", VolumeTiming=UNEVEN, RepetitionTime=2.0)
        assert extract()["RepetitionTime"] is None
        assert capsys.readouterr().err == (
            "niimasker: warning: task-rest_bold.json: RepetitionTime is not used, because VolumeTiming gives the time "
            f"of each volume. ({STEM})\n"
        )

    @pytest.mark.parametrize(
        ("times", "found"),
        [
            (UNEVEN[1:], "59 values"),
            ([*UNEVEN, 200.0], "61 values"),
            ([*UNEVEN[:-1], UNEVEN[-2]], "60 values"),
            ([*UNEVEN[:-1], "last"], "60 values"),
            (2.0, "no list"),
        ],
        ids=["short", "long", "not ascending", "text", "number"],
    )
    def test_times_that_do_not_fit_fail_the_run(self, capsys, times, found):
        write("data/task-rest_bold.json", VolumeTiming=times)
        extract(code=1)
        assert (
            f"task-rest_bold.json: VolumeTiming holds {found}; expected 60, a time in seconds for each volume of the "
            "image, each later than the one before; correct it, or leave it out and give RepetitionTime."
        ) in capsys.readouterr().err
