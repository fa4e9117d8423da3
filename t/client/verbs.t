# hashmill, the client program: what each verb prints and its exit code.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use JSON::PP ();
use Test::More;
use Hashmill;
use Hashmill::Client;

my $mill = Hashmill->start;
my $client = Hashmill::Client->new($mill);
my $id = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
my $unknown = '01a20ad5-c32f-71c5-8024-c9d0da90077a';
my %body = (a => 'alpha', b => 'beta', c => 'gamma');
my @files = $client->files(%body);

# Whether a run has this exit code, these lines, and is silent on standard error.
sub prints ($done, $lines, $name) {
    is $done->{code}, 0, "$name: exit code";
    is $done->{out}, join('', map { "$_\n" } @$lines), "$name: output";
    return is $done->{err}, '', "$name: nothing else";
}

my @ids;
subtest 'put and get' => sub {
    my $done = $client->run('put', @files, '-n', 1);
    like $done->{out}, qr/\A(?:$id\n){3}\z/, 'an id for each file';
    is $done->{code}, 0, 'exit code';
    is $done->{err}, '', 'no message';
    @ids = $client->lines($done);
    is $mill->item($ids[1])->json->{value}, sha512_hex('beta'), 'in their order';
    prints($client->run('put', @files, '-n', 1), \@ids, 'the same command');
    is $mill->stats->{items}{done}, 3, 'and no item twice';
    prints($client->run('put', $files[2], '-n', 1), [$ids[2]], 'one of them');
    prints($client->run('get', @ids[1, 0]), [map { "$ids[$_] done " . sha512_hex($body{ qw(a b)[$_] }) } 1, 0], 'get');
    prints($client->run('get', '-q', $ids[2]), [sha512_hex('gamma')], 'get -q');
    my $json = JSON::PP->new;
    my $item = $json->decode($client->run('get', '--json', $ids[0])->{out});
    is "$item->{type} $item->{state} $item->{iterations} $item->{value}", 'item done 1 ' . sha512_hex('alpha'), 'get --json';
    my ($put) = map { $json->decode($_) } $client->lines($client->run('put', '--json', $files[0], '-n', 1));
    is_deeply $put, { type => 'item', id => $ids[0], file => $files[0], digest => sha512_hex('alpha'), iterations => 1 }, 'put --json';
};

subtest 'other jobs and numbers' => sub {
    my @more = map { $client->lines($client->run('put', $files[0], @$_)) } ['-n', 2], ['-n', 1, '--job', 'other'];
    is scalar(@more), 2, 'two items more';
    is scalar(grep { $_ eq $ids[0] } @more), 0, 'other ones';
    prints($client->run('get', $more[0]), ["$more[0] waiting -"], 'an item that is not done');
    is $client->run('get', '-q', $more[0])->{out}, '', 'get -q of it';
    is $client->run('rm', $more[0])->{out}, "$more[0]\n", 'rm';
    is $mill->state_of($more[0]), 'cancelled', 'cancels it';
};

subtest 'standard input and bodies' => sub {
    my $done = $client->run({ stdin => 'from a pipe' }, 'put', '-', '-n', 1);
    is $mill->item($done->{out} =~ s/\n//r)->json->{value}, sha512_hex('from a pipe'), '-';
    $done = $client->run('put', '--send-body', @files, '-n', 1, '--job', 'bodies');
    is_deeply [map { $mill->item($_)->json->{value} } $client->lines($done)], [map { sha512_hex($_) } @body{ sort keys %body }],
        '--send-body';
    prints($client->run('put', @files, '-n', 1, '--job', 'bodies'), [$client->lines($done)], 'then by digests: the same items');
    my @many = $client->files(map { sprintf('many-%03d', $_), "body $_" } 1 .. 50);
    $done = $client->run('put', '--send-body', @many, '-n', 1);
    is_deeply [map { $mill->item($_)->json->{value} } $client->lines($done)], [map { sha512_hex("body $_") } 1 .. 50],
        'more than are sent together';
};

subtest 'ls and rm' => sub {
    my @waiting = sort { $a cmp $b } $client->lines($client->run('put', @files, '-n', 7, '--job', 'ls'));
    prints($client->run('ls', '--state', 'waiting', '-q'), [reverse @waiting], 'ls -q, the newest first');
    like $client->run('ls', '--state', 'waiting')->{out}, qr/\A$waiting[2] waiting 7 6 20\S+Z\n/, 'ls';
    is scalar($client->lines($client->run('ls', '-q', '--top', 2))), 2, '--top';
    my ($first) = map { JSON::PP->new->decode($_) } $client->lines($client->run('ls', '--json', '--state', 'waiting'));
    is "$first->{type} $first->{id} $first->{remaining}", "item $waiting[2] 6", 'ls --json';
    prints($client->run('rm', '--state', 'waiting'), [3], 'rm --state waiting');
    prints($client->run('rm', '--state', 'waiting'), [0], 'rm when nothing waits');
    is $mill->state_of($waiting[1]), 'cancelled', 'they are cancelled';
    @waiting = $client->lines($client->run('put', @files, '-n', 8, '--job', 'ls'));
    $mill->lease;
    prints($client->run('rm', '--state', 'leased', '--json'), ['{"type":"cancelled","count":3}'], 'rm --state leased');
};

subtest 'run and wait' => sub {
    my $worker = $mill->start_worker;
    my @values = map { value_of($body{$_}, 1000) } sort keys %body;
    my @lines = map { "$values[$_]  $files[$_]" } 0 .. 2;
    prints($client->run('run', @files, '-n', 1000), \@lines, 'run');
    prints($client->run('run', @files, '-n', 1000), \@lines, 'run again');
    prints($client->run('run', '-q', @files, '-n', 1000), \@values, 'run -q');
    my @run = $client->lines($client->run('put', @files, '-n', 1000));
    prints($client->run('wait', @run), [map { "$run[$_] $values[$_]" } 0 .. 2], 'wait ID...');
    my ($line) = map { JSON::PP->new->decode($_) } $client->lines($client->run('run', '--json', $files[0], '-n', 1000));
    is_deeply $line, { type => 'value', id => $run[0], file => $files[0], value => $values[0] }, 'run --json';
    my @reports = split /\n/, $client->run('run', $files[0], '-n', 1001, '--progress', 'line')->{err};
    like $reports[-1], qr/^hashmill: 1 of 1 item, .*100 %\)/, '--progress line: the last line';
    unlike $reports[-1], qr/no worker/, 'is not about what was before';
    $client->run('put', @files, '-n', 2000, '--job', 'waited');
    prints($client->run('wait', '--job', 'waited'), [map { value_of($body{$_}, 2000) . "  $client->{dir}/$_" } sort keys %body], 'wait --job');
    my @many = map { "$client->{dir}/" . sprintf('many-%03d', $_) } 1 .. 50;
    prints($client->run('run', @many, '-n', 3), [map { value_of("body $_", 3) . "  $many[$_ - 1]" } 1 .. 50], 'more than are asked for singly');
    $mill->stop_workers;
};

subtest 'pull' => sub {
    $client->run('pull', '-q');
    my @put = $client->lines($client->run('put', @files, '-n', 1, '--job', 'pull'));
    my @values = map { sha512_hex($body{$_}) } sort keys %body;
    prints($client->run('pull', '--top', 1), ["$put[0] $values[0]"], 'pull --top 1: the oldest');
    is_deeply [sort $client->lines($client->run('pull'))], [sort map { "$put[$_] $values[$_]" } 1, 2], 'pull';
    prints($client->run('pull'), [], 'pull of nothing');
    $client->run('put', $files[0], '-n', 1, '--job', 'pull-2');
    my $value = JSON::PP->new->decode($client->run('pull', '--json')->{out});
    is "$value->{type} $value->{iterations} $value->{value}", "value 1 $values[0]", 'pull --json';
};

subtest 'what goes wrong' => sub {
    my $exit = sub ($code, $message, @arguments) {
        my $done = $client->run(@arguments);
        is $done->{code}, $code, "hashmill @arguments: exit code $code";
        like $done->{err}, qr/\Ahashmill: .*$message/, 'and why';
        return $done;
    };
    $exit->(2, 'not a verb', 'putt');
    $exit->(2, 'see hashmill --help');
    $exit->(2, 'the verb comes before --url', '--url', $mill->url, 'ls');
    for my $verb (qw(ls pull workers decisions top)) {
        my $done = $exit->(2, "$verb takes no argument, and values is one", $verb, 'values');
        is $done->{out}, '', 'nothing is taken';
    }
    $exit->(2, 'not an option of get', 'get', '--follow', $ids[0]);
    $exit->(2, 'needs a value', 'put', '-n');
    $exit->(2, '-z is not an option of ls', 'ls', '-zq');
    $exit->(2, '-n needs a value', 'put', '-rn');
    $exit->(2, 'whole number from 1', 'put', $files[0], '-n', '1x');
    $exit->(2, 'from 1 to 9007199254740991, and is 9007199254740992', $_, $files[0], '-n', '9007199254740992') for qw(put run verify);
    $exit->(2, 'how many iterations', 'put', $files[0]);
    $exit->(2, 'which files', 'put', '-n', 1);
    $exit->(2, 'one of: waiting', 'ls', '--state', 'wait');
    $exit->(2, 'only what is waiting or leased', 'rm', '--state', 'done');
    $exit->(2, 'is no id of an item', 'get', 'x');
    $exit->(2, '--job must be', 'put', $files[0], '-n', 1, '--job', '../x');
    $exit->(2, 'must be different URLs', 'ls', '--url', 'ftp://127.0.0.1');
    $exit->(3, 'no item with this id', 'get', $unknown);
    $exit->(3, 'no item with this id', 'wait', $unknown);
    $exit->(3, 'no such job', 'wait', '--job', 'nobody');
    my ($cancelled) = $client->lines($client->run('put', $files[0], '-n', 5, '--job', 'cancelled'));
    $client->run('rm', $cancelled);
    $exit->(1, "$cancelled is cancelled; .* another --job", 'run', $files[0], '-n', 5, '--job', 'cancelled');
    $client->write_journal('forgotten', 'n 0 ' . $mill->url,
        map { (sprintf('> %032x 0 /forgotten/%d', $_, $_), sprintf('< %032x %s%03x', $_, substr($unknown, 0, 33), $_)) } 1 .. 300);
    $exit->(3, 'no item with this id', 'wait', '--job', 'forgotten', '--timeout', 20);
    $exit->(1, 'done', 'rm', $ids[0]);
    my $done = $exit->(1, 'No such file', 'put', "$client->{dir}/none", $files[0], '-n', 1);
    is $done->{out}, "$ids[0]\n", 'the other file is put';
    is $client->run('get', $ids[0], $unknown)->{out}, "$ids[0] pulled " . sha512_hex('alpha') . "\n", 'get prints what is there';
};

subtest 'time' => sub {
    my $done = $client->run('run', $files[0], '-n', 12345, '--timeout', 1);
    is $done->{code}, 6, 'run without a worker: exit code 6';
    like $done->{err}, qr/1 of 1 items are not done yet\n.*to go on: \S+hashmill run \S+ -n 12345 --timeout 1\n/s, 'and how to go on';
    my $running = $client->start('run', $files[0], '-n', 12345);
    ok $mill->wait_parked(1), 'run waits';
    $done = $client->end($running, 'INT');
    is $done->{code}, 130, 'Ctrl-C: exit code 130';
    like $done->{err}, qr/stay in the queue; to go on: \S+hashmill run \S+ -n 12345\n/, 'and how to go on';
    is $mill->state_of($client->run('put', $files[0], '-n', 12345)->{out} =~ s/\n//r), 'waiting', 'the item is still there';
    $running = $client->start('wait', '--job', 'default');
    ok $mill->wait_parked(1), 'wait waits';
    is $client->end($running, 'HUP')->{code}, 130, 'the terminal is closed: exit code 130';
};

subtest 'the fleet' => sub {
    my $worker = $mill->start_worker(WORKER_NAME => 'here');
    my $workers;
    ok wait_until(20, sub { ($workers = $client->run('workers')->{out}) =~ /^here-/m }), 'workers';
    like $workers, qr/^here-[0-9a-f]+\t-\t2\t\S+\t\d+\t\d+\t20\S+Z$/m, 'have these columns';
    like $client->run('workers', '--json')->{out}, qr/^\{"type":"worker","name":"here-/m, 'workers --json';
    is $client->run('decisions')->{code}, 0, 'decisions';
    my $url = $mill->url;
    prints($client->run('admin', 'pause', 'intake'), ["$url paused: intake"], 'admin pause');
    is $client->run('put', $files[0], '-n', 99, '--timeout', 1)->{code}, 5, 'put while the intake is paused: exit code 5';
    prints($client->run('admin', 'resume', 'intake', '--json'), [qq({"type":"paused","node":"$url","paused":[]})], 'admin resume --json');
    is $client->run('admin', 'release', 'nobody')->{code}, 3, 'admin release of nobody: exit code 3';
    my $done = $client->run('admin', 'pause', 'nothing');
    is $done->{code}, 2, 'admin pause of nothing: exit code 2';
    like $done->{err}, qr/intake, leasing or scaling/, 'and what there is';
};

subtest 'help' => sub {
    my ($help) = $client->run('--help')->{out};
    for my $verb ($help =~ /^  ([a-z]+) .*   /mg) {
        like $client->run($verb, '--help')->{out}, qr/\Ahashmill $verb: .+\n\nusage: hashmill $verb\b/, "$verb --help";
    }
    like $client->run('--version')->{out}, qr/\Ahashmill \d/, '--version';
};

finish();
