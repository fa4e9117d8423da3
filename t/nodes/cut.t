# The link between two nodes is cut in the middle of their work. Each goes on with its own items and its own scaling;
# requests that need the other node wait, however long it takes. Nothing is lost, and nothing is handed out twice.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant { LONG_SECONDS => 3600, LONG => 9_000_000_000_000, WORKERS => 2 };

my $pair = Hashmill::Pair->start(fleet => 1, WORKERS_MAX => WORKERS, WAIT_LAUNCH_SECONDS => 1, LEASE_SECONDS => 6,
    PEER_MS => 500, workers => { IDLE_SECONDS => 3 });
my @nodes = $pair->nodes;

sub each_node ($code) { return map { $code->($_) } @nodes }
sub number ($node) { return $node->{settings}{NODE} }

subtest 'for a short time' => sub {
    my @enqueuers = map { my ($node, $name) = ($nodes[$_ % 2], "short-$_");
        background(sub { enqueuer($node, $name, pause => 0.05) }) } 0 .. 3;
    my @pullers = map { my $node = $_; background(sub { puller($node, 'short-' . number($node)) }) } @nodes;
    each_node(sub ($node) { ok wait_until(60, sub { $node->stats->{items}{pulled} > 20 }), 'items come and go' });

    $pair->cut;
    ok $pair->wait_apart, 'the nodes are cut off from each other';
    my %long = map { my $node = $_; number($node) => [map { $node->new_item("long $_", LONG) } 1 .. 100] } @nodes;
    for my $node (@nodes) {
        ok wait_until(60, sub { $node->machines('running') >= WORKERS }), 'node ' . number($node) . ' grows'
            or diag explain $node->fleet_stats;
        is scalar $node->machines, WORKERS, 'as far as it may';
    }
    my @cancelled = each_node(sub ($node) { map { $node->call('DELETE', "/items/$_")->status } $long{ number($node) }->@* });
    is_deeply [grep { $_ != 204 } @cancelled], [], 'what was too long for them is cancelled';
    # A keyed pull waits for the other node's part until that node can be reached. Other pulls go on.
    push @pullers, map { my $node = $_; background(sub { puller($node, 'cut-' . number($node)) }) } @nodes;
    my @before = each_node(sub ($node) { $node->stats->{items}{pulled} });
    each_node(sub ($node) { my $before = shift @before;
        ok wait_until(60, sub { $node->stats->{items}{pulled} > $before + 10 }), 'items come and go' });

    $pair->heal;
    ok $pair->wait_together, 'they hear each other again';
    my @enqueued = map { $_->stop->result } @enqueuers;
    ok $pair->wait_computed, 'all is computed';
    my @pulled = map { $_->stop->result } @pullers;
    push @pulled, pull_rest(@nodes);
    note scalar(@enqueued), ' items';
    is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] },
        'every item was handed out once with its right value';
    for my $node (@nodes) {
        ok wait_until(60, sub { !$node->counted }), 'node ' . number($node) . ' shrinks' or diag explain $node->fleet_stats;
    }
    ok wait_until(20, sub { !grep { $_->stats->{set_aside} } @nodes }), 'nothing stays set aside';
};

# Enqueues $count items at each node.
sub put ($name, $count) {
    return map { my $node = $_; enqueuer($node, "$name-" . number($node), most => $count, pause => 0) } @nodes;
}

subtest 'for a long time' => sub {
    my @enqueued = put('before', 40);
    ok $pair->wait_computed, 'some are computed before';
    ok $pair->wait_told, 'all are in the replicas';
    $pair->cut;
    ok $pair->wait_apart, 'the nodes are cut off from each other';
    my @before = @enqueued;
    push @enqueued, put('meanwhile', 20);
    $pair->pass_seconds(LONG_SECONDS);
    ok $pair->wait_computed, 'all is computed, each by its own node';
    ok wait_until(60, sub { !grep { !exists $_->peer_stats->{behind} || $_->peer_stats->{behind}{batches} == 0 } @nodes }),
        'the replicas are behind';
    my ($here, $there) = @nodes;
    my @there = map { $_->[0] } @before[40 .. 79]; # node 1's
    my @shown = map { $here->item($_)->json } @there;
    is scalar(grep { $_->{as_of} && $_->{state} eq 'done' } @shown), 40, 'its peer shows the items of a node from the replica';
    is_problem($here->item($enqueued[-1][0]), 503, 'but not one that came since');
    is_problem($here->call('DELETE', "/items/$there[0]"), 503, 'nor cancels it');
    my @own = pull_rest($here);
    is_deeply [sort map { $_->[0] } @own], [sort map { $_->[0] } @enqueued[0 .. 39, 80 .. 99]], 'it hands out what is its own, and nothing else';
    $pair->heal;
    ok $pair->wait_together, 'they hear each other again';
    my @pulled = (@own, pull_rest($here));
    is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] }, 'the rest, too, was handed out once';
    for my $node (@nodes) {
        ok wait_until(60, sub { !$node->counted }), 'node ' . number($node) . ' shrinks' or diag explain $node->fleet_stats;
    }
    my @states = map { my $id = $_->[0]; map { $_->item($id)->json->{state} } @nodes } @enqueued[0 .. 4, -5 .. -1];
    is_deeply [grep { $_ ne 'pulled' } @states], [], 'both show it';
    ok $pair->wait_told, 'the replicas follow again';
    ok $pair->wait_equal($_), 'that of node ' . number($_) . ' is equal to its database' for @nodes;
};

finish();
