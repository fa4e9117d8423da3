# Another program holds the database's lock for writing: the log names it and says what to do, everybody
# is answered in time, and all goes on when it has ended.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use IPC::Open2 qw(open2);
use Time::HiRes qw(time);
use Hashmill;

# A sqlite3 shell in the middle of a transaction that writes. end_writer ends it.
sub start_writer ($mill) {
    my $pid = open2(my $out, my $in, 'sqlite3', $mill->{settings}{DATABASE});
    $in->autoflush(1);
    print {$in} "BEGIN IMMEDIATE; SELECT 'holds it';\n";
    is scalar(readline $out), "holds it\n", 'a shell holds the lock for writing';
    return { pid => $pid, in => $in, out => $out };
}

sub end_writer ($writer) {
    close $writer->{in};
    waitpid $writer->{pid}, 0;
    return;
}

subtest 'a shell with BEGIN IMMEDIATE' => sub {
    my $mill = Hashmill->start(OPERATION_SECONDS => 4);
    $mill->expect_log(qr/holds the lock for writing/);
    $mill->work_all if $mill->new_item('first', 10);
    # One waits already when the lock is taken; its time comes meanwhile.
    my $early = background(sub { my $since = time; return ($mill->lease(wait => 3)->status, time - $since) });
    ok $mill->wait_parked(1), 'a worker waits for items';
    my $writer = start_writer($mill);
    my @late = parallel(3, sub ($number) {
        my $since = time;
        my $status = $number == 1 ? $mill->lease(wait => 25)->status : $mill->enqueue("late $number", 10)->status;
        return ($status, time - $since);
    });
    is_deeply [map { $_->[0] } @late], [503, 503, 503], 'a lease that would wait and enqueues are answered 503';
    cmp_ok $_->[1], '<=', 5, "in OPERATION_SECONDS: $_->[1] s" for @late;
    my ($status, $seconds) = $early->result;
    is $status, 503, 'so is the worker that waited, in the end';
    cmp_ok $seconds, '<=', 8, "when its time has come: $seconds s";
    ok wait_until(10, sub { $mill->server_log =~ /holds the lock/ }), 'the log says so';
    like $mill->server_log, qr/error: process $writer->{pid} holds the lock for writing to \S+hashmill\.db, .*end its transaction/,
        'with the process and the remedy';
    is $mill->enqueue('again', 10)->status, 503, 'for as long as it is held';
    is scalar(() = $mill->server_log =~ /holds the lock/g), 1, 'once';
    end_writer($writer);
    ok wait_until(10, sub { $mill->enqueue('after', 10)->status == 201 }), 'items are taken when it has ended';
    like $mill->server_log, qr/info: the database can be written to again, after \d/, 'and the log says so';
    $mill->close_instance;
};

subtest 'a lock on the file itself, of no process' => sub {
    my $mill = Hashmill->start;
    $mill->expect_log(qr/holds the lock for writing/);
    $mill->new_item('first', 10);
    # F_OFD_SETLK on the byte that SQLite's writers lock, by another program.
    my $program = 'import fcntl, struct, sys; file = open(sys.argv[1], "r+b"); '
        . 'fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 120, 1, 0)); print("holds it", flush=True); '
        . 'sys.stdin.read()';
    my $pid = open2(my $out, my $in, 'python3', '-c', $program, "$mill->{settings}{DATABASE}-shm");
    is scalar(readline $out), "holds it\n", 'a program holds such a lock';
    is $mill->enqueue('next', 10)->status, 503, 'an item is refused';
    like $mill->server_log, qr/error: another program, which cannot be seen from here, holds the lock for writing/,
        'the log says what is known';
    close $in;
    waitpid $pid, 0;
    ok wait_until(10, sub { $mill->enqueue('after', 10)->status == 201 }), 'items are taken when it has ended';
    $mill->close_instance;
};

finish();
