# The reports of a day, without growth. A worker that reports three times a second makes 259,200 reports
# in 24 hours; here it makes them as fast as it can, to a fake node of several addresses that hands
# out small items without end. Among the answers are the kinds that make a worker keep something for
# later: failures, broken connections, lost items, empty leases. One item is never finished: it is
# renewed at a third of a short lease. Slow: only with HASHMILL_SLOW=1.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::FakeNode;

plan skip_all => 'slow; set HASHMILL_SLOW=1' if !$ENV{HASHMILL_SLOW};
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$FindBin::Bin/../../build";
plan skip_all => "no programs in $build" if !has_build($build) || sanitized($build);

use constant { A_SECOND => 3, ADDRESSES => 8, GROWTH_KIB_MAX => 1024, RSS_KIB_MAX => 16 * 1024, SECONDS_MAX => 1800 };
my $reports = A_SECOND * 24 * 3600;

my $chain = 'cd' x 64;
my $number = 0;
my $calls = 0;

sub item ($iterations) {
    return sprintf '{"id":"%08x-0000-4000-8000-%012x","chain":"%s","remaining":%d}', $number++ / 2**32,
        $number, $chain, $iterations;
}

sub lease ($request) {
    my ($id) = $request =~ /"request":"([^"]+)"/;
    $calls++;
    return (503, '{}') if $calls % 5_000 == 0;
    return (204, '')   if $calls % 7_001 == 0;
    return (0, '')     if $calls % 9_001 == 0;
    my @items = $number == 0 ? item(1e15) : map { item(1 + $_) } 1 .. 1 + $calls % 5;
    return (200, qq({"lease":"$id","ttl":0.9,"items":[) . join(',', @items) . ']}');
}

sub results ($request) {
    $calls++;
    return (503, '{}') if $calls % 5_000 == 0;
    return (0, '')     if $calls % 9_001 == 0;
    my @ids = $request =~ /"id":("[^"]+")/g;
    my @lost = $calls % 1_000 == 0 && $ids[0] !~ /^"00000000-0000-4000-8000-000000000001"/ ? shift @ids : ();
    return (200, '{"lost":[' . join(',', @lost) . '],"taken":[' . join(',', @ids) . ']}');
}

# Resident memory in KiB once $count reports were made.
sub rss_after ($fake, $worker, $count) {
    wait_until(SECONDS_MAX, sub { $fake->counts->{results} >= $count || !$worker->alive });
    return (slurp('/proc/' . $worker->pid . '/status') =~ /^VmRSS:\s+(\d+)/m)[0];
}

my $fake = Hashmill::FakeNode->start(ports => ADDRESSES, lease => \&lease, results => \&results);
my $worker = $fake->start_worker($build);
my @rss = map { rss_after($fake, $worker, $reports * $_ / 3) } 1 .. 3;
my $counts = $fake->counts;
cmp_ok $counts->{results}, '>=', $reports, "$counts->{results} reports of $counts->{items} items were made";
diag "RSS in KiB after each third: @rss";
# A leak of the smallest piece of memory with each report would be 5,400 KiB by the end. The gaps between pieces grow by
# some 300 KiB over a long time.
cmp_ok $rss[$_] - $rss[0], '<', GROWTH_KIB_MAX, 'no growth since the first third' for 1, 2;
cmp_ok $rss[2], '<', RSS_KIB_MAX, 'nor too much in all';
$worker->kill('TERM');
is $worker->wait_exit(20), 0, 'it ends when told';
done_testing();
