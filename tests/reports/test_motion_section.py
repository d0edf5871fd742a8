"""The section of motion on a run's page: its numbers against plain formulas and the tables of voxels."""

from __future__ import annotations

import html
import json
import re
import warnings
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from gifti_files import save_series
from images import RAS, save

from niimasker import extract
from niimasker.errors import NiimaskerWarning
from niimasker.reports.packing import unpack

SHAPE, N_VOLUMES = (8, 9, 10), 70
RNG = np.random.default_rng(5)
# Slabs along the third axis, from bottom to top: grey matter, white matter, CSF.
TISSUES = np.zeros(SHAPE, np.uint8)
TISSUES[1:-1, 1:-1, 1:4], TISSUES[1:-1, 1:-1, 4:8], TISSUES[1:-1, 1:-1, 8:9] = 1, 2, 3
N_OF_TISSUES = np.bincount(TISSUES.ravel())[1:].tolist()
NAME = "sub-01_task-rest_space-MNI152NLin6Asym"
IMAGE = f"data/sub-01/func/{NAME}_desc-preproc_bold.nii.gz"
SEGMENTATION = f"data/sub-01/anat/{NAME.replace('_task-rest', '')}_dseg.nii.gz"
FD = np.r_[np.nan, np.where(np.arange(1, N_VOLUMES) % 20 == 10, 0.9, 0.1)]


def make_values():
    return (1000 + 20 * RNG.normal(size=(*SHAPE, N_VOLUMES))) * (TISSUES > 0)[..., None]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(Path(IMAGE), make_values().astype(np.float32), RAS, t_r=2.0)
    save(Path("atlas.nii.gz"), (TISSUES > 0).astype(np.uint8), RAS)
    table = pd.DataFrame(RNG.normal(size=(N_VOLUMES, 2)), columns=["x", "y"])
    table.assign(framewise_displacement=FD).to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
    return tmp_path


CLEANING = {"regressor_files": ["confounds.tsv"], "regressors": ["x", "y"], "detrend": True, "low_pass": 0.1}
BEFORE, AFTER = "DVARS before cleaning (%)", "DVARS after cleaning (%)"


class Section:
    """The section of motion of the only run that these options make."""

    def __init__(self, output_dir="out", image=IMAGE, roi_file="atlas.nii.gz", **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NiimaskerWarning)
            (outcome,) = extract(output_dir, input_files=[image], roi_file=roi_file, **options)
        assert outcome.reason is None
        self.warnings = outcome.result.warnings
        page = outcome.result.report_path.read_text("utf-8")
        self.html = re.search('<section id="motion".*?</section>', page, re.DOTALL)[0]
        self.text = html.unescape(
            " ".join(re.sub("<script.*?</script>|<[^>]*>", " ", self.html, flags=re.DOTALL).split())
        )
        found = re.search('id="motion-figure">(.*?)</script>', self.html, re.DOTALL)
        self.figure = json.loads(found[1]) if found else None

    def curve(self, name):
        (trace,) = [each for each in self.figure["data"] if each.get("name") == name]
        return np.array([np.nan if value is None else value for value in trace["y"]])

    @property
    def carpets(self):
        """Before and after cleaning, of shape (n_rows, n_volumes)."""
        return [unpack(trace["z"]) for trace in self.figure["data"] if trace["type"] == "heatmap"]

    @property
    def lines(self):
        shapes = self.figure["layout"]["shapes"]
        return {(each["yref"], each["line"]["dash"], each["y0"]) for each in shapes if each["type"] == "line"}


def segment():
    save(Path(SEGMENTATION), TISSUES, RAS)


def flat(values):
    """Values of shape (n_volumes, n_voxels) of the voxels in the mask."""
    return values[TISSUES > 0].T.astype(np.float64)


def load(image=IMAGE):
    return nib.load(image).get_fdata()


def as_voxels(**options):
    """The cleaned series of all voxels from the table of --as_voxels, in any order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NiimaskerWarning)
        extract("voxels", input_files=[IMAGE], roi_file="atlas.nii.gz", as_voxels=True, no_report=True, **options)
    return pd.read_csv(Path("voxels") / f"{NAME}_desc-preproc_bold_timeseries.tsv", sep="\t").to_numpy()


def dvars(values):
    """DVARS as nipype's ComputeDVARS defines it, not standardised."""
    return np.sqrt(np.mean(np.diff(values, axis=0) ** 2, axis=1))


def test_dvars_is_that_of_all_voxels_before_and_after_cleaning():
    """Five digits are drawn, which is 5e-5; the sample is float32: 6e-8 of 1000 in differences of about 28."""
    section, values = Section(**CLEANING), flat(load())
    scale = 100 / values.mean()
    np.testing.assert_allclose(section.curve(BEFORE)[1:], scale * dvars(values), rtol=6e-5)
    np.testing.assert_allclose(section.curve(AFTER)[1:], scale * dvars(as_voxels(**CLEANING)), rtol=6e-5)
    assert np.isnan(section.curve(BEFORE)[0])


def test_after_censoring_dvars_is_known_between_kept_neighbours():
    section = Section(**CLEANING, scrub=True, std_dvars_threshold=0, discard_scans=1)
    is_kept = (FD < 0.5) & (np.arange(N_VOLUMES) > 0)
    both = np.r_[False, is_kept[1:] & is_kept[:-1]]
    np.testing.assert_array_equal(np.isfinite(section.curve(AFTER)), both)
    # Before cleaning only discarded volumes are missing.
    np.testing.assert_array_equal(np.isfinite(section.curve(BEFORE)), np.arange(N_VOLUMES) >= 2)
    np.testing.assert_array_equal(np.isfinite(section.carpets[1]).all(axis=0), is_kept)


@pytest.mark.parametrize("engine", ["stream", "nilearn"])
@pytest.mark.parametrize("standardize", [{}, {"standardize": True}, {"standardize": True, "standardize_method": "psc"}])
def test_carpet_is_of_the_cleaned_voxels(engine, standardize):
    """With fewer rows than voxels, a row is the z-score of a mean of neighbours' z-scores."""
    segment()
    section = Section(**CLEANING, engine=engine, **standardize)
    cleaned = as_voxels(**CLEANING, **standardize)
    z = (cleaned - cleaned.mean(axis=0)) / cleaned.std(axis=0)
    # Columns of --as_voxels have the last axis fastest; drawn are tissues from bottom to top, the first axis fastest.
    i, j, k = np.nonzero(TISSUES)
    order = np.lexsort((i, j, k, TISSUES[i, j, k]))
    size = -(-len(order) // 240)
    starts = [0]
    for tissue_end in np.cumsum(N_OF_TISSUES):
        starts += [*range(starts[-1] + size, tissue_end, size), tissue_end]
    rows = [z[:, order[start:stop]].mean(axis=1) for start, stop in pairwise(starts)]
    expected = np.array([row / row.std() for row in rows])
    # Steps of a tenth, and float32.
    np.testing.assert_allclose(section.carpets[1], expected, atol=0.051)


def test_values_of_censored_volumes_change_nothing_after_cleaning():
    is_censored = FD > 0.5
    changed = load()
    changed[..., is_censored] = 1e4 * RNG.normal(size=(*SHAPE, is_censored.sum()))
    sections = [Section("first", **CLEANING, scrub=True, std_dvars_threshold=0)]
    save(Path(IMAGE), changed.astype(np.float32), RAS, t_r=2.0)
    sections.append(Section("second", **CLEANING, scrub=True, std_dvars_threshold=0))
    for each in (lambda section: section.carpets[1], lambda section: section.curve(AFTER)):
        np.testing.assert_array_equal(*map(each, sections))
    np.testing.assert_array_equal(*(section.carpets[0][:, ~is_censored] for section in sections))


@pytest.mark.parametrize("tissue", [1, 2, 3])
def test_jump_in_a_tissue_is_a_band_in_its_rows_alone(tissue):
    segment()
    values = load()
    values[tissue == TISSUES, 33] += 100
    save(Path(IMAGE), values.astype(np.float32), RAS, t_r=2.0)
    section = Section()
    for carpet in section.carpets:
        band = carpet[:, 33]
        names = ["grey matter", "white matter", "CSF"]
        of_tissue = np.array([name.startswith(names[tissue - 1]) for name in section.figure["data"][-1]["y"]])
        assert (band[of_tissue] > 2.5).all()
        # Of noise around 0, with SD 1 over time; rows are at most 42 by chance beyond 1.
        assert abs(np.median(band[~of_tissue])) < 1
        assert (band[~of_tissue] > 2.5).mean() < 0.1


def test_groups_are_counted():
    segment()
    section = Section()
    assert f"grey matter ({N_OF_TISSUES[0]}) white matter ({N_OF_TISSUES[1]}) CSF ({N_OF_TISSUES[2]})" in section.text
    assert f"over the tissues of {Path(SEGMENTATION).name}" in section.text


def test_without_segmentation_voxels_are_ordered_by_distance():
    section = Section()
    assert "from the edge of the brain to its middle" in section.text
    assert "At the side" not in section.text


def test_thresholds_are_lines_on_any_run_with_motion():
    plain = Section("plain", regressor_files=["confounds.tsv"], regressors=["x"])
    assert plain.lines == {("y", "dash", 0.5), ("y", "dot", 0.2)}
    assert "The dashed line is --fd_threshold (0.5 mm): this run is not scrubbed." in plain.text
    scrubbed = Section("scrubbed", **CLEANING, scrub=True, std_dvars_threshold=0, fd_threshold=0.3)
    assert scrubbed.lines == {("y", "dash", 0.3), ("y", "dot", 0.2)}
    assert "--fd_threshold (0.3 mm): volumes above it are censored." in scrubbed.text


def test_caption_is_short_and_definitions_can_be_unfolded():
    section = Section(**CLEANING)
    caption, making = section.text.split("How this is made")
    assert len(re.findall(r"\. |\.$", re.search("<figcaption>(.*?)</figcaption>", section.html, re.DOTALL)[1])) == 3
    assert "A band across all rows of a carpet is a change of the whole brain" in caption
    for definition in ("DVARS is the root mean square", "z-scores from black (-2.5 or less)", "evenly spaced"):
        assert definition in making
        assert definition not in caption


def test_volumes_with_a_spike_regressor_are_grey_unless_a_filter_spreads_it():
    table = pd.read_csv("confounds.tsv", sep="\t").assign(spike=(np.arange(N_VOLUMES) == 30).astype(int))
    table.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
    given = {"regressor_files": ["confounds.tsv"], "regressors": ["x", "spike"], "detrend": True}
    section = Section("spike", **given)
    assert "Nothing is left of 1 volume with a spike regressor, grey in the carpet after cleaning." in section.text
    np.testing.assert_array_equal(section.carpets[1][:, 30], 0)
    assert "spike regressor" not in Section("filtered", **given, low_pass=0.1).text


def test_std_dvars_has_its_threshold_where_it_censors():
    table = pd.read_csv("confounds.tsv", sep="\t").assign(std_dvars=1.0)
    table.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
    assert ("y2", "dash", 1.5) in Section("scrubbed", **CLEANING, scrub=True).lines
    assert not {line for line in Section("plain", **CLEANING).lines if line[0] == "y2"}


def test_page_says_why_motion_is_not_shown():
    none_read = "Framewise displacement is not shown: no confounds table was read for this run"
    # A table beside the image is not looked for unless an option needs it, or a folder is given.
    beside = Path(IMAGE).parent / "sub-01_task-rest_desc-confounds_timeseries.tsv"
    Path("confounds.tsv").rename(beside)
    assert none_read in Section("beside").text
    pd.DataFrame({"x": np.arange(N_VOLUMES)}).to_csv("x.tsv", sep="\t", index=False)
    without = Section("without", regressor_files=["x.tsv"], regressors=["x"])
    assert "the confounds table has neither framewise displacement nor all six motion parameters" in without.text
    assert without.carpets
    beside.write_text("framewise_displacement\n0.1\n")
    unusable = Section("unusable", image="data")
    assert "the run's tables could not be used for framewise displacement; see the warnings" in unusable.text
    assert any(beside.name in warning for warning in unusable.warnings)


def test_image_around_zero_has_dvars_in_its_own_units():
    save(
        Path(IMAGE), (RNG.normal(size=(*SHAPE, N_VOLUMES)) * (TISSUES > 0)[..., None]).astype(np.float32), RAS, t_r=2.0
    )
    section = Section()
    np.testing.assert_allclose(section.curve("DVARS before cleaning (image units)")[1:], dvars(flat(load())), rtol=6e-5)
    assert "DVARS (image units)" in json.dumps(section.figure["layout"]["annotations"])


def test_surface_run_is_ordered_by_hemisphere():
    values = 1000 + RNG.normal(size=(N_VOLUMES, 30)).astype(np.float32)
    path = save_series(Path("hemi-L_bold.func.gii"), values, structure="CortexLeft")
    keys = nib.gifti.GiftiDataArray(np.ones(30, np.int32), intent="NIFTI_INTENT_LABEL")
    labels = nib.gifti.GiftiLabelTable()
    for key in (0, 1):
        label = nib.gifti.GiftiLabel(key)
        label.label = f"region {key}"
        labels.labels.append(label)
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": "CortexLeft"})
    nib.save(nib.gifti.GiftiImage(meta=meta, labeltable=labels, darrays=[keys]), "hemi-L_dseg.label.gii")
    section = Section("surface", image=str(path), roi_file="hemi-L_dseg.label.gii")
    assert "30 vertices, evenly spaced over its structures" in section.text
    assert section.carpets[0].shape == (30, N_VOLUMES)


def test_section_is_small():
    """Two carpets of 240 rows and 200 volumes, a byte a value in base64, are 128 kB."""
    for n_volumes, limit in ((200, 200_000), (1200, 500_000)):
        values = RNG.normal(1000, 20, (14, 14, 12, n_volumes)).astype(np.float32)
        save(Path("long.nii.gz"), values, t_r=1.0)
        save(Path("large.nii.gz"), np.ones(values.shape[:3], np.uint8))
        section = Section(f"out{n_volumes}", image="long.nii.gz", roi_file="large.nii.gz")
        assert len(section.html) < limit
