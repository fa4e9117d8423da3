# One of two nodes is lost and restored from a backup that was made under load: what it did since comes back
# from the other node. With COPY=sync nothing that was acknowledged is missing, and nothing that was handed
# out is handed out again.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

my $script = "$FindBin::Bin/../../scripts/backup.sh";
my $pair = Hashmill::Pair->start(COPY => 'sync', LEASE_SECONDS => 5, PEER_MS => 500);
my ($lost, $other) = $pair->nodes;
my $worker = $pair->start_worker(THREADS => 1);

sub script (@arguments) {
    local $ENV{BUILD} = $lost->{build};
    my $output = qx($script -c @{[$lost->settings_file]} @arguments 2>&1);
    is $?, 0, "backup.sh @arguments" or diag $output;
    return;
}

# What both have done so far.
sub pulled { return $lost->stats->{items}{pulled} + $other->stats->{items}{pulled} }

sub iterations { return rand() < 0.02 ? 100_000 + int rand 200_000 : 1 + int rand 500 }

my @enqueuers = map { my ($node, $name) = ($_->[0], $_->[1]);
    background(sub { enqueuer($node, $name, iterations => \&iterations, pause => 0.02) })
} [$lost, 'a'], [$lost, 'b'], [$other, 'c'];
# The other node's client takes most of it, so that items move between the nodes.
my @pullers = map { my ($node, $top) = @$_;
    background(sub { puller($node, "pull-$node->{settings}{NODE}", top => $top) }) } [$lost, 3], [$other, 30];
ok wait_until(60, sub { pulled() > 200 }), 'both are busy';
my $file = "$lost->{dir}/backup.db";
script($file);
my $then = pulled();
ok wait_until(60, sub { pulled() > $then + 300 }), 'and for a while after the backup';
my @cancelled = map { $lost->new_item("cancelled $_", 1_000_000_000_000) } 1 .. 3;
is $lost->call('DELETE', "/items/$_")->status, 204, 'an item is cancelled' for @cancelled;

$lost->kill_everything;
my $rows = ($lost->sql('SELECT max(seq) FROM item'))[0][0];
script('--restore', $file);
cmp_ok +($lost->sql('SELECT max(seq) FROM item'))[0][0], '<', $rows - 50, 'the backup is older';
$lost->restart;
ok $pair->wait_together, 'they hear each other';
ok wait_until(60, sub { !($lost->sql('SELECT restored FROM peer WHERE node = 1'))[0][0] }), 'the node has caught up';
like $lost->server_log, qr/node 1 has told all that it has since this node was restored/, 'and says so';
my @enqueued = map { $_->stop->result } @enqueuers;
ok $pair->wait_computed, 'all is computed';
my @pulled = map { $_->stop->result } @pullers;
push @pulled, pull_rest($pair->nodes);
note scalar(@enqueued), ' items acknowledged, ', scalar(@pulled), ' pulled';
is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] }, 'each was pulled once with its right value';
is scalar(@pulled), scalar(@enqueued), 'and nothing else';
is_deeply [grep { $lost->state_of($_) ne 'cancelled' } @cancelled], [], 'what was cancelled stays so';
ok $pair->wait_told, 'both know everything';
for my $node ($pair->nodes) {
    is $node->stats->{faults}, 0, 'no two chains differed';
    my @sums = $node->sql('SELECT (SELECT count(*) FROM item WHERE state = 3) - pulled,'
        . ' (SELECT count(*) FROM item WHERE state = 2 AND home IS NULL) - done FROM tally');
    is_deeply $sums[0], [0, 0], 'the counts are those of the rows';
}
my %state = map { my $node = $_; ($node, [map { join ' ', @$_ } $node->sql('SELECT hex(id), state FROM item ORDER BY id')]) } $pair->nodes;
is_deeply $state{$lost}, $state{$other}, 'and both have the same items';

finish();
