#!/usr/bin/env bash
# Trains the graph encoder with LlmFusion and in plain PyTorch, in turns. See --help.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

usage() {
    cat <<'HELP'
bench/compare-graph.sh ROUNDS [STEPS] [-o SUMMARY.json]

Training steps of a relational graph network of 1 M parameters over 128 molecules of QM9 (size mini): `./llmfusion bench graph`
beside bench/graph_pytorch.py, which pads every molecule to 9 atoms and multiplies for every relation. STEPS (40 if not given) are
measured in each run, after two that are not. A round runs both, the next round in the other order. Prints medians and the ratio
within a round; -o writes them as JSON with every run, the machine, and its load before each.

Environment:
  PYTHON     what runs Python with torch (python3); files are named relative to the current folder
  THREADS    threads of both sides (2)
  LLMFUSION  the command line (./llmfusion of this repository)

Nothing else should run on the machine meanwhile: the load before each run should be near 0 for the first one.
HELP
}

. "$root/bench/compare.sh"
arguments "$@"
rounds=${positional[0]-} steps=${positional[1]-40}
whole "$rounds" "$steps" "$threads"
begin "$root/bench/graph_pytorch.py" "$root/bench/summarize_graph.py"

ours() { run llmfusion "$llmfusion" bench graph --data qm9 --steps "$steps" --threads "$threads" --json; }
theirs() { run pytorch "${python[@]}" graph_pytorch.py --steps "$steps" --threads "$threads"; }

machine >runs.jsonl
in_turns ours theirs
"${python[@]}" summarize_graph.py runs.jsonl summary.json
[[ -z $output ]] || cp summary.json "$output"
