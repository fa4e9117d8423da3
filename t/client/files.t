# Which files hashmill takes: directories, lists, names of any kind, sizes; and many of them in little memory.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use Test::More;
use Hashmill;
use Hashmill::Client;

my $mill = Hashmill->start;
my $client = Hashmill::Client->new($mill);
my $dir = "$client->{dir}/tree";

# The lines of run for these names, as sha512sum prints them; n is 1, so values are digests.
sub run_lines ($done) { return map { [/^(\\?[0-9a-f]{128})  (.*)$/] } $client->lines($done) }
sub names ($done) { return map { $_->[1] } run_lines($done) }

mkdir "$dir$_" or die for '', '/b', '/b/deep', '/a';
my %content = ('/z' => 'z', '/b/deep/2' => 'two', '/b/1' => 'one', '/a/0' => 'zero', '/b/deep/10' => 'ten');
spew("$dir$_", $content{$_}) for keys %content;
symlink "$dir/z", "$dir/link" or die;
symlink $dir, "$dir/a/loop" or die;

subtest 'directories' => sub {
    my $done = $client->run('run', '-r', $dir, '-n', 1);
    is_deeply [names($done)], [map { "$dir$_" } qw(/a/0 /b/1 /b/deep/10 /b/deep/2 /z)], '-r: by their names, without links';
    is $done->{out}, join('', map { sha512_hex($content{$_}) . "  $dir$_\n" } qw(/a/0 /b/1 /b/deep/10 /b/deep/2 /z)), 'with their values';
    is $done->{err}, '', 'and no message';
    is_deeply [names($client->run({ cwd => $dir }, 'run', '-r', '.', 'link', '-n', 1))],
        [qw(./a/0 ./b/1 ./b/deep/10 ./b/deep/2 ./z link)], 'as they were given; a link that is named is followed';
    is_deeply [names($client->run({ cwd => $dir }, 'run', '-r', 'b//', '-n', 1))], [qw(b/1 b/deep/10 b/deep/2)], 'a slash at the end';
    is $mill->stats->{items}{done}, 6, 'and these are the same items';
    $done = $client->run('run', $dir, "$dir/z", '-n', 1);
    is $done->{code}, 1, 'without -r: exit code 1';
    like $done->{err}, qr/is a directory; -r/, 'and the remedy';
    is_deeply [names($done)], ["$dir/z"], 'the others are computed';
};

subtest 'names' => sub {
    my @odd = ("new\nline", 'back\\slash', "carriage\rreturn", '-n', ' blank ', "\xff\xfe", '"quote"', "tab\there");
    mkdir "$dir-odd" or die;
    spew("$dir-odd/$_", "odd $_") for @odd;
    my $done = $client->run({ cwd => "$dir-odd" }, 'run', '-n', 1, '--', @odd);
    open my $pipe, '-|', 'sh', '-c', 'cd "$0" && exec sha512sum -- "$@"', "$dir-odd", @odd or die;
    my $wanted = do { local $/ = undef; readline $pipe };
    close $pipe;
    is $done->{out}, $wanted, 'are printed as sha512sum prints them';
    is $done->{err}, '', 'no message';
    is $client->run('wait', '--job', 'default')->{code}, 0, 'the journal takes them';
    $done = $client->run({ cwd => "$dir-odd", stdin => join "\0", @odd }, 'run', '-q', '-n', 1, '--from-file', '-', '-0');
    is $done->{out}, join('', map { sha512_hex("odd $_") . "\n" } @odd), '--from-file - -0';
    spew("$client->{dir}/list", join "\n", grep { !/\n/ } @odd);
    $done = $client->run({ cwd => "$dir-odd" }, 'run', '-q', '-n', 1, '--from-file', "$client->{dir}/list");
    is $done->{out}, join('', map { sha512_hex("odd $_") . "\n" } grep { !/\n/ } @odd), '--from-file, one a line';
    $done = $client->run('put', '-n', 1, "no\e[31m\nfile");
    is $done->{err}, "hashmill: no\\x1b[31m\\x0afile: No such file or directory\n", 'a message shows what would move a terminal';
    is $client->run('put', '-n', 1, '--from-file', "$client->{dir}/none")->{code}, 1, 'a list that is not there';
    $done = $client->run({ stdin => join "\0", "$dir/z", "$dir/b/1" }, 'put', '-n', 1, '--from-file', '-');
    is $done->{code}, 1, 'names that end with a NUL, without -0: exit code 1';
    is $done->{err}, "hashmill: the list - has a NUL: names that end with one need -0\n", 'and why';
    $done = $client->run({ stdin => "$dir/z\n" }, 'put', '-', '-n', 1, '--from-file', '-');
    is $done->{code}, 2, 'standard input for a body and for the list: exit code 2';
    $done = $client->run({ wrap => ['sh', '-c', "yes '$dir/z' | exec \"\$0\" \"\$@\""] }, 'put', '-q', '-n', 1, '--from-file', '-', '--timeout', 1);
    is $done->{code}, 5, 'a list without an end: --timeout holds';
};

subtest 'sizes' => sub {
    my ($least, $most, $empty, $more) = $client->files('size-1' => 'x', 'size-2' => 'y' x 262144, 'size-3' => '', 'size-4' => 'z' x 262145);
    for my $how ([], ['--send-body']) {
        my $done = $client->run('run', '-q', @$how, $least, $empty, $more, $most, '-n', 1, '--job', "size@$how" =~ s/ /-/gr);
        is $done->{out}, sha512_hex('x') . "\n" . sha512_hex('y' x 262144) . "\n", "1 and 262,144 bytes @$how";
        is $done->{code}, 1, 'the others: exit code 1';
        like $done->{err}, qr/size-3: is empty.*\n.*size-4: has more than 262144 bytes/, 'and why';
    }
};

subtest 'a body that changes, a pipe, a file that is named twice' => sub {
    my ($file) = $client->files(changing => 'first');
    my ($first) = $client->lines($client->run('put', $file, '-n', 1));
    spew($file, 'second');
    my ($second) = $client->lines($client->run('put', $file, '-n', 1));
    isnt $first, $second, 'another content is another item';
    is $client->run('put', $file, $file, '-n', 1)->{out}, "$second\n$second\n", 'twice: one item, two lines';
    my $done = $client->run({ wrap => ['bash', '-c', '"$0" "$@" <(printf piped)'] }, 'run', '-q', '-n', 1);
    is $done->{out}, sha512_hex('piped') . "\n", '<(command)';
};

subtest 'standard output' => sub {
    my $done = $client->run({ output => '/dev/full' }, 'put', "$dir/z", '-n', 1);
    is $done->{code}, 1, 'full: exit code 1';
    like $done->{err}, qr/cannot write to standard output: No space/, 'and why';
    for my $closed ('>&-', '<&- >&-', '<&- >&- 2>&-', '2>&-') {
        $done = $client->run({ wrap => ['sh', '-c', "exec \"\$0\" \"\$@\" $closed"] }, 'put', "$dir/z", "$dir/none", '-n', 1, '--job', 'closed');
        is $done->{code}, 1, "$closed: exit code 1";
        is $client->run('wait', '--job', 'closed')->{out}, sha512_hex('z') . "  $dir/z\n", 'and no other file gets what it prints';
        unlink "$client->{dir}/state/hashmill/closed";
    }
};

finish();
