"""Colours of regions."""

from __future__ import annotations

import colorsys

# Okabe and Ito's colours without black; the yellow is darkened, because it is hard to see on white.
_COLOUR_BLIND_SAFE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800")
_GOLDEN_RATIO = 0.6180339887498949


def region_colours(n_regions: int) -> tuple[str, ...]:
    """Return a colour per region as #rrggbb.

    A few regions get colours that colour-blind readers can tell apart. More regions get hues in steps of the golden
    ratio at three lightnesses, so that neighbours in the atlas differ.
    """
    if n_regions <= len(_COLOUR_BLIND_SAFE):
        return _COLOUR_BLIND_SAFE[:n_regions]
    return tuple(_colour_at(position) for position in range(n_regions))


def _colour_at(position: int) -> str:
    # No colour is so light that its line cannot be seen on white.
    lightness, saturation = ((0.45, 0.65), (0.56, 0.5), (0.32, 0.7))[position % 3]
    parts = colorsys.hls_to_rgb((0.55 + position * _GOLDEN_RATIO) % 1.0, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
