"""The sentences say what the tables hold, "undetermined" where they do not tell, and tables survive the disk."""

import itertools

import numpy as np
import pytest

from dnafast.probe import factorial, pairs, reach
from dnafast.probe.answers import answers, far, reach_at
from dnafast.probe.effects import effects
from dnafast.probe.factorial import AS_USUAL, EXTRAS, FACTORIAL
from dnafast.probe.results import FILES, ProbeResults
from dnafast.report.probe import report_section

ABOUT = {
    "data": {"name": "made up", "description": "3 folds", "sequences": 90, "length": 81, "simulated": False},
    "sizes": {},
    "quick": False,
    "runs": 1,
}


def factorial_rows(auroc, gradient_norm=lambda row: 2.0, state=lambda row: "converged"):
    rows = []
    for fold, treatment in itertools.product(range(4), (*FACTORIAL, *EXTRAS)):
        row = dict.fromkeys(factorial.COLUMNS) | treatment.row()
        row |= {"fold": fold, "seed": 0, "n_train": 300, "n_test": 100, "mean_gradient_norm": 1.0}
        rows.append(row | {"auroc": auroc(row), "gradient_norm": gradient_norm(row), "training_state": state(row)})
    return rows


def reach_rows(norm):
    """`norm` of (cell, start, epoch, distance)."""
    return [
        {"cell": cell, "start": start, "seed": seed, "epoch": epoch, "step": 31 * epoch, "of": "state"}
        | dict.fromkeys(("norm", "low", "high"), norm(cell, start, epoch, distance))
        | {"distance": distance}
        for cell, start, seed, epoch in itertools.product(("rnn", "gru", "lstm"), ("torch", "keras"), (0, 1), (0, 1, 2))
        for distance in range(81)
    ]


def pair_rows(accuracy):
    """`accuracy` of (cell, trained at, tested at)."""
    return [
        dict.fromkeys(pairs.COLUMNS)
        | {"rule": "hold", "distance": trained, "tested_distance": tested, "cell": cell, "pooling": "last"}
        | {"start": "keras", "seed": seed, "accuracy": accuracy(cell, trained, tested)}
        for cell, seed, trained, tested in itertools.product(("rnn", "gru", "lstm"), (0, 1), (46, 88), (46, 88))
    ]


def results(auroc=lambda row: 0.8, norm=lambda *_: 1.0, accuracy=lambda *_: 1.0, **columns):
    rows = factorial_rows(auroc, **columns)
    return ProbeResults(
        ABOUT,
        factorial=rows,
        effects=[one.row() for one in effects(rows)],
        reach=reach_rows(norm),
        pairs=pair_rows(accuracy),
    )


def test_there_are_five_sentences_whatever_was_measured():
    for found in (ProbeResults(ABOUT), results()):
        sentences = answers(found)
        assert len(sentences) == 5
        assert all(sentence.endswith(".") for sentence in sentences)
    assert all("was not measured" in sentence for sentence in answers(ProbeResults(ABOUT)))


@pytest.mark.parametrize(
    ("norm", "verdict"),
    [
        (lambda cell, start, epoch, distance: 0.8**distance, "gradients vanish before training and vanish after it"),
        (lambda *_: 0.5, "gradients do not vanish before training and do not vanish after it"),
        (
            lambda cell, start, epoch, distance: 0.8**distance if epoch == 0 else 1.0,
            "vanish before training and do not",
        ),
    ],
)
def test_vanishing_is_judged_three_quarters_of_the_way_back(norm, verdict):
    found = results(norm=norm)
    sentence = answers(found)[0]
    assert verdict in sentence
    assert far(found) == 60
    assert "60 bases back" in sentence
    assert reach_at(found, "rnn", "torch", 60, trained=True) == [norm("rnn", "torch", 2, 60)] * 2


@pytest.mark.parametrize(("largest", "words"), [(2.0, "Gradients do not explode"), (50.0, "Gradients often explode")])
def test_explosion_counts_the_largest_gradient_in_means_and_the_runs_that_diverged(largest, words):
    found = results(
        gradient_norm=lambda row: largest if row["cell"] == "rnn" else 2.0,
        state=lambda row: (
            "diverged" if row["cell"] == "rnn" and not row["clipping"] and row["rate"] == 3 else "converged"
        ),
    )
    sentence = answers(found)[1]
    assert sentence.startswith(words)
    assert f"{largest:.2g} times its mean" in sentence
    unclipped = [row for row in found.factorial if not row["clipping"]]
    lost = [row for row in unclipped if row["training_state"] == "diverged"]
    assert f"{len(lost)} of {len(unclipped)} unclipped runs diverged" in sentence


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (lambda cell, trained, tested: 1.0 if cell == "lstm" or tested == 46 else 0.5, "RNN is overwritten:"),
        (lambda *_: 0.97, "RNN is not overwritten:"),
        (lambda *_: 0.5, "is undetermined"),
        (lambda cell, trained, tested: 1.0 if tested == 46 else 0.7, "is undetermined"),
    ],
)
def test_memory_is_judged_where_a_network_is_tested_further_away_than_it_was_trained_for(accuracy, words):
    sentence = answers(results(accuracy=accuracy))[2]
    assert words in sentence
    assert f"{accuracy('rnn', 46, 46):.2f} and {accuracy('rnn', 46, 88):.2f} with the vanilla RNN" in sentence


def test_memory_is_not_judged_from_one_distance():
    found = results()
    near = [row for row in found.pairs if row["distance"] == row["tested_distance"] == 46]
    assert answers(ProbeResults(ABOUT, pairs=near))[2] == "Is memory overwritten? It was not measured."
    trained_near = [row for row in found.pairs if row["distance"] == 46]
    sentence = answers(ProbeResults(ABOUT, pairs=trained_near))[2]
    assert "is not overwritten" in sentence
    assert "trained at 88" not in sentence


@pytest.mark.parametrize(
    ("gain", "words"),
    [(0.1, "The gate matters once"), (-0.1, "The gate does harm once"), (0.0, "is undetermined once")],
)
def test_the_gate_is_judged_where_all_else_is_equal(gain, words):
    generator = np.random.default_rng(0)
    auroc = lambda row: 0.7 + gain * (row["cell"] == "lstm") + 0.003 * generator.standard_normal()  # noqa: E731
    assert words in answers(results(auroc))[3]


def test_the_part_that_earns_most_comes_first():
    def auroc(row):
        usual = all(row[name] == value for name, value in AS_USUAL.items())
        return 0.6 + 0.2 * row["convolution"] + 0.05 * (row["pooling"] == "attention") - 0.01 * (not usual)

    sentence = answers(results(auroc))[4]
    assert sentence.startswith("Of the parts, the convolution earns most")
    assert sentence.index("the convolution,") < sentence.index("attention instead of the last state,")
    assert "0.850 with every remedy" in sentence
    assert "0.590 with all that was blamed" in sentence


def test_tables_come_back_from_the_disk_as_they_were(tmp_path):
    found = results(lambda row: 0.7 + 0.1 * row["convolution"])
    found.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    again = ProbeResults.load(tmp_path)
    assert again.about == ABOUT
    for name in ("factorial", "effects", "reach", "pairs"):
        assert getattr(again, name) == getattr(found, name)
    assert answers(again) == answers(found)
    assert tuple(again.reach[0]) == reach.COLUMNS


@pytest.mark.parametrize(("name", "words"), [("effects.csv", "columns"), ("probe.json", "is damaged")])
def test_a_damaged_file_is_named(tmp_path, name, words):
    results().save(tmp_path)
    (tmp_path / name).write_text("{nonsense")
    with pytest.raises(ValueError, match=f"{name}.*{words}"):
        ProbeResults.load(tmp_path)


def test_the_section_of_the_report_has_the_pictures_of_what_was_measured(tmp_path):
    results(norm=lambda cell, start, epoch, distance: 0.9**distance).save(tmp_path)
    pictures, sentences = report_section(tmp_path)
    assert [picture.title for picture in pictures] == [
        "How far back the gradient reaches",
        "What each part changes",
        "Gradient norms",
        "Planted motifs",
    ]
    assert all(picture.svg.startswith("<svg") for picture in pictures)
    assert len(sentences) == 5
    with pytest.raises(FileNotFoundError):
        report_section(tmp_path / "elsewhere")
