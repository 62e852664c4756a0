"""Networks of a user's own file, asked the same things as those of the zoo.

# my.py
class Net(torch.nn.Module):
    encoding = dnafast.OneHot("NCL", "float32")     # may be left out, as may the others of UserConfig

    def __init__(self, length: int, n_tasks: int, width: int = 32) -> None: ...
    def forward(self, x): ...                       # what `encoding` makes -> logits (N, n_tasks)
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import itertools
import sys
import traceback
import typing
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from dnafast.encoding import BaseCodes, Encoding, Kmers, OneHot
from dnafast.models.config import ModelConfig, suggestion
from dnafast.models.layers import Network
from dnafast.records import checksum

GIVEN = ("length", "n_tasks")  # arguments that every class takes; the others are its options


class UserClass(NamedTuple):
    """A class of a user's file."""

    path: Path
    kind: type[nn.Module]
    checksum: str
    """Of the file's bytes as they were run; what the file imports is not in it."""

    def rules(self) -> dict[str, Any]:
        """Type of each option: its annotation, else that of its default, else None."""
        try:
            hints = typing.get_type_hints(self.kind.__init__)
        except (NameError, TypeError, AttributeError):
            hints = {}
        return {
            name: hints.get(name, None if parameter.default in (None, parameter.empty) else type(parameter.default))
            for name, parameter in self._parameters().items()
        }

    def defaults(self) -> dict[str, Any]:
        """Default of each option that has one."""
        return {
            name: parameter.default
            for name, parameter in self._parameters().items()
            if parameter.default is not parameter.empty
        }

    @property
    def takes_any(self) -> bool:
        """Whether the constructor has ``**keywords``."""
        return any(parameter.kind is parameter.VAR_KEYWORD for parameter in self._signature().values())

    def _parameters(self) -> dict[str, inspect.Parameter]:
        variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        return {
            name: parameter
            for name, parameter in self._signature().items()
            if name not in GIVEN and parameter.kind not in variadic
        }

    def _signature(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self.kind).parameters)

    def build(self, length: int, n_tasks: int, options: dict[str, Any]) -> UserNetwork:
        """The network with fresh weights from torch's random state.

        Raises:
            ValueError: the constructor breaks off, or an attribute that dnafast reads is none that it can use.
        """
        try:
            network = self.kind(length=length, n_tasks=n_tasks, **options)
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"{told(error, self.path)}, while {self.kind.__name__}(length={length}, n_tasks={n_tasks}) was built"
            ) from error
        return UserNetwork(UserConfig(network, self, length, n_tasks, options))


def load_class(name: str) -> UserClass:
    """The class that "path/my.py:Net" names; a file is run once in a process.

    Raises:
        ValueError: there is no such file or class, the file breaks off, or the class is no network; one sentence with
            file and line.
    """
    file, _, class_name = name.rpartition(":")
    path = Path(file)
    try:
        module, digest = _load_file(path.resolve())
    except FileNotFoundError as error:
        if error.filename != str(path.resolve()):  # opened by the file
            raise ValueError(told(error, path)) from error
        raise ValueError(f"{path}, the file of {class_name}, does not exist") from error
    except (Exception, SystemExit) as error:
        raise ValueError(told(error, path)) from error
    kind = getattr(module, class_name, None)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        there = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
        ]
        what = "is no torch.nn.Module" if kind is not None else "is not there"
        raise ValueError(
            f"{path}: {class_name} {what}{suggestion(class_name, there)} (networks in it: {', '.join(there) or 'none'})"
        )
    found = UserClass(path, kind, digest)
    parameters = inspect.signature(kind).parameters
    lacking = [argument for argument in GIVEN if argument not in parameters]
    if lacking and not found.takes_any:
        raise ValueError(
            f"{path}, line {_line_of(kind)}: the constructor of {class_name} does not take {' and '.join(lacking)}: "
            f"it is called as {class_name}(length=..., n_tasks=...)"
        )
    return found


def require_unchanged(name: str, digest: str) -> None:
    """Refuse a file whose bytes are not those of a checksum, before any of it runs.

    Raises:
        ValueError: it has changed, on disk or since this process ran it.
    """
    path = Path(name.rpartition(":")[0])
    changed = ValueError(f"{path} has changed since this model was saved")
    # A file that is not there is told of where it is loaded.
    if path.is_file() and checksum(path.read_bytes()) != digest:
        raise changed
    if load_class(name).checksum != digest:
        raise changed


def told(error: BaseException, path: Path) -> str:
    """An error of a user's code in one line: its file, the line that it came from, its kind and what it says."""
    message = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        line = "" if error.lineno is None else f", line {error.lineno}"
        return f"{path}{line}: {type(error).__name__}: {error.msg}"
    resolved = str(path.resolve())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == resolved]
    where = f"{path}, line {lines[-1]}" if lines else str(path)
    return f"{where}: {type(error).__name__}: {message}" if message else f"{where}: {type(error).__name__}"


@functools.cache
def _load_file(path: Path) -> tuple[Any, str]:
    """Run a file as a module of its own; returns it and the checksum of the very bytes that ran."""
    source = path.read_bytes()
    digest = checksum(source)
    name = f"dnafast_user_{path.stem}_{checksum(str(path), source)[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and TorchScript look their module up
    sys.path.insert(0, str(path.parent))  # as where Python runs a script, so that it can import its neighbours
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module, digest


def _line_of(kind: type) -> int:
    try:
        return inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):
        return 1


class UserConfig(ModelConfig):
    """What a user's network says of itself, under the names that the networks of the zoo have.

    Attributes ``encoding``, ``minimum_length``, ``strand_blind`` and ``flops()`` of the network or its class are taken;
    without them it eats one-hot float32 (N, 4, L) of any length, tells strands apart, and its operations are counted by
    torch.

    Raises:
        ValueError: one of them is nothing that dnafast can use.
    """

    def __init__(self, network: nn.Module, source: UserClass, length: int, n_tasks: int, given: dict[str, Any]) -> None:
        super().__init__(length=length, n_tasks=n_tasks)
        self.network = network
        self.given = given
        self.name = f"{source.path}:{source.kind.__name__}"
        self._encoding = getattr(network, "encoding", OneHot("NCL", "float32"))
        self._minimum_length = getattr(network, "minimum_length", 1)
        self._strand_blind = getattr(network, "strand_blind", False)
        where = f"{source.path}, line {_line_of(source.kind)}: {source.kind.__name__}"
        if not isinstance(self._encoding, Encoding):
            raise ValueError(
                f"{where}.encoding={self._encoding!r} must be an encoding, such as dnafast.OneHot('NCL', 'float32')"
            )
        minimum = self._minimum_length
        if isinstance(minimum, bool) or not isinstance(minimum, int) or minimum < 1:
            raise ValueError(f"{where}.minimum_length={minimum!r} must be a whole number of at least 1")
        if not isinstance(self._strand_blind, bool):
            raise ValueError(f"{where}.strand_blind={self._strand_blind!r} must be True or False")
        self._own_flops = _own_flops(network, source, where)
        if isinstance(self._encoding, Kmers) and self._encoding.stride > 1 and minimum > length:
            raise ValueError(f"{where}.minimum_length={minimum} needs padding, which words at a stride do not have")

    # Two networks of one length are not the same.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def encoding(self) -> Encoding:
        """The encoding whose batches the network takes."""
        return self._encoding

    @property
    def minimum_length(self) -> int:
        """Shortest sequence in bases that the network takes; shorter ones are padded with N on both sides to it."""
        return self._minimum_length

    @property
    def strand_blind(self) -> bool:
        """Whether a sequence and its reverse complement always get the same logits."""
        return self._strand_blind

    def flops(self) -> int | None:
        """Operations of one sequence's forward pass: as the network's ``flops()`` has it, else as torch counts them.

        None where torch's counter would leave something out: recurrent layers, fused attention, operators that are not
        torch's own.
        """
        if self._own_flops is not None:
            return self._own_flops
        return _counted_flops(self.network, self.encoding, self.padded_length)


def _own_flops(network: nn.Module, source: UserClass, where: str) -> int | None:
    """What the network's ``flops()`` says; None where it has none.

    Raises:
        ValueError: it breaks off, or gives no whole number.
    """
    own = getattr(network, "flops", None)
    if own is None:
        return None
    if not callable(own):
        raise ValueError(f"{where}.flops={own!r} must be a method that gives the operations of one sequence")
    try:
        found = own()
    except (Exception, SystemExit) as error:
        raise ValueError(f"{told(error, source.path)}, while {source.kind.__name__}.flops() was asked for") from error
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise ValueError(
            f"{where}.flops() gives {found!r} and must give a whole number, the operations of one sequence"
        )
    return found


class UserNetwork(Network):
    """A user's network, with a configuration; shorter sequences are padded with N to its minimum length."""

    def __init__(self, config: UserConfig) -> None:
        super().__init__(config)
        self.network = config.network
        missing = config.padded_length - config.length
        self.left, self.right = missing // 2, missing - missing // 2
        self.channels_last = isinstance(config.encoding, OneHot) and config.encoding.layout == "NLC"
        match config.encoding:
            case BaseCodes():
                self.unknown = 4.0
            case Kmers(k=k):
                self.unknown = float(4**k)
            case OneHot(unknown=unknown):
                self.unknown = float(unknown)
            case _:  # counts have no positions
                self.unknown, self.left, self.right = 0.0, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        """What ``config.encoding`` makes -> logits (N, T)."""
        if self.right > 0:
            around = [0, 0, self.left, self.right] if self.channels_last else [self.left, self.right]
            x = functional.pad(x, around, value=self.unknown)
        return self.network(x)


class _Uncounted(TorchDispatchMode):
    """Notes whether an operator ran that does much and that torch's counter does not know."""

    # Fused layers; other operators of torch that the counter lacks are no matrix products.
    fused = ("rnn", "lstm", "gru", "attention", "transformer")

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._overloadpacket not in flop_registry:
            name = func._overloadpacket.__name__
            self.found |= func.namespace != "aten" or any(word in name for word in self.fused)
        return func(*args, **(kwargs or {}))


def _counted_flops(network: nn.Module, encoding: Encoding, length: int) -> int | None:
    """Operations of one sequence's forward pass by torch's counter; None where it would leave something out."""
    if any(isinstance(module, nn.RNNBase | nn.RNNCellBase) for module in network.modules()):
        return None
    tensor = next(itertools.chain(network.parameters(), network.buffers()), torch.zeros(()))
    x = torch.as_tensor(encoding.allocate(1, length)).zero_().to(tensor.device)
    was_training = network.training
    network.eval()
    try:
        # With gradients on, as torch fuses attention where there are none.
        with torch.enable_grad(), _Uncounted() as uncounted, FlopCounterMode(display=False) as counter:
            network(x)
    finally:
        network.train(was_training)
    return None if uncounted.found else counter.get_total_flops()
