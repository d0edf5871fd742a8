"""Kinds and names of regions, masks, single vertices and coverage on surfaces and grayordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from extracting import AS_FLOAT32, assert_signals, extract_run, read, refuse
from made_up_surfaces import (
    members_of,
    parcels_axis,
    save_annot,
    save_cifti,
    save_dlabel,
    save_dscalar,
    save_func,
    save_gifti,
    save_label_gii,
    save_label_pair,
    save_shape,
    scalars_axis,
    series_axis,
)
from region_means import mean_of_each, read_parcels
from small_brain import (
    BRAIN,
    CORTEX,
    KEYS,
    LEFT_VERTICES,
    N_MESH,
    NAMES,
    RIGHT_VERTICES,
    TABLE,
    make_values,
    to_mesh,
    write_atlas,
    write_brain,
    write_hemispheres,
)

pytestmark = pytest.mark.usefixtures("folder")

MESH_KEYS = np.repeat([1, 2, 4], 14)
RUN, ATLAS = "rest.dtseries.nii", "atlas.dlabel.nii"


@pytest.fixture
def values() -> np.ndarray:
    """Write a run of grayordinates, and return its values."""
    made = make_values()
    write_brain(made)
    return made


@pytest.fixture
def hemispheres() -> tuple[np.ndarray, np.ndarray]:
    """Write a run of two hemispheres, and return their values."""
    both = make_values(N_MESH), make_values(N_MESH, seed=1)
    write_hemispheres(*both)
    return both


PAIR, PAIR_ATLAS = "rest_hemi-*_bold.func.gii", "atlas_hemi-{hemi}.label.gii"


class TestNames:
    def test_come_from_the_table_in_ascending_order_of_key(self, values):
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas())
        assert_signals(extracted, mean_of_each(values, KEYS, NAMES))
        assert extracted.regions["name"].tolist() == list(NAMES.values())
        assert extracted.regions["index"].tolist() == list(NAMES)

    def test_labels_override_by_index(self, values):
        rows = {12: "m", 1: "n", 7: "o", 9: "p", 2: "q", 4: "r"}
        Path("names.tsv").write_text("index\tname\n" + "".join(f"{key}\t{name}\n" for key, name in rows.items()))
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(), labels="names.tsv")
        assert_signals(extracted, mean_of_each(values, KEYS, rows))

    def test_labels_override_those_of_a_hemisphere_by_index(self):
        left = make_values(N_MESH)
        save_func("rest_hemi-L_bold.func.gii", left, primary="CortexLeft")
        save_label_gii("atlas_hemi-L.label.gii", MESH_KEYS, {1: "a", 2: "b", 4: "c"})
        Path("names.tsv").write_text("index\tname\n4\tx\n1\ty\n2\tz\n")
        options = {"roi_file": "atlas_hemi-L.label.gii", "labels": "names.tsv"}
        extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii", **options)
        assert_signals(extracted, mean_of_each(left, MESH_KEYS, {4: "x", 1: "y", 2: "z"}))

    def test_entry_without_members_keeps_its_column(self, values):
        table = {**TABLE, 3: "nowhere", 40: "last"}
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(table=table))
        names = {key: name for key, name in table.items() if key}
        assert_signals(extracted, mean_of_each(values, KEYS, names))
        assert extracted.signals.columns[2] == "nowhere"
        assert [extracted.facts["status"][name].split(":")[0] for name in ("nowhere", "last")] == ["empty", "empty"]
        text = Path(extracted.signals_path).read_text().splitlines()[1]
        assert text.split("\t")[2] == "n/a"

    def test_key_without_entry_is_named_by_its_key_with_a_warning(self, values):
        table = {key: name for key, name in TABLE.items() if key not in (4, 12)}
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(table=table))
        names = {**NAMES, 4: "roi 4", 12: "roi 12"}
        assert_signals(extracted, mean_of_each(values, KEYS, names))
        assert extracted.warnings_with(ATLAS, "4", "12")

    def test_key_without_entry_on_a_surface_is_named_by_its_key_with_a_warning(self):
        left = make_values(N_MESH)
        save_func("rest_hemi-L_bold.func.gii", left, primary="CortexLeft")
        save_label_gii("atlas_hemi-L.label.gii", MESH_KEYS, {1: "a", 4: "c"})
        extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii", roi_file="atlas_hemi-L.label.gii")
        assert_signals(extracted, mean_of_each(left, MESH_KEYS, {1: "a", 2: "roi 2", 4: "c"}))
        assert extracted.warnings_with("atlas_hemi-L.label.gii", "2")

    def test_names_that_are_used_twice_have_their_key_appended_with_a_warning(self, values):
        names = {1: "a", 2: "a", 4: "c", 7: "d", 9: "e", 12: "f"}
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(table=names))
        assert_signals(extracted, mean_of_each(values, KEYS, {**names, 1: "a 1", 2: "a 2"}))
        assert extracted.warnings_with(ATLAS, "'a'")

    def test_key_that_is_no_number_is_the_background_with_a_warning(self, values):
        keys = np.where(np.arange(BRAIN.n_points) == 3, np.nan, KEYS)
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(keys))
        assert_signals(extracted, mean_of_each(values, np.nan_to_num(keys).astype(int), NAMES))
        assert extracted.warnings_with(ATLAS, "NaN")

    @pytest.mark.parametrize("intent", ["NIFTI_INTENT_NONE", "NIFTI_INTENT_SHAPE"])
    def test_come_from_the_table_where_the_intent_is_not_that_of_labels(self, intent):
        left = make_values(N_MESH)
        save_func("rest_hemi-L_bold.func.gii", left, primary="CortexLeft")
        table, keys = {0: "???", 1: "a", 2: "b", 4: "c"}, MESH_KEYS.astype("f4")
        save_gifti("atlas_hemi-L.label.gii", [keys], primary="CortexLeft", intent=intent, table=table)
        extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii", roi_file="atlas_hemi-L.label.gii")
        assert_signals(extracted, mean_of_each(left, MESH_KEYS, {1: "a", 2: "b", 4: "c"}))

    def test_fractions_are_no_labels_in_spite_of_a_table(self):
        left, weights = make_values(N_MESH), np.linspace(0, 1, N_MESH).astype("f4")
        save_func("rest_hemi-L_bold.func.gii", left, primary="CortexLeft")
        save_gifti("map_hemi-L.shape.gii", [weights], primary="CortexLeft", intent="NIFTI_INTENT_NONE", table={1: "a"})
        extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii", roi_file="map_hemi-L.shape.gii")
        np.testing.assert_allclose(extracted.signals.to_numpy()[:, 0], left @ weights / weights.sum(), rtol=1e-6)

    def test_negative_keys_are_the_background(self, values):
        keys = np.where(KEYS == 2, -1, KEYS)
        table = {key: name for key, name in TABLE.items() if key != 2}
        write_atlas(keys, table=table)
        extracted = extract_run("out", input_files=RUN, roi_file=ATLAS)
        assert_signals(extracted, mean_of_each(values, keys, {key: name for key, name in table.items() if key}))

    def test_key_across_structures_of_a_dlabel_is_one_region(self, values):
        keys = np.select([KEYS == 4, KEYS == 9], [1, 1], KEYS)
        names = {1: "everywhere", 2: "Mot left", 7: "Mot right", 12: "Accumbens"}
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(keys, table=names))
        assert_signals(extracted, mean_of_each(values, keys, names))
        facts = extracted.facts.loc["everywhere"]
        n_vertices = np.count_nonzero((keys == 1) & BRAIN.is_vertex)
        assert (facts["n_vertices"], facts["n_voxels"]) == (n_vertices, np.count_nonzero(KEYS == 9))
        assert facts["n_valid"] == np.count_nonzero(keys == 1)

    def test_names_that_stand_in_both_hemispheres_have_a_prefix(self, hemispheres):
        tables = {1: "bankssts", 2: "insula", 4: "left alone"}, {1: "bankssts", 2: "right alone", 4: "insula"}
        save_label_pair(PAIR_ATLAS, MESH_KEYS, MESH_KEYS[::-1], *tables)
        extracted = extract_run("out", input_files=PAIR, roi_file=PAIR_ATLAS)
        names = {1: "L_bankssts", 2: "L_insula", 4: "left alone"}, {1: "R_bankssts", 2: "right alone", 4: "R_insula"}
        parts = [
            mean_of_each(each, keys, table)
            for each, keys, table in zip(hemispheres, (MESH_KEYS, MESH_KEYS[::-1]), names, strict=True)
        ]
        assert_signals(extracted, pd.concat(parts, axis=1))
        assert extracted.regions["index"].tolist() == [1, 2, 4, 1, 2, 4]
        assert extracted.regions["structure"].tolist() == ["CORTEX_LEFT"] * 3 + ["CORTEX_RIGHT"] * 3

    def test_names_of_annotations_that_stand_in_both_hemispheres_have_a_prefix(self, hemispheres):
        table = {0: "unknown", 1: "bankssts", 2: "insula", 4: "cuneus"}
        for side, keys in (("lh", MESH_KEYS), ("rh", MESH_KEYS[::-1])):
            save_annot(f"{side}.aparc.annot", keys, table)
        extracted = extract_run("out", input_files=PAIR, roi_file="lh.aparc.annot")
        parts = [
            mean_of_each(each, keys, {key: f"{side}_{table[key]}" for key in (1, 2, 4)})
            for each, keys, side in zip(hemispheres, (MESH_KEYS, MESH_KEYS[::-1]), "LR", strict=True)
        ]
        assert_signals(extracted, pd.concat(parts, axis=1))

    def test_prefix_is_not_given_where_each_hemisphere_names_its_own(self, hemispheres):
        n_regions = N_MESH // 2
        keys = np.repeat(np.arange(1, n_regions + 1), 2)
        tables = [{key: f"{side}_V{key}_ROI" for key in range(1, n_regions + 1)} for side in "LR"]
        save_label_pair(PAIR_ATLAS, keys, keys, *tables)
        extracted = extract_run("out", input_files=PAIR, roi_file=PAIR_ATLAS)
        parts = [mean_of_each(each, keys, table) for each, table in zip(hemispheres, tables, strict=True)]
        assert_signals(extracted, pd.concat(parts, axis=1))


class TestPairs:
    @pytest.fixture
    def expected(self, hemispheres) -> pd.DataFrame:
        """Write annotations and label files of both hemispheres, and return the means."""
        names = {1: "a", 2: "b", 4: "c"}, {1: "d", 2: "e", 4: "f"}
        keys = MESH_KEYS, MESH_KEYS[::-1]
        save_label_pair(PAIR_ATLAS, *keys, *names)
        for side, each, table in zip(("lh", "rh"), keys, names, strict=True):
            save_annot(f"{side}.atlas.annot", each, {0: "unknown", **table})
            save_label_gii(f"{side}.atlas.label.gii", each, table)
        for side, each, table in zip("LR", keys, names, strict=True):
            save_label_gii(f"fs_LR.{side}.atlas.label.gii", each, table)
        parts = [mean_of_each(*each) for each in zip(hemispheres, keys, names, strict=True)]
        return pd.concat(parts, axis=1)

    @pytest.mark.parametrize(
        "roi_file",
        [
            ["atlas_hemi-L.label.gii", "atlas_hemi-R.label.gii"],
            ["atlas_hemi-R.label.gii", "atlas_hemi-L.label.gii"],
            "atlas_hemi-{hemi}.label.gii",
            "atlas_hemi-L.label.gii",
            "atlas_hemi-R.label.gii",
            ["lh.atlas.annot", "rh.atlas.annot"],
            "lh.atlas.annot",
            "rh.atlas.annot",
            "lh.atlas.label.gii",
            "fs_LR.L.atlas.label.gii",
        ],
        ids=str,
    )
    def test_both_hemispheres_are_one_atlas(self, expected, roi_file):
        extracted = extract_run("out", input_files=PAIR, roi_file=roi_file)
        assert_signals(extracted, expected)

    @pytest.mark.parametrize("labels", ["list", "rows", "numbered"])
    def test_names_may_be_given_for_each_region(self, expected, labels):
        names = list("UVWXYZ")
        Path("rows.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        rows = [f"{key}\t{name}\n" for key, name in zip([1, 2, 4] * 2, names, strict=True)]
        Path("numbered.tsv").write_text("index\tname\n" + "".join(rows), encoding="utf-8")
        given = {"list": names, "rows": "rows.txt", "numbered": "numbered.tsv"}[labels]
        extracted = extract_run("out", input_files=PAIR, roi_file="atlas_hemi-{hemi}.label.gii", labels=given)
        assert_signals(extracted, expected.set_axis(names, axis=1))

    def test_two_pairs_are_two_atlases(self, expected):
        roi_file = ["atlas_hemi-{hemi}.label.gii", "lh.atlas.annot", "rh.atlas.annot"]
        extracted = extract_run("out", input_files=PAIR, roi_file=roi_file, atlas_name=["A", "B"])
        assert_signals(extracted, expected)
        (second,) = Path("out").glob("*_atlas-B_timeseries.tsv")
        assert second.read_bytes() == extracted.signals_path.read_bytes()

    def test_one_hemisphere_alone_has_the_regions_of_one(self, hemispheres):
        save_label_gii("only_hemi-R.label.gii", MESH_KEYS, {1: "a", 2: "b", 4: "c"}, primary="CortexRight")
        extracted = extract_run("out", input_files=PAIR, roi_file="only_hemi-R.label.gii")
        assert_signals(extracted, mean_of_each(hemispheres[1], MESH_KEYS, {1: "a", 2: "b", 4: "c"}))
        assert extracted.warnings_with("only_hemi-R.label.gii is not on CORTEX_LEFT")

    def test_surface_atlas_of_the_same_mesh_fits_grayordinates(self, values):
        left, right = (
            to_mesh(KEYS[part], each.points) for each, part in zip(CORTEX.structures, CORTEX.parts, strict=True)
        )
        save_label_pair(PAIR_ATLAS, left, right, {1: "Vis left", 2: "Mot left"}, {4: "Vis right", 7: "Mot right"})
        extracted = extract_run("out", input_files=RUN, roi_file=PAIR_ATLAS)
        assert_signals(extracted, mean_of_each(values, KEYS, {key: NAMES[key] for key in (1, 2, 4, 7)}))

    def test_cifti_atlas_of_the_same_mesh_fits_surfaces(self, hemispheres):
        save_dlabel(ATLAS, KEYS[: CORTEX.n_points], CORTEX, {key: NAMES[key] for key in (1, 2, 4, 7)})
        extracted = extract_run("out", input_files=PAIR, roi_file=ATLAS)
        kept = np.hstack([hemispheres[0][:, LEFT_VERTICES], hemispheres[1][:, RIGHT_VERTICES]])
        expected = mean_of_each(kept, KEYS[: CORTEX.n_points], {key: NAMES[key] for key in (1, 2, 4, 7)})
        assert_signals(extracted, expected)


class TestKinds:
    def test_whole_numbers_of_a_dscalar_are_a_parcellation(self, values):
        save_dscalar("atlas.dscalar.nii", KEYS, BRAIN)
        extracted = extract_run("out", input_files=RUN, roi_file="atlas.dscalar.nii")
        assert_signals(extracted, mean_of_each(values, KEYS, {key: f"roi {key}" for key in NAMES}))

    def test_whole_numbers_of_a_shape_file_are_a_parcellation(self, hemispheres):
        save_shape("atlas_hemi-L.shape.gii", MESH_KEYS)
        extracted = extract_run("out", input_files=PAIR, roi_file="atlas_hemi-L.shape.gii")
        assert_signals(extracted, mean_of_each(hemispheres[0], MESH_KEYS, {key: f"roi {key}" for key in (1, 2, 4)}))

    def test_one_value_in_a_dscalar_is_a_mask(self, values):
        is_inside = np.isin(KEYS, (1, 7, 9))
        save_dscalar("mask.dscalar.nii", is_inside, BRAIN)
        extracted = extract_run("out", input_files=RUN, roi_file="mask.dscalar.nii", labels="patch")
        assert_signals(extracted, mean_of_each(values, is_inside.astype(int), {1: "patch"}))

    def test_one_value_in_a_shape_file_is_a_mask(self, hemispheres):
        save_shape("mask_hemi-L.shape.gii", MESH_KEYS == 2)
        extracted = extract_run("out", input_files=PAIR, roi_file="mask_hemi-L.shape.gii", labels="patch")
        assert_signals(extracted, mean_of_each(hemispheres[0], (MESH_KEYS == 2).astype(int), {1: "patch"}))

    def test_real_numbers_of_a_dscalar_are_maps_that_are_fitted_together(self, values):
        maps = np.random.default_rng(2).random((3, BRAIN.n_points)).astype(np.float32)
        save_dscalar("maps.dscalar.nii", maps, BRAIN)
        extracted = extract_run("out", input_files=RUN, roi_file="maps.dscalar.nii")
        expected, *_ = np.linalg.lstsq(maps.T.astype(float), values.T.astype(float), rcond=None)
        np.testing.assert_allclose(extracted.signals, expected.T, rtol=1e-9)

    def test_real_numbers_of_a_shape_file_are_maps_that_are_fitted_together(self):
        left = make_values(N_MESH)
        save_func("rest_hemi-L_bold.func.gii", left, primary="CortexLeft")
        maps = np.random.default_rng(2).random((3, N_MESH)).astype(np.float32)
        save_shape("maps_hemi-L.shape.gii", maps)
        extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii", roi_file="maps_hemi-L.shape.gii")
        expected, *_ = np.linalg.lstsq(maps.T.astype(float), left.T.astype(float), rcond=None)
        np.testing.assert_allclose(extracted.signals, expected.T, rtol=1e-9)

    def test_maps_of_grayordinates_in_another_order_have_the_same_coefficients(self, values):
        maps = np.random.default_rng(2).random((3, BRAIN.n_points)).astype(np.float32)
        order = np.concatenate([BRAIN.parts[number] for number in (2, 1, 3, 0)])
        save_dscalar("maps.dscalar.nii", maps[:, order], BRAIN.take(order))
        extracted = extract_run("out", input_files=RUN, roi_file="maps.dscalar.nii")
        expected, *_ = np.linalg.lstsq(maps.T.astype(float), values.T.astype(float), rcond=None)
        np.testing.assert_allclose(extracted.signals, expected.T, rtol=1e-9)

    def test_one_map_is_weights(self, values):
        weights = np.where(KEYS == 4, np.random.default_rng(3).random(BRAIN.n_points), 0).astype(np.float32)
        save_dscalar("weights.dscalar.nii", weights, BRAIN)
        extracted = extract_run("out", input_files=RUN, roi_file="weights.dscalar.nii")
        expected = np.average(values.astype(float), axis=1, weights=weights.astype(float))
        np.testing.assert_allclose(extracted.signals.to_numpy()[:, 0], expected, rtol=1e-9)
        assert extracted.signals.shape[1] == 1

    @pytest.mark.parametrize("ending", ["ptseries", "pscalar"])
    def test_parcels_are_regions_of_their_members(self, values, ending):
        names = {12: "Accumbens", 1: "Vis left", 7: "Mot right", 9: "Thalamus"}
        parcels = parcels_axis(members_of(BRAIN, KEYS, names), BRAIN)
        rows = scalars_axis(["thickness"]) if ending == "pscalar" else series_axis(3)
        save_cifti(f"parcels.{ending}.nii", np.zeros((rows.length, len(names))), rows, parcels)
        extracted = extract_run("out", input_files=RUN, roi_file=f"parcels.{ending}.nii")
        expected = mean_of_each(values, KEYS, names)
        assert set(extracted.signals.columns) == set(names.values())
        np.testing.assert_allclose(extracted.signals[expected.columns], expected, rtol=1e-9)

    def test_parcels_are_found_in_a_run_of_another_order(self, values):
        order = np.concatenate([BRAIN.parts[number] for number in (3, 2, 1, 0)])
        write_brain(values[:, order], BRAIN.take(order), "other.dtseries.nii")
        parcels = parcels_axis(members_of(BRAIN, KEYS, NAMES), BRAIN)
        save_cifti("parcels.pscalar.nii", np.zeros((1, len(NAMES))), scalars_axis(["thickness"]), parcels)
        extracted = extract_run("out", input_files="other.dtseries.nii", roi_file="parcels.pscalar.nii")
        expected = mean_of_each(values, KEYS, NAMES)
        np.testing.assert_allclose(extracted.signals[expected.columns], expected, rtol=1e-9)

    def test_real_atlas_in_a_dscalar_has_the_means_of_workbench(self, surfaces_dir):
        extracted = extract_run(
            "out",
            input_files=surfaces_dir / "cifti_jl/test.dtseries.nii",
            roi_file=surfaces_dir / "tian/Tian_Subcortex_S1_3T_32k.dscalar.nii",
        )
        expected = read_parcels(surfaces_dir / "workbench/test_atlas-Schaefer100Tian.ptseries.nii").iloc[:, :16]
        assert extracted.signals.columns.tolist() == [f"roi {key}" for key in range(1, 17)]
        np.testing.assert_allclose(extracted.signals, expected, **AS_FLOAT32)

    def test_atlas_without_regions_is_an_error(self, values):
        save_dlabel(ATLAS, np.zeros(BRAIN.n_points), BRAIN, {0: "???"})
        assert ATLAS in refuse("out", "-i", RUN, "-r", ATLAS)


class TestMasks:
    # Inside: about every second point.
    INSIDE = np.arange(BRAIN.n_points) % 2 == 0

    def test_dscalar_restricts_regions(self, values):
        save_dscalar("mask.dscalar.nii", self.INSIDE, BRAIN)
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(), mask_img="mask.dscalar.nii")
        assert_signals(extracted, mean_of_each(values, np.where(self.INSIDE, KEYS, 0), NAMES))

    def test_dscalar_in_another_order_restricts_the_same_points(self, values):
        order = np.concatenate([BRAIN.parts[number] for number in (2, 1, 3, 0)])
        save_dscalar("mask.dscalar.nii", self.INSIDE[order], BRAIN.take(order))
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(), mask_img="mask.dscalar.nii")
        assert_signals(extracted, mean_of_each(values, np.where(self.INSIDE, KEYS, 0), NAMES))

    @pytest.mark.parametrize("kind", ["shape", "label"])
    @pytest.mark.parametrize("given", ["{hemi}", "L"])
    def test_pair_restricts_regions(self, hemispheres, kind, given):
        inside = np.arange(N_MESH) % 2 == 0, np.arange(N_MESH) % 3 > 0
        for side, each in zip("LR", inside, strict=True):
            if kind == "shape":
                save_shape(f"mask_hemi-{side}.shape.gii", each)
            else:
                save_label_gii(f"mask_hemi-{side}.label.gii", each, {0: "???", 1: "cortex"})
        tables = {1: "a", 2: "b", 4: "c"}, {1: "d", 2: "e", 4: "f"}
        save_label_pair(PAIR_ATLAS, MESH_KEYS, MESH_KEYS[::-1], *tables)
        mask_img = f"mask_hemi-{given}.{kind}.gii"
        extracted = extract_run("out", input_files=PAIR, roi_file=PAIR_ATLAS, mask_img=mask_img)
        keys = [np.where(each, k, 0) for each, k in zip(inside, (MESH_KEYS, MESH_KEYS[::-1]), strict=True)]
        parts = [mean_of_each(*each) for each in zip(hemispheres, keys, tables, strict=True)]
        assert_signals(extracted, pd.concat(parts, axis=1))

    def test_labels_without_points_do_not_matter(self, values):
        inside = np.where(self.INSIDE, 7, 0)
        save_dlabel("mask.dlabel.nii", inside, BRAIN, {0: "???", 3: "V1", 7: "MEDIAL.WALL", 9: "V2"})
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(), mask_img="mask.dlabel.nii")
        assert_signals(extracted, mean_of_each(values, np.where(self.INSIDE, KEYS, 0), NAMES))
        assert not extracted.warnings_with("mask.dlabel.nii")

    @pytest.mark.parametrize("place", ["func", "anat"])
    def test_auto_is_the_mask_of_cortex_that_lies_with_the_run(self, place):
        both = make_values(N_MESH), make_values(N_MESH, seed=1)
        write_hemispheres(*both, "prep/sub-01/func/sub-01_task-rest_hemi-{hemi}_space-fsLR_den-1k_bold.func.gii")
        inside = np.arange(N_MESH) % 2 == 0, np.arange(N_MESH) % 3 > 0
        for side, each in zip("LR", inside, strict=True):
            name = f"sub-01_hemi-{side}_space-fsLR_den-1k_desc-cortex_mask.label.gii"
            save_label_gii(f"prep/sub-01/{place}/{name}", each, {0: "???", 1: "cortex"})
        tables = {1: "a", 2: "b", 4: "c"}, {1: "d", 2: "e", 4: "f"}
        save_label_pair(PAIR_ATLAS, MESH_KEYS, MESH_KEYS[::-1], *tables)
        extracted = extract_run("out", input_files="prep/*/func/*.func.gii", roi_file=PAIR_ATLAS, mask_img="auto")
        keys = [np.where(each, k, 0) for each, k in zip(inside, (MESH_KEYS, MESH_KEYS[::-1]), strict=True)]
        parts = [mean_of_each(*each) for each in zip(both, keys, tables, strict=True)]
        assert_signals(extracted, pd.concat(parts, axis=1))

    def test_region_outside_of_the_mask_is_empty(self, values):
        save_dscalar("mask.dscalar.nii", KEYS != 9, BRAIN)
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(), mask_img="mask.dscalar.nii")
        assert extracted.signals["Thalamus"].isna().all()
        assert extracted.facts["status"]["Thalamus"].startswith("empty")

    def test_mask_of_real_surfaces_leaves_its_cortex(self, surfaces_dir):
        sides = {
            side: surfaces_dir / f"workbench/sub-01_task-rest_hemi-{side}_space-fsLR_den-32k_bold.func.gii"
            for side in "LR"
        }
        options = {
            "input_files": list(sides.values()),
            "roi_file": str(
                surfaces_dir / "workbench/atlas-Schaefer100Tian_hemi-{hemi}_space-fsLR_den-32k_dseg.label.gii"
            ),
        }
        mask_img = str(surfaces_dir / "workbench/hemi-{hemi}_space-fsLR_den-32k_desc-cortex_mask.shape.gii")
        without = extract_run("without", **options)
        within = extract_run("within", **options, mask_img=mask_img)
        # Every vertex of the regions is cortex.
        np.testing.assert_allclose(within.signals[without.signals.columns], without.signals, rtol=1e-10)


class TestVertices:
    PLACES = ("x", "y", "z")

    def vertices_of(self, extracted) -> pd.DataFrame:
        """Return the table of vertices, whose rows are the columns of the signals."""
        (path,) = Path("out").glob("*_vertices.tsv")
        table = read(path)
        assert table["column"].tolist() == extracted.signals.columns.tolist()
        assert {"structure", "vertex", "i", "j", "k", *self.PLACES} <= set(table.columns)
        assert not list(Path("out").glob("*_voxels.tsv"))
        return table

    def check(self, extracted, values, models, is_taken) -> None:
        table = self.vertices_of(extracted)
        by_place = {}
        for structure, part in zip(models.structures, models.parts, strict=True):
            for point, position in zip(structure.points.tolist(), part, strict=True):
                by_place[(structure.name, *np.atleast_1d(point).tolist())] = position
        found = []
        for row in table.to_dict("records"):
            is_voxel = np.isnan(row["vertex"])
            place = (row["i"], row["j"], row["k"]) if is_voxel else (row["vertex"],)
            if not is_voxel:
                assert np.isnan([row["i"], row["j"], row["k"]]).all()
            found.append(by_place[(row["structure"], *map(int, place))])
        assert sorted(found) == np.flatnonzero(is_taken).tolist()
        np.testing.assert_allclose(extracted.signals, values[:, found], rtol=1e-9)

    def test_every_grayordinate_of_a_mask_is_a_column(self, values):
        is_inside = np.isin(KEYS, (1, 7, 9))
        save_dscalar("mask.dscalar.nii", is_inside, BRAIN)
        extracted = extract_run("out", input_files=RUN, roi_file="mask.dscalar.nii", as_voxels=True)
        self.check(extracted, values, BRAIN, is_inside)

    def test_every_grayordinate_of_a_parcellation_is_a_column(self, values):
        extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(), as_voxels=True)
        self.check(extracted, values, BRAIN, KEYS > 0)
        table = self.vertices_of(extracted)
        assert list(dict.fromkeys(table["region"])) == list(NAMES.values())
        assert table["region"].value_counts().to_dict() == {
            name: np.count_nonzero(key == KEYS) for key, name in NAMES.items()
        }

    def test_voxels_have_their_places_in_mm(self, values):
        save_dscalar("mask.dscalar.nii", KEYS == 9, BRAIN)
        extracted = extract_run("out", input_files=RUN, roi_file="mask.dscalar.nii", as_voxels=True)
        table = self.vertices_of(extracted)
        voxels = table[["i", "j", "k"]].to_numpy(float)
        expected = voxels @ BRAIN.affine[:3, :3].T + BRAIN.affine[:3, 3]
        np.testing.assert_allclose(table[list(self.PLACES)].to_numpy(float), expected, atol=0.01)
        assert set(table["structure"]) == {"THALAMUS_LEFT"}

    def test_every_vertex_of_a_hemisphere_is_a_column(self, hemispheres):
        save_shape("mask_hemi-L.shape.gii", np.ones(N_MESH))
        extracted = extract_run("out", input_files=PAIR, roi_file="mask_hemi-L.shape.gii", as_voxels=True)
        table = self.vertices_of(extracted)
        assert table["vertex"].tolist() == list(range(N_MESH))
        assert set(table["structure"]) == {"CORTEX_LEFT"}
        np.testing.assert_allclose(extracted.signals, hemispheres[0], rtol=1e-9)

    def test_every_vertex_of_annotated_regions_is_a_column(self, hemispheres):
        tables = {1: "a", 2: "b", 4: "c"}, {1: "d", 2: "e"}
        save_label_pair(PAIR_ATLAS, MESH_KEYS, np.where(MESH_KEYS == 4, 0, MESH_KEYS), *tables)
        extracted = extract_run("out", input_files=PAIR, roi_file=PAIR_ATLAS, as_voxels=True)
        table = self.vertices_of(extracted)
        assert table["structure"].tolist() == ["CORTEX_LEFT"] * 42 + ["CORTEX_RIGHT"] * 28
        assert table["vertex"].tolist() == [*range(42), *range(28)]
        expected = np.hstack([hemispheres[0], hemispheres[1][:, :28]])
        np.testing.assert_allclose(extracted.signals, expected, rtol=1e-9)


class TestCoverage:
    """Region 1 has constant points, region 2 lacks points, region 4 has a NaN, and region 12 nothing but zeros."""

    @pytest.fixture
    def partial(self) -> tuple[np.ndarray, np.ndarray]:
        """Write a run that lacks points of the atlas, and return its values and the keys of its points."""
        made = make_values()
        made[:, np.flatnonzero(KEYS == 1)[:9]] = 0
        made[4, np.flatnonzero(KEYS == 4)[2]] = np.nan
        made[:, KEYS == 12] = 0
        is_kept = np.ones(BRAIN.n_points, dtype=bool)
        is_kept[np.flatnonzero(KEYS == 2)[:6]] = False
        write_brain(made[:, is_kept], BRAIN.take(np.flatnonzero(is_kept)))
        write_atlas()
        return made[:, is_kept], KEYS[is_kept]

    def expect(self, values, keys) -> pd.DataFrame:
        """Return the facts of each region by numpy."""
        counted = np.where(np.isfinite(values), values, 0).astype(float)
        is_valid = np.isfinite(values).all(axis=0) & (counted.std(axis=0) > 0)
        rows = {}
        for key, name in NAMES.items():
            members = keys == key
            valid = members & is_valid
            tsnr = counted[:, valid].mean(axis=0) / counted[:, valid].std(axis=0)
            rows[name] = {
                "n_valid": valid.sum(),
                "coverage": valid.sum() / np.count_nonzero(key == KEYS),
                "mean": counted[:, members].mean(),
                "tsnr": tsnr.mean() if valid.any() else np.nan,
            }
        return pd.DataFrame(rows).T

    def test_facts_are_those_of_numpy(self, partial):
        extracted = extract_run("out", input_files=RUN, roi_file=ATLAS)
        expected = self.expect(*partial)
        found = extracted.facts.loc[expected.index, expected.columns]
        np.testing.assert_allclose(found.to_numpy(float), expected.to_numpy(float), rtol=1e-3)
        assert_signals(extracted, mean_of_each(np.nan_to_num(partial[0]), partial[1], NAMES))
        status = extracted.facts["status"].to_dict()
        assert status == {name: "constant" if name == "Accumbens" else "ok" for name in NAMES.values()}

    def test_sizes_are_those_of_the_points_in_the_run(self, partial):
        facts = extract_run("out", input_files=RUN, roi_file=ATLAS).facts
        _, keys = partial
        for key, name in NAMES.items():
            column = "n_voxels" if key in (9, 12) else "n_vertices"
            assert facts[column][name] == np.count_nonzero(keys == key)
        assert facts["structure"].tolist() == [
            *["CORTEX_LEFT"] * 2,
            *["CORTEX_RIGHT"] * 2,
            "THALAMUS_LEFT",
            "ACCUMBENS_RIGHT",
        ]

    def test_regions_below_min_coverage_are_not_there(self, partial):
        extracted = extract_run("out", input_files=RUN, roi_file=ATLAS, min_coverage=0.8)
        expected = self.expect(*partial)
        is_low = (expected["coverage"] < 0.8).to_numpy()
        assert is_low.tolist() == [True, True, False, False, False, True]
        assert extracted.signals.isna().all().tolist() == is_low.tolist()
        assert extracted.facts["status"]["Vis left"] == f"coverage {expected['coverage']['Vis left']:.2f} < 0.8"

    def test_valid_points_alone_are_averaged(self, partial):
        values, keys = partial
        extracted = extract_run("out", input_files=RUN, roi_file=ATLAS, valid_voxels=True)
        is_valid = np.isfinite(values).all(axis=0) & (np.nan_to_num(values).std(axis=0) > 0)
        assert_signals(extracted, mean_of_each(values, np.where(is_valid, keys, 0), NAMES))

    def test_low_coverage_is_a_warning(self, partial):
        extracted = extract_run("out", input_files=RUN, roi_file=ATLAS)
        assert extracted.warnings_with("Vis left", "--min_coverage")
        assert extracted.warnings_with("Accumbens", "constant")

    def test_surfaces_have_the_facts_of_numpy(self):
        left = make_values(N_MESH)
        left[:, :6] = 0
        left[2, 20] = np.nan
        save_func("rest_hemi-L_bold.func.gii", left, primary="CortexLeft")
        save_label_gii("atlas_hemi-L.label.gii", MESH_KEYS, {1: "a", 2: "b", 4: "c"})
        options = {"input_files": "rest_hemi-L_bold.func.gii", "roi_file": "atlas_hemi-L.label.gii"}
        facts = extract_run("out", **options).facts
        assert facts["n_vertices"].tolist() == [14, 14, 14]
        assert facts["n_valid"].tolist() == [8, 13, 14]
        np.testing.assert_allclose(facts["coverage"], [8 / 14, 13 / 14, 1], atol=1e-3)
        of_valid = left.astype(float)[:, 6:14]
        assert facts["tsnr"]["a"] == pytest.approx((of_valid.mean(axis=0) / of_valid.std(axis=0)).mean(), rel=1e-3)
        valid = extract_run("valid", **options, valid_voxels=True)
        keys = np.where((np.arange(N_MESH) < 6) | (np.arange(N_MESH) == 20), 0, MESH_KEYS)
        assert_signals(valid, mean_of_each(left, keys, {1: "a", 2: "b", 4: "c"}))

    def test_vertices_of_real_surfaces_that_are_0_throughout_are_not_valid(self, surfaces_dir):
        sides = [
            surfaces_dir / f"fsaverage5_rest/sub-01_task-rest_hemi-{side}_space-fsaverage5_bold.func.gii"
            for side in "LR"
        ]
        annots = [
            surfaces_dir / f"nixtract/{side}.Schaefer2018_100Parcels_7Networks_order.annot" for side in ("lh", "rh")
        ]
        regions = extract_run("out", input_files=sides, roi_file=annots).regions
        missing = (regions["n_vertices"] - regions["n_valid"]).groupby(regions["structure"]).sum()
        assert missing["CORTEX_LEFT"] == 19


def test_several_atlases_are_read_in_one_pass(values):
    save_dscalar("b.dscalar.nii", np.where(KEYS == 4, 3, 0) + np.where(KEYS == 9, 5, 0), BRAIN)
    extracted = extract_run("out", input_files=RUN, roi_file=[write_atlas(), "b.dscalar.nii"], atlas_name=["A", "B"])
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))
    (path,) = Path("out").glob("*_atlas-B_timeseries.tsv")
    second = read(path)
    np.testing.assert_allclose(second["roi 3"], mean_of_each(values, KEYS, NAMES)["Vis right"], rtol=1e-9)


def test_points_without_a_region_are_not_needed_in_the_atlas(values):
    inside = np.flatnonzero(KEYS > 0)
    extracted = extract_run("out", input_files=RUN, roi_file=write_atlas(KEYS[inside], BRAIN.take(inside)))
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))


def test_atlas_of_points_that_the_run_does_not_have_is_an_error():
    thalamus = BRAIN.take(BRAIN.parts[2])
    write_brain(make_values(CORTEX.n_points), CORTEX)
    save_dlabel(ATLAS, np.full(thalamus.n_points, 9), thalamus, TABLE)
    assert "rest.dtseries.nii" in refuse("out", "-i", RUN, "-r", ATLAS)
