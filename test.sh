#!/usr/bin/env bash
# Sets up, builds everything and runs every test; the last line counts them. See --help.
set -euo pipefail
root=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

case ${1-} in -h | --help)
    cat <<'HELP'
./test.sh [WORD | OPTION..]

  (nothing)            every test
  WORD                 the tests whose full name (namespace.class.method) contains WORD
  OPTION..             handed to every test program, for example --filter-class "*SelfiesTests"

Environment:
  LLMFUSION_DATA       the folder with qm9/ and chebi20/; tests that need them are skipped without it
  LLMFUSION_SLOW_TESTS=1
                       also the tests that take minutes: whole data sets, publishing, fuzzing
  LLMFUSION_FUZZ_SECONDS, LLMFUSION_FUZZ_SEED
                       how long damaged checkpoints are fuzzed for each format (20), and the seed that repeats a run

Results are left in .setup/tests/. Exit code: 0 all passed, 1 a test failed, a test program crashed, or none ran.
HELP
    exit 0 ;;
esac

. "$root/build/setup.sh"
set_up tests

options=("$@")
if (( $# == 1 )) && [[ $1 != -* ]]; then options=(--filter-method "*$1*"); fi

results=$state/tests
rm -rf "$results" && mkdir -p "$results"
passed=0 failed=0 skipped=0
broken=()

# The result file is one long line: its tags come one to a line here.
tags() { grep -o "<$1 [^>]*>" "$2" 2>/dev/null || true; }
# The sum of the given attributes over the result file's assemblies.
count() {
    { tags assembly "$1" | grep -oE " (${*:2})=\"[0-9]+\"" || true; } | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'
}

for project in "$root"/tests/*/*.csproj; do
    name=$(basename "$project" .csproj)
    report=$results/$name.xml log=$results/$name.log
    code=0 seconds=$SECONDS
    "$root/tests/$name/bin/Release/net10.0/$name" --report-xunit-xml --report-xunit-xml-filename "$name.xml" \
        --results-directory "$results" --progress off --ansi off \
        --show-test-results failed --show-stdout failed --show-stderr failed \
        ${options[@]+"${options[@]}"} >"$log" 2>&1 </dev/null || code=$?
    ok=$(count "$report" passed) bad=$(count "$report" "failed|errors") left=$(count "$report" skipped)
    echo "$name: $ok passed, $bad failed, $left skipped in $((SECONDS - seconds)) s"
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + left))
    # Microsoft.Testing.Platform: 0 all passed, 2 some failed, 8 none matched. Anything else, or a code that its
    # report does not explain, is a crash or a wrong option, and fails the run whatever had passed before.
    (( code == 0 && bad == 0 && $(tags assembly "$report" | wc -l) > 0 || code == 8 || code == 2 && bad > 0 )) ||
        broken+=("$name ended with exit code $code")
    (( code == 0 || code == 8 )) && [[ -s $report ]] || cat "$log"
done

failed=$((failed + ${#broken[@]}))
if (( failed > 0 )); then
    echo "Failed:"
    for report in "$results"/*.xml; do
        tags test "$report" | sed -n '/ result="Fail"/s/^.* name="\([^"]*\)".*$/  \1/p' |
            sed 's/&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&#x[AD];/ /g; s/&amp;/\&/g'
    done
    for problem in ${broken[@]+"${broken[@]}"}; do echo "  $problem"; done
fi
(( passed + failed > 0 )) || echo "error: no test ran"
echo "$passed passed, $failed failed, $skipped skipped"
(( failed == 0 && passed > 0 ))
