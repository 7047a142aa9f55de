#!/usr/bin/env python3
"""Records the rates of PyTorch's OneCycleLR, for tests/LlmFusion.Tests/Golden/one-cycle.json.

Needs the Python package torch:

    python3 tools/record_one_cycle_golden.py > tests/LlmFusion.Tests/Golden/one-cycle.json

Each case has options and the learning rate of every step.
"""

import json

import torch
from torch.optim.lr_scheduler import OneCycleLR

CASES = [
    {"max_lr": 8e-4, "total_steps": 120, "pct_start": 0.1},
    {"max_lr": 3e-4, "total_steps": 97, "pct_start": 0.3},
    {"max_lr": 1.0, "total_steps": 10, "pct_start": 0.25},
    {"max_lr": 1e-3, "total_steps": 7, "pct_start": 0.05},
]


def rates(case):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = OneCycleLR(optimizer, cycle_momentum=False, **case)
    found = []
    for step in range(case["total_steps"]):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < case["total_steps"]:
            scheduler.step()
    return found


print(json.dumps({"torch": torch.__version__, "cases": [{**case, "rates": rates(case)} for case in CASES]}))
