#!/bin/bash
# train-mpirun.sh PROCESSES TABLE MODEL [OPTION..]: one training run on several processes, without a batch system. HOSTS is a
# list such as node1:1,node2:1 (each host with its number of processes), reached by ssh; without it all are on this machine.
set -euo pipefail
program=${LLMFUSION:-$HOME/llmfusion/llmfusion}
processes=$1 table=$2 model=$3
shift 3

options=(--bind-to none -n "$processes")
[[ -z ${HOSTS:-} ]] || options+=(--host "$HOSTS" -x PATH)
[[ $(id -u) != 0 ]] || options+=(--allow-run-as-root) # in a container
run=("$table" -o "$model" "$@")
[[ ! -d $model/checkpoints ]] || run=(--resume "$model")
exec mpirun "${options[@]}" ${MPIRUN_OPTIONS:-} "$program" train "${run[@]}"
