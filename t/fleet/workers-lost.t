# Workers that die, stop and go on, or have another idea of the time: every item gets its value, once.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Fleet;

use constant STOPPED => 4_000_000; # iterations, about a second

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

# What the database says of an item, without a request.
sub row ($mill, $column) { return ($mill->sql("SELECT $column FROM item"))[0][0] }

subtest 'the last worker dies, and nobody asks for anything' => sub {
    my $mill = Hashmill::Fleet->start;
    my $n = 4_000_000; # some seconds
    $mill->long_wait('orphan', $n);
    ok wait_until(60, sub { row($mill, 'state') == 1 }), 'the item is leased';
    my ($first) = $mill->fleet_pids;
    kill 'KILL', $first;
    is row($mill, 'state'), 1, 'it is not done' or return;
    $mill->stop_nginx; # now nobody can ask
    $mill->pass_seconds(61);
    ok wait_until(60, sub { row($mill, 'state') == 0 }), 'its lease lapses';
    $mill->pass_seconds(14);
    is scalar(grep { $_ != $first } $mill->fleet_pids), 0, 'no other comes yet';
    $mill->start_nginx;
    $mill->pass_seconds(2);
    ok wait_until(60, sub { row($mill, 'state') == 2 }), 'when it has waited for 15 s, another comes and finishes it';
    my ($item) = $mill->pull(1)->json->[0];
    is $item->{value}, value_of('orphan', $n), 'with the right value';
    ok $mill->wait_running(1), 'the dead one is counted no more';
};

# A worker that is stopped for longer than its lease; the code says what happens meanwhile.
sub stopped_for_a_lease ($mill, $id, $meanwhile) {
    my $worker = $mill->start_worker(THREADS => 1);
    ok wait_until(60, sub { $mill->state_of($id) eq 'leased' }), 'an item is leased';
    kill 'STOP', $worker->pid;
    is $mill->state_of($id), 'leased', 'its worker stands still before it is done';
    # What the worker has asked for besides must be answered, else it gets its own item again: nginx ends
    # when every request is.
    $mill->pass_seconds(26);
    $mill->{nginx}->kill('QUIT');
    is $mill->{nginx}->wait_exit(60), 0, 'nothing that it has asked for is under way';
    $mill->start_nginx;
    $mill->pass_seconds(36);
    ok wait_until(60, sub { $mill->state_of($id) eq 'waiting' }), 'its lease lapses';
    $meanwhile->();
    kill 'CONT', $worker->pid;
    return $worker;
}

subtest 'a worker that stood still, and nobody took its item' => sub {
    my $mill = Hashmill::Fleet->start(PROVIDER => '');
    my $id = $mill->new_item('stopped', STOPPED);
    my $worker = stopped_for_a_lease($mill, $id, sub { });
    # Its report may come before its own next lease, which gets the item again, or after it: it is taken or lost then.
    # t/api/worker-api.t has both cases.
    ok wait_until(60, sub { $mill->state_of($id) eq 'done' }), 'it goes on and does it';
    my $item = $mill->item($id)->json;
    is $item->{value}, value_of('stopped', STOPPED), 'the value is right';
    is $item->{strikes}, 1, 'the lapse was counted';
    is scalar $mill->pull(10)->json->@*, 1, 'it is done once';
};

subtest 'a worker that stood still while another took its item' => sub {
    my $mill = Hashmill::Fleet->start;
    my $id = $mill->new_item('stopped', STOPPED);
    my $worker = stopped_for_a_lease($mill, $id, sub {
        $mill->pass_seconds(16);
        ok wait_until(60, sub { $mill->state_of($id) ne 'waiting' }), 'the scaler has one launched, which takes it';
    });
    ok wait_until(60, sub { $worker->log =~ /1 of 1 reported items were not ours any more/ }), 'the late report is lost';
    ok wait_until(60, sub { $mill->state_of($id) eq 'done' }), 'the item is done by the other';
    is $mill->item($id)->json->{value}, value_of('stopped', STOPPED), 'with the right value';
    is scalar $mill->pull(10)->json->@*, 1, 'once';
    ok $worker->alive, 'the first one lives';
};

subtest 'workers whose clocks are an hour off' => sub {
    my $mill = Hashmill->start(LEASE_SECONDS => 3);
    my %id;
    for my $hours (-1, 1) {
        # The steady clock is never negative, however short ago the machine was booted.
        spew("$mill->{dir}/clock$hours", pack 'q q', $hours * 3_600_000, (1 + $hours) * 3_600_000);
        $mill->start_worker(THREADS => 1, env => { HASHMILL_TEST_CLOCK => "$mill->{dir}/clock$hours" });
    }
    ok wait_until(60, sub { $mill->stats->{workers} == 2 }), 'two workers';
    my $n = sanitized() ? 4_000_000 : 12_000_000; # some leases long
    $id{$_} = $mill->new_item("hour $_", $_) for 1, 10, 1000, $n;
    ok $mill->wait_computed, 'compute everything';
    is $mill->item($id{$_})->json->{value}, value_of("hour $_", $_), "n = $_" for sort keys %id;
    is $mill->item($id{$n})->json->{strikes}, 0, 'and renew their leases in time';
    is scalar $mill->pull(10)->json->@*, 4, 'each once';
};

finish();
