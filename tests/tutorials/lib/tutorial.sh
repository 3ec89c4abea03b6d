# What all tutorials share: steps, commands that are shown as they run, checks of what they print, a
# folder for files, and the end, at which everything that was started is stopped.
#
# Sourced by each script, which then runs in its folder of files. In the environment:
#
#   DPS               the command; built from this tree unless it is given
#   CARGO_TARGET_DIR  where cargo and CMake build; the project's own target folder unless it is given
#   TUTORIAL_DEBUG    set to anything: the folder of files stays
set -euo pipefail

tutorial=$(basename "$0")
root=$(cd "$(dirname "$0")/../.." && pwd)
lib=$root/tests/tutorials/lib
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$CARGO_TARGET_DIR"
CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd)

# Where Debian has ip, for people who are not root.
PATH=$PATH:/usr/sbin:/sbin

# What the person at the keyboard has set must not change what a tutorial shows.
unset PROVISIONING_HOST PROVISIONING_IDSCOPE PROVISIONING_REGISTRATION_ID PROVISIONING_SYMMETRIC_KEY
unset PROVISIONING_TRUSTED_CERT PROVISIONING_PROXY_USER PROVISIONING_PROXY_PASSWORD
unset DPS_CONNECTION_STRING TPM2TOOLS_TCTI DPS_TCTI
unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy NO_PROXY no_proxy

work=$(mktemp -d "${TMPDIR:-/tmp}/dps-$tutorial.XXXXXX")
cd "$work"
started=()
steps=0

at_end() {
    local code=$?
    trap - EXIT INT TERM
    local process
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    for process in "${started[@]}"; do
        wait "$process" 2>/dev/null || true
    done
    cd /
    if [ -n "${TUTORIAL_DEBUG:-}" ]; then
        echo "The files are in $work"
    else
        rm -rf "$work"
    fi
    exit "$code"
}
trap at_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Opens a step, titled in our words after the document's.
step() {
    steps=$((steps + 1))
    printf '\n== %d. %s\n' "$steps" "$*"
}

# Says what this step does otherwise than the document, and why.
note() {
    printf '# %s\n' "$@"
}

stop() {
    printf '\nFAILED: %s, step %d: %s\n' "$tutorial" "$steps" "$*" >&2
    exit 1
}

# Says that a program is missing, before anything has begun.
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 ||
            stop "the program $program is missing; tests/run installs what the tests need"
    done
}

# A command line as one would type it.
typed() {
    local word line=
    for word in "$@"; do
        case $word in
            '' | *[!A-Za-z0-9_./:=,@%+-]*) word=${word@Q} ;;
        esac
        line+="$word "
    done
    printf '%s\n' "${line% }"
}

# Shows a command, runs it, and shows what it says; the tutorial ends if it fails. What it printed is
# in the files "said" (both streams) and "stdout" afterwards. "dps" is the command. With "via" set, it is
# run by that command, which is not shown; "prompt" then says where.
run() {
    expect 0 "$@"
}
via=()
prompt=

# The same for a command that must end with this exit code.
expect() {
    local wanted=$1 code=0
    shift
    printf '%s$ %s\n' "$prompt" "$(typed "$@")"
    [ "$1" != dps ] || set -- "$DPS" "${@:2}"
    "${via[@]}" "$@" </dev/null >stdout 2>stderr || code=$?
    cat stdout stderr >said
    cat said
    [ "$code" = "$wanted" ] || stop "the exit code is $code and not $wanted"
}

# Each of these must stand in what the last command printed.
says() {
    local words
    for words in "$@"; do
        grep -qF -e "$words" said || stop "this is not there: $words"
    done
}

# None of these may.
says_not() {
    local words
    for words in "$@"; do
        ! grep -qF -e "$words" said || stop "this must not be there: $words"
    done
}

# They must be lines of it, in this order, possibly with others between them. Patterns of the shell.
says_in_order() {
    local line
    while IFS= read -r line && [ $# -gt 0 ]; do
        # shellcheck disable=SC2053
        [[ $line == $1 ]] && shift
    done <said
    [ $# = 0 ] || stop "this line is not there, or not in its place: $1"
}

# A check of anything: what it shows, and a command that is true.
check() {
    local words=$1
    shift
    "$@" || stop "it is not so: $words"
    printf '# checked: %s\n' "$words"
}

# True when the command is not.
fails() {
    ! "$@" >/dev/null 2>&1
}

equal() {
    [ "$1" = "$2" ]
}

# A member of a JSON file, by the names on the way to it.
member() {
    python3 -c '
import json, sys
value = json.load(open(sys.argv[1]))
for name in sys.argv[2:]:
    value = value[int(name)] if isinstance(value, list) else value[name]
print(value if isinstance(value, str) else json.dumps(value))
' "$@"
}

# Derives a device's key by OpenSSL alone, as the documents do in a shell: from the file with the
# group's key, for a registration id.
derived_by_openssl() {
    local hex
    hex=$(base64 --decode <"$1" | od -An -v -tx1 | tr -d ' \n')
    printf '%s' "$2" | openssl sha256 -mac HMAC -macopt "hexkey:$hex" -binary | base64
}

# Has cargo build the command with these features, unless it is given.
the_command() {
    if [ -z "${DPS:-}" ]; then
        printf '# Building the command dps\n'
        (cd "$root" && cargo build --locked -q -p dps-cli ${1:+--features "$1"})
        DPS=$CARGO_TARGET_DIR/debug/dps
    fi
    [ -x "$DPS" ] || stop "DPS names $DPS, which is no program"
}

finish() {
    printf '\n%s: all %d steps done\n' "$tutorial" "$steps"
}
