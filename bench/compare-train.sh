#!/usr/bin/env bash
# Trains GPT-2 Small with LlmFusion and with Hugging Face transformers, in turns. See --help.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

usage() {
    cat <<'HELP'
bench/compare-train.sh ROUNDS [STEPS] [-o SUMMARY.json]

Full fine-tuning of GPT-2 Small (12 x 768) from 4 input embeddings a sample, dropout 0.1, AdamW, random weights: `./llmfusion
bench train` beside bench/train_huggingface.py, with 64 and with 256 samples a step, and LlmFusion's activation checkpointing
as well. STEPS (6 if not given) are measured in each run, after one that is not. A round runs everything, the next round in
the other order. Prints medians and the ratios within a round; -o writes them as JSON with every run, the machine, and its
load before each.

Environment:
  PYTHON     what runs Python with numpy, torch and transformers (python3); files are named relative to the current folder
  THREADS    threads of both sides (2)
  LLMFUSION  the command line (./llmfusion of this repository)

Nothing else should run on the machine meanwhile: the load before each run should be near 0 for the first one.
HELP
}

. "$root/bench/compare.sh"
arguments "$@"
rounds=${positional[0]-} steps=${positional[1]-6}
whole "$rounds" "$steps" "$threads"
begin "$root/bench/train_huggingface.py" "$root/bench/summarize_train.py"

ours() { run "$1" "$llmfusion" bench train --batch-size "$2" --steps "$steps" --threads "$threads" --json "${@:3}"; }
theirs() { run huggingface "${python[@]}" train_huggingface.py --batch "$1" --steps "$steps" --threads "$threads"; }
ours_64() { ours llmfusion 64; }
theirs_64() { theirs 64; }
ours_256() { ours llmfusion 256; }
theirs_256() { theirs 256; }
checkpointed_64() { ours checkpointed 64 --checkpoint-activations; }
checkpointed_256() { ours checkpointed 256 --checkpoint-activations; }

machine >runs.jsonl
in_turns ours_64 theirs_64 checkpointed_64 ours_256 theirs_256 checkpointed_256
"${python[@]}" summarize_train.py runs.jsonl summary.json
[[ -z $output ]] || cp summary.json "$output"
