# The system's clock is set an hour forward and back: order, deadlines and values do not care; only
# what is shown to people follows it.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

use constant HOUR => 3_600_000;

my $mill = Hashmill->start(LEASE_SECONDS => 30);

# Sets it, and gives a deadline that wrongly follows it the time to pass: the processes of a test
# build look at moved clocks every 20 ms.
sub set_wall ($hours) {
    $mill->move_clock(wall_ms => $hours * HOUR);
    sleep 0.1;
    return;
}

subtest 'order of leases' => sub {
    my @ids;
    for my $hours (0, 1, -1, 0) {
        set_wall($hours);
        push @ids, map { $mill->new_item("order $hours $_", 5) } 1 .. 2;
    }
    is_deeply [map { $_->{id} } $mill->lease->json->{items}->@*], \@ids, 'as enqueued';
    $mill->call('DELETE', "/items/$_") for @ids;
};

subtest 'order of pulls' => sub {
    my @ids;
    for my $hours (0, 1, -1, 0) {
        set_wall($hours);
        push @ids, $mill->new_item("pull $hours", 1);
    }
    is_deeply [map { $_->{id} } $mill->pull(10)->json->@*], [reverse @ids], 'the latest completed first';
};

subtest 'leases' => sub {
    my $id = $mill->new_item('leased', 5);
    my $grant = $mill->lease->json;
    for my $hours (2, -1, 0) { # further than before: a clock that was once there would not move
        set_wall($hours);
        is $mill->state_of($id), 'leased', "$hours h: the lease does not lapse";
        is $mill->lease->status, 204, 'nobody else gets the item';
    }
    set_wall(-1);
    $mill->move_clock(steady_ms => 31_000);
    ok wait_until(5, sub { $mill->state_of($id) eq 'waiting' }), 'it lapses when its time has really passed';
    is $mill->work_all, 1, 'and is computed';
    is $mill->pull(1)->json->[0]{value}, value_of('leased', 5), 'rightly';
    set_wall(0);
};

subtest 'waits' => sub {
    my $id = $mill->new_item('waited for', 5);
    my $look = background(sub { $mill->item($id, wait => 30)->json->{state} });
    ok $mill->wait_parked(1), 'a look is parked';
    for my $hours (3, -1, 0) {
        set_wall($hours);
        is $mill->stats->{parked}, 1, "$hours h: it stays so";
        cmp_ok $mill->stats->{oldest_wait_seconds}, '<', 120, 'the oldest wait has not jumped';
    }
    $mill->move_clock(steady_ms => 31_000 + 31_000);
    is $look->result, 'waiting', 'it ends when its time has really passed';
    is $mill->work_all, 1, 'computed';
};

subtest 'a restart in between' => sub {
    my $id = $mill->new_item('before', 5);
    my $grant = $mill->lease->json;
    set_wall(-1);
    $mill->kill_everything;
    # The machine restarts: its steady clock begins again, much lower.
    $mill->move_clock(steady_ms => -1000);
    $mill->start_server;
    $mill->start_nginx;
    is $mill->state_of($id), 'leased', 'the lease lives on: the queue stood still while the node was down';
    my $later = $mill->new_item('after', 5);
    my $item = $grant->{items}[0];
    my $verdict = $mill->report({ id => $id, lease => $grant->{lease}, remaining => 0,
        chain => advance($item->{chain}, 4) });
    is_deeply $verdict->json->{taken}, [$id], 'its result is taken';
    is $mill->work_all, 1, 'later ones are computed';
    is_deeply [map { $_->{id} } $mill->pull(2)->json->@*], [$later, $id], 'and come out in order';
};

subtest 'what is shown' => sub {
    set_wall(1);
    my $shown = $mill->item($mill->new_item('shown', 1))->json->{enqueued_at};
    set_wall(0);
    my $now = $mill->item($mill->new_item('shown', 1))->json->{enqueued_at};
    cmp_ok $shown, 'gt', $now, 'is wall time';
};

finish();
