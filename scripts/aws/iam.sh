# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The roles and instance profiles of a stack: one of each for each node, one for workers. What they permit is in
# scripts/aws/node-policy.json and scripts/aws/worker-policy.json. IAM is global, so they are found by their names, which have
# the stack and the region in them.

# Sets roles and profiles (lines "NAME ROLE", ROLE being None for an empty one) to what is there.
survey_iam() {
    local names="'${node_role[0]}','${node_role[1]}','$worker_role','$shared_role'"
    roles=$(call iam list-roles --query "Roles[?contains([$names], RoleName)].[RoleName]")
    profiles=$(call iam list-instance-profiles \
        --query "InstanceProfiles[?contains([$names], InstanceProfileName)].[InstanceProfileName,Roles[0].RoleName]" | tr '\t' ' ')
}

# Prints the ARNs of the launch templates as they stand in a list of JSON, without the outer quotes.
template_arns() {
    local id separator=
    for id in ${templates//,/ }; do
        printf '%sarn:%s:ec2:%s:%s:launch-template/%s' "$separator" "$partition" "$region" "$account" "$id"
        separator='", "'
    done
}

# Makes a role and a profile with it, unless they are there, and gives the role its policy, that of node N if there is
# a third argument.
ensure_role() {
    local role=$1 policy=$2 number=${3:-}
    if ! has_line "$roles" "$role"; then
        call iam create-role --role-name "$role" --assume-role-policy-document "file://$source/scripts/aws/trust-policy.json" \
            --description "hashmill $stack" --tags "Key=$tag_key,Value=$stack" >/dev/null
        say "  created role $role"
    fi
    fill "$source/scripts/aws/$policy" PARTITION="$partition" REGION="$region" ACCOUNT="$account" STACK="$stack" NODE="$number" \
        BUCKET="$bucket" WORKER_ROLE="$worker_role" WORKER_GROUP="$worker_group" INSTANCE_TYPE="$INSTANCE_TYPE" \
        TEMPLATES="$(template_arns)" >"$work/$policy"
    call iam put-role-policy --role-name "$role" --policy-name hashmill --policy-document "file://$work/$policy"
    [[ $'\n'$profiles == *$'\n'"$role "* ]] ||
        call iam create-instance-profile --instance-profile-name "$role" --tags "Key=$tag_key,Value=$stack" >/dev/null
    has_line "$profiles" "$role $role" ||
        patiently NoSuchEntity 60 iam add-role-to-instance-profile --instance-profile-name "$role" --role-name "$role"
}

ensure_iam() {
    ensure_role "${node_role[0]}" node-policy.json 0
    ensure_role "${node_role[1]}" node-policy.json 1
    ensure_role "$worker_role" worker-policy.json
}

# Removes a profile, with the role that it has (None: it has none).
remove_profile() {
    [[ $2 == None ]] || tolerating NoSuchEntity iam remove-role-from-instance-profile \
        --instance-profile-name "$1" --role-name "$2" || return
    tolerating NoSuchEntity iam delete-instance-profile --instance-profile-name "$1" || return
    say "  removed instance profile $1"
}

remove_role() {
    tolerating NoSuchEntity iam delete-role-policy --role-name "$1" --policy-name hashmill || return
    tolerating NoSuchEntity iam delete-role --role-name "$1" || return
    say "  removed role $1"
}

# Removes the role that both nodes had; neither may have it any more.
drop_shared_role() {
    local role has
    while read -r role has; do
        [[ $role != "$shared_role" ]] || remove_profile "$role" "$has"
    done <<<"$profiles"
    ! has_line "$roles" "$shared_role" || remove_role "$shared_role"
}

# Removes them all.
remove_iam() {
    local role has
    while read -r role has; do
        [[ -z $role ]] || remove_profile "$role" "$has" || return
    done <<<"$profiles"
    for role in $roles; do
        remove_role "$role" || return
    done
}
