# hashmill-worker against a real server: values, drain, death, nodes that go and come.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(time);
use Hashmill;

my $mill = Hashmill->start(LEASE_SECONDS => 3);

# An item that takes a worker a few seconds, whatever the machine, is found by its progress: some
# iterations are done and some are not.
sub started ($mill, $id) {
    return wait_until(20, sub { my $item = $mill->item($id)->json; $item->{remaining} < $item->{iterations} - 1 });
}

subtest 'values' => sub {
    my $worker = $mill->start_worker;
    my @counts = (1, 2, 3, 10, 1000, 50_000);
    my %id = map { $_ => $mill->new_item("n $_", $_) } @counts;
    for my $n (@counts) {
        my $item = $mill->item($id{$n}, wait => 30)->json;
        is $item->{value}, value_of("n $n", $n), "n = $n";
    }
    my $begin = time;
    is $mill->item($mill->new_item('idle', 1000), wait => 30)->json->{state}, 'done', 'an idle worker is woken';
    cmp_ok time - $begin, '<', sanitized() ? 5 : 1, 'without polling';
    is $mill->stats->{workers}, 1, 'the server knows the worker';
    $worker->kill('TERM');
    is $worker->wait_exit(10), 0, 'SIGTERM ends an idle worker';
};

subtest 'SIGTERM gives back with progress' => sub {
    my $worker = $mill->start_worker(THREADS => 1);
    my $id = $mill->new_item('drained', 2_000_000_000);
    ok started($mill, $id), 'an item is under way';
    my $last = $mill->item($id)->json->{remaining};
    $worker->kill('TERM');
    is $worker->wait_exit(10), 0, 'the worker ends';
    my $item = $mill->item($id)->json;
    is $item->{state}, 'waiting', 'the item waits again';
    cmp_ok $item->{remaining}, '<', $last, 'with what was done since the last checkpoint';
    is $item->{strikes}, 0, 'no strike';
    my $grant = $mill->lease->json;
    ok $grant->{items}[0]{chain} ne value_of('drained', 1), 'its chain too';
    $mill->call('DELETE', "/items/$id");
};

subtest 'kill -9 in the middle of a chain' => sub {
    # Long enough for checkpoints (each second), short enough to be finished by the next worker.
    my $n = sanitized() ? 8_000_000 : 24_000_000;
    my $first = $mill->start_worker(THREADS => 1);
    my $id = $mill->new_item('killed', $n);
    ok started($mill, $id), 'a checkpoint is there';
    $first->kill('KILL');
    my $left = $mill->item($id)->json->{remaining};
    ok $left > 0, 'the item is not done' or return;
    wait_until(10, sub { $mill->state_of($id) eq 'waiting' });
    my $grant = $mill->lease->json;
    cmp_ok $grant->{items}[0]{remaining}, '<=', $left, 'it goes on from the last checkpoint';
    is $grant->{items}[0]{chain}, value_of('killed', $n - $grant->{items}[0]{remaining}), 'which is right';
    $mill->report({ $grant->{items}[0]->%*, lease => $grant->{lease}, release => JSON::PP::true });
    my $second = $mill->start_worker;
    is $mill->item($id, wait => 30)->json->{value}, value_of('killed', $n), 'another worker finishes it';
    $second->kill('TERM');
    is $second->wait_exit(10), 0, 'and ends';
};

subtest 'long and short ones' => sub {
    my $worker = $mill->start_worker(THREADS => 2);
    my $long = $mill->new_item('long', 2_000_000_000);
    ok started($mill, $long), 'a long one is under way';
    is $mill->item($mill->new_item('short', 10), wait => 30)->json->{state}, 'done', 'short ones pass it';
    # Longer than a lease: it is renewed.
    my $renewals = $mill->item($long)->json->{remaining};
    wait_until(20, sub { $mill->item($long)->json->{remaining} < $renewals - 10 });
    is $mill->item($long)->json->{strikes}, 0, 'no lease lapsed';
    $mill->call('DELETE', "/items/$long");
    is $mill->item($mill->new_item('after', 10), wait => 30)->json->{state}, 'done', 'a cancelled one is dropped';
    $worker->kill('TERM');
    $worker->wait_exit(10);
};

subtest 'two nodes, one away' => sub {
    my $other = Hashmill->start(NODE => 1, LEASE_SECONDS => 3, WORKER_TOKEN => $mill->{token});
    my $worker = $mill->start_worker(NODES => $mill->worker_url . ', ' . $other->worker_url);
    for my $node ($mill, $other) {
        is $node->item($node->new_item('both', 100), wait => 30)->json->{value}, value_of('both', 100),
            'both are served';
    }
    $other->kill_everything;
    is $mill->item($mill->new_item("alone $_", 100), wait => 30)->json->{state}, 'done',
        'one dead node does not stop the other' for 1 .. 3;
    $other->start_server;
    $other->start_nginx;
    my $id = $other->new_item('back', 100);
    ok wait_until(60, sub { $other->state_of($id) eq 'done' }), 'it is served again when it is back';
    ok $worker->alive, 'by the same worker';
    $worker->kill('TERM');
    is $worker->wait_exit(10), 0, 'which ends';
};

subtest 'a node that is away while its items are computed' => sub {
    my $worker = $mill->start_worker;
    my $n = sanitized() ? 2_000_000 : 6_000_000;
    my $id = $mill->new_item('away', $n);
    ok wait_until(20, sub { $mill->state_of($id) eq 'leased' }), 'leased';
    $mill->kill_everything($worker);
    $mill->start_server;
    $mill->start_nginx;
    ok wait_until(60, sub { $mill->state_of($id) eq 'done' }), 'the value arrives when the node is back';
    is $mill->item($id)->json->{value}, value_of('away', $n), 'and is right';
    ok $worker->alive, 'the worker lived through it';
    $worker->kill('TERM');
    $worker->wait_exit(10);
};

subtest 'a wrong token' => sub {
    my $worker = $mill->start_worker(WORKER_TOKEN => 'x' x 32);
    my $id = $mill->new_item('not for you', 10);
    ok wait_until(20, sub { $worker->log =~ /error: .*401/ }), 'is an error that the operator of the worker sees';
    $mill->expect_log(qr/hashmill-worker.*401/);
    unlike $worker->log, qr/x{32}/, 'the secret is not in the log';
    ok $worker->alive, 'it does not give up';
    is $mill->state_of($id), 'waiting', 'it gets nothing';
    $worker->kill('TERM');
    is $worker->wait_exit(10), 0, 'it ends when told';
    $mill->call('DELETE', "/items/$id");
};

subtest 'idle' => sub {
    my $worker = $mill->start_worker(IDLE_SECONDS => 1, RETIRE_NODE => $mill->worker_url);
    my $id = $mill->new_item('last', 10);
    is $mill->item($id, wait => 30)->json->{state}, 'done', 'it works';
    is $worker->wait_exit(30), 0, 'and ends by itself after IDLE_SECONDS';
};

subtest 'a machine that computes wrongly' => sub {
    local $ENV{HASHMILL_TEST_BROKEN_HASH} = 1;
    my $worker = $mill->start_worker;
    $worker->wait_exit(10);
    is $worker->exit_code, 76, 'a worker refuses to work on it';
    like $worker->log, qr/error: /, 'and says so';
    $mill->expect_log(qr/hashmill-worker.*(?:known|wrong|SHA-512)/i);
} if sanitized();

finish();
