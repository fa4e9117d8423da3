# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The secrets of a stack. They are made on this machine and kept in ~/.hashmill/STACK: the private certificate
# authority, whose key never leaves it, the tokens with the MACHINE_SECRET, a key of clients and one of operators, and the
# certificates of nodes and workers. Machines get what they need of it as parameters; of the two keys, their SHA-256.

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
    [[ $worker_token$peer_token =~ ^[0-9a-f]{128}$ && $machine_secret =~ ^([0-9a-f]{64})?$ && $machine_secret_old =~ ^([0-9a-f]{64})?$ &&
        $client_key =~ ^(hmc_[A-Za-z0-9_-]{49})?$ && $operator_key =~ ^(hmo_[A-Za-z0-9_-]{49})?$ ]] ||
        fail "$home/tokens is damaged; move it away to have new tokens made"
}

# Prints a new key as hashmill-fcgi --key makes it, by the letter of its role: 32 random bytes and a checksum, their
# CRC-32 in the digits of base 62. (gzip ends with the CRC-32 and the length of what it has read.)
make_key() {
    local digits=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz key sum check=''
    key=hm$1_$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n')
    sum=$(printf '%s' "$key" | gzip -c | tail -c 8 | od -An -N4 -tu4 --endian=little)
    while ((${#check} < 6)); do
        check=${digits:sum % 62:1}$check
        sum=$((sum / 62))
    done
    printf '%s%s' "$key" "$check"
}

# Sets client_key and operator_key to new ones where there is none.
ensure_keys() {
    [[ -z $client_key || -z $operator_key ]] || return 0
    [[ -n $client_key ]] || client_key=$(make_key c)
    [[ -n $operator_key ]] || operator_key=$(make_key o)
    unshown=yes
    say "  made a key of clients and a key of operators"
}

# Prints the file KEYS of the nodes.
keys_file() {
    local role key
    for role in client operator; do
        key=${role}_key
        printf '%s %s %s\n' "$role" "$role" "$(printf '%s' "${!key}" | openssl dgst -sha256 -r | cut -d ' ' -f 1)"
    done
}

# Prints new keys, once.
show_keys() {
    [[ -n $unshown ]] || return 0
    say ""
    say "  $client_key   the key of clients, for their calls"
    say "  $operator_key   the key of operators, who may see all that is there"
    say ""
    say "They are in $home/tokens, too, and are not printed again. Nodes that ran already take them within five minutes."
    unshown=
    save_tokens
}

# Sets worker_token, peer_token, machine_secret and machine_secret_old (of machines launched before --rotate), client_key
# and operator_key: those that were made before, and others where there are none or they are to be replaced. A run that goes on with an
# interrupted --rotate replaces none, so that no machine that runs is shut out.
ensure_tokens() {
    local name
    for name in $kept_names; do
        printf -v "$name" ''
    done
    [[ ! -s $home/tokens ]] || read_tokens
    if [[ $rotate == yes && -z $rotating ]]; then
        machine_secret_old=$machine_secret worker_token='' peer_token='' machine_secret='' client_key='' operator_key='' rotating=yes
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
