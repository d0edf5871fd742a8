"""From --labels, a look-up table or an image's header to one name per region."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RegionsError, count, list_names, warn
from niimasker.options.paths import describe_missing_file, expand_home
from niimasker.regions.names.joining import join_names, match_in_order
from niimasker.regions.names.joins import Joined, NamesJoin
from niimasker.regions.names.label_table import LabelTable
from niimasker.regions.names.tables import TABLE_SUFFIXES, WORKBOOK_SUFFIXES, read_label_table

_log = logging.getLogger(__name__)

# Unicode's categories of control characters and of line and paragraph separators: each would break a table's line.
_CONTROL = frozenset({"Cc", "Zl", "Zp"})


@dataclass(frozen=True)
class Named:
    """The regions' names, and how they were joined where they come from a table."""

    names: tuple[str, ...]
    join: NamesJoin | None = None


def choose_names(
    labels: Sequence[str],
    indices: Sequence[int],
    source: str,
    *,
    allow_extra: bool = False,
    are_maps: bool = False,
) -> Named:
    """Return each region's name: given, read from a table, or `roi <index>`.

    Parameters
    ----------
    labels
        Names, or one table's file name, or nothing.
    indices
        The regions' indices in ascending order.
    source
        What the regions came from, as messages call it.
    allow_extra
        Let a table name regions that are not there without a warning.
    are_maps
        Whether the regions are maps.

    Raises
    ------
    RegionsError
        The names do not fit the regions.
    """
    if not labels:
        return Named(tuple(f"roi {index}" for index in indices))
    table_path = find_names_path(labels)
    if table_path is None:
        return Named(make_unique(match_in_order(labels, indices, "--labels", source), indices, source))
    table = read_label_table(table_path)
    joined = join_names(table, indices, source, are_maps=are_maps)
    if not (allow_extra or _serves_many(table, joined)):
        _warn_of_unknown(joined, source)
    return finish_names(joined.names, joined.join, indices, source)


def find_names_path(labels: Sequence[str]) -> Path | None:
    """Return the table that --labels is, None when it is names or nothing."""
    if len(labels) != 1:
        return None
    path = expand_home(labels[0])
    is_table = path.suffix.lower() in (*TABLE_SUFFIXES, *WORKBOOK_SUFFIXES)
    return path if is_table or not describe_missing_file(path) else None


def name_by_lookup_table(
    table_path: Path, indices: Sequence[int], image_path: Path, *, are_maps: bool = False
) -> Named:
    """Return each region's name in the look-up table that lies with its image; it may name others too.

    Raises
    ------
    RegionsError
        The table is not usable, or has no row for a region.
    """
    try:
        joined = join_names(read_label_table(table_path), indices, str(image_path), are_maps=are_maps)
    except RegionsError as error:
        raise RegionsError(
            f"{error} It is the look-up table of {image_path}; give other names with --labels."
        ) from error
    return finish_names(joined.names, joined.join, indices, image_path.name)


def finish_names(names: Sequence[str], join: NamesJoin, indices: Sequence[int], source: str) -> Named:
    """Return names that can be columns, with how they were joined."""
    unique = make_unique(names, indices, source)
    named_join = join.with_names(indices, unique)
    _log.debug("%s: names from %s, %s", source, named_join.path, named_join.words)
    return Named(unique, named_join)


def _serves_many(table: LabelTable, joined: Joined) -> bool:
    """Return whether a table lists more structures than one image has, as FreeSurfer's: with colours, and gaps."""
    found = {number for column in table.columns[:1] for number in column.numbers if number}
    return bool(table.has_colors and found and joined.unknown) and max(found) - min(found) >= len(found)


def _warn_of_unknown(joined: Joined, source: str) -> None:
    if joined.unknown:
        shown = list_names([f"{index} {name!r}" for index, name in sorted(joined.unknown.items())])
        warn(
            f"{source}: {joined.join.path.name} names {count(len(joined.unknown), 'region')} that the image does not "
            f"have ({shown}); check that it belongs to this atlas."
        )


def make_unique(names: Sequence[str], indices: Sequence[int], source: str) -> tuple[str, ...]:
    """Return names that can be columns: each used once, with the index appended where it was not.

    Raises
    ------
    RegionsError
        A name is empty or holds control characters.
    """
    broken = next((name for name in names if not name.strip() or _CONTROL & {*map(unicodedata.category, name)}), None)
    if broken is not None:
        raise RegionsError(f"{source}: {broken!r} cannot be a column's name; give one without tabs and line breaks.")
    twice = sorted(name for name, n in Counter(names).items() if n > 1)
    if not twice:
        return tuple(names)
    warn(f"{source}: more than one region is named {', '.join(map(repr, twice))}; their index is appended.")
    unique = tuple(f"{name} {index}" if name in twice else name for name, index in zip(names, indices, strict=True))
    if len(set(unique)) < len(unique):
        raise RegionsError(f"{source}: names are not unique even with their index appended; rename {twice[0]!r}.")
    return unique
