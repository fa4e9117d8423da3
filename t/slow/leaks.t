# No memory is lost: one process serves 10,000 requests under valgrind, and one without it, whose
# size must not grow. Slow: only with HASHMILL_SLOW=1.

use v5.36;
use File::Spec ();
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

plan skip_all => 'slow; set HASHMILL_SLOW=1' if !$ENV{HASHMILL_SLOW};
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$FindBin::Bin/../../build";
plan skip_all => "no programs in $build" if !has_build($build);
plan skip_all => 'valgrind is not installed' if !grep { -x "$_/valgrind" } split /:/, $ENV{PATH};

use constant REQUESTS => 10_000;

# Makes $requests requests of every kind that clients and workers make, good ones and bad ones; then pulls what is done.
sub work ($mill, $requests) {
    my $id = $mill->new_item('looked at', 1);
    $mill->pull(1);
    for my $count (1 .. $requests / 14) {
        $mill->enqueue('x' x (1 + $count * 37 % 20_000), 1, 'Idempotency-Key' => "$$ $requests $count");
        $mill->enqueue('y', 1, Accept => 'text/plain');
        $mill->enqueue('z', 0);
        $mill->enqueue('z', 1, 'Content-Digest' => 'sha-512=:AAAA:');
        $mill->item($id);
        $mill->item(uuid());
        $mill->pull(5);
        $mill->get('/stats?');
        $mill->get('/nothing?here');
        $mill->call('DELETE', "/items/$id?x");
        $mill->new_item('a', 2);
        $mill->work_all; # a lease and a report
        $mill->worker_call('/results', '{"protocol":1,');
    }
    1 while $mill->pull(1000)->json->@*;
    return;
}

# Resident memory of a process in KiB.
sub rss ($pid) { return (slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m)[0] }

subtest 'valgrind' => sub {
    my $mill = Hashmill->start(build => $build, PROCESSES_PUBLIC => 1, BUSY_SECONDS => 600, OPERATION_SECONDS => 14,
        wrap => ['valgrind', '-q', '--leak-check=full', '--errors-for-leak-kinds=definite,indirect,possible',
            '--error-exitcode=99', '--log-file=' . File::Spec->tmpdir . "/valgrind-$$.%p"]);
    work($mill, REQUESTS);
    ok $mill->stop_server, 'drained';
    $mill->{server_may_be_gone} = 1;
    my @logs = glob File::Spec->tmpdir . "/valgrind-$$.*";
    cmp_ok scalar @logs, '>=', 5, 'every process was watched';
    is join('', map { slurp($_) } @logs), '', 'no leak, no bad access';
    unlink @logs;
};

subtest 'size' => sub {
    my $mill = Hashmill->start(build => $build, PROCESSES_PUBLIC => 1);
    my @processes = $mill->children;
    work($mill, REQUESTS / 4);
    my %before = map { $_ => rss($_) } @processes;
    work($mill, REQUESTS);
    is_deeply [sort $mill->children], [sort @processes], 'the same processes';
    for my $pid (@processes) {
        # The database's cache fills slowly; a leak of 100 bytes a request would be 1,000 KiB.
        my $grown = rss($pid) - $before{$pid};
        cmp_ok $grown, '<', 700, "process $pid: from $before{$pid} KiB by $grown KiB";
    }
};

finish();
