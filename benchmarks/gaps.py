"""Errors of correlations, by what bridges the gaps of censored volumes before a filter.

Usage: python benchmarks/gaps.py [TABLE ...] [--runs 100]. TABLEs are fMRIPrep's tables of confounds, whose framewise
displacement gives gaps as they occur.

Simulated runs of 300 volumes, 2 s apart (of a table: as many volumes as it has rows), have four networks of five
regions. Each region is the sum of its network's signal and of its own, both with power of 1/f. Signals are detrended
and filtered from 0.01 to 0.1 Hz. The error is the root mean square, over runs and pairs of regions, of the difference
between two correlations over the kept volumes: that of signals with gaps, and that of the same signals filtered
without gaps. In the censored volumes the signals have artefacts, which only nilearn's own call looks at.
"""

from __future__ import annotations

import argparse
import platform
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from nilearn import signal
from scipy.signal import butter, detrend, sosfiltfilt

from niimasker.signals.filtering import fill_gaps

T_R, N_VOLUMES = 2.0, 300
N_NETWORKS, N_IN_NETWORK = 4, 5
HIGH_PASS, LOW_PASS = 0.01, 0.1
# Lomb-Scargle: frequencies per independent frequency, as in Power et al. 2014.
OVERSAMPLING = 8
N_CONFOUNDS = 6
SIZES_OF_CONFOUNDS = (0, 1, 3, 10)
FRAMEWISE = "framewisedisplacement"

# From a run's signals and the volumes kept to filtered signals of these volumes.
Filter = Callable[[np.ndarray, np.ndarray], np.ndarray]
# From the number of a run to the volumes kept in it.
Pattern = Callable[[int], np.ndarray]


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="*", type=Path, help="fMRIPrep's tables of confounds")
    parser.add_argument("--runs", type=int, default=100, help="number of simulated runs for each row")
    arguments = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("nilearn", "numpy", "scipy"))
    print(f"{arguments.runs} runs a row, Python {platform.python_version()}, {packages}\n")
    print_table("gaps", METHODS)
    for name, pattern in {**PATTERNS, **measured_patterns(arguments.table)}.items():
        print_row(name, pattern, METHODS, arguments.runs)
    print(f"\n{BURSTS}, with {2 * N_CONFOUNDS} confounds regressed out\n")
    methods = {name: METHODS[name] for name in (PCHIP, CUBIC, LINES)}
    print_table("size of confounds", methods)
    for size in SIZES_OF_CONFOUNDS:
        print_row(str(size), PATTERNS[BURSTS], methods, arguments.runs, confounds_size=size)


def print_table(first: str, methods: Mapping[str, Filter]) -> None:
    """Print the header of a table."""
    print(f"| {first} | censored | {' | '.join(methods)} |\n|{'---|' * (2 + len(methods))}", flush=True)


def print_row(
    name: str, pattern: Pattern, methods: Mapping[str, Filter], n_runs: int, *, confounds_size: float | None = None
) -> None:
    """Print the share of volumes that a pattern censors, and the error by each method."""
    errors = measure_errors(pattern, list(methods.values()), n_runs, confounds_size=confounds_size)
    cells = [name, f"{measure_share(pattern, n_runs):.0%}", *(f"{error:.3f}" for error in errors)]
    print(f"| {' | '.join(cells)} |", flush=True)


# Runs


@dataclass(frozen=True)
class SimulatedRun:
    """Signals without gaps, the same with artefacts in the censored volumes, and regressors."""

    signals: np.ndarray
    spoiled: np.ndarray
    confounds: np.ndarray | None


def simulate_run(number: int, is_kept: np.ndarray, confounds_size: float | None) -> SimulatedRun:
    """Return a run; the standard deviation of its confounds is relative to that of the signals, None for no confounds.

    Half of the confounds are the changes of the others from volume to volume.
    """
    rng = np.random.default_rng([1, number])
    n_volumes, n_regions = len(is_kept), N_NETWORKS * N_IN_NETWORK
    networks = np.repeat(make_noise(rng, n_volumes, N_NETWORKS), N_IN_NETWORK, axis=1)
    signals = networks + make_noise(rng, n_volumes, n_regions)
    confounds = None
    if confounds_size is not None:
        slow = make_noise(rng, n_volumes, N_CONFOUNDS)
        confounds = np.hstack([slow, np.diff(slow, axis=0, prepend=slow[:1])])
        confounds /= confounds.std(axis=0)
        mixed = confounds @ rng.normal(size=(confounds.shape[1], n_regions))
        signals = signals + confounds_size * mixed * signals.std(axis=0) / mixed.std(axis=0)
    artefacts = 5 * rng.normal(size=(n_volumes, 1)) + rng.normal(size=(n_volumes, n_regions))
    return SimulatedRun(signals, np.where(is_kept[:, None], signals, signals + artefacts), confounds)


def make_noise(rng: np.random.Generator, n_volumes: int, n_columns: int) -> np.ndarray:
    """Return noise with power of 1/f and a standard deviation of about 1, half of a longer noise that is periodic."""
    amplitudes = np.arange(n_volumes + 1.0)
    amplitudes[1:] **= -0.5
    phases = rng.normal(size=(2, n_volumes + 1, n_columns))
    noise = np.fft.irfft(amplitudes[:, None] * (phases[0] + 1j * phases[1]), 2 * n_volumes, axis=0)
    return (noise / noise.std(axis=0))[:n_volumes]


# Gaps


def gap_of_30(number: int) -> np.ndarray:
    """Return a run with one long gap, at least 20 volumes from both ends."""
    start = np.random.default_rng([2, number]).integers(20, N_VOLUMES - 50)
    place = np.arange(N_VOLUMES)
    return (place < start) | (place >= start + 30)


def bursts(number: int) -> np.ndarray:
    """Return a run with bursts of 2 to 6 volumes, until a quarter of the run is censored."""
    rng = np.random.default_rng([3, number])
    is_kept = np.ones(N_VOLUMES, dtype=bool)
    while is_kept.mean() > 0.75:
        length = rng.integers(2, 7)
        start = rng.integers(1, N_VOLUMES - length - 1)
        is_kept[start : start + length] = False
    return is_kept


def isolated_volumes(number: int) -> np.ndarray:
    """Return a run of which every tenth volume, on average, is censored, none of them beside another."""
    rng = np.random.default_rng([4, number])
    is_kept = np.ones(N_VOLUMES, dtype=bool)
    for place in rng.permutation(np.arange(1, N_VOLUMES - 1)):
        if is_kept.mean() > 0.9 and is_kept[place - 1] and is_kept[place + 1]:
            is_kept[place] = False
    return is_kept


def both_ends(number: int) -> np.ndarray:
    """Return a run without its first and last 10 volumes."""
    return np.isin(np.arange(N_VOLUMES), np.arange(10, N_VOLUMES - 10))


BURSTS = "bursts of 2 to 6 volumes"
PATTERNS: dict[str, Pattern] = {
    "one gap of 30 volumes": gap_of_30,
    BURSTS: bursts,
    "isolated volumes": isolated_volumes,
    "10 volumes at each end": both_ends,
}


def measured_patterns(paths: Sequence[Path]) -> dict[str, Pattern]:
    """Return the gaps that two limits of framewise displacement leave in tables; tables without gaps are left out."""
    tables = [pd.read_csv(path, sep="\t") for path in paths]
    # FramewiseDisplacement before fMRIPrep 1.2.
    columns = [next(name for name in table if name.replace("_", "").lower() == FRAMEWISE) for table in tables]
    displacements = [table[column].to_numpy(float) for table, column in zip(tables, columns, strict=True)]
    patterns = {}
    for limit in (0.2, 0.5):
        masks = [~(displacement > limit) for displacement in displacements if (displacement > limit).any()]
        if masks:
            patterns[f"FD > {limit} mm in {len(masks)} real runs"] = lambda number, masks=masks: masks[
                number % len(masks)
            ]
    return patterns


# Filters across gaps


def band_pass(values: np.ndarray) -> np.ndarray:
    """Return values detrended and filtered as `nilearn.signal.clean` does it, all columns at once."""
    sections = butter(5, (HIGH_PASS, LOW_PASS), "bandpass", fs=1 / T_R, output="sos")
    return np.asarray(sosfiltfilt(sections, detrend(values, axis=0), axis=0))


def with_bridges(bridge: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Filter:
    """Return what bridges the gaps, filters, and drops the bridges."""
    return lambda values, is_kept: band_pass(bridge(values[is_kept], is_kept))[is_kept]


def without_gaps(values: np.ndarray, is_kept: np.ndarray) -> np.ndarray:
    """Return the kept volumes of values that are filtered with the values of all volumes."""
    return band_pass(values)[is_kept]


def by_nilearn(values: np.ndarray, is_kept: np.ndarray) -> np.ndarray:
    """Return what nilearn makes of a mask of samples."""
    options = {"filter": "butterworth", "high_pass": HIGH_PASS, "low_pass": LOW_PASS, "t_r": T_R}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of changes of nilearn's defaults.
        cleaned = signal.clean(values.copy(), sample_mask=np.flatnonzero(is_kept), standardize=None, **options)
    return np.asarray(cleaned)


def bridge_by_lines(values: np.ndarray, is_kept: np.ndarray) -> np.ndarray:
    """Return values at every volume, on straight lines between kept volumes."""
    everywhere, kept = np.arange(len(is_kept)), np.flatnonzero(is_kept)
    return np.column_stack([np.interp(everywhere, kept, column) for column in values.T])


def bridge_by_sines(values: np.ndarray, is_kept: np.ndarray) -> np.ndarray:
    """Return values at every volume, in the gaps those of the Lomb-Scargle periodogram (Power et al. 2014)."""
    kept, everywhere = np.flatnonzero(is_kept), np.arange(len(is_kept))
    n_span = kept[-1] - kept[0] + 1
    angular = 2 * np.pi * np.arange(1, OVERSAMPLING * n_span // 2 + 1)[:, None] / (OVERSAMPLING * n_span)
    delays = np.arctan2(np.sin(2 * angular * kept).sum(axis=1), np.cos(2 * angular * kept).sum(axis=1))
    delays = delays[:, None] / (2 * angular)
    centred = values - values.mean(axis=0)
    found = np.zeros((len(is_kept), values.shape[1]))
    for wave in (np.cos, np.sin):
        at_kept = wave(angular * (kept - delays))
        amplitudes = at_kept @ centred / (at_kept**2).sum(axis=1, keepdims=True)
        found += wave(angular * (everywhere - delays)).T @ amplitudes
    found -= found[kept].mean(axis=0)
    found *= centred.std(axis=0) / found[kept].std(axis=0)
    found += values.mean(axis=0)
    found[kept] = values
    return found


def project_out(values: np.ndarray, is_kept: np.ndarray) -> np.ndarray:
    """Return kept volumes without the sines outside the band, by least squares, as AFNI's 3dTproject filters."""
    n_volumes = len(is_kept)
    place = np.arange(n_volumes)
    frequencies = np.arange(1, n_volumes // 2 + 1) / n_volumes
    is_outside = (frequencies < HIGH_PASS * T_R) | (frequencies > LOW_PASS * T_R)
    waves = [wave(2 * np.pi * f * place) for f in frequencies[is_outside] for wave in (np.cos, np.sin)]
    design = np.column_stack([np.ones(n_volumes), np.linspace(-1, 1, n_volumes), *waves])[is_kept]
    return values[is_kept] - design @ np.linalg.lstsq(design, values[is_kept], rcond=1e-10)[0]


PCHIP, CUBIC, LINES = "monotone cubic", "cubic spline", "straight lines"
METHODS: dict[str, Filter] = {
    PCHIP: with_bridges(lambda values, is_kept: fill_gaps(values, is_kept, "pchip")),
    CUBIC: with_bridges(lambda values, is_kept: fill_gaps(values, is_kept, "cubic")),
    LINES: with_bridges(bridge_by_lines),
    "Lomb-Scargle": with_bridges(bridge_by_sines),
    "sines projected out": project_out,
    "nilearn's sample_mask": by_nilearn,
}


# Errors


def measure_errors(
    pattern: Pattern, methods: Sequence[Filter], n_runs: int, *, confounds_size: float | None = None
) -> np.ndarray:
    """Return the root mean square error of correlations by each method, over runs and pairs of regions."""
    squares = np.zeros(len(methods))
    for number in range(n_runs):
        is_kept = pattern(number)
        run = simulate_run(number, is_kept, confounds_size)
        expected = correlate(clean(without_gaps, run.signals, run.confounds, is_kept))
        found = [correlate(clean(method, run.spoiled, run.confounds, is_kept)) for method in methods]
        squares += np.square(np.array(found) - expected).mean(axis=1)
    return np.sqrt(squares / n_runs)


def measure_share(pattern: Pattern, n_runs: int) -> float:
    """Return the mean share of volumes that are censored."""
    return float(np.mean([1 - pattern(number).mean() for number in range(n_runs)]))


def clean(method: Filter, values: np.ndarray, confounds: np.ndarray | None, is_kept: np.ndarray) -> np.ndarray:
    """Return filtered signals of kept volumes, without the confounds that are filtered alike."""
    filtered = method(values, is_kept)
    return filtered if confounds is None else regress_out(filtered, method(confounds, is_kept))


def regress_out(values: np.ndarray, confounds: np.ndarray) -> np.ndarray:
    """Return the residuals of confounds and a mean."""
    design = np.column_stack([np.ones(len(values)), confounds])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def correlate(values: np.ndarray) -> np.ndarray:
    """Return the correlations of all pairs of columns."""
    return np.corrcoef(values.T)[np.triu_indices(values.shape[1], 1)]


if __name__ == "__main__":
    main()
