# What GET /stats warns of at a node that runs: each warning comes, says what to do, and goes when that is done. When each
# comes: t/unit/stats/warnings.c; of certificates: t/install/tls-files.t; of the disk: t/faults/disk.t.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'operator olga', 'viewer vera');
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{olga});

sub stats_of ($who) { return $mill->get('/stats', Authorization => "Bearer $key{$who}")->json }

# The warnings, by code. That the disk of this machine is nearly full is none of the test's.
sub warned ($node = $mill) { return map { $_->{code} => $_->{detail} } grep { $_->{code} ne 'disk-low' } $node->stats->{warnings}->@* }
sub codes () { my %warned = warned(); return join ' ', sort keys %warned }

is codes(), '', 'a healthy node has none';
like $mill->stats->{now}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'its time is there';

subtest 'items that wait' => sub {
    $mill->new_item('first', 10);
    is codes(), '', 'one that has just come is no reason';
    $mill->move_clock(steady_ms => 16_000);
    is codes(), 'no-worker', 'nobody takes it';
    like { warned() }->{'no-worker'}, qr/first for 1[6-9] s.*Start hashmill-worker/, 'says what to do';
    is $mill->lease->status, 200, 'a worker comes';
    is codes(), '', 'and takes it';
};

subtest 'too few workers' => sub {
    $mill->new_item('second', 10);
    $mill->move_clock(steady_ms => 400_000);
    is $mill->call('POST', '/admin/pause?what=leasing')->status, 200, 'leasing is paused';
    is codes(), 'paused', 'which is what is said';
    $mill->lease;
    is $mill->call('POST', '/admin/resume?what=leasing')->status, 200, 'it goes on';
    is codes(), 'waiting-long', 'a worker calls, and an item waits all the same';
    $mill->work_all;
    is codes(), '', 'until it is leased';
};

subtest 'a quarantine' => sub {
    is +($mill->command('--quarantine', 'walt'))[0], 0, 'begins';
    like { warned() }->{quarantine}, qr/walt since .*release\?name=walt/, 'who it is, and how it ends';
    is $mill->call('POST', '/admin/release?name=walt')->status, 204, 'as it says';
    is codes(), '', 'nothing is left of it';
};

subtest 'backups' => sub {
    is $mill->stats->{backup}{last_at}, undef, 'none was made';
    my $before = $mill->stats->{now};
    is +($mill->command('--backup', "$dir/backup.db"))[0], 0, 'one is made';
    my $stats = $mill->stats;
    ok $before le $stats->{backup}{last_at} && $stats->{backup}{last_at} le $stats->{now}, 'when, is said';
    isnt +($mill->command('--backup', "$dir/no/such.db"))[0], 0, 'another fails';
    is $mill->stats->{backup}{last_at}, $stats->{backup}{last_at}, 'which is none';
    $mill->kill_everything;
    $mill->restart;
    is $mill->stats->{backup}{last_at}, $stats->{backup}{last_at}, 'after a crash it is known';
    is codes(), '', 'and new';
    $mill->move_clock(wall_ms => 26 * 3_600_000 + 60_000);
    like { warned() }->{'backup-old'}, qr/made at \Q$stats->{backup}{last_at}\E/, 'a day later it is old';
    is +($mill->command('--backup', "$dir/next.db"))[0], 0, 'the next one';
    is codes(), '', 'is new';
};

subtest 'who sees them' => sub {
    is $mill->call('POST', "/admin/pause?what=$_")->status, 200, "$_ is paused" for 'intake', 'scaling';
    is_deeply [map { $_->{code} } stats_of($_)->{warnings}->@*], [qw(paused paused)], "$_ does" for 'olga', 'vera';
    is stats_of('ann')->{warnings}, undef, 'a client does not';
};

subtest 'another node that is away' => sub {
    my $alone = Hashmill->start(PEERS => '1=http://127.0.0.1:9', PEER_TOKEN => 'p' x 40, COPY => 'none');
    ok wait_until(20, sub { exists { warned($alone) }->{'peer-away'} }), 'it is said';
    like { warned($alone) }->{'peer-away'}, qr/^Node 1 has not answered since this node started\./, 'which, and since when';
};

finish();
