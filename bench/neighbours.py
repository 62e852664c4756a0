"""A training run beside busy neighbours: steps a second of torch and native networks, by the way that threads wait.

    python bench/neighbours.py [FOLDER]

Processes that only count keep 0, 1 or 3 processors busy, while a child process trains on two threads; its threads wait
as dnafast has them (a short spin), spinning (``OMP_WAIT_POLICY=ACTIVE``) or asleep (``PASSIVE``). Means over steps of
64 sequences of 200 bases. Writes ``neighbours.csv`` and ``neighbours.md`` into the folder, by default
``bench/results``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dnafast import threads
from dnafast.records import write_csv, write_text

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("deepbind", "gru", "lstm", "promoter_lstm")
NEIGHBOURS = (0, 1, 3)
POLICIES = {
    "short spin": {},
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
    "asleep": {"OMP_WAIT_POLICY": "PASSIVE"},
}
SECONDS = 3.0  # of training, for each network
BATCH, LENGTH = 64, 200


def train() -> None:
    """The child: prints sequences a second for each network and implementation."""
    threads.set_spin_policy()  # before torch is loaded, and not where the parent chose
    import torch

    from dnafast import models
    from dnafast.train import masked_loss

    torch.set_num_threads(2)
    codes = torch.randint(0, 4, (BATCH, LENGTH), dtype=torch.uint8)
    x = torch.nn.functional.one_hot(codes.long(), 4).float().transpose(1, 2).contiguous()
    y = torch.randint(0, 2, (BATCH, 1)).float()
    found = {}
    for name in NETWORKS:
        for implementation in ("torch", "native"):
            torch.manual_seed(0)
            model = models.build(name, length=LENGTH, implementation=implementation)
            optimizer = torch.optim.AdamW(model.parameters(), fused=True)
            values = codes if implementation == "native" else x
            times: list[float] = []
            while sum(times) < SECONDS or len(times) < 5:
                start = time.perf_counter()
                optimizer.zero_grad(set_to_none=True)
                masked_loss(model(values), y).backward()
                optimizer.step()
                times.append(time.perf_counter() - start)
            # The mean, not the median: what a neighbour takes away it takes in a few steps.
            found[f"{name} {implementation}"] = BATCH * (len(times) - 2) / sum(times[2:])
    print(json.dumps(found))


def table(rows: list[dict[str, Any]]) -> str:
    """The page: a row for each network, a column for each number of neighbours and way to wait."""
    columns = list(dict.fromkeys((row["neighbours"], row["policy"]) for row in rows))
    lines = [
        "# A training run beside busy neighbours",
        "",
        f"Sequences a second in training, batches of {BATCH} sequences of {LENGTH} bases, two threads, "
        f"{threads.usable_cpus()} processors, beside so many processes that keep one busy each. Made by "
        "`python bench/neighbours.py`.",
        "",
        f"| network | {' | '.join(f'{count} busy, {policy}' for count, policy in columns)} |",
        "|:--|" + "--:|" * len(columns),
    ]
    for name in dict.fromkeys(row["network"] for row in rows):
        found = {(row["neighbours"], row["policy"]): row for row in rows if row["network"] == name}
        cells = (f"{found[column]['sequences_per_second']:,}" for column in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Run it all, and write the page."""
    if arguments == ["--train"]:
        train()
        return 0
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0]) if arguments else RESULTS
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    rows: list[dict[str, Any]] = []
    for count in NEIGHBOURS:
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        try:
            for policy, environment in POLICIES.items():
                child = subprocess.run(
                    [sys.executable, __file__, "--train"],
                    env=plain | environment,
                    stdout=subprocess.PIPE,
                    check=True,
                )
                for name, rate in json.loads(child.stdout).items():
                    row = {"network": name, "neighbours": count, "policy": policy, "sequences_per_second": round(rate)}
                    rows.append(row)
                    print(*row.values(), sep=", ", flush=True)
        finally:
            for process in busy:
                process.kill()
                process.wait()
    write_csv(folder / "neighbours.csv", rows)
    write_text(folder / "neighbours.md", table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
