# The fleet grows and shrinks by the clock: none at first, one when an item has waited for 15 s, never more
# than three, none again when there was nothing to do for ten minutes.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(max);
use Test::More;
use Hashmill;
use Hashmill::Fleet;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

my $mill = Hashmill::Fleet->start;
my $most = 0; # workers at one time

# Waits until $count workers run, and notes the most that did.
sub wait_running ($count) {
    return wait_until(60, sub {
        my $running = $mill->fleet_pids;
        $most = max($most, $running);
        return $mill->machines('running') == $count && $running == $count;
    });
}

subtest 'from none to one' => sub {
    is_deeply [$mill->machines], [], 'there is no machine at first';
    my $id = $mill->new_item('first', 1000);
    $mill->pass_seconds(14);
    is $mill->state_of($id), 'waiting', 'nobody comes for an item that waits';
    $mill->pass_seconds(2);
    ok wait_running(1), 'until it has waited for 15 s';
    my ($waited) = map { /^launching \S+, for an item has waited (\d+) s/ } $mill->decisions;
    ok $waited >= 15 && $waited < 60, 'the decision says so' or diag explain [$mill->decisions];
    is $mill->item($id, wait => 30)->json->{value}, value_of('first', 1000), 'it is computed';
    my ($machine) = $mill->machines;
    my ($worker) = $mill->stats->{fleet}{workers}->@*;
    is $worker->{machine}, $machine->{name}, 'the worker is known by its machine';
    is $worker->{address}, '127.0.0.1', 'and its address';
    cmp_ok $worker->{rate}, '>', 0, 'and rate';
    like $worker->{name}, qr/-[0-9a-f]{8}$/, 'under a name of its own';
    cmp_ok $mill->stats->{fleet}{boot_seconds}, '<', 60, 'its boot was measured';
};

subtest 'no more than three' => sub {
    my @ids = map { $mill->new_item("much $_", 9_000_000_000_000) } 1 .. 100;
    for my $round (1 .. 4) {
        $mill->pass_seconds(16);
        ok $mill->wait_heard, 'workers are at work';
        last if wait_running(3);
    }
    is scalar $mill->machines('running'), 3, 'three run';
    ok wait_until(30, sub { $mill->stats->{items}{waiting} > 0 }), 'more waits than they have in hand' or return;
    $mill->pass_seconds(16);
    ok wait_until(30, sub { grep { /^launching none, for as many as WORKERS_MAX are there/ } $mill->decisions }), 'a fourth is refused';
    my ($holder) = grep { $_->{items} > 0 } $mill->stats->{fleet}{workers}->@*;
    ok $holder, 'who holds how much is shown';
    $mill->call('DELETE', "/items/$_") for @ids;
    is $mill->stats->{items}{leased}, 0, 'all is cancelled';
};

subtest 'from three to none' => sub {
    for my $round (1 .. 40) {
        $mill->pass_seconds(26); # each time the workers ask again
        $mill->wait_heard or last;
        last if !$mill->machines;
    }
    ok wait_until(60, sub { $most = max($most, scalar $mill->fleet_pids); !$mill->machines }), 'idle workers go';
    is scalar $mill->fleet_pids, 0, 'and are no more';
    is scalar(grep { $_->{retired} } $mill->stats->{fleet}{workers}->@*), 3, 'they retired by themselves';
    my @rows = $mill->sql("select state, count(*) from machines group by 1");
    is_deeply \@rows, [['gone', 3]], 'three machines came and went';
    cmp_ok $mill->{passed_ms} / 1000, '>', 600, 'after ten minutes';
};

is $most, 3, 'never were there more than three';
subtest 'workers that are always kept' => sub {
    my $kept = Hashmill::Fleet->start(WORKERS_MIN => 1, workers => { IDLE_SECONDS => 5 });
    ok $kept->wait_running(1), 'one comes though nothing waits';
    my ($pid) = $kept->fleet_pids;
    $kept->pass_seconds(6);
    ok wait_until(60, sub { slurp("$kept->{dir}/worker-fleet.log") =~ /needed: staying/ }), 'idle, it asks, and is not let go';
    is_deeply [$kept->fleet_pids], [$pid], 'it stays';
    kill 'KILL', $pid;
    ok wait_until(60, sub { my ($next) = $kept->fleet_pids; $next && $next != $pid }), 'when it dies another comes';
    $kept->write_settings(WORKERS_MIN => 0);
    $kept->{server}->kill('HUP');
    ok wait_until(60, sub { $kept->get('/stats?')->status == 200 && $kept->fleet_stats->{workers_min} == 0 }), 'reloaded';
    ok wait_until(60, sub { $kept->pass_seconds(6); !$kept->fleet_pids }), 'kept no more, it goes when it is idle';
    ok wait_until(60, sub { !$kept->machines }), 'for good';
    $kept->close_instance;
};

unlike $mill->server_log, qr/ scaler (?:warn|error): /, 'nothing went wrong on the way';
finish();
