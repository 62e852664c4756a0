"""``torch.nn.Conv1d`` over base codes or one-hot, fused with ReLU and max pooling.

Letters of shapes: N sequences, L length, C channels, K kernel width, P positions of the convolution.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

import dnafast.ops  # noqa: F401  (loads torch.ops.dnafast)
from dnafast.device import has_triton
from dnafast.nn.bases import codes_of_one_hot, one_hot


def _has_float16_autocast(weight: Tensor) -> bool:
    """Whether autocast on the CPU wants what the operator does not have."""
    if weight.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return False
    return torch.get_autocast_dtype("cpu") == torch.float16


class Conv1d(nn.Conv1d):
    """``torch.nn.Conv1d`` with the same arguments, output and ``state_dict``, which reads base codes too.

    Codes never become one-hot: the native operator adds rows of tables. One-hot is turned back into codes where it is
    exactly that, on the CPU, and no gradient of it is asked for. Torch is called for what the operator does not have
    (other input channels than four, groups, padding other than zeros, float16) or does more slowly (a single short
    sequence; on CUDA small batches), and on CUDA where it is compiled, under autocast or in anything but float32. What
    comes out under autocast to bfloat16 is bfloat16, whoever was called; autocast to float16 is torch's.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype: as
            of ``torch.nn.Conv1d``. Padded positions are unknown bases.
        relu: apply ReLU, before the pooling.
        pool: 0 for none; p > 0 for the maximum of every p positions (``torch.nn.MaxPool1d(p)``); -1 for the maximum of
            all positions.

    Raises:
        ValueError: pool is below -1, or what ``torch.nn.Conv1d`` refuses.
    """

    # Multiply-adds from which on the operator is faster for one sequence. Measured on one thread of a shared x86-64
    # server with AVX-512, torch 2.13, 32 to 320 channels, widths 3 to 26, L 81 to 1,000: for two sequences and more it
    # was always faster, 1.3 to 250 times, for one its call costs more than a small convolution.
    fewest_predicting = 2**19
    fewest_training = 2**21
    # Weights per base from which on one-hot is worth turning back into codes, which takes as long as a convolution of
    # about a hundred.
    fewest_one_hot = 512
    # Outputs, before pooling, from which on the kernel for a GPU is faster than cuDNN. Measured on an H100, torch 2.11,
    # for layers of 32 x 11 to 320 x 8, with 32 to 2,048 sequences of 200 to 1,000 bases; fewer would not fill it.
    fewest_sequences_on_cuda = 32
    fewest_predicting_on_cuda = 8_000_000
    fewest_training_on_cuda = 24_000_000
    __constants__ = [  # noqa: RUF012
        *nn.Conv1d.__constants__,
        *("fewest_predicting", "fewest_training", "fewest_one_hot"),
        *("fewest_sequences_on_cuda", "fewest_predicting_on_cuda", "fewest_training_on_cuda"),
    ]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Any = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        relu: bool = False,
        pool: int = 0,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self._add_options(relu, pool)

    def _add_options(self, relu: bool, pool: int) -> None:
        """What this layer has beyond that of torch."""
        if isinstance(pool, bool) or not hasattr(pool, "__index__") or pool < -1:
            raise ValueError(f"pool={pool!r} must be 0 (none), a number of positions, or -1 (all of them)")
        self.relu = bool(relu)
        self.pool = int(pool)
        # The operator pads both ends alike; "same" of an even reach puts one more on the right.
        left, right = self._reversed_padding_repeated_twice
        self.both_ends: int = left
        self.more_right: int = right - left
        self.fits_operator: bool = self.can_replace(self)

    @staticmethod
    def can_replace(layer: nn.Conv1d) -> bool:
        """Whether a layer of torch reads bases in a way that the operator has."""
        return layer.in_channels == 4 and layer.groups == 1 and layer.padding_mode == "zeros"

    @classmethod
    def take_over(cls, layer: nn.Conv1d) -> None:
        """Make a layer of torch one of this class, where it stands."""
        layer.__class__ = cls
        cls._add_options(cast("Conv1d", layer), relu=False, pool=0)

    def forward(self, input: Tensor) -> Tensor:
        """Base codes uint8 (N, L), one-hot (N, 4, L), or what ``torch.nn.Conv1d`` takes -> (N, C, P).

        With ``pool=p`` (N, C, P // p), with ``pool=-1`` (N, C).

        Raises:
            ValueError: codes for a layer of other than four input channels, a code above 4, or sequences shorter than
                the kernel.
        """
        if input.dtype == torch.uint8 and input.dim() == 2:
            if self.in_channels != 4:
                raise ValueError(
                    f"input of shape {input.shape} holds base codes: this layer has {self.in_channels} input channels, "
                    "and needs 4 to read them"
                )
            if self.is_for_operator(input.size(0), input.size(1)):
                return self.of_codes(input, self.weight, self.bias, self.relu, self.pool)
            return self._in_torch(one_hot(input, self.weight.dtype))
        if self._may_be_one_hot(input):
            codes = codes_of_one_hot(input)
            if codes is not None:
                return self.of_codes(codes, self.weight, self.bias, self.relu, self.pool)
        if not input.is_floating_point():
            input = input.to(self.weight.dtype)
        return self._in_torch(input)

    def is_for_operator(self, n: int, length: int) -> bool:
        """Whether the operator has what n sequences of a length ask for, and is faster at it than torch."""
        dtype = self.weight.dtype
        trains = torch.is_grad_enabled() and self.weight.requires_grad
        if self.weight.device.type == "cuda":
            if torch.jit.is_scripting():  # type: ignore[attr-defined]
                return False  # the kernel for a GPU is Python's
            return self._is_for_kernel(n, n * self.out_channels * (length // self.stride[0]), trains)
        has_numbers = dtype == torch.float32 or dtype == torch.float64 or dtype == torch.bfloat16
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            has_numbers = has_numbers and not _has_float16_autocast(self.weight)
        if not (self.fits_operator and has_numbers and self.weight.device.type == "cpu"):
            return False
        if n != 1:
            return True
        work = self.weight.numel() * length // self.stride[0]
        return work >= (self.fewest_training if trains else self.fewest_predicting)

    @torch.jit.unused
    def _is_for_kernel(self, n: int, outputs: int, trains: bool) -> bool:
        # A compiler would hold the choice against other batch sizes, and under autocast its type would depend on them.
        if torch.compiler.is_compiling() or torch.is_autocast_enabled("cuda") or not has_triton():
            return False
        if not self.fits_operator or self.weight.dtype != torch.float32 or n < self.fewest_sequences_on_cuda:
            return False
        enough = outputs >= (self.fewest_training_on_cuda if trains else self.fewest_predicting_on_cuda)
        return enough and torch.cuda.get_device_capability(self.weight.device) >= (8, 0)

    def _may_be_one_hot(self, input: Tensor) -> bool:
        """Whether it is worth a look: not where tracing forbids to look, or somebody wants gradients of the input."""
        if input.dim() != 3 or input.size(1) != 4 or input.requires_grad or torch.compiler.is_compiling():
            return False
        if input.is_floating_point() and input.dtype != self.weight.dtype:
            return False  # for torch to refuse
        if input.device.type != "cpu" or self.out_channels * self.kernel_size[0] < self.fewest_one_hot:
            return False
        return self.is_for_operator(input.size(0), input.size(2))

    def of_codes(self, codes: Tensor, weight: Tensor, bias: Tensor | None, relu: bool, pool: int) -> Tensor:
        """The operator over base codes uint8 (N, L) with this layer's padding and steps, and weights made from its own.

        What batch norm does after it in evaluation mode can be in those.
        """
        if self.more_right > 0:
            codes = functional.pad(codes, [0, self.more_right], value=4.0)
        # dnafast.ops.conv1d under the name that TorchScript knows, its arguments by position.
        return torch.ops.dnafast.conv1d(
            codes, weight, bias, self.stride[0], self.both_ends, self.dilation[0], relu, pool
        )

    def _in_torch(self, input: Tensor) -> Tensor:
        if self.more_right > 0 and self.fits_operator:
            # What torch does inside, where it warns of the copy.
            input = functional.pad(input, [0, self.more_right])
            output = functional.conv1d(input, self.weight, self.bias, padding=self.both_ends, dilation=self.dilation)
        else:
            output = self._conv_forward(input, self.weight, self.bias)
        if self.relu:
            output = torch.relu(output)
        if self.pool == -1:
            return output.amax(dim=-1)
        if self.pool > 0:
            return functional.max_pool1d(output, self.pool)
        return output

    def extra_repr(self) -> str:
        """The arguments as torch writes them, then those beyond."""
        relu = ", relu=True" if self.relu else ""
        pool = f", pool={self.pool}" if self.pool else ""
        return f"{super().extra_repr()}{relu}{pool}"
