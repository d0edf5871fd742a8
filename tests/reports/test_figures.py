from __future__ import annotations

import html
import io
import itertools
from base64 import b64decode

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from images import LAS, OBLIQUE, RAS, make_labels
from PIL import Image, ImageColor
from scipy.signal import welch

from niimasker.reports import brain, figures, heatmaps
from niimasker.reports.packing import json_numbers, pack_rows, pack_steps, unpack
from niimasker.reports.palette import region_colours
from niimasker.reports.plots import display_names
from niimasker.reports.region_groups import group_regions
from niimasker.reports.regressor_groups import count_kinds
from niimasker.reports.spectra import power_spectrum
from niimasker.reports.time_axis import TimeAxis
from niimasker.signals.correlations import correlate, correlate_with, upper_triangle, zscore
from niimasker.signals.timeline import Timeline

RNG = np.random.default_rng(0)
SIGNALS = RNG.normal(size=(40, 6))
NAMES = ("a", "b", "c", "d", "e", "f")
HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def time() -> TimeAxis:
    """46 volumes: the first two are discarded, four others censored."""
    censored = np.zeros(46, dtype=bool)
    censored[[10, 11, 30, 45]] = True
    return TimeAxis.of(Timeline(46, 2, {"user": censored}), 2.0)


def heatmap_of(figure):
    return next(trace for trace in figure["data"] if trace["type"] == "heatmap")


class TestPacking:
    @given(arrays(np.float64, (3, 7), elements=st.integers(-(10**9), 10**9).map(lambda whole: whole / 1000)))
    def test_rows_come_back_to_a_65000th_of_their_range(self, rows):
        tolerance = np.ptp(rows, axis=1, keepdims=True) / 65_000 + 1e-8 * np.abs(rows).max()
        assert np.all(np.abs(unpack(pack_rows(rows)) - rows) <= tolerance)

    def test_many_rows_take_a_byte_a_value(self):
        rows = RNG.normal(size=(400, 500))
        packed = pack_rows(rows)
        assert len(b64decode(packed["data"])) == rows.size
        assert np.abs(unpack(packed) - rows).max() <= np.ptp(rows, axis=1).max() / 254

    @pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
    def test_missing_values_stay_missing_and_alone(self, missing):
        rows = np.array([[1.0, missing, 3.0], [missing] * 3])
        np.testing.assert_allclose(unpack(pack_rows(rows)), [[1, np.nan, 3], [np.nan] * 3], atol=1e-4)

    def test_constant_row_is_exact(self):
        np.testing.assert_array_equal(unpack(pack_rows(np.full((2, 3), 7.25))), np.full((2, 3), 7.25))

    def test_steps_are_cut_off_at_127(self):
        np.testing.assert_allclose(unpack(pack_steps(np.array([[0.2, 50.0, -50.0]]), 0.1)), [[0.2, 12.7, -12.7]])

    def test_numbers_without_value_are_null(self):
        assert json_numbers(np.array([1 / 3, np.nan, np.inf])) == [0.33333, None, None]


class TestCarpet:
    def test_rows_are_z_scores_of_kept_volumes(self, time):
        z = unpack(heatmap_of(figures.plot_carpet(zscore(SIGNALS), NAMES, time, {}))["z"])
        expected = (SIGNALS - SIGNALS.mean(axis=0)) / SIGNALS.std(axis=0)
        np.testing.assert_allclose(z[:, time.kept], expected.T, atol=0.051)

    def test_spike_has_its_z_score(self, time):
        spike = np.zeros((40, 1))
        spike[7] = 1.0
        z = unpack(heatmap_of(figures.plot_carpet(zscore(spike), NAMES[:1], time, {}))["z"])
        assert np.nanmax(z) == pytest.approx(np.sqrt(39), abs=0.051)

    def test_volumes_that_are_not_kept_are_gaps(self, time):
        z = unpack(heatmap_of(figures.plot_carpet(zscore(SIGNALS), NAMES, time, {}))["z"])
        assert z.shape == (6, 46)
        assert np.isnan(z[:, ~time.kept]).all()

    def test_rows_are_in_the_order_of_groups_with_the_names_of_their_signals(self, time):
        names = ("RH_Vis_1", "LH_Default_1", "LH_Vis_1", "RH_Vis_2", "LH_Default_2", "LH_Vis_2")
        figure = figures.plot_carpet(zscore(SIGNALS), names, time, {})
        rows = heatmap_of(figure)["y"]
        assert rows == ["LH_Vis_1", "LH_Vis_2", "LH_Default_1", "LH_Default_2", "RH_Vis_1", "RH_Vis_2"]
        assert figure["groups"]["yaxis"] == {"names": ["LH Vis", "LH Default", "RH Vis"], "starts": [0, 2, 4]}
        expected = zscore(SIGNALS)[:, [names.index(row) for row in rows]]
        np.testing.assert_allclose(unpack(heatmap_of(figure)["z"])[:, time.kept], expected.T, atol=0.051)

    def test_region_without_signal_is_a_gap(self, time):
        values = np.column_stack([SIGNALS[:, 0], np.full(40, np.nan), np.full(40, 3.0)])
        z = unpack(heatmap_of(figures.plot_carpet(zscore(values), NAMES[:3], time, {}))["z"])
        assert np.isnan(z).all(axis=1).tolist() == [False, True, True]

    def test_discarded_and_censored_volumes_are_shaded(self, time):
        shapes = figures.plot_carpet(zscore(SIGNALS), NAMES, time, {})["layout"]["shapes"]
        spans = [(shape["x0"], shape["x1"]) for shape in shapes]
        assert spans == [(-1.0, 3.0), (19.0, 23.0), (59.0, 61.0), (89.0, 91.0)]

    def test_without_t_r_the_axis_counts_volumes(self):
        axis = TimeAxis.of(Timeline(46, 2), None)
        layout = figures.plot_carpet(np.zeros((44, 1)), ("a",), axis, {})["layout"]
        assert layout["xaxis"]["title"]["text"] == "volume"
        assert layout["xaxis"]["range"] == [-0.5, 45.5]

    def test_small_changes_of_a_high_mean_are_kept(self, time):
        values = 1e5 + RNG.normal(size=46)
        curve = figures.plot_carpet(zscore(SIGNALS), NAMES, time, {"mean signal": values})["data"][1]
        np.testing.assert_allclose(curve["y"], values, rtol=0, atol=1e-3)

    def test_curves_above_share_the_time_axis_and_hold_every_volume(self, time):
        motion = RNG.random(46)
        motion[0] = np.nan
        figure = figures.plot_carpet(zscore(SIGNALS), NAMES, time, {"motion": motion, "mean signal": np.arange(46.0)})
        curves = [trace for trace in figure["data"] if trace["type"] == "scatter"]
        assert curves[1]["y"] == [None, *(pytest.approx(value, rel=1e-4) for value in motion[1:])]
        assert {curve["x"]["places"] for curve in curves} == {46}
        domains = [figure["layout"][axis]["domain"] for axis in ("yaxis", "yaxis2", "yaxis3")]
        assert all(low[1] < high[0] for low, high in itertools.pairwise(domains))


class TestNames:
    def test_markup_is_escaped(self):
        assert display_names([HOSTILE, "<b>x</b>"]) == [html.escape(HOSTILE), "&lt;b&gt;x&lt;/b&gt;"]

    def test_long_names_are_cut_and_stay_unlike_one_another(self):
        names = [f"{'a' * 100}{number:04d}{'b' * 100}" for number in range(3)]
        shown = display_names(names)
        assert len(set(shown)) == 3
        assert max(map(len, shown)) < 70

    @given(st.lists(st.text(), unique=True))
    def test_there_are_as_many_as_regions(self, names):
        assert len(set(display_names(names))) == len(names)


class TestCorrelations:
    def test_pairs_of_columns_are_numpys(self):
        np.testing.assert_allclose(correlate(SIGNALS), np.corrcoef(SIGNALS.T), atol=1e-12)

    def test_with_others_are_numpys(self):
        others = RNG.normal(size=(40, 3)) * 1e6 + 5
        expected = np.corrcoef(SIGNALS.T, others.T)[:6, 6:]
        np.testing.assert_allclose(correlate_with(SIGNALS, others), expected, atol=1e-12)

    @pytest.mark.parametrize("column", [np.full(40, 1e4 / 3), np.full(40, np.nan), np.zeros(40)])
    def test_column_that_does_not_vary_has_none(self, column):
        correlations = correlate(np.column_stack([SIGNALS, column]))
        assert np.isnan(correlations[-1]).all()
        assert np.isfinite(correlations[:-1, :-1]).all()

    def test_each_pair_is_counted_once(self):
        np.testing.assert_array_equal(upper_triangle(np.arange(9).reshape(3, 3)), [1, 2, 5])

    def test_matrix_holds_them_in_the_order_of_groups(self):
        names = ("RH_Vis_1", "LH_Default_1", "LH_Vis_1", "RH_Vis_2", "LH_Default_2", "LH_Vis_2")
        grouping = group_regions(names)
        figure = heatmaps.plot_matrix(correlate(SIGNALS), names, grouping)
        expected = np.corrcoef(SIGNALS[:, grouping.order].T)
        np.testing.assert_allclose(unpack(heatmap_of(figure)["z"]), expected, atol=0.005)
        assert heatmap_of(figure)["y"] == [names[position] for position in grouping.order]
        groups = {"names": list(grouping.names), "starts": [0, 2, 4]}
        assert figure["groups"] == {"xaxis": groups, "yaxis": groups}

    def test_matrix_without_groups_keeps_the_atlas_s_order(self):
        figure = heatmaps.plot_matrix(correlate(SIGNALS), NAMES, group_regions(NAMES))
        assert heatmap_of(figure)["x"] == list(NAMES)
        assert figure["layout"]["shapes"] == []

    def test_histogram_counts_every_pair(self):
        pairs = upper_triangle(correlate(RNG.normal(size=(50, 30))))
        figure = figures.plot_histogram(pairs, float(np.median(pairs)))
        assert sum(figure["data"][0]["y"]) == 30 * 29 / 2

    def test_regressors_are_shown_before_and_after(self):
        before, after = RNG.uniform(-1, 1, (6, 3)), RNG.uniform(-1, 1, (6, 3))
        figure = heatmaps.plot_regressors(before, after, NAMES, ("x", "y", "z"))
        np.testing.assert_allclose(unpack(figure["data"][0]["z"]), before, atol=0.005)
        np.testing.assert_allclose(unpack(figure["data"][1]["z"]), after, atol=0.005)
        assert figure["data"][1]["xaxis"] == "x2"

    def test_regressors_are_bracketed_by_kind(self):
        regressors = ("cosine00", "trans_x", "csf", "rot_x", "trans_x_derivative1")
        before = RNG.uniform(-1, 1, (6, 5))
        figure = heatmaps.plot_regressors(before, None, NAMES, regressors)
        (heatmap,) = figure["data"]
        assert heatmap["x"] == ["trans_x", "rot_x", "trans_x_derivative1", "cosine00", "csf"]
        assert figure["brackets"] == {"xaxis": {"names": ["3 motion", "1 cosine", "1 tissue"], "starts": [0, 3, 4]}}
        np.testing.assert_allclose(unpack(heatmap["z"]), before[:, [1, 3, 4, 0, 2]], atol=0.005)

    def test_kinds_of_regressors_are_counted_in_words(self):
        assert count_kinds(["csf", "trans_x", "rot_x"]) == "2 motion parameters, 1 tissue signal"


class TestGroups:
    @pytest.mark.parametrize(
        ("names", "groups"),
        [
            (("7Networks_RH_Vis_1", "7Networks_LH_Vis_1", "7Networks_LH_Cont_Par_1"), ("LH Vis", "LH Cont", "RH Vis")),
            (("17Networks_LH_VisCent_Striate_1", "17Networks_RH_VisCent_Striate_1"), ("LH VisCent", "RH VisCent")),
            (("LH_Vis_1", "RH_Default_pCunPCC_2"), ("LH Vis", "RH Default")),
            (("Precentral_L", "Precentral_R", "Vermis_1_2"), ("left", "right", "other")),
            (("Left Putamen", "Right Putamen"), ("left", "right")),
            (("ctx-rh-cuneus", "ctx-lh-cuneus"), ("left", "right")),
            (("L_V1_ROI", "R_V1_ROI"), ("left", "right")),
            (("roi 1", "roi 2"), ()),
            (("Vermis", "Pons", "Precentral_L"), ()),
            (("LH_Vis_1", "LH_Vis_2"), ()),
            ((), ()),
        ],
    )
    def test_groups_are_what_the_names_say(self, names, groups):
        assert group_regions(names).names == groups

    def test_regions_of_a_group_stand_together_in_the_atlas_s_order(self):
        grouping = group_regions(("Insula_R", "Insula_L", "Pons", "Precentral_R", "Precentral_L"))
        assert grouping.order.tolist() == [1, 4, 0, 3, 2]
        assert grouping.starts == (0, 2, 4)


class TestSpectrum:
    def test_gaps_keep_the_phase_of_what_goes_on(self):
        signal = np.sin(2 * np.pi * 0.05 * np.arange(400) * 2.0)
        frequencies, whole = power_spectrum(signal, 2.0)
        signal[[0, 1, *range(50, 400, 37), *range(51, 400, 37), 399]] = np.nan
        gappy = power_spectrum(signal, 2.0)[1]
        np.testing.assert_allclose(gappy[np.argmax(whole)], whole.max(), rtol=0.05)
        assert gappy[frequencies > 0.1].sum() < 0.01

    def test_shares_are_scipys(self):
        frequencies, shares = power_spectrum(SIGNALS[:, 0], 2.0)
        expected_frequencies, power = welch(SIGNALS[:, 0], fs=0.5, nperseg=40)
        np.testing.assert_array_equal(frequencies, expected_frequencies[1:])
        np.testing.assert_allclose(shares, power[1:] / power[1:].sum())

    def test_peak_is_at_the_signal_s_frequency(self):
        frequencies, shares = power_spectrum(np.sin(2 * np.pi * 0.05 * np.arange(400) * 0.8), 0.8)
        assert frequencies[np.argmax(shares)] == pytest.approx(0.05, abs=0.004)

    def test_without_t_r_it_is_in_cycles_per_volume(self):
        assert power_spectrum(SIGNALS[:, 0], None)[0][-1] == 0.5

    def test_filter_s_stop_bands_are_grey(self):
        frequencies, shares = power_spectrum(SIGNALS[:, 0], 2.0)
        figure = figures.plot_spectrum(frequencies, {"before": shares}, unit="Hz", band=(0.01, 0.1))
        rects = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "rect"]
        assert [(rect["x0"], rect["x1"]) for rect in rects] == [(0.0, 0.01), (0.1, 0.25)]

    def test_without_filter_nothing_is_grey(self):
        frequencies, shares = power_spectrum(SIGNALS[:, 0], 2.0)
        assert (
            figures.plot_spectrum(frequencies, {"before": shares}, unit="Hz", band=(None, None))["layout"]["shapes"]
            == []
        )


class TestBrain:
    @pytest.mark.parametrize("affine", [RAS, LAS, OBLIQUE], ids=["RAS", "LAS", "oblique"])
    def test_axes_run_to_the_right_front_and_top(self, affine):
        labels = np.zeros((7, 8, 9), dtype=np.int32)
        labels[1, 2, 3] = 1
        turned = brain.reorient_to_ras(labels.astype(float), labels, affine)
        place = np.argwhere(turned.labels)[0]
        expected = nib.affines.apply_affine(affine, [1, 2, 3])
        np.testing.assert_allclose(nib.affines.apply_affine(turned.affine, place), expected)
        assert (np.diag(turned.affine)[:3] > 0).all()

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_each_of_a_few_regions_is_cut(self, axis):
        labels = np.zeros((60, 61, 62), dtype=np.int32)
        for number, place in enumerate([3, 11, 20, 33, 41, 50, 58], start=1):
            labels[place, place, place] = number
        assert brain.choose_cuts(labels, axis) == [3, 11, 20, 33, 41, 50, 58]

    def test_cuts_of_many_regions_spread_over_them(self):
        labels = np.zeros((60, 5, 5), dtype=np.int32)
        labels[10:50] = np.arange(1, 41)[:, None, None]
        cuts = brain.choose_cuts(labels, 0)
        assert len(cuts) == 7
        assert min(np.diff(cuts)) >= 5
        assert all(10 <= cut < 50 for cut in cuts)

    def test_cuts_are_named_by_the_middle_of_their_voxels(self):
        affine = np.diag([3.0, 3.0, 12.5, 1.0])
        affine[:3, 3] = -4.5, 0.0, -12.5
        upright = brain.reorient_to_ras(np.ones((7, 8, 9)), np.zeros((7, 8, 9), dtype=np.int32), affine)
        assert [upright.millimetres(axis, 2) for axis in range(3)] == [1.5, 6.0, 12.5]

    @pytest.mark.parametrize(("place", "cuts"), [(4, [1, 2, 3, 4, 5, 6, 7]), (0, [0, 1, 2, 3, 4, 5, 6])])
    def test_region_in_a_single_plane_is_shown_with_the_planes_beside_it(self, place, cuts):
        labels = np.zeros((9, 4, 5), dtype=np.int32)
        labels[place, 2, 2] = 1
        assert brain.choose_cuts(labels, 0) == cuts

    def test_image_of_few_planes_is_cut_in_each(self):
        assert brain.choose_cuts(np.ones((3, 4, 5), dtype=np.int32), 0) == [0, 1, 2]

    def test_without_regions_the_image_is_still_shown(self):
        upright = brain.reorient_to_ras(np.ones((7, 8, 9)), np.zeros((7, 8, 9), dtype=np.int32), RAS)
        assert brain.plot_regions(brain.crop(upright), ()).size[0] == 1260

    def test_crop_keeps_all_regions_and_their_places(self):
        labels = make_labels()
        background = np.zeros(labels.shape)
        background[3, 4, 5] = 100.0
        upright = brain.reorient_to_ras(background, labels, RAS)
        cropped = brain.crop(upright)
        assert np.count_nonzero(cropped.labels) == np.count_nonzero(labels)
        for volumes in (upright, cropped):
            place = np.argwhere(volumes.background == 100.0)[0]
            np.testing.assert_allclose(nib.affines.apply_affine(volumes.affine, place), [0, 0, 9])

    def test_region_is_painted_in_its_colour_and_left_is_left(self):
        labels = np.zeros((20, 20, 20), dtype=np.int32)
        labels[2:5, 8:12, 8:12], labels[15:18, 8:12, 8:12] = 1, 2
        upright = brain.reorient_to_ras(np.full(labels.shape, 100.0), labels, RAS)
        uri = brain.to_data_uri(brain.plot_regions(upright, ("#ff0000", "#0000ff")))
        pixels = np.asarray(Image.open(io.BytesIO(b64decode(uri.partition(",")[2])))).astype(int)
        lowest_row = pixels[-150:]
        red = np.argwhere(lowest_row[..., 0] > lowest_row[..., 2] + 50)[:, 1]
        blue = np.argwhere(lowest_row[..., 2] > lowest_row[..., 0] + 50)[:, 1]
        assert len(red)
        assert len(blue)
        assert red.mean() < blue.mean()

    def test_volume_without_contrast_is_drawn(self):
        upright = brain.reorient_to_ras(np.zeros((7, 8, 9)), make_labels(), OBLIQUE)
        assert brain.plot_regions(brain.crop(upright), region_colours(5)).size[0] == 1260


@pytest.mark.parametrize("n_regions", [1, 7, 8, 400])
def test_colours_are_distinct_and_not_too_light_for_white(n_regions):
    colours = region_colours(n_regions)
    assert len(set(colours)) == n_regions
    assert max(sum(ImageColor.getrgb(colour)) for colour in colours) < 600
