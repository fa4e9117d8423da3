# What hashmill-worker --bench and scripts/bench/bench-mill print, and how the latter judges: the form of real
# figures, which no test can know, and the verdict on made-up ones.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;

my $root = "$FindBin::Bin/../..";
my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);

# The lines that a program prints and its exit code.
sub output (@command) {
    state $number = 0;
    my $log = "$dir/" . ++$number;
    my $process = Hashmill::Process->start(log => $log, cwd => $root, command => \@command,
        env => { ROUNDS => 2, COMPILERS => 'gcc', CHECK => 0, LANES => 'no', BUILD => $ENV{HASHMILL_BUILD_NORMAL} // 'build' });
    defined $process->wait_exit(300) or $process->kill('KILL');
    return ($process->exit_code, split /\n/, $process->log);
}

subtest '--bench=short' => sub {
    my ($code, @lines) = output(Hashmill::build_directory() . '/hashmill-worker', '--bench=short');
    is $code, 0, 'measures';
    my %seen; # lines of the log, which is on the standard error, begin with a time
    for my $line (grep { !/^(?:#|\d{4}-)/ } @lines) {
        my ($name, $chains, $ns, $rate, $cycles, $percent, @rest) = split ' ', $line;
        ok !$seen{$name}++, "$name: one line";
        is scalar @rest, 0, 'six fields';
        like $chains, qr/^(?:1|2|3|4|5|8|16|17|18)$/, 'full lanes';
        ok abs($rate * $ns / 1e3 / $chains - 1) < 0.05, 'time and rate fit';
        like $cycles, qr/^(?:\d+|-)$/, 'cycles';
        like $percent, qr/^(?:\d+\.\d|-)$/, 'percent of the port bound';
    }
    ok $seen{$_}, "$_ is there" for qw(evp evp-fetched transform openssl);
};

subtest 'another extent' => sub {
    my ($code, @lines) = output(Hashmill::build_directory() . '/hashmill-worker', '--bench=long');
    is $code, 78, 'is refused';
    like "@lines", qr/--bench=long: only --bench and --bench=short/, 'with what there is';
};

subtest 'a stray word' => sub {
    for my $arguments ([qw(--bench short)], [qw(short --bench)], [qw(--version now)], [qw(--help --nonsense)]) {
        my ($code, @lines) = output(Hashmill::build_directory() . '/hashmill-worker', @$arguments);
        is $code, 78, "@$arguments: is refused";
        is scalar @lines, 1, 'before anything is done' or diag @lines;
        like $lines[0], qr/^\S*hashmill-worker: .*(?:short|now|nonsense)/, 'with its name';
    }
};

subtest 'scripts/bench/bench-mill' => sub {
    my ($code, @lines) = output("$root/scripts/bench/bench-mill", '--no-install');
    is $code, 0, 'runs' or diag @lines;
    my $text = join "\n", @lines;
    like $text, qr/^$_ +1 \| +\d+\.\d +\d+\.\d\d/m, "$_ has figures" for qw(evp evp-fetched transform hashlib openssl);
    like $text, qr/^gcc +avx2-x4\/evp-fetched +[\d.-]+ +>= 2\.00/m, 'and there are ratios';
    unlike $text, qr/^missed/m, 'nothing is judged without CHECK=1';
};

# The verdict on rounds of a compiler, each made of `name => ns`.
sub verdict ($check, @rounds) {
    my %chains = ('avx2-x4' => 4, 'avx2-x5' => 5, 'avx512-x16' => 16);
    my ($number, $text) = (0, '');
    for my $round (@rounds) {
        $number++;
        $text .= join ' ', $number, 'cc', $_, $chains{$_} // 1, $round->{$_}, '1.0', '100', "50.0\n" for sort keys %$round;
    }
    spew("$dir/rounds", $text);
    return output('awk', '-v', "check=$check", '-f', 'scripts/bench/mill.awk', "$dir/rounds");
}

my %good = (evp => 400, 'evp-fetched' => 160, transform => 100, hashlib => 420,
    'lone-avx512' => 95, 'avx2-x4' => 320, 'avx2-x5' => 360, 'avx512-x16' => 256);

subtest 'verdict' => sub {
    my ($code, @lines) = verdict(1, \%good);
    is $code, 0, 'figures that meet every bound are good';
    is scalar(grep { /  met$/ } @lines), 5, 'all five';
    my %bad = ('avx512-x16' => 270, 'avx2-x4' => 321, 'avx2-x5' => 376, 'lone-avx512' => 96, 'hashlib' => 380);
    my %what = ('avx512-x16' => 'avx512-x16/evp-fetched is 9.48', 'avx2-x4' => 'avx2-x4/evp-fetched is 1.99', 'avx2-x5' => 'avx2-x5/avx2-x4 is 1.06',
        'lone-avx512' => 'lone-avx512/transform time is 0.96', hashlib => 'avx512-x16/hashlib is 23.75');
    for my $name (sort keys %bad) {
        ($code, @lines) = verdict(1, { %good, $name => $bad{$name} });
        is $code, 1, "$name: a bound is missed";
        like $lines[-1], qr/^missed: cc: \Q$what{$name}\E, should be/, 'and named last';
        like $lines[-1], qr/at the port bound of this processor: /, 'with what the processor allows';
        is((verdict(0, { %good, $name => $bad{$name} }))[0], 0, 'not an error without CHECK');
    }
};

subtest 'medians' => sub {
    my %slow = map { $_ => 3 * $good{$_} } keys %good;
    my %wild = (%good, 'avx512-x16' => 2000);
    is((verdict(1, \%good, \%slow, \%good))[0], 0, 'a slow round, all of it, changes no ratio');
    is scalar(grep { /machine is busy/ } (verdict(1, \%good, \%slow, \%slow))), 1, 'but when most are slow that is said';
    is scalar(grep { /machine is busy/ } (verdict(1, \%good, \%slow, \%good))), 0, 'one is not worth it';
    is((verdict(1, \%good, \%wild, \%good))[0], 0, 'one spoiled figure does not count');
    is((verdict(1, \%good, \%wild, \%wild))[0], 1, 'two of three do');
    is((verdict(1, { %good, evp => 100 }))[0], 0, 'the slower way of calling EVP is shown and not judged');
};

subtest 'other processors' => sub {
    my %plain = (%good, 'lone-avx2' => 95);
    delete @plain{qw(avx512-x16 lone-avx512)};
    my ($code, @lines) = verdict(1, \%plain);
    is $code, 0, 'what a processor does not have it does not miss';
    is scalar(grep { m{^cc +avx512-x16/(?:evp-fetched|hashlib) .*not on this processor$} } @lines), 2, 'but that is said';
    ok scalar(grep { m{^cc +lone-avx2/transform time .*met$} } @lines), 'the kernel for one chain is the one there is';
    is((verdict(1, { %plain, 'lone-avx2' => 99 }))[0], 1, 'and has the same bound');
    is((verdict(1))[0], 1, 'no figure at all is an error');
};

done_testing;
