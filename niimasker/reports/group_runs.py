"""The rows of the group page's table of runs: those that take part, and those that are left out or excluded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from niimasker.errors import count, list_names
from niimasker.group.connectivity import ExcludedRun, Group, Member
from niimasker.reports.links import to_href
from niimasker.reports.run_names import short_names
from niimasker.signals.nuisance import format_degrees
from niimasker.study.verdicts import COMPLETE

_EXCLUDED = "excluded"


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
    names = short_names([run.name for run in runs])
    by_atlas = {group.atlas: group.left_out for group in groups}
    reasons = [f"{_EXCLUDED}: {run.reason}" for run in excluded]
    reasons += [_reason_left_out(member.name, by_atlas) for member in members]
    rows = [
        {
            "name": name,
            "full_name": run.name,
            "href": link and to_href(link),
            "subject": run.subject or "n/a",
            "mean_fd": f"{run.mean_fd:.3f}" if math.isfinite(run.mean_fd) else "n/a",
            "verdict": _shorten(run.verdict) if isinstance(run, Member) else _EXCLUDED,
            "degrees_of_freedom": format_degrees(run.degrees_of_freedom),
            "left_out": reason,
        }
        for run, name, link, reason in zip(runs, names, links, reasons, strict=True)
    ]
    return sorted(rows, key=lambda row: not row["left_out"])


def describe_concerned(members: Sequence[Member], excluded: Sequence[ExcludedRun]) -> Iterator[str]:
    """Yield a note that names the finished runs that need a look; none if no run does."""
    names = short_names([*(run.name for run in members), *(run.name for run in excluded)])
    concerned = [name for name, member in zip(names, members, strict=False) if member.verdict not in ("", COMPLETE)]
    if concerned:
        verb = "needs" if len(concerned) == 1 else "need"
        yield (
            f"{len(concerned):,} of {count(len(members), 'run')} {verb} a look: {list_names(concerned)}; see the index."
        )


def _shorten(verdict: str) -> str:
    """Return a verdict as "complete" or "look at minutes kept"; n/a if it is not known."""
    return verdict.removeprefix(f"{COMPLETE}, ") or "n/a"


def _reason_left_out(name: str, by_atlas: Mapping[str, Mapping[str, str]]) -> str:
    reasons = {atlas: left_out[name] for atlas, left_out in by_atlas.items() if name in left_out}
    return "; ".join(f"{atlas}: {reason}" if len(by_atlas) > 1 else reason for atlas, reason in reasons.items())
