"""The data set of --example study: 12 runs of eight subjects that differ in head motion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.example.confounds import N_NON_STEADY, make_confounds
from niimasker.example.contents import to_json, write_files
from niimasker.example.derivatives import MadeUpRun, describe_data_set, make_atlas, make_volume_run
from niimasker.example.head_motion import make_artefacts, make_bursts
from niimasker.example.template import SPACE, Brain, load_brain
from niimasker.example.time_courses import Sampling, make_region_signals, make_slow_signals

RESOLUTION = 8  # mm
SEED = 2025
# Long enough for the 36 regressors and the band-pass filter of the preset 36P.
SAMPLING = Sampling(n_volumes=150, t_r=3.0)
# Rounding to multiples of 16 adds 10 % to the noise and makes the files a fifth smaller than that to multiples of 4.
SCALE = 16
# Presets whose columns the confounds tables have, from one that leaves motion in to one that removes most.
PIPELINES = ("baseline", "simple", "simple+gsr", "scrubbing.2", "compcor", "36P")
ATLAS = f"atlas/tpl-{SPACE}_res-08_atlas-Example_dseg"
# The runs last 7.5 minutes by design; what scrubbing takes away from that is a concern.
THRESHOLDS = {"minutes": {"amber": 6, "red": 4}}
# Subjects differ in their connectivity: signals that regions share, in shares of which each subject has its own.
N_SHARED_SIGNALS, SHARE = 6, 0.5


@dataclass(frozen=True)
class StudyRun:
    """A run of a subject, and its mean framewise displacement in mm."""

    subject: int
    number: int
    mean_fd: float

    @property
    def stem(self) -> str:
        """Folder and name of its files."""
        return f"sub-{self.subject:02}/func/sub-{self.subject:02}_task-rest_run-{self.number}"


# Four subjects have two runs.
RUNS = tuple(
    StudyRun(subject, number, mean_fd)
    for subject, motion in enumerate(
        [(0.05, 0.09), (0.23, 0.12), (0.15, 0.34), (0.5, 0.28), (0.07,), (0.6,), (0.18,), (0.42,)], start=1
    )
    for number, mean_fd in enumerate(motion, start=1)
)


def write_twelve_runs(output_dir: Path) -> Path:
    """Write a made-up study to output_dir/data and return the path of its study.json.

    The study is a small fMRIPrep derivative whose runs differ in head motion. Motion leaves in the signals what it
    leaves in real ones: volumes that are darker as a whole, and changes that neighbouring regions share. Every call
    writes the same bytes; other files are kept.

    Parameters
    ----------
    output_dir : Path
        The output directory; it is created with its parents. The paths in study.json start with it as given.

    Returns
    -------
    Path
        ``output_dir/data/study.json``. It is written last: if it exists, the data are complete.

    Raises
    ------
    OutputError
        A folder or file cannot be written.
    """
    brain = load_brain(RESOLUTION)
    data_dir = output_dir / "data"
    write_files(data_dir, make_atlas(brain, ATLAS))
    for run in RUNS:
        write_files(data_dir / "study", make_volume_run(brain, run.stem, make_run(brain, run)))
    write_files(data_dir / "study", describe_data_set())
    write_files(data_dir, make_configuration(data_dir))
    return data_dir / "study.json"


def make_configuration(data_dir: Path) -> dict[str, bytes]:
    """Return the configuration that processes the study by several pipelines."""
    config = {
        "input_files": f"{data_dir.as_posix()}/study",
        "roi_file": f"{data_dir.as_posix()}/{ATLAS}.nii.gz",
        "discard_scans": "auto",
        "standardize": True,
        "connectivity": "pearson",
        "pipelines": list(PIPELINES),
        "judge": THRESHOLDS,
    }
    return {"study.json": to_json(config)}


def make_run(brain: Brain, run: StudyRun) -> MadeUpRun:
    """Return the made-up images and confounds of a run."""
    rng = np.random.default_rng([SEED, run.subject, run.number])
    motion = make_bursts(run.mean_fd, SAMPLING.n_volumes, rng)
    stored = np.round(make_volumes(brain, run, motion, rng) / SCALE).astype(np.int16)
    t_r = SAMPLING.t_r
    return MadeUpRun(stored, SCALE, t_r, *make_confounds(brain, motion, SCALE * stored.astype(np.float64), t_r))


def make_subject_signals(subject: int, rng: np.random.Generator) -> np.ndarray:
    """Return the signal of each region, shape (n_regions, n_volumes), with the connectivity of a subject."""
    signals = make_region_signals(SAMPLING, rng)
    own_rng = np.random.default_rng([SEED, subject])
    shares = SHARE * own_rng.normal(size=(len(signals), N_SHARED_SIGNALS)) / np.sqrt(N_SHARED_SIGNALS)
    signals += shares @ make_slow_signals(N_SHARED_SIGNALS, SAMPLING, rng)
    return signals


def make_volumes(brain: Brain, run: StudyRun, motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the made-up BOLD signal, shape (n_voxels, n_volumes)."""
    n_voxels, n_volumes = len(brain.baseline), SAMPLING.n_volumes
    # Each source of signal is a map over voxels times a time course, in fractions of the baseline.
    change = 0.01 * np.vstack([np.zeros(n_volumes), make_subject_signals(run.subject, rng)])[brain.regions]
    change += np.outer(rng.normal(0.01, 0.01, n_voxels), np.arange(n_volumes) / n_volumes - 0.5)  # drift
    breath, pulse = make_slow_signals(2, SAMPLING, rng)
    change += np.outer(rng.normal(0.004, 0.001, n_voxels), breath)
    change += np.outer(np.where(brain.csf, 0.03, 0.002), pulse)
    change += make_artefacts(brain, motion, rng)
    change[:, :N_NON_STEADY] += 0.06
    # Realignment leaves residual motion: voxels at edges of the template darken and brighten with the head position.
    residue = -0.2 * brain.gradient @ motion[:, :3].T
    noise = rng.normal(scale=10, size=change.shape)
    volumes: np.ndarray = brain.baseline[:, None] * (1 + change) + residue + noise
    return volumes.clip(min=0)
