"""``dnafast predict``: what it writes, and what it says where it cannot."""

import numpy as np
import pytest
import torch

import dnafast
from dnafast import models
from dnafast.cli import main
from dnafast.encoding import BaseCodes
from dnafast.saved import SavedModel

LENGTH = 40


def save(folder, stranded=False, tasks=("open",), name="deepbind[filters=8,kernel_size=9]"):
    torch.manual_seed(1)
    specification = models.parse(name)
    network = specification.build(length=LENGTH, n_tasks=len(tasks))
    saved = SavedModel(
        specification=specification, length=LENGTH, tasks=tasks, stranded=stranded,
        thresholds=(0.5,) * len(tasks), prevalence=(0.5,) * len(tasks),
    )  # fmt: skip
    saved.save(folder, network)
    return network.eval()


@pytest.fixture
def genome_file(write_fasta):
    random = np.random.default_rng(0)
    letters = {name: "".join(random.choice(list("ACGT"), size)) for name, size in (("chr1", 1000), ("chr2", 333))}
    letters["chr1"] = letters["chr1"][:500] + "N" * 60 + letters["chr1"][560:]
    return write_fasta({**letters, "tiny": "ACGT"})


def predict(*arguments):
    return main(["predict", *map(str, arguments)])


def table(path):
    lines = path.read_text().splitlines()
    return lines[0].split("\t"), [line.split("\t") for line in lines[1:]]


def expected(network, genome, contig, start, stranded=False, strand=1):
    """The probability of one window, from its letters."""
    codes = dnafast.encode([genome.fetch(contig, start, start + LENGTH).upper()], BaseCodes())
    forward = torch.from_numpy(codes)
    backward = torch.tensor([3, 2, 1, 0, 4], dtype=torch.uint8)[forward.flip(1).long()]
    with torch.inference_mode():
        views = [network(forward if strand == 1 else backward)] if stranded else [network(forward), network(backward)]
    return torch.sigmoid(torch.stack(views).double().mean(0))[0].numpy()


def test_a_genome_by_steps(tmp_path, genome_file, capsys):
    network, out = save(tmp_path / "run"), tmp_path / "x.tsv"
    assert predict("--run", tmp_path / "run", "--fasta", genome_file, "--stride", 15, "--out", out) == 0
    header, rows = table(out)
    assert header == ["contig", "start", "end", "strand", "open"]
    genome = dnafast.Genome(genome_file)
    places = [("chr1", start) for start in range(0, 961, 15) if start + LENGTH <= 500 or start >= 560]
    places += [("chr2", start) for start in range(0, 294, 15)]
    assert [(row[0], int(row[1]), int(row[2]), row[3]) for row in rows] == [(c, s, s + LENGTH, ".") for c, s in places]
    for row, (contig, start) in zip(rows, places, strict=True):
        assert float(row[4]) == pytest.approx(expected(network, genome, contig, start)[0], rel=1e-4)
    printed = capsys.readouterr().out
    assert f"x.tsv: {len(rows)} windows (1 contig shorter than 40 bases left out; " in printed
    called = sum(float(row[4]) >= 0.5 for row in rows)
    assert f"open: {called} at or above the threshold 0.5" in printed


def test_steps_are_the_length_where_none_are_given_and_max_n_lets_gaps_in(tmp_path, genome_file):
    save(tmp_path / "run")
    arguments = ("--run", tmp_path / "run", "--fasta", genome_file, "--contigs", "chr1", "--out", tmp_path / "x.tsv")
    assert predict(*arguments, "--max-n", 1) == 0
    assert [int(row[1]) for row in table(tmp_path / "x.tsv")[1]] == list(range(0, 1000, 40))
    assert predict(*arguments, "--max-n", 0.5) == 0
    assert [int(row[1]) for row in table(tmp_path / "x.tsv")[1]] == [s for s in range(0, 1000, 40) if s != 520]


@pytest.mark.parametrize("stride", [15, 40, 100])
@pytest.mark.parametrize("suffix", ["bedGraph", "bw"])
def test_tracks_hold_the_middle_of_each_window(suffix, stride, tmp_path, genome_file):
    if suffix == "bw":
        bigwig = pytest.importorskip("pyBigWig", reason="pyBigWig is not installed")
    save(tmp_path / "run")
    arguments = ("--run", tmp_path / "run", "--fasta", genome_file, "--stride", stride)
    out = tmp_path / f"x.{suffix}"
    assert predict(*arguments, "--out", out) == 0
    assert predict(*arguments, "--out", tmp_path / "x.tsv") == 0
    width = min(stride, LENGTH)
    wanted = []
    for contig, start, _, _, value in table(tmp_path / "x.tsv")[1]:
        begin = int(start) + (LENGTH - width) // 2
        wanted.append((contig, begin, begin + width, pytest.approx(float(value), rel=1e-5)))
    if suffix == "bw":
        with bigwig.open(str(out)) as handle:
            found = [(contig, *row) for contig in ("chr1", "chr2") for row in handle.intervals(contig)]
            assert handle.chroms() == {"chr1": 1000, "chr2": 333, "tiny": 4}
    else:
        rows = [line.split("\t") for line in out.read_text().splitlines()]
        found = [(row[0], int(row[1]), int(row[2]), float(row[3])) for row in rows]
    assert found == wanted
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_regions_have_a_window_each_in_their_order(tmp_path, genome_file, capsys):
    network, bed, out = save(tmp_path / "run", stranded=True), tmp_path / "r.bed", tmp_path / "x.tsv"
    bed.write_text("chr2\t100\t200\ta\t0\t-\nchr1\t10\t20\tb\t0\t+\nchr2\t0\t10\tc\t0\t.\nchr9\t5\t10\td\t0\t+\n")
    assert predict("--run", tmp_path / "run", "--fasta", genome_file, "--bed", bed, "--out", out) == 0
    rows = table(out)[1]
    genome = dnafast.Genome(genome_file)
    # Two reach over the beginning of their contig, where they read N: the row says what lies on it.
    printed = capsys.readouterr().out
    assert (
        "x.tsv: 3 windows (1 region not on the genome left out; 2 reach over an end of their contig and re" in printed
    )
    assert [row[:4] for row in rows] == [
        ["chr2", "130", "170", "-"], ["chr1", "0", "35", "+"], ["chr2", "0", "25", "+"],
    ]  # fmt: skip
    for row, (contig, start, strand) in zip(rows, [("chr2", 130, -1), ("chr1", -5, 1), ("chr2", -15, 1)], strict=True):
        wanted = expected(network, genome, contig, start, stranded=True, strand=strand)[0]
        assert float(row[4]) == pytest.approx(wanted, rel=1e-4)


def test_regions_by_steps_and_as_a_track(tmp_path, genome_file, capsys):
    save(tmp_path / "run")
    bed = tmp_path / "r.bed"
    bed.write_text("chr2\t100\t200\nchr1\t10\t60\nchr1\t50\t130\nchr1\t300\t310\n")
    arguments = ("--run", tmp_path / "run", "--fasta", genome_file, "--bed", bed)
    assert predict(*arguments, "--stride", 20, "--out", tmp_path / "x.tsv") == 0
    places = [(row[0], int(row[1])) for row in table(tmp_path / "x.tsv")[1]]
    assert places == [("chr1", s) for s in (10, 30, 50, 70, 90)] + [("chr2", s) for s in (100, 120, 140, 160)]
    assert "x.tsv: 9 windows (1 stretch shorter than 40 bases left out)" in capsys.readouterr().out
    assert predict(*arguments, "--out", tmp_path / "x.bedGraph") == 0
    starts = [line.split("\t")[:2] for line in (tmp_path / "x.bedGraph").read_text().splitlines()]
    assert starts == [["chr1", "15"], ["chr1", "70"], ["chr1", "285"], ["chr2", "130"]]
    bed.write_text("chr1\t10\t60\nchr1\t20\t70\n")
    assert predict(*arguments, "--out", tmp_path / "y.bedGraph") == 2
    assert "overlap the one before (chr1:25-65)" in capsys.readouterr().err
    assert not (tmp_path / "y.bedGraph").exists()


def test_sequences_by_their_middle_or_by_steps(tmp_path, write_fasta):
    network, out = save(tmp_path / "run", stranded=True), tmp_path / "x.tsv"
    path = write_fasta({"a first": "ACGTTGCATG" * 4, "b": "ACGTTTGCAT" * 9}, name="s.fa")
    arguments = ("--run", tmp_path / "run", "--sequences", path, "--out", out)
    assert predict(*arguments) == 0
    assert [row[:4] for row in table(out)[1]] == [["a", "0", "40", "+"], ["b", "25", "65", "+"]]
    assert predict(*arguments, "--stride", 25, "--strand", "both") == 0
    rows = table(out)[1]
    places = [("a", 0), ("b", 0), ("b", 25), ("b", 50)]
    assert [(row[0], int(row[1]), row[3]) for row in rows] == [(c, s, sign) for c, s in places for sign in "+-"]
    genome = dnafast.Genome(path)
    for row in rows:
        wanted = expected(network, genome, row[0], int(row[1]), stranded=True, strand=1 if row[3] == "+" else -1)[0]
        assert float(row[4]) == pytest.approx(wanted, rel=1e-4)


def test_the_prior_moves_probabilities_and_threshold_alike(tmp_path, genome_file, capsys):
    save(tmp_path / "run")
    arguments = ("--run", tmp_path / "run", "--fasta", genome_file, "--out", tmp_path / "x.tsv")
    assert predict(*arguments) == 0
    before, told = table(tmp_path / "x.tsv")[1], capsys.readouterr().out.split("open: ")[1].split(" ")[0]
    assert predict(*arguments, "--prior", 0.01) == 0
    printed = capsys.readouterr().out
    assert f"open: {told} at or above 0.01, to which --prior 0.01 moves the threshold 0.5 of the validation" in printed
    for old, new in zip(before, table(tmp_path / "x.tsv")[1], strict=True):
        odds = float(old[4]) / (1 - float(old[4])) / 99  # trained at 1 to 1
        assert float(new[4]) == pytest.approx(odds / (1 + odds), rel=1e-4)


def test_one_of_several_tasks(tmp_path, genome_file, capsys):
    save(tmp_path / "run", tasks=("a", "b"))
    arguments = ("--run", tmp_path / "run", "--fasta", genome_file)
    assert predict(*arguments, "--out", tmp_path / "x.tsv") == 0
    header, rows = table(tmp_path / "x.tsv")
    assert header[4:] == ["a", "b"]
    assert predict(*arguments, "--task", "b", "--out", tmp_path / "x.bedGraph") == 0
    values = [line.split("\t")[3] for line in (tmp_path / "x.bedGraph").read_text().splitlines()]
    assert values == [row[5] for row in rows]
    capsys.readouterr()
    assert predict(*arguments, "--out", tmp_path / "y.bedGraph") == 2
    assert "holds one task, and there are a, b: choose one" in capsys.readouterr().err
    assert predict(*arguments, "--task", "c", "--out", tmp_path / "y.tsv") == 2
    assert "--task 'c' is none of the network's: a, b" in capsys.readouterr().err


def test_pieces_make_no_difference(tmp_path, genome_file, monkeypatch):
    save(tmp_path / "run")
    arguments = ("--run", tmp_path / "run", "--fasta", genome_file, "--stride", 9)
    assert predict(*arguments, "--out", tmp_path / "x.tsv") == 0
    monkeypatch.setattr("dnafast.predicting.Stretches.pieces.__defaults__", (17,))
    assert predict(*arguments, "--batch-size", 5, "--out", tmp_path / "y.tsv") == 0
    (header, one), (_, other) = table(tmp_path / "x.tsv"), table(tmp_path / "y.tsv")
    assert [row[:4] for row in one] == [row[:4] for row in other]
    np.testing.assert_allclose(*([float(row[4]) for row in rows] for rows in (one, other)), rtol=1e-4)
    assert header[-1] == "open"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --fasta GENOME.fa or --sequences FILE.fa"),
        (["--fasta", "G", "--sequences", "G"], "give either --fasta"),
        (["--sequences", "G", "--bed", "B"], "--bed lies on a genome"),
        (["--fasta", "G", "--outside", "drop"], "--outside has no effect without --bed"),
        (["--sequences", "S", "--contigs", "a"], "--contigs has no effect with --sequences"),
        (["--fasta", "G", "--bed", "B", "--max-n", "0.5"], "--max-n has no effect with --bed unless there is --stride"),
        (["--fasta", "G", "--stride", "0"], "--stride 0 must be at least 1"),
        (["--fasta", "G", "--prior", "1"], "--prior 1.0 must lie between 0 and 1"),
        (["--fasta", "G", "--prior", "nan"], "--prior nan must lie between 0 and 1"),
        (["--fasta", "G", "--contigs", "chr7"], "contigs names 'chr7', but the genome has chr1, chr2, tiny"),
        (["--fasta", "G", "--contigs", "tiny"], "there is no window of 40 bases to score"),
        (["--fasta", "G", "--bed", "B"], "lie on contigs that the genome lacks"),
        (["--fasta", "G", "--strand", "both"], "--strand both has no effect: the network of"),
        (["--fasta", "G", "--device", "tpu"], "device 'tpu' must be auto, cpu, cuda or cuda:N"),
        (["--fasta", "G", "--stride", "5", "--stride", "6"], "--stride is given twice"),
        (["--fasta", "absent.fa"], "absent.fa"),
        (["--sequences", "S"], "s.fa: short has 39 bases, but the network takes 40 (1 of 2 sequences are too short)"),
    ],
)
def test_mistakes_are_one_sentence(arguments, message, tmp_path, genome_file, capsys):
    save(tmp_path / "run")
    (tmp_path / "b.bed").write_text("7\t5\t10\n")
    (tmp_path / "s.fa").write_text(f">long\n{'ACGT' * 10}\n>short\n{'ACGT' * 9}ACG\n")
    files = {"G": genome_file, "B": tmp_path / "b.bed", "S": tmp_path / "s.fa"}
    arguments = [str(files.get(argument, argument)) for argument in arguments]
    out = tmp_path / "x.tsv"
    assert predict("--run", tmp_path / "run", "--out", out, *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not out.exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("x.txt", "ends in '.txt': it must end in .tsv, .bedGraph or .bw"),
        ("x", "ends in 'nothing'"),
        ("x.bw", "bigWig needs the package pyBigWig, which is not installed: pip install 'dnafast[bigwig]'"),
    ],
)
def test_a_file_of_an_unknown_kind(out, message, tmp_path, genome_file, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    save(tmp_path / "run")
    assert predict("--run", tmp_path / "run", "--fasta", genome_file, "--out", tmp_path / out) == 2
    assert message in capsys.readouterr().err


def test_a_folder_in_place_of_a_file(tmp_path, genome_file, capsys):
    save(tmp_path / "run")
    (tmp_path / "dd.tsv").mkdir()
    assert predict("--run", tmp_path / "run", "--fasta", genome_file, "--out", tmp_path / "dd.tsv") == 2
    assert "dd.tsv is a folder: name a file" in capsys.readouterr().err


def test_a_folder_of_something_else(tmp_path, genome_file, capsys):
    assert predict("--run", tmp_path, "--fasta", genome_file, "--out", tmp_path / "x.tsv") == 2
    assert "holds no model.json" in capsys.readouterr().err
    save(tmp_path / "run")
    (tmp_path / "run" / "model.json").write_text((tmp_path / "run" / "model.json").read_text().replace("0.1.0", "9.9"))
    assert predict("--run", tmp_path / "run", "--fasta", genome_file, "--out", tmp_path / "x.tsv") == 2
    assert "was written by dnafast 9.9" in capsys.readouterr().err


def test_too_little_memory_names_a_batch_size(tmp_path, genome_file, capsys, monkeypatch):
    save(tmp_path / "run")

    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    monkeypatch.setattr("dnafast.models.deepbind.DeepBind.forward", full)
    assert predict("--run", tmp_path / "run", "--fasta", genome_file, "--out", tmp_path / "x.tsv") == 2
    assert "out of memory while predicting in batches of 256: try batch_size=128" in capsys.readouterr().err
