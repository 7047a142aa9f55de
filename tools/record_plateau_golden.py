#!/usr/bin/env python3
"""Records what PyTorch's ReduceLROnPlateau decides, for tests/LlmFusion.Tests/Golden/plateau.json.

Needs the Python package torch:

    python3 tools/record_plateau_golden.py > tests/LlmFusion.Tests/Golden/plateau.json

Each case has options, a sequence of watched numbers (a falling curve with noise and repeated values, from a seed; one number
is no number), and the learning rate after each of them.
"""

import json
import math
import random

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

RATE, EPOCHS = 3e-4, 60
CASES = [
    {"mode": mode, "threshold_mode": threshold_mode, **options}
    for mode in ("min", "max")
    for threshold_mode in ("rel", "abs")
    for options in (
        {"factor": 0.5, "patience": 3, "threshold": 1e-4, "cooldown": 0, "min_lr": 0.0},
        {"factor": 0.1, "patience": 0, "threshold": 0.02, "cooldown": 2, "min_lr": 1e-6},
        {"factor": 0.7, "patience": 2, "threshold": 0.05, "cooldown": 4, "min_lr": 2e-5},
        {"factor": 0.3, "patience": 1, "threshold": 0.0, "cooldown": 1, "min_lr": 0.0},
    )
]


def watched(seed, rising):
    source = random.Random(seed)
    curve = [0.2 + math.exp(-epoch / 5) + source.choice([0, 0.001, 0.01, 0.1]) * source.random() for epoch in range(EPOCHS)]
    for epoch in range(3, EPOCHS, 7):
        curve[epoch] = curve[epoch - 1]  # the same again is no improvement
    curve[20] = math.nan
    return [1 - value for value in curve] if rising else curve


def decide(case, losses):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = ReduceLROnPlateau(optimizer, **case)
    rates = []
    for loss in losses:
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def main():
    cases = []
    for seed, case in enumerate(CASES):
        losses = watched(seed, case["mode"] == "max")
        cases.append({**case, "watched": [None if math.isnan(x) else x for x in losses], "rates": decide(case, losses)})
    print(json.dumps({"torch": torch.__version__, "rate": RATE, "cases": cases}))


if __name__ == "__main__":
    main()
