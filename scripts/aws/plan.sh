# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# What deploy.sh says before it does anything: what there is, what it will make, and roughly what that costs.

# Prints a line of the plan: what, and whether it is there (VALUE not empty).
plan_line() {
    if [[ -n $2 && $2 != None ]]; then
        printf '  is there  %s%s\n' "$1" "${3:+: $3}"
    else
        printf '  create    %s\n' "$1"
    fi
}

show_plan() {
    local number role
    say "hashmill \"$stack\" in $region, account $account${endpoint:+, by way of $endpoint}"
    for role in "${node_role[@]}" "$worker_role"; do
        plan_line "role and instance profile $role" "$(has_line "$roles" "$role" && has_line "$profiles" "$role $role" && printf yes)"
    done
    plan_line "security group of the nodes: port 443 from $ALLOW_CIDR, 8443 from nodes and workers${ssh_cidr:+, 22 from $ssh_cidr}" "$node_group"
    plan_line "security group of the workers: nothing comes in" "$worker_group"
    plan_line "launch templates of the workers, one for each subnet" "$templates_there"
    plan_line "bucket $bucket: private, encrypted, for the package" "$has_bucket"
    plan_line "parameters /hashmill/$stack/...: settings, tokens and certificates, encrypted" "$parameters"
    for number in 0 1; do
        plan_line "network interface of node $number" "${interface[number]:-}" "${private[number]:-}"
        plan_line "Elastic IP of node $number" "${allocation[number]:-}" "${public[number]:-}"
        plan_line "volume for the queue of node $number, $DISK_GB GB gp3, encrypted" "${queue[number]:-}" "${queue[number]:-}"
        ! lost_queue "$number" || say "  terminate node $number, ${node[number]}: its volume ${node_volume[number]} is gone, the other node has a replica at best"
        plan_line "node $number, a $NODE_TYPE with Debian 12" "$(lost_queue "$number" || printf '%s' "${node[number]:-}")" \
            "${node[number]:-}, ${state[number]:-}"
    done
    say "The nodes launch workers by themselves: $INSTANCE_TYPE$([[ $SPOT == 1 ]] && printf ' (spot)'), ${WORKERS_MIN:-0} to ${WORKERS_MAX:-3} each."
    show_costs
}

# Prints what a machine of that type costs an hour, in dollars; nothing for one that is not known.
price_of() {
    case $1 in
    t3.micro) printf 0.0114 ;;
    t3.small) printf 0.0228 ;;
    t3.medium) printf 0.0456 ;;
    c7a.medium) printf 0.055 ;;
    c7a.large) printf 0.110 ;;
    c7a.xlarge) printf 0.220 ;;
    c7i.large) printf 0.096 ;;
    esac
}

show_costs() {
    local node_price worker_price
    node_price=$(price_of "$NODE_TYPE")
    worker_price=$(price_of "$INSTANCE_TYPE")
    say "Roughly, in US dollars at Ireland's list prices without tax, traffic and free tiers:"
    LC_ALL=C awk -v node="$node_price" -v worker="$worker_price" -v type="$NODE_TYPE" -v kind="$INSTANCE_TYPE" -v disk="$DISK_GB" \
        -v most="${WORKERS_MAX:-3}" 'BEGIN {
        month = 730; gb = 0.088; address = 0.005
        fixed = 2 * (8 + disk) * gb + 2 * address * month
        if (node != "") printf "  %7.2f a month  for two %s\n", 2 * node * month, type
        else printf "        ? a month  for two %s, whose price is not known here\n", type
        printf "  %7.2f a month  for two volumes of %d GB, two disks of 8 GB and two public addresses\n", fixed, disk
        if (node != "") printf "  %7.2f a month  together, used or not\n", 2 * node * month + fixed
        if (worker != "") printf "  %7.3f an hour  for each worker while it runs (%s, disk, address); at most %.2f an hour\n",
            worker + address + 8 * gb / month, kind, 2 * most * (worker + address + 8 * gb / month)
        else printf "        ? an hour  for each worker while it runs: the price of %s is not known here\n", kind
    }'
}
