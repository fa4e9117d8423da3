# COPY=sync: one of two nodes is killed in the middle of its work, and its disk is gone. Started again with --init
# --from-peer it has everything back that it had acknowledged, from the replica at the other node: items, values,
# what was handed out, and its Idempotency-Keys. Its database of before is refused from then on.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

use File::Copy qw(copy);

use constant TOP => 7;

my $pair = Hashmill::Pair->start(COPY => 'sync', PEER_MS => 500);
my ($dying, $other) = $pair->nodes;
my $worker = $pair->start_worker;

# Enqueues until the node answers no more. Returns what was acknowledged, as Hashmill::Load does; and the last one,
# [key, iterations], whose outcome nobody knows.
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

my $database = $dying->{settings}{DATABASE};
my $before = "$dying->{dir}/before"; # a machine that was thought dead, with its disk
mkdir $before or die;

my @clients = map { my $number = $_; background(sub { client("client-$number") }) } 1 .. 3;
my $drainer = background(\&drainer);
my @others = enqueuer($other, 'other', most => 50, pause => 0);
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
note scalar(@enqueued), ' items acknowledged, ', scalar(@pulled), ' pulled';
cmp_ok scalar @enqueued, '>', scalar @pulled, 'there is something left';
copy($_, "$before/" . s{.*/}{}r) or die for glob "$database*";
$dying->lose_disk;

subtest 'while it is dead' => sub {
    ok $other->wait_away, 'it is away';
    my @shown = map { $other->item($_->[0]) } @enqueued;
    is scalar(grep { $_->status == 200 && $_->json->{as_of} } @shown), scalar @enqueued, 'all that it has acknowledged is shown from the replica';
    is_problem($other->call('DELETE', "/items/$enqueued[-1][0]"), 503, 'and cannot be cancelled');
    my $worker = $pair->start_worker;
    ok $other->wait_computed, 'the other node goes on';
    my @own = pull_rest($other);
    push @pulled, @own;
    my %lost = map { $_->[0] => 1 } @enqueued;
    is scalar(grep { $lost{$_->[0]} } @own), 0, 'it hands out nothing of the dead one,';
    is_deeply [grep { my $state = $other->item($_->[0])->json->{state}; $state ne 'pulled' && $state ne 'done' && $state ne 'waiting' && $state ne 'leased' } @enqueued], [],
        'whose items stay what they were';
};

subtest 'started again' => sub {
    my ($code, $said) = $dying->init;
    is $code, 78, 'without a database --init leaves it to a person';
    like $said, qr/node 1 has a replica of this node's database: batch \d+ of [\dT:.Z-]+, complete, last heard of \d+ s ago/,
        'says what there is';
    like $said, qr/--init --from-peer.*--init --new/s, 'and what can be done';
    ok !-e $database, 'nothing is made';
    ($code, $said) = $dying->init('--from-peer');
    is $code, 0, '--from-peer fetches it' or diag $said;
    like $said, qr/given the queue back as of batch/, 'and says so';
    $dying->restart;
    ok $pair->wait_together, 'they hear each other';
    is scalar(grep { $dying->item($_->[0])->status != 200 } @enqueued), 0, 'it has every item that it had acknowledged';
    my ($epochs) = $dying->sql('SELECT epoch, (SELECT count(*) FROM item) FROM identity');
    note "@$epochs";
};

subtest 'its keys' => sub {
    my @wrong = grep { my ($id, undef, $n, $key) = @$_;
        persist(sub { enqueue_key($dying, $key, $n) })->json->{id} ne $id } @enqueued[0 .. 9, -10 .. -1];
    is_deeply \@wrong, [], 'a repeated enqueue has the same id';
    my ($id, undef, $n, $key) = $enqueued[0]->@*;
    is_problem(enqueue_key($dying, $key, $n + 1), 422, 'another enqueue with its key');
    for my $pull ($drained->{batches}->@[0, -1]) {
        my ($key, $batch) = @$pull;
        is_deeply persist(sub { pull_key($dying, $key, TOP) })->json, $batch, 'a repeated pull brings the same batch';
    }
};

subtest 'its clients go on' => sub {
    push @enqueued, map { my ($key, $n) = $_->{last}->@*; # perhaps for the first time
        [persist(sub { enqueue_key($dying, $key, $n) })->json->@{qw(id digest)}, $n, $key] } @seen;
    push @pulled, listed(persist(sub { pull_key($dying, $drained->{last}, TOP) })->json);
    ok $pair->wait_computed, 'all is computed';
    push @pulled, pull_rest($pair->nodes);
    is_deeply judge([@enqueued, @others], \@pulled), { lost => [], twice => [], wrong => [] },
        'every acknowledged item was pulled once with its right value';
    cmp_ok scalar(@pulled), '<=', @enqueued + @others, 'and nothing else';
    ok $pair->wait_equal($_), 'the replica of node ' . $_->{settings}{NODE} . ' is equal to its database' for $pair->nodes;
};

my $after; # an item that the old database does not have

subtest 'the machine of before comes back' => sub {
    mkdir "$dying->{dir}/run-before" or die;
    $dying->expect_log(qr/knows a newer database of node 0 than this one: this server stops/);
    my $old = $dying->run_server(DATABASE => "$before/hashmill.db", RUN_DIR => "$dying->{dir}/run-before");
    $old->wait_exit(30);
    is $old->exit_code, 76, 'its server stops for good';
    ok $pair->wait_together, 'the newer one is still heard';
    $after = $dying->new_item('after', 1);
    ok $dying->wait_told, 'and serves';
};

subtest 'its disk is put in place' => sub {
    $dying->kill_everything;
    $dying->lose_disk;
    copy($_, "$dying->{dir}/" . s{.*/}{}r) or die for glob "$before/hashmill.db*";
    $dying->expect_log(qr/this server stops/);
    my $old = $dying->run_server;
    $old->wait_exit(30);
    is $old->exit_code, 76, 'without --init it is refused in the end';
    my ($code, $said) = $dying->init;
    is $code, 0, '--init fetches the newer one' or diag $said;
    ok +(() = glob "$database-old.*") > 0, 'and keeps what was there';
    $dying->restart;
    ok $pair->wait_together, 'it serves';
    is scalar(grep { $dying->item($_->[0])->json->{state} ne 'pulled' } @enqueued), 0, 'and knows what was handed out';
    is_deeply [map { $_->[0] } pull_rest($pair->nodes)], [$after], 'nothing is handed out twice';
};

finish();
