# A thousand items on each of two nodes. Every few seconds one node is killed with all that belongs to it and started
# again. Every item is pulled once, with its right value, from one node or the other.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

use constant { CLIENTS => 2, EACH => 500, ROUNDS => 8, PEER_MS => 500 };

my $pair = Hashmill::Pair->start(LEASE_SECONDS => 5, PEER_MS => PEER_MS);
my @nodes = $pair->nodes;
my @workers = map { $pair->start_worker(THREADS => 1) } 1, 2;

# Mostly short, some long enough to be interrupted.
sub iterations { return rand() < 0.01 ? 100_000 + int rand 200_000 : 1 + int rand 2000 }

# The clients of node 0, then those of node 1.
my @enqueuers = map { my ($node, $client) = (int($_ / CLIENTS), $_);
    background(sub { enqueuer($nodes[$node], "client-$client", most => EACH, iterations => \&iterations, pause => 0.03) })
} 0 .. 2 * CLIENTS - 1;
my @pullers = map { my $node = $_; background(sub { puller($node, 'pull-' . $node->{settings}{NODE}) }) } @nodes;

for my $round (1 .. ROUNDS) {
    sleep 1 + rand 2;
    my $victim = $nodes[$round % 2];
    $victim->kill_everything;
    sleep rand 1;
    $victim->restart;
}
my @enqueued = map { $_->result } @enqueuers;
is scalar @enqueued, 2 * CLIENTS * EACH, 'all items were acknowledged';
ok $pair->wait_together, 'the nodes hear each other';
ok $pair->wait_computed, 'all items are computed';
my @pulled = map { $_->stop->result } @pullers;
push @pulled, pull_rest(@nodes);
is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] }, 'each was pulled once with its right value';
ok wait_until(20, sub { !grep { $_->stats->{set_aside} } @nodes }), 'nothing stays set aside';
for my $node (@nodes) {
    is $node->stats->{remaining}, 0, 'nothing is left to compute';
    ok $pair->wait_equal($node), 'the replica of node ' . $node->{settings}{NODE} . ' is equal to its database';
}

finish();
