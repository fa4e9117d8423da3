# Eleven histories in which nodes that merged their databases broke promises, and what happens now.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill::Pair;
use Hashmill;
use Hashmill::FakePeer;
use Hashmill::Load;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant { PEER_MS => 500, LONG => 9_000_000_000_000, DAY => 86_400 };

# nginx that loses the requests to set items aside, as long as there is a file.
sub lossy ($text) {
    my ($dir) = $text =~ m{pid "(.*)/nginx\.pid";};
    $text =~ s/^(\s*include "\S*hashmill-worker\.conf";)/$1 location = \/peer\/reserve { if (-f "$dir\/lose") { return 444; } fastcgi_pass hashmill_worker; }/m or die;
    return $text;
}

my $pair = Hashmill::Pair->start(COPY => 'sync', PEER_MS => PEER_MS, LEASE_SECONDS => 5, PULLED_DAYS => 2, CANCELLED_DAYS => 1,
    node1 => { nginx_change => \&lossy });
my ($here, $there) = $pair->nodes;
my $lose = "$there->{dir}/nginx/lose";
$_->expect_log(qr/connect\(\) to unix:/) for $pair->nodes; # one asks while the other has no such process
$here->expect_log(qr/reports another chain than is stored/); # 6

# A call of node 0 to node 1.
sub peer_call ($name, $body, $type = 'application/json') {
    return $there->worker_call("/peer/$name", $body, Authorization => "Bearer $here->{settings}{PEER_TOKEN}", 'Content-Type' => $type);
}

# A keyed pull at node 0 whose request to node 1 is lost at first, and arrives when nobody waits for its answer any
# more. Returns how many items are set aside for it.
sub torn_pull ($key, $top) {
    spew($lose, '');
    is_problem(pull_key($here, $key, $top), 503, 'half of it is no answer');
    my ($pull) = $here->sql('SELECT lower(hex(tag)), wanted, lower(hex(id)), epoch FROM pull, identity WHERE closed IS NULL');
    my ($tag, $wanted, $id, $epoch) = @$pull;
    unlink $lose;
    my $late = peer_call('reserve', { protocol => 2, node => 0, database => join('-', unpack 'a8 a4 a4 a4 a12', $id),
        epoch => 0 + $epoch, tag => $tag, top => 0 + $wanted, order => 'latest', again => JSON::PP::false });
    return scalar $late->json->{items}->@*;
}

sub number ($node) { return $node->{settings}{NODE} }
sub done_items ($node, $count) { return map { $node->new_item("done $_ " . uuid(), 1) } 1 .. $count }
sub ids ($reply) { return sort map { $_->{id} } $reply->json->@* }

# That both replicas are equal to their databases, and nothing is left to be handed out or set aside.
sub at_rest {
    ok $pair->wait_together, 'they hear each other';
    is_deeply [map { $_->[0] } pull_rest($pair->nodes)], [], 'nothing is left to be handed out';
    ok wait_until(20, sub { !grep { $_->stats->{set_aside} } $pair->nodes }), 'nothing is set aside';
    ok $pair->wait_equal($_), 'the replica of node ' . number($_) . ' is equal to its database' for $pair->nodes;
    return;
}

subtest '1: a node comes back with an empty disk' => sub {
    my @theirs = done_items($there, 20);
    my @ours = done_items($here, 5);
    $there->kill_everything;
    $there->lose_disk;
    my ($code, $said) = $there->init;
    is $code, 78, 'it does not begin with an empty queue by itself';
    like $said, qr/node 0 has a replica of this node's database/, 'but says what there is';
    $there->restart('--from-peer');
    ok $pair->wait_together, 'with --from-peer it is back';
    is_deeply [map { $there->state_of($_) } @theirs], [('done') x 20], 'and has all that it had acknowledged';
    ok $pair->wait_equal($here), 'the other one is copied to it again';
    is_deeply [ids($here->pull(100))], [sort @theirs, @ours], 'all is handed out';
    at_rest();
};

subtest '2: a node stands still for a while' => sub {
    my @theirs = done_items($there, 5);
    my $waiting = $there->new_item('waiting there', 10);
    ok $there->wait_told, 'its peer has all in a replica';
    my @stopped = $here->pids;
    kill 'STOP', @stopped;
    ok $there->wait_away, 'the peer sees it as away';
    sleep 4; # longer than it takes to count as away, for either
    kill 'CONT', @stopped;
    is_deeply $here->lease->status, 204, 'the node that stood still leases nothing of its peer';
    my @pulled = map { ids($_->pull(100)) } $here, $there, $here;
    is_deeply [sort @pulled], [sort @theirs], 'and each item is handed out once, by either';
    is $there->call('DELETE', "/items/$waiting")->status, 204, 'what waits is its owner\'s';
    at_rest();
};

subtest '3: a keyed pull of 300 that is torn' => sub {
    my @ids = (done_items($here, 40), done_items($there, 260));
    is torn_pull('torn', 300), 260, 'what its request sets aside';
    is_deeply $there->pull(10)->json, [], 'nobody else gets';
    my $batch = persist(sub { pull_key($here, 'torn', 300) });
    is_deeply [ids($batch)], [sort @ids], 'made again it is whole';
    is persist(sub { pull_key($here, 'torn', 300) })->content, $batch->content, 'and again';

    @ids = (done_items($here, 40), done_items($there, 260));
    my $killed = background(sub { persist(sub { pull_key($here, 'torn-2', 300) })->content });
    kill 'KILL', $here->children('peering');
    my $content = $killed->result;
    $batch = persist(sub { pull_key($here, 'torn-2', 300) });
    is $batch->content, $content, 'the same when the process that asks is killed';
    is_deeply [sort(ids($batch), ids($here->pull(300)))], [sort @ids], 'each item was handed out once';
    at_rest();
};

subtest '3: a pull of the other node alone, made again before the replica has it' => sub {
    my ($id) = done_items($there, 1);
    is_deeply [ids(pull_key($here, 'rest', 1))], [$id], 'it is pulled';
    at_rest();
    my $batch = sub { ($here->sql('SELECT batch FROM tally'))[0][0] };
    my $before = $batch->();
    kill 'STOP', my @stopped = $there->children('replica');
    my $begun = time;
    my $enqueued = background(sub { $here->new_item('not told', 1000) });
    ok wait_until(20, sub { $batch->() > $before }), 'the replica lacks a batch';
    my $again = background(sub { my $reply = pull_key($here, 'rest', 1); return (time, ids($reply)) });
    sleep 0.5;
    my $mended = time;
    kill 'CONT', @stopped;
    my ($answered, @ids) = $again->result;
    is_deeply \@ids, [$id], 'the pull is the same';
    SKIP: {
        skip 'this machine is too slow: the node has waited for two seconds', 1 if $mended - $begun > 1.5;
        cmp_ok $answered, '>=', $mended, 'and was answered when the replica had all';
    }
    is $here->call('DELETE', '/items/' . ($enqueued->result)[0])->status, 204, 'what was enqueued is cancelled';
    at_rest();
};

subtest '3: a pull that the replica does not know to be closed' => sub {
    my ($id) = done_items($there, 1);
    kill 'STOP', my @stopped = $there->children('replica');
    my $begun = time;
    my $pulled = background(sub { ids(pull_key($here, 'not-told', 1)) });
    ok wait_until(20, sub { $there->stats->{set_aside} == 1 }), 'its item is set aside';
    sleep 1.2; # the other node asks each second what has become of it
    my $kept = $there->stats->{set_aside};
    my $took = time - $begun;
    kill 'CONT', @stopped;
    SKIP: {
        skip 'this machine is too slow: the node has waited for two seconds', 1 if $took > 1.8;
        is $kept, 1, 'and so it stays as long as the client is not answered';
    }
    is_deeply [$pulled->result], [$id], 'the client gets it';
    at_rest();
};

subtest '4: a peer is taken out of PEERS' => sub {
    my ($own, $theirs) = map { $_->new_item('own', 10) } $here, $there;
    my %settings = map { $_ => $here->{settings}{$_} } qw(PEERS PEER_TOKEN);
    ok $here->reload(PEERS => '', PEER_TOKEN => ''), 'a node goes on alone';
    is $here->work_all, 1, 'it leases what is its own';
    is_deeply [ids($here->pull(10))], [$own], 'and hands that out';
    is_problem($here->item($theirs), 404, 'it knows nothing of the other\'s');
    is $there->work_all, 1, 'which are where they were';
    is_deeply [ids($there->pull(10))], [$theirs], 'and are handed out there';
    ok $here->reload(%settings), 'and back';
    at_rest();
};

subtest '5: COPY is turned on later' => sub {
    ok $_->reload(COPY => 'none'), 'a node without a replica' for $pair->nodes;
    my @ids = map { done_items($_, 10) } $pair->nodes;
    ok !exists $here->peer_stats->{replica}, 'nobody speaks of one';
    ok $_->reload(COPY => 'async'), 'now with one' for $pair->nodes;
    ok $pair->wait_told, 'the replicas follow';
    ok $pair->wait_equal($_), 'and have what was there before' for $pair->nodes;
    is_deeply [sort(map { ids($_->pull(100)) } $pair->nodes)], [sort @ids], 'all is handed out';
    ok $_->reload(COPY => 'sync'), 'with another one again' for $pair->nodes;
    at_rest();
};

my @pulled; # items that were handed out

subtest '6: a worker goes on with a wrong chain' => sub {
    my $id = $here->new_item('right', 100);
    my $first = $here->lease->json;
    my $chain = $first->{items}[0]{chain};
    my $report = sub ($lease, $remaining, $text, %more) {
        return scalar $here->report({ id => $id, lease => $lease, remaining => $remaining, chain => $text, %more })->json->{taken}->@*;
    };
    is $report->($first->{lease}, 50, advance($chain, 49)), 1, 'a checkpoint is taken';
    is $report->($first->{lease}, 50, 'a' x 128), 0, 'not another chain at the same place under the same lease';
    $pair->pass_seconds(10);
    my $second = persist(sub { $here->lease })->json;
    is_deeply $second->{items}[0]{chain}, advance($chain, 49), 'when the lease lapses the next worker goes on from what was taken';
    is $report->($first->{lease}, 0, 'b' x 128), 0, 'what the first one says then is refused';
    is $there->lease->status, 204, 'and the other node gives it to nobody';
    is $report->($second->{lease}, 0, advance($chain, 99)), 1, 'the value is taken';
    is $report->($second->{lease}, 0, 'c' x 128), 0, 'and no other one';
    is_deeply [map { $_->{value} } $there->pull(1)->json->@*], [value_of('right', 100)], 'the right one is handed out';
    push @pulled, $id;
    at_rest();
};

# How many of these items a node has rows of.
sub rows_of ($node, @ids) {
    my $list = join ',', map { "x'" . tr/-//dr . "'" } @ids;
    return ($node->sql("SELECT count(*) FROM item WHERE id IN ($list)"))[0][0];
}

subtest '7: time passes between a pull and its other part' => sub {
    my @ours = done_items($here, 3);
    my @theirs = done_items($there, 3);
    is torn_pull('late', 6), 3, 'its other part is set aside';
    $pair->pass_seconds(5 * DAY); # what was pulled is kept for two
    ok wait_until(20, sub { rows_of($here, @pulled) == 0 }), 'what was pulled before goes meanwhile';
    is $there->stats->{set_aside}, 3, 'not what is set aside';
    is rows_of($here, @ours) + rows_of($there, @theirs), 6, 'all rows are there';
    my $batch = persist(sub { pull_key($here, 'late', 6) });
    is_deeply [ids($batch)], [sort @ours, @theirs], 'the pull is made again, and is whole';
    at_rest();
    is persist(sub { pull_key($here, 'late', 6) })->content, $batch->content, 'and again';
    $pair->pass_seconds(10 * DAY);
    ok wait_until(60, sub { !grep { my $node = $_; ($node->sql('SELECT count(*) FROM item'))[0][0] } $pair->nodes }), 'then all go';
    ok $pair->wait_equal($_), 'in the replica, too' for $pair->nodes;
};

subtest '7: PULLED_DAYS differs' => sub {
    my @theirs = (done_items($here, 1), done_items($there, 1))[1];
    is scalar persist(sub { pull_key($here, 'unequal', 2) })->json->@*, 2, 'a pull of both';
    at_rest();
    ok $there->reload(PULLED_DAYS => 0), 'the other node keeps what was pulled for no time';
    ok wait_until(20, sub { rows_of($there, @theirs) == 0 }), 'and removes its part';
    ok $pair->wait_together, 'they hear each other';
    is_problem(pull_key($here, 'unequal', 2), 410, 'which is gone, and not out of reach');
    ok $there->reload(PULLED_DAYS => 2), 'and as before';
    at_rest();
};

subtest '8: one key at both nodes' => sub {
    my @ids = map { enqueue_key($_, 'twice', 1)->json->{id} } $pair->nodes;
    isnt $ids[0], $ids[1], 'two items, as docs/nodes.md has it: keys are known to the node that was asked';
    for my $round (1, 2) {
        is_deeply [map { enqueue_key($_, 'twice', 1)->json->{id} } $pair->nodes], \@ids, 'which each says again';
    }
    my @batches = map { pull_key($_, 'pulled-twice', 1)->content } $pair->nodes;
    isnt $batches[0], $batches[1], 'two pulls';
    is_deeply [map { pull_key($_, 'pulled-twice', 1)->content } $pair->nodes], \@batches, 'which each makes again';
    at_rest();
};

subtest '9: a DELETE while the owner is alive, but slow' => sub {
    my $id = $there->new_item('slow', 1000);
    ok $there->wait_told, 'there is a replica that could answer';
    kill 'STOP', my @stopped = $there->children('worker');
    is_problem($here->call('DELETE', "/items/$id"), 503, 'it is not done by anybody else');
    kill 'CONT', @stopped;
    is persist(sub { my $reply = $here->call('DELETE', "/items/$id"); $reply->{status} = 200 if $reply->status == 204; $reply })->status, 200,
        'asked for again it is done by the owner';
    is $there->state_of($id), 'cancelled', 'who knows it';
    is $there->lease->status, 204, 'nobody computes it';
    at_rest();
};

subtest '10: COPY differs' => sub {
    ok $here->reload(COPY => 'none'), 'one node has no replica';
    my @ids = map { $_->new_item('unequal', 1000) } $pair->nodes;
    ok $pair->wait_together, 'they hear each other';
    is $here->call('DELETE', "/items/$ids[1]")->status, 204, 'it cancels an item of the other';
    is $there->call('DELETE', "/items/$ids[0]")->status, 204, 'and the other way round';
    is_deeply [map { my $node = $_; map { $node->state_of($_) } @ids } $pair->nodes], [('cancelled') x 4], 'both know of both';
    is_deeply [map { $_->lease->status } $pair->nodes], [204, 204], 'nobody computes them';
    ok $here->reload(COPY => 'sync'), 'and again with one';
    at_rest();
};

subtest '11: a message that comes late' => sub {
    my $log = "$here->{settings}{DATABASE}-log";
    my $before = -s $log // 0;
    my ($id) = done_items($here, 1);
    ok wait_until(20, sub { (-s $log // 0) > $before }), 'batches are written,';
    ok $here->wait_told, 'and sent';
    is_deeply [ids($here->pull(1))], [$id], 'the item is pulled,';
    $pair->pass_seconds(20 * DAY);
    ok wait_until(60, sub { !($here->sql('SELECT count(*) FROM item'))[0][0] }), 'and removed in the end';
    ok $pair->wait_equal($here), 'in the replica, too';
    my ($identity) = $here->sql('SELECT lower(hex(id)), epoch, (SELECT * FROM pragma_user_version) FROM identity');
    my $database = join '-', unpack 'A8 A4 A4 A4 A12', $identity->[0];
    my $records = substr slurp($log), $before; # all since, in order, once more
    my $late = peer_call("replica/batches?node=0&database=$database&epoch=$identity->[1]&schema=$identity->[2]&complete=1", $records,
        'application/octet-stream');
    is $late->status, 200, 'all of it once more';
    note $late->content;
    is_problem($_->item($id), 404, 'brings nothing back at node ' . number($_)) for $pair->nodes;
    ok $pair->wait_equal($here), 'the replica is what it was';
    is_problem(peer_call($_, { protocol => 2, node => 0, items => [] }), 404, "there is no /peer/$_ any more") for qw(copies items transfer);
    at_rest();
};

subtest '11: a lender that was taken from a copy' => sub {
    my $peer = Hashmill::FakePeer->start(node => 1);
    my $mill = Hashmill->start(NODE => 0, PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token, LOAN_SECONDS => 60, COPY => 'none');
    my ($database, $nonce) = (uuid(), 0);
    my $borrow = sub ($loan) {
        my $answer;
        for (1, 2) { # the first one learns what counts
            $answer = $mill->worker_call('/peer/hello', { protocol => 2, node => 1, database => $database, epoch => 1, nonce => $nonce,
                loans => [$loan] }, Authorization => 'Bearer ' . $peer->token)->json;
            $nonce = $answer->{nonce};
            return $answer->{loans}[0]{ttl} if $answer->{counts};
        }
        return 'none counts';
    };
    cmp_ok $borrow->(uuid()), '>', 0, 'a node lends';
    my $backup = "$mill->{dir}/backup.db";
    is system($mill->program('hashmill-fcgi'), '-c', $mill->settings_file, '--backup', $backup), 0, 'a backup is made';
    my $loan = uuid();
    cmp_ok $borrow->($loan), '>', 0, 'it lends again';
    $mill->kill_everything;
    unlink glob "$mill->{settings}{DATABASE}*";
    rename $backup, $mill->{settings}{DATABASE} or die;
    is +($mill->init('--alone'))[0], 0, 'the backup takes its place';
    $mill->restart;
    $nonce = 0;
    is $borrow->(uuid()), 0, 'it has forgotten a loan, so it lends nothing';
    $mill->move_clock(steady_ms => 61_000);
    cmp_ok $borrow->(uuid()), '>', 0, 'until every loan of before is over';
    $mill->close_instance;
};

finish();
