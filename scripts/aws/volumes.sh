# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The volumes of a stack. Each node has one of its own with its queue, which outlives the node: made once, found
# again by its tags, attached to whatever instance the node is. The tag hashmill:first says how its queue begins,
# once (see scripts/aws/ec2-start): "peer" when the other node has said whether it keeps a replica of it, "new" also
# when that node does not answer.

# Sets queue[N], queue_zone[N], queue_first[N] and queue_at[N] (the instance that has it, else None) to the volume
# with node N's queue; queue_twice[N] to a second one; queues to the ids of all; volumes to those of other disks
# that no machine has. A volume that failed counts as gone.
survey_volumes() {
    local text id status where role number first at
    queue=() queue_zone=() queue_first=() queue_at=() queue_twice=() queues='' volumes=''
    text=$(call ec2 describe-volumes --filters "$(stack_filter)" Name=status,Values=creating,available,in-use,error \
        --query "Volumes[].[VolumeId,State,AvailabilityZone,Tags[?Key=='hashmill:role']|[0].Value,Tags[?Key=='hashmill:node']|[0].Value,
            Tags[?Key=='hashmill:first']|[0].Value,Attachments[0].InstanceId]")
    while read -r id status where role number first at; do
        case $role/$number/$status in
        queue/[01]/error) queues+=" $id" ;;
        queue/[01]/*)
            queues+=" $id"
            [[ -z ${queue[number]:-} ]] || queue_twice[number]=${queue[number]}
            [[ $first == new ]] || first=peer # also of one that a person made of a snapshot
            queue[number]=$id queue_zone[number]=$where queue_first[number]=$first queue_at[number]=$at
            ;;
        */available | */error) volumes+=" $id" ;;
        esac
    done <<<"$text"
}

# Whether a node's instance is there, but not the volume that it was launched for.
lost_queue() {
    [[ -n ${node[$1]:-} && ${node_volume[$1]} != "${queue[$1]:-}" ]]
}

# Refuses what a person must look at, before anything is changed.
check_volumes() {
    local number id
    for number in 0 1; do
        id=${queue[number]:-}
        [[ -z ${queue_twice[number]:-} ]] || fail "node $number has two volumes, $id and ${queue_twice[number]}:" \
            "take the tag hashmill:node from the one that does not have its queue"
        [[ -z $id || -z ${zone[number]:-} || ${zone[number]} == "${queue_zone[number]}" ]] ||
            fail "the volume of node $number, $id, is in ${queue_zone[number]}, its network interface in ${zone[number]}"
        [[ ${node_volume[number]:-} != None ]] || fail "node $number, ${node[number]}, has its queue on the disk that it boots from," \
            "as an older deploy.sh made it; back it up (docs/operations.md), terminate it and run this again"
        ! lost_queue "$number" || check_gone "$number" "${node_volume[number]}"
    done
}

# Refuses to replace a node whose volume is only not found by its tags.
check_gone() {
    [[ -z $(call ec2 describe-volumes --filters "Name=volume-id,Values=$2" Name=status,Values=creating,available,in-use \
        --query 'Volumes[].[VolumeId]') ]] ||
        fail "the volume of node $1, $2, is there, but not its tags $tag_key=$stack, hashmill:role=queue and hashmill:node=$1"
}

# Makes the volume of a node's queue. Only the first volume of a stack that has none is "new": no two nodes wait for
# each other, and no volume is "new" while another one may have a replica of its queue.
ensure_queue() {
    local number=$1 first=peer
    [[ -z ${queue[number]:-} ]] || return 0
    [[ -n ${queue[1 - number]:-} ]] || first=new
    queue[number]=$(call ec2 create-volume --availability-zone "${zone[number]}" --size "$DISK_GB" --volume-type gp3 --encrypted \
        --tag-specifications "$(tags volume Name="hashmill-$stack-queue$number" hashmill:role=queue hashmill:node="$number" \
            hashmill:first="$first")" --query VolumeId)
    queue_first[number]=$first queue_at[number]=None
    say "  created volume of node $number: ${queue[number]}"
}

# Attaches it to its node, which need not run yet and waits for it. Such a volume is not deleted with an instance.
attach_queue() {
    local number=$1
    [[ ${queue_at[number]} != "${node[number]}" ]] || return 0
    patiently 'IncorrectState|IncorrectInstanceState|VolumeInUse' 300 ec2 attach-volume --volume-id "${queue[number]}" \
        --instance-id "${node[number]}" --device /dev/sdf >/dev/null
    say "  attached the volume of node $number to ${node[number]}"
}

# Removes them all; the machines must be gone.
remove_volumes() {
    local id
    for id in $volumes $queues; do
        patiently VolumeInUse 120 ec2 delete-volume --volume-id "$id" || failed_with InvalidVolume.NotFound || return
        say "  removed disk $id"
    done
}

# Keeps the queues as snapshots, as they are; the nodes must be stopped.
snapshot_queues() {
    local number
    snapshots=()
    for number in "${!queue[@]}"; do
        snapshots[number]=$(call ec2 create-snapshot --volume-id "${queue[number]}" --description "hashmill $stack: the queue of node $number" \
            --tag-specifications "$(tags snapshot Name="hashmill-$stack-node$number" hashmill:backup="node$number")" \
            --query SnapshotId) || return
        say "  saving the queue of node $number as ${snapshots[number]}"
    done
}
