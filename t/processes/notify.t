# What a service manager is told by both programs (sd_notify(3)): when they serve, reload and stop. And what
# only it may say to them stays with them: the provider's programs do not get its socket.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(sleep time);
use Hashmill;

sub listen_at ($path) {
    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) // die "$path: $!";
    $socket->blocking(0);
    return $socket;
}

# Waits until a message with that line has come; the message as a hash. What comes before it is forgotten.
sub told ($socket, $line) {
    my $found;
    wait_until(60, sub {
        while (!$found && defined $socket->recv(my $text, 4096)) {
            $found = $text if $text =~ /^\Q$line\E$/m;
        }
        return $found;
    });
    return { map { split /=/, $_, 2 } split /\n/, $found // '' };
}

subtest 'the server' => sub {
    my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $socket = listen_at("$dir/notify");
    # A provider that tells what it was given.
    spew("$dir/provider", "#!/bin/sh\necho \"\$1 \${NOTIFY_SOCKET-none}\" >>$dir/calls\n");
    chmod 0700, "$dir/provider";
    my $mill = Hashmill->start(wrap => ['env', "NOTIFY_SOCKET=$dir/notify"], PROVIDER => "$dir/provider",
        DRAIN_SECONDS => 30, LIST_SECONDS => 1);
    like told($socket, 'READY=1')->{STATUS}, qr/^\d+ processes serve$/, 'ready';
    is $mill->enqueue('body', 1)->status, 201, 'it does serve';
    ok wait_until(30, sub { (slurp("$dir/calls") // '') =~ /^list/m }), 'the provider is called';
    is +(slurp("$dir/calls") =~ /^list (.*)$/m)[0], 'none', 'without the socket';

    $mill->write_settings(LEASE_SECONDS => 1);
    $mill->expect_log(qr/LEASE_SECONDS/);
    $mill->{server}->kill('HUP');
    my $status = '';
    wait_until(30, sub { $socket->recv($status, 4096); $status });
    like $status, qr/\ASTATUS=.*not reloaded.*LEASE_SECONDS/, 'settings that will not do are told, and nothing else';

    $mill->write_settings(LEASE_SECONDS => 10);
    $mill->{server}->kill('HUP');
    my $reloading = told($socket, 'RELOADING=1');
    cmp_ok $reloading->{EXTEND_TIMEOUT_USEC} // 0, '>', 30e6, 'a reload, which may take as long as draining may';
    like told($socket, 'READY=1')->{STATUS}, qr/serve/, 'the next generation is ready';
    is $mill->enqueue('body', 1)->status, 201, 'and serves';
    my $listed = () = slurp("$dir/calls") =~ /^list/mg;
    ok wait_until(30, sub { (() = slurp("$dir/calls") =~ /^list/mg) > $listed }), 'its provider is called';
    unlike slurp("$dir/calls"), qr/notify/, 'without the socket, too';

    $mill->{server}->kill('TERM');
    cmp_ok told($socket, 'STOPPING=1')->{EXTEND_TIMEOUT_USEC} // 0, '>', 30e6, 'stopping';
    is $mill->{server}->wait_exit(20), 0, 'it stops';
    $mill->start_server;
    $mill->close_instance;
};

# How often the program has said that it lives, in some seconds.
sub pings ($socket, $seconds) {
    my $count = 0;
    my $until = time + $seconds;
    while (time < $until) {
        sleep 0.02;
        while (defined $socket->recv(my $text, 4096)) { $count++ if $text eq 'WATCHDOG=1' }
    }
    return $count;
}


# Sees to it that a program says that it lives, three times in WATCHDOG_USEC, as long as it does.
sub lives_and_hangs ($socket, $program) {
    told($socket, 'WATCHDOG=1');
    cmp_ok pings($socket, 1), '>=', 5, 'it lives';
    $program->kill('STOP');
    pings($socket, 0.1); # what was on its way
    is pings($socket, 1), 0, 'it hangs';
    $program->kill('CONT');
    ok told($socket, 'WATCHDOG=1')->{WATCHDOG}, 'it goes on';
}

subtest 'the watchdog, of the server' => sub {
    my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $socket = listen_at("$dir/notify");
    my $mill = Hashmill->start(wrap => ['env', "NOTIFY_SOCKET=$dir/notify", 'WATCHDOG_USEC=400000'], DRAIN_SECONDS => 30);
    lives_and_hangs($socket, $mill->{server});
    $mill->{server}->kill('HUP');
    told($socket, 'RELOADING=1');
    told($socket, 'WATCHDOG=1');
    told($socket, 'READY=1');
    cmp_ok pings($socket, 1), '>=', 5, 'so does the next generation';
    $mill->{server}->kill('TERM');
    told($socket, 'STOPPING=1');
    is $mill->{server}->wait_exit(20), 0, 'it stops';
    $mill->start_server;
    $mill->close_instance;
};

# The last command that the unit has for a reload, with an instance in place of the installed server.
subtest 'systemctl reload' => sub {
    my $mill = Hashmill->start;
    my ($command) = slurp("$FindBin::Bin/../../scripts/install/hashmill.service") =~ m{^ExecReload=/bin/sh -c '(.*?)'$}ms;
    $command = $command =~ s/\\\n//gr =~ s/([\$%])\1/$1/gr =~ s{/run/hashmill/}{$mill->{dir}/run/}gr;
    ok -s "$mill->{dir}/run/hashmill-fcgi.pid", 'there is a pid file';
    my $reload = Hashmill::Process->start(log => "$mill->{dir}/reload.out", command => ['sh', '-c', $command],
        env => { PATH => $ENV{PATH}, MAINPID => $mill->{server}->pid });
    is $reload->wait_exit(30), 0, 'the command';
    is $reload->log, '', 'says nothing';
    like $mill->server_log, qr/reloading$/m, 'and has ended after the reload began';
    ok wait_until(30, sub { (() = $mill->server_log =~ /ready: \d+ processes/g) == 2 }), 'the server serves again';
    $reload = Hashmill::Process->start(log => "$mill->{dir}/reload-2.out", command => ['sh', '-c', $command],
        env => { PATH => $ENV{PATH}, MAINPID => 2 ** 22 + 1 });
    isnt $reload->wait_exit(30), 0, 'it fails without a server';
    $mill->close_instance;
};

subtest 'the watchdog, of a worker' => sub {
    my $mill = Hashmill->start;
    my $socket = listen_at("$mill->{dir}/notify");
    my $worker = $mill->start_worker(env => { NOTIFY_SOCKET => "$mill->{dir}/notify", WATCHDOG_USEC => 400_000 });
    lives_and_hangs($socket, $worker);
    $worker->kill('TERM');
    is $worker->wait_exit(30), 0, 'it stops';
};

subtest 'a worker' => sub {
    my $mill = Hashmill->start;
    my $socket = listen_at("$mill->{dir}/notify");
    my $worker = $mill->start_worker(env => { NOTIFY_SOCKET => "$mill->{dir}/notify" });
    like told($socket, 'READY=1')->{STATUS}, qr{^computes \d+ iterations/s}, 'ready';
    $worker->kill('TERM');
    ok told($socket, 'STOPPING=1')->{STATUS}, 'stopping';
    is $worker->wait_exit(30), 0, 'it stops';
};

finish();
