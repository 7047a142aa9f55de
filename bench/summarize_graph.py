#!/usr/bin/env python3
"""The last step of bench/compare-graph.sh: medians and ratios of its runs, as a table and as JSON. Python's standard library only.

    python3 summarize_graph.py runs.jsonl summary.json
"""

import json
import statistics
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    machine, *runs = [json.loads(line) for line in file]

NAMES = {"pytorch": "PyTorch, padded", "llmfusion": "LlmFusion"}


def values(name):
    return [run["molecules_per_second"] for run in runs if run["measurement"] == name]


# Of each round, so that a machine that is slower for a while slows both sides.
faster = statistics.median(mine / other for mine, other in zip(values("llmfusion"), values("pytorch")))
rows = [{"measurement": name, "molecules_per_second": statistics.median(values(name)), "range": [min(values(name)), max(values(name))]} for name in NAMES]
theirs = next(run for run in runs if run["measurement"] == "pytorch")
ours = next(run for run in runs if run["measurement"] == "llmfusion")
summary = {
    "machine": machine, "versions": {key: theirs[key] for key in ("python", "torch", "wait_policy")}, "data": ours["data"], "batch_size": ours["batch_size"],
    "threads": ours["threads"], "parameters": {"llmfusion": ours["parameters"], "pytorch": theirs["parameters"]},
    "fraction_of_matmul": statistics.median(run["fraction_of_matmul"] for run in runs if run["measurement"] == "llmfusion"),
    "times_as_fast": faster, "results": rows, "runs": runs,
}
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(json.dumps(summary, indent=2) + "\n")

print(f"{machine['cpu']}, {machine['cores']} cores; {summary['threads']} threads; batches of {summary['batch_size']} of {summary['data']}")
print()
print("|                 | molecules/s | lowest to highest |")
print("|-----------------|------------:|------------------:|")
for row in rows:
    print(f"| {NAMES[row['measurement']]:15} | {row['molecules_per_second']:11.0f} | {'{:.0f} to {:.0f}'.format(*row['range']):>17} |")
print()
print(f"LlmFusion is {faster:.2f} times as fast, and at {summary['fraction_of_matmul']:.0%} of the matmul rate.")
