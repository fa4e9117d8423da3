#!/bin/bash -p
# Puts hashmill on AWS: two nodes in two zones, which launch and terminate their workers by themselves. Run it
# again to repair, to update or to change settings: it makes what is missing and changes what is different. Take
# everything away with scripts/destroy.sh.
#
#   scripts/deploy.sh [options]
#
#   --stack NAME         the name of the installation (default: hashmill); everything is tagged hashmill:stack=NAME
#   --region REGION      (default: AWS_REGION, AWS_DEFAULT_REGION, the CLI's configuration, else eu-west-1)
#   --dry-run            only say what would be made and what it costs
#   --package FILE       the package (default: built by make deb)
#   --subnets ID,ID...   subnets in two zones at least (default: the default ones of the region)
#   --ssh FILE.pub       let this public key in as admin, from SSH_CIDR or else from the address that
#                        checkip.amazonaws.com sees this machine under
#   --tls CERT,KEY       a certificate for clients (default: one of the stack's own authority for each node's address)
#   --rotate             new certificates, tokens, keys and MACHINE_SECRET; machines that run already are let in on
#   --no-wait            do not wait until both nodes are well
#   --endpoint-url URL   where every call of AWS goes (default: AWS_ENDPOINT_URL, else AWS)
#
# Settings, from the environment; those of the last run hold:
#
#   ALLOW_CIDR       addresses from which clients may come, separated by commas (default: for a new stack the address
#                    that checkip.amazonaws.com sees this machine under; one that is there keeps its own)
#   NODE_TYPE        type of the nodes' machines when they are launched (default: t3.small)
#   DISK_GB          the volumes of their queues when they are made (default: 20)
#   INSTANCE_TYPE    type of the workers' machines (default: c7a.medium, which has AVX-512)
#   SPOT             1: workers are spot instances (default: 0)
#   IDLE_SECONDS     a worker with nothing to do for this long retires (default: 600)
#   IMAGE            an AMI, or the public SSM parameter that has it (default: Debian 12 for amd64)
#   HEALTHZ_SECONDS  how long to wait until both nodes are well (default: 900)
#   HASHMILL_HOME    where the certificate authority, the tokens and the keys are kept (default: ~/.hashmill)
#   WORKERS_MIN WORKERS_MAX WAIT_LAUNCH_SECONDS COPY LEASE_SECONDS PULLED_DAYS CANCELLED_DAYS
#                    of hashmill-fcgi, when they are set
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT
umask 077

program=deploy.sh
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
# shellcheck source=scripts/aws/keys.sh
source "$source/scripts/aws/keys.sh"
# shellcheck source=scripts/aws/secrets.sh
source "$source/scripts/aws/secrets.sh"
# shellcheck source=scripts/aws/plan.sh
source "$source/scripts/aws/plan.sh"

stack=hashmill
region=
endpoint=${AWS_ENDPOINT_URL:-}
package=
subnets_asked=
ssh_key=
ssh_cidr=
own_cidr=
public_cert=
public_key=
dry_run=no
rotate=no
wait=yes
node_setting_names="WORKERS_MIN WORKERS_MAX WAIT_LAUNCH_SECONDS COPY LEASE_SECONDS PULLED_DAYS CANCELLED_DAYS"

: "${ALLOW_CIDR:=}" "${NODE_TYPE:=t3.small}" "${DISK_GB:=20}" "${INSTANCE_TYPE:=c7a.medium}" "${SPOT:=0}" "${IDLE_SECONDS:=600}"
: "${IMAGE:=/aws/service/debian/release/12/latest/amd64}" "${HEALTHZ_SECONDS:=900}"

read_arguments() {
    while (($# > 0)); do
        case $1 in
        --dry-run) dry_run=yes ;;
        --rotate) rotate=yes ;;
        --no-wait) wait=no ;;
        --help | -h)
            usage
            exit 0
            ;;
        --stack | --region | --package | --subnets | --ssh | --tls | --endpoint-url)
            (($# > 1)) || fail "$1 needs a value; see deploy.sh --help"
            take_option "$1" "$2"
            shift
            ;;
        *) fail "$1 is not an option; see deploy.sh --help" ;;
        esac
        shift
    done
}

take_option() {
    case $1 in
    --stack) stack=$2 ;;
    --region) region=$2 ;;
    --package) package=$2 ;;
    --subnets) subnets_asked=$2 ;;
    --ssh) ssh_key=$2 ;;
    --endpoint-url) endpoint=$2 ;;
    --tls)
        public_cert=${2%%,*}
        public_key=${2#*,}
        ;;
    esac
}

# Whether a text is IPv4 addresses, a.b.c.d/bits, separated by commas.
is_cidr_list() {
    [[ $1 =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}(,([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2})*$ ]]
}

check_settings() {
    local name
    [[ -z $ALLOW_CIDR ]] || is_cidr_list "$ALLOW_CIDR" || fail "ALLOW_CIDR must be like 192.0.2.0/24,198.51.100.7/32"
    [[ $NODE_TYPE =~ ^[a-z0-9-]+\.[a-z0-9-]+$ && $INSTANCE_TYPE =~ ^[a-z0-9-]+\.[a-z0-9-]+$ ]] ||
        fail "NODE_TYPE and INSTANCE_TYPE must be like t3.small"
    [[ $DISK_GB =~ ^([89]|[1-9][0-9]{1,4})$ ]] || fail "DISK_GB must be a number, 8 at least"
    [[ $SPOT =~ ^[01]$ ]] || fail "SPOT must be 0 or 1"
    [[ $HEALTHZ_SECONDS =~ ^[0-9]{1,5}$ && $IDLE_SECONDS =~ ^[0-9]{1,8}$ ]] ||
        fail "HEALTHZ_SECONDS and IDLE_SECONDS must be numbers"
    [[ $IMAGE =~ ^(ami-[0-9a-f]+|/[A-Za-z0-9._/-]+)$ ]] || fail "IMAGE must be like ami-0123 or /aws/service/..."
    [[ $subnets_asked =~ ^(subnet-[0-9a-f]+(,subnet-[0-9a-f]+)+)?$ ]] || fail "--subnets must be like subnet-01,subnet-02"
    for name in $node_setting_names; do
        [[ ${!name:-} =~ ^[a-z0-9]*$ ]] || fail "$name: ${!name} is not a value for it"
    done
    [[ -z $package || -r $package ]] || fail "--package: there is no file $package"
    [[ -z $ssh_key ]] || grep -qsE '^(ssh-|ecdsa-|sk-)' "$ssh_key" || fail "--ssh: $ssh_key is not a file with a public key"
    [[ -z $public_cert ]] || { [[ -r $public_key ]] && openssl x509 -in "$public_cert" -noout 2>/dev/null; } ||
        fail "--tls must be two files in PEM: CERTIFICATE,KEY"
}

# Sets own_cidr, where this machine is, for the setting of that name.
find_own_address() {
    [[ -z $own_cidr ]] || return 0
    own_cidr=$(curl -q -4fsS -m 10 https://checkip.amazonaws.com || true)/32
    is_cidr_list "$own_cidr" || fail "this machine's public address cannot be found out; set $1, like 192.0.2.7/32"
}

# Sets ssh_cidr, from where SSH is let in, when it was asked for: from here.
choose_ssh() {
    [[ -n $ssh_key ]] || return 0
    ssh_cidr=${SSH_CIDR:-}
    [[ -n $ssh_cidr ]] || { find_own_address SSH_CIDR && ssh_cidr=$own_cidr; }
    [[ $ssh_cidr == */* ]] || ssh_cidr+=/32
    is_cidr_list "$ssh_cidr" || fail "SSH_CIDR must be like 192.0.2.7/32"
}

# Sets ALLOW_CIDR, from where clients are let in, when it is not set: as a stack that is there has it, else from here.
choose_clients() {
    local before
    [[ -z $ALLOW_CIDR ]] || return 0
    before=$(present_clients)
    if [[ -n $before ]]; then
        ALLOW_CIDR=$before
        say "deploy.sh: ALLOW_CIDR is not set: clients are let in from $before, as before" >&2
    else
        find_own_address ALLOW_CIDR
        ALLOW_CIDR=$own_cidr
    fi
}

# Builds the package unless one was given.
choose_package() {
    [[ -z $package ]] || return 0
    say "building the package"
    make -s -C "$source" deb >"$work/make.log" 2>&1 || {
        tail -n 20 "$work/make.log" >&2
        fail "make deb failed"
    }
    package=$source/$(tail -n 1 "$work/make.log") # its name, last
    [[ -r $package ]] || fail "make deb did not say where the package is"
}

survey() {
    survey_iam
    survey_subnets
    survey_network
    survey_templates
    survey_store
    survey_machines
    check_volumes
}

apply() {
    ensure_groups
    choose_image
    ensure_templates
    ensure_iam
    [[ $SPOT == 0 ]] || tolerating InvalidInput iam create-service-linked-role --aws-service-name spot.amazonaws.com >/dev/null
    ensure_addresses 0
    ensure_addresses 1
    ensure_tokens
    ensure_certificates
    ensure_bucket
    ensure_package
    put_parameters
    end_lost_nodes
    ensure_queue 0
    ensure_queue 1
    ensure_node 0
    ensure_node 1
    drop_shared_role
    drop_templates
}

announce() {
    local first="https://${public[0]}" second="https://${public[1]}" trust="--cacert '$home/ca/ca.pem' "
    [[ -z $public_cert ]] || trust=
    say ""
    say "two nodes serve on $first and $second"
    say ""
    say "  KEY=\$(sed -n 's/^client_key=//p' '$home/tokens')"
    say "  date | curl $trust-H \"Authorization: Bearer \$KEY\" -T - '$first/enqueue?iterations=1000000'"
    say "  curl $trust-H \"Authorization: Bearer \$KEY\" -X POST '$second/pullCompleted?top=10'"
    show_keys
    say ""
    say "Nodes that ran already take a new package, settings, keys or certificates within five minutes."
    say "Keep $home: it has the key of the certificate authority. To take everything away: scripts/destroy.sh --stack $stack --region $region"
}

# Removes temporary files; says after a failure how to go on.
finish() {
    local code=$?
    rm -rf -- "$work"
    ((code == 0)) || [[ ${begun:-no} == no ]] || say "deploy.sh: not finished; the same command goes on where it stopped" >&2
    exit "$code"
}

read_arguments "$@"
make_work
trap finish EXIT
# Who stops a script often signals it twice: the second one must not break finish off.
trap 'trap "" INT TERM HUP; exit 130' INT
trap 'trap "" INT TERM HUP; exit 143' TERM HUP
need_tool openssl "install it (apt-get install openssl)"
need_tool curl "install it (apt-get install curl)"
need_tool flock "install it (apt-get install util-linux)"
check_settings
begin
check_more_keys
choose_ssh
survey
choose_clients
show_plan
[[ $dry_run == no ]] || exit 0
choose_package
mkdir -p -- "$home"
exec 9>"$home/lock"
flock -n 9 || fail "another deploy.sh or destroy.sh is at work on $stack"
begun=yes
say "working"
apply
[[ $wait == no ]] || wait_healthy
announce
