# The rate that a worker reports is its work in a second of wall time, however little of that second it may run. Here it
# is stopped for most of each tenth of a second, as by a CPU quota.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use List::Util qw(sum0);
use Time::HiRes qw(sleep time);
use Hashmill;

use constant { STOPPED => 0.08, RUNNING => 0.02 };

my $mill = Hashmill->start(LEASE_SECONDS => 6);
my @ids = map { $mill->new_item("item $_", 900_000_000_000) } 1 .. 40;
my $worker = $mill->start_worker(THREADS => 1);

# The rate that the node was told, in iterations a second; 0: none yet.
sub reported { return $mill->stats->{fleet}{workers}[0]{rate} // 0 }

# Waits for the rate without disturbance.
ok wait_until(30, sub { reported() > 0 }), 'the worker reports a rate';
my $free = reported();

my $pid = $worker->pid;
my $throttle = background(sub {
    until (stopping()) {
        kill 'STOP', $pid;
        sleep STOPPED;
        kill 'CONT', $pid;
        sleep RUNNING;
    }
    kill 'CONT', $pid;
    return;
});
ok wait_until(60, sub { reported() < $free / 2 }),
    'stopped for four fifths of the time, it reports less than half: ' . reported() . " of $free";

# Waits for the worker's next report; returns the links that are left, and the time.
sub progress ($before) {
    my $left = $before;
    wait_until(30, sub { ($left) = map { $_->[0] } $mill->sql('SELECT sum(remaining) FROM item'); $left != $before });
    return ($left, time);
}
my ($first, $since) = progress(0);
($first, $since) = progress($first);
my ($last, $until) = ($first, $since);
($last, $until) = progress($last) while $until - $since < 8;
my $true = ($first - $last) / ($until - $since);
cmp_ok reported(), '<', 2 * $true, 'which is about what it does: ' . reported() . ", and $true";
cmp_ok reported(), '>', $true / 2, 'no less, either';
cmp_ok reported(), '>', 0, 'and not nothing';
$throttle->stop->result;

# Cancels what is in hand: an idle worker keeps its rate.
$mill->call('DELETE', "/items/$_") for @ids;
ok wait_until(60, sub { my $items = $mill->stats->{items}; $items->{leased} == 0 }), 'nothing is in hand any more';
my $slow = reported();
is $mill->item($mill->new_item("short $_", 1000), wait => 30)->json->{state}, 'done', 'short ones are done' for 1 .. 3;
cmp_ok reported(), '>', $slow / 4, 'having nothing to do does not make it slower';

finish();
