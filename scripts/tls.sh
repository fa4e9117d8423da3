#!/bin/bash -p
# Makes a private certificate authority and the certificates of nodes and workers, with openssl only.
#
#   tls.sh ca DIR                     the authority: DIR/ca.pem and DIR/ca.key, unless they are there
#   tls.sh node DIR OUT ADDRESS...    a node: OUT/listener.pem and .key for its worker listener, which
#                                     is reached under these addresses or names, and OUT/peer.pem and
#                                     .key, with which it calls other nodes
#   tls.sh public DIR OUT ADDRESS...  a node's listener for clients that trust this authority: OUT/public.pem
#                                     and OUT/public.key
#   tls.sh worker DIR OUT             a worker: OUT/worker.pem and OUT/worker.key
#
# All but `ca` also copy ca.pem to OUT. Run again, they put new keys and certificates in place of
# the old ones: that is how certificates are rotated. hashmill-fcgi and hashmill-worker read the files
# for each new connection; nginx reads them when it is reloaded.
#
# The environment may set DAYS, how long a certificate is valid (825; the authority's 3650).
#
# Whoever has DIR/ca.key can make certificates: keep DIR off the nodes. Keys have mode 0600. When root
# makes them on a machine that has the user hashmill, they are its, but for listener.key and public.key,
# which nginx reads as root.
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT OPENSSL_CONF
umask 077

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

fail() {
    printf 'tls.sh: %s\n' "$*" >&2
    exit 1
}

work=
trap '[[ -z $work ]] || rm -rf -- "$work"' EXIT
trap 'trap "" INT TERM HUP; exit 130' INT TERM HUP # a second one must not break the removal off

# Makes the directory for what is not finished, inside the one that it goes to, so that each file gets
# there by a rename.
begin() {
    mkdir -p -- "$1" || fail "$1 is no directory and cannot be made one"
    work=$(mktemp -d -- "$1/.tls.XXXXXX")
}

# Puts a finished file in place; only of a file, and of nothing else that has its name.
put() {
    local to=$2/$1
    [[ ! -L $to && (! -e $to || -f $to) ]] || fail "$to is a $(stat -c %F -- "$to") and stays; name another directory"
    mv -fT -- "$work/$1" "$to"
}

# Runs openssl; what it says is shown only when it fails.
quietly() {
    openssl "$@" 2>"$work/said" || {
        cat "$work/said" >&2
        fail "openssl $1 failed"
    }
}

# Puts NAME.key and NAME.pem in place, one right after the other.
put_in_place() {
    local out=$1 name=$2 user=hashmill
    chmod 644 "$work/$name.pem"
    [[ $name != worker ]] || user=hashmill-worker
    if ((EUID == 0)) && [[ ! $name =~ ^(listener|public|ca)$ ]] && id "$user" &>/dev/null; then
        chown "$user:" "$work/$name.key"
    fi
    put "$name.key" "$out"
    put "$name.pem" "$out"
}

# Makes NAME.key and NAME.csr for a subject.
request() {
    local name=$1 subject=$2
    quietly genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$name.key"
    quietly req -new -sha256 -key "$work/$name.key" -subj "$subject" -out "$work/$name.csr"
}

# Makes a key and a certificate of the authority in DIR. What else the certificate is to say comes in by
# standard input.
certify() {
    local dir=$1 out=$2 name=$3 subject=$4
    {
        cat <<END
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
END
        cat
    } >"$work/extensions"
    request "$name" "$subject"
    quietly x509 -req -sha256 -in "$work/$name.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
        -set_serial "0x$(openssl rand -hex 15)" -days "${DAYS:-825}" -extfile "$work/extensions" \
        -out "$work/$name.pem"
    put_in_place "$out" "$name"
}

make_ca() {
    local dir=$1
    [[ ! -s $dir/ca.key || ! -s $dir/ca.pem ]] || return 0
    # A key alone is that of a run which was interrupted: nothing was made with it yet.
    [[ ! -e $dir/ca.pem ]] || fail "$dir has ca.pem without its key; bring ca.key back, or remove ca.pem"
    begin "$dir"
    cat >"$work/extensions" <<END
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
END
    # The serial number in the name tells one authority from another of ours.
    request ca "/O=hashmill/CN=hashmill authority $(openssl rand -hex 4)"
    quietly x509 -req -sha256 -in "$work/ca.csr" -signkey "$work/ca.key" \
        -set_serial "0x$(openssl rand -hex 15)" -days "${DAYS:-3650}" -extfile "$work/extensions" \
        -out "$work/ca.pem"
    put_in_place "$dir" ca
}

# Begins the certificates of one machine.
begin_machine() {
    [[ -s $1/ca.pem && -s $1/ca.key ]] || fail "no authority in $1; make one: tls.sh ca $1"
    begin "$2"
    cp -- "$1/ca.pem" "$work/ca.pem"
    chmod 644 "$work/ca.pem"
    put ca.pem "$2"
}

# Prints the addresses as a list for subjectAltName.
alternative_names() {
    local address separator=
    for address; do
        [[ $address =~ ^[A-Za-z0-9*]([A-Za-z0-9.:-]*[A-Za-z0-9:])?$ || $address =~ ^::[0-9a-fA-F:.]*$ ]] ||
            fail "$address is neither an address nor a name"
        if [[ $address == *:* || $address =~ ^[0-9.]+$ ]]; then
            printf '%sIP:%s' "$separator" "$address"
        else
            printf '%sDNS:%s' "$separator" "$address"
        fi
        separator=', '
    done
}

make_node() {
    local dir=$1 out=$2 names
    shift 2
    names=$(alternative_names "$@")
    begin_machine "$dir" "$out"
    certify "$dir" "$out" listener "/O=hashmill/OU=node/CN=hashmill node" <<END
extendedKeyUsage = serverAuth
subjectAltName = $names
END
    certify "$dir" "$out" peer "/O=hashmill/OU=peer/CN=hashmill peer" <<<'extendedKeyUsage = clientAuth'
}

make_public() {
    local dir=$1 out=$2 names
    shift 2
    names=$(alternative_names "$@")
    begin_machine "$dir" "$out"
    certify "$dir" "$out" public "/O=hashmill/OU=public/CN=hashmill" <<END
extendedKeyUsage = serverAuth
subjectAltName = $names
END
}

make_worker() {
    begin_machine "$1" "$2"
    certify "$1" "$2" worker "/O=hashmill/OU=worker/CN=hashmill worker" <<<'extendedKeyUsage = clientAuth'
}

main() {
    case "${1:-} $#" in
    "ca 2") make_ca "$2" ;;
    "worker 3") make_worker "$2" "$3" ;;
    "node 2" | "node 3" | "public 2" | "public 3") fail "$1 takes DIR, OUT and the addresses of the node; see tls.sh --help" ;;
    "node "*) make_node "${@:2}" ;;
    "public "*) make_public "${@:2}" ;;
    "--help "* | "-h "*) usage ;;
    *)
        usage >&2
        exit 1
        ;;
    esac
}

command -v openssl >/dev/null || fail "needs openssl: apt-get install openssl"
[[ ${DAYS:-1} =~ ^[1-9][0-9]{0,4}$ ]] || fail "DAYS must be a number from 1 to 99999"
main "$@"
