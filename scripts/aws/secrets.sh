# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The secrets of a stack. They are made on this machine and kept in ~/.hashmill/STACK: the private certificate
# authority, whose key never leaves it, the tokens, and the certificates of nodes and workers, which go to the
# machines that need them as parameters.

renew_days=90 # a certificate with less left is made again

# Whether a certificate has its key, is good for that long, of our authority and, if one is given, for an address.
certificate_good() {
    local file=$1 address=${2:-}
    [[ -s $file && -s ${file%.pem}.key ]] || return 1
    openssl x509 -in "$file" -noout -checkend $((renew_days * 86400)) >/dev/null || return 1
    [[ $(openssl x509 -in "$file" -noout -pubkey) == "$(openssl pkey -in "${file%.pem}.key" -pubout)" ]] || return 1
    openssl verify -CAfile "$home/ca/ca.pem" "$file" >/dev/null 2>&1 || return 1
    [[ -z $address ]] || openssl x509 -in "$file" -noout -checkip "$address" | grep -q ' does match '
}

# Makes what is missing, does not fit any more or is to be replaced, with tls.sh.
ensure_certificates() {
    local number dir
    mkdir -p -- "$home"/{ca,node0,node1,worker}
    "$source/scripts/tls.sh" ca "$home/ca" >/dev/null
    for number in 0 1; do
        dir=$home/node$number
        if [[ $rotate == yes ]] || ! certificate_good "$dir/listener.pem" "${private[number]}" || ! certificate_good "$dir/peer.pem"; then
            "$source/scripts/tls.sh" node "$home/ca" "$dir" "${private[number]}" >/dev/null
            say "  made the certificates of node $number"
        fi
    done
    if [[ $rotate == yes ]] || ! certificate_good "$home/worker/worker.pem"; then
        "$source/scripts/tls.sh" worker "$home/ca" "$home/worker" >/dev/null
        say "  made the certificate of the workers"
    fi
}

# Sets worker_token and peer_token, from the file of those that were made before if there is one.
ensure_tokens() {
    if [[ ! -s $home/tokens ]]; then
        printf 'worker_token=%s\npeer_token=%s\n' "$(openssl rand -hex 32)" "$(openssl rand -hex 32)" >"$home/tokens.new"
        mv -fT -- "$home/tokens.new" "$home/tokens"
    fi
    worker_token=$(sed -n 's/^worker_token=//p' "$home/tokens")
    peer_token=$(sed -n 's/^peer_token=//p' "$home/tokens")
    [[ $worker_token =~ ^[0-9a-f]{64}$ && $peer_token =~ ^[0-9a-f]{64}$ ]] ||
        fail "$home/tokens is damaged; move it away to have new tokens made"
}

# Prints the URL of a node's worker listener.
worker_url() {
    printf 'https://%s:8443' "${private[$1]}"
}

# Prints the settings of a node's hashmill-fcgi.
node_settings() {
    local number=$1 name
    printf '%s\n' "# Written by deploy.sh; run that again to change it." \
        "NODE=$number" "PEERS=$((1 - number))=$(worker_url $((1 - number)))" \
        "WORKER_TOKEN=$worker_token" "PEER_TOKEN=$peer_token" \
        "TLS_CA=/etc/hashmill/tls/ca.pem" "TLS_CERT=/etc/hashmill/tls/peer.pem" "TLS_KEY=/etc/hashmill/tls/peer.key" \
        "TLS_LISTENER_CERT=/etc/hashmill/tls/listener.pem" \
        "PROVIDER=/usr/lib/hashmill/provider-ec2" "FLEET=hashmill-$stack" \
        "BOOT_SECONDS=90" "BOOT_SECONDS_MAX=600"
    for name in $node_setting_names; do
        [[ -z ${!name:-} ]] || printf '%s=%s\n' "$name" "${!name}"
    done
}

# Prints the settings of a node's provider-ec2.
provider_settings() {
    printf '%s\n' "# Written by deploy.sh; run that again to change it." \
        "STACK=$stack" "NODE=$1" "AWS_REGION=$region" "ACCOUNT=$account" "BUCKET=$bucket" \
        "NODES=$(worker_url 0),$(worker_url 1)" "RETIRE_NODE=$(worker_url "$1")" \
        "IMAGE=$image" "ROOT_DEVICE=$root_device" "INSTANCE_TYPE=$INSTANCE_TYPE" "SPOT=$SPOT" "IDLE_SECONDS=$IDLE_SECONDS" "WORKER_PROFILE=$worker_role" \
        "WORKER_GROUP=$worker_group" "SUBNETS=$(cut -d ' ' -f 1 <<<"$subnets" | paste -sd ,)"
    [[ -z $endpoint ]] || printf 'AWS_ENDPOINT_URL=%s\n' "$endpoint"
}

# Stores everything that node N and the workers read. The name of a parameter is that of the file it becomes;
# scripts/aws/ec2-node and scripts/aws/worker.sh.in know where.
put_parameters() {
    local number file
    put=
    printf '%s\n' "$package_sha256" >"$work/package.sha256"
    for number in 0 1; do
        node_settings "$number" >"$work/secrets.env"
        provider_settings "$number" >"$work/ec2.env"
        for file in "$home/node$number"/{ca.pem,listener.pem,listener.key,peer.pem,peer.key} \
            "$work"/{secrets.env,ec2.env,package.sha256} ${ssh_key:+"$ssh_key"} ${public_cert:+"$public_cert" "$public_key"}; do
            case $file in
            "$ssh_key") put_parameter "node$number/authorized_keys" "$file" ;;
            "$public_cert") put_parameter "node$number/public.pem" "$file" ;;
            "$public_key") put_parameter "node$number/public.key" "$file" ;;
            *) put_parameter "node$number/${file##*/}" "$file" ;;
            esac
        done
    done
    printf 'WORKER_TOKEN=%s\n' "$worker_token" >"$work/worker-secrets.env"
    for file in "$home/worker"/{ca.pem,worker.pem,worker.key} "$work/worker-secrets.env"; do
        put_parameter "worker/${file##*/}" "$file"
    done
    drop_parameters
}
