"""The state of each run on the index: failed, in need of a look, excluded, not started or complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from niimasker.options.thresholds import Thresholds
from niimasker.outputs.outcomes import DONE, EXCLUDED, FAILED, NOT_STARTED, has_tables
from niimasker.study.verdicts import AMBER, COMPLETE, RED, Verdict, judge

Row = Mapping[str, Any]

# In the order of the index: what somebody has to act on comes first.
STATES = (FAILED, RED, AMBER, EXCLUDED, NOT_STARTED, COMPLETE)


@dataclass(frozen=True)
class RunState:
    """What became of a run.

    Parameters
    ----------
    word
        One of `STATES`; red and amber are the grades of a run that is done and needs a look.
    verdict
        The verdict on a run with tables, otherwise None.
    """

    word: str
    verdict: Verdict | None = None

    @property
    def needs_look(self) -> bool:
        """Whether a number of the run is a concern, and no limit of the call excludes it."""
        return self.word in (RED, AMBER)

    @property
    def concern(self) -> tuple[int, int, int]:
        """What runs are sorted by: the state, and how many numbers are red and of any concern."""
        concerns = self.verdict.concerns if self.verdict is not None and self.needs_look else ()
        return STATES.index(self.word), -sum(each.grade == RED for each in concerns), -len(concerns)


def find_state(row: Row, thresholds: Thresholds) -> RunState:
    """Return the state of a run from its row of summary.tsv."""
    verdict = judge(row, thresholds) if has_tables(row) else None
    if verdict is None or row["status"] != DONE:
        return RunState(row["status"], verdict)
    return RunState(verdict.grade if verdict.concerns else COMPLETE, verdict)


def order_by_concern(states: Sequence[RunState], n_outlying: Sequence[int]) -> list[int]:
    """Return the positions of runs, those of most concern first; equal ones stay in their order.

    Complete runs are sorted by their number of outlying numbers.
    """

    def concern(position: int) -> tuple[int, ...]:
        state = states[position]
        return *state.concern, -n_outlying[position] if state.word == COMPLETE else 0

    return sorted(range(len(states)), key=concern)
