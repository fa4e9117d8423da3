# Two nodes: an id names its node, what is put to either is pulled from the other, an item can be asked for and
# cancelled at either, and a peer that is dead, cut off or slow delays nobody for longer than it may.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;
use Hashmill::Load;

# What a call may take beside its wait for the other node; less than that wait.
use constant { PEER_MS => 2000, SLACK => sanitized() ? 1.5 : 0.7, SHARE => 60 };

my $pair = Hashmill::Pair->start(PEER_MS => PEER_MS);
my ($here, $there) = $pair->nodes;

# How long a call takes, and its answer.
sub timed ($code) {
    my $begin = time;
    my $answer = $code->();
    return (time - $begin, $answer);
}

# Items of a node that are done at once.
sub done_items ($node, $count) { return map { $node->new_item("done $_ " . uuid(), 1) } 1 .. $count }

sub ids ($reply) { return sort map { $_->{id} } $reply->json->@* }

# The NODE that an id names.
sub node_of ($id) {
    my @bytes = unpack 'C16', pack 'H*', $id =~ tr/-//dr;
    return ($bytes[8] & 0x3f) << 2 | $bytes[9] >> 6;
}

subtest 'what is put to either is pulled from the other' => sub {
    my $worker = $pair->start_worker;
    for my $at ($pair->nodes) {
        my $name = 'pulled from node ' . $at->{settings}{NODE};
        my @jobs = map { my $node = $_; background(sub { enqueuer($node, uuid(), most => SHARE, pause => 0) }) } $pair->nodes;
        my @enqueued = map { $_->result } @jobs;
        ok $pair->wait_computed, 'all is computed' or return;
        my (@pulled, $pulls);
        wait_until(60, sub {
            $pulls++;
            push @pulled, map { [$_->@{qw(id value iterations)}] } $at->pull(25)->json->@*;
            return @pulled >= @enqueued;
        });
        note "$pulls pulls";
        is scalar @pulled, 2 * SHARE, "$name: as many as were put to both";
        is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] }, 'each once with its right value';
        is_deeply [map { $_->pull(10)->json } $pair->nodes], [[], []], 'nothing is left';
        my @states = map { my $id = $_->[0]; map { $_->item($id)->json->{state} } $pair->nodes } @enqueued[0 .. 4, -5 .. -1];
        is_deeply [grep { $_ ne 'pulled' } @states], [], 'both nodes know it';
    }
    $worker->kill('TERM');
    is $worker->wait_exit(20), 0, 'the worker ends';
};

subtest 'an item of the other node' => sub {
    my $id = $here->new_item('asked for', 1000);
    is_deeply $there->item($id)->json, lasting($here->item($id)->json), 'is shown as it stands';
    my ($seconds, $reply) = timed(sub { $there->item($id, wait => 1) });
    is $reply->json->{state}, 'waiting', 'its wait ends';
    ok $seconds >= 1 && $seconds < 1 + SLACK, 'in time' or diag $seconds;

    my $waiter = background(sub { my ($seconds, $reply) = timed(sub { $there->item($id, wait => 25) });
        return ($seconds, $reply->json) });
    ok $here->wait_parked(1), 'a wait is passed on';
    $here->work_all;
    ($seconds, my $item) = $waiter->result;
    is $item->{value}, value_of('asked for', 1000), 'and answered with the value';
    cmp_ok $seconds, '<', 20, 'as soon as it is there';
    is_problem($there->call('DELETE', "/items/$id"), 409, 'what is done is not cancelled');

    my $cancelled = $here->new_item('cancelled', 1000);
    is $there->call('DELETE', "/items/$cancelled")->status, 204, 'what waits is cancelled';
    is_deeply [map { $_->state_of($cancelled) } $pair->nodes], [qw(cancelled cancelled)], 'for both';
    is $there->call('DELETE', "/items/$cancelled")->status, $here->call('DELETE', "/items/$cancelled")->status,
        'once more: as at its own node';
    for my $method (qw(GET DELETE)) {
        is_problem($there->call($method, '/items/' . ($id =~ s/.{8}$/00000000/r)), 404, "$method of an id that never was");
        is_problem($there->call($method, '/items/' . ($id =~ s/^(.{19})..../${1}9341/r)), 404, "$method of an id of no known node");
    }
    is_problem($there->item($id =~ s/.{8}$/00000000/r, wait => 20), 404, 'which is not waited for');
    is_deeply [ids($there->pull(10))], [$id], 'the one that is left is pulled';
};

subtest 'whose an item is' => sub {
    for my $node ($pair->nodes) {
        my $number = $node->{settings}{NODE};
        my @ids = done_items($node, 5);
        is_deeply [map { node_of($_) } @ids], [($number) x 5], "its id says: node $number";
        my @other = grep { $_ != $node } $pair->nodes;
        is scalar($other[0]->sql("SELECT 1 FROM item WHERE hex(id) = '" . uc($ids[0] =~ tr/-//dr) . "'")), 0, 'it has no row at the other node';
        is_deeply [ids($other[0]->pull(5))], [sort @ids], 'also when that hands it out';
        is scalar($node->sql("SELECT 1 FROM item WHERE state = 3 AND hex(id) = '" . uc($ids[0] =~ tr/-//dr) . "'")), 1, 'its row is where it was';
    }
};

# That a batch is in the order in which it was asked for.
sub in_order ($items, $order, $name) {
    my @times = map { $_->{completed_at} } @$items;
    my @sorted = sort @times;
    return is_deeply \@times, [$order eq 'oldest' ? @sorted : reverse @sorted], $name;
}

subtest 'pulls over both nodes' => sub {
    my %ids = map { my $node = $_; ($node->{settings}{NODE}, [done_items($node, 600)]) } $pair->nodes;
    my %times;
    my %pulls = (oldest => $here, latest => $there);
    for my $order (qw(oldest latest)) {
        my $node = $pulls{$order};
        my ($own, $other) = ($node->{settings}{NODE}, 1 - $node->{settings}{NODE});
        my $top = $order eq 'oldest' ? 700 : 300;
        my $batch = pull_key($node, "over-both-$order", $top, order => $order);
        my @came = $batch->json->@*;
        is scalar @came, $top, "$order: as many as were asked for";
        $times{ $_->{id} }++ for @came;
        my @count = (0, 0);
        $count[node_of($_->{id})]++ for @came;
        is_deeply \@count, $order eq 'oldest' ? [600, 100] : [0, 300], 'those of the node that is asked first';
        in_order(\@came, $order, 'listed in the order that was asked for');
        is pull_key($node, "over-both-$order", $top, order => $order)->content, $batch->content, 'with the key again: the same';
        is_problem(pull_key($node, "over-both-$order", $top - 1, order => $order), 422, 'with another top');
        is_problem(pull_key($node, "over-both-$order", $top, order => $order eq 'oldest' ? 'latest' : 'oldest'), 422, 'with another order');
    }
    push $ids{0}->@*, done_items($here, 500);
    my $most = pull_key($there, 'most', 1000);
    my @came = $most->json->@*;
    is scalar @came, 700, 'a pull of 1000 brings all that is left';
    in_order(\@came, 'latest', 'the latest first');
    is pull_key($there, 'most', 1000)->content, $most->content, 'and again';
    $times{ $_->{id} }++ for @came;
    my @full = (done_items($here, 500), done_items($there, 500));
    is_deeply [ids($here->pull(1000))], [sort @full], 'one of 1000 of which half is there';
    is_deeply [grep { $times{$_} != 1 } map { @$_ } values %ids], [], 'each was handed out once';
    is scalar(keys %times), 1700, 'and nothing else';
    ok wait_until(20, sub { !grep { $_->stats->{set_aside} } $pair->nodes }), 'nothing stays set aside';
    ok wait_until(20, sub { !grep { my $node = $_; ($node->sql('SELECT count(*) FROM reservation WHERE settled < 2'))[0][0] } $pair->nodes }),
        'and both know how each pull ended';
};

subtest 'keys are known to the node that was asked' => sub {
    my @first = map { enqueue_key($_, 'the-same', 7)->json->{id} } $pair->nodes;
    is_deeply [map { node_of($_) } @first], [0, 1], 'an enqueue with one key at both: two items';
    is_deeply [map { enqueue_key($_, 'the-same', 7)->json->{id} } $pair->nodes], \@first, 'again at each: its own';
    is_problem(enqueue_key($there, 'the-same', 8), 422, 'with other iterations');
    $_->work_all for $pair->nodes;
    my @pulled = map { [ids(pull_key($_, 'one-key', 1))] } $pair->nodes;
    is_deeply \@pulled, [map { [$_] } @first], 'a pull with one key at both: two pulls';
    is_deeply [map { [ids(pull_key($_, 'one-key', 1))] } $pair->nodes], \@pulled, 'again at each: its own';
};

# A keyed pull at a node while $harm happens; after $mend the pull is repeated.
sub harmed_pull ($node, $key, $harm, $mend) {
    my $first = background(sub { my $reply = pull_key($node, $key, 12); return ($reply->status, $reply->content) });
    sleep rand 0.01;
    $harm->();
    my ($status, $content) = $first->result;
    note "answered $status";
    $mend->();
    my $again = persist(sub { pull_key($node, $key, 12) });
    is $again->content, $content, 'made again it brings the same' if $status == 200;
    is persist(sub { pull_key($node, $key, 12) })->content, $again->content, 'and again';
    return $again->json->@*;
}

subtest 'a pull that is made again' => sub {
    my (@ids, @pulled);
    my @harms = ((['the link is cut', sub { $pair->cut }, sub { $pair->heal }]) x 4,
        ['the node asked is killed', sub { $there->kill_everything }, sub { $there->restart }],
        ['the other node is killed', sub { $here->kill_everything }, sub { $here->restart }]);
    for my $round (0 .. $#harms) {
        my ($what, $harm, $mend) = $harms[$round]->@*;
        push @ids, done_items($here, 8), done_items($there, 4);
        push @pulled, subtest_list($what, sub { harmed_pull($there, "again-$round", $harm, $mend) });
        ok $pair->wait_together, 'they hear each other' or return;
    }
    push @pulled, map { { id => $_->[0] } } pull_rest($pair->nodes);
    is_deeply [sort map { $_->{id} } @pulled], [sort @ids], 'in the end each was handed out once';
    ok wait_until(20, sub { !grep { $_->stats->{set_aside} } $pair->nodes }), 'nothing stays set aside';
};

# A subtest that returns a list.
sub subtest_list ($name, $code) {
    my @list;
    subtest $name => sub { @list = $code->() };
    return @list;
}

my %trouble = (
    'cut off' => [sub { $pair->cut }, sub { $pair->heal }],
    'standing still' => [sub { kill 'STOP', $here->pids }, sub { kill 'CONT', $here->pids }],
);

for my $how (sort keys %trouble) {
    subtest "a peer that is $how" => sub {
        my ($begin, $end) = $trouble{$how}->@*;
        my $kept = $here->new_item("kept $how", 1000);
        my @far = done_items($here, 5);
        my $unknown = $far[0] =~ s/.{8}$/00000000/r; # an id that it could have given
        ok $here->wait_told, 'all is told';
        my @near = done_items($there, 3);
        $begin->();
        my ($seconds, $reply) = timed(sub { $there->pull(3) });
        is_deeply [ids($reply)], [sort @near], 'a pull for which enough is there brings it';
        cmp_ok $seconds, '<', SLACK, 'at once';
        @near = done_items($there, 3);
        ($seconds, $reply) = timed(sub { $there->pull(100) });
        is_deeply [ids($reply)], [sort @near], 'one for more brings what is there';
        cmp_ok $seconds, '<', PEER_MS / 1000 + SLACK, 'within PEER_MS';
        ok $there->wait_away, 'the peer is away';
        for my $round (1 .. 3) {
            ($seconds, $reply) = timed(sub { $there->pull(100) });
            is_deeply [ids($reply)], [], 'a later pull has nothing to wait for';
            cmp_ok $seconds, '<', SLACK, 'and does not wait';
        }
        @near = done_items($there, 2);
        ($seconds, $reply) = timed(sub { pull_key($there, 'alone-' . length $how, 10) });
        is_deeply [ids($reply)], [sort @near], 'a keyed one, too, brings what is there';
        for my $wait ('', '?wait=20') {
            ($seconds, $reply) = timed(sub { $there->get("/items/$kept$wait") });
            is $reply->json->{state}, 'waiting', "GET$wait of an item of it answers from the replica";
            like $reply->json->{as_of}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'and says as of when';
            cmp_ok $seconds, '<', SLACK, 'at once';
        }
        for my $case ([GET => $unknown], [DELETE => $unknown], [DELETE => $kept]) {
            my ($method, $id) = @$case;
            ($seconds, $reply) = timed(sub { $there->call($method, "/items/$id") });
            my $problem = is_problem($reply, 503, "$method of " . ($id eq $kept ? 'one that waits there' : 'one that is not in the replica'));
            like $problem->{detail}, qr/\bnode 0\b/i, 'says why';
            cmp_ok $seconds, '<', SLACK, 'at once';
        }
        $end->();
        ok $pair->wait_together, 'it comes back';
        my @came = map { $_->[0] } pull_rest($there);
        is_deeply [sort @came], [sort @far], 'and what it has is pulled';
        is_deeply [ids(pull_key($there, 'alone-' . length $how, 10))], [sort @near], 'the keyed pull stays what it was';
        ok !exists $there->item($kept)->json->{as_of}, 'its item is shown as it is';
        is $there->call('DELETE', "/items/$kept")->status, 204, 'and can be cancelled there';
        is $here->state_of($kept), 'cancelled', 'and is';
    };
}

ok $pair->wait_equal($_), 'in the end the replica of node ' . $_->{settings}{NODE} . ' is equal to its database' for $pair->nodes;

finish();
