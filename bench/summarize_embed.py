#!/usr/bin/env python3
"""The last step of bench/compare-embed.sh: medians and ratios of its runs, as a table and as JSON. Python's standard library only.

    python3 summarize_embed.py runs.jsonl summary.json
"""

import json
import statistics
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    machine, *runs = [json.loads(line) for line in file]


def rates(name):
    return [run["sequences_per_second"] for run in runs if run["measurement"] == name]


names = {"llmfusion": "LlmFusion (equal lengths)", "sorted": "Hugging Face, sorted by length", "naive": "Hugging Face, as they come"}
ours = [run for run in runs if run["measurement"] == "llmfusion"]
theirs = [run for run in runs if run["measurement"] == "naive"]
medians = {name: statistics.median(rates(name)) for name in names}
summary = {
    "machine": machine,
    "versions": {"llmfusion": machine["llmfusion"], **{key: theirs[0][key] for key in ("python", "torch", "transformers")}},
    "sequences": ours[0]["sequences"], "tokens": theirs[0]["tokens"], "computed_tokens": {run["measurement"]: run["computed_tokens"] for run in runs if "computed_tokens" in run},
    "threads": theirs[0]["threads"], "rounds": len(ours),
    "sequences_per_second": {name: {"median": medians[name], "lowest": min(rates(name)), "highest": max(rates(name))} for name in names},
    # Of each round, so that a machine that is slower for a while slows both sides.
    "ratio": {name: statistics.median(mine / other for mine, other in zip(rates("llmfusion"), rates(name))) for name in ("naive", "sorted")},
    "useful_fraction": statistics.median(run["useful_fraction"] for run in ours),
    "matmul_gflops": statistics.median(run["matmul_gflops"] for run in ours),
    "runs": runs,
}
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(json.dumps(summary, indent=2) + "\n")

print(f"{machine['cpu']}, {machine['cores']} cores; {summary['threads']} threads; {summary['sequences']} sequences, {summary['tokens']} tokens; {summary['rounds']} rounds")
print(", ".join(f"{name} {version}" for name, version in summary["versions"].items()))
print()
print(f"| {'':31} | {'sequences/s':>11} | {'lowest to highest':>17} | {'LlmFusion is faster by':>22} |")
print(f"|{'-' * 33}|{'-' * 12}:|{'-' * 18}:|{'-' * 23}:|")
for name, title in names.items():
    spread = f"{min(rates(name)):.1f} to {max(rates(name)):.1f}"
    ratio = f"{summary['ratio'][name]:.2f}" if name in summary["ratio"] else ""
    print(f"| {title:31} | {medians[name]:11.1f} | {spread:>17} | {ratio:>22} |")
print()
print(f"useful work of the machine's matmul rate: {summary['useful_fraction']:.0%} of {summary['matmul_gflops']:.0f} GFLOP/s")
