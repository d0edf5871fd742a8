"""Open a run's image: the facts in its header and its JSON file, before any value is read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from niimasker.errors import ImageError, RunError, warn
from niimasker.inputs.cifti.files import open_cifti_series
from niimasker.inputs.cifti.layout import is_cifti
from niimasker.inputs.gifti.series import open_gifti_series
from niimasker.inputs.images import describe_storage, has_known_space, load_image
from niimasker.inputs.repetition_times import read_nifti_t_r
from niimasker.inputs.series_headers import SeriesHeader
from niimasker.inputs.shared_readings import read_once
from niimasker.inputs.sidecars import Entry, Sidecars, read_sidecars
from niimasker.inputs.spaces import Grid, Space
from niimasker.inputs.storage import Storage
from niimasker.options.hemisphere_names import names_gifti


@dataclass(frozen=True)
class Series:
    """A run's image as its header describes it; no value has been read.

    Parameters
    ----------
    space
        The space that the image's points lie on.
    storage
        Where and how its values are stored.
    t_r
        Repetition time in seconds; None when neither the JSON file beside the image nor the header gives it.
    t_r_source
        "sidecar", "header" or None.
    header_t_r
        The repetition time that the header gives.
    has_known_space
        Whether the header says which template or scanner space its coordinates are in.
    volume_times
        The onset of each volume in seconds, where the JSON file gives VolumeTiming; there is no repetition time then.
    start_time
        The time of the first volume's data in seconds, by the JSON file's StartTime; fMRIPrep gives that to which it
        corrects the times of slices.
    t_r_note
        Why the header's repetition time is not used, where nothing else gives one.
    """

    path: Path
    space: Space
    n_volumes: int
    t_r: float | None
    t_r_source: str | None
    storage: Storage
    header_t_r: float | None = None
    has_known_space: bool = True
    volume_times: tuple[float, ...] | None = None
    start_time: float = 0.0
    t_r_note: str | None = None

    def times(self, t_r: float | None) -> np.ndarray | None:
        """Return the time of each volume in seconds, None if it is not known.

        Parameters
        ----------
        t_r
            The repetition time that is used, in seconds.
        """
        if self.volume_times is not None:
            return self.start_time + np.array(self.volume_times)
        return None if t_r is None else self.start_time + t_r * np.arange(self.n_volumes)


@dataclass(frozen=True)
class _Timing:
    """Repetition time, onsets of volumes and start time in seconds, as JSON files give them."""

    t_r: float | None
    volume_times: tuple[float, ...] | None
    start_time: float


@read_once
def open_series(
    image_path: Path, sidecar_paths: Sequence[Path] | None = None, further_paths: Sequence[Path] = ()
) -> Series:
    """Return a run's image as its header and its JSON files describe it.

    Parameters
    ----------
    image_path
        A 4D NIfTI image, a CIFTI file, or a GIFTI file of one hemisphere.
    sidecar_paths
        The image's JSON files, the nearest first; found by its name if not given.
    further_paths
        The GIFTI file of the right hemisphere, if the image is that of the left one.

    Raises
    ------
    ImageError
        The file is not a series of volumes.
    BrokenImageError
        The file is damaged.
    RunError
        The JSON files contradict each other or do not fit the image.
    """
    header = _read_header(image_path, further_paths)
    storage = header.storage
    timing = _read_timing(Sidecars().find(image_path) if sidecar_paths is None else sidecar_paths, storage.n_volumes)
    header_t_r = None if timing.volume_times else header.t_r
    t_r = header_t_r if timing.t_r is None else timing.t_r
    source = "sidecar" if timing.t_r is not None else "header" if header_t_r is not None else None
    return Series(
        image_path,
        header.space,
        storage.n_volumes,
        t_r,
        source,
        storage,
        header_t_r,
        header.has_known_space,
        timing.volume_times,
        timing.start_time,
        header.t_r_note if source is None and timing.volume_times is None else None,
    )


def _read_header(image_path: Path, further_paths: Sequence[Path]) -> SeriesHeader:
    if names_gifti(image_path.name):
        return open_gifti_series([image_path, *further_paths])
    return open_cifti_series(image_path) if is_cifti(image_path) else _open_volumes(image_path)


def _open_volumes(image_path: Path) -> SeriesHeader:
    img = load_image(image_path)
    shown = f"a {img.ndim}D image ({'x'.join(map(str, img.shape))})"
    if img.ndim < 4:
        raise ImageError(f"{image_path}: {shown}; expected a 4D series of volumes.")
    # Some converters write time as the fifth axis or leave empty axes behind it.
    if len([n for n in img.shape[3:] if n != 1]) > 1:
        raise ImageError(f"{image_path}: {shown}; split it into 4D series of volumes.")
    storage = describe_storage(img, image_path)
    return SeriesHeader(Grid.from_image(img), storage, read_nifti_t_r(img.header), has_known_space(img.header))


def _read_timing(paths: Sequence[Path], n_volumes: int) -> _Timing:
    """Return what an image's JSON files say about its times."""
    entries = read_sidecars(paths, ("RepetitionTime", "VolumeTiming", "StartTime"))
    numbers = {key: _as_number(entry.value) for key, entry in entries.items()}
    t_r, start_time = numbers.get("RepetitionTime"), numbers.get("StartTime") or 0.0
    if "VolumeTiming" not in entries:
        return _Timing(t_r if t_r is not None and t_r > 0 else None, None, start_time)
    volume_times = _check_volume_times(entries["VolumeTiming"], n_volumes)
    if t_r is not None:
        name = entries["VolumeTiming"].path.name
        warn(f"{name}: RepetitionTime is not used, because VolumeTiming gives the time of each volume.")
    return _Timing(None, volume_times, start_time)


def _check_volume_times(entry: Entry, n_volumes: int) -> tuple[float, ...]:
    """Return the times of VolumeTiming; raise RunError unless there is one for each volume, in ascending order."""
    items = entry.value if isinstance(entry.value, list) else []
    times = [time for item in items if (time := _as_number(item)) is not None]
    if not len(times) == len(items) == n_volumes or any(np.diff(times) <= 0):
        found = f"{len(items)} values" if isinstance(entry.value, list) else "no list"
        raise RunError(
            f"{entry.path}: VolumeTiming holds {found}; expected {n_volumes}, a time in seconds for each volume of the "
            "image, each later than the one before; correct it, or leave it out and give RepetitionTime."
        )
    return tuple(times)


def _as_number(value: Any) -> float | None:
    """Return a JSON value as a finite number, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # An integer may be too large for a float; NaN and infinite values fail the comparison.
    return float(value) if abs(value) <= sys.float_info.max else None
