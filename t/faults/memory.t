# Memory that runs out: for a process that may have no more, and for one that the system kills so that
# another has some. Nobody else notices, and nothing that was answered is lost.

use v5.36;
use FindBin;
use POSIX ();
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

my $build = "$FindBin::Bin/../../build"; # sanitizers end a process that gets no memory
plan skip_all => 'no build without sanitizers: make' if !Hashmill::has_build($build);

# A server whose processes may die.
sub start_mill (%options) { return Hashmill->start(build => $build, PROCESSES_PUBLIC => 2, %options) }

# Limits the address space of a process to $bytes.
sub limit ($pid, $bytes) { return system("prlimit --pid $pid --as=$bytes: 2>/dev/null") == 0 }

# Requests of every kind; the ids that were answered 201, and how many answers were not good.
sub requests ($mill, $count) {
    my ($bad, @stored) = (0);
    for my $number (1 .. $count) {
        my $reply = $mill->enqueue(random_body(256 * 1024), 10);
        push @stored, $reply->json->{id} if $reply->status == 201;
        my @others = ($reply, $mill->pull(1000), $mill->get('/stats?'), $mill->lease(items => 512),
            $mill->report({ id => uuid(), lease => uuid(), chain => '0' x 128, remaining => 0 }));
        $bad += grep { $_->status >= 500 } @others;
        push our @odd, map { $_->status } grep { $_->status >= 300 && $_->status < 500 } @others;
    }
    return (\@stored, $bad);
}

# Asserts that everything is there and goes on.
sub is_well ($mill, $stored) {
    ok wait_until(20, sub { $mill->enqueue('afterwards', 10)->status == 201 }), 'afterwards it is as ever';
    is_deeply [grep { $mill->item($_)->status != 200 } @$stored], [], 'everything answered 201 is there';
    is_deeply [our @odd], [], 'no client was told that it was wrong';
    return;
}

subtest 'processes for clients get no more memory' => sub {
    my $mill = start_mill();
    plan skip_all => 'no prlimit on this machine' if !limit($mill->children('public-wait'), 'unlimited');
    my @limited = map { $mill->children($_) } 'public', 'intake';
    limit($_, 1) for @limited;
    my ($stored, $bad) = requests($mill, 10);
    note scalar @$stored, " stored, $bad refused";
    limit($_, 'unlimited') for map { $mill->children($_) } 'public', 'intake';
    is_well($mill, $stored);
    $mill->close_instance;
};

subtest 'the writer gets no more memory' => sub {
    my $mill = start_mill();
    my @stored = map { @$_ } parallel(4, sub ($job) { map { $mill->new_item("job $job item $_", 1) } 1 .. 500 });
    $mill->stop_server;
    $mill->start_server; # and the writer's memory has none of the rows
    limit($mill->children('writer'), 1) or plan skip_all => 'no prlimit on this machine';
    $mill->expect_log(qr/out of memory|exited with code 75/);
    ok wait_until(20, sub {
        limit($_, 1) for $mill->children('writer'); # also one that has taken another's place
        my ($more, $refused) = requests($mill, 1);
        push @stored, @$more;
        return $refused > 0;
    }), 'requests are refused';
    limit($_, 'unlimited') for $mill->children('writer');
    is_well($mill, \@stored);
    $mill->close_instance;
};

use constant GROUP_BYTES => 64 * 1024 * 1024;

# A group of processes that may have so much together, and none of it swapped out, or undef where this
# user cannot make one.
sub small_group {
    my %limits = (
        '/sys/fs/cgroup'         => { 'memory.max' => GROUP_BYTES, 'memory.swap.max' => 0 },
        '/sys/fs/cgroup/unified' => { 'memory.max' => GROUP_BYTES, 'memory.swap.max' => 0 },
        '/sys/fs/cgroup/memory'  => { 'memory.limit_in_bytes' => GROUP_BYTES, 'memory.swappiness' => 0 });
    for my $parent (sort keys %limits) {
        my ($group, $limit) = ("$parent/" . name_elsewhere(), $limits{$parent});
        mkdir $group or next;
        my @there = grep { -w "$group/$_" } keys %$limit;
        return $group if grep({ !/swap/ } @there) && eval { write_to("$group/$_", $limit->{$_}) for @there; 1 };
        rmdir $group;
    }
    return;
}

sub write_to ($path, $text) {
    open my $file, '>', $path or die "$path: $!";
    syswrite $file, $text or die "$path: $!";
    close $file or die "$path: $!";
    return;
}

# Puts a process into the group, with two of the test's that want more than there is. None of these has
# as much as the whole group, which is what the score of that process is raised by: it is the one that
# the system kills. Returns the two, which wait to be killed, a minute at most.
sub crowd ($group, $pid) {
    write_to("/proc/$pid/oom_score_adj", 1000);
    write_to("$group/cgroup.procs",      $pid);
    my @hogs;
    for (1 .. 2) {
        push @hogs, fork // die "fork: $!";
        next if $hogs[-1];
        eval {
            write_to("$group/cgroup.procs", $$);
            my $bytes = GROUP_BYTES * 5 / 8;
            my $all   = 'x' x $bytes;
            sleep 60;
        };
        POSIX::_exit(0);
    }
    return @hogs;
}

subtest 'the system kills a process for want of memory' => sub {
    my $group  = small_group() or skip_for_rights('this user cannot limit the memory of processes');
    my $mill   = start_mill();
    my @stored = map { $mill->new_item("before $_", 10) } 1 .. 3;
    for my $role ('intake', 'public', 'public-wait', 'worker', 'writer') {
        my ($pid) = $mill->children($role);
        my @hogs = crowd($group, $pid);
        ok wait_until(20, sub {
            my ($more) = requests($mill, 1);
            push @stored, @$more;
            return !grep { $_ == $pid } $mill->server_pids;
        }), "the process $role is killed";
        kill 'KILL', @hogs;
        waitpid $_, 0 for @hogs;
    }
    like $mill->server_log, qr/the process writer \(pid \d+\) was killed by SIGKILL/, 'which the log says';
    is_well($mill, \@stored);
    $mill->close_instance;
    ok wait_until(5, sub { rmdir $group }), 'nobody is in the group any more';
};

finish();
