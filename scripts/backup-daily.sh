#!/bin/bash -p
# Makes one more backup of a node's queue in a directory, and removes the oldest that are too many.
#
#   backup-daily.sh [-c SETTINGS]... [--run-dir DIR] [--keep COUNT] DIRECTORY
#       has backup.sh make DIRECTORY/hashmill-TIME.db, then removes the oldest backups with such names until COUNT
#       (7) are left, the new one with them. hashmill-backup.timer runs it once a day.
#
# Only what has its SHA-256 counts as a backup, and only such a one is removed, so that a bad one takes no good one's
# place. It fails, with a line for each, when no new backup was made, and when something that has a backup's name is
# none: that stays, for a person to look at. Other files are left alone. -c and --run-dir are those of backup.sh.
#
# To be run as the directory's owner: the server's user, or root in a directory of root's.
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT
umask 077

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
options=()
keep=7
directory=""
good=() # backups that have their SHA-256, the oldest first
bad=no  # whether something with the name of a backup is none

complain() {
    printf 'backup-daily.sh: %s\n' "$*" >&2
}

fail() {
    complain "$*"
    exit 1
}

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

parse_arguments() {
    while (($# > 0)); do
        case $1 in
        -c | --run-dir | --keep)
            (($# > 1)) || fail "$1 needs a value"
            if [[ $1 == --keep ]]; then keep=$2; else options+=("$1" "$(realpath -sm -- "$2")"); fi
            shift
            ;;
        --help | -h)
            usage
            exit 0
            ;;
        -?*) fail "there is no option $1; see --help" ;;
        *)
            [[ -z $directory ]] || fail "one DIRECTORY only; see --help"
            directory=$1
            ;;
        esac
        shift
    done
    [[ -n $directory ]] || fail "where is DIRECTORY? See --help"
    [[ $keep =~ ^[1-9][0-9]{0,3}$ ]] || fail "--keep must be a number from 1 to 9999, not $keep"
}

# Goes to the directory and keeps others of this script out of it. The lock is free when the last process has ended,
# backup.sh's as well.
enter_directory() {
    local lock
    cd -P -- "$directory" 2>/dev/null || fail "$directory is no directory that can be entered"
    directory=$PWD
    [[ -O . ]] || fail "$directory belongs to $(stat -c %U .): run this as that user"
    exec {lock}<.
    flock -n "$lock" || fail "another backup-daily.sh is at work in $directory"
}

# Prints the names in the directory that are a time and then what matches, the oldest first.
names() {
    local name
    for name in hashmill-*; do
        [[ ! $name =~ ^hashmill-[0-9]{8}T[0-9]{6}Z\.db$1$ ]] || printf '%s\n' "$name"
    done
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

# Removes what is left where this script or backup.sh was killed.
remove_remains() {
    local name
    for name in $(names '\.new\.[[:alnum:]]{6}'); do
        [[ ! -d $name || -L $name ]] || rm -r -- "$name"
    done
    for name in $(names '\.removed'); do
        [[ ! -f $name || -L $name ]] || remove_slowly "$name"
    done
    for name in $(names '\.sha256'); do
        [[ ! -f $name || -L $name || -e ${name%.sha256} || -L ${name%.sha256} ]] || rm "$name"
    done
}

# Says what is wrong with a file that has the name of a backup; nothing when it is one.
fault_of() {
    local sum="" found
    if [[ -L $1 || ! -f $1 ]]; then
        printf 'is no file'
    elif [[ -L $1.sha256 || ! -f $1.sha256 ]]; then
        printf 'has no SHA-256 beside it'
    elif ! read -r sum _ <"$1.sha256" || [[ ! $sum =~ ^[0-9a-f]{64}$ ]]; then
        printf 'has no SHA-256 in %s' "$1.sha256"
    elif ! found=$(sha256sum <"$1" 2>&1); then
        printf 'cannot be read: %s' "$found"
    elif [[ ${found%% *} != "$sum" ]]; then
        printf 'does not have its SHA-256 any more'
    fi
}

# Looks through all that has the name of a backup.
find_good() {
    local name fault
    for name in $(names ''); do
        fault=$(fault_of "$name")
        if [[ -n $fault ]]; then
            complain "$directory/$name $fault: it is not counted and stays; look at it, then remove it"
            bad=yes
        else
            good+=("$name")
        fi
    done
}

# Removes the oldest good ones, never the new one, whatever the clock said when the others were made.
remove_oldest() {
    local name count=${#good[@]}
    for name in "${good[@]}"; do
        ((count > keep)) || break
        [[ $name != "$1" ]] || continue
        mv -T "$name" "$name.removed" # the next run removes it if this one cannot
        rm "$name.sha256"
        remove_slowly "$name.removed"
        printf 'removed: %s\n' "$directory/$name"
        ((count -= 1))
    done
    printf 'good backups in %s: %d, to be kept: %d\n' "$directory" "$count" "$keep"
}

parse_arguments "$@"
enter_directory
remove_remains
while new=hashmill-$(date -u +%Y%m%dT%H%M%SZ).db && [[ -e $new || -L $new ]]; do sleep 0.1; done
"$here/backup.sh" "${options[@]}" "$directory/$new" || fail "no new backup was made; the old ones stay"
find_good
[[ " ${good[*]} " == *" $new "* ]] || fail "the new backup is not good; the old ones stay"
remove_oldest "$new"
[[ $bad == no ]]
