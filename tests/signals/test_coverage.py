"""Coverage of regions: warnings, --min_coverage and --valid_voxels."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from images import OBLIQUE, save, save_stored
from surface_regions import make_weights

from niimasker import extract
from niimasker.cli import main
from niimasker.errors import record_warnings
from niimasker.options.settings import ENGINES
from niimasker.signals.coverage import warn_of_field_of_view

SHAPE = (7, 8, 12)
N_VOLUMES = 20
WAVE = np.where(np.arange(N_VOLUMES) % 2, 2.0, -2.0)
with_both_engines = pytest.mark.parametrize("engine", ENGINES)
QUIETLY = pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")


def make_labels():
    """Regions 3, 5 and 8 of 10 voxels each, in rows along the last axis."""
    labels = np.zeros(SHAPE, dtype=np.int16)
    for index, j in ((3, 2), (5, 4), (8, 6)):
        labels[3, j, 1:11] = index
    return labels


LABELS = make_labels()


def make_volumes():
    """Every voxel of a region is index * 10 + 100, plus and minus 2."""
    return (LABELS * 10.0 + 100)[..., None] + WAVE


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(volumes, regions=LABELS, *, affine=OBLIQUE, **options):
    """Return the tables of signals and regions, and the warnings of the run."""
    save(Path("bold.nii"), volumes, affine, t_r=2.0)
    if isinstance(regions, np.ndarray):
        regions = save(Path("roi.nii"), regions)
    return run_files("bold.nii", regions, **options)


def run_files(image, roi_file, **options):
    with record_warnings() as said:
        (outcome,) = extract("out", input_files=str(image), roi_file=str(roi_file), no_report=True, **options)
    assert outcome.reason is None
    tables = outcome.tables[0]
    signals, regions = (pd.read_csv(path, sep="\t") for path in (tables.signals_path, tables.regions_path))
    assert sorted(set(said)) == sorted(said)
    return signals, regions, said


def about_coverage(said):
    return [line for line in said if "coverage" in line or "cover" in line]


@with_both_engines
class TestCoverage:
    def spoil(self, n_dead, value=0.0, row=4):
        volumes = make_volumes()
        volumes[3, row, 1 : 1 + n_dead] = value
        return volumes

    @pytest.mark.parametrize(("n_dead", "expected"), [(0, 1.0), (3, 0.7), (5, 0.5), (9, 0.1)])
    @pytest.mark.parametrize("value", [0.0, 100.0, 1e6 / 3])
    @QUIETLY
    def test_coverage_is_the_share_of_voxels_that_vary(self, engine, n_dead, expected, value):
        _, regions, _ = run(self.spoil(n_dead, value), engine=engine)
        assert regions["coverage"].tolist() == pytest.approx([1, expected, 1])
        assert regions["n_valid"].tolist() == [10, 10 - n_dead, 10]

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @QUIETLY
    def test_one_volume_that_is_not_finite_makes_a_voxel_invalid(self, engine, value):
        volumes = make_volumes()
        volumes[3, 4, 1:5, 9] = value
        assert run(volumes, engine=engine)[1]["coverage"].tolist() == pytest.approx([1, 0.6, 1])

    def test_kept_volumes_alone_count(self, engine):
        # Voxel 1 is not finite in volumes that are not kept; voxel 2 varies only in those.
        volumes = make_volumes()
        volumes[3, 4, 1, [0, 7]] = np.nan
        volumes[3, 4, 2] = 100
        volumes[3, 4, 2, [0, 7]] = [5, 300]
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 7, fmt="%d")
        _, regions, said = run(volumes, engine=engine, censor_file="censor.txt", discard_scans=1)
        assert regions["coverage"].tolist() == pytest.approx([1, 0.9, 1])
        assert not [line for line in said if "NaN" in line]

    @pytest.mark.parametrize(("n_dead", "warns"), [(4, False), (5, False), (6, True)])
    def test_less_than_half_warns_by_name(self, engine, n_dead, warns):
        said = about_coverage(run(self.spoil(n_dead), engine=engine)[2])
        assert len(said) == warns
        assert all("roi 5" in line and "roi 3" not in line and "roi 8" not in line for line in said)
        assert all(
            line.startswith("1 of 3 regions hold a signal in less than half of their voxels (coverage < 0.5, lowest 0.")
            for line in said
        )

    @pytest.mark.parametrize("min_coverage", [0.0, 0.1, 0.3])
    def test_min_coverage_replaces_the_warning_about_less_than_half(self, engine, min_coverage):
        _, regions, said = run(self.spoil(6), engine=engine, min_coverage=min_coverage)
        assert regions["status"].tolist() == ["ok", "ok", "ok"]
        assert said == []

    @pytest.mark.parametrize(("min_coverage", "standardize"), [(0.9, False), (0.9, True), (0.6, False)])
    def test_mean_is_of_the_signal_that_was_read_also_where_it_is_left_out(self, engine, min_coverage, standardize):
        _, regions, _ = run(self.spoil(4), engine=engine, min_coverage=min_coverage, standardize=standardize)
        # Dead voxels count as 0.
        assert regions["mean"].tolist() == pytest.approx([130, 90, 180])

    def test_mean_over_single_voxels_is_of_the_signal_that_was_read_too(self, engine):
        volumes = self.spoil(4)
        volumes[3, 2, 1] += 10
        _, regions, _ = run(volumes, engine=engine, min_coverage=0.9, as_voxels=True, standardize=True)
        assert regions["status"].tolist() == ["ok", "coverage 0.60 < 0.9", "ok"]
        assert regions["mean"].tolist() == pytest.approx([131, 90, 180])

    @pytest.mark.parametrize("as_voxels", [False, True])
    def test_region_outside_of_the_mask_has_no_mean(self, engine, as_voxels):
        mask = save(Path("mask.nii"), (LABELS != 5).astype(np.uint8))
        roi = LABELS.copy()
        with record_warnings():
            options = {"mask_img": mask} if not as_voxels else {}
            if as_voxels:
                # Instead, the region lies outside the field of view.
                roi = np.pad(np.where(LABELS == 5, 0, LABELS), ((0, 0), (0, 2), (0, 0)))
                roi[3, 9, 1:11] = 5
            _, regions, _ = run(make_volumes(), roi.astype(np.int16), engine=engine, as_voxels=as_voxels, **options)
        assert regions["mean"].isna().tolist() == [False, True, False]
        assert regions["mean"].dropna().tolist() == pytest.approx([130, 180])

    def test_names_of_regions_without_signal_are_shortened_to_six(self, engine):
        labels = np.zeros(SHAPE, dtype=np.int16)
        for index in range(1, 11):
            labels[3, 4, index] = index
        volumes = make_volumes()
        volumes[3, 4, 1:9] = 7
        said = run(volumes, labels, engine=engine)[2]
        listed = ", ".join(f"roi {number}" for number in range(1, 7))
        assert said == [f"8 of 10 regions without signal (constant): {listed}, ... (8 in all)."]

    def test_less_than_half_still_has_its_signal(self, engine):
        with record_warnings():
            signals, regions, _ = run(self.spoil(6), engine=engine)
        np.testing.assert_allclose(signals["roi 5"], 0.4 * (150 + WAVE), rtol=1e-9)
        assert set(regions["status"]) == {"ok"}

    @pytest.mark.parametrize("min_coverage", [0.7, 0.61])
    def test_regions_below_min_coverage_have_no_signal(self, engine, min_coverage):
        signals, regions, _ = run(self.spoil(4), engine=engine, min_coverage=min_coverage)
        assert regions["status"].tolist() == ["ok", f"coverage 0.60 < {min_coverage:g}", "ok"]
        assert signals["roi 5"].isna().all()
        np.testing.assert_allclose(signals["roi 3"], 130 + WAVE)
        np.testing.assert_allclose(signals["roi 8"], 180 + WAVE)

    @pytest.mark.parametrize("min_coverage", [0.0, 0.5, 0.6])
    def test_regions_at_min_coverage_keep_their_signal(self, engine, min_coverage):
        signals, regions, _ = run(self.spoil(4), engine=engine, min_coverage=min_coverage)
        assert regions["status"].tolist() == ["ok", "ok", "ok"]
        assert signals.notna().all(axis=None)

    def test_coverage_of_regions_left_out_is_reported(self, engine):
        _, regions, _ = run(self.spoil(4), engine=engine, min_coverage=0.9)
        assert regions["coverage"].tolist() == pytest.approx([1, 0.6, 1])

    @pytest.mark.parametrize("method", ["zscore_sample", "zscore", "psc"])
    def test_region_left_out_stays_out_through_cleaning(self, engine, method):
        options = {"standardize": True, "standardize_method": method, "detrend": True, "low_pass": 0.24}
        with record_warnings():
            signals, regions, _ = run(self.spoil(4), engine=engine, min_coverage=0.9, **options)
        assert regions["status"][1] == "coverage 0.60 < 0.9"
        assert signals["roi 5"].isna().all()
        assert signals[["roi 3", "roi 8"]].notna().all(axis=None)

    def test_voxels_outside_the_field_of_view_lower_the_coverage(self, engine):
        # 4 of the 10 voxels of each region lie beyond the end of the image.
        _, regions, _ = run(make_volumes()[:, :, :7], engine=engine)
        assert regions["coverage"].tolist() == pytest.approx([0.6, 0.6, 0.6])

    def test_region_cut_off_can_be_left_out(self, engine):
        labels = LABELS.copy()
        labels[3, 6, 7:11] = 0
        signals, regions, _ = run(make_volumes()[:, :, :7], labels, engine=engine, min_coverage=0.7)
        assert regions["status"].tolist() == ["coverage 0.60 < 0.7", "coverage 0.60 < 0.7", "ok"]
        np.testing.assert_allclose(signals["roi 8"], 180 + WAVE)

    def test_invalid_voxels_and_the_field_of_view_add_up(self, engine):
        with record_warnings():
            _, regions, _ = run(self.spoil(3)[:, :, :7], engine=engine)
        assert regions["coverage"].tolist() == pytest.approx([0.6, 0.3, 0.6])

    def test_region_at_min_coverage_by_both_keeps_its_signal(self, engine):
        # 6 of 10 voxels are in the image and 4 of them vary: 6 / 10 * 4 / 6 is less than 0.4 in floating point.
        signals, regions, _ = run(self.spoil(2)[:, :, :7], engine=engine, min_coverage=0.4)
        assert regions["status"].tolist() == ["ok", "ok", "ok"]
        assert signals.notna().all(axis=None)

    def test_atlas_of_another_resolution_counts_its_own_voxels(self, engine):
        # The voxels are a third as long on one axis; the last 12 of the 30 in a row lie beyond the image.
        scale = np.diag([1, 1, 1 / 3, 1])
        scale[2, 3] = -1 / 3
        fine = np.repeat(LABELS, 3, axis=2)
        save(Path("fine.nii"), fine, OBLIQUE @ scale)
        _, regions, _ = run(make_volumes()[:, :, :7], Path("fine.nii"), engine=engine)
        assert regions["coverage"].tolist() == pytest.approx([0.6, 0.6, 0.6])
        assert regions["n_valid"].tolist() == [6, 6, 6]

    def test_sphere_at_the_edge_counts_its_voxels_beyond_the_image(self, engine):
        volumes = np.full((9, 9, 9, N_VOLUMES), 100.0) + WAVE
        affine = np.diag([3.0, 3, 3, 1])
        # 7 voxels lie within 3 mm, one of them outside the image.
        Path("seeds.tsv").write_text("x\ty\tz\n0\t12\t12\n12\t12\t12\n")
        _, regions, _ = run(volumes, Path("seeds.tsv"), affine=affine, engine=engine, radius=3.1)
        assert regions["coverage"].tolist() == pytest.approx([6 / 7, 1], abs=1e-5)

    def test_map_counts_its_weight_or_its_voxels_alike_where_they_are_equal(self, engine):
        maps = np.stack([LABELS == 3, LABELS == 5], axis=-1) * 0.5
        volumes = self.spoil(4)
        _, regions, _ = run(volumes, maps, engine=engine)
        assert regions["coverage"].tolist() == pytest.approx([1, 0.6])

    def test_single_voxels_of_a_region_with_too_little_coverage_have_no_signal(self, engine):
        signals, regions, _ = run(self.spoil(4), engine=engine, min_coverage=0.7, as_voxels=True)
        assert regions["status"].tolist() == ["ok", "coverage 0.60 < 0.7", "ok"]
        missing = signals.columns[signals.isna().all()]
        assert len(missing) == 10
        assert all(name.startswith("roi 5 ") for name in missing)
        assert signals.notna().all().sum() == 20

    def test_smoothing_does_not_fill_what_is_missing(self, engine):
        _, regions, _ = run(self.spoil(4), engine=engine, min_coverage=0.7, smoothing_fwhm=6.0)
        assert regions["coverage"].tolist() == pytest.approx([1, 0.6, 1])
        assert regions["status"].tolist() == ["ok", "coverage 0.60 < 0.7", "ok"]

    def test_maps_with_too_little_coverage_have_no_signal_and_others_keep_theirs(self, engine):
        maps = np.stack([LABELS == 3, LABELS == 5], axis=-1) * 1.0
        signals, regions, _ = run(self.spoil(4), maps, engine=engine, min_coverage=0.7)
        assert regions["status"].tolist() == ["ok", "coverage 0.60 < 0.7"]
        assert signals.iloc[:, 1].isna().all()
        np.testing.assert_allclose(signals.iloc[:, 0], 130 + WAVE)

    def test_scaled_integers_have_the_same_coverage(self, engine):
        stored = np.zeros((*SHAPE, N_VOLUMES), dtype=np.int16)
        stored[LABELS > 0] = (WAVE * 10).astype(np.int16)
        stored[3, 4, 1:5] = 0  # Not 0 once it is scaled, and constant all the same.
        path = save_stored(Path("bold.nii.gz"), stored, slope=-0.1, intercept=250.0)
        signals, regions, _ = run_files(path, save(Path("roi.nii"), LABELS), engine=engine, min_coverage=0.7)
        assert regions["coverage"].tolist() == pytest.approx([1, 0.6, 1])
        assert regions["status"].tolist() == ["ok", "coverage 0.60 < 0.7", "ok"]
        np.testing.assert_allclose(signals["roi 3"], 250 - WAVE, rtol=1e-6)


@with_both_engines
class TestValidVoxels:
    def test_dead_voxels_do_not_dilute_the_mean(self, engine):
        volumes = make_volumes()
        volumes[3, 4, 1:5] = 0
        plain, _, _ = run(volumes, engine=engine)
        np.testing.assert_allclose(plain["roi 5"], 0.6 * (150 + WAVE))
        valid, regions, _ = run(volumes, engine=engine, valid_voxels=True)
        np.testing.assert_allclose(valid, np.array([130, 150, 180]) + WAVE[:, None])
        assert regions["coverage"].tolist() == pytest.approx([1, 0.6, 1])
        assert regions["status"].tolist() == ["ok", "ok", "ok"]

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
    def test_voxel_that_is_bad_in_the_middle_of_the_run_is_out_of_all_volumes(self, engine, value):
        volumes = make_volumes()
        volumes[3, 4, 1:5] += 1000
        volumes[3, 4, 1:5, 9] = np.nan if value == 1e30 else value
        with record_warnings():
            signals, _, _ = run(volumes, engine=engine, valid_voxels=True)
        np.testing.assert_allclose(signals["roi 5"], 150 + WAVE)

    def test_voxel_that_is_bad_in_volumes_not_kept_is_in(self, engine):
        volumes = make_volumes()
        volumes[3, 4, 1:5] += 1000
        volumes[3, 4, 1:5, [0, 9]] = np.nan
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 9, fmt="%d")
        options = {"censor_file": "censor.txt", "discard_scans": 1}
        signals, _, said = run(volumes, engine=engine, valid_voxels=True, **options)
        np.testing.assert_allclose(signals["roi 5"], np.delete(150 + 400 + WAVE, [0, 9]))
        assert not [line for line in said if "NaN" in line]

    def test_warning_about_voxels_that_are_not_finite_is_true(self, engine):
        volumes = make_volumes()
        volumes[3, 4, 1:5, 9] = np.nan
        (line,) = run(volumes, engine=engine)[2]
        assert line == "4 of the voxels read hold NaN or infinite values; those values count as 0."
        shutil.rmtree("out")
        (line,) = run(volumes, engine=engine, valid_voxels=True)[2]
        assert "4 of the voxels" in line
        assert "count as 0" not in line

    @pytest.mark.parametrize("value", [np.nan, 0.0], ids=["NaN", "dead"])
    def test_single_voxels_are_the_same_with_and_without_valid_voxels(self, engine, value):
        volumes = make_volumes()
        volumes[3, 4, 1:5, 9] = value
        volumes[3, 4, 5] = 0
        options = {"engine": engine, "as_voxels": True}
        plain, plain_regions, plainly_said = run(volumes, **options)
        valid, valid_regions, said = run(volumes, **options, valid_voxels=True)
        assert valid.equals(plain)
        assert valid_regions.equals(plain_regions)
        # Only the values that are not finite count as 0; the other values of the voxel are used.
        assert (valid.iloc[9] == 0).sum() == 5
        assert [line for line in said if "NaN" in line] == [line for line in plainly_said if "NaN" in line]
        counted = ["4 of the voxels read hold NaN or infinite values; those values count as 0."]
        assert [line for line in said if "NaN" in line] == (counted if np.isnan(value) else [])

    @pytest.mark.parametrize("standardize", [False, True])
    @QUIETLY
    def test_region_of_nothing_but_nan_has_no_signal(self, engine, standardize):
        volumes = make_volumes()
        volumes[3, 4, 1:11] = np.nan
        signals, regions, _ = run(volumes, engine=engine, valid_voxels=True, standardize=standardize)
        assert signals["roi 5"].isna().all()
        assert regions["status"][1] != "ok"
        assert signals[["roi 3", "roi 8"]].notna().all(axis=None)

    @QUIETLY
    def test_region_without_valid_voxels_has_no_signal(self, engine):
        volumes = make_volumes()
        volumes[3, 4, 1:11] = 7
        signals, regions, _ = run(volumes, engine=engine, valid_voxels=True)
        assert signals["roi 5"].isna().all()
        assert regions["coverage"].tolist() == [1, 0, 1]
        assert regions["status"][1] != "ok"
        np.testing.assert_allclose(signals[["roi 3", "roi 8"]], np.array([130, 180]) + WAVE[:, None])

    @pytest.mark.parametrize("value", [0.0, np.nan], ids=["dead", "NaN"])
    def test_overlapping_spheres_share_valid_voxels(self, engine, value):
        rng = np.random.default_rng(0)
        volumes = 100 + rng.normal(size=(9, 9, 9, N_VOLUMES))
        affine = np.diag([3.0, 3, 3, 1])
        centres = np.array([[4, 4, 4], [4, 4, 5], [4, 4, 6]])
        table = pd.DataFrame(3.0 * centres, columns=["x", "y", "z"])
        table.to_csv("seeds.tsv", sep="\t", index=False)
        volumes[4, 4, 5] = 0
        volumes[4, 3, 5, 4] = value
        volumes[4, 3, 5] *= 1 if np.isnan(value) else value
        with record_warnings():
            signals, regions, _ = run(
                volumes,
                Path("seeds.tsv"),
                affine=affine,
                engine=engine,
                radius=4.3,
                allow_overlap=True,
                valid_voxels=True,
            )
        places = np.stack(np.meshgrid(*map(np.arange, (9, 9, 9)), indexing="ij"), axis=-1)
        is_valid = np.isfinite(volumes).all(axis=-1) & (np.ptp(volumes, axis=-1) != 0)
        for number, centre in enumerate(centres):
            inside = np.linalg.norm(places - centre, axis=-1) * 3 <= 4.3
            expected = volumes[inside & is_valid].mean(axis=0)
            np.testing.assert_allclose(signals.iloc[:, number], expected, rtol=1e-9)
            assert regions["n_valid"][number] == (inside & is_valid).sum()
            assert regions["coverage"][number] == pytest.approx((inside & is_valid).sum() / inside.sum(), abs=1e-5)

    @pytest.mark.parametrize("value", [0.0, np.nan], ids=["dead", "NaN"])
    def test_maps_are_fitted_to_valid_voxels(self, engine, value):
        rng = np.random.default_rng(0)
        maps = rng.random((*SHAPE, 3)) * (rng.random((*SHAPE, 3)) < 0.4)
        volumes = 100 + rng.normal(size=(*SHAPE, N_VOLUMES))
        volumes[:3] = 0
        volumes[4, 4, 4, 4] = value
        volumes[4, 4, 4] *= 1 if np.isnan(value) else value
        with record_warnings():
            signals, _, _ = run(volumes, maps, engine=engine, valid_voxels=True)
        is_valid = np.isfinite(volumes).all(axis=-1) & (np.ptp(volumes, axis=-1) != 0)
        expected = np.linalg.lstsq(maps[is_valid], volumes[is_valid], rcond=None)[0].T
        np.testing.assert_allclose(signals, expected, atol=1e-7)

    def test_scaled_integers_are_averaged_after_scaling(self, engine):
        stored = np.zeros((*SHAPE, N_VOLUMES), dtype=np.int16)
        stored[LABELS > 0] = (WAVE * 10).astype(np.int16)
        stored[3, 4, 1:5] = 1000
        path = save_stored(Path("bold.nii.gz"), stored, slope=0.5, intercept=250.0)
        signals, _, _ = run_files(path, save(Path("roi.nii"), LABELS), engine=engine, valid_voxels=True)
        np.testing.assert_allclose(signals["roi 5"], 250 + 5 * WAVE)

    def test_mask_and_valid_voxels_both_hold(self, engine):
        volumes = make_volumes()
        volumes[3, 4, 1:4] = 0
        volumes[3, 4, 8:11] += 1000
        mask = np.ones(SHAPE, dtype=np.uint8)
        mask[3, 4, 8:11] = 0
        options = {"mask_img": save(Path("mask.nii"), mask), "valid_voxels": True}
        np.testing.assert_allclose(run(volumes, engine=engine, **options)[0]["roi 5"], 150 + WAVE)

    def test_nothing_changes_where_all_are_valid(self, engine):
        plain, plain_regions, _ = run(make_volumes(), engine=engine)
        valid, valid_regions, _ = run(make_volumes(), engine=engine, valid_voxels=True)
        np.testing.assert_allclose(valid, plain, rtol=1e-12)
        assert valid_regions.equals(plain_regions)

    def test_valid_voxels_combine_with_min_coverage(self, engine):
        volumes = make_volumes()
        volumes[3, 4, 1:5] = 0
        signals, regions, _ = run(volumes, engine=engine, valid_voxels=True, min_coverage=0.7)
        assert regions["status"].tolist() == ["ok", "coverage 0.60 < 0.7", "ok"]
        assert signals["roi 5"].isna().all()

    def test_field_of_view_does_not_dilute_either_way(self, engine):
        signals, _, _ = run(make_volumes()[:, :, :7], engine=engine, valid_voxels=True)
        np.testing.assert_allclose(signals, np.array([130, 150, 180]) + WAVE[:, None])


@QUIETLY
@given(seed=st.integers(0, 2**16), share=st.floats(0, 0.9), n_bad=st.integers(0, 8))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_means_over_valid_voxels_are_those_of_arithmetic_by_both_engines(seed, share, n_bad):
    rng = np.random.default_rng(seed)
    volumes = 1000 + rng.normal(size=(*SHAPE, N_VOLUMES))
    volumes[rng.random(SHAPE) < share] = 0
    for _ in range(n_bad):
        volumes[3, rng.choice([2, 4, 6]), rng.integers(1, 11), rng.integers(N_VOLUMES)] = rng.choice([np.nan, np.inf])
    is_valid = np.isfinite(volumes).all(axis=-1) & (np.ptp(np.nan_to_num(volumes), axis=-1) > 0)
    assume((is_valid & (LABELS > 0)).any())
    for engine in ENGINES:
        signals, regions, _ = run(volumes, engine=engine, valid_voxels=True)
        for number, index in enumerate((3, 5, 8)):
            inside = is_valid & (index == LABELS)
            assert regions["n_valid"][number] == inside.sum()
            if inside.any():
                np.testing.assert_allclose(signals.iloc[:, number], volumes[inside].mean(axis=0), rtol=1e-9)
            else:
                assert signals.iloc[:, number].isna().all()


@pytest.fixture
def niimasker(capsys):
    """Return a function that runs a command and returns its exit code and messages."""

    def call(*words):
        capsys.readouterr()
        code = main([*words, "--no_report"])
        return code, capsys.readouterr().err

    return call


def write_run(volumes=None, name="bold.nii", affine=OBLIQUE):
    save(Path(name), make_volumes() if volumes is None else volumes, affine, t_r=2.0)
    save(Path("roi.nii"), LABELS)
    return name


def test_valid_voxels_with_smoothing_is_wrong_use_that_says_why(niimasker):
    words = ("-i", write_run(), "-r", "roi.nii", "--valid_voxels", "--smoothing_fwhm", "4")
    code, err = niimasker("out", *words)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "--valid_voxels" in err
    assert "--smoothing_fwhm" in err
    assert "smoothing" in err.partition(": ")[2]
    assert not Path("out").exists()


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "many"])
def test_min_coverage_beyond_0_and_1_is_wrong_use(niimasker, value):
    code, err = niimasker("out", "-i", write_run(), "-r", "roi.nii", f"--min_coverage={value}")
    assert code == 2
    assert "--min_coverage: expected a number from 0 to 1" in err


@with_both_engines
class TestFieldOfView:
    """Some of the 30 voxels of the atlas lie beyond the end of the image on the last axis."""

    def err(self, niimasker, engine, n_slices, *words):
        code, err = niimasker("out", "-i", write_run(make_volumes()[:, :, :n_slices]), "-r", "roi.nii", *words)
        assert code == 0
        return err

    def test_most_of_the_atlas_outside_warns_with_the_share(self, engine, niimasker):
        err = self.err(niimasker, engine, 7, "--engine", engine)
        (line,) = [line for line in err.splitlines() if "field of view" in line]
        assert re.search(r"\b60 ?%", line)

    def test_warning_names_the_atlas_among_several(self, engine, niimasker):
        save(Path("inner.nii"), np.where(np.arange(12) < 7, LABELS, 0).astype(np.int16))
        err = self.err(niimasker, engine, 7, "inner.nii", "--engine", engine)
        (line,) = [line for line in err.splitlines() if "field of view" in line]
        assert "roi" in line
        assert "inner" not in line

    @pytest.mark.parametrize(("n_slices", "warns"), [(12, False), (11, False), (10, False), (9, True)])
    def test_below_90_percent_inside_warns(self, engine, niimasker, n_slices, warns):
        err = self.err(niimasker, engine, n_slices, "--engine", engine)
        assert ("field of view" in err) == warns

    def test_nothing_inside_fails_that_run_alone(self, engine, niimasker):
        away = OBLIQUE.copy()
        away[0, 3] += 1000
        write_run(name="far.nii", affine=away)
        code, err = niimasker("out", "-i", "far.nii", write_run(name="near.nii"), "-r", "roi.nii", "--engine", engine)
        assert code == 1
        (line,) = [line for line in err.splitlines() if "failed" in line]
        assert "far.nii" in line
        assert "space" in line
        assert Path("out/near_timeseries.tsv").is_file()
        assert not Path("out/far_timeseries.tsv").exists()
        summary = pd.read_csv("out/niimasker_data/summary.tsv", sep="\t")
        assert summary["status"].tolist() == ["failed", "done"]

    def test_spheres_outside_warn_too(self, engine, niimasker):
        write_run()
        centres = nib.affines.apply_affine(OBLIQUE, [[3, 4, 5], [3, 4, 200], [3, 4, 300]])
        pd.DataFrame(centres, columns=["x", "y", "z"]).to_csv("seeds.tsv", sep="\t", index=False)
        code, err = niimasker("out", "-i", "bold.nii", "-r", "seeds.tsv", "--radius", "4", "--engine", engine)
        assert code == 0
        assert re.search(r"\b33 ?%.*field of view|field of view.*\b33 ?%", err)


class TestStructuresInTheImage:
    """Of five regions on grayordinates, one has no point in its atlas, and one lies in two structures."""

    def warnings(self, n_in_image, names) -> list[str]:
        weights = make_weights()
        models = tuple(model for model in weights.space.models if model.structure in names)
        weights = dataclasses.replace(
            weights,
            space=dataclasses.replace(weights.space, models=models),
            structures=("CORTEX_LEFT", "CORTEX_RIGHT", "BRAIN_STEM", "", "THALAMUS_LEFT,CORTEX_LEFT"),
            extent=np.array([2.0, 2, 2, 0, 2]),
            extent_inside=np.array(n_in_image, dtype=float),
        )
        with record_warnings() as recorded:
            warn_of_field_of_view(weights, "a: ")
        return list(recorded)

    def test_warning_lists_each_structure_once_that_the_image_lacks(self):
        assert self.warnings([0, 2, 2, 0, 0], ["CORTEX_RIGHT", "BRAIN_STEM"]) == [
            "a: only 50% of the atlas is in the image; the image has no point of CORTEX_LEFT, THALAMUS_LEFT."
        ]

    def test_image_that_lacks_points_alone_is_told_by_the_share(self):
        names = ["CORTEX_LEFT", "CORTEX_RIGHT", "BRAIN_STEM", "THALAMUS_LEFT"]
        assert self.warnings([0, 2, 1, 0, 2], names) == ["a: only 62% of the atlas is in the image."]

    def test_most_of_the_atlas_in_the_image_does_not_warn(self):
        assert self.warnings([2, 2, 2, 0, 2], ["CORTEX_LEFT"]) == []
