# One node and a peer that the test plays: who is let in, what is understood, what is asked of the
# peer, and how long clients wait for it.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::FakePeer;

my $peer_ms = 1000;
my $peer = Hashmill::FakePeer->start(node => 1);
my $mill = Hashmill->start(NODE => 0, PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token,
    PEER_MS => $peer_ms, COPY => 'async', LEASE_SECONDS => 60);
my $steady_ms = 0;

# A call of the peer to the node.
sub peer_call ($name, %fields) {
    return $mill->worker_call("/peer/$name", { protocol => 1, node => 1, %fields },
        Authorization => 'Bearer ' . $peer->token);
}

# A new id of a node.
sub id_of ($node) {
    my @bytes = unpack 'C16', random_body(16);
    $bytes[6] = 0x70 | $bytes[6] & 0x0f;
    $bytes[8] = 0x80 | $node >> 2;
    $bytes[9] = ($node & 3) << 6 | $bytes[9] & 0x3f;
    return join '-', unpack 'A8 A4 A4 A4 A12', unpack 'H*', pack 'C16', @bytes;
}

# An item of node 1 as nodes tell each other of it.
sub item_of ($body, $iterations, $state, %more) {
    my %item = (id => id_of(1), digest => sha512_hex($body), iterations => $iterations, state => $state,
        remaining => $iterations - 1, home => 1, moves => 0, trial => 0, enqueued => 1_700_000_000_000);
    @item{qw(remaining chain completed)} = (0, value_of($body, $iterations), 1_700_000_001_000)
        if $state eq 'done';
    return { %item, %more };
}

# The same as an answer to a look.
sub look_of ($item, %more) {
    my %look = (chain => $item->{digest}, %$item, strikes => 0, %more);
    delete @look{qw(digest home moves trial)};
    return { status => 200, json => { node => 1, item => \%look } };
}

sub peer_status { return $mill->stats->{peers}[0] }

# The peer says nothing more, and is away by the clock.
sub go_away {
    $peer->answer(hello => { silent => 1 });
    wait_until(10, sub { # a hello under way may still be answered
        $mill->move_clock(steady_ms => $steady_ms += 4000);
        return wait_until(1, sub { peer_status()->{away} });
    });
    return ok(peer_status()->{away}, 'the peer is away');
}

sub come_back {
    $peer->answer(hello => undef);
    return ok(wait_until(20, sub { !peer_status()->{away} }), 'the peer is back');
}

# Calls the code in a process of its own. Returns code that waits for it and returns whether it was
# true.
sub in_background ($code) {
    my $pid = fork // die "fork: $!";
    POSIX::_exit(eval { $code->() } ? 0 : 1) if $pid == 0;
    return sub { waitpid $pid, 0; return $? == 0 };
}

subtest 'who is let in' => sub {
    my @calls = qw(hello copies done items transfer look cancel);
    for my $path (map { "/peer/$_" } @calls) {
        for my $token (undef, 'Bearer', "Bearer ${\$peer->token}x", "Basic ${\$peer->token}") {
            my $reply = $mill->worker_call($path, {}, Authorization => $token);
            is_problem($reply, 401, "$path: " . ($token // 'no token'));
            is $reply->header('www-authenticate'), 'Bearer', 'WWW-Authenticate';
        }
        is_problem($mill->worker_call($path, {}), 403, "$path: a worker");
    }
    for my $path (qw(/lease /results /retire /none)) {
        is_problem($mill->worker_call($path, {}, Authorization => 'Bearer ' . $peer->token), 403,
            "$path: a node");
    }
    is_problem(peer_call('none'), 404, 'an unknown call');
    is_problem($mill->call('POST', "/peer/$_"), 404, "/peer/$_ for clients") for @calls;
    my $alone = Hashmill->start;
    is_problem($alone->worker_call('/peer/done', {}, Authorization => $_), 401,
        'without PEERS nobody is let in') for undef, 'Bearer', 'Bearer ';
    is_problem($alone->worker_call('/peer/done', {}), 403, 'nor a worker');
    ok !exists $alone->stats->{$_}, "no $_ in /stats without PEERS" for qw(peers loans faults);
};

subtest 'what is understood' => sub {
    my $id = id_of(1);
    my $item = item_of('x', 9, 'waiting');
    my %transfer = (transfer => uuid(), top => 1, order => 'latest', copies => JSON::PP::true);
    my @bad = (
        [done => { protocol => 2 }, 400], [done => { protocol => undef }, 400],
        [done => { node => undef }, 400], [done => { node => 256 }, 400], [done => { node => 'one' }, 400],
        [done => { node => 0 }, 403], [done => { node => 2 }, 403],
        [items => {}, 400], [items => { after => -1 }, 400], [items => { after => '0' }, 400],
        [hello => {}, 400], [hello => { nonce => -1, loans => [] }, 400], [hello => { nonce => 1 }, 400],
        [hello => { nonce => 1, loans => {} }, 400], [hello => { nonce => 1, loans => [7] }, 400],
        [hello => { nonce => 1, loans => [map { uuid() } 1 .. 65] }, 400],
        [copies => {}, 400], [copies => { items => [] }, 400], [copies => { items => [7] }, 400],
        [copies => { items => [{ %$item, state => 'leased' }] }, 400],
        [copies => { items => [$item, { %$item, digest => 'x' }] }, 400],
        [copies => { items => [($item) x 201] }, 400], [copies => { node => 2, items => [$item] }, 403],
        [transfer => { %transfer, transfer => 'x' }, 400], [transfer => { %transfer, top => 0 }, 400],
        [transfer => { %transfer, top => 201 }, 400], [transfer => { %transfer, order => 'best' }, 400],
        [transfer => { %transfer, copies => 1 }, 400],
        [look => {}, 400], [look => { id => 'x', wait => 0 }, 400], [look => { id => $id, wait => 31 }, 400],
        [look => { id => $id }, 400], [look => { id => $id, wait => 0.5 }, 400],
        [cancel => {}, 400], [cancel => { id => 7 }, 400],
    );
    for my $case (@bad) {
        my ($name, $fields, $status) = @$case;
        is_problem(peer_call($name, %$fields), $status, "$name " . JSON::PP->new->canonical->encode($fields));
    }
    for my $text ('', '[]', '{"protocol":1,"node":1', "{}\0", '[' x 100_000) {
        is_problem($mill->worker_call('/peer/done', $text, Authorization => 'Bearer ' . $peer->token), 400,
            'done ' . substr $text, 0, 20);
    }
    is_problem($mill->worker_call('/peer/copies', ' ' x 524_289, Authorization => 'Bearer ' . $peer->token), 413,
        'a body over 512 KiB');
    like is_problem(peer_call('copies', items => [$item, { %$item, trial => -1 }]), 400, 'an item')->{detail},
        qr/items\[1\]\.trial/, 'the detail names the member';
    is_problem(peer_call('look', id => $id, wait => 0), 404, 'a look at nothing');
    is_problem(peer_call('cancel', id => $id), 404, 'a cancel of nothing');
};

subtest 'the node says hello' => sub {
    ok wait_until(20, sub { $peer->asked('hello') > 1 }), 'again and again';
    my ($first) = $peer->asked('hello');
    is $first->{TOKEN}, 'Bearer ' . $peer->token, 'with the token of nodes';
    is_deeply [@$first{qw(protocol node nonce loans)}], [1, 0, 0, []], 'protocol, node, no answer yet and no loans';
    ok wait_until(20, sub { grep { $_->{nonce} == 6 } $peer->asked('hello') }), 'then with the nonce that it is told, which counts';
    unlike $mill->server_log, qr/hello failed/, 'without a word in the log';
    ok wait_until(20, sub { !peer_status()->{away} }), 'a peer that answers is not away';
    my $status = peer_status();
    is $status->{node}, 1, 'its number in /stats';
    ok $status->{heard_seconds} < 20, 'when it was heard';
    is_deeply $mill->stats->{loans}, { taken => 0, given => 0 }, 'no loans';
    is $mill->stats->{faults}, 0, 'no faults';
    go_away();
    come_back();
    my %other = (node => 1, done => 0, counts => JSON::PP::false, nonce => 123_456, loans => []);
    $peer->answer(hello => { status => 200, json => \%other });
    ok wait_until(20, sub { $mill->server_log =~ /hello failed.* another node has NODE 0/ }), 'when none counts, the log says so';
    $peer->answer(hello => undef);
    come_back();
};

my $nonce = 0; # of the last answer to a hello of the peer

# A hello of the peer that counts; its answer.
sub hello (@loans) {
    my $answer = peer_call('hello', nonce => $nonce, loans => \@loans)->json;
    $nonce = $answer->{nonce};
    ok $answer->{counts}, 'a hello counts';
    return $answer;
}

subtest 'the peer says hello' => sub {
    my $reply = peer_call('hello', nonce => 0, loans => [uuid()]);
    is $reply->status, 200, 'it is answered';
    $nonce = $reply->json->{nonce};
    ok $nonce > 0, 'with a nonce';
    my %empty = (node => 0, done => 0, loans => []);
    is_deeply $reply->json, { %empty, counts => JSON::PP::false, nonce => $nonce }, 'it does not count without one';
    my $first = $nonce;
    is_deeply hello(), { %empty, counts => JSON::PP::true, nonce => $nonce }, 'with number, done items and loans';
    isnt $nonce, $first, 'and another nonce';
    is_deeply peer_call('hello', nonce => $first, loans => [uuid()])->json, { %empty, counts => JSON::PP::false, nonce => $nonce },
        'an older one does not count, and is told what does';
};

subtest 'the peer borrows' => sub {
    my @loans = map { uuid() } 1 .. 4;
    my $answer = hello(@loans)->{loans};
    is_deeply [map { $_->{loan} } @$answer], \@loans, 'each loan is spoken of, in order';
    is_deeply [map { $_->{ttl} > 0 ? 1 : 0 } @$answer], [1, 1, 1, 0], 'three are given, as WORKERS_MAX says';
    is $mill->stats->{loans}{given}, 3, 'they are in /stats';
    hello($loans[1]);
    is $mill->stats->{loans}{given}, 1, 'what is not named any more is returned';
    hello();
    is $mill->stats->{loans}{given}, 0, 'all of it';
};

subtest 'the peer is told' => sub {
    my $id = $mill->new_item('told', 100);
    my $told = sub ($state) {
        return grep { $_->{id} eq $id && $_->{state} eq $state } map { $_->{items}->@* } $peer->asked('copies');
    };
    ok wait_until(20, sub { $told->('waiting') }), 'of a new item';
    my ($item) = $told->('waiting');
    is_deeply [@$item{qw(digest iterations remaining home moves trial)}],
        [sha512_hex('told'), 100, 99, 0, 0, 0], 'all of it';
    ok !exists $item->{chain}, 'but not twice';
    ok wait_until(20, sub { peer_status()->{behind} == 0 }), 'and has acknowledged it';
    is $mill->call('DELETE', "/items/$id")->status, 204, 'it is cancelled';
    ok wait_until(20, sub { $told->('cancelled') }), 'and that is told';
};

subtest 'the peer tells' => sub {
    my $item = item_of('copied', 50, 'waiting');
    is peer_call('copies', items => [$item])->status, 204, 'a copy is taken';
    is peer_status()->{kept}{waiting}, 1, 'and counted';
    my $look = peer_call('look', id => $item->{id}, wait => 0)->json->{item};
    is_deeply [@$look{qw(id chain iterations remaining state)}],
        [$item->{id}, $item->{digest}, 50, 49, 'waiting'], 'it can be looked at';
    my $value = value_of('copied', 50);
    is peer_call('copies', items => [item_of('copied', 50, 'done', id => $item->{id})])->status, 204,
        'it is done';
    is peer_call('look', id => $item->{id}, wait => 30)->json->{item}{chain}, $value, 'here too';
    is $mill->pull(10)->content, qq([]\n), 'but no client gets it here';
};

subtest 'a transfer to the peer' => sub {
    my @ids = map { $mill->new_item("given $_", 10) } 1 .. 3;
    is $mill->work_all, 3, 'three items are done';
    is peer_call('done')->json->{done}, 3, 'and counted';
    my %transfer = (transfer => uuid(), top => 2, order => 'oldest', copies => JSON::PP::true);
    my $reply = peer_call('transfer', %transfer);
    is $reply->status, 200, 'some are given';
    my @items = $reply->json->{items}->@*;
    is scalar @items, 2, 'as many as were asked for';
    is_deeply [map { @$_{qw(state home moves remaining)} } @items], [('done', 1, 1, 0) x 2],
        'their home is the peer';
    is_deeply peer_call('transfer', %transfer)->json, $reply->json, 'the same again for the same transfer';
    is peer_call('done')->json->{done}, 1, 'they are not counted any more';
    my @left = $mill->pull(10)->json->@*;
    is scalar @left, 1, 'nor handed out here';
    is_deeply [sort map { $_->{id} } @items, @left], [sort @ids], 'nothing is lost';
};

subtest 'a look at an item of the peer' => sub {
    my $item = item_of('theirs', 70, 'waiting');
    is_problem($mill->item($item->{id}), 404, 'one that it does not know');
    is [$peer->asked('look')]->[-1]{id}, $item->{id}, 'it was asked';
    $peer->answer(look => look_of($item, state => 'leased', strikes => 2));
    my $seen = $mill->item($item->{id})->json;
    is_deeply [@$seen{qw(id state iterations remaining strikes)}], [$item->{id}, 'leased', 70, 69, 2],
        'one that it knows';
    my $done = item_of('theirs', 70, 'done', id => $item->{id});
    $peer->answer(look => look_of($done));
    is $mill->item($item->{id}, wait => 20)->json->{value}, value_of('theirs', 70), 'one that is done';
    is [$peer->asked('look')]->[-1]{wait}, 20, 'the wait is passed on';
    is $mill->get("/items/$item->{id}?%77ait=20")->json->{state}, 'done', 'with an escaped wait, too';
    $peer->answer(look => { status => 200, json => { node => 1, item => { id => 7 } } });
    is_problem($mill->item($item->{id}), 503, 'an answer that makes no sense');
    $peer->answer(look => { status => 404, json => {} });
    is_problem($mill->item($item->{id}), 503, 'a 404 of somebody else');
    $peer->answer(look => { cut => 1 });
    is_problem($mill->item($item->{id}), 503, 'an answer that is lost');
    is_problem($mill->item($item->{id}, wait => 20), 503, 'the same, waiting');
    $peer->answer(look => { silent => 1 });
    my $start = time;
    is_problem($mill->item($item->{id}), 503, 'no answer');
    ok time - $start < $peer_ms / 1000 + 1, 'in time';
    is $mill->item(id_of(2))->status, 404, 'an item of a node that is no peer';
    $peer->answer(look => undef);
};

subtest 'a copy of what the peer does not tell' => sub {
    my $item = item_of('kept', 20, 'waiting');
    is peer_call('copies', items => [$item])->status, 204, 'a copy is here';
    $peer->answer(look => { cut => 1 });
    is $mill->item($item->{id})->json->{state}, 'waiting', 'it is shown when the peer cannot be asked';
    my $start = time;
    is $mill->item($item->{id}, wait => 1)->json->{state}, 'waiting', 'also to one who waits,';
    ok time - $start > 0.9, 'when the wait is over';
    go_away();
    is $mill->work_all, 1, 'the peer is away: it is worked on here';
    is $mill->item($item->{id}, wait => 20)->json->{value}, value_of('kept', 20), 'its value is shown';
    is $mill->pull(10)->content, qq([]\n), 'but not handed out';
    come_back();
    $peer->answer(look => undef);
};

subtest 'a peer that goes away under a look' => sub {
    my $item = item_of('left', 20, 'waiting');
    is peer_call('copies', items => [$item])->status, 204, 'a copy is here';
    $peer->answer(look => { silent => 1 });
    my $looks = $peer->asked('look');
    my $with_copy = in_background(sub { return $mill->item($item->{id}, wait => 25)->json->{state} eq 'done' });
    my $without = in_background(sub { return $mill->item(id_of(1), wait => 25)->status == 503 });
    ok wait_until(20, sub { $peer->asked('look') == $looks + 2 }), 'the looks are passed on';
    my $start = time;
    go_away();
    ok $without->(), 'one without a copy here is answered 503';
    is $mill->work_all, 1, 'the other item is worked on here';
    ok $with_copy->(), 'its look is answered when it is done';
    ok time - $start < 15, 'before its time';
    come_back();
    $peer->answer(look => undef);
};

subtest 'many looks' => sub {
    $peer->answer(look => { silent => 1 });
    my $before = $peer->asked('look');
    my @clients = map { $mill->connection } 1 .. 67;
    $_->print('GET /items/' . id_of(1) . "?wait=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") for @clients;
    my @replies = map { local $/ = undef; scalar readline $_ } @clients;
    is scalar(grep { m{^HTTP/1.1 503 } } @replies), 67, 'all are answered';
    my @waits = map { $_->{wait} } $peer->asked('look');
    is_deeply [sort { $a <=> $b } @waits[$before .. $#waits]], [(0) x 3, (2) x 64],
        'the peer held no more than 64 at once';
    $peer->answer(look => undef);
};

subtest 'a cancel of an item of the peer' => sub {
    my $item = item_of('unwanted', 70, 'waiting');
    my $cancel = sub { return $mill->call('DELETE', "/items/$item->{id}") };
    is_problem($cancel->(), 404, 'one that it does not know');
    is [$peer->asked('cancel')]->[-1]{id}, $item->{id}, 'it was asked';
    $peer->answer(cancel => { status => 204 });
    is $cancel->()->status, 204, 'one that it cancels';
    $peer->answer(cancel => { status => 409, json => { type => 'urn:hashmill:problem:already-done' } });
    is_problem($cancel->(), 409, 'one that is done');
    $peer->answer(cancel => { cut => 1 });
    is_problem($cancel->(), 503, 'an answer that is lost');
    $peer->answer(cancel => undef);
};

subtest 'a pull brings items of the peer' => sub {
    my @items = map { item_of("bring $_", 5, 'done', home => 0, moves => 1) } 1 .. 3;
    $peer->answer(done => { status => 200, json => { node => 1, done => 3 } });
    $peer->answer(transfer => { cut => 1 });
    my $transfers = $peer->asked('transfer');
    is $mill->pull(3, order => 'oldest')->content, qq([]\n), 'the answer is lost: nothing came';
    my $asked = [$peer->asked('transfer')]->[$transfers];
    is_deeply [@$asked{qw(top order copies)}], [3, 'oldest', JSON::PP::true], 'it was asked for';
    $peer->answer(transfer => { status => 200, json => { node => 1, items => \@items } });
    $peer->answer(done => undef);
    ok wait_until(20, sub { $mill->stats->{items}{done} >= 3 }), 'it is asked again until it is answered';
    my %ids = map { $_->{transfer} => 1 } ($peer->asked('transfer'))[$transfers .. $transfers + 1];
    is_deeply [keys %ids], [$asked->{transfer}], 'for the same transfer';
    my $key = uuid();
    my $pulled = $mill->pull(3, headers => { 'Idempotency-Key' => $key });
    is_deeply [sort map { $_->{id} } $pulled->json->@*], [sort map { $_->{id} } @items], 'they are handed out';
    is_deeply [sort map { $_->{value} } $pulled->json->@*], [sort map { value_of("bring $_", 5) } 1 .. 3],
        'with their values';
    my $count = $peer->asked('done');
    is $mill->pull(3, headers => { 'Idempotency-Key' => $key })->content, $pulled->content, 'again with the key';
    is scalar(my @again = $peer->asked('done')), $count, 'without asking the peer';
    is $mill->pull(3)->content, qq([]\n), 'once';
};

subtest 'a pull in one go' => sub {
    my @items = map { item_of("go $_", 5, 'done', home => 0, moves => 1) } 1 .. 2;
    my $own = $mill->new_item('own', 1);
    $peer->answer(done => { status => 200, json => { node => 1, done => 2 } });
    $peer->answer(transfer => { status => 200, json => { node => 1, items => \@items } });
    my @pulled = $mill->pull(3)->json->@*;
    is_deeply [sort map { $_->{id} } @pulled], [sort $own, map { $_->{id} } @items], 'own and brought items';
    is [$peer->asked('transfer')]->[-1]{top}, 2, 'only what was missing was asked for';
    $peer->answer($_ => undef) for qw(done transfer);
    $mill->new_item("enough $_", 1) for 1 .. 2;
    my $count = $peer->asked('done');
    is scalar $mill->pull(2)->json->@*, 2, 'when enough is here';
    is scalar(my @again = $peer->asked('done')), $count, 'the peer is not asked';
};

subtest 'items that are none' => sub {
    my $item = item_of('wrong', 5, 'done', home => 0, moves => 1);
    $peer->answer(done => { status => 200, json => { node => 1, done => 1 } });
    for my $wrong ([{ %$item, home => 1 }], [{ %$item, state => 'waiting', remaining => 3 }], [{ %$item, id => 1 }],
        [($item) x 2], 'x') {
        $peer->answer(transfer => { status => 200, json => { node => 1, items => $wrong } });
        is $mill->pull(1)->content, qq([]\n), 'nothing is taken';
    }
    $peer->answer(transfer => { status => 200, json => { node => 2, items => [$item] } });
    is $mill->pull(1)->content, qq([]\n), 'nor from another node';
    $peer->answer(transfer => { status => 200, json => { node => 1, items => [$item] } });
    ok wait_until(20, sub { $mill->stats->{items}{done} == 1 }), 'in the end it comes';
    is scalar $mill->pull(1)->json->@*, 1, 'and is handed out';
    $peer->answer($_ => undef) for qw(done transfer);
};

subtest 'a silent peer' => sub {
    $peer->answer(done => { silent => 1 });
    my $own = $mill->new_item('mine', 1);
    my $start = time;
    is_deeply [map { $_->{id} } $mill->pull(2)->json->@*], [$own], 'a pull gets what is here';
    my $took = time - $start;
    ok $took < $peer_ms / 1000 + 0.9, "after no more than PEER_MS: $took s";
    go_away();
    $start = time;
    is $mill->pull(2)->content, qq([]\n), 'a peer that is away';
    $took = time - $start;
    ok $took < $peer_ms / 1000 * 0.7, "is not waited for: $took s";
    is_problem($mill->item(id_of(1)), 503, 'nor for a look');
    is_problem($mill->item(id_of(1), wait => 20), 503, 'nor for a look that waits');
    is_problem($mill->call('DELETE', '/items/' . id_of(1)), 503, 'nor for a cancel');
    $peer->answer(done => undef);
    come_back();
};

subtest 'the peering process dies' => sub {
    $peer->answer(look => { silent => 1 });
    my $id = id_of(1);
    my ($peering) = $mill->children('peering');
    ok $peering, 'it runs';
    my $looks = $peer->asked('look');
    my $look = in_background(sub { return $mill->item($id, wait => 20)->status == 503 });
    ok wait_until(20, sub { $peer->asked('look') > $looks }), 'a look is passed on';
    kill 'KILL', $peering;
    ok $look->(), 'it is answered 503 when the process is gone';
    $peer->answer(look => look_of(item_of('x', 5, 'done', id => $id)));
    ok wait_until(20, sub { $mill->item($id)->status == 200 }), 'another process asks';
};

subtest 'a reload' => sub {
    my $socket = "$mill->{settings}{RUN_DIR}/writer/peering.sock";
    my $pid_file = "$mill->{settings}{RUN_DIR}/hashmill-fcgi.pid";
    my $reload = sub (%changes) {
        unlink $pid_file;
        $mill->write_settings(%changes);
        $mill->{server}->kill('HUP');
        return wait_until(30, sub { -s $pid_file });
    };
    my $peers = $mill->{settings}{PEERS};
    $peer->answer(look => undef);
    ok $reload->(), 'with peers';
    ok wait_until(20, sub { !peer_status()->{away} }), 'they are heard';
    ok $reload->(PEERS => '', PEER_TOKEN => ''), 'without';
    ok !-e $socket, 'nobody is to be asked';
    is $mill->item(id_of(1))->status, 404, 'nor is';
    ok $reload->(PEERS => $peers, PEER_TOKEN => $peer->token), 'with them again';
    ok wait_until(20, sub { !peer_status()->{away} }), 'they are heard again';
    is $mill->item(id_of(1))->status, 404, 'and asked';
};

finish();
