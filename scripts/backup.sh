#!/bin/bash -p
# Makes a backup of a node's queue while the node runs, and restores one.
#
#   backup.sh [-c SETTINGS]... [--run-dir DIR] FILE
#       has the running server copy its queue into FILE, which is checked before it takes that name (and
#       then replaces an earlier backup, and nothing else). When it fails there is no new FILE. FILE is one
#       SQLite database; FILE.sha256 has its SHA-256, as sha256sum takes it.
#   backup.sh --restore [-c SETTINGS]... [--database DATABASE] [--sha256 HEX] FILE
#       puts FILE in place of the database of a node that is stopped. The old one is kept beside it. FILE must
#       have the SHA-256 of HEX, or else of FILE.sha256, if that is there; - is standard input.
#
#   -c SETTINGS  the node's settings file, as hashmill-fcgi takes it; may be repeated (default:
#                /etc/hashmill/hashmill.env if there is one)
#
# To be run as the server's user or as root. What root finds in a directory of another user it leaves to that user:
# it goes on as that one, and hands FILE over as an open descriptor. CHECK_SECONDS (3600) bounds each look through
# a file.
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT
umask 077

script=$(readlink -f "${BASH_SOURCE[0]}")
here=$(dirname "$script")
settings=()
run_dir=${HASHMILL_RUN_DIR:-${RUN_DIR:-}}
database=${HASHMILL_DATABASE:-${DATABASE:-}}
restore=no
sha256=""
file=""

fail() {
    printf 'backup.sh: %s\n' "$*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

parse_arguments() {
    while (($# > 0)); do
        case $1 in
        -c | --run-dir | --database | --sha256)
            (($# > 1)) || fail "$1 needs a value"
            case $1 in
            -c) settings+=("$2") ;;
            --run-dir) run_dir=$2 ;;
            --database) database=$2 ;;
            --sha256)
                sha256=${2,,}
                [[ -n $sha256 ]] || fail "--sha256 is empty: give a SHA-256, or leave the option out"
                ;;
            esac
            shift
            ;;
        --restore) restore=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        -?*) fail "there is no option $1; see --help" ;;
        *)
            [[ -z $file ]] || fail "one FILE only; see --help"
            file=$1
            ;;
        esac
        shift
    done
    [[ -n $file ]] || fail "where is FILE? See --help"
    [[ $file == [-/]* ]] || file=$PWD/$file
    ((${#settings[@]} > 0)) || [[ ! -r /etc/hashmill/hashmill.env ]] || settings=(/etc/hashmill/hashmill.env)
}

# Prints what the settings files say of a key, the last of them first; else the other argument.
setting() {
    local value=""
    ((${#settings[@]} == 0)) || value=$(sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" "${settings[@]}" | tail -n 1)
    value=${value%"${value##*[![:space:]]}"}
    value=${value#\"}
    value=${value%\"}
    printf '%s' "${value:-$2}"
}

# The server's program: of the build that this script belongs to, or the installed one.
server_program() {
    local built=$here/../${BUILD:-build}/hashmill-fcgi
    if [[ ${BUILD:-} == /* ]]; then built=$BUILD/hashmill-fcgi; fi
    if [[ -x $built ]]; then printf '%s' "$built"; else command -v hashmill-fcgi; fi
}

# Prints who may change what a path leads to: the owner of the first directory or symbolic link on it that is not
# root's; root when there is none, nothing when no directory is there.
path_owner() {
    { namei -o -- "$1" 2>/dev/null || true; } | awk '$1 == "l" || $1 == "d" { owner = $2 }
        owner != "" && owner != "root" { exit }
        END { print owner }'
}

# As root, has another user run this script with these arguments, without the terminal, into which that user's
# processes could type; that is the end of this one. Nothing when that user is root.
go_on_as() {
    local user=$1
    shift
    [[ $EUID == 0 && $user != root && -n $user ]] || return 0
    cd /
    exec env -i PATH="$PATH" ${BUILD:+BUILD="$BUILD"} ${CHECK_SECONDS:+CHECK_SECONDS="$CHECK_SECONDS"} setsid --wait \
        setpriv --reuid="$user" --regid="$(id -g -- "$user" || echo nogroup)" --clear-groups --no-new-privs \
        --bounding-set=-all bash -p "$script" "$@"
}

# Fails if a path has something that no file may replace: a directory, a device, a link...
need_file() {
    [[ ! -L $1 ]] || fail "$1 is a symbolic link, to $(readlink -m -- "$1"); name the file itself"
    [[ ! -e $1 || -f $1 ]] || fail "$1 is a $(stat -c %F -- "$1") and stays; name another file"
}

# Fails unless FILE is missing, or is a backup of this user's, which may be replaced.
check_target() {
    need_file "$file"
    [[ -e $file ]] || return 0
    [[ ! -e $file-lock && ! -e $file-wal ]] || fail "$file is the database of a node and stays; name another file"
    head -c 15 -- "$file" | cmp -s - <(printf 'SQLite format 3') || [[ ! -s $file ]] ||
        fail "$file is no backup and stays; name another file"
    [[ $(stat -c %u -- "$file") == $(stat -c %u -- "$work") ]] || # of a file made here by this user
        fail "$file belongs to $(stat -c %U -- "$file") and stays; remove it, or name another file"
}

# Makes sure that a file, which is called so, is a whole database of hashmill's with nothing else in it.
check_database() {
    local said
    said=$(timeout "${CHECK_SECONDS:-3600}" nice "$program" --check "$1" 2>&1) ||
        fail "$2 is not a whole backup: $(explain_check $? "${said:0:600}")"
}

# Says why, in words, by the exit code and what was said.
explain_check() {
    if (($1 == 124)); then
        printf 'it could not be looked through within CHECK_SECONDS=%s' "${CHECK_SECONDS:-3600}"
    else
        printf '%s' "${2##*error: }"
    fi
}

# Removes a file a little at a time: freeing gigabytes at once has a disk's other writers wait.
remove_slowly() {
    local step=$((32 * 1024 * 1024)) size
    size=$(stat -c %s "$1")
    while ((size > step)); do
        ((size -= step))
        truncate -s "$size" "$1"
        sleep 0.05
    done
    rm "$1"
}

# Fails unless FILE.sha256 is not there yet or is what it is to be.
check_sum_target() {
    need_file "$file.sha256"
    [[ ! -s $file.sha256 ]] || grep -qE '^[0-9a-f]{64}  ' -- "$file.sha256" ||
        fail "$file.sha256 is no SHA-256 and stays; name another file"
}

# Puts the copy in its place. A moment without FILE.sha256 is better than one with that of another.
publish() {
    local sum
    sum=$(sha256sum <"$work/copy")
    printf '%s  %s\n' "${sum%% *}" "${file##*/}" >"$work/sum"
    sync "$work/copy" "$work/sum"
    check_target # what may have come meanwhile
    check_sum_target
    [[ ! -f $file ]] || ln "$file" "$work/before" 2>/dev/null || true # not every filesystem can
    rm -f -- "$file.sha256"
    mv -fT "$work/copy" "$file"
    mv -fT "$work/sum" "$file.sha256"
    sync "$directory"
}

make_backup() {
    local directory
    [[ -n $run_dir ]] || run_dir=$(setting RUN_DIR /run/hashmill)
    [[ $run_dir == /* ]] || run_dir=$PWD/$run_dir
    directory=$(dirname -- "$file")
    go_on_as "$(path_owner "$directory")" --run-dir "$run_dir" "$file"
    [[ -d $directory && -w $directory ]] || fail "$directory is no directory that can be written to"
    need_file "$file"
    work=$(mktemp -d "$file.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'trap "" INT TERM HUP; exit 1' INT TERM HUP # a second one must not break the removal off
    check_target
    check_sum_target
    HASHMILL_RUN_DIR=$run_dir "$program" --backup "$work/copy" || exit 1 # which has said why
    check_database "$work/copy" "what was copied"
    publish
    [[ ! -e $work/before || $(stat -c %h "$work/before") != 1 ]] || remove_slowly "$work/before"
    printf '%s: %s bytes\n' "$file" "$(stat -c %s "$file")"
}

# Makes sure that no server has a database open, as long as this script runs.
take_lock() {
    local lock
    need_file "$1-lock"
    [[ ! -e $1-lock || -w $1-lock ]] ||
        fail "$1-lock cannot be written to: it belongs to $(stat -c %U "$1-lock"); run this as root or as the server's user"
    exec {lock}>>"$1-lock"
    flock -n "$lock" || fail "a server has $1 open: stop it first"
}

# Finds what SHA-256 FILE is to have, if that is known.
find_sum() {
    local name
    [[ -z $sha256 && $file != - ]] || return 0
    [[ -f $file.sha256 ]] || {
        [[ ! -e $file.sha256 && ! -L $file.sha256 ]] || fail "$file.sha256 is no file; remove it, or give --sha256"
        return 0
    }
    read -r sha256 name <"$file.sha256" || true
    [[ $sha256 =~ ^[0-9a-f]{64}$ ]] || fail "$file.sha256 has no SHA-256: ${name:+there is one of $name}; remove it, or give --sha256"
}

# As root, opens FILE and goes on as the user whose the database's directory is.
hand_over() {
    local owner from
    owner=$(path_owner "$database")
    [[ $EUID == 0 && $owner != root && -n $owner ]] || return 0
    if [[ $file != - ]]; then
        from=$(path_owner "$file")
        [[ $from != "$owner" ]] || go_on_as "$owner" --restore --database "$database" ${sha256:+--sha256 "$sha256"} "$file"
        [[ $from == root ]] || fail "$from can make of $file what it likes: copy it to a directory of root's"
        [[ -f $file && -r $file ]] || fail "$file is no file that can be read"
        find_sum
        exec <"$file"
    fi
    go_on_as "$owner" --restore --database "$database" ${sha256:+--sha256 "$sha256"} -
}

# Copies FILE to a file of its own, and makes sure that it may be the database.
take_file() {
    local sum
    if [[ $file == - ]]; then cat; else cat -- "$file"; fi >"$work/copy"
    sum=$(sha256sum <"$work/copy")
    [[ -z $sha256 || ${sum%% *} == "$sha256" ]] ||
        fail "the SHA-256 of ${file/#-/the backup} is ${sum%% *}, and should be $sha256: it is not what was backed up"
    check_database "$work/copy" "${file/#-/the backup}"
    chmod 640 "$work/copy"
    sync "$work/copy"
}

restore_backup() {
    local directory kept end named
    [[ -n $database ]] || database=$(setting DATABASE /var/lib/hashmill/hashmill.db)
    [[ $database == /* ]] || database=$PWD/$database
    hand_over
    named=$database
    database=$(readlink -m -- "$named") # beside which SQLite keeps the WAL
    directory=$(dirname "$database")
    [[ $file == - || (-f $file && -r $file) ]] || fail "$file is no file that can be read"
    [[ -d $directory && -w $directory ]] || fail "$directory is no directory that can be written to"
    need_file "$database"
    take_lock "$database"
    [[ $named-lock -ef $database-lock ]] || take_lock "$named"
    find_sum
    work=$(mktemp -d "$database.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    take_file
    trap '' INT TERM HUP # half of what follows would be worse than none
    # A WAL of the old database beside the new one would be taken for its own.
    kept=$database.before-$(date +%Y%m%dT%H%M%S)
    while [[ -e $kept ]]; do kept+=+; done # of the same second, or of the hour that came twice
    for end in -wal -shm ""; do
        [[ ! -e $database$end ]] || mv -fT "$database$end" "$kept$end"
    done
    mv -fT "$work/copy" "$database"
    sync "$directory"
    [[ -n $sha256 ]] || echo 'Its SHA-256 was not compared, as there is none: the content is as good as its source'
    printf '%s is what %s has; start the server now\n' "$database" "${file/#-/the backup}"
    [[ ! -e $kept ]] || printf 'The old database is kept as %s\n' "$kept"
}

parse_arguments "$@"
program=$(server_program) || fail "there is no hashmill-fcgi in PATH"
if [[ $restore == yes ]]; then restore_backup; else make_backup; fi
