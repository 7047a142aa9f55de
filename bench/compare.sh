# What the comparisons with other programs share; sourced, never run. Expects root, the function usage, and before in_turns rounds.

# arguments ARGUMENT..: sets output (of -o, empty without it) and the array positional; python, llmfusion and threads from the environment.
arguments() {
    output=
    positional=()
    while (( $# > 0 )); do
        case $1 in
            -h | --help) usage; exit 0 ;;
            -o) output=$(realpath -m "${2:?-o: expected a file}"); shift 2 ;;
            *) positional+=("$1"); shift ;;
        esac
    done
    read -ra python <<<"${PYTHON-python3}"
    llmfusion=${LLMFUSION-$root/llmfusion}
    threads=${THREADS-2}
}

load() { cut -d' ' -f1 /proc/loadavg; }

# run NAME COMMAND..: its JSON goes to runs.jsonl, one object a line, with the round, the load before it, and NAME where it says none itself.
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

# One JSON object: the machine and the program's version.
machine() {
    local cpu
    cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
    printf '{"cpu": "%s", "cores": %d, "memory_gib": %d, "kernel": "%s", "date": "%s", "llmfusion": "%s"}\n' \
        "${cpu:-unknown}" "$(nproc)" "$(awk '/^MemTotal/ {print int($2 / 1048576 + 0.5)}' /proc/meminfo)" "$(uname -sr)" \
        "$(date -u +%Y-%m-%d)" "$("$llmfusion" --version)"
}

# in_turns COMMAND..: runs them one after the other each round, in the other direction every second round.
in_turns() {
    local i
    for (( round = 1; round <= rounds; round++ )); do
        for (( i = 0; i < $#; i++ )); do
            if (( round % 2 )); then "${@:i + 1:1}"; else "${@:$# - i:1}"; fi
        done
    done
}

# whole NUMBER..: fails with the usage unless each is a whole number from 1.
whole() {
    local number
    for number in "$@"; do
        [[ $number =~ ^[1-9][0-9]*$ ]] || { usage >&2; echo "got '$number', expected a whole number from 1" >&2; exit 2; }
    done
}

# begin FILE..: copies files into a new folder, to be removed at the end, and goes there. Python may see the current folder
# only (in a container, say), so everything that it needs lies there.
begin() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp "$@" "$work"
    cd "$work"
}
