#!/usr/bin/env bash
# Embeds the same random token sequences with LlmFusion and with Hugging Face transformers, in turns. See --help.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

usage() {
    cat <<'HELP'
bench/compare-embed.sh ROUNDS [SEQUENCES] [-o SUMMARY.json]

RoBERTa of 6 layers x 768, class token, random weights: `./llmfusion bench embed` beside bench/embed_huggingface.py, which
runs batches of 32 as they come (naive) and sorted by length. SEQUENCES (2048 if not given) are random, the same for both
and every time. A round runs both, the next round in the other order. Prints medians and the ratios within a round; -o
writes them as JSON with every run, the machine, and its load before each.

Environment:
  PYTHON     what runs Python with numpy, torch and transformers (python3); files are named relative to the current folder
  THREADS    threads of both sides (2)
  LLMFUSION  the command line (./llmfusion of this repository)

Nothing else should run on the machine meanwhile: the load before each run should be near 0 for the first one.
HELP
}

. "$root/bench/compare.sh"
arguments "$@"
rounds=${positional[0]-} sequences=${positional[1]-2048}
whole "$rounds" "$sequences" "$threads"

begin "$root/bench/embed_huggingface.py" "$root/bench/summarize_embed.py"

ours() { run llmfusion "$llmfusion" bench embed --sequences tokens.json --threads "$threads" --json; }
theirs() { run huggingface "${python[@]}" embed_huggingface.py tokens.json --threads "$threads"; }

machine >runs.jsonl
"${python[@]}" embed_huggingface.py --make "$sequences" tokens.json
in_turns ours theirs
"${python[@]}" summarize_embed.py runs.jsonl summary.json
[[ -z $output ]] || cp summary.json "$output"
