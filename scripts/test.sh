#!/bin/bash -p
# Installs what the tests need, builds hashmill with and without sanitizers, and runs the tests.
#
#   scripts/test.sh [--lint] [PROVE ARGUMENTS]     as in: scripts/test.sh -v t/api/enqueue.t
#
#   --lint          also installs the linters and runs `make lint` first
#   --no-install    installs nothing
#   --root          runs only the tests that need root in part, and takes leaving one out for a failure
#
# When it is interrupted or killed, everything that it started ends; see t/support/guard, through which prove
# runs each test (.proverc).
#
# With HASHMILL_ROOT=1 in the environment all tests run, and leaving out what needs root, a browser, Prometheus or a
# compiler for aarch64 is a failure, too.
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/build/packages.sh
source scripts/build/packages.sh

lint=no
install=yes
which=all
while :; do
    case "${1:-}" in
    --lint) lint=yes ;;
    --no-install) install=no ;;
    --root)
        which=root
        export HASHMILL_ROOT=1
        ;;
    --help | -h)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    *) break ;;
    esac
    shift
done

install_all() {
    install_packages "${packages_build[@]}" "${packages_run[@]}" "${packages_test[@]}"
    install_build_dependencies
    [[ $lint == no ]] || install_packages "${packages_lint[@]}"
}

# Whether a part of a test needs root: for a network, a disk or a limit of memory of its own.
needs_root() {
    [[ $1 =~ ^t/(nodes/.*|faults/(backup|disk|memory|root)|processes/private|stress/(soak|half-headers))\.t$ ]]
}

# Whether a test was built: those of PostgreSQL are not without libpq. Then that is said, or with HASHMILL_ROOT=1 the
# test is run all the same, and fails.
can_be_built() {
    [[ $1 != t/unit/postgres/* || -n ${HASHMILL_ROOT:-} ]] || pkg-config --exists 'libpq >= 14' && return
    echo "left out, there is no libpq-dev of version 14 or later: $1" >&2
    return 1
}

# Runs a command that ends when this script is killed.
tied() {
    setpriv --pdeathsig TERM "$@"
}

# Becomes prove with the arguments; on the tests that were asked for when none of them is a file.
run_prove() {
    local argument file tests=() arguments=()
    for file in t/*/*.t t/unit/*/*.c; do
        [[ $which == all ]] || needs_root "$file" || continue
        can_be_built "$file" || continue
        [[ $file == *.t ]] || file=build/test/${file%.c}
        tests+=("$file")
    done
    for argument; do
        [[ ! -e $argument ]] || tests=()
        [[ $argument != t/unit/*.c ]] || argument=build/test/${argument%.c}
        arguments+=("$argument")
    done
    # Each waits half of its time.
    exec setpriv --pdeathsig TERM prove --timer -j "$(($(nproc) + 1))" "${arguments[@]}" "${tests[@]}" 3>&-
}

[[ $install == no ]] || install_all
[[ $lint == no ]] || tied make -s -j2 lint
tied make -s -j2
tied make -s -j2 sanitized

# The output is kept in a file that has no name any more.
summary=$(mktemp)
exec 3<>"$summary"
rm "$summary"
run_prove "$@" 2>&1 | tee /dev/fd/3
count=$(sed -n 's/^Files=[0-9]*, Tests=\([0-9]*\),.*/\1/p' /dev/fd/3)
if ! ((count > 0)); then
    echo "no test ran" >&2
    exit 1
fi
echo "$count passed, 0 failed"
