# The disk: full, and then not, while all but enqueues go on; a WAL that somebody removes under the server.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use File::Temp qw(tempdir);
use Hashmill;
use Hashmill::Faults;

# A small filesystem of its own, or undef where this user may not mount one.
sub small_disk {
    my $disk = tempdir('hm-disk-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    return system("mount -t tmpfs -o size=80m hashmill-test $disk 2>/dev/null") == 0 ? $disk : undef;
}

# Fills a filesystem to the last byte.
sub fill ($disk) {
    open my $file, '>:raw', "$disk/filler" or die;
    for my $size (65536, 4096, 1) {
        1 while syswrite $file, 'x' x $size;
    }
    close $file;
    return;
}

my $disk = $> == 0 ? small_disk() : undef;
END { system "umount $disk" if defined $disk }

# Enqueues from several clients until that is refused. The ids that were answered 201; the last answers.
sub enqueue_until_refused ($mill) {
    my @jobs = parallel(4, sub ($job) {
        my @ids;
        for my $number (1 .. 5000) {
            my $reply = $mill->enqueue("job $job number $number", 10);
            return (\@ids, $reply->status, $reply->header('retry-after')) if $reply->status != 201;
            push @ids, $reply->json->{id};
        }
        return (\@ids, 201, undef);
    });
    return ([map { $_->[0]->@* } @jobs], [map { $_->[1] } @jobs], [map { $_->[2] } @jobs]);
}

# Leases, reports and pulls all that there is; what was pulled, id => value.
sub finish_all ($mill) {
    my %pulled;
    1 while $mill->work_all;
    while (my @batch = $mill->pull(1000)->json->@*) {
        $pulled{ $_->{id} } = $_->{value} for @batch;
    }
    return \%pulled;
}

subtest 'a full disk' => sub {
    skip_for_rights('only root can mount a small disk') if !defined $disk;
    my $mill = Hashmill->start(DATABASE => "$disk/hashmill.db");
    my %key = ('Idempotency-Key' => 'known');
    my $known = $mill->enqueue('known', 10, %key)->json->{id};
    my @stored = ($known, map { $mill->new_item("before $_", 10) } 1 .. 300);
    my $grant = $mill->lease(items => 200)->json;
    fill($disk);
    # Somebody who takes every byte that anybody gives up.
    my $taker = background(sub {
        open my $file, '>>:raw', "$disk/filler" or die;
        until (stopping()) { syswrite $file, 'x' x 4096 or select undef, undef, undef, 0.001 }
        return;
    });
    my ($more, $statuses, $retries) = enqueue_until_refused($mill);
    push @stored, @$more;
    is_deeply $statuses, [(507) x 4], 'enqueues are answered 507 after ' . @$more . ' more';
    is_problem($mill->enqueue('one more', 10), 507, 'with a problem that says so');
    like $mill->server_log, qr/warn: no room can be kept on the disk/, 'the log says it';
    is scalar(() = $mill->server_log =~ /no room can be kept/g), 1, 'once';
    is $mill->enqueue('known', 10, %key)->json->{id}, $known, 'a repeated one gets its id';
    my @results = map { { id => $_->{id}, lease => $grant->{lease}, remaining => 0,
        chain => advance($_->{chain}, $_->{remaining}) } } $grant->{items}->@*;
    is scalar $mill->report(@results)->json->{taken}->@*, 200, 'reports are taken';
    is scalar $mill->pull(50, headers => { 'Idempotency-Key' => 'full' })->json->@*, 50, 'values are handed out';
    is $mill->call('DELETE', "/items/$stored[250]")->status, 204, 'an item is cancelled';
    # A process that has read keeps the wal-index, which would else be made again.
    is $mill->item($stored[0])->status, 200, 'items can be looked at';
    kill 'KILL', $mill->children('writer');
    ok wait_until(20, sub { $mill->get('/stats?')->status == 200 }), 'a new writer starts on a full disk';
    ($more, $statuses) = enqueue_until_refused($mill);
    push @stored, @$more;
    is_deeply $statuses, [(507) x 4], 'enqueues are refused again after ' . @$more . ' for what was pulled';
    my $pulled = finish_all($mill);
    is scalar keys %$pulled, @stored - 50 - 1, 'everything else can be leased, reported and pulled';
    is $pulled->{ $stored[300] }, value_of('before 300', 10), 'with the right value';
    ($more, $statuses) = enqueue_until_refused($mill);
    push @stored, @$more;
    is_deeply $statuses, [(507) x 4], 'which makes room for ' . @$more . ' more';
    cmp_ok scalar @$more, '>', 100, 'on a full disk';
    $taker->stop->result;
    unlink "$disk/filler" or die;
    ok wait_until(2, sub { $mill->enqueue('after', 10)->status == 201 }), 'room again: enqueues are taken within 2 s';
    like $mill->server_log, qr/there is room on the disk again/, 'the log says that, too';
    my ($row) = $mill->sql('SELECT count(*) FROM item');
    is $row->[0], @stored + 1, 'everything answered 201 is there, and nothing else';
    my ($whole) = $mill->sql('PRAGMA integrity_check');
    is $whole->[0], 'ok', 'the file is whole';
    $mill->close_instance;
};

subtest 'no room for more, as any user can have it' => sub {
    my $faults = Hashmill::Faults->new;
    my $mill = Hashmill->start(wrap => $faults->wrap);
    my @stored = map { $mill->new_item("before $_", 10) } 1 .. 20;
    $faults->set('grow', path => 'hashmill.db');
    my ($more, $statuses) = enqueue_until_refused($mill);
    is_deeply $statuses, [(507) x 4], 'enqueues are answered 507';
    is_deeply [grep { /^disk/ } map { $_->{code} } $mill->stats->{warnings}->@*], ['disk-full'], 'and /stats warns of it';
    is scalar keys finish_all($mill)->%*, @stored + @$more, 'everything can be leased, reported and pulled';
    $faults->clear;
    ok wait_until(2, sub { $mill->enqueue('after', 10)->status == 201 }), 'room again: enqueues are taken within 2 s';
    ok !(grep { $_->{code} eq 'disk-full' } $mill->stats->{warnings}->@*), 'and nothing is warned of';
    $mill->close_instance;
};

# Asserts that no room is a matter of time: items and whatever else must be written are refused, nothing
# fails for good, and all goes on when there is room.
sub goes_on_with_room ($mill, $writer, $make_room) {
    my ($more, $statuses) = enqueue_until_refused($mill);
    is_deeply $statuses, [(507) x 4], 'enqueues are answered 507';
    unlike $mill->server_log, qr/SIGXFSZ| error: /, 'nothing is killed or taken for a disk that fails';
    $make_room->();
    ok wait_until(10, sub { $mill->enqueue('after', 10)->status == 201 }), 'room again: enqueues are taken';
    is_deeply [$mill->children('writer')], [$writer], 'by the same writer';
    my ($row) = $mill->sql('SELECT count(*) FROM item');
    is $row->[0], $mill->stats->{items}{waiting}, 'everything answered 201 is there';
    return;
}

for my $fault ('quota', 'size') {
    subtest "no room within a limit: $fault" => sub {
        my $faults = Hashmill::Faults->new;
        my $mill = Hashmill->start(wrap => $faults->wrap);
        $mill->new_item("before $_", 10) for 1 .. 20;
        my ($writer) = $mill->children('writer');
        $faults->set($fault, path => 'hashmill.db');
        goes_on_with_room($mill, $writer, sub { $faults->clear });
        $mill->close_instance;
    };
}

subtest 'a limit on the size of files (ulimit -f)' => sub {
    my $mill = Hashmill->start;
    $mill->new_item("before $_", 10) for 1 .. 20;
    my ($writer) = $mill->children('writer');
    my $limit = sub ($bytes) { system('prlimit', "--pid=$writer", "--fsize=$bytes:") == 0 or die };
    $limit->(20_000);
    goes_on_with_room($mill, $writer, sub { $limit->('unlimited') });
    $mill->close_instance;
};

subtest 'started with such a limit' => sub {
    my $mill = Hashmill->start(wrap => ['prlimit', '--fsize=5000000']);
    my ($writer) = $mill->children('writer');
    is_problem($mill->enqueue('one', 10), 507, 'an enqueue');
    is $mill->lease->status, 204, 'workers are answered';
    like $mill->server_log, qr/warn: no room can be kept on the disk of \S+ \(File too large\)/, 'the log says what it is';
    is_deeply [$mill->children('writer')], [$writer], 'nothing has died';
    $mill->close_instance;
};

subtest 'nobody reads what the server says' => sub {
    # Its standard error is a pipe whose reader leaves after a line.
    my $mill = Hashmill->start(wrap => ['bash', '-c', 'exec "$@" 2> >(head -n 1 >/dev/null)', 'bash']);
    is $mill->enqueue('one', 10)->status, 201, 'it serves';
    my ($writer) = $mill->children('writer');
    $mill->{server}->kill('HUP');
    ok wait_until(20, sub { my ($now) = $mill->children('writer'); $now && $now != $writer }), 'it starts again when told to';
    ok wait_until(20, sub { $mill->enqueue('two', 10)->status == 201 }), 'and serves';
    $mill->close_instance;
};

subtest 'the WAL is taken away' => sub {
    my $mill = Hashmill->start;
    $mill->expect_log(qr/was removed or replaced|stopping for good/);
    $mill->expect_log(qr/connect\(\) to unix:/); # nginx's, once nobody listens
    $mill->{server_may_be_gone} = 1;
    $mill->new_item('first', 10);
    unlink "$mill->{settings}{DATABASE}-wal" or die;
    for (1 .. 3000) {
        last if !$mill->{server}->alive || $mill->enqueue("more $_", 10)->status != 201;
    }
    ok defined $mill->{server}->wait_exit(20), 'the server stops';
    is $mill->{server}->exit_code, 76, 'with the exit code that means do not restart';
    like $mill->server_log, qr/stop everything that touches the database/, 'it says what to do';
    is $mill->enqueue('nobody', 10)->status, 503, 'nothing is taken any more';
};

finish();
