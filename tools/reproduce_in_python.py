#!/usr/bin/env python3
"""Computes the predictions of a trained model again with PyTorch and Hugging Face transformers, without LlmFusion.

Needs the Python packages torch, transformers, safetensors and rdkit. Give it a model folder and a table that
`llmfusion predict` wrote, and it compares; or a SMILES, and it prints:

    ./llmfusion featurize molecules.csv -o featurized.csv
    ./llmfusion predict --model MODEL_FOLDER featurized.csv -o predicted.csv
    python3 tools/reproduce_in_python.py MODEL_FOLDER predicted.csv
    python3 tools/reproduce_in_python.py MODEL_FOLDER "CCO"

A model reads RDKit's canonical SMILES unless it was trained with --smiles-form as-given, and RDKit spells some molecules
otherwise from version to version (double bonds between rings, mostly): the table's column canonical_smiles, where it has
one as `featurize` writes it, is used instead of Python's own spelling.

A deviation is divided by the target's standard deviation in the training split (of its logarithms, where they were learnt), so
that it says the same of every unit;
above 1e-5 the exit code is 1. Modalities: smiles with a RoBERTa, fingerprint, numeric columns. Others are refused.
docs/python.md explains the steps.
"""

import argparse
import csv
import json
import math
import os
import re
import sys

import rdkit
import torch
import transformers
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, RobertaModel

TOLERANCE = 1e-5
START, END, UNKNOWN = 0, 2, 3  # ids in an encoder's own vocab.json
SMILES_TOKEN = re.compile(r"\[[^\]]*\]|Br|Cl|%\([0-9]+\)|%[0-9]{2}|.", re.DOTALL)
TOKEN_TABLES = {"gpt2": "wte.weight", "llama": "embed_tokens.weight", "granite": "embed_tokens.weight"}


def merged(state, folder):
    """The weights with low-rank adapters taken in: W + alpha / r B A. PEFT's PeftModel.from_pretrained(llm, folder) does as much."""
    config = json.load(open(os.path.join(folder, "adapter_config.json"), encoding="utf-8"))
    adapters = load_file(os.path.join(folder, "adapter_model.safetensors"))
    state = dict(state)
    for name in [name for name in adapters if name.endswith(".lora_A.weight")]:
        correction = config["lora_alpha"] / config["r"] * adapters[name.replace("lora_A", "lora_B")] @ adapters[name]
        layer = name.removeprefix("base_model.model.").replace("lora_A.", "")
        state[layer] = state[layer] + (correction.T if config["fan_in_fan_out"] else correction)
    return state


def language_model(manifest, weights, folder):
    """The fusing language model: GPT2Model, LlamaModel or GraniteModel, by the backbone's model_type."""
    config = AutoConfig.for_model(**manifest["backbone"])
    llm = AutoModel.from_config(config).eval()
    state = {name.removeprefix("llm."): tensor for name, tensor in weights.items() if name.startswith("llm.")}
    if adapter := manifest.get("adapter"):  # low-rank adapters, saved beside the weights
        state = merged(state, os.path.join(folder, adapter["folder"]))
    missing, unexpected = llm.load_state_dict(state, strict=False)
    # LLM-Fusion feeds embeddings, so the table that makes them of tokens is not saved; nothing else may differ.
    if missing != [TOKEN_TABLES[config.model_type]] or unexpected:
        raise SystemExit(f"llm.*: missing {missing}, unexpected {unexpected}; expected {TOKEN_TABLES[config.model_type]} alone to be missing")
    return llm


class SmilesEncoder:
    """A RoBERTa under encoders/smiles, trained along, new or pretrained, or frozen: a folder that transformers reads as it is."""

    def __init__(self, folder, entry, manifest):
        pretrained = entry.get("frozen") or entry.get("tuned")
        if not entry.get("encoder"):
            raise SystemExit(f"smiles: its encoder {pretrained['id']} is on the model hub, not in this folder; not handled here")
        self.path = os.path.join(folder, entry["encoder"])
        self.roberta, loading = RobertaModel.from_pretrained(self.path, add_pooling_layer=False, output_loading_info=True)
        heads = [name for name in loading["unexpected_keys"] if name.startswith(("lm_head.", "pooler."))]  # of a pretrained file
        if loading["missing_keys"] or len(loading["unexpected_keys"]) > len(heads):
            raise SystemExit(f"{self.path}: does not fit a RobertaModel: {loading}")
        self.roberta.eval()
        self.mean = pretrained is not None and pretrained["pooling"] != "class_token"
        self.maximum = (pretrained or manifest)["maximum_tokens"]
        own = pretrained is None or pretrained["substitute_vocabulary"]
        self.vocabulary = json.load(open(os.path.join(self.path, "vocab.json"), encoding="utf-8")) if own else None
        self.tokenizer = None if own else Tokenizer.from_file(os.path.join(self.path, "tokenizer.json"))  # the checkpoint's own
        if self.tokenizer:
            self.tokenizer.enable_truncation(self.maximum)

    def ids(self, smiles):
        if self.tokenizer:
            return self.tokenizer.encode(smiles).ids
        tokens = SMILES_TOKEN.findall(smiles)[: self.maximum - 2]
        return [START, *(self.vocabulary.get(token, UNKNOWN) for token in tokens), END]

    def __call__(self, smiles):
        hidden = self.roberta(input_ids=torch.tensor([self.ids(smiles)])).last_hidden_state  # (1, L, d)
        return hidden.mean(1) if self.mean else hidden[:, 0]                                 # (1, d)


class FusionModel:
    """LLM-Fusion from a model folder: llmfusion.json, model.safetensors and encoders/."""

    def __init__(self, folder):
        self.manifest = json.load(open(os.path.join(folder, "llmfusion.json"), encoding="utf-8"))
        self.weights = load_file(os.path.join(folder, "model.safetensors"))
        self.llm = language_model(self.manifest, self.weights, folder)
        self.modalities = self.manifest["modalities"]  # in stack order
        self.targets = self.manifest["targets"]
        self.encoder = next((SmilesEncoder(folder, m, self.manifest) for m in self.modalities if m["name"] == "smiles"), None)

    def embedding(self, modality, row, molecule):
        """z_m (1, d_m) as its encoder gives it; None where the molecule lacks the modality."""
        if modality["name"] == "smiles":
            as_given = self.manifest["smiles_form"] == "as_given"
            return self.encoder(row["smiles"] if as_given else row.get("canonical_smiles") or Chem.MolToSmiles(molecule))
        if options := modality.get("fingerprint"):
            generator = rdFingerprintGenerator.GetMorganGenerator(radius=options["radius"], fpSize=options["size"])
            make = generator.GetCountFingerprintAsNumPy if options["counts"] else generator.GetFingerprintAsNumPy
            return torch.from_numpy(make(molecule).astype("float32")).unsqueeze(0)
        if columns := modality.get("columns"):
            values = [row.get(column["name"]) for column in columns]
            if not all(values):
                return None
            return torch.tensor([[(float(v) - c["mean"]) / c["deviation"] for v, c in zip(values, columns)]], dtype=torch.float32)
        raise SystemExit(f"modality {modality['name']}: this script builds smiles, fingerprint and columns only")

    def token(self, name, z):
        """e_m (1, d): Linear + ReLU for fingerprint and columns, a Linear where the widths differ, else z itself."""
        own = "fp_encoder" if name == "fingerprint" else f"encoder_{name}"
        if f"{own}.weight" in self.weights:
            return torch.relu(torch.nn.functional.linear(z, self.weights[f"{own}.weight"], self.weights[f"{own}.bias"]))
        if f"proj_{name}.weight" in self.weights:
            return torch.nn.functional.linear(z, self.weights[f"proj_{name}.weight"], self.weights[f"proj_{name}.bias"])
        return z

    @torch.no_grad()
    def predict(self, row):
        """One value for each target, in its unit."""
        molecule = Chem.MolFromSmiles(row["smiles"])
        embeddings = [self.embedding(modality, row, molecule) for modality in self.modalities]
        width = self.llm.config.hidden_size
        tokens = [self.token(m["name"], z) if z is not None else torch.zeros(1, width) for m, z in zip(self.modalities, embeddings)]
        present = torch.tensor([[int(z is not None) for z in embeddings]])                    # (1, M)
        stacked = torch.stack(tokens, dim=1)                                                  # (1, M, d)
        if "modality_pos" in self.weights:                                                    # learned or sinusoidal
            stacked = stacked + self.weights["modality_pos"]

        hidden = self.llm(inputs_embeds=stacked, attention_mask=present, **self.positions(stacked)).last_hidden_state  # (1, M, d)
        fused = (hidden * present.unsqueeze(-1)).sum(1) / present.sum(1, keepdim=True)        # (1, d): mean over the modalities
        scaled = torch.nn.functional.linear(fused, self.weights["head.weight"], self.weights["head.bias"])[0]
        values = [float(y) * target["deviation"] + target["mean"] for y, target in zip(scaled, self.targets)]
        return [math.exp(value) if target.get("scaling") == "log" else value for value, target in zip(values, self.targets)]

    def positions(self, stacked):
        """Nothing where the language model adds its own positions, as transformers does by default; else what takes them out."""
        if self.manifest["positions"] in ("modality_and_llm", "llm"):
            return {}
        if self.llm.config.model_type == "gpt2":
            self.llm.wpe.weight.zero_()
            return {}
        return {"position_ids": torch.zeros(stacked.shape[:2], dtype=torch.long)}  # rotation by an angle of 0


def compare(model, path):
    """Largest |here - there| / deviation over the table's rows and targets, by target."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [{**row, "smiles": next(v for k, v in row.items() if k.lower() == "smiles")} for row in csv.DictReader(file)]
    rows = [row for row in rows if not row.get("error")]
    largest = {target["name"]: 0.0 for target in model.targets}
    for row in rows:
        for target, value in zip(model.targets, model.predict(row)):
            column = target["name"]
            while f"{column}_predicted" in row:  # the input had a column of the target's name
                column += "_predicted"
            there = float(row[column])
            if target.get("scaling") == "log":  # its deviation is that of logarithms
                value, there = math.log(value), math.log(there)
            deviation = abs(value - there) / target["deviation"]
            if not deviation <= largest[target["name"]]:  # a NaN is kept
                largest[target["name"]] = deviation
    return len(rows), largest


def respelt(path):
    """How many canonical SMILES of the table RDKit would write otherwise here."""
    with open(path, newline="", encoding="utf-8") as file:
        spellings = [row.get("canonical_smiles") for row in csv.DictReader(file)]
    return sum(Chem.CanonSmiles(spelling) != spelling for spelling in spellings if spelling)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("model_folder")
    arguments.add_argument("molecules", help="a table that `llmfusion predict` wrote (.csv), or a SMILES")
    arguments.add_argument("--json", help="write the result to this file")
    given = arguments.parse_args()
    model = FusionModel(given.model_folder)
    if not os.path.exists(given.molecules):
        for target, value in zip(model.targets, model.predict({"smiles": given.molecules})):
            print(f"{target['name']}: {value:.7g} {target['unit']}")
        return 0
    count, largest = compare(model, given.molecules)
    passed = count > 0 and all(math.isfinite(d) and d <= TOLERANCE for d in largest.values())
    result = {
        "backbone": model.llm.config.model_type, "positions": model.manifest["positions"], "modalities": [m["name"] for m in model.modalities],
        "molecules": count, "canonical_smiles_spelt_otherwise_here": respelt(given.molecules), "tolerance": TOLERANCE, "passed": passed,
        "targets": {t["name"]: {"unit": t["unit"], "deviation_of_target": t["deviation"], "largest_relative_to_it": largest[t["name"]],
                                "largest_in_unit": largest[t["name"]] * t["deviation"]} for t in model.targets},
        "versions": {"llmfusion": model.manifest["program_version"], "python": sys.version.split()[0], "torch": torch.__version__,
                     "transformers": transformers.__version__, "rdkit": rdkit.__version__},
    }
    for name, d in largest.items():
        print(f"{name}: {count} molecules, largest deviation {d:.2e} of the target's standard deviation")
    other = respelt(given.molecules)
    if other:
        print(f"{other} of the canonical SMILES are spelt otherwise by RDKit {rdkit.__version__}; the table's were used")
    print("equal" if passed else f"different: above {TOLERANCE:g}")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=2) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
