"""Windows decoded from a packed genome and encoded by one Triton kernel, on a GPU."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from dnafast.encoding import BaseCodes, OneHot

_BASES = 1024  # a program


@triton.jit
def _decode(  # type: ignore[no-untyped-def]
    packed,
    contigs,
    borders,
    contig,
    start,
    strand,
    out,
    length,
    n_borders,
    contig_stride,
    start_stride,
    strand_stride,
    unknown,
    CODES: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    AXIS_SHIFT: tl.constexpr,
    HALVINGS: tl.constexpr,
    BASES: tl.constexpr,
):
    stretches = tl.cdiv(length, BASES)
    window = (tl.program_id(0) // stretches).to(tl.int64)
    offset = tl.program_id(0) % stretches * BASES + tl.arange(0, BASES)
    inside = offset < length
    number = tl.load(contig + window * contig_stride).to(tl.int64)
    size = tl.load(contigs + 2 * number)
    first_byte = tl.load(contigs + 2 * number + 1)
    # Outside is outside, however far.
    begin = tl.minimum(tl.maximum(tl.load(start + window * start_stride), -length), size)
    reverse = tl.load(strand + window * strand_stride) < 0
    base = tl.where(reverse, begin + (length - 1) - offset, begin + offset)

    # A base is known where an odd number of borders lies at or before it: as many as a binary search finds.
    place = base + (number << AXIS_SHIFT)
    passed = tl.zeros((BASES,), tl.int32)
    for halving in tl.static_range(HALVINGS):
        further = passed + (1 << (HALVINGS - 1 - halving))
        is_there = further <= n_borders
        border = tl.load(borders + further - 1, mask=is_there, other=0)
        passed = tl.where(is_there & (border <= place), further, passed)
    known = (passed & 1) == 1

    byte = tl.load(packed + first_byte + (base >> 2), mask=inside & known, other=0).to(tl.int32)
    pair = (byte >> (6 - 2 * (base & 3)).to(tl.int32)) & 3
    code = (0x87 >> (2 * pair)) & 3  # T C A G as they are packed are 3 1 0 2
    code = tl.where(reverse, 3 - code, code)
    code = tl.where(known, code, 4)
    if CODES:
        tl.store(out + window * length + offset, code.to(tl.uint8), mask=inside)
    else:
        for channel in tl.static_range(4):
            value = tl.where(code == channel, 1.0, tl.where(known, 0.0, unknown)).to(out.dtype.element_ty)
            if CHANNELS_LAST:
                tl.store(out + (window * length + offset) * 4 + channel, value, mask=inside)
            else:
                tl.store(out + (window * 4 + channel) * length + offset, value, mask=inside)


def decode(
    packed: Tensor,
    contigs: Tensor,
    borders: Tensor,
    axis_shift: int,
    contig: Tensor,
    start: Tensor,
    strand: Tensor,
    length: int,
    encoding: BaseCodes | OneHot,
) -> Tensor:
    """Encode windows of a packed genome.

    Args:
        packed: four bases a byte, uint8.
        contigs: bases and first byte of each contig, int64 (contigs, 2).
        borders: where known bases begin and end, in turn and ascending, int64, contig n from n << axis_shift.
        axis_shift: see borders.
        contig, start, strand: of each window (B,).
        length: bases a window, L.
        encoding: base codes, or one-hot of single bases.

    Returns:
        (B, \\*encoding.shape(L)).
    """
    dtype: torch.dtype = getattr(torch, encoding.dtype)
    out = torch.empty((len(contig), *encoding.shape(length)), dtype=dtype, device=packed.device)
    if len(contig) == 0:
        return out
    is_one_hot = isinstance(encoding, OneHot)
    with torch.cuda.device(packed.device):
        # All along the first axis, which alone may be longer than 65,535.
        _decode[(len(contig) * triton.cdiv(length, _BASES),)](
            packed,
            contigs,
            borders,
            contig,
            start,
            strand,
            out,
            length,
            len(borders),
            contig.stride(0),
            start.stride(0),
            strand.stride(0),
            encoding.unknown if isinstance(encoding, OneHot) else 0.0,
            CODES=not is_one_hot,
            CHANNELS_LAST=isinstance(encoding, OneHot) and encoding.layout == "NLC",
            AXIS_SHIFT=axis_shift,
            HALVINGS=len(borders).bit_length(),
            BASES=_BASES,
        )
    return out
