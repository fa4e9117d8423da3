# One node and a peer that the test plays: who is let in, what is understood, what is asked of the
# peer, and how long clients wait for it.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha256_hex sha512_hex);
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::FakePeer;

my $peer_ms = 1000;
my $peer = Hashmill::FakePeer->start(node => 1);
my $mill = Hashmill->start(NODE => 0, PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token,
    PEER_MS => $peer_ms, COPY => 'none', LEASE_SECONDS => 60);
my %database = (database => uuid(), epoch => 1_700_000_000); # the peer's

# A call of the peer to the node.
sub peer_call ($name, %fields) {
    return $mill->worker_call("/peer/$name", { protocol => 2, node => 1, %fields },
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

# An item of node 1 as nodes send it to each other.
sub item_of ($body, $iterations, $state, %more) {
    my %item = (id => id_of(1), chain => sha512_hex($body), iterations => $iterations, state => $state,
        remaining => $iterations - 1, strikes => 0, enqueued => 1_700_000_000_000);
    @item{qw(remaining chain completed)} = (0, value_of($body, $iterations), 1_700_000_001_000)
        if $state eq 'done' || $state eq 'pulled';
    return { %item, %more };
}

# The same as an answer to a look.
sub look_of ($item, %more) { return { status => 200, json => { node => 1, item => { %$item, %more } } } }

sub peer_status { return $mill->stats->{peers}[0] }

# The peer says nothing more, until it counts as away.
sub go_away {
    $peer->answer(hello => { silent => 1 });
    return ok(wait_until(20, sub { peer_status()->{away} }), 'the peer is away');
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
    my @calls = qw(hello done reserve pulls look cancel);
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
    ok !exists $alone->stats->{$_}, "no $_ in /stats without PEERS" for qw(peers loans set_aside);
};

subtest 'what is understood' => sub {
    my $id = id_of(1);
    my %hello = (%database, nonce => 1, loans => []);
    my %reserve = (tag => 'f' x 38, %database, top => 1, order => 'latest', again => JSON::PP::false);
    my @bad = (
        [done => { protocol => 1 }, 400], [done => { protocol => undef }, 400],
        [done => { node => undef }, 400], [done => { node => 256 }, 400], [done => { node => 'one' }, 400],
        [done => { node => 0 }, 403], [done => { node => 2 }, 403], [done => { client => 7 }, 400], [done => { keys => 1 }, 400],
        [hello => {}, 400], [hello => { %hello, nonce => -1 }, 400], [hello => { %hello, nonce => undef }, 400],
        [hello => { %hello, database => 'x' }, 400], [hello => { %hello, epoch => 0 }, 400],
        [hello => { %hello, loans => undef }, 400], [hello => { %hello, loans => {} }, 400],
        [hello => { %hello, loans => [7] }, 400], [hello => { %hello, loans => [map { uuid() } 1 .. 65] }, 400],
        [hello => { %hello, node => 2 }, 403],
        [reserve => { %reserve, tag => 'x' x 38 }, 400], [reserve => { %reserve, tag => 'f' x 36 . '01' }, 400],
        [reserve => { %reserve, tag => 'f' x 36 }, 400],
        [reserve => { %reserve, epoch => 0 }, 400], [reserve => { %reserve, database => 'x' }, 400], [reserve => { %reserve, top => 0 }, 400],
        [reserve => { %reserve, top => 1001 }, 400], [reserve => { %reserve, order => 'best' }, 400],
        [reserve => { %reserve, again => 1 }, 400],
        [pulls => {}, 400], [pulls => { pulls => [7] }, 400],
        [pulls => { pulls => [{ tag => 'f' x 38, settled => 0 }] }, 400],
        [pulls => { pulls => [map { { tag => 'f' x 38, settled => JSON::PP::false } } 1 .. 65] }, 400],
        [look => {}, 400], [look => { id => 'x', wait => 0 }, 400], [look => { id => $id, wait => 31 }, 400],
        [look => { id => $id }, 400], [look => { id => $id, wait => 0.5 }, 400],
        [cancel => {}, 400], [cancel => { id => 7 }, 400],
    );
    for my $case (@bad) {
        my ($name, $fields, $status) = @$case;
        is_problem(peer_call($name, %$fields), $status, "$name " . JSON::PP->new->canonical->encode($fields));
    }
    for my $text ('', '[]', '{"protocol":2,"node":1', "{}\0", '[' x 100_000) {
        is_problem($mill->worker_call('/peer/done', $text, Authorization => 'Bearer ' . $peer->token), 400,
            'done ' . substr $text, 0, 20);
    }
    is_problem($mill->worker_call('/peer/done', ' ' x 524_289, Authorization => 'Bearer ' . $peer->token), 413,
        'a body over 512 KiB');
    like is_problem(peer_call('pulls', pulls => [{ tag => 'f' x 38, settled => JSON::PP::true }, { tag => 'a' }]), 400, 'a pull')->{detail},
        qr/^tag in pulls/, 'the detail names the member';
    is_problem(peer_call('look', id => $id, wait => 0), 404, 'a look at nothing');
    is_problem(peer_call('cancel', id => $id), 404, 'a cancel of nothing');
};

subtest 'the node says hello' => sub {
    ok wait_until(20, sub { $peer->asked('hello') > 1 }), 'again and again';
    my ($first) = $peer->asked('hello');
    is $first->{TOKEN}, 'Bearer ' . $peer->token, 'with the token of nodes';
    is_deeply [@$first{qw(protocol node nonce loans)}], [2, 0, 0, []], 'protocol, node, no answer yet and no loans';
    my ($identity) = $mill->sql('SELECT lower(hex(id)), epoch FROM identity');
    is_deeply [$first->{database} =~ tr/-//dr, $first->{epoch}], $identity, 'and which database it has';
    ok wait_until(20, sub { grep { $_->{nonce} == 6 } $peer->asked('hello') }), 'then with the nonce that it is told, which counts';
    unlike $mill->server_log, qr/hello failed/, 'without a word in the log';
    ok wait_until(20, sub { !peer_status()->{away} }), 'a peer that answers is not away';
    my $status = peer_status();
    is $status->{node}, 1, 'its number in /stats';
    ok $status->{heard_seconds} < 20, 'when it was heard';
    is_deeply $mill->stats->{loans}, { taken => 0, given => 0 }, 'no loans';
    is $mill->stats->{set_aside}, 0, 'nothing is set aside';
    ok !exists $status->{$_}, "COPY=none: nothing of a replica, no $_" for qw(replica behind);
    ok wait_until(20, sub { $peer->asked('replica/batches') }), 'the peer is told of the replica that it may have';
    go_away();
    come_back();
    my @told = $peer->asked('replica/batches');
    is_deeply [map { [@{$_}{qw(complete BYTES database)}] } @told], [[0, '', ($peer->asked('hello'))[0]{database}]],
        'that it is not complete, once';
    my %other = (node => 1, done => 0, counts => JSON::PP::false, nonce => 123_456, loans => []);
    $peer->answer(hello => { status => 200, json => \%other });
    ok wait_until(20, sub { $mill->server_log =~ /hello failed.* another node has NODE 0/ }), 'when none counts, the log says so';
    $peer->answer(hello => undef);
    come_back();
};

my $nonce = 0; # of the last answer to a hello of the peer

# A hello of the peer that counts; its answer.
sub hello (@loans) {
    my $answer = peer_call('hello', %database, nonce => $nonce, loans => \@loans)->json;
    $nonce = $answer->{nonce};
    ok $answer->{counts}, 'a hello counts';
    return $answer;
}

subtest 'the peer says hello' => sub {
    my $reply = peer_call('hello', %database, nonce => 0, loans => [uuid()]);
    is $reply->status, 200, 'it is answered';
    $nonce = $reply->json->{nonce};
    ok $nonce > 0, 'with a nonce';
    my %empty = (node => 0, done => 0, loans => [], clients => JSON::PP::true, keys => JSON::PP::false);
    is_deeply $reply->json, { %empty, counts => JSON::PP::false, nonce => $nonce }, 'it does not count without one';
    my $first = $nonce;
    is_deeply hello(), { %empty, counts => JSON::PP::true, nonce => $nonce }, 'with number, done items, loans and what is told apart';
    is $nonce, $first, 'and the same nonce, when nothing is lent';
    hello(uuid());
    isnt $nonce, $first, 'else with another one';
    is_deeply peer_call('hello', %database, nonce => $first, loans => [uuid()])->json, { %empty, counts => JSON::PP::false, nonce => $nonce },
        'an older one does not count, and is told what does';
    hello();
};

subtest 'another database of the peer' => sub {
    my %newer = (%database, epoch => $database{epoch} + 1);
    is peer_call('hello', %newer, nonce => 0, loans => [])->status, 200, 'of a higher epoch';
    my $problem = is_problem(peer_call('hello', %database, nonce => $nonce, loans => []), 409, 'then the older one');
    is $problem->{type}, 'urn:hashmill:problem:superseded', 'it is told so';
    is_problem(peer_call('hello', %newer, database => uuid(), nonce => 0, loans => []), 409, 'another one of the same epoch');
    $mill->kill_everything;
    $mill->restart;
    is_problem(peer_call('hello', %database, nonce => 0, loans => []), 409, 'also after a restart');
    is_problem(peer_call('reserve', %database, tag => 'f' x 38, top => 1, order => 'oldest', again => JSON::PP::false),
        409, 'nor does the older one get items set aside');
    %database = (database => uuid(), epoch => $newer{epoch} + 1);
    $nonce = peer_call('hello', %database, nonce => 0, loans => [])->json->{nonce};
    hello();
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

# Sets items aside for a pull of the peer.
sub reserve ($tag, %more) {
    return peer_call('reserve', tag => $tag, %database, top => 2, order => 'oldest',
        again => JSON::PP::false, %more);
}

# Sets the peer's answer to a question about its pulls.
sub fate ($tag, %fate) {
    $peer->answer(pulls => { status => 200, json => { node => 1, epoch => $database{epoch}, pulls => [\%fate] } });
    return;
}

# A tag that no other pull has.
sub new_tag { return unpack('H*', random_body(18)) . 'ff' }

subtest 'items set aside for the peer' => sub {
    my @ids = map { $mill->new_item("given $_", 1) } 1 .. 3;
    my $tag = new_tag();
    fate($tag, state => 'open', rest => 0);
    is peer_call('done')->json->{done}, 3, 'what there is, is counted';
    my $reply = reserve($tag);
    is $reply->status, 200, 'some are set aside';
    my @items = $reply->json->{items}->@*;
    is_deeply [map { $_->{id} } @items], [@ids[0, 1]], 'as many as were asked for, in the order that was';
    is_deeply [map { @$_{qw(state remaining chain)} } @items], [map { ('pulled', 0, value_of("given $_", 1)) } 1, 2],
        'with their values';
    is reserve($tag)->content, $reply->content, 'the same again for the same tag';
    is reserve($tag, again => JSON::PP::true)->content, $reply->content, 'also when only those are wanted';
    is_deeply reserve(new_tag(), again => JSON::PP::true)->json->{items}, [], 'which brings nothing for another tag';
    is peer_call('done')->json->{done}, 1, 'they are not counted any more';
    is_deeply [map { $_->{id} } $mill->pull(2)->json->@*], [$ids[2]], 'nor handed out here';
    is $mill->stats->{set_aside}, 2, '/stats counts them';
    ok wait_until(20, sub { grep { $_->{pulls}[0]{tag} eq $tag } $peer->asked('pulls') }), 'the peer is asked what has become of it';
    my $asked = () = $peer->asked('pulls');
    ok wait_until(20, sub { $peer->asked('pulls') > $asked + 1 }), 'again and again';
    is $mill->stats->{set_aside}, 2, 'an open pull keeps them';
    $peer->answer(pulls => { status => 200, json => { node => 1, epoch => $database{epoch} - 1, pulls => [{ state => 'unknown', rest => 0 }] } });
    $asked = () = $peer->asked('pulls');
    ok wait_until(20, sub { $peer->asked('pulls') > $asked + 1 }), 'and when an older database does not know it';
    is $mill->stats->{set_aside}, 2, 'they stay, too';
    fate($tag, state => 'closed', rest => 2);
    ok wait_until(20, sub { $mill->stats->{set_aside} == 0 }), 'closed: they were handed out';
    is_deeply [map { $mill->state_of($_) } @ids], [('pulled') x 3], 'which is seen';
    ok wait_until(20, sub { grep { $_->{pulls}[0]{settled} } $peer->asked('pulls') }), 'and the peer is told that this is known';
    ok wait_until(20, sub { !($mill->sql('SELECT count(*) FROM reservation WHERE settled < 2'))[0][0] }), 'then it is forgotten';
    $peer->answer(pulls => undef);
};

subtest 'what a client has pulled with a key is none of the peer\'s' => sub {
    my $key = uuid();
    $mill->new_item('keyed', 1);
    is scalar $mill->pull(1, headers => { 'Idempotency-Key' => $key })->json->@*, 1, 'an item is pulled with a key';
    my $tag = substr(sha256_hex($key), 0, 32) . '000100';
    is_problem(reserve($tag, again => JSON::PP::true), 400, 'the tag of that key is refused');
};

for my $case (['closed without them', state => 'closed', rest => 0], ['unknown', state => 'unknown', rest => 0]) {
    subtest "a pull of the peer that is $case->[0]" => sub {
        my (undef, %fate) = @$case;
        my @ids = map { $mill->new_item("back $_", 1) } 1 .. 2;
        my $tag = new_tag();
        fate($tag, state => 'open', rest => 0);
        is scalar reserve($tag)->json->{items}->@*, 2, 'items are set aside';
        fate($tag, %fate);
        ok wait_until(20, sub { $mill->stats->{items}{done} == 2 }), 'they are free again';
        is $mill->stats->{set_aside}, 0, 'none is set aside';
        is_deeply [sort map { $_->{id} } $mill->pull(10)->json->@*], [sort @ids], 'and handed out here';
        $peer->answer(pulls => undef);
    };
}

subtest 'what the peer asks of pulls' => sub {
    my $ask = sub ($tag, $settled = 0) {
        my $reply = peer_call('pulls', pulls => [{ tag => $tag, settled => $settled ? JSON::PP::true : JSON::PP::false }])->json;
        is $reply->{epoch}, ($mill->sql('SELECT epoch FROM identity'))[0][0], 'the epoch is said';
        return $reply->{pulls};
    };
    is_deeply $ask->(new_tag()), [{ state => 'unknown', rest => 0 }], 'a pull that was not';
    $peer->answer(done => { status => 200, json => { node => 1, done => 1 } });
    $peer->answer(reserve => { cut => 1 });
    my $key = uuid();
    is_problem($mill->pull(2, headers => { 'Idempotency-Key' => $key }), 503, 'a keyed pull whose other part does not come');
    my ($asked) = reverse $peer->asked('reserve');
    is_deeply $ask->($asked->{tag}), [{ state => 'open', rest => 0 }], 'is open';
    my $item = item_of('rest', 1, 'pulled');
    $peer->answer(reserve => { status => 200, json => { node => 1, items => [$item] } });
    my $pulled = $mill->pull(2, headers => { 'Idempotency-Key' => $key });
    is_deeply [map { $_->{id} } $pulled->json->@*], [$item->{id}], 'asked for again it brings it';
    is +([$peer->asked('reserve')]->[-1]{tag}), $asked->{tag}, 'under the same tag';
    is_deeply $ask->($asked->{tag}), [{ state => 'closed', rest => 1 }], 'and is closed';
    is $mill->pull(2, headers => { 'Idempotency-Key' => $key })->content, $pulled->content, 'once more: the same';
    is_deeply [map { $_->{again} } [$peer->asked('reserve')]->[-1]], [JSON::PP::true], 'of which the peer is to set no more aside';
    $peer->answer(reserve => { status => 200, json => { node => 1, items => [] } });
    is_problem($mill->pull(2, headers => { 'Idempotency-Key' => $key }), 503, 'what the peer does not have');
    $peer->answer(reserve => { cut => 1 });
    is_problem($mill->pull(2, headers => { 'Idempotency-Key' => $key }), 503, 'a peer that does not answer');
    is_deeply $ask->($asked->{tag}, 1), [{ state => 'closed', rest => 1 }], 'it may say that it knows';
    $peer->answer($_ => undef) for qw(done reserve);
};

subtest 'a look at an item of the peer' => sub {
    my $item = item_of('theirs', 70, 'waiting');
    my $unknown = id_of(1);
    is_problem($mill->item($unknown), 404, 'one that it does not know');
    is [$peer->asked('look')]->[-1]{id}, $unknown, 'it was asked';
    $peer->answer(look => look_of($item, state => 'leased', strikes => 2));
    my $seen = $mill->item($item->{id})->json;
    is_deeply [@$seen{qw(id state iterations remaining strikes)}], [$item->{id}, 'leased', 70, 69, 2],
        'one that it knows';
    ok !exists $seen->{as_of}, 'as it is now';
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

subtest 'a peer that goes away under a look' => sub {
    $peer->answer(look => { silent => 1 });
    my $looks = $peer->asked('look');
    my $look = in_background(sub { return $mill->item(id_of(1), wait => 25)->status == 503 });
    ok wait_until(20, sub { $peer->asked('look') == $looks + 1 }), 'the look is passed on';
    my $start = time;
    go_away();
    ok $look->(), 'it is answered 503, as there is no replica here';
    ok time - $start < 15, 'before its time';
    come_back();
    $peer->answer(look => undef);
};

subtest 'many looks' => sub {
    $peer->answer(look => { silent => 1 });
    my $before = $peer->asked('look');
    my @clients = map { $mill->connection } 1 .. 67;
    $_->print('GET /items/' . id_of(1) . "?wait=2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") for @clients;
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

subtest 'a pull over both nodes' => sub {
    my @items = map { item_of("bring $_", 5, 'pulled', completed => 1_700_000_001_000 + $_) } 1 .. 2;
    my $own = $mill->new_item('own', 1);
    $peer->answer(done => { status => 200, json => { node => 1, done => 2 } });
    $peer->answer(reserve => { status => 200, json => { node => 1, items => \@items } });
    my @pulled = $mill->pull(3, order => 'oldest')->json->@*;
    is_deeply [map { $_->{id} } @pulled], [(map { $_->{id} } @items), $own], 'own and other items, in the order of the pull';
    is_deeply [map { $_->{value} } @pulled[0, 1]], [map { value_of("bring $_", 5) } 1, 2], 'with their values';
    my ($asked) = reverse $peer->asked('reserve');
    is_deeply [@$asked{qw(top order again epoch)}], [2, 'oldest', JSON::PP::false, ($mill->sql('SELECT epoch FROM identity'))[0][0]],
        'only what was missing was asked for';
    my $key = uuid();
    $mill->new_item('latest', 1);
    my $first = $mill->pull(3, headers => { 'Idempotency-Key' => $key });
    is_deeply [map { $_->{id} } $first->json->@[1, 2]], [map { $_->{id} } reverse @items], 'the latest first, as a pull is without an order';
    is $mill->pull(3, headers => { 'Idempotency-Key' => $key })->content, $first->content, 'again with the key: the same';
    is_problem($mill->pull(4, headers => { 'Idempotency-Key' => $key }), 422, 'the key for another top');
    $peer->answer($_ => undef) for qw(done reserve);
    my @enough = map { $mill->new_item("enough $_", 1) } 1 .. 2;
    my $count = $peer->asked('done');
    is scalar $mill->pull(2)->json->@*, 2, 'when enough is here';
    is scalar(my @again = $peer->asked('done')), $count, 'the peer is not asked';
};

subtest 'a pull whose other part does not come' => sub {
    my $own = $mill->new_item('own', 1);
    $peer->answer(done => { status => 200, json => { node => 1, done => 2 } });
    $peer->answer(reserve => { cut => 1 });
    is_deeply [map { $_->{id} } $mill->pull(3)->json->@*], [$own], 'without a key: what is here is brought';
    my ($asked) = reverse $peer->asked('reserve');
    my ($pull) = peer_call('pulls', pulls => [{ tag => $asked->{tag}, settled => JSON::PP::false }])->json->{pulls}[0];
    is_deeply $pull, { state => 'closed', rest => 0 }, 'and it is closed: what the peer has set aside is to be free';
    $peer->answer($_ => undef) for qw(done reserve);
};

subtest 'items that are none' => sub {
    my $item = item_of('wrong', 5, 'pulled');
    $peer->answer(done => { status => 200, json => { node => 1, done => 1 } });
    for my $wrong ([{ %$item, state => 'waiting', remaining => 7 }], [{ %$item, id => 1 }], [{ %$item, chain => 'x' }],
        [{ %$item, completed => 0 }], [{ %$item, remaining => 1 }], [($item) x 2], 'x') {
        $peer->answer(reserve => { status => 200, json => { node => 1, items => $wrong } });
        is $mill->pull(1)->content, qq([]\n), 'nothing is taken';
    }
    $peer->answer(reserve => { status => 200, json => { node => 2, items => [$item] } });
    is $mill->pull(1)->content, qq([]\n), 'nor from another node';
    $peer->answer(reserve => { status => 200, json => { node => 1, items => [$item] } });
    is_deeply [map { $_->{id} } $mill->pull(1)->json->@*], [$item->{id}], 'but one that is right';
    $peer->answer($_ => undef) for qw(done reserve);
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
    my $peers = $mill->{settings}{PEERS};
    $peer->answer(look => undef);
    ok $mill->reload(), 'with peers';
    ok wait_until(20, sub { !peer_status()->{away} }), 'they are heard';
    ok $mill->reload(PEERS => '', PEER_TOKEN => ''), 'without';
    ok !-e $socket, 'nobody is to be asked';
    is $mill->item(id_of(1))->status, 404, 'nor is';
    ok $mill->reload(PEERS => $peers, PEER_TOKEN => $peer->token), 'with them again';
    ok wait_until(20, sub { !peer_status()->{away} }), 'they are heard again';
    is $mill->item(id_of(1))->status, 404, 'and asked';
};

finish();
