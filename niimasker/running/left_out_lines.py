"""The line that says which runs --exclude leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from niimasker.errors import count, list_names
from niimasker.study.preparation import Study


def describe_left_out(study: Study) -> Iterator[str]:
    """Yield a line that names the runs that --exclude leaves out; none if it leaves out no run."""
    if study.left_out:
        yield f"{count(len(study.left_out), 'run')} left out by --exclude: {list_names(study.left_out)}"
