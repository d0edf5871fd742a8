"""Runs of surfaces and grayordinates: their names, both hemispheres as one, and what belongs to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bids_trees import GENERATIONS, MNI, T1W, XCP_D, func_folder, name_files, touch, touch_surfaces, touch_tree

from niimasker.cli import main
from niimasker.errors import NiimaskerWarning, RunsError
from niimasker.inputs import runs as inputs
from niimasker.inputs.entities import read_name
from niimasker.inputs.sidecars import Sidecars, read_sidecars
from niimasker.options.merging import make_settings

RUNS = ["sub-01_task-rest", "sub-02_task-rest"]
FSLR = "{}_space-fsLR_den-{}_bold.dtseries.nii"
SURFACES = [(generation, space) for generation, names in GENERATIONS.items() for space in names.surfaces]


def find_runs(*given, **options):
    """Return the runs of files, patterns or folders, whatever the regions."""
    words = {"output_dir": "out", "input_files": list(map(str, given)), "roi_file": ["atlas.dlabel.nii"], **options}
    return inputs.find_runs(make_settings(words))


def files_of(runs):
    return [list(run.image_paths) for run in runs]


def names_of(runs):
    return [[path.name for path in run.image_paths] for run in runs]


def refused(*given, **options):
    with pytest.raises(RunsError) as caught:
        find_runs(*given, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def warned(*given, **options):
    """Return the runs and the only warning."""
    with pytest.warns(NiimaskerWarning) as caught:
        runs = find_runs(*given, **options)
    (message,) = [str(each.message) for each in caught]
    assert "\n" not in message
    return runs, message


def touch_pair(folder, name="sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii"):
    return [touch(folder / name.format(side)) for side in "LR"]


class TestFolders:
    @pytest.mark.parametrize(("generation", "space"), SURFACES)
    def test_series_of_each_generation_are_chosen_by_their_space(self, tmp_path, generation, space):
        volumes = touch_tree(tmp_path, RUNS, generation, [MNI, T1W])
        files = {each: touch_surfaces(tmp_path, RUNS, generation, each) for each in GENERATIONS[generation].surfaces}
        runs = find_runs(tmp_path, space=space, regressors="Params24")
        assert files_of(runs) == files[space]
        assert [run.confounds_path for run in runs] == [volumes[0].confounds, volumes[2].confounds]
        assert not any(run.faults for run in runs)

    @pytest.mark.parametrize("generation", GENERATIONS)
    def test_volumes_and_surfaces_without_a_choice_are_an_error_that_counts_runs(self, tmp_path, generation):
        touch_tree(tmp_path, RUNS, generation)
        spaces = GENERATIONS[generation].surfaces
        for space in spaces:
            touch_surfaces(tmp_path, RUNS, generation, space)
        message = refused(tmp_path)
        assert message.startswith(f"{tmp_path} has images in several spaces: MNI152NLin2009cAsym (2 images)")
        assert message.endswith("; choose one with --space.")
        for space in spaces:
            assert f"{space} (2 images" in message

    def test_volumes_are_chosen_beside_surfaces(self, tmp_path):
        volumes = touch_tree(tmp_path, RUNS)
        touch_surfaces(tmp_path, RUNS, "25", "fsLR")
        runs = find_runs(tmp_path, space="MNI152NLin2009cAsym")
        assert files_of(runs) == [[each.image] for each in volumes]

    def test_surfaces_alone_need_no_choice(self, tmp_path):
        files = touch_surfaces(tmp_path, RUNS, "25", "fsaverage5")
        assert files_of(find_runs(tmp_path)) == files

    def test_gzipped_series_are_taken(self, tmp_path):
        func = func_folder(tmp_path, RUNS[0])
        pair = touch_pair(func, "sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii.gz")
        grayordinates = touch(func / f"{FSLR.format(RUNS[0], '91k')}.gz")
        assert files_of(find_runs(tmp_path, space="fsaverage5")) == [pair]
        assert files_of(find_runs(tmp_path, space="fsLR")) == [[grayordinates]]

    def test_former_grayordinates_without_a_space_are_none(self, tmp_path):
        touch_tree(tmp_path, RUNS, "1.4", [MNI, ""])
        touch_surfaces(tmp_path, RUNS, "1.4", "none")
        message = refused(tmp_path)
        assert "func (2 images), none (2 images without space-)" in message
        assert names_of(find_runs(tmp_path, space="func")) == [[f"{run}_desc-preproc_bold.nii.gz"] for run in RUNS]
        assert names_of(find_runs(tmp_path, space="none", desc="none")) == [
            [f"{run}_bold.dtseries.nii"] for run in RUNS
        ]

    @pytest.mark.parametrize("desc", ["", "_desc-preproc"])
    def test_series_with_and_without_desc_are_preprocessed(self, tmp_path, desc):
        path = touch(func_folder(tmp_path, RUNS[0]) / f"{RUNS[0]}_space-fsLR_den-91k{desc}_bold.dtseries.nii")
        assert files_of(find_runs(tmp_path)) == [[path]]

    def test_series_with_and_without_desc_of_one_run_are_an_error(self, tmp_path):
        for desc in ("", "_desc-preproc"):
            touch_pair(func_folder(tmp_path, RUNS[0]), f"{RUNS[0]}_hemi-{{}}_space-fsaverage5{desc}_bold.func.gii")
        message = refused(tmp_path)
        assert "has 2 images of one run" in message
        assert message.endswith(
            "they differ in desc: none (1 image without desc-), preproc (1 image); choose with --desc none, for "
            "example."
        )
        (run,) = find_runs(tmp_path, desc="none")
        assert [path.name for path in run.image_paths] == [
            f"{RUNS[0]}_hemi-{side}_space-fsaverage5_bold.func.gii" for side in "LR"
        ]

    def test_volumes_without_desc_are_not_preprocessed(self, tmp_path):
        touch(func_folder(tmp_path, RUNS[0]) / f"{RUNS[0]}_space-MNI_bold.nii.gz")
        assert refused(tmp_path).startswith("--desc preproc: no such image")

    def test_denoised_series_are_chosen_by_desc(self, tmp_path):
        touch_tree(tmp_path, RUNS, XCP_D)
        files = touch_surfaces(tmp_path, RUNS, XCP_D, "fsLR")
        assert "spaces: MNI152NLin2009cAsym (2 images), fsLR (2 images)" in refused(tmp_path, desc="denoised")
        runs = find_runs(tmp_path, desc="denoised", space="fsLR", regressors="Params24")
        assert files_of(runs) == files
        assert [run.motion_path.name for run in runs] == [f"{run}_motion.tsv" for run in RUNS]

    def test_dataset_of_denoised_grayordinates_needs_no_space(self, tmp_path):
        files = touch_surfaces(tmp_path, [*RUNS, "sub-02_task-rest_run-1"], XCP_D, "fsLR")
        assert "choose with --run none" in refused(tmp_path, desc="denoised")
        assert files_of(find_runs(tmp_path, desc="denoised", run="none")) == files[:2]

    def test_several_densities_are_listed_with_their_counts(self, tmp_path):
        for run in RUNS:
            for density in ("91k", "170k"):
                touch(func_folder(tmp_path, run) / FSLR.format(run, density))
        touch(func_folder(tmp_path, RUNS[0]) / f"{RUNS[0]}_space-fsLR_bold.dtseries.nii")
        assert refused(tmp_path) == (
            f"{tmp_path} has images of several densities: 91k (2 images), 170k (2 images), native (1 image); choose "
            "one with --den."
        )
        assert names_of(find_runs(tmp_path, den="91k")) == [[FSLR.format(run, "91k")] for run in RUNS]
        assert names_of(find_runs(tmp_path, den="den-170k")) == [[FSLR.format(run, "170k")] for run in RUNS]

    def test_images_without_density_are_native(self, tmp_path):
        name = "sub-01_task-rest_space-fsLR_bold.dtseries.nii"
        touch(func_folder(tmp_path, RUNS[0]) / name)
        touch(func_folder(tmp_path, RUNS[0]) / FSLR.format(RUNS[0], "91k"))
        assert names_of(find_runs(tmp_path, den="native")) == [[name]]

    def test_density_alone_chooses_beside_volumes(self, tmp_path):
        touch_tree(tmp_path, RUNS, spaces=[MNI, T1W])
        files = touch_surfaces(tmp_path, RUNS, "25", "fsLR")
        assert files_of(find_runs(tmp_path, den="91k")) == files

    def test_unknown_space_and_density_list_what_is_there(self, tmp_path):
        touch_surfaces(tmp_path, RUNS, "25", "fsaverage5")
        touch_surfaces(tmp_path, RUNS, "25", "fsLR")
        assert refused(tmp_path, space="fsaverage6") == (
            f"--space fsaverage6: no such image in {tmp_path} with --desc preproc; found fsLR (2 images), fsaverage5 "
            "(2 images)."
        )
        assert refused(tmp_path, den="32k") == (
            f"--den 32k: no such image in {tmp_path} with --desc preproc; found 91k (2 images), native (2 images)."
        )

    def test_surfaces_and_grayordinates_of_one_space_are_told_apart_by_density(self, tmp_path):
        func = func_folder(tmp_path, RUNS[0])
        pair = touch_pair(func, "sub-01_task-rest_hemi-{}_space-fsLR_den-32k_bold.func.gii")
        touch(func / FSLR.format(RUNS[0], "91k"))
        assert "densities: 32k (1 image), 91k (1 image)" in refused(tmp_path, space="fsLR")
        assert files_of(find_runs(tmp_path, den="32k")) == [pair]

    def test_maps_and_other_files_of_surfaces_are_no_runs(self, tmp_path):
        (pair,) = touch_surfaces(tmp_path, RUNS[:1], "25", "fsaverage5")
        for name in (
            "sub-01_task-rest_space-fsLR_den-91k_stat-mean_timeseries.ptseries.nii",
            "sub-01_task-rest_hemi-L_space-fsLR_den-32k_stat-reho_boldmap.shape.gii",
            "sub-01_task-rest_space-fsLR_den-91k_stat-alff_boldmap.dscalar.nii",
            "sub-01_space-fsaverage_desc-r2_hemi-L.func.gii",
        ):
            touch(pair[0].with_name(name))
        assert files_of(find_runs(tmp_path)) == [pair]

    def test_density_is_refused_with_files(self, tmp_path):
        path = touch(tmp_path / FSLR.format(RUNS[0], "91k"))
        assert refused(path, den="91k").startswith("--den chooses among the runs of a folder")


class TestPairs:
    NAMES = (
        "sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii",
        "sub-01_task-rest_bold_space-fsaverage5.{}.func.gii",
        "100307.{}.rfMRI_REST1_LR.32k_fs_LR.func.gii",
        "rfMRI_REST1_LR.{}.native.func.gii",
        "tfMRI_REST_{}.func.gii",
        "rest.{}.10k_fsavg_{}.func.gii",
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_files_are_one_run_left_before_right(self, tmp_path, name):
        left, right = (touch(tmp_path / name.format(side, side)) for side in "LR")
        for given in ([left, right], [right, left]):
            assert files_of(find_runs(*given)) == [[left, right]]
        assert files_of(find_runs(tmp_path / "*.gii")) == [[left, right]]

    def test_pairs_of_a_folder_of_files_are_taken(self, tmp_path):
        left, right = touch(tmp_path / "lh.rest.func.gii"), touch(tmp_path / "rh.rest.func.gii")
        assert files_of(find_runs(tmp_path / "lh*", tmp_path / "rh*")) == [[left, right]]

    def test_runs_keep_the_order_of_their_left_files(self, tmp_path):
        for run in (10, 9):
            touch_pair(tmp_path, f"{{}}.run-{run}.func.gii")
        assert [run.output_stem for run in find_runs(tmp_path / "*.func.gii")] == ["run-9", "run-10"]

    def test_relative_and_absolute_paths_are_one_run(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        left, right = touch_pair(tmp_path)
        assert files_of(find_runs(left.name, right)) == [[Path(left.name), right]]

    def test_files_of_other_folders_are_no_partners(self, tmp_path):
        left, right = touch(tmp_path / "a/lh.rest.func.gii"), touch(tmp_path / "b/rh.rest.func.gii")
        runs, message = warned(tmp_path / "*/*.gii", output_layout="mirror")
        assert files_of(runs) == [[left], [right]]
        assert "(and so for 1 other image)" in message

    def test_partner_that_is_not_given_is_told(self, tmp_path):
        left, right = touch_pair(tmp_path)
        runs, message = warned(left)
        assert files_of(runs) == [[left]]
        assert message == (
            f"--input_files: {left} is processed as a run of the left hemisphere alone, because {right.name} lies "
            "beside it, but is not given; give both to process them as one run."
        )

    def test_partner_that_is_not_there_is_told(self, tmp_path):
        _, right = touch_pair(tmp_path)
        right.with_name(right.name.replace("-R_", "-L_")).unlink()
        for given in (right, tmp_path / "*.gii"):
            runs, message = warned(given)
            assert files_of(runs) == [[right]]
            assert message == (
                f"--input_files: {right} is processed as a run of the right hemisphere alone, because "
                f"{right.name.replace('-R_', '-L_')} does not lie beside it; put it there to process both as one run."
            )

    def test_run_of_one_hemisphere_in_a_folder_is_told(self, tmp_path):
        files = touch_surfaces(tmp_path, RUNS, "25", "fsaverage5")
        files[1][1].unlink()
        runs, message = warned(tmp_path)
        assert files_of(runs) == [files[0], files[1][:1]]
        assert f"{files[1][1].name} does not lie beside it" in message

    def test_one_warning_stands_for_all(self, tmp_path):
        for sub in range(12):
            touch(tmp_path / f"sub-{sub:02}_task-rest_hemi-L_space-fsaverage5_bold.func.gii")
        runs, message = warned(tmp_path / "*.gii")
        assert len(runs) == 12
        assert "does not lie beside it (and so for 11 other images);" in message

    def test_hemisphere_that_is_chosen_is_taken_without_a_warning(self, tmp_path):
        files = touch_surfaces(tmp_path, RUNS, "25", "fsaverage5")
        touch_surfaces(tmp_path, RUNS, "25", "fsLR")
        assert files_of(find_runs(tmp_path, entities="hemi=L", space="fsaverage5")) == [pair[:1] for pair in files]
        assert files_of(find_runs(tmp_path, entities="hemi=R")) == [pair[1:] for pair in files]
        files[0][0].unlink()
        assert files_of(find_runs(tmp_path, entities="hemi=R")) == [pair[1:] for pair in files]
        assert "found L (1 image), R (2 images), none (2 images without hemi-)" in refused(tmp_path, entities="hemi=X")

    def test_former_hemisphere_is_chosen_alike(self, tmp_path):
        files = touch_surfaces(tmp_path, RUNS, "1.1", "fsaverage5")
        assert files_of(find_runs(tmp_path, entities="hemi=R")) == [pair[1:] for pair in files]

    def test_gifti_file_without_a_hemisphere_is_a_run(self, tmp_path):
        path = touch(tmp_path / "task.func.gii")
        assert files_of(find_runs(path)) == [[path]]

    def test_grayordinates_have_no_hemisphere(self, tmp_path):
        paths = [touch(tmp_path / f"{side}.rest.dtseries.nii") for side in "LR"]
        assert files_of(find_runs(tmp_path / "*.nii")) == [[path] for path in paths]

    def test_two_spaces_of_one_run_are_counted_twice(self, tmp_path):
        func = func_folder(tmp_path, RUNS[0])
        touch_tree(tmp_path, RUNS[:1])
        left, right = touch_pair(func)
        runs, message = warned(func / f"*{MNI}_desc-preproc_bold.nii.gz", func / "*.gii")
        assert len(runs) == 2
        assert runs[1].image_paths == (left, right)
        assert (
            f"2 images of one run ({RUNS[0]}{MNI}_desc-preproc_bold.nii.gz, {left.name}); they differ in space: "
            "MNI152NLin2009cAsym (1 image), fsaverage5 (1 image); desc:" in message
        )

    def test_links_that_are_not_fetched_are_told(self, tmp_path):
        for path in touch_pair(tmp_path):
            path.unlink()
            path.symlink_to("nowhere")
        assert "no image has been fetched, only 2 links" in refused(tmp_path / "*.gii")

    def test_names_of_both_are_shown_as_one(self, tmp_path):
        touch_pair(tmp_path)
        (run,) = find_runs(tmp_path / "*.gii")
        assert run.image_name == "sub-01_task-rest_hemi-{L,R}_space-fsaverage5_bold.func.gii"

    def test_name_of_one_file_is_shown_as_it_is(self, tmp_path):
        path = touch(tmp_path / FSLR.format(RUNS[0], "91k"))
        (run,) = find_runs(path)
        assert run.image_name == path.name


class TestOutputNames:
    @pytest.mark.parametrize(
        ("name", "flat", "bids"),
        [
            (
                "sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii",
                "sub-01_task-rest_space-fsaverage5_bold",
                "sub-01/func/sub-01_task-rest_space-fsaverage5",
            ),
            (
                "sub-01_task-rest_space-fsLR_hemi-{}_den-32k_bold.func.gii.gz",
                "sub-01_task-rest_space-fsLR_den-32k_bold",
                "sub-01/func/sub-01_task-rest_space-fsLR_den-32k",
            ),
            (
                "sub-01_task-rest_bold_space-fsaverage5.{}.func.gii",
                "sub-01_task-rest_bold_space-fsaverage5",
                "sub-01/func/sub-01_task-rest_space-fsaverage5",
            ),
        ],
    )
    def test_hemisphere_is_dropped_for_a_pair(self, tmp_path, name, flat, bids):
        touch_pair(tmp_path / "a", name)
        touch(tmp_path / "b/sub-02_task-go_bold.nii")
        pattern = tmp_path / "**/*.*"
        assert find_runs(pattern)[0].output_stem == flat
        assert find_runs(pattern, output_layout="mirror")[0].output_stem == f"a/{flat}"
        assert find_runs(pattern, output_layout="bids")[0].output_stem == bids

    @pytest.mark.parametrize(
        ("name", "flat", "bids"),
        [
            (
                "sub-01_task-rest_space-fsLR_hemi-R_den-32k_bold.func.gii",
                "sub-01_task-rest_space-fsLR_hemi-R_den-32k_bold",
                "sub-01/func/sub-01_task-rest_hemi-R_space-fsLR_den-32k",
            ),
            (
                "sub-01_task-rest_bold_space-fsaverage5.R.func.gii",
                "sub-01_task-rest_bold_space-fsaverage5.R",
                "sub-01/func/sub-01_task-rest_hemi-R_space-fsaverage5",
            ),
            (
                "sub-01_task-rest_hemi-right_bold.func.gii",
                "sub-01_task-rest_hemi-right_bold",
                "sub-01/func/sub-01_task-rest_hemi-R",
            ),
        ],
    )
    def test_hemisphere_is_kept_for_one_alone(self, tmp_path, name, flat, bids):
        path = touch(tmp_path / name)
        for layout, stem in {"flat": flat, "mirror": flat, "bids": bids}.items():
            ((run,), _) = warned(path, output_layout=layout)
            assert run.output_stem == stem

    def test_names_of_freesurfer_lose_their_prefix(self, tmp_path):
        for side in ("lh", "rh"):
            touch(tmp_path / f"{side}.rest.func.gii")
        (run,) = find_runs(tmp_path / "*.gii")
        assert run.output_stem == "rest"

    @pytest.mark.parametrize(
        ("name", "stem"),
        [
            (FSLR.format(RUNS[0], "91k"), "sub-01/func/sub-01_task-rest_space-fsLR_den-91k"),
            (
                f"{RUNS[0]}_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii",
                "sub-01/func/sub-01_task-rest_space-fsLR_den-91k_desc-denoised",
            ),
            (
                f"{RUNS[0]}_bold_space-cifti_variant-space1_preproc.dtseries.nii",
                "sub-01/func/sub-01_task-rest_space-cifti_variant-space1",
            ),
        ],
    )
    def test_grayordinates_are_named_by_their_entities(self, tmp_path, name, stem):
        path = touch(tmp_path / name)
        (run,) = find_runs(path, output_layout="bids")
        assert run.output_stem == stem

    def test_pairs_that_would_share_a_name_are_refused(self, tmp_path):
        for name in ("lh.rest.func.gii", "rh.rest.func.gii", "rest.L.func.gii", "rest.R.func.gii"):
            touch(tmp_path / name)
        message = refused(tmp_path / "*.gii")
        assert "would write outputs of the same name" in message
        assert "lh.rest.func.gii" in message
        assert "rest.L.func.gii" in message

    def test_folders_of_the_hcp_are_mirrored(self, tmp_path):
        names = [f"{sub}/MNINonLinear/Results/{run}" for run in ("REST1_LR", "REST1_RL") for sub in (100206, 100307)]
        for name in names:
            folder = tmp_path / name
            touch(folder / f"{folder.name}_Atlas_MSMAll.dtseries.nii")
            touch(folder / f"{folder.name}_Atlas.dtseries.nii")
            touch(folder / "Movement_Regressors.txt")
        pattern = tmp_path / "*/MNINonLinear/Results/*/*_Atlas_MSMAll.dtseries.nii"
        runs = find_runs(
            pattern, output_layout="mirror", regressor_files=str(tmp_path / "*/*/*/*/Movement_Regressors.txt")
        )
        assert [run.output_stem for run in runs] == [f"{name}/{name[-8:]}_Atlas_MSMAll" for name in names]
        assert [run.confounds_path.parent for run in runs] == [tmp_path / name for name in names]
        assert "--output_layout mirror" in refused(pattern)


class TestTables:
    def test_tables_that_are_given_pair_as_those_of_volumes(self, tmp_path):
        volumes = touch_tree(tmp_path, RUNS)
        pairs = touch_surfaces(tmp_path, RUNS, "25", "fsaverage5")
        censor_paths = [touch(tmp_path / f"censor/{run}_censor.tsv") for run in RUNS]
        runs = find_runs(
            tmp_path / "sub-*/func/*.gii",
            regressor_files=str(tmp_path / "sub-*/func/*_timeseries.tsv"),
            censor_file=str(tmp_path / "censor/*"),
        )
        assert files_of(runs) == pairs
        assert [run.confounds_path for run in runs] == [each.confounds for each in volumes]
        assert [run.censor_path for run in runs] == censor_paths

    def test_pairs_without_entities_take_tables_in_order(self, tmp_path):
        for run in (1, 2, 10):
            touch_pair(tmp_path, f"{{}}.run{run}.func.gii")
            touch(tmp_path / f"motion{run}.txt")
        runs = find_runs(tmp_path / "*.gii", regressor_files=str(tmp_path / "*.txt"))
        assert [(run.output_stem, run.confounds_path.name) for run in runs] == [
            (f"run{run}", f"motion{run}.txt") for run in (1, 2, 10)
        ]

    def test_runs_of_one_number_and_two_paddings_have_a_table_each(self, tmp_path):
        runs = ["sub-1_task-a_run-1", "sub-1_task-a_run-01"]
        touch_surfaces(tmp_path, runs, "25", "fsaverage5")
        tables = [touch(name_files(tmp_path, run).confounds) for run in runs]
        found = find_runs(tmp_path, regressors="Params24")
        assert {run.confounds_path for run in found} == set(tables)
        assert all(run.image_path.name.split("_")[2] == run.confounds_path.name.split("_")[2] for run in found)

    def test_missing_table_is_a_fault_of_the_run(self, tmp_path):
        touch_surfaces(tmp_path, RUNS, "25", "fsLR")
        touch(name_files(tmp_path, RUNS[1]).confounds)
        runs = find_runs(tmp_path, regressors="Params24")
        assert ["no confounds table beside it" in "".join(run.faults) for run in runs] == [True, False]

    def test_exclusion_leaves_out_both_hemispheres(self, tmp_path):
        (first, second) = touch_surfaces(tmp_path, RUNS, "25", "fsaverage5")
        for excluded in ("sub-01", "sub-01_space-fsaverage5", first[0].name, first[1].name, str(first[1])):
            assert files_of(find_runs(tmp_path, exclude=excluded)) == [second]
            assert files_of(find_runs(tmp_path / "sub-*/func/*.gii", exclude=excluded)) == [second]

    def test_exclusion_may_be_of_a_density_or_a_hemisphere(self, tmp_path):
        (pair,) = touch_surfaces(tmp_path, RUNS[:1], "25", "fsaverage5")
        touch_surfaces(tmp_path, RUNS, "25", "fsLR")
        assert files_of(find_runs(tmp_path, exclude="den-91k")) == [pair]
        assert files_of(find_runs(tmp_path / "sub-*/func/*.gii", exclude="hemi-R")) == [pair[:1]]


class TestSidecars:
    def write(self, path, **content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    def read(self, run, key="RepetitionTime"):
        entry = read_sidecars(run.sidecar_paths, [key]).get(key)
        return entry and entry.value

    @pytest.mark.parametrize(
        ("image", "sidecar"),
        [
            ("sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", "sub-01_task-rest_space-fsLR_den-91k_bold.json"),
            (
                "sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii",
                "sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.json",
            ),
            ("sub-01_task-rest_bold.dtseries.nii.gz", "sub-01_task-rest_bold.dtseries.json"),
            ("sub-01_task-rest_bold.dtseries.nii", "../../task-rest_bold.dtseries.json"),
            ("sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", "../../sub-01_task-rest_bold.json"),
            ("rest_Atlas.dtseries.nii", "rest_Atlas.dtseries.json"),
            ("task.func.gii", "task.json"),
            ("task.func.gii", "task.func.json"),
        ],
    )
    def test_json_file_of_a_file_is_found(self, tmp_path, image, sidecar):
        self.write(tmp_path / "dataset_description.json")
        path = touch(tmp_path / "sub-01/func" / image)
        self.write(path.parent / sidecar, RepetitionTime=0.8)
        (run,) = find_runs(path)
        assert self.read(run) == 0.8

    @pytest.mark.parametrize("side", "LR")
    @pytest.mark.parametrize(
        ("image", "sidecar"),
        [
            (
                "sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii",
                "sub-01_task-rest_hemi-{}_space-fsaverage5_bold.json",
            ),
            ("sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii", "sub-01_task-rest_hemi-{}_bold.json"),
            (
                "sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii",
                "sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.json",
            ),
            (
                "sub-01_task-rest_bold_space-fsaverage5.{}.func.gii",
                "sub-01_task-rest_bold_space-fsaverage5.{}.func.json",
            ),
            ("sub-01_task-rest_bold_space-fsaverage5.{}.func.gii", "sub-01_task-rest_bold.json"),
            ("rest.{}.native.func.gii", "rest.{}.native.json"),
        ],
    )
    def test_json_file_of_either_hemisphere_is_found(self, tmp_path, image, sidecar, side):
        touch_pair(tmp_path, image)
        self.write(tmp_path / sidecar.format(side), RepetitionTime=2.2)
        (run,) = find_runs(tmp_path / "*.gii")
        assert self.read(run) == 2.2

    def test_json_file_of_volumes_or_of_another_kind_is_not_theirs(self, tmp_path):
        touch_pair(tmp_path)
        for name in ("task-rest_bold.dtseries.json", f"{RUNS[0]}_space-T1w_desc-preproc_bold.json"):
            self.write(tmp_path / name, RepetitionTime=2.2)
        (run,) = find_runs(tmp_path / "*.gii")
        assert run.sidecar_paths == ()
        assert Sidecars().find(tmp_path / f"{RUNS[0]}_bold.nii.gz") == ()

    def test_nearest_files_of_both_come_first(self, tmp_path):
        touch_pair(tmp_path)
        names = [f"{RUNS[0]}_hemi-{side}_space-fsaverage5_bold.json" for side in "LR"]
        for name in (*names, "task-rest_bold.json", f"{RUNS[0]}_hemi-R_bold.json"):
            self.write(tmp_path / name)
        (run,) = find_runs(tmp_path / "*.gii")
        assert [path.name for path in run.sidecar_paths] == [
            *names,
            "task-rest_bold.json",
            f"{RUNS[0]}_hemi-R_bold.json",
        ]

    @pytest.mark.parametrize(
        ("image", "sidecars"),
        [
            (
                "sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii",
                [f"sub-01_task-rest_hemi-{side}_space-fsaverage5_bold.json" for side in "LR"],
            ),
            ("{}.rest.func.gii", ["L.rest.json", "R.rest.json"]),
            ("{}.rest.func.gii", ["L.rest.json", "L.rest.func.json"]),
            (
                "sub-01_task-rest_hemi-{}_bold.func.gii",
                ["sub-01_task-rest_hemi-L_bold.json", "sub-01_task-rest_hemi-L_bold.func.json"],
            ),
        ],
    )
    def test_files_that_differ_are_an_error_that_names_both(self, tmp_path, image, sidecars):
        touch_pair(tmp_path, image)
        first, second = (
            self.write(tmp_path / name, RepetitionTime=t_r) for name, t_r in zip(sidecars, (2, 1), strict=True)
        )
        (run,) = find_runs(tmp_path / "*.gii")
        with pytest.raises(Exception, match="differ in RepetitionTime: 2 and 1") as caught:
            self.read(run)
        assert str(first) in str(caught.value)
        assert second.name in str(caught.value)

    def test_one_file_completes_the_other(self, tmp_path):
        touch_pair(tmp_path)
        for side, key in {"L": "StartTime", "R": "RepetitionTime"}.items():
            self.write(tmp_path / f"{RUNS[0]}_hemi-{side}_space-fsaverage5_bold.json", **{key: 1.5})
        (run,) = find_runs(tmp_path / "*.gii")
        assert self.read(run) == self.read(run, "StartTime") == 1.5


class TestMasksAndRegions:
    def test_cortex_mask_of_each_run_is_found(self, tmp_path):
        files = touch_surfaces(tmp_path, RUNS, "25", "fsnative")
        masks = [
            touch_pair(tmp_path / run[:6] / "anat", f"{run[:6]}_hemi-{{}}_desc-cortex_mask.label.gii") for run in RUNS
        ]
        runs = find_runs(tmp_path, mask_img="auto")
        assert files_of(runs) == files
        assert [run.own_regions.mask_path for run in runs] == [left for left, _ in masks]

    def test_brain_mask_is_that_of_volumes(self, tmp_path):
        volumes = touch_tree(tmp_path, RUNS[:1])
        touch_surfaces(tmp_path, RUNS[:1], "25", "fsaverage5")
        (run,) = find_runs(tmp_path, mask_img="auto", space="MNI152NLin2009cAsym")
        assert run.own_regions.mask_path == volumes[0].mask
        assert "no cortex mask" in refused(tmp_path, mask_img="auto", space="fsaverage5")

    def test_grayordinates_have_no_mask_of_their_own(self, tmp_path):
        (files,) = touch_surfaces(tmp_path, RUNS[:1], "25", "fsLR")
        assert refused(tmp_path, mask_img="auto") == (
            f"{files[0]}: --mask_img auto is the brain mask of a volume or the cortex mask of surfaces, but "
            "grayordinates are of the brain alone; leave --mask_img out, or give a mask as .dscalar.nii."
        )

    def test_atlas_of_each_subject_is_that_of_the_left_hemisphere(self, tmp_path):
        touch_surfaces(tmp_path, RUNS, "25", "fsnative")
        pairs = [touch_pair(tmp_path / run[:6] / "anat", f"{run[:6]}_hemi-{{}}_atlas-A_dseg.label.gii") for run in RUNS]
        runs = find_runs(tmp_path, roi_file=["sub-{sub}_hemi-{hemi}_atlas-A_dseg.label.gii"])
        assert [run.own_regions.roi_files for run in runs] == [(str(left),) for left, _ in pairs]

    def test_hemisphere_alone_is_no_atlas_of_each_run(self, tmp_path):
        touch_surfaces(tmp_path, RUNS, "25", "fsnative")
        runs = find_runs(tmp_path, roi_file=["{hemi}.atlas.annot"])
        assert [run.own_regions for run in runs] == [None, None]


def test_names_of_surfaces_are_parsed_as_bids():
    former = read_name("sub-01_task-rest_bold_space-fsaverage5.L.func.gii.gz")
    assert (former.suffix, former.extension) == ("bold", ".func.gii.gz")
    assert former.entities == {"sub": "01", "task": "rest", "space": "fsaverage5", "hemi": "L"}
    later = read_name("sub-01_task-rest_space-fsaverage5_hemi-R.func.gii")
    assert (later.suffix, later.entities["hemi"]) == ("bold", "R")
    grayordinates = read_name("sub-01_task-rest_bold_space-cifti_variant-space1_preproc.dtseries.nii")
    assert (grayordinates.suffix, grayordinates.entities["desc"]) == ("bold", "preproc")
    assert grayordinates.entities["variant"] == "space1"
    assert read_name("sub-01_hemi-left_desc-cortex_mask.shape.gii").entities["hemi"] == "L"
    # No task: a map of a subject.
    assert read_name("sub-01_space-fsaverage_desc-r2_hemi-L.func.gii").suffix == ""


def test_folder_of_other_files_of_surfaces_is_told_as_such(tmp_path, capsys):
    func = func_folder(tmp_path, RUNS[0])
    for name in ("a.dscalar.nii", "sub-01_task-rest_space-fsLR_den-91k_timeseries.ptseries.nii"):
        touch(func / name)
    assert main(["out", "-i", str(tmp_path), "-r", "atlas.dlabel.nii"]) == 2
    assert capsys.readouterr().err == (
        f"niimasker: error: --input_files: {tmp_path} holds no BOLD images in sub-*/ses-*/func, only 2 files of "
        "surfaces or grayordinates, such as a.dscalar.nii, that are no series; niimasker reads series in .nii, "
        ".nii.gz, .dtseries.nii and .func.gii files: give a folder that holds them, or give files by name.\n"
    )
