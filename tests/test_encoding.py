from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dnafast
import oracle
from dnafast.encoding import Encoding

THREADS = (1, 2, 7)

ENCODINGS: list[Encoding] = [
    dnafast.BaseCodes(),
    *(
        dnafast.OneHot(layout, dtype, order, unknown)  # type: ignore[arg-type]
        for layout in ("NCL", "NLC")
        for dtype, order, unknown in [
            ("uint8", 1, 0.0),
            ("float32", 1, 0.0),
            ("float32", 1, 0.25),
            ("bfloat16", 1, 0.0),
            ("bfloat16", 1, 0.25),
            ("uint8", 2, 0.0),
            ("float32", 3, 4.0**-3),
            ("bfloat16", 2, 4.0**-2),
        ]
    ),
    *(
        dnafast.Kmers(k, stride, canonical, dtype)  # type: ignore[arg-type]
        for k, stride, dtype in [
            *((k, 1, "int64") for k in (1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16, 21, 31)),
            *((k, 1, "int32") for k in (1, 6, 15)),
            (3, 2, "int32"),
            (6, 6, "int64"),
            (5, 100, "int64"),
            (17, 3, "int64"),
        ]
        for canonical in (False, True)
    ),
    *(dnafast.KmerCounts(k, canonical) for k in (1, 2, 3, 4, 6) for canonical in (False, True)),
]


def expected_row(encoding: Encoding, letters: str) -> np.ndarray:
    if isinstance(encoding, dnafast.OneHot):
        row = oracle.one_hot(letters, encoding.order, encoding.unknown)
        return row.T if encoding.layout == "NLC" else row
    if isinstance(encoding, dnafast.Kmers):
        return oracle.kmers(letters, encoding.k, encoding.stride, encoding.canonical)
    if isinstance(encoding, dnafast.KmerCounts):
        return oracle.kmer_counts(letters, encoding.k, encoding.canonical)
    return oracle.base_codes(letters)


def as_numbers(array: Any) -> np.ndarray:
    """bfloat16 tensors as float32 arrays, all else as it is."""
    return array if isinstance(array, np.ndarray) else array.float().numpy()


def expected_table(encoding: Encoding, rows: list[str]) -> np.ndarray:
    return np.array([expected_row(encoding, row) for row in rows])


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_equals_the_oracle(encoding: Encoding) -> None:
    if encoding.dtype == "bfloat16":
        pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    shortest = getattr(encoding, "k", getattr(encoding, "order", 1))
    for length in {shortest, shortest + 1, 100}:
        if length < shortest:
            continue
        rows = [oracle.patchy_letters(rng, length) for _ in range(5)]
        rows += ["N" * length, oracle.random_letters(rng, length, "ACGT"), oracle.random_letters(rng, length, "ANR")]
        expected = expected_table(encoding, rows)
        genome = dnafast.Genome.from_sequences(rows)
        forward = oracle.window_table(list(genome.contigs), [(i, 0, 1) for i in range(len(rows))], length)
        backward = forward._replace(strand=-forward.strand)
        results = []
        for threads in THREADS:
            result = dnafast.encode(rows, encoding, threads=threads)
            assert result.shape == (len(rows), *encoding.shape(length))
            np.testing.assert_array_equal(as_numbers(result), expected)
            np.testing.assert_array_equal(as_numbers(genome.encode(forward, encoding, threads=threads)), expected)
            results.append(as_numbers(genome.encode(backward, encoding, threads=threads)))
        reversed_rows = [oracle.reverse_complement(row) for row in rows]
        for result in results:
            np.testing.assert_array_equal(result, expected_table(encoding, reversed_rows))


@pytest.mark.parametrize(
    "encoding",
    [dnafast.Kmers(6, dtype="int32"), dnafast.Kmers(7, 3, True), dnafast.KmerCounts(3), dnafast.OneHot(order=2)],
    ids=str,
)
@pytest.mark.parametrize("length", [1023, 1024, 1029, 1030, 2054, 3001])
def test_words_across_blocks(encoding: Encoding, length: int) -> None:
    rows = [oracle.patchy_letters(np.random.default_rng(length), length) for _ in range(2)]
    np.testing.assert_array_equal(dnafast.encode(rows, encoding), expected_table(encoding, rows))


@given(
    rows=st.integers(1, 40).flatmap(lambda n: st.lists(st.text("ACGTacgtNnRx-", min_size=n, max_size=n), min_size=1)),
    k=st.integers(1, 8),
    canonical=st.booleans(),
)
def test_any_letters(rows: list[str], k: int, canonical: bool) -> None:
    encodings: list[Encoding] = [dnafast.BaseCodes(), dnafast.OneHot()]
    if k <= len(rows[0]):
        encodings += [dnafast.Kmers(k, canonical=canonical), dnafast.KmerCounts(min(k, 4), canonical)]
    for encoding in encodings:
        np.testing.assert_array_equal(dnafast.encode(rows, encoding), expected_table(encoding, rows))


def test_letters_as_bytes_and_arrays() -> None:
    rows = ["ACGTN", "acgt\x7f"]
    expected = [[0, 1, 2, 3, 4]] * 2
    assert dnafast.encode(rows, dnafast.BaseCodes()).tolist() == expected
    assert dnafast.encode([row.encode() for row in rows], dnafast.BaseCodes()).tolist() == expected
    letters = np.array([list(row.encode()) for row in rows], np.uint8)
    assert dnafast.encode(letters, dnafast.BaseCodes()).tolist() == expected
    assert dnafast.encode(np.asfortranarray(letters), dnafast.BaseCodes()).tolist() == expected
    assert dnafast.encode(["AéT"], dnafast.BaseCodes()).tolist() == [[0, 4, 3]]
    every = np.arange(256, dtype=np.uint8)[None]
    codes = dnafast.encode(every, dnafast.BaseCodes())[0]
    assert {chr(i): int(codes[i]) for i in range(256) if codes[i] != 4} == {
        letter: code for code, pair in enumerate(("Aa", "Cc", "Gg", "Tt")) for letter in pair
    }


@pytest.mark.parametrize(
    ("sequences", "error", "message"),
    [
        (["ACGT", "ACG"], ValueError, r"sequences\[1\] has 3 bases, those before it 4"),
        (["ACGT", 5], TypeError, r"sequences\[1\] must be str or bytes, not int"),
        ("ACGT", TypeError, "must be a list"),
        ([], ValueError, "sequences is empty"),
        ([""], ValueError, "length=0 must be at least 1"),
        (np.zeros((3, 4), np.int64), TypeError, r"uint8 letters of shape \(N, L\), not int64"),
        (np.zeros(4, np.uint8), TypeError, r"not uint8 of shape \(4,\)"),
    ],
)
def test_bad_sequences(sequences: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dnafast.encode(sequences, dnafast.BaseCodes())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dnafast.OneHot("NLX"), ValueError, "layout='NLX' must be one of NCL, NLC"),  # type: ignore[arg-type]
        (lambda: dnafast.OneHot(dtype="float64"), ValueError, "dtype='float64' must be one of"),  # type: ignore[arg-type]
        (lambda: dnafast.OneHot(order=0), ValueError, "order=0 must lie between 1 and 8"),
        (lambda: dnafast.OneHot(order=9), ValueError, "order=9 must lie"),
        (lambda: dnafast.OneHot(order=1.0), TypeError, "order=1.0 must be a whole number"),  # type: ignore[arg-type]
        (lambda: dnafast.OneHot(unknown=0.25), ValueError, "unknown=0.25.* must be 0"),
        (lambda: dnafast.OneHot(dtype="float32", unknown=0.5), ValueError, r"must be 0, or 4\*\*-order"),
        (lambda: dnafast.Kmers(0), ValueError, "k=0 must lie between 1 and 31"),
        (lambda: dnafast.Kmers(32), ValueError, "k=32 must lie between 1 and 31"),
        (lambda: dnafast.Kmers(16, dtype="int32"), ValueError, "k=16 must lie between 1 and 15"),
        (lambda: dnafast.Kmers(3, stride=0), ValueError, "stride=0 must be at least 1"),
        (lambda: dnafast.Kmers(2**40), ValueError, "out of range"),
        (lambda: dnafast.Kmers("6"), TypeError, "k='6' must be a whole number"),  # type: ignore[arg-type]
        (lambda: dnafast.KmerCounts(9), ValueError, "k=9 must lie between 1 and 8"),
        (lambda: dnafast.Kmers(6).shape(5), ValueError, "length=5 must be at least 6"),
        (lambda: dnafast.BaseCodes().shape(0), ValueError, "length=0 must be at least 1"),
        (lambda: dnafast.OneHot(order=3).shape(2), ValueError, "length=2 must be at least 3"),
    ],
)
def test_bad_options(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_shapes() -> None:
    assert dnafast.BaseCodes().shape(10) == (10,)
    assert dnafast.OneHot().shape(10) == (4, 10)
    assert dnafast.OneHot("NLC", order=2).shape(10) == (9, 16)
    assert dnafast.Kmers(3, stride=4).shape(10) == (2,)
    assert dnafast.KmerCounts(2).shape(10) == (16,)
    assert dnafast.KmerCounts(2, canonical=True).shape(10) == (10,)
    assert dnafast.KmerCounts(3, canonical=True).shape(10) == (32,)


def test_encodings_are_values() -> None:
    for encoding in ENCODINGS:
        copy = pickle.loads(pickle.dumps(encoding))
        assert copy == encoding
        assert hash(copy) == hash(encoding)
        assert copy.shape(40) == encoding.shape(40)


def test_out_is_filled_in_place() -> None:
    rows = ["ACGT", "TTTT"]
    out = np.full((2, 4, 4), 7, np.float32)
    assert dnafast.encode(rows, dnafast.OneHot(dtype="float32"), out=out) is out
    np.testing.assert_array_equal(out, expected_table(dnafast.OneHot(), rows))
    part = np.full((5, 4, 4), 7, np.float32)
    dnafast.encode(rows, dnafast.OneHot(dtype="float32"), out=part[1:3])
    np.testing.assert_array_equal(part[1:3], out)
    assert (part[[0, 3, 4]] == 7).all()


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.zeros((1, 4, 4), np.float32), TypeError, "out has elements of float32; uint8 is needed"),
        (np.zeros((2, 4, 4), np.uint8), ValueError, r"out has shape \(2, 4, 4\); \(1, 4, 4\) is needed"),
        (np.zeros((4, 4), np.uint8), ValueError, r"\(1, 4, 4\) is needed"),
        (np.zeros((1, 4, 8), np.uint8)[:, :, ::2], ValueError, "must be C-contiguous"),
        (np.zeros((4, 4, 1), np.uint8).T, ValueError, "must be C-contiguous"),
        (np.broadcast_to(np.zeros(4, np.uint8), (1, 4, 4)), ValueError, "must be C-contiguous"),
        (np.frombuffer(bytes(16), np.uint8).reshape(1, 4, 4), ValueError, "must be writable"),
        (np.zeros((1, 4, 4), ">u2"), TypeError, "out has elements of >u2; uint8 is needed"),
        ([[0]], TypeError, "must be a numpy array or a torch tensor, not list"),
        (b"0123456789abcdef", TypeError, "must be a numpy array or a torch tensor, not bytes"),
    ],
)
def test_bad_out(out: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dnafast.encode(["ACGT"], dnafast.OneHot(), out=out)
    genome = dnafast.Genome.from_sequences(["ACGT"])
    with pytest.raises(error, match=message):
        genome.encode(oracle.window_table(["0"], [(0, 0, 1)], 4), dnafast.OneHot(), out=out)


def test_out_between_the_multiples_of_its_elements() -> None:
    memory = np.zeros(4 * 4 * 100 + 1, np.uint8)
    out = memory[1:].view(np.float32).reshape(1, 4, 100)
    assert out.flags.c_contiguous
    with pytest.raises(ValueError, match="out must be aligned"):
        dnafast.encode(["ACGT" * 25], dnafast.OneHot(dtype="float32"), out=out)
    assert not memory.any()


def test_out_in_the_memory_of_what_is_read() -> None:
    letters = np.frombuffer(bytearray(b"ACGTACGTA"), np.uint8)
    for out in (letters[:8], letters[1:]):
        with pytest.raises(ValueError, match="out shares memory with sequences"):
            dnafast.encode(letters[:8].reshape(2, 4), dnafast.BaseCodes(), out=out.reshape(2, 4))
    assert letters.tobytes() == b"ACGTACGTA"
    genome = dnafast.Genome.from_sequences(["ACGT" * 9])
    windows = oracle.window_table(["0"], [(0, 0, 1)] * 4, 4)
    for name in ("contig", "start", "strand"):
        memory = np.zeros(32, np.uint8)
        dtype = getattr(windows, name).dtype
        table = windows._replace(**{name: memory[: 4 * dtype.itemsize].view(dtype)})
        with pytest.raises(ValueError, match=f"out shares memory with windows.{name}"):
            genome.encode(table, dnafast.BaseCodes(), out=memory[:16].reshape(4, 4))
        assert not memory.any()


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_torch_tensors(encoding: Encoding) -> None:
    torch = pytest.importorskip("torch")
    rows = ["ACGTNacgtAACCGGTTACGTACGTACGTNACGTACGTAAC" * 2]
    out = torch.zeros((1, *encoding.shape(len(rows[0]))), dtype=getattr(torch, encoding.dtype))
    assert dnafast.encode(rows, encoding, out=out) is out
    expected = torch.from_numpy(expected_table(encoding, rows).astype(np.float64))
    assert torch.equal(out.double(), expected)


def test_bad_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    half = dnafast.OneHot(dtype="bfloat16")
    with pytest.raises(TypeError, match="elements of float32; bfloat16 is needed"):
        dnafast.encode(["ACGT"], half, out=torch.zeros(1, 4, 4))
    with pytest.raises(TypeError, match="must be a torch tensor where dtype is bfloat16"):
        dnafast.encode(["ACGT"], half, out=np.zeros((1, 4, 4), np.uint16))
    with pytest.raises(ValueError, match="must be C-contiguous"):
        dnafast.encode(["ACGT"], half, out=torch.zeros(1, 4, 8, dtype=torch.bfloat16)[:, :, ::2])
    with pytest.raises(ValueError, match="on device meta"):
        dnafast.encode(["ACGT"], half, out=torch.zeros(1, 4, 4, dtype=torch.bfloat16, device="meta"))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16"])
def test_tensors_that_are_no_plain_memory(dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    encoding, whole = dnafast.OneHot(dtype=dtype), torch.zeros(1, 4, 4, dtype=getattr(torch, dtype))
    emptied = whole.clone()
    emptied.untyped_storage().resize_(0)
    cases = [
        (whole[0, 0].expand(1, 4, 4), "must be C-contiguous"),
        (whole.transpose(1, 2), "must be C-contiguous"),
        (torch.as_strided(torch.zeros(7, dtype=whole.dtype), (1, 4, 4), (0, 1, 1)), "must be C-contiguous"),
        (whole[:, :3], r"out has shape \(1, 3, 4\); \(1, 4, 4\) is needed"),
        (emptied, "out has a shape but no memory"),
        (whole.to_sparse(), "must be a plain dense tensor"),
        *([(torch._neg_view(whole), "must be a plain dense tensor")] if whole.is_floating_point() else []),
    ]
    for out, message in cases:
        with pytest.raises(ValueError, match=message):
            dnafast.encode(["ACGT"], encoding, out=out)
    learned = torch.nn.Parameter(whole, requires_grad=False)
    assert dnafast.encode(["ACGT"], encoding, out=learned) is learned
    assert torch.equal(learned[0].double(), torch.eye(4, dtype=torch.double))


def test_torch_is_not_imported() -> None:
    code = (
        "import sys, dnafast; dnafast.encode(['ACGT'], dnafast.OneHot()); "
        "sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}, check=False).returncode == 0


CHECKSUM = """
import zlib
import numpy as np
import dnafast
rng = np.random.default_rng(11)
letters = np.frombuffer(b"ACGTacgtN", np.uint8)[rng.integers(0, 9, (29, 1031))]
genome = dnafast.Genome.from_sequences(letters)
class Windows:
    contigs = tuple(genome.contigs)
    contig = np.arange(29, dtype=np.int32)
    start = np.arange(29) * 5 - 70
    strand = np.where(np.arange(29) % 2, 1, -1).astype(np.int8)
    length = 1001
total = 0
for encoding in (
    dnafast.BaseCodes(), dnafast.OneHot(), dnafast.OneHot("NLC"), dnafast.OneHot(dtype="float32", unknown=0.25),
    dnafast.OneHot("NLC", "float32"), dnafast.Kmers(6, canonical=True), dnafast.Kmers(11), dnafast.KmerCounts(4),
):
    total = zlib.crc32(genome.encode(Windows, encoding).tobytes(), total)
# Every length and place within a byte, up to the last base of the memory, against the letters themselves.
letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, 403)]
genome = dnafast.Genome.from_sequences([letters.tobytes()])
forward = dnafast.encode(letters[None], dnafast.BaseCodes())[0]
for length in [*range(1, 300), 400]:
    starts = np.unique([*range(5), *range(max(0, 403 - length - 5), 403 - length + 1)])
    starts = starts[starts + length <= 403]
    for strand in (1, -1):
        windows = dnafast.Windows.from_arrays(tuple(genome.contigs), 0 * starts, starts, length, strand=strand)
        for start, codes in zip(starts, genome.encode(windows, dnafast.BaseCodes())):
            expected = forward[start : start + length]
            assert (codes == (expected if strand > 0 else 3 - expected[::-1])).all(), (length, start, strand)
print(dnafast._core.instruction_set(), total)
"""


def run_with_instruction_set(name: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DNAFAST_ISA": name}
    return subprocess.run(
        [sys.executable, "-c", CHECKSUM], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_same_bytes_for_any_instruction_set() -> None:
    unknown = run_with_instruction_set("mmx")
    assert unknown.returncode != 0
    message = unknown.stderr.splitlines()[-1]
    assert message.startswith("ValueError: DNAFAST_ISA='mmx' must be one of those this processor has: baseline")
    names = message.rpartition(": ")[2].split(", ")
    results = [run_with_instruction_set(name).stdout.split() for name in names]
    assert [result[0] for result in results] == names
    assert len({result[1] for result in results}) == 1
