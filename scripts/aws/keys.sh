# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154  # what is set here is used there, and the other way round
# The keys of a stack's callers: one of clients and one of operators, which deploy.sh makes and keeps with the tokens, and
# those whose lines an operator writes into ~/.hashmill/STACK/keys.

more_keys_bytes=7900 # of the 8,192 that a parameter can have, beside the two of deploy.sh

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

key_hash() {
    printf '%s' "$1" | openssl dgst -sha256 -r | cut -d ' ' -f 1
}

# Prints the file KEYS of the nodes.
keys_file() {
    local role key
    for role in client operator; do
        key=${role}_key
        printf '%s %s %s\n' "$role" "$role" "$(key_hash "${!key}")"
    done
    [[ ! -e $home/keys ]] || cat -- "$home/keys"
}

# Prints new keys, once.
show_keys() {
    [[ -n $unshown ]] || return 0
    say ""
    say "  $client_key   the key of clients, for their calls"
    say "  $operator_key   the key of operators, who may see all that is there"
    say ""
    say "They are in $home/tokens, too, and are not printed again."
    unshown=
    save_tokens
}

# Prints what is wrong with the attributes of a key, if anything is.
attributes_fault() {
    local role=$1 attribute name
    local -A seen=()
    for attribute in "${@:2}"; do
        name=${attribute%%=*}
        [[ -z ${seen[$name]:-} ]] || echo "$name= stands twice; remove one"
        seen[$name]=yes
        if [[ $name == until ]]; then
            date -ud "${attribute#*=}" >/dev/null 2>&1 || echo "there is no such day; correct it"
        elif [[ $role != client && $role != operator ]]; then
            echo "$name= is for the key of a client or operator; remove it"
        fi
    done
}

# Prints what is wrong with a line of further keys, if anything is. Notes in key_seen and key_agreed what it has, for the
# lines behind.
key_line_fault() {
    local count='[1-9][0-9]{0,14}' thousand='(1000|[1-9][0-9]{0,2})' million='(1000000|[1-9][0-9]{0,5})' words same
    local attribute="until=[0-9]{4}-[0-9]{2}-[0-9]{2}|weight=$thousand|(items|work|iterations_max)=$count|rate=$million/$million"
    [[ $1 =~ ^(worker|client|operator|viewer)\ [A-Za-z0-9][A-Za-z0-9._-]{0,63}\ [0-9a-f]{64}(\ ($attribute))*$ ]] || {
        echo "it must read ROLE NAME SHA256HEX [ATTRIBUTE=VALUE...], as hashmill-fcgi --key prints it"
        return
    }
    read -ra words <<<"$1"
    [[ ${words[1]} != shared && ! ${words[1]} =~ -[0-9]+-[0-9a-f]{12}$ ]] || echo "no key can have this name; take another"
    [[ -z ${key_seen[${words[2]}]:-} ]] || echo "this key is there twice; remove one of the lines"
    attributes_fault "${words[0]}" "${words[@]:3}"
    key_seen[${words[2]}]=yes
    [[ ${words[0]} == client || ${words[0]} == operator ]] || return 0
    same=$(printf '%s\n' "${words[@]:3}" | sed -E '/^(until=.*|weight=1|)$/d' | sort)
    [[ ${key_agreed[${words[1]}]-$same} == "$same" ]] || echo "the lines of ${words[1]} differ in more than until=; make them agree"
    key_agreed[${words[1]}]=$same
}

# Checks the lines of further keys: with one that is wrong, no node would start.
check_more_keys() {
    local file=$home/keys line number=0 fault key
    local -A key_seen=() key_agreed=([client]='' [operator]='')
    [[ -e $file ]] || return 0
    [[ -f $file && -r $file ]] || fail "$file must be a file of keys that can be read"
    (($(wc -c <"$file") <= more_keys_bytes)) || fail "$file has more than $more_keys_bytes bytes; remove keys that are not used"
    while IFS= read -r key; do
        key_seen[$(key_hash "$key")]=yes
    done < <(sed -n 's/^[a-z]*_key=//p' "$home/tokens" 2>/dev/null)
    while IFS= read -r line || [[ -n $line ]]; do
        ((number += 1))
        [[ -n $line && $line != '#'* ]] || continue
        key_line_fault "$line" >"$work/fault"
        read -r fault <"$work/fault" || continue
        fail "$file, line $number: $fault"
    done <"$file"
}
