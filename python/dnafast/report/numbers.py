"""Figures as text: three digits where three are known, an en dash where nothing was measured."""

from __future__ import annotations

import math

EMPTY = "–"


def quality(value: float | None) -> str:
    """Return a metric between -1 and 1 (or a log loss) with three decimals."""
    if value is None or not math.isfinite(value):
        return EMPTY
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def interval(low: float | None, high: float | None) -> str:
    """Return both ends of an interval with three decimals, empty where an end is unknown."""
    if low is None or high is None:
        return ""
    return f"{quality(low)}\N{EN DASH}{quality(high)}"


def count(value: float | None) -> str:
    """Return a whole number with thousands separators."""
    return EMPTY if value is None else f"{value:,.0f}"


def amount(value: float | None) -> str:
    """Return a positive amount with three significant digits and thousands separators."""
    if value is None or not math.isfinite(value):
        return EMPTY
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}") if abs(value) < 1000 else value
    # Past five decimals nothing that is measured here means anything.
    decimals = min(5, max(0, 2 - math.floor(math.log10(abs(rounded)))))
    return f"{rounded:,.{decimals}f}"


def scaled(value: float | None) -> str:
    """Return a large count in thousands, millions or billions: ``52.8 M``."""
    if value is None or not math.isfinite(value):
        return EMPTY
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor * 0.9995:
            return f"{amount(value / factor)}\N{NO-BREAK SPACE}{letter}"
    return amount(value)


def megabytes(value: float | None) -> str:
    """Return bytes in units of 10^6 bytes, whole."""
    return EMPTY if value is None or not math.isfinite(value) else f"{value / 1e6:,.0f}"


def percent(value: float | None) -> str:
    """Return a share between 0 and 1 in per cent."""
    return EMPTY if value is None or not math.isfinite(value) else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"
