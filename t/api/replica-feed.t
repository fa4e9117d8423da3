# One node and a peer that the test plays, which keeps its replica: what is sent to it, and what the node makes of
# its answers.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::FakePeer;

my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $copy = "$dir/replica.db";
my $peer = Hashmill::FakePeer->start(node => 1, replica => $copy);
my $mill = Hashmill->start(NODE => 0, PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token, PEER_MS => 500, COPY => 'async');

sub peer_stats { return $mill->stats->{peers}[0] }
sub is_level { return peer_stats()->{replica} eq 'following' && peer_stats()->{behind}{batches} == 0 }
sub follows ($name) { return ok wait_until(30, \&is_level), $name }
sub identity { return ($mill->sql('SELECT lower(hex(id)), epoch, (SELECT batch FROM tally), (SELECT * FROM pragma_user_version) FROM identity'))[0] }

# An answer of the peer's that comes from now on, with a result.
sub answer ($name, $result, $batch = identity()->[2]) {
    return $peer->answer("replica/$name" => { status => 200, json => { node => 1, result => $result, batch => 0 + $batch } });
}

subtest 'a copy, then batches' => sub {
    $mill->new_item("item $_", 100) for 1 .. 50;
    follows('the replica follows');
    my ($id, $epoch, $batch, $schema) = identity()->@*;
    my @pages = $peer->asked('replica/pages');
    is $pages[0]{database} =~ tr/-//dr, $id, 'pages name the database,';
    is_deeply [@{ $pages[0] }{qw(node epoch schema part)}], [0, $epoch, $schema, 0], 'its node, epoch and schema';
    my @said = map { chomp; $_ } qx{sqlite3 -readonly 'file:$copy?immutable=1' 'PRAGMA integrity_check; SELECT backup FROM identity'};
    is_deeply \@said, ['ok', 0], 'they make a whole database, which is no backup';
    my $calls = () = $peer->asked('replica/batches');
    $mill->new_item('one more', 100);
    follows('a change is sent');
    cmp_ok scalar(() = $peer->asked('replica/batches')), '>', $calls, 'as a batch';
    is_deeply [map { $_->{complete} } ($peer->asked('replica/batches'))[-1]], [0], 'with COPY=async nobody may count on it';
    is(() = $peer->asked('replica/pages'), scalar @pages, 'nothing is copied again');
};

subtest 'a restart' => sub {
    my $pages = () = $peer->asked('replica/pages');
    for my $kill (sub { kill 'KILL', $mill->children('peering') }, sub { kill 'KILL', $mill->children('writer') },
        sub { $mill->kill_everything; $mill->restart }) {
        $mill->new_item('before ' . uuid(), 5);
        $kill->();
        wait_until(30, sub { eval { $mill->new_item('after ' . uuid(), 5) } });
        follows('the replica follows again');
    }
    is(() = $peer->asked('replica/pages'), $pages, 'from the log of batches: nothing is copied');
};

subtest 'answers that say no' => sub {
    for my $result (qw(gap bad other none failed)) {
        my $states = () = $peer->asked('replica/state');
        answer('batches', $result);
        $mill->new_item("refused $result", 5);
        ok wait_until(20, sub { $peer->asked('replica/state') > $states }), "$result: the peer is asked what it has";
        $peer->answer('replica/batches' => undef);
        follows('and gets what it lacks');
    }
    answer('batches', 'full');
    $mill->new_item('no room', 5);
    ok wait_until(20, sub { $mill->server_log =~ /feeding its replica failed, trying again: its disk is full/ }), 'full: it is said';
    cmp_ok peer_stats()->{behind}{batches}, '>', 0, 'the replica is behind';
    $peer->answer('replica/batches' => undef);
    follows('until there is room');
    $peer->answer('replica/batches' => { status => 503, json => {} });
    $mill->new_item('not now', 5);
    ok wait_until(20, sub { $mill->server_log =~ /feeding its replica failed, trying again: status 503/ }), '503: it is tried again';
    $peer->answer('replica/batches' => undef);
    follows('and goes on');
};

subtest 'another replica' => sub {
    my ($id, $epoch, $batch, $schema) = identity()->@*;
    my %fits = (id => join('-', unpack 'A8 A4 A4 A4 A12', $id), epoch => 0 + $epoch, schema => 0 + $schema, batch => 0 + $batch, check => 'a' x 64,
        complete => JSON::PP::false, bad => JSON::PP::false, as_of => 1, bytes => 4096);
    my %other = ('bad' => { %fits, bad => JSON::PP::true }, 'of another schema' => { %fits, schema => $schema + 1 },
        'of an older epoch' => { %fits, epoch => $epoch - 1 }, 'of another database' => { %fits, id => uuid() },
        'older than the log' => { %fits, batch => -1 }, 'no replica' => undef);
    for my $what (sort keys %other) {
        my $pages = () = $peer->asked('replica/pages');
        $peer->answer('replica/state' => { status => 200, json => { node => 1, known => undef, replica => $other{$what} } });
        kill 'KILL', $mill->children('peering');
        ok wait_until(20, sub { $peer->asked('replica/pages') > $pages }), "$what: it gets a copy";
        $peer->answer('replica/state' => undef);
        follows('and follows');
    }
};

subtest 'COPY=sync' => sub {
    ok $mill->reload(COPY => 'sync'), 'answers wait for the replica';
    follows('which follows');
    my $begin = time;
    $mill->new_item('acknowledged', 5);
    cmp_ok time - $begin, '<', 1.5, 'an answer comes when it has it';
    ok wait_until(20, sub { ($peer->asked('replica/batches'))[-1]{complete} }), 'it is told that it is complete';
    $peer->answer('replica/batches' => { cut => 1 });
    $begin = time;
    $mill->new_item('withheld', 5);
    my $took = time - $begin;
    cmp_ok $took, '>', 1.8, 'without an answer of the peer one is withheld';
    cmp_ok $took, '<', 4, 'for two seconds';
    like peer_stats()->{incomplete_since}, qr/^\d{4}-/, 'then it is known that the replica is incomplete';
    my $warned = sub { return map { $_->{detail} } grep { $_->{code} eq 'copy-incomplete' } $mill->stats->{warnings}->@* };
    like +($warned->())[0], qr/^Since \d{4}-.*what the replica at node 1 lacks/, 'which is warned of';
    $begin = time;
    $mill->new_item('not withheld', 5);
    cmp_ok time - $begin, '<', 1, 'the next answers are not withheld';
    $mill->kill_everything;
    $mill->restart;
    like peer_stats()->{incomplete_since}, qr/^\d{4}-/, 'a restart does not forget it';
    $peer->answer('replica/batches' => undef);
    ok wait_until(60, sub { !exists peer_stats()->{incomplete_since} }), 'until it has all';
    is_deeply [$warned->()], [], 'and nothing is warned of';
};

subtest 'a newer database elsewhere' => sub {
    $mill->expect_log(qr/knows a newer database of node 0 than this one: this server stops|older copy, put in place by hand/);
    my %superseded = (status => 409, json => { type => 'urn:hashmill:problem:superseded', status => 409, title => 'No', detail => 'No.' });
    my ($id, $epoch, $batch, $schema) = identity()->@*;
    my %newer = (status => 200, json => { node => 1, known => undef, replica => { id => join('-', unpack 'A8 A4 A4 A4 A12', $id),
        epoch => 0 + $epoch, schema => 0 + $schema, batch => $batch + 1000, check => 'a' x 64, complete => JSON::PP::false,
        bad => JSON::PP::false, as_of => 1, bytes => 4096 } });
    for my $case (['a hello' => hello => \%superseded], ['batches' => 'replica/batches' => \%superseded],
        ['a replica with more batches' => 'replica/state' => \%newer]) {
        my ($what, $name, $answer) = @$case;
        $mill->kill_everything;
        $mill->restart('--alone');
        follows("$what: it serves");
        $peer->answer($name => $answer);
        kill 'KILL', $mill->children('peering');
        eval { $mill->enqueue('more', 5) };
        $mill->{server}->wait_exit(30);
        is $mill->{server}->exit_code, 76, 'it stops for good';
        $peer->answer($name => undef);
    }
    $mill->kill_everything;
    $mill->restart('--alone');
};

finish();
