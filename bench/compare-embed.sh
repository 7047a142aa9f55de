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

output=
positional=()
while (( $# > 0 )); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        -o) output=$(realpath -m "${2:?-o: expected a file}"); shift 2 ;;
        *) positional+=("$1"); shift ;;
    esac
done
rounds=${positional[0]-} sequences=${positional[1]-2048} threads=${THREADS-2}
for number in "$rounds" "$sequences" "$threads"; do
    [[ $number =~ ^[1-9][0-9]*$ ]] || { usage >&2; echo "got '$number', expected a whole number from 1" >&2; exit 2; }
done
read -ra python <<<"${PYTHON-python3}"
llmfusion=${LLMFUSION-$root/llmfusion}

# Python may see the current folder only (in a container, say), so everything that it needs lies there.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$root/bench/embed_huggingface.py" "$root/bench/summarize_embed.py" "$work"
cd "$work"

load() { cut -d' ' -f1 /proc/loadavg; }
# run NAME COMMAND..: its JSON, one object a line, with the round, the load before it, and NAME where it says none itself.
run() {
    local name=$1 before line
    before=$(load)
    shift
    echo "round $round of $rounds: $name, load $before" >&2
    "$@" >run.out
    tr -d '\n' <run.out | sed 's/}[[:space:]]*{/}\n{/g; $a\' | while IFS= read -r line; do
        [[ $line == *'"measurement"'* ]] || line="{\"measurement\": \"$name\", ${line#*\{}"
        echo "{\"round\": $round, \"load_before\": $before, ${line#*\{}" >>runs.jsonl
    done
}
ours() { run llmfusion "$llmfusion" bench embed --sequences tokens.json --threads "$threads" --json; }
theirs() { run huggingface "${python[@]}" embed_huggingface.py tokens.json --threads "$threads"; }

cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
printf '{"cpu": "%s", "cores": %d, "memory_gib": %d, "kernel": "%s", "date": "%s", "llmfusion": "%s"}\n' \
    "${cpu:-unknown}" "$(nproc)" "$(awk '/^MemTotal/ {print int($2 / 1048576 + 0.5)}' /proc/meminfo)" "$(uname -sr)" \
    "$(date -u +%Y-%m-%d)" "$("$llmfusion" --version)" >runs.jsonl
"${python[@]}" embed_huggingface.py --make "$sequences" tokens.json
for (( round = 1; round <= rounds; round++ )); do
    if (( round % 2 )); then ours; theirs; else theirs; ours; fi
done
"${python[@]}" summarize_embed.py runs.jsonl summary.json
[[ -z $output ]] || cp summary.json "$output"
