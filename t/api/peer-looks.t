# What clients have a node ask its peer: so many looks and cancels a second and no more, an item that the peer does not
# have is asked for once a second, and for all pulls of a client that wait there is one question in 2 s.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use IO::Select;
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::FakePeer;
use Hashmill::Keys;
use File::Temp qw(tempdir);

use constant { LOOKS => 3, CALLS => 40 }; # a second; of a burst

my $peer = Hashmill::FakePeer->start(node => 1);
my $mill = Hashmill->start(NODE => 0, PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token, COPY => 'none', PEER_LOOKS => LOOKS);
ok wait_until(30, sub { !$mill->stats->{peers}[0]{away} && $peer->asked('hello') }), 'they know each other';

# A new id of node 1.
sub id_there { return uuid() =~ s/^(.{14}).(...).....-/${1}7$2-8040-/r }

# So many calls with new ids; their replies by status, and how often the peer was asked that meanwhile, at most.
sub ask ($what, $count, $call) {
    my $before = $peer->asked($what);
    my $start = time;
    my %replies;
    push $replies{$_->status}->@*, $_ for map { $call->(id_there()) } 1 .. $count;
    my $most = LOOKS + (time - $start + 1) * LOOKS;
    return (\%replies, $peer->asked($what) - $before, $most);
}

my $cancel = sub ($id) { return $mill->call('DELETE', "/items/$id") };
for my $case (['look', 'looks', sub ($id) { $mill->item($id) }], ['look', 'looks that wait', sub ($id) { $mill->item($id, wait => 5) }],
    ['cancel', 'cancels', $cancel]) {
    my ($what, $name, $call) = @$case;
    subtest "too many $name" => sub {
        $mill->move_clock(steady_ms => ($mill->{clock}{steady_ms} // 0) + 1100);
        ok wait_until(20, sub { $mill->item(id_there())->status == 404 }), 'one is passed on';
        my ($replies, $asked, $most) = ask($what, CALLS, $call);
        is join(' ', sort keys %$replies), '404 503', 'some are passed on, some are refused';
        cmp_ok $asked, '<=', $most, 'no more than may be';
        is scalar $replies->{404}->@*, $asked, 'those that are answered';
        my $refused = is_problem($replies->{503}[0], 503, 'one that was not');
        is $refused->{type}, 'urn:hashmill:problem:looks-full', 'it is said which limit it was';
        like $refused->{detail}, qr/Node 1\b.*asked as often/, 'and whom to ask';
        is $replies->{503}[0]->header('retry-after'), 1, 'and when to try again';
        ok wait_until(20, sub { $mill->item(id_there())->status == 404 }), 'soon one is passed on again';
        ok !$mill->stats->{peers}[0]{away}, 'the peer is there all the time';
    };
}

subtest 'what the peer does not have' => sub {
    my $id = id_there();
    my $times = sub { return scalar grep { $_->{id} eq $id } $peer->asked('look') };
    ok wait_until(20, sub { $mill->item($id)->status == 404 }), 'an item that it does not have';
    my $start = time;
    my @again = map { $mill->item($id)->status } 1 .. CALLS;
    push @again, $mill->item($id, wait => 5)->status;
    is join(' ', grep { $_ != 404 } @again), '', 'is not there each time, and no look of it is refused';
    cmp_ok $times->(), '<=', 1 + int(time - $start + 1), 'it is asked once a second';
    my $before = $times->();
    $mill->move_clock(steady_ms => $mill->{clock}{steady_ms} + 1100);
    ok wait_until(20, sub { $mill->item($id)->status == 404 && $times->() > $before }), 'and again after that';
};

subtest 'pulls that wait' => sub {
    my $asked = sub { return scalar $peer->asked('done') };
    my $before = $asked->();
    my $start = time;
    my @pulls = map { $mill->connection } 1 .. 90;
    $_->print("POST /pullCompleted?top=1&wait=30 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") for @pulls;
    ok $mill->wait_parked(90), '90 wait';
    ok wait_until(20, sub { $asked->() >= $before + 3 }), 'the peer is asked for them';
    my $most = 1 + int((time - $start) / 2 + 1);
    cmp_ok $asked->() - $before, '<=', $most, 'once in 2 s for all of them';
    my %item = (id => id_there(), chain => 'a' x 128, iterations => 1, remaining => 0, state => 'pulled', strikes => 0,
        enqueued => 1_700_000_000_000, completed => 1_700_000_001_000);
    $peer->answer(reserve => [{ status => 200, json => { node => 1, items => [\%item] } }, { status => 200, json => { node => 1, items => [] } }]);
    $peer->answer(done => { status => 200, json => { node => 1, done => 1 } });
    my $done = time;
    my @ready;
    ok wait_until(20, sub { @ready = IO::Select->new(@pulls)->can_read(0) }), 'an item that is done there';
    cmp_ok time - $done, '<', 4, 'is found soon';
    $peer->answer(done => undef);
    cmp_ok scalar @ready, '<', 45, 'for one of them, or for as many as come before it is handed out';
    is scalar(grep { /"id":"$item{id}"/ } map { local $/ = undef; readline $_ } @ready), 1, 'which gets it';
    $peer->answer(reserve => undef);
};

subtest 'a client that asks much' => sub {
    my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my %key = key_file("$dir/keys", 'client ann', 'client ben', 'operator olga');
    my $other = Hashmill::FakePeer->start(node => 1);
    my $closed = Hashmill->start(NODE => 0, PEERS => '1=' . $other->url, PEER_TOKEN => $other->token, COPY => 'none', PEER_LOOKS => 10,
        KEYS => "$dir/keys", key => $key{olga});
    ok wait_until(30, sub { !$closed->stats->{peers}[0]{away} && $other->asked('hello') }), 'they know each other';
    my $look = sub ($who) { return $closed->call('GET', '/items/' . id_there(), headers => { Authorization => "Bearer $key{$who}" })->status };
    ok wait_until(20, sub { $look->('ben') == 503 }), 'uses up what it may have';
    is $look->('ann'), 404, 'and leaves half for others';
    $closed->close_instance;
};

finish();
