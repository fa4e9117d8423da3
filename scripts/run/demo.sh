# shellcheck shell=bash
# shellcheck disable=SC2154  # the variables are those of run.sh
# The demonstration of run.sh, which sources this file: a value is computed by hashmill and checked by
# another program. With two nodes the item is put on the first, and its value comes from the second.

call() {
    curl -q -fsS --noproxy '*' -m 60 --retry 5 --retry-delay 1 "$@"
}

# Prints the value of a work item, waiting for it for some minutes.
await_value() {
    local left=10 item=
    while ((left-- > 0)) && kill -0 $$; do # run.sh may have been killed
        item=$(call "$(client_url $((nodes - 1)))/items/$1?wait=30")
        if [[ $item =~ \"value\":\"([0-9a-f]{128})\" ]]; then
            printf '%s' "${BASH_REMATCH[1]}"
            return
        fi
    done
    printf 'run.sh: no value after 5 minutes: %s\n' "$item" >&2
    return 1
}

# Whether no value is there to be pulled: the demonstration takes nobody else's.
nothing_done() {
    local node
    for ((node = 0; node < nodes; node++)); do
        [[ $(call "$(client_url "$node")/stats?") =~ \"items\":\{[^}]*\"done\":0[,}] ]] || return 1
    done
}

# Prints the value of the only item that is done, pulled from the last node, within a minute.
pull_value() {
    local left=60 batch=
    while ((left-- > 0)) && kill -0 $$; do
        batch=$(call --retry 0 -X POST "$(client_url $((nodes - 1)))/pullCompleted?top=1")
        if [[ $batch == *"$1"* && $batch =~ \"value\":\"([0-9a-f]{128})\" ]]; then
            printf '%s' "${BASH_REMATCH[1]}"
            return
        fi
        sleep 1
    done
    printf 'run.sh: it could not be pulled: %s\n' "$batch" >&2
    return 1
}

# What the value of standard input must be, by Perl's own SHA-512.
independent_value() {
    perl -MDigest::SHA=sha512 -e '
        binmode STDIN; local $/; my $link = <STDIN>;
        $link = sha512($link) for 1 .. $ARGV[0];
        print unpack "H*", $link' "$1"
}

# Whether a worker is there or will be launched.
worker_comes() {
    local stats
    stats=$(call "$(client_url 0)/stats?")
    [[ $stats == *'"scaling":true'* && $stats != *'"workers_max":0,'* || $stats != *'"workers":0,'* ]]
}

show_demo() {
    local iterations=1000000 body id value wanted before after pull=no
    ! wants_key || fail "--demo has no key, and KEYS is set; run it without KEYS, with another VAR and PORT"
    worker_comes || fail "no worker is there and none is launched, so no value will come; see PROVIDER and WORKERS_MAX"
    ((nodes == 1)) || ! nothing_done || pull=yes
    body=$(head -c 49152 /dev/urandom | base64 -w 0) # in no file, as other demonstrations may run beside this one
    before=$(now)
    id=$(printf %s "$body" | call --retry 0 -H 'Accept: text/plain' -T - "$(client_url 0)/enqueue?iterations=$iterations")
    say "enqueued 64 KiB of random text, $iterations iterations: item $id"
    value=$(await_value "$id")
    after=$(now)
    say "its value came after $(((after - before) / 100)).$(printf '%02d' $(((after - before) % 100))) s:"
    say "  $value"
    if [[ $pull == yes ]]; then
        value=$(pull_value "$id")
        say "pulled from $(client_url 1), while it was put on $(client_url 0):"
        say "  $value"
    fi
    wanted=$(printf %s "$body" | independent_value "$iterations")
    if [[ $value != "$wanted" ]]; then
        say "WRONG: Perl's Digest::SHA says $wanted"
        return 1
    fi
    say "right: Perl's Digest::SHA computes the same"
}
