from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import make_labels, make_series, save
from nilearn.connectome import ConnectivityMeasure
from studies import environment, results_in

from niimasker import extract
from niimasker.errors import NiimaskerWarning, SignalsError, TooFewVolumesError, record_warnings
from niimasker.options.settings import CONNECTIVITY_KINDS, CORRELATION_KINDS
from niimasker.outputs.naming import STATISTICS
from niimasker.signals.connectivity import (
    DESCRIPTIONS,
    ESTIMATED_FROM,
    measure_connectivity,
    warn_of_few_degrees_of_freedom,
)

SHRUNK = tuple(kind for kind in CONNECTIVITY_KINDS if kind != "pearson")
LABELS = make_labels((1, 2, 5))
NAMES = ["roi 1", "roi 2", "roi 5"]
TOLERANCE = 1e-9
LACKS_REGRESSION = "connectivity is measured without nuisance regression"
# Matrices of signals as they are; TestMissingRegression is about the warning.
WITHOUT_REGRESSORS = pytest.mark.filterwarnings(f"ignore:{LACKS_REGRESSION}")


def make_signals(n_volumes: int, n_regions: int) -> np.ndarray:
    """Signals that share a component, with standard deviations from 1 to 5 and means of some hundreds."""
    rng = np.random.default_rng(n_volumes * n_regions)
    shared = rng.normal(size=(n_volumes, 1))
    own = rng.normal(size=(n_volumes, n_regions))
    return 300 + 50 * np.arange(n_regions) + (shared + own) * np.linspace(1, 5, n_regions)


def measure(values, kind, *, left_out=(), fisher_z=False):
    names = [f"r{number}" for number in range(values.shape[1])]
    reasons = {names[number]: "constant" for number in left_out}
    (connectivity,) = measure_connectivity(values, [kind], names=names, left_out=reasons, fisher_z=fisher_z)
    return connectivity


def measure_by_nilearn(values, kind):
    with warnings.catch_warnings():
        # nilearn 0.13 z-scores by the population standard deviation and warns of it; correlations do not depend on it.
        warnings.simplefilter("ignore", FutureWarning)
        return ConnectivityMeasure(kind=kind.replace("_", " ")).fit_transform([values])[0]


def shrink_as_in_the_paper(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Ledoit and Wolf's (2004) estimate, with the sums over volumes written out, and its shrinkage."""
    centred = values - values.mean(axis=0)
    n_volumes, n_regions = values.shape
    sample = sum(np.outer(row, row) for row in centred) / n_volumes
    target = np.trace(sample) / n_regions * np.eye(n_regions)
    distance = np.sum((sample - target) ** 2) / n_regions
    error = sum(np.sum((np.outer(row, row) - sample) ** 2) for row in centred) / n_regions / n_volumes**2
    shrinkage = min(error, distance) / distance
    return shrinkage * target + (1 - shrinkage) * sample, shrinkage


def correlation_given_others(covariance: np.ndarray, pair: list[int]) -> float:
    """The correlation of two regions given all others: a Schur complement, without inverting the whole matrix."""
    others = [number for number in range(len(covariance)) if number not in pair]
    to_others = covariance[np.ix_(pair, others)]
    rest = covariance[np.ix_(pair, pair)] - to_others @ np.linalg.solve(covariance[np.ix_(others, others)], to_others.T)
    return rest[0, 1] / np.sqrt(rest[0, 0] * rest[1, 1])


class TestNumbers:
    @pytest.mark.parametrize("shape", [(40, 6), (200, 30), (12, 25), (3, 5), (30, 1)], ids=str)
    @pytest.mark.parametrize("kind", SHRUNK)
    def test_matrices_are_nilearns(self, kind, shape):
        values = make_signals(*shape)
        expected = measure_by_nilearn(values, kind)
        np.testing.assert_allclose(measure(values, kind).matrix, expected, rtol=TOLERANCE, atol=TOLERANCE)

    @pytest.mark.parametrize("shape", [(40, 6), (12, 25), (3, 5)], ids=str)
    def test_pearson_is_numpys(self, shape):
        values = make_signals(*shape)
        found = measure(values, "pearson")
        np.testing.assert_allclose(found.matrix, np.corrcoef(values.T), rtol=0, atol=TOLERANCE)
        assert found.shrinkage is None

    @pytest.mark.parametrize("shape", [(40, 6), (12, 25)], ids=str)
    def test_covariance_and_shrinkage_are_those_of_the_paper(self, shape):
        values = make_signals(*shape)
        expected, shrinkage = shrink_as_in_the_paper(values)
        found = measure(values, "covariance")
        np.testing.assert_allclose(found.matrix, expected, rtol=TOLERANCE)
        assert 0 < shrinkage < 1
        assert found.shrinkage == pytest.approx(shrinkage, abs=TOLERANCE)

    def test_correlation_is_pearsons_drawn_to_0_by_the_shrinkage(self):
        values = make_signals(40, 6)
        _, shrinkage = shrink_as_in_the_paper((values - values.mean(axis=0)) / values.std(axis=0))
        found = measure(values, "correlation")
        expected = np.where(np.eye(6, dtype=bool), 1.0, (1 - shrinkage) * np.corrcoef(values.T))
        np.testing.assert_allclose(found.matrix, expected, rtol=0, atol=TOLERANCE)
        assert found.shrinkage == pytest.approx(shrinkage, abs=TOLERANCE)

    def test_precision_times_covariance_is_1(self):
        values = make_signals(12, 25)
        covariance, _ = shrink_as_in_the_paper(values)
        np.testing.assert_allclose(measure(values, "precision").matrix @ covariance, np.eye(25), atol=TOLERANCE)

    @pytest.mark.parametrize("pair", [[0, 1], [4, 2]])
    def test_partial_correlation_holds_the_others_fixed(self, pair):
        values = make_signals(40, 6)
        covariance, _ = shrink_as_in_the_paper(values)
        found = measure(values, "partial_correlation").matrix[tuple(pair)]
        assert found == pytest.approx(correlation_given_others(covariance, pair), abs=TOLERANCE)

    @pytest.mark.parametrize("kind", CONNECTIVITY_KINDS)
    def test_matrix_is_symmetric(self, kind):
        matrix = measure(make_signals(12, 25), kind).matrix
        np.testing.assert_array_equal(matrix, matrix.T)

    @pytest.mark.parametrize("kind", ["pearson", "correlation"])
    def test_correlations_do_not_depend_on_units(self, kind):
        values = make_signals(40, 6)
        scaled = values * 10.0 ** np.arange(-3, 3)
        np.testing.assert_allclose(measure(scaled, kind).matrix, measure(values, kind).matrix, rtol=0, atol=TOLERANCE)

    def test_covariance_without_inverse_says_why(self):
        # With values of 1 and -1, every volume has the sample covariance, so that nothing is shrunk.
        same = np.repeat([[1.0], [-1.0]], 10, axis=0) * [1, 1]
        with pytest.raises(SignalsError, match="no inverse, because some have the same signal"):
            measure(same, "precision")


class TestFisherZ:
    @pytest.mark.parametrize("kind", CORRELATION_KINDS)
    def test_correlations_become_their_inverse_hyperbolic_tangent(self, kind):
        values = make_signals(40, 6)
        r, found = measure(values, kind).matrix, measure(values, kind, fisher_z=True)
        pairs = ~np.eye(6, dtype=bool)
        np.testing.assert_allclose(found.matrix[pairs], np.log((1 + r[pairs]) / (1 - r[pairs])) / 2, atol=TOLERANCE)
        assert np.isnan(found.matrix.diagonal()).all()
        assert found.is_fisher_z

    @pytest.mark.parametrize("kind", ["covariance", "precision"])
    def test_covariance_and_precision_are_not_transformed(self, kind):
        values = make_signals(40, 6)
        found = measure(values, kind, fisher_z=True)
        np.testing.assert_array_equal(found.matrix, measure(values, kind).matrix)
        assert not found.is_fisher_z

    def test_regions_with_equal_signals_have_no_z(self):
        first, second = make_signals(40, 2).T
        z = measure(np.column_stack([first, second, 500 - 3 * first]), "pearson", fisher_z=True).matrix
        assert np.isnan(z).tolist() == [[True, False, True], [False, True, False], [True, False, True]]


class TestRegionsWithoutSignal:
    @pytest.mark.parametrize("kind", CONNECTIVITY_KINDS)
    def test_other_regions_have_the_values_they_have_without_it(self, kind):
        values = make_signals(40, 6)
        values[:, 2] = np.nan
        found = measure(values, kind, left_out=[2]).matrix
        others = [0, 1, 3, 4, 5]
        np.testing.assert_array_equal(found[np.ix_(others, others)], measure(values[:, others], kind).matrix)
        assert np.isnan(found[2]).all()
        assert np.isnan(found[:, 2]).all()

    @pytest.mark.parametrize("kind", CONNECTIVITY_KINDS)
    def test_without_any_signal_the_matrix_is_nan(self, kind):
        found = measure(np.full((40, 2), np.nan), kind, left_out=[0, 1])
        assert np.isnan(found.matrix).all()
        assert (found.matrix.shape, found.shrinkage) == ((2, 2), None)


class TestDegreesOfFreedom:
    def test_two_volumes_are_too_few(self):
        with pytest.raises(TooFewVolumesError, match="found 2 kept volumes, but --connectivity needs 3"):
            measure(make_signals(2, 4), "pearson")

    @pytest.mark.parametrize(("n_left", "is_said"), [(19.5, True), (20, False)])
    def test_few_degrees_of_freedom_warn(self, n_left, is_said):
        with record_warnings() as said:
            warn_of_few_degrees_of_freedom(["pearson"], n_left, 10, "")
        assert bool(said) == is_said

    @pytest.mark.parametrize(
        ("kind", "n_regions", "is_said"),
        [("precision", 51, True), ("partial_correlation", 51, True), ("precision", 50, False), ("pearson", 51, False)],
    )
    def test_inverse_of_more_regions_than_degrees_of_freedom_warns(self, kind, n_regions, is_said):
        with record_warnings() as said:
            warn_of_few_degrees_of_freedom(["correlation", kind], 50, n_regions, "atlas: ")
        assert [text.startswith(f"atlas: 50 degrees of freedom are fewer than {n_regions}") for text in said] == (
            [True] * is_said
        )


def test_every_kind_is_described_and_has_a_name_of_its_own_in_bids():
    assert tuple(DESCRIPTIONS) == tuple(ESTIMATED_FROM) == tuple(STATISTICS) == CONNECTIVITY_KINDS
    assert len(set(STATISTICS.values())) == len(STATISTICS)
    assert all(word.isalnum() for word in STATISTICS.values())


def test_pearson_alone_does_without_nilearns_connectome():
    code = (
        "import sys, numpy as np\n"
        "from niimasker.signals.connectivity import measure_connectivity\n"
        "values = np.random.default_rng(0).normal(size=(9, 2))\n"
        "measure_connectivity(values, ['pearson'], names=['a', 'b'], left_out={}, fisher_z=False)\n"
        "sys.exit('nilearn.connectome' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=environment(), check=False).returncode == 0


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with two images of noise of 40 volumes, two of them to censor, and an atlas."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    for number in range(2):
        save(tmp_path / f"sub-{number}_bold.nii.gz", 500 + rng.normal(size=(*LABELS.shape, 40)), t_r=2.0)
    save(tmp_path / "atlas.nii.gz", LABELS)
    censored = np.zeros(40, dtype=int)
    censored[[5, 17]] = 1
    np.savetxt("censored.txt", censored, fmt="%d")
    return tmp_path


def run(**options):
    """Extract the first image, and return the output folder."""
    defaults = {"input_files": "sub-0_bold.nii.gz", "roi_file": "atlas.nii.gz", "connectivity": "pearson"}
    (outcome,) = extract("out", **{**defaults, "no_report": True, "n_decimals": 17, **options})
    assert outcome.reason is None
    return outcome.tables


def read(path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


def read_relmat(path) -> pd.DataFrame:
    return read(path).set_index("node")


@pytest.mark.usefixtures("folder")
@WITHOUT_REGRESSORS
class TestFiles:
    def test_there_is_a_matrix_and_a_json_for_each_kind_in_order(self):
        (tables,) = run(connectivity=["precision", "partial correlation"])
        assert [path.name for path in tables.relmat_paths] == [
            "sub-0_bold_connectivity-precision_relmat.tsv",
            "sub-0_bold_connectivity-partialcorrelation_relmat.tsv",
        ]
        assert sorted(path.name for path in Path("out").glob("*relmat*")) == [
            "sub-0_bold_connectivity-partialcorrelation_relmat.json",
            "sub-0_bold_connectivity-partialcorrelation_relmat.tsv",
            "sub-0_bold_connectivity-precision_relmat.json",
            "sub-0_bold_connectivity-precision_relmat.tsv",
        ]

    @pytest.mark.parametrize("kind", SHRUNK)
    @pytest.mark.parametrize("standardize", [False, True])
    def test_numbers_are_nilearns_of_the_signals_as_written(self, kind, standardize):
        (tables,) = run(connectivity=kind, detrend=True, standardize=standardize)
        expected = measure_by_nilearn(read(tables.signals_path).to_numpy(), kind)
        found = read_relmat(tables.relmat_paths[0])
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)
        assert list(found.columns) == list(found.index) == NAMES

    @pytest.mark.parametrize("censored", ["drop", "nan"])
    def test_censored_volumes_take_no_part(self, censored):
        (tables,) = run(censor_file="censored.txt", censored=censored, discard_scans=3)
        signals = read(tables.signals_path)
        assert len(signals) == {"drop": 35, "nan": 37}[censored]
        found = read_relmat(tables.relmat_paths[0])
        np.testing.assert_allclose(found, np.corrcoef(signals.dropna().to_numpy().T), rtol=0, atol=TOLERANCE)

    def test_json_tells_how_it_is_estimated(self):
        (tables,) = run(connectivity="correlation", standardize=True, discard_scans=3, fisher_z=True)
        values = read(tables.signals_path).to_numpy()
        facts = json.loads(tables.relmat_paths[0].with_suffix(".json").read_text("utf-8"))
        del facts["Software"]
        assert facts.pop("Shrinkage") == pytest.approx(shrink_as_in_the_paper(values)[1], abs=TOLERANCE)
        assert facts == {
            "RelationshipMeasure": "correlation with shrinkage",
            "Weighted": True,
            "Directed": False,
            "NonNegative": False,
            "ValidDiagonal": False,
            "Estimator": "Ledoit-Wolf",
            "Standardized": "zscore_sample",
            "EstimatedFrom": "z-scored time series",
            "FisherZ": True,
            "Volumes": 37,
            "DegreesOfFreedom": 36.0,
            "LeftOut": {},
            "TimeSeries": "sub-0_bold_timeseries.tsv",
        }

    def test_json_of_pearson_has_no_shrinkage(self):
        (tables,) = run()
        facts = json.loads(tables.relmat_paths[0].with_suffix(".json").read_text("utf-8"))
        assert (facts["Estimator"], facts["Shrinkage"], facts["Standardized"]) == ("sample", None, None)

    def test_json_names_the_estimator_where_no_region_has_a_signal(self):
        save(Path("sub-0_bold.nii.gz"), np.full((*LABELS.shape, 40), 500.0), t_r=2.0)
        with pytest.warns(NiimaskerWarning, match="without signal"):
            (tables,) = run(connectivity="covariance")
        facts = json.loads(tables.relmat_paths[0].with_suffix(".json").read_text("utf-8"))
        assert (facts["Estimator"], facts["Shrinkage"]) == ("Ledoit-Wolf", None)
        assert np.isnan(read_relmat(tables.relmat_paths[0])).all(axis=None)

    @pytest.mark.parametrize("options", [{}, {"detrend": True}, {"standardize": True}], ids=str)
    def test_regions_without_signal_are_named_with_their_reason(self, options):
        values = 500 + np.random.default_rng(3).normal(size=(*LABELS.shape, 40))
        values[LABELS == 2] = 500.0
        save(Path("sub-0_bold.nii.gz"), values, t_r=2.0)
        with pytest.warns(NiimaskerWarning, match=r"without signal \(constant\): roi 2"):
            (tables,) = run(connectivity=["pearson", "covariance"], **options)
        for path in tables.relmat_paths:
            assert read_relmat(path).isna().to_numpy().tolist() == [
                [False, True, False],
                [True] * 3,
                [False, True, False],
            ]
            facts = json.loads(path.with_suffix(".json").read_text("utf-8"))
            assert facts["LeftOut"] == {"roi 2": "constant"}

    @pytest.mark.parametrize("detrend", [False, True])
    def test_region_that_regression_leaves_nothing_of_is_left_out(self, detrend):
        values = 500 + np.random.default_rng(3).normal(size=(*LABELS.shape, 40))
        drift = np.sin(np.arange(40) / 3)
        values[LABELS == 2] = 500 + drift
        save(Path("sub-0_bold.nii.gz"), values, t_r=2.0)
        pd.DataFrame({"drift": drift}).to_csv("confounds.tsv", sep="\t", index=False)
        (tables,) = run(regressor_files="confounds.tsv", detrend=detrend)
        facts = json.loads(tables.relmat_paths[0].with_suffix(".json").read_text("utf-8"))
        assert facts["LeftOut"] == {"roi 2": "constant"}
        assert read_relmat(tables.relmat_paths[0])["roi 2"].isna().all()

    def test_names_with_quotes_are_read_as_they_are(self):
        names = ['a "b"', "c, d", "n/a 額葉"]
        (tables,) = run(labels=names)
        found = read_relmat(tables.relmat_paths[0])
        assert list(found.columns) == list(found.index) == names

    @pytest.mark.filterwarnings("ignore:out. this call replaces")
    def test_small_covariances_keep_their_digits(self):
        rng = np.random.default_rng(3)
        save(Path("sub-0_bold.nii.gz"), 1e-7 * (1 + rng.normal(size=(*LABELS.shape, 40))), t_r=2.0)
        (tables,) = run(connectivity="covariance", n_decimals=2)
        rounded = read_relmat(tables.relmat_paths[0])
        (exact,) = run(connectivity="covariance")
        signals = read(exact.signals_path).to_numpy()
        expected, _ = shrink_as_in_the_paper(1e9 * signals)
        np.testing.assert_allclose(1e18 * rounded, expected, rtol=1e-6)

    def test_each_atlas_has_its_own_matrices(self):
        save(Path("other.nii.gz"), make_labels((3, 4)))
        for_both = run(roi_file=["atlas.nii.gz", "other.nii.gz"])
        assert [path.name for tables in for_both for path in tables.relmat_paths] == [
            "sub-0_bold_atlas-atlas_connectivity-pearson_relmat.tsv",
            "sub-0_bold_atlas-other_connectivity-pearson_relmat.tsv",
        ]
        assert list(read_relmat(for_both[1].relmat_paths[0])) == ["roi 3", "roi 4"]

    @pytest.mark.filterwarnings("ignore:out. this call replaces")
    def test_without_the_option_matrices_of_an_earlier_call_are_removed(self):
        run(connectivity=["pearson", "precision"])
        run(connectivity=[])
        assert list(Path("out").glob("*relmat*")) == []

    def test_run_of_two_volumes_fails_and_leaves_nothing(self):
        options = {"roi_file": "atlas.nii.gz", "connectivity": "pearson", "discard_scans": 38, "no_report": True}
        (outcome,) = extract("out", input_files="sub-0_bold.nii.gz", **options)
        assert outcome.status == "failed"
        assert "found 2 kept volumes, but --connectivity needs 3" in outcome.reason
        assert list(Path("out").glob("*bold*")) == []

    def test_regions_that_share_their_signal_have_no_z(self):
        save(Path("sub-0_bold.nii.gz"), make_series(LABELS, 40), t_r=2.0)
        (tables,) = run(fisher_z=True)
        assert read_relmat(tables.relmat_paths[0]).isna().all(axis=None)

    @pytest.mark.parametrize("ending", ["tsv", "json"])
    def test_resume_makes_what_is_missing_again(self, ending):
        options = {"roi_file": "atlas.nii.gz", "connectivity": ["pearson", "covariance"], "resume": True}
        both = "sub-*_bold.nii.gz"
        extract("out", input_files=both, **options)
        before = results_in(Path("out"))
        Path(f"out/sub-1_bold_connectivity-covariance_relmat.{ending}").unlink()
        assert [outcome.status for outcome in extract("out", input_files=both, **options)] == ["skipped", "done"]
        assert results_in(Path("out")) == before

    def test_processes_write_the_same_bytes(self):
        written = []
        for n_jobs in (1, 2):
            options = {"connectivity": CONNECTIVITY_KINDS, "fisher_z": True, "n_jobs": n_jobs, "no_report": True}
            extract(f"out_{n_jobs}", input_files="sub-1_bold.nii.gz", roi_file="atlas.nii.gz", **options)
            written.append({name: data for name, data in results_in(Path(f"out_{n_jobs}")).items() if "relmat" in name})
        assert len(written[0]) == 10
        assert written[0] == written[1]


@pytest.mark.usefixtures("folder")
class TestMissingRegression:
    @staticmethod
    def warnings_of(image="sub-0_bold.nii.gz", **options) -> list[str]:
        """The warnings in the JSON file of the time series."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NiimaskerWarning)
            (tables,) = run(input_files=image, **options)
        return json.loads(tables.signals_path.with_suffix(".json").read_text("utf-8"))["Warnings"]

    @pytest.fixture
    def confounds(self) -> dict:
        """Options with a table of one column."""
        table = pd.DataFrame({"csf": np.random.default_rng(3).normal(size=40)})
        table.to_csv("confounds.tsv", sep="\t", index=False)
        return {"regressor_files": ["confounds.tsv"]}

    def test_run_is_warned_of_once(self):
        (warning,) = self.warnings_of(connectivity=["pearson", "covariance"])
        assert warning.startswith(LACKS_REGRESSION)
        assert "--regressors" in warning

    def test_words_that_select_no_column_are_no_regressors(self, confounds):
        (warning,) = self.warnings_of(**confounds, regressors="none")
        assert warning.startswith(LACKS_REGRESSION)

    def test_nothing_is_said_with_regressors_or_without_connectivity(self, confounds):
        assert self.warnings_of(**confounds, regressors=["csf"]) == []
        assert self.warnings_of(connectivity=[]) == []

    def test_nothing_is_said_of_an_image_that_is_denoised(self):
        name = "sub-0_task-rest_desc-denoised_bold.nii.gz"
        Path("sub-0_bold.nii.gz").rename(name)
        assert self.warnings_of(image=name) == []
