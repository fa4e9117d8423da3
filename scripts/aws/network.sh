# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# Where the machines of a stack are in the network: subnets, security groups, and for each node a network
# interface with its private address and an Elastic IP with its public one. Both exist before the node and
# outlive it, so certificates and the nodes' settings can name them, and a node that is launched again has them.

# Sets subnets to lines "SUBNET ZONE VPC": those asked for, or the default ones of the region.
survey_subnets() {
    # shellcheck disable=SC2054 # the commas are the CLI's
    local how=(--filters Name=default-for-az,Values=true Name=state,Values=available) asked
    IFS=, read -ra asked <<<"$subnets_asked"
    ((${#asked[@]} == 0)) || how=(--subnet-ids "${asked[@]}")
    subnets=$(call ec2 describe-subnets "${how[@]}" --query 'Subnets[].[SubnetId,AvailabilityZone,VpcId]' | tr '\t' ' ' | sort -k 2,2)
    vpc=$(cut -d ' ' -f 3 <<<"$subnets" | sort -u)
    [[ -n $vpc ]] || fail "$region has no default subnets: aws ec2 create-default-vpc makes them, or name some with --subnets"
    [[ $vpc != *$'\n'* ]] || fail "--subnets: they must be of one VPC"
    [[ $(cut -d ' ' -f 2 <<<"$subnets" | sort -u | wc -l) -ge 2 ]] || fail "subnets in two zones are needed; name some with --subnets"
}

# Sets node_group and worker_group to their ids, empty where there is none.
survey_groups() {
    local text
    text=$(call ec2 describe-security-groups --filters "$(stack_filter)" --query 'SecurityGroups[].[GroupName,GroupId]' | tr '\t' ' ')
    node_group=$(sed -n "s/^hashmill-$stack-nodes //p" <<<"$text")
    worker_group=$(sed -n "s/^hashmill-$stack-workers //p" <<<"$text")
}

# Sets interface[N], private[N] (address) and zone[N] of the nodes' network interfaces, interfaces to the ids of
# all, and allocation[N], public[N] and associated[N] (interface) of their Elastic IPs, allocations to all.
survey_addresses() {
    local text id ip node where
    interface=() private=() zone=() allocation=() public=() associated=()
    text=$(call ec2 describe-network-interfaces --filters "$(stack_filter)" --query \
        "NetworkInterfaces[].[NetworkInterfaceId,PrivateIpAddress,AvailabilityZone,TagSet[?Key=='hashmill:node']|[0].Value]")
    interfaces=$(cut -f 1 <<<"$text")
    while read -r id ip where node; do
        [[ $node =~ ^[01]$ ]] || continue
        interface[node]=$id private[node]=$ip zone[node]=$where
    done <<<"$text"
    text=$(call ec2 describe-addresses --filters "$(stack_filter)" --query \
        "Addresses[].[AllocationId,PublicIp,NetworkInterfaceId,Tags[?Key=='hashmill:node']|[0].Value]")
    allocations=$(cut -f 1 <<<"$text")
    while read -r id ip where node; do
        [[ $node =~ ^[01]$ ]] || continue
        allocation[node]=$id public[node]=$ip associated[node]=$where
    done <<<"$text"
}

survey_network() {
    survey_groups
    survey_addresses
}

# Makes a security group; prints the id.
create_group() {
    local name=hashmill-$stack-$1
    call ec2 create-security-group --group-name "$name" --description "hashmill $stack: $1" --vpc-id "$vpc" \
        --tag-specifications "$(tags security-group Name="$name")" --query GroupId
}

# Prints what may come into the nodes' group, lines "PORT SOURCE", SOURCE being addresses or a group.
wanted_rules() {
    local cidr
    for cidr in ${ALLOW_CIDR//,/ }; do
        printf '443 %s\n' "$cidr"
    done
    printf '8443 %s\n' "$worker_group" "$node_group"
    [[ -z $ssh_cidr ]] || printf '22 %s\n' "$ssh_cidr"
}

# Prints the rules of a group, lines "ID PORT SOURCE"; PORT is "other" for what this script does not make.
present_rules() {
    # shellcheck disable=SC2016 # the backquotes are JMESPath's
    call ec2 describe-security-group-rules --filters "Name=group-id,Values=$1" --query 'SecurityGroupRules[?IsEgress==`false`]
        .[SecurityGroupRuleId,IpProtocol,FromPort,ToPort,CidrIpv4,ReferencedGroupInfo.GroupId]' |
        awk '{ print $1, ($2 == "tcp" && $3 == $4 ? $3 : "other"), ($5 == "None" ? $6 : $5) }'
}

# Prints the addresses from which clients are let in, separated by commas; nothing when there is no group yet.
present_clients() {
    [[ -n $node_group ]] || return 0
    present_rules "$node_group" | awk '($2 == 80 || $2 == 443) && $3 ~ /^[0-9.]+\/[0-9]+$/ { print $3 }' | sort -u | paste -sd ,
}

# Lets in what is wanted and nothing else.
ensure_rules() {
    local present wanted id port from source_spec
    wanted=$(wanted_rules)
    present=$(present_rules "$node_group")
    while read -r port from; do
        ! has_line "$(cut -d ' ' -f 2- <<<"$present")" "$port $from" || continue
        source_spec="IpRanges=[{CidrIp=$from}]"
        [[ $from != sg-* ]] || source_spec="UserIdGroupPairs=[{GroupId=$from}]"
        tolerating InvalidPermission.Duplicate ec2 authorize-security-group-ingress --group-id "$node_group" \
            --ip-permissions "IpProtocol=tcp,FromPort=$port,ToPort=$port,$source_spec" \
            --tag-specifications "$(tags security-group-rule)" >/dev/null
    done <<<"$wanted"
    while read -r id port from; do
        [[ -z $id ]] || has_line "$wanted" "$port $from" ||
            call ec2 revoke-security-group-ingress --group-id "$node_group" --security-group-rule-ids "$id" >/dev/null
    done <<<"$present"
}

ensure_groups() {
    if [[ -z $node_group ]]; then
        node_group=$(create_group nodes)
        say "  created security group of the nodes: $node_group"
    fi
    if [[ -z $worker_group ]]; then
        worker_group=$(create_group workers)
        say "  created security group of the workers: $worker_group"
    fi
    ensure_rules
}

# Prints a subnet for a node in a zone that has its type and that the other node is not in; where its volume is, if
# it has one.
choose_subnet() {
    local node=$1 offered subnet where other
    other=${zone[1 - node]:-${queue_zone[1 - node]:-}}
    offered=$(call ec2 describe-instance-type-offerings --location-type availability-zone \
        --filters "Name=instance-type,Values=$NODE_TYPE" --query 'InstanceTypeOfferings[].[Location]')
    while read -r subnet where _; do
        if [[ $where != "$other" && $where == "${queue_zone[node]:-$where}" ]] && has_line "$offered" "$where"; then
            printf '%s %s' "$subnet" "$where"
            return
        fi
    done <<<"$subnets"
    fail "no two zones of the subnets in $region have the type $NODE_TYPE; set NODE_TYPE or --subnets"
}

# Makes a node's network interface and Elastic IP and puts the second on the first.
ensure_addresses() {
    local node=$1 choice subnet
    if [[ -z ${interface[node]:-} ]]; then
        choice=$(choose_subnet "$node")
        read -r subnet "zone[node]" <<<"$choice"
        choice=$(call ec2 create-network-interface --subnet-id "$subnet" --groups "$node_group" \
            --description "hashmill $stack: node $node" \
            --tag-specifications "$(tags network-interface Name="hashmill-$stack-node$node" hashmill:node="$node")" \
            --query 'NetworkInterface.[NetworkInterfaceId,PrivateIpAddress]')
        read -r "interface[node]" "private[node]" <<<"$choice"
        say "  created network interface of node $node: ${interface[node]}, ${private[node]} in ${zone[node]}"
    fi
    if [[ -z ${allocation[node]:-} ]]; then
        choice=$(call ec2 allocate-address --domain vpc \
            --tag-specifications "$(tags elastic-ip Name="hashmill-$stack-node$node" hashmill:node="$node")" \
            --query '[AllocationId,PublicIp]')
        read -r "allocation[node]" "public[node]" <<<"$choice"
        say "  created Elastic IP of node $node: ${public[node]}"
    fi
    [[ ${associated[node]:-} == "${interface[node]}" ]] || patiently InvalidNetworkInterfaceID.NotFound 60 ec2 associate-address \
        --allocation-id "${allocation[node]}" --network-interface-id "${interface[node]}" --allow-reassociation >/dev/null
}

# Gives the addresses back and removes interfaces and groups; the machines must be gone.
remove_network() {
    local id group association
    for id in $allocations; do
        association=$(call ec2 describe-addresses --allocation-ids "$id" --query 'Addresses[0].AssociationId') || return
        [[ $association == None ]] ||
            tolerating InvalidAssociationID.NotFound ec2 disassociate-address --association-id "$association" || return
        patiently 'InvalidIPAddress.InUse' 60 ec2 release-address --allocation-id "$id" || return
        say "  removed Elastic IP $id"
    done
    for id in $interfaces; do
        patiently 'InvalidNetworkInterface.InUse|InvalidParameterValue' 120 ec2 delete-network-interface --network-interface-id "$id" || return
        say "  removed network interface $id"
    done
    [[ -z $node_group ]] || forget_rules || return
    for group in $node_group $worker_group; do
        patiently DependencyViolation 300 ec2 delete-security-group --group-id "$group" >/dev/null || return
        say "  removed security group $group"
    done
}

# Groups that name each other cannot be deleted.
forget_rules() {
    local text id
    text=$(present_rules "$node_group") || return
    while read -r id _; do
        [[ -z $id ]] || tolerating InvalidSecurityGroupRuleId.NotFound ec2 revoke-security-group-ingress \
            --group-id "$node_group" --security-group-rule-ids "$id" >/dev/null || return
    done <<<"$text"
}
