"""The report of a made-up bench: two data sets, three tasks, every family, and a run of each kind that goes wrong."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from dnafast.records import write_csv, write_json
from dnafast.report import canvas, terminal_table, write_report
from dnafast.report.columns import COST, GENOME, MORE, QUALITY, STEPS, Column
from dnafast.report.cost_figures import PHASES, _phase_look, pareto_front, phases
from dnafast.report.families import PALETTE
from dnafast.report.numbers import amount, megabytes, quality, scaled
from dnafast.report.quality_figures import auroc_dots, learning
from dnafast.report.results import Entry, Estimate, Run, best_floor, cost, estimate, read_results
from dnafast.report.tables import implementations_table, mark, results_table, state
from dnafast.report.wording import first_line
from made_up_bench import MODELS, NASTY, Page, reported, write_bench


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = write_bench(tmp_path_factory.mktemp("demonstration"))
    write_report(out)
    return out


def test_page_is_one_file_that_loads_nothing(demonstration: Path) -> None:
    page = Page(demonstration / "report.html")
    source = (demonstration / "report.html").read_text(encoding="utf-8")
    assert page.loads == []
    assert "http" not in source.replace("http-equiv", "")
    assert re.search(r"@import|url\((?!#)", source) is None
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert "default-src 'none'" in source


def test_page_shows_every_model_and_every_picture(demonstration: Path) -> None:
    page = Page(demonstration / "report.html")
    for name in (*MODELS, "deepbind (native)", "open in A", "open in C", "simulated promoters"):
        assert name in page.words
    # Per data set: AUROC, cost, learning, phases; per task: the curves.
    assert page.tags.count("svg") == 2 * 4 + 4
    assert "No winner is named." in page.text
    assert "padded to 600" in page.words
    assert "budget ended before it converged" in page.words
    assert "not told from chance on validation" in page.words
    assert "never learned" not in page.text
    assert "Torch and native, side by side" in page.words
    assert page.words.count("Data path") == 2 + 1  # a panel per data set and the glossary
    assert "python -m dnafast.bench --seeds 2 --out demo" in page.words
    assert "3f5a" * 8 in page.words
    assert re.search(r"\bnan\b|\binf\b|\bNone\b", page.text, re.IGNORECASE) is None


def test_ids_are_unique_outside_pictures_and_never_shared_between_them(demonstration: Path) -> None:
    source = (demonstration / "report.html").read_text(encoding="utf-8")
    owners: dict[str, int] = {}
    for place, svg in enumerate(re.findall(r"<svg.*?</svg>", source, re.DOTALL)):
        for identifier in set(re.findall(r'\bid="([^"]*)"', svg)):
            assert owners.setdefault(identifier, place) == place
        for target in re.findall(r'(?:href="#|url\(#)([^")]+)', svg):
            assert f'id="{target}"' in svg


def test_pictures_take_their_colours_from_the_page(demonstration: Path) -> None:
    source = (demonstration / "report.html").read_text(encoding="utf-8")
    for svg in re.findall(r"<svg.*?</svg>", source, re.DOTALL):
        assert "var(--ink)" in svg
        assert set(re.findall(r"(?:fill|stroke): (#[0-9a-fA-F]{6})", svg)) == set()
        assert "DejaVu" not in svg


@pytest.mark.parametrize(
    ("simulated", "quick", "expected"),
    [
        (True, False, "Simulated data: "),
        (True, True, "Simulated data: "),
        (False, True, "Quick run: the figures mean nothing"),
        (False, False, "Measured on K562."),
    ],
)
def test_first_line_tells_what_the_figures_are_worth(
    tmp_path: Path, simulated: bool, quick: bool, expected: str
) -> None:
    write_bench(tmp_path, models=("gc_logistic",), datasets={"K562": ("open",)}, simulated=simulated, quick=quick)
    line = first_line(read_results(tmp_path))
    assert line.startswith(expected)
    assert ("mean nothing" in line) == quick


def test_first_line_comes_first(demonstration: Path) -> None:
    line = Page(demonstration / "report.html").words[0]
    assert line.startswith("Simulated data: ")
    assert (demonstration / "summary.md").read_text().splitlines()[0] == line
    assert json.loads((demonstration / "summary.json").read_text())["first_line"] == line


def test_names_of_the_user_are_escaped(tmp_path: Path) -> None:
    page = reported(tmp_path, models=("lstm", "gc_logistic"), datasets={NASTY: (NASTY, "NA", "$a_b$")})
    assert "script" not in page.tags
    assert NASTY in page.words
    assert "$a_b$" in page.words
    assert "NA" in page.words
    markdown = (tmp_path / "summary.md").read_text()
    assert "<script>" not in markdown.replace("\\<", "")
    assert json.loads((tmp_path / "summary.json").read_text())["datasets"][0]["name"] == NASTY
    Console(file=io.StringIO(), width=80).print(terminal_table(tmp_path))


def test_failed_run_is_visible_everywhere(demonstration: Path) -> None:
    error = "RuntimeError: [enforce fail] <b>cannot</b> allocate 12884901888 bytes for deepsea"
    page = Page(demonstration / "report.html")
    assert f"failed: {error}" in page.words
    assert "b" not in page.tags
    assert "60 of 62 runs finished, 2 did not." in page.text
    assert "allocate 12884901888 bytes" in (demonstration / "summary.md").read_text()
    terminal = io.StringIO()
    Console(file=terminal, width=200).print(terminal_table(demonstration))
    assert f"deepsea, seed 1 did not finish: {error}" in terminal.getvalue()


def test_summary_json_holds_every_run(demonstration: Path) -> None:
    summary = json.loads((demonstration / "summary.json").read_text())
    with (demonstration / "runs.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(summary["runs"]) == len(rows)
    # The page groups runs by model: the same rows in another order.
    by_key = {(run["run_id"], run["task"]): run for run in summary["runs"]}
    for row in rows:
        run = by_key[row["run_id"], row["task"]]
        assert run["finished"] == (row["status"] == "finished")
        assert run["auroc"] == (float(row["auroc"]) if row["auroc"] else None)
        assert run["gpu_peak_bytes"] is None
    lstm = next(item for item in summary["datasets"][0]["models"] if item["model"] == "lstm")
    assert lstm["n_runs"] == 2
    assert lstm["auroc"]["mean"] == pytest.approx(sum(lstm["auroc"]["values"]) / 2)
    assert lstm["auroc"]["low"] < min(lstm["auroc"]["values"])


def test_terminal_table_fits_and_shows_floors(demonstration: Path) -> None:
    terminal = io.StringIO()
    Console(file=terminal, width=100).print(terminal_table(demonstration))
    lines = terminal.getvalue().splitlines()
    assert lines[0].startswith("Simulated data: ")
    assert all(len(line) <= 100 for line in lines)
    assert "…" not in terminal.getvalue()
    for name in MODELS:
        assert any(line.strip().startswith(name) for line in lines)


def test_terminal_says_on_which_side_of_the_best_floor(tmp_path: Path) -> None:
    reported(tmp_path, models=("kmer_logistic", "lstm", "danq", "basset"), datasets={"one": ("open",)}, seeds=2)
    dataset = read_results(tmp_path).datasets[0]
    floor = estimate(next(entry for entry in dataset.entries if entry.family == "floor").on("open"), "auroc")
    terminal = io.StringIO()
    Console(file=terminal, width=100).print(terminal_table(tmp_path))
    signs = {}
    for entry in dataset.entries:
        line = next(line for line in terminal.getvalue().splitlines() if line.strip().startswith(entry.label))
        found = estimate(entry.on("open"), "auroc")
        sign = re.search(r"–\.\d\d([~+−]?) ", line)
        assert sign
        signs[entry.label] = sign[1]
        if entry.family == "floor":
            assert sign[1] == ""
        elif found.low > floor.high:
            assert sign[1] == "+"
        elif found.high >= floor.low:
            assert sign[1] == "~"
        else:
            assert sign[1] == ("−" if entry.converged("open") else "")
    assert len(set(signs.values())) > 1


def test_single_model_and_single_task(tmp_path: Path) -> None:
    page = reported(tmp_path, models=("basset",), datasets={"one": ("open",)}, seeds=1)
    assert "basset" in page.words
    assert page.tags.count("svg") == 4  # one model has no cost to weigh against another's
    assert "1 network, 1 data set, 1 task, 1 seed; 1 of 1 run finished." in page.text


def test_without_floors_nothing_is_said_of_them_but_that_they_are_missing(tmp_path: Path, demonstration: Path) -> None:
    left_open = "No floor has finished: whether a network finds more than a linear model is left open."
    page = reported(tmp_path, models=("lstm", "basset"), datasets={"one": ("open",)})
    terminal = io.StringIO()
    Console(file=terminal, width=300).print(terminal_table(tmp_path))
    for text in (page.text, (tmp_path / "summary.md").read_text(), terminal.getvalue()):
        assert left_open in text
        assert re.search("floor", text.replace(left_open, "", 1), re.IGNORECASE) is None
    drawn = re.findall(r"<svg.*?</svg>", (tmp_path / "report.html").read_text(encoding="utf-8"), re.DOTALL)
    assert drawn
    assert not any("floor" in svg for svg in drawn)
    page = Page(demonstration / "report.html")
    assert "Lines through a panel are the floors" in page.text
    assert "Overlaps the best floor" in page.words
    assert left_open not in page.text


def test_many_tasks_stop_the_pictures_but_not_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnafast.report.page.PICTURED_TASKS", 1)
    page = reported(tmp_path, models=("gc_logistic",), datasets={"many": ("A549", "HepG2", "K562")}, n_test=60)
    assert page.tags.count("svg") == 3
    assert "Pictures are drawn for the first 1 of 3 tasks; the tables hold them all." in page.text
    assert [page.words.count(task) >= 2 for task in ("A549", "HepG2", "K562")] == [True] * 3


def test_nothing_finished_says_so(tmp_path: Path) -> None:
    page = reported(tmp_path, models=("lstm", "gru"), datasets={"one": ("open",)}, seeds=1, broken=("lstm", "gru"))
    assert page.text.count("No run has finished: there is no figure to show.") == 1
    assert page.tags.count("svg") == 0
    assert "0 of 2 runs finished, 2 did not." in page.text
    assert "No run has finished" in (tmp_path / "summary.md").read_text()
    terminal = io.StringIO()
    Console(file=terminal, width=100).print(terminal_table(tmp_path))
    assert "No run has finished" in terminal.getvalue()


def test_no_runs_at_all(tmp_path: Path) -> None:
    page = reported(tmp_path, models=(), datasets={"one": ("open",)})
    assert "No model was run on this data set." in page.text


def test_scores_and_histories_may_be_gone(tmp_path: Path) -> None:
    write_bench(tmp_path, models=("lstm", "gc_logistic"), datasets={"one": ("open",)})
    shutil.rmtree(tmp_path / "runs")
    (tmp_path / "phases.csv").unlink()
    write_report(tmp_path)
    assert Page(tmp_path / "report.html").tags.count("svg") == 2


def test_gpu_columns_only_with_figures(tmp_path: Path, demonstration: Path) -> None:
    without = Page(demonstration / "report.html")
    assert "GPU memory" not in without.words
    assert "No GPU columns: no run found a GPU counter on this machine, and nothing is guessed." in without.words
    page = reported(tmp_path, models=("lstm",), datasets={"one": ("open",)}, gpu=True)
    assert "GPU memory" in page.words
    assert "GPU energy" not in page.words  # nobody measured it
    assert "No GPU columns" not in page.text


def test_missing_figures_are_dashes(tmp_path: Path) -> None:
    write_bench(tmp_path, models=("lstm", "gc_logistic"), datasets={"one": ("open",)}, seeds=1)
    with (tmp_path / "runs.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        row |= {"latency_ms": "", "peak_rss_bytes": "nan", "auroc_low": "", "auroc_high": "inf", "mcc": "NaN"}
    write_csv(tmp_path / "runs.csv", rows)
    write_report(tmp_path)
    page = Page(tmp_path / "report.html")
    assert "–" in page.words
    assert re.search(r"\bnan\b|\binf\b", page.text, re.IGNORECASE) is None


@pytest.mark.parametrize("name", ["config.json", "data.json", "runs.csv"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_bench(tmp_path, models=("gc_logistic",), datasets={"one": ("open",)})
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_broken_json_is_named_with_its_line(tmp_path: Path) -> None:
    write_bench(tmp_path, models=("gc_logistic",), datasets={"one": ("open",)})
    (tmp_path / "data.json").write_text("[\n{,}]")
    with pytest.raises(ValueError, match=r"data\.json: line 2 is not valid JSON"):
        write_report(tmp_path)


def test_same_folder_same_page(tmp_path: Path) -> None:
    reported(tmp_path, models=("lstm", "gc_logistic"), datasets={"one": ("open",)})
    before = (tmp_path / "report.html").read_bytes()
    write_report(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before


def test_mark_never_calls_an_unfinished_training_worse(demonstration: Path) -> None:
    dataset = read_results(demonstration).datasets[0]
    marks = {entry.label: mark(entry, "open in A", best_floor(dataset, "open in A")) for entry in dataset.entries}
    assert marks["rnn"] == ""  # at chance, far below the floors
    assert marks["birnn"] == ""  # budget ended
    assert marks["kmer_cnn"] == "overlaps the best floor"
    assert marks["bilstm"] == ""
    assert marks["kmer_logistic"] == ""


def test_marks_stand_only_beside_the_intervals_that_they_compare(demonstration: Path) -> None:
    dataset = read_results(demonstration).datasets[0]

    def marks(columns: Sequence[Column]) -> set[str]:
        return {row.mark for group in results_table(dataset, "open in A", columns) for row in group.rows}

    assert marks(QUALITY) == {"", "overlaps the best floor"}
    assert marks(GENOME) == marks(MORE) == {""}


def test_estimate_and_cost_by_hand() -> None:
    runs = tuple(
        Run(
            {
                "model": "gc_logistic",
                "run_id": "a",
                "task": task,
                "seed": seed,
                "auroc": auroc,
                "auroc_low": low,
                "auroc_high": high,
                "train_seconds": seconds,
            }
        )
        for task, seed, auroc, low, high, seconds in [
            ("x", "0", "0.8", "0.7", "0.85", "3"),
            ("y", "0", "0.6", "0.5", "0.65", "5"),
            ("x", "1", "0.9", "0.82", "0.95", "4"),
        ]
    )
    entry = Entry("gc_logistic", "scikit-learn", runs)
    assert estimate(entry.on("x"), "auroc") == Estimate(pytest.approx(0.85), (0.8, 0.9), 0.7, 0.95)
    assert cost(entry, "train_seconds") == pytest.approx((3 + 5 + 4) / 2)
    assert estimate(entry.on("x"), "latency_ms") is None


def test_state_counts_runs_that_ended_differently() -> None:
    ends = ("converged", "budget_ended", "budget_ended")
    runs = tuple(
        Run({"run_id": str(place), "task": "x", "training_state": end, "auroc": "0.7"})
        for place, end in enumerate(ends)
    )
    words = state(Entry("lstm", "torch", runs), "x")
    assert words == "2 of 3 budget ended before it converged; 1 of 3 converged"


def test_pareto_front_by_hand() -> None:
    entry = Entry("lstm", "torch", ())
    hopeless = Entry("rnn", "torch", (Run({"run_id": "r", "training_state": "at_chance", "auroc": "0.5"}),))
    points = [(entry, 3.0, 0.9), (entry, 1.0, 0.7), (entry, 2.0, 0.6), (entry, 4.0, 0.9), (hopeless, 0.5, 0.5)]
    assert [(x, y) for _, x, y in pareto_front(points)] == [(1.0, 0.7), (3.0, 0.9)]


@pytest.mark.parametrize(("low", "on_the_front"), [("0.49", False), ("0.51", True)])
def test_a_network_whose_test_interval_is_above_chance_stays_on_the_front(low: str, on_the_front: bool) -> None:
    cells = {"run_id": "r", "training_state": "at_chance", "auroc": "0.8", "auroc_low": low, "auroc_high": "0.9"}
    entry = Entry("rnn", "torch", (Run(cells),))
    assert bool(pareto_front([(entry, 1.0, 0.8)])) == on_the_front


def test_implementations_are_compared_on_the_seeds_that_both_have(tmp_path: Path) -> None:
    write_bench(tmp_path, models=("deepbind",), datasets={"one": ("open",)}, seeds=3)
    with (tmp_path / "runs.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if (row["implementation"], row["seed"]) != ("native", "2")]
    for row in rows:
        # A seed that one of them lacks would change the mean.
        row["latency_ms"] = {"0": "1", "1": "3", "2": "1000"}[row["seed"]]
    write_csv(tmp_path / "runs.csv", rows)
    (dataset,) = read_results(tmp_path).datasets
    latency = [column for column in COST if column.key == "latency_ms"]
    plain, native = implementations_table(dataset, latency)
    assert (plain.notes, native.notes) == (("torch", "2 runs each"), ("native", "2 runs each"))
    assert (plain.cells[0].text, native.cells[0].text) == ("2.00", "2.00")
    assert native.cells[0].detail == "× 1.00"
    write_csv(
        tmp_path / "runs.csv", [row for row in rows if (row["implementation"] == "native") != (row["seed"] == "0")]
    )
    (dataset,) = read_results(tmp_path).datasets
    assert implementations_table(dataset, latency) == []


def test_each_phase_has_a_look_of_its_own_in_both_pictures_and_legends(demonstration: Path) -> None:
    (dataset, *_) = read_results(demonstration).datasets
    of_run = next(row for row in dataset.phases if row["model"] == "lstm")
    rows = tuple({**of_run, "scope": scope, "phase": phase} for scope, names in PHASES.items() for phase in names)
    drawn = phases(replace(dataset, phases=rows), "p")
    looks = {
        (look["facecolor"], look["hatch"])
        for scope, names in PHASES.items()
        for look in map(partial(_phase_look, scope), names)
    }
    assert len(looks) == len(rows)
    for scope, names in PHASES.items():
        for place, phase in enumerate(names):
            assert drawn.count(f">{phase}<") == 1
            # The bar and its place in the legend; a hatched one has its colour in the pattern that both refer to.
            assert drawn.count(f"var(--{scope}-{place})") >= 1
    assert _phase_look("model", "a phase of tomorrow")["facecolor"] == PALETTE["model-6"][0]


def test_marks_at_the_end_of_the_scale_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []
    monkeypatch.setattr(canvas, "to_svg", lambda made, *_: limits.append([axes.get_xlim() for axes in made.axes]))
    write_bench(tmp_path, models=("basset",), datasets={"one": ("open",)}, seeds=1)
    with (tmp_path / "runs.csv").open(newline="") as lines:
        rows = [row | {"auroc": "1.0", "auroc_low": "0.99", "auroc_high": "1.0"} for row in csv.DictReader(lines)]
    write_csv(tmp_path / "runs.csv", rows)
    (dataset,) = read_results(tmp_path).datasets
    auroc_dots(dataset, ["open"], "d")
    assert limits[0][0][1] == pytest.approx(1.015)


def test_learning_curves_show_the_floor_and_explain_a_single_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = []
    monkeypatch.setattr(canvas, "to_svg", lambda made, *_: figures.append(made))
    write_bench(tmp_path, models=("lstm", "gc_logistic"), datasets={"one": ("open",)}, seeds=1)
    with (tmp_path / "runs.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    rows[-1]["log_loss"] = "0.01"
    write_csv(tmp_path / "runs.csv", rows)
    results = read_results(tmp_path)
    learning(results, results.datasets[0], "l")
    panel = figures[0].axes[0]
    assert panel.get_ylim()[0] <= 0.01
    assert figures[0].legends[0].get_texts()[0].get_text() == "training"
    history = next((tmp_path / "runs").glob("*lstm*")) / "history.csv"
    history.write_text("\n".join(history.read_text().splitlines()[:2]) + "\n")
    learning(results, results.datasets[0], "l")
    panel = figures[1].axes[0]
    assert (panel.get_xlim(), list(panel.get_xticks())) == ((0, 2), [1])
    assert figures[1].legends[0].get_texts()[0].get_text() == "training (hollow dot: evaluated once)"


def test_every_step_that_the_flow_shows_is_explained(demonstration: Path) -> None:
    page = Page(demonstration / "report.html").text
    for step in ("read", "outside", "excluded", "N", "edge", "duplicate", "used"):
        assert f"{step}: {STEPS[step]}" in page
    assert STEPS["summit_missing"] not in page


@pytest.mark.parametrize(("threads", "words"), [(0, "no thread of its own"), (2, "threads of its own while")])
def test_the_picture_of_time_says_how_the_data_path_worked(tmp_path: Path, threads: int, words: str) -> None:
    write_bench(tmp_path, models=("lstm",), datasets={"one": ("open",)}, seeds=1)
    config = json.loads((tmp_path / "config.json").read_text())
    write_json(tmp_path / "config.json", config | {"resources": {"data_threads": threads}})
    write_report(tmp_path)
    assert words in Page(tmp_path / "report.html").text


def test_figures_as_text() -> None:
    assert [amount(value) for value in (None, 0, 0.00271, 0.4, 6.1, 44.04, 150.2, 12345.6)] == [
        "–",
        "0",
        "0.00271",
        "0.400",
        "6.10",
        "44.0",
        "150",
        "12,346",
    ]
    assert [scaled(value) for value in (2, 999.6, 176_449, 52_843_119)] == [
        "2.00",
        "1.00\xa0k",
        "176\xa0k",
        "52.8\xa0M",
    ]
    assert quality(-0.1234) == "−0.123"
    assert quality(float("nan")) == "–"
    assert megabytes(4.1e8) == "410"
