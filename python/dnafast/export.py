"""A trained network as one file: letters or base codes in, probabilities out.

    dnafast.export.save("run", "model.pt")            # a folder of `dnafast train`, or of a network's run in a bench
    model = dnafast.export.load("model.pt")
    model(["ACGT...", ...])                           # probabilities (N, T)

The file is TorchScript and needs torch and the operator library alone, in Python or in C++ (``csrc/examples``).
Letters of shapes: N sequences, L length, T tasks.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import dnafast.ops  # noqa: F401  (loads torch.ops.dnafast, which an exported network may call)
from dnafast import __version__
from dnafast.encoding import BaseCodes, Encoding, Kmers, OneHot
from dnafast.models.layers import kmer_input
from dnafast.predicting import shift
from dnafast.records import atomic_file, checksum_file, plain
from dnafast.saved import MODEL_NAME, SavedModel

PROVENANCE = "provenance.json"
"""Name of the extra file in an exported one: which network, how it was trained, on what."""
FORMAT = 1
TOLERANCE = 1e-4
"""Largest difference of the exported network's logits from those of the network, absolute or relative."""

_UNKNOWN, _NO_LETTER = 4, 255
_PIECE = 256


def _letter_table() -> Tensor:
    """Base code of each letter, (256,); 255 of what is none."""
    table = torch.full((256,), _NO_LETTER, dtype=torch.uint8)
    for letters, codes in (("ACGT", range(4)), ("NRYSWKMBDHV", [_UNKNOWN] * 11)):
        for letter, code in zip(letters, codes, strict=True):
            table[ord(letter)] = table[ord(letter.lower())] = code
    return table


class EncodeOneHot(nn.Module):
    """Base codes uint8 (N, L) -> one-hot (N, 4, L) or (N, L, 4), with a value of its own for unknown bases."""

    def __init__(self, encoding: OneHot) -> None:
        super().__init__()
        self.channels_last = encoding.layout == "NLC"
        self.unknown = float(encoding.unknown)
        self.dtype: torch.dtype = getattr(torch, encoding.dtype)

    def forward(self, codes: Tensor) -> Tensor:
        """(N, L) -> (N, 4, L) or (N, L, 4)."""
        bases = torch.arange(4, dtype=torch.uint8, device=codes.device)
        x = (codes.unsqueeze(2) == bases).to(self.dtype)
        if self.unknown != 0.0:
            x = x.masked_fill((codes > 3).unsqueeze(2), self.unknown)
        return x if self.channels_last else x.transpose(1, 2).contiguous()


class EncodeKmers(nn.Module):
    """Base codes uint8 (N, L) -> ids of k-mers (N, words)."""

    def __init__(self, encoding: Kmers) -> None:
        super().__init__()
        self.k, self.stride = encoding.k, encoding.stride
        self.dtype: torch.dtype = getattr(torch, encoding.dtype)

    def forward(self, codes: Tensor) -> Tensor:
        """(N, L) -> (N, (L - k) // stride + 1)."""
        return kmer_input(codes, self.k, 0, self.stride).to(self.dtype)


def _encoder(encoding: Encoding) -> nn.Module:
    """The layer that makes of base codes what a user's network eats.

    Raises:
        ValueError: there is none for it.
    """
    match encoding:
        case BaseCodes():
            return nn.Identity()
        case OneHot(order=1):
            return EncodeOneHot(encoding)
        case Kmers(canonical=False):
            return EncodeKmers(encoding)
    raise ValueError(
        f"a network that eats {encoding!r} cannot be exported: base codes, one-hot of single bases and k-mers of one "
        "strand can"
    )


class Exported(nn.Module):
    """What the file holds: a network with all that lies before and behind it.

    Attributes:
        length: bases per sequence.
        tasks: T names.
        stranded: whether the strand of a sequence means something; else the logits of both strands are averaged.
        thresholds: (T,), probability from which on a task is called positive.
        prevalence: (T,), share of positives among the training sequences.
        prior: share of positives that the probabilities are corrected for; -1 where it is that of the training.
        shift: (T,), what the correction adds to the logits.
    """

    if TYPE_CHECKING:  # TorchScript does not read annotations of this kind
        letters: Tensor
        complement: Tensor
        shift: Tensor

    def __init__(self, network: nn.Module, encoder: nn.Module, saved: SavedModel, prior: float | None) -> None:
        super().__init__()
        self.network = network
        self.encoder = encoder
        self.length = saved.length
        self.tasks = list(saved.tasks)
        self.stranded = saved.stranded
        moved = np.zeros(len(saved.tasks)) if prior is None else shift(saved.prevalence, prior)
        self.prior = -1.0 if prior is None else prior
        self.thresholds = _moved(saved.thresholds, moved)
        self.prevalence = list(saved.prevalence)
        self.register_buffer("letters", _letter_table())
        self.register_buffer("complement", torch.tensor([3, 2, 1, 0, 4], dtype=torch.uint8))
        self.register_buffer("shift", torch.from_numpy(moved))

    def forward(self, sequences: Tensor) -> Tensor:
        """Letters or base codes uint8 (N, L) -> probabilities float32 (N, T).

        Letters may be of either case; N and the other IUPAC letters are unknown bases.

        Raises:
            ValueError: another shape or length, a letter that stands for no base, a code above 4.
        """
        return torch.sigmoid(self.logits(sequences)).to(torch.float32)

    @torch.jit.export
    def logits(self, sequences: Tensor) -> Tensor:
        """Letters or base codes uint8 (N, L) -> log odds float64 (N, T), averaged over strands and corrected."""
        codes = self.codes(sequences)
        scores = self.one_strand(codes)
        if not self.stranded:
            reverse = self.complement[codes.flip([1]).to(torch.int64)]
            scores = (scores + self.one_strand(reverse)) / 2
        return scores + self.shift

    def one_strand(self, codes: Tensor) -> Tensor:
        """Base codes uint8 (N, L) -> logits float64 (N, T) as the network gives them."""
        if codes.size(0) == 0:
            return torch.zeros([0, len(self.tasks)], dtype=torch.float64, device=codes.device)
        return self.network(self.encoder(codes)).to(torch.float64)

    @torch.jit.export
    def codes(self, sequences: Tensor) -> Tensor:
        """Letters or base codes uint8 (N, L) -> base codes uint8 (N, L)."""
        if sequences.dim() != 2 or sequences.dtype != torch.uint8:
            raise ValueError(
                f"sequences of shape {sequences.shape} must be letters or base codes uint8 (N, {self.length})"
            )
        if sequences.size(1) != self.length:
            raise ValueError(
                f"sequences of {sequences.size(1)} bases must have {self.length}, as those of the training had"
            )
        if sequences.numel() == 0 or int(sequences.max()) <= 4:
            return sequences
        codes = self.letters[sequences.to(torch.int64)]
        wrong = torch.nonzero(codes == 255)
        if wrong.size(0) > 0:
            row, column = int(wrong[0, 0]), int(wrong[0, 1])
            raise ValueError(
                f"sequence {row} has byte {int(sequences[row, column])} at position {column}: expected letters A C G T "
                "N or IUPAC's of either case, or base codes 0 to 4 alone"
            )
        return codes


def _moved(thresholds: Sequence[float], moved: NDArray[np.float64]) -> list[float]:
    """Thresholds where logits are moved: the same sequences are called."""
    with np.errstate(divide="ignore"):
        odds = np.log(thresholds) - np.log1p(-np.asarray(thresholds))
    return [float(value) for value in torch.sigmoid(torch.from_numpy(odds + moved))] if moved.any() else [*thresholds]


@contextlib.contextmanager
def _no_word_of_its_end() -> Iterator[None]:
    """TorchScript is deprecated, which users of an exported network need not be told each time."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # from torch 2.15 on
        warnings.filterwarnings("ignore", ".*TorchScript.*", DeprecationWarning)
        yield


def save(
    folder: str | Path, path: str | Path, *, prior: float | None = None, implementation: str | None = None
) -> ExportedModel:
    """Write a trained network as one file; it is tried before it is there.

    Args:
        folder: of `dnafast train`, or of a network's run in a bench.
        path: where it goes, whole or not at all.
        prior: true share of positives where the network is used: probabilities and thresholds are corrected for it
            (see `dnafast.predicting.probabilities`).
        implementation: of the network; None takes the native one where it has one. That of "torch" needs torch alone,
            without the operator library.

    Returns:
        What `load` gives for the file.

    Raises:
        FileNotFoundError: the folder holds no saved model.
        ValueError: the model is damaged or its network cannot be exported; an implementation that it does not have; a
            prior outside (0, 1).
    """
    saved = SavedModel.load(folder)
    specification = saved.specification
    if implementation is None:
        implementation = specification.implementations[-1]  # "torch" is the first, and often the only one
    try:
        saved = replace(saved, specification=replace(specification, implementation=implementation))
    except ValueError as error:
        raise ValueError(f"implementation={implementation!r}: {error}") from None
    network = saved.network(folder)
    encoder = _encoder(network.config.encoding) if specification.is_user else nn.Identity()
    exported = Exported(network, encoder, saved, prior).eval()
    with _no_word_of_its_end():
        try:
            script = torch.jit.script(exported)
        except Exception as error:  # whatever TorchScript makes of a user's code
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise ValueError(
                f"{saved.specification.label} cannot be exported, for TorchScript does not take its code: "
                f"{lines[0] if lines else type(error).__name__}"
            ) from error
        _try(script, exported)
        provenance = _provenance(saved, folder, prior)
        content = io.BytesIO()
        torch.jit.save(script, content, _extra_files={PROVENANCE: json.dumps(provenance, indent=1).encode()})
    with atomic_file(path) as file:
        file.write(content.getvalue())
    return ExportedModel(script, provenance)


def _try(script: Any, exported: Exported) -> None:
    """The script gives what the network gives, for one sequence and for several."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 5, (5, exported.length), generator=generator, dtype=torch.uint8)
    with torch.inference_mode():
        for x in (codes, codes[:1]):
            found, expected = script.logits(x), exported.logits(x)
            if not torch.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
                gap = (found - expected).abs().max().item()
                raise ValueError(f"the exported network's logits are up to {gap:.2g} off those of the network itself")


def _provenance(saved: SavedModel, folder: str | Path, prior: float | None) -> dict[str, Any]:
    """Plain values that say where the exported network comes from."""
    return {
        "format": FORMAT,
        "dnafast": __version__,
        "torch": torch.__version__,
        "network": saved.specification.label,
        "specification": saved.specification.as_json(),
        "length": saved.length,
        "tasks": list(saved.tasks),
        "stranded": saved.stranded,
        "thresholds": list(saved.thresholds),
        "prevalence": list(saved.prevalence),
        "prior": prior,
        "train": plain(saved.train),
        "seed": saved.seed,
        "data_checksum": saved.data_checksum,
        "weights_checksum": saved.weights_checksum,
        "model_checksum": checksum_file(Path(folder) / MODEL_NAME),
    }


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A network out of its file.

    Attributes:
        module: the TorchScript module: letters or base codes uint8 (N, L) -> probabilities (N, T).
        provenance: which network it is, how it was trained and on what.
    """

    module: Any
    provenance: dict[str, Any]

    @property
    def length(self) -> int:
        """Bases per sequence."""
        return int(self.module.length)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the T columns."""
        return tuple(self.module.tasks)

    @property
    def stranded(self) -> bool:
        """Whether the strand of a sequence means something; else both are averaged."""
        return bool(self.module.stranded)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """(T,), probability from which on a task is called positive."""
        return tuple(self.module.thresholds)

    @property
    def prior(self) -> float | None:
        """Share of positives that probabilities are corrected for; None where it is that of the training."""
        return None if self.module.prior < 0 else float(self.module.prior)

    @torch.inference_mode()
    def __call__(self, sequences: Sequence[str | bytes] | NDArray[np.uint8] | Tensor) -> Tensor:
        """Probabilities float32 (N, T).

        Args:
            sequences: N texts, or uint8 (N, L) of letters or base codes. Letters may be of either case; N and the other
                IUPAC letters are unknown bases.

        Raises:
            ValueError: sequences of another length, a letter that stands for no base, a code above 4.
        """
        x = self._bytes(sequences)
        x = x.to(self.module.letters.device)
        try:
            if x.dim() != 2 or x.size(0) <= _PIECE:
                whole: Tensor = self.module(x)
                return whole
            return torch.cat([self.module(piece) for piece in x.split(_PIECE)])
        except torch.jit.Error:
            # Which sequence it is among all of them.
            self._told(x)
            raise

    def _told(self, x: Tensor) -> None:
        """Raise what is wrong with the sequences, if that is it, without the trace of TorchScript's own code."""
        try:
            self.module.codes(x)
        except torch.jit.Error as error:
            raise ValueError(str(error).partition("builtins.ValueError: ")[2].strip()) from None

    def _bytes(self, sequences: Sequence[str | bytes] | NDArray[np.uint8] | Tensor) -> Tensor:
        """uint8 (N, L) of whatever it is."""
        if isinstance(sequences, Tensor):
            return sequences
        if isinstance(sequences, np.ndarray):
            if sequences.dtype != np.uint8:
                raise ValueError(f"sequences of type {sequences.dtype} must be letters or base codes uint8 (N, L)")
            return torch.from_numpy(np.ascontiguousarray(sequences))
        if isinstance(sequences, str | bytes):
            raise ValueError("sequences must be a list of them, not a single one: put it in brackets")
        rows = []
        for row, sequence in enumerate(sequences):
            letters = sequence.encode("latin-1", "replace") if isinstance(sequence, str) else bytes(sequence)
            if len(letters) != self.length:
                raise ValueError(
                    f"sequence {row} has {len(letters)} bases and must have {self.length}, as those of the training had"
                )
            rows.append(np.frombuffer(letters, dtype=np.uint8))
        return torch.from_numpy(np.stack(rows) if rows else np.empty((0, self.length), dtype=np.uint8))


def load(path: str | Path, device: str | torch.device = "cpu") -> ExportedModel:
    """A network that `save` wrote.

    Args:
        path: of the file. Only load files that you trust: TorchScript is code.
        device: where it is to run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no network that dnafast exported.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist: 'dnafast export' writes such a file")
    extra = {PROVENANCE: ""}
    content = io.BytesIO(Path(path).read_bytes())
    with _no_word_of_its_end():
        try:
            module = torch.jit.load(content, map_location=device, _extra_files=extra)
            provenance = json.loads(extra[PROVENANCE])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{path} is damaged, or no network that dnafast exported") from error
    if provenance.get("format") != FORMAT:
        found = provenance.get("format")
        raise ValueError(f"{path} has format {found}, and this dnafast reads {FORMAT}: export it anew")
    return ExportedModel(module.eval(), provenance)
