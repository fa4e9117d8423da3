# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# What the machines of a stack read when they boot: the package, an object of a private bucket, and files of
# settings and secrets, each a SecureString parameter /hashmill/STACK/WHOSE/FILE. A parameter's description has
# the SHA-256 of its value, by which the next run sees whether it is still the same.

# Prints the SHA-256 of a file.
sha256() {
    openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
}

# Calls S3 about the stack's bucket: `call_s3 OPERATION ...`. One of that name that is another account's is refused.
call_s3() {
    call s3api "$1" --bucket "$bucket" --expected-bucket-owner "$account" "${@:2}"
}

# Sets has_bucket, package_there (SHA-256 of the package in it) and parameters (lines "NAME DESCRIPTION").
survey_store() {
    has_bucket=$(call s3api list-buckets --query "Buckets[?Name=='$bucket'].[Name]")
    package_there=
    if [[ -n $has_bucket ]]; then
        tolerating '404|NoSuchKey' s3api head-object --bucket "$bucket" --expected-bucket-owner "$account" --key hashmill.deb --query Metadata.sha256 >"$work/head"
        package_there=$(<"$work/head")
    fi
    parameters=$(call ssm describe-parameters \
        --parameter-filters "Key=Path,Option=Recursive,Values=/hashmill/$stack" --query 'Parameters[].[Name,Description]' | tr '\t' ' ')
}

# Makes the bucket: private, encrypted, by TLS only. Everything but its making is done each time, so that what
# an interrupted run left out is there, too.
ensure_bucket() {
    local where=(--create-bucket-configuration "LocationConstraint=$region")
    [[ $region != us-east-1 ]] || where=()
    fill "$source/scripts/aws/bucket-policy.json" PARTITION="$partition" BUCKET="$bucket" >"$work/bucket-policy.json"
    if [[ -z $has_bucket ]]; then
        patiently OperationAborted 120 s3api create-bucket --bucket "$bucket" "${where[@]}" >/dev/null
        say "  created bucket $bucket"
    fi
    call_s3 put-bucket-tagging --tagging "TagSet=[{Key=$tag_key,Value=$stack}]"
    call_s3 put-public-access-block --public-access-block-configuration \
        BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
    call_s3 put-bucket-encryption --server-side-encryption-configuration \
        'Rules=[{ApplyServerSideEncryptionByDefault={SSEAlgorithm=AES256}}]'
    [[ $endpoint == http:* ]] || # there everything is plain, and would be kept out
        call_s3 put-bucket-policy --policy "file://$work/bucket-policy.json"
}

ensure_package() {
    package_sha256=$(sha256 "$package")
    [[ $package_there != "$package_sha256" ]] || return 0
    call_s3 put-object --key hashmill.deb --body "$package" --metadata "sha256=$package_sha256" >/dev/null
    say "  stored the package ${package##*/}"
}

# Stores a file as the parameter WHOSE/FILE unless the same is there. Its text reaches the CLI in the file only.
# (Tags can be given to a new parameter only, which keeps them.)
put_parameter() {
    local name=/hashmill/$stack/$1 file=$2 sum how
    sum=$(sha256 "$file")
    how=(--tags "Key=$tag_key,Value=$stack")
    [[ $'\n'$parameters != *$'\n'"$name "* ]] || how=(--overwrite)
    put+=$name$'\n'
    ! has_line "$parameters" "$name sha256:$sum" || return 0
    call ssm put-parameter --name "$name" --type SecureString --tier Intelligent-Tiering --description "sha256:$sum" \
        --value "file://$file" "${how[@]}" >/dev/null
    say "  stored parameter $name"
}

# Removes the parameters of the stack that no put_parameter of this run named.
drop_parameters() {
    local name
    while read -r name _; do
        [[ -z $name ]] || has_line "$put" "$name" || {
            tolerating ParameterNotFound ssm delete-parameter --name "$name"
            say "  removed parameter $name"
        }
    done <<<"$parameters"
}

remove_store() {
    local names
    mapfile -t names < <(cut -d ' ' -f 1 <<<"$parameters" | grep .)
    while ((${#names[@]} > 0)); do # ten in a call
        call ssm delete-parameters --names "${names[@]:0:10}" >/dev/null || return
        printf '  removed parameter %s\n' "${names[@]:0:10}"
        names=("${names[@]:10}")
    done
    [[ -n $has_bucket ]] || return 0
    call_s3 delete-object --key hashmill.deb >/dev/null || return
    tolerating NoSuchBucket s3api delete-bucket --bucket "$bucket" --expected-bucket-owner "$account" || return
    say "  removed bucket $bucket"
}
