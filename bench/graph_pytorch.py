#!/usr/bin/env python3
"""PyTorch's side of bench/compare-graph.sh: training steps of a relational graph network over padded molecules.

    python3 graph_pytorch.py [--batch 128] [--steps 20] [--threads 2]     measures; one JSON object

The network of `./llmfusion bench graph` as one would write it in PyTorch: every molecule padded to 9 atoms, one product for all
relations (5, and the atom's own), adjacency matrices in the place of lists. Features and bonds are random; what the products cost does not
depend on them. 1.0 M parameters, L1 loss, gradient norm clipped, AdamW (fused), float32. The first two steps are not counted.
"""

import argparse
import json
import os
import statistics
import sys
import time

ATOMS, FEATURES, RELATIONS, WIDTH, LAYERS, TARGETS = 9, 24, 5, 128, 5, 3


def network(torch):
    nn = torch.nn

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.message_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.message, self.mean = nn.Linear(WIDTH, (RELATIONS + 1) * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

        def forward(self, h, adjacency, mask, sizes):
            z = self.message_norm(h)
            said = self.message(z).view(len(h), ATOMS, RELATIONS + 1, WIDTH)
            spoken = said[:, :, :RELATIONS].transpose(1, 2).reshape(len(h), RELATIONS * ATOMS, WIDTH)
            of_graph = self.mean((z * mask).sum(1) / sizes)[:, None]
            h = h + torch.relu(said[:, :, RELATIONS] + of_graph + adjacency @ spoken)
            return h + self.down(nn.functional.gelu(self.up(self.mlp_norm(h))))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.norm = nn.Linear(FEATURES, WIDTH), nn.LayerNorm(WIDTH)
            self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
            self.head = nn.Linear(3 * WIDTH, TARGETS)

        def forward(self, x, adjacency, mask, sizes):
            h = self.embed(x)
            for layer in self.layers:
                h = layer(h, adjacency, mask, sizes)
            h = self.norm(h)
            total = (h * mask).sum(1)
            return self.head(torch.cat([total / sizes, (h + (mask - 1) * 1e4).max(1)[0], total / 16], 1))

    return Network()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--batch", type=int, default=128)
    arguments.add_argument("--steps", type=int, default=20)
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # the faster choice for PyTorch here, and it must be set before it loads
    import torch

    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    model = network(torch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    x = torch.randn(given.batch, ATOMS, FEATURES)
    adjacency = (torch.rand(given.batch, ATOMS, RELATIONS * ATOMS) < 0.05).float()
    sizes = torch.full((given.batch, 1), float(ATOMS))
    mask = torch.ones(given.batch, ATOMS, 1)
    seconds = []
    for step in range(given.steps + 2):
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model(x, adjacency, mask, sizes).abs().mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step >= 2:
            seconds.append(time.perf_counter() - begin)
    median = statistics.median(seconds)
    print(json.dumps({"measurement": "pytorch", "batch_size": given.batch, "steps": given.steps, "threads": torch.get_num_threads(),
                      "parameters": sum(p.numel() for p in model.parameters()), "step_seconds": median, "molecules_per_second": given.batch / median,
                      "wait_policy": os.environ["OMP_WAIT_POLICY"], "python": sys.version.split()[0], "torch": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
