# The WAL: a reader from outside that keeps it growing, what is refused and served meanwhile, and
# that it is small again when the reader has gone. Readers of our own never keep it.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use IPC::Open2 qw(open2);
use Hashmill;

use constant MIB => 1024 * 1024;

# A sqlite3 shell in the middle of a read transaction. end_reader ends it.
sub start_reader ($mill) {
    my $pid = open2(my $out, my $in, 'sqlite3', '-readonly', $mill->{settings}{DATABASE});
    $in->autoflush(1);
    print {$in} "BEGIN; SELECT 'reads ' || count(*) FROM item;\n";
    like scalar(readline $out), qr/^reads \d/, 'a shell reads and does not end its transaction';
    return { pid => $pid, in => $in, out => $out };
}

sub end_reader ($reader) {
    close $reader->{in};
    waitpid $reader->{pid}, 0;
    return;
}

sub wal_bytes ($mill) { return -s "$mill->{settings}{DATABASE}-wal" }

# Enqueues from several clients until the code says that it is enough. Every status but 201.
sub enqueue_until ($mill, $enough) {
    my @jobs = map { background(sub {
        my @odd;
        while (!stopping() && @odd < 3) {
            my $status = $mill->enqueue('body', 10)->status;
            push @odd, $status if $status != 201;
        }
        return @odd;
    }) } 1 .. 4;
    my $done = wait_until(120, $enough);
    $_->stop for @jobs;
    ok $done, 'it came to that';
    return map { $_->result } @jobs;
}

subtest 'a reader, and WAL_MAX' => sub {
    my $mill = Hashmill->start(WAL_MAX => 24 * MIB);
    $mill->expect_log(qr/the WAL has reached WAL_MAX/);
    $mill->new_item('first', 10);
    my $grant = $mill->lease->json;
    my $done = $mill->new_item('done', 1);
    my $reader = start_reader($mill);
    my @odd = enqueue_until($mill, sub { $mill->enqueue('probe', 10)->status != 201 });
    is_deeply [grep { $_ != 503 } @odd], [], 'nothing but 503 is answered besides 201';
    my $refused = $mill->enqueue('one more', 10);
    is_problem($refused, 503, 'past WAL_MAX');
    is $refused->json->{type}, 'urn:hashmill:problem:paused', 'its type says that it is for now';
    cmp_ok $refused->header('retry-after'), '>', 0, 'and when to try again';
    like $mill->server_log, qr/error: the WAL has reached WAL_MAX/, 'the log says why';
    my $item = $grant->{items}[0];
    is_deeply $mill->report({ id => $item->{id}, lease => $grant->{lease}, remaining => 0,
        chain => advance($item->{chain}, $item->{remaining}) })->json->{taken}, [$item->{id}], 'reports are taken';
    is $mill->lease(items => 1)->status, 200, 'leases are given';
    is $mill->pull(1)->json->[0]{id}, $item->{id}, 'values are handed out';
    is $mill->item($done)->json->{state}, 'done', 'items can be looked at';
    end_reader($reader);
    ok wait_until(20, sub { $mill->enqueue('after', 10)->status == 201 }), 'without the reader items are taken again';
    like $mill->server_log, qr/the WAL is empty again; enqueues are taken/, 'and the log says so';
    $mill->close_instance;
};

subtest 'a large WAL' => sub {
    my $mill = Hashmill->start;
    $mill->new_item('first', 10);
    my $reader = start_reader($mill);
    is_deeply [enqueue_until($mill, sub { wal_bytes($mill) > 66 * MIB })], [], 'all items are stored';
    ok wait_until(10, sub { $mill->server_log =~ /process $reader->{pid} reads the database in one long/ }),
        'the log names the process that keeps the WAL';
    is scalar(() = $mill->server_log =~ /reads the database in one long/g), 1, 'once';
    # Nothing is asked of the server any more: it must see by itself that the reader has gone.
    end_reader($reader);
    ok wait_until(20, sub { wal_bytes($mill) < 64 * MIB }), 'the file is small again though nobody calls';
    my ($row) = $mill->sql('SELECT count(*) FROM item');
    is $mill->stats->{items}{waiting}, $row->[0], 'nothing is missing';
    $mill->close_instance;
};

subtest 'readers of our own' => sub {
    my $mill = Hashmill->start(PROCESSES_PUBLIC => 6);
    my $id = $mill->new_item('looked at', 10);
    my @looks = map { background(sub { $mill->item($id) until stopping(); return }) } 1 .. 4;
    my ($largest, $end) = (0, 0);
    enqueue_until($mill, sub {
        $largest = wal_bytes($mill) if wal_bytes($mill) > $largest;
        return $mill->stats->{items}{waiting} > 4000;
    });
    $_->stop->result for @looks;
    cmp_ok $largest, '<', 64 * MIB, 'looks without pause do not keep the WAL: at most ' . int($largest / MIB) . ' MiB';
    $mill->close_instance;
};

finish();
