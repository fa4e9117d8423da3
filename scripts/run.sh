#!/bin/bash -p
# Runs all of hashmill on this machine: nginx and hashmill-fcgi, which launches hashmill-workers when items
# wait (up to WORKERS_MAX, by scripts/providers/provider-local) and lets them go when there is nothing to do. Installs
# and builds what is missing, restarts what dies, stops everything on Ctrl-C or SIGTERM.
#
#   scripts/run.sh            serve on 127.0.0.1:8080 until it is stopped
#   scripts/run.sh --demo     have one value computed, check it, stop again (a run that is up is used
#                             and left as it is)
#   scripts/run.sh --nodes 2  two nodes that help each other, the second on 127.0.0.1:8082; each with a
#                             queue and workers of its own, in VAR/node0 and VAR/node1. With --demo an
#                             item is put on the first and its value pulled from the second
#
#   VAR=DIR    where everything is kept (default: var in the repository)
#   PORT=N     port of the clients' listener (default 8080); the workers' listener gets N + 1, those of a
#              second node N + 2 and N + 3
#   METRICS_PORT=N  port of the listener for metrics (default PORT + 1000), that of a second node N + 1
#   BUILD=DIR  where the programs are built (default: build in the repository)
# Settings of the programs can be given in the environment too, as HASHMILL_KEY or (but for NODE) as KEY:
# LEASE_SECONDS=5 scripts/run.sh, WORKERS_MIN=0 scripts/run.sh (the first worker is launched when an item has
# waited for 15 seconds; by default one runs from the start), PROVIDER= scripts/run.sh (none is launched). Each start
# writes VAR/hashmill.env again, but keeps lines of KEYS= and HOSTS= there.
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT PERL5LIB PERL5OPT
umask 077

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
start_dir=$PWD
cd "$root"
# shellcheck source=scripts/build/packages.sh
source scripts/build/packages.sh
# shellcheck source=scripts/run/files.sh
source scripts/run/files.sh
# shellcheck source=scripts/run/databases.sh
source scripts/run/databases.sh
# shellcheck source=scripts/run/leftovers.sh
source scripts/run/leftovers.sh
# shellcheck source=scripts/run/demo.sh
source scripts/run/demo.sh
# shellcheck source=scripts/run/join.sh
source scripts/run/join.sh

port=${PORT:-8080}
metrics_port=${METRICS_PORT:-}
nodes=1
demo=no

# A program is known as "KIND DIRECTORY": nginx or server (or worker, or init: what sees to the database), and
# what it is of: its node's directory, VAR itself when there is one node only.
directories=()           # of the nodes
declare -A pid_of=()     # program or helper -> its process
declare -A name_of=()    # process -> program or helper
declare -A started_at=() # program -> hundredths of a second since boot
declare -A quick=()      # program -> how often in a row it died within a second
declare -A init_option=() # directory -> how its database is made, when there is none
prepared=0               # nodes whose databases may be served
builder=                 # make, while it runs
patience=                # WAIT_LAUNCH_SECONDS, for people
ready=no                 # whether everything has served once
started=no               # whether there may be something to stop
stopping=no              # whether Ctrl-C or SIGTERM came

say() {
    printf '%s\n' "$*" 2>/dev/null || true # whoever read it may be gone
}

# Prints a setting as the programs read it from the environment, or else the default.
setting() {
    local long=HASHMILL_$1
    printf '%s' "${!long-${!1-$2}}"
}

fail() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

# --- Processes ----------------------------------------------------------------------------------

# Prints the processes of that name whose working directory is that one, or whose settings are in it: ours, whoever
# started them. (Where hashmill's programs work only root may see.)
find_processes() {
    local name=$1 directory=$2 process comm
    for process in /proc/[0-9]*; do
        { read -r comm <"$process/comm"; } 2>/dev/null || continue
        [[ $comm == "$name" ]] || continue
        [[ $(readlink "$process/cwd" || true) == "$directory" ]] ||
            grep -qszxF -e "$directory/hashmill.env" -e "$directory/worker.env" "$process/cmdline" || continue
        printf '%s\n' "${process#/proc/}"
    done
}

# Prints the processes of a program, some perhaps twice: also one that has just been started and does
# not bear its name yet.
find_program() {
    local child=${pid_of[$1]:-} directory=${1#* }
    [[ -z $child ]] || ! kill -0 "$child" 2>/dev/null || printf '%s\n' "$child"
    case $1 in
    nginx*) find_processes nginx "$directory/nginx" ;;
    server*) find_processes hashmill-fcgi "$directory" ;;
    worker*) find_processes hashmill-worker "$directory" ;;
    esac
}

# Prints a program's name for people.
title() {
    local node=
    ((nodes == 1)) || node=" of ${1##*/}"
    printf '%s' "${1%% *}$node"
}

# Sends a signal to every process of a program.
signal_program() {
    local process
    for process in $(find_program "$1"); do
        kill -s "$2" "$process" 2>/dev/null || true
    done
}

# Waits until no process of a program is left; false after $2 tenths of a second.
gone_within() {
    local left=$2
    while [[ -n $(find_program "$1") ]]; do
        ((left-- > 0)) || return 1
        sleep 0.1
    done
}

# Whether somebody listens on one of a node's ports, or of all, on whatever address.
ports_taken() {
    local ports="" at first=${1:-0} last=${1:-$((nodes - 1))}
    for ((at = port + 2 * first; at <= port + 2 * last + 1; at++)); do
        printf -v ports '%s|%04X' "$ports" "$at"
    done
    for ((at = metrics_port + first; at <= metrics_port + last; at++)); do
        printf -v ports '%s|%04X' "$ports" "$at"
    done
    # Columns: number, local address, remote address, state; 0A is listening.
    grep -qsE "^ *[0-9]+: [0-9A-F]+:(${ports#|}) [0-9A-F:]+ 0A " /proc/net/tcp /proc/net/tcp6
}

# Whether all are free, or become so soon: those of an earlier run may still be closing.
wait_for_ports() {
    local left=100
    while ports_taken; do
        ((left-- > 0)) || return 1
        sleep 0.02
    done
}

# Hundredths of a second since the machine started.
now() {
    local uptime
    read -r uptime _ </proc/uptime
    printf '%s' "${uptime/./}"
}

# Starts a command as a process that neither the terminal's Ctrl-C nor the lock reaches, with its
# output added to a log, for a program of that name; the main loop knows it by that.
launch() {
    local name=$1 directory=$2
    shift 2
    (
        cd "$directory"
        exec setsid "$@" </dev/null >>"${name#* }/log/${name%% *}.log" 2>&1 8>&- 9>&-
    ) &
    pid_of[$name]=$!
    name_of[$!]=$name
    started_at[$name]=$(now)
}

start() {
    local directory=${1#* }
    case $1 in
    nginx*)
        clear_nginx_workers "$1"
        launch "$1" "$directory/nginx" \
            nginx -e stderr -p "$directory/nginx" -c "$directory/nginx/nginx.conf"
        ;;
    init*)
        launch "$1" "$directory" "$build/hashmill-fcgi" -c "$directory/hashmill.env" --init ${init_option[$directory]:+"${init_option[$directory]}"}
        ;;
    server*)
        FLEET_DIR="$directory/fleet" FLEET_SETTINGS="$directory/worker.env" FLEET_LOG="$directory/log/worker.log" \
            launch "$1" "$directory" "$build/hashmill-fcgi" -c "$directory/hashmill.env"
        ;;
    esac
}

# Ends the workers that the servers have launched. They give back what they hold, if a server is there.
end_fleet() {
    local directory ids
    for directory in "${directories[@]}"; do
        read -ra ids <<<"$(FLEET_DIR="$directory/fleet" scripts/providers/provider-local list 9>&- | cut -d ' ' -f 1 | tr '\n' ' ')"
        ((${#ids[@]} == 0)) || FLEET_DIR="$directory/fleet" scripts/providers/provider-local terminate "${ids[@]}" 9>&-
    done
}

# Runs a function of this script as a process that the main loop notices the end of.
background() {
    (
        trap - EXIT INT TERM HUP
        exec 2>&1 8>&- 9>&- # for good: else this shell would keep the lock when the script is killed
        "$@"
    ) &
    name_of[$!]=$1
}

# --- Readiness ----------------------------------------------------------------------------------

# The listener of a node for clients.
client_url() {
    printf 'http://127.0.0.1:%d' $((port + 2 * $1))
}

healthy() {
    curl -q -fs --noproxy '*' -m 2 -o /dev/null "$(client_url "$1")/healthz" 9>&-
}

# Whether clients need a key (setting KEYS).
wants_key() {
    [[ $(curl -q -s --noproxy '*' -m 5 -o /dev/null -w '%{http_code}' "$(client_url 0)/stats?" 9>&-) == 401 ]]
}

# Ends well as soon as every server can be used through nginx.
wait_ready() {
    local give_up_at=$((SECONDS + 30)) node
    for ((node = 0; node < nodes; node++)); do
        until healthy "$node"; do
            ((SECONDS < give_up_at)) && kill -0 $$ || return 1 # or this script was killed
            sleep 0.05
        done
    done
}

# Says how many workers there are, and when there are more, by what the first node says of itself.
workers_there() {
    local stats each="" least most
    ((nodes == 1)) || each=" on each node"
    stats=$(curl -qfs --noproxy '*' -m 5 "$(client_url 0)/stats?" 9>&-) || return 0
    [[ $stats =~ \"scaling\":(true|false),\"workers_min\":([0-9]+),\"workers_max\":([0-9]+) ]] || return 0
    least=${BASH_REMATCH[2]} most=${BASH_REMATCH[3]}
    if [[ ${BASH_REMATCH[1]} == false ]]; then
        say "no worker is launched, as PROVIDER is empty; start one by hand: build/hashmill-worker --help"
    elif ((most == 0)); then
        say "no worker is launched, as WORKERS_MAX is 0; start one by hand: build/hashmill-worker --help"
    elif ((least == most)); then
        say "workers$each: $most"
    else
        say "workers$each: $least from the start, up to $most while items wait for more than $patience seconds"
    fi
}

announce() {
    local first last client key="" options=""
    ! wants_key || key=" -H \"Authorization: Bearer \$key\"" # a variable of who pastes this
    ! wants_key || options=" --key-file FILE_WITH_YOUR_KEY"
    first=$(client_url 0)
    last=$(client_url $((nodes - 1)))
    printf -v client '%q' "${build#"$start_dir/"}/hashmill"
    if ((nodes == 1)); then
        say "hashmill serves on $first (workers on port $((port + 1)), metrics on $metrics_port); logs are in $var/log"
        ((port == 8080)) || options+=" --url $first"
    else
        say "two nodes serve on $first and $last; logs are in $var/node0/log and $var/node1/log"
        options+=" --url $first,$last"
    fi
    workers_there
    say "what happens is seen in a browser at $first/ui/; Ctrl-C stops everything, and keeps what is stored"
    say ""
    say "  date >file; $client run file -n 1000000$options"
    say "  id=\$(date | curl -sT-$key -H 'Accept: text/plain' '$first/enqueue?iterations=1000000'); curl$key \"$last/items/\$id?wait=30\""
    say "  curl$key -X POST '$last/pullCompleted?top=10'"
    say ""
}

# --- The main loop ------------------------------------------------------------------------------

# Says how a program ended, in words.
ended_how() {
    if (($1 > 128)); then
        printf 'killed by SIG%s' "$(kill -l "$1")"
    else
        printf 'exit code %d' "$1"
    fi
}

# Stops everything because of one program, with the end of its log.
give_up() {
    local log="${1#* }/log/${1%% *}.log"
    say "$(title "$1"): $2; the end of $log:"
    tail -n 8 "$log" || true
    exit 1
}

# Starts a program again: at once, or a little later when it keeps dying within a second of its start.
restart() {
    local name=$1 pauses=(0 0.1 0.2 0.4) deaths=${quick[$1]:-0}
    if (($(now) - ${started_at[$name]} >= 100)); then
        deaths=0
    fi
    quick[$name]=$((deaths < 3 ? deaths + 1 : 3))
    if ((deaths == 0)); then
        start "$name"
        return
    fi
    start_later "$name" "${pauses[$deaths]}"
}

start_later() { # after $2 seconds
    sleep "$2" 8>&- 9>&- &
    name_of[$!]="later $1"
}

program_ended() {
    local name=$1 code=$2
    if [[ $name == server* && $code == 76 ]]; then
        give_up "$name" "the database is not safe to use (a read or write of the disk failed)"
    elif [[ $name == server* && $code == 78 ]]; then
        give_up "$name" "it cannot work with these settings or files; do what it says and start again"
    elif [[ $ready == no ]]; then
        give_up "$name" "ended before everything was ready ($(ended_how "$code"))"
    fi
    say "$(title "$name") ended ($(ended_how "$code")); starting it again"
    restart "$name"
}

# Stops everything because a node is not ready.
not_ready() {
    local node=0
    ! healthy 0 || node=$((nodes - 1))
    give_up "server ${directories[$node]}" "not ready within 30 seconds"
}

# Handles the end of one child.
child_ended() {
    local name=$1 code=$2
    case $name in
    wait_ready)
        ((code == 0)) || not_ready
        ready=yes
        if [[ $demo == yes ]]; then
            background show_demo
        else
            announce
        fi
        ;;
    show_demo) exit "$code" ;;
    tell_waiting) ;;
    init*) init_ended "$name" "$code" ;;
    "later "*) start "${name#later }" ;;
    *) program_ended "$name" "$code" ;;
    esac
}

# Looks twenty times a second whether all children live and nobody wants an end. (wait -n would be told at
# once, but forgets a child that was killed while the shell was doing something else.)
supervise() {
    local pid code name
    exec 8<> <(:) # a pipe that nothing is written to
    while [[ $stopping == no ]]; do
        for pid in "${!name_of[@]}"; do
            kill -0 "$pid" 2>/dev/null && continue
            code=0
            wait "$pid" || code=$?
            name=${name_of[$pid]}
            unset "name_of[$pid]" "pid_of[$name]"
            child_ended "$name" "$code"
        done
        read -rt 0.05 -u 8 || true
    done
    say "stopping"
}

# Ends a program: a signal, some tenths of a second, then SIGKILL for whatever is left of it.
stop_program() {
    gone_within "$1" "$2" || say "$(title "$1") does not end; killing it"
    signal_program "$1" KILL
}

# Ends what this script has started of a program, which then ends its own.
signal_child() {
    kill -s "$2" "${pid_of[$1]:-}" 2>/dev/null
}

# Calls a function for the program of that kind of each node.
each_node() {
    local function=$1 kind=$2 directory
    shift 2
    for directory in "${directories[@]}"; do
        "$function" "$kind $directory" "$@"
    done
}

# Stops everything, in an order that lets every request in hand be answered. Runs at each exit.
stop_all() {
    local code=$? pid
    set +e
    trap '' INT TERM HUP
    [[ -z $builder ]] || { kill "$builder" && wait "$builder"; } 2>/dev/null
    [[ $started == yes ]] || exit "$code"
    for pid in "${!name_of[@]}"; do
        case ${name_of[$pid]} in
        nginx* | server*) ;;
        *) kill "$pid" ;;
        esac
    done 2>/dev/null
    end_fleet
    each_node signal_program nginx QUIT
    each_node gone_within nginx 10 # long polls end only when the server answers them
    each_node signal_child server TERM
    each_node stop_program server 150
    each_node stop_program nginx 20
    end_fleet # what the servers launched while they were told to stop
    say "stopped"
    exit "$code"
}

set_directories() {
    directories=("$var")
    ((nodes == 1)) || directories=("$var/node0" "$var/node1")
}

read_arguments() {
    while (($# > 0)); do
        case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --demo) demo=yes ;;
        --nodes)
            [[ ${2:-} == [12] ]] || fail "--nodes must be 1 or 2"
            nodes=$2
            shift
            ;;
        *) fail "unknown argument $1; see scripts/run.sh --help" ;;
        esac
        shift
    done
}

main() {
    local node name
    read_arguments "$@"
    patience=$(setting WAIT_LAUNCH_SECONDS 15)
    var=$(absolute "${VAR:-$root/var}")
    build=$(absolute "${BUILD:-$root/build}")
    set_directories
    check_settings
    # These are this script's to decide.
    unset VAR PORT METRICS_PORT BUILD MAKEFLAGS MAKEFILES
    for name in DATABASE RUN_DIR SOCKET_GROUP WORKER_TOKEN MACHINE_SECRET MACHINE_TOKEN NODES RETIRE_NODE WORKER_MACHINE; do
        unset "$name" "HASHMILL_$name"
    done
    ((nodes == 1)) || unset {,HASHMILL_}{NODE,PEERS,PEER_TOKEN}
    export FLEET_WORKER="$build/hashmill-worker"
    # Nobody who tries it waits for a worker.
    [[ $(setting WORKERS_MAX 3) =~ ^0+$ ]] || export WORKERS_MIN="${HASHMILL_WORKERS_MIN:-${WORKERS_MIN:-1}}"

    mkdir -p "$var/log" || fail "VAR: $var cannot be made; name another directory"
    exec 9<>"$var/run.lock" # inherited by no child, or the lock would outlive this script
    if ! flock -n 9; then
        exec 9>&-
        join_run
        return
    fi
    printf '%s %s %s %s\n' "$$" "$port" "$nodes" "$metrics_port" >"$var/run.lock"
    trap stop_all EXIT
    trap 'trap "" INT TERM HUP; exit 130' INT TERM HUP # a second one must not break stop_all off
    trap : PIPE # a reader of this script's output that goes away stops nothing
    trap '' XFSZ # nor does a log that may grow no more; what is started ignores it, too

    install_packages "${packages_build[@]}" "${packages_run[@]}" "${packages_demo[@]}" 9>&-
    build_programs
    write_token worker-token
    write_token machine-secret
    ((nodes == 1)) || write_token peer-token
    for ((node = 0; node < nodes; node++)); do
        write_files "$node"
        check_program hashmill-fcgi "${directories[$node]}/hashmill.env"
        check_program hashmill-worker "${directories[$node]}/worker.env"
    done
    clear_leftovers
    wait_for_ports ||
        fail "another program uses one of the ports $port to $((port + 2 * nodes - 1)) and $metrics_port to $((metrics_port + nodes - 1)); choose others: PORT=N METRICS_PORT=N scripts/run.sh"
    started=yes
    trap 'stopping=yes' INT TERM HUP
    prepare_databases
    supervise 2>>"$var/log/run.log" # what the shell itself says when a child is killed
}

main "$@"
