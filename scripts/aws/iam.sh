# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The roles and instance profiles of a stack: one of each for nodes, one for workers. What they permit is in
# scripts/aws/node-policy.json and scripts/aws/worker-policy.json. IAM is global, so they are found by their names, which have
# the stack and the region in them.

# Sets roles and profiles (lines "NAME ROLE", ROLE being None for an empty one) to what is there.
survey_iam() {
    local names="'$node_role','$worker_role'"
    roles=$(call iam list-roles --query "Roles[?contains([$names], RoleName)].[RoleName]")
    profiles=$(call iam list-instance-profiles \
        --query "InstanceProfiles[?contains([$names], InstanceProfileName)].[InstanceProfileName,Roles[0].RoleName]" | tr '\t' ' ')
}

# Makes a role and a profile with it, unless they are there, and gives the role its policy.
ensure_role() {
    local role=$1 policy=$2
    if ! has_line "$roles" "$role"; then
        call iam create-role --role-name "$role" --assume-role-policy-document "file://$source/scripts/aws/trust-policy.json" \
            --description "hashmill $stack" --tags "Key=$tag_key,Value=$stack" >/dev/null
        say "  created role $role"
    fi
    fill "$source/scripts/aws/$policy" PARTITION="$partition" REGION="$region" ACCOUNT="$account" STACK="$stack" \
        BUCKET="$bucket" WORKER_ROLE="$worker_role" WORKER_GROUP="$worker_group" >"$work/$policy"
    call iam put-role-policy --role-name "$role" --policy-name hashmill --policy-document "file://$work/$policy"
    [[ $'\n'$profiles == *$'\n'"$role "* ]] ||
        call iam create-instance-profile --instance-profile-name "$role" --tags "Key=$tag_key,Value=$stack" >/dev/null
    has_line "$profiles" "$role $role" ||
        patiently NoSuchEntity 60 iam add-role-to-instance-profile --instance-profile-name "$role" --role-name "$role"
}

ensure_iam() {
    ensure_role "$node_role" node-policy.json
    ensure_role "$worker_role" worker-policy.json
}

# Removes them again.
remove_iam() {
    local role has
    while read -r role has; do
        [[ -n $role ]] || continue
        [[ $has == None ]] || tolerating NoSuchEntity iam remove-role-from-instance-profile \
            --instance-profile-name "$role" --role-name "$has" || return
        tolerating NoSuchEntity iam delete-instance-profile --instance-profile-name "$role" || return
        say "  removed instance profile $role"
    done <<<"$profiles"
    for role in $roles; do
        tolerating NoSuchEntity iam delete-role-policy --role-name "$role" --policy-name hashmill || return
        tolerating NoSuchEntity iam delete-role --role-name "$role" || return
        say "  removed role $role"
    done
}
