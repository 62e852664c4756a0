"""The report of a bench: one page, a summary to read, a summary for programs, and a table for the terminal."""

from __future__ import annotations

from pathlib import Path

from dnafast.records import write_json, write_text
from dnafast.report.page import render_page
from dnafast.report.results import read_results
from dnafast.report.summary import summary_json, summary_markdown
from dnafast.report.terminal import terminal_table

__all__ = ["terminal_table", "write_report"]


def write_report(out: Path) -> None:
    """Read the folder of a bench and write ``report.html``, ``summary.md`` and ``summary.json`` into it.

    Raises:
        FileNotFoundError: ``config.json``, ``data.json`` or ``runs.csv`` is missing.
        ValueError: one of them cannot be read.
    """
    results = read_results(Path(out))
    # All three are made before the first is written, so that a failure leaves the old ones together.
    out = Path(out)
    page, markdown, data = render_page(results), summary_markdown(results), summary_json(results)
    write_text(out / "report.html", page)
    write_text(out / "summary.md", markdown)
    write_json(out / "summary.json", data)
