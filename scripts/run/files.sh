# shellcheck shell=bash
# shellcheck disable=SC2154  # the variables are those of run.sh
# The settings of run.sh, which sources this file, and the files that it writes.

# The path made absolute, relative to where the script was called.
absolute() {
    (cd "$start_dir" && realpath -m -- "$1")
}

check_settings() {
    local last_port=$((65536 - 2 * nodes)) path
    [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le $last_port ]] ||
        fail "PORT must be a number from 1 to $last_port"
    [[ -n $metrics_port ]] || metrics_port=$((port + 1000))
    [[ $metrics_port =~ ^[1-9][0-9]{0,4}$ && $metrics_port -le $((65536 - nodes)) &&
        ($metrics_port -ge $((port + 2 * nodes)) || $metrics_port -le $((port - nodes))) ]] ||
        fail "METRICS_PORT must be a number from 1 to $((65536 - nodes)), and no port of PORT's"
    for path in "$var" "$root"; do
        [[ $path != *[[:cntrl:]\"\'\\\;\{\}\$\|\&*?[]* ]] ||
            fail "nginx cannot be given the path $path; choose one of letters, digits, blanks, . _ % = and -"
    done
    check_var
}

# What is in VAR is this user's: root would follow somebody else's links, and another user is kept out.
check_var() {
    local path
    [[ $var != / && ! -k $var ]] || fail "VAR: $var is shared by all; name a directory for hashmill alone"
    [[ ! -L $var/run.lock ]] || fail "VAR: $var/run.lock is a symbolic link; choose another VAR"
    for path in "$var"{,/run.lock,/node0,/node1,/hashmill.db,/log,/run,/nginx}; do
        [[ -e $path || -L $path ]] || continue
        [[ -O $path ]] ||
            fail "VAR: $path belongs to $(stat -c %U -- "$path"); choose another VAR, or chown -R it to yourself"
        case $path in
        */run.lock | */hashmill.db) [[ -f $path ]] || fail "VAR: $path is no file; choose another VAR" ;;
        *)
            [[ -d $path && -w $path && -x $path ]] ||
                fail "VAR: $path is no directory that can be written to; choose another VAR"
            ;;
        esac
    done
}

# Has a program itself say whether its settings will do. RUN_DIR and DATABASE are in VAR.
check_program() {
    local said
    said=$("$build/$1" -t -c "$2" 2>&1 9>&-) && return
    said=${said##*error: }
    said=${said#settings: }
    [[ $said != @(RUN_DIR|DATABASE)* ]] || said+="; choose a shorter VAR, like /tmp/hashmill"
    fail "$1: $said"
}

# Builds what is not up to date, for every user of this machine.
build_programs() {
    make -q BUILD="$build" 9>&- &>/dev/null && return
    say "building"
    # In the background, for a signal to this script ends it at once; and so does this script's death.
    (umask 022 && exec setpriv --pdeathsig TERM make -s -j2 BUILD="$build" 9>&-) &
    builder=$!
    wait "$builder" || fail "the programs could not be built"
    builder=
}

# Writes standard input to a file in one step.
write_file() {
    cat >"$1.new"
    mv -fT -- "$1.new" "$1"
}

# Makes a token unless it is there.
write_token() {
    [[ -s $var/$1 ]] || od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n' | write_file "$var/$1"
}

# The worker listener of a node.
worker_url() {
    printf 'http://127.0.0.1:%d' $((port + 2 * $1 + 1))
}

# Prints the nodes that a node's workers work for, that one first.
worker_nodes() {
    worker_url "$1"
    ((nodes == 1)) || printf ',%s' "$(worker_url $((1 - $1)))"
}

# Prints the lines of a node's settings that say who may call it: an operator who added them would else have an
# open node after the next start.
kept_settings() {
    local file=${directories[$1]}/hashmill.env
    [[ ! -e $file ]] || grep -E '^[[:blank:]]*(HASHMILL_)?(KEYS|HOSTS)[[:blank:]]*=' -- "$file" || (($? == 1))
}

# Prints the settings of a node's server; $2 is what it keeps.
server_settings() {
    cat <<END
# Written by run.sh at each start, which keeps lines of KEYS= and HOSTS= that you add; give it other settings in the
# environment.
DATABASE="${directories[$1]}/hashmill.db"
RUN_DIR="${directories[$1]}/run"
WORKER_TOKEN=$(<"$var/worker-token")
MACHINE_SECRET=$(<"$var/machine-secret")
PROVIDER="$root/scripts/providers/provider-local"
END
    ((nodes == 1)) || cat <<END
NODE=$1
PEERS=$((1 - $1))=$(worker_url $((1 - $1)))
PEER_TOKEN=$(<"$var/peer-token")
END
    [[ -z $2 ]] || printf '%s\n' "$2"
}

# Writes what the programs of a node are started with.
write_files() {
    local node=$1 directory=${directories[$1]} kept user=
    mkdir -p "$directory/nginx" "$directory/log"
    kept=$(kept_settings "$node") || fail "$directory/hashmill.env cannot be read, which may have a line of KEYS="
    server_settings "$node" "$kept" | write_file "$directory/hashmill.env"
    write_file "$directory/worker.env" <<END
# Written by run.sh at each start; give it other settings in the environment.
NODES=$(worker_nodes "$node")
RETIRE_NODE=$(worker_url "$node")
WORKER_TOKEN=$(<"$var/worker-token")
END
    ((EUID != 0)) || user='user root;'
    sed -e "s|@DIR@|$directory/nginx|g" -e "s|@NGINX_DIR@|$root/nginx|g" -e "s|@RUN_DIR@|$directory/run|g" \
        -e "s|@ADDRESS@|127.0.0.1|g" -e "s|@PORT@|$((port + 2 * node))|g" \
        -e "s|@WORKER_PORT@|$((port + 2 * node + 1))|g" -e "s|@METRICS_PORT@|$((metrics_port + node))|g" \
        -e "s|@USER@|$user|g" nginx/local.conf.in | write_file "$directory/nginx/nginx.conf"
}
