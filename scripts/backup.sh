#!/bin/bash -p
# Makes a backup of a node's queue while the node runs, and restores one.
#
#   backup.sh [-c SETTINGS]... [--run-dir DIR] FILE
#       has the running server copy its queue into FILE, which is checked before it takes that name (and
#       then replaces an earlier backup, and nothing else). When it fails there is no new FILE. FILE is one
#       SQLite database.
#   backup.sh --restore [-c SETTINGS]... [--database DATABASE] FILE
#       puts FILE in place of the database of a node that is stopped. The old one is kept beside it.
#
#   -c SETTINGS  the node's settings file, as hashmill-fcgi takes it; may be repeated (default:
#                /etc/hashmill/hashmill.env if there is one)
#
# To be run as the server's user or as root. Needs the sqlite3 shell.
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT
umask 077

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
settings=()
run_dir=${HASHMILL_RUN_DIR:-${RUN_DIR:-}}
database=${HASHMILL_DATABASE:-${DATABASE:-}}
restore=no
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
        -c | --run-dir | --database)
            (($# > 1)) || fail "$1 needs a value"
            case $1 in
            -c) settings+=("$2") ;;
            --run-dir) run_dir=$2 ;;
            --database) database=$2 ;;
            esac
            shift
            ;;
        --restore) restore=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        -*) fail "there is no option $1; see --help" ;;
        *)
            [[ -z $file ]] || fail "one FILE only; see --help"
            file=$1
            ;;
        esac
        shift
    done
    [[ -n $file ]] || fail "where is FILE? See --help"
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

# Whether a file is a whole database of hashmill's.
check_database() {
    local said
    said=$(nice sqlite3 -batch -bail -readonly "$1" 'PRAGMA integrity_check; SELECT count(*) >= 0 FROM item' 2>&1) || true
    [[ $said == $'ok\n1' ]] || fail "$2 is not a whole backup: ${said:0:300}"
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

make_backup() {
    local directory program
    [[ -n $run_dir ]] || run_dir=$(setting RUN_DIR /run/hashmill)
    directory=$(dirname "$file")
    [[ -d $directory && -w $directory ]] || fail "$directory is no directory that can be written to"
    program=$(server_program) || fail "there is no hashmill-fcgi in PATH"
    need_file "$file"
    work=$(mktemp -d "$file.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'trap "" INT TERM HUP; exit 1' INT TERM HUP # a second one must not break the removal off
    check_target
    HASHMILL_RUN_DIR=$run_dir "$program" --backup "$work/copy" || exit 1 # which has said why
    check_database "$work/copy" "what was copied"
    sync "$work/copy"
    check_target # what may have come meanwhile
    [[ ! -f $file ]] || ln "$file" "$work/before" 2>/dev/null || true # not every filesystem can
    mv -fT "$work/copy" "$file"
    sync "$directory"
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
    chown -h --reference="$directory" "$1-lock"
}

restore_backup() {
    local directory kept end named
    [[ -n $database ]] || database=$(setting DATABASE /var/lib/hashmill/hashmill.db)
    named=$database
    database=$(readlink -m -- "$named") # beside which SQLite keeps the WAL
    directory=$(dirname "$database")
    [[ -f $file && -r $file ]] || fail "$file is no file that can be read"
    [[ -d $directory && -w $directory ]] || fail "$directory is no directory that can be written to"
    need_file "$database"
    take_lock "$database"
    [[ $named-lock -ef $database-lock ]] || take_lock "$named"
    check_database "$file" "$file"
    work=$(mktemp -d "$database.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cp "$file" "$work/copy"
    chown -h --reference="$directory" "$work/copy"
    chmod 640 "$work/copy"
    sync "$work/copy"
    trap '' INT TERM HUP # half of what follows would be worse than none
    # A WAL of the old database beside the new one would be taken for its own.
    kept=$database.before-$(date +%Y%m%dT%H%M%S)
    while [[ -e $kept ]]; do kept+=+; done # of the same second, or of the hour that came twice
    for end in -wal -shm ""; do
        [[ ! -e $database$end ]] || mv -fT "$database$end" "$kept$end"
    done
    mv -fT "$work/copy" "$database"
    sync "$directory"
    printf '%s is what %s has; start the server now\n' "$database" "$file"
    [[ ! -e $kept ]] || printf 'The old database is kept as %s\n' "$kept"
}

parse_arguments "$@"
command -v sqlite3 >/dev/null || fail "install sqlite3, which checks the backup"
if [[ $restore == yes ]]; then restore_backup; else make_backup; fi
