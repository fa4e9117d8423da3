#!/bin/bash -p
# The package's life on a host: install, upgrade under load, what ends a service and what does not, remove,
# purge, nginx before and after. For a fresh Debian 12 or Ubuntu 24.04 that runs systemd and can be thrown
# away. Copy two versions of the package (make deb VERSION=0.1.1, make deb VERSION=0.1.2) and this there,
# and run as root; it prints TAP.
#
#   package.sh OLD.deb NEW.deb
set -euo pipefail
# As in every script here: the caller's functions, options, CDPATH and locale stay outside; sbin has nginx.
[[ $- == *p* ]] || exec bash -p "$0" "$@"; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset POSIXLY_CORRECT TMOUT
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

old=$(realpath "$1")
new=$(realpath "$2")
work=$(mktemp -d)
url=http://127.0.0.1:8080
tests=0
failures=0

# --- Checks ---------------------------------------------------------------------------------------

# check NAME COMMAND...: reports whether the command ends well; its output is shown when not.
check() {
    local name=$1 verdict=ok
    shift
    if ! "$@" >"$work/output" 2>&1; then
        verdict='not ok'
        ((++failures))
    fi
    echo "$verdict $((++tests)) - $name"
    [[ $verdict == ok ]] || tail -n 30 "$work/output" | sed 's/^/# /'
}

# is NAME GOT WANTED
is() {
    check "$1" compare "$2" "$3"
}

compare() {
    echo "got: $1; wanted: $2"
    [[ $1 == "$2" ]]
}

not() {
    ! "$@"
}

# within SECONDS COMMAND...: repeats the command until it succeeds or the time is up.
within() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < until)) || return 1
        sleep 0.1
    done
}

property() {
    systemctl show -p "$2" --value "$1"
}

apt() {
    apt-get -qq -y -o Dpkg::Use-Pty=0 "$@" </dev/null >"$work/apt" 2>&1 || {
        cat "$work/apt"
        return 1
    }
}

nothing_failed() {
    local failed
    failed=$(systemctl --failed --no-legend --plain)
    echo "$failed"
    [[ -z $failed ]]
}

healthy() {
    curl -fsS -m 5 "$url/healthz"
}

serves() {
    within 30 healthy
}

both_active() {
    systemctl is-active hashmill.service hashmill-worker.service
}

exposure_at_most_2() {
    local line
    line=$(systemd-analyze security --no-pager "$1" | grep 'Overall exposure')
    echo "$line"
    awk '{ exit !($(NF - 2) <= 2.0) }' <<<"$line"
}

# SHA-512 applied that often to standard input, by openssl alone.
chain() {
    local left=$1
    cp /dev/stdin "$work/link"
    while ((left-- > 0)); do
        openssl dgst -sha512 -binary "$work/link" >"$work/next"
        mv "$work/next" "$work/link"
    done
    od -An -v -tx1 "$work/link" | tr -d ' \n'
}

enqueue() {
    curl -fsS -m 30 -H 'Accept: text/plain' -T - "$url/enqueue?iterations=$1"
}

# A worker that could not reach its node tries again after half a minute at most.
an_item_goes_through() {
    local id
    id=$(printf 'some bytes' | enqueue 5)
    within 90 has_value "$id" "$(printf 'some bytes' | chain 5)"
}

has_value() {
    local answer
    answer=$(curl -fsS -m 40 "$url/items/$1?wait=30")
    echo "$answer"
    [[ $answer == *"\"value\":\"$2\""* ]]
}

# --- A load -----------------------------------------------------------------------------------------

# Enqueues without a pause until the file stop is there: for each request a line with the id, if there is
# one, and a line "status N"; 000 is no answer.
client() {
    local n=0
    while [[ ! -e $work/stop ]]; do
        printf 'client %s, item %s' "$1" "$((n++))" |
            curl -s -m 60 -H 'Accept: text/plain' -w 'status %{http_code}\n' -T - "$url/enqueue?iterations=20000" || true
    done >"$work/client-$1" 2>&1
}

# Looks at one item, with and without a wait.
looker() {
    while [[ ! -e $work/stop ]]; do
        curl -s -m 60 -o /dev/null -w 'status %{http_code}\n' "$url/items/$1?wait=2" || true
        curl -s -m 60 -o /dev/null -w 'status %{http_code}\n' "$url/items/$1" || true
    done >"$work/looker" 2>&1
}

# Fills the queue with what takes the worker some 15 s at the rate that it has measured, longer than the
# upgrade, then goes on as clients do.
start_load() {
    local n never rate
    rate=$(property hashmill-worker StatusText)
    rate=${rate#computes }
    rate=${rate%% *}
    rm -f "$work"/{stop,client-*,looker,pulled}
    curl -fsS -o /dev/null -X POST "$url/pullCompleted?top=1000" # what was done before
    for n in {1..400}; do
        printf 'filling %s' "$n" | enqueue $((rate * 15 / 400)) >>"$work/client-0"
    done
    # Enough iterations to be under way all the time.
    never=$(printf 'the one that is looked at' | enqueue 9000000000000)
    clients=()
    for n in 1 2 3 4; do
        client "$n" &
        clients+=("$!")
    done
    looker "$never" &
    clients+=("$!")
}

stop_load() {
    touch "$work/stop"
    wait "${clients[@]}"
}

only_status() {
    local wanted=$1
    shift
    grep -h '^status' "$@" | sort | uniq -c
    [[ $(grep -h '^status' "$@" | sort -u) == "status $wanted" ]]
}

queue_is_filled() {
    sqlite3 -readonly /var/lib/hashmill/hashmill.db 'select * from queue'
    (($(sqlite3 -readonly /var/lib/hashmill/hashmill.db "select count(*) from items where state in ('waiting', 'leased')") > 100))
}

# Pulls until every item that was answered 201 has come, and compares: each once, none missing.
everything_comes_back() {
    local until=$((SECONDS + 400))
    grep -hv '^status' "$work"/client-* | sort >"$work/sent"
    : >"$work/pulled"
    while (($(wc -l <"$work/pulled") < $(wc -l <"$work/sent"))); do
        ((SECONDS < until)) || break
        curl -fsS -m 30 -X POST -H 'Accept: text/plain' "$url/pullCompleted?top=1000" | tee "$work/batch" |
            cut -d ' ' -f 1 >>"$work/pulled"
        [[ -s $work/batch ]] || sleep 0.5
    done
    sort -o "$work/pulled" "$work/pulled"
    echo "$(wc -l <"$work/sent") were answered 201, $(wc -l <"$work/pulled") came back"
    cmp "$work/sent" "$work/pulled"
}

# --- The tests ----------------------------------------------------------------------------------------

fresh_install() {
    check 'it installs' apt install "$old"
    check 'both services are active, with no hand' within 30 both_active
    check 'and enabled' systemctl is-enabled hashmill.service hashmill-worker.service
    check 'no unit has failed' nothing_failed
    check 'it has made a database' test -s /var/lib/hashmill/hashmill.db
    check 'it serves on port 8080' serves
    check 'an item goes through' an_item_goes_through
    for unit in hashmill hashmill-worker; do
        check "$unit.service is exposed by 2.0 at most" exposure_at_most_2 "$unit.service"
        is "$unit.service: the user" "$(property "$unit" User)" "$unit"
    done
    is "secrets.env is the server's alone" "$(stat -c '%a %U %G' /etc/hashmill/secrets.env)" '600 hashmill hashmill'
    is "worker-secrets.env is the worker's alone" "$(stat -c '%a %U %G' /etc/hashmill/worker-secrets.env)" \
        '600 hashmill-worker hashmill-worker'
    for file in /var/lib/hashmill/hashmill.db /run/hashmill/public.sock /etc/hashmill/secrets.env; do
        check "the worker cannot read $file" not runuser -u hashmill-worker -- test -r "$file"
    done
    check "nor the server the worker's secrets" not runuser -u hashmill -- test -r /etc/hashmill/worker-secrets.env
    is 'the queue is hashmill'\''s alone' "$(stat -c '%a %U' /var/lib/hashmill)" '700 hashmill'
    is 'the sockets are open to nginx' "$(stat -c '%a %U %G' /run/hashmill)" '750 hashmill www-data'
    check "Debian's default site is out" not test -e /etc/nginx/sites-enabled/default
    is 'of this machine only' "$(ss -Hltn 'sport = :8080 or sport = :80 or sport = :443' | awk '{ print $4 }' | sort | tr '\n' ' ')" '127.0.0.1:8080 [::1]:8080 '
    is 'a worker listener for this machine only' "$(ss -Hltn 'sport = :8081' | awk '{ print $4 }')" 127.0.0.1:8081
    is 'a listener for metrics, too' "$(ss -Hltn 'sport = :9080' | awk '{ print $4 }')" 127.0.0.1:9080
    check 'the manual pages are there' man_pages
}

man_pages() {
    dpkg -L hashmill | grep 'man8/hashmill-fcgi.8.gz' && dpkg -L hashmill | grep 'man8/hashmill-worker.8.gz'
}

nginx_parts() {
    local worker_url=http://127.0.0.1:8081
    check 'no package for workers is there' not curl -fsS -m 5 "$worker_url/package/hashmill.deb"
    cp "$old" /var/lib/hashmill-package/hashmill.deb
    curl -fsS -m 5 -o "$work/fetched" "$worker_url/package/hashmill.deb" || true
    check 'it is served to workers when it is' cmp "$work/fetched" "$old"
    check 'and not to clients' not curl -fsS -m 5 "$url/package/hashmill.deb"
    rm /var/lib/hashmill-package/hashmill.deb
    check 'nginx can be tuned' /usr/lib/hashmill/nginx-site tune
    nginx -T >"$work/nginx" 2>&1
    for setting in 'worker_processes 1' 'worker_connections 4096' 'worker_rlimit_nofile 8192' 'worker_shutdown_timeout 35s'; do
        check "nginx: $setting" grep "^[[:space:]]*$setting;" "$work/nginx"
    done
    check 'it serves' serves
}

reloads() {
    local pid
    pid=$(property hashmill MainPID)
    check 'a reload' systemctl reload hashmill
    is 'keeps the process' "$(property hashmill MainPID)" "$pid"
    check 'which serves' serves
    echo 'LEASE_SECONDS=1' >>/etc/hashmill/hashmill.env
    check 'settings that will not do fail the reload' not systemctl reload hashmill
    sed -i '$d' /etc/hashmill/hashmill.env
    check 'and nothing else' serves
    is 'not the process' "$(property hashmill MainPID)" "$pid"
}

# The status of a lease of a worker with this key, as soon as it is the wanted one.
leases_with() {
    local body='{"protocol":1,"request":"01234567-89ab-4def-8123-456789abcdef","items":1,"iterations":1,"wait":0,"worker":{"name":"t","cores":1,"kernel":"t","rate":1}}'
    curl -sS -m 5 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $1" -d "$body" http://127.0.0.1:8081/lease
}
is_let_in() {
    [[ $(leases_with "$1") == 204 ]]
}

keys() {
    local said key
    said=$(hashmill-fcgi --key worker tester)
    key=$(sed -n 2p <<<"$said")
    sed -n 4p <<<"$said" >/etc/hashmill/keys
    chown root:hashmill /etc/hashmill/keys
    chmod 640 /etc/hashmill/keys
    echo 'KEYS=/etc/hashmill/keys' >>/etc/hashmill/hashmill.env
    check 'a file of keys that is root'"'"'s' systemctl reload hashmill
    check 'lets a worker in' within 20 is_let_in "$key"
    check 'so it does after a restart' systemctl restart hashmill
    check 'of the server' within 20 is_let_in "$key"
    check '-t agrees' runuser -u hashmill -- hashmill-fcgi -t -c /etc/hashmill/hashmill.env -c /etc/hashmill/secrets.env
    chgrp www-data /etc/hashmill/keys
    check 'one that nginx may read' not systemctl reload hashmill
    check 'is refused by -t, too' not runuser -u hashmill -- hashmill-fcgi -t -c /etc/hashmill/hashmill.env -c /etc/hashmill/secrets.env
    sed -i '$d' /etc/hashmill/hashmill.env
    rm /etc/hashmill/keys
    check 'without keys' systemctl reload hashmill
}

daily_backup() {
    check 'no backup is made unasked' not systemctl is-enabled hashmill-backup.timer
    check 'a daily one' systemctl start hashmill-backup
    is 'is one file and its SHA-256' "$(find /var/lib/hashmill-backups -type f -user hashmill | wc -l)" 2
    check 'each day' systemctl enable --now hashmill-backup.timer
    echo 'KEEP=none' >/etc/hashmill/backup.env
    check 'with KEEP that will not do it fails' not systemctl start hashmill-backup
    systemctl reset-failed hashmill-backup
    systemctl disable --now hashmill-backup.timer >/dev/null 2>&1
    rm -r /etc/hashmill/backup.env /var/lib/hashmill-backups
}

# The process of a unit is another than it was.
is_replaced() {
    [[ $(property "$1" MainPID) != "$2" ]]
}

watchdogs() {
    local unit pid
    for unit in hashmill hashmill-worker; do
        pid=$(property "$unit" MainPID)
        kill -STOP "$pid"
        check "$unit: a process that hangs is replaced" within 120 is_replaced "$unit" "$pid"
        check 'by one that is ready' within 20 systemctl is-active "$unit"
    done
    check 'it serves' serves
}

upgrade() {
    local pid nginx_pid
    start_load
    sleep 2 # of load on the old version
    pid=$(property hashmill MainPID)
    nginx_pid=$(property nginx MainPID)
    check 'the queue is filled' queue_is_filled
    check 'an upgrade under load' apt install "$new"
    check 'the queue is filled still' queue_is_filled
    sleep 5 # of load on the new one
    stop_load
    check 'every enqueue was answered, and taken' only_status 201 "$work"/client-*
    check 'every look was answered' only_status 200 "$work/looker"
    is 'the new version is installed' "$(hashmill-fcgi --version)" "hashmill-fcgi $new_version"
    is 'it is the program of the same process' "$(property hashmill MainPID)" "$pid"
    is 'which runs what is on the disk' "$(readlink "/proc/$pid/exe")" /usr/bin/hashmill-fcgi
    is 'nginx was not restarted' "$(property nginx MainPID)" "$nginx_pid"
    check 'both services are active' both_active
    check 'nothing is lost, nothing comes twice' everything_comes_back
    check 'no unit has failed' nothing_failed
}

# Has the server exit with that code, as soon as it is started.
exits_with() {
    mkdir -p /run/systemd/system/hashmill.service.d
    printf '[Service]\nExecStart=\nExecStart=/bin/sh -c "exit %d"\n' "$1" >/run/systemd/system/hashmill.service.d/test.conf
    systemctl daemon-reload
    systemctl reset-failed hashmill
    systemctl restart hashmill >/dev/null 2>&1 || true
}

ends_of_a_service() {
    local pid
    pid=$(property hashmill MainPID)
    kill -9 "$pid"
    check 'after kill -9 of the master it serves again' serves
    check 'by another process' within 10 is_replaced hashmill "$pid"
    pid=$(property hashmill-worker MainPID)
    kill -9 "$pid"
    check 'a worker that was killed is started again' within 20 systemctl is-active hashmill-worker
    check 'an item goes through' an_item_goes_through

    echo 'LEASE_SECONDS=1' >>/etc/hashmill/hashmill.env
    systemctl restart hashmill >/dev/null 2>&1 || true
    is 'bad settings: exit code 78' "$(property hashmill ExecMainStatus)" 78
    sleep 3 # longer than RestartSec
    is 'after which it is not started again' "$(property hashmill ActiveState) $(property hashmill NRestarts)" 'failed 0'
    sed -i '$d' /etc/hashmill/hashmill.env
    exits_with 76
    sleep 3
    is 'nor after exit code 76' "$(property hashmill ActiveState) $(property hashmill NRestarts)" 'failed 0'
    exits_with 75
    check 'but after any other' within 10 was_restarted
    rm -r /run/systemd/system/hashmill.service.d
    systemctl daemon-reload
    systemctl reset-failed hashmill
    systemctl restart hashmill
    check 'it serves again' serves
}

was_restarted() {
    (($(property hashmill NRestarts) > 0))
}

remove_and_purge() {
    local id
    id=$(printf 'kept' | enqueue 9000000000000)
    check 'it is removed' apt remove hashmill
    check 'no program of it runs' not pgrep hashmill
    check 'nginx accepts what is left' nginx -t
    check "Debian's default site is back" test -e /etc/nginx/sites-enabled/default
    check 'settings are kept' test -e /etc/hashmill/secrets.env
    check 'it is installed again' apt install "$new"
    check 'and serves' serves
    check 'with the queue of before' curl -fsS -m 5 "$url/items/$id"
    check 'it is purged' apt purge hashmill
    check 'which says what is kept' grep 'the queue is kept, in /var/lib/hashmill' "$work/apt"
    is 'nothing else is' "$(leftovers)" '/var/lib/hashmill '
    check 'the queue is' test -s /var/lib/hashmill/hashmill.db
    check 'no unit has failed' nothing_failed
    check 'nginx accepts what is left' nginx -t
}

# What there is of the package: the highest paths that bear its name.
leftovers() {
    find / -xdev \( -path /proc -o -path /sys -o -path "$work" -o -path "$(dirname "$old")" -o -path /var/log \
        -o -path /var/cache -o -path /tmp \) -prune -o -name '*hashmill*' -print -prune | sort | tr '\n' ' '
}

nginx_comes_later() {
    check 'the queue goes, too' delete_queue
    check 'so does nginx' apt purge --autoremove 'nginx*'
    check 'it installs without nginx' apt install --no-install-recommends "$new"
    check 'both services are active' within 30 both_active
    check 'no unit has failed' nothing_failed
    check 'nginx comes' apt install nginx-light
    check 'and serves the node' serves
    check 'an item goes through' an_item_goes_through
    check "Debian's default site is out" not test -e /etc/nginx/sites-enabled/default
    ln -sf /dev/null /etc/nginx/sites-enabled/hashmill
    check 'a site that was kept out by a link to /dev/null' apt install --reinstall "$new"
    is 'stays out' "$(readlink /etc/nginx/sites-enabled/hashmill)" /dev/null
    rm /etc/nginx/sites-enabled/hashmill
    echo 'this is no configuration;' >/etc/nginx/conf.d/broken.conf
    check 'when nginx does not accept its configuration' apt install --reinstall "$new"
    check 'nothing of it is changed' not test -e /etc/nginx/sites-enabled/hashmill
    rm /etc/nginx/conf.d/broken.conf
    check 'later it is put right by one command' /usr/lib/hashmill/nginx-site enable
    check 'it serves' serves
}

delete_queue() {
    rm -r /var/lib/hashmill && userdel hashmill
}

# A machine that a node has launched runs a worker only.
worker_only() {
    check 'all of it goes' apt purge hashmill
    delete_queue
    systemctl mask hashmill >/dev/null 2>&1
    check 'with the node masked it installs' apt install --no-install-recommends "$new"
    is 'without a node' "$(systemctl is-active hashmill)" inactive
    check 'with a worker' within 20 systemctl is-active hashmill-worker
    check 'no unit has failed' nothing_failed
    check 'it is purged' apt purge hashmill
    systemctl unmask hashmill >/dev/null 2>&1
    is 'nothing is kept, as there was no queue' "$(leftovers)$(getent passwd hashmill hashmill-worker || true)" ''
}

new_version=$(dpkg-deb -f "$new" Version)
check 'a list of packages' apt update
fresh_install
nginx_parts
reloads
daily_backup
watchdogs
keys
upgrade
ends_of_a_service
remove_and_purge
nginx_comes_later
worker_only
rm -rf "$work"
echo "1..$tests"
((failures == 0))
