"""The data set of --example: one run of each of two subjects, and one of these on the surface of the cortex too."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from niimasker.example.confounds import N_NON_STEADY, make_confounds
from niimasker.example.contents import to_json, write_files
from niimasker.example.derivatives import (
    MadeUpRun,
    describe_data_set,
    make_atlas,
    make_seeds,
    make_volume_run,
)
from niimasker.example.surfaces import load_surface, make_surface_atlas, make_surface_run
from niimasker.example.template import SPACE, Brain, load_brain
from niimasker.example.time_courses import Sampling, make_region_signals, make_slow_signals

RESOLUTION = 4  # mm
SUBJECTS = ("01", "02")
SEED = 2024
SURFACE_SUBJECT = "01"
SAMPLING = Sampling(n_volumes=120, t_r=2.0)
# Values are stored as multiples of 4: rounding adds 1 % to the noise and makes the file a fifth smaller.
SCALE = 4
ATLAS = f"atlas/tpl-{SPACE}_atlas-Example_dseg"


def write_two_runs(output_dir: Path) -> Path:
    """Write the example data set to output_dir/data and return the path of its config.json.

    The data are made up: a small fMRIPrep derivative of two subjects with network signals, drift, noise and motion
    spikes, a parcellation, seeds and a configuration. The run of one subject is there on the surface of the cortex too,
    with a parcellation and a configuration, surfaces.json. Every call writes the same bytes; other files are kept.

    Parameters
    ----------
    output_dir : Path
        The output directory; it is created with its parents. The paths in config.json start with it as given.

    Returns
    -------
    Path
        ``output_dir/data/config.json``. It is written last: if it exists, the data are complete.

    Raises
    ------
    OutputError
        A folder or file cannot be written.
    """
    brain = load_brain(RESOLUTION)
    data_dir = output_dir / "data"
    write_files(data_dir, make_atlas(brain, ATLAS) | make_seeds())
    surface = load_surface(brain)
    write_files(data_dir, make_surface_atlas(surface))
    for subject in SUBJECTS:
        run = make_run(brain, subject)
        stem = f"sub-{subject}/func/sub-{subject}_task-rest"
        write_files(data_dir / "fmriprep", make_volume_run(brain, stem, run))
        if subject == SURFACE_SUBJECT:
            write_files(data_dir / "surfaces", make_surface_run(surface, stem, run))
    for folder in ("fmriprep", "surfaces"):
        write_files(data_dir / folder, describe_data_set())
    write_files(data_dir, make_configurations(data_dir))
    return data_dir / "config.json"


def make_run(brain: Brain, subject: str) -> MadeUpRun:
    """Return the run of one made-up subject."""
    rng = np.random.default_rng([SEED, int(subject)])
    spikes = choose_spikes(rng)
    motion = make_motion(spikes, rng)
    stored = np.round(make_volumes(brain, motion, spikes, rng) / SCALE).astype(np.int16)
    t_r = SAMPLING.t_r
    return MadeUpRun(stored, SCALE, t_r, *make_confounds(brain, motion, SCALE * stored.astype(np.float64), t_r))


def make_configurations(data_dir: Path) -> dict[str, bytes]:
    """Return the configurations that process the data set."""
    config = {
        "input_files": f"{data_dir.as_posix()}/fmriprep",
        "roi_file": f"{data_dir.as_posix()}/{ATLAS}.nii.gz",
        "regressors": ["motion=derivatives", "wm_csf", "high_pass"],
        "discard_scans": "auto",
        "scrub": True,
        "low_pass": 0.1,
        "standardize": True,
    }
    on_surfaces = {
        **config,
        "input_files": f"{data_dir.as_posix()}/surfaces",
        "roi_file": f"{data_dir.as_posix()}/atlas/tpl-fsaverage_den-10k_hemi-{{hemi}}_atlas-Example_dseg.label.gii",
    }
    return {"surfaces.json": to_json(on_surfaces), "config.json": to_json(config)}


def choose_spikes(rng: np.random.Generator) -> np.ndarray:
    """Return the four volumes in which the head moves abruptly, at least ten volumes apart."""
    return rng.choice(np.arange(10, SAMPLING.n_volumes - 10, 15), 4, replace=False) + rng.integers(0, 5, 4)


def make_motion(spikes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return MOTION in mm and radians, shape (n_volumes, 6): a slow random walk, with jumps that last one volume."""
    motion = np.cumsum(rng.normal(scale=[0.02] * 3 + [0.0003] * 3, size=(SAMPLING.n_volumes, 6)), axis=0)
    motion[spikes] += rng.choice([-1, 1], (len(spikes), 6)) * ([0.4] * 3 + [0.004] * 3)
    return motion


def make_volumes(brain: Brain, motion: np.ndarray, spikes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the made-up BOLD signal, shape (n_voxels, n_volumes)."""
    n_voxels, n_volumes = len(brain.baseline), SAMPLING.n_volumes
    time = np.arange(n_volumes)
    # Each source of signal is a map over voxels times a time course, in fractions of the baseline.
    change = 0.01 * np.vstack([np.zeros(n_volumes), make_region_signals(SAMPLING, rng)])[brain.regions]
    change += np.outer(rng.normal(0.01, 0.01, n_voxels), time / n_volumes - 0.5)  # drift
    change += np.outer(np.where(brain.csf, 0.06, 0.003), make_slow_signals(1, SAMPLING, rng)[0])  # pulse and breath
    change += np.outer(rng.normal(-0.04, 0.01, n_voxels), np.isin(time, spikes))
    change[:, :N_NON_STEADY] += 0.06
    # Realignment leaves residual motion: voxels at edges of the template darken and brighten with the head position.
    residue = -0.2 * brain.gradient @ motion[:, :3].T
    noise = rng.normal(scale=10, size=change.shape)
    volumes: np.ndarray = brain.baseline[:, None] * (1 + change) + residue + noise
    return volumes.clip(min=0)
