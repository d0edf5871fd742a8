"""What all figures share: a layout, axes, and names that plotly takes for no markup."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Figure = dict[str, Any]

# Names longer than this are cut in figures; the table has them whole.
_LONGEST, _LONGEST_TICK, LONGEST_TILTED = 60, 16, 26
MOST_TICKS = 30

# Of a letter, as ticks are written.
_LETTER = 6.4

INK, QUIET, _LINE = "#1d2329", "#56616c", "#d5dae0"

# In pixels.
TOP, BOTTOM = 12, 46


@dataclass(frozen=True)
class Plot:
    """A plotly figure with what a reader who does not see it is told, and what stands below it."""

    figure: Figure
    alt: str
    caption: str


def shown_names(names: Sequence[str]) -> list[str]:
    """Return names as plotly shows them: unlike one another, not too long, and never markup."""
    shown: dict[str, None] = {}
    for name in names:
        label, number = _cut(name, _LONGEST), 2
        while label in shown:
            label, number = f"{_cut(name, _LONGEST)} ({number})", number + 1
        shown[label] = None
    return list(shown)


def room_left(shown: Sequence[str]) -> int:
    """Return the margin left of an axis of names, which shows them or not."""
    return room_for(tick_texts(shown) if len(shown) <= MOST_TICKS else (), 62)


def room_for(ticks: Sequence[str], least: int) -> int:
    """Return the margin that names need."""
    longest = max((len(html.unescape(tick)) for tick in ticks), default=0)
    return max(least, round(16 + _LETTER * longest))


def names_axis(shown: Sequence[str]) -> Figure:
    """Return an axis of names, from top to bottom; where they are too many for ticks, hovering names them."""
    base = {**axis(), "type": "category", "autorange": "reversed", "showgrid": False}
    if len(shown) > MOST_TICKS:
        return {**base, "showticklabels": False, "ticks": ""}
    return {**base, "tickmode": "array", "tickvals": list(shown), "ticktext": tick_texts(shown)}


def tick_texts(shown: Sequence[str], longest: int = _LONGEST_TICK) -> list[str]:
    """Return names as ticks have them, cut shorter."""
    return [_cut(html.unescape(name), longest) for name in shown]


def _cut(name: str, longest: int) -> str:
    """Return a name that plotly takes for no markup, its end kept: it is what neighbours differ by."""
    n_end = min(10, longest // 3)
    short = name if len(name) <= longest else f"{name[: longest - n_end - 1]}…{name[-n_end:]}"
    return html.escape(short, quote=False)


def axis(title: str | None = None) -> Figure:
    """Return an axis."""
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
    """Return an upright line."""
    return {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1,
            "line": {"color": colour, "width": 1.2, "dash": dash}}  # fmt: skip


def make_layout(height: int) -> Figure:
    """Return the layout of a figure of this height in pixels; report.js sets its width."""
    return {
        "height": height,
        "margin": {"l": 62, "r": 52, "t": TOP, "b": BOTTOM},
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
