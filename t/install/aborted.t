# A run of tests that is cut short leaves nothing behind: no process, no file, no mount, no control group; see
# t/support/guard. What is cut short is a run of a test made up for it.

use v5.36;
use File::Spec ();
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

delete local @ENV{qw(MAKEFLAGS MAKELEVEL HASHMILL_KEEP)};
my $root = "$FindBin::Bin/../..";
my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);

# A test that starts all kinds of processes, notes them in a file, with its directory before them, and waits.
spew("$dir/waits.t", <<'TEST' =~ s/\@(\w+)\@/{ BIN => $FindBin::Bin, DIR => $dir }->{$1}/gre);
use v5.36;
use FindBin;
BEGIN { $FindBin::Bin = '@BIN@' } # as if it were there
use lib "$FindBin::Bin/../support";
use File::Spec ();
use Test::More;
use Hashmill;

my $own = File::Spec->tmpdir;
my $mill = Hashmill->start;
$mill->start_worker;
my @more = map { Hashmill::Process->start(log => '/dev/null', command => $_) }
    [qw(env -i setsid sh -c), 'sleep 1000 & exec sleep 1000'], # nothing tells whose it is
    ['sh', '-c', "trap '' INT TERM HUP; touch $own/deaf; while :; do sleep 1; done"],
    $> == 0 ? [qw(unshare --net --mount --pid --fork --mount-proc sleep 1000)] : ();
system "sh -c 'setsid sleep 1000 & echo \$! >$own/orphan'"; # its parent is gone
if ($> == 0) {
    mkdir "$own/disk" or die;
    system "mount -t tmpfs -o size=1m hashmill-test $own/disk && touch $own/disk/file";
}
mkdir $_ for map { "$_/" . name_elsewhere() } '/dev/shm', glob('/sys/fs/cgroup/{.,memory}');
wait_until(20, sub { -e "$own/deaf" && slurp("$own/orphan") });
spew('@DIR@/new', join "\n", $own, $$, getppid, $mill->pids, map({ $_->pid } @more), slurp("$own/orphan"));
rename '@DIR@/new', '@DIR@/there' or die;
pass 'all is there';
sleep 1000;
TEST

# A test that ends the run when the other one has all that it wants.
spew("$dir/bails.t", <<"TEST");
use v5.36;
use Test::More;
use Time::HiRes qw(sleep);
sleep 0.05 until -e '$dir/there';
BAIL_OUT('enough');
TEST

# Starts a run, in a process group of its own.
sub start_run (@command) {
    unlink "$dir/there", "$dir/log";
    return Hashmill::Process->start(log => "$dir/log", cwd => $root, command => ['setsid', @command]);
}

# Where a directory's name is still to be found.
sub traces ($own) {
    my ($name) = $own =~ m{([^/]+)$};
    my @places = ($own, glob "{/dev/shm,/sys/fs/cgroup,/sys/fs/cgroup/memory}/$name*");
    return grep({ -e } @places), grep { m{ \Q$own\E/} } split /\n/, slurp('/proc/self/mountinfo');
}

# Processes that carry a directory in their environment.
sub carriers ($own) {
    return grep { index(slurp("/proc/$_/environ") // '', "=$own") >= 0 && process_state($_) ne 'Z' } process_ids();
}

# Waits until the test in a run has everything, has the run cut short, and asserts that all of it vanishes.
sub leaves_nothing ($run, $cut) {
    ok wait_until(120, sub { -e "$dir/there" || !$run->alive }), 'it runs' or diag $run->log;
    my ($own, @pids) = split /\n/, slurp("$dir/there") // return fail 'nothing is there';
    cmp_ok scalar @pids, '>', 10, 'and has many processes' if $run->alive;
    $cut->(@pids);
    ok wait_until(60, sub { !$run->alive }), 'it ends';
    ok wait_until(60, sub { !grep({ process_state($_) ne 'Z' } @pids) && !carriers($own) }), 'no process is left'
        or diag qx{ps -o pid,ppid,args -p @{[join ',', @pids, carriers($own)]}};
    ok wait_until(60, sub { !traces($own) }), 'nor a file' or diag join "\n", traces($own);
    return;
}

# The child of a run that is prove.
sub prove_of ($run) {
    return grep { parent_of($_) == $run->pid && (slurp("/proc/$_/comm") // '') eq "prove\n" } process_ids();
}

my %command = (
    'prove'           => ['prove', "$dir/waits.t"],
    'scripts/test.sh' => ['scripts/test.sh', '--no-install', "$dir/waits.t"],
);

for my $name (sort keys %command) {
    subtest "Ctrl-C on $name" => sub {
        my $run = start_run($command{$name}->@*);
        leaves_nothing($run, sub { kill 'INT', -$run->pid });
    };
    subtest "SIGKILL of $name" => sub {
        my $run = start_run($command{$name}->@*);
        leaves_nothing($run, sub { kill 'KILL', $run->pid });
    };
    subtest "SIGKILL of $name and its process group" => sub {
        my $run = start_run($command{$name}->@*);
        leaves_nothing($run, sub { kill 'KILL', -$run->pid });
    };
    subtest "SIGKILL of the test, run by $name" => sub {
        my $run = start_run($command{$name}->@*);
        leaves_nothing($run, sub ($test, @) { kill 'KILL', $test });
    };
    subtest "SIGTERM of $name" => sub {
        my $run = start_run($command{$name}->@*);
        leaves_nothing($run, sub { kill 'TERM', $run->pid });
    };
}

subtest 'SIGKILL of the prove that scripts/test.sh runs' => sub {
    my $run = start_run($command{'scripts/test.sh'}->@*);
    leaves_nothing($run, sub { is kill('KILL', prove_of($run)), 1, 'is killed' });
};

subtest "another test's bail-out" => sub {
    leaves_nothing(start_run('prove', '-j', 2, "$dir/waits.t", "$dir/bails.t"), sub { });
};

done_testing();
