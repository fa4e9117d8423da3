# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # the variables are those of run.sh
# For run.sh, which sources this file: makes sure of each server's database before the server starts.

# Starts --init for each node's database; init_ended does the rest. If neither node has a database or a replica, both
# begin new queues. Otherwise a node without a database asks the other one, once that serves; so it does with a peer
# elsewhere.
prepare_databases() {
    local directory there=no
    ((nodes == 2)) || there=unknown
    for directory in "${directories[@]}"; do
        [[ ! -s $directory/hashmill.db && ! -s $directory/hashmill.db-replica ]] || there=yes
    done
    for directory in "${directories[@]}"; do
        [[ $there != no ]] || init_option["$directory"]=--new
        start "init $directory"
    done
    background tell_waiting
}

# Prints the last that was said of a node's database, without time and process.
last_of_init() {
    tail -n 1 "$1/log/init.log" | sed 's/^[^ ]* hashmill-fcgi[^ ]* init [a-z]*: //'
}

# Says which database cannot be served yet, and why.
tell_waiting() {
    local directory said left=40
    while ((left-- > 0)) && kill -0 $$; do
        sleep 0.1
    done
    for directory in "${directories[@]}"; do
        said=$(last_of_init "$directory")
        [[ $said != waiting* ]] || say "$(title "queue $directory"): $said"
    done
}

# A node's database may be served, or not.
init_ended() {
    local directory=${1#* } code=$2 said
    said=$(last_of_init "$directory")
    if ((code == 78)) && [[ ! -e $directory/hashmill.db && -z ${init_option[$directory]:-} ]]; then
        say "the $(title "queue $directory") is not here: having it back from the other node"
        init_option["$directory"]=--from-peer
        start "$1"
    elif ((code == 75)); then
        start_later "$1" 1
    elif ((code != 0)); then
        give_up "$1" "its database cannot be served ($(ended_how "$code"))"
    else
        [[ $said != *"given the queue back"* ]] || say "$(title "queue $directory"): $said"
        start "server $directory"
        start "nginx $directory"
        ((++prepared < nodes)) || background wait_ready
    fi
}
