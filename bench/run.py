# SPDX-License-Identifier: BSD-3-Clause
"""Runs the benchmarks, prints a table and writes BUILD/bench.json.

Each program prints one JSON object a line: name, value, unit, reference, reference_value. The ratio
is value / reference_value: of times it says how many times longer, of rates which share of the limit
is reached. kick_call_rtt comes first.
"""
import argparse
import json
import subprocess
from pathlib import Path

FIRST = "kick_call_rtt"
LIMIT_S = 60


def collect(folder):
    results = []
    for source in sorted(Path(__file__).resolve().parent.glob("*.c")):
        run = subprocess.run([folder / source.stem], stdout=subprocess.PIPE, check=True, text=True,
                             timeout=LIMIT_S)
        for line in run.stdout.splitlines():
            entry = json.loads(line)
            entry["ratio"] = round(entry["value"] / entry["reference_value"], 4)
            results.append(entry)
    return sorted(results, key=lambda e: e["name"] != FIRST)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(results):
    rows = [("", "value", "unit", "reference", "value", "ratio")]
    for e in results:
        rows.append((e["name"], number(e["value"]), e["unit"], e["reference"],
                     number(e["reference_value"]), f"{e['ratio']:.2f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    for row in rows:
        cells = [c.rjust(w) if i in (1, 4, 5) else c.ljust(w)
                 for i, (c, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=Path)
    build = parser.parse_args().build
    results = collect(build / "bench")
    table(results)
    beside = build / "bench.json.part"
    beside.write_text(json.dumps({"results": results}, indent=1) + "\n")
    beside.rename(build / "bench.json")


if __name__ == "__main__":
    main()
