"""The axes of a CIFTI-2 matrix: points, parcels, the steps of a series, or the names and labels of maps."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from niimasker.errors import count
from niimasker.inputs.cifti.document import (
    HeaderError,
    IndexMap,
    find_child,
    parse_integer,
    parse_map,
    parse_number,
    read_attribute,
    read_exponent,
    read_integer,
)
from niimasker.inputs.cifti.models import parse_brain_models
from niimasker.inputs.cifti.parcels import CiftiParcels, parse_parcels
from niimasker.inputs.grayordinates import Grayordinates


@dataclass(frozen=True)
class SeriesAxis:
    """The steps of a series.

    Parameters
    ----------
    start, step
        In units of `unit`.
    unit
        `SECOND`, `HERTZ`, `METER` or `RADIAN`.
    """

    size: int
    start: float
    step: float
    unit: str

    @property
    def t_r(self) -> float | None:
        """The repetition time in seconds, None for a series that is not over time or gives no step."""
        is_time = self.unit == "SECOND" and math.isfinite(self.step) and self.step > 0
        return self.step if is_time else None


@dataclass(frozen=True)
class MapsAxis:
    """The names of maps and, for maps of labels, the name of each key.

    Parameters
    ----------
    labels
        For each map the names by key; None for maps of values.
    """

    names: tuple[str, ...]
    labels: tuple[Mapping[int, str], ...] | None


Axis = Grayordinates | CiftiParcels | SeriesAxis | MapsAxis


def parse_axis(index_map: IndexMap, n_expected: int) -> Axis | None:
    """Return what the indices along a dimension stand for, None for a kind of axis that CIFTI-2 does not define.

    Parameters
    ----------
    n_expected
        The length of the dimension.
    """
    parse = _PARSERS.get(index_map.kind)
    if parse is None:
        return None
    axis = parse(index_map)
    size, noun = _measure(axis)
    if size != n_expected:
        raise HeaderError(f"its XML describes {count(size, noun)}, its matrix has {n_expected}")
    return axis


def _measure(axis: Axis) -> tuple[int, str]:
    """Return the length of an axis, and what it is made of."""
    if isinstance(axis, Grayordinates):
        return axis.n_points, "grayordinate"
    if isinstance(axis, CiftiParcels):
        return len(axis.names), "parcel"
    return (axis.size, "step") if isinstance(axis, SeriesAxis) else (len(axis.names), "map")


def parse_series(index_map: IndexMap) -> SeriesAxis:
    """Return a series with its exponent applied."""
    attributes = index_map.attributes
    exponent = read_exponent(attributes, "SeriesExponent")
    start, step = (
        round(parse_number(read_attribute(attributes, name), name) * 10.0**exponent, 9)
        for name in ("SeriesStart", "SeriesStep")
    )
    return SeriesAxis(
        read_integer(attributes, "NumberOfSeriesPoints"), start, step, read_attribute(attributes, "SeriesUnit")
    )


def parse_maps(index_map: IndexMap) -> MapsAxis:
    """Return the names of maps, and their labels where the maps are of labels."""
    named_maps = parse_map(index_map.xml).findall("NamedMap")
    names = tuple((find_child(each, "MapName").text or "").strip() for each in named_maps)
    labels = tuple(_parse_labels(each) for each in named_maps) if index_map.kind == "LABELS" else None
    return MapsAxis(names, labels)


def _parse_labels(named_map: ET.Element) -> dict[int, str]:
    """Return the names of a label table by key; the last one where a key has several, as in Workbench."""
    return {
        parse_integer(read_attribute(label.attrib, "Key"), "Key"): (label.text or "").strip()
        for label in find_child(named_map, "LabelTable").findall("Label")
    }


_PARSERS: dict[str, Callable[[IndexMap], Axis]] = {
    "BRAIN_MODELS": lambda index_map: parse_brain_models(index_map.xml),
    "PARCELS": lambda index_map: parse_parcels(index_map.xml),
    "SERIES": parse_series,
    "SCALARS": parse_maps,
    "LABELS": parse_maps,
}
