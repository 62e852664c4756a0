"""Meters add up what they were given; no test here depends on how fast the machine is."""

import json
import platform
import resource
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pynvml
import pytest
import torch
from torch import nn

from dnafast.bench import machine as machine_module
from dnafast.bench.machine import machine
from dnafast.bench.measure import (
    GpuMonitor,
    Memory,
    Meter,
    consume,
    fastest_speed,
    latency_and_throughput,
    memory,
    phases,
    rounds_of,
    seconds_of,
)


def rows_by_name(meter):
    return {(row["scope"], row["phase"]): row for row in meter.rows()}


def test_phases_add_up_by_scope():
    meter = Meter()
    for _ in range(3):
        with meter.phase("forward"):
            sum(range(1000))
    with meter.phase("encode", scope="data"):
        pass
    meter.add("data", "window", wall=3.0, cpu_user=2.0, cpu_system=0.5, calls=7)
    meter.add("data", "window", wall=1.0)
    rows = rows_by_name(meter)
    assert list(rows) == [("model", "forward"), ("data", "encode"), ("data", "window")]
    assert tuple(meter.rows()[0]) == phases.PHASE_COLUMNS
    assert rows["model", "forward"]["calls"] == 3
    assert rows["model", "forward"]["wall_seconds"] > 0
    assert rows["model", "forward"]["share"] == 1
    window = rows["data", "window"]
    assert (window["wall_seconds"], window["cpu_user_seconds"], window["cpu_system_seconds"]) == (4.0, 2.0, 0.5)
    assert window["calls"] == 8
    assert window["share"] + rows["data", "encode"]["share"] == pytest.approx(1)
    assert window["gpu_seconds"] is None


@pytest.fixture
def clocks(monkeypatch):
    """Clocks that stand still until a test moves them."""
    clocks = SimpleNamespace(wall=100.0, user=10.0, system=1.0, data=5.0)
    monkeypatch.setattr(time, "perf_counter", lambda: clocks.wall)
    usage = lambda who: SimpleNamespace(ru_utime=clocks.user, ru_stime=clocks.system)  # noqa: E731
    monkeypatch.setattr(resource, "getrusage", usage)
    return clocks


def test_each_clock_is_read_at_both_ends(clocks):
    meter = Meter()
    for _ in range(2):
        with meter.phase("forward"):
            clocks.wall += 2.0
            clocks.user += 3.0
            clocks.system += 0.5
        clocks.wall += 50.0
        clocks.user += 50.0
    row = meter.rows()[0]
    assert (row["wall_seconds"], row["cpu_user_seconds"], row["cpu_system_seconds"]) == (4.0, 6.0, 1.0)


def test_the_time_of_data_threads_is_taken_off(clocks):
    meter = Meter(data_cpu_seconds=lambda: clocks.data)
    with meter.phase("forward"):
        clocks.user += 3.0
        clocks.data += 1.0
    clocks.data += 100.0
    with meter.phase("data_wait"):
        clocks.data += 1.0  # told at once, while the process's own clock lags behind
    rows = rows_by_name(meter)
    assert rows["model", "forward"]["cpu_user_seconds"] == 2.0
    assert rows["model", "data_wait"]["cpu_user_seconds"] == 0.0


def test_the_real_clocks_run():
    meter = Meter()
    with meter.phase("forward"):
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
    row = meter.rows()[0]
    assert row["wall_seconds"] > 0
    assert row["cpu_user_seconds"] + row["cpu_system_seconds"] > 0


def test_a_phase_that_raises_is_counted():
    meter = Meter()
    with pytest.raises(KeyError), meter.phase("forward"):
        raise KeyError
    assert meter.rows()[0]["calls"] == 1


def test_a_meter_without_phases_has_no_rows():
    assert Meter().rows() == []
    meter = Meter()
    meter.add("data", "index", wall=0.0)
    assert meter.rows()[0]["share"] is None


class FakeEvent:
    """Each recorded event is 2 ms after the one before."""

    clock = 0.0

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        FakeEvent.clock += 2.0
        self.at = FakeEvent.clock

    def synchronize(self):
        pass

    def elapsed_time(self, other):
        return other.at - self.at


def test_gpu_time_comes_from_events_summed_now_and_then(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(phases, "_EVENTS_KEPT", 3)
    meter = Meter("cuda:0")
    for _ in range(7):
        with meter.phase("forward"):
            pass
    assert len(meter.phase("forward")._events) == 1
    assert meter.rows()[0]["gpu_seconds"] == pytest.approx(0.014)
    assert meter.rows()[0]["gpu_seconds"] == pytest.approx(0.014)


def peak_of(n_bytes):
    with Memory(interval=0.01) as memory:
        block = np.ones(n_bytes, dtype=np.uint8)
        del block
    return memory


def test_peak_memory_sees_a_block_that_came_and_went():
    small, large, small_again = (peak_of(n) for n in (1 << 20, 200 << 20, 1 << 20))
    if large.peak_is_sampled:
        pytest.skip("this system's high-water mark cannot be reset, and a sample may miss the block")
    assert large.peak_rss_bytes > small.peak_rss_bytes + (150 << 20)
    assert small_again.peak_rss_bytes < large.peak_rss_bytes - (150 << 20)
    assert 0 < large.mean_rss_bytes <= large.peak_rss_bytes


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap can be trimmed")
def test_what_was_freed_before_does_not_count():
    # In a process of its own: what other tests have left on the heap says nothing of it.
    code = """
from dnafast.bench.measure import Memory
from dnafast.bench.measure.memory import resident_bytes
# Many blocks too small to be mapped one by one, all freed but the last, which keeps the heap from shrinking.
blocks = [bytes(50_000) for _ in range(4_000)]
full = resident_bytes()
blocks = blocks[-1:]
kept = resident_bytes()
with Memory(interval=0.01) as meter:
    pass
print(full - kept, full - meter.start_rss_bytes, len(blocks))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    freed, released, _ = map(int, run.stdout.split())
    assert freed < 50 << 20, "the heap keeps what was freed"
    assert released > 150 << 20


def test_rise_is_what_the_run_took():
    with Memory(interval=0.01) as meter:
        block = np.ones(100 << 20, dtype=np.uint8)
        time.sleep(0.05)
    assert meter.rise_bytes == meter.peak_rss_bytes - meter.start_rss_bytes
    assert meter.rise_bytes > 90 << 20
    assert len(block)


def test_the_first_network_does_not_answer_for_what_torch_loads():
    code = """
import torch
from dnafast.bench.measure import Memory
from dnafast.bench.execution import load_training
load_training()
with Memory() as memory:
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    layer(torch.ones(3, 2)).sum().backward()
    optimizer.step()
print(memory.rise_bytes)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20 << 20


def test_memory_is_sampled_where_the_peak_cannot_be_reset(monkeypatch):
    monkeypatch.setattr(memory, "_reset_high_water_mark", lambda: False)
    with Memory(interval=0.005) as meter:
        block = np.ones(100 << 20, dtype=np.uint8)
        time.sleep(0.1)
        del block
    assert meter.peak_is_sampled
    assert meter.peak_rss_bytes >= meter.mean_rss_bytes > 0


def test_a_mark_that_only_pretends_to_reset_is_found_out(monkeypatch):
    sizes = {"VmHWM": 3 << 30, "VmRSS": 1 << 30}
    monkeypatch.setattr(memory, "_status_bytes", sizes.__getitem__)
    assert not memory._reset_high_water_mark()
    monkeypatch.setattr(memory, "_status_bytes", {}.__getitem__)
    assert not memory._reset_high_water_mark()


def gpu_figures(monitor):
    return (
        monitor.gpu_utilization,
        monitor.gpu_energy_joules,
        monitor.gpu_peak_bytes,
        monitor.gpu_reserved_bytes,
    )


def test_there_are_no_gpu_figures_without_a_gpu():
    with GpuMonitor("cpu") as monitor:
        pass
    assert gpu_figures(monitor) == (None, None, None, None)


@pytest.fixture
def fake_card(monkeypatch):
    """A card with torch's and NVML's functions, and a log of what was asked."""
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1000)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 2000)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="12-34"))
    card = SimpleNamespace(energy=5000, load=50, opened=0, asked=[])

    def handle(uuid):
        card.asked.append(uuid)
        return card

    def energy(handle):
        handle.energy += 1500
        return handle.energy

    nvml = pynvml
    monkeypatch.setattr(nvml, "nvmlInit", lambda: setattr(card, "opened", card.opened + 1))
    monkeypatch.setattr(nvml, "nvmlShutdown", lambda: setattr(card, "opened", card.opened - 1))
    monkeypatch.setattr(nvml, "nvmlDeviceGetHandleByUUID", handle)
    monkeypatch.setattr(nvml, "nvmlDeviceGetUtilizationRates", lambda handle: SimpleNamespace(gpu=handle.load))
    monkeypatch.setattr(nvml, "nvmlDeviceGetTotalEnergyConsumption", energy)
    return card


def test_gpu_figures_come_from_the_card_that_torch_uses(fake_card):
    with GpuMonitor("cuda:1", interval=0.001) as monitor:
        pass
    assert fake_card.asked == ["GPU-12-34"]
    assert gpu_figures(monitor) == (0.5, 1.5, 1000, 2000)
    assert fake_card.opened == 0


def test_counters_that_a_card_lacks_stay_empty(fake_card, monkeypatch):
    def refuse(*arguments):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", refuse)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", refuse)
    with GpuMonitor("cuda", interval=0.001) as monitor:
        pass
    assert gpu_figures(monitor) == (None, None, 1000, 2000)
    assert fake_card.opened == 0
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", refuse)
    with GpuMonitor("cuda", interval=0.001) as monitor:
        pass
    assert gpu_figures(monitor) == (None, None, 1000, 2000)
    assert fake_card.opened == 0
    monkeypatch.setattr(pynvml, "nvmlInit", refuse)
    with GpuMonitor("cuda", interval=0.001) as monitor:
        pass
    assert gpu_figures(monitor) == (None, None, 1000, 2000)


class Watched(nn.Module):
    """Remembers the sizes of its batches; a clock of its own makes larger batches cheaper up to 64."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x):
        assert not self.training
        assert torch.is_inference_mode_enabled()
        self.sizes.append(len(x))
        return x


def test_speed_is_found_within_the_time_given(monkeypatch):
    clock = {"now": 0.0}

    class Timed(Watched):
        def forward(self, x):
            # 1 ms a call and 0.1 ms a sequence; above 64 sequences 1 ms each
            clock["now"] += 1e-3 + len(x) * (1e-4 if len(x) <= 64 else 1e-3)
            return super().forward(x)

    monkeypatch.setattr(time, "perf_counter", lambda: clock["now"])
    model = Timed().train()
    speed = latency_and_throughput(model, lambda n: torch.zeros(n, 2), seconds=1.0, batch_sizes=(16, 64, 256))
    assert speed.latency_ms == pytest.approx(1.1)
    assert speed.batch_size == 64
    assert model.sizes[0] == model.sizes[-1] == 1
    assert speed.sequences_per_second == pytest.approx(64 / 7.4e-3)
    assert set(model.sizes) == {1, 16, 64, 256}
    assert model.training
    assert clock["now"] < 1.5


def timed_by(monkeypatch, seconds_of_batch):
    """A model whose forward pass takes as long as a function of the batch's size and of the time says."""
    clock = {"now": 0.0}

    class Timed(Watched):
        def forward(self, x):
            clock["now"] += seconds_of_batch(len(x), clock["now"])
            return super().forward(x)

    monkeypatch.setattr(time, "perf_counter", lambda: clock["now"])
    return Timed(), clock


def test_a_slow_model_gains_from_batches_too(monkeypatch):
    # Each position of a recurrent network costs the same for 1 sequence as for 200.
    model, clock = timed_by(monkeypatch, lambda size, now: 0.1 + size * 1e-4)
    speed = latency_and_throughput(model, lambda n: torch.zeros(n, 2), seconds=0.5)
    assert speed.batch_size == 256
    assert speed.sequences_per_second == pytest.approx(256 / 0.1256)
    assert speed.latency_ms == pytest.approx(100.1)
    assert model.sizes.count(256) == 2
    assert 1024 not in model.sizes, "there is no time left for it"
    assert clock["now"] < 3


def test_a_larger_batch_is_tried_where_the_trend_says_that_it_fits(monkeypatch):
    # By its single sequences alone, the model would need 10 s for 1024.
    model, _ = timed_by(monkeypatch, lambda size, now: 0.01 + size * 1e-6)
    assert latency_and_throughput(model, lambda n: torch.zeros(n, 2), seconds=0.5).batch_size == 1024
    model, clock = timed_by(monkeypatch, lambda size, now: 0.001 * size)
    assert latency_and_throughput(model, lambda n: torch.zeros(n, 2), seconds=0.5).sequences_per_second == 1000
    assert 1024 not in model.sizes
    assert clock["now"] < 1.5


def test_a_neighbour_that_wakes_up_for_a_moment_does_not_decide_the_latency(monkeypatch):
    model, _ = timed_by(monkeypatch, lambda size, now: 9e-3 if size == 1 and now < 0.2 else 7e-4)
    speed = latency_and_throughput(model, lambda n: torch.zeros(n, 2), seconds=0.5)
    assert speed.latency_ms == pytest.approx(0.7)


def test_the_number_of_threads_that_is_faster_counts(monkeypatch):
    # Alone, a sequence is slower on two threads; a large batch is faster.
    def seconds_of_batch(size, now):
        return {1: 0.001 * size, 2: 0.01 + 0.0005 * size}[torch.get_num_threads()]

    model, _ = timed_by(monkeypatch, seconds_of_batch)
    before = torch.get_num_threads()
    speed = fastest_speed(model, lambda n: torch.zeros(n, 2), (1, 2))
    assert speed.latency_ms == pytest.approx(1.0)
    assert speed.batch_size >= 256
    assert speed.sequences_per_second > 1800
    assert torch.get_num_threads() == before
    assert fastest_speed(model, lambda n: torch.zeros(n, 2), (2,)).latency_ms == pytest.approx(10.5)


def test_machine_is_told_in_plain_kinds(monkeypatch):
    monkeypatch.setattr(machine_module._core, "instruction_set", lambda: "avx2", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")
    told = machine()
    assert json.loads(json.dumps(told)) == told
    assert told["cpu"]
    assert told["cpus_usable"] >= 1
    assert told["memory_bytes"] > 1 << 20
    assert told["torch"] == torch.__version__
    assert told["instruction_set"] == "avx2"
    assert told["thread_policy"]["GOMP_SPINCOUNT"] == "10000"
    assert (told["gpu"] is None) == (not torch.cuda.is_available())


def test_measuring_does_not_load_torch():
    code = "import sys, dnafast.bench.measure as m; m.Meter(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def script(monkeypatch):
    """A clock that only actions and sleeps move; processors are busy for half of an action."""
    script = SimpleNamespace(wall=0.0, cpu=0.0)

    def action(seconds):
        script.wall += seconds
        script.cpu += seconds / 2

    script.action = action
    monkeypatch.setattr(time, "perf_counter", lambda: script.wall)
    monkeypatch.setattr(time, "process_time", lambda: script.cpu)
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(script, "wall", script.wall + seconds))
    return script


def test_rounds_give_the_median_and_leave_out_what_comes_before(script):
    took = iter([5.0, 1.0, 2.0, 9.0])
    rounds = rounds_of(lambda: script.action(next(took)), before=lambda: script.action(100.0), seconds=3.0)
    assert rounds == (3, 2.0, 1.0, 5.0, 1.0)


def test_rounds_go_on_until_the_time_is_spent_and_stop_where_one_is_long(script):
    assert rounds_of(lambda: script.action(1.0), seconds=6.0).rounds == 6
    assert rounds_of(lambda: script.action(0.0), seconds=6.0, most=7).rounds == 7
    assert rounds_of(lambda: script.action(60.0), seconds=6.0).rounds == 1
    assert rounds_of(lambda: script.action(59.0), seconds=6.0).rounds == 2
    assert seconds_of(lambda: script.action(4.0)) == 4.0


def test_a_consumer_waits_for_batches_and_not_for_its_own_work(script):
    def batches():
        for _ in range(3):
            script.action(2.0)
            yield None
        script.action(1.0)

    assert consume(batches(), step_seconds=5.0) == (3, 22.0, 7.0)
    assert consume(batches()) == (3, 7.0, 7.0)
    assert consume([]) == (0, 0.0, 0.0)
