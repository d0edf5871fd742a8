"""The files and presets that the benchmark of pipelines and its data share."""

from __future__ import annotations

N_VOLUMES = 200
IMAGE = "bold_200.nii.gz"
ATLASES = ("regions_400.nii.gz", "regions_100.nii.gz")
LINKED = "sub-1_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
TABLE = "sub-1_task-rest_desc-confounds_timeseries.tsv"
# Of a run that begins with a volume before the steady state and with motion.
MOVED_TABLE = "sub-2_task-rest_desc-confounds_timeseries.tsv"
SMALL, SMALL_ATLAS = "small_runs", "atlas.nii.gz"

ONE = "simple"
# Those of Wang et al. 2024 that an image allows which ICA-AROMA has not denoised, and one of Ciric et al. 2017.
TEN = (
    "baseline",
    "simple",
    "simple+gsr",
    "scrubbing.5",
    "scrubbing.5+gsr",
    "scrubbing.2",
    "scrubbing.2+gsr",
    "compcor",
    "compcor6",
    "36P",
)
# All of Ciric et al. 2017 have a band-pass filter.
FILTERING = ("24P", "36P", "36P+scrub", "aCompCor")
