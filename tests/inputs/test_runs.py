from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from niimasker.errors import NiimaskerError, NiimaskerWarning, RunsError
from niimasker.inputs import output_stems
from niimasker.inputs import runs as inputs
from niimasker.inputs.entities import RUN_ENTITIES
from niimasker.inputs.file_patterns import expand_patterns
from niimasker.inputs.run_images import RunImage
from niimasker.inputs.table_pairs import pair_tables
from niimasker.options.merging import make_settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, so that relative patterns are looked for there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    """Make empty files with the folders above them."""
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(*patterns):
    """Return what patterns stand for, as text."""
    return [path.as_posix() for path in expand_patterns(patterns, "--input_files")]


def find_runs(images, tables=(), censor_files=(), output_layout="flat"):
    """Return the runs of files, whatever the regions."""
    given = {"regressor_files": tables, "censor_file": censor_files, "output_layout": output_layout}
    return inputs.find_runs(
        make_settings({"output_dir": "out", "input_files": images, "roi_file": ["atlas.nii"], **given})
    )


def paths(*names):
    return [Path(name) for name in names]


def name_outputs(image_paths, layout):
    """Return the output names of images of one file each."""
    return output_stems.name_outputs([RunImage.from_path(path) for path in image_paths], layout)


class TestPatterns:
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("run-*.nii", ["run-1.nii", "run-2.nii", "run-10.nii"]),
            ("run-?.nii", ["run-1.nii", "run-2.nii"]),
            ("run-[2-9].nii", ["run-2.nii"]),
            ("run-[!2].nii", ["run-1.nii"]),
        ],
    )
    def test_pattern_stands_for_its_matches(self, folder, pattern, expected):
        touch("run-10.nii", "run-2.nii", "run-1.nii", "other.nii")
        assert found(pattern) == expected

    def test_two_stars_reach_every_depth(self, folder):
        touch("top/c.nii", "top/x/b.nii", "top/x/y/a.nii")
        assert found("top/**/*.nii") == ["top/x/y/a.nii", "top/x/b.nii", "top/c.nii"]

    def test_hidden_folders_are_not_searched(self, folder):
        touch("x/a.nii", ".git/a.nii")
        assert found("**/*.nii") == ["x/a.nii"]

    def test_absolute_pattern(self, folder):
        touch("run-1.nii")
        assert found(f"{folder}/*.nii") == [f"{folder}/run-1.nii"]

    def test_matches_are_sorted_by_file_name_before_folder(self, folder):
        touch("a/run-10.nii", "b/run-2.nii", "c/run-1.nii")
        assert found("*/run-*.nii") == ["c/run-1.nii", "b/run-2.nii", "a/run-10.nii"]

    def test_matches_of_one_name_are_sorted_naturally_by_folder(self, folder):
        touch("run-10/bold.nii", "run-2/bold.nii", "run-1/bold.nii")
        assert found("run-*/bold.nii") == ["run-1/bold.nii", "run-2/bold.nii", "run-10/bold.nii"]

    def test_explicit_list_keeps_its_order(self, folder):
        touch("a.nii", "b.nii", "c.nii")
        assert found("b.nii", "c.nii", "a.nii") == ["b.nii", "c.nii", "a.nii"]

    def test_pattern_among_names_keeps_its_place(self, folder):
        touch("z.nii", "run-10.nii", "run-2.nii", "a.nii")
        assert found("z.nii", "run-*.nii", "a.nii") == ["z.nii", "run-2.nii", "run-10.nii", "a.nii"]

    def test_file_whose_name_holds_brackets_is_itself(self, folder):
        touch("run[1].nii", "run1.nii")
        assert found("run[1].nii") == ["run[1].nii"]

    def test_file_whose_name_holds_a_star_is_itself(self, folder):
        touch("run*.nii", "run1.nii")
        assert found("run*.nii") == ["run*.nii"]

    def test_brackets_are_a_pattern_when_no_file_is_called_so(self, folder):
        touch("run1.nii", "run2.nii")
        assert found("run[1].nii") == ["run1.nii"]

    def test_folders_are_no_matches(self, folder):
        touch("run-1.nii")
        Path("run-2.nii").mkdir()
        assert found("run-*.nii") == ["run-1.nii"]

    @pytest.mark.parametrize("name", ["~/run-1.nii", "~/run-*.nii"])
    def test_tilde_is_the_home_folder(self, folder, monkeypatch, name):
        monkeypatch.setenv("HOME", str(folder))
        touch("run-1.nii")
        assert found(name) == [f"{folder}/run-1.nii"]

    @pytest.mark.parametrize("option", ["--input_files", "--regressor_files"])
    def test_pattern_without_match_names_option_pattern_and_folder(self, folder, option):
        with pytest.raises(RunsError, match="no file matches") as caught:
            expand_patterns(["sub-*/bold.nii"], option)
        assert all(word in str(caught.value) for word in (option, "sub-*/bold.nii", str(folder)))

    def test_pattern_that_matches_folders_alone_matches_no_file(self, folder):
        Path("sub-01").mkdir()
        with pytest.raises(RunsError, match=r"no file matches sub-\*"):
            found("sub-*")

    def test_missing_file_is_named(self, folder):
        touch("a.nii")
        with pytest.raises(RunsError, match=r"--input_files: b\.nii does not exist"):
            found("a.nii", "b.nii")

    def test_folder_is_named_with_the_way_out(self, folder):
        Path("sub-01").mkdir()
        with pytest.raises(RunsError, match=r"sub-01 is a folder; give files or patterns"):
            expand_patterns(["sub-01"], "--regressor_files")


class TestOutputNames:
    def test_name_is_the_file_name_without_suffix(self):
        images = paths("x/a.nii", "x/b.nii.gz", "y/sub-01.feat.v2.nii.gz")
        assert name_outputs(images, "flat") == ["a", "b", "sub-01.feat.v2"]

    def test_images_of_one_output_name_are_listed_with_the_way_out(self):
        with pytest.raises(RunsError, match="output_layout mirror") as caught:
            name_outputs(paths("x/a.nii", "x/b.nii", "y/a.nii.gz", "z/c.nii"), "flat")
        assert all(name in str(caught.value) for name in ("x/a.nii", "y/a.nii.gz"))
        assert not any(name in str(caught.value) for name in ("b.nii", "c.nii"))

    def test_images_that_differ_in_suffix_alone_are_refused_in_both_layouts(self):
        for layout in ("flat", "mirror"):
            with pytest.raises(RunsError, match=r"a\.nii, .*a\.nii\.gz"):
                name_outputs(paths("x/a.nii", "x/a.nii.gz"), layout)

    def test_image_given_twice_is_not_sent_to_mirror(self):
        with pytest.raises(RunsError, match="once") as caught:
            name_outputs(paths("x/a.nii", "x/a.nii"), "flat")
        assert "mirror" not in str(caught.value)

    def test_mirror_keeps_folders_below_the_common_root(self):
        images = paths("/data/sub-1/func/bold.nii", "/data/sub-2/func/bold.nii", "/data/sub-2/bold.nii")
        assert name_outputs(images, "mirror") == ["sub-1/func/bold", "sub-2/func/bold", "sub-2/bold"]

    def test_mirror_of_one_folder_is_flat(self):
        assert name_outputs(paths("/data/a.nii", "/data/b.nii"), "mirror") == ["a", "b"]

    def test_mirror_of_one_image_is_flat(self):
        assert name_outputs(paths("/data/sub-1/a.nii"), "mirror") == ["a"]

    def test_mirror_of_relative_and_absolute_paths(self, folder):
        images = [Path("x/bold.nii"), folder / "y" / "bold.nii"]
        assert name_outputs(images, "mirror") == ["x/bold", "y/bold"]

    def test_mirror_stays_in_the_output_folder_with_dots_in_the_path(self, folder, monkeypatch):
        (folder / "here").mkdir()
        monkeypatch.chdir(folder / "here")
        images = paths("../x/bold.nii", "y/bold.nii")
        assert name_outputs(images, "mirror") == ["x/bold", "here/y/bold"]

    def test_mirror_knows_an_image_spelled_in_two_ways(self, folder):
        touch("x/bold.nii", "y/other.nii")
        with pytest.raises(RunsError, match="same name"):
            name_outputs(paths("x/bold.nii", "y/../x/bold.nii"), "mirror")

    @pytest.mark.parametrize(
        ("image", "expected"),
        [
            (
                "a/sub-01_ses-1_task-rest_run-01_space-X_res-2_desc-preproc_bold.nii.gz",
                "sub-01/ses-1/func/sub-01_ses-1_task-rest_run-01_space-X_res-2",
            ),
            ("sub-01_task-rest_bold_space-MNI_preproc.nii.gz", "sub-01/func/sub-01_task-rest_space-MNI"),
            ("sub-A_task-rest_desc-smoothAROMAnonaggr_bold.nii", "sub-A/func/sub-A_task-rest_desc-smoothAROMAnonaggr"),
            ("sub-01_space-X_task-rest_bold.nii.gz", "sub-01/func/sub-01_task-rest_space-X"),
            ("sub-01_desc-b_variant-a_task-rest_bold.nii", "sub-01/func/sub-01_task-rest_variant-a_desc-b"),
            ("sub-01.nii.gz", "sub-01/func/sub-01"),
        ],
    )
    def test_bids_keeps_the_entities_in_the_standards_order(self, image, expected):
        assert name_outputs([Path(image)], "bids") == [expected]

    def test_bids_tells_subjects_and_sessions_apart_by_folders(self):
        images = paths("sub-1_ses-a_bold.nii", "sub-1_ses-b_bold.nii", "sub-2_bold.nii")
        assert name_outputs(images, "bids") == [
            "sub-1/ses-a/func/sub-1_ses-a",
            "sub-1/ses-b/func/sub-1_ses-b",
            "sub-2/func/sub-2",
        ]

    @pytest.mark.parametrize("name", ["bold.nii", "ses-1_bold.nii", "sub-_bold.nii", "subject-1_bold.nii"])
    def test_bids_refuses_names_without_subject(self, name):
        with pytest.raises(RunsError, match=rf"no sub-: {name}; rename them, or use --output_layout flat or mirror"):
            name_outputs(paths("sub-1_bold.nii", name), "bids")

    def test_bids_refuses_one_name_for_two_images(self):
        with pytest.raises(RunsError, match=r"same name: x/sub-1_bold\.nii, y/sub-1_bold\.nii; .*mirror"):
            name_outputs(paths("x/sub-1_bold.nii", "y/sub-1_bold.nii"), "bids")

    @pytest.mark.parametrize("layout", ["flat", "mirror"])
    def test_runs_carry_their_output_names(self, folder, layout):
        touch("x/a.nii", "y/b.nii.gz")
        expected = {"flat": ["a", "b"], "mirror": ["x/a", "y/b"]}[layout]
        assert [run.output_stem for run in find_runs(["*/*.nii*"], [], output_layout=layout)] == expected

    def test_haxby_runs_are_refused_by_name(self, data_dir):
        with pytest.raises(RunsError) as caught:
            find_runs([f"{data_dir}/bold/haxby/run-*/bold_25mm.nii.gz"], [], output_layout="flat")
        assert all(f"haxby/run-0{n}/bold_25mm.nii.gz" in str(caught.value) for n in (1, 2, 3))

    def test_haxby_runs_are_mirrored_with_their_tables(self, data_dir):
        haxby = data_dir / "bold" / "haxby"
        runs = find_runs([f"{haxby}/run-*/bold_25mm.nii.gz"], [f"{haxby}/run-*/motion.tsv"], output_layout="mirror")
        assert [run.output_stem for run in runs] == [f"run-0{n}/bold_25mm" for n in (1, 2, 3)]
        assert all(run.confounds_path == run.image_path.with_name("motion.tsv") for run in runs)


class TestPairing:
    def test_runs_without_tables_have_none(self, folder):
        touch("a.nii")
        assert [run.confounds_path for run in find_runs(["a.nii"], [], output_layout="flat")] == [None]

    def test_runs_carry_their_tables(self, folder):
        touch(*(f"sub-{n}_{kind}" for n in (1, 2) for kind in ("bold.nii", "confounds.tsv")))
        runs = find_runs(["sub-*.nii"], ["sub-2_confounds.tsv", "sub-1_confounds.tsv"], output_layout="flat")
        assert [(str(run.image_path), str(run.confounds_path)) for run in runs] == [
            ("sub-1_bold.nii", "sub-1_confounds.tsv"),
            ("sub-2_bold.nii", "sub-2_confounds.tsv"),
        ]

    def test_counts_that_differ_are_both_said(self):
        with pytest.raises(RunsError, match=r"3 images but 1 confounds table\b"):
            pair_tables(paths("a.nii", "b.nii", "c.nii"), paths("a.tsv"))

    def test_folders_of_one_image_and_one_table_pair_where_names_have_no_entities(self):
        images = paths("1/LR/LR_Atlas.nii", "2/LR/LR_Atlas.nii", "1/RL/RL_Atlas.nii", "2/RL/RL_Atlas.nii")
        tables = paths("1/LR/motion.txt", "1/RL/motion.txt", "2/LR/motion.txt", "2/RL/motion.txt")
        assert [table.parent for table in pair_tables(images, tables)] == [image.parent for image in images]

    @pytest.mark.parametrize(
        ("images", "tables"),
        [
            (("x/b.nii", "x/a.nii"), ("x/a.txt", "x/b.txt")),
            (("x/b.nii", "y/a.nii"), ("t/a.txt", "t/b.txt")),
            (("x/b.nii", "y/a.nii"), ("y/a.txt", "y/b.txt")),
            (("x/b.nii", "y/a.nii", "y/c.nii"), ("y/a.txt", "x/b.txt", "y/c.txt")),
        ],
    )
    def test_other_places_pair_in_order(self, images, tables):
        assert pair_tables(paths(*images), paths(*tables)) == paths(*tables)

    def test_entities_pair_in_any_order(self):
        images = paths("sub-01_run-1_bold.nii", "sub-01_run-2_bold.nii", "sub-02_run-1_bold.nii")
        tables = paths("sub-02_run-1_c.tsv", "sub-01_run-2_c.tsv", "sub-01_run-1_c.tsv")
        assert pair_tables(images, tables) == tables[::-1]

    @pytest.mark.parametrize("entity", [name for name in RUN_ENTITIES if name != "sub"])
    def test_every_entity_tells_runs_apart(self, entity):
        images = paths(f"sub-01_{entity}-1_bold.nii.gz", f"sub-01_{entity}-2_bold.nii.gz")
        tables = paths(f"sub-01_{entity}-2_c.tsv", f"sub-01_{entity}-1_c.tsv")
        assert pair_tables(images, tables) == tables[::-1]

    def test_space_resolution_and_description_do_not_count(self):
        images = paths(
            "sub-01_task-x_space-MNI152NLin6Asym_res-2_desc-preproc_bold.nii.gz",
            "sub-02_task-x_space-T1w_desc-preproc_bold.nii.gz",
        )
        tables = paths("sub-02_task-x_desc-confounds_timeseries.tsv", "sub-01_task-x_desc-confounds_timeseries.tsv")
        assert pair_tables(images, tables) == tables[::-1]

    def test_folders_do_not_count(self):
        images = paths("sub-09/sub-01_bold.nii", "sub-09/sub-02_bold.nii")
        tables = paths("ses-2/sub-02_c.tsv", "ses-1/sub-01_c.tsv")
        assert pair_tables(images, tables) == tables[::-1]

    def test_run_1_is_run_01(self):
        images = paths("sub-1_run-1_bold.nii", "sub-1_run-10_bold.nii")
        tables = paths("sub-1_run-10_c.tsv", "sub-1_run-01_c.tsv")
        assert pair_tables(images, tables) == tables[::-1]

    def test_combined_echoes_have_a_table_without_echo(self):
        images = paths("sub-1_echo-2_bold.nii", "sub-2_echo-2_bold.nii")
        tables = paths("sub-2_c.tsv", "sub-1_c.tsv")
        assert pair_tables(images, tables) == tables[::-1]

    def test_table_of_the_very_echo_comes_before_one_without(self):
        images = paths("sub-1_echo-1_bold.nii", "sub-1_bold.nii")
        tables = paths("sub-1_c.tsv", "sub-1_echo-1_c.tsv")
        assert pair_tables(images, tables) == tables[::-1]

    def test_two_spaces_of_one_run_share_a_table_given_twice(self):
        tables = paths("sub-1_c.tsv", "sub-1_c.tsv")
        assert pair_tables(paths("sub-1_space-A_bold.nii", "sub-1_space-B_bold.nii"), tables) == tables

    def test_missing_table_names_the_image(self):
        with pytest.raises(RunsError, match=r"no confounds table.*sub-2_run-1_bold\.nii"):
            pair_tables(
                paths("sub-1_run-1_bold.nii", "sub-2_run-1_bold.nii"), paths("sub-1_run-1_c.tsv", "sub-3_run-1_c.tsv")
            )

    def test_table_of_another_run_is_no_candidate(self):
        with pytest.raises(RunsError, match=r"sub-1_run-1_bold\.nii"):
            pair_tables(paths("sub-1_run-1_bold.nii"), paths("sub-1_run-2_c.tsv"))

    def test_table_with_an_entity_that_the_image_lacks_is_no_candidate(self):
        with pytest.raises(RunsError, match=r"sub-1_bold\.nii"):
            pair_tables(paths("sub-1_bold.nii"), paths("sub-1_run-2_c.tsv"))

    def test_table_without_session_is_no_candidate_for_one_of_two_sessions(self):
        images = paths("sub-1_ses-1_bold.nii", "sub-1_ses-2_bold.nii")
        with pytest.raises(RunsError, match=r"sub-1_ses-2_bold\.nii"):
            pair_tables(images, paths("sub-1_ses-1_c.tsv", "sub-1_c.tsv"))

    def test_second_table_is_named(self):
        tables = paths("sub-1_desc-confounds_timeseries.tsv", "sub-1_desc-confounds_regressors.tsv")
        with pytest.raises(RunsError, match="more than one confounds table") as caught:
            pair_tables(paths("sub-1_bold.nii", "sub-2_bold.nii"), tables)
        assert all(name in str(caught.value) for name in ("sub-1_bold.nii", *map(str, tables)))

    def test_table_left_over_is_named(self):
        images = paths("sub-1_space-A_bold.nii", "sub-1_space-B_bold.nii")
        with pytest.raises(RunsError, match=r"sub-2_c\.tsv"):
            pair_tables(images, paths("sub-1_c.tsv", "sub-2_c.tsv"))

    @pytest.mark.parametrize(
        ("images", "tables"),
        [
            (["sub-1_bold.nii", "sub-2_bold.nii"], ["second.tsv", "first.tsv"]),
            (["b.nii", "a.nii"], ["sub-2_c.tsv", "sub-1_c.tsv"]),
            (["b.nii", "a.nii"], ["x.tsv", "w.tsv"]),
        ],
    )
    def test_side_without_entities_pairs_by_order(self, images, tables):
        assert pair_tables(paths(*images), paths(*tables)) == paths(*tables)


class TestCensorFiles:
    def test_runs_without_censor_files_have_none(self, folder):
        touch("a.nii", "a.tsv")
        assert [run.censor_path for run in find_runs(["a.nii"], ["a.tsv"])] == [None]

    def test_runs_carry_their_censor_files(self, folder):
        touch(*(f"sub-{n}_{kind}" for n in (1, 2) for kind in ("bold.nii", "censor.txt")))
        runs = find_runs(["sub-*.nii"], [], ["sub-2_censor.txt", "sub-1_censor.txt"])
        assert [(str(run.image_path), str(run.censor_path)) for run in runs] == [
            ("sub-1_bold.nii", "sub-1_censor.txt"),
            ("sub-2_bold.nii", "sub-2_censor.txt"),
        ]
        assert [run.confounds_path for run in runs] == [None, None]

    def test_confounds_and_censor_files_pair_each_by_their_own_names(self, folder):
        touch(*(f"sub-{n}_{kind}" for n in (1, 2) for kind in ("bold.nii", "c.tsv", "censor.txt")))
        (first, second) = find_runs(["sub-*.nii"], ["sub-2_c.tsv", "sub-1_c.tsv"], ["sub-*_censor.txt"])
        assert (str(first.confounds_path), str(first.censor_path)) == ("sub-1_c.tsv", "sub-1_censor.txt")
        assert (str(second.confounds_path), str(second.censor_path)) == ("sub-2_c.tsv", "sub-2_censor.txt")

    def test_censor_files_without_entities_pair_by_order(self, folder):
        touch("b.nii", "a.nii", "y.txt", "x.txt")
        runs = find_runs(["b.nii", "a.nii"], [], ["y.txt", "x.txt"])
        assert [str(run.censor_path) for run in runs] == ["y.txt", "x.txt"]

    def test_censor_files_may_be_patterns(self, folder):
        touch("run-1_bold.nii", "run-10_bold.nii", "run-10_censor.txt", "run-1_censor.txt")
        runs = find_runs(["*.nii"], [], ["*_censor.txt"])
        assert [str(run.censor_path) for run in runs] == ["run-1_censor.txt", "run-10_censor.txt"]

    @pytest.mark.parametrize(
        ("name", "found"), [("c.txt", r"c\.txt does not exist"), ("c*.txt", r"no file matches c\*\.txt")]
    )
    def test_missing_censor_file_names_the_option(self, folder, name, found):
        touch("a.nii")
        with pytest.raises(RunsError, match=f"--censor_file: {found}"):
            find_runs(["a.nii"], [], [name])

    def test_one_censor_file_for_several_images_is_refused_with_both_numbers(self, folder):
        touch("a.nii", "b.nii", "c.txt")
        with pytest.raises(RunsError, match="2 images but 1 censor file; give one per image"):
            find_runs(["a.nii", "b.nii"], [], ["c.txt"])

    def test_more_censor_files_than_images_are_refused_with_both_numbers(self, folder):
        touch("a.nii", "c.txt", "d.txt")
        with pytest.raises(RunsError, match="1 image but 2 censor files; give one per image"):
            find_runs(["a.nii"], [], ["c.txt", "d.txt"])

    def test_censor_file_of_another_run_is_refused_with_the_image(self, folder):
        touch("sub-1_bold.nii", "sub-2_censor.txt")
        with pytest.raises(RunsError, match=r"no censor file has the BIDS entities of sub-1_bold\.nii"):
            find_runs(["sub-1_bold.nii"], [], ["sub-2_censor.txt"])

    def test_second_censor_file_of_a_run_is_named(self, folder):
        touch("sub-1_bold.nii", "sub-2_bold.nii", "sub-1_censor.txt", "sub-1_outliers.txt")
        with pytest.raises(RunsError, match="more than one censor file") as caught:
            find_runs(["sub-*.nii"], [], ["sub-1_censor.txt", "sub-1_outliers.txt"])
        assert all(name in str(caught.value) for name in ("sub-1_censor.txt", "sub-1_outliers.txt"))

    def test_censor_files_of_which_some_have_entities_are_named(self, folder):
        touch("sub-1_bold.nii", "sub-2_bold.nii", "sub-1_censor.txt", "other.txt")
        with pytest.raises(RunsError, match=r"images and censor files .*: other\.txt; rename"):
            find_runs(["sub-*.nii"], [], ["sub-1_censor.txt", "other.txt"])


VALUES = {
    name: st.integers(1, 12).map(str) if name in ("run", "echo") else st.text("abXY019", min_size=1, max_size=3)
    for name in RUN_ENTITIES
}
ENTITIES = st.fixed_dictionaries({"sub": VALUES["sub"]}, optional={k: v for k, v in VALUES.items() if k != "sub"})


def spell(entities, ending, width=1):
    """Return a BIDS name; numbers of runs and echoes padded to a width."""
    parts = [
        f"{name}-{entities[name].zfill(width) if name in ('run', 'echo') else entities[name]}"
        for name in RUN_ENTITIES
        if name in entities
    ]
    return Path("_".join([*parts, ending]))


@settings(deadline=None)
@given(
    sets=st.lists(ENTITIES, min_size=1, max_size=8, unique_by=lambda entities: frozenset(entities.items())),
    width=st.integers(1, 3),
    random=st.randoms(use_true_random=False),
)
def test_any_shuffle_of_any_entities_pairs_right(sets, width, random):
    images = [spell(entities, "space-MNI_bold.nii.gz") for entities in sets]
    tables = [spell(entities, "desc-confounds_timeseries.tsv", width) for entities in sets]
    shuffled = random.sample(tables, len(tables))
    assert pair_tables(images, shuffled) == tables


def test_table_that_two_runs_would_share_is_refused(folder):
    touch("sub-1_run-1_bold.nii", "sub-1_run-01_bold.nii", "sub-1_run-1_confounds.tsv")
    with pytest.raises(RunsError, match=r"sub-1_run-1_confounds\.tsv has the BIDS entities of more than one run: "):
        find_runs(["sub-*_bold.nii"], ["sub-1_run-1_confounds.tsv"])


def test_images_of_one_run_in_two_spaces_share_its_table(folder):
    touch("sub-1_space-T1w_bold.nii", "sub-1_space-MNI_bold.nii", "sub-1_confounds.tsv")
    with pytest.warns(NiimaskerWarning, match="2 images of one run"):
        runs = find_runs(["sub-*_bold.nii"], ["sub-1_confounds.tsv"])
    assert {run.confounds_path.name for run in runs} == {"sub-1_confounds.tsv"}


def test_pattern_of_folders_stands_for_what_is_in_them(folder):
    touch("a/sub-2/func/sub-2_desc-preproc_bold.nii", "a/sub-1/func/sub-1_desc-preproc_bold.nii", "a/sub-1.html")
    assert [run.image_path.parts[1] for run in find_runs(["a/sub-*"])] == ["sub-1", "sub-2"]


def test_folder_of_the_images_is_refused_as_output_dir(folder):
    touch("out/sub-1/func/sub-1_desc-preproc_bold.nii")
    with pytest.raises(RunsError, match="out is the folder of the images; give another one"):
        find_runs(["out"])


def test_given_table_that_shares_the_other_entities_of_the_image_is_preferred(folder):
    names = [f"sub-{sub}_reg-{reg}" for sub in (1, 2) for reg in ("a", "b")]
    touch(*(f"{name}_desc-preproc_bold.nii" for name in names), *(f"{name}_confounds.tsv" for name in names))
    with pytest.warns(NiimaskerWarning, match="2 images of one run"):
        runs = find_runs(["sub-*_bold.nii"], ["sub-*_confounds.tsv"])
    assert [run.confounds_path.name for run in runs] == [f"{name}_confounds.tsv" for name in names]


@pytest.mark.parametrize("option", ["regressor_files", "censor_file"])
def test_pattern_of_a_pipeline_that_matches_nothing_is_refused_with_its_name(folder, option):
    touch("sub-01_bold.nii.gz")
    images = {"output_dir": "out", "input_files": "sub-01_bold.nii.gz", "roi_file": "atlas.nii.gz"}
    with pytest.raises(NiimaskerError, match=rf"^pipeline 'odd': --{option}: no file matches nope"):
        inputs.find_runs(make_settings({**images, "pipelines": {"raw": {}, "odd": {option: "nope_*.tsv"}}}))
    of_call = make_settings({**images, option: "nope_*.tsv", "pipelines": {"raw": {}, "odd": {"detrend": True}}})
    with pytest.raises(NiimaskerError, match=rf"^--{option}: no file matches nope"):
        inputs.find_runs(of_call)
