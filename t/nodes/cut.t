# The link between two nodes is cut in the middle of their work. For less than PEER_LOST_SECONDS: nothing is
# lost, nothing is handed out twice, and both go on scaling. For longer: nothing is lost, and what was handed
# out twice had the same id and value.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant { LOST_SECONDS => 120, LONG => 9_000_000_000_000_000, WORKERS => 2 };

my $pair = Hashmill::Pair->start(fleet => 1, WORKERS_MAX => WORKERS, WAIT_LAUNCH_SECONDS => 1, LEASE_SECONDS => 6,
    PEER_LOST_SECONDS => LOST_SECONDS, PEER_MS => 500, workers => { IDLE_SECONDS => 3 });
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
        is $node->stats->{faults}, 0, 'no two chains differed';
    }
};

# So many items at each node.
sub put ($name, $count) {
    return map { my $node = $_; enqueuer($node, "$name-" . number($node), most => $count, pause => 0) } @nodes;
}

subtest 'for a long time' => sub {
    my @enqueued = put('before', 40);
    ok $pair->wait_computed, 'some are computed before';
    push @enqueued, put('last', 20);
    ok $pair->wait_told, 'all are copied';
    $pair->cut;
    ok $pair->wait_apart, 'the nodes are cut off from each other';
    is_deeply [each_node(sub ($node) { $node->peer_stats->{kept}{done} > 0 ? 'kept' : 'none' })], [qw(kept kept)], 'with copies';
    push @enqueued, put('meanwhile', 20);
    $pair->pass_seconds(LOST_SECONDS);
    each_node(sub ($node) {
        my %kept;
        ok wait_until(60, sub { %kept = $node->peer_stats->{kept}->%*; $kept{done} + $kept{waiting} == 0 }),
            'node ' . number($node) . ' takes the other one for dead';
    });
    ok $pair->wait_computed, 'all is computed';
    my @pulled = pull_rest(@nodes);
    for my $node (@nodes) {
        ok wait_until(60, sub { !$node->counted }), 'node ' . number($node) . ' shrinks' or diag explain $node->fleet_stats;
    }
    $pair->heal;
    ok $pair->wait_together, 'they hear each other again';
    ok $pair->wait_told, 'and tell each other everything';
    is_deeply [map { $_->pull(10)->json->@* } @nodes], [], 'nothing is left to be handed out';
    my $verdict = judge(\@enqueued, \@pulled);
    note scalar($verdict->{twice}->@*), ' of ', scalar(@enqueued), ' items were handed out twice';
    is_deeply $verdict->{lost}, [], 'nothing was lost';
    is_deeply $verdict->{wrong}, [], 'what was handed out, also twice, had its right value';
    my @states = map { my $id = $_->[0]; map { $_->item($id)->json->{state} } @nodes } @enqueued[0 .. 4, -5 .. -1];
    is_deeply [grep { $_ ne 'pulled' } @states], [], 'both know of all';
    is $_->stats->{faults}, 0, 'no two chains differed' for @nodes;
};

finish();
