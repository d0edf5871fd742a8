from __future__ import annotations

from pathlib import Path

import pytest
from bids_trees import touch

from niimasker.errors import RunError
from niimasker.inputs.associated_files import AssociatedFiles
from niimasker.inputs.surfaces.cortex_masks import find_cortex_mask

FUNC = Path("sub-01/ses-a/func")
RUN = "sub-01_ses-a_task-rest_run-2"


def touch_pair(folder, name):
    return [touch(folder / name.format(side)) for side in "LR"]


def found(image_paths):
    return find_cortex_mask(image_paths, AssociatedFiles())


def refused(image_paths):
    with pytest.raises(RunError) as caught:
        found(image_paths)
    message = str(caught.value)
    assert message.startswith(f"{image_paths[0]}: ")
    assert message.endswith("give --mask_img.")
    assert "\n" not in message
    return message


# A run's space and the name of a mask of the same mesh.
SAME_MESH = [
    ("hemi-{}_space-fsLR_den-32k", "sub-01_ses-a_hemi-{}_space-fsLR_den-32k_desc-cortex_mask.label.gii"),
    ("space-fsLR_hemi-{}_den-32k", "sub-01_ses-a_hemi-{}_space-fsLR_den-32k_desc-cortex_mask.shape.gii"),
    ("hemi-{}_space-fsaverage5", "sub-01_hemi-{}_space-fsaverage5_desc-cortex_mask.gii"),
    ("hemi-{}_space-fsaverage5", "sub-01_ses-a_hemi-{}_space-fsaverage_den-10k_desc-cortex_mask.label.gii"),
    ("hemi-{}_space-fsaverage", "sub-01_ses-a_hemi-{}_space-fsaverage_den-164k_desc-cortex_mask.label.gii"),
    # fMRIPrep's masks are of fsnative, and may be named after the anatomical run.
    ("hemi-{}_space-fsnative", "sub-01_ses-a_hemi-{}_desc-cortex_mask.label.gii"),
    ("hemi-{}_space-fsnative", "sub-01_ses-a_acq-x_run-1_hemi-{}_desc-cortex_mask.label.gii"),
    ("hemi-{}_space-fsnative", "sub-01_ses-a_hemi-{}_space-fsnative_desc-cortex_mask.label.gii"),
]


@pytest.mark.parametrize("folder", ["sub-01/ses-a/func", "sub-01/ses-a/anat", "sub-01/anat"])
@pytest.mark.parametrize(("space", "name"), SAME_MESH)
def test_mask_of_the_same_mesh_is_found(tmp_path, folder, space, name):
    image_paths = touch_pair(tmp_path / FUNC, f"{RUN}_{space}_bold.func.gii")
    left, right = touch_pair(tmp_path / folder, name)
    assert found(image_paths) == left
    assert found(image_paths[1:]) == right


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("hemi-{}_space-fsaverage5", "sub-01_ses-a_hemi-{}_desc-cortex_mask.label.gii"),
        ("hemi-{}_space-fsLR_den-32k", "sub-01_ses-a_hemi-{}_space-fsLR_den-59k_desc-cortex_mask.label.gii"),
        ("hemi-{}_space-fsaverage", "sub-01_ses-a_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii"),
    ],
)
def test_mask_of_another_mesh_is_named_and_refused(tmp_path, space, name):
    image_paths = touch_pair(tmp_path / FUNC, f"{RUN}_{space}_bold.func.gii")
    left, _ = touch_pair(tmp_path / "sub-01/ses-a/anat", name)
    message = refused(image_paths)
    assert (
        f"no cortex mask beside it or in {tmp_path}/sub-01/ses-a/anat, {tmp_path}/sub-01/anat, only {left}" in message
    )
    assert f"expected sub-01_ses-a_{space.format('L')}_desc-cortex_mask.label.gii;" in message


@pytest.mark.parametrize(
    "name",
    [
        "sub-02_ses-a_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii",
        "sub-01_ses-b_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii",
        "sub-01_ses-a_task-rest_run-1_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii",
        "sub-01_ses-a_hemi-{}_space-fsaverage5_desc-brain_mask.label.gii",
        "sub-01_ses-a_hemi-{}_space-fsaverage5_desc-cortex_dseg.label.gii",
    ],
)
def test_mask_of_another_run_or_kind_is_not_taken(tmp_path, name):
    image_paths = touch_pair(tmp_path / FUNC, f"{RUN}_hemi-{{}}_space-fsaverage5_bold.func.gii")
    touch_pair(tmp_path / FUNC, name)
    assert "of another mesh" not in refused(image_paths)


def test_mask_of_the_run_comes_before_that_of_the_subject(tmp_path):
    image_paths = touch_pair(tmp_path / FUNC, f"{RUN}_hemi-{{}}_space-fsaverage5_bold.func.gii")
    touch_pair(tmp_path / "sub-01/anat", "sub-01_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii")
    touch_pair(tmp_path / FUNC, "sub-01_ses-a_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii")
    left, _ = touch_pair(tmp_path / FUNC, f"{RUN}_hemi-{{}}_space-fsaverage5_desc-cortex_mask.label.gii")
    assert found(image_paths) == left


def test_two_masks_are_refused(tmp_path):
    image_paths = touch_pair(tmp_path / FUNC, f"{RUN}_hemi-{{}}_space-fsaverage5_bold.func.gii")
    for kind in ("label", "shape"):
        touch_pair(tmp_path / FUNC, f"sub-01_ses-a_hemi-{{}}_space-fsaverage5_desc-cortex_mask.{kind}.gii")
    assert "more than one cortex mask: " in refused(image_paths)


def test_mask_of_one_hemisphere_is_enough_for_a_run_of_it(tmp_path):
    image_paths = touch_pair(tmp_path / FUNC, f"{RUN}_hemi-{{}}_space-fsaverage5_bold.func.gii")
    left, right = touch_pair(tmp_path / FUNC, "sub-01_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii")
    right.unlink()
    assert found(image_paths[:1]) == left
    assert f"its cortex mask {left} has no {right.name} beside it" in refused(image_paths)


def test_link_that_is_not_fetched_is_told(tmp_path):
    image_paths = touch_pair(tmp_path / FUNC, f"{RUN}_hemi-{{}}_space-fsaverage5_bold.func.gii")
    for path in touch_pair(tmp_path / FUNC, "sub-01_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii"):
        path.unlink()
        path.symlink_to("nowhere")
        assert "is a link to a file that does not exist" in refused(image_paths)
        path.unlink()
        path.touch()


def test_former_names_and_names_without_entities(tmp_path):
    image_paths = touch_pair(tmp_path, "sub-01_task-rest_bold_space-fsaverage5.{}.func.gii")
    left, _ = touch_pair(tmp_path, "sub-01_hemi-{}_space-fsaverage5_desc-cortex_mask.label.gii")
    assert found(image_paths) == left
    assert "its name has no hemisphere" in refused([touch(tmp_path / "task.func.gii")])
    assert "no cortex mask beside it" in refused(touch_pair(tmp_path / "x", "{}.rest.func.gii"))
