"""Load, energy and memory of a GPU."""

from __future__ import annotations

import statistics
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pynvml

from dnafast.bench.measure.sampler import Sampler

if TYPE_CHECKING:
    import torch


def is_gpu(device: str | torch.device) -> bool:
    """Whether a device, by name or torch's own, is a GPU."""
    return str(device).partition(":")[0] == "cuda"


class GpuMonitor:
    """Load, energy and memory of a GPU between entry and exit; every figure stays None on another device.

    Load and energy come from NVML and are those of the whole card, other users included; memory is this process's, as
    torch counts it.
    """

    def __init__(self, device: str | torch.device, interval: float = 0.1) -> None:
        """Device of the run, and seconds between samples; nothing starts before entry."""
        self._device = device
        self._interval = interval
        self.gpu_utilization: float | None = None
        """Mean share of time, 0 to 1, in which a kernel ran."""
        self.gpu_energy_joules: float | None = None
        """Energy by the card's own counter."""
        self.gpu_peak_bytes: int | None = None
        """Most memory allocated in tensors."""
        self.gpu_reserved_bytes: int | None = None
        """Most memory that torch reserved."""

    def __enter__(self) -> Self:
        self._handle: Any = None
        self._loads: list[float] = []
        if not is_gpu(self._device):
            return self
        import torch

        torch.cuda.reset_peak_memory_stats(self._device)
        self._handle = _nvml_handle(self._device)
        if self._handle is not None:
            self._energy_before = self._energy()
            self._sampler = Sampler(self._sample, self._interval)
            self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not is_gpu(self._device):
            return
        import torch

        torch.cuda.synchronize(self._device)
        self.gpu_peak_bytes = torch.cuda.max_memory_allocated(self._device)
        self.gpu_reserved_bytes = torch.cuda.max_memory_reserved(self._device)
        if self._handle is None:
            return
        self._sampler.stop()
        energy = self._energy()
        if energy is not None and self._energy_before is not None:
            self.gpu_energy_joules = energy - self._energy_before
        if self._loads:
            self.gpu_utilization = statistics.fmean(self._loads)
        pynvml.nvmlShutdown()

    def _sample(self) -> None:
        try:
            self._loads.append(pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100)
        except pynvml.NVMLError:
            return  # not every card tells its load, nor always

    def _energy(self) -> float | None:
        """Joules since the driver was loaded; None where the card does not count them."""
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except pynvml.NVMLError:
            return None


def _nvml_handle(device: str | torch.device) -> Any:
    """NVML's handle of a CUDA device, by identity since the two number cards differently; None where there is none."""
    import torch

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    except pynvml.NVMLError:
        pynvml.nvmlShutdown()
        return None
