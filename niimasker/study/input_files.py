"""All files that a study reads, to tell whether an output would replace one of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from niimasker.regions.loading import find_names_paths
from niimasker.regions.roi_files import parse_mask, parse_roi_file
from niimasker.study.preparation import Study
from niimasker.study.run_inputs import list_run_files


class InputFiles:
    """Files, each found by any path that leads to it."""

    def __init__(self, paths: Iterable[Path]) -> None:
        # The files of thousands of runs lie in a few folders. Links may lead elsewhere by the next call.
        self._resolve = cache(os.path.realpath)
        self._places = {place for path in paths for place in self._find_places(path)}

    def __contains__(self, path: Path) -> bool:
        return self._find_place(path) in self._places

    def _find_places(self, path: Path) -> Iterator[str]:
        yield self._find_place(path)
        if path.is_symlink():
            yield os.path.realpath(path)

    def _find_place(self, path: Path) -> str:
        return os.path.join(self._resolve(path.parent), path.name)  # noqa: PTH118


def list_inputs(study: Study) -> InputFiles:
    """Return all files that a study reads."""
    settings = study.settings
    paths = [path for text in settings.roi_file for path in parse_roi_file(text).paths]
    paths += [path for path in find_names_paths(settings.roi_file, settings.labels) if path is not None]
    paths += [] if settings.mask_img is None else parse_mask(settings.mask_img).paths
    by_pipeline = settings.by_pipeline
    paths += [path for run in study.all_runs for path in list_run_files(run, by_pipeline[run.pipeline]).values()]
    return InputFiles(paths)
