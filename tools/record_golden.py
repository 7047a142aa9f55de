#!/usr/bin/env python3
"""Records what Hugging Face transformers computes with a checkpoint, so that `llmfusion models verify FOLDER` can compare.

    python3 tools/record_golden.py FOLDER [--seed N] [--gradients]

FOLDER is any checkpoint folder of a GPT-2, RoBERTa, BART, Llama or Granite (config.json and weights, as save_pretrained
or the model hub leaves them). Needs torch, transformers and safetensors. Writes golden.safetensors, the inputs (random ids,
masks and embeddings, by the seed) and the outputs, and golden.json, which says what each is and how near it must be met:
|x - recorded| <= atol + rtol |recorded|. atol is 1.5e-5, or five times what transformers itself loses in float32, where
that is more (measured here against float64).
"""

import argparse
import copy
import json
import os
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

ROWS, LENGTH = 4, 11
ATOL, RTOL = 1.5e-5, 5e-6
HEADS = {"roberta": AutoModelForMaskedLM, "bart": AutoModelForSeq2SeqLM, "gpt2": AutoModelForCausalLM, "llama": AutoModelForCausalLM, "granite": AutoModelForCausalLM}


def load(auto, folder):
    """The model in float32 and in eager attention, and the names of weights that the folder lacks and transformers made up."""
    model, loading = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    return model.eval(), sorted(loading["missing_keys"])


def without_head(config):
    """Where transformers makes a head up without saying so (a BartModel's bias of zeros), or LlmFusion has none (untied in GPT-2 and BART)."""
    made_up = config.model_type == "bart" and "BartModel" in (config.architectures or [])
    return made_up or (config.model_type in ("gpt2", "bart") and not config.tie_word_embeddings)


def mean(hidden, mask):
    mask = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)


class Recording:
    """Inputs, and outputs that may be computed again in float64."""

    def __init__(self):
        self.inputs, self.expected = {}, {}

    def input(self, name, tensor, meaning):
        self.inputs[name] = (tensor, meaning)
        return tensor

    def expect(self, name, compute, meaning, where=None):
        """compute(model, head) gives the tensor; where names the mask of the tokens that count."""
        self.expected[name] = (compute, meaning, where)

    def write(self, model, head):
        """What golden.json says of each tensor, and the tensors."""
        entries, tensors = [], {}
        double = copy.deepcopy(model).double()
        double_head = copy.deepcopy(head).double() if head is not None else None
        for name, (tensor, meaning) in self.inputs.items():
            tensors[name] = tensor
            entries.append({"name": name, "role": "input", "shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch."), "meaning": meaning})
        with torch.no_grad():
            for name, (compute, meaning, where) in self.expected.items():
                value = tensors[name] = compute(model, head).float().contiguous()
                difference = (compute(double, double_head) - value).abs()
                if where:
                    difference = difference * tensors[where].unsqueeze(-1)
                noise = difference.max().item()
                entries.append({"name": name, "role": "expected", "shape": list(value.shape), "dtype": "float32", "meaning": meaning,
                                "atol": max(ATOL, 5 * noise), "rtol": RTOL, "max_abs": value.abs().max().item(), "hf_float32_vs_float64_max_abs": noise,
                                **({"compare_only_where": where} if where else {})})
        return entries, tensors


def ids(generator, config, length, rows=ROWS):
    """Random ids, none of them the padding's: RoBERTa counts its positions by that."""
    pad = config.pad_token_id if config.pad_token_id is not None else -1
    found = torch.randint(0, config.vocab_size, (rows, length), generator=generator)
    return torch.where(found == pad, (found + 1) % config.vocab_size, found)


def right_mask(length, rows=ROWS):
    """The first row is full, the others ever shorter."""
    return (torch.arange(length) < (length - torch.arange(rows) * max(1, length // 5)).clamp(min=1).unsqueeze(1)).long()


def cast(model, tensor):
    return tensor.to(next(model.parameters()).dtype)


def record_roberta(recording, generator, config, has_pooler, has_head):
    length = min(LENGTH, config.max_position_embeddings - config.pad_token_id - 1)
    mask = recording.input("attention_mask", right_mask(length), "1 token, 0 padding")
    tokens = recording.input("input_ids", torch.where(mask == 1, ids(generator, config, length), config.pad_token_id), "token ids, padded on the right")
    ones = recording.input("all_ones_mask", torch.ones_like(tokens), "mask of ones")

    def run(model, mask=mask, tokens=tokens, **more):
        return model(input_ids=tokens, attention_mask=mask, **more)

    recording.expect("last_hidden_state", lambda m, _: run(m).last_hidden_state, "RobertaModel.last_hidden_state", "attention_mask")
    recording.expect("cls", lambda m, _: run(m).last_hidden_state[:, 0], "the class token's row")
    recording.expect("masked_mean", lambda m, _: mean(run(m).last_hidden_state, mask), "mean over the tokens")
    recording.expect("embeddings", lambda m, _: run(m, output_hidden_states=True).hidden_states[0], "after the embedding layer", "attention_mask")
    recording.expect("hidden_states.1", lambda m, _: run(m, output_hidden_states=True).hidden_states[1], "after the first layer", "attention_mask")
    recording.expect("row0_nomask", lambda m, _: m(input_ids=tokens[:1]).last_hidden_state, "the first row alone, without a mask")
    recording.expect("last_hidden_state_ones_mask", lambda m, _: run(m, ones).last_hidden_state, "padding not masked")
    if has_pooler:
        recording.expect("pooler_output", lambda m, _: run(m).pooler_output, "RobertaModel.pooler_output")
    if has_head:
        recording.expect("mlm_logits", lambda _, h: run(h).logits, "RobertaForMaskedLM.logits", "attention_mask")


def record_bart(recording, generator, config, has_head):
    length = min(LENGTH, config.max_position_embeddings)
    mask = recording.input("attention_mask", right_mask(length), "1 token, 0 padding")
    tokens = recording.input("input_ids", torch.where(mask == 1, ids(generator, config, length), config.pad_token_id), "token ids, padded on the right")
    decoder = recording.input("decoder_input_ids", ids(generator, config, max(1, length - 3)), "what the decoder reads")

    def encode(model, **more):
        return model.get_encoder()(input_ids=tokens, attention_mask=mask, **more)

    recording.expect("encoder.last_hidden_state", lambda m, _: encode(m).last_hidden_state, "the encoder's last hidden state", "attention_mask")
    recording.expect("encoder.embeddings", lambda m, _: encode(m, output_hidden_states=True).hidden_states[0], "after the embedding layer", "attention_mask")
    recording.expect("encoder.masked_mean", lambda m, _: mean(encode(m).last_hidden_state, mask), "mean over the tokens, as SELF-BART pools")
    recording.expect("decoder.last_hidden_state", lambda m, _: m(input_ids=tokens, attention_mask=mask, decoder_input_ids=decoder).last_hidden_state, "BartModel.last_hidden_state")
    if has_head:
        recording.expect("lm_logits", lambda _, h: h(input_ids=tokens, attention_mask=mask, decoder_input_ids=decoder).logits, "BartForConditionalGeneration.logits")


def record_language_model(recording, generator, config, has_head):
    length = min(LENGTH, config.max_position_embeddings)
    tokens = recording.input("input_ids", ids(generator, config, length), "token ids")
    right = recording.input("attention_mask_right", right_mask(length), "padding on the right")
    left = recording.input("attention_mask_left", right_mask(length).flip(1), "padding on the left")
    positions = recording.input("position_ids_left", (left.cumsum(1) - 1).masked_fill(left == 0, 1), "positions of the left-padded rows")
    embeds = recording.input("inputs_embeds", torch.randn(5, min(4, length), config.hidden_size, generator=generator), "(N, M, d), as LLM-Fusion feeds them")

    recording.expect("last_hidden_state_nomask", lambda m, _: m(input_ids=tokens).last_hidden_state, "no mask")
    recording.expect("last_hidden_state_right", lambda m, _: m(input_ids=tokens, attention_mask=right).last_hidden_state, "padded on the right", "attention_mask_right")
    recording.expect("last_hidden_state_left_pos", lambda m, _: m(input_ids=tokens, attention_mask=left, position_ids=positions).last_hidden_state,
                     "padded on the left, with explicit positions", "attention_mask_left")
    recording.expect("hidden_states.0", lambda m, _: m(input_ids=tokens, output_hidden_states=True).hidden_states[0], "before the first layer")
    recording.expect("hidden_states.1", lambda m, _: m(input_ids=tokens, output_hidden_states=True).hidden_states[1], "after the first layer")
    recording.expect("embeds.last_hidden_state", lambda m, _: m(inputs_embeds=cast(m, embeds)).last_hidden_state, "of ready embeddings; GPT-2 adds its positions to them, Granite multiplies them")
    recording.expect("embeds.mean", lambda m, _: m(inputs_embeds=cast(m, embeds)).last_hidden_state.mean(1), "mean over M")
    if has_head:
        recording.expect("lm_logits_nomask", lambda _, h: h(input_ids=tokens).logits, "logits of the language model, no mask")


def record_gradients(model, generator, config, embeds, entries, tensors):
    """A regression over ready embeddings, as LLM-Fusion trains: prediction, loss, and the gradient of every weight that has one."""
    weight = torch.randn(2, config.hidden_size, generator=generator) * 0.1
    bias, y = torch.randn(2, generator=generator), torch.randn(len(embeds), 2, generator=generator)
    for name, tensor, meaning in (("head.weight", weight, "head(x) = x W^T + b"), ("head.bias", bias, "head(x) = x W^T + b"), ("y", y, "targets (N, T)")):
        tensors[name] = tensor.clone()
        entries.append({"name": name, "role": "input", "shape": list(tensor.shape), "dtype": "float32", "meaning": meaning})
    leaves = {"inputs_embeds": embeds.clone().requires_grad_(), "head.weight": weight.requires_grad_(), "head.bias": bias.requires_grad_()}
    predicted = torch.nn.functional.linear(model(inputs_embeds=leaves["inputs_embeds"]).last_hidden_state.mean(1), weight, bias)
    loss = (predicted - y).square().mean()
    loss.backward()
    leaves |= dict(model.named_parameters())
    found = [("grad_case.pred", predicted.detach(), "head(mean over M)"), ("grad_case.loss", loss.detach().reshape(1), "mean((pred - y)^2)")]
    found += [(f"grad.{name}", leaf.grad, f"d loss / d {name}") for name, leaf in leaves.items() if leaf.grad is not None]
    for name, tensor, meaning in found:
        tensors[name] = tensor.contiguous()
        atol, rtol = (2e-6, 1e-4) if name.startswith("grad.") else (ATOL, RTOL)
        entries.append({"name": name, "role": "expected", "shape": list(tensor.shape), "dtype": "float32", "meaning": meaning, "atol": atol, "rtol": rtol})


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("folder", help="a checkpoint folder; the record is written into it")
    arguments.add_argument("--seed", type=int, default=1, help="of the inputs")
    arguments.add_argument("--gradients", action="store_true", help="also the gradients of a regression (GPT-2, Llama, Granite; as large as the weights)")
    given = arguments.parse_args()
    config = AutoConfig.from_pretrained(given.folder)
    kind = config.model_type
    if kind not in HEADS:
        raise SystemExit(f"{given.folder}: model_type is {kind}, expected one of {', '.join(HEADS)}")
    if given.gradients and kind in ("roberta", "bart"):
        raise SystemExit(f"--gradients: recorded for language models, not for a {kind}")
    model, missing = load(AutoModel, given.folder)
    if others := [name for name in missing if not name.startswith("pooler.")]:
        raise SystemExit(f"{given.folder}: lacks {', '.join(others[:5])}: what is computed would be random")
    head, head_missing = load(HEADS[kind], given.folder)
    if head_missing or without_head(config):
        head = None

    generator = torch.Generator().manual_seed(given.seed)
    recording = Recording()
    if kind == "roberta":
        record_roberta(recording, generator, config, has_pooler=not missing, has_head=head is not None)
    elif kind == "bart":
        record_bart(recording, generator, config, has_head=head is not None)
    else:
        record_language_model(recording, generator, config, has_head=head is not None)
    entries, tensors = recording.write(model, head)
    if given.gradients:
        record_gradients(model, generator, config, tensors["inputs_embeds"], entries, tensors)

    save_file({name: tensor.clone() for name, tensor in tensors.items()}, os.path.join(given.folder, "golden.safetensors"))
    record = {"made_with": f"transformers {transformers.__version__} (eager attention), torch {torch.__version__}, CPU float32",
              "model": type(model).__name__, "case": os.path.basename(os.path.abspath(given.folder)), "seed": given.seed, "notes": [], "tensors": entries}
    with open(os.path.join(given.folder, "golden.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(record, indent=1) + "\n")
    print(f"{given.folder}: {kind}, {sum(e['role'] == 'expected' for e in entries)} outputs recorded; now: ./llmfusion models verify {given.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
