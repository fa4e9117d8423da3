# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The machines of a stack: its two nodes, and the workers that they have launched.

live_states=pending,running,stopping,stopped

# Sets node[N], state[N], node_volume[N] and node_profile[N] to the instance that is node N, its state, the volume that
# it was launched for and its instance profile, where there is one that is not terminated; workers to the ids of the
# workers, leaving to those of machines that are about to be gone, leaving_nodes to those of nodes among them; and what
# survey_volumes sets.
survey_machines() {
    local text id what role number volume profile
    node=() state=() node_volume=() node_profile=() workers='' leaving=() leaving_nodes=()
    text=$(call ec2 describe-instances --filters "$(stack_filter)" "Name=instance-state-name,Values=$live_states,shutting-down" \
        --query "Reservations[].Instances[].[InstanceId,State.Name,Tags[?Key=='hashmill:role']|[0].Value,Tags[?Key=='hashmill:node']|[0].Value,
            Tags[?Key=='hashmill:volume']|[0].Value,IamInstanceProfile.Arn]")
    while read -r id what role number volume profile; do
        case $what/$role/$number in
        shutting-down/*)
            leaving+=("$id")
            [[ $role != node ]] || leaving_nodes+=("$id")
            ;;
        */node/[01]) node[number]=$id state[number]=$what node_volume[number]=$volume node_profile[number]=${profile##*/} ;;
        */worker/*) workers+=" $id" ;;
        esac
    done <<<"$text"
    survey_volumes
}

# Sets image and root_device, the disk that the image boots from.
choose_image() {
    image=$IMAGE
    [[ $image == ami-* ]] || image=$(call ssm get-parameter --name "$IMAGE" --query Parameter.Value)
    root_device=$(call ec2 describe-images --image-ids "$image" --query 'Images[0].RootDeviceName')
    [[ $root_device == /dev/* ]] || fail "there is no image $image ($IMAGE) in $region"
}

# Prints a node's user data.
node_user_data() {
    fill "$source/scripts/aws/node.sh.in" STACK="$stack" NODE="$1" REGION="$region" ACCOUNT="$account" BUCKET="$bucket" \
        ENDPOINT="$endpoint" VOLUME="${queue[$1]}" FIRST="${queue_first[$1]}"
}

# Launches a node on its network interface. A new instance profile takes some seconds to be known; the
# interface of a machine that was just terminated, to be free.
launch_node() {
    local number=$1 data=$work/user-data-$1
    node_user_data "$number" >"$data"
    [[ $(wc -c <"$data") -lt 16384 ]] || fail "the user data of node $number is too long"
    node[number]=$(patiently 'InvalidParameterValue\).*iamInstanceProfile|InvalidNetworkInterface' 180 \
        ec2 run-instances --image-id "$image" --instance-type "$NODE_TYPE" --count 1 --iam-instance-profile "Name=${node_role[number]}" \
        --network-interfaces "DeviceIndex=0,NetworkInterfaceId=${interface[number]}" --user-data "file://$data" \
        --metadata-options HttpTokens=required,HttpEndpoint=enabled,HttpPutResponseHopLimit=1 \
        --block-device-mappings "DeviceName=$root_device,Ebs={VolumeType=gp3,VolumeSize=8,Encrypted=true,DeleteOnTermination=true}" \
        --tag-specifications "$(tags instance Name="hashmill-$stack-node$number" hashmill:role=node hashmill:node="$number" \
            hashmill:volume="${queue[number]}")" \
        "$(tags volume Name="hashmill-$stack-node$number" hashmill:role=node)" --query 'Instances[0].InstanceId')
    say "  launched node $number: ${node[number]}"
}

# Terminates nodes whose volume is gone, and waits until every node that is shutting down is gone, so that no node is
# there twice.
end_lost_nodes() {
    local number
    for number in 0 1; do
        lost_queue "$number" || continue
        tolerating InvalidInstanceID.NotFound ec2 terminate-instances --instance-ids "${node[number]}" >/dev/null
        say "  terminated node $number, ${node[number]}: its volume ${node_volume[number]} is gone"
        leaving_nodes+=("${node[number]}")
        unset "node[number]" "state[number]" "node_profile[number]"
    done
    ((${#leaving_nodes[@]} == 0)) || call ec2 wait instance-terminated --instance-ids "${leaving_nodes[@]}"
}

# Sees to it that a node runs and has its volume.
ensure_node() {
    local number=$1
    case ${state[number]:-none} in
    none) launch_node "$number" ;;
    stopping | stopped)
        patiently IncorrectInstanceState 300 ec2 start-instances --instance-ids "${node[number]}" >/dev/null
        say "  started node $number: ${node[number]}"
        ;;
    esac
    give_role "$number"
    attach_queue "$number"
}

# Gives a node that ran already its own role in place of another, as of an older deploy.sh.
give_role() {
    local number=$1 association how
    [[ ${node_profile[number]:-${node_role[number]}} != "${node_role[number]}" ]] || return 0
    association=$(call ec2 describe-iam-instance-profile-associations --filters "Name=instance-id,Values=${node[number]}" \
        --query 'IamInstanceProfileAssociations[0].AssociationId')
    how=(replace-iam-instance-profile-association --association-id "$association")
    [[ $association != None ]] || how=(associate-iam-instance-profile --instance-id "${node[number]}")
    patiently 'InvalidParameterValue\).*iamInstanceProfile' 180 ec2 "${how[@]}" --iam-instance-profile "Name=${node_role[number]}" >/dev/null
    say "  gave node $number its own role"
}

# Whether a node answers that it is well. A certificate of the user's own names what only the user knows.
healthy() {
    local check=(--cacert "$home/ca/ca.pem")
    [[ -z $public_cert ]] || check=(-k)
    curl -q -fs "${check[@]}" -m 5 -o /dev/null "https://${public[$1]}/healthz"
}

# Says of a node that it is not well in time, and where to look.
not_healthy() {
    fail "node $1 (${public[$1]}) is not well after $HEALTHZ_SECONDS s. The log of its boot: aws ec2 get-console-output" \
        "--latest --region $region --output text --instance-id ${node[$1]}. If ALLOW_CIDR ($ALLOW_CIDR) leaves this machine" \
        "out, it cannot be seen from here: use --no-wait"
}

# Waits until both nodes are well.
wait_healthy() {
    local until=$((SECONDS + HEALTHZ_SECONDS)) number
    say "waiting until both nodes are well; a first boot takes some three minutes"
    for number in 0 1; do
        until healthy "$number"; do
            ((SECONDS < until)) || not_healthy "$number"
            sleep 3
        done
        say "  node $number is well"
    done
}

# Terminates every machine, again and again while nodes that are about to end launch or terminate workers, and
# waits until all are gone; then removes their volumes.
remove_machines() {
    local all turn
    for turn in 1 2 3 4 5; do
        read -ra all <<<"${node[*]} $workers"
        ((${#all[@]} + ${#leaving[@]} > 0)) || break
        if ((${#all[@]} == 0)) || tolerating InvalidInstanceID.NotFound ec2 terminate-instances --instance-ids "${all[@]}" >/dev/null; then
            call ec2 wait instance-terminated --instance-ids "${all[@]}" "${leaving[@]}" || return
            ((${#all[@]} == 0)) || printf '  terminated %s\n' "${all[@]}"
        fi
        survey_machines || return
    done
    ((turn < 5)) || return
    remove_volumes
}

# Stops the nodes and keeps their queues as snapshots, as they were at the end.
keep_backups() {
    if ((${#node[@]} > 0)); then
        call ec2 stop-instances --instance-ids "${node[@]}" >/dev/null || return
        call ec2 wait instance-stopped --instance-ids "${node[@]}" || return
    fi
    snapshot_queues || return
    [[ ${#snapshots[@]} -gt 0 ]] || return 0
    say "waiting until they are complete"
    until call ec2 wait snapshot-completed --snapshot-ids "${snapshots[@]}" 2>"$work/error"; do # it gives up after ten minutes
        grep -q 'Max attempts exceeded' "$work/error" || {
            show_error
            return 1
        }
    done
}
