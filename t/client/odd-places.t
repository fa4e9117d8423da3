# hashmill where it is not called as usual: closed descriptors, slow and full outputs, proxies, odd lists and keys.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use IO::Handle ();
use POSIX ();
use Test::More;
use Hashmill;
use Hashmill::Client;
use Hashmill::OddNode;

my $mill = Hashmill->start;
my $client = Hashmill::Client->new($mill);
my @files = $client->files(a => 'alpha', b => 'beta');
my $state = "$client->{dir}/state/hashmill";

# By a shell that closes descriptors or puts others in their place.
sub by_shell ($redirections, @arguments) { return $client->run({ wrap => ['sh', '-c', "exec \"\$@\" $redirections", 'sh'] }, @arguments) }

subtest 'closed descriptors' => sub {
    my $number = 0;
    for my $closed ('2>&-', '>&-', '<&-', '<&- >&-', '<&- >&- 2>&-') {
        my $job = 'closed' . ++$number;
        my $done = by_shell($closed, 'put', $files[0], "$client->{dir}/none", '-n', 1, '--job', $job);
        is $done->{code}, 1, "$closed: a file is not there";
        like slurp("$state/$job"), qr/\Ahashmill journal 2\n(?:[0-9a-f]{8} [n<>] [^\n]+\n){3}\z/, 'the journal has nothing else';
        is $client->run('put', $files[0], '-n', 1, '--job', $job)->{code}, 0, 'the next run goes on';
    }
    my $done = by_shell('<&-', 'put', '-', '-n', 1, '--job', 'input');
    is $done->{code}, 1, 'a closed standard input is no file';
    like $done->{err}, qr/-: Bad file descriptor/, 'which is said';
    $done = by_shell('>&-', 'put', $files[0], '-n', 1);
    is $done->{code}, 1, 'a closed standard output: exit code 1';
    like $done->{err}, qr/cannot write to standard output/, 'and why';
    $client->run('pull');
    $client->run('put', @files, '-n', 1, '--job', 'out');
    is by_shell('2>&- >&-', 'pull', '-q', '--out', "$client->{dir}/values")->{code}, 0, 'pull --out needs neither output';
    is_deeply [sort split /\n/, slurp("$client->{dir}/values")], [sort map { sha512_hex($_) } 'alpha', 'beta'], 'and the file has the values';
};

subtest 'an output that takes its time' => sub {
    my @many = $client->files(map { sprintf('many-%03d', $_) => "body $_" } 1 .. 900);
    $client->run('pull');
    $client->run('put', @many, '-n', 1);
    pipe my $read, my $write or die;
    $write->blocking(0);
    1 while syswrite $write, "\n"; # until it is full
    $write->blocking(1);
    my $pull = $client->start({ output => $write }, 'pull', '-q');
    close $write;
    ok wait_until(20, sub { (slurp("/proc/$pull->{pid}/syscall") // '') =~ /^\d+ 0x1 / }), 'pull waits for the reader';
    kill 'INT', $pull->{pid};
    ok wait_until(20, sub { slurp("/proc/$pull->{pid}/status") =~ /^(?:ShdPnd|SigPnd):\s*0+$/m }), 'Ctrl-C meanwhile';
    my $got = do { local $/; readline $read };
    $client->end($pull);
    is scalar(() = $got =~ /^[0-9a-f]{128}\n/mg), 900, 'each of them is printed';
    is $client->run({ output => '/dev/full' }, 'put', $files[0], '-n', 1)->{code}, 1, 'a full disk: exit code 1';
    my ($known) = $client->lines($client->run('put', $files[0], '-n', 1));
    my ($waiting) = $client->lines($client->run('put', $files[0], '-n', 4711));
    pipe $read, $write or die;
    close $read;
    my $wait = $client->start({ output => $write }, 'wait', $known, $waiting);
    close $write;
    is $client->end($wait, undef, 20)->{code}, 1, 'wait whose reader has gone ends, with exit code 1';
};

subtest 'a proxy' => sub {
    my $proxy = Hashmill::OddNode->start(sub ($) { (200, '[]') });
    my $with_key = Hashmill::Client->new($mill, key => 'a' x 43);
    my %env = map { $_ => $proxy->url } qw(http_proxy https_proxy all_proxy);
    $with_key->run({ env => { %env, no_proxy => '' } }, 'ls', '--timeout', 5);
    is scalar($proxy->requests), 0, 'does not get the key that may go to this machine in the clear';
    my $done = $with_key->run({ env => { %env, no_proxy => '', HASHMILL_URL => 'https://queue.invalid' } }, 'ls', '--timeout', 1);
    is $done->{code}, 5, 'https through it';
    my ($first) = $proxy->requests;
    like $first->{line}, qr/^CONNECT queue\.invalid:443 /, 'is a tunnel';
    unlike $first->{head}, qr/Authorization|aaaa/, 'which is asked for without the key';
};

subtest 'lists of names' => sub {
    spew("$client->{dir}/list", join '', map { "$_\0" } @files);
    my $done = $client->run('put', '--from-file', "$client->{dir}/list", '-n', 1);
    is "$done->{code} $done->{out}", '1 ', 'NULs in a list of lines: exit code 1, no file is taken for all';
    like $done->{err}, qr/has a NUL: names that end with one need -0/, 'and the remedy';
    is scalar($client->lines($client->run('put', '-0', '--from-file', "$client->{dir}/list", '-n', 1))), 2, '-0';
    spew("$client->{dir}/list", "$files[0]\nx\0y\n$files[1]\n");
    $done = $client->run('put', '--from-file', "$client->{dir}/list", '-n', 1);
    is "$done->{code} " . $client->lines($done), '1 2', 'the other lines are taken';
    my $long = 'x' x 4000;
    like $client->run('put', $long, '-n', 1)->{err}, qr/x: File name too long\n\z/, 'a long name leaves room for what is wrong';
    like $client->run('put', "\e[2J\xc2\x9b\x9b", '-n', 1)->{err}, qr/^hashmill: \\x1b\[2J\\xc2\\x9b\\x9b: No such file/, 'a name commands no terminal';
};

subtest 'keys and options' => sub {
    my $file = "$client->{dir}/key";
    for my $key ("first\nsecond\n", "a\0b\n", 'x' x 300, '', "\n", "two words\n") {
        spew($file, $key);
        chmod 0600, $file;
        my $done = $client->run('ls', '--key-file', $file);
        is $done->{code}, 2, 'no key: exit code 2';
        like $done->{err}, qr/must hold the key alone/, 'and why';
    }
    POSIX::mkfifo("$client->{dir}/fifo", 0600);
    is $client->run('ls', '--key-file', "$client->{dir}/fifo")->{code}, 2, 'a FIFO';
    like $client->run('ls', '-xq')->{err}, qr/: -x is not an option of ls;/, 'an unknown letter among others';
    like $client->run('ls', '--quiet=5')->{err}, qr/: --quiet=5 is not an option of ls;/, 'an option that takes no value';
    for my $verb (qw(pull ls workers decisions)) {
        my $done = $client->run($verb, 'extra');
        is $done->{code}, 2, "$verb takes no argument: exit code 2";
        like $done->{err}, qr/takes no argument, and extra is one/, 'and why';
    }
    my $done = $client->run({ env => { XDG_STATE_HOME => '/proc/none' } }, 'put', $files[0], '-n', 1);
    is $done->{code}, 1, 'no place for the journal: exit code 1';
    like $done->{err}, qr{cannot open the journal /proc/none/}, 'and why';
    for my $url ('file:///etc/passwd', 'ftp://127.0.0.1', 'http://user:secret@127.0.0.1', 'http://127.0.0.1/?x', join(',', map { "http://127.0.0.1:$_" } 1 .. 100)) {
        my $done = $client->run('ls', '--url', $url);
        is $done->{code}, 2, "$url: exit code 2" if length $url < 100;
        unlike $done->{err}, qr/secret/, 'without the password';
    }
};

subtest 'Ctrl-C while a file is waited for' => sub {
    my $fifo = "$client->{dir}/slow";
    POSIX::mkfifo($fifo, 0600);
    for my $command (['put', $fifo, '-n', 1], ['put', '--from-file', $fifo, '-n', 1], ['verify', $fifo, 1, 'ab' x 64], ['verify', '-n', 1, '--from-file', $fifo]) {
        my $run = $client->start(@$command);
        ok wait_until(20, sub { (slurp("/proc/$run->{pid}/wchan") // '') =~ /partner|fifo/ }), "@$command[0, 1] waits";
        my $done = $client->end($run, 'INT');
        is $done->{code}, 130, 'exit code 130';
        unlike $done->{err}, qr/Interrupted/, 'which is no error';
    }
};

finish();
