"""Runs of the factorial and of the reach leave whole tables, the same each time."""

import numpy as np
import pytest

from dnafast import synthetic
from dnafast.probe import factorial, reach
from dnafast.probe.config import full, quick
from dnafast.probe.networks import Treatment
from dnafast.probe.parts import Folds


@pytest.fixture(scope="module")
def folds():
    made = synthetic.simulate_promoters(0, n=150)
    return Folds.of("promoters", made.letters, made.labels, None, 3, simulated=True)


def test_every_network_meets_every_fold_under_a_name_of_its_own(folds):
    runs = [*factorial.runs(folds, full()), *reach.runs(folds, full())]
    assert len({run.id for run in runs}) == len(runs)
    assert len(factorial.runs(folds, full())) == 3 * len({*factorial.FACTORIAL, *factorial.EXTRAS})
    assert [run.fold for run in factorial.runs(folds, full())] == sorted(
        run.fold for run in factorial.runs(folds, full())
    )


@pytest.mark.parametrize(
    "treatment", [Treatment("gru", "attention"), Treatment("rnn", "last", convolution=False, direction="backward")]
)
def test_a_run_leaves_its_row_its_attention_and_its_input_reach(folds, treatment):
    run = factorial.FactorialRun(treatment, 1, 0, folds, quick())
    result = run.perform()
    assert set(result["row"]) == set(factorial.COLUMNS)
    assert result["row"]["fold"] == 1
    assert np.shape(result["input_reach"]) == (81, 3)
    if treatment.pooling == "attention":
        np.testing.assert_allclose(np.sum(result["attention"], axis=1), 1, rtol=1e-5)
        rows = factorial.attention_rows(result["row"], result["attention"])
        assert len(rows) == 2 * 81
        assert set(rows[0]) == set(factorial.ATTENTION_COLUMNS)
    else:
        assert result["attention"] == []
        assert factorial.attention_rows(result["row"], result["attention"]) == []
    again = run.perform()
    assert {**again["row"], "seconds": 0} == {**result["row"], "seconds": 0}
    assert again["input_reach"] == result["input_reach"]


def test_the_reach_is_measured_before_training_and_after_each_epoch(folds):
    run = reach.runs(folds, quick())[0]
    result = run.perform()
    rows = result["rows"]
    assert set(rows[0]) == set(reach.COLUMNS)
    evaluated = {row["epoch"] for row in rows}
    assert evaluated == {0, 1}
    assert result["outcome"]["steps"] == quick().train.max_steps
    for of in ("state", "input"):
        for epoch in evaluated:
            at = [row for row in rows if row["of"] == of and row["epoch"] == epoch]
            assert [row["distance"] for row in at] == list(range(81))
            assert all(0 <= row["low"] <= row["high"] for row in at)


def test_a_look_at_the_reach_does_not_change_the_training(folds):
    run = reach.runs(folds, quick())[0]
    watched = run.perform()["outcome"]
    from dnafast.probe.networks import fit

    alone = fit(run.treatment.build(4, run.seed), folds.parts(0, 64), run._training(), run.seed)
    assert {**watched, "seconds": 0} == {**alone, "seconds": 0}
