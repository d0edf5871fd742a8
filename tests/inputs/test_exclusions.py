"""--exclude leaves out the runs that it names, and nothing else."""

from __future__ import annotations

import pytest
from bids_trees import touch_tree

from niimasker.errors import RunsError
from niimasker.inputs.input_images import find_images
from niimasker.options.merging import make_settings

RUNS = [f"sub-{sub}_ses-{ses}_task-{task}" for sub in ("01", "02", "12") for ses in "12" for task in ("go", "rest")]


def choose(inputs, *exclude, **options):
    given = {
        "output_dir": "out",
        "input_files": str(inputs),
        "roi_file": "atlas.nii",
        "exclude": list(map(str, exclude)),
    }
    return find_images(make_settings({**given, **options}))


def listed(*inputs, **options):
    return ["_".join(image.path.name.split("_")[:3]) for image in choose(*inputs, **options).images]


def refused(inputs, *exclude, **options):
    with pytest.raises(RunsError) as caught:
        listed(inputs, *exclude, **options)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    touch_tree(tmp_path / "prep", RUNS)
    return tmp_path / "prep"


@pytest.mark.parametrize(
    ("exclude", "is_left_out"),
    [
        (["sub-02"], lambda run: "sub-02" in run),
        (["sub-02", "sub-12_ses-2"], lambda run: "sub-02" in run or "sub-12_ses-2" in run),
        (["sub-12_task-rest_ses-1"], lambda run: run == "sub-12_ses-1_task-rest"),
        (["sub-0*_ses-2"], lambda run: "sub-0" in run and "ses-2" in run),
        (["task-go"], lambda run: "task-go" in run),
        (
            ["sub-01_ses-1_task-go_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"],
            lambda run: run == "sub-01_ses-1_task-go",
        ),
    ],
)
@pytest.mark.parametrize("inputs", ["", "sub-*/ses-*/func/*_space-MNI*_desc-preproc_bold.nii.gz"])
def test_runs_with_the_entities_are_left_out(folder, exclude, is_left_out, inputs):
    assert listed(folder / inputs, *exclude) == [run for run in RUNS if not is_left_out(run)]


@pytest.mark.parametrize(
    ("exclude", "options", "names"),
    [
        (
            ["sub-02_ses-1", "sub-12_task-go"],
            {},
            ["sub-02_ses-1_task-go", "sub-02_ses-1_task-rest", "sub-12_ses-1_task-go", "sub-12_ses-2_task-go"],
        ),
        (["sub-02"], {"task": "rest"}, ["sub-02_ses-1", "sub-02_ses-2"]),
        # The filter leaves this run out already.
        (["sub-02_task-go"], {"task": "rest"}, []),
        ([], {}, []),
    ],
)
def test_runs_that_are_left_out_are_named_by_what_differs(folder, exclude, options, names):
    assert list(choose(folder, *exclude, **options).left_out) == names


def test_versions_of_a_run_that_is_left_out_have_one_name(folder):
    for path in list(folder.rglob("*_bold.nii.gz")):
        path.with_name(path.name.replace("MNI152NLin2009cAsym", "MNI152NLin6Asym")).touch()
    left_out = choose(folder, "sub-02_ses-1", space="MNI152NLin6Asym", task="go").left_out
    assert left_out == ("sub-02_ses-1",)


def test_images_without_entities_are_named_by_their_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.nii.gz").touch()
    (tmp_path / "ratings.tsv").write_text(f"image\trating\n{tmp_path}/a.nii.gz\tleave\n{tmp_path}/b.nii.gz\tkeep\n")
    assert choose(tmp_path / "*.nii.gz", tmp_path / "ratings.tsv").left_out == ("a",)


def test_a_file_lists_runs(folder, tmp_path):
    (tmp_path / "bad.txt").write_text("# too much motion\nsub-02\n\n sub-12_ses-2 \n")
    assert listed(folder, tmp_path / "bad.txt", "sub-01_ses-1") == [
        *("sub-01_ses-2_task-go", "sub-01_ses-2_task-rest"),
        *("sub-12_ses-1_task-go", "sub-12_ses-1_task-rest"),
    ]


def test_runs_that_are_not_chosen_may_be_excluded_too(folder):
    assert listed(folder, "sub-02_task-rest", "sub-12", task="go", session="1") == [
        "sub-01_ses-1_task-go",
        "sub-02_ses-1_task-go",
    ]


def test_exclusion_that_fits_nothing_is_an_error(folder):
    assert refused(folder, "sub-02", "sub-2") == (
        "--exclude: no image of --input_files has the entities of sub-2; correct or remove it."
    )
    assert refused(folder, "sub-2", "sub-12_ses-3") == (
        "--exclude: no image of --input_files has the entities of sub-2, sub-12_ses-3; correct or remove them."
    )


def test_what_is_no_entities_is_an_error(folder, tmp_path):
    assert refused(folder, "07") == (
        "--exclude: 07 is neither entities of runs, such as sub-07_ses-2, nor a file that lists them; correct it."
    )
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\nsub-01\t30\n")
    assert refused(folder, path) == (
        f"--exclude: {path}, line 1: 'participant_id\\tage' is not entities of runs, such as sub-07_ses-2; correct it."
    )
    path.write_text("\n# none\n")
    assert refused(folder, path) == (
        f"--exclude: {path} lists nothing; expected entities of runs, such as sub-07_ses-2, one on each line."
    )


def test_excluding_all_is_an_error(folder):
    assert refused(folder, "sub-*") == "--exclude leaves no image of --input_files; exclude fewer runs."
