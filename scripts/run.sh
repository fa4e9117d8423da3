#!/usr/bin/env bash
# Runs all of hashmill on this machine: nginx and hashmill-fcgi, which launches hashmill-workers when items
# wait (up to WORKERS_MAX, by scripts/provider-local) and lets them go when there is nothing to do. Installs
# and builds what is missing, restarts what dies, stops everything on Ctrl-C or SIGTERM.
#
#   scripts/run.sh          serve on 127.0.0.1:8080 until it is stopped
#   scripts/run.sh --demo   have one value computed, check it, stop again (a run that is up is used
#                           and left as it is)
#
#   VAR=DIR    where everything is kept (default: var in the repository)
#   PORT=N     port of the clients' listener (default 8080); the workers' listener gets N + 1
#   BUILD=DIR  where the programs are built (default: build in the repository)
# Settings of the programs can be given in the environment too, as in: LEASE_SECONDS=5 scripts/run.sh,
# WORKERS_MIN=1 scripts/run.sh (a worker is there from the start), PROVIDER= scripts/run.sh (no worker is
# launched).
set -euo pipefail
umask 077

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
start_dir=$PWD
cd "$root"
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

port=${PORT:-8080}
demo=no

declare -A pid_of=()     # program or helper -> its process
declare -A name_of=()    # process -> program or helper
declare -A started_at=() # program -> hundredths of a second since boot
declare -A quick=()      # program -> how often in a row it died within a second
ready=no                 # whether everything has served once
started=no               # whether there may be something to stop
stopping=no              # whether Ctrl-C or SIGTERM came

say() {
    printf '%s\n' "$*" 2>/dev/null || true # whoever read it may be gone
}

fail() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

# --- Settings and files -------------------------------------------------------------------------

# The path made absolute, relative to where the script was called.
absolute() {
    (cd "$start_dir" && realpath -m -- "$1")
}

check_settings() {
    [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65534 ]] ||
        fail "PORT must be a number from 1 to 65534"
    local path
    for path in "$var" "$root"; do
        [[ $path != *[[:space:]\"\'\\\;\{\}\$\|\&*?[]* ]] ||
            fail "nginx cannot be given the path $path; choose one of letters, digits, . _ and -"
    done
    # The longest of the socket paths must fit into the 107 bytes that the system allows.
    path="$var/run/public-wait.sock"
    ((${#path} <= 107)) ||
        fail "the path $var is too long for sockets in it; choose a shorter VAR, like /tmp/hashmill"
}

# Builds what is not up to date, for every user of this machine.
build_programs() {
    make -q BUILD="$build" 9>&- &>/dev/null && return
    say "building"
    (umask 022 && make -s -j2 BUILD="$build" 9>&-)
}

# Writes standard input to a file in one step.
write_file() {
    cat >"$1.new"
    mv -f -- "$1.new" "$1"
}

write_files() {
    mkdir -p "$var/nginx" "$var/log"
    [[ -s $var/worker-token ]] ||
        od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n' | write_file "$var/worker-token"
    write_file "$var/hashmill.env" <<END
# Written by run.sh at each start; give it other settings in the environment.
DATABASE="$var/hashmill.db"
RUN_DIR="$var/run"
WORKER_TOKEN=$(<"$var/worker-token")
PROVIDER="$root/scripts/provider-local"
END
    write_file "$var/worker.env" <<END
# Written by run.sh at each start; give it other settings in the environment.
NODES=http://127.0.0.1:$((port + 1))
RETIRE_NODE=http://127.0.0.1:$((port + 1))
WORKER_TOKEN=$(<"$var/worker-token")
END
    local user=
    ((EUID != 0)) || user='user root;'
    sed -e "s|@DIR@|$var/nginx|g" -e "s|@NGINX_DIR@|$root/nginx|g" -e "s|@RUN_DIR@|$var/run|g" \
        -e "s|@ADDRESS@|127.0.0.1|g" -e "s|@PORT@|$port|g" -e "s|@WORKER_PORT@|$((port + 1))|g" \
        -e "s|@USER@|$user|g" nginx/local.conf.in | write_file "$var/nginx/nginx.conf"
}

# --- Processes ----------------------------------------------------------------------------------

# Prints the processes of that name whose working directory is that one: ours, whoever started them.
find_processes() {
    local name=$1 directory=$2 process comm
    for process in /proc/[0-9]*; do
        { read -r comm <"$process/comm"; } 2>/dev/null || continue
        [[ $comm == "$name" && $(readlink "$process/cwd" || true) == "$directory" ]] || continue
        printf '%s\n' "${process#/proc/}"
    done
}

# Prints the processes of a program (nginx, server or worker), some perhaps twice: also one that has
# just been started and does not bear its name yet.
find_program() {
    local child=${pid_of[$1]:-}
    [[ -z $child ]] || ! kill -0 "$child" 2>/dev/null || printf '%s\n' "$child"
    case $1 in
    nginx) find_processes nginx "$var/nginx" ;;
    server) find_processes hashmill-fcgi "$var" ;;
    worker) find_processes hashmill-worker "$var" ;;
    esac
}

# Sends a signal to every process of a program.
signal_program() {
    local process
    for process in $(find_program "$1"); do
        kill -s "$2" "$process" 2>/dev/null || true
    done
}

# Waits until no process of a program is left; false after so many tenths of a second.
gone_within() {
    local left=$2
    while [[ -n $(find_program "$1") ]]; do
        ((left-- > 0)) || return 1
        sleep 0.1
    done
}

# Whether somebody listens on one of the two ports, on whatever address.
ports_taken() {
    local ports
    printf -v ports '%04X|%04X' "$port" $((port + 1))
    # Columns: number, local address, remote address, state; 0A is listening.
    grep -qsE "^ *[0-9]+: [0-9A-F]+:($ports) [0-9A-F:]+ 0A " /proc/net/tcp /proc/net/tcp6
}

# Ends what a run.sh that was killed has left: its programs, and the children of programs that were
# killed themselves.
clear_leftovers() {
    local program
    for program in worker nginx server; do
        [[ -n $(find_program "$program") ]] || continue
        say "ending $program processes that an earlier run left"
        signal_program "$program" TERM
        gone_within "$program" 50 || signal_program "$program" KILL
        gone_within "$program" 50 || fail "a $program process cannot be killed; see /proc"
    done
}

# Whether both are free, or become so soon: those of an earlier run may still be closing.
wait_for_ports() {
    local left=100
    while ports_taken; do
        ((left-- > 0)) || return 1
        sleep 0.02
    done
}

# When nginx's master was killed, its workers keep the port. Told to finish, they give it up at once
# and still answer what they have in hand.
clear_nginx_workers() {
    local left=50
    [[ -n $(find_program nginx) ]] || return 0
    signal_program nginx QUIT
    while ports_taken && ((left-- > 0)); do
        sleep 0.02
    done
    ((left > 0)) || signal_program nginx KILL
}

# Hundredths of a second since the machine started.
now() {
    local uptime
    read -r uptime _ </proc/uptime
    printf '%s' "${uptime/./}"
}

# Starts a command as a process that neither the terminal's Ctrl-C nor the lock reaches, with its
# output added to a log, under a name that the main loop knows it by.
launch() {
    local name=$1 directory=$2
    shift 2
    (
        cd "$directory"
        exec setsid "$@" </dev/null >>"$var/log/$name.log" 2>&1 8>&- 9>&-
    ) &
    pid_of[$name]=$!
    name_of[$!]=$name
    started_at[$name]=$(now)
}

start() {
    case $1 in
    nginx)
        clear_nginx_workers
        launch nginx "$var/nginx" nginx -e stderr -p "$var/nginx" -c "$var/nginx/nginx.conf"
        ;;
    server) launch server "$var" "$build/hashmill-fcgi" -c "$var/hashmill.env" ;;
    esac
}

# Ends the workers that the server has launched. They give back what they hold, if the server is there.
end_fleet() {
    local ids
    read -ra ids <<<"$(scripts/provider-local list 9>&- | cut -d ' ' -f 1 | tr '\n' ' ')"
    ((${#ids[@]} == 0)) || scripts/provider-local terminate "${ids[@]}" 9>&-
}

# Runs a function of this script as a process that the main loop notices the end of.
background() {
    (
        trap - EXIT INT TERM HUP
        "$@" 2>&1 8>&- 9>&-
    ) &
    name_of[$!]=$1
}

# --- Readiness and the demonstration ------------------------------------------------------------

healthy() {
    curl -fs --noproxy '*' -m 2 -o /dev/null "http://127.0.0.1:$port/healthz" 9>&-
}

# Ends well as soon as the server can be used through nginx.
wait_ready() {
    local give_up_at=$((SECONDS + 30))
    until healthy; do
        ((SECONDS < give_up_at)) || return 1
        sleep 0.05
    done
}

announce() {
    say "hashmill serves on http://127.0.0.1:$port (workers on port $((port + 1))); logs are in $var/log"
    say ""
    say "  date | curl -T - 'http://127.0.0.1:$port/enqueue?iterations=1000000'"
    say "  curl -X POST 'http://127.0.0.1:$port/pullCompleted?top=10'"
    say ""
}

# Prints the value of a work item, waiting for it for some minutes.
await_value() {
    local url="http://127.0.0.1:$port/items/$1?wait=30" left=10 item=
    while ((left-- > 0)); do
        item=$(curl -fsS --noproxy '*' -m 60 --retry 5 --retry-delay 1 "$url")
        if [[ $item =~ \"value\":\"([0-9a-f]{128})\" ]]; then
            printf '%s' "${BASH_REMATCH[1]}"
            return
        fi
    done
    printf 'run.sh: no value after 5 minutes: %s\n' "$item" >&2
    return 1
}

# What the value of standard input must be, by Perl's own SHA-512.
independent_value() {
    perl -MDigest::SHA=sha512 -e '
        binmode STDIN; local $/; my $link = <STDIN>;
        $link = sha512($link) for 1 .. $ARGV[0];
        print unpack "H*", $link' "$1"
}

show_demo() {
    local iterations=1000000 body="$var/demo-body" id value wanted before after
    head -c 65536 /dev/urandom >"$body"
    before=$(now)
    id=$(curl -fsS --noproxy '*' -m 60 -H 'Accept: text/plain' -T "$body" \
        "http://127.0.0.1:$port/enqueue?iterations=$iterations")
    say "enqueued 64 KiB of random bytes, $iterations iterations: item $id"
    value=$(await_value "$id")
    after=$(now)
    say "its value came after $(((after - before) / 100)).$(printf '%02d' $(((after - before) % 100))) s:"
    say "  $value"
    wanted=$(independent_value "$iterations" <"$body")
    rm -f -- "$body"
    if [[ $value != "$wanted" ]]; then
        say "WRONG: Perl's Digest::SHA says $wanted"
        return 1
    fi
    say "right: Perl's Digest::SHA computes the same"
}

# --- A second start -----------------------------------------------------------------------------

# Says what the run that holds the lock consists of, or shows the demonstration on it.
join_run() {
    local other program
    read -r other port <"$var/run.lock" || true
    port=${port:-8080}
    if [[ $demo == yes ]]; then
        wait_ready || fail "the run that holds $var (process $other) does not become ready"
        show_demo
        return
    fi
    say "already running in $var: run.sh is process ${other:-unknown}"
    for program in nginx server worker; do
        say "  $program: $(find_program "$program" | tr '\n' ' ')"
    done
    wait_ready || fail "but http://127.0.0.1:$port/healthz is not well; see $var/log"
    announce
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
    say "$1: $2; the end of $var/log/$1.log:"
    tail -n 8 "$var/log/$1.log" || true
    exit 1
}

# Starts a program again: at once, or a little later when it keeps dying within a second of its start.
restart() {
    local name=$1 pauses=(0 0.1 0.2 0.4) deaths=${quick[$1]:-0}
    if (($(now) - started_at[$name] >= 100)); then
        deaths=0
    fi
    quick[$name]=$((deaths < 3 ? deaths + 1 : 3))
    if ((deaths == 0)); then
        start "$name"
        return
    fi
    sleep "${pauses[$deaths]}" 8>&- 9>&- &
    name_of[$!]="later $name"
}

program_ended() {
    local name=$1 code=$2
    if [[ $name == server && $code == 76 ]]; then
        give_up server "the database is not safe to use (a read or write of the disk failed)"
    elif [[ $name == server && $code == 78 ]]; then
        give_up server "it cannot work with its settings; correct them and start again"
    elif [[ $ready == no ]]; then
        give_up "$name" "ended before everything was ready ($(ended_how "$code"))"
    fi
    say "$name ended ($(ended_how "$code")); starting it again"
    restart "$name"
}

# Handles the end of one child.
child_ended() {
    local name=$1 code=$2
    case $name in
    wait_ready)
        ((code == 0)) || give_up server "not ready within 30 seconds"
        ready=yes
        if [[ $demo == yes ]]; then
            background show_demo
        else
            announce
        fi
        ;;
    show_demo) exit "$code" ;;
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
    gone_within "$1" "$2" || say "$1 does not end; killing it"
    signal_program "$1" KILL
}

# Stops everything, in an order that lets every request in hand be answered. Runs at each exit.
stop_all() {
    local code=$? pid
    set +e
    trap '' INT TERM HUP
    [[ $started == yes ]] || exit "$code"
    for pid in "${!name_of[@]}"; do
        case ${name_of[$pid]} in
        nginx | server) ;;
        *) kill "$pid" ;;
        esac
    done 2>/dev/null
    end_fleet
    signal_program nginx QUIT
    gone_within nginx 10 # long polls end only when the server answers them
    kill -s TERM "${pid_of[server]:-}" 2>/dev/null
    stop_program server 150
    stop_program nginx 20
    end_fleet # what the server launched while it was told to stop
    say "stopped"
    exit "$code"
}

main() {
    case "${1:-}" in
    --help | -h)
        usage
        exit 0
        ;;
    --demo) demo=yes ;;
    '') ;;
    *) fail "unknown argument $1; see scripts/run.sh --help" ;;
    esac
    var=$(absolute "${VAR:-$root/var}")
    build=$(absolute "${BUILD:-$root/build}")
    check_settings
    # These are this script's to decide.
    unset DATABASE RUN_DIR SOCKET_GROUP WORKER_TOKEN NODES RETIRE_NODE WORKER_MACHINE VAR PORT BUILD
    export FLEET_DIR="$var/fleet" FLEET_WORKER="$build/hashmill-worker" FLEET_SETTINGS="$var/worker.env" \
        FLEET_LOG="$var/log/worker.log"
    [[ $demo == no ]] || export WORKERS_MIN="${WORKERS_MIN:-1}" # nobody who tries it waits for a worker

    mkdir -p "$var"
    exec 9<>"$var/run.lock" # inherited by no child, or the lock would outlive this script
    if ! flock -n 9; then
        exec 9>&-
        join_run
        return
    fi
    printf '%s %s\n' "$$" "$port" >"$var/run.lock"
    trap stop_all EXIT
    trap 'exit 130' INT TERM HUP
    trap : PIPE # a reader of this script's output that goes away stops nothing

    install_packages "${packages_build[@]}" "${packages_run[@]}" "${packages_demo[@]}" 9>&-
    build_programs
    write_files
    clear_leftovers
    wait_for_ports || fail "another program uses port $port or $((port + 1)); choose another: PORT=N scripts/run.sh"
    started=yes
    trap 'stopping=yes' INT TERM HUP
    start server
    start nginx
    background wait_ready
    supervise 2>>"$var/log/run.log" # what the shell itself says when a child is killed
}

main "$@"
