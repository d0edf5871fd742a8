"""The made-up data set of --example: a small fMRIPrep derivative, simulated voxel by voxel; nobody was scanned."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from nilearn import datasets
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from niimasker.outputs.files import replacing

SPACE = "MNI152NLin2009aSym"  # the template that nilearn ships; the default of fMRIPrep is 2009cAsym
RESOLUTION = 4  # mm
SUBJECTS = ("01", "02")
SEED = 2024
SURFACE_SUBJECT = "01"
N_VOLUMES = 120
T_R = 2.0  # s
# Coarser steps than those of volumes make the files of the surfaces a third smaller; the noise has 10.
SURFACE_STEP = 10
BOLD = {"RepetitionTime": T_R, "TaskName": "rest"}
# Values are stored as multiples of 4: rounding adds 1 % to the noise and makes the file a fifth smaller.
SCALE = 4
N_NON_STEADY = 1
N_COMPONENTS = 10
CUTOFF_PERIOD = 128  # s, the high-pass cut-off of fMRIPrep
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

REGION_RADIUS = 22  # mm
# Centres in the right hemisphere in mm; the left hemisphere mirrors them. The first centre of a network is also a seed.
CENTRES = {
    "Vis": [(28, -82, -8), (10, -90, 4), (12, -76, 24)],
    "SomMot": [(40, -24, 56), (56, -8, 26), (8, -26, 64)],
    "DorsAttn": [(28, -58, 54), (50, -62, 0), (28, -2, 56)],
    "Limbic": [(30, 8, -34), (12, 34, -22), (46, -14, -34)],
    "Default": [(48, -62, 34), (8, 50, 20), (8, -52, 28)],
}
N_PAIRS = sum(len(centres) for centres in CENTRES.values())


@dataclass(frozen=True)
class Brain:
    """The template that the data are simulated on; the arrays other than affine and mask have one row per voxel."""

    affine: np.ndarray
    mask: np.ndarray
    baseline: np.ndarray  # template intensity, 0 to 1000
    gradient: np.ndarray  # of the baseline per mm along x, y and z
    csf: np.ndarray
    white_matter: np.ndarray
    regions: np.ndarray  # index of the region of each voxel, 0 outside all regions


@dataclass(frozen=True)
class Surface:
    """The cortex that a run is sampled on: for `L` and `R` the nearest voxel and the region of each vertex."""

    voxels: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]


def write_example(output_dir: Path) -> Path:
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
    brain = load_brain()
    data_dir = output_dir / "data"
    write_files(data_dir, make_atlas(brain))
    surface = load_surface(brain)
    write_files(data_dir, make_surface_atlas(surface))
    for subject in SUBJECTS:
        run = make_run(brain, subject)
        write_files(data_dir, make_subject(brain, subject, run))
        if subject == SURFACE_SUBJECT:
            write_files(data_dir, make_surface_run(surface, subject, run))
    write_files(data_dir, make_descriptions(data_dir))
    return data_dir / "config.json"


def write_files(folder: Path, contents: dict[str, bytes]) -> None:
    """Write each content to its path in the folder; a file that exists is always complete."""
    for name, content in contents.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)


def to_json(value: object) -> bytes:
    """Return a value as indented JSON."""
    return (json.dumps(value, indent=4) + "\n").encode()


def to_tsv(table: pd.DataFrame) -> bytes:
    """Return a table as fMRIPrep writes it: separated by tabs, with n/a for missing values."""
    text = table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.10g", lineterminator="\n")
    return text.encode()


def to_nifti(brain: Brain, voxels: np.ndarray, slope: float = 1) -> bytes:
    """Return the content of a .nii.gz file with the stored values of the voxels in the mask; a second axis is time."""
    data = np.zeros(brain.mask.shape + voxels.shape[1:], voxels.dtype)
    data[brain.mask] = voxels
    img = nib.Nifti1Image(data, brain.affine)
    img.set_sform(brain.affine, code="mni")
    img.set_qform(brain.affine, code="mni")
    img.header.set_slope_inter(slope, 0)
    img.header.set_xyzt_units("mm", "sec")
    if data.ndim == 4:
        img.header.set_zooms((RESOLUTION, RESOLUTION, RESOLUTION, T_R))
    # mtime=0: the same data give the same bytes. Compression level 6 takes twice as long and saves 3 %.
    return gzip.compress(img.to_bytes(), compresslevel=4, mtime=0)


def load_brain() -> Brain:
    """Return the template, its tissues and the example's regions."""
    template_img = datasets.load_mni152_template(resolution=RESOLUTION)
    mask = datasets.load_mni152_brain_mask(resolution=RESOLUTION).get_fdata() > 0
    grey_matter = datasets.load_mni152_gm_template(resolution=RESOLUTION).get_fdata()[mask]
    white_matter = datasets.load_mni152_wm_template(resolution=RESOLUTION).get_fdata()[mask]
    # Rounded to whole numbers, so that the last bit of nilearn's resampling cannot change the values of the example.
    template = np.round(1000 * template_img.get_fdata())
    millimetres = apply_affine(template_img.affine, np.argwhere(mask))
    return Brain(
        affine=template_img.affine,
        mask=mask,
        baseline=template[mask],
        gradient=np.stack(np.gradient(template, RESOLUTION), axis=-1)[mask],
        csf=grey_matter + white_matter < 0.2,
        white_matter=white_matter > 0.95,
        regions=np.where(grey_matter > 0.4, nearest_regions(millimetres), 0).astype(np.int16),
    )


def nearest_regions(millimetres: np.ndarray) -> np.ndarray:
    """Return the index of the region with the nearest centre for each position, 0 if no centre is near."""
    x, y, z = millimetres.T
    distances = cdist(np.stack([np.abs(x), y, z], axis=1), np.concatenate(list(CENTRES.values())))
    return np.where(distances.min(axis=1) <= REGION_RADIUS, distances.argmin(axis=1) + 1 + N_PAIRS * (x > 0), 0)


def region_table() -> pd.DataFrame:
    """Return the index, name, network and centre in mm of each region, the left hemisphere first."""
    rows = [
        (f"{hemisphere}_{network}_{number}", network, side * x, y, z)
        for hemisphere, side in (("LH", -1), ("RH", 1))
        for network, centres in CENTRES.items()
        for number, (x, y, z) in enumerate(centres, start=1)
    ]
    table = pd.DataFrame(rows, columns=["name", "network", "x", "y", "z"])
    return table.assign(index=np.arange(1, len(table) + 1))


def make_atlas(brain: Brain) -> dict[str, bytes]:
    """Return the files of the parcellation, its names and the seeds."""
    table = region_table()
    stem = f"atlas/tpl-{SPACE}_atlas-Example_dseg"
    return {
        f"{stem}.nii.gz": to_nifti(brain, brain.regions),
        f"{stem}.tsv": to_tsv(table[["index", "name"]]),
        "atlas/seeds.tsv": to_tsv(table.loc[table["name"].str.endswith("_1"), ["x", "y", "z", "name"]]),
    }


@dataclass(frozen=True)
class MadeUpRun:
    """A run: stored values of shape (n_voxels, n_volumes), and its confounds with their metadata."""

    stored: np.ndarray
    confounds: pd.DataFrame
    metadata: dict[str, object]


def make_run(brain: Brain, subject: str) -> MadeUpRun:
    """Return the run of one made-up subject."""
    rng = np.random.default_rng([SEED, int(subject)])
    spikes = choose_spikes(rng)
    motion = make_motion(spikes, rng)
    stored = np.round(make_volumes(brain, motion, spikes, rng) / SCALE).astype(np.int16)
    return MadeUpRun(stored, *make_confounds(brain, motion, SCALE * stored.astype(np.float64)))


def make_subject(brain: Brain, subject: str, run: MadeUpRun) -> dict[str, bytes]:
    """Return the files of a run, named as fMRIPrep names them."""
    stem = f"fmriprep/sub-{subject}/func/sub-{subject}_task-rest"
    return {
        f"{stem}_space-{SPACE}_desc-preproc_bold.nii.gz": to_nifti(brain, run.stored, slope=SCALE),
        f"{stem}_space-{SPACE}_desc-preproc_bold.json": to_json(
            {"RepetitionTime": T_R, "SkullStripped": True, "TaskName": "rest"}
        ),
        f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz": to_nifti(brain, np.ones(len(run.stored), np.uint8)),
        **make_confounds_files(stem, run),
    }


def make_confounds_files(stem: str, run: MadeUpRun) -> dict[str, bytes]:
    """Return the confounds table of a run and its metadata."""
    return {
        f"{stem}_desc-confounds_timeseries.tsv": to_tsv(run.confounds),
        f"{stem}_desc-confounds_timeseries.json": to_json(run.metadata),
    }


def load_surface(brain: Brain) -> Surface:
    """Return the cortex of fsaverage5, which nilearn ships."""
    pial = datasets.load_fsaverage("fsaverage5")["pial"].parts
    places = np.argwhere(brain.mask)
    tree = KDTree(apply_affine(brain.affine, places))
    coordinates = {side: pial[part].coordinates for side, part in (("L", "left"), ("R", "right"))}
    return Surface(
        voxels={side: tree.query(xyz)[1] for side, xyz in coordinates.items()},
        regions={side: nearest_regions(_stay_on(side, xyz)).astype(np.int32) for side, xyz in coordinates.items()},
    )


def _stay_on(side: str, coordinates: np.ndarray) -> np.ndarray:
    """Return coordinates with those beyond the midline moved onto it; some vertices of a hemisphere lie there."""
    x, y, z = coordinates.T
    return np.column_stack([np.minimum(x, 0) if side == "L" else np.maximum(x, 1e-3), y, z])


def make_surface_atlas(surface: Surface) -> dict[str, bytes]:
    """Return the parcellation on the cortex: a file with labels and their names for each hemisphere."""
    table = region_table()
    files = {}
    for side, regions in surface.regions.items():
        labels = nib.gifti.GiftiLabelTable()
        for key, name in [(0, "???"), *zip(table["index"], table["name"], strict=True)]:
            if key == 0 or name.startswith(f"{side}H"):
                labels.labels.append(nib.gifti.GiftiLabel(int(key), alpha=float(key > 0)))
                labels.labels[-1].label = name
        array = nib.gifti.GiftiDataArray(regions, "NIFTI_INTENT_LABEL", "NIFTI_TYPE_INT32")
        content = to_gifti(side, [array], labels)
        files[f"atlas/tpl-fsaverage_den-10k_hemi-{side}_atlas-Example_dseg.label.gii"] = content
    return files


def make_surface_run(surface: Surface, subject: str, run: MadeUpRun) -> dict[str, bytes]:
    """Return a run sampled at the vertices of the cortex, by the nearest voxel of the brain."""
    stem = f"surfaces/sub-{subject}/func/sub-{subject}_task-rest"
    files = make_confounds_files(stem, run)
    for side, voxels in surface.voxels.items():
        values = (SURFACE_STEP * np.round(SCALE / SURFACE_STEP * run.stored[voxels])).astype(np.float32)
        arrays = [
            nib.gifti.GiftiDataArray(volume, "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32") for volume in values.T
        ]
        files[f"{stem}_hemi-{side}_space-fsaverage5_bold.func.gii"] = to_gifti(side, arrays)
        files[f"{stem}_hemi-{side}_space-fsaverage5_bold.json"] = to_json(BOLD)
    return files


def to_gifti(
    side: str, arrays: list[nib.gifti.GiftiDataArray], labels: nib.gifti.GiftiLabelTable | None = None
) -> bytes:
    """Return the content of a GIFTI file of one hemisphere."""
    structure = {"L": "CortexLeft", "R": "CortexRight"}[side]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    content: bytes = nib.gifti.GiftiImage(meta=meta, labeltable=labels, darrays=arrays).to_bytes()
    return content


def make_descriptions(data_dir: Path) -> dict[str, bytes]:
    """Return the description of the data set, and the configuration that processes it."""
    description = {
        "Name": "niimasker's example: made-up data, nobody was scanned",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "niimasker", "Description": "random numbers in fMRIPrep's layout"}],
        "License": "CC0",
    }
    config = {
        "input_files": f"{data_dir.as_posix()}/fmriprep",
        "roi_file": f"{data_dir.as_posix()}/atlas/tpl-{SPACE}_atlas-Example_dseg.nii.gz",
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
    return {
        "fmriprep/dataset_description.json": to_json(description),
        "surfaces/dataset_description.json": to_json(description),
        "surfaces.json": to_json(on_surfaces),
        "config.json": to_json(config),
    }


def choose_spikes(rng: np.random.Generator) -> np.ndarray:
    """Return the four volumes in which the head moves abruptly, at least ten volumes apart."""
    return rng.choice(np.arange(10, N_VOLUMES - 10, 15), 4, replace=False) + rng.integers(0, 5, 4)


def make_motion(spikes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return MOTION in mm and radians, shape (n_volumes, 6): a slow random walk, with jumps that last one volume."""
    motion = np.cumsum(rng.normal(scale=[0.02] * 3 + [0.0003] * 3, size=(N_VOLUMES, 6)), axis=0)
    motion[spikes] += rng.choice([-1, 1], (len(spikes), 6)) * ([0.4] * 3 + [0.004] * 3)
    return motion


def make_slow_signals(n_signals: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise with most of its power below 0.1 Hz, shape (n_signals, n_volumes), SD 1."""
    noise = gaussian_filter1d(rng.standard_normal((n_signals, N_VOLUMES)), sigma=3 / T_R, axis=1)
    signals: np.ndarray = noise / noise.std(axis=1, keepdims=True)
    return signals


def make_region_signals(rng: np.random.Generator) -> np.ndarray:
    """Return the relative signal change of each region, shape (1 + n_regions, n_volumes); row 0 is for no region."""
    pairs = np.tile(np.arange(N_PAIRS), 2)
    networks = pd.factorize(region_table()["network"])[0]
    signals = 0.7 * make_slow_signals(len(CENTRES), rng)[networks]
    signals += 0.6 * make_slow_signals(N_PAIRS, rng)[pairs] + 0.4 * make_slow_signals(2 * N_PAIRS, rng)
    return np.vstack([np.zeros(N_VOLUMES), 0.01 * signals])


def make_volumes(brain: Brain, motion: np.ndarray, spikes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the made-up BOLD signal, shape (n_voxels, n_volumes)."""
    n_voxels = len(brain.baseline)
    time = np.arange(N_VOLUMES)
    # Each source of signal is a map over voxels times a time course, in fractions of the baseline.
    change = make_region_signals(rng)[brain.regions]
    change += np.outer(rng.normal(0.01, 0.01, n_voxels), time / N_VOLUMES - 0.5)  # drift
    change += np.outer(np.where(brain.csf, 0.06, 0.003), make_slow_signals(1, rng)[0])  # pulse and breath
    change += np.outer(rng.normal(-0.04, 0.01, n_voxels), np.isin(time, spikes))
    change[:, :N_NON_STEADY] += 0.06
    # Realignment leaves residual motion: voxels at edges of the template darken and brighten with the head position.
    residue = -0.2 * brain.gradient @ motion[:, :3].T
    noise = rng.normal(scale=10, size=change.shape)
    volumes: np.ndarray = brain.baseline[:, None] * (1 + change) + residue + noise
    return volumes.clip(min=0)


def make_confounds(brain: Brain, motion: np.ndarray, volumes: np.ndarray) -> tuple[pd.DataFrame, dict[str, object]]:
    """Return the confounds that fMRIPrep would compute from the made-up volumes, and their JSON metadata."""
    means = {
        "global_signal": volumes.mean(axis=0),
        "csf": volumes[brain.csf].mean(axis=0),
        "white_matter": volumes[brain.white_matter].mean(axis=0),
    }
    framewise = make_framewise(motion, volumes)
    components, metadata = make_components(brain, volumes)
    outliers = (framewise["framewise_displacement"] > 0.5) | (framewise["std_dvars"] > 1.5)  # the defaults of fMRIPrep
    columns = expand(means) | framewise | components | make_cosines() | expand(dict(zip(MOTION, motion.T, strict=True)))
    one_hot = np.eye(N_VOLUMES)
    columns |= number_columns("non_steady_state_outlier", one_hot[:N_NON_STEADY])
    return pd.DataFrame(columns | number_columns("motion_outlier", one_hot[outliers])), metadata


def expand(signals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return each signal with its derivative and the squares of both, named as fMRIPrep names them."""
    columns = {}
    for name, signal in signals.items():
        columns[name] = signal
        columns[f"{name}_derivative1"] = difference(signal)
        columns[f"{name}_power2"] = signal**2
        columns[f"{name}_derivative1_power2"] = difference(signal) ** 2
    return columns


def difference(signals: np.ndarray) -> np.ndarray:
    """Return the change since the previous volume, along the last axis; NaN for the first volume."""
    changes: np.ndarray = np.diff(signals, axis=-1, prepend=np.nan)
    return changes


def make_framewise(motion: np.ndarray, volumes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the measures of change from each volume to the next, in the signal and in the position of the head.

    ``std_dvars`` is DVARS divided by its median; fMRIPrep divides by the value expected of noise, which is similar.
    ``framewise_displacement`` is Power's (2012, https://doi.org/10.1016/j.neuroimage.2011.10.018), ``rmsd`` Jenkinson's
    for small angles (https://www.fmrib.ox.ac.uk/datasets/techrep/tr99mj1), for heads of 50 and 80 mm radius.
    """
    dvars = np.sqrt(np.mean(difference(volumes) ** 2, axis=0))
    shift, turn = np.split(difference(motion.T), 2)
    return {
        "std_dvars": dvars / np.nanmedian(dvars),
        "dvars": dvars,
        "framewise_displacement": np.abs(shift).sum(axis=0) + 50 * np.abs(turn).sum(axis=0),
        "rmsd": np.sqrt((shift**2).sum(axis=0) + 80**2 / 5 * 2 * (turn**2).sum(axis=0)),
    }


def make_cosines() -> dict[str, np.ndarray]:
    """Return the discrete cosines of periods above CUTOFF_PERIOD; 0 before the steady state, as in fMRIPrep."""
    n_steady = N_VOLUMES - N_NON_STEADY
    orders = np.arange(1, int(2 * n_steady * T_R / CUTOFF_PERIOD) + 1)
    cosines = np.sqrt(2 / n_steady) * np.cos(np.pi / n_steady * np.outer(orders, np.arange(n_steady) + 0.5))
    return number_columns("cosine", np.pad(cosines, ((0, 0), (N_NON_STEADY, 0))))


def make_components(brain: Brain, volumes: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Return the CompCor components, and the metadata by which load_confounds chooses among them."""
    cosines = np.stack(list(make_cosines().values()))[:, N_NON_STEADY:]
    residuals = volumes[:, N_NON_STEADY:] - volumes[:, N_NON_STEADY:].mean(axis=1, keepdims=True)
    residuals -= (residuals @ cosines.T) @ cosines
    variance = residuals.var(axis=1)
    temporal = number_columns("t_comp_cor_", decompose(residuals[variance > np.quantile(variance, 0.98)]))
    anatomical = number_columns("a_comp_cor_", decompose(residuals[brain.csf | brain.white_matter]))
    metadata: dict[str, object] = {name: {"Method": "tCompCor", "Retained": True} for name in temporal}
    metadata |= {name: {"Method": "aCompCor", "Mask": "combined", "Retained": True} for name in anatomical}
    return temporal | anatomical, metadata


def decompose(residuals: np.ndarray) -> np.ndarray:
    """Return the first principal components of the z-scored voxels, shape (N_COMPONENTS, n_volumes)."""
    z_scores = residuals / residuals.std(axis=1, keepdims=True)
    components = np.linalg.eigh(z_scores.T @ z_scores)[1].T[: -N_COMPONENTS - 1 : -1]
    # Signs are arbitrary and last digits differ between LAPACK libraries: make the largest value positive, and round.
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return np.pad(np.round(components * np.sign(largest), 8), ((0, 0), (N_NON_STEADY, 0)))


def number_columns(name: str, signals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the signals, named by the name and a number of two digits."""
    return {f"{name}{number:02d}": signal for number, signal in enumerate(signals)}
