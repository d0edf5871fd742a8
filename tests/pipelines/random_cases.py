"""Random images, regions and pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from cleaned_studies import (
    IMAGES,
    SURFACE_REGIONS,
    T_R,
    VOLUME_REGIONS,
    make_series,
    save_regions,
    save_series,
    save_tables,
)
from hypothesis import strategies as st

from niimasker.options.settings import INTERPOLATIONS, STANDARDIZE_METHODS

NAMES = ("raw", "24P", "36P+scrub", "scrubbing.5", "A_b", "my pipeline", "9+p")
REGRESSORS = (
    [],
    ["a"],
    ["a", "cosine*"],
    ["motion=basic", "wm_csf"],
    ["Params9"],
    ["Params24"],
    ["motion=derivatives", "global_signal", "scrub"],
)
# None and an empty list stand for the default, whatever the call has.
CLEANING = {
    "regressors": st.sampled_from(REGRESSORS),
    "regressor_files": st.sampled_from(["other.tsv", []]),
    "scrub": st.booleans(),
    "fd_threshold": st.sampled_from([0.25, 0.5, None]),
    "std_dvars_threshold": st.sampled_from([0, 1.4]),
    "scrub_segment": st.sampled_from([0, 3]),
    "censor_before": st.sampled_from([0, 2]),
    "censor_after": st.sampled_from([0, 1]),
    "censor_file": st.sampled_from(["few.txt", "many.txt", []]),
    "censor_keep": st.booleans(),
    "censored": st.sampled_from(["drop", "nan"]),
    "detrend": st.booleans(),
    "high_pass": st.sampled_from([0.01, 0.02, None]),
    "low_pass": st.sampled_from([0.1, 0.15, None]),
    "interpolation": st.sampled_from(INTERPOLATIONS),
    "standardize": st.booleans(),
    "standardize_method": st.sampled_from(STANDARDIZE_METHODS),
    "connectivity": st.sampled_from([[], ["pearson"], ["pearson", "covariance"], ["correlation", "precision"]]),
    "fisher_z": st.booleans(),
}
# One of these as a whole: a filter needs its cut-offs.
MOTION_FILTERS = (
    {},
    {"motion_filter": None},
    {"motion_filter": "lp", "band_stop_min": 8},
    {"motion_filter": "notch", "band_stop_min": 6, "band_stop_max": 10},
)
OPTIONS_OF_CLEANING = CLEANING.keys() | MOTION_FILTERS[-1].keys()
cleaning = st.builds(
    lambda options, motion_filter: {**options, **motion_filter},
    st.fixed_dictionaries({}, optional=CLEANING),
    st.sampled_from(MOTION_FILTERS),
)


@dataclass(frozen=True)
class Case:
    """A run and its regions, options of the call, and the pipelines."""

    image: str
    regions: tuple[str, ...]
    n_nan: int
    n_constant: int
    seed: int
    options: dict[str, Any]
    pipelines: dict[str, dict[str, Any]]

    def make_values(self) -> np.ndarray:
        """Return the values of the image, of shape (n_volumes, n_points)."""
        rng = np.random.default_rng(self.seed)
        return make_series(self.image, rng, n_nan=self.n_nan, n_constant=self.n_constant)

    def write(self) -> dict[str, Any]:
        """Write the case into the current folder, and return the options of the call besides the pipelines."""
        rng = np.random.default_rng(self.seed + 1)
        save_tables(rng)
        regions = [save_regions(kind, self.image, rng, number) for number, kind in enumerate(self.regions)]
        return {"input_files": save_series(self.image, self.make_values()), "roi_file": regions, **self.options}


@st.composite
def cases(draw: st.DrawFn, images: tuple[str, ...] = IMAGES, n_pipelines: tuple[int, int] = (2, 4)) -> Case:
    """Draw a case."""
    image = draw(st.sampled_from(images))
    is_surface = image in ("gifti", "dtseries")
    kinds = SURFACE_REGIONS if is_surface else VOLUME_REGIONS
    regions = tuple(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=2)))
    options: dict[str, Any] = {"t_r": T_R, **draw(st.one_of(st.just({}), cleaning))}
    options |= {"discard_scans": draw(st.sampled_from([0, 2])), "valid_voxels": draw(st.booleans())}
    options["min_coverage"] = draw(st.sampled_from([None, 0.5, 0.9]))
    if "spheres" in regions:
        options |= {"radius": 5.0, "allow_overlap": True}
    if not is_surface and not options["valid_voxels"]:
        options["smoothing_fwhm"] = draw(st.sampled_from([None, 5.0]))
    pipelines = {name: dict(draw(cleaning)) for name in draw(st.permutations(NAMES))[: draw(st.integers(*n_pipelines))]}
    if not {"maps", "spheres"} & set(regions) and draw(st.integers(0, 4)) == 0:
        options["as_voxels"] = True
        for each in (options, *pipelines.values()):
            each.pop("connectivity", None)
    n_nan, n_constant = draw(st.sampled_from([0, 40])), draw(st.sampled_from([0, 40]))
    return Case(image, regions, n_nan, n_constant, draw(st.integers(0, 2**16)), options, pipelines)
