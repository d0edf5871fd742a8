"""Timelines of runs of which a volume is kept."""

from __future__ import annotations

from typing import Any

from niimasker.inputs.series import Series
from niimasker.signals.timeline import Timeline, check_kept, mark_volumes


def make_timeline(series: Series, *options: Any) -> Timeline:
    """Return a run's timeline as a plan has it; an error if no volume is kept."""
    timeline = mark_volumes(series, *options)
    check_kept(series, timeline)
    return timeline
