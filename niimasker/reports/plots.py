"""Parts that all figures share: layout, axes, and names escaped for plotly."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Figure = dict[str, Any]

# Longer names are shortened in figures; the table has them in full.
_MAX_NAME_LENGTH, _MAX_TICK_LENGTH, MAX_TILTED_TICK_LENGTH = 60, 16, 26

# From an axis to the names of its groups, in pixels, as in labels.js.
_BRACKET_ROOM = 13

# Mean width of a letter of a tick label, in pixels.
_LETTER_WIDTH = 6.4

INK, QUIET, _LINE = "#1d2329", "#56616c", "#d5dae0"

# Margins of axes of numbers, in pixels.
TOP, BOTTOM, LEFT = 12, 46, 62


@dataclass(frozen=True)
class Plot:
    """A plotly figure with its alternative text and its caption."""

    figure: Figure
    alt: str
    caption: str


def display_names(names: Sequence[str]) -> list[str]:
    """Return names for plotly: unique, shortened, and escaped."""
    shown: dict[str, None] = {}
    for name in names:
        label, number = _shorten(name, _MAX_NAME_LENGTH), 2
        while label in shown:
            label, number = f"{_shorten(name, _MAX_NAME_LENGTH)} ({number})", number + 1
        shown[label] = None
    return list(shown)


def left_margin(shown: Sequence[str], group_names: Sequence[str]) -> int:
    """Return the margin to the left of an axis of names, and of axes of numbers above or below it."""
    return max(names_margin(shown, group_names), LEFT)


def names_margin(shown: Sequence[str], group_names: Sequence[str] = (), *, longest: int = _MAX_TICK_LENGTH) -> int:
    """Return the margin beside an axis of names, of which labels.js shows all, some, or those of their groups."""
    return max(margin_for(tick_texts(shown, longest), 40), margin_for(group_names, 40) + _BRACKET_ROOM)


def margin_for(ticks: Sequence[str], minimum: int) -> int:
    """Return the margin that tick labels need, in pixels."""
    longest = max((len(html.unescape(tick)) for tick in ticks), default=0)
    return max(minimum, round(16 + _LETTER_WIDTH * longest))


def names_axis() -> Figure:
    """Return an axis of names, from top to bottom; labels.js shows as many of them as fit."""
    return {**axis(), "type": "category", "autorange": "reversed", "showgrid": False}


def tick_texts(shown: Sequence[str], longest: int = _MAX_TICK_LENGTH) -> list[str]:
    """Return names shortened for tick labels."""
    return [_shorten(html.unescape(name), longest) for name in shown]


def _shorten(name: str, longest: int) -> str:
    """Return a name shortened and escaped; its end is kept, because names of neighbours differ there."""
    n_end = min(10, longest // 3)
    short = name if len(name) <= longest else f"{name[: longest - n_end - 1]}…{name[-n_end:]}"
    return html.escape(short, quote=False)


def axis(title: str | None = None) -> Figure:
    """Return an axis, with a title if one is given."""
    plain: Figure = {
        "zeroline": False,
        "gridcolor": "#eceff2",
        "linecolor": _LINE,
        "ticks": "outside",
        "ticklen": 3,
        "tickcolor": _LINE,
        "fixedrange": False,
    }
    return plain if title is None else {**plain, "title": {"text": title, "standoff": 6}}


def title_at(text: str, x: float, y: float) -> Figure:
    """Return a title above the left end of an axis."""
    return {"text": text, "xref": "paper", "yref": "paper", "x": x, "y": y, "xanchor": "left", "yanchor": "bottom",
            "showarrow": False, "font": {"size": 11.5, "color": INK}}  # fmt: skip


def line_at(x: float, colour: str, dash: str) -> Figure:
    """Return a vertical line."""
    return {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1,
            "line": {"color": colour, "width": 1.2, "dash": dash}}  # fmt: skip


def make_layout(height: int) -> Figure:
    """Return the layout of a figure with this height in pixels; report.js sets its width."""
    return {
        "height": height,
        "margin": {"l": LEFT, "r": 52, "t": TOP, "b": BOTTOM},
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", "size": 11.5,
                 "color": INK},
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "hoverlabel": {"namelength": -1, "font": {"size": 12}},
        "dragmode": "zoom",
        "annotations": [],
        "shapes": [],
        "showlegend": False,
    }  # fmt: skip
