# shellcheck shell=bash
# shellcheck disable=SC2154  # the variables are those of run.sh
# What an earlier run has left when it was killed, for run.sh, which sources this file.

# Ends what a run.sh that was killed has left, with one node or two: its programs, and the children of
# programs that were killed themselves.
clear_leftovers() {
    local program
    # Workers first, while there is somebody to give items back to; a server that sees them go launches others
    # in their place, so that they may never be gone before it is.
    for program in worker" $var"{,/node0,/node1}; do
        signal_program "$program" TERM
    done
    for program in worker" $var"{,/node0,/node1}; do
        gone_within "$program" 30 || true
    done
    for program in {nginx,server,worker}" $var"{,/node0,/node1}; do
        [[ -n $(find_program "$program") ]] || continue
        say "ending ${program%% *} processes that an earlier run left"
        signal_program "$program" TERM
        gone_within "$program" 50 || signal_program "$program" KILL
        gone_within "$program" 50 || fail "a ${program%% *} process cannot be killed; see /proc"
    done
}

# When nginx's master was killed, its workers keep the port. Told to finish, they give it up at once
# and still answer what they have in hand.
clear_nginx_workers() {
    local left=50 node=0
    [[ -n $(find_program "$1") ]] || return 0
    [[ ${1#* } == "${directories[0]}" ]] || node=1
    signal_program "$1" QUIT
    while ports_taken "$node" && ((left-- > 0)); do
        sleep 0.02
    done
    ((left > 0)) || signal_program "$1" KILL
}
