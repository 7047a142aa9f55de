#!/usr/bin/env bash
# Trains GPT-2 Small's fusion model with one process and with several. See --help.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

usage() {
    cat <<'HELP'
bench/scale-mpi.sh ROUNDS [-o SUMMARY.json]

Training of the fusion model of size base (GPT-2 Small without its token table), four modality tokens a molecule (fingerprint
and three columns, so that hardly anything is computed but the language model), batches of 64 in all, dropout 0.1: one process
with one thread, PROCESSES processes with one thread each, the same without overlap of sums and backward pass, and one process
with PROCESSES threads. Three epochs of four steps; the first is left out. Prints medians; -o writes every run as JSON.

Environment:
  PROCESSES  how many processes (2)
  MPIRUN     how they are started (mpirun --bind-to none, and what a container's root needs)
  LLMFUSION  the command line (./llmfusion of this repository)

A run during which other programs took more than 3 % of the machine's processor time is thrown away and repeated.
HELP
}

output= rounds=
while (( $# > 0 )); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        -o) output=$(realpath -m "${2:?-o: expected a file}"); shift 2 ;;
        *) rounds=$1; shift ;;
    esac
done
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { usage >&2; echo "got '$rounds', expected a whole number from 1" >&2; exit 2; }
processes=${PROCESSES-2}
llmfusion=${LLMFUSION-$root/llmfusion}
read -ra mpirun <<<"${MPIRUN-mpirun --bind-to none --oversubscribe --mca btl_vader_single_copy_mechanism none}"
[[ $(id -u) != 0 || -n ${MPIRUN-} ]] || mpirun+=(--allow-run-as-root)
export OMP_WAIT_POLICY=PASSIVE

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Three columns of numbers that mean nothing.
awk -F, 'NR == 1 { print "smiles,tpsa,a,b,c"; next } { print $2 "," $3 "," NR % 7 "," NR % 11 "," NR % 13 }' "$root/docs/example/molecules.csv" >"$work/all.csv"
sed -n '1,257p' "$work/all.csv" >"$work/train.csv"
sed -n '1p; 258,273p' "$work/all.csv" >"$work/valid.csv"

# Hundredths of a second of all cores: busy, and in all.
processor_time() { awk '/^cpu / { for (i = 2; i <= 9; i++) all += $i; print all - $5 - $6, all }' /proc/stat; }
quiet() {
    local busy all busy2 all2
    while true; do
        read -r busy all < <(processor_time); sleep 3; read -r busy2 all2 < <(processor_time)
        (( 100 * (busy2 - busy) > 5 * (all2 - all) )) || return 0
    done
}

# train NAME PROCESSES THREADS: a line of JSON.
train() {
    local others
    while true; do
        quiet
        train_once "$@"
        [[ $others == [0-2].* ]] && return
        echo "other programs took $others % of the processor meanwhile; once more" >&2
        sed -i '$d' "$work/runs"
    done
}

train_once() {
    local name=$1 start=() busy all busy2 all2 own
    (( $2 == 1 )) || start=("${mpirun[@]}" -n "$2" -x OMP_NUM_THREADS -x LLMFUSION_MPI_OVERLAP)
    echo "round $round of $rounds: $name" >&2
    rm -rf "$work/model"
    read -r busy all < <(processor_time)
    TIMEFORMAT='%U %S'
    { time OMP_NUM_THREADS=$3 "${start[@]}" "$llmfusion" train --train "$work/train.csv" --valid "$work/valid.csv" --targets tpsa --modalities fingerprint \
        --modality a=columns:a --modality b=columns:b --modality c=columns:c --size base --batch-size 64 --dropout 0.1 --epochs 3 --device cpu \
        -o "$work/model" >"$work/out" 2>"$work/err" || touch "$work/failed"; } 2>"$work/time"
    [[ ! -e $work/failed ]] || { cat "$work/err" >&2; exit 1; }
    read -r busy2 all2 < <(processor_time)
    own=$(awk '{ print 100 * ($1 + $2) }' "$work/time")
    others=$(awk -v busy=$((busy2 - busy)) -v all=$((all2 - all)) -v own="$own" 'BEGIN { s = 100 * (busy - own) / all; printf "%.1f", s < 0 ? 0 : s }')
    local rate waited seconds parameters
    rate=$(awk -F, 'NR > 2 { n++; s += 1 / $6 } END { printf "%.3f", n / s }' "$work/model/training-log.csv")
    read -r waited seconds < <(sed -n 's/^.* processes: \([0-9.]*\) of \([0-9.]*\) s of training.*$/\1 \2/p' "$work/err" | awk 'NR > 1 { w += $1; s += $2 } END { print w + 0, s + 0 }')
    parameters=$(sed -n 's/^\([0-9,]*\) trained parameters.*$/\1/p' "$work/err" | tr -d ,)
    printf '{"round": %s, "run": "%s", "processes": %s, "threads_each": %s, "others_percent": %s, "molecules_per_second": %s, "seconds_waited": %s, "seconds": %s, "parameters": %s}\n' \
        "$round" "$name" "$2" "$3" "$others" "$rate" "$waited" "$seconds" "$parameters" >>"$work/runs"
}

# The file is whole after every round.
write() {
    {
        printf '{\n  "processor": "%s",\n  "cores": %s,\n  "mpi": "%s",\n  "runs": [\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(mpirun --version | head -n 1)"
        sed '$!s/$/,/; s/^/    /' "$work/runs"
        printf '  ]\n}\n'
    } >"$output.part"
    mv "$output.part" "$output"
}

for (( round = 1; round <= rounds; round++ )); do
    train "one process, one thread" 1 1
    train "$processes processes, one thread each" "$processes" 1
    LLMFUSION_MPI_OVERLAP=off train "$processes processes, one thread each, no overlap" "$processes" 1
    train "one process, $processes threads" 1 "$processes"
    [[ -z $output ]] || write
done

# medians FIELD: of each kind of run, in their order.
medians() {
    sed 's/^.*"run": "\([^"]*\)".*"'"$1"'": \([0-9.]*\).*$/\1\t\2/' "$work/runs" | sort -t$'\t' -k1,1 -k2,2n |
        awk -F'\t' 'function done() { if (n) printf "%s\t%.3f\n", name, n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 } $1 != name { done(); n = 0; name = $1 } { v[++n] = $2 } END { done() }'
}
echo "molecules/s, median of $rounds:"
medians molecules_per_second | sed 's/^/  /'
echo "seconds in which the first process only waited:"
medians seconds_waited | sed 's/^/  /'
