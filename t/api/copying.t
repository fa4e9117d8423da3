# How a node feeds its replica at a peer that the test plays: when it copies all of its database, and when it
# does not.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill;
use Hashmill::FakePeer;

my $peer = Hashmill::FakePeer->start(node => 1);
my @settings = (NODE => 0, PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token, COPY => 'async');
my $mill;

# The peer's answers to these calls of the stream: results, one after the other, the last one again and again.
sub results ($call, @results) {
    my @answers = map { { status => 200, json => { node => 1, result => $_, batch => 0 } } } @results;
    $peer->answer("replica/$call" => \@answers);
    return;
}

# What the peer says that it has: the replica as of now, but for some members.
sub has_replica (%differs) {
    my ($now) = $mill->sql('SELECT lower(hex(id)), epoch, batch, lower(hex(batch_check)) FROM identity, tally');
    my ($id, $epoch, $batch, $check) = @$now;
    $id = join '-', unpack 'A8 A4 A4 A4 A12', $id;
    $peer->answer('replica/state' => { status => 200, json => { node => 1, known => undef, replica => {
        id => $id, epoch => 0 + $epoch, schema => 11, batch => 0 + $batch, check => $check, bad => JSON::PP::false,
        complete => JSON::PP::false, as_of => 0, bytes => 4096, %differs } } });
    return;
}

sub copies { return scalar grep { $_->{part} == 0 } $peer->asked('replica/pages') }
sub replica { return $mill->stats->{peers}[0]{replica} }

# How many calls come within $seconds.
sub calls_within ($seconds, $count) {
    my $before = $count->();
    sleep $seconds;
    return $count->() - $before;
}

sub begin {
    $peer->answer("replica/$_" => undef) for qw(state batches);
    results(pages => 'gap');
    my $before = copies();
    $mill = Hashmill->start(@settings);
    ok wait_until(20, sub { copies() > $before }), 'a copy is begun';
    return;
}

subtest 'the answer to the last part was lost' => sub {
    begin();
    has_replica();
    ok wait_until(20, sub { replica() eq 'following' }), 'the peer is asked what it has';
    is calls_within(2, \&copies), 0, 'nothing is copied again';
};

subtest 'which database it is' => sub {
    my ($identity) = $mill->sql('SELECT lower(hex(id)), epoch FROM identity');
    my ($asked) = reverse $peer->asked('replica/state');
    is_deeply [$asked->{database} =~ tr/-//dr, $asked->{epoch}], $identity, 'is said when the peer is asked';
};

subtest 'another writer' => sub {
    my ($writer) = $mill->children('writer');
    kill 'KILL', $writer;
    ok wait_until(20, sub { my ($now) = $mill->children('writer'); ($now // $writer) != $writer }), 'there is one';
    ok wait_until(20, sub { (replica() // '') eq 'following' }), 'it is told how the replica fares';
};

subtest 'batches that are taken for those of another database' => sub {
    results(batches => 'other');
    results(pages => 'ok');
    my $before = copies();
    $mill->enqueue('other', 10);
    ok wait_until(20, sub { copies() > $before }), 'a copy is to help';
    my $asked = sub { scalar $peer->asked('replica/batches') };
    cmp_ok calls_within(3, $asked), '<', 10, 'if it does not, they are not sent again and again';
    cmp_ok calls_within(3, \&copies), '<', 2, 'nor is the copy';
    $mill->close_instance;
};

subtest 'a log that lacks batches' => sub {
    begin();
    truncate "$mill->{settings}{DATABASE}-log", 0;
    has_replica(batch => 0, check => '00' x 32);
    results(pages => 'ok');
    $mill->enqueue("lacking $_", 10) for 1 .. 3;
    sleep 1;
    cmp_ok calls_within(3, \&copies), '<', 2, 'one copy does not follow the other';
    $mill->close_instance;
};

finish();
