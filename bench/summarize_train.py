#!/usr/bin/env python3
"""The last step of bench/compare-train.sh: medians and ratios of its runs, as a table and as JSON. Python's standard library only.

    python3 summarize_train.py runs.jsonl summary.json
"""

import json
import statistics
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    machine, *runs = [json.loads(line) for line in file]

NAMES = {"huggingface": "Hugging Face", "llmfusion": "LlmFusion", "checkpointed": "LlmFusion, activations computed again"}


def values(name, batch, key):
    return [run[key] for run in runs if run["measurement"] == name and run["batch_size"] == batch]


def median_ratio(name, batch, key):
    """Of each round, so that a machine that is slower for a while slows both sides."""
    return statistics.median(mine / other for mine, other in zip(values(name, batch, key), values("huggingface", batch, key)))


def row(name, batch):
    summary = {"measurement": name, "batch_size": batch}
    for key in ("samples_per_second", "step_seconds", "optimizer_seconds", "matmul_gflops", "fraction_of_matmul", "peak_rss_bytes"):
        found = [run[key] for run in runs if run["measurement"] == name and run["batch_size"] == batch and key in run]
        if found:
            summary[key] = statistics.median(found)
    summary["samples_per_second_range"] = [min(values(name, batch, "samples_per_second")), max(values(name, batch, "samples_per_second"))]
    if name != "huggingface":
        summary["times_as_fast"] = median_ratio(name, batch, "samples_per_second")
        summary["of_their_memory"] = median_ratio(name, batch, "peak_rss_bytes")
    return summary


theirs = next(run for run in runs if run["measurement"] == "huggingface")
rows = [row(name, batch) for batch in sorted({run["batch_size"] for run in runs}) for name in NAMES]
summary = {
    "machine": machine,
    "versions": {"llmfusion": machine["llmfusion"], **{key: theirs[key] for key in ("python", "torch", "transformers", "blas", "wait_policy")}},
    "threads": theirs["threads"], "steps": theirs["steps"], "rounds": max(run["round"] for run in runs), "results": rows, "runs": runs,
}
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(json.dumps(summary, indent=2) + "\n")

print(f"{machine['cpu']}, {machine['cores']} cores; {summary['threads']} threads; {summary['rounds']} rounds of {summary['steps']} steps")
print(", ".join(f"{name} {version}" for name, version in summary["versions"].items()))
print()
print("| batch |                                       | samples/s | lowest to highest | times as fast | optimiser s | of matmul rate | peak GB | of their memory |")
print("|------:|---------------------------------------|----------:|------------------:|--------------:|------------:|---------------:|--------:|----------------:|")
for r in rows:
    spread = "{:.1f} to {:.1f}".format(*r["samples_per_second_range"])
    faster = f"{r['times_as_fast']:.2f}" if "times_as_fast" in r else ""
    fraction = f"{r['fraction_of_matmul']:.0%}" if "fraction_of_matmul" in r else ""
    memory = f"{r['of_their_memory']:.0%}" if "of_their_memory" in r else ""
    print(f"| {r['batch_size']:5} | {NAMES[r['measurement']]:37} | {r['samples_per_second']:9.1f} | {spread:>17} | {faster:>13} | {r['optimizer_seconds']:11.3f} | {fraction:>14} | {r['peak_rss_bytes'] / 1e9:7.2f} | {memory:>15} |")
