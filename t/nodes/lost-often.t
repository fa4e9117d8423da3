# COPY=sync: nodes are lost for good in the middle of their work, with their disks, one after the other, and started
# again from the replica at the other one: every item that was acknowledged is pulled once, with its right value.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

use constant { CLIENTS => 2, ROUNDS => 6 };

my $pair = Hashmill::Pair->start(COPY => 'sync', LEASE_SECONDS => 5, PEER_MS => 500);
my @nodes = $pair->nodes;
my @workers = map { $pair->start_worker(THREADS => 1) } 1, 2;

# Mostly short, some long enough to be interrupted.
sub iterations { return rand() < 0.01 ? 100_000 + int rand 200_000 : 1 + int rand 2000 }

my @enqueuers = map { my ($node, $client) = ($nodes[$_ / CLIENTS], $_);
    background(sub { enqueuer($node, "client-$client", iterations => \&iterations, pause => 0.03) })
} 0 .. 2 * CLIENTS - 1;
my @pullers = map { my $node = $_; background(sub { puller($node, 'pull-' . $node->{settings}{NODE}) }) } @nodes;

for my $round (1 .. ROUNDS) {
    my $victim = $nodes[$round % 2];
    ok $pair->wait_told, 'the replicas follow';
    sleep rand 2;
    $victim->kill_everything;
    $victim->lose_disk;
    $victim->restart('--from-peer');
    ok $pair->wait_together, "round $round: they hear each other";
}
my @enqueued = map { $_->stop->result } @enqueuers;
ok $pair->wait_computed, 'all items are computed';
my @pulled = map { $_->stop->result } @pullers;
push @pulled, pull_rest(@nodes);
note scalar(@enqueued), ' items acknowledged, ', scalar(@pulled), ' pulled';
is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] }, 'each was pulled once with its right value';
is scalar(@pulled), scalar(@enqueued), 'and nothing else';
ok wait_until(20, sub { !grep { $_->stats->{set_aside} } @nodes }), 'nothing stays set aside';
for my $node (@nodes) {
    is $node->stats->{remaining}, 0, 'nothing is left to compute';
    ok $pair->wait_equal($node), 'the replica of node ' . $node->{settings}{NODE} . ' is equal to its database';
}

finish();
