"""Colours of a report's tables: background and text of a cell, told apart with every colour-vision deficiency."""

from __future__ import annotations

from dataclasses import dataclass

# From white over orange to brown for what is lost, to blue for what is gained: ColorBrewer's YlOrBr and Blues
# (colorbrewer2.org), whose lightness falls evenly, so that they read in grey as well.
LOSS = ("#ffffff", "#fff3d1", "#fee391", "#fec44f", "#fe9929", "#ec7014", "#cc4c02", "#993404", "#662506")
GAIN = ("#ffffff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6")
UNKNOWN = "#f1f1ef"
DARK_INK, LIGHT_INK = "#000000", "#ffffff"  # the better of the two reaches 4.5, level AA of WCAG 2.1, on any colour


@dataclass(frozen=True)
class Shade:
    """Background and text colour of a cell."""

    background: str
    ink: str


def loss_shade(share: float | None) -> Shade:
    """Shade of a loss as a share of the largest one shown (0 to 1); negative is a gain, None unknown."""
    if share is None:
        return Shade(UNKNOWN, DARK_INK)
    background = _between(LOSS, min(share, 1.0)) if share >= 0 else _between(GAIN, min(-share, 1.0))
    return Shade(background, max((DARK_INK, LIGHT_INK), key=lambda ink: contrast(ink, background)))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours "#rrggbb" after WCAG 2.1, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _between(colours: tuple[str, ...], place: float) -> str:
    """Colour at a place from 0 (first) to 1 (last), linear between neighbours."""
    position = place * (len(colours) - 1)
    low = min(int(position), len(colours) - 2)
    mixed = (
        round(a + (position - low) * (b - a)) for a, b in zip(_rgb(colours[low]), _rgb(colours[low + 1]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _rgb(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
