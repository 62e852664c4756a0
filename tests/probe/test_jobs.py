"""Jobs are done once, in any number of processes, and a start after a kill does what is missing."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dnafast.probe import pairs
from dnafast.probe.config import quick
from dnafast.probe.jobs import carry_out


@dataclass(frozen=True)
class Job:
    """Squares a number, and leaves a mark each time."""

    number: int
    marks: Path
    data: str = "same"
    extra: int = field(default=0)

    @property
    def id(self):
        return f"job{self.number}"

    def config(self):
        return {"number": self.number, "extra": self.extra}

    def checksum(self):
        return self.data

    def perform(self):
        if self.number < 0:
            raise ArithmeticError("no")
        with (self.marks / f"mark{self.number}").open("a") as file:
            file.write("x")
        return {"square": self.number**2, "pair": (1, 2)}


def done(marks):
    return {path.name: len(path.read_text()) for path in marks.glob("mark*")}


def test_each_job_is_done_once_and_found_again(tmp_path):
    jobs = [Job(number, tmp_path) for number in range(3)]
    first = {job.id: result for job, result in carry_out(jobs, tmp_path / "runs")}
    assert first == {f"job{number}": {"square": number**2, "pair": [1, 2]} for number in range(3)}
    again = {job.id: result for job, result in carry_out(jobs, tmp_path / "runs")}
    assert again == first
    assert done(tmp_path) == {"mark0": 1, "mark1": 1, "mark2": 1}


def test_several_processes_give_what_one_gives(tmp_path):
    jobs = pairs.runs(quick())[:2]
    alone, together = (
        {job.id: result["rows"] for job, result in carry_out(jobs, tmp_path / str(processes), processes=processes)}
        for processes in (1, 2)
    )
    assert alone == together


def test_what_was_done_before_a_break_is_kept(tmp_path):
    jobs = [Job(1, tmp_path), Job(-1, tmp_path), Job(2, tmp_path)]
    with pytest.raises(ArithmeticError):
        list(carry_out(jobs, tmp_path / "runs"))
    assert not (tmp_path / "runs" / "job-1").exists()
    assert len(list(carry_out([jobs[0], jobs[2]], tmp_path / "runs"))) == 2
    assert done(tmp_path) == {"mark1": 1, "mark2": 1}


def test_a_finished_job_of_another_configuration_or_other_data_is_refused_before_any_begins(tmp_path):
    list(carry_out([Job(1, tmp_path)], tmp_path / "runs"))
    for other, words in ((Job(1, tmp_path, extra=1), "extra"), (Job(1, tmp_path, data="other"), "the data")):
        with pytest.raises(ValueError, match=f"differs in {words}.*--overwrite"):
            list(carry_out([Job(5, tmp_path), other], tmp_path / "runs"))
    assert "mark5" not in done(tmp_path)
    list(carry_out([Job(1, tmp_path, extra=1)], tmp_path / "runs", overwrite=True))
    assert done(tmp_path)["mark1"] == 2
    assert json.loads((tmp_path / "runs" / "job1" / "record.json").read_text())["config"]["extra"] == 1
