#!/usr/bin/env python3
"""Trains with and without --bf16 in turns, and writes the rates of each run as JSON.

    bench/compare_bf16.py LLMFUSION OUT.json [ROUNDS]

LLMFUSION is the command line (./llmfusion). QM9 and ChEBI-20 must lie in the data folder. Nothing else should run meanwhile.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

RUNS = {
    "smiles": (["pretrain", "smiles", "--epochs", "1"], "tokens_per_second", 100),
    "graph": (["train", "--data", "qm9", "--targets", "homo,lumo,gap", "--modalities", "graph", "--loss", "mae", "--dropout", "0",
               "--batch-size", "128", "--epochs", "1", "--no-test"], "molecules_per_second", 150),
}


def rate(llmfusion, arguments, key, steps):
    """The rate that the run's log gives at its first entry from so many steps on; the run is ended there."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        process = subprocess.Popen([llmfusion, *arguments, "-o", str(run)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            time.sleep(1)
            events = (run / "events.jsonl")
            lines = events.read_text().splitlines(keepends=True) if events.exists() else []
            done = [e for e in (json.loads(line) for line in lines if line.endswith("\n")) if e["event"] == "step" and e["step"] >= steps]
            if done:
                process.kill()
                process.wait()
                return done[0][key]
    raise SystemExit(f"{' '.join(arguments)}: ended with code {process.returncode} before {steps} steps")


def main(llmfusion, out, rounds=3):
    rates = {}
    for turn in range(int(rounds)):
        for name, (arguments, key, steps) in RUNS.items():
            for option in [[], ["--bf16"]][:: 1 if turn % 2 == 0 else -1]:
                rates.setdefault(f"{name}_{'bf16' if option else 'float32'}", []).append(rate(llmfusion, arguments + option, key, steps))
    pathlib.Path(out).write_text(json.dumps(rates, indent=1) + "\n")


main(*sys.argv[1:])
