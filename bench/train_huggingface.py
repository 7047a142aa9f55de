#!/usr/bin/env python3
"""Hugging Face's side of bench/compare-train.sh: full fine-tuning of GPT-2 Small from input embeddings.

    python3 train_huggingface.py --batch 64 [--steps 6] [--threads 2]     measures; one JSON object

GPT2Model (12 x 768, dropout 0.1, train mode) reads 4 embeddings a sample, a Linear(768, 1) predicts from the mean of its last
hidden state, MSE, backward, torch.optim.AdamW, float32. Random weights and data; the first step is not counted.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

TOKENS, WIDTH = 4, 768


def measure(batch, steps, threads):
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # the faster choice for PyTorch here, and it must be set before it loads
    import torch
    import transformers
    from transformers import GPT2Config, GPT2Model

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = GPT2Model(GPT2Config()).train()
    head = torch.nn.Linear(WIDTH, 1)
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=1e-4)
    x, y = torch.randn(batch, TOKENS, WIDTH), torch.randn(batch, 1)
    step_seconds, optimizer_seconds = [], []
    for step in range(steps + 1):
        begin = time.perf_counter()
        optimizer.zero_grad()
        prediction = head(model(inputs_embeds=x, use_cache=False).last_hidden_state.mean(1))
        ((prediction - y) ** 2).mean().backward()
        before = time.perf_counter()
        optimizer.step()
        end = time.perf_counter()
        if step > 0:
            step_seconds.append(end - begin)
            optimizer_seconds.append(end - before)
    seconds = statistics.median(step_seconds)
    print(json.dumps({"measurement": "huggingface", "batch_size": batch, "tokens": TOKENS, "steps": steps, "threads": torch.get_num_threads(),
                      "step_seconds": seconds, "samples_per_second": batch / seconds, "optimizer_seconds": statistics.median(optimizer_seconds),
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "blas": blas(), "wait_policy": os.environ["OMP_WAIT_POLICY"],
                      "python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__}), flush=True)


def blas():
    """The library that multiplies matrices, among those that this process has loaded."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        loaded = maps.read()
    return next((name for name in ("mkl", "openblas", "blis", "libblas") if name in loaded), "unknown")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--steps", type=int, default=6)
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    measure(given.batch, given.steps, given.threads)


if __name__ == "__main__":
    main()
