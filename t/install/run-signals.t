# scripts/run.sh told to stop, or killed, at any moment: nothing stays, or the next start clears it. With the normal
# build; a small program plays make where it is interrupted.

use v5.36;
use Cwd qw(realpath);
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill;

my $root = realpath("$FindBin::Bin/../..");
my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$root/build";
plan skip_all => "no programs in $build" if !has_build($build);

my $dir = tempdir('hm-XXXXXX', TMPDIR => 1);
my ($port, $metrics_port) = (free_port_pair(2), free_port_pair());
my ($number, $var) = (0, 0); # of the run, of the directory

sub program ($name, $text) {
    mkdir "$dir/bin";
    spew("$dir/bin/$name", "#!/bin/sh\n$text");
    chmod 0755, "$dir/bin/$name";
    return;
}

# Starts run.sh, under the commands given first.
sub start_run ($before, @arguments) {
    return Hashmill::Process->start(log => "$dir/run-" . ++$number . '.txt', cwd => '/',
        env => { VAR => "$dir/var$var", LIST_SECONDS => 1, PORT => $port, METRICS_PORT => $metrics_port, BUILD => $build, HASHMILL_TEST_INSTANCE => $dir, PROCESSES_PUBLIC => 2 },
        command => [@$before, "$root/scripts/run.sh", @arguments]);
}

# Everything that these runs started, by its environment, which nginx overwrites, and only root sees of hashmill's programs.
sub everything {
    my $mark = "HASHMILL_TEST_INSTANCE=$dir\0";
    return grep { process_state($_) ne 'Z' && (index(slurp("/proc/$_/environ") // '', $mark) >= 0
            || (slurp("/proc/$_/comm") // '') =~ /^(?:nginx|hashmill-)/ && belongs_to($_, $dir)) } process_ids();
}

sub named ($name) { return grep { (slurp("/proc/$_/comm") // '') eq "$name\n" } everything() }

END {
    if (defined $dir) {
        local $?;
        kill 'KILL', everything();
        remove_tree($dir) if !$ENV{HASHMILL_KEEP};
    }
}

# The moments: what is started, and whether it has come to that.
my %moment = (
    building => { before => ['env', "PATH=$dir/bin:$ENV{PATH}"], reached => sub ($run) { -s "$dir/making" } },
    starting => { reached => sub ($run) { named('hashmill-fcgi') } },
    serving => { reached => sub ($run) { $run->log =~ /pullCompleted/ && named('hashmill-worker') } },
    'serving as two nodes' => { arguments => [qw(--nodes 2)], reached => sub ($run) { $run->log =~ /pullCompleted/ && named('hashmill-worker') > 1 } },
    'the demonstration' => { arguments => ['--demo'], reached => sub ($run) { $run->log =~ /^enqueued/m } },
    stopping => { reached => sub ($run) {
        return $run->log =~ /^stopping/m if $run->log =~ /pullCompleted/ && $run->kill('TERM');
        return 0;
    } },
);
program('make', "case \"\$*\" in *-q*) exit 1 ;; esac\necho \$\$ >$dir/making\nexec sleep 1000\n");

# Starts it and comes to the moment.
sub come_to ($name) {
    my $moment = $moment{$name};
    unlink "$dir/making";
    $var++;
    my $run = start_run($moment->{before} // [], ($moment->{arguments} // [])->@*);
    wait_until(60, sub { !$run->alive || $moment->{reached}->($run) });
    ok $run->alive, "it comes to $name" or diag $run->log;
    return $run;
}

for my $case ([building => qw(INT TERM HUP)], [starting => qw(INT TERM)], [serving => qw(INT TERM HUP)],
    ['serving as two nodes' => 'INT'], ['the demonstration' => 'TERM'], [stopping => 'INT']) {
    my ($name, @signals) = @$case;
    for my $signal (@signals) {
        subtest "$name: SIG$signal" => sub {
            my $run = come_to($name);
            $run->kill($signal);
            ok defined $run->wait_exit(40), 'it ends' or diag $run->log;
            ok wait_until(5, sub { !everything() }), 'nothing is left' or diag map { slurp("/proc/$_/cmdline") =~ tr/\0/ /r . "\n" } everything();
        };
    }
}

for my $name (sort keys %moment) {
    subtest "$name: SIGKILL" => sub {
        my $run = come_to($name);
        $run->kill('KILL');
        ok defined $run->wait_exit(20), 'it ends';
        ok wait_until(5, sub { !everything() }), 'make ends with it' if $name eq 'building';
        my $next = start_run([], '--demo');
        is $next->wait_exit(120), 0, 'the next start works' or diag $next->log;
        ok wait_until(35, sub { !everything() }), 'and leaves nothing' or diag map { slurp("/proc/$_/cmdline") =~ tr/\0/ /r . "\n" } everything();
    };
}

subtest 'a terminal that is closed' => sub {
    for my $name (qw(building serving)) {
        local $moment{$name}{before} = ['python3', '-c', 'import pty, sys; pty.spawn(sys.argv[1:])', ($moment{$name}{before} // [])->@*];
        my $terminal = come_to($name);
        $terminal->kill('KILL');
        ok wait_until(40, sub { !everything() }), "$name: nothing is left" or diag map { slurp("/proc/$_/cmdline") =~ tr/\0/ /r . "\n" } everything();
    }
};

subtest 'packages are being installed' => sub {
    plan skip_all => 'only root can become another user' if $> != 0;
    # As a user who has sudo; nothing is installed here.
    chmod 0777, $dir;
    program('dpkg-query', '');
    program('sudo', "echo x >$dir/installing\nsleep 1\necho x >$dir/installed\nexit 1\n");
    my @user = (qw(setpriv --reuid=65534 --regid=65534 --clear-groups env), "PATH=$dir/bin:$ENV{PATH}", "VAR=$dir/user");
    my $run = start_run(\@user);
    plan skip_all => 'the tree is not for all users' if !wait_until(10, sub { !$run->alive || -s "$dir/installing" }) || !$run->alive;
    $run->kill('TERM');
    ok $run->wait_exit(20), 'it ends';
    ok -s "$dir/installed", 'after what dpkg does';
    is_deeply [everything()], [], 'and nothing is left';
};

subtest 'what keeps services from starting meanwhile' => sub {
    my $policy = "$dir/policy-rc.d";
    program('apt-get', "echo x >$dir/apt\nexec sleep 1000\n");
    my $script = qx(cd $root && bash -c '. scripts/build/packages.sh && printf %s "\$install_as_root"') =~ s{/usr/sbin/policy-rc\.d}{$policy}r;
    die if $script !~ /^\s*policy=\Q$policy\E$/m;
    for my $signal (qw(INT TERM HUP KILL TERM)) { # the last one after a SIGKILL, which leaves it
        unlink "$dir/apt";
        my $install = Hashmill::Process->start(log => "$dir/install.txt", env => { HASHMILL_TEST_INSTANCE => $dir,
            PATH => "$dir/bin:$ENV{PATH}" }, command => ['setsid', 'sh', '-c', $script, 'sh', 'nothing']);
        wait_until(10, sub { -s "$dir/apt" });
        ok -x $policy, "SIG$signal: it is there";
        kill $signal, -$install->pid; # as a terminal does
        $install->wait_exit(10);
        is -e $policy ? 1 : 0, $signal eq 'KILL' ? 1 : 0, $signal eq 'KILL' ? 'it stays' : 'it is gone';
    }
    spew($policy, "#!/bin/sh\nexit 0\n");
    unlink "$dir/apt";
    my $install = Hashmill::Process->start(log => "$dir/install.txt", env => { HASHMILL_TEST_INSTANCE => $dir,
        PATH => "$dir/bin:$ENV{PATH}" }, command => ['setsid', 'sh', '-c', $script, 'sh', 'nothing']);
    wait_until(10, sub { -s "$dir/apt" });
    kill 'TERM', -$install->pid;
    $install->wait_exit(10);
    is slurp($policy), "#!/bin/sh\nexit 0\n", "somebody else's stays";
};

done_testing();
