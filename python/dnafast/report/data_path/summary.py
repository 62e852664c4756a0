"""The figures of a data path as Markdown."""

from __future__ import annotations

from dnafast.report import wording as bench_wording
from dnafast.report.data_path import tables, wording
from dnafast.report.data_path.results import DataPathResults
from dnafast.report.summary import escaped


def data_path_summary(results: DataPathResults) -> str:
    """Return the figures as Markdown: one table, a line for each job and contender."""
    headings = [f"{column.heading} ({column.unit})" if column.unit else column.heading for column in tables.COLUMNS]
    lines = [wording.first_line(results), "", "# How fast is the data path here?", "", wording.overview(results), ""]
    lines += [f"- {sentence}" for sentence in wording.highlights(results)]
    lines += ["", *(f"- {name}: {escaped(str(fact))}" for name, fact in results.config["data"].items())]
    lines += [f"- {escaped(note)}" for note in results.config["notes"]]
    lines += ["", wording.METHOD, "", f"| Job | Contender | {' | '.join(headings)} |"]
    lines.append(f"|:--|:--|{'--:|' * len(headings)}")
    for job in results.jobs:
        for line in tables.lines(results, job["name"]):
            cells = [cell.text for cell in line.cells] or [escaped(line.missing), *[""] * (len(headings) - 1)]
            lines.append(f"| {job['title']} | {line.label} | {' | '.join(cells)} |")
    machine = results.config["machine"]
    lines += ["", f"Machine: {machine['cpu']}, {machine['cpus_usable']} usable processors, "
              f"{machine['instruction_set']}; {machine['system']}."]  # fmt: skip
    lines += ["", "Repeat with:", "", f"    {bench_wording.command_line(results.config)}"]
    return "\n".join(lines) + "\n"
