#!/bin/bash -p
# A stack as deploy.sh makes it, booted: on hosts that can be thrown away, with the user data that an emulator of
# AWS has for each machine. A laptop with Debian's AWS CLI deploys; the two nodes come up by themselves, one of them
# launches a worker by provider-ec2, and that one boots and works for both over TLS. Then the stack gets another
# version of the package, the worker a spot notice, and everything is taken away. Prints TAP.
#
#   t/install/hosts/ec2.sh HOSTS OLD.deb NEW.deb
#
# HOSTS is a program that boots hosts with Debian 12, systemd, udev, loop devices (a file is the disk of a queue),
# cloud-init and an EC2 metadata service (version 2) that has credentials of some role:
#
#   HOSTS up NAME ADDRESS FILE     boots one, with the user data of the file
#   HOSTS exec NAME COMMAND...     runs a command there
#   HOSTS notice NAME              has its metadata service announce the end of a spot instance
#   HOSTS down NAME                ends it, also when it has powered off
#
# The environment may set HOST (aws), how names of hosts begin, NETWORK (10.99.0), where their addresses are, FIRST
# (30), the first of them, EMULATOR (10.99.0.1:5900), where hosts reach the emulator that this starts.
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT

hosts=$1
old=$(realpath "$2")
new=$(realpath "$3")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
name=${HOST:-aws}
network=${NETWORK:-10.99.0}
first=${FIRST:-30}
emulator=${EMULATOR:-10.99.0.1:5900}
work=$(mktemp -d)
tests=0
failures=0
up=()
emulator_pid=

finish() {
    local code=$? host
    trap - EXIT
    if [[ ${KEEP:-} != 1 ]]; then
        for host in "${up[@]}"; do
            "$hosts" down "$host" >/dev/null 2>&1 || true
        done
        [[ -z $emulator_pid ]] || kill "$emulator_pid"
    fi
    rm -rf -- "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

check() {
    local title=$1 verdict=ok
    shift
    if ! "$@" >"$work/output" 2>&1; then
        verdict='not ok'
        ((++failures))
    fi
    echo "$verdict $((++tests)) - $title"
    [[ $verdict == ok ]] || tail -n 40 "$work/output" | sed 's/^/# /'
}

# within SECONDS COMMAND...: repeats the command until it succeeds or the time is up.
within() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < until)) || return 1
        sleep 1
    done
}

not() {
    ! "$@"
}

boot() {
    up+=("$1")
    "$hosts" up "$@"
}

on() {
    "$hosts" exec "$@"
}

ask_aws() {
    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --endpoint-url "http://$emulator" --region eu-west-1 --output text "$@"
}

# Prints the ids of the stack's instances with that role and, for a node, that number.
instances() {
    ask_aws ec2 describe-instances --filters "Name=tag:hashmill:role,Values=$1" ${2:+"Name=tag:hashmill:node,Values=$2"} \
        Name=instance-state-name,Values=running --query 'Reservations[].Instances[].[InstanceId]'
}

user_data() {
    ask_aws ec2 describe-instance-attribute --instance-id "$1" --attribute userData --query UserData.Value | base64 -d
}

private_address() {
    ask_aws ec2 describe-instances --instance-ids "$1" --query 'Reservations[0].Instances[0].PrivateIpAddress'
}

# Gives a host a disk in the place of the volume that is attached to a node, as EBS and udev do.
give_volume() {
    local volume
    volume=$(ask_aws ec2 describe-volumes --filters "Name=attachment.instance-id,Values=$2" Name=tag:hashmill:role,Values=queue \
        --query 'Volumes[0].VolumeId')
    [[ $volume == vol-* ]] || return 0
    # shellcheck disable=SC2016
    on "$1" sh -c 'truncate -s 1G /var/tmp/queue && mkdir -p /dev/disk/by-id &&
        ln -s "$(losetup --find --show /var/tmp/queue)" "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$0"' "${volume/-/}"
}

# Boots an instance of the emulator as a host, which gets the instance's private address besides its own.
boot_instance() {
    local host=$1 address=$2 id=$3
    user_data "$id" >"$work/$host"
    boot "$host" "$address" "$work/$host"
    on "$host" ip addr add "$(private_address "$id")/16" dev eth0
    give_volume "$host" "$id"
}

# Runs deploy.sh or destroy.sh on the laptop.
laptop() {
    on "${name}1" env AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=eu-west-1 WORKERS_MAX=1 IDLE_SECONDS=30 \
        ALLOW_CIDR="$network.0/24" "/root/hashmill/scripts/$1" --stack boot --endpoint-url "http://$emulator" "${@:2}"
}

# Copies a file to the laptop.
give() {
    # shellcheck disable=SC2016
    on "${name}1" sh -c 'cat >"$0"' "$2" <"$1"
}

# Calls a node as clients do: under its Elastic IP, which is its host here, by the authority of the stack.
client() {
    local number
    for number in 0 1; do
        set -- --connect-to "$(public_address "$number"):443:$network.$((first + 1 + number)):443" "$@"
    done
    curl -fsS -m 40 --noproxy '*' --cacert "$work/ca.pem" -H "Authorization: Bearer $client_key" "$@"
}

public_address() {
    ask_aws ec2 describe-addresses --filters "Name=tag:hashmill:node,Values=$1" --query 'Addresses[0].PublicIp'
}

node_url() {
    printf 'https://%s' "$(public_address "$1")"
}

healthy() {
    client -o /dev/null "$(node_url "$1")/healthz"
}

booted() {
    on "$1" cloud-init status --wait --long || {
        on "$1" tail -n 60 /var/log/cloud-init-output.log
        return 1
    }
}

nothing_failed() {
    local failed
    failed=$(on "$1" systemctl --failed --no-legend --plain)
    echo "$failed"
    [[ -z $failed ]]
}

enqueue() {
    date +%N | client -T - -H 'Accept: text/plain' "$(node_url "$1")/enqueue?iterations=$2"
}

state_is() {
    [[ $(client "$(node_url "$1")/items/$2") == *"\"state\":\"$3\""* ]]
}

# What an item still has to be computed.
remaining() {
    client "$(node_url 0)/items/$1" | grep -o '"remaining":[0-9]*' | cut -d : -f 2
}

launched() {
    [[ -n $(instances worker) ]]
}

stats_have() {
    local client_key=$operator_key
    client "$(node_url "$1")/stats" | tee "$work/stats" | grep -q "$2" || {
        cat "$work/stats"
        return 1
    }
}

start_emulator() {
    mkdir -p "$work/emulator"
    AWS_TEST_ADDRESS=${emulator%:*} python3 "$root/t/support/aws.py" emulator "${emulator#*:}" >"$work/emulator.log" 2>&1 &
    emulator_pid=$!
    within 60 curl -s --noproxy '*' -o /dev/null "http://$emulator/"
}

# The laptop is the first host, as it is what brings the network of hosts up.
start_laptop() {
    cat >"$work/laptop" <<'END'
#!/bin/sh
apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends awscli openssl curl
END
    boot "${name}1" "$network.$first" "$work/laptop"
    booted "${name}1"
}

not_without_certificate() {
    local address
    address=$(private_address "$(instances node 0)")
    # shellcheck disable=SC2016
    on "${name}3" sh -c 'code=$(curl -sk --noproxy "*" -o /dev/null -w "%{http_code}" "https://$0:8443/package/hashmill.deb"); echo "$code"; [ "$code" = 403 ]' "$address"
}

version_is() {
    # shellcheck disable=SC2016
    [[ $(on "$1" dpkg-query -W -f '${Version}' hashmill) == "$2" ]]
}

# The worker's host is gone, or about to be: nothing can be run there.
is_off() {
    ! on "$1" systemctl is-active hashmill-worker.service
}

check "a laptop with Debian's AWS CLI boots" start_laptop
check "the emulator starts" start_emulator
on "${name}1" mkdir -p /root/hashmill
tar -C "$root" -c scripts | on "${name}1" tar -C /root/hashmill -x
give "$old" "/root/${old##*/}"
give "$new" "/root/${new##*/}"
check "deploy.sh ends well" laptop deploy.sh --package "/root/${old##*/}" --no-wait
sed 's/^/# /' "$work/output"

on "${name}1" cat /root/.hashmill/boot/ca/ca.pem >"$work/ca.pem"
client_key=$(on "${name}1" sed -n 's/^client_key=//p' /root/.hashmill/boot/tokens)
operator_key=$(on "${name}1" sed -n 's/^operator_key=//p' /root/.hashmill/boot/tokens)
node0=$(instances node 0)
node1=$(instances node 1)
boot_instance "${name}2" "$network.$((first + 1))" "$node0" >/dev/null
boot_instance "${name}3" "$network.$((first + 2))" "$node1" >/dev/null
for number in 0 1; do
    host=$name$((2 + number))
    check "node $number boots" booted "$host"
    check "it is well" within 60 healthy "$number"
    check "none of its units has failed" nothing_failed "$host"
    check "its queue is on its volume" on "$host" mountpoint /var/lib/hashmill
    check "which it has begun" on "$host" test -e /var/lib/hashmill/begun
    check "it sees the other" within 60 stats_have "$number" '"away":false'
    check "it knows when its certificates expire" stats_have "$number" '"name":"listener"'
done
check "the worker listener lets nobody in without a certificate" not_without_certificate

item=$(enqueue 0 1000)
check "an item that waits has a worker launched" within 120 launched
worker=$(instances worker | head -n 1)
boot_instance "${name}4" "$network.$((first + 3))" "$worker" >/dev/null
check "the worker boots" booted "${name}4"
check "the item is done" within 60 state_is 0 "$item" "done"
item=$(enqueue 1 1000)
check "an item of the other node, too" within 60 state_is 1 "$item" "done"
for number in 0 1; do
    check "the worker works for node $number" stats_have "$number" '"kernel":"'
done
check "none of the worker's units has failed" nothing_failed "${name}4"
check "it runs no node" not on "${name}4" systemctl is-active hashmill.service

check "with nothing to do it retires, and its machine is off" within 120 is_off "${name}4"
check "the node has terminated it" within 60 not launched

version=$(dpkg-deb -f "$new" Version)
check "deploy.sh with another package ends well" laptop deploy.sh --package "/root/${new##*/}" --no-wait
for number in 0 1; do
    host=$name$((2 + number))
    check "node $number takes it" on "$host" systemctl start hashmill-ec2.service
    check "and has its version" version_is "$host" "$version"
    check "it is well" within 30 healthy "$number"
    check "it has kept its queue" state_is "$number" "$item" "done"
done

item=$(enqueue 0 9000000000000)
check "an item that waits has another worker launched" within 120 launched
worker=$(instances worker | head -n 1)
boot_instance "${name}5" "$network.$((first + 4))" "$worker" >/dev/null
check "the worker boots, with the new package" booted "${name}5"
check "it has that" version_is "${name}5" "$version"
check "the item is leased" within 60 state_is 0 "$item" leased
sleep 5
"$hosts" notice "${name}5"
check "at a spot notice the worker gives it back" within 20 state_is 0 "$item" waiting
check "with its progress" test "$(remaining "$item")" -lt 8999999999999
check "and powers off" within 30 is_off "${name}5"
client -X DELETE "$(node_url 0)/items/$item"
check "none of the nodes' units has failed" nothing_failed "${name}2"
check "destroy.sh ends well" laptop destroy.sh --yes
sed 's/^/# /' "$work/output"
check "no instance is left" test -z "$(instances node)$(instances worker)"
echo "1..$tests"
((failures == 0))
