# hashmill killed at every system call by which it changes something, and run again: every file is put once, every
# value comes once.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use Test::More;
use Hashmill;
use Hashmill::Client;

my $mill = Hashmill->start;
my $client = Hashmill::Client->new($mill);
my $kill_child = Hashmill::build_directory() . '/crash/kill_child';
my @files = $client->files(map { +"file$_" => "body $_" } 1 .. 5);
my @values = map { sha512_hex("body $_") } 1 .. 5;
my $state = "$client->{dir}/state/hashmill";

# Under kill_child there can be no look for leaks.
my %traced = (env => { ASAN_OPTIONS => "detect_leaks=0:log_path=$mill->{dir}/sanitizer" });

# Runs the verb, killed at each of its changes in turn; `before` prepares for and `after` checks each time.
sub sweep ($before, $after, @arguments) {
    for my $number (1 .. 1000) {
        my @more = $before->($number);
        my $code = $client->run({ %traced, wrap => [$kill_child, 'changes', $number] }, @arguments, @more)->{code};
        if ($code != 137) {
            is $code, 0, 'it ends when it is not killed';
            note "$arguments[0]: killed at " . ($number - 1) . ' points';
            return $number - 1;
        }
        my $again = $client->run(@arguments, @more);
        return fail("after a kill at change $number: $again->{code} $again->{err}") if $again->{code} != 0;
        my $why = $after->($again, @more);
        return fail("after a kill at change $number: $why") if $why;
    }
    return fail('it has no end');
}

sub items { my $items = $mill->stats->{items}; my $sum = 0; $sum += $_ for values %$items; return $sum }

for my $how ([], ['--send-body']) {
    my $items = items();
    my $points = sweep(
        sub ($number) { $items = items(); return ('--job', join('', 'job', @$how, $number)) },
        sub ($again, @) {
            my @ids = $client->lines($again);
            my @got = map { $mill->item($_)->json->{value} } @ids;
            return "@got" eq "@values" && items() == $items + 5 ? undef : "the values of @ids, or " . (items() - $items) . ' items';
        },
        'put', @files, '-n', 1, @$how);
    cmp_ok $points, '>', 8, "put @$how: each point of a run";
}

$client->run('pull');
my $out = "$client->{dir}/values";
my $points = sweep(
    sub ($number) {
        unlink $out;
        $client->run('put', @files, '-n', 1, '--job', "pulled$number");
        return ();
    },
    sub ($again, @) {
        my $got = slurp($out);
        $client->run('pull'); # what it may have left
        return join('', sort split /^/, $got) eq join('', map { "$_\n" } sort @values) ? undef : "the file has\n$got";
    },
    'pull', '-q', '--out', $out);
cmp_ok $points, '>', 8, 'pull --out: each point of a run';
ok !-e "$out.pull", 'and nothing is left beside the file';

# The journal as a power cut may leave it.
subtest 'the end of a journal' => sub {
    my @ids = $client->lines($client->run('put', @files, '-n', 1, '--job', 'cut'));
    my $items = items();
    my $whole = slurp("$state/cut");
    for my $length (grep { $_ > 0 && ($_ < 30 || $_ % 23 == 0) } 0 .. length $whole) {
        spew("$state/cut", substr $whole, 0, $length);
        my $done = $client->run('put', @files, '-n', 1, '--job', 'cut');
        next if $done->{out} eq join('', map { "$_\n" } @ids);
        return fail("cut to $length bytes: $done->{out} $done->{err}");
    }
    is items(), $items, 'wherever it is cut: the same items';
};

# What was done too early for a power cut, by a trace of the calls with the paths of their descriptors.
sub read_trace ($file) {
    my (%unsynced, @early); # by path: a file, or a directory with new names
    for my $line (split /\n/, slurp($file)) {
        my ($call, $rest) = $line =~ /^(\w+)\((.*)/ or next;
        my ($path) = $rest =~ /^\d+<([^>]*)>/ ? $1 : $rest =~ /"([^"]*)"/;
        my $parent = ($path // '') =~ s{/[^/]*$}{}r;
        my @needed = $call =~ /^send/ ? sort keys %unsynced
            : $call =~ /^(?:rename|unlink)$/ ? ($path, $out)              # FILE.pull goes
            : $call eq 'write' && $parent eq "$client->{dir}/synced/hashmill" ? $parent # a journal with lines is there to stay
            : ();
        push @early, map { "$call before $_ is synced" } grep { $unsynced{$_} } @needed;
        next if $rest =~ /= -1 /;
        $unsynced{$path} = 1 if $call eq 'write' && $path =~ /^\Q$client->{dir}\E/;
        $unsynced{$parent} = 1 if $call =~ /^(?:mkdir|rename|unlink)$/ || $rest =~ /O_CREAT/;
        delete $unsynced{$path} if $call =~ /sync$/;
    }
    return @early;
}

subtest 'all is on the disk before the next step' => sub {
    plan skip_all => 'strace cannot trace here' if system('strace -o /dev/null true 2>/dev/null') != 0;
    my $trace = "$client->{dir}/trace";
    my %options = (wrap => ['strace', '-y', '-o', $trace, '-e', 'trace=openat,write,fsync,fdatasync,mkdir,rename,unlink,sendto,sendmsg'],
        env => { $traced{env}->%*, XDG_STATE_HOME => "$client->{dir}/synced" });
    unlink $out;
    for my $command (['put', @files, '-n', 1], ['pull', '--out', $out]) {
        is $client->run(\%options, @$command)->{code}, 0, $command->[0];
        like slurp($trace), qr/sync\(.*send/s, 'syncs before it sends';
        is join("\n", read_trace($trace)), '', 'all that it has to';
    }
};

subtest 'a file that others have changed' => sub {
    my $pull = sub (@more) { return $client->run('pull', '-q', '--out', $out, @more) };
    my $break = sub ($number, @puts) { # a pull that is killed at that change, when these are done
        unlink $out, "$out.pull";
        spew($out, "before\n");
        $client->run('put', @$_, '-n', 1, '--job', "changed$number-" . @puts) for @puts;
        $client->run({ %traced, wrap => [$kill_child, 'changes', $number] }, 'pull', '-q', '--out', $out);
    };
    my $asked; # the change before which the file is longer than it was
    for my $number (1 .. 100) { # the last change before the values are in the file
        $break->($number, \@files);
        $asked = $number - 1, last if slurp($out) ne "before\n";
        $pull->();
    }
    $pull->();
    $break->($asked, map { [$_] } @files);
    ok -e "$out.pull", 'a pull is broken off';
    is $pull->('--json')->{code}, 2, 'it goes on in its own form only';
    spew($out, 'before');
    is $pull->()->{code}, 1, 'a shorter file';
    spew($out, "before\n$values[0]\nbetween\n");
    like $pull->()->{err}, qr/changed by another program/, 'a line between the values';
    spew($out, "before\n" . substr($values[0], 0, 50));
    is $pull->()->{code}, 0, 'half of a line';
    is slurp($out), join('', map { "$_\n" } 'before', @values), 'each value once';
};

subtest 'two at once' => sub {
    $mill->call('POST', '/admin/pause?what=intake');
    my $first = $client->start('put', $files[0], '-n', 77, '--job', 'two');
    ok wait_until(20, sub { $client->err($first) =~ /paused/ }), 'one waits until the intake goes on';
    my $done = $client->run('put', $files[0], '-n', 77, '--job', 'two');
    is $done->{code}, 5, 'another of the same job: exit code 5';
    like $done->{err}, qr/another hashmill/, 'and why';
    is $client->end($first, 'TERM')->{code}, 130, 'SIGTERM ends the first';
    $mill->call('POST', '/admin/resume?what=intake');
    is $client->run('put', $files[0], '-n', 77, '--job', 'two')->{code}, 0, 'which goes on';
    my $follow = $client->start('pull', '-f', '--out', $out);
    ok $mill->wait_parked(1), 'a pull waits';
    is $client->run('pull', '--out', $out)->{code}, 5, 'another into the same file: exit code 5';
    unlink $out;
    is $client->end($follow, 'INT')->{code}, 130, 'Ctrl-C';
};

subtest 'pull -f' => sub {
    unlink $out, "$out.pull";
    my $follow = $client->start('pull', '-f', '-q', '--out', $out);
    ok $mill->wait_parked(1), 'waits';
    $client->run('put', $files[1], '-n', 1, '--job', 'followed');
    ok wait_until(20, sub { (slurp($out) // '') eq "$values[1]\n" }), 'and writes what gets done';
    ok $mill->wait_parked(1), 'goes on';
    kill 'KILL', $follow->{pid};
    $client->end($follow);
    $client->run('put', $files[2], '-n', 1, '--job', 'followed');
    is $client->run('pull', '-q', '--out', $out)->{code}, 0, 'killed, and run again';
    is slurp($out), "$values[1]\n$values[2]\n", 'each value once';
};

finish();
