#!/bin/bash -p
# Takes away everything that scripts/deploy.sh made on AWS, and the workers that the nodes launched: what has
# the tag hashmill:stack=NAME, and what is found by its name where AWS cannot be asked for tags. That includes the
# volumes with the queues, which are lost, unless --backup keeps them. Run it again when it could not remove
# something.
#
#   scripts/destroy.sh [options]
#
#   --stack NAME         the name of the installation (default: hashmill)
#   --region REGION      (default: as of deploy.sh)
#   --dry-run            only say what there is
#   --backup             stop the nodes first and keep the volumes with their queues as snapshots
#   --yes                do not ask
#   --endpoint-url URL   where every call of AWS goes (default: AWS_ENDPOINT_URL, else AWS)
#
# ~/.hashmill/NAME (HASHMILL_HOME), the certificate authority and the tokens, goes last.
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT
umask 077

program=destroy.sh
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/aws/common.sh
source "$source/scripts/aws/common.sh"
# shellcheck source=scripts/aws/iam.sh
source "$source/scripts/aws/iam.sh"
# shellcheck source=scripts/aws/network.sh
source "$source/scripts/aws/network.sh"
# shellcheck source=scripts/aws/store.sh
source "$source/scripts/aws/store.sh"
# shellcheck source=scripts/aws/templates.sh
source "$source/scripts/aws/templates.sh"
# shellcheck source=scripts/aws/machines.sh
source "$source/scripts/aws/machines.sh"
# shellcheck source=scripts/aws/volumes.sh
source "$source/scripts/aws/volumes.sh"

stack=hashmill
region=
endpoint=${AWS_ENDPOINT_URL:-}
dry_run=no
backup=no
yes=no
left=0

read_arguments() {
    while (($# > 0)); do
        case $1 in
        --dry-run) dry_run=yes ;;
        --backup) backup=yes ;;
        --yes) yes=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        --stack | --region | --endpoint-url)
            (($# > 1)) || fail "$1 needs a value; see destroy.sh --help"
            case $1 in
            --stack) stack=$2 ;;
            --region) region=$2 ;;
            --endpoint-url) endpoint=$2 ;;
            esac
            shift
            ;;
        *) fail "$1 is not an option; see destroy.sh --help" ;;
        esac
        shift
    done
}

survey() {
    survey_machines
    survey_network
    survey_templates
    survey_store
    survey_iam
    kept=$(call ec2 describe-snapshots --owner-ids self --filters "$(stack_filter)" --query 'Snapshots[].[SnapshotId]')
}

# Prints what there is, a line each.
inventory() {
    list_them machine "${node[*]} $workers"
    list_them "volume with a queue" "$queues"
    list_them disk "$volumes"
    list_them "Elastic IP" "$allocations"
    list_them "network interface" "$interfaces"
    list_them "security group" "$node_group $worker_group"
    list_them "launch template" "$(cut -d ' ' -f 1 <<<"$templates_there")"
    list_them parameter "$(cut -d ' ' -f 1 <<<"$parameters")"
    list_them bucket "$has_bucket"
    list_them "instance profile" "$(cut -d ' ' -f 1 <<<"$profiles")"
    list_them role "$roles"
}

# Prints a line "KIND NAME" for each of the names.
list_them() {
    local name
    for name in $2; do
        printf '  %s %s\n' "$1" "$name"
    done
}

confirm() {
    local answer
    [[ $yes == no ]] || return 0
    [[ -t 0 ]] || fail "nobody is there to be asked; use --yes"
    read -rp "All of this will be gone, the queues too. Type the name of the stack to go on: " answer
    [[ $answer == "$stack" ]] || fail "nothing was removed"
}

# Does a step and remembers when it was not done.
step() {
    "$@" || {
        left=1
        say "destroy.sh: ${1//_/ }: not everything could be removed" >&2
    }
}

remove_all() {
    if [[ $backup == yes ]]; then
        keep_backups || fail "the backup failed; nothing was removed"
    fi
    step remove_machines
    step remove_templates
    step remove_network
    step remove_store
    step remove_iam
}

# Removes what deploy.sh keeps on this machine.
remove_home() {
    [[ -d $home ]] || return 0
    rm -rf -- "$home"/{ca,node0,node1,worker} "$home"/{tokens,tokens.new,keys,lock}
    rmdir -- "$home" 2>/dev/null || say "  left: $home, which has files of somebody else"
}

# Says what is still there, which fails, and what was kept.
report() {
    local rest id
    survey
    rest=$(inventory)
    for id in $kept; do
        say "  kept: snapshot $id; a volume made of it has a queue, as hashmill.db. It costs something; aws ec2 delete-snapshot removes it"
    done
    if [[ -n $rest ]]; then
        printf 'could not be removed:\n%s\n' "$rest" >&2
        fail "run it again; what is still there then must be removed by hand"
    fi
    ((left == 0)) || say "everything is gone all the same"
    remove_home
    say "nothing is left of \"$stack\" in $region"
}

finish() {
    local code=$?
    rm -rf -- "$work"
    exit "$code"
}

read_arguments "$@"
make_work
trap finish EXIT
# Who stops a script often signals it twice: the second one must not break finish off.
trap 'trap "" INT TERM HUP; exit 130' INT
trap 'trap "" INT TERM HUP; exit 143' TERM HUP
begin
survey
say "hashmill \"$stack\" in $region, account $account${endpoint:+, by way of $endpoint}:"
inventory
[[ $dry_run == no ]] || exit 0
if [[ -d $home ]]; then
    exec 9>"$home/lock"
    flock -n 9 || fail "another deploy.sh or destroy.sh is at work on $stack"
fi
if [[ -n $(inventory) ]]; then
    confirm
    remove_all
fi
report
