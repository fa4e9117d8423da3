# hashmill verify: computes values here and compares them; needs no node.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Fcntl qw(O_WRONLY);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::Util;

my $program = Hashmill::build_directory() . '/hashmill';
my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $wrong = '0' x 128;

sub start (@arguments) {
    state $number = 0;
    my $file = "$dir/out-" . ++$number;
    my $process = Hashmill::Process->start(log => "$file.err", cwd => $dir,
        command => ['sh', '-c', 'out=$1; shift; exec "$@" >"$out"', 'sh', $file, $program, 'verify', @arguments]);
    return ($process, $file);
}

# Exit code, standard output, standard error.
sub verify (@arguments) {
    my ($process, $file) = start(@arguments);
    defined $process->wait_exit(120) or $process->kill('KILL');
    return ($process->exit_code, slurp($file), $process->log);
}

# A file of the test and its value.
sub file ($name, $body) { spew("$dir/$name", $body); return $name }

subtest 'one file' => sub {
    file('abc', 'abc');
    for my $n (1, 2, 1000) {
        is_deeply [verify('abc', $n, value_of('abc', $n))], [0, "abc: OK\n", ''], "equal, n = $n";
        my ($code, $out, $err) = verify('abc', $n, value_of('abc', $n + 1));
        is_deeply [$code, $out], [7, "abc: DIFFERENT\n"], "different, n = $n";
        like $err, qr/^hashmill: verify: /, 'and it is said';
    }
    is +(verify('abc', 3, uc value_of('abc', 3)))[0], 0, 'digits in upper case';
    is_deeply [verify('-q', 'abc', 3, value_of('abc', 3))], [0, value_of('abc', 3) . "\n", ''], '-q: the value';
    is +(verify('-q', 'abc', 3, $wrong))[1], value_of('abc', 3) . "\n", '-q: the value that is right';
    my ($code, $out) = verify('--json', 'abc', 3, $wrong);
    is $code, 7, '--json: different';
    is_deeply decode_json($out), { type => 'verified', file => 'abc', iterations => 3, value => value_of('abc', 3),
        equal => JSON::PP::false }, '--json: a line';
};

subtest 'many files side by side' => sub {
    my @names = map { file("name $_", "body $_") } 0 .. 99;
    $names[7] = file("new\nline \\ 7", 'body 7');
    my @n = (5, 3000);
    for my $n (@n) {
        my $list = '';
        for my $number (0 .. 99) {
            my $value = $number == 50 ? $wrong : value_of("body $number", $n);
            $list .= $number == 7 ? "\\$value  new\\nline \\\\ 7\n" : $value . ($number % 2 ? '  ' : ' *') . "name $number\n";
        }
        spew("$dir/list", "$list\n");
        my ($code, $out, $err) = verify('-n', $n, '--from-file', 'list');
        is $code, 7, "n = $n: one is different";
        is $out, join('', map { $_ == 7 ? "\\new\\nline \\\\ 7: OK\n" : "name $_: " . ($_ == 50 ? "DIFFERENT\n" : "OK\n") } 0 .. 99),
            'a line for each, in the order of the list';
    }
    my ($code, $out) = verify('--json', '-n', 3000, '--from-file', 'list');
    my @lines = map { decode_json($_) } split /\n/, $out;
    is scalar(grep { $_->{equal} } @lines), 99, '--json: a line for each';
    is $lines[7]{file}, $names[7], 'with its name';
};

subtest 'files that cannot be taken' => sub {
    file('empty', '');
    file('longest', 'x' x 262_144);
    file('too-long', 'x' x 262_145);
    is +(verify('longest', 2, value_of('x' x 262_144, 2)))[0], 0, '262,144 bytes';
    for my $name ('empty', 'too-long', 'missing', '.') {
        my ($code, $out, $err) = verify($name, 2, $wrong);
        is_deeply [$code, $out], [1, ''], "$name: exit code 1";
        like $err, qr/\Ahashmill: \Q$name\E: .*\n\z/, 'one line says why';
    }
    spew("$dir/list", join '', map { value_of('abc', 2) . "  $_\n" } 'missing', 'abc');
    is_deeply [(verify('-n', 2, '--from-file', 'list'))[0, 1]], [1, "abc: OK\n"], 'the others are computed all the same';
    spew("$dir/list", value_of('abc', 2) . "  missing\n$wrong  abc\n");
    is +(verify('-n', 2, '--from-file', 'list'))[0], 7, 'a difference counts for more';
};

subtest 'command lines that are wrong' => sub {
    spew("$dir/bad", value_of('abc', 2) . "  abc\nnot a value\n");
    spew("$dir/nul", "$wrong  a\0bc\n");
    my @bad = (['abc', 0, $wrong], ['abc', -1, $wrong], ['abc', '1e3', $wrong], ['abc', 9_007_199_254_740_992, $wrong],
        ['abc', '99999999999999999999', $wrong], ['abc', 1, 'abc'], ['abc', 1, 'g' x 128], ['abc', 1, "${wrong}0"], ['abc', 1],
        ['abc'], [], ['abc', 1, $wrong, 'more'], ['--from-file', 'bad'], ['-n', 2, '--from-file', 'bad'],
        ['-n', 2, '--from-file', 'nul'], ['-n', 2, '--from-file', 'nowhere'], ['-n', 2, 'abc', 2, $wrong]);
    for my $arguments (@bad) {
        my ($code, $out, $err) = verify(@$arguments);
        is_deeply [$code, $out], [2, ''], "@$arguments: exit code 2";
        like $err, qr/^hashmill: /, 'and it is said';
    }
    like +(verify('-n', 2, '--from-file', 'bad'))[2], qr/bad, line 2: must be/, 'the line is named';
};

subtest 'interrupted, and out of time' => sub {
    for my $signal (qw(INT TERM)) {
        my ($process, $file) = start('abc', 1_000_000_000_000, $wrong);
        ok wait_until(60, sub { my @threads = glob '/proc/' . $process->pid . '/task/*'; @threads > 1 }), 'it computes';
        my $since = time;
        $process->kill($signal);
        is $process->wait_exit(60) && $process->exit_code, 130, "SIG$signal: exit code 130";
        cmp_ok time - $since, '<', 5, 'soon';
        is slurp($file), '', 'nothing is printed';
    }
    my $list = "$dir/a list that does not come";
    POSIX::mkfifo($list, 0600) or die;
    my ($process) = start('-n', 1, '--from-file', $list);
    sysopen my $writer, $list, O_WRONLY or die; # it has opened the list
    ok wait_until(60, sub { slurp('/proc/' . $process->pid . '/stat') =~ /\) S / }), 'it waits for what the list says';
    $process->kill('INT');
    is $process->wait_exit(60) && $process->exit_code, 130, 'while it reads the list: exit code 130';
    is $process->log, '', 'without a message';
    my ($code, $out) = verify('--timeout', 1, 'abc', 1_000_000_000_000, $wrong);
    is_deeply [$code, $out], [6, ''], '--timeout: exit code 6';
};

subtest 'a machine that computes wrongly' => sub {
    my $process = Hashmill::Process->start(log => "$dir/flipped", cwd => $dir, env => { BIT_FLIPS => 1 },
        command => [Hashmill::build_directory() . '/flip/hashmill', 'verify', 'abc', 1_000_000_000_000, $wrong]);
    is $process->wait_exit(60) && $process->exit_code, 76, 'exit code 76, as of a worker';
    like $process->log, qr/kernel [\w-]+ computed a chain wrongly.*Take it out of service/, 'and what to do';
    unlike $process->log, qr/^abc: /m, 'it says nothing of the value';
};

done_testing();
