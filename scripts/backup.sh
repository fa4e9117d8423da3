#!/usr/bin/env bash
# Makes a backup of a node's queue while the node runs, and restores one.
#
#   backup.sh [-c SETTINGS]... [--run-dir DIR] FILE
#       has the running server copy its queue into FILE, which is checked before it takes that name (and
#       then replaces a file that has it). When it fails there is no new FILE. FILE is one SQLite database.
#   backup.sh --restore [-c SETTINGS]... [--database DATABASE] FILE
#       puts FILE in place of the database of a node that is stopped. The old one is kept beside it.
#
#   -c SETTINGS  the node's settings file, as hashmill-fcgi takes it; may be repeated (default:
#                /etc/hashmill/hashmill.env if there is one)
#
# To be run as the server's user or as root. Needs the sqlite3 shell.
set -euo pipefail
umask 077

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
settings=()
run_dir=${RUN_DIR:-}
database=${DATABASE:-}
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
    work=$(mktemp -d "$file.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'trap "" INT TERM HUP; exit 1' INT TERM HUP # a second one must not break the removal off
    RUN_DIR=$run_dir "$program" --backup "$work/copy" || exit 1 # which has said why
    check_database "$work/copy" "what was copied"
    sync "$work/copy"
    [[ ! -f $file || -L $file ]] || ln "$file" "$work/before" 2>/dev/null || true # not every filesystem can
    mv -f "$work/copy" "$file"
    sync "$directory"
    [[ ! -e $work/before || $(stat -c %h "$work/before") != 1 ]] || remove_slowly "$work/before"
    printf '%s: %s bytes\n' "$file" "$(stat -c %s "$file")"
}

restore_backup() {
    local directory kept end
    [[ -n $database ]] || database=$(setting DATABASE /var/lib/hashmill/hashmill.db)
    directory=$(dirname "$database")
    [[ -r $file ]] || fail "$file cannot be read"
    [[ -d $directory && -w $directory ]] || fail "$directory is no directory that can be written to"
    [[ ! -e $database-lock || -w $database-lock ]] ||
        fail "$database-lock cannot be written to: it belongs to $(stat -c %U "$database-lock"); run this as root or as the server's user"
    exec {lock}>>"$database-lock"
    flock -n "$lock" || fail "a server has $database open: stop it first"
    chown --reference="$directory" "$database-lock"
    check_database "$file" "$file"
    work=$(mktemp -d "$database.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cp "$file" "$work/copy"
    chown --reference="$directory" "$work/copy"
    chmod 640 "$work/copy"
    sync "$work/copy"
    trap '' INT TERM HUP # half of what follows would be worse than none
    # A WAL of the old database beside the new one would be taken for its own.
    kept=$database.before-$(date +%Y%m%dT%H%M%S)
    for end in -wal -shm ""; do
        [[ ! -e $database$end ]] || mv -f "$database$end" "$kept$end"
    done
    mv -f "$work/copy" "$database"
    sync "$directory"
    printf '%s is what %s has; start the server now\n' "$database" "$file"
    [[ ! -e $kept ]] || printf 'The old database is kept as %s\n' "$kept"
}

parse_arguments "$@"
command -v sqlite3 >/dev/null || fail "install sqlite3, which checks the backup"
if [[ $restore == yes ]]; then restore_backup; else make_backup; fi
