# COPY=sync: one of two nodes is killed in the middle of its work and does not come back within
# PEER_LOST_SECONDS. Every item that it has acknowledged is computed, at once, and pulled through the other,
# which knows its Idempotency-Keys, too.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant { LOST_SECONDS => 60, TOP => 7 };

my $pair = Hashmill::Pair->start(COPY => 'sync', PEER_LOST_SECONDS => LOST_SECONDS, PEER_MS => 500);
my ($dying, $other) = $pair->nodes;
my $worker = $pair->start_worker;

# Enqueues until the node answers no more. What was acknowledged, as Hashmill::Load has it; and the last
# one, [key, iterations], of which nobody knows.
sub client ($name) {
    my @items;
    for (my $count = 0; ; $count++) {
        my ($key, $n) = ("$name-$count", 1 + int rand 1000);
        my $reply = enqueue_key($dying, $key, $n);
        return { items => \@items, last => [$key, $n] } if $reply->status != 201;
        push @items, [$reply->json->@{qw(id digest)}, $n, $key];
        sleep 0.01;
    }
}

# Pulls until the node answers no more: [key, batch] of each pull that brought something, and the last key.
sub drainer {
    my @batches;
    for (my $count = 0; ; $count++) {
        my $reply = pull_key($dying, "pull-$count", TOP);
        return { batches => \@batches, last => "pull-$count" } if $reply->status != 200;
        push @batches, ["pull-$count", $reply->json] if $reply->json->@*;
        sleep 0.1;
    }
}

sub listed ($batch) { return map { [$_->@{qw(id value iterations)}] } @$batch }

my @clients = map { my $number = $_; background(sub { client("client-$number") }) } 1 .. 3;
my $drainer = background(\&drainer);
ok wait_until(60, sub { $dying->stats->{items}{pulled} >= 5 * TOP }), 'the node is at work';
sleep 1; # more of the same
# For the last half second nothing is copied, so nothing may be acknowledged.
kill 'STOP', $dying->children('peering');
sleep 0.5;
$dying->kill_everything;
my @seen = map { scalar $_->result } @clients;
my $drained = $drainer->result;
my @enqueued = map { $_->{items}->@* } @seen;
my @pulled = map { listed($_->[1]) } $drained->{batches}->@*;
note scalar(@enqueued), ' items acknowledged, ', scalar(@pulled), ' of them pulled';
cmp_ok scalar @enqueued, '>', scalar @pulled, 'there is something left';

subtest 'for a while it may only be cut off' => sub {
    ok $other->wait_away, 'it is away';
    ok wait_until(60, sub { $other->peer_stats->{kept}{waiting} == 0 }), 'its items are computed all the same';
    cmp_ok $other->peer_stats->{kept}{done}, '>=', @enqueued - @pulled - TOP, 'and kept';
    is_deeply $other->pull(10)->json, [], 'but not handed out';
    my ($id, undef, $n, $key) = $enqueued[-1]->@*;
    is persist(sub { enqueue_key($other, $key, $n) })->json->{id}, $id, 'the key of an enqueue is known';
    is $other->item($id)->status, 200, 'so is the item';
};

subtest 'then it is taken for dead' => sub {
    my $kept = $other->peer_stats->{kept}{done};
    $other->pass_seconds(LOST_SECONDS);
    ok wait_until(60, sub { $other->peer_stats->{kept}{done} == 0 }), 'nothing is kept for it any more';
    cmp_ok $other->stats->{items}{done}, '>=', $kept, 'all is done here';
    my @again = map { my ($key, $n) = $_->{last}->@*;
        [persist(sub { enqueue_key($other, $key, $n) })->json->@{qw(id digest)}, $n, $key] } @seen;
    push @enqueued, @again; # perhaps for the first time
    push @pulled, listed(persist(sub { pull_key($other, $drained->{last}, TOP) })->json);
    ok $other->wait_computed, 'all is computed';
    push @pulled, pull_rest($other);
    is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] },
        'every acknowledged item was pulled once with its right value';
};

subtest 'its keys' => sub {
    my @wrong = grep { my ($id, undef, $n, $key) = @$_;
        persist(sub { enqueue_key($other, $key, $n) })->json->{id} ne $id } @enqueued[0 .. 9, -10 .. -1];
    is_deeply \@wrong, [], 'a repeated enqueue has the same id';
    my ($id, undef, $n, $key) = $enqueued[0]->@*;
    is_problem(enqueue_key($other, $key, $n + 1), 422, 'another enqueue with its key');
    for my $pull ($drained->{batches}->@[0, -1]) {
        my ($key, $batch) = @$pull;
        is_deeply persist(sub { pull_key($other, $key, TOP) })->json, $batch, 'a repeated pull brings the same batch';
    }
};

subtest 'it comes back in the end' => sub {
    $dying->restart;
    ok $pair->wait_together, 'they hear each other';
    ok $pair->wait_told, 'and tell each other everything';
    my @late = pull_rest($pair->nodes); # what it had not acknowledged, at most
    cmp_ok scalar @late, '<=', @seen, 'it has next to nothing to hand out';
    is_deeply judge(\@enqueued, [@pulled, @late])->{twice}, [], 'and nothing once more';
    my @states = map { my $id = $_->[0]; map { $_->item($id)->json->{state} } $pair->nodes } @enqueued[0 .. 4, -5 .. -1];
    is_deeply [grep { $_ ne 'pulled' } @states], [], 'both know what became of its items';
    is $other->stats->{faults}, 0, 'there was no fault';
};

finish();
