"""Cleaning does not use censored volumes: their values do not change a digit of the result."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from images import OBLIQUE, save
from nilearn import signal

from niimasker import extract
from niimasker.errors import record_warnings
from niimasker.inputs.confounds import Confounds
from niimasker.options.settings import ENGINES, INTERPOLATIONS, PCHIP, STANDARDIZE_METHODS
from niimasker.signals.cleaning import clean
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.signals.timeline import Timeline

N_VOLUMES = 48
N_LEAST = 14
N_CONFOUNDS = 2
T_R = 2.0
FILTERS = {"no filter": (None, None), "high": (0.02, None), "low": (None, 0.15), "band": (0.02, 0.15)}
METHODS = (None, *STANDARDIZE_METHODS)

LAST = N_VOLUMES - 1
PATTERNS = (
    {0},
    {LAST},
    {0, 1, 2, LAST - 1, LAST},
    {5, LAST - 5, 11, LAST - 11},
    {5, LAST - 6, 12, LAST - 11},
    set(range(14, 34)),
    set(range(0, N_VOLUMES, 2)),
    set(range(N_VOLUMES)) - {3, 9, 10, 11, 18, 22, 23, 30, 31, 32, 33, 40, 41, 44},
)
patterns = st.sampled_from(PATTERNS) | st.sets(st.integers(0, LAST), min_size=1, max_size=N_VOLUMES - N_LEAST)
junk = st.sampled_from([np.nan, 1e30, -1e30, 0.0, 1e-30]) | st.floats(-1e6, 1e6)


def make_timeline(censored, n_discarded=0):
    is_censored = np.isin(np.arange(N_VOLUMES), sorted(censored))
    is_censored[:n_discarded] = False
    return Timeline(N_VOLUMES, n_discarded, {"user": is_censored} if is_censored.any() else {})


def make_signals(seed, n_columns=4):
    return 1000 + np.random.default_rng([0, seed]).normal(size=(N_VOLUMES, n_columns)).cumsum(axis=0)


def make_confounds(seed, n=N_CONFOUNDS):
    values = 5 + np.random.default_rng([1, seed]).normal(size=(N_VOLUMES, n)).cumsum(axis=0)
    return Confounds(tuple(f"c{number}" for number in range(n)), values)


def run(values, confounds, timeline, cleaning):
    """Return cleaned signals, warnings and regressors."""
    with record_warnings() as said:
        nuisance = prepare_nuisance(confounds, timeline, cleaning)
        cleaned = clean(values[timeline.kept], nuisance, timeline, cleaning)
    return cleaned, said, nuisance


@pytest.mark.parametrize("detrend", [False, True], ids=["", "detrend"])
@pytest.mark.parametrize("band", FILTERS)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@given(censored=patterns, filler=junk, n_discarded=st.sampled_from([0, 3]), seed=st.integers(0, 99))
@settings(max_examples=4, deadline=None)
def test_regressors_of_volumes_not_kept_change_no_digit(
    interpolation, band, detrend, censored, filler, n_discarded, seed
):
    timeline, values, confounds = make_timeline(censored, n_discarded), make_signals(seed), make_confounds(seed)
    spoiled = confounds.values.copy()
    spoiled[~timeline.kept] = filler
    for method in METHODS:
        cleaning = Cleaning(detrend, method, *FILTERS[band], T_R, "header", interpolation)
        expected, said, nuisance = run(values, confounds, timeline, cleaning)
        found, said_now, nuisance_now = run(values, Confounds(confounds.names, spoiled), timeline, cleaning)
        assert np.isfinite(expected).all()
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(nuisance_now.values, nuisance.values)
        assert (said_now, nuisance_now.degrees_of_freedom) == (said, nuisance.degrees_of_freedom)


@pytest.mark.parametrize("band", FILTERS)
def test_regressor_that_is_constant_where_kept_is_left_out_whatever_it_is_elsewhere(band):
    timeline = make_timeline({4, 20, LAST})
    values = make_confounds(0).values
    values[timeline.kept, 0] = 3.0
    cleaning = Cleaning(True, "zscore_sample", *FILTERS[band], T_R, "header")
    left_out = []
    for filler in (3.0, 1e30):
        values[~timeline.kept, 0] = filler
        left_out.append(dict(run(make_signals(0), Confounds(("a", "b"), values), timeline, cleaning)[2].left_out))
    assert list(left_out[0]) == ["a"]
    assert left_out[1] == left_out[0]


@pytest.mark.parametrize("detrend", [False, True], ids=["", "detrend"])
@pytest.mark.parametrize("band", FILTERS)
def test_regressors_of_kept_volumes_do_change_the_result(band, detrend):
    timeline = make_timeline({4, 20, LAST})
    cleaning = Cleaning(detrend, "psc", *FILTERS[band], T_R, "header")
    confounds = make_confounds(0)
    changed = confounds.values.copy()
    changed[5] += 1
    expected, *_ = run(make_signals(0), confounds, timeline, cleaning)
    found, *_ = run(make_signals(0), Confounds(confounds.names, changed), timeline, cleaning)
    assert np.abs(found - expected).max() > 1e-6


# Without censored volumes: the same as nilearn


def by_nilearn(values, confounds, cleaning):
    """Return the result of one call of nilearn, which has no z-score by the population standard deviation."""
    method = "zscore_sample" if cleaning.standardize == "zscore" else cleaning.standardize
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of a filter without detrending.
        cleaned = signal.clean(
            values,
            confounds=None if confounds is None else confounds.values,
            detrend=cleaning.detrend,
            standardize=method,
            filter="butterworth" if cleaning.high_pass or cleaning.low_pass else False,
            high_pass=cleaning.high_pass,
            low_pass=cleaning.low_pass,
            t_r=cleaning.t_r,
        )
    return cleaned * np.sqrt(len(values) / (len(values) - 1)) if cleaning.standardize == "zscore" else cleaned


# psc with a filter is left out: nilearn divides by the mean of the filtered signal, or by the sum of two means.
nilearns_own = st.builds(
    Cleaning,
    detrend=st.booleans(),
    standardize=st.sampled_from(METHODS),
    high_pass=st.none() | st.floats(0.005, 0.05),
    low_pass=st.none() | st.floats(0.08, 0.2),
    t_r=st.floats(0.5, 2.4),
    t_r_source=st.just("header"),
).filter(lambda cleaning: cleaning.standardize != "psc" or not (cleaning.high_pass or cleaning.low_pass))


@given(cleaning=nilearns_own, n_confounds=st.integers(0, 4), seed=st.integers(0, 2**16))
@settings(deadline=None)
def test_nothing_censored_gives_what_nilearn_gives(cleaning, n_confounds, seed):
    # With few degrees of freedom the run is refused, or only rounding errors are left.
    assume(N_VOLUMES * cleaning.passband_share > n_confounds + 5)
    values, confounds = make_signals(seed), make_confounds(seed, n_confounds) if n_confounds else None
    found, *_ = run(values, confounds, make_timeline(()), cleaning)
    expected = by_nilearn(values, confounds, cleaning)
    np.testing.assert_allclose((found - expected) / expected.std(axis=0), 0, atol=1e-9)


# From image to table


SHAPE = (5, 6, 7)
KINDS = ("labels", "mask voxels", "maps", "spheres")


@dataclass(frozen=True)
class Case:
    kind: str
    band: str
    smoothing_fwhm: float | None
    valid_voxels: bool
    detrend: bool
    method: str | None
    n_confounds: int
    n_discarded: int
    dtype: str
    censored: frozenset[int]
    filler: float
    interpolation: str = PCHIP


cases = st.builds(
    Case,
    kind=st.sampled_from(KINDS),
    band=st.sampled_from(list(FILTERS)),
    smoothing_fwhm=st.sampled_from([None, 6.0]),
    valid_voxels=st.booleans(),
    detrend=st.booleans(),
    method=st.sampled_from(METHODS),
    n_confounds=st.sampled_from([0, N_CONFOUNDS]),
    n_discarded=st.sampled_from([0, 3]),
    dtype=st.sampled_from(["float32", "float64"]),
    censored=patterns.map(frozenset),
    filler=st.sampled_from([np.nan, np.inf, 1e30, 0.0, 17.0]),
    interpolation=st.sampled_from(INTERPOLATIONS),
)


def write_regions(kind, folder):
    rng = np.random.default_rng(0)
    if kind == "labels":
        return save(folder / "roi.nii", rng.integers(0, 4, SHAPE).astype(np.int16))
    if kind == "mask voxels":
        return save(folder / "roi.nii", (rng.random(SHAPE) < 0.1).astype(np.uint8))
    if kind == "maps":
        return save(folder / "roi.nii", rng.random((*SHAPE, 3)) * (rng.random((*SHAPE, 3)) < 0.4))
    centres = nib.affines.apply_affine(OBLIQUE, [[1, 2, 2], [3, 4, 5]])
    pd.DataFrame(centres, columns=["x", "y", "z"]).to_csv(folder / "roi.tsv", sep="\t", index=False)
    return folder / "roi.tsv"


def extract_case(case, folder, engine, volumes, confounds):
    """Run a case from files, and return the bytes of its tables and the content of its JSON file."""
    roi_file = write_regions(case.kind, folder)
    image = save(folder / "bold.nii", volumes.astype(case.dtype), t_r=T_R)
    marks = np.isin(np.arange(N_VOLUMES), sorted(case.censored)).astype(int)
    np.savetxt(folder / "censor.txt", marks, fmt="%d")
    options = {"detrend": case.detrend, "engine": engine, "n_decimals": 17, "censor_file": str(folder / "censor.txt")}
    options |= dict(zip(("high_pass", "low_pass"), FILTERS[case.band], strict=True))
    options |= {
        "interpolation": case.interpolation,
        "discard_scans": case.n_discarded,
        "smoothing_fwhm": case.smoothing_fwhm,
    }
    if case.method:
        options |= {"standardize": True, "standardize_method": case.method}
    if case.n_confounds:
        table = pd.DataFrame(confounds.values, columns=list(confounds.names))
        table.to_csv(folder / "confounds.tsv", sep="\t", index=False)
        options |= {"regressor_files": str(folder / "confounds.tsv")}
    if case.kind == "spheres":
        options |= {"radius": 7.0, "allow_overlap": True}
    options |= {"as_voxels": case.kind == "mask voxels", "valid_voxels": case.valid_voxels and not case.smoothing_fwhm}
    (outcome,) = extract(folder / "out", input_files=str(image), roi_file=str(roi_file), no_report=True, **options)
    assert outcome.reason is None
    sidecar = json.loads(Path(outcome.tables[0].sidecar_path).read_text(encoding="utf-8"))
    names = ("bold_timeseries.tsv", "bold_regions.tsv", "bold_outliers.tsv")
    facts = [sidecar[name] for name in ("Volumes", "Confounds", "ConfoundsLeftOut", "DegreesOfFreedom", "Warnings")]
    return [(folder / "out" / name).read_bytes() for name in names], facts


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
@given(case=cases)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_voxels_and_regressors_of_volumes_not_kept_change_no_byte(engine, case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    volumes = 1000 + np.random.default_rng(1).normal(size=(*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    confounds = make_confounds(0)
    timeline = make_timeline(case.censored, case.n_discarded)
    expected = extract_case(case, folder, engine, volumes, confounds)
    volumes[..., ~timeline.kept] = case.filler
    confounds.values[~timeline.kept] = np.nan_to_num(case.filler, nan=-3.0, posinf=1e9)
    assert extract_case(case, folder, engine, volumes, confounds) == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
def test_one_voxel_of_a_kept_volume_changes_the_table(engine, tmp_path):
    case = Case("labels", "band", None, False, True, "zscore", 2, 0, "float64", frozenset(PATTERNS[3]), 0.0)
    volumes = 1000 + np.random.default_rng(1).normal(size=(*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    (before, *_), _ = extract_case(case, tmp_path, engine, volumes, make_confounds(0))
    volumes[2, 3, 3, 20] += 1
    (after, *_), _ = extract_case(case, tmp_path, engine, volumes, make_confounds(0))
    assert after != before


@pytest.mark.parametrize(("kind", "band"), list(product(["labels", "maps"], FILTERS)))
@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
def test_both_engines_clean_around_censored_volumes_alike(kind, band, tmp_path):
    case = Case(kind, band, None, False, True, "zscore_sample", 2, 3, "float64", frozenset(PATTERNS[2]), 0.0)
    volumes = 1000 + np.random.default_rng(1).normal(size=(*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    tables = []
    for engine in ENGINES:
        extract_case(case, tmp_path, engine, volumes, make_confounds(0))
        tables.append(pd.read_csv(tmp_path / "out/bold_timeseries.tsv", sep="\t").to_numpy())
    assert tables[0].shape == (N_VOLUMES - 5, 3)
    np.testing.assert_allclose(tables[1], tables[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
def test_interpolation_changes_the_table_where_a_gap_is_filtered(engine, tmp_path):
    volumes = 1000 + np.random.default_rng(1).normal(size=(*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    tables = {}
    for band, interpolation in product(("band", "no filter"), INTERPOLATIONS):
        case = Case(
            "labels", band, None, False, False, None, 2, 0, "float64", frozenset(PATTERNS[5]), 0.0, interpolation
        )
        (tables[band, interpolation], *_), _ = extract_case(case, tmp_path, engine, volumes, make_confounds(0))
    assert tables["band", "pchip"] != tables["band", "cubic"]
    assert tables["no filter", "pchip"] == tables["no filter", "cubic"]


@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
def test_a_run_without_its_censored_end_gives_the_same_without_a_filter(tmp_path):
    # Without detrending and filters, censored volumes at the end are as if they had not been acquired.
    case = Case("labels", "no filter", None, False, False, None, 2, 0, "float64", frozenset({LAST - 1, LAST}), 0.0)
    volumes = 1000 + np.random.default_rng(1).normal(size=(*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    (end, *_), _ = extract_case(case, tmp_path, "stream", volumes, make_confounds(0))
    turned = Confounds(("c0", "c1"), make_confounds(0).values[::-1])
    start_case = replace(case, censored=frozenset(), n_discarded=2)
    (start, *_), _ = extract_case(start_case, tmp_path, "stream", volumes[..., ::-1], turned)
    rows = [np.array([line.split(b"\t") for line in table.splitlines()[1:]], dtype=float) for table in (end, start)]
    np.testing.assert_allclose(rows[1][::-1], rows[0], rtol=0, atol=1e-9)
