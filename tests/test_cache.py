"""Converted genomes in the cache: found again, made anew, and never half-written."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dnafast
from dnafast import cache
from dnafast.cache import CacheWarning
from dnafast.genome import FormatError
from test_genome import NASTY, check_letters

WriteFasta = Callable[..., Path]


def test_cache_is_used(write_fasta: WriteFasta, cache_folder: Path) -> None:
    path = write_fasta(NASTY)
    first = dnafast.Genome(path)
    entries = {entry: entry.stat().st_mtime_ns for entry in cache_folder.iterdir()}
    assert sorted(entry.suffix for entry in entries) == [".2bit", ".json"]
    second = dnafast.Genome(path)
    assert {entry: entry.stat().st_mtime_ns for entry in cache_folder.iterdir()} == entries
    assert second.report == first.report
    check_letters(second, NASTY)
    record = json.loads(next(cache_folder.glob("*.json")).read_text())
    assert record["iupac_as_n"] == first.report["iupac_as_n"]


def test_a_changed_file_is_converted_anew(write_fasta: WriteFasta, cache_folder: Path) -> None:
    path = write_fasta({"a": "ACGT"})
    old = dnafast.Genome(path)
    (twobit,) = cache_folder.glob("*.2bit")
    family = ".".join(twobit.name.split(".")[:-2])
    left_behind, in_progress = cache_folder / f"{family}.0.tmp", cache_folder / f"{family}.1.tmp"
    for temporary in (left_behind, in_progress):
        temporary.write_text("")
    os.utime(left_behind, ns=(1, 1))
    write_fasta({"a": "TTTT"})
    os.utime(path, ns=(1, 1))
    assert dnafast.Genome(path).fetch("a", 0, 4) == "TTTT"
    assert old.fetch("a", 0, 4) == "ACGT", "what is open stays as it was"
    assert in_progress.exists()
    assert len(list(cache_folder.iterdir())) == 3, "the outdated entry is gone"


def test_files_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder, letters in (("x", "ACGT"), ("y", "GGGG")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "genome.fa").write_text(f">a\n{letters}\n")
        os.utime(tmp_path / folder / "genome.fa", ns=(5, 5))
    assert dnafast.Genome(tmp_path / "x" / "genome.fa").fetch("a", 0, 4) == "ACGT"
    assert dnafast.Genome(tmp_path / "y" / "genome.fa").fetch("a", 0, 4) == "GGGG"
    assert dnafast.Genome(tmp_path / "x" / "genome.fa").fetch("a", 0, 4) == "ACGT"


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        ("cut", r"\.2bit has \d+ bytes, \d+ were written"),
        ("empty", r"\.2bit has 0 bytes"),
        ("no signature", r"\.2bit: this is no .2bit file"),
        ("another version", r"\.2bit: version 7 of .2bit is not known"),
        ("cut json", r"\.json is damaged"),
        ("json of another kind", r"\.json is damaged"),
        ("json of another file", r"\.json is damaged"),
    ],
)
def test_an_unsound_entry_is_made_anew_with_a_word(
    write_fasta: WriteFasta, cache_folder: Path, damage: str, word: str
) -> None:
    path = write_fasta(NASTY)
    dnafast.Genome(path)
    (twobit,) = cache_folder.glob("*.2bit")
    (sidecar,) = cache_folder.glob("*.json")
    data = twobit.read_bytes()
    if damage == "cut":
        twobit.write_bytes(data[:-1])
    elif damage == "empty":
        twobit.write_bytes(b"")
    elif damage == "no signature":
        twobit.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif damage == "another version":
        twobit.write_bytes(data[:4] + b"\x07" + data[5:])
    elif damage == "cut json":
        sidecar.write_text(sidecar.read_text()[:20])
    elif damage == "json of another kind":
        sidecar.write_text("[1]")
    else:
        record = json.loads(sidecar.read_text())
        record["origin"]["path"] = "/elsewhere"
        sidecar.write_text(json.dumps(record))
    with pytest.warns(CacheWarning, match=rf"{word}.*: '.*genome.fa' is converted anew$") as told:
        genome = dnafast.Genome(path)
    assert [Path(warning.filename).name for warning in told] == [Path(__file__).name]
    check_letters(genome, NASTY)
    check_letters(dnafast.Genome(path), NASTY)
    assert len(list(cache_folder.iterdir())) == 2
    assert twobit.read_bytes() == data


@pytest.mark.parametrize("missing", ["json", "2bit"])
def test_half_an_entry_is_none(write_fasta: WriteFasta, cache_folder: Path, missing: str) -> None:
    """What a process that was killed between the two files leaves, or one that is at it right now: no cause to warn."""
    path = write_fasta(NASTY)
    dnafast.Genome(path)
    next(cache_folder.glob(f"*.{missing}")).unlink()
    check_letters(dnafast.Genome(path), NASTY)
    assert len(list(cache_folder.iterdir())) == 2


def test_the_entry_of_another_version_is_replaced_with_a_word(
    write_fasta: WriteFasta, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fasta(NASTY)
    monkeypatch.setattr(cache, "_FORMAT", 0)
    dnafast.Genome(path)
    old = set(cache_folder.iterdir())
    monkeypatch.undo()
    monkeypatch.setenv("DNAFAST_CACHE", str(cache_folder))
    with pytest.warns(CacheWarning, match=r"another version of dnafast .*: '.*genome.fa' is converted anew") as told:
        genome = dnafast.Genome(path)
    assert [Path(warning.filename).name for warning in told] == [Path(__file__).name]
    check_letters(genome, NASTY)
    assert len(list(cache_folder.iterdir())) == 2
    assert not old & set(cache_folder.iterdir())
    check_letters(dnafast.Genome(path), NASTY)


def test_the_same_size_and_time_pass_for_the_same_file(write_fasta: WriteFasta) -> None:
    """As documented: whoever restores the time of a changed file must touch it or empty the cache."""
    path = write_fasta({"a": "ACGT"})
    os.utime(path, ns=(7, 7))
    dnafast.Genome(path)
    path.write_text(path.read_text().replace("ACGT", "TTTT"))
    os.utime(path, ns=(7, 7))
    assert dnafast.Genome(path).fetch("a", 0, 4) == "ACGT"
    os.utime(path, ns=(8, 8))
    assert dnafast.Genome(path).fetch("a", 0, 4) == "TTTT"


@pytest.mark.parametrize("change", ["shrinks", "grows", "is replaced", "goes"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_fasta_that_changes_while_it_is_read(
    write_fasta: WriteFasta, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, change: str, compressed: bool
) -> None:
    path = write_fasta({"a": "ACGTTGCA" * 20_000, "b": "ACGT" * 1000})
    if compressed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    function = "inflate" if compressed else "read_ahead"
    read = getattr(cache, function)

    def disturbed(*arguments: Any) -> Iterator[Any]:
        first = True
        for text in read(*arguments) if compressed else read(*arguments, 4096):
            yield text
            if first and change == "shrinks":
                os.truncate(path, 5000)
            elif first and change == "grows":
                with path.open("ab") as file:
                    file.write(b">c\nACGT\n")
            elif first and change == "is replaced":
                path.with_suffix(".new").write_bytes(path.read_bytes())
                path.with_suffix(".new").replace(path)
                os.utime(path, ns=(1, 1))
            elif first:
                path.unlink()
            first = False

    monkeypatch.setattr(cache, function, disturbed)
    with pytest.raises(
        (OSError, FormatError), match=r"genome.fa(' changed while it was read; open it again|.* damaged)"
    ):
        dnafast.Genome(path)
    assert not list(cache_folder.iterdir())


def test_a_fasta_that_shrinks_while_its_genome_is_open(write_fasta: WriteFasta) -> None:
    path = write_fasta({"a": "ACGTTGCA" * 20_000})
    genome = dnafast.Genome(path)
    os.truncate(path, 10)
    assert genome.fetch("a", 159_990, 160_000) == "CAACGTTGCA"
    assert dict(dnafast.Genome(path).contigs) == {"a": 7}


def test_cache_that_cannot_be_written(tmp_path: Path, write_fasta: WriteFasta, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("DNAFAST_CACHE", str(blocked / "cache"))
    with pytest.raises(
        OSError, match=r"into the cache folder '.*file/cache' \(Not a directory\); set DNAFAST_CACHE to"
    ):
        dnafast.Genome(write_fasta(NASTY))


def last_line(code: str, *arguments: object, **options: Any) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )
    assert result.returncode == 1, result
    return result.stderr.splitlines()[-1]


OPEN = "import sys, dnafast; dnafast.Genome(sys.argv[1])"


@pytest.mark.parametrize("limit", [0, 40, 100_000, 200_000])
def test_a_full_disk_leaves_nothing_behind(write_fasta: WriteFasta, cache_folder: Path, limit: int) -> None:
    """A limit on the size of files stands in for the disk; writing fails at the start, in the middle and at the end."""
    resource = pytest.importorskip("resource")
    path = write_fasta(dict.fromkeys("abc", "ACGTTGCA" * 30000))

    def narrow() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    message = last_line(OPEN, path, preexec_fn=narrow)
    assert message.startswith(f"OSError: '{path}' cannot be converted into the cache folder '{cache_folder}' (")
    assert message.endswith("(File too large); set DNAFAST_CACHE to a folder that can be written and has room")
    assert not list(cache_folder.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up(small_disk: Path, write_fasta: WriteFasta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNAFAST_CACHE", str(small_disk / "cache"))
    path = write_fasta({"a": "ACGTTGCA" * 200_000})
    with pytest.raises(OSError, match=r"'.*disk/cache' \(No space left on device\); set DNAFAST_CACHE to"):
        dnafast.Genome(path)
    assert not list((small_disk / "cache").iterdir())
    check_letters(dnafast.Genome(write_fasta(NASTY)), NASTY)


def test_a_disk_that_is_read_only(small_disk: Path, write_fasta: WriteFasta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNAFAST_CACHE", str(small_disk))
    path = write_fasta(NASTY)
    dnafast.Genome(path)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    check_letters(dnafast.Genome(path), NASTY)  # what is there can be used
    with pytest.raises(OSError, match=r"cannot be converted .* \(Read-only file system\); set DNAFAST_CACHE to"):
        dnafast.Genome(write_fasta(NASTY, name="other.fa"))


def test_a_folder_of_someone_else() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        check_a_folder_of_someone_else(Path(name))


def check_a_folder_of_someone_else(place: Path) -> None:
    place.chmod(0o755)
    path, folder = place / "genome.fa", place / "theirs"
    path.write_text(">a\nACGT\n")
    folder.mkdir(0o555)
    # What root may write to says nothing, so that root becomes someone else first.
    code = """
import os, sys, dnafast, dnafast.genome
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
dnafast.Genome(sys.argv[1])
"""
    message = last_line(code, path, env={**os.environ, "DNAFAST_CACHE": str(folder)})
    assert message.endswith(
        f"'{folder}' (Permission denied); set DNAFAST_CACHE to a folder that can be written and has room"
    )
    assert not list(folder.iterdir())


@pytest.mark.parametrize("moment", ["finish", "replace", "_sync"])
def test_a_killed_process_leaves_nothing_that_is_taken_for_whole(
    write_fasta: WriteFasta, cache_folder: Path, moment: str
) -> None:
    path = write_fasta(NASTY)
    place = {"finish": "cache._core.FastaConverter", "replace": "cache.Path", "_sync": "cache"}[moment]
    code = f"""
import os, signal, sys, dnafast
from dnafast import cache
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
{place}.{moment} = die
dnafast.Genome(sys.argv[1])
"""
    result = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert result.returncode == -signal.SIGKILL
    assert list(cache_folder.glob("*.tmp"))
    assert not list(cache_folder.glob("*.json"))
    check_letters(dnafast.Genome(path), NASTY)
    assert len(list(cache_folder.glob("*.2bit"))) == len(list(cache_folder.glob("*.json"))) == 1


def test_paths_in_any_encoding(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe9"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system takes no such name")
    path = folder / os.fsdecode(b"gen\xf6me.fa")
    path.write_text(">a\nACGT\n")
    for _ in range(2):
        assert dnafast.Genome(path).fetch("a", 0, 4) == "ACGT"
    path.write_text(">a\nAC!T\n")
    with pytest.raises(FormatError, match=r"gen\\xf6me.fa, line 2: '!' is no nucleotide letter"):
        dnafast.Genome(path)
    bare = folder / "bare.2bit"
    bare.write_bytes(next(cache.cache_folder().glob("*.2bit")).read_bytes())
    assert dnafast.Genome(bare).fetch("a", 0, 4) == "ACGT"


def test_default_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DNAFAST_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "dnafast"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / ".cache" / "dnafast"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.cache_folder() == tmp_path / "Library" / "Caches" / "dnafast"


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("DNAFAST_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(OSError, match=r"has no home folder .*; set DNAFAST_CACHE to a folder"):
        cache.cache_folder()


def test_processes_that_convert_at_once(write_fasta: WriteFasta, cache_folder: Path, tmp_path: Path) -> None:
    path = write_fasta({"a": "ACGTTGCA" * 400_000})
    code = """
import os, sys, time, dnafast
from pathlib import Path
from dnafast import cache
print("ready", flush=True)
sys.stdin.read()
def wait_for_the_others(*arguments, made=cache.CacheEntry._check_unchanged):
    # All have converted before the first renames.
    Path(sys.argv[2], str(os.getpid())).touch()
    while len(os.listdir(sys.argv[2])) < 3:
        time.sleep(0.001)
    made(*arguments)
cache.CacheEntry._check_unchanged = wait_for_the_others
for _ in range(2):
    assert dnafast.Genome(sys.argv[1]).fetch("a", 8, 16) == "ACGTTGCA"
"""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    command = [sys.executable, "-W", "error", "-c", code, str(path), str(meeting)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    assert len(list(meeting.iterdir())) == 3
    assert sorted(entry.suffix for entry in cache_folder.iterdir()) == [".2bit", ".json"]


def test_reopening_reads_no_fasta(write_fasta: WriteFasta, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_fasta(NASTY)
    dnafast.Genome(path)
    monkeypatch.setattr(cache.CacheEntry, "make", None)
    check_letters(dnafast.Genome(path), NASTY)
