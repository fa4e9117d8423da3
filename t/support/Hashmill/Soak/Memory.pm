package Hashmill::Soak::Memory;

# A process that runs out of memory: it gets none (RLIMIT_AS), or is killed for asking (a control group with a limit,
# like a machine with no memory left).

use v5.36;

use Hashmill::Util;

use constant { SPARE_AS => 256 * 1024, SPARE => 0 };

my $killed = 0;

# Limits a process to little more memory than it has.
sub limit ($pid) {
    return 0 if !defined $pid;
    my ($kilobytes) = (slurp("/proc/$pid/status") // '') =~ /^VmSize:\s+(\d+)/m or return 0;
    return 0 if !set_limit($pid, $kilobytes * 1024 + SPARE_AS);
    return sub { set_limit($pid, 'unlimited') };
}

sub set_limit ($pid, $bytes) { return system("prlimit --pid $pid --as=$bytes: 2>/dev/null") == 0 }

# Where control groups with a memory limit can be made: [directory, name of the limit's file]; undef: nowhere.
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

# Makes any request for memory kill the process from now on.
sub exhaust ($pid) {
    return 0 if !defined $pid;
    my ($dir, $limit) = groups()->@*;
    my $group = "$dir/" . name_elsewhere() . "-$pid";
    mkdir $group or return 0;
    my $caught = put("$group/$limit", SPARE) && put("$group/cgroup.procs", $pid);
    return sub {
        # If it is alive, it was at rest. Kills it then, like a system that needs room for another process.
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

# How many processes the system itself has killed.
sub killed { return $killed }

1;
