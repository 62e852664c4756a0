import gzip

import numpy as np
import pytest

from dnafast import Genome, read_bed
from dnafast.cli import main
from dnafast.pretrain import skip_gram
from dnafast.vectors import KmerVectors

QUICK = ["-k", "3", "--dimensions", "4", "--epochs", "5", "--seed", "2"]
OPTIONS = {"k": 3, "dimensions": 4, "epochs": 5, "seed": 2}


def letters(n, seed):
    return np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(seed).integers(0, 4, n)].tobytes().decode()


@pytest.fixture
def genome(write_fasta):
    return write_fasta({"chr1": letters(900, 1), "chr2": letters(500, 2), "chrM": letters(400, 3)})


def learnt(tmp_path, *arguments):
    assert main(["pretrain", *map(str, arguments), *QUICK, "--out", str(tmp_path / "v.txt")]) == 0
    return KmerVectors.load(tmp_path / "v.txt").vectors


def test_a_genome_is_read_without_the_contigs_set_aside(tmp_path, genome, capsys):
    from dnafast import Regions

    chosen = Regions.from_arrays(["chr1", "chr2"], [0, 1], [0, 0], [900, 500])
    assert (learnt(tmp_path, "--fasta", genome) == skip_gram(Genome(genome), within=chosen, **OPTIONS).vectors).all()
    assert capsys.readouterr().out == (
        f"{tmp_path}/v.txt: 64 words of 3 bases, 4 numbers each, from both strands of {genome}\n"
    )
    one = skip_gram(Genome(genome), within=chosen[:1], **OPTIONS).vectors
    assert (learnt(tmp_path, "--fasta", genome, "--contigs", "chr1") == one).all()


def test_regions_of_a_genome(tmp_path, genome):
    bed = tmp_path / "a.bed"
    bed.write_text("chr1\t10\t300\nchr1\t200\t400\nchr2\t0\t100\n")
    within = read_bed(bed)
    expected = skip_gram(Genome(genome), within=within, **OPTIONS).vectors
    assert (learnt(tmp_path, "--fasta", genome, "--bed", bed, "--threads", 2) == expected).all()
    expected = skip_gram(Genome(genome), within=within[2:], **OPTIONS).vectors
    assert (learnt(tmp_path, "--fasta", genome, "--bed", bed, "--contigs", "chr2") == expected).all()


def test_sequences_of_any_lengths(tmp_path, write_fasta):
    path = write_fasta({"a": letters(70, 4), "b": letters(2, 5), "c": letters(200, 6)})
    assert (learnt(tmp_path, "--sequences", path) == skip_gram(Genome(path), **OPTIONS).vectors).all()


def test_the_training_rows_of_a_table(tmp_path, capsys):
    rows = [(letters(60, 10 + i), i % 2, ("train", "train", "valid", "test")[i % 4]) for i in range(40)]
    split, plain = tmp_path / "split.csv.gz", tmp_path / "plain.csv"
    table = ["sequence,label,split", *(f"{a},{b},{c}" for a, b, c in rows)]
    split.write_bytes(gzip.compress("\n".join(table).encode()))
    plain.write_text("\n".join(["sequence,label", *(f"{a},{b}" for a, b, c in rows if c == "train")]))
    assert (learnt(tmp_path, "--table", split) == learnt(tmp_path, "--table", plain)).all()
    assert f"from both strands of the training part of {split}\n" in capsys.readouterr().out
    split.write_text("\n".join(table).replace("train", "test"))
    assert main(["pretrain", "--table", str(split), "--out", str(tmp_path / "w.txt")]) == 2
    assert "no row has split train" in capsys.readouterr().err


def test_words_that_do_not_occur_are_counted(tmp_path, write_fasta, capsys):
    path = write_fasta({"a": "AC" * 20})
    vectors = learnt(tmp_path, "--sequences", path)
    assert int(vectors.any(axis=1).sum()) == 4
    assert f"{path} (60 of them do not occur there and are zero)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nothing to learn from: give one of --fasta GENOME, --sequences FILE and --table FILE"),
        (["--fasta", "{genome}", "--table", "t.csv"], "--fasta and --table are different sources: give one"),
        (["--sequences", "{genome}", "--bed", "a.bed"], "--bed lies on a genome: it goes with --fasta, not with --seq"),
        (["--table", "t.csv", "--contigs", "chr1"], "--contigs lies on a genome"),
        (["--fasta", "none.fa"], "genome file 'none.fa' does not exist"),
        (["--fasta", "{genome}", "--contigs", "chr7"], "contigs names 'chr7'"),
        (["--fasta", "{genome}", "--bed", "none.bed"], "there is no file none.bed"),
        (["--fasta", "{genome}", "-k", "8"], "k=8 must be at most 7"),
        (["--fasta", "{genome}", "--epochs", "0"], "epochs=0 must be at least 1"),
        (["--fasta", "{genome}", "--seed", "1", "--seed", "2"], "--seed is given twice"),
        (["--fasta", "{out}"], "is the file of --fasta: choose another"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(tmp_path, genome, capsys, arguments, message):
    out = tmp_path / "v.txt"
    filled = [argument.format(genome=genome, out=out) for argument in arguments]
    assert main(["pretrain", *filled, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("dnafast: ")
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_learnt(tmp_path, genome, capsys, monkeypatch):
    monkeypatch.setattr("dnafast.commands.pretrain.skip_gram", None)
    (tmp_path / "file").touch()
    assert main(["pretrain", "--fasta", str(genome), "--out", str(tmp_path / "file" / "v.txt")]) == 2
    assert f"the output folder {tmp_path}/file is not a folder" in capsys.readouterr().err


def test_help_names_the_options(capsys):
    with pytest.raises(SystemExit) as end:
        main(["pretrain", "--help"])
    assert end.value.code == 0
    assert "--dimensions" in capsys.readouterr().out
