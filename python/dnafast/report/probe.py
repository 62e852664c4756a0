"""The section about a probe: its sentences, its pictures, and what each picture shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from dnafast.probe.answers import answers
from dnafast.probe.results import ProbeResults
from dnafast.report import probe_figures
from dnafast.report.page import RECORDS, rendered
from dnafast.report.wording import command_line, flattened


class Picture(NamedTuple):
    """A picture with what stands above and below it."""

    title: str
    svg: Markup
    caption: str


_PICTURES = (
    (
        "How far back the gradient reaches",
        probe_figures.reach_of_states,
        "The largest singular value of the Jacobian of the last state with respect to the state d bases before, in "
        "networks that read bases and answer from the last state: geometric mean over sequences and seeds; bands run "
        "from the 10 % to the 90 % quantile over sequences, of the outermost seeds. The state of an LSTM is (h, c). A "
        "straight descent is exponential vanishing.",
    ),
    (
        "What each part changes",
        probe_figures.effect_intervals,
        "Mean change of AUROC when one part is exchanged and all else stays: paired differences over folds, 95 % "
        "intervals from Student's t with the variance of Nadeau and Bengio (2003). Hollow: the interval holds 0. A run "
        "that diverged counts as 0.5.",
    ),
    (
        "Gradient norms",
        probe_figures.gradient_norms,
        "Each mark is one run of the factorial. Far above the diagonal the gradient explodes now and then. Crosses "
        "diverged.",
    ),
    (
        "Planted motifs",
        probe_figures.pair_accuracy,
        "Accuracy on fresh sequences by distance. Both classes hold both motifs equally often, and a convolution finds "
        "them for every network. Marks are seeds, lines their means; dotted grey is chance.",
    ),
    (
        "Where networks look",
        probe_figures.by_position,
        "Above, mean attention weights on the test parts (dotted grey: all positions alike); below, the gradient of "
        "the answer with respect to each base, geometric mean over test sequences and folds. Networks with convolution "
        "and clipping. Marks at \N{MINUS SIGN}35 and \N{MINUS SIGN}10 are for sequences from 60 bases before the start "
        "of transcription to 20 behind it, which real ones of 81 bases are taken to be.",
    ),
)


def report_section(folder: str | Path) -> tuple[list[Picture], list[str]]:
    """The pictures and the sentences of the probe in a folder.

    Returns:
        Pictures (title, SVG element for the page, caption), without those whose runs are not there; the five sentences
        of `dnafast.probe.answers.answers`.

    Raises:
        FileNotFoundError, ValueError: as `ProbeResults.load`.
    """
    return section_of(ProbeResults.load(folder))


def section_of(results: ProbeResults) -> tuple[list[Picture], list[str]]:
    """`report_section` of results that are at hand."""
    drawn = [
        Picture(title, svg, caption)
        for number, (title, draw, caption) in enumerate(_PICTURES)
        if (svg := draw(results, f"probe{number}")) is not None
    ]
    return drawn, answers(results)


def probe_page(results: ProbeResults, config: dict[str, Any]) -> str:
    """The page about a probe as one HTML document that loads nothing from anywhere."""
    pictures, sentences = section_of(results)
    data = results.about["data"]
    return rendered(
        "probe.html.j2",
        title=f"{'Simulated promoters: ' if data['simulated'] else ''}why recurrent networks fail",
        first_line=first_line(results),
        caution=bool(data["simulated"] or results.about["quick"]),
        sentences=sentences,
        pictures=pictures,
        facts=[
            ("Data", data["name"]),
            ("Sequences", f"{data['sequences']:,} of {data['length']} bases"),
            ("Folds", data["description"]),
            ("Runs", f"{results.about['runs']:,}"),
        ],
        effects=results.effects,
        command=command_line(config),
        records=[(title, list(flattened(config[key]))) for key, title in RECORDS.items() if config.get(key)],
        options=list(flattened({"sizes": results.about["sizes"]})),
        version=config["version"],
    )


def probe_summary(results: ProbeResults, config: dict[str, Any]) -> str:
    """The sentences as Markdown."""
    lines = [first_line(results), "", "# Why do recurrent networks fail?", ""]
    lines += [f"{number}. {sentence}" for number, sentence in enumerate(answers(results), start=1)]
    return "\n".join([*lines, "", "Repeat with:", "", f"    {command_line(config)}"]) + "\n"


def first_line(results: ProbeResults) -> str:
    """What the page is about, and what it must not be taken for."""
    data = results.about["data"]
    if results.about["quick"]:
        return f"Smoke test on {data['name']}: everything ran, and the figures mean nothing."
    if data["simulated"]:
        return "Simulated promoters: the figures speak of the simulation, not of any organism."
    return f"Measured on {data['name']}, {data['sequences']:,} sequences of {data['length']} bases."
