"""Files are whole or absent, checksums tell data apart, and a finished run is reused only where it may be."""

import dataclasses
import errno
import json
import math
import os
from pathlib import Path

import numpy as np
import pandas
import pytest

from dnafast import __version__, records


@pytest.mark.parametrize("before", [None, "old"])
def test_a_failed_write_leaves_the_folder_as_it_was(tmp_path, before):
    path = tmp_path / "file.txt"
    if before is not None:
        path.write_text(before)

    def fail():
        with records.atomic_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ([] if before is None else ["file.txt"])
    assert before is None or path.read_text() == before


def test_text_replaces_what_was_there_and_makes_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    records.write_text(path, "old")
    records.write_text(path, "neu ä\n")
    assert path.read_bytes() == "neu ä\n".encode()
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_files_get_the_usual_mode(tmp_path):
    mask = os.umask(0o027)
    try:
        records.write_text(tmp_path / "file.txt", "x")
    finally:
        os.umask(mask)
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o640


@dataclasses.dataclass
class Options:
    path: Path
    sizes: tuple[int, ...]


def test_json_is_strict(tmp_path):
    path = tmp_path / "file.json"
    value = {
        "nan": float("nan"),
        "infinite": -math.inf,
        "array": np.array([[1.5, np.nan]]),
        "scalar": np.float32(0.5),
        "count": np.int64(3),
        "flag": np.True_,
        "options": Options(Path("a/b"), (1, 2)),
        3: None,
    }
    records.write_json(path, value)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "nan": None,
        "infinite": None,
        "array": [[1.5, None]],
        "scalar": 0.5,
        "count": 3,
        "flag": True,
        "options": {"path": "a/b", "sizes": [1, 2]},
        "3": None,
    }
    with pytest.raises(TypeError, match="set"):
        records.write_json(path, {"a": {1}})
    assert json.loads(path.read_text())["count"] == 3


def test_csv_keeps_digits_and_leaves_unknown_cells_empty(tmp_path):
    path = tmp_path / "file.csv"
    rows = [
        {"name": 'a,"b"\n', "x": 0.1 + 0.2, "n": np.int64(5)},
        {"name": "c", "x": float("nan"), "flag": True},
        {"name": None, "x": np.float64(1e-300)},
    ]
    records.write_csv(path, rows)
    assert path.read_text() == ('name,x,n,flag\n"a,""b""\n",0.30000000000000004,5,\nc,,,true\n,1e-300,,\n')
    table = pandas.read_csv(path)
    assert table["x"][0] == 0.1 + 0.2
    assert table["name"][0] == 'a,"b"\n'
    records.write_csv(path, rows[:0], columns=["a", "b"])
    assert path.read_text() == "a,b\n"
    with pytest.raises(ValueError, match=r"row 2 .* 'flag'"):
        records.write_csv(path, rows, columns=["x", "n", "name"])


def test_npz_comes_back_without_pickle(tmp_path):
    path = tmp_path / "scores.npz"
    labels = np.array([[1, -1]], dtype=np.int8)
    records.write_npz(path, row=np.arange(3), labels=labels)
    with np.load(path, allow_pickle=False) as stored:
        assert stored["row"].tolist() == [0, 1, 2]
        assert stored["labels"].dtype == np.int8
        assert stored["labels"].tolist() == labels.tolist()
    with pytest.raises(ValueError, match="'names'"):
        records.write_npz(path, names=np.array(["a"], dtype=object))


def test_a_writable_folder_passes_and_nothing_is_left(tmp_path):
    assert records.check_writable_folder(tmp_path) == tmp_path
    assert records.check_writable_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError) as caught:
        records.check_writable_folder(file)
    assert str(caught.value) == f"the output folder {file} is not a folder: choose another place"
    with pytest.raises(NotADirectoryError, match=f"{file / 'out'} cannot be made, because {file} is not a folder"):
        records.check_writable_folder(file / "out")


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    # Permission bits do not stop the super-user, whom tests may run as: refuse in its place.
    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(records.tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError) as caught:
        records.check_writable_folder(tmp_path / "out")
    assert str(caught.value) == (
        f"the output folder {tmp_path / 'out'} (its parent {tmp_path} exists) cannot be written: Read-only file system"
    )


def test_checksum_sees_values_types_shapes_and_borders():
    parts = [
        (np.arange(6),),
        (np.arange(6).reshape(2, 3),),
        (np.arange(6).astype(np.int32),),
        (np.arange(3), np.arange(3, 6)),
        (np.array(["ab", "c"], dtype=object),),
        (np.array(["a", "bc"], dtype=object),),
        ("ab", "c"),
        ("a", "bc"),
        (b"a", "bc"),
        (None, "bc"),
        ("", "bc"),
        (),
    ]
    sums = [records.checksum(*part) for part in parts]
    assert len(set(sums)) == len(sums)
    assert sums == [records.checksum(*part) for part in parts]
    columns = np.arange(6).reshape(2, 3).T
    assert records.checksum(columns) == records.checksum(columns.copy())


def test_checksum_of_a_file_is_that_of_its_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"ACGT" * 100)
    first = records.checksum_file(path)
    path.write_bytes(b"ACGT" * 99 + b"ACGA")
    assert len(first) == 32
    assert first != records.checksum_file(path)


def test_a_full_disk_is_told_with_the_file(tmp_path):
    with pytest.raises(OSError, match=r"runs\.csv") as raised, records.atomic_file(tmp_path / "runs.csv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_run_ids_are_names_of_folders_and_never_the_same():
    assert records.run_id("k562", "danq", "torch", 0) == "k562-danq-torch-seed0"
    assert records.run_id("k562", "danq", "torch", 0, fold=3) == "k562-danq-torch-seed0-fold3"
    strange = {records.run_id(name, "danq", "torch", 0) for name in ("a/b", "a b", "a_b", "..", "ä")}
    assert len(strange) == 5
    assert all("/" not in name and " " not in name and not name.startswith(".") for name in strange)


CONFIG = {"model": "danq", "steps": 100, "sizes": (1, 2)}


@pytest.fixture
def finished(tmp_path):
    records.Record("a-run", records.plain(CONFIG), "1234", {"auroc": 0.5, "auprc": float("nan")}).save(tmp_path)
    return tmp_path


def test_a_finished_run_is_reused(finished):
    record = records.finished_run(finished, CONFIG, "1234")
    assert record is not None
    assert record.run_id == "a-run"
    assert record.result == {"auroc": 0.5, "auprc": None}
    assert record.version == __version__


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"config": CONFIG | {"steps": 200}}, r"steps \(100 there, 200 now\)"),
        ({"config": CONFIG | {"more": None}}, r"more \(absent there, None now\)"),
        ({"data_checksum": "9"}, "the data"),
        ({"version": "9.9"}, "the version of dnafast"),
    ],
)
def test_a_finished_run_that_differs_names_the_way_out(finished, change, named):
    arguments = {"config": CONFIG, "data_checksum": "1234"} | change
    with pytest.raises(ValueError, match=f"{named}.*--overwrite"):
        records.finished_run(finished, **arguments)
    assert records.finished_run(finished, **arguments, overwrite=True) is None


def test_no_record_means_not_finished_and_a_broken_one_is_an_error(tmp_path):
    assert records.finished_run(tmp_path, CONFIG, "1234") is None
    typed = {"run_id": "a", "config": [], "data_checksum": "", "result": {}, "version": "1"}
    for content in ("{", "[]", '{"run_id": "a"}', "[" * 100_000, json.dumps(typed)):
        (tmp_path / records.RECORD_NAME).write_text(content)
        with pytest.raises(ValueError, match=r"record\.json is no record"):
            records.finished_run(tmp_path, CONFIG, "1234")
