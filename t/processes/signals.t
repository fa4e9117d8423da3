# The server's own life: settings check, drain, reload, its master's death, a second start, a process
# that hangs.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill;
use Hashmill::FastCGI;

# Runs the program with these arguments: (exit code, output).
sub run_program ($mill, @arguments) {
    my $log = "$mill->{dir}/run-" . int(rand 1e9) . '.txt';
    my $process = Hashmill::Process->start(log => $log, env => $mill->environment,
        command => [$mill->program('hashmill-fcgi'), @arguments]);
    $process->wait_exit(30);
    $process->kill('KILL');
    return ($process->exit_code, $process->log);
}

# Opens an enqueue on the public socket and sends half of its body: a request in hand.
sub half_sent ($mill, $body) {
    my $socket = fcgi_connect("$mill->{settings}{RUN_DIR}/public.sock");
    $socket->syswrite(fcgi_begin(REQUEST_METHOD => 'PUT', DOCUMENT_URI => '/enqueue',
        QUERY_STRING => 'iterations=1', CONTENT_LENGTH => length $body) . fcgi_body(substr $body, 0, length($body) / 2));
    return $socket;
}

sub send_rest ($socket, $body) {
    $socket->syswrite(fcgi_body(substr $body, length($body) / 2) . fcgi_body(''));
    return fcgi_reply($socket);
}

# A client that waits for an item; its result is the answer's status and the item's state.
sub parked_look ($mill, $id) {
    return background(sub {
        my $reply = $mill->item($id, wait => 30);
        return ($reply->status, $reply->json->{state});
    });
}

subtest 'settings' => sub {
    my $mill = Hashmill->start(nginx => 0);
    my $file = "$mill->{dir}/other.env";
    my %bad = ('an unknown key' => 'NO_SUCH_KEY=1', 'out of range' => 'LEASE_SECONDS=1',
        'no number' => 'ITEMS_MAX=many', 'no KEY=VALUE' => 'what is this',
        'a short token' => 'WORKER_TOKEN=short', 'launches without a secret' => 'PROVIDER=/bin/true', 'an unknown level' => 'LOG_LEVEL=loud',
        'less patience with a process than with the writer' => 'BUSY_SECONDS=5');
    for my $name (sort keys %bad) {
        spew($file, "$bad{$name}\n");
        my ($code, $output) = run_program($mill, '-t', '-c', $file);
        is $code, 1, "-t: $name";
        my ($word) = $bad{$name} =~ /(\w+)/;
        like $output, qr/\Q$word\E|:1\b|line 1/, 'it says where';
        is +(run_program($mill, '-c', $file))[0], 78, 'without -t: an exit code that says settings';
    }
    is +(run_program($mill, '-t', '-c', $mill->settings_file))[0], 0, '-t: good ones';
    is +(run_program($mill, '-t', '-c', "$mill->{dir}/none"))[0], 1, '-t: no file';
    my ($code, $help) = run_program($mill, '--help');
    is $code, 0, '--help';
    like $help, qr/\b$_\b/, "explains $_" for qw(DATABASE RUN_DIR WORKER_TOKEN LEASE_SECONDS ITEMS_MAX DRAIN_SECONDS);
    like +(run_program($mill, '--version'))[1], qr/\d+\.\d+\.\d+/, '--version';
    ok +(run_program($mill, '--no-such-option'))[0], 'an unknown option';
};

subtest 'SIGTERM drains' => sub {
    my $mill = Hashmill->start;
    my $id = $mill->new_item('waited for', 5);
    my $grant = $mill->lease->json;
    my $socket = half_sent($mill, 'x' x 1000);
    my $look = parked_look($mill, $id);
    my $lease = background(sub { $mill->lease(wait => 25)->status });
    ok $mill->wait_parked(2), 'a look and a lease are parked';
    my $begin = time;
    $mill->{server}->kill('TERM');
    is_deeply [$look->result], [200, 'leased'], 'the look is answered with the state as it is';
    is $lease->result, 204, 'the lease with nothing';
    my ($status, $text) = send_rest($socket, 'x' x 1000);
    is $status, 201, 'a request in hand is finished';
    is $mill->{server}->wait_exit(20), 0, 'then the server ends';
    cmp_ok time - $begin, '<', 10, 'before its limit';
    ok !-e "$mill->{settings}{RUN_DIR}/hashmill-fcgi.pid", 'its pid file is gone';
    is scalar $mill->children, 0, 'no child is left';
    $mill->expect_log(qr/connect\(\) to unix:/);
    is_problem($mill->get('/healthz'), 503, 'nginx meanwhile');
    my ($new) = $text =~ /"id":"([^"]+)"/;
    $mill->start_server;
    is $mill->state_of($new), 'done', 'what was finished is there';
    is $mill->state_of($id), 'leased', 'leases live on';
};

subtest 'SIGHUP reloads without losing a request' => sub {
    my $mill = Hashmill->start(BODY_BYTES_MAX => 100);
    is $mill->enqueue('x' x 101, 1)->status, 413, 'a setting';
    my @clients = map { background(sub {
        my %answers;
        $answers{ $mill->enqueue('load', 1)->status }++ while !stopping();
        return \%answers;
    }) } 1 .. 4;
    my $id = $mill->new_item('waited for', 5);
    for my $round (1 .. 3) {
        my $look = parked_look($mill, $id);
        ok $mill->wait_parked(1), 'a look is parked';
        $mill->write_settings(BODY_BYTES_MAX => 100 + $round);
        $mill->{server}->kill('HUP');
        is_deeply [$look->result], [200, 'waiting'], "reload $round: waits are answered";
        ok wait_until(30, sub { $mill->enqueue('x' x (100 + $round), 1)->status == 201 }), 'the new setting holds';
        is $mill->enqueue('x' x (101 + $round), 1)->status, 413, 'exactly';
    }
    my %answers;
    for my $client (@clients) {
        my $seen = $client->stop->result;
        $answers{$_} += $seen->{$_} for keys %$seen;
    }
    is_deeply [keys %answers], [201], 'no request was lost: ' . join ', ', map { "$_ x $answers{$_}" } keys %answers;
    ok $mill->{server}->alive, 'it is the same process';

    $mill->write_settings(BODY_BYTES_MAX => -5);
    $mill->expect_log(qr/BODY_BYTES_MAX/);
    $mill->{server}->kill('HUP');
    ok wait_until(20, sub { $mill->server_log =~ /BODY_BYTES_MAX/ }), 'bad settings are named';
    is $mill->enqueue('x' x 103, 1)->status, 201, 'and the old ones stay';
    ok $mill->{server}->alive, 'the server does not end';
    $mill->write_settings(BODY_BYTES_MAX => 100);
};

subtest 'no child outlives its master' => sub {
    my $mill = Hashmill->start;
    my @children = $mill->children;
    cmp_ok scalar @children, '>=', 8, 'children';
    $mill->{server}->kill('KILL');
    ok wait_until(10, sub { !grep { process_state($_) ne 'Z' } @children }), 'all are gone after kill -9 of the master';
    $mill->start_server;
    is $mill->enqueue('again', 1)->status, 201, 'a new one serves';
};

subtest 'reloads on reloads' => sub {
    my $mill = Hashmill->start;
    for my $round (1 .. 60) {
        $mill->{server}->kill('HUP');
        sleep 0.002 * ($round % 20);
    }
    ok $mill->{server}->alive, 'SIGHUP at any moment of a reload does not end the server';
    ok wait_until(30, sub { $mill->enqueue('after', 1)->status == 201 }), 'it serves';
};

subtest 'a second start' => sub {
    my $mill = Hashmill->start;
    my ($code, $output) = run_program($mill, '-c', $mill->settings_file);
    ok $code, 'is refused';
    like $output, qr/error: /, 'with a reason';
    my %other = ($mill->{settings}->%*, RUN_DIR => "$mill->{dir}/run2");
    spew("$mill->{dir}/second.env", join '', map { "$_=$other{$_}\n" } sort keys %other);
    ($code, $output) = run_program($mill, '-c', "$mill->{dir}/second.env");
    ok $code, 'also with a RUN_DIR of its own, for the database is in use';
    like $output, qr/error: /, 'with a reason';
    is $mill->enqueue('undisturbed', 1)->status, 201, 'the first one serves on';
    ok -s "$mill->{settings}{RUN_DIR}/hashmill-fcgi.pid", 'its pid file is there';
};

subtest 'a RUN_DIR that will not do' => sub {
    my $mill = Hashmill->start;
    my $settings = "$mill->{dir}/other.env";
    my $check = sub (%changes) {
        my %other = ($mill->{settings}->%*, %changes);
        spew($settings, join '', map { "$_=$other{$_}\n" } sort keys %other);
        return run_program($mill, '-t', '-c', $settings);
    };
    my $long = sub ($length) { return "$mill->{dir}/" . 'x' x ($length - 1 - length $mill->{dir}) };
    my %peer = (PEERS => '1=http://127.0.0.1:9', PEER_TOKEN => 'p' x 16);
    # writer/peering.sock is the longest with peers, public-wait.sock without; both with a slash before it.
    for my $case ([90, 'alone'], [87, 'with a peer', %peer]) {
        my ($most, $name, %more) = @$case;
        is +($check->(RUN_DIR => $long->($most), %more))[0], 0, "$name: the longest that fits";
        my ($code, $output) = $check->(RUN_DIR => $long->($most + 1), %more);
        is $code, 1, "$name: one byte more";
        like $output, qr/RUN_DIR is too long by 1 bytes for the socket/, 'which -t says';
    }
    $mill->write_settings(RUN_DIR => $long->(100));
    $mill->expect_log(qr/not reloading: RUN_DIR/);
    $mill->{server}->kill('HUP');
    ok wait_until(20, sub { $mill->server_log =~ /not reloading: RUN_DIR is too long/ }), 'a reload is refused';
    is $mill->enqueue('goes on', 1)->status, 201, 'and the server goes on';
    $mill->write_settings(RUN_DIR => "$mill->{dir}/run");

    mkdir "$mill->{dir}/photos" or die;
    chmod 0777, "$mill->{dir}/photos";
    spew("$mill->{dir}/photos/aunt.jpg", 'x');
    $check->(RUN_DIR => "$mill->{dir}/photos", DATABASE => "$mill->{dir}/other.db");
    my ($code, $output) = run_program($mill, '-c', $settings);
    ok $code, 'a directory with files of somebody else is refused';
    like $output, qr/RUN_DIR: \S+photos has files of somebody else in it/, 'which is said';
    is +(stat "$mill->{dir}/photos")[2] & 0777, 0777, 'and keeps its mode';
};

subtest 'a process that is busy too long' => sub {
    my $mill = Hashmill->start(BUSY_SECONDS => 2, OPERATION_SECONDS => 1, PROCESSES_PUBLIC => 1);
    $mill->expect_log(qr/busy|killed|signal/);
    my ($before) = $mill->children('public');
    # Bytes that come one at a time keep a process busy without an end.
    my $socket = half_sent($mill, 'x' x 1000);
    local $SIG{PIPE} = 'IGNORE';
    ok wait_until(30, sub {
        sleep 0.3;
        $socket->syswrite(fcgi_body('x'));
        process_state($before) eq 'Z';
    }), 'is killed';
    is +(fcgi_reply($socket))[0], 0, 'its client sees the end of the connection';
    is $mill->enqueue('next', 1)->status, 201, 'another takes its place';
};

finish();
