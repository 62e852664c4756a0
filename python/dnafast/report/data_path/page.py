"""The page about a data path."""

from __future__ import annotations

from dnafast.report import wording as bench_wording
from dnafast.report.data_path import figures, tables, wording
from dnafast.report.data_path.results import DataPathResults
from dnafast.report.page import RECORDS, rendered, with_unit

_TERMS = (
    ("First open", "The file is made ready for the first time: dnafast converts it into its cache and waits until it "
     "is on the disk, pysam and pyfaidx write an index, numpy reads all letters into memory."),
    ("Open again", "The same with the cache or index there."),
    ("Cut windows", "A window around each summit; those over an edge or with too many N are left out, and of crowded "
     "ones the strongest stays."),
    ("Closed windows", "Windows that touch no open region, with the G+C of the open ones unless --sample random."),
    ("One-hot, base codes, k-mer ids", "Batches of windows, from the open genome (or sequences in memory) into "
     "numbers; dnafast fills one buffer again and again."),
    ("Epoch of batches", "All windows in a new order, as one-hot float32 batches: dnafast's Loader, and loops that "
     "fetch and compare letters; the same windows for all."),
    ("Epoch beside a model", "The same with a consumer that leaves the processors alone for a while after each "
     "batch, as a model on a GPU does."),
)  # fmt: skip


def data_path_page(results: DataPathResults) -> str:
    """Return the page as one HTML document that loads nothing from anywhere."""
    config = results.config
    shown = (*RECORDS, "command", "data", "notes", "jobs")
    return rendered(
        "data_path.html.j2",
        title=f"{'Simulated genome: ' if config['simulated'] else ''}speed of the data path",
        first_line=wording.first_line(results),
        caution=bool(config["simulated"] or config["quick"]),
        overview=wording.overview(results),
        is_wrong=bool(results.complaints),
        highlights=wording.highlights(results),
        method=wording.METHOD,
        facts=[
            *config["data"].items(),
            ("Batch", f"{config['batch_size']:,} windows"),
            ("Threads", f"{config['threads']}"),
            ("Neighbours", f"load average {config['load_average']:.1f} in the minute before"),
            ("Disk", f"a private folder in {config['cache']}"),
        ],
        notes=config["notes"],
        relative=figures.times_as_long(results, "r"),
        amounts=figures.amounts(results, "a"),
        columns=tables.COLUMNS,
        jobs=[(job["title"], tables.lines(results, job["name"])) for job in results.jobs],
        command=bench_wording.command_line(config),
        records=[
            (title, list(bench_wording.flattened(config[key]))) for key, title in RECORDS.items() if config.get(key)
        ],
        options=list(bench_wording.flattened({key: value for key, value in config.items() if key not in shown})),
        terms=[*_TERMS, *((with_unit(column), column.meaning) for column in tables.COLUMNS)],
        version=config["version"],
    )
