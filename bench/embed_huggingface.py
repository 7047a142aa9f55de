#!/usr/bin/env python3
"""Hugging Face's side of bench/compare-embed.sh: sequences per second of a RobertaModel of ChemBERTa's size.

    python3 embed_huggingface.py --make 2048 tokens.json      random token sequences, the same everywhere
    python3 embed_huggingface.py tokens.json [--threads 2]    measures; one JSON object a line

6 layers x 768, 12 heads, 767 tokens, random weights, the class token's hidden state, batches of 32 padded to their longest
with an attention mask, torch.no_grad. Twice: `naive` takes the sequences as they come, `sorted` sorts them by length first.
"""

import argparse
import json
import math
import os
import sys
import time

VOCABULARY, START, PAD, END = 767, 0, 1, 2


def random_sequences(count, seed):
    """Lengths as SMILES have them, log-normal around 38 with a few long ones; class and end token around random ids."""
    import numpy

    generator = numpy.random.default_rng(seed)
    lengths = numpy.clip(numpy.rint(generator.lognormal(math.log(38), 0.45, count)), 8, 200).astype(int)
    return [[START, *(int(token) for token in generator.integers(5, VOCABULARY, length - 2)), END] for length in lengths]


def measure(sequences, threads, size):
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # the faster choice for PyTorch here, and it must be set before it loads
    import torch
    import transformers
    from transformers import RobertaConfig, RobertaModel

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = RobertaModel(RobertaConfig(vocab_size=VOCABULARY, hidden_size=768, num_hidden_layers=6, num_attention_heads=12, intermediate_size=3072,
                                       max_position_embeddings=514, type_vocab_size=1, pad_token_id=PAD), add_pooling_layer=False).eval()

    @torch.no_grad()
    def embed(order):
        """(N, 768) in the order of the sequences, and how many tokens were computed, padding included."""
        found, computed = torch.empty(len(sequences), 768), 0
        for start in range(0, len(order), size):
            rows = order[start:start + size]
            longest = max(len(sequences[row]) for row in rows)
            ids, mask = torch.full((len(rows), longest), PAD), torch.zeros(len(rows), longest, dtype=torch.long)
            for place, row in enumerate(rows):
                ids[place, :len(sequences[row])] = torch.tensor(sequences[row])
                mask[place, :len(sequences[row])] = 1
            found[rows] = model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
            computed += ids.numel()
        return found, computed

    given = list(range(len(sequences)))
    longest_first = sorted(given, key=lambda row: -len(sequences[row]))
    embed(given[:size])  # warm
    tokens, results = sum(map(len, sequences)), {}
    for name, order in (("naive", given), ("sorted", longest_first)):
        begin = time.perf_counter()
        results[name], computed = embed(order)
        seconds = time.perf_counter() - begin
        print(json.dumps({"measurement": name, "sequences": len(sequences), "tokens": tokens, "computed_tokens": computed, "threads": torch.get_num_threads(),
                          "batch_size": size, "seconds": seconds, "sequences_per_second": len(sequences) / seconds, "tokens_per_second": tokens / seconds,
                          "python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__}), flush=True)
    # Padding and order must not matter, or one of the two measures something else.
    difference = (results["naive"] - results["sorted"]).abs().max().item()
    if not difference < 1e-4:
        raise SystemExit(f"naive and sorted batches differ by {difference:g}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("tokens", help="JSON file: a list of lists of ids")
    arguments.add_argument("--make", type=int, metavar="N", help="write N random sequences to the file instead of measuring")
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--batch", type=int, default=32)
    given = arguments.parse_args()
    if given.make:
        with open(given.tokens, "w", encoding="utf-8") as file:
            json.dump(random_sequences(given.make, given.seed), file)
        return
    with open(given.tokens, encoding="utf-8") as file:
        sequences = json.load(file)
    measure(sequences, given.threads, given.batch)


if __name__ == "__main__":
    main()
