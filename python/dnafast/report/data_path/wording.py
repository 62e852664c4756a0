"""The sentences about a data path."""

from __future__ import annotations

from dnafast.report import numbers
from dnafast.report.data_path.results import OURS, DataPathResults, label

METHOD = (
    "Each contender works in a process of its own, on the same files and windows. Its answer is compared with "
    "dnafast's before anything is timed. Files are warm in the page cache. A round has as many windows as take "
    "about a tenth of a second, so that a busy neighbour hinders all alike; figures are medians of rounds, and rates "
    "are what to compare. pysam, pyfaidx and py2bit fetch a window at a time, as in a torch Dataset, and numpy "
    "compares the letters with one base after the other, its fastest way, into a buffer that is kept. Rivals have one "
    "thread, so 'times as long' is beside dnafast with one thread, and dnafast with all threads has a row of its own; "
    "so many worker processes can make rivals faster by at most so many times. An epoch takes the same windows from "
    "all. Compare within this page "
    "only: other machines, and other hours on this one, give other figures."
)


def first_line(results: DataPathResults) -> str:
    """What the page begins with: whether the data are real and the figures mean anything."""
    sentences = []
    if results.config["simulated"]:
        sentences.append("Simulated genome: its letters are made up, the speed is not.")
    else:
        sentences.append(f"Measured on {results.config['name']}.")
    if results.config["quick"]:
        sentences.append("Quick run: the figures mean nothing; they only show that every job works.")
    return " ".join(sentences)


def overview(results: DataPathResults) -> str:
    """How much was measured, and whether all agreed."""
    agreed = "All answers agree." if not results.complaints else f"Something is wrong: {' '.join(results.complaints)}."
    absent = f" Not installed: {', '.join(results.absent)}." if results.absent else ""
    rivals = {row["contender"] for row in results.measured} - {OURS}
    alone = "" if rivals else " No rival could be measured, so nothing was compared."
    return f"{len(results.jobs)} jobs between a file and a batch. {agreed if rivals else ''}{alone}{absent}".strip()


def highlights(results: DataPathResults) -> list[str]:
    """The figures that most readers look for, a sentence each."""
    found = []
    for job in results.jobs:
        ours, best = results.fastest(job["name"], OURS), results.fastest(job["name"])
        if ours is None or best is None:
            continue
        if job["name"] in ("first_open", "one_hot_float32"):
            until = how = ""
            if job["name"] == "first_open":
                until = ", until it is on the disk"
                how = ", which reads it into memory" if best["contender"] == "numpy" else ", which only makes an index"
            found.append(
                f"{job['title']}: {numbers.scaled(ours['bases_per_second'])}bases/s with {label(ours)}{until}; "
                f"{numbers.scaled(best['bases_per_second'])}bases/s with {label(best)}, the fastest rival{how}."
            )
        elif job["name"] == "epoch_beside_model" and ours["wait_share"] is not None:
            step = f"{1000 * results.config['step_seconds']:g} ms"
            found.append(
                f"A model that needs {step} for a batch of {results.config['batch_size']:,} waits "
                f"{numbers.percent(ours['wait_share'])} of the time with dnafast, "
                f"{numbers.percent(best['wait_share'])} with {label(best)}."
            )
    return found
