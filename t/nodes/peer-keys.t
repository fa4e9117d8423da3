# A node with KEYS and a peer: one of a former version, which does not tell clients apart, gets no question for one client;
# and one without KEYS, which lets anybody ask, sees nothing of clients.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::FakePeer;
use Hashmill::Keys;

use constant { YES => JSON::PP::true, NO => JSON::PP::false };

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client ben', 'operator olga');
my $peer = Hashmill::FakePeer->start(node => 1);
my $mill = Hashmill->start(NODE => 0, PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token, COPY => 'none');
my $nobodys = $mill->new_item('of nobody', 1);
$mill->kill_everything;
$peer->answer(hello => { with => { clients => undef, keys => undef } });
$mill->{settings}{KEYS} = "$dir/keys";
$mill->{key} = $key{olga};
$mill->restart;

sub key_of ($who) { return (Authorization => "Bearer $key{$who}") }

# A new id of node 1.
sub id_there { return uuid() =~ s/^(.{14}).(...).....-/${1}7$2-8040-/r }

sub count_asked { return scalar map { $peer->asked($_) } qw(look cancel done reserve list) }

my %item = (id => id_there(), chain => 'a' x 128, iterations => 1, remaining => 0, state => 'done', strikes => 0,
    enqueued => 1_700_000_000_000, completed => 1_700_000_001_000);
sub say_all {
    $peer->answer(look => { status => 200, json => { node => 1, item => \%item } });
    $peer->answer(cancel => { status => 204 });
    $peer->answer(done => { status => 200, json => { node => 1, done => 1 } });
    $peer->answer(reserve => { status => 200, json => { node => 1, items => [{ %item, state => 'pulled' }] } });
    return;
}

subtest 'a peer of a former version' => sub {
    $mill->expect_log(qr/does not tell clients apart/);
    ok wait_until(20, sub { $mill->server_log =~ /node 1 is of a version that does not tell clients apart/ }), 'the log warns of it';
    say_all();
    my $before = count_asked();
    for my $who ('ann', 'ben') {
        is_problem($mill->get("/items/$item{id}", key_of($who)), 503, "$who looks at an item there");
        is_problem($mill->get("/items/$item{id}?wait=5", key_of($who)), 503, 'also with a wait');
        is_problem($mill->call('DELETE', "/items/$item{id}", headers => { key_of($who) }), 503, 'cancels it');
        is_problem($mill->get('/items', key_of($who)), 503, 'lists');
        is_deeply $mill->pull(10, headers => { key_of($who) })->json, [], 'pulls';
        is_deeply $mill->pull(10, wait => 1, headers => { key_of($who) })->json, [], 'pulls and waits';
    }
    is_deeply $mill->pull(10, client => 'ann')->json, [], 'an operator pulls what is a client\'s';
    is_problem($mill->get('/items?client=ann'), 503, 'and lists that');
    is count_asked(), $before, 'of all that the peer is asked nothing';
    is $mill->item($item{id})->json->{state}, 'done', 'an operator looks at it';
    is $mill->call('DELETE', "/items/$item{id}")->status, 204, 'and cancels it';
    for my $status (404, 405) {
        $peer->answer(list => { status => $status, json => { type => 'about:blank', title => 'No', status => $status } });
        is_problem($mill->get('/items'), 503, "a list, which the peer does not know ($status), is not an empty one") for 1 .. 3;
    }
    my @warnings = grep { /<[34]>|WARN|ERROR/i && /list/ } split /\n/, $mill->server_log;
    is_deeply \@warnings, [], 'and no word of it is in the log';
    is scalar(() = $mill->server_log =~ /does not tell clients apart/g), 1, 'the warning comes once';
};

subtest 'it is upgraded' => sub {
    $mill->expect_log(qr/node 1 has no KEYS/);
    $peer->answer(hello => { with => { keys => NO } });
    ok wait_until(20, sub { $mill->get("/items/$item{id}", key_of('ann'))->status == 200 }), 'it is asked for a client';
    my $look = ($peer->asked('look'))[-1];
    is_deeply [@$look{qw(client keys)}], ['ann', YES], 'and told for which';
    like $mill->server_log, qr/node 1 has no KEYS.*set the same KEYS on both/, 'it has no KEYS: the log says so';
    $peer->answer(hello => undef);
    is $mill->item($item{id})->status, 200, 'an operator';
    $look = ($peer->asked('look'))[-1];
    ok !exists $look->{client} && $look->{keys}, 'asks for everybody, by a key';
    is_deeply [map { $_->{id} } $mill->pull(10, headers => { key_of('ben') })->json->@*], [$item{id}], 'a pull has its items';
    is_deeply [@{ ($peer->asked($_))[-1] }{qw(client keys)}], ['ben', YES], "$_ says whose" for qw(done reserve);
    $peer->answer($_ => undef) for qw(look cancel done reserve list);
};

my %database = (database => uuid(), epoch => 1_700_000_000); # the peer's

# A call of the peer to the node.
sub peer_call ($name, %fields) {
    return $mill->worker_call("/peer/$name", { protocol => 2, node => 1, %fields }, Authorization => 'Bearer ' . $peer->token);
}

sub listed (%whose) { return [sort map { $_->{id} } peer_call('list', limit => 10, %whose)->json->{items}->@*] }

sub reserved (%whose) {
    return [map { $_->{id} } peer_call('reserve', tag => unpack('H*', random_body(18)) . 'ff', %database, top => 9,
        order => 'oldest', again => NO, %whose)->json->{items}->@*];
}

subtest 'what a peer without KEYS is told' => sub {
    my %of = map { ($_ => $mill->enqueue("of $_", 1, key_of($_))->json->{id}) } 'ann', 'ben';
    my $waits = $mill->enqueue('of ann, waiting', 9, key_of('ann'))->json->{id};
    is peer_call('hello', %database, nonce => 0, loans => [])->json->{keys}, YES, 'that there are KEYS here';
    is_deeply listed(), [$nobodys], 'it lists what is nobody\'s';
    is_deeply listed(client => 'ann'), [], 'and nothing of a client that it names';
    is peer_call('done')->json->{done}, 1, 'it counts what is nobody\'s';
    is peer_call('done', client => 'ann', keys => NO)->json->{done}, 0, 'and nothing of a client';
    is_problem(peer_call('look', id => $of{ann}, wait => $_), 404, "it looks at a client's item, wait $_") for 0, 5;
    is peer_call('look', id => $nobodys, wait => 0)->status, 200, 'at nobody\'s';
    is_problem(peer_call('cancel', id => $waits, %$_), 404, 'it cancels a client\'s item') for {}, { client => 'ann' };
    is $mill->state_of($waits), 'waiting', 'which stays';
    is_deeply reserved(client => 'ann'), [], 'no item of a client is set aside for it';
    is_deeply listed(keys => YES), [sort $nobodys, $waits, values %of], 'a peer with KEYS lists all for who may see all';
    is_deeply listed(keys => YES, client => 'ben'), [$of{ben}], 'and a client\'s for that one';
    is peer_call('cancel', id => $waits, client => 'ann', keys => YES)->status, 204, 'which cancels its own';
    is_deeply reserved(client => 'ann', keys => YES), [$of{ann}], 'and pulls it';
    is_deeply reserved(client => ''), [$nobodys], 'what is nobody\'s is anybody\'s';
};

finish();
