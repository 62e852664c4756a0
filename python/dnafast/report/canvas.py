"""Pictures as inline SVG that takes its colours and its letters from the page, so one picture serves light and dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dnafast.report.families import PALETTE, colour

# The page shows a picture at this many pixels per unit: 8 units are as large as the text of a table.
PIXELS_PER_UNIT = 1.6
WIDTH = 10.6  # inches of 72 units: the width of the page
FONT_SIZE = 8.0

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters stay letters: the page's own font, selectable, small
    "svg.hashsalt": "dnafast",  # the same folder gives the same page
    "text.parse_math": False,  # a task may be called "$x$"
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE + 0.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE - 0.5,
    "ytick.labelsize": FONT_SIZE - 0.5,
    "legend.fontsize": FONT_SIZE - 0.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 1.2,
    "lines.solid_capstyle": "butt",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": colour("ink"),
    "axes.labelcolor": colour("ink"),
    "axes.titlecolor": colour("ink"),
    "axes.edgecolor": colour("muted"),
    "xtick.color": colour("muted"),
    "ytick.color": colour("muted"),
    "xtick.labelcolor": colour("ink"),
    "ytick.labelcolor": colour("ink"),
    "grid.color": colour("line"),
    "grid.linewidth": 0.5,
}

_VARIABLES = {light.lower(): variable for variable, (light, _) in PALETTE.items()}


@contextmanager
def drawing() -> Iterator[None]:
    """Give everything drawn inside the look of the page, and leave matplotlib's settings as they were."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The page's fonts draw the letters; what the font that measures them lacks does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches) that lays out its panels itself."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(made)
    made.get_layout_engine().set(w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.04)  # type: ignore[union-attr, call-arg]
    return made


def grid(axes: Axes, axis: str = "both") -> None:
    """Draw light lines behind a panel: ``"x"``, ``"y"`` or ``"both"``."""
    axes.grid(True, axis=axis)  # type: ignore[arg-type]


def floor_line(label: str) -> Line2D:
    """Return the line of the floors as a legend shows it."""
    return Line2D([], [], color=colour("floor-0"), lw=1, dashes=(4, 2), label=label)


def shortened(text: str, letters: int) -> str:
    """Return a name of the user's that fits above a panel; the page has it in full."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def to_svg(made: Figure, name: str, description: str) -> Markup:
    """Return a figure as an SVG element; ``name`` makes its ids unique on the page, ``description`` is read aloud."""
    buffer = io.StringIO()
    made.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\n?", "", body, flags=re.DOTALL)  # they repeat the text of every label
    opening, rest = body.split(">", 1)
    view = re.search(r'viewBox="[^"]*"', opening)
    width = round(made.get_size_inches()[0] * 72 * PIXELS_PER_UNIT)
    # No namespace: inside a page the element has it, and the file names no address on the network.
    rest = rest.replace("xlink:href=", "href=")
    rest = re.sub(r'\bid="', f'id="{name}-', rest)
    rest = re.sub(r"url\(#", f"url(#{name}-", rest)
    rest = re.sub(r'href="#', f'href="#{name}-', rest)
    rest = re.sub(r"font-family: [^;\"]*;? ?", "", rest)
    rest = re.sub(r"(font: (?:\w+ )*[\d.]+px) [^;\"]*", r"\1 var(--sans)", rest)
    rest = re.sub(r"#[0-9a-fA-F]{6}\b", _as_variable, rest)
    heading = f"<title>{escape(description)}</title>"
    return Markup(  # matplotlib escapes the labels, and the rest is made here
        f'<svg {view.group(0) if view else ""} style="width:{width}px" role="img">{heading}{rest}'
    )


def _as_variable(match: re.Match[str]) -> str:
    variable = _VARIABLES.get(match.group(0).lower())
    return f"var(--{variable})" if variable else match.group(0)
