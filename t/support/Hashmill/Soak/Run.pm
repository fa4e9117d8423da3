package Hashmill::Soak::Run;

# One soak from its start to the verdict.

use v5.36;
use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use FindBin ();
use List::Util qw(sum0);
use Time::HiRes qw(sleep time);

use Hashmill::Job;
use Hashmill::Namespaces (); # enters none by itself
use Hashmill::Soak::Clients;
use Hashmill::Soak::End;
use Hashmill::Soak::Faults;
use Hashmill::Soak::History;
use Hashmill::Soak::Judge;
use Hashmill::Soak::Memory;
use Hashmill::Soak::Schedule;
use Hashmill::Soak::Switch;
use Hashmill::Soak::World;

# A disk has room for the log of batches and for what a replica must leave free.
use constant { CLIENTS => 4, PATIENCE => 180, DISK => 384 << 20, DISK_A_SECOND => 256 << 10 };

# Enters hosts of its own if it can; whether it is inside. The program starts again inside.
sub enter (%option) {
    local $ENV{PATH} = "$ENV{PATH}:/usr/sbin:/sbin";
    return 0 if $option{PLAIN};
    my $outside = $ENV{HASHMILL_OUTSIDE} // '';
    return 1 if $outside ne '' && $outside ne readlink '/proc/self/ns/net';
    my $why = Hashmill::Namespaces::why_not() || Hashmill::Soak::Switch::why_not();
    if ($why eq '') {
        @ARGV = map { "$_=$option{$_}" } sort keys %option;
        Hashmill::Namespaces::enter();
    }
    die "no hosts of its own: $why\n" if $ENV{HASHMILL_ROOT};
    say "no hosts of its own: $why";
    return 0;
}

# Which needs of faults this machine meets.
sub there_is ($hosts, $shim) {
    return ('' => 1, 'build without sanitizers' => !Hashmill::sanitized(), hosts => $hosts, 'small disk' => $hosts, shim => $shim, cgroup => $hosts && !!Hashmill::Soak::Memory::groups());
}

# A soak; its exit code.
sub run (%option) {
    my $hosts = enter(%option);
    $ENV{HASHMILL_BUILD} //= abs_path("$FindBin::Bin/../..") . '/' . ($ENV{BUILD} // 'build/soak');
    my $dir = tempdir('hm-soak-XXXXXX', TMPDIR => 1);
    my $shared = Hashmill::Soak::History->new($dir);
    my $again = join ' ', map { "$_=$option{$_}" } grep { $_ ne 'PLAIN' } sort keys %option;
    say "soak: $again, ", $hosts ? 'hosts of its own' : 'this machine alone', ", $ENV{HASHMILL_BUILD}";

    my $shim = -e Hashmill::build_directory() . '/shim/fault.so';
    my %there = there_is($hosts, $shim);
    my @events = schedule($option{SEED}, $option{SECONDS});
    my @possible = grep { $there{ needs_of($_->{kind}) } } @events;
    my %left = map { $_ => 1 } grep { !$there{ needs_of($_) } } kinds();
    say 'left out: ', join ', ', map { "$_ (no " . needs_of($_) . ')' } sort keys %left if %left;

    my $end = Hashmill::Soak::End->new($shared->writer('end'));
    my $world = Hashmill::Soak::World->start($shared, hosts => $hosts, shim => $shim, copy => $option{COPY},
        disk => $hosts ? DISK + $option{SECONDS} * DISK_A_SECOND : 0);
    my $faults = Hashmill::Soak::Faults->new($world, $shared, \@possible);
    if (!eval { play($shared, $world, $faults, $end); 1 }) {
        $end->complain('a soak that broke off', "$@");
        $_->keep_logs($dir) for $world->nodes;
    }
    show_faults($faults);
    my $code = system $^X, $0, '--judge', $dir; # a process that has nothing to do with what it judges
    return kept($dir, $again) if $code;
    remove_tree($dir) if !$ENV{HASHMILL_KEEP};
    return 0;
}

sub kept ($dir, $again) {
    say "history and logs are kept in $dir; the same schedule again: make soak $again";
    return 1;
}

# Plays the faults with clients at work; then lets everything come to rest, and looks at what is there.
sub play ($shared, $world, $faults, $end) {
    my @nodes = $world->nodes;
    my @clients = map { my ($number, @order) = ($_, @nodes[$_ % 2, 1 - $_ % 2]);
        background(sub { enqueuer($shared, "client-$number", @order) }) } 0 .. CLIENTS - 1;
    push @clients, background(sub { watcher($shared, 'watcher', @nodes) });
    my @pullers = map { my $node = $_;
        background(sub { puller($shared, 'pull-' . $node->number, $node) }) } @nodes;
    $faults->play;
    say 'the faults are over';
    $_->stop for @clients;
    $world->wait_jobs(@clients);
    $world->wait_jobs($faults->jobs);
    $end->complain('not all is computed', "after @{[PATIENCE]} s") if !$world->wait_computed(PATIENCE);
    $_->stop for @pullers;
    $world->wait_jobs(@pullers);
    $end->collect($world);
    return;
}

sub show_faults ($faults) {
    my ($done, $missed) = ($faults->done, $faults->missed);
    say 'faults by kind:';
    say sprintf '  %5d  %s%s', $done->{$_} // 0, $_, $missed->{$_} ? " (and $missed->{$_} with nobody there to be hit)" : ''
        for grep { $done->{$_} || $missed->{$_} } kinds();
    say sprintf '  %5d  in all', sum0(values %$done);
    say 'killed by the system for want of memory: ', Hashmill::Soak::Memory::killed() if $done->{'out of memory'};
    return;
}

# Judges the history in a directory; the exit code.
sub judge ($dir) {
    my $judge = Hashmill::Soak::Judge->new;
    Hashmill::Soak::History::each_entry($dir, sub ($entry) { $judge->add($entry) });
    my $wrong = $judge->verdict;
    my $figures = $judge->figures;
    say "$figures->{acknowledged} items acknowledged, $figures->{completed} completed and handed out, ",
        "$figures->{operations} operations checked, $figures->{links} links computed again";
    say for $judge->lines;
    say %$wrong ? 'NOT CLEAN' : 'clean';
    return %$wrong ? 1 : 0;
}

1;
