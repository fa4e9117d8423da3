# GET /metrics: what it says after known traffic, whose counts go on when a process is killed and begin again with the
# server; what is left when the writer is away; who may read it.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use List::Util qw(any);
use Test::More;
use Hashmill;
use Hashmill::Job;
use Hashmill::Keys;
use Hashmill::Metrics;

my $mill = Hashmill->start;

# What series have become more since, and by how much.
sub gained ($before, $after) {
    return { map { my $more = $after->{$_} - ($before->{$_} // 0); $more ? ($_ => $more) : () }
            grep { /_total\b/ } keys %$after };
}

# A counter of requests.
sub requests ($method, $route, $code) { return qq(hashmill_requests_total{route="$route",method="$method",code="$code"}) }

subtest 'a server that has done nothing yet' => sub {
    my $metrics = metrics($mill);
    my ($build) = grep { /^hashmill_build_info/ } keys %$metrics;
    is $build, 'hashmill_build_info{version="' . $mill->stats->{version} . '",node="0"}', 'which version serves';
    is $metrics->{hashmill_up}, 1, 'the writer answers';
    is $metrics->{$_}, 0, $_ for 'hashmill_items_enqueued_total', 'hashmill_keys_refused_total', 'hashmill_iterations_remaining',
        'hashmill_item_wait_seconds_count', 'hashmill_paused{part="leasing"}', 'hashmill_machines{state="running"}';
    cmp_ok $metrics->{$_}, '>', 1e4, $_ for qw(hashmill_database_bytes hashmill_disk_free_bytes hashmill_wal_bytes);
    ok !(any { /client|peer|backup|certificate/ } keys %$metrics), 'nothing of what is not there';
};

subtest 'known traffic' => sub {
    my $before = metrics($mill);
    $mill->new_item('done at once', 1);
    $mill->pull(1);
    $mill->call('DELETE', '/items/' . $mill->new_item('to cancel', 5));
    my $id = $mill->new_item('to work on', 101);
    is $mill->enqueue('no number', 'x')->status, 400, 'a refused call';
    is $mill->item($id)->status, 200, 'a look';
    is $mill->item($id, wait => 1)->status, 200, 'and one that waits';
    is $mill->get("/items/$id/x")->status, 404, 'an unknown path';
    is $mill->get('/enqueue')->status, 405, 'an unknown method';
    is $mill->call('HEAD', '/healthz')->status, 200, 'HEAD';
    is $mill->worker_call('/lease', {}, Authorization => 'Bearer ' . 'x' x 40)->status, 401, 'a wrong token';
    $mill->move_clock(steady_ms => 20_000);
    my $grant = $mill->lease->json;
    my %report = (id => $id, lease => $grant->{lease});
    my $link = advance($grant->{items}[0]{chain}, 40);
    $mill->report({ %report, chain => $link, remaining => 60 });
    $mill->expect_log(qr/reports another chain/);
    $mill->report({ %report, chain => advance($link, 1), remaining => 60 });
    my $after = metrics($mill);
    is_deeply gained($before, $after), {
        hashmill_items_enqueued_total => 3, hashmill_items_done_total => 1, hashmill_items_pulled_total => 1,
        hashmill_items_cancelled_total => 1, hashmill_iterations_total => 40, hashmill_faults_total => 1,
        hashmill_keys_refused_total => 1,
        requests('PUT', '/enqueue', 201) => 3, requests('PUT', '/enqueue', 400) => 1, requests('POST', '/pullCompleted', 200) => 1,
        requests('DELETE', '/items/ID', 204) => 1, requests('GET', '/items/ID', 200) => 2, requests('GET', '/healthz', 200) => 1,
        requests('other', 'none', 404) => 1, requests('other', 'none', 405) => 1, requests('POST', '/lease', 401) => 1,
        requests('POST', '/lease', 200) => 1, requests('POST', '/results', 200) => 2, requests('GET', '/metrics', 200) => 1,
    }, 'is counted, each once';
    is $after->{'hashmill_items{state="leased"}'}, 1, 'one item is leased';
    is $after->{hashmill_iterations_remaining}, 60, 'and has these iterations left';
    is $after->{hashmill_workers}, 1, 'by a worker';
    is $after->{'hashmill_item_wait_seconds_bucket{le="15"}'}, 0, 'an item has waited longer than 15 s,';
    is $after->{'hashmill_item_wait_seconds_bucket{le="30"}'}, 1, 'but not longer than 30';
    is $after->{'hashmill_request_duration_seconds_count{route="/items/ID"}'}, 3, 'a route has one histogram, whatever the method';
    cmp_ok $after->{hashmill_commit_duration_seconds_count}, '>=', 6, 'commits are timed';

    $mill->move_clock(steady_ms => 200_000);
    ok wait_until(30, sub { metrics($mill)->{hashmill_leases_lapsed_total} == 1 }), 'a lease that lapses';
    cmp_ok metrics($mill)->{hashmill_oldest_wait_seconds}, '>=', 1, 'its item waits again';
};

subtest 'histograms' => sub {
    my $text = metrics_call($mill)->content;
    my (%last, %total);
    while ($text =~ /^(\w+)_bucket\{(?:(.*),)?le="(.*)"\} (\d+)$/mg) {
        my $of = $1 . ($2 // '');
        cmp_ok $4, '>=', $last{$of} // 0, "$of up to $3: not less than before" or last;
        $last{$of} = $4;
        $total{$of} = $4 if $3 eq '+Inf';
    }
    my %count = map { /^(\w+)_count(?:\{(.*)\})? (\d+)$/ ? ($1 . ($2 // '') => $3) : () } split /\n/, $text;
    is_deeply \%total, \%count, 'the last bucket has all';
};

subtest 'the format' => sub {
    my $reply = metrics_call($mill);
    is $reply->header('content-type'), 'text/plain; version=0.0.4; charset=utf-8', 'is said';
    is $reply->header('cache-control'), 'no-store', 'nothing may keep it';
    unlike $reply->content, qr/"test"|perl/, 'no name of a worker';
    my %seen;
    ok !$seen{$_}++, "$_ is there once" for $reply->content =~ /^# TYPE (\w+)/mg;
    SKIP: {
        skip 'promtool is not installed', 1 if !grep { -x "$_/promtool" } split /:/, $ENV{PATH};
        spew("$mill->{dir}/metrics.txt", $reply->content);
        is qx(promtool check metrics <$mill->{dir}/metrics.txt 2>&1), '', 'promtool has nothing against it';
    }
};

subtest 'a backup' => sub {
    my ($code, $said) = $mill->command('--backup', "$mill->{dir}/copy.db");
    is $code, 0, 'is made' or diag $said;
    my $metrics = metrics($mill);
    cmp_ok abs($metrics->{hashmill_last_backup_timestamp_seconds} - time), '<', 600, 'and when, is said';
};

subtest 'killed processes' => sub {
    my $before = metrics($mill);
    for my $role (qw(public public-wait worker metrics writer)) {
        my @pids = $mill->children($role);
        cmp_ok scalar @pids, '>=', 1, "$role: there";
        kill 'KILL', @pids;
        ok wait_until(30, sub { my %now = map { $_ => 1 } $mill->children($role); %now && !any { $now{$_} } @pids }), "$role: others";
    }
    ok wait_until(30, sub { $mill->enqueue('after it', 5)->status == 201 }), 'an item is stored';
    my $gained = gained($before, metrics($mill));
    cmp_ok $gained->{hashmill_items_enqueued_total}, '>=', 1, 'counts go on';
    ok !(any { $_ < 0 } values %$gained), 'none went back' or diag explain $gained;
    is metrics($mill)->{hashmill_start_time_seconds}, $before->{hashmill_start_time_seconds}, 'the server is the same';
};

subtest 'a writer that does not answer' => sub {
    my ($writer) = $mill->children('writer');
    my $before = metrics($mill);
    kill 'STOP', $writer;
    my $metrics = metrics($mill);
    my @others = map { @$_ } parallel(10, sub ($) { metrics_call($mill)->status });
    kill 'CONT', $writer;
    is_deeply [grep { $_ != 200 } @others], [], 'to all who ask, none of whom waits for the others';
    is $metrics->{hashmill_up}, 0, 'is said';
    ok !exists $metrics->{$_}, "$_ is left out" for 'hashmill_items{state="waiting"}', 'hashmill_oldest_wait_seconds', 'hashmill_workers';
    is $metrics->{hashmill_items_enqueued_total}, $before->{hashmill_items_enqueued_total}, 'counters stay';
    ok exists $metrics->{$_}, "$_, too" for qw(hashmill_database_bytes hashmill_quarantined_identities hashmill_machines{state="running"});
    ok wait_until(30, sub { metrics($mill)->{hashmill_up} == 1 }), 'until it answers again';
};

subtest 'what is there' => sub {
    is_problem($mill->get('/metrics'), 404, 'not on the listener for clients');
    is_problem(metrics_call($mill, 'GET', '/stats'), 404, 'nothing else here');
    is_problem(metrics_call($mill, 'PUT', '/enqueue?iterations=1'), 404, 'and no call of clients');
    is_problem(metrics_call($mill, 'POST', '/lease'), 404, 'or workers');
    is metrics_call($mill, 'POST')->status, 405, 'it is only read';
    is_problem(metrics_call($mill, 'GET', '/metrics?x=1'), 400, 'a parameter');
};

subtest 'a reload' => sub {
    my $before = metrics($mill);
    cmp_ok $before->{hashmill_items_enqueued_total}, '>', 0, 'there are counts';
    ok $mill->reload(METRICS_CLIENTS => 'yes'), 'the server reads its settings again';
    ok wait_until(30, sub { metrics_call($mill)->status == 200 }), 'and serves';
    my $after = metrics($mill);
    is $after->{hashmill_items_enqueued_total}, 0, 'counts begin again';
    cmp_ok $after->{hashmill_start_time_seconds}, '>', $before->{hashmill_start_time_seconds}, 'and it says when';
    is $after->{'hashmill_items{state="waiting"}'}, $before->{'hashmill_items{state="waiting"}'}, 'the queue is as it was';
    ok exists $after->{'hashmill_client_items{client="",state="waiting"}'}, 'who has no key has an empty name';
};

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client alice', 'client bob', 'operator olga');
my $keyed = Hashmill->start(KEYS => "$dir/keys", key => $key{olga}, METRICS_CLIENTS => 'yes', HOSTS => 'mill.example',
    PEERS => '1=http://127.0.0.1:9', PEER_TOKEN => 'p' x 40, COPY => 'async');

subtest 'clients and the other node' => sub {
    $keyed->enqueue('of alice', 1000, Authorization => "Bearer $key{alice}");
    $keyed->enqueue('of bob', 1, Authorization => "Bearer $key{bob}") for 1 .. 2;
    is $keyed->get('/stats', Authorization => 'Bearer nobody')->status, 401, 'a wrong key';
    my $metrics = metrics($keyed);
    is $metrics->{$_->[0]}, $_->[1], $_->[0] for ['hashmill_client_items{client="alice",state="waiting"}', 1],
        ['hashmill_client_items{client="bob",state="waiting"}', 0], ['hashmill_client_items{client="bob",state="done"}', 2],
        ['hashmill_client_iterations_remaining{client="alice"}', 999], ['hashmill_keys_refused_total', 1],
        [requests('GET', '/stats', 401), 1], ['hashmill_loans{side="given"}', 0], ['hashmill_replica_incomplete{peer="1"}', 0];
    $keyed->move_clock(steady_ms => 5000);
    is metrics($keyed)->{'hashmill_peer_up{peer="1"}'}, 0, 'the other node is away';
    $keyed->call('POST', '/admin/pause?what=leasing');
    is metrics($keyed)->{'hashmill_paused{part="leasing"}'}, 1, 'a part is paused';
};

subtest 'who may read it' => sub {
    my $ask = sub (%headers) {
        my $socket = $keyed->connection($keyed->{metrics_port});
        $socket->print(join "\r\n", 'GET /metrics HTTP/1.1', 'Connection: close', (map { "$_: $headers{$_}" } sort keys %headers), '', '');
        local $/ = undef;
        my $answer = readline($socket);
        return ($answer =~ m{\AHTTP/1\.1 (\d+)})[0] . ($answer =~ /problem:([a-z-]+)/ ? " $1" : '');
    };
    is $ask->(Host => $_), '200', "a program without a key, at $_" for '127.0.0.1:9080', 'localhost', 'mill.example:9080';
    is $ask->(Host => 'evil.example'), '403 foreign-host', 'not by a name that another site may have made lead here, also with KEYS';
    is $ask->(Host => '127.0.0.1', 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Dest' => 'empty'), '403 cross-site', 'not a page of another site';
    is $ask->(Host => '127.0.0.1', 'Sec-Fetch-Site' => 'none', 'Sec-Fetch-Dest' => 'document'), '200', 'a person';
};

finish();
