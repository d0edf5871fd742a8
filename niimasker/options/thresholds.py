"""The thresholds by which runs are judged, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass

# The values that are a concern above their thresholds; the others are one below.
CONCERNS_ABOVE = frozenset({"mean_fd"})


@dataclass(frozen=True)
class Threshold:
    """From where on a value is a concern (amber), and a grave one (red)."""

    amber: float
    red: float


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of the four values by which a run is judged; None for a value that is not judged.

    Parameters
    ----------
    minutes
        Kept volumes times repetition time, in minutes; a concern below. In Birn et al. (2013) the reliability of
        connectivity rises greatly from 5 to 13 minutes, and gains between sessions diminish after 9 to 12 minutes.
    mean_fd
        Mean framewise displacement of the kept volumes, in mm; a concern above. Power et al. (2014) censor volumes
        above 0.2 mm, and Parkes et al. (2018) exclude participants with a mean above 0.55 mm (of Jenkinson's).
    degrees_of_freedom
        Those left after cleaning; a concern below. With 50, a correlation must be beyond 0.27 to differ from 0
        (two-sided p < 0.05), with 20 beyond 0.42.
    coverage
        The lowest share of a region that holds a valid signal; a concern below.
    """

    minutes: Threshold | None = Threshold(9, 5)
    mean_fd: Threshold | None = Threshold(0.2, 0.55)
    degrees_of_freedom: Threshold | None = Threshold(50, 20)
    coverage: Threshold | None = Threshold(0.5, 0.1)

    @property
    def high_mean_fd(self) -> float | None:
        """The mean framewise displacement above which a run is a concern, in mm; None if it is not judged."""
        return None if self.mean_fd is None else self.mean_fd.amber


DEFAULT_THRESHOLDS = Thresholds()
