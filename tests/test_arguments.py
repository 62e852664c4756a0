"""Arguments of a wrong type are told in one sentence, wherever they are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnafast import BaseCodes, Genome, Loader, OneHot, Windows, encode, read_bed, sample_negatives, tiles, windows
from dnafast.regions import Regions
from dnafast.splitting import split_sequences

GENOME = Genome.from_sequences(["ACGT" * 300], ["chr1"])
TABLE = Windows.from_arrays(("chr1",), np.zeros(20, np.int32), np.arange(20), 10)
REGIONS = Regions.from_arrays(("chr1",), [0], [100], [300])

WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: Genome(None), "path=None must be the path of a file"),
    (lambda: Genome(123), "path=123 must be the path of a file"),
    (lambda: read_bed(None), "path=None must be the path of a file"),
    (lambda: Genome.from_sequences(["A", "C"], [1, 2]), r"names\[0\]=1 must be a str"),
    (lambda: Genome.from_sequences(["A", "C"], "ab"), "names must be a list of names, not one string: 'ab'"),
    (lambda: GENOME.fetch("chr1", 0.5, 3), r"start=0\.5 must be a whole number"),
    (lambda: GENOME.fetch("chr1", 0, "3"), "end='3' must be a whole number"),
    (lambda: GENOME.fetch(["chr1"], 0, 3), r"contig=\['chr1'\] must be the name"),
    (lambda: GENOME.encode(TABLE, "onehot"), "encoding='onehot' must be an encoding, such as OneHot"),
    (lambda: GENOME.encode(TABLE, OneHot), "encoding=<class .* must be an encoding, such as OneHot"),
    (lambda: encode(["ACGT"], "onehot"), "encoding='onehot' must be an encoding"),
    (lambda: Loader(GENOME, TABLE, encoding="onehot"), "encoding='onehot' must be"),
    (lambda: Loader(GENOME, TABLE, threads="2"), "threads='2' must be a whole number"),
    (lambda: GENOME.encode(TABLE, BaseCodes(), threads=1.5), r"threads=1\.5 must be a whole"),
    (lambda: GENOME.encode(REGIONS, BaseCodes()), "windows must be a table of windows, not Regions"),
    (lambda: windows("a.bed", 50, GENOME), "regions must be a table of Regions, not str: see read_bed"),
    (lambda: windows(REGIONS, 50, GENOME, exclude=[REGIONS]), "exclude must be .* not list: .*concatenate"),
    (lambda: tiles(GENOME, 50, 50, exclude=[REGIONS]), "exclude must be a table of Regions, not list"),
    (lambda: sample_negatives(GENOME, TABLE, exclude=["x"]), "exclude must be a table of Regions, not str"),
    (lambda: sample_negatives(GENOME, TABLE, within=[REGIONS]), "within must be a table of Regions"),
    (lambda: split_sequences(np.zeros(9, np.uint8), None), r"letters must be .* not uint8 \(9,\)"),
    (lambda: split_sequences(["ACGT"], None), "letters must be an array of letters"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_type_is_told(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}"):
        call()


def test_a_huge_number_of_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="threads=2147483648 must be at most 4096"):
        Loader(GENOME, TABLE, threads=2**31)


@pytest.mark.parametrize("options", [{"batch_size": 2**60}, {"prefetch": 2**61}])
def test_more_than_there_is_takes_all(options: dict[str, int]) -> None:
    assert sum(len(batch.x) for batch in Loader(GENOME, TABLE, **{"batch_size": 7, **options})) == len(TABLE)


def test_columns_may_be_a_number_of_numpy(tmp_path: Path) -> None:
    path = tmp_path / "peaks.bed"
    path.write_text("chr1\t1\t5\n")
    assert len(read_bed(path, columns=np.int64(3))) == 1
    for wrong in (3.0, [3], np.int64(7)):
        with pytest.raises(ValueError, match="columns must be one of 'auto', 3, 4"):
            read_bed(path, columns=wrong)


def test_conv1d_and_layers() -> None:
    torch = pytest.importorskip("torch")
    from dnafast import models, ops

    codes, weight = torch.zeros(2, 30, dtype=torch.uint8), torch.zeros(3, 4, 5)
    for arguments, options, message in (
        ((None, weight), {}, "codes must be a torch tensor, not NoneType"),
        ((codes.numpy(), weight), {}, "codes must be a torch tensor, not ndarray"),
        ((codes, weight), {"stride": 1.5}, r"stride=1\.5 must be a whole number"),
    ):
        with pytest.raises(TypeError, match=f"^{message}"):
            ops.conv1d(*arguments, **options)
    assert ops.conv1d(codes, weight, stride=np.int64(2)).shape == (2, 3, 13)
    for name, option in (("lstm", "layers"), ("promoter_lstm", "num_layers")):
        with pytest.raises(ValueError, match=f"{option}=10000000 must be at most 100"):
            models.build(name, length=81, **{option: 10**7})
