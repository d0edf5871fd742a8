"""The repetition times that headers give, and the range of those that are plausible."""

from __future__ import annotations

import nibabel as nib
import numpy as np

# In seconds. A repetition time outside this range is most likely in other units than stated.
T_R_MIN, T_R_MAX = 0.05, 20.0

# By NIfTI's codes for units of time; the header's field adds a code below 8 for units of space.
_SECONDS_PER_UNIT = {8: 1.0, 16: 1e-3, 24: 1e-6}


def read_nifti_t_r(header: nib.nifti1.Nifti1Header) -> float | None:
    """Return the repetition time in seconds that a NIfTI header gives, None if it gives none with its unit."""
    # Without units pixdim[4] is not trusted: many programs leave a 1 there that is not a repetition time.
    units = int(header["xyzt_units"])
    scale = _SECONDS_PER_UNIT.get(units - units % 8)
    # Converted through its decimal digits: NIfTI-1's float32 0.8 is 0.800000012 in float64.
    t_r = float(str(header["pixdim"][4]))
    return round(t_r * scale, 9) if scale and np.isfinite(t_r) and t_r > 0 else None


def read_time_step(text: str | None) -> float | None:
    """Return the repetition time in seconds by the text of GIFTI's TimeStep; None if it is missing or implausible."""
    try:
        step = float(text or "")
    except ValueError:
        return None
    # AFNI has written seconds since 2009, FreeSurfer writes milliseconds. No step is plausible as both.
    in_seconds = (step, round(step / 1000, 9))
    return next((t_r for t_r in in_seconds if T_R_MIN <= t_r <= T_R_MAX), None)
