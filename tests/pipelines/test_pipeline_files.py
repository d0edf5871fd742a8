"""Names of the files of pipelines in each layout, and what their JSON files say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cleaned_studies import PIPELINES, WORDS
from pipeline_tables import call, label_of, results_in, sidecars_of, write_pipelines

pytestmark = pytest.mark.usefixtures("study")
LABELS = {name: label_of(name) for name in PIPELINES}
IMAGES = ("sub-01_task-rest_bold", "sub-02_task-rest_bold")


def process(*words: object, output: str = "out", code: int = 0, pipelines=PIPELINES):
    """Process the study with pipelines."""
    result = call(output, *WORDS, "--pipelines", write_pipelines("pipelines.json", pipelines), *words)
    assert result.code == code, result
    return result


def tables(output: str = "out") -> set[str]:
    return {path for path in results_in(output) if path.endswith(".tsv")}


# The tables of each pipeline, by whether there is one for each atlas.
PER_ATLAS = {"raw": ("timeseries", "regions"), "6P+filter": ("timeseries", "regions")}
PER_ATLAS["scrubbing.5"] = ("timeseries", "regions", "connectivity-pearson_relmat")
PER_RUN = {"raw": (), "6P+filter": ("regressors",), "scrubbing.5": ("regressors", "outliers")}


class TestNames:
    def test_flat(self):
        process()
        assert tables() == {
            f"{image}_desc-{LABELS[name]}_{ending}.tsv"
            for image in IMAGES
            for name in PIPELINES
            for ending in PER_ATLAS[name] + PER_RUN[name]
        }

    def test_two_atlases(self):
        process("-r", "atlas.nii", "mask.nii")
        of_atlases = {
            f"{image}_desc-{LABELS[name]}_atlas-{atlas}_{ending}.tsv"
            for image in IMAGES
            for name in PIPELINES
            for atlas in ("atlas", "mask")
            for ending in PER_ATLAS[name]
        }
        of_runs = {
            f"{image}_desc-{LABELS[name]}_{ending}.tsv"
            for image in IMAGES
            for name in PIPELINES
            for ending in PER_RUN[name]
        }
        assert tables() == of_atlases | of_runs

    def test_mirror(self):
        for number in (1, 2):
            folder = Path(f"in/s{number}")
            folder.mkdir(parents=True)
            for path in Path().glob(f"sub-0{number}_*"):
                shutil.move(path, folder / path.name)
        process("-i", "in/*/*_bold.nii", "--output_layout", "mirror")
        assert tables() == {
            f"s{number}/{image}_desc-{LABELS[name]}_{ending}.tsv"
            for number, image in enumerate(IMAGES, 1)
            for name in PIPELINES
            for ending in PER_ATLAS[name] + PER_RUN[name]
        }

    def test_same_names_in_mirrored_folders(self):
        for name in ("a", "b"):
            Path(name).mkdir()
            for path in Path().glob("sub-01_*"):
                shutil.copy(path, Path(name, path.name))
        process("-i", "?/sub-01_*_bold.nii", "--output_layout", "mirror")
        assert {Path(path).parts[0] for path in tables()} == {"a", "b"}
        assert len(tables()) == 2 * (2 + 3 + 5)

    def test_bids(self):
        process("--output_layout", "bids")
        found = tables() - {"atlas-atlas_dseg.tsv"}
        names = {"timeseries": "atlas-atlas_stat-mean_{}_timeseries", "regions": "atlas-atlas_stat-coverage_{}_bold"}
        names |= {"connectivity-pearson_relmat": "atlas-atlas_stat-pearsoncorrelation_{}_relmat"}
        names |= {"regressors": "{}_design", "outliers": "{}_outliers"}
        assert found == {
            f"sub-{number}/func/sub-{number}_task-rest_{names[ending].format(f'desc-{LABELS[name]}')}.tsv"
            for number in ("01", "02")
            for name in PIPELINES
            for ending in PER_ATLAS[name] + PER_RUN[name]
        }

    def test_bids_replaces_preproc(self):
        for path in list(Path().glob("sub-0*")):
            path.rename(path.name.replace("_bold", "_space-T_desc-preproc_bold"))
        process("--output_layout", "bids")
        found = {path for path in tables() if path.endswith("timeseries.tsv")}
        assert found == {
            f"sub-{number}/func/sub-{number}_task-rest_space-T_atlas-atlas_stat-mean_desc-{label}_timeseries.tsv"
            for number in ("01", "02")
            for label in LABELS.values()
        }

    def test_flat_keeps_the_images_desc(self):
        for path in list(Path().glob("sub-0*")):
            path.rename(path.name.replace("_bold", "_desc-preproc_bold"))
        process(pipelines={"raw": {}})
        assert "sub-01_task-rest_desc-preproc_bold_desc-raw_timeseries.tsv" in tables()

    @pytest.mark.parametrize("layout", ["flat", "mirror", "bids"])
    def test_images_that_differ_in_desc_alone_stay_apart_or_are_refused(self, layout):
        shutil.copy("sub-01_task-rest_bold.nii", "sub-01_task-rest_desc-smooth_bold.nii")
        file = write_pipelines("pipelines.json", PIPELINES)
        words = ["-i", "sub-01_*_bold.nii", "-r", "atlas.nii", "--output_layout", layout, "--no_report"]
        result = call("out", *words, "--pipelines", file)
        if result.code == 2:
            assert len(result.failures) == 1
            assert not tables()
            return
        assert result.code == 0, result
        found = [path for path in tables() if path.endswith("_timeseries.tsv")]
        assert len(found) == 2 * len(PIPELINES)

    def test_images_desc_and_pipeline_of_one_name_are_refused(self):
        """The desc- of an image and a pipeline, put together, may be the name of another pipeline."""
        shutil.copy("sub-01_task-rest_bold.nii", "sub-01_task-rest_desc-smooth_bold.nii")
        file = write_pipelines("pipelines.json", {"raw": {}, "smooth+raw": {"detrend": True}})
        words = ["-i", "sub-01_*_bold.nii", "-r", "atlas.nii", "--output_layout", "bids", "--no_report"]
        result = call("out", *words, "--pipelines", file)
        if result.code == 0:
            assert len([path for path in tables() if path.endswith("_timeseries.tsv")]) == 4
        else:
            assert (result.code, len(result.failures)) == (2, 1)

    def test_tables_are_those_of_the_flat_layout(self):
        process()
        process("--output_layout", "bids", output="bids")
        for label in LABELS.values():
            path = f"sub-02/func/sub-02_task-rest_atlas-atlas_stat-mean_desc-{label}_timeseries.tsv"
            flat = Path("out", f"sub-02_task-rest_bold_desc-{label}_timeseries.tsv")
            assert Path("bids", path).read_bytes() == flat.read_bytes()


class TestSidecars:
    @pytest.mark.parametrize("words", [[], ["-r", "atlas.nii", "mask.nii"]], ids=["one atlas", "two"])
    def test_name_and_own_settings(self, words):
        process(*words, "--high_pass", "0.01")
        for name, cleaning in PIPELINES.items():
            sidecars = sidecars_of("out", name)
            assert len(sidecars) == 2 * max(1, len(words) - 1)
            for sidecar in sidecars:
                assert sidecar["Pipeline"] == name
                assert sidecar["Settings"]["high_pass"] == 0.01
                for option, value in cleaning.items():
                    assert sidecar["Settings"][option] == value

    def test_files_it_lists_are_its_own(self):
        process()
        for name in PIPELINES:
            for sidecar in sidecars_of("out", name):
                assert all(f"_desc-{LABELS[name]}_" in path for path in sidecar["Files"])
                assert sidecar["Output"].endswith(f"_desc-{LABELS[name]}")
