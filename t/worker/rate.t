# The rate that a worker reports is what it does in a second of the wall, however little of that it is
# let run. Here it is stopped for most of each tenth of a second, as a CPU quota does it.

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

# What the node has been told, in iterations a second; 0: nothing yet.
sub reported { return $mill->stats->{fleet}{workers}[0]{rate} // 0 }

# Waits until something is in hand; what one second of that brings undisturbed.
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

# The links that are to be computed, when the worker has just reported; and the time.
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

# What is in hand is cancelled: an idle worker can do what it could.
$mill->call('DELETE', "/items/$_") for @ids;
ok wait_until(60, sub { my $items = $mill->stats->{items}; $items->{leased} == 0 }), 'nothing is in hand any more';
my $slow = reported();
is $mill->item($mill->new_item("short $_", 1000), wait => 30)->json->{state}, 'done', 'short ones are done' for 1 .. 3;
cmp_ok reported(), '>', $slow / 4, 'having nothing to do does not make it slower';

finish();
