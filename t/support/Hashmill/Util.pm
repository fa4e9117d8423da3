package Hashmill::Util;

# Small things that tests and the harness share.

use v5.36;
use parent 'Exporter';
use Digest::SHA qw(sha512);
use File::Basename qw(basename);
use File::Spec ();
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use List::Util qw(first);
use Test::More ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(advance belongs_to free_port_pair kill_until_gone lasting name_elsewhere nginx_program nginx_whole parent_of process_ids process_state
    raise_files random_body skip_for_rights slurp spew uuid value_of wait_until);

# Calls the code until it returns something true, and returns that; false after $seconds.
sub wait_until ($seconds, $code) {
    my $end = time + $seconds;
    while (1) {
        my $answer = $code->();
        return $answer if $answer || time > $end;
        sleep 0.01;
    }
}

# Leaves out a test that this user has no right to; for `make test-root` that is a failure.
sub skip_for_rights ($why) {
    die "$why\n" if $ENV{HASHMILL_ROOT};
    Test::More::plan(skip_all => $why);
    return;
}

# What is shown of an item that is as it is, without what is forecast of it.
sub lasting ($item) { return { map { $_ => $item->{$_} } grep { !/^(?:eta|expected|ahead|rate|why|worker)/ } keys %$item } }

# The prefix of names that a test makes outside of its directory, so that t/support/guard finds them.
sub name_elsewhere { return basename(File::Spec->tmpdir) . "-$$" }

# The whole file, or undef.
sub slurp ($path) {
    open my $file, '<:raw', $path or return;
    local $/ = undef;
    return scalar <$file>;
}

sub spew ($path, $text) {
    open my $file, '>:raw', $path or die "$path: $!";
    print {$file} $text;
    close $file or die "$path: $!";
    return;
}

sub random_body ($size) {
    open my $random, '<:raw', '/dev/urandom' or die;
    my $bytes;
    read $random, $bytes, $size;
    return $bytes;
}

# A version 4 UUID.
sub uuid {
    my $hex = unpack 'H*', random_body(16);
    substr $hex, 12, 1, '4';
    substr $hex, 16, 1, (qw(8 9 a b))[hex(substr $hex, 16, 1) & 3];
    return join '-', unpack 'A8 A4 A4 A4 A12', $hex;
}

# A chain, 128 hex digits, moved forward by $iterations.
sub advance ($chain, $iterations) {
    my $bytes = pack 'H*', $chain;
    $bytes = sha512($bytes) for 1 .. $iterations;
    return unpack 'H*', $bytes;
}

# The value of an item, by an implementation that hashmill has no part in.
sub value_of ($body, $iterations) { return advance(unpack('H*', sha512($body)), $iterations - 1) }

# Takes $pairs pairs of free ports in a row and returns the first port. They are below the range from which the kernel
# takes ports of outgoing connections. No other test gets them while this one runs: whoever takes a pair holds an
# abstract socket with its name.
sub free_port_pair ($pairs = 1) {
    state @locks;
    for my $try (1 .. 200) {
        my $port = 10000 + 2 * int rand 11000;
        my @mine;
        for my $pair (map { $port + 2 * $_ } 0 .. $pairs - 1) {
            my $lock = IO::Socket::UNIX->new(Local => "\0hashmill-test-port-$pair") or next;
            push @mine, $lock;
        }
        next if @mine < $pairs;
        my @held = map { IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $_,
            Listen => 1, ReuseAddr => 1) } $port .. $port + 2 * $pairs - 1;
        next if @held < 2 * $pairs;
        push @locks, @mine; # until this test ends; Perl closes it in the programs that it starts
        return $port;
    }
    die "no free ports in a row\n";
}

# A configuration of nginx with the contents of our files in the place of their includes, for a test that changes
# something in one.
sub nginx_whole ($text) {
    return $text =~ s{include "(\S+/nginx/hashmill-\w+\.conf)";}{slurp($1) // die "$1: $!\n"}ger;
}

# Lets this process have so many files. How many it may have now.
sub raise_files ($wanted) {
    my ($soft, $hard) = (slurp("/proc/$$/limits") // '') =~ /^Max open files\s+(\d+)\s+(\d+)/m or return 1024;
    my $new = $hard < $wanted ? $hard : $wanted;
    system("prlimit --pid $$ --nofile=$new:$hard 2>/dev/null") == 0 or return $soft;
    return $new;
}

sub nginx_program {
    return (first { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin')
        // die "no nginx\n";
}

# --- /proc ----------------------------------------------------------------------------------------

sub process_ids { return map { m{(\d+)} } glob '/proc/[0-9]*' }

# State letter and parent of a process; 'Z' and 0, as for a zombie, when there is none.
sub process_state ($pid) { return (stat_fields($pid))[0] // 'Z' }
sub parent_of ($pid)     { return (stat_fields($pid))[1] // 0 }

sub stat_fields ($pid) {
    my ($rest) = (slurp("/proc/$pid/stat") // '') =~ /\) (.*)/s or return;
    return split / /, $rest;
}

# Whether a process belongs to a directory: it works there, or an argument of its command is in it. (Of hashmill's
# programs only root sees the first, or the environment.)
sub belongs_to ($pid, $dir) {
    return (readlink("/proc/$pid/cwd") // '') =~ m{^\Q$dir\E(?:/|$)} || (slurp("/proc/$pid/cmdline") // '') =~ m{(?:\0|=)\Q$dir\E/};
}

# kill -9 of all that a function lists, until they have ended; false if some have not within 20 seconds. Lists and kills
# repeatedly: a master may have started a new child between our look and its own death. While it dies, a process has no
# environment or directory to be known by any more, but still its files, locks and ports.
sub kill_until_gone ($list) {
    my %killed;
    return wait_until(20, sub {
        my @pids = $list->();
        kill 'KILL', @pids;
        @killed{@pids} = ();
        return !@pids && !grep { process_state($_) ne 'Z' } keys %killed;
    });
}

1;
