#!/usr/bin/env python3
"""Loads a pretrained encoder's folder with transformers and compares its embeddings with LlmFusion's own.

    ./llmfusion pretrain smiles -o my-smiles --minutes 30
    ./llmfusion featurize docs/example/molecules.csv -o featurized.csv
    ./llmfusion embed featurized.csv --encoder my-smiles --modality smiles --smiles-form as-given -o embedded.csv --no-store
    python3 tools/check_encoder.py my-smiles embedded.csv

For SELFIES, give the file of featurize as a third argument: its column selfies is read; for text, likewise text. Ends with code 1
where transformers has to make up a weight, or an embedding deviates by more than 1e-4.
"""

import csv
import sys

import torch
from transformers import AutoModel, AutoTokenizer

TOLERANCE = 1e-4


def embedding(model, tokenizer, text):
    tokens = tokenizer(text, return_tensors="pt", truncation=True)
    tokens.pop("token_type_ids", None)
    model_type = model.config.model_type
    encoder = model.get_encoder() if model_type == "bart" else model
    hidden = encoder(**tokens).last_hidden_state[0]                                       # (L, d)
    return hidden[0] if model_type == "roberta" else hidden.mean(0)


@torch.no_grad()
def main(folder, embedded, texts=None):
    model, loading = AutoModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    made_up = [key for name in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in loading[name]]
    if made_up:
        raise SystemExit(f"{folder}: transformers finds missing or unexpected {made_up}, expected none")
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [row for row in csv.DictReader(open(embedded, encoding="utf-8"))]
    column = {"roberta": "canonical_smiles", "bart": "selfies", "gpt2": "text"}[model.config.model_type]
    read = [row[column] for row in csv.DictReader(open(texts, encoding="utf-8"))] if texts else [row["smiles"] for row in rows]
    worst, compared = 0.0, 0
    for row, text in zip(rows, read, strict=True):
        if row["error"]:
            continue
        ours = torch.tensor([float(row[f"e{i}"]) for i in range(model.config.hidden_size)])
        worst = max(worst, float((embedding(model, tokenizer, text) - ours).abs().max()))
        compared += 1
    print(f"{folder}: {compared} embeddings, largest deviation {worst:.2g}")
    if compared == 0 or worst > TOLERANCE:
        raise SystemExit(1)


main(*sys.argv[1:])
