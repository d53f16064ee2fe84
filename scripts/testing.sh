# For tests written as scripts: check NAME COMMAND... runs a test and counts it, finish SUITE prints the closing
# line and exits. $scratch is a directory that goes away at the end.
# shellcheck shell=bash

passed=0 failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

check() {
    local name=$1 out

    shift
    if out=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s: failed\n%s\n' "$name" "$out"
    fi
}

finish() {
    echo "$1: $passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}
