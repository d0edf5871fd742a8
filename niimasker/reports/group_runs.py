"""The rows of the group page's table of runs: those that take part, and those that are left out or excluded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from niimasker.group.connectivity import ExcludedRun, Group, Member
from niimasker.reports.links import to_href


def list_group_runs(
    groups: Sequence[Group], members: Sequence[Member], excluded: Sequence[ExcludedRun], links: Sequence[str | None]
) -> list[dict[str, Any]]:
    """Return one row per run for the table of the group page, runs left out first.

    Parameters
    ----------
    links
        The link to the page of each excluded and each finished run; None where there is none.
    """
    runs: list[ExcludedRun | Member] = [*excluded, *members]
    by_atlas = {group.atlas: group.left_out for group in groups}
    reasons = [f"excluded: {run.reason}" for run in excluded]
    reasons += [_reason_left_out(member.name, by_atlas) for member in members]
    rows = [
        {
            "name": run.name,
            "href": link and to_href(link),
            "subject": run.subject or "n/a",
            "mean_fd": f"{run.mean_fd:.3f}" if math.isfinite(run.mean_fd) else "n/a",
            "left_out": reason,
        }
        for run, link, reason in zip(runs, links, reasons, strict=True)
    ]
    return sorted(rows, key=lambda row: not row["left_out"])


def _reason_left_out(name: str, by_atlas: Mapping[str, Mapping[str, str]]) -> str:
    reasons = {atlas: left_out[name] for atlas, left_out in by_atlas.items() if name in left_out}
    return "; ".join(f"{atlas}: {reason}" if len(by_atlas) > 1 else reason for atlas, reason in reasons.items())
