"""Records tests/LlmFusion.Transformers.Tests/Golden/graph-tiny: the relational graph network in plain PyTorch, dense, in float64.
usage: python3 tools/record_graph_golden.py     (PyTorch and safetensors)"""
import json, os
import torch
from safetensors.torch import save_file

F, R, H, LAYERS, SIZES = 11, 3, 16, 2, [1, 4, 7, 3]
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
A = sum(SIZES)
start = [0]
for size in SIZES:
    start.append(start[-1] + size)

edges = []
for n, size in enumerate(SIZES):
    for i in range(1, size):
        j, r = int(torch.randint(i, ())), int(torch.randint(R, ()))
        edges += [(start[n] + i, start[n] + j, r), (start[n] + j, start[n] + i, r)]
edges.sort()
adjacency = torch.zeros(R, A, A)          # adjacency[r, i, j]: i hears j through r
for i, j, r in edges:
    adjacency[r, i, j] = 1
share = torch.zeros(len(SIZES), A)        # mean over the nodes of each graph
for n, size in enumerate(SIZES):
    share[n, start[n]:start[n + 1]] = 1 / size


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.message_norm = torch.nn.LayerNorm(H)
        self.message = torch.nn.Linear(H, (R + 1) * H)
        self.mean = torch.nn.Linear(H, H, bias=False)
        self.mlp_norm = torch.nn.LayerNorm(H)
        self.up = torch.nn.Linear(H, 2 * H)
        self.down = torch.nn.Linear(2 * H, H)

    def forward(self, h):
        z = self.message_norm(h)
        said = self.message(z).view(A, R + 1, H)
        heard = said[:, R] + (share > 0).double().T @ self.mean(share @ z)
        for r in range(R):
            heard = heard + adjacency[r] @ said[:, r]
        h = h + torch.relu(heard)
        return h + self.down(torch.nn.functional.gelu(self.up(self.mlp_norm(h))))


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Linear(F, H)
        self.layers = torch.nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = torch.nn.LayerNorm(H)

    def forward(self, x):
        h = self.embed(x)
        for layer in self.layers:
            h = layer(h)
        return self.norm(h)


network = Network()
with torch.no_grad():
    for name, p in network.named_parameters():
        if "norm" in name:
            p += 0.1 * torch.randn_like(p)
        p.copy_(p.float().double())       # what the file holds
features = torch.randn(A, F).float().double()
nodes = network(features)
parts = [nodes[start[n]:start[n + 1]] for n in range(len(SIZES))]
pooled = torch.stack([torch.cat([p.mean(0), p.max(0)[0], p.sum(0) / 16]) for p in parts])
pooled.square().sum().backward()

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "LlmFusion.Transformers.Tests", "Golden", "graph-tiny")
os.makedirs(folder, exist_ok=True)
single = lambda tensors: {k: v.detach().float().contiguous() for k, v in tensors.items()}
save_file(single(network.state_dict()), os.path.join(folder, "model.safetensors"))
edge_start = [sum(e[0] < i for e in edges) for i in range(A + 1)]
save_file(single({"features": features, "nodes": nodes, "pooled": pooled, **{"grad." + k: p.grad for k, p in network.named_parameters()}})
          | {k: torch.tensor(v, dtype=torch.int64) for k, v in {"graph_start": start, "edge_start": edge_start, "edge_source": [e[1] for e in edges], "edge_relation": [e[2] for e in edges]}.items()},
          os.path.join(folder, "golden.safetensors"))
with open(os.path.join(folder, "config.json"), "w") as f:
    json.dump({"model_type": "relational_graph", "node_features": F, "relations": R, "hidden_size": H, "num_hidden_layers": LAYERS}, f, indent=2)
