"""Seconds, bytes and joules: measured here and nowhere else.

Where a counter does not exist its figure is None: nothing is guessed. Torch is loaded only where it is used: the data
path is measured in processes without it.
"""

from dnafast.bench.measure.gpu import GpuMonitor
from dnafast.bench.measure.memory import Memory, resident_bytes
from dnafast.bench.measure.phases import PHASE_COLUMNS, Meter
from dnafast.bench.measure.rounds import Consumed, Rounds, consume, rounds_of, seconds_of
from dnafast.bench.measure.speed import Speed, fastest_speed, latency_and_throughput

__all__ = [
    "PHASE_COLUMNS",
    "Consumed",
    "GpuMonitor",
    "Memory",
    "Meter",
    "Rounds",
    "Speed",
    "consume",
    "fastest_speed",
    "latency_and_throughput",
    "resident_bytes",
    "rounds_of",
    "seconds_of",
]
