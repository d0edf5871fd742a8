"""Titles of runs, from the names of their images."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from images import make_labels, make_series, save

from niimasker.cli import main
from niimasker.reports.run_titles import Title, make_title

RUN = "sub-05_task-rest_run-1"
STEM = f"{RUN}_space-MNI_desc-preproc_bold"
WORDS = ["out", "-r", "atlas.nii.gz"]


@pytest.fixture
def fmriprep_folder(tmp_path, monkeypatch) -> None:
    """In the current folder, an atlas and an image in fMRIPrep's folder, with its report."""
    monkeypatch.chdir(tmp_path)
    labels = make_labels()
    save(Path("atlas.nii.gz"), labels)
    save(Path(f"fmriprep/sub-05/func/{STEM}.nii.gz"), make_series(labels), t_r=2.0)
    description = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.1.1"}]}
    Path("fmriprep/dataset_description.json").write_text(json.dumps(description))
    Path("fmriprep/sub-05.html").touch()


@pytest.mark.parametrize(
    ("image_name", "main", "rest"),
    [
        (
            "sub-05_task-rest_run-01_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz",
            "sub-05 · rest · run 1",
            "MNI152NLin2009cAsym · res-2",
        ),
        (
            "sub-05_ses-02_task-rest_acq-mb_dir-AP_run-2_echo-3_desc-optcom_whitened_bold.nii.gz",
            "sub-05 · ses-02 · rest · acq-mb · dir-AP · run 2 · echo 3",
            "optcom_whitened",
        ),
        (
            "sub-01_task-rest_space-MNIPediatricAsym_cohort-2_desc-smoothAROMAnonaggr_bold.nii",
            "sub-01 · rest",
            "MNIPediatricAsym · cohort-2 · smoothAROMAnonaggr",
        ),
        ("sub-01_task-rest_bold_space-T1w_preproc.nii.gz", "sub-01 · rest", "T1w"),
        ("sub-01_task-rest_hemi-L_space-fsnative_bold.func.gii", "sub-01 · rest", "fsnative · left hemisphere"),
        (
            "sub-01_task-rest_hemi-{L,R}_space-fsaverage5_bold.func.gii",
            "sub-01 · rest",
            "fsaverage5 · both hemispheres",
        ),
        ("sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", "sub-01 · rest", "fsLR · 91k"),
        ("sub-05_task-rest_part-mag_bold.nii.gz", "sub-05 · rest", "part-mag"),
        ("sub-05_task-rest_cbv.nii.gz", "sub-05 · rest", "cbv"),
        ("rfMRI_REST1_LR.nii.gz", "rfMRI_REST1_LR.nii.gz", ""),
        ("task-rest_run-1_bold.nii.gz", "task-rest_run-1_bold.nii.gz", ""),
    ],
)
def test_title_says_in_words_what_tells_runs_apart(image_name: str, main: str, rest: str) -> None:
    assert make_title(image_name) == Title(main, rest)


def test_pipeline_is_the_end_of_the_title() -> None:
    assert make_title("sub-05_task-rest_run-1_bold.nii.gz", "36P").main == "sub-05 · rest · run 1 · pipeline 36P"
    assert make_title("image.nii", "36P").main == "image.nii · pipeline 36P"


@pytest.mark.usefixtures("fmriprep_folder")
class TestPages:
    """Titles and links of the pages that commands write."""

    def test_page_has_title_path_and_link(self):
        assert main([*WORDS, "-i", "fmriprep"]) == 0
        page = Path(f"out/reports/{STEM}_report.html").read_text("utf-8")
        assert "<title>sub-05 · rest · run 1: region signals</title>" in page
        assert re.findall("<h1>(.*?)</h1>", page) == ["sub-05 · rest · run 1"]
        assert re.findall('<p class="title-rest">(.*?)</p>', page) == ["MNI"]
        assert f"fmriprep/sub-05/func/{STEM}.nii.gz</p>" in page
        (href,) = re.findall(r'<a href="([^"]*)">fMRIPrep&#39;s report \(sub-05.html\)</a>', page)
        assert (Path("out/reports") / href).resolve() == Path("fmriprep/sub-05.html").resolve()

    def test_page_of_a_failed_run_has_them_too(self):
        confounds = Path(f"fmriprep/sub-05/func/{RUN}_desc-confounds_timeseries.tsv")
        columns = pd.DataFrame({"csf": [1.0] * 12, "framewise_displacement": [math.nan] + [0.1] * 11})
        columns.to_csv(confounds, sep="\t", index=False, na_rep="n/a")
        assert main([*WORDS, "-i", "fmriprep", "--discard_scans", "11", "--detrend"]) == 1
        page = Path(f"out/reports/{STEM}_report.html").read_text("utf-8")
        assert "<title>sub-05 · rest · run 1: no region signals</title>" in page
        assert re.findall("<h1>(.*?)</h1>", page) == ["sub-05 · rest · run 1"]
        assert "fMRIPrep&#39;s report (sub-05.html)</a>" in page

    def test_pipelines_are_in_the_title(self):
        Path("pipelines.json").write_text('{"raw": {"regressors": "none"}}')
        assert main([*WORDS, "-i", "fmriprep", "--pipelines", "pipelines.json"]) == 0
        (page,) = Path("out/reports").glob(f"{RUN}*_report.html")
        assert "<title>sub-05 · rest · run 1 · pipeline raw: region signals</title>" in page.read_text("utf-8")
