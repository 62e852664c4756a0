"""What users get wrong: one sentence on standard error, exit code 2, no traceback, nothing left behind."""

import errno
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dnafast.bench.main import main

BASES = np.frombuffer(b"ACGT", dtype=np.uint8)


def sequence(length: int, seed: int = 0) -> str:
    return BASES[np.random.default_rng(seed).integers(0, 4, length)].tobytes().decode()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a small genome, peaks on it, and sequences of both classes; all of it good."""
    (tmp_path / "genome.fa").write_text(f">chr1\n{sequence(60_000)}\n>chr2\n{sequence(60_000, 1)}\n")
    starts = range(2_000, 58_000, 700)
    peaks = [f"{name}\t{start}\t{start + 200}" for name in ("chr1", "chr2") for start in starts]
    (tmp_path / "peaks.bed").write_text("\n".join(peaks) + "\n")
    for name, first in (("pos", 100), ("neg", 500)):
        records = (f">{name}{i}\n{sequence(60, first + i)}\n" for i in range(80))
        (tmp_path / f"{name}.fa").write_text("".join(records))
    return tmp_path


GENOME = ["--fasta", "{}/genome.fa", "--peaks", "{}/peaks.bed", "--length", "100"]
SEQUENCES = ["--positives", "{}/pos.fa", "--negatives", "{}/neg.fa"]


def changed(arguments: list[str], flag: str, *values: str) -> list[str]:
    """The command line with another value for a flag, or with the flag added."""
    if flag not in arguments:
        return [*arguments, flag, *values]
    at = arguments.index(flag)
    return [*arguments[: at + 1], *values, *arguments[at + 2 :]]


def good(files: Path) -> None:
    """Nothing to spoil."""


def write(name: str, content: str | bytes):
    def spoil(files: Path) -> None:
        (files / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return spoil


def truncated_gzip(files: Path) -> None:
    whole = gzip.compress((files / "genome.fa").read_bytes())
    (files / "genome.fa.gz").write_bytes(whole[: len(whole) // 2])


def file_as_folder(files: Path) -> None:
    (files / "taken").write_text("a file\n")


def other_results(files: Path) -> None:
    (files / "photos").mkdir()
    (files / "photos" / "cat.png").write_bytes(b"cat")


def foreign_configuration(files: Path) -> None:
    (files / "model" / "runs" / "mine").mkdir(parents=True)
    (files / "model" / "config.json").write_text('{"architectures": ["Bert"], "version": "1"}\n')
    (files / "model" / "runs" / "mine" / "weights.bin").write_bytes(b"weeks of work")


def bench_with_inputs(files: Path) -> None:
    """A folder that a bench has written, with the data of the next one in it."""
    (files / "bench").mkdir()
    keys = ("version", "checksums", "options", "command", "machine")
    (files / "bench" / "config.json").write_text(json.dumps(dict.fromkeys(keys)))
    for name in ("pos.fa", "genome.fa", "peaks.bed"):
        (files / "bench" / name).write_bytes((files / name).read_bytes())


BED = "{}/peaks.bed"
PARTS = list(enumerate(["train", "valid", "test"] * 10))
CASES = {
    "no such genome": (good, changed(GENOME, "--fasta", "{}/none.fa"), ["none.fa"]),
    "no such peaks": (good, changed(GENOME, "--peaks", "{}/none.bed"), ["none.bed"]),
    "no such positives": (good, changed(SEQUENCES, "--positives", "{}/none.fa"), ["none.fa"]),
    "empty genome": (write("genome.fa", ""), GENOME, ["genome.fa", "empty"]),
    "not a FASTA": (write("genome.fa", "hello\n"), GENOME, ["genome.fa", "line 1"]),
    "FASTA without header": (write("genome.fa", "ACGT\nACGT\n"), GENOME, ["genome.fa", "line 1"]),
    "duplicate contig": (write("genome.fa", ">chr1\nACGT\n>chr1\nACGT\n"), GENOME, ["genome.fa", "line 3", "chr1"]),
    "truncated gzip": (truncated_gzip, changed(GENOME, "--fasta", "{}/genome.fa.gz"), ["genome.fa.gz", "truncated"]),
    "empty peaks": (write("peaks.bed", ""), GENOME, ["peaks.bed"]),
    "BED with a word for a start": (write("peaks.bed", "chr1\tten\t200\n"), GENOME, ["peaks.bed", "line 1", "ten"]),
    "BED of two columns": (write("peaks.bed", "chr1\t100\n"), GENOME, ["peaks.bed", "line 1"]),
    "start after end": (write("peaks.bed", "chr1\t1\t9\nchr1\t300\t200\n"), GENOME, ["peaks.bed", "line 2", "300"]),
    "negative start": (write("peaks.bed", "chr1\t-5\t200\n"), GENOME, ["peaks.bed", "line 1", "-5"]),
    "other contig names": (
        write("peaks.bed", "1\t500\t700\n2\t500\t700\n"),
        GENOME,
        ["'1'", "'chr1'", "--outside drop"],
    ),
    "beyond the ends": (write("peaks.bed", "chr1\t900000\t900100\n"), GENOME, ["900000", "60000", "--outside drop"]),
    "no peak left": (write("peaks.bed", "chr1\t0\t20\n"), GENOME, ["no window is left", "1 too near an end"]),
    "too few peaks for three parts": (
        write("peaks.bed", "chr1\t500\t700\n"),
        GENOME,
        ["1 open window cannot be split"],
    ),
    "two peaks that are one": (
        write("peaks.bed", "chr1\t500\t700\nchr1\t510\t710\nchr1\t9000\t9100\n"),
        GENOME,
        ["2 open windows cannot be split", "of 3 regions read, 1 closer than half a window to another"],
    ),
    "unknown contig": (good, changed(GENOME, "--contigs", "chr9"), ["chr9", "chr1"]),
    "unknown test contig": (good, changed(GENOME, "--test", "chr9"), ["chr9"]),
    "stranded without strands": (good, changed(GENOME, "--strand", "stranded"), ["--strand stranded"]),
    "two files of one name": (good, changed(GENOME, "--peaks", BED, BED), ["peaks", "NAME=FILE"]),
    "unequal lengths": (write("pos.fa", ">a\nACGT\n>b\nACGTA\n"), SEQUENCES, ["pos.fa", "line 4", "5"]),
    "classes of different lengths": (write("pos.fa", ">a\nACGT\n>b\nACGT\n"), SEQUENCES, ["neg.fa", "60", "4"]),
    "letters that are no bases": (write("pos.fa", ">a\nAC1T\n"), SEQUENCES, ["pos.fa", "line 2", "1"]),
    "one class only": (
        write("t.csv", "sequence,label\n" + f"{sequence(40)},1\n" * 30),
        ["--table", "{}/t.csv"],
        ["t.csv"],
    ),
    "three classes": (
        write("t.csv", "sequence,label\n" + "".join(f"{sequence(40, i)},{i % 3}\n" for i in range(30))),
        ["--table", "{}/t.csv"],
        ["t.csv", "line 4", "2"],
    ),
    "a table of windows without its genome's columns": (
        write("t.csv", "sequence,label\nACGT,1\n"),
        ["--fasta", "{}/genome.fa", "--table", "{}/t.csv"],
        ["t.csv", "#contig"],
    ),
    "unknown model": (good, changed(SEQUENCES, "--models", "lstn"), ["lstn", "'lstm'"]),
    "unknown implementation": (good, changed(SEQUENCES, "--models", "lstm:fast"), ["lstm:fast", "torch"]),
    "model named twice": (good, changed(SEQUENCES, "--models", "lstm", "lstm"), ["lstm", "twice"]),
    "a learning rate for floors alone": (
        good,
        [*SEQUENCES, "--models", "gc_logistic", "--learning-rate", "0.1"],
        ["--learning-rate 0.1", "no effect", "gc_logistic"],
    ),
    "no such device": (good, changed(SEQUENCES, "--device", "tpu"), ["tpu", "cpu"]),
    "no threads": (good, changed(SEQUENCES, "--threads", "0"), ["--threads 0"]),
    "no seed": (good, changed(SEQUENCES, "--seeds", "0"), ["--seeds 0"]),
    "peaks without genome": (good, ["--peaks", "{}/peaks.bed"], ["--fasta"]),
    "genome without peaks": (good, ["--fasta", "{}/genome.fa"], ["--peaks"]),
    "positives alone": (good, ["--positives", "{}/pos.fa"], ["--negatives"]),
    "two kinds of data": (good, [*GENOME, *SEQUENCES], ["--peaks", "--positives"]),
    "one peak file to pool": (good, [*GENOME, "--pool"], ["--pool has no effect with one peak file"]),
    "an option of peaks with sequences": (good, changed(SEQUENCES, "--ratio", "7"), ["--ratio", "no effect"]),
    "an option of peaks with simulated data": (good, ["--exclude", "{}/peaks.bed"], ["--exclude", "no effect"]),
    "a split asked for where the table has one": (
        write("t.csv", "sequence,label,split\n" + "".join(f"{sequence(40, i)},{i % 2},{p}\n" for i, p in PARTS)),
        ["--table", "{}/t.csv", "--test", "chr1"],
        ["--test", "split column"],
    ),
    "an unknown part": (
        write("t.csv", "\nsequence,label,split\n" + "".join(f"{sequence(40, i)},{i % 2},holdout\n" for i in range(9))),
        ["--table", "{}/t.csv"],
        ["t.csv", "line 3", "'holdout'"],
    ),
    "a text that is named like an archive": (
        write("t.zip", "sequence,label,split\n" + "".join(f"{sequence(40, i)},{i % 2},train\n" for i in range(9))),
        ["--table", "{}/t.zip"],
        ["t.zip", "valid part"],
    ),
    "a blacklist with other contig names": (
        write("black.bed", "1\t0\t500\n"),
        changed(GENOME, "--exclude", "{}/black.bed"),
        ["black.bed", "'1'", "'chr1'"],
    ),
    "a seed taken for a number of seeds": (good, changed(SEQUENCES, "--seeds", "20240101"), ["20240101", "very seeds"]),
    "minutes that are no number": (good, changed(SEQUENCES, "--max-minutes", "nan"), ["--max-minutes nan"]),
    "contigs given twice": (good, [*GENOME, "--test", "chr1", "--test", "chr2"], ["--test is given twice", "all its"]),
    "length given twice": (good, [*GENOME, "--length=50"], ["--length is given twice: give it once\n"]),
    "positives given twice": (good, [*SEQUENCES, "--positives", "{}/neg.fa"], ["--positives is given twice"]),
    "an option without a value": (good, [*GENOME, "--test"], ["--test has no value"]),
    "an option without a value before another": (good, [*GENOME, "--exclude", "--quick"], ["--exclude has no value"]),
    "more threads than any machine has": (good, changed(SEQUENCES, "--threads", "99999"), ["99999", "1024", "may use"]),
    "a batch beyond memory": (good, changed(SEQUENCES, "--batch-size", "9" * 12), ["--batch-size 9", "1000000"]),
    "a seed beyond 64 bits": (good, changed(SEQUENCES, "--seeds", "1", "9" * 30), ["--seeds 1 9", "2**63"]),
    "a length beyond any contig": (good, changed(GENOME, "--length", "9" * 30), ["--length 9", "at most"]),
    "epochs without end": (good, changed(SEQUENCES, "--epochs", "9" * 30), ["--epochs 9", "at most"]),
    "a sample beyond 64 bits": (good, changed(SEQUENCES, "--max-train", "9" * 30), ["--max-train 9", "at most"]),
    "an infinite ratio": (good, changed(GENOME, "--ratio", "inf"), ["--ratio inf"]),
    "an infinite learning rate": (good, changed(SEQUENCES, "--learning-rate", "inf"), ["--learning-rate inf"]),
    "a processor without a number": (good, changed(SEQUENCES, "--device", "cpu:"), ["'cpu:'", "cuda:N"]),
    "a digit that is no digit": (good, changed(SEQUENCES, "--device", "cuda:²"), ["'cuda:²'", "cuda:N"]),
    "a name that is no UTF-8": (good, changed(SEQUENCES, "--positives", "{}/\udcff.fa"), ["udcff.fa", "no UTF-8 text"]),
    "output is a file": (file_as_folder, changed(SEQUENCES, "--out", "{}/taken"), ["taken", "not a folder"]),
    "output below a file": (file_as_folder, changed(SEQUENCES, "--out", "{}/taken/out"), ["taken", "not a folder"]),
    "output has somebody's config.json": (
        foreign_configuration,
        changed(SEQUENCES, "--out", "{}/model"),
        ["model", "other files"],
    ),
    "somebody's config.json to overwrite": (
        foreign_configuration,
        changed([*SEQUENCES, "--overwrite"], "--out", "{}/model"),
        ["model", "other files"],
    ),
    "positives in the output": (
        bench_with_inputs,
        changed(changed(SEQUENCES, "--positives", "{}/bench/pos.fa"), "--out", "{}/bench"),
        ["--positives", "bench/pos.fa", "lies in --out"],
    ),
    "peaks in the output to overwrite": (
        bench_with_inputs,
        changed(changed([*GENOME, "--overwrite"], "--peaks", "a={}/bench/peaks.bed"), "--out", "{}/bench"),
        ["--peaks", "bench/peaks.bed", "lies in --out"],
    ),
    "output is somebody's folder": (other_results, changed(SEQUENCES, "--out", "{}/photos"), ["photos", "other files"]),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence_exit_code_2_and_nothing_left_behind(case, files, capsys):
    spoil, arguments, words = CASES[case]
    spoil(files)
    arguments = [argument.replace("{}", str(files)) for argument in arguments]
    if "--out" not in arguments:
        arguments += ["--out", str(files / "out")]
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("dnafast: ")
    assert message.count("\n") == 1, message
    assert "Traceback" not in message
    for word in words:
        assert word in message
    assert {path: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("arguments", [["--lenght", "100"], ["--length", "long"], ["--sample", "best"]])
def test_unknown_flags_and_values_end_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[0].strip("-")[:5] in capsys.readouterr().err


def test_names_are_shown_as_they_are_and_not_as_markup(files, capsys):
    arguments = [
        argument.replace("{}", str(files)) for argument in changed(GENOME, "--peaks", "a[/b][red]:eye:={}/peaks.bed")
    ]
    assert main([*arguments, "--quick", "--plan", "--out", str(files / "out")]) == 0
    assert "a[/b][red]:eye:: positives + negatives" in capsys.readouterr().out


def test_letters_that_the_terminal_lacks_are_no_error(files):
    arguments = [argument.replace("{}", str(files)) for argument in changed(GENOME, "--peaks", "日本={}/peaks.bed")]
    command = [sys.executable, "-m", "dnafast.bench", *arguments, "--quick", "--plan", "--out", str(files / "out")]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    ended = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"??: positives + negatives" in ended.stdout


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 7 TiB"), ["not enough memory", "7 TiB"]),
        (OSError(errno.ENOSPC, "No space left on device", "out/runs.csv"), ["out/runs.csv: No space left on device"]),
    ],
)
def test_what_a_machine_lacks_is_one_sentence(error, words, files, capsys, monkeypatch):
    from dnafast.bench.experiment import Experiment

    def fail(self):
        raise error

    monkeypatch.setattr(Experiment, "run", fail)
    arguments = [argument.replace("{}", str(files)) for argument in SEQUENCES]
    assert main([*arguments, "--quick", "--out", str(files / "out")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for word in words:
        assert word in message
