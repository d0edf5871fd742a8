"""The pipelines that the package provides choose the columns and volumes that the published ones choose."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from confounds_tables import FULL_MOTION, MOTION, N_VOLUMES, OLD, ORACLES_OWN, REST, RUN_1, RUN_2
from images import SHAPE, save
from nilearn.interfaces import fmriprep
from timelines import make_timeline

from niimasker.errors import ConfoundsError, record_warnings
from niimasker.inputs.confounds import Confounds, load_confounds
from niimasker.inputs.series import open_series
from niimasker.options.merging import make_settings
from niimasker.signals.timeline import Timeline

PRESETS = json.loads(resources.files("niimasker.options").joinpath("presets.json").read_text("utf-8"))

# The arguments of nilearn's load_confounds_strategy in Table 2 of Wang et al. 2024. Its std_dvars_threshold of None is
# infinity here, because nilearn replaces None by its own threshold.
WANG: Mapping[str, Mapping[str, object]] = {
    "simple": {"denoise_strategy": "simple"},
    "simple+gsr": {"denoise_strategy": "simple", "global_signal": "basic"},
    "compcor": {"denoise_strategy": "compcor"},
    "compcor6": {"denoise_strategy": "compcor", "n_compcor": 6},
    "aroma": {"denoise_strategy": "ica_aroma"},
    **{
        f"scrubbing.{fd_threshold * 10:g}{gsr}": {
            "denoise_strategy": "scrubbing",
            "fd_threshold": fd_threshold,
            "std_dvars_threshold": np.inf,
            **({"global_signal": "basic"} if gsr else {}),
        }
        for fd_threshold in (0.5, 0.2)
        for gsr in ("", "+gsr")
    },
}

TISSUES = [
    f"{name}{suffix}"
    for name in ("csf", "white_matter", "global_signal")
    for suffix in ("", "_derivative1", "_power2", "_derivative1_power2")
]
SEPARATE_COMPONENTS = [f"{tissue}_comp_cor_0{number}" for tissue in "wc" for number in range(5)]
# Before fMRIPrep 21 the components of all masks were numbered together.
NUMBERED_COMPONENTS = [f"a_comp_cor_{number}" for number in (*range(57, 62), *range(70, 75))]

TABLES = pytest.mark.parametrize(
    "table", [RUN_1, RUN_2, REST, ORACLES_OWN], ids=["run-1", "run-2", "rest", "oracles-own"]
)


@dataclass(frozen=True)
class Chosen:
    """What a preset chooses from a run."""

    confounds: Confounds
    timeline: Timeline


@pytest.fixture
def choose(tmp_path, data_dir):
    """Return what a preset chooses from a real table beside an image of so many volumes."""

    def choose(preset: str, table: str) -> Chosen:
        image = copy_run(tmp_path, data_dir, preset, table)
        save(image, np.zeros((*SHAPE, N_VOLUMES[table])))
        settings = make_settings(
            {"output_dir": "out", "input_files": [str(image)], "roi_file": "atlas.nii"}, PRESETS[preset]
        )
        # Warnings are of few components and of volumes before the steady state.
        with record_warnings():
            confounds = load_confounds(
                [tmp_path / "sub-1_desc-confounds_timeseries.tsv"],
                settings.requested_regressors,
                n_volumes=N_VOLUMES[table],
                image_path=image,
                high_pass=settings.high_pass,
            )
            timeline = make_timeline(open_series(image), settings, confounds.measures)
        return Chosen(confounds, timeline)

    return choose


def copy_run(folder: Path, data_dir: Path, preset: str, table: str) -> Path:
    """Copy a table and its JSON file to where nilearn looks for them; return the path of the image."""
    path = data_dir / "confounds" / table
    for suffix in (".tsv", ".json"):
        if path.with_suffix(suffix).exists():
            shutil.copy(path.with_suffix(suffix), folder / f"sub-1_desc-confounds_timeseries{suffix}")
    return folder / f"sub-1_desc-{'smoothAROMAnonaggr' if preset == 'aroma' else 'preproc'}_bold.nii.gz"


def ask_nilearn(image: Path, preset: str) -> tuple[pd.DataFrame, np.ndarray | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if preset == "baseline":
            return fmriprep.load_confounds(str(image), strategy=["high_pass"], demean=False)
        return fmriprep.load_confounds_strategy(str(image), demean=False, **WANG[preset])


@TABLES
@pytest.mark.parametrize("preset", ["baseline", *WANG])
def test_preset_of_the_denoising_benchmark_chooses_nilearns_columns_and_volumes(
    tmp_path, data_dir, choose, preset, table
):
    chosen = choose(preset, table)
    frame, sample_mask = ask_nilearn(copy_run(tmp_path, data_dir, preset, table), preset)
    assert sorted(chosen.confounds.names) == sorted(frame.columns)
    np.testing.assert_allclose(chosen.confounds.values, frame[list(chosen.confounds.names)], rtol=1e-9)
    kept = np.arange(N_VOLUMES[table]) if sample_mask is None else sample_mask
    assert np.flatnonzero(chosen.timeline.kept).tolist() == kept.tolist()


def test_nilearn_takes_no_limit_of_dvars_for_its_own_limit(tmp_path, data_dir):
    image = str(copy_run(tmp_path, data_dir, "scrubbing.5", REST))
    masks = [
        fmriprep.load_confounds_strategy(image, "scrubbing", std_dvars_threshold=limit)[1] for limit in (None, 1.5)
    ]
    assert masks[0].tolist() == masks[1].tolist()


def test_tables_hold_volumes_that_each_threshold_censors(choose):
    n_censored = {
        (preset, table): choose(preset, table).timeline.n_censored
        for preset in ("simple", "scrubbing.5", "scrubbing.2")
        for table in (RUN_2, REST)
    }
    assert n_censored["simple", RUN_2] == 1  # before the steady state
    assert n_censored["simple", REST] < n_censored["scrubbing.5", REST] < n_censored["scrubbing.2", REST]
    assert n_censored["simple", RUN_2] < n_censored["scrubbing.2", RUN_2]


@TABLES
@pytest.mark.parametrize(
    ("preset", "columns"),
    [("24P", FULL_MOTION), ("36P", [*FULL_MOTION, *TISSUES]), ("36P+scrub", [*FULL_MOTION, *TISSUES])],
)
def test_preset_of_parameters_chooses_as_many_columns_as_its_name_says(choose, preset, columns, table):
    names = choose(preset, table).confounds.names
    assert sorted(names) == sorted(columns)
    assert len(names) == int(preset[:2])


@pytest.mark.parametrize(
    ("table", "components"),
    [(RUN_1, SEPARATE_COMPONENTS), (REST, SEPARATE_COMPONENTS), (ORACLES_OWN, NUMBERED_COMPONENTS)],
)
def test_acompcor_chooses_five_components_of_each_tissue_and_motion_with_derivatives(choose, table, components):
    motion = [f"{name}{suffix}" for name in MOTION for suffix in ("", "_derivative1")]
    assert sorted(choose("aCompCor", table).confounds.names) == sorted([*motion, *components])


@TABLES
def test_scrubbing_of_36_parameters_censors_by_powers_displacement(data_dir, choose, table):
    displacement = pd.read_csv(data_dir / "confounds" / table, sep="\t")["framewise_displacement"].to_numpy()
    moved = choose("36P+scrub", table).timeline.outliers["framewise_displacement"]
    assert moved.tolist() == (displacement > 0.2).tolist()


def test_aroma_is_refused_for_an_image_that_is_not_denoised(tmp_path):
    with pytest.raises(ConfoundsError, match="ica_aroma=full is for images that ICA-AROMA has denoised"):
        load_confounds(
            [write_aroma(tmp_path)], PRESETS["aroma"]["regressors"], n_volumes=2, image_path=Path("bold.nii")
        )


def write_aroma(folder: Path) -> Path:
    path = folder / "confounds.tsv"
    path.write_text("csf\twhite_matter\tcosine00\taroma_motion_01\n1\t2\t3\t4\n4\t3\t1\t1\n")
    return path


@pytest.mark.parametrize("preset", ["simple", "compcor", "24P", "36P", "aCompCor"])
def test_table_of_fmriprep_1_1_is_refused_by_presets_of_derivatives(choose, preset):
    with pytest.raises(ConfoundsError, match=r"is from fMRIPrep before 1\.2"):
        choose(preset, OLD)
