# Who a worker is: a machine by the token that its launch gave it, a worker by its key, never by what it says.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Digest::SHA qw(sha256_hex);
use Hashmill::Fleet;

plan skip_all => 'clocks can be moved in a test build only' if !sanitized();

# A fleet whose machines have no worker: the test makes their calls, with the tokens that they were given.
package Hashmill::EmptyFleet {
    use parent -norequire, 'Hashmill::Fleet';
    use Hashmill::Util;

    sub fleet_worker ($self) {
        my $program = $self->{dir} . '/empty-machine';
        if (!-e $program) {
            spew($program, "#!/bin/sh\nprintf %s \"\$MACHINE_TOKEN\" >\"\$FLEET_DIR/\$WORKER_MACHINE.token\"\n"
                . "env >\"\$FLEET_DIR/\$WORKER_MACHINE.environment\"\nexec sleep 600\n");
            chmod 0755, $program or die;
        }
        return $program;
    }

    # The token of a machine by its name, once it has one.
    sub token_of ($self, $name) {
        my $file = $self->fleet_dir . "/$name.token";
        wait_until(60, sub { length(slurp($file) // '') > 50 }) or die "no token of $name\n";
        return slurp($file);
    }
}

my $mill = Hashmill::EmptyFleet->start(WORKERS_MIN => 2, BOOT_SECONDS_MAX => 3600, LEASE_SECONDS => 10);
ok wait_until(60, sub { 2 == grep { $_->{id} ne '' } $mill->machines }), 'two machines are launched';
my ($one, $two) = map { $_->{name} } $mill->machines;
my %token = map { $_ => $mill->token_of($_) } $one, $two;

# A call of a worker on a machine.
sub call_as ($name, $path, %fields) {
    return $mill->worker_call($path, { protocol => 1, worker => { Hashmill::worker_fields()->%* }, %fields },
        Authorization => "Bearer " . ($token{$name} // $name));
}

sub lease_as ($name, %fields) {
    return call_as($name, '/lease', request => uuid(), items => 1, iterations => 1e12, wait => 0, %fields);
}

sub report_as ($name, @items) { return call_as($name, '/results', items => \@items) }

sub renewal ($lease, $item) {
    return { id => $item->{id}, lease => $lease, remaining => $item->{remaining}, chain => $item->{chain} };
}

sub result_of ($lease, $item) {
    return { id => $item->{id}, lease => $lease, remaining => 0, chain => advance($item->{chain}, $item->{remaining}) };
}

sub machine ($name) { return (grep { $_->{name} eq $name } $mill->machines)[0] }

subtest 'the token of a machine' => sub {
    is $token{$one}, $mill->machine_token($one), 'is made of its name and MACHINE_SECRET';
    isnt $token{$one}, $token{$two}, 'each has its own';
    my $environment = slurp($mill->fleet_dir . "/$one.environment");
    unlike $environment, qr/^(HASHMILL_)?(MACHINE_SECRET|PEER_TOKEN)/m, 'the secrets of nodes are in no launch';
    is lease_as($one)->status, 204, 'it is let in';
    for my $wrong (substr($token{$one}, 0, -1), "$token{$one}x", $token{$one} =~ s/~.*/~/r,
        $mill->machine_token($one, 'another secret'), "hmm_$two" . substr($token{$one}, 4 + length $one),
        $mill->machine_token('hashmill-0-000000000000')) {
        is_problem(lease_as($wrong), 401, "but not $wrong");
    }
};

subtest 'one machine is not another' => sub {
    my $id = $mill->new_item('between machines', 1000);
    my $request = uuid();
    my $grant = lease_as($one, request => $request)->json;
    my ($item) = $grant->{items}->@*;
    is $item->{id}, $id, 'one has leased an item';
    is_problem(lease_as($two, request => $request), 403, 'the other gets nothing under its lease');
    is_deeply report_as($two, renewal($request, $item))->json, { taken => [], lost => [$id] }, 'cannot renew it';
    is_deeply report_as($two, result_of($request, $item))->json, { taken => [], lost => [$id] }, 'nor report it';
    my $reply = call_as($two, '/retire', worker => { Hashmill::worker_fields()->%*, machine => $one });
    is_problem($reply, 409, 'nor retire it: that is said of its own, which is needed');
    is machine($one)->{state}, 'running', 'which goes on';
    is machine($one)->{items}, 1, 'with its item';
    is_deeply report_as($one, result_of($request, $item))->json, { taken => [$id], lost => [] }, 'which it reports';
    my @rows = $mill->sql('SELECT identity, machine FROM worker ORDER BY seq');
    is_deeply \@rows, [[$one, $one], [$two, $two]], 'two workers of one name are two';
};

subtest 'who is no machine' => sub {
    my $reply = $mill->worker_call('/lease', { protocol => 1, request => uuid(), items => 1, iterations => 1, wait => 0,
        worker => { Hashmill::worker_fields()->%*, machine => 'hashmill-0-0123456789ab' } });
    is $reply->status, 204, 'a worker with WORKER_TOKEN is let in';
    is scalar($mill->machines), 2, 'and makes no machine by calling itself one';
    my ($row) = grep { $_->{identity} eq 'shared' } $mill->fleet_stats->{workers}->@*;
    is $row->{machine}, '', 'it is on none';
};

subtest 'a lease that does nothing' => sub {
    my $id = $mill->new_item('idle', 1000);
    my $grant = lease_as($one)->json;
    my ($item) = $grant->{items}->@*;
    for my $round (1 .. 4) {
        $mill->pass_seconds(7.4);
        is_deeply report_as($one, renewal($grant->{lease}, $item))->json->{taken}, [$id], "renewal $round";
    }
    $mill->pass_seconds(7.4);
    is_deeply report_as($one, renewal($grant->{lease}, $item))->json->{lost}, [$id], 'after three leases it is lost';
    is_deeply [map { @$_ } $mill->sql("SELECT state, strikes FROM items WHERE id = '$id'")], ['waiting', 1], 'with a strike';
    my $again = lease_as($two)->json;
    is $again->{items}[0]{id}, $id, 'and offered to others';
    report_as($two, result_of($again->{lease}, $again->{items}[0]));
};

# What docs/security.md says of a stolen token, for as long as nobody computes again what a worker reports.
subtest 'values that are made up' => sub {
    my $id = $mill->new_item('made up', 10);
    my $grant = lease_as($one)->json;
    my %lie = (id => $id, lease => $grant->{lease}, chain => 'ab' x 64);
    is_deeply report_as($one, { %lie, remaining => 5 })->json->{taken}, [$id], 'progress is believed';
    is_deeply report_as($one, { %lie, remaining => 0 })->json->{taken}, [$id], 'and so is a value, in a time in which it could be computed';
    is $mill->item($id)->json->{value}, 'ab' x 64, 'which the client gets';
    $mill->pull(10);
};

subtest 'progress that cannot be' => sub {
    my $beside = $mill->new_item('beside it', 10);
    my $id = $mill->new_item('too fast', 2e11);
    my $grant = lease_as($one, items => 2)->json;
    my ($good, $item) = $grant->{items}->@*;
    my %lie = (id => $id, lease => $grant->{lease}, remaining => 0, chain => 'ab' x 64);
    $mill->expect_log(qr/is in quarantine/);
    is_deeply report_as($one, result_of($grant->{lease}, $good), \%lie)->json, { taken => [], lost => [$beside, $id] },
        'is not taken, nor what is reported beside it';
    is_deeply [map { $mill->state_of($_) } $beside, $id], ['leased', 'leased'], 'no item is done';
    is_problem(report_as($one, \%lie), 403, 'its reports are not taken any more');
    is_problem(lease_as($one), 403, 'and it gets nothing');
    my ($shown) = $mill->fleet_stats->{quarantine}->@*;
    is $shown->{identity}, $one, '/stats names it';
    like $shown->{why}, qr/reported 199999999999 links of item $id within/, 'with the reason';
    is_deeply [$mill->sql("SELECT identity FROM workers WHERE quarantine LIKE 'in quarantine: %reported%'")], [[$one]], 'and the view';
    is lease_as($two)->status, 204, 'the other goes on';
    is $mill->call('DELETE', "/items/$_")->status, 204, 'the item is cancelled' for $id, $beside;
    is +($mill->command('--release', $one))[0], 0, 'an operator lets it out';
    is lease_as($one)->status, 204, 'and it is let in';
    is +($mill->command('--quarantine', $two))[0], 0, 'or puts another into quarantine';
    is_problem(lease_as($two), 403, 'which gets nothing');
    is +($mill->command('--release', $two))[0], 0, 'until it is let out';
};

subtest 'a machine that is gone' => sub {
    my ($id) = map { $_->{id} } grep { $_->{name} eq $one } $mill->machines;
    my ($pid) = $id =~ /^local:(\d+):/;
    kill 'KILL', $pid;
    ok wait_until(60, sub { !machine($one) }), 'is no longer listed';
    is_problem(lease_as($one), 401, 'and its token counts no more');
};

$mill->close_instance;

subtest 'a node from before there was MACHINE_SECRET' => sub {
    my $peer_token = 'p' x 32;
    my $former = Hashmill::EmptyFleet->start(WORKERS_MIN => 1, MACHINE_SECRET => '', PEER_TOKEN => $peer_token);
    ok wait_until(60, sub { grep { $_->{id} ne '' } $former->machines }), 'launches a machine';
    my ($name) = map { $_->{name} } $former->machines;
    is $former->token_of($name), $former->machine_token($name, sha256_hex("machine secret $peer_token")), 'with a token made of PEER_TOKEN';
    $former->close_instance;
};

finish();
