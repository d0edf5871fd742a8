"""The look-up tables of BIDS: which one belongs to an image, and what becomes of its names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from images import make_labels, make_series, save

from niimasker.cli import main
from niimasker.errors import RegionsError
from niimasker.regions.names.bids_tables import find_lookup_table

LABELS = make_labels((1, 2, 5))
TABLE = "index\tname\tcolor\n0\tx\t#000000\n1\ta\t#00ff00\n2\tb\t#0000ff\n5\tc\t#ff0000\n77\td\t#ffff00\n"
TEMPLATEFLOW = "tpl-MNI152NLin2009cAsym_{}atlas-Schaefer2018_desc-200Parcels7Networks_dseg"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TABLE, encoding="utf-8")


def find(*images: str) -> str | None:
    found = find_lookup_table(*map(Path, images))
    return None if found is None else found.relative_to(Path.cwd()).as_posix()


class TestSearch:
    @pytest.mark.parametrize(
        ("image", "table"),
        [
            (f"{TEMPLATEFLOW.format('res-02_')}.nii.gz", f"{TEMPLATEFLOW.format('')}.tsv"),
            ("atlas-4S156Parcels_space-MNI152NLin6Asym_res-01_dseg.nii.gz", "atlas-4S156Parcels_dseg.tsv"),
            ("atlases/tpl-X_atlas-DiFuMo_res-2_probseg.nii.gz", "atlases/tpl-X_atlas-DiFuMo_probseg.tsv"),
            ("tpl-X_dseg.nii", "dseg.tsv"),
        ],
    )
    def test_table_beside_the_image_is_found(self, image, table):
        write(table)
        assert find(image) == table

    @pytest.mark.parametrize(
        ("left", "table"),
        [
            ("atlas-X_hemi-L_space-fsLR_dseg.label.gii", "atlas-X_dseg.tsv"),
            ("atlas-X_hemi-L_dseg.label.gii.gz", "dseg.tsv"),
            ("lh.X_dseg.annot", "X_dseg.tsv"),
            ("atlas-X.L.32k_dseg.label.gii", "atlas-X.32k_dseg.tsv"),
            ("atlas-X_den-91k_dseg.dlabel.nii", "atlas-X_dseg.tsv"),
        ],
    )
    def test_table_without_hemisphere_serves_either_and_both(self, left, table):
        write(table)
        right = left.replace("hemi-L", "hemi-R").replace("lh.", "rh.").replace(".L.", ".R.")
        assert [find(left), find(right), find(left, right)] == [table] * 3

    def test_table_of_one_hemisphere_serves_that_alone(self):
        write("atlas-X_hemi-L_dseg.tsv")
        left, right = (f"atlas-X_hemi-{side}_dseg.label.gii" for side in "LR")
        assert [find(left), find(right), find(left, right)] == ["atlas-X_hemi-L_dseg.tsv", None, None]
        write("atlas-X_dseg.tsv")
        assert find(left) == "atlas-X_hemi-L_dseg.tsv"
        assert find(right) == find(left, right) == "atlas-X_dseg.tsv"

    def test_each_segmentation_of_fmriprep_has_its_own_in_the_derivatives_root(self):
        write("fmriprep/dataset_description.json", "fmriprep/desc-aparcaseg_dseg.tsv", "fmriprep/desc-aseg_dseg.tsv")
        for each in ("aparcaseg", "aseg"):
            image = f"fmriprep/sub-01/func/sub-01_task-rest_space-T1w_desc-{each}_dseg.nii.gz"
            assert find(image) == f"fmriprep/desc-{each}_dseg.tsv"

    def test_folders_above_the_dataset_are_not_searched(self):
        write("dseg.tsv", "ds/dataset_description.json")
        assert find("ds/sub-01/anat/sub-01_dseg.nii.gz") is None

    def test_outside_of_a_dataset_only_the_images_folder_is_searched(self):
        write("atlases/dseg.tsv")
        assert find("atlases/more/tpl-X_dseg.nii.gz") is None

    @pytest.mark.parametrize(
        "table",
        [
            "tpl-Y_dseg.tsv",
            "tpl-X_desc-other_dseg.tsv",
            "tpl-X_probseg.tsv",
            "tpl-X_regions.tsv",
            "tpl-X_dseg.csv",
            "tpl-X_dseg.json",
            "._tpl-X_dseg.tsv",
        ],
    )
    def test_table_of_something_else_is_not_taken(self, table):
        write(table)
        assert find("tpl-X_res-2_dseg.nii.gz") is None

    @pytest.mark.parametrize("table", ["schaefer_dseg.tsv", "atlas-v1.2_dseg.tsv", "olddseg.tsv", "tpl-X_old_dseg.tsv"])
    def test_words_that_are_no_entities_tell_tables_apart(self, table):
        write(table)
        assert find("tpl-X_aal_dseg.nii.gz") is None
        assert find(table.replace(".tsv", ".nii.gz")) == (None if table == "olddseg.tsv" else table)

    @pytest.mark.parametrize("image", ["atlas.nii.gz", "tpl-X_atlas.nii.gz", "sub-01_desc-brain_mask.nii.gz"])
    def test_image_that_is_no_segmentation_of_bids_has_none(self, image):
        write("atlas.tsv", "tpl-X_atlas.tsv", "sub-01_desc-brain_mask.tsv", "dseg.tsv")
        assert find(image) is None

    def test_most_entities_win_in_the_nearest_folder(self):
        write("ds/dataset_description.json", "ds/sub-1_desc-x_dseg.tsv", "ds/sub-1/dseg.tsv", "ds/sub-1/sub-1_dseg.tsv")
        assert find("ds/sub-1/sub-1_desc-x_dseg.nii.gz") == "ds/sub-1/sub-1_dseg.tsv"

    def test_two_that_fit_equally_well_are_named(self):
        write("tpl-X_dseg.tsv", "desc-a_dseg.tsv")
        with pytest.raises(
            RegionsError, match=r"tpl-X_desc-a_dseg\.nii: .*desc-a_dseg\.tsv and .*tpl-X_dseg\.tsv.*--labels"
        ):
            find("tpl-X_desc-a_dseg.nii")

    def test_links_of_datalad_are_searched_where_they_are(self):
        write("ds/tpl-X_dseg.tsv", "store/key")
        Path("ds/tpl-X_res-2_dseg.nii").symlink_to(Path("store/key").absolute())
        assert find("ds/tpl-X_res-2_dseg.nii") == "ds/tpl-X_dseg.tsv"


@pytest.fixture
def run(capsys):
    """A function that extracts one image by an atlas and returns exit code, what is said, and the table's columns."""
    save(Path("bold.nii"), make_series(LABELS), t_r=2.0)

    def extract(*words, roi=("tpl-X_res-2_dseg.nii",)):
        code = main(["out", "-i", "bold.nii", "-r", *roi, "--no_report", *words])
        path = Path("out/bold_timeseries.tsv")
        header = path.read_text("utf-8").splitlines()[0].split("\t") if path.is_file() else None
        return code, capsys.readouterr().err, header

    return extract


@pytest.fixture
def atlas() -> None:
    """An atlas with its table."""
    save(Path("tpl-X_res-2_dseg.nii"), LABELS)
    write("tpl-X_dseg.tsv")


@pytest.mark.usefixtures("atlas")
class TestNames:
    def test_found_table_names_the_columns(self, run):
        assert run() == (0, "", ["a", "b", "c"])

    def test_labels_win(self, run):
        assert run("--labels", "x", "y", "z") == (0, "", ["x", "y", "z"])

    def test_without_a_table_the_index_names(self, run):
        Path("tpl-X_dseg.tsv").unlink()
        assert run() == (0, "", ["roi 1", "roi 2", "roi 5"])

    def test_table_is_told_with_v_and_in_a_dry_run(self, run, capsys):
        table_path = Path("tpl-X_dseg.tsv").absolute()
        joined = "read as a table separated by tabs, joined by column index: 1 a, 2 b, 5 c"
        assert f"tpl-X_res-2_dseg.nii: names from {table_path}, {joined}" in run("-v")[1]
        assert main(["out", "-i", "bold.nii", "-r", "tpl-X_res-2_dseg.nii", "--dry_run"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert f"tpl-X_res-2_dseg.nii: 3 regions, names from {table_path}, {joined}" in lines

    @pytest.mark.parametrize("words", [(), ("--labels", "names.txt")])
    def test_sidecar_has_the_table_among_its_sources(self, run, words):
        Path("names.txt").write_text("1 a 0 0 0 0\n2 b 0 0 0 0\n5 c 0 0 0 0\n")
        path = Path(words[1]) if words else Path("tpl-X_dseg.tsv").absolute()
        assert run(*words)[0] == 0
        source = json.loads(Path("out/bold_timeseries.json").read_text())["Sources"]["Names"]
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert source == {
            "Path": str(path),
            "Bytes": len(content),
            "SHA256": digest,
            "Format": "a colour table of FreeSurfer" if words else "a table separated by tabs",
            "JoinedBy": "index" if words else "column index",
            "FirstNames": "1 a, 2 b, 5 c",
        }

    def test_sidecar_without_a_table_of_names_has_no_such_source(self, run):
        run("--labels", "x", "y", "z")
        assert "Names" not in json.loads(Path("out/bold_timeseries.json").read_text())["Sources"]

    def test_report_lists_the_table_of_each_atlas(self):
        save(Path("bold.nii"), make_series(LABELS), t_r=2.0)
        save(Path("tpl-Y_dseg.nii"), LABELS)
        write("tpl-Y_dseg.tsv")
        assert main(["out", "-i", "bold.nii", "-r", "tpl-X_res-2_dseg.nii", "tpl-Y_dseg.nii"]) == 0
        page = Path("out/reports/bold_report.html").read_text("utf-8")
        assert "Names (tpl-X_res-2_dseg)" in page
        assert page.count("Read as a table separated by tabs, joined by column index: 1 a, 2 b, 5 c") == 2
        assert "Names (tpl-Y_dseg)" in page

    def test_resume_does_a_run_again_when_a_name_changes(self, run, capsys):
        run()
        assert main(["out", "-i", "bold.nii", "-r", "tpl-X_res-2_dseg.nii", "--no_report", "--resume"]) == 0
        assert "0 runs done, 1 skipped" in capsys.readouterr().out
        Path("tpl-X_dseg.tsv").write_text(TABLE.replace("\ta\t", "\tA\t"))
        assert run("--resume")[2] == ["A", "b", "c"]

    def test_region_without_a_row_is_an_error_that_names_both_files(self, run):
        Path("tpl-X_dseg.tsv").write_text("index\tname\n1\ta\n2\tb\n")
        code, said, header = run()
        assert (code, header) == (2, None)
        assert all(
            words in said for words in ("tpl-X_dseg.tsv", "tpl-X_res-2_dseg.nii has 3 regions; index 5", "--labels")
        )

    def test_table_that_cannot_be_used_says_why_it_is_read(self, run):
        Path("tpl-X_dseg.tsv").write_text("index\tcolor\n1\t#000000\n")
        code, said, _ = run()
        assert code == 2
        assert all(
            words in said for words in ("no column of names", "the look-up table of tpl-X_res-2_dseg.nii", "--labels")
        )

    def test_voxels_of_a_mask_need_no_table(self, run):
        save(Path("tpl-X_res-2_dseg.nii"), (LABELS == 5).astype(np.int16) * 9)
        code, said, header = run("--as_voxels")
        assert (code, said, header[0]) == (0, "", "voxel 0")

    def test_maps_are_named_by_their_table(self, run):
        maps = np.stack([index == LABELS for index in (1, 2, 5)], axis=-1).astype(np.float32)
        save(Path("tpl-X_res-2_probseg.nii"), maps)
        Path("tpl-X_probseg.tsv").write_text("Component\tDifumo_names\n3\tc\n1\ta\n2\tb\n")
        assert run(roi=["tpl-X_res-2_probseg.nii"]) == (0, "", ["a", "b", "c"])

    def test_several_atlases_take_a_color_table_each(self, run):
        save(Path("other.nii"), LABELS)
        Path("lut.txt").write_text("1 q 0 0 0 0\n2 r 0 0 0 0\n5 s 0 0 0 0\n")
        code, said, _ = run("--labels", "lut.txt", "tpl-X_dseg.tsv", roi=["other.nii", "tpl-X_res-2_dseg.nii"])
        assert (code, said) == (0, "")
        headers = [
            Path(f"out/bold_atlas-{key}_timeseries.tsv").read_text().splitlines()[0]
            for key in ("other", "tpl-X_res-2_dseg")
        ]
        assert headers == ["q\tr\ts", "a\tb\tc"]
