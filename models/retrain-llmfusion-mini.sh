#!/usr/bin/env bash
# Trains the models that come with the program anew. See --help.
set -euo pipefail
models=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
llmfusion=$models/../llmfusion

if [[ $# -gt 1 || ${1-} == -* ]]; then
    cat <<'HELP'
models/retrain-llmfusion-mini.sh [FOLDER]

Trains llmfusion-smiles, llmfusion-selfies, llmfusion-text, llmfusion-mini and llmfusion-mini-qm9 into FOLDER (else llmfusion/retrained in the user's
cache folder), from QM9 and ChEBI-20 in the data folder: about nine hours on two cores. What is done is not done again, and what was cut off goes on: start it again
with the same FOLDER. Each leg ends in a full checkpoint, kept in FOLDER/run-LEG/checkpoints.
Products are computed in bfloat16 where the processor has units for that (AVX512-BF16), as for the models of the repository except the first, fifth and sixth leg;
elsewhere it takes longer (docs/results/bfloat16), and the models differ in their last digits as seeds do. llmfusion-mini differs more: the
second leg of the repository's was trained without texts, by an earlier program, and its third leg began without what the second had learned of sums
over atoms (docs/results/general-model). Where ChEBI-20's training file has descriptions, as the downloaded one has, they are read; the repository's
models read texts made by template in their place.
HELP
    [[ ${1-} == --help || ${1-} == -h ]]
    exit
fi

folder=$(realpath -m "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/llmfusion/retrained}")
mkdir -p "$folder"
cd "$folder"
precision=()
if grep -q avx512_bf16 /proc/cpuinfo; then precision=(--bf16); fi

# pretrain MODALITY OPTION..: llmfusion-MODALITY, in float16.
pretrain() {
    local name=llmfusion-$1
    [[ -e $name ]] && return
    if [[ -e run-$1/checkpoints ]]; then "$llmfusion" pretrain --resume "run-$1"
    elif [[ ! -e run-$1/pretraining.json ]]; then "$llmfusion" pretrain "$@" "${precision[@]}" -o "run-$1" --overwrite; fi
    "$llmfusion" models release "run-$1" -o "$name"
}

# train CONFIG RELEASED OPTION..: a model, or a leg of one, in float16.
train() {
    local name=$1 released=$2
    [[ -e $released ]] && return
    # A run that was stopped has a model too; one that is done takes no further step.
    if [[ -e run-$name/checkpoints ]]; then "$llmfusion" train --resume "run-$name"
    elif [[ ! -e run-$name/llmfusion.json ]]; then "$llmfusion" train --config "$models/$name.yaml" "${@:3}" "${precision[@]}" --keep-checkpoints -o "run-$name" --overwrite; fi
    "$llmfusion" models release "run-$name" -o "$released"
}

pretrain smiles --epochs 3
pretrain selfies --epochs 3
pretrain text --epochs 8
train llmfusion-mini-leg1 leg1-released
train llmfusion-mini-leg2 leg2-released --init "$folder/leg1-released" \
    --encoder "smiles=$folder/llmfusion-smiles,train" --encoder "selfies=$folder/llmfusion-selfies,train" --encoder "text=$folder/llmfusion-text,train"
# Earlier forms of this script ended with the third, the fourth and the sixth leg.
for last in 3 4 6; do
    if [[ -e llmfusion-mini && ! -e leg$last-released && ! -e run-llmfusion-mini-leg$((last + 1)) ]]; then mv llmfusion-mini leg$last-released; fi
done
train llmfusion-mini-leg3 leg3-released --init "$folder/leg2-released"
train llmfusion-mini-leg4 leg4-released --init "$folder/leg3-released"
train llmfusion-mini-leg5 leg5-released --init "$folder/leg4-released"
train llmfusion-mini-leg6 leg6-released --init "$folder/leg5-released"
train llmfusion-mini-leg7 leg7-released --init "$folder/leg6-released"
train llmfusion-mini-leg8 llmfusion-mini --init "$folder/leg7-released"
train llmfusion-mini-qm9 llmfusion-mini-qm9
