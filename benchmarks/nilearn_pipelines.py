"""Ten pipelines with nilearn. Usage: python nilearn_pipelines.py masker|once FOLDER OUT.

With `masker`, as in nilearn's documentation, a masker extracts and cleans the signals of each atlas for each pipeline,
from an image in memory. With `once`, each atlas's signals are extracted once and cleaned for each pipeline.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from nilearn.image import load_img
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.maskers import NiftiLabelsMasker
from nilearn.signal import clean
from pipeline_names import ATLASES, LINKED, TEN

T_R = 2.0
_WM_CSF, _GLOBAL = {"wm_csf": "full"}, {"global_signal": "basic"}
_SCRUB = {"motion": "full", **_WM_CSF, "scrub": 5, "std_dvars_threshold": 1e9}
_COMPCOR = {"motion": "full", "compcor": "anat_combined"}
# The arguments of load_confounds for each preset.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "simple": {"motion": "full", "wm_csf": "basic"},
    "simple+gsr": {"motion": "full", "wm_csf": "basic", **_GLOBAL},
    "scrubbing.5": {**_SCRUB, "fd_threshold": 0.5},
    "scrubbing.5+gsr": {**_SCRUB, **_GLOBAL, "fd_threshold": 0.5},
    "scrubbing.2": {**_SCRUB, "fd_threshold": 0.2},
    "scrubbing.2+gsr": {**_SCRUB, **_GLOBAL, "fd_threshold": 0.2},
    "compcor": {**_COMPCOR, "n_compcor": "all"},
    "compcor6": {**_COMPCOR, "n_compcor": 6},
    "36P": {"motion": "full", **_WM_CSF, "global_signal": "full"},
}
BAND = {"high_pass": 0.01, "low_pass": 0.08}


def main(way: str, folder: Path, out: Path) -> None:
    """Write the table of each pipeline and atlas."""
    warnings.simplefilter("ignore")
    out.mkdir(exist_ok=True)
    img = load_img(folder / LINKED)
    for atlas in ATLASES:
        raw = NiftiLabelsMasker(folder / atlas).fit_transform(img) if way == "once" else None
        for preset in TEN:
            arguments = ARGUMENTS[preset]
            strategy = [name for name in ("motion", "wm_csf", "global_signal", "compcor", "scrub") if name in arguments]
            confounds, sample_mask = load_confounds(str(folder / LINKED), ["high_pass", *strategy], **arguments)
            if preset == "36P":
                confounds = confounds.filter(regex="^(?!cosine)")
            options = {"t_r": T_R, "detrend": True, **(BAND if preset == "36P" else {})}
            if raw is None:
                masker = NiftiLabelsMasker(folder / atlas, standardize=None, **options)
                values = masker.fit_transform(img, confounds=confounds, sample_mask=sample_mask)
            else:
                values = clean(raw, confounds=confounds, sample_mask=sample_mask, standardize=None, **options)
            np.savetxt(out / f"{preset}_{atlas.split('.')[0]}.tsv", values, fmt="%.8f", delimiter="\t")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
