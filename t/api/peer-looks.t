# What clients have a node ask its peer: so many looks and cancels a second and no more, and an item that the peer
# does not have is asked for once a second.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::FakePeer;

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

finish();
