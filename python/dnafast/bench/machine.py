"""What figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from dnafast import __version__, _core
from dnafast.threads import usable_cpus


def machine() -> dict[str, Any]:
    """Processor, memory, versions and thread policy, in plain JSON kinds; torch and the GPU where torch is loaded."""
    told = {
        "cpu": _cpu_name(),
        "cpus_usable": usable_cpus(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "dnafast": __version__,
        "numpy": np.__version__,
        "instruction_set": _core.instruction_set(),
        "thread_policy": {
            name: os.environ[name]
            for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "DNAFAST_THREADS")
            if name in os.environ
        },
    }
    torch = sys.modules.get("torch")
    if torch is None:
        return told
    has_gpu = torch.cuda.is_available()
    return told | {
        "torch": torch.__version__,
        "torch_instruction_set": torch.backends.cpu.get_cpu_capability(),
        "torch_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if has_gpu else None,
        "cuda": torch.version.cuda if has_gpu else None,
    }


def _cpu_name() -> str:
    """The processor's name as the system tells it, or at least its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
