# Acknowledged means durable: kill -9 of everything in the middle of enqueues, many times over, and
# no id that a client was told is ever missing; and the order of system calls that makes it so.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

use constant { CLIENTS => 4, ROUNDS => 15 };

# Enqueues until the server is gone; the ids that were acknowledged.
sub client ($mill) {
    my @ids;
    for (my $count = 0; $count < 5000; $count++) {
        my $reply = $mill->enqueue("body $count", 1 + int rand 5);
        return @ids if $reply->status == 599;
        push @ids, $reply->json->{id} if $reply->status == 201;
    }
    return @ids;
}

subtest 'kill -9 of everything' => sub {
    my $mill = Hashmill->start;
    my (@acknowledged, $missing);
    for my $round (1 .. ROUNDS) {
        my $enough = $mill->stats->{items}{waiting} + 1 + int rand 100;
        my @clients = map { background(sub { client($mill) }) } 1 .. CLIENTS;
        wait_until(30, sub { $mill->stats->{items}{waiting} > $enough });
        $mill->kill_everything;
        my @ids = map { $_->result } @clients;
        $mill->start_server;
        $mill->start_nginx;
        cmp_ok scalar @ids, '>', 0, "round $round: some were acknowledged";
        push @acknowledged, @ids;
        $missing += missing($mill, @ids);
    }
    is $missing, 0, 'all are found after each restart';
    is missing($mill, @acknowledged), 0, scalar(@acknowledged) . ' are found at the end';
    is_deeply [$mill->sql('PRAGMA integrity_check')], [['ok']], 'the database is whole';
    my $worker = $mill->start_worker;
    ok $mill->wait_computed, 'and all of them get their value';
};

# How many of these ids the server does not know.
sub missing ($mill, @ids) {
    my @parts = parallel(3, sub ($part) {
        return scalar grep { $mill->item($ids[$_])->status != 200 } grep { $_ % 3 == $part } 0 .. $#ids;
    });
    my $missing = 0;
    $missing += $_->[0] for @parts;
    return $missing;
}

subtest 'the WAL is on disk before the answer' => sub {
    # A sanitizer cannot live beside a tracer: the normal build.
    my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$FindBin::Bin/../../build";
    plan skip_all => "no programs in $build" if !has_build($build);
    plan skip_all => 'strace is not installed' if !grep { -x "$_/strace" } split /:/, $ENV{PATH};
    my $mill = Hashmill->start(build => $build);
    my ($writer) = $mill->children('writer');
    my $trace = "$mill->{dir}/trace.txt";
    my $strace = Hashmill::Process->start(log => "$mill->{dir}/strace.log", env => $mill->environment,
        command => [qw(strace -f -y -e), 'trace=pwrite64,write,fdatasync,fsync,sendmsg,sendto,sendmmsg',
            '-o', $trace, '-p', $writer]);
    if (!wait_until(10, sub { !$strace->alive || $strace->log =~ /attached/ }) || !$strace->alive) {
        plan skip_all => 'no process can be traced here';
    }
    my @ids = map { $mill->new_item("traced $_", 5) } 1 .. 20;
    parallel(4, sub { $mill->new_item('traced too', 5) for 1 .. 20; return });
    $strace->kill('INT');
    $strace->wait_exit(10);
    my %seen = read_trace($trace);
    cmp_ok $seen{answers}, '>=', 20, 'answers were sent';
    cmp_ok $seen{commits}, '>=', 20, 'after writes to the WAL';
    is $seen{early}, 0, 'each of them after an fdatasync of what was written before it';
    note "$seen{commits} commits for 100 items";
};

# Walks through a trace: a message that leaves while the WAL has bytes that are not synced is early.
sub read_trace ($file) {
    my %seen = (answers => 0, commits => 0, early => 0);
    my $dirty = 0;
    for my $line (split /\n/, slurp($file)) {
        if ($line =~ /\b(?:pwrite64|write)\(\d+<[^>]*-wal>/) { $dirty = 1 }
        elsif ($line =~ /\b(?:fdatasync|fsync)\(\d+<[^>]*-wal>\) += 0/) {
            $seen{commits}++ if $dirty;
            $dirty = 0;
        }
        elsif ($line =~ /\b(?:sendmsg|sendto|sendmmsg)\(|\bwrite\(\d+<(?:UNIX|socket)/) {
            $seen{answers}++;
            $seen{early}++ if $dirty;
        }
    }
    return %seen;
}

finish();
