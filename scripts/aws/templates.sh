# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The launch templates of a stack's workers, one for each subnet: all that a worker's machine is, but for its name and
# user data. A node may launch nothing else (scripts/aws/node-policy.json), and may not change them. A template is
# never changed: its name has the SHA-256 of its content, and another content is another template.

# Sets templates_there to lines "ID NAME".
survey_templates() {
    templates_there=$(call ec2 describe-launch-templates --filters "$(stack_filter)" \
        --query 'LaunchTemplates[].[LaunchTemplateId,LaunchTemplateName]' | tr '\t' ' ')
}

# Sets templates to the ids, separated by commas, in the order of the subnets; makes those that are missing.
ensure_templates() {
    local subnet name id
    templates=
    while read -r subnet _; do
        fill "$source/scripts/aws/worker-template.json" IMAGE="$image" INSTANCE_TYPE="$INSTANCE_TYPE" WORKER_PROFILE="$worker_role" \
            SUBNET="$subnet" WORKER_GROUP="$worker_group" ROOT_DEVICE="$root_device" >"$work/template.json"
        name=hashmill-$stack-worker-$(sha256 "$work/template.json")
        id=$(sed -n "s/ $name\$//p" <<<"$templates_there")
        if [[ -z $id ]]; then
            id=$(call ec2 create-launch-template --launch-template-name "$name" --launch-template-data "file://$work/template.json" \
                --tag-specifications "$(tags launch-template)" --query LaunchTemplate.LaunchTemplateId)
            say "  created launch template $id of workers in $subnet"
        fi
        templates+=${templates:+,}$id
    done <<<"$subnets"
}

remove_template() {
    tolerating InvalidLaunchTemplateId.NotFound ec2 delete-launch-template --launch-template-id "$1" >/dev/null || return
    say "  removed launch template $1"
}

# Removes those that this run did not name.
drop_templates() {
    local id
    while read -r id _; do
        [[ -z $id || ,$templates, == *,"$id",* ]] || remove_template "$id"
    done <<<"$templates_there"
}

remove_templates() {
    local id
    while read -r id _; do
        [[ -z $id ]] || remove_template "$id" || return
    done <<<"$templates_there"
}
