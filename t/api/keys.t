# The file KEYS: who is let in by a key, and what becomes of a bad file.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $file = "$dir/keys";

sub write_keys (@lines) {
    spew($file, join '', map { "$_\n" } @lines);
    chmod 0600, $file or die;
    return;
}

my ($alice, $alice_line) = new_key('worker alice');
my ($again, $again_line) = new_key('worker alice');
my ($old, $old_line) = new_key('worker bob until=2020-12-31');
my ($viewer, $viewer_line) = new_key('viewer eve');
my ($operator, $operator_line) = new_key('operator olga');

subtest 'making a key' => sub {
    like $alice, qr/^hmw_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}$/, 'a key has its form';
    isnt $alice, $again, 'no two are the same';
    like $old_line, qr/^worker bob [0-9a-f]{64} until=2020-12-31$/, 'its line has the attributes';
    like +(new_key('client carol items=5 rate=1/2 weight=3'))[1], qr{^client carol [0-9a-f]{64} items=5 rate=1/2 weight=3$},
        'all of them';
    unlike $alice_line, qr/\Q$alice\E/, 'and not the key';
    my $program = Hashmill::build_directory() . '/hashmill-fcgi';
    for my $wrong ('boss alice', 'worker', 'worker a/b', 'worker shared', 'worker alice until=never', 'worker a b c',
        'worker alice items=5', 'client alice items=0', 'client alice items=5 items=5', 'client alice ' . 'items=5 ' x 40) {
        my $said = qx{$program --key $wrong 2>&1};
        is $? >> 8, 78, "--key $wrong";
        like $said, qr/^hashmill-fcgi: /, 'says what is wrong';
    }
};

write_keys('# the keys of a test', $alice_line, $again_line, $old_line, $viewer_line, $operator_line);
my $mill = Hashmill->start(KEYS => $file);
$mill->{key} = $operator;

# The status of a lease with this key, as a worker of this name.
sub lease_with ($key, $name = 'test') {
    return $mill->worker_call('/lease', { protocol => 1, request => uuid(), items => 1, iterations => 1, wait => 0,
        worker => { Hashmill::worker_fields()->%*, name => $name } }, Authorization => "Bearer $key");
}

like $mill->server_log, qr/ info: KEYS: 5 keys of 4 names, from \Q$file\E$/m, 'the log says how many there are';

subtest 'who is let in' => sub {
    is lease_with($alice)->status, 204, 'a worker with a key';
    is lease_with($again, 'other')->status, 204, 'and with another of the same name';
    my $reply = lease_with($old);
    is_problem($reply, 401, 'not with one whose time is over');
    like $reply->json->{detail}, qr/^The time of this key is over/, 'which it is told';
    like $mill->server_log, qr/the time of its key, one of bob, is over/, 'and the log says';
    is_problem(lease_with($alice =~ s/(.)$/$1 eq 'x' ? 'y' : 'x'/er), 401, 'nor with a wrong one');
    is_problem(lease_with($viewer), 403, 'nor with one of another role');
    is_problem($mill->worker_call('/peer/done', { protocol => 2, node => 1 }, Authorization => "Bearer $alice"), 403,
        'nor are the calls of peers for it');
    is lease_with($mill->{token})->status, 204, 'WORKER_TOKEN counts as before';
    my %seen = map { ("$_->{identity} $_->{name}" => 1) } $mill->stats->{fleet}{workers}->@*;
    is_deeply [sort keys %seen], ['alice other', 'alice test', 'shared test'], 'each is known by its key, then its name';
};

subtest 'many names under one key' => sub {
    for my $number (1 .. 70) {
        is lease_with($alice, "name $number")->status, 204, "name $number" if $number == 70;
        lease_with($alice, "name $number") if $number < 70;
    }
    is_deeply [$mill->sql("SELECT count(*) FROM worker WHERE identity = 'alice'")], [[64]], 'have 64 rows at most';
    my $id = $mill->new_item('between names', 10);
    my $grant = $mill->worker_call('/lease', { protocol => 1, request => uuid(), items => 1, iterations => 10, wait => 0,
        worker => { Hashmill::worker_fields()->%*, name => 'holder' } }, Authorization => "Bearer $alice")->json;
    lease_with($alice, "more $_") for 1 .. 70;
    my $result = { id => $id, lease => $grant->{lease}, remaining => 0,
        chain => advance($grant->{items}[0]{chain}, $grant->{items}[0]{remaining}) };
    my $reply = $mill->worker_call('/results', { protocol => 1, items => [$result],
        worker => { Hashmill::worker_fields()->%*, name => 'holder' } }, Authorization => "Bearer $alice");
    is_deeply $reply->json->{taken}, [$id], 'a name that lost its row still reports what it holds';
};

subtest 'what fills no log' => sub {
    my $before = $mill->stats->{refused};
    lease_with("wrong $_") for 1 .. 20;
    is $mill->stats->{refused} - $before, 20, 'refused credentials are counted';
    my @lines = grep { /a call from 127\.0\.0\.1 was refused/ } split /\n/, $mill->server_log;
    is scalar(@lines), 1, 'with one line a minute for an address';
    unlike $lines[0], qr/wrong/, 'which has not what was sent';
    my $id = $mill->new_item('another chain', 1000);
    my $grant = $mill->lease->json;
    $mill->expect_log(qr/reports another chain/);
    my %wrong = (id => $id, lease => $grant->{lease}, remaining => $grant->{items}[0]{remaining}, chain => 'ab' x 64);
    is_deeply $mill->report(\%wrong)->json->{lost}, [$id], 'a wrong chain is refused' for 1 .. 20;
    is scalar(grep { /reports another chain/ } split /\n/, $mill->server_log), 1, 'with one line a minute for an identity';
    $mill->call('DELETE', "/items/$id");
};

subtest 'a real worker' => sub {
    my $id = $mill->new_item('by key', 1000);
    my $worker = $mill->start_worker(WORKER_TOKEN => $alice);
    is $mill->item($id, wait => 30)->json->{state}, 'done', 'works with a key';
    $mill->stop_workers;
};

subtest 'reading it again' => sub {
    my ($carol, $carol_line) = new_key('worker carol');
    write_keys($carol_line, 'worker x y');
    $mill->expect_log(qr/not reloading: KEYS: \Q$file\E line 2: the third word must be/);
    $mill->{server}->kill('HUP');
    ok wait_until(20, sub { $mill->server_log =~ /line 2: the third word/ }), 'a bad file is told, with file and line';
    is lease_with($alice)->status, 204, 'and the keys of before go on';
    is +($mill->command('-t'))[0], 1, '-t refuses it, too';
    write_keys($carol_line);
    is +($mill->command('-t'))[0], 0, 'a good one it takes';
    $mill->{server}->kill('HUP');
    ok wait_until(20, sub { lease_with($carol)->status == 204 }), 'a good one counts after SIGHUP';
    is_problem(lease_with($alice), 401, 'and who is not in it is let in no more');
    $mill->expect_log(qr/line 1: a line must read ROLE NAME/);
    for my $try (1 .. 10) { # at any moment of a reload
        write_keys($carol_line);
        my $before = () = $mill->server_log =~ /master info: (?:reloading|ready)|error: /g;
        $mill->{server}->kill('HUP');
        select undef, undef, undef, 0.004 * $try;
        write_keys('nonsense');
        wait_until(20, sub { $before + 2 <= (() = $mill->server_log =~ /master info: (?:reloading|ready)|error: /g) });
        is lease_with($carol)->status, 204, 'a file that becomes bad while it reloads keeps the keys';
    }
    write_keys($carol_line);
    chmod 0644, $file or die;
    $mill->expect_log(qr/not reloading: KEYS: \Q$file\E may be read or changed by others/);
    is +($mill->command('-t'))[0], 1, 'one that others may read is refused';
};

finish();
