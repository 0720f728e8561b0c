"""Charts as pictures: an SVG with the colours of the page around it, or one that stands alone, or a PNG."""

import itertools
import re
from typing import Any

import altair as alt
import vl_convert

from metrics.output.chart_theme import STAND_INS

# The renderer's default, for a picture that is looked at on any screen.
_PIXELS_PER_POINT = 2.0
_IDS = itertools.count(1)
_FONT = re.compile(r' font-family="[^"]*"')
_NUMBER = re.compile(r"(\d+\.\d{2})\d+")
_MARKUP = re.compile(r' (role|class|aria-[a-z]+|pointer-events)="[^"]*"|<defs></defs>|<defs/>')
_FRAME = re.compile(r'<path [^>]*d="M0,0h[\d.]+v[\d.]+h-[\d.]+Z"(/>|></path>)')
_BACKGROUND = re.compile(r'<rect width="[\d.]+" height="[\d.]+" fill="[^"]*"(/>|></rect>)')
_HEAD = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"[^>]*>')


def svg_picture(chart: alt.TopLevelMixin) -> str:
    """A chart as an SVG file; the same for the same figures."""
    return _own_ids(vl_convert.vegalite_to_svg(_specification(chart)), "")


def png_picture(chart: alt.TopLevelMixin) -> bytes:
    """A chart as a PNG file."""
    return vl_convert.vegalite_to_png(_specification(chart), scale=_PIXELS_PER_POINT)


def inline_svg(chart: alt.TopLevelMixin, css_class: str) -> str:
    """A chart that was made with `STAND_INS`, as part of a page: its colours are custom properties.

    It is hidden from screen readers: the figure around it has a name, and the table behind it the numbers.
    """
    text = vl_convert.vegalite_to_svg(_specification(chart))
    match = _HEAD.search(text)
    assert match is not None, "the renderer begins with the svg element"
    width, height = match.groups()
    body = _MARKUP.sub("", _NUMBER.sub(r"\1", _FONT.sub("", text[match.end() :])))
    body = _FRAME.sub("", _BACKGROUND.sub("", body)).replace("<g></g>", "")
    for meaning, stand_in in STAND_INS.items():
        body = re.sub(stand_in, f"var(--{meaning})", body, flags=re.IGNORECASE)
    # Ids are the document's, not the drawing's: two charts on a page would clip each other.
    body = _own_ids(body, f"c{next(_IDS)}-")
    head = (
        f'<svg class="plot {css_class}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'aria-hidden="true" focusable="false" fill="none" stroke-miterlimit="10">'
    )
    return (head + body).replace("\n", "").strip()


def _own_ids(text: str, prefix: str) -> str:
    """The drawing with its clips counted anew: the renderer goes on counting over all it ever draws."""
    known: dict[str, str] = {}
    return _CLIP.sub(lambda match: known.setdefault(match[0], f"{prefix}clip{len(known)}"), text)


_CLIP = re.compile(r"\bclip\d+\b")


def _specification(chart: alt.TopLevelMixin) -> dict[str, Any]:
    # What the tests draw is valid, and looking again costs as much as drawing.
    return chart.to_dict(validate=False)
