"""Put the results of benches on real data into ``bench/results``: a table for each, and one page over all.

    python bench/collect.py FOLDER [FOLDER ...]

The folders are those of ``python -m dnafast.bench``; each becomes ``results/<folder's name>.csv`` with a row for each
model and task (means over seeds and folds, with their intervals), and a section of ``results/README.md``. Of a folder
of ``--probe`` the section holds its answers, and ``results/<folder's name>_effects.csv`` and
``_pairs.csv`` their figures.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dnafast.records import write_csv, write_text
from dnafast.report import numbers
from dnafast.report.results import Dataset, Entry, Results, best_floor, cost, estimate, read_results
from dnafast.report.tables import state
from dnafast.report.wording import commands

RESULTS = Path(__file__).parent / "results"
# Where the files lay on the machine says nothing.
_PATH = re.compile(r"(?<=[ =])[^ =|]*/(?=[^ ])")
_FIGURES = (
    *("auroc", "auprc", "prevalence", "log_loss", "mcc"),
    *("genome_auprc", "genome_prevalence", "genome_recall_at_fdr_50"),
)
_HEAD = """# Results on real data

AUROC and AUPRC on the test part, means over seeds, with 95 % intervals from a bootstrap over stretches of the genome or
groups of related sequences (over several seeds, from the lowest lower to the highest upper end). "Above" means that the
interval lies wholly above that of the best floor, which is the best of three logistic regressions. Made by
`python bench/collect.py`; every figure is in the tables beside this page. Where several runs went at a time, their
`train_seconds` are those of a shared machine and measure nothing. torch and native start from the same weights and see
the same batches; where their figures differ, rounding in training has grown. On a GPU recurrent layers are cuDNN's in
both.

In short: with a few thousand training sequences a logistic regression on counts of 6-mers is hard to beat. On human
promoters `multiscale_cnn` alone is clearly above it (.892 against .851); on E. coli, over five folds, `multiscale_cnn`
and `swap[core=none,head=flatten]` are, but not above the regression on base by position; on binding sites (tf/0), with
6,000 or all 32,378 sequences, on yeast and on 4,048 windows of human DNase-seq no network is. Among recurrent networks
the choice of the cell moves AUROC less than the interval is wide.

Data: E. coli K-12 promoters of all sigma factors (81 bp, with coordinates), DNase-seq peaks of GM12878, HepG2 and
A549 (ENCODE, lifted to hg38, ten windows of chromosome 1), ATAC-seq of S. cerevisiae called by MACS3 hmmratac, core
promoters and the binding sites tf/0 of GUE (Zhou et al. 2023; of the promoters, 8,600 distinct sequences, drawn anew
into parts by shared words).
"""
_TABLE = ("| model | AUROC | AUPRC | against the best floor | training |", "|:--|:--|:--|:--|:--|")


def main(folders: Sequence[str]) -> int:
    """Write the tables and the page."""
    if not folders:
        print(__doc__, file=sys.stderr)
        return 2
    sections = []
    for folder in map(Path, folders):
        if (folder / "probe.json").exists():
            sections += list(_answers(folder))
            continue
        results = read_results(folder)
        rows = [row for dataset in results.datasets for row in _rows(dataset)]
        write_csv(RESULTS / f"{folder.name}.csv", rows)
        sections += list(_section(folder.name, results))
    write_text(RESULTS / "README.md", _HEAD + "\n".join(sections) + "\n")
    return 0


def _rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    for task in dataset.tasks:
        for entry in dataset.entries:
            runs = entry.on(task)
            if not runs:
                continue
            row: dict[str, Any] = {
                "dataset": dataset.name,
                "task": task,
                "model": entry.model,
                "implementation": entry.implementation,
                "n_runs": len(runs),
                "n_train": runs[0].number("n_train"),
                "n_test": runs[0].number("n_test"),
                "training_state": state(entry, task),
                "learning_rate": runs[0].number("learning_rate"),
            }
            for name in _FIGURES:
                found = estimate(runs, name)
                row[name] = None if found is None else found.mean
                if name in ("auroc", "auprc"):
                    row[f"{name}_low"] = None if found is None else found.low
                    row[f"{name}_high"] = None if found is None else found.high
            yield row | {"train_seconds": cost(entry, "train_seconds"), "n_parameters": runs[0].number("n_parameters")}


def _section(name: str, results: Results) -> Iterator[str]:
    for dataset in results.datasets:
        yield from ("", f"## {name} ({dataset.name})", "")
        yield from (f"    {_PATH.sub('', command)}" for command in commands(results))
        yield from ("", f"{dataset.about.get('split', '')}. {_where(results)}Table: [{name}.csv]({name}.csv).")
        for task in dataset.tasks:
            floor = best_floor(dataset, task)
            yield from (
                "",
                f"**{task}**",
                "",
                "| model | AUROC | AUPRC | against the best floor | training |",
                "|:--|:--|:--|:--|:--|",
            )
            for entry in dataset.entries:
                yield _line(entry, task, None if floor is None else floor.high, None if floor is None else floor.mean)


def _answers(folder: Path) -> Iterator[str]:
    tables = []
    for figures in ("effects", "pairs"):
        table = f"{folder.name}_{figures}.csv"
        shutil.copyfile(folder / f"{figures}.csv", RESULTS / table)
        tables.append(f"[{table}]({table})")
    head, _, text = (folder / "summary.md").read_text(encoding="utf-8").partition("\n# ")
    title, _, text = text.partition("\n")
    yield from ("", f"## {folder.name}: {title}", "", f"{head.strip()} Tables: {', '.join(tables)}.", "")
    yield from (_PATH.sub("", line) if line.startswith("    ") else line for line in text.strip().split("\n"))


def _where(results: Results) -> str:
    """The GPU, where the networks were trained on one."""
    is_on_gpu = str(results.config.get("options", {}).get("device", "")).startswith("cuda")
    return f"On one {results.config['machine']['gpu']}. " if is_on_gpu else ""


def _line(entry: Entry, task: str, floor_high: float | None, floor: float | None) -> str:
    found, precision = estimate(entry.on(task), "auroc"), estimate(entry.on(task), "auprc")
    if found is None or precision is None:
        return f"| {entry.label} | – | – | – | failed |"
    against = ""
    if entry.family != "floor" and floor is not None and floor_high is not None:
        above = found.low is not None and found.low > floor_high
        against = f"{found.mean - floor:+.3f}{', above' if above else ''}"
    figures = (f"{one.mean:.3f} [{numbers.interval(one.low, one.high)}]" for one in (found, precision))
    return f"| {entry.label} | {' | '.join(figures)} | {against} | {state(entry, task)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
