# Two nodes: what is put to either is pulled from the other, an item can be asked for and cancelled at
# either, and a peer that is dead, cut off or slow delays nobody for longer than it may.

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
    is_deeply $there->item($id)->json, $here->item($id)->json, 'is shown as it stands';
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

# A keyed pull at a node while the code does harm; then it is made again.
sub harmed_pull ($node, $key, $harm) {
    my $first = background(sub { my $reply = pull_key($node, $key, 12); return ($reply->status, $reply->content) });
    sleep rand 0.03;
    $harm->();
    my ($status, $content) = $first->result;
    my $again = persist(sub { pull_key($node, $key, 12) });
    is $again->content, $content, 'made again it brings the same' if $status == 200;
    is persist(sub { pull_key($node, $key, 12) })->content, $again->content, 'and again';
    return $again->json->@*;
}

subtest 'a pull that is made again' => sub {
    my (@ids, @pulled);
    my @harms = ((['the link is cut', sub { $pair->cut }]) x 3, ['the node asked is killed', sub { $there->kill_everything; $there->restart }],
        ['the other node is killed', sub { $here->kill_everything; $here->restart }]);
    for my $round (0 .. $#harms) {
        my ($what, $harm) = $harms[$round]->@*;
        push @ids, done_items($here, 8), done_items($there, 4);
        push @pulled, subtest_list($what, sub { harmed_pull($there, "again-$round", $harm) });
        $pair->heal;
        ok $pair->wait_together, 'they hear each other' or return;
    }
    push @pulled, map { { id => $_->[0] } } pull_rest($pair->nodes);
    is_deeply [sort map { $_->{id} } @pulled], [sort @ids], 'in the end each was handed out once';
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
        is_deeply [grep { my $id = $_; !grep { $_ eq $id } ids($reply) } @near], [], 'one for more brings what is there';
        cmp_ok $seconds, '<', PEER_MS / 1000 + SLACK, 'within PEER_MS';
        my @came = grep { my $id = $_; !grep { $_ eq $id } @near } ids($reply);
        ok $there->wait_away, 'the peer is away';
        for my $round (1 .. 3) {
            ($seconds, $reply) = timed(sub { $there->pull(100) });
            is_deeply [ids($reply)], [], 'a later pull has nothing to wait for';
            cmp_ok $seconds, '<', SLACK, 'and does not wait';
        }
        ($seconds, $reply) = timed(sub { $there->item($kept) });
        is $reply->json->{state}, 'waiting', 'an item of it is shown from the copy';
        cmp_ok $seconds, '<', SLACK, 'at once';
        for my $method (qw(GET DELETE)) {
            ($seconds, $reply) = timed(sub { $there->call($method, "/items/$unknown") });
            my $problem = is_problem($reply, 503, "$method of one that is not kept");
            like $problem->{detail}, qr/\bnode\b/i, 'says why';
            cmp_ok $seconds, '<', SLACK, 'at once';
        }
        $end->();
        ok $pair->wait_together, 'it comes back';
        push @came, map { $_->[0] } pull_rest($there);
        is_deeply [sort @came], [sort @far], 'and what it has is pulled';
        is $there->call('DELETE', "/items/$kept")->status, 204, 'what was kept is cancelled there';
        is $here->state_of($kept), 'cancelled', 'and there';
    };
}

finish();
