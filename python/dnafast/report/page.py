"""The page itself: what goes where, laid out by the template beside this."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dnafast.report import columns, cost_figures, differences, quality_figures, sizes, tables, wording
from dnafast.report.families import PALETTE
from dnafast.report.results import Dataset, Results, number

# Beyond this many tasks a page of pictures is no longer looked at; the tables go on.
PICTURED_TASKS = 12

_IMPLEMENTATION_KEYS = (
    "auroc", "log_loss", "train_seconds", "train_sequences_per_second", "predict_sequences_per_second", "latency_ms",
    "cpu_user_seconds", "rss_rise_bytes",
)  # fmt: skip

# Parts of config.json that get a table of their own; everything else is an option.
RECORDS = {"machine": "Machine", "versions": "Versions", "checksums": "Checksums"}


def render_page(results: Results) -> str:
    """Return the page as one HTML document that loads nothing from anywhere."""
    config = results.config
    gpu = [column for column in columns.GPU if any(run.number(column.key) is not None for run in results.runs)]
    cost = (*columns.COST, *gpu)
    known = {column.key: column for column in (*columns.QUALITY, *cost, *columns.MORE)}
    side = [known[key] for key in _IMPLEMENTATION_KEYS]
    options = {key: value for key, value in config.items() if key not in {*RECORDS, "command", "starts"}}
    versions = config.get("versions")
    names = ", ".join(dataset.name for dataset in results.datasets)
    return rendered(
        "page.html.j2",
        title=f"{'Simulated data: ' if config.get('simulated') else ''}architectures on {names or 'no data set'}",
        first_line=wording.first_line(results),
        caution=bool(config.get("simulated") or config.get("quick")),
        overview=wording.overview(results),
        no_winner=wording.no_winner(results),
        has_gpu=bool(gpu),
        no_gpu=wording.NO_GPU,
        no_run=wording.NO_RUN,
        any_finished=any(dataset.finished for dataset in results.datasets),
        parts=[_part(results, dataset, place, cost, side) for place, dataset in enumerate(results.datasets, 1)],
        quality=columns.QUALITY,
        cost=cost,
        more=columns.MORE,
        genome=columns.GENOME,
        means=columns.MEANS,
        side=side,
        commands=wording.commands(results),
        data_threads=wording.data_threads(results),
        on_repeating=wording.on_repeating(results),
        records=[(title, list(wording.flattened(config[key]))) for key, title in RECORDS.items() if config.get(key)],
        options=list(wording.flattened(options)),
        terms=[
            *columns.TERMS,
            *(columns.TERMS_OF_FLOORS if results.has_floors else ()),
            *((with_unit(column), column.meaning) for column in (*columns.QUALITY, *cost)),
            *((with_unit(column), column.meaning) for column in (*columns.GENOME, *columns.MEANS[-1:], *columns.MORE)),
        ],
        version=versions.get("dnafast", "") if isinstance(versions, dict) else "",
    )


def rendered(template: str, **values: Any) -> str:
    """Return a page laid out by a template of this package, with the stylesheet and its colours."""
    environment = Environment(
        loader=PackageLoader("dnafast.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    # The stylesheet is the package's own; nothing of the user's is in it.
    css = Markup(files("dnafast.report").joinpath("page.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(palette=PALETTE, css=css, **values)


def _part(
    results: Results, dataset: Dataset, place: int, cost: tuple[columns.Column, ...], side: list[columns.Column]
) -> dict[str, Any]:
    """Return everything that the section of one data set shows."""
    pictured = dataset.tasks[:PICTURED_TASKS]
    steps, flow = tables.flow_table(dataset)
    phase_columns, phase_rows = tables.phase_table(dataset)
    tasks = []
    for index, task in enumerate(dataset.tasks if dataset.entries else ()):
        drawn = quality_figures.curves(results, dataset, task, f"c{place}-{index}") if task in pictured else None
        tasks.append({
            "name": task,
            "id": f"data-{place}-task-{index}",
            "groups": tables.results_table(
                dataset, task, (*columns.QUALITY, *cost), state_after=columns.QUALITY[-1].key
            ),
            "more": tables.results_table(dataset, task, columns.MORE),
            "genome": tables.genome_table(dataset, task),
            "differences": differences.table(differences.compare(results, dataset, task)) if task in pictured else [],
            "curves": drawn,
        })  # fmt: skip
    return {
        "dataset": dataset,
        "facts": _facts(dataset),
        "parts": tables.parts_table(dataset),
        "flow_steps": steps,
        "step_meanings": [(step, columns.STEPS[step]) for step in steps if step in columns.STEPS],
        "flow": flow,
        "dots": quality_figures.auroc_dots(dataset, pictured, f"d{place}") if dataset.finished else None,
        "tasks": tasks,
        "left_out": len(tasks) - len(pictured) if len(tasks) > len(pictured) else 0,
        "tradeoff": cost_figures.cost_against_quality(dataset, f"t{place}"),
        "means": tables.means_table(dataset),
        "sizes": sizes.by_size(dataset, f"s{place}"),
        "size_sentences": sizes.sentences(dataset),
        "searches": tables.search_table(results, dataset),
        "learning": quality_figures.learning(results, dataset, f"l{place}"),
        "phases": cost_figures.phases(dataset, f"p{place}"),
        "phase_columns": phase_columns,
        "phase_rows": phase_rows,
        "implementations": tables.implementations_table(dataset, side),
    }


def _facts(dataset: Dataset) -> list[tuple[str, str]]:
    kinds = {"genome": "windows of a genome", "sequences": "ready-made sequences"}
    about = dataset.about
    facts = []
    if about.get("kind"):
        origin = "simulated " if about.get("simulated") else ""
        facts.append(("What", f"{origin}{kinds.get(about['kind'], about['kind'])}"))
    if (length := number(str(about.get("length")))) is not None:
        facts.append(("Length", f"{length:,.0f} bp"))
    facts.append((f"Task{'s' if len(dataset.tasks) > 1 else ''}", ", ".join(dataset.tasks) or "–"))
    facts.append(("Strand", wording.strand_policy(dataset)))
    if about.get("split"):
        facts.append(("Split", str(about["split"])))
    return facts


def with_unit(column: columns.Column) -> str:
    """Return a column's heading and unit."""
    return f"{column.heading} ({column.unit})" if column.unit else column.heading
