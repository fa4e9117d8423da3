# GET /healthz and /stats.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use JSON::PP ();
use Hashmill;

my $mill = Hashmill->start(NODE => 7, OPERATION_SECONDS => 1);

subtest 'healthz of a healthy server' => sub {
    for my $path ('/healthz', '/healthz?probe=ready', '/healthz?probe=live') {
        my $reply = $mill->get($path);
        is $reply->status, 200, $path;
        is $reply->json->{status}, 'ok', 'ok';
        is $reply->header('cache-control'), 'no-store', 'not to be cached';
    }
    is_problem($mill->get('/healthz?probe=other'), 400, 'an unknown probe');
};

subtest 'stats' => sub {
    my $stats = $mill->stats;
    is_deeply [sort keys %$stats], [qw(backup fleet items node now oldest_wait_seconds parked paused rates
        refused remaining role version warnings workers)], 'fields';
    is_deeply $stats->{items}, { waiting => 0, leased => 0, done => 0, pulled => 0, cancelled => 0 }, 'empty at first';
    is $stats->{node}, 7, 'node';
    like $stats->{version}, qr/^\d+\.\d+\.\d+$/, 'version';

    $mill->new_item('pulled', 1);
    $mill->pull(1);
    $mill->new_item('done', 1);
    $mill->call('DELETE', '/items/' . $mill->new_item('cancelled', 5));
    $mill->new_item('leased', 10);
    is $mill->lease->status, 200, 'a worker comes';
    $mill->new_item('waiting', 100);
    $stats = $mill->stats;
    is_deeply $stats->{items}, { waiting => 1, leased => 1, done => 1, pulled => 1, cancelled => 1 }, 'one of each';
    is $stats->{remaining}, 9 + 99, 'iterations still to compute';
    is $stats->{workers}, 1, 'the worker was seen';
    $mill->move_clock(steady_ms => 30_000);
    my $oldest = $mill->stats->{oldest_wait_seconds};
    cmp_ok $oldest, '>=', 29, 'the oldest wait grows with time';
    cmp_ok $oldest, '<', 60, 'but not beyond';
};

# Processor time of all children so far, in hundredths of a second.
sub processor_time {
    my $ticks = 0;
    $ticks += $_ for map { (split / /, slurp("/proc/$_/stat") =~ s/.*\) //r)[11, 12] } $mill->children;
    return $ticks;
}

subtest 'a server at rest' => sub {
    # A lease is out and the last thing asked was only a question: nothing is to be done.
    is $mill->stats->{items}{leased}, 1, 'a lease is out';
    my $before = processor_time();
    sleep 1;
    cmp_ok processor_time() - $before, '<', 40, 'sleeps';
};

subtest 'counts survive a crash' => sub {
    my $before = $mill->stats;
    $mill->kill_everything;
    $mill->start_server;
    $mill->start_nginx;
    is_deeply $mill->stats->{items}, $before->{items}, 'of every state';
    is $mill->stats->{remaining}, $before->{remaining}, 'and of iterations';
};

subtest 'rates' => sub {
    is_deeply [sort keys $mill->stats->{rates}->%*], [qw(10s 1s 60s)], 'over three spans';
    $mill->new_item("rate $_", 1) for 1 .. 10;
    my $pulled = $mill->pull(1000)->json->@*;
    my $grant = $mill->lease->json;
    my ($item) = $grant->{items}->@*;
    my $progress = { id => $item->{id}, lease => $grant->{lease}, remaining => $item->{remaining} - 1,
        chain => advance($item->{chain}, 1), release => JSON::PP::true };
    is scalar $mill->report($progress)->json->{taken}->@*, 1, 'an iteration is reported';
    my $rates;
    ok wait_until(20, sub { $rates = $mill->stats->{rates}{'60s'}; $rates->{iterations} > 0 }), 'they come';
    is sprintf('%.0f', 60 * $rates->{iterations}), 1, 'iterations';
    is sprintf('%.0f', 60 * $rates->{pulled}), $pulled, 'pulled items';
    cmp_ok 60 * $rates->{enqueued}, '>', 10, 'enqueued ones';
    $mill->move_clock(steady_ms => 100_000);
    is_deeply $mill->stats->{rates}{'60s'}, { enqueued => 0, done => 0, pulled => 0, iterations => 0 },
        'a minute later they have passed';
};

subtest 'a writer that hangs' => sub {
    $mill->expect_log(qr/./);
    my ($writer) = $mill->children('writer');
    kill 'STOP', $writer;
    is_problem($mill->get('/healthz'), 503, 'not ready');
    is $mill->get('/healthz?probe=live')->status, 200, 'but alive';
    is_problem($mill->enqueue('body', 5), 503, 'enqueue');
    kill 'CONT', $writer;
    ok wait_until(10, sub { $mill->get('/healthz')->status == 200 }), 'ready again when it goes on';
    is $mill->enqueue('body', 5)->status, 201, 'and takes items';
};

finish();
