"""The script that a researcher writes with nilearn alone. Usage: by_nilearn.py KIND IMAGE REGIONS OUT [FWHM]."""

import sys

import pandas as pd
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker

kind, image, regions, out, *fwhm = sys.argv[1:]
options = {
    "detrend": True,
    "high_pass": 0.01,
    "t_r": 2.0,
    "standardize": "zscore_sample",
    "smoothing_fwhm": float(fwhm[0]) if fwhm else None,
    "reports": False,
}
if kind == "spheres":
    masker = NiftiSpheresMasker(pd.read_csv(regions, sep="\t").to_numpy().tolist(), radius=6, **options)
else:
    masker = {"labels": NiftiLabelsMasker, "maps": NiftiMapsMasker, "voxels": NiftiMasker}[kind](regions, **options)
pd.DataFrame(masker.fit_transform(image)).to_csv(out, sep="\t", index=False, float_format="%.8f")
