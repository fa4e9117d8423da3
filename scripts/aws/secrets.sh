# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The secrets of a stack. They are made on this machine and kept in ~/.hashmill/STACK: the private certificate
# authority, whose key never leaves it, the tokens with the MACHINE_SECRET, the keys of keys.sh, and the certificates of
# nodes and workers. Machines get what they need of it as parameters; of keys, their SHA-256.

renew_days=90 # a certificate with less left is made again
kept_names="worker_token peer_token machine_secret machine_secret_old client_key operator_key rotating unshown"

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
        if [[ $rotate == yes ]] || ! certificate_good "$dir/public.pem" "${public[number]}"; then
            "$source/scripts/tls.sh" public "$home/ca" "$dir" "${public[number]}" >/dev/null
            say "  made the certificate of node $number for clients"
        fi
    done
    if [[ $rotate == yes ]] || ! certificate_good "$home/worker/worker.pem"; then
        "$source/scripts/tls.sh" worker "$home/ca" "$home/worker" >/dev/null
        say "  made the certificate of the workers"
    fi
}

# Keeps tokens and keys. `rotating` is yes as long as those that --rotate made have not reached all parameters,
# `unshown` as long as new keys were not printed.
save_tokens() {
    local name
    for name in $kept_names; do
        [[ -z ${!name} ]] || printf '%s=%s\n' "$name" "${!name}"
    done >"$home/tokens.new"
    mv -fT -- "$home/tokens.new" "$home/tokens"
}

# Sets what save_tokens keeps to what was kept, empty where there is nothing.
read_tokens() {
    local name
    for name in $kept_names; do
        printf -v "$name" '%s' "$(sed -n "s/^$name=//p" "$home/tokens")"
    done
    [[ $worker_token$peer_token =~ ^[0-9a-f]{128}$ && $machine_secret =~ ^([0-9a-f]{64})?$ &&
        $machine_secret_old =~ ^([0-9a-f]{64})?$ && $client_key =~ ^(hmc_[A-Za-z0-9_-]{49})?$ &&
        $operator_key =~ ^(hmo_[A-Za-z0-9_-]{49})?$ ]] ||
        fail "$home/tokens is damaged; move it away to have new tokens made"
}

# Sets worker_token, peer_token, machine_secret and machine_secret_old (of machines launched before --rotate),
# client_key and operator_key: those that were made before, and others where there are none or they are to be replaced.
# A run that goes on with an interrupted --rotate replaces none, so that no machine that runs is shut out.
ensure_tokens() {
    local name
    for name in $kept_names; do
        printf -v "$name" ''
    done
    [[ ! -s $home/tokens ]] || read_tokens
    if [[ $rotate == yes && -z $rotating ]]; then
        machine_secret_old=$machine_secret rotating=yes
        worker_token='' peer_token='' machine_secret='' client_key='' operator_key=''
        say "  made new tokens and another MACHINE_SECRET"
    fi
    for name in worker_token peer_token machine_secret; do
        [[ -n ${!name} ]] || printf -v "$name" '%s' "$(openssl rand -hex 32)"
    done
    ensure_keys
    save_tokens
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
        "WORKER_TOKEN=$worker_token" "PEER_TOKEN=$peer_token" "MACHINE_SECRET=$machine_secret" \
        ${machine_secret_old:+"MACHINE_SECRET_OLD=$machine_secret_old"} \
        "TLS_CA=/etc/hashmill/tls/ca.pem" "TLS_CERT=/etc/hashmill/tls/peer.pem" "TLS_KEY=/etc/hashmill/tls/peer.key" \
        "TLS_LISTENER_CERT=/etc/hashmill/tls/listener.pem" "KEYS=/etc/hashmill/keys" \
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
        "TEMPLATES=$templates" "SPOT=$SPOT" "IDLE_SECONDS=$IDLE_SECONDS"
    [[ -z $endpoint ]] || printf 'AWS_ENDPOINT_URL=%s\n' "$endpoint"
}

# Stores everything that node N and the workers read. The name of a parameter is that of the file it becomes;
# scripts/aws/ec2-node and scripts/aws/worker.sh.in know where. Workers get no token here: each machine has its own, by
# the node that launches it.
put_parameters() {
    local number file dir cert key
    put=
    printf '%s\n' "$package_sha256" >"$work/package.sha256"
    keys_file >"$work/keys"
    for number in 0 1; do
        dir=$home/node$number
        node_settings "$number" >"$work/secrets.env"
        provider_settings "$number" >"$work/ec2.env"
        for file in "$dir"/{ca.pem,listener.pem,listener.key,peer.pem,peer.key} "$work"/{keys,secrets.env,ec2.env,package.sha256}; do
            put_parameter "node$number/${file##*/}" "$file"
        done
        cert=${public_cert:-$dir/public.pem} key=${public_key:-$dir/public.key}
        put_parameter "node$number/public.pem" "$cert"
        put_parameter "node$number/public.key" "$key"
        [[ -z $ssh_key ]] || put_parameter "node$number/authorized_keys" "$ssh_key"
    done
    for file in "$home/worker"/{ca.pem,worker.pem,worker.key}; do
        put_parameter "worker/${file##*/}" "$file"
    done
    drop_parameters
    rotating=
    save_tokens
}
