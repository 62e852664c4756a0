"""Where an epoch ends and the next begins, and the state in between."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from dnafast import BaseCodes, Genome, Loader
from streams import content, make_loader, make_windows


def epochs(count: int) -> list[list[Any]]:
    loader = make_loader()
    return [content(loader) for _ in range(count)]


def test_an_epoch_is_over_with_its_last_batch() -> None:
    """Trainers count the steps, take as many batches as the loader is long, and keep or drop what they read from."""
    expected = epochs(3)
    for keep in (False, True):
        loader, kept = make_loader(threads=2), []
        for epoch in range(3):
            running = iter(loader)
            assert content(islice(running, len(loader))) == expected[epoch]
            assert loader.state_dict()["epoch"] == epoch + 1
            if keep:
                kept.append(running)
            del running
            assert keep or loader.epoch == epoch + 1
        del kept
        assert loader.state_dict()["epoch"] == 3


def test_a_batch_less_is_no_epoch() -> None:
    expected = epochs(1)[0]
    loader = make_loader(threads=2)
    for _ in range(2):
        assert content(islice(loader, len(loader) - 1)) == expected[:-1]
        assert loader.epoch == 0
    assert content(loader) == expected
    assert loader.epoch == 1


def test_an_old_loop_that_is_dropped_late_changes_nothing() -> None:
    loader = make_loader(threads=1)
    old = iter(loader)
    list(islice(old, len(loader)))
    loader.set_epoch(7)
    del old
    assert loader.epoch == 7
    old = iter(loader)
    list(islice(old, len(loader)))
    new = iter(loader)
    next(new)
    assert loader.epoch == 8
    del old
    assert (loader.epoch, loader.state_dict()["step"]) == (8, 1)
    old = new
    list(islice(old, len(loader)))
    running = iter(loader)
    list(islice(running, len(loader)))
    del old, new
    assert loader.state_dict()["epoch"] == 10


@pytest.mark.parametrize("threads", [0, 1, 2, 7])
@pytest.mark.parametrize("step", [0, 1, 9, 10])
def test_a_state_made_of_steps(threads: int, step: int) -> None:
    stream = [batch for epoch in epochs(2) for batch in epoch]
    state = make_loader().state_dict(step)
    assert (state["epoch"], state["step"]) == (step // 10, step % 10)
    loader: Loader = make_loader(threads=threads)
    loader.load_state_dict(state)
    rest = content(loader)
    assert rest == stream[step : step + len(rest)]
    assert (step + len(rest)) % 10 == 0


@pytest.mark.parametrize("step", [-1, 11, 2.5, "3"])
def test_steps_that_no_epoch_has(step: Any) -> None:
    with pytest.raises(ValueError, match=rf"step={step!r} must be a whole number from 0 to 10"):
        make_loader().state_dict(step)


@pytest.mark.parametrize("stop", [0, 1, 3, 6, 7, 9, 14])
def test_resumes_after_any_step(genome: Genome, stop: int) -> None:
    windows = make_windows(genome, 50)
    options: dict[str, Any] = {"batch_size": 8, "jitter": 4, "reverse_complement": "random", "seed": 5}
    loader = Loader(genome, windows, **options)
    stream = content(loader) + content(loader)
    loader = Loader(genome, windows, **options)
    state, seen = loader.state_dict(), 0
    while seen < stop:
        for _ in loader:
            seen += 1
            if seen == stop:
                state = loader.state_dict()
                break
    resumed = Loader(genome, windows, **options)
    resumed.load_state_dict(pickle.loads(pickle.dumps(state)))
    assert resumed.state_dict() == state
    rest: list[Any] = []
    while len(rest) < 14 - stop:
        rest += content(resumed)
    assert rest == stream[stop:]


def test_a_state_of_another_stream_is_refused(genome: Genome) -> None:
    state = Loader(genome, make_windows(genome, 50), seed=1).state_dict()
    with pytest.raises(ValueError, match="another stream: seed is 1 there, 2 here"):
        Loader(genome, make_windows(genome, 50), seed=2).load_state_dict(state)
    with pytest.raises(ValueError, match="n_windows is 50 there, 51 here"):
        Loader(genome, make_windows(genome, 51), seed=1).load_state_dict(state)
    moved = make_windows(genome, 50)
    moved = replace(moved, start=moved.start + 1)
    with pytest.raises(ValueError, match="another stream: windows is"):
        Loader(genome, moved, seed=1).load_state_dict(state)
    with pytest.raises(ValueError, match="another stream: encoding is"):
        Loader(genome, make_windows(genome, 50), seed=1, encoding=BaseCodes()).load_state_dict(state)
    with pytest.raises(ValueError, match="step=99 must be below"):
        Loader(genome, make_windows(genome, 50), seed=1).load_state_dict({**state, "step": 99})


def test_leaving_early_begins_the_epoch_anew(genome: Genome) -> None:
    loader = Loader(genome, make_windows(genome, 50), batch_size=8)
    first = next(iter(loader))
    again = next(iter(loader))
    assert content([first]) == content([again])
    assert loader.epoch == 0
    assert len(list(loader)) == 7
