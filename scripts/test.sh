#!/usr/bin/env bash
# Installs what the tests need, builds hashmill with and without sanitizers, and runs the tests.
#
#   scripts/test.sh [--lint] [PROVE ARGUMENTS]     as in: scripts/test.sh -v t/10-enqueue.t
#
#   --lint          also installs the linters and runs `make lint` first
#   --no-install    installs nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

lint=no
install=yes
while :; do
    case "${1:-}" in
    --lint) lint=yes ;;
    --no-install) install=no ;;
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
    [[ $lint == no ]] || install_packages "${packages_lint[@]}"
}

# Runs prove with the arguments; on all tests when none of them is a file.
run_prove() {
    local argument tests=(t/*.t)
    for argument in t/*.c; do
        argument=${argument#t/}
        tests+=("build/test/t/${argument%.c}")
    done
    for argument; do
        [[ ! -e $argument ]] || tests=()
    done
    prove -j2 "$@" "${tests[@]}"
}

[[ $install == no ]] || install_all
[[ $lint == no ]] || make -s -j2 lint
make -s -j2
make -s -j2 sanitized

summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
run_prove "$@" 2>&1 | tee "$summary"
count=$(sed -n 's/^Files=[0-9]*, Tests=\([0-9]*\),.*/\1/p' "$summary")
if ! ((count > 0)); then
    echo "no test ran" >&2
    exit 1
fi
echo "$count passed, 0 failed"
