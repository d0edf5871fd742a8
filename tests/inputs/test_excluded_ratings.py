"""--exclude with the table of ratings that the index page saves."""

from __future__ import annotations

import pytest
from bids_trees import touch_tree

from niimasker.errors import RunsError
from niimasker.inputs.input_images import find_images
from niimasker.options.merging import make_settings

RUNS = [f"sub-{sub}_task-{task}" for sub in ("01", "02") for task in ("go", "rest")]
ENDING = "_space-MNI152NLin2009cAsym_desc-preproc_bold"
HEADER = "output\timage\trating\tnote\trated_at\n"


def listed(inputs, *exclude):
    given = {
        "output_dir": "out",
        "input_files": list(map(str, inputs)),
        "roi_file": "atlas.nii",
        "exclude": list(map(str, exclude)),
    }
    return [path.name for image in find_images(make_settings(given)).images for path in image.paths]


def refused(inputs, *exclude):
    with pytest.raises(RunsError) as caught:
        listed(inputs, *exclude)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    touch_tree(tmp_path / "prep", RUNS)
    return tmp_path / "prep"


@pytest.fixture
def rate(tmp_path):
    """A function that writes a table of (image, rating) or (image, rating, output)."""

    def run(*rows, name="ratings.tsv"):
        path = tmp_path / name
        texts = [f"{output[0] if output else 'run'}\t{image}\t{rating}\tn/a\tn/a\n" for image, rating, *output in rows]
        path.write_text(HEADER + "".join(texts), encoding="utf-8")
        return path

    return run


def image_of(folder, run):
    return folder / run.partition("_")[0] / "func" / f"{run}{ENDING}.nii.gz"


def test_runs_rated_leave_are_left_out(folder, rate):
    table = rate(*((image_of(folder, run), word) for run, word in zip(RUNS, ("keep", "leave", "n/a", ""), strict=True)))
    assert listed([folder], table) == [f"{run}{ENDING}.nii.gz" for run in RUNS if run != RUNS[1]]


def test_it_stands_beside_entities_and_lists(folder, rate, tmp_path):
    (tmp_path / "bad.txt").write_text("sub-02_task-go\n")
    table = rate((image_of(folder, RUNS[0]), "leave"))
    assert listed([folder], table, tmp_path / "bad.txt") == [f"{RUNS[k]}{ENDING}.nii.gz" for k in (1, 3)]


@pytest.mark.parametrize("rows", [(), (("x/sub-01_task-go_bold.nii.gz", "n/a"),)])
def test_table_without_ratings_leaves_nothing_out(folder, rate, rows):
    assert len(listed([folder], rate(*rows))) == 4


def test_table_without_a_run_to_leave_out_leaves_nothing_out(folder, rate):
    assert len(listed([folder], rate((image_of(folder, RUNS[0]), "keep")))) == 4


@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
def test_table_that_a_spreadsheet_saved_is_read(folder, tmp_path, delimiter):
    image = image_of(folder, RUNS[1])
    rows = [("output", "image", "Rating", "note"), ("x", f'"{image}"', "LEAVE", '"a; b, ""c"""'), ("", "", "", "")]
    path = tmp_path / "ratings.csv"
    path.write_bytes("".join(f"{delimiter.join(row)}\r\n" for row in rows).encode("utf-8-sig"))
    assert len(listed([folder], path)) == 3


def test_images_of_another_study_are_an_error(folder, rate):
    table = rate(("/data/sub-77/func/sub-77_bold.nii.gz", "leave"), ("/data/sub-78/func/sub-78_bold.nii.gz", "keep"))
    assert refused([folder], table) == (
        f"--exclude: no image that {table} rates is among those of --input_files, such as "
        "/data/sub-77/func/sub-77_bold.nii.gz; give the ratings of this study."
    )


def test_rated_images_that_are_not_given_raise_a_warning(folder, rate):
    table = rate((image_of(folder, RUNS[0]), "keep"), (image_of(folder, RUNS[2]), "leave"))
    with pytest.warns(UserWarning, match=r"1 run that .*ratings.tsv rates leave cannot be left out, because the image"):
        assert len(listed([folder / "sub-01" / "func" / "*_space-MNI*_bold.nii.gz"], table)) == 2


class TestPaths:
    def test_relative_paths_are_those_of_this_folder_or_of_an_earlier_one(self, folder, rate, monkeypatch):
        relative = image_of(folder, RUNS[0]).relative_to(folder.parent)
        table = rate((relative, "leave"))
        assert len(listed([folder], table)) == 3  # from another folder
        monkeypatch.chdir(folder.parent)
        assert len(listed(["prep"], table)) == 3

    def test_name_without_a_folder_is_that_in_this_folder(self, tmp_path, rate, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("a.nii.gz", "b.nii.gz"):
            (tmp_path / name).touch()
        assert listed(["a.nii.gz", "b.nii.gz"], rate(("a.nii.gz", "leave"))) == ["b.nii.gz"]

    def test_images_that_have_moved_are_found_by_their_names_with_a_warning(self, folder, rate):
        table = rate((f"/elsewhere/func/{RUNS[0]}{ENDING}.nii.gz", "leave"))
        with pytest.warns(UserWarning, match="rates images that lie elsewhere now"):
            assert len(listed([folder], table)) == 3

    def test_paths_of_windows_are_read(self, folder, rate):
        table = rate((rf"C:\data\func\{RUNS[0]}{ENDING}.nii.gz", "leave"))
        with pytest.warns(UserWarning, match="lie elsewhere"):
            assert len(listed([folder], table)) == 3

    def test_same_names_are_told_apart_by_their_folders(self, tmp_path, rate):
        for run in ("run-01", "run-02"):
            (tmp_path / run).mkdir()
            (tmp_path / run / "bold.nii.gz").touch()
        images = [tmp_path / run / "bold.nii.gz" for run in ("run-01", "run-02")]
        with pytest.warns(UserWarning, match="lie elsewhere"):
            left = [str(image) for image in _paths(images, rate(("/old/run-02/bold.nii.gz", "leave")))]
        assert left == [str(images[0])]
        assert "no image that" in refused(images, rate(("/old/run-03/bold.nii.gz", "leave")))

    def test_several_images_that_fit_alike_are_an_error(self, tmp_path, rate):
        for version in ("v1", "v2"):
            touch_tree(tmp_path / version, RUNS[:1])
        images = [image_of(tmp_path / version, RUNS[0]) for version in ("v1", "v2")]
        message = refused(images, rate((f"/old/{RUNS[0].partition('_')[0]}/func/{images[0].name}", "leave")))
        assert "several images of --input_files have its name" in message
        assert _paths(images, rate((images[1], "leave"))) == [images[0]]


def _paths(images, table):
    settings = make_settings(
        {"output_dir": "out", "input_files": list(map(str, images)), "roi_file": "a.nii", "exclude": [str(table)]}
    )
    return [image.path for image in find_images(settings).images]


class TestPipelines:
    def test_image_that_one_pipeline_s_run_is_rated_leave_is_left_out(self, folder, rate):
        image = image_of(folder, RUNS[0])
        assert len(listed([folder], rate((image, "leave", "a_desc-24P"), (image, "n/a", "a_desc-36P")))) == 3
        assert len(listed([folder], rate((image, "leave", "a_desc-24P"), (image, "leave", "a_desc-36P")))) == 3

    def test_runs_of_one_image_that_are_rated_differently_are_an_error(self, folder, rate):
        image = image_of(folder, RUNS[0])
        table = rate((image, "leave", "a_desc-24P"), (image, "keep", "a_desc-36P"))
        assert refused([folder], table) == (
            f"--exclude: {table} rates runs of one image both keep (a_desc-36P) and leave (a_desc-24P), but an image "
            "is left out of all pipelines or of none; rate them alike."
        )


class TestHemispheres:
    @pytest.fixture
    def surfaces(self, tmp_path):
        paths = [tmp_path / f"sub-0{k}_hemi-{side}_bold.func.gii" for k in (1, 2) for side in "LR"]
        for path in paths:
            path.touch()
        return paths

    def test_left_one_stands_for_both(self, surfaces, rate):
        assert listed(surfaces, rate((surfaces[0], "leave"))) == [path.name for path in surfaces[2:]]

    def test_each_may_be_rated_by_itself(self, surfaces, rate):
        table = rate((surfaces[0], "leave"), (surfaces[1], "keep"))
        assert listed(surfaces, table) == [path.name for path in surfaces[1:]]


class TestWrongTables:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (
                "output\trating\nx\tleave\n",
                "has a column rating, but none that is called image; save the",
            ),
            ("image\trating\nx.nii\tmaybe\n", "has the rating 'maybe' in row 1; expected keep, leave or n/a."),
            ("image\trating\nn/a\tleave\n", "rates no image in row 1; fill in its column image."),
            ("image\trating\n\tkeep\n", "rates no image in row 1; fill in its column image."),
        ],
    )
    def test_error_names_the_row_and_the_way_out(self, folder, tmp_path, content, message):
        path = tmp_path / "ratings.tsv"
        path.write_text(content, encoding="utf-8")
        assert f"--exclude: {path} {message}" in refused([folder], path)

    def test_leaving_all_out_is_an_error(self, folder, rate):
        table = rate(*((image_of(folder, run), "leave") for run in RUNS))
        assert refused([folder], table) == "--exclude leaves no image of --input_files; exclude fewer runs."


@pytest.mark.parametrize(
    "note",
    ['"head moved', '"well" said', "x" * 200_000],
    ids=["never closed", "text after the closing one", "longer than any cell"],
)
def test_notes_that_would_hide_other_rows_are_refused(folder, tmp_path, note):
    first, second = (image_of(folder, run) for run in RUNS[:2])
    table = tmp_path / "ratings.tsv"
    table.write_text(f"{HEADER}a\t{first}\tleave\t{note}\tn/a\nb\t{second}\tleave\tn/a\tn/a\n")
    assert f"{table} cannot be split into cells" in refused([folder], table)


def test_a_quotation_mark_within_a_note_is_a_letter(folder, tmp_path):
    first, second = (image_of(folder, run) for run in RUNS[:2])
    table = tmp_path / "ratings.tsv"
    table.write_text(f'{HEADER}a\t{first}\tleave\tby 5" off\tn/a\nb\t{second}\tleave\tn/a\tn/a\n')
    assert listed([folder], table) == [f"{run}{ENDING}.nii.gz" for run in RUNS[2:]]
