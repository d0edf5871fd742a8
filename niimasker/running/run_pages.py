"""Pages of runs that the call itself writes: of runs without tables, and the verdicts on those that --resume skips."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from niimasker.errors import warn
from niimasker.inputs.runs import Run
from niimasker.inputs.series import Series
from niimasker.options.thresholds import Thresholds
from niimasker.outputs.calls import publishing
from niimasker.outputs.files import check_output_dir
from niimasker.outputs.naming import report_path
from niimasker.outputs.outcomes import EXCLUDED, FAILED, Outcome
from niimasker.outputs.page_ends import is_failed_page
from niimasker.outputs.results import Result
from niimasker.outputs.staging import remove_files
from niimasker.running.batch import attempt
from niimasker.study.preparation import Study
from niimasker.study.run_motion import find_motion

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RunPages:
    """Writes pages of runs; what cannot be written raises a warning only.

    Parameters
    ----------
    command
        The words of the command line.
    record_path
        The record of the call; nothing is written without it.
    """

    study: Study
    command: Sequence[str]
    record_path: Path

    @cached_property
    def _series(self) -> dict[Run, Series | None]:
        of_plans = {plan.run: plan.series for plan in self.study.plans}
        return {**of_plans, **{run: invalid.series for run, invalid in self.study.invalid_runs.items()}}

    def update(self, finished: Iterable[Outcome]) -> None:
        """Write the verdict of this call on the pages of runs that --resume skips."""
        for outcome in finished:
            result = outcome.result
            path = report_path(self.study.settings.output_dir, outcome.run.output_stem)
            # The run has failed since its tables were written, and is done nevertheless.
            self._remove_failed(path)
            if result is not None and result.report_path is not None:
                thresholds = self.study.settings.judge
                self._attempt(path, functools.partial(_update_panel, result=result, thresholds=thresholds))

    def write(self, outcome: Outcome) -> None:
        """Write the page of a run without tables if its motion is known; otherwise remove an older one."""
        if outcome.status not in (FAILED, EXCLUDED) or outcome.result is not None or outcome.ends_all:
            return
        path = report_path(self.study.settings.output_dir, outcome.run.output_stem)
        is_written = not self.study.settings.no_report and self._attempt(path, lambda path: self._write(path, outcome))
        if not is_written:
            self._remove_failed(path)

    def _attempt(self, path: Path, write: Callable[[Path], bool | None]) -> bool:
        def publish(path: Path) -> bool:
            with publishing(self.record_path):
                return bool(write(path))

        written = attempt(publish, path)
        if written.reason:
            _log.debug("%s", written.traceback)
            warn(f"{path} is not written: {written.reason}")
        return bool(written.value)

    def _remove_failed(self, path: Path) -> None:
        if is_failed_page(path):
            remove_files([path])

    def _write(self, path: Path, outcome: Outcome) -> bool:
        """Write the page of a run without tables, and return whether its motion is known."""
        settings = self.study.settings.by_pipeline[outcome.run.pipeline]
        series = self._series.get(outcome.run)
        motion = find_motion(outcome.run, settings, series)
        if motion is None:
            return False
        # Imported here: the drawing libraries are needed for pages only.
        from niimasker.reports.failed_page import make_failed_view, write_failed_page

        check_output_dir(settings.output_dir)
        view = make_failed_view(outcome, motion, series, settings=settings, command=self.command)
        write_failed_page(path, view, settings.output_dir)
        return True


def _update_panel(path: Path, result: Result, thresholds: Thresholds) -> None:
    # Imported here: the drawing libraries are needed for pages only.
    from niimasker.reports.verdict_panel import read_regions, update_panel

    update_panel(path, result, thresholds, functools.partial(read_regions, result))
