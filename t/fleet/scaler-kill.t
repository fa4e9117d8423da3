# kill -9 of the scaler at random moments, through whole cycles from none to three workers and back: never a
# fourth worker, never one that nobody counts, and the cycle comes to its end all the same.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill;
use Hashmill::Fleet;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant LONG => 9_000_000_000_000;

my $rounds = $ENV{HASHMILL_ROUNDS} // 3;
my $mill = Hashmill::Fleet->start(workers => { IDLE_SECONDS => 20 });
$mill->expect_log(qr/scaler.*killed/);
my ($most, $kills) = (0, 0);

# Kills the scaler now and again until the code returns something true, moving the clock on by $seconds each time; then
# waits until it does so with the scaler alive.
sub kill_until ($seconds, $code) {
    my $reached = wait_until(90, sub {
        my ($scaler) = $mill->scaler_pid;
        if ($scaler) {
            sleep rand 0.15;
            $kills += kill 'KILL', $scaler;
        }
        $mill->pass_seconds($seconds);
        $most = max($most, scalar $mill->fleet_pids);
        return $code->();
    });
    return $reached;
}

for my $round (1 .. $rounds) {
    my @ids = map { $mill->new_item("$round $_", LONG) } 1 .. 100;
    ok kill_until(3, sub { $mill->fleet_pids == 3 }), "round $round: three workers come";
    $mill->call('DELETE', "/items/$_") for @ids;
    ok kill_until(5, sub { !$mill->fleet_pids }), 'and go';
    ok wait_until(60, sub { !$mill->machines }), 'nothing is left to be counted' or diag explain $mill->fleet_stats;
}
is $most, 3, 'there were never more than three';
cmp_ok $kills, '>', 10 * $rounds, "in spite of $kills kills";
my ($launched) = map { $_->[0] } $mill->sql('SELECT count(*) FROM machine');
note "$launched machines, ", scalar($mill->provider_calls('launch')), ' calls of launch';
is $mill->item($mill->long_wait('after', 1000), wait => 30)->json->{value}, value_of('after', 1000), 'scaling goes on';
finish();
