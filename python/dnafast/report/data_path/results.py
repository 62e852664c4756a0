"""What was measured of a data path: a row for each job and contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]

OURS = "dnafast"
MEASURED = "measured"
# Words for what has no figures; a rival that is not there or cannot read the file is no reason to complain.
STATUSES = {
    "not_installed": "not installed",
    "left_out": "left out",
    "failed": "could not do it",
    "other_answer": "another answer: not timed",
}


@dataclass(frozen=True)
class DataPathResults:
    """The configuration and the rows of data_path.csv, in the order they were measured."""

    config: Mapping[str, Any]
    rows: Sequence[Row]

    @property
    def jobs(self) -> Sequence[Mapping[str, Any]]:
        """Name, title and rate of each job, in order."""
        jobs: Sequence[Mapping[str, Any]] = self.config["jobs"]
        return jobs

    def of(self, job: str) -> list[Row]:
        """The rows of a job."""
        return [row for row in self.rows if row["job"] == job]

    @property
    def measured(self) -> list[Row]:
        """The rows with figures."""
        return [row for row in self.rows if row["status"] == MEASURED]

    @property
    def labels(self) -> list[str]:
        """Contenders that have figures, in order of appearance."""
        return list(dict.fromkeys(label(row) for row in self.measured))

    @property
    def complaints(self) -> list[str]:
        """What must not be: answers that differ, and jobs that dnafast could not do."""
        titles = {job["name"]: job["title"] for job in self.jobs}
        return [
            f"{titles[row['job']]}, {label(row)}: {STATUSES[row['status']]} ({row['error']})"
            for row in self.rows
            if row["status"] == "other_answer" or (row["status"] == "failed" and row["contender"] == OURS)
        ]

    @property
    def silent(self) -> list[str]:
        """What rivals have no figures for, a sentence for each reason."""
        titles = {job["name"]: job["title"] for job in self.jobs}
        found: dict[tuple[str, str], list[str]] = {}
        for row in self.rows:
            if row["status"] in STATUSES and row["contender"] != OURS and row["status"] != "other_answer":
                reason = row["contender"], f"{STATUSES[row['status']]} ({row['error']})"
                found.setdefault(reason, []).append(titles[row["job"]])
        return [f"{contender}, {', '.join(jobs)}: {reason}" for (contender, reason), jobs in found.items()]

    @property
    def absent(self) -> list[str]:
        """Rivals that are not installed."""
        return list(dict.fromkeys(row["contender"] for row in self.rows if row["status"] == "not_installed"))

    def fastest(self, job: str, contender: str | None = None) -> Row | None:
        """The row of the highest rate in one thread: dnafast's, or, without a contender, that of the fastest rival."""
        rate = next(one["rate"] for one in self.jobs if one["name"] == job)
        rows = [
            row
            for row in self.of(job)
            if row["status"] == MEASURED
            and row[rate]
            and row["threads"] == 1
            and (row["contender"] == contender if contender else row["contender"] != OURS)
        ]
        return max(rows, key=lambda row: float(row[rate]), default=None)


def label(row: Row) -> str:
    """The contender, and for dnafast its threads."""
    if row["contender"] != OURS:
        return str(row["contender"])
    threads = row["threads"]
    return f"{OURS}, {threads} thread{'s' if threads > 1 else ''}"
