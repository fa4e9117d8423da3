# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# What deploy.sh and destroy.sh have in common: words for people, the one place that runs the AWS CLI, waiting
# for what AWS is late with, names and tags. Sourced; `program` is the name of the script, `stack`, `region`
# and `endpoint` are set by its options.

tag_key=hashmill:stack

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

# Prints the comment at the head of the script.
usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

# Fails unless a program is there.
need_tool() {
    command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

# Runs the AWS CLI, version 1 or 2: `call SERVICE OPERATION ...`. Nothing else here does, so that endpoint and
# region reach every call.
call() {
    AWS_PAGER='' AWS_CLI_AUTO_PROMPT=off AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=8 aws --region "$region" ${endpoint:+--endpoint-url "$endpoint"} \
        --output text --cli-connect-timeout 10 --cli-read-timeout 60 "$@" </dev/null
}

# Whether the last failed call, whose complaint is in $work/error, failed with a code that begins like this.
failed_with() {
    grep -qE "\\(($1)" "$work/error"
}

show_error() {
    grep . "$work/error" >&2 || true
}

# Runs a call for which an error with one of the codes (CODE|CODE) is no failure.
tolerating() {
    local codes=$1
    shift
    call "$@" 2>"$work/error" || failed_with "$codes" || {
        show_error
        return 1
    }
}

# patiently CODES SECONDS CALL...: repeats the call for at most SECONDS while it fails with one of the codes.
patiently() {
    local codes=$1 until=$((SECONDS + $2))
    shift 2
    until call "$@" 2>"$work/error"; do
        if ! failed_with "$codes" || ((SECONDS >= until)); then
            show_error
            return 1
        fi
        sleep "${RETRY_SECONDS:-3}"
    done
}

# Prints a --tag-specifications value for a resource of that type: the stack's tag and more KEY=VALUE.
tags() {
    local text="ResourceType=$1,Tags=[{Key=$tag_key,Value=$stack}" pair
    shift
    for pair; do
        text+=",{Key=${pair%%=*},Value=${pair#*=}}"
    done
    printf '%s]' "$text"
}

# The --filters value that finds the stack's resources.
stack_filter() {
    printf 'Name=tag:%s,Values=%s' "$tag_key" "$stack"
}

# Fills a template, its markers @NAME@ being replaced by the values of NAME=VALUE arguments.
fill() {
    local text pair
    text=$(<"$1")
    shift
    for pair; do
        text=${text//"@${pair%%=*}@"/"${pair#*=}"}
    done
    printf '%s\n' "$text"
}

# Makes the directory for temporary files, and removes those of scripts that were killed.
make_work() {
    local old pid
    for old in "${TMPDIR:-/tmp}"/hashmill-aws.*; do
        pid=${old##*/hashmill-aws.}
        pid=${pid%%.*}
        if [[ -d $old && ! -L $old && -O $old && $pid =~ ^[0-9]+$ && ! -d /proc/$pid ]]; then
            rm -rf -- "$old"
        fi
    done
    work=$(mktemp -d "${TMPDIR:-/tmp}/hashmill-aws.$$.XXXXXX")
}

# Chooses the region: the option, the environment, the CLI's own configuration, Ireland.
choose_region() {
    [[ -n $region ]] || region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
    [[ -n $region ]] || region=$(aws configure get region 2>/dev/null || true)
    region=${region:-eu-west-1}
    [[ $region =~ ^[a-z]{2}(-[a-z]+)+-[0-9]$ ]] || fail "$region is not a region, like eu-west-1"
}

# Checks options and credentials; sets account, partition and the names of resources that are found by name.
begin() {
    local identity
    [[ $stack =~ ^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$ ]] ||
        fail "--stack: $stack is not a name of 1 to 20 small letters, digits and dashes"
    [[ -z $endpoint || $endpoint =~ ^https?://[A-Za-z0-9.:-]+/?$ ]] || fail "--endpoint-url: $endpoint is not a URL"
    need_tool aws "install the AWS CLI (apt-get install awscli), then aws configure"
    choose_region
    identity=$(call sts get-caller-identity --query '[Account,Arn]' 2>"$work/error") || {
        show_error
        fail "AWS does not take the credentials (or the region $region); see: aws configure, aws sts get-caller-identity"
    }
    read -r account identity <<<"$identity"
    partition=$(cut -d : -f 2 <<<"$identity")
    prefix=hashmill-$stack-$region # of what is global in the account
    node_role=("$prefix-node0" "$prefix-node1")
    worker_role=$prefix-worker
    shared_role=$prefix-node # of both nodes, as an older deploy.sh made it
    bucket=hashmill-$stack-$account-$region
    [[ -n ${HASHMILL_HOME:-${HOME:-}} ]] || fail "HOME is not set; set HASHMILL_HOME, where the secrets are kept"
    home=${HASHMILL_HOME:-$HOME/.hashmill}/$stack
    [[ ! -e $home && ! -L $home ]] || [[ -d $home && -O $home ]] ||
        fail "$home is no directory of yours; set another HASHMILL_HOME"
    [[ ! -e $home/lock || -f $home/lock ]] || fail "$home/lock is no file; set another HASHMILL_HOME"
}

# Whether a text is one of the lines of another.
has_line() {
    [[ $'\n'$1$'\n' == *$'\n'"$2"$'\n'* ]]
}
