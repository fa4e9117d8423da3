# The memory of a worker that has as much in hand as it ever has, and renews and reports all of it.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::FakeNode;

# Sanitizers take several times the memory: what is measured is the build that users run.
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$FindBin::Bin/../../build";
plan skip_all => "no programs in $build" if !has_build($build) || sanitized($build);

use constant { HAND_ITEMS => 4096, AT_ONCE => 512, KIB_MAX => 16 * 1024 };

# What the worker says it does in half a second is each chain's length: half an hour's work in all, a
# tenth of what a worker takes of a day's lease, on machines of any speed.
my $chain = 'ab' x 64;
my $iterations;

sub items ($number) {
    return join ',', map { sprintf '{"id":"%08d-0000-4000-8000-000000000000","chain":"%s","remaining":%d}',
        $_, $chain, $iterations } $number .. $number + AT_ONCE - 1;
}

# The lease that fills the hand is a short one, so that everything is renewed soon. Only the request
# that waits brings something, so that the leases come one after the other.
my $given = 0;

sub lease ($request) {
    my ($id, $most) = ($request =~ /"request":"([^"]+)"/, $request =~ /"items":(\d+)/);
    return (204, '') if $most < AT_ONCE || $given >= HAND_ITEMS || $request =~ /"wait":0/;
    $iterations //= ($request =~ /"rate":(\d+)/)[0] / 2;
    my $items = items($given);
    $given += AT_ONCE;
    my $ttl = $given < HAND_ITEMS ? 86_400 : 3;
    return (200, qq({"lease":"$id","ttl":$ttl,"items":[$items]}));
}

sub results ($request) {
    return (200, '{"lost":[],"taken":[' . join(',', $request =~ /"id":("[^"]+")/g) . ']}');
}

my $fake = Hashmill::FakeNode->start(lease => \&lease, results => \&results);
my $worker = $fake->start_worker($build);
ok wait_until(60, sub { $fake->counts->{items} >= 2 * HAND_ITEMS }), 'all items are renewed twice'
    or diag explain $fake->counts, $worker->log;
my $status = slurp('/proc/' . $worker->pid . '/status');
my ($most) = $status =~ /^VmHWM:\s+(\d+)/m;
cmp_ok $most, '<', KIB_MAX, "a worker with 4,096 items in hand has used $most KiB at most";
$worker->kill('TERM');
is $worker->wait_exit(20), 0, 'told to stop it ends';
my $counts = $fake->counts;
is $counts->{values} + $counts->{releases}, HAND_ITEMS, 'and each item was finished or is given back';
unlike $worker->log, qr/warn|error/, 'nothing was wrong';
done_testing();
