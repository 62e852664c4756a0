"""The benchmarks of the data path as tables in Markdown: job, ours, best rival, limit, ratio.

python bench/table.py                 runs them (minutes, on a machine that does nothing else) and prints the tables
python bench/table.py --write         and puts them into bench/README.md
python bench/table.py results.json    takes the results of `pytest bench --benchmark-json results.json`
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BEGIN, END = "<!-- tables: python bench/table.py --write -->", "<!-- end of the tables -->"
INSTRUCTION_SETS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
RUN = "--benchmark-only --benchmark-max-time=0.5 --benchmark-min-rounds=3 --benchmark-warmup=off -q -p no:cacheprovider"
# Of the median, for half the interquartile range.
MOST_SPREAD = 0.25

Row = dict[str, Any]


def measure() -> dict[str, Any]:
    """Runs every benchmark of the data path."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", str(HERE), *RUN.split(), "--ignore-glob=*bench_ops_*"]
        done = subprocess.run([*command, f"--benchmark-json={results}"], stdout=sys.stderr)
        if done.returncode:
            sys.exit("a benchmark failed: there is no table")
        return json.loads(results.read_text())


def rows(results: dict[str, Any]) -> list[Row]:
    """What each benchmark noted, with its median and spread; those that noted nothing are left out."""
    return [
        row["extra_info"] | {"median": row["stats"]["median"], "spread": row["stats"]["iqr"] / row["stats"]["median"]}
        for row in results["benchmarks"]
        if "role" in row["extra_info"]
    ]


def figure(row: Row | None, named: bool) -> str:
    """A rate or a time with its interquartile range in per cent, and whose it is."""
    if row is None:
        return "–"
    if row["bases"]:
        text = f"{row['bases'] / row['median'] / 1e9:#.3g}".rstrip(".") + " Gbase/s"
    else:
        scale, unit = next(
            pair for pair in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if row["median"] * pair[0] >= 1 or pair[1] == "µs"
        )
        text = f"{row['median'] * scale:#.3g}".rstrip(".") + f" {unit}"
    return f"{text} ±{50 * row['spread']:.0f} %" + (f", {row['name']}" if named else "")


def ratio(other: Row | None, ours: Row) -> str:
    """How many times as long another takes; none where half the interquartile range of either is above a quarter."""
    if other is None or max(other["spread"], ours["spread"]) / 2 > MOST_SPREAD:
        return "–"
    return f"{other['median'] / ours['median']:.2g}"


def speed_table(rows: list[Row], threads: int) -> list[str]:
    """A line a job: the fastest with at most so many threads."""
    lines = [
        "| job | ours | best rival | limit | ours / rival | ours / limit |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for job in dict.fromkeys(row["job"] for row in rows if "peak_bytes" not in row):
        best = {}
        for role in ("ours", "rival", "index", "limit"):
            able = [row for row in rows if row["job"] == job and row["role"] == role and row["threads"] <= threads]
            best[role] = min(able, key=lambda row: row["median"], default=None)
        if best["ours"] is None or (best["rival"] is None and best["limit"] is None):
            continue
        ratios = [ratio(best[role], best["ours"]) for role in ("rival", "limit")]
        rival = figure(best["rival"], True)
        if best["index"]:
            rival += f" (index alone: {figure(best['index'], True)})"
        cells = [job, figure(best["ours"], False), rival, figure(best["limit"], True), *ratios]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def scaling_table(rows: list[Row]) -> list[str]:
    """Ours by number of threads."""
    ours = [row for row in rows if row["role"] == "ours" and "peak_bytes" not in row]
    counts = sorted({row["threads"] for row in ours})
    lines = ["| job | " + " | ".join(f"{count} thread{'s' * (count > 1)}" for count in counts) + " |"]
    lines.append("| --- |" + " --- |" * len(counts))
    for job in dict.fromkeys(row["job"] for row in ours):
        of_job = {row["threads"]: row for row in ours if row["job"] == job}
        if len(of_job) > 1:
            lines.append(f"| {job} | " + " | ".join(figure(of_job.get(count), False) for count in counts) + " |")
    return lines


def memory_table(rows: list[Row]) -> list[str]:
    lines = [
        "| job | by | windows | peak MB | rise in the job, MB | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if "peak_bytes" in row:
            cells = [row["job"].removeprefix("memory: "), row["name"], f"{row['windows']:,}" if row["windows"] else "–"]
            rise = row["peak_bytes"] - row["before_bytes"]
            cells += [f"{row['peak_bytes'] / 1e6:.0f}", f"{rise / 1e6:.0f}", f"{row['seconds']:.2g}"]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def machine(results: dict[str, Any]) -> list[str]:
    """What the numbers depend on, in a line or two."""
    info, commit = results["machine_info"], results["commit_info"]
    cpu = info["cpu"]
    sets = [name for flag, name in INSTRUCTION_SETS.items() if flag in cpu.get("flags", [])]
    versions = ", ".join(f"{name} {version}" for name, version in info["versions"].items() if name != "dnafast")
    settings = " ".join(f"{name}={value}" for name, value in info["environment"].items())
    state = "with changes" if commit.get("dirty") else "as committed"
    return [
        f"{cpu.get('brand_raw', 'unknown processor')}, {info['usable_cpus']} usable processors, "
        f"load average {info['load_average']:.1f}, "
        f"{sets[0] if sets else info['machine']}, {info['system']}, Python {info['python_version']}, "
        f"{results['datetime'][:10]}, commit {(commit.get('id') or 'unknown')[:10]} {state}.",
        f"{versions}. {settings}".strip(),
    ]


def report(results: dict[str, Any]) -> str:
    noted = rows(results)
    most = max(row["threads"] for row in noted)
    parts = machine(results)
    for count in dict.fromkeys((2, most, 1)):
        parts += ["", f"At most {count} threads:" if count > 1 else "One thread:", "", *speed_table(noted, count)]
    parts += ["", "Ours by number of threads:", "", *scaling_table(noted)]
    parts += ["", "Peak resident memory:", "", *memory_table(noted)]
    return "\n".join(parts)


def write(text: str, target: Path) -> None:
    """Replaces what stands between the marks."""
    before, _, rest = target.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        sys.exit(f"{target} lacks the marks '{BEGIN}' and '{END}'")
    target.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")


def main(arguments: list[str]) -> None:
    files = [argument for argument in arguments if argument != "--write"]
    text = report(json.loads(Path(files[0]).read_text()) if files else measure())
    print(text)
    if "--write" in arguments:
        write(text, HERE / "README.md")


if __name__ == "__main__":
    main(sys.argv[1:])
