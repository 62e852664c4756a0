"""What every network promises, each promise a function that tries it: for the tests of the zoo and for users' networks.

    for finding in dnafast.contract.check(dnafast.models.parse("my.py:Net").build, length=200):
        print(finding.promise, finding.state, finding.sentence)

Shape letters: N sequences, L positions, T tasks.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dnafast.encoding import encode
from dnafast.evaluate import load_weights, save_weights
from dnafast.models import Network
from dnafast.models.user import UserConfig, UserNetwork, told
from dnafast.train import TrainConfig, make_optimizer, masked_loss
from dnafast.train.errors import is_out_of_memory

State = Literal["kept", "broken", "noted"]

TOLERANCE = 1e-5
"""Largest difference of logits that are the same, absolute, or relative where they are above 1."""
MOTIF = (3, 2, 0, 1, 2, 3, 1, 0)
_MOTIF_EVERY = 30  # bases to one motif, so that long sequences are no harder than short ones
_FIT_RATES = (3e-3, 3e-4)
_FIT_STEPS = 300
_FIT_RIGHT = 0.95
_SHORTEST_WITH_MOTIF = 8


class Finding(NamedTuple):
    """What came of trying one promise."""

    promise: str
    state: State
    """kept; broken; or noted, where it could not be tried and nothing is wrong for that."""
    sentence: str


class BrokenPromise(Exception):
    """A promise is not kept; the message says how, with figures."""


class Untried(Exception):
    """A promise cannot be tried; the message says why."""


@dataclass(frozen=True)
class Subject:
    """The network that is looked at.

    Attributes:
        build: (length, n_tasks) -> a network with fresh weights from torch's random state.
        length: bases per sequence.
        n_tasks: logits per sequence.
        seed: of weights and sequences.
    """

    build: Callable[[int, int], Network]
    length: int
    n_tasks: int
    seed: int

    def network(self, n_tasks: int | None = None, seed: int = 0) -> Network:
        """A network with the weights of a seed."""
        torch.manual_seed(self.seed + seed)
        return self.build(self.length, n_tasks or self.n_tasks)

    @cached_property
    def trained(self) -> Network:
        """The network after a few steps, in evaluation mode: what starts at zero has moved."""
        network = self.network()
        self.take_steps(network)
        return network.eval()

    def take_steps(self, network: Network, after_backward: Callable[[float], None] | None = None) -> None:
        """Three steps of training, each on other sequences."""
        optimizer = make_optimizer(network, TrainConfig())
        for seed in range(3):
            labels = (torch.arange(16) % 2).float().unsqueeze(1).expand(16, self.n_tasks)
            _step(network, optimizer, self.batch(network, 16, seed), labels, after_backward)

    def batch(self, network: Network, n: int, seed: int = 0, *, reverse: bool = False) -> Tensor:
        """What the data path gives the network for n random sequences, an N now and then, or their other strand."""
        generator = torch.Generator().manual_seed(1000 * self.seed + seed)
        codes = torch.randint(0, 4, (n, self.length), generator=generator, dtype=torch.uint8)
        codes = codes.masked_fill(torch.rand(n, self.length, generator=generator) < 0.03, 4)
        if reverse:
            codes = torch.tensor([3, 2, 1, 0, 4], dtype=torch.uint8)[codes.flip(1).long()]
        return encoded(codes, network)


def check(
    build: Callable[[int, int], Network],
    *,
    length: int = 200,
    n_tasks: int = 1,
    seed: int = 0,
    told_of: Callable[[Finding], None] | None = None,
) -> list[Finding]:
    """Try every promise of `PROMISES` on a network.

    Where a network gives no logits, or other ones each time, or cannot be trained, nothing else can be said of it and
    the rest is not tried.
    The global random state is put back.

    Args:
        build: (length, n_tasks) -> the network; ``dnafast.models.parse(text).build`` is one.
        length: bases per sequence.
        n_tasks: logits per sequence.
        seed: of weights and sequences.
        told_of: called with each finding as it is made.

    Raises:
        ValueError: length or n_tasks is below 1, or the network cannot be built or fed with sequences of that length.
        MemoryError: the memory does not suffice.
    """
    if length < 1 or n_tasks < 1:
        raise ValueError(f"length={length} and n_tasks={n_tasks} must be at least 1")
    subject = Subject(build, length, n_tasks, seed)
    try:
        return _check(subject, told_of)
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError(f"out of memory with sequences of {length} bases: try shorter ones") from error
        raise


def _check(subject: Subject, told_of: Callable[[Finding], None] | None) -> list[Finding]:
    findings: list[Finding] = []
    with torch.random.fork_rng(devices=[]):
        network = subject.network()
        network.config.encoding.shape(subject.length)
        for name, promise in PROMISES.items():
            finding = _tried(name, promise, subject, network)
            findings.append(finding)
            if told_of is not None:
                told_of(finding)
            if finding.state == "broken" and name in _FIRST:
                break
    return findings


def shapes(subject: Subject) -> str:
    """Logits are float32 (N, T), finite: for one sequence and for several, one task and several, and for N alone."""
    for n_tasks in dict.fromkeys((subject.n_tasks, 1)):
        network = subject.network(n_tasks).eval()
        for n in (5, 1):
            _check_logits(network(subject.batch(network, n)), n, n_tasks, "")
        unknown = torch.full((2, subject.length), 4, dtype=torch.uint8)
        _check_logits(network(encoded(unknown, network)), 2, n_tasks, " of N alone")
    return f"finite float32 logits (N, {subject.n_tasks}) for sequences of {subject.length} bases"


def repeatable(subject: Subject) -> str:
    """In evaluation mode the same batch gets the same logits."""
    network = subject.network().eval()
    x = subject.batch(network, 5)
    before, again = network(x), network(x)
    if not torch.equal(before, again):
        raise BrokenPromise(
            f"in evaluation mode the same batch gets logits that are up to {_gap(before, again):.2g} off the second "
            "time: something draws at random there, such as functional.dropout without training=self.training"
        )
    return "the same batch gets the same logits in evaluation mode"


def training(subject: Subject) -> str:
    """Three steps of training have finite losses and gradients."""
    network = subject.network()
    if not _parameters(network):
        raise BrokenPromise(
            "it has no parameters to train: layers in a plain list or dict are not seen, torch.nn.ModuleList holds them"
        )
    losses: list[float] = []

    def look(loss: float) -> None:
        losses.append(loss)
        step = len(losses)
        if not math.isfinite(loss):
            raise BrokenPromise(f"the loss is {loss} at step {step} of training")
        for name, parameter in _parameters(network).items():
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
                raise BrokenPromise(f"the gradient of {name} is no finite number at step {step} of training")

    subject.take_steps(network, look)
    return f"three steps have finite losses ({losses[0]:.3f} to {losses[-1]:.3f}) and gradients"


def batch_mates(subject: Subject) -> str:
    """In evaluation mode a sequence's logits do not depend on the other sequences of its batch."""
    network = subject.trained
    x = subject.batch(network, 8)
    together = network(x)
    alone = torch.cat([network(x[i : i + 1]) for i in range(len(x))])
    if _differ(alone, together):
        raise BrokenPromise(
            f"a sequence's logits depend on its batch: alone they are up to {_gap(alone, together):.2g} off (at most "
            f"{TOLERANCE:g}): something is reckoned over the batch dimension in evaluation mode"
        )
    return f"a sequence's logits depend on it alone (within {TOLERANCE:g})"


def gradients(subject: Subject) -> str:
    """In training every parameter gets a gradient, and the optimiser holds it."""
    network = subject.network()
    parameters = _parameters(network)
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    if frozen:
        raise BrokenPromise(
            f"{_some(frozen)} requires no gradient and would stay as it is: register it as a buffer if that is meant"
        )
    held = {
        id(parameter) for group in make_optimizer(network, TrainConfig()).param_groups for parameter in group["params"]
    }
    left_out = [name for name, parameter in parameters.items() if id(parameter) not in held]
    if left_out:
        raise BrokenPromise(f"the optimiser does not hold {_some(left_out)}")
    largest = dict.fromkeys(parameters, -1.0)

    def note(_: float) -> None:
        for name, parameter in parameters.items():
            if parameter.grad is not None:
                largest[name] = max(largest[name], parameter.grad.abs().max().item())

    # Several steps: what lies behind a layer that starts at zero gets its first gradient after one.
    subject.take_steps(network, note)
    unused = [name for name, gradient in largest.items() if gradient < 0]
    if unused:
        raise BrokenPromise(f"{_some(unused)} gets no gradient in training: nothing in forward uses it")
    zero = [name for name, gradient in largest.items() if gradient == 0]
    if zero:
        raise BrokenPromise(f"{_some(zero)} gets a gradient of 0 in three steps: it does not change the logits")
    count = sum(parameter.numel() for parameter in parameters.values())
    return f"all {len(parameters)} parameters ({count:,} numbers) get a gradient and are in the optimiser"


def scripted(subject: Subject) -> str:
    """TorchScript gives the same logits, where the network can be scripted."""
    network = subject.trained
    x = subject.batch(network, 4)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript has no future is known
            script = torch.jit.script(network)
            found = script(x)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise Untried(f"it cannot be scripted: {lines[0] if lines else type(error).__name__}") from error
    expected = network(x)
    if _differ(found, expected):
        raise BrokenPromise(f"by TorchScript its logits are up to {_gap(found, expected):.2g} off")
    return "TorchScript gives the same logits"


def save_and_load(subject: Subject) -> str:
    """Saved weights, loaded into a fresh network of another seed, bring back the logits."""
    network = subject.trained
    x = subject.batch(network, 4)
    other = subject.network(seed=1).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights(network, path)
        load_weights(other, path)
    expected, found = network(x), other(x)
    if _differ(found, expected):
        raise BrokenPromise(
            f"a fresh network with the saved weights gives logits up to {_gap(found, expected):.2g} off: something "
            "that matters is neither parameter nor buffer, such as layers or tensors in a plain list"
        )
    return f"{len(network.state_dict())} tensors bring its logits back in a fresh network"


def strands(subject: Subject) -> str:
    """A sequence and its reverse complement get the same logits if ``config.strand_blind`` says so, and only then."""
    network = subject.trained
    forward, backward = (network(subject.batch(network, 8, reverse=reverse)) for reverse in (False, True))
    blind = network.config.strand_blind
    if blind and _differ(forward, backward):
        raise BrokenPromise(
            f"it says that it is strand-blind, and the logits of reverse complements are up to "
            f"{_gap(forward, backward):.2g} off"
        )
    if not blind and not _differ(forward, backward):
        if not _differ(forward[:-1], forward[1:]):
            raise Untried("it gives all sequences the same logits after three steps, so that strands cannot be told")
        raise BrokenPromise(
            "it gives a sequence and its reverse complement the same logits and does not say so: strand_blind = True "
            "as an attribute of the class says it"
        )
    return "strand-blind, as it says" if blind else "it tells a sequence from its reverse complement"


def motif(subject: Subject) -> str:
    """Sixty-four sequences, half of them with a planted motif, are told apart after some hundred steps."""
    if subject.length < _SHORTEST_WITH_MOTIF:
        raise Untried(f"sequences of {subject.length} bases have no room for a motif")
    generator = torch.Generator().manual_seed(3 + subject.seed)
    codes = torch.randint(0, 4, (64, subject.length), generator=generator, dtype=torch.uint8)
    word = torch.tensor(MOTIF[: subject.length // 2], dtype=torch.uint8)
    for row in range(1, 64, 2):
        for begin in range(0, max(1, subject.length - _MOTIF_EVERY + 1), _MOTIF_EVERY):
            room = min(_MOTIF_EVERY, subject.length - begin) - len(word) + 1
            place = begin + int(torch.randint(0, room, (1,), generator=generator))
            codes[row, place : place + len(word)] = word
    labels = (torch.arange(64) % 2).float().unsqueeze(1).expand(64, subject.n_tasks)
    best = 0.0
    for rate in _FIT_RATES:
        network = subject.network()
        optimizer = make_optimizer(network, TrainConfig(learning_rate=rate))
        x = encoded(codes, network)
        for steps in range(20, _FIT_STEPS + 1, 20):
            for _ in range(20):
                _step(network, optimizer, x, labels)
            with torch.no_grad():
                logits = network.eval()(x)
            right = ((logits > 0) == (labels == 1)).float().mean().item()
            if right >= _FIT_RIGHT:
                return f"64 sequences with a planted motif are fitted in {steps} steps ({right:.0%} right)"
            best = max(best, right)
    rates = " and ".join(f"{rate:g}" for rate in _FIT_RATES)
    raise BrokenPromise(
        f"of 64 sequences, half of them with a planted motif, it has at most {best:.0%} right (chance is 50 %) after "
        f"{_FIT_STEPS} steps at learning rates of {rates}: it does not learn what it is shown"
    )


def same_seed(subject: Subject) -> str:
    """The same seed gives the same weights and logits, bit for bit, on one machine with one number of threads."""

    def run() -> Tensor:
        network = subject.network()
        subject.take_steps(network)
        return network.eval()(subject.batch(network, 4))

    first, second = run(), run()
    if not torch.equal(first, second):
        raise BrokenPromise(
            f"two trainings of three steps from one seed give logits up to {_gap(first, second):.2g} apart: something "
            "draws from another source than torch's random state"
        )
    return "one seed gives one result, bit for bit"


PROMISES: dict[str, Callable[[Subject], str]] = {
    "shapes": shapes,
    "repeatable": repeatable,
    "training": training,
    "batch mates": batch_mates,
    "gradients": gradients,
    "scripted": scripted,
    "save and load": save_and_load,
    "strands": strands,
    "planted motif": motif,
    "same seed": same_seed,
}
_FIRST = ("shapes", "repeatable", "training")  # without these nothing can be said of the others


def encoded(codes: Tensor, network: Network) -> Tensor:
    """What the data path gives the network for base codes uint8 (N, L)."""
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)[codes.numpy()]
    return torch.as_tensor(encode(letters, network.config.encoding))


def _tried(name: str, promise: Callable[[Subject], str], subject: Subject, network: Network) -> Finding:
    try:
        return Finding(name, "kept", promise(subject))
    except BrokenPromise as broken:
        return Finding(name, "broken", str(broken))
    except Untried as untried:
        return Finding(name, "noted", str(untried))
    except (Exception, SystemExit) as error:  # whatever a user's code raises is what it is to be told of
        if is_out_of_memory(error):
            raise
        config = network.config
        where = told(error, Path(config.name.rpartition(":")[0])) if isinstance(config, UserConfig) else repr(error)
        return Finding(name, "broken", f"it breaks off: {where}")


def _check_logits(logits: Tensor, n: int, n_tasks: int, what: str) -> None:
    sequences = f"{n} sequence{'s' if n > 1 else ''}{what} and {n_tasks} task{'s' if n_tasks > 1 else ''}"
    if not isinstance(logits, Tensor):
        raise BrokenPromise(
            f"forward gives a {type(logits).__name__} for {sequences}, and must give a tensor of logits"
        )
    if logits.shape != (n, n_tasks):
        raise BrokenPromise(f"forward gives logits of shape {tuple(logits.shape)} for {sequences}, not {(n, n_tasks)}")
    if logits.dtype != torch.float32:
        raise BrokenPromise(f"forward gives logits of {str(logits.dtype).removeprefix('torch.')}, not float32")
    wrong = int((~torch.isfinite(logits)).sum())
    if wrong:
        raise BrokenPromise(f"{wrong} of {logits.numel()} logits for {sequences} are NaN or infinite")


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    after_backward: Callable[[float], None] | None = None,
) -> None:
    """One step of training as `dnafast.train` takes it."""
    network.train()
    loss = masked_loss(network(x), y)
    optimizer.zero_grad()
    loss.backward()
    if after_backward is not None:
        after_backward(loss.item())
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def _parameters(network: Network) -> dict[str, nn.Parameter]:
    """Parameters under the names that their author gave them."""
    return dict((network.network if isinstance(network, UserNetwork) else network).named_parameters())


def _gap(found: Tensor, expected: Tensor) -> float:
    return (found - expected).abs().max().item()


def _differ(found: Tensor, expected: Tensor) -> bool:
    return not torch.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


def _some(names: list[str]) -> str:
    """The first name, and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"
