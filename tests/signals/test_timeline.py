from __future__ import annotations

import numpy as np
import pytest
from confounds_tables import load, write_table
from images import N_VOLUMES, SHAPE, save
from timelines import make_timeline

from niimasker.errors import ImageError, TooFewVolumesError
from niimasker.inputs.series import open_series
from niimasker.options.merging import make_settings


@pytest.fixture
def series(tmp_path):
    return open_series(save(tmp_path / "run.nii", np.zeros((*SHAPE, N_VOLUMES))))


def settings(n_discarded):
    minimal = {"output_dir": "out", "input_files": ["run.nii"], "roi_file": "atlas.nii"}
    return make_settings({**minimal, "discard_scans": n_discarded})


@pytest.mark.parametrize(("n_discarded", "n_kept"), [(0, 12), (1, 11), (11, 1)])
def test_volumes_that_are_not_discarded_are_kept(series, n_discarded, n_kept):
    timeline = make_timeline(series, settings(n_discarded))
    assert (timeline.n_read, timeline.n_discarded, timeline.n_censored) == (12, n_discarded, 0)
    assert timeline.n_kept == np.count_nonzero(timeline.kept) == n_kept
    assert timeline.kept[n_discarded:].all()


@pytest.mark.parametrize("n_discarded", [12, 13, 10**9])
def test_discarding_all_volumes_is_refused_with_both_numbers(series, n_discarded):
    with pytest.raises(ImageError) as caught:
        make_timeline(series, settings(n_discarded))
    assert str(caught.value) == f"{series.path} has 12 volumes; --discard_scans {n_discarded} leaves none of them."


@pytest.mark.parametrize("by_user", [True, False], ids=["user", "motion"])
def test_censoring_all_volumes_is_refused_with_the_ways_out_of_what_censors(tmp_path, series, by_user):
    path = write_table(tmp_path, ["x", "framewise_displacement", "std_dvars"], N_VOLUMES)
    minimal = {"output_dir": "out", "input_files": ["run.nii"], "roi_file": "atlas.nii"}
    if by_user:
        given, measures, user = {"censor_file": "c.txt"}, None, np.ones(N_VOLUMES, dtype=bool)
    else:
        # Every value of these columns is 10 or more.
        given, user = {"regressor_files": [str(path)], "regressors": ["scrub"]}, None
        measures = load(path, ["scrub"], N_VOLUMES).measures
    with pytest.raises(TooFewVolumesError) as caught:
        make_timeline(series, make_settings({**minimal, **given}), measures, user)
    counts, ways_out = {
        True: ("user 12", "correct its --censor_file (1 means censored, with --censor_keep kept),"),
        False: (
            "framewise_displacement 12, std_dvars 12, segment 0",
            "raise the thresholds, lower --scrub_segment,",
        ),
    }[by_user]
    assert str(caught.value) == (
        f"{series.path}: all 12 volumes that are not discarded are censored ({counts}); "
        f"{ways_out} or leave this run out."
    )
