# Set-up shared by ./llmfusion and ./test.sh; sourced, never run. Everything it says goes to stderr.
#
# set_up cli        native packages, the RDKit library, the command line; nothing at all where these are up to date
# set_up tests      the same, and the whole solution with its tests
#
# State lives in .setup/, and each stamp there is written last, by a rename: a set-up that was interrupted has none
# and is done again. What decides is written into the stamp itself, so that the check is two `find`s and a comparison.

root=${root:?the folder of the repository}
state=$root/.setup
program=$root/src/LlmFusion.Cli/bin/Release/net10.0/LlmFusion.Cli
rdkit_library=$root/native/rdkit/build/libllmfusion_rdkit.so
# libboost-dev: RDKit's headers include Boost's. fonts-dejavu-core: the plots need one font family with Greek letters.
native_packages=(g++ make cmake librdkit-dev libboost-dev libxgboost-dev fonts-dejavu-core)
# Only faster with them. libopenblas0-pthread: embeds faster than with libtorch's own matrix products. libtcmalloc-minimal4: trains graphs
# faster than with glibc's malloc.
optional_packages=(libopenblas0-pthread libtcmalloc-minimal4)
# Only the tests start several processes by themselves; who trains on a cluster uses the cluster's MPI.
test_packages=(openmpi-bin)
# libtorch's threads spin while they wait. Beside any other busy program that makes training several times slower.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

say() { printf '%s\n' "$*" >&2; }
stop() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Path, size and time of every source file: any edit, addition, deletion or check-out changes it.
fingerprint() (
    cd "$root" && { find "$@" \( -name bin -o -name obj -o -path native/rdkit/build \) -prune \
        -o -type f -printf '%p %s %T@\n' 2>/dev/null || true; } | LC_ALL=C sort | sha256sum
)

# The place counts because the output holds absolute links.
cli_sources() (
    printf '%s\n' "$root"
    cd "$root" && fingerprint src native build Directory.*.props Directory.*.targets global.json
)

# Every file of the output, through its links: a link whose file is gone shows as a link.
cli_output() (
    cd "$root" && { find -L "${program%/*}" "$rdkit_library" -printf '%p %y %s\n' 2>/dev/null || true; } |
        LC_ALL=C sort | sha256sum
)

# The stamp: place and sources as they were before the build, the output after it, the folder of the dotnet used.
cli_is_ready() {
    [[ -x $program && -r $state/cli.stamp ]] || return 1
    local stamp
    stamp=$(<"$state/cli.stamp")
    DOTNET_ROOT_FOUND=${stamp##*$'\n'}
    [[ -x $DOTNET_ROOT_FOUND/dotnet && ${stamp%$'\n'*} == "$(cli_sources && cli_output)" ]]
}

set_up() {
    if [[ $1 == cli ]] && cli_is_ready; then return; fi
    mkdir -p "$state" 2>/dev/null || stop "cannot write to $root: the set-up keeps its state in $state"
    # One set-up at a time. The lock is the kernel's, so a killed set-up leaves none behind.
    exec 9>"$state/lock"
    if ! flock -n 9; then
        say "Another set-up is running here; waiting for it..."
        flock 9
    fi
    # A second start that waited finds everything done.
    if [[ $1 != cli ]] || ! cli_is_ready; then
        [[ $1 == cli ]] || native_packages+=("${test_packages[@]}")
        install_native_packages
        find_dotnet
        forget_another_place
        build_rdkit_library
        local sources
        sources=$(cli_sources)
        if [[ $1 == cli ]]; then build_dotnet src/LlmFusion.Cli/LlmFusion.Cli.csproj "the command line"
        else build_dotnet LlmFusion.slnx "the program and its tests"; fi
        stamp_cli "$sources"
    fi
    exec 9>&-
}

# stamp_cli SOURCES
stamp_cli() {
    { printf '%s\n' "$1"; cli_output; printf '%s\n' "$DOTNET_ROOT_FOUND"; } >"$state/cli.stamp.part"
    mv "$state/cli.stamp.part" "$state/cli.stamp"
}

install_native_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "This is no Debian: the packages that provide ${native_packages[*]} on Debian 12 are taken as installed."
        return
    fi
    local missing=() needed package
    for package in "${native_packages[@]}" "${optional_packages[@]}"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    (( ${#missing[@]} )) || return 0
    needed=$(printf '%s\n' "${missing[@]}" | grep -vxF "$(printf '%s\n' "${optional_packages[@]}")" || true)

    local -a as_root=()
    if [[ $(id -u) != 0 ]]; then
        if ! sudo -n true 2>/dev/null; then
            if [[ -z $needed ]]; then
                say "Faster with these packages, and works without: ${missing[*]}"
                return
            fi
            say "These packages are missing: ${missing[*]}"
            say "Install them, then run the same command again:"
            say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
            exit 1
        fi
        as_root=(sudo -n)
    fi
    say "Installing ${missing[*]} (once, a minute or two)..."
    logged packages "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get -o DPkg::Lock::Timeout=300 update; exec apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"' \
        apt "${missing[@]}" && return
    [[ -z $needed ]] || stop "apt-get could not install ${missing[*]}; the whole log is $state/packages.log"
    say "The program works without them."
}

# Sets DOTNET_ROOT_FOUND to the folder of the first dotnet that has the SDK global.json asks for.
find_dotnet() {
    export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_CLI_UI_LANGUAGE=en
    # The SDK would stop where libicu is not installed; no culture matters to a build.
    export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
    local candidate seen=""
    for candidate in ${DOTNET_ROOT:+"$DOTNET_ROOT/dotnet"} "$(command -v dotnet || true)" "$HOME/.dotnet/dotnet" \
        /usr/share/dotnet/dotnet /usr/lib/dotnet/dotnet /usr/local/share/dotnet/dotnet; do
        [[ -x $candidate ]] || continue
        candidate=$(readlink -f "$candidate")
        # --version follows global.json, and fails where no SDK satisfies it.
        if (cd "$root" && "$candidate" --version) >/dev/null 2>&1; then
            DOTNET_ROOT_FOUND=$(dirname "$candidate")
            export DOTNET_ROOT=$DOTNET_ROOT_FOUND
            return
        fi
        seen+=$("$candidate" --list-sdks 2>/dev/null | sed 's/^/    found, but too old or too new: /')$'\n'
    done
    say "error: the .NET SDK 10.0 is needed, and no dotnet here has it (looked in DOTNET_ROOT, PATH, ~/.dotnet, /usr)."
    [[ -z ${seen//$'\n'/} ]] || printf '%s' "$seen" >&2
    say "Get it into ~/.dotnet, where this script finds it, then run the same command again:"
    say "    curl -fsSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0"
    exit 1
}

# A moved or copied folder brings links, caches and package lists that name the old place.
forget_another_place() {
    [[ -r $state/place && $(<"$state/place") == "$root" ]] && return
    rm -rf "$root"/{src,tests,bench}/*/{bin,obj} "$root/native/rdkit/build" "$state"/*.stamp
    printf '%s\n' "$root" >"$state/place.part" && mv "$state/place.part" "$state/place"
}

build_rdkit_library() {
    [[ -f $root/native/rdkit/CMakeLists.txt ]] || return 0
    local now
    now=$(fingerprint native)
    [[ -f $rdkit_library && -r $state/rdkit.stamp && $(<"$state/rdkit.stamp") == "$now" ]] && return
    say "Building the RDKit library (once, about a minute)..."
    # A half-written build folder is worth nothing: this one is small enough to start over.
    rm -rf "$root/native/rdkit/build" "$state/rdkit.stamp"
    logged rdkit rdkit_by_cmake || stop "the RDKit library did not build; the whole log is $state/rdkit.log"
    printf '%s\n' "$now" >"$state/rdkit.stamp.part" && mv "$state/rdkit.stamp.part" "$state/rdkit.stamp"
}

rdkit_by_cmake() {
    local source=$root/native/rdkit
    cmake -S "$source" -B "$source/build" -DCMAKE_BUILD_TYPE=Release && cmake --build "$source/build" -j"$(nproc)"
}

# build_dotnet PROJECT WHAT
build_dotnet() {
    # A build that was killed may leave a truncated assembly that looks newer than its sources.
    if [[ -e $state/building ]]; then
        say "The last build was interrupted; starting it over."
        rm -rf "$root"/{src,tests,bench}/*/{bin,obj}
    fi
    rm -f "$state/cli.stamp"
    # dotnet answers Ctrl-C with an ordinary exit code: the mark must stay all the same.
    trap 'exit 130' INT; trap 'exit 143' TERM HUP
    : >"$state/building"
    say "Building $2..."
    local failed=0
    # No servers stay behind: they would hold the files of this folder, and the memory of a small machine.
    (cd "$root" && logged build "$DOTNET_ROOT_FOUND/dotnet" build "$1" -c Release -v quiet -nologo \
        -nodeReuse:false -p:UseSharedCompilation=false) || failed=$?
    (( failed > 128 )) && exit $failed # by a signal: the mark stays
    trap - INT TERM HUP
    rm -f "$state/building"
    (( failed == 0 )) || stop "the build failed; the whole log is $state/build.log"
}

# logged NAME COMMAND..: its output goes to .setup/NAME.log; of a failure the errors are shown, or else the end.
logged() {
    local log=$state/$1.log result=0
    shift
    # Children never see the lock (9): one that outlived this script would hold it.
    "$@" >"$log" 2>&1 </dev/null 9>&- || result=$?
    if (( result != 0 )); then
        local errors
        # dotnet repeats every error in its summary.
        errors=$(grep -E ': (fatal )?error\b' "$log" | awk '!seen[$0]++' | head -n 20) || true
        if [[ $errors ]]; then say "$errors"; else tail -n 25 "$log" >&2; fi
    fi
    return $result
}
