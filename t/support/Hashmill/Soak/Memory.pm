package Hashmill::Soak::Memory;

# A process that runs out of memory: it gets none (RLIMIT_AS), or it is killed for wanting some (a control group
# with a limit, as of a machine that has none left).

use v5.36;

use Hashmill::Util;

use constant { SPARE_AS => 256 * 1024, SPARE => 0 };

my $killed = 0;

# It may not have more than a little beside what it has.
sub limit ($pid) {
    return 0 if !defined $pid;
    my ($kilobytes) = (slurp("/proc/$pid/status") // '') =~ /^VmSize:\s+(\d+)/m or return 0;
    return 0 if !set_limit($pid, $kilobytes * 1024 + SPARE_AS);
    return sub { set_limit($pid, 'unlimited') };
}

sub set_limit ($pid, $bytes) { return system("prlimit --pid $pid --as=$bytes: 2>/dev/null") == 0 }

# Where control groups with a limit of memory can be made: [directory, name of the limit's file]; undef for nowhere.
sub groups {
    state $found;
    state $looked = 0;
    return $found if $looked++;
    for my $place (['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'], ['/sys/fs/cgroup', 'memory.max']) {
        my $try = "$place->[0]/" . name_elsewhere();
        next if !mkdir $try;
        my $there = -e "$try/$place->[1]";
        rmdir $try;
        return $found = $place if $there;
    }
    return;
}

# Whatever it asks for from now on kills it.
sub exhaust ($pid) {
    return 0 if !defined $pid;
    my ($dir, $limit) = groups()->@*;
    my $group = "$dir/" . name_elsewhere() . "-$pid";
    mkdir $group or return 0;
    my $caught = put("$group/$limit", SPARE) && put("$group/cgroup.procs", $pid);
    return sub {
        # Alive: it was at rest. Then as the system does that needs room for somebody else.
        my $alive = $caught && (slurp("$group/cgroup.procs") // '') =~ /^$pid$/m && kill 'KILL', $pid;
        $killed++ if $caught && !$alive;
        my $gone = wait_until(5, sub { rmdir $group });
        warn "$group stays: $!\n" if !$gone;
    };
}

sub put ($path, $text) {
    open my $file, '>', $path or return 0;
    my $written = syswrite $file, "$text\n";
    close $file;
    return $written;
}

# How many the system itself has killed.
sub killed { return $killed }

1;
