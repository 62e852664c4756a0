"""What every operator of ``torch.ops.dnafast`` must do, whatever it computes: a base class of tests.

A subclass (named ``Test…``) says which operator it is, how to make arguments, and what the answer is; the tests come
with this class. Arguments are a dict by schema names; its floating tensors are the differentiable ones.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

Arguments = dict[str, Any]

# opcheck of torch 2.15 looks for gradients where there are none, and is warned of it by torch itself.
quiet_opcheck = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
# What an operator refuses, called by its bare name: with torch 2.15 all that C++ throws is a RuntimeError.
REFUSAL = (ValueError, RuntimeError)
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def random_codes(sequences: int, length: int, letters: int = 5) -> Tensor:
    return torch.randint(0, letters, (sequences, length), dtype=torch.uint8)


class OperatorContract:
    """Tests shared by all operators."""

    #: Name under ``torch.ops.dnafast``.
    name: str
    #: Sets of arguments to go through, each a dict for :meth:`arguments`.
    cases: ClassVar[list[dict[str, Any]]]
    #: Floating arguments of all ways to run but gradcheck.
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (torch.float32, torch.bfloat16)

    def arguments(self, dtype: torch.dtype, **case: Any) -> Arguments:
        """Fresh random arguments, floating tensors of ``dtype`` requiring gradients; small enough for gradcheck."""
        raise NotImplementedError

    def expected(self, arguments: Arguments) -> Tensor:
        """The answer in plain torch, differentiable."""
        raise NotImplementedError

    def module(self, arguments: Arguments) -> torch.nn.Module:
        """A module, scriptable, whose parameters are the floating tensors and whose one input is the first argument."""
        raise NotImplementedError

    # ---- what subclasses get ----

    def operator(self) -> Any:
        return getattr(torch.ops.dnafast, self.name)

    def call(self, arguments: Arguments) -> Tensor:
        """The operator's output; of several, all in one tensor."""
        output: Tensor = self.operator()(**arguments)
        return output

    def each(self, dtype: torch.dtype = torch.float32) -> Iterator[Arguments]:
        torch.manual_seed(0)
        for case in self.cases:
            yield self.arguments(dtype, **case)

    def each_of_all_dtypes(self) -> Iterator[Arguments]:
        for dtype in self.dtypes:
            yield from self.each(dtype)

    def assert_equal(self, actual: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
        scale = max(1.0, expected.abs().max().item()) if expected.numel() else 1.0
        torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE[dtype] * scale)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_forward_and_gradients(self, dtype: torch.dtype) -> None:
        for arguments in self.each(dtype):
            actual, expected = self.call(arguments), self.expected(arguments)
            assert actual.dtype == dtype
            self.assert_equal(actual, expected, dtype)
            self.assert_same_gradients(actual, expected, arguments, dtype)

    def assert_same_gradients(self, actual: Tensor, expected: Tensor, arguments: Arguments, dtype: torch.dtype) -> None:
        leaves = floating(arguments)
        gradient = torch.randn_like(expected)
        for one, other in zip(
            torch.autograd.grad(actual, leaves, gradient), torch.autograd.grad(expected, leaves, gradient), strict=True
        ):
            self.assert_equal(one, other, dtype)

    def test_gradcheck(self) -> None:
        for arguments in self.each(torch.float64):
            names = [name for name, value in arguments.items() if is_floating(value)]

            def function(*values: Tensor, names: list[str] = names, arguments: Arguments = arguments) -> Tensor:
                return self.call({**arguments, **dict(zip(names, values, strict=True))})

            assert torch.autograd.gradcheck(function, tuple(arguments[name] for name in names))

    @quiet_opcheck
    def test_opcheck(self) -> None:
        for arguments in self.each_of_all_dtypes():
            torch.library.opcheck(self.operator().default, (), arguments)

    def test_without_gradient_is_the_same(self) -> None:
        for arguments in self.each_of_all_dtypes():
            with_gradient = self.call(arguments).detach()
            with torch.no_grad():
                assert torch.equal(self.call(arguments), with_gradient)
            plain = {name: value.detach() if is_floating(value) else value for name, value in arguments.items()}
            with torch.inference_mode():
                assert torch.equal(self.call(plain), with_gradient)

    def test_strided_arguments(self) -> None:
        for arguments in self.each_of_all_dtypes():
            loose = {name: strided(value) for name, value in arguments.items()}
            actual, expected = self.call(loose), self.call(arguments)
            assert torch.equal(actual, expected)
            gradient = strided(torch.randn_like(expected))
            for one, other in zip(
                torch.autograd.grad(actual, floating(loose), gradient),
                torch.autograd.grad(expected, floating(arguments), gradient.contiguous()),
                strict=True,
            ):
                assert torch.equal(one, other)

    def test_script(self) -> None:
        for arguments in self.each_of_all_dtypes():
            module = self.module(arguments)
            values = next(iter(arguments.values()))
            scripted = torch.jit.script(module)
            file = io.BytesIO()
            torch.jit.save(scripted, file)
            file.seek(0)
            loaded = torch.jit.load(file)
            expected = module(values)
            assert torch.equal(scripted(values), expected)
            assert torch.equal(loaded(values), expected)
            self.assert_trains_alike(loaded, module, values)

    @pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")  # of torch 2.11's own loading
    def test_export(self) -> None:
        for arguments in self.each_of_all_dtypes():
            module = self.module(arguments)
            values = next(iter(arguments.values()))
            program = torch.export.export(module, (values,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
            assert f"dnafast.{self.name}" in program.graph_module.code
            file = io.BytesIO()
            torch.export.save(program, file)
            file.seek(0)
            loaded = torch.export.load(file).module()
            assert torch.equal(loaded(values), module(values))

    def test_compile(self) -> None:
        # "aot_eager" goes through tracing, fake tensors and the joint graph, but needs no compiler on the machine.
        for arguments in self.each_of_all_dtypes():
            module = self.module(arguments)
            values = next(iter(arguments.values()))
            torch.compiler.reset()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
                assert torch.equal(compiled(values), module(values))
                self.assert_trains_alike(compiled, module, values)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_autocast(self, dtype: torch.dtype) -> None:
        to = torch.bfloat16 if dtype == torch.bfloat16 else torch.float32
        for arguments in self.each():
            cast, half = (
                {name: value.detach().to(kind) if is_floating(value) else value for name, value in arguments.items()}
                for kind in (to, dtype)
            )
            last = [name for name, value in arguments.items() if is_floating(value)][-1]
            with torch.autocast("cpu", dtype):
                actual = self.call(arguments)
                assert self.call(half).dtype == to
                assert self.call({**arguments, last: half[last]}).dtype == to
            assert actual.dtype == to
            assert torch.equal(actual, self.call(cast))
            leaves = floating(arguments)
            for gradient, leaf in zip(torch.autograd.grad(actual.float().sum(), leaves), leaves, strict=True):
                assert gradient.dtype == leaf.dtype == torch.float32

    def test_repeats_bit_for_bit(self) -> None:
        for arguments in self.each_of_all_dtypes():
            results = []
            for _ in range(2):
                output = self.call(arguments)
                results.append((output, *torch.autograd.grad(output, floating(arguments), torch.ones_like(output))))
            for one, other in zip(*results, strict=True):
                assert torch.equal(one, other)

    def assert_trains_alike(self, one: Any, other: torch.nn.Module, values: Tensor) -> None:
        """The gradients of both modules' parameters are the same."""
        gradients = []
        for module in (one, other):
            module.zero_grad()
            module(values).square().sum().backward()
            gradients.append({name.removeprefix("_orig_mod."): p.grad.clone() for name, p in module.named_parameters()})
        assert gradients[0].keys() == gradients[1].keys()
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradient, gradients[1][name])


def is_floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def floating(arguments: Arguments) -> list[Tensor]:
    return [value for value in arguments.values() if is_floating(value)]


def strided(value: Any) -> Any:
    """The same values with gaps between them; whatever is no tensor is handed back."""
    if not isinstance(value, Tensor):
        return value
    wide = torch.stack([value.detach(), torch.zeros_like(value)], dim=-1)[..., 0]
    return wide.requires_grad_(value.requires_grad)
