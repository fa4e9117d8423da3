# hashmill-fcgi --init: what it makes of a database that is there, that is a backup, or that is not
# there, by what the other node says of its replica; and that it may be killed at any moment.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Time::HiRes qw(sleep time);
use Hashmill;
use Hashmill::FakePeer;

use constant { DONE => 0, AGAIN => 75, DAMAGED => 76, DECIDE => 78 };

my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $program = Hashmill::build_directory() . '/hashmill-fcgi';
my $database = "$dir/db";
my $replica = "$dir/replica"; # the file that the peer has
my $peer = Hashmill::FakePeer->start(node => 1);
my %with_peer = (PEERS => '1=' . $peer->url, PEER_TOKEN => $peer->token);
my $id; # of the database that all this is about

sub start_init ($settings, @options) {
    my %all = (DATABASE => $database, RUN_DIR => "$dir/run", NODE => 0, %$settings);
    spew("$dir/env", join '', map { "$_=$all{$_}\n" } sort keys %all);
    unlink "$dir/log";
    return Hashmill::Process->start(log => "$dir/log", command => [$program, '-c', "$dir/env", '--init', @options],
        env => { ASAN_OPTIONS => 'detect_leaks=1:verify_asan_link_order=0' });
}

# Runs it; its exit code and what it has said.
sub init ($settings, @options) {
    my $run = start_init($settings, @options);
    $run->wait_exit(30) // $run->kill('KILL');
    return ($run->exit_code // 'none', $run->log);
}

sub is_init ($settings, $options, $code, $said, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($got, $log) = init($settings, @$options);
    is $got, $code, "$name: exit code $code" or diag $log;
    like $log, $said, "$name: says so";
    unlike $log, qr/Sanitizer|runtime error/, "$name: no report of a sanitizer";
    return;
}

sub sql ($file, $statement) {
    open my $pipe, '-|', 'sqlite3', $file, $statement or die "sqlite3: $!";
    chomp(my @lines = <$pipe>);
    close $pipe or die "sqlite3: $statement failed\n";
    return join ' ', @lines;
}

sub clear { unlink glob "$database*"; return }

# Puts a database in place, with these values of its identity and tally.
sub put (%with) {
    clear();
    copy("$dir/first", $database) or die "copy: $!";
    change($database, %with);
    return;
}

sub change ($file, %with) {
    my $database_id = $with{id} // $id;
    sql($file, "UPDATE identity SET id = x'$database_id', epoch = $with{epoch}, backup = " . ($with{backup} // 0)
        . "; UPDATE tally SET batch = $with{batch}, wall = 1000, clock = 5000; PRAGMA journal_mode = DELETE; "
        . 'PRAGMA journal_mode = WAL');
    return;
}

sub as_uuid ($hex) { return lc join '-', unpack 'a8 a4 a4 a4 a12', $hex }

# Sets what the peer says of its replica, and its file, under the epoch with which it must be taken.
sub peer_has (%with) {
    my $has = { id => as_uuid($with{id} // $id), epoch => $with{epoch}, schema => 11, batch => $with{batch},
        check => '00' x 32, complete => JSON::PP::true, bad => $with{bad} ? JSON::PP::true : JSON::PP::false,
        heard_seconds => 17, as_of => 1_700_000_000_000, bytes => 4096 };
    copy("$dir/first", $replica) or die "copy: $!";
    change($replica, %with, epoch => $with{taken} // $with{epoch} + 1);
    peer_says(replica => $has, known => $with{known});
    $peer->answer('replica/take' => { status => 200, json => { node => 1, epoch => $with{taken} // $with{epoch} + 1,
        bytes => -s $replica, batch => $with{batch} } });
    $peer->answer('replica/read' => { status => 200, file => $replica });
    return;
}

sub peer_says (%says) {
    $says{known} = { id => as_uuid($says{known}[0]), epoch => $says{known}[1] } if $says{known};
    $peer->answer('replica/state' => { status => 200, json => { node => 1, replica => undef, known => undef, %says } });
    return;
}

sub epoch { return sql($database, 'SELECT epoch FROM identity') }
# The epoch is the time in seconds.
sub is_now ($name) { local $Test::Builder::Level = $Test::Builder::Level + 1; return cmp_ok abs(epoch() - time), '<', 100, $name }
sub batch ($file = $database) { return sql($file, 'SELECT batch FROM tally') }

# Starts it, waits until it says that it waits, and lets $change happen; returns the exit code, if it ends.
sub waits ($settings, $options, $said, $name, $change = undef) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $run = start_init($settings, @$options);
    ok wait_until(20, sub { $run->log =~ $said || !$run->alive }) && $run->alive, "$name: waits, and says so"
        or diag $run->log;
    sleep 1.5;
    my @times = $run->log =~ /(waiting)/g;
    is scalar @times, 1, "$name: once";
    $change->() if $change;
    $run->kill('TERM') if !$change;
    my $status = $run->wait_exit(20);
    return $change ? $run->exit_code : $status;
}

# --- Without another node -------------------------------------------------------------------------------------

is_init({}, [], DONE, qr/was made, an empty queue/, 'a node alone, nothing there');
copy($database, "$dir/first") or die "copy: $!";
$id = uc sql($database, 'SELECT hex(id) FROM identity');
cmp_ok abs(epoch() - time), '<', 100, 'its epoch is the time in seconds';
is_init({}, [], DONE, qr/may be served: epoch \d+, batch 0/, 'a node alone, its database there');
is_init({}, ['--new'], DONE, qr/makes nothing in its place.*may be served/s, 'a node alone, --new, its database there');
is_init({}, ['--from-peer'], DECIDE, qr/PEERS names no other node/, 'a node alone, --from-peer');
is_init({ NODE => 4 }, [], DECIDE, qr/database of node 0, and this is node 4/, 'the database of another node');
put(epoch => 100, batch => 7, backup => 1);
is_init({}, [], DONE, qr/backup.*may be served from now on: epoch \d+, batch 7/, 'a node alone, a backup');
is_now('an epoch that no other was given');
is sql($database, 'SELECT backup, restored FROM identity'), '0|5000', 'the backup was accepted';
put(epoch => 9_000_000_000, batch => 7, backup => 1);
is_init({}, [], DONE, qr/may be served from now on: epoch 9000000001, batch 7/, 'a node alone, a backup of a later time');

# --- Nothing is there -----------------------------------------------------------------------------------------

clear();
is_init(\%with_peer, ['--alone'], DECIDE, qr/There is no database.*--new/, 'nothing there, --alone');
is_init(\%with_peer, ['--from-peer'], DECIDE, qr/has no replica.*--new/, 'nothing there, nor a replica, --from-peer');
is_init(\%with_peer, [], DONE, qr/was made, an empty queue/, 'nothing there, nor a replica');
is(($peer->asked('replica/state'))[-1]{TOKEN}, 'Bearer ' . $peer->token, 'the peer was given its token');
clear();
peer_says(known => [$id, 9_000_000_000]);
is_init(\%with_peer, [], DECIDE, qr/met an earlier database.*not mounted.*--new/, 'the peer met another database');
ok !-e $database, 'which may be on a volume that is not mounted: nothing was made';
is_init(\%with_peer, ['--new'], DONE, qr/was made/, 'the same, --new');
is epoch(), 9_000_000_001, 'the epoch is higher than that of the one that the peer met';
clear();
peer_has(epoch => 20, batch => 30);
is_init({ %with_peer, COPY => 'none' }, [], DECIDE,
    qr/node 1 has a replica.*batch 30 of 2023-11-14\S+, complete, last heard of 17 s ago\. .*--from-peer.*--new/,
    'nothing there, but a replica');
ok !-e $database, 'nothing was made';
is_init(\%with_peer, ['--new'], DONE, qr/was made/, 'nothing there, but a replica, --new');
isnt uc sql($database, 'SELECT hex(id) FROM identity'), $id, 'it is another database';
clear();
is_init(\%with_peer, ['--from-peer'], DONE, qr/has given the queue back as of batch 30 .*now epoch 21/, '--from-peer');
is epoch() . '|' . batch() . sql($database, '; SELECT restored FROM identity'), '21|305000', 'what was fetched is there';
is_deeply [grep { -e } map({ "$database-$_" } qw(new new-wal new-shm)), glob "$database-old*"], [], 'nothing else is';
is_deeply [map { $_->{database}, $_->{epoch} } ($peer->asked('replica/take'))[-1]], [as_uuid($id), 21],
    'the peer was told which epoch it will have';
peer_has(epoch => 21, batch => 30);
is_init(\%with_peer, ['--from-peer'], DONE, qr/may be served/, '--from-peer once more');
is epoch(), 21, 'nothing was fetched again';

$peer->answer('replica/state' => { cut => 1 });
clear();
is waits(\%with_peer, [], qr/waiting for node 1.*--new/, 'the peer is away'), 15, 'SIGTERM ends it at once';
ok !-e $database, 'nothing was made';
is_init(\%with_peer, ['--new'], DONE, qr/does not say.*was made/s, 'the peer is away, --new');
clear();
is waits(\%with_peer, [], qr/waiting for node 1/, 'the peer comes back', sub { peer_says() }), DONE, 'then it is made';
clear();
$peer->answer('replica/state' => { status => 200, json => { node => 1, what => 'nonsense' } });
is waits(\%with_peer, [], qr/waiting for node 1.*says nothing of a replica/, 'an answer that says nothing'), 15, 'ended';
peer_says(known => [$id, 9223372036854775807]);
is waits(\%with_peer, [], qr/waiting for node 1.*says nothing of a replica/, 'an epoch to which nothing can be added'), 15, 'ended';
peer_says(node => 2);
is waits(\%with_peer, [], qr/waiting for node 1.*another node's: see PEERS/, 'the answer of another node'), 15, 'ended';

# --- A database is there --------------------------------------------------------------------------------------

put(epoch => 50, batch => 10);
is_init({ %with_peer }, [], DONE, qr/another node's.*may be served: epoch 50, batch 10/s, 'a database, an answer of nonsense');
peer_has(epoch => 50, batch => 10);
is_init(\%with_peer, [], DONE, qr/may be served/, 'a database, a replica as new');
peer_has(epoch => 49, batch => 99);
is_init(\%with_peer, [], DONE, qr/may be served/, 'a database, a replica of an earlier epoch');
peer_has(epoch => 50, batch => 12, bad => 1);
is_init(\%with_peer, [], DECIDE, qr/does not fit.*--from-peer.*--alone/, 'a database, a newer replica that fits no batch');
is_init(\%with_peer, ['--alone'], DONE, qr/will be replaced.*the database at .*from now on: epoch \d+, batch 10/s, 'the same, --alone');
is_now('which counts more than the replica');
is sql($database, 'SELECT restored FROM identity'), 5000, 'and knows that it may have forgotten something';
put(epoch => 50, batch => 10);
peer_has(epoch => 50, batch => 10);
is_init(\%with_peer, ['--alone'], DONE, qr/may be served: epoch 50, batch 10/, 'a database, a replica as new, --alone');
is epoch(), 50, 'there is nothing to replace';
peer_has(epoch => 50, batch => 12);
is_init({ %with_peer, COPY => 'none' }, [], DONE, qr/may be served/, 'a database, COPY=none: nobody is asked');
is_init(\%with_peer, [], DONE, qr/fetching it.*kept as \Q$database\E-old[.]50\n.*given the queue back as of batch 12 /s,
    'a database, a newer replica');
is epoch() . '|' . batch() . '|' . batch("$database-old.50"), '51|12|10', 'the newer one is there, the older kept';
copy("$dir/first", $database) or die "copy: $!";
change($database, epoch => 50, batch => 11);
is_init(\%with_peer, [], DONE, qr/kept as \Q$database\E-old[.]50[.]2\n.*given the queue back/s, 'and again');
is batch("$database-old.50") . '|' . batch("$database-old.50.2"), '10|11', 'all that were there are kept';
put(epoch => 50, batch => 10);
peer_has(epoch => 51, batch => 9);
is_init(\%with_peer, [], DECIDE, qr/has a replica.*batch 9 .*has more batches.*--from-peer.*--alone/,
    'a database, a replica of a later epoch with fewer batches');
is batch(), 10, 'the database is as it was';
is_init(\%with_peer, ['--from-peer'], DONE, qr/given the queue back as of batch 9 /, 'the same, --from-peer');
is batch("$database-old.50"), 10, 'the database is kept';
put(epoch => 50, batch => 10);
is_init(\%with_peer, ['--alone'], DONE, qr/the database at .*from now on: epoch \d+, batch 10/, 'the same, --alone');
put(epoch => 50, batch => 10);
peer_has(epoch => 51, batch => 10);
is_init(\%with_peer, [], DONE, qr/given the queue back as of batch 10 /, 'a database, a replica of a later epoch');
put(epoch => 50, batch => 10);
peer_says(known => [$id, 51]);
is_init(\%with_peer, [], DECIDE, qr/met a newer database.*--alone.*--new/, 'a database that was superseded');
peer_says(known => [$id, 9_000_000_000]);
is_init(\%with_peer, ['--alone'], DONE, qr/the database at .*from now on: epoch 9000000001, batch 10/, 'the same, --alone');
put(epoch => 50, batch => 10);
peer_has(epoch => 60, batch => 1, id => 'AB' x 16);
is_init(\%with_peer, [], DECIDE, qr/another and newer database.*--from-peer/, 'a database, a newer one has a replica');
is_init(\%with_peer, ['--from-peer'], DONE, qr/given the queue back as of batch 1 /, 'the same, --from-peer');
put(epoch => 50, batch => 10);
peer_has(epoch => 40, batch => 99, id => 'AB' x 16);
is_init(\%with_peer, ['--from-peer'], DECIDE, qr/newer than what the peer has/, 'a database, --from-peer, an older replica');
for my $answer ({ cut => 1 }, { silent => 1 }, { status => 503 }, { status => 401, json => { detail => 'What token?' } },
    { status => 404 }, { status => 200, bytes => '<html>' }) {
    $peer->answer('replica/state' => $answer);
    my $before = time;
    is_init(\%with_peer, [], DONE, qr/node 1 does not say.*may be served/s, "a database, the peer @{[keys %$answer]}");
    cmp_ok time - $before, '<', 8, 'within 3 s, and what a program with sanitizers takes';
}
is_init(\%with_peer, ['--alone'], DONE, qr/does not say.*the database at .*from now on/s, 'a database, --alone, the peer is away');
is_now('it counts more than what the peer may have');
put(epoch => 50, batch => 10);
$peer->answer('replica/state' => { cut => 1 });
is waits(\%with_peer, ['--from-peer'], qr/waiting for node 1.*--alone/, 'a database, --from-peer, the peer is away',
    sub { peer_has(epoch => 50, batch => 11) }), DONE, 'then it is fetched';
is batch(), 11, 'it is there';

# --- A backup is there ----------------------------------------------------------------------------------------

put(epoch => 50, batch => 10, backup => 1);
$peer->answer('replica/state' => { cut => 1 });
is waits(\%with_peer, [], qr/waiting for node 1.*--alone/, 'a backup, the peer is away'), 15, 'ended';
is_init(\%with_peer, ['--alone'], DONE, qr/the backup at .*from now on/, 'a backup, --alone');
is_now('its epoch is the time');
put(epoch => 50, batch => 10, backup => 1);
peer_says(known => [$id, 9_000_000_070]);
is_init(\%with_peer, ['--alone'], DONE, qr/may be served from now on: epoch 9000000071/, 'a backup, --alone, an epoch that is known');
put(epoch => 50, batch => 10, backup => 1);
is_init(\%with_peer, [], DONE, qr/may be served from now on: epoch 9000000071/, 'a backup, no replica');
put(epoch => 50, batch => 10, backup => 1);
peer_says(known => [$id, 9_007_199_254_740_991]);
is_init(\%with_peer, ['--alone'], DECIDE, qr/the highest there is/, 'a backup, the peer knows the last epoch');
is epoch(), 50, 'no other is made';
put(epoch => 50, batch => 10, backup => 1);
peer_has(epoch => 50, batch => 9);
is_init(\%with_peer, [], DONE, qr/will be replaced.*may be served from now on/s, 'a backup, an older replica');
is_now('its epoch is the time');
put(epoch => 50, batch => 10, backup => 1);
peer_has(epoch => 50, batch => 10, known => [$id, 52], taken => 53);
is_init(\%with_peer, [], DONE, qr/given the queue back as of batch 10 .*now epoch 53/, 'a backup, a replica as new');
put(epoch => 50, batch => 10, backup => 1);
peer_has(epoch => 50, batch => 15, bad => 1);
is_init(\%with_peer, [], DECIDE, qr/--from-peer.*--alone/, 'a backup, a newer replica that fits no batch');
is_init(\%with_peer, ['--from-peer'], DONE, qr/given the queue back as of batch 15/, 'the same, --from-peer');
is sql($database, 'SELECT backup FROM identity'), 0, 'it is no backup';
put(epoch => 50, batch => 10, backup => 1);
peer_has(id => 'AB' x 16, epoch => 60, batch => 3);
is_init(\%with_peer, [], DECIDE, qr/newer database.*--from-peer.*--alone/, 'a backup, a replica of a newer database');
is sql($database, 'SELECT backup FROM identity'), 1, 'the backup is kept';
is_init(\%with_peer, ['--alone'], DONE, qr/the backup at .*from now on/, 'the same, --alone');
put(epoch => 50, batch => 10, backup => 1);
is_init(\%with_peer, ['--from-peer'], DONE, qr/given the queue back as of batch 3/, 'the same, --from-peer');
put(epoch => 50, batch => 10, backup => 1);
peer_has(id => 'AB' x 16, epoch => 40, batch => 30);
is_init(\%with_peer, [], DONE, qr/may be served from now on/, 'a backup, a replica of an older database');

# --- What goes wrong in a fetch -------------------------------------------------------------------------------

sub put_old { put(epoch => 50, batch => 10); peer_has(epoch => 50, batch => 20); return }

put_old();
my $taken = { status => 200, json => { node => 1, epoch => 51, bytes => -s $replica, batch => 20 } };
sub refusal ($type) { return { status => 409, json => { type => "urn:hashmill:problem:$type", detail => 'It was heard of 1 s ago.' } } }
$peer->answer('replica/take' => refusal('peer-alive'));
is waits(\%with_peer, [], qr/waiting until node 1 does not hear node 0.*must be stopped.*1 s ago/, 'the old one lives',
    sub { $peer->answer('replica/take' => $taken) }), DONE, 'then it is fetched';
is batch(), 20, 'it is there';
put_old();
$peer->answer('replica/take' => refusal('peer-alive'));
is_init(\%with_peer, [], DECIDE, qr/Another server serves this node's database.*--from-peer/, 'another one lives on');
is batch(), 10, 'the database is as it was';
put_old();
my $restarted = { status => 503, json => { type => 'urn:hashmill:problem:unavailable', detail => 'It was started again.' } };
$peer->answer('replica/take' => [(refusal('peer-alive')) x 14, $restarted, (refusal('peer-alive')) x 14, $taken]);
is_init(\%with_peer, [], DONE, qr/given the queue back as of batch 20/, 'the peer was started again meanwhile');
put_old();
my $late = { refusal('peer-alive')->%*, after => 2 };
$peer->answer('replica/take' => [(refusal('peer-alive')) x 14, $late, (refusal('peer-alive')) x 14, $taken]);
is_init(\%with_peer, [], DONE, qr/given the queue back as of batch 20/, 'the peer stood still meanwhile');
clear();
$peer->answer('replica/take' => refusal('peer-alive'));
is waits(\%with_peer, ['--from-peer'], qr/waiting until node 1 does not hear/, 'a person wants it',
    sub { sleep 10; $peer->answer('replica/take' => $taken) }), DONE, 'then it is waited for';
put_old();
$peer->answer('replica/take' => refusal('superseded'));
is_init(\%with_peer, [], AGAIN, qr/does not give its replica: it answers 409.*run this again/, 'a take whose answer was lost');
put_old();
$peer->answer('replica/read' => { cut => 1 });
is waits(\%with_peer, [], qr/waiting for node 1 after 0 of \d+ bytes/, 'the peer is gone in between',
    sub { $peer->answer('replica/read' => { status => 200, file => $replica }) }), DONE, 'then it is fetched';
for my $case ([{ status => 404 }, 'the replica is gone'], [{ status => 409 }, 'somebody else has taken it'],
    [{ status => 200, bytes => '' }, 'nothing comes'], [{ status => 200, bytes => 'x' x 600_000 }, 'too much comes']) {
    put_old();
    $peer->answer('replica/read' => $case->[0]);
    is_init(\%with_peer, [], AGAIN, qr/broke off after 0 of \d+ bytes.*run this again/, $case->[1]);
    is batch(), 10, 'the database is as it was';
}
put_old();
sql($replica, 'UPDATE tally SET batch = 19; PRAGMA wal_checkpoint(TRUNCATE)');
is_init(\%with_peer, [], AGAIN, qr/not what was asked for.*batch 19/, 'another replica than the one that was taken');
put_old();
open my $file, '+<:raw', $replica or die;
seek $file, 8192, 0;
print {$file} "\xff" x 4096;
close $file;
is_init(\%with_peer, [], DECIDE, qr/what was fetched is damaged.*serve what is here: --init --alone/s, 'a page of it is damaged');
is batch() . '|' . epoch(), '10|50', 'the database is as it was';
ok !-e "$database-new", 'and nothing is left of the other';
clear();
is_init(\%with_peer, ['--from-peer'], DECIDE, qr/what was fetched is damaged.*Put a backup.*then: --init --alone/s,
    'the same without a database');
ok !-e $database, 'there is still none';

put_old();
$peer->answer('replica/read' => { silent => 1 });
my $run = start_init(\%with_peer);
ok wait_until(20, sub { -e "$database-new" }), 'a fetch is under way';
is_init(\%with_peer, ['--alone'], AGAIN, qr/another process has/, 'a second one beside it');
$run->kill('KILL');
$run->wait_exit(20);
ok -e "$database-new", 'it is killed';
is batch(), 10, 'the database is as it was';
$peer->answer('replica/read' => { status => 200, file => $replica });
is_init(\%with_peer, [], DONE, qr/given the queue back as of batch 20 /, 'and again');
is batch() . '|' . batch("$database-old.50"), '20|10', 'it is there, the older one kept';
ok !-e "$database-new", 'and nothing is left';

# --- What is no database --------------------------------------------------------------------------------------

clear();
spew($database, 'rubbish ' x 1000);
is_init(\%with_peer, [], DAMAGED, qr/cannot be read.*--recover/, 'a damaged file');
clear();
for my $options (['--from-peer', '--new'], ['--from-peer', '--alone']) {
    is_init({}, $options, DECIDE, qr/goes with neither/, "@$options");
}
done_testing();
