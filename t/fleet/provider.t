# A provider that fails, hangs, lies, answers late and launches twice: the scaler gets over each by itself,
# no worker is left running that nobody counts, and none is ended that holds work.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(uniq);
use Test::More;
use Hashmill;
use Hashmill::Fleet;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant LONG => 9_000_000_000_000;

# Waits until an item is leased and its worker holds it.
sub wait_leased ($mill, $id) {
    return wait_until(60, sub { $mill->state_of($id) eq 'leased' });
}

# Ends a subtest: everything that was left over is done by exactly one machine.
sub recovers ($mill, $id, $value) {
    $mill->provider_mode('');
    is $mill->item($id, wait => 30)->json->{value} // wait_value($mill, $id), $value, 'the item is computed';
    is $mill->item($id)->json->{strikes}, 0, 'without a lapsed lease';
    ok $mill->wait_running(1), 'one machine and one worker are there' or diag explain $mill->fleet_stats;
    $mill->close_instance;
    return;
}

sub wait_value ($mill, $id) {
    wait_until(60, sub { $mill->state_of($id) eq 'done' });
    return $mill->item($id)->json->{value};
}

for my $how (qw(fail hang)) {
    subtest "launch: $how" => sub {
        my $mill = Hashmill::Fleet->start(PROVIDER_SECONDS => 30);
        $mill->provider_mode("launch $how");
        my $id = $mill->long_wait('body', 10);
        my $shown = sub { scalar grep { /launch of .* failed/ } $mill->decisions };
        ok wait_until(30, sub { $mill->provider_calls('launch') }), 'it is tried';
        wait_until(30, $shown) if $how eq 'fail'; # saving it must not be what the clock's move makes too late
        my $lists = $mill->provider_calls('list');
        $mill->pass_seconds(31);
        ok wait_until(60, sub { $mill->pass_seconds(1); $mill->provider_calls('launch') > 2 }), 'again and again';
        is scalar(uniq $mill->provider_calls('launch')), 1, 'always for the same machine';
        ok wait_until(60, sub { $mill->pass_seconds(1); $mill->provider_calls('list') > $lists }),
            'and lists go on meanwhile';
        ok wait_until(30, $shown), 'the failure is shown';
        is scalar(grep { /scaler warn: .*launch of/ } split /\n/, $mill->server_log), 1, 'and logged once';
        $mill->provider_mode('');
        $mill->pass_seconds(31);
        recovers($mill, $id, value_of('body', 10));
    };
}

for my $how (qw(quiet late garbage)) {
    subtest "launched, but the answer is $how" => sub {
        my $mill = Hashmill::Fleet->start(PROVIDER_SECONDS => 30);
        $mill->provider_mode("launch $how");
        my $id = $mill->long_wait('body', 10);
        ok wait_until(60, sub { $mill->state_of($id) eq 'done' }), 'its worker does the work';
        $mill->pass_seconds(31) if $how eq 'late';
        ok wait_until(60, sub { ($mill->machines)[0]{id} =~ /^local:\d/ }), 'a list tells its id';
        recovers($mill, $id, value_of('body', 10));
    };
}

subtest 'launched twice' => sub {
    my $mill = Hashmill::Fleet->start(workers => { THREADS => 1 });
    $mill->provider_mode('launch twice');
    my @ids = map { $mill->new_item("twice $_", LONG) } 1 .. 2;
    my $id = $mill->long_wait('body', 1000);
    ok wait_until(60, sub { grep { /launched it more than once/ } $mill->decisions }), 'is noticed';
    $mill->provider_mode('');
    ok wait_until(60, sub { grep { /is gone/ } $mill->decisions }), 'and both are sent away';
    $mill->call('DELETE', "/items/$_") for @ids;
    my $last = $mill->long_wait('another', 1000);
    is wait_value($mill, $last), value_of('another', 1000), 'another one comes';
    recovers($mill, $id, value_of('body', 1000));
};

for my $how (qw(fail hang garbage flood)) {
    subtest "list: $how" => sub {
        my $mill = Hashmill::Fleet->start(PROVIDER_SECONDS => 30);
        $mill->expect_log(qr/printed too much/);
        $mill->provider_mode("list $how");
        my $id = $mill->long_wait('body', 10);
        ok wait_until(60, sub { $mill->provider_calls('list') }), 'it is tried';
        $mill->pass_seconds(31) if $how eq 'hang';
        ok wait_until(60, sub { $mill->state_of($id) eq 'done' }), 'workers are launched all the same';
        ok wait_until(60, sub { grep { /provider's list failed/ } $mill->decisions }), 'the failure is shown';
        $mill->provider_mode('');
        $mill->pass_seconds(31);
        ok wait_until(60, sub { $mill->server_log =~ /list works again/ }), 'and gone when it is';
        recovers($mill, $id, value_of('body', 10));
    };
}

subtest "others' machines" => sub {
    my $mill = Hashmill::Fleet->start;
    $mill->provider_mode('list foreign');
    my $id = $mill->long_wait('body', 10);
    ok wait_until(60, sub { $mill->state_of($id) eq 'done' }), 'are no hindrance';
    my $lists = $mill->provider_calls('list');
    ok wait_until(60, sub { $mill->provider_calls('list') > $lists + 1 }), 'they are listed';
    is scalar $mill->machines, 1, 'and not counted';
    is scalar(grep { /i-01/ } $mill->provider_calls('terminate')), 0, 'nor ended';
    recovers($mill, $id, value_of('body', 10));
};

subtest 'a machine that a list forgets' => sub {
    my $mill = Hashmill::Fleet->start;
    my $long = $mill->long_wait('long', LONG);
    ok wait_leased($mill, $long), 'it works';
    $mill->provider_mode('list forget');
    my $deadline = sub { ($mill->sql('SELECT coalesce(deadline, 0) FROM item'))[0][0] };
    for my $round (1 .. 3) {
        my $before = $deadline->();
        $mill->pass_seconds(26);
        ok wait_until(60, sub { $deadline->() > $before }), 'it is heard from and renews its lease';
    }
    is scalar $mill->machines('running'), 1, 'it is counted';
    is scalar $mill->provider_calls('terminate'), 0, 'and let alone';
    is $mill->item($long)->json->{strikes}, 0, 'its item stays with it';
    $mill->call('DELETE', "/items/$long");
    recovers($mill, $mill->long_wait('body', 10), value_of('body', 10));
};

subtest 'a machine that a list calls dead' => sub {
    my $mill = Hashmill::Fleet->start;
    my $long = $mill->long_wait('long', LONG);
    ok wait_leased($mill, $long), 'it works';
    my ($name) = map { $_->{name} } $mill->machines;
    $mill->provider_mode('list dead');
    ok wait_until(60, sub { grep { /\Q$name\E .* is gone, for the provider says/ } $mill->decisions }), 'it is taken for dead';
    $mill->provider_mode('');
    ok wait_until(60, sub { $mill->pass_seconds(2); grep { /sending \Q$name\E .* took it for gone/ } $mill->decisions }),
        'until it is heard from';
    ok wait_until(60, sub { !grep { $_->{name} eq $name } $mill->machines }), 'it is sent away';
    is $mill->item($long)->json->{strikes}, 0, 'with its item given back';
    $mill->pass_seconds(16);
    ok wait_until(60, sub { $mill->machines('running') }), 'another takes its place';
    ok wait_leased($mill, $long), 'and its item';
    $mill->call('DELETE', "/items/$long");
    recovers($mill, $mill->long_wait('body', 10), value_of('body', 10));
};

for my $how (qw(fail hang lie)) {
    subtest "terminate: $how" => sub {
        my $mill = Hashmill::Fleet->start(PROVIDER_SECONDS => 30);
        my $first = $mill->long_wait('first', 10);
        ok wait_until(60, sub { $mill->state_of($first) eq 'done' }), 'a worker is there';
        $mill->provider_mode("terminate $how");
        kill 'STOP', my ($pid) = $mill->fleet_pids; # only SIGKILL ends it now
        $mill->pass_seconds(61);
        ok wait_until(60, sub { $mill->provider_calls('terminate') }), 'a silent one is to be ended';
        $mill->pass_seconds(31);
        ok wait_until(60, sub { $mill->pass_seconds(1); $mill->provider_calls('terminate') > 1 }), 'it is tried again';
        is scalar $mill->machines('leaving'), 1, 'as long as it is there it counts';
        $mill->provider_mode('');
        my $calls = $mill->provider_calls('terminate');
        $mill->pass_seconds(31); # what hangs is ended by its limit
        wait_until(60, sub { $mill->provider_calls('terminate') > $calls or $mill->pass_seconds(1) });
        ok wait_until(60, sub { !$mill->machines }), 'then it is gone';
        ok wait_until(10, sub { process_state($pid) eq 'Z' }), 'its process, too';
        recovers($mill, $mill->long_wait('body', 10), value_of('body', 10));
    };
}

subtest 'a database that was lost' => sub {
    my $mill = Hashmill::Fleet->start;
    my $long = $mill->long_wait('long', LONG);
    ok wait_leased($mill, $long), 'a worker works';
    my ($name) = map { $_->{name} } $mill->machines;
    $mill->expect_log(qr/connect\(\) to unix:/);
    ok $mill->stop_server, 'the server stops';
    unlink glob "$mill->{settings}{DATABASE}*";
    $mill->start_server;
    ok wait_until(60, sub { grep { /sending \Q$name\E .* does not know it/ } $mill->decisions }), 'a stray is found';
    ok wait_until(60, sub { !$mill->machines && !$mill->fleet_pids }), 'and ended';
    recovers($mill, $mill->long_wait('body', 10), value_of('body', 10));
};

subtest 'fewer are wanted' => sub {
    my $mill = Hashmill::Fleet->start;
    my $long = $mill->long_wait('long', LONG);
    ok wait_leased($mill, $long), 'a worker works';
    $mill->write_settings(WORKERS_MAX => 0);
    $mill->{server}->kill('HUP');
    ok wait_until(60, sub { $mill->state_of($long) eq 'waiting' }), 'it is told to drain, and gives its item back';
    is $mill->item($long)->json->{strikes}, 0, 'before it is ended';
    cmp_ok $mill->item($long)->json->{remaining}, '<', LONG - 1, 'with what was done';
    ok wait_until(60, sub { !$mill->machines && !$mill->fleet_pids }), 'then it is gone';
    is $mill->lease->status, 200, 'the item is there for others';
};

finish();
