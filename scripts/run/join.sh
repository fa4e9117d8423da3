# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # the variables are those of run.sh
# A second start of run.sh, which sources this file, in the VAR of one that is up.

# Says what the run that holds the lock consists of, or shows the demonstration on it.
join_run() {
    local other program wanted=$nodes
    read -r other port nodes metrics_port <"$var/run.lock" || true
    port=${port:-8080}
    metrics_port=${metrics_port:-$((port + 1000))}
    nodes=${nodes:-1}
    ((wanted <= nodes)) ||
        fail "the run that holds $var (process $other) has one node; stop it first, or choose another VAR"
    patience=some # which only that run knows
    set_directories
    if [[ $demo == yes ]]; then
        wait_ready || fail "the run that holds $var (process $other) does not become ready"
        show_demo
        return
    fi
    say "already running in $var: run.sh is process ${other:-unknown}"
    for program in {nginx,server,worker}; do
        list_program "$program"
    done
    wait_ready || fail "but $(client_url 0)/healthz is not well; see ${directories[0]}/log"
    announce
}

# Says which processes there are of a kind of program.
list_program() {
    local directory
    for directory in "${directories[@]}"; do
        say "  $(title "$1 $directory"): $(find_program "$1 $directory" | tr '\n' ' ')"
    done
}
