# What operators pause of a node with a fleet: while scaling is paused no machine comes or goes; while leasing is, none comes
# for items that nobody may have.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Fleet;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

my $mill = Hashmill::Fleet->start(workers => { IDLE_SECONDS => 5 });

sub admin ($what) { return $mill->call('POST', "/admin/$what")->status }

# Lets time pass while the scaler goes on: it looks once a second of real time, and reads lists.
sub pass_with_lists ($seconds) {
    my $lists = $mill->provider_calls(qr/list/);
    $mill->pass_seconds($seconds);
    return wait_until(60, sub { $mill->pass_seconds(2); $mill->provider_calls(qr/list/) > $lists + 2 });
}

subtest 'leasing' => sub {
    is admin('pause?what=leasing'), 200, 'is paused';
    my $id = $mill->new_item('nobody may have it', 1000);
    ok pass_with_lists(60), 'an item waits for a minute';
    is_deeply [$mill->machines], [], 'no machine comes for it';
    is admin('resume?what=leasing'), 200, 'it goes on';
    ok $mill->wait_running(1), 'and a machine comes';
    is $mill->item($id, wait => 30)->json->{value}, value_of('nobody may have it', 1000), 'which computes it';
};

subtest 'scaling, with a machine that is idle' => sub {
    my $long = $mill->new_item('keeps the worker, which would retire', 1_000_000_000_000);
    ok wait_until(60, sub { $mill->pass_seconds(1); $mill->state_of($long) eq 'leased' }), 'a worker has something to do';
    is admin('pause?what=scaling'), 200, 'is paused';
    my ($machine) = map { $_->{name} } $mill->machines;
    is $mill->call('DELETE', "/items/$long")->status, 204, 'the worker has nothing to do';
    ok wait_until(60, sub { $mill->pass_seconds(1); slurp("$mill->{dir}/worker-fleet.log") =~ /needed: staying/ }), 'its worker may not retire'
        or diag explain [$mill->decisions, slurp("$mill->{dir}/worker-fleet.log")];
    my ($pid) = $mill->fleet_pids;
    kill 'STOP', $pid;
    ok pass_with_lists(90), 'it is silent for a minute and a half';
    is_deeply [map { $_->{name} } $mill->machines], [$machine], 'and is kept';
    $mill->new_item('much', 9_000_000_000_000);
    ok pass_with_lists(60), 'an item waits for a minute';
    is scalar $mill->machines, 1, 'no machine comes for it';
    is scalar $mill->provider_calls(qr/terminate/), 0, 'the provider was asked to end none';
    is scalar $mill->provider_calls(qr/launch/), 1, 'nor for a second one';
    kill 'KILL', $pid;
    ok wait_until(60, sub { $mill->pass_seconds(2); !$mill->machines }), 'one that has ended by itself is noted';
    is scalar(grep { /^scaling is paused/ } $mill->decisions), 1, 'the decisions say once that scaling is paused';
    is admin('resume?what=scaling'), 200, 'it goes on';
    ok $mill->wait_running(1), 'and a machine comes for the item';
    is scalar(grep { /^scaling is resumed/ } $mill->decisions), 1, 'the decisions say it';
};

subtest 'scaling, with a launch that fails' => sub {
    my $other = Hashmill::Fleet->start(WORKERS_MIN => 1);
    ok $other->wait_running(1), 'a machine runs';
    $other->provider_mode('launch fail');
    my ($pid) = $other->fleet_pids;
    kill 'KILL', $pid;
    my $calls = sub { return scalar $other->provider_calls(qr/launch/) };
    ok wait_until(60, sub { $other->pass_seconds(5); $calls->() > 2 }), 'another one is asked for again and again';
    is $other->call('POST', '/admin/pause?what=scaling')->status, 200, 'it is paused';
    my $look = sub {
        my $lists = $other->provider_calls(qr/list/);
        return wait_until(60, sub { $other->pass_seconds(40); $other->provider_calls(qr/list/) > $lists + 2 });
    };
    ok $look->(), 'the call that is under way may end';
    my $before = $calls->();
    ok $look->() && $look->(), 'time passes';
    is $calls->(), $before, 'the provider is asked no more';
    $other->provider_mode('');
    is $other->call('POST', '/admin/resume?what=scaling')->status, 200, 'it goes on';
    ok $other->wait_running(1), 'and the machine comes';
    $other->close_instance;
};

finish();
