#!/bin/bash -p
# Installs what the benchmarks need, builds hashmill and what it is compared with, and measures.
#
#   scripts/bench.sh [ARGUMENTS]     those of scripts/bench/run.py, as in: scripts/bench.sh --quick
#
#   BUILD=DIR       where the programs are built (default: build in the repository)
#   BENCH_DIR=DIR   where the databases are, on the disk to be measured (default: /var/tmp)
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/build/packages.sh
source scripts/build/packages.sh

build=${BUILD:-build}
install_packages "${packages_build[@]}" "${packages_run[@]}" "${packages_bench[@]}"
# The tables say which of these is not there.
for package in "${packages_bench_brokers[@]}"; do
    install_packages "$package" || echo "measuring without $package" >&2
done
make -s -j2 BUILD="$build" bench-programs
exec scripts/bench/run.py --build "$build" --out "$build/bench" "$@"
