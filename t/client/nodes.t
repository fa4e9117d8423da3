# Which node hashmill asks, with which key, and when again.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use File::Temp qw(tempdir);
use IO::Socket::INET ();
use POSIX ();
use Test::More;
use Hashmill;
use Hashmill::Client;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client ben iterations_max=10', 'client few items=3', 'client idle work=100', 'operator olga', 'viewer vera');
my $mill = Hashmill->start(KEYS => "$dir/keys", ITERATIONS_MAX => 1_000_000_000_000, key => $key{olga});
my $url = $mill->url;
my %as = map { $_ => Hashmill::Client->new($mill, key => $key{$_}) } keys %key;
my $ann = $as{ann};
my @files = $ann->files(map { +"file$_" => "body $_" } 1 .. 3);
my @values = map { sha512_hex("body $_") } 1 .. 3;

# A node that a test plays: what it does with a request is in the file "$dir/mode": swallow it, hold it, or answer POST /items
# with ids, after N seconds of "Retry-After" (mode "later N", once), or after a full queue of N, N - 1 ... 1 items ("full N"); or
# answer anything with a text ("say TEXT"), or be no hashmill ("foreign"). Each body goes to "$dir/seen".
sub fake_node {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16) // die "listen: $!";
    my $test = $$;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        eval { serve($listener) while getppid == $test };
        POSIX::_exit(0);
    }
    return ($pid, 'http://127.0.0.1:' . $listener->sockport);
}

sub serve ($listener) {
    my $socket = $listener->accept // return;
    my ($head, $body) = ('', '');
    while (defined(my $line = readline $socket)) { $head .= $line; last if $line eq "\r\n" }
    read $socket, $body, $head =~ /^Content-Length: (\d+)/mi ? $1 : 0;
    my $mode = slurp("$dir/mode") // '';
    spew("$dir/seen", (slurp("$dir/seen") // '') . $body);
    wait_until(60, sub { (slurp("$dir/mode") // '') ne 'hold' }) if $mode eq 'hold';
    return if $mode =~ /^(?:hold|swallow)$/;
    my @ids = map { "{\"id\":\"$_\"}\n" } map { s/^(.{8})(....)(....)(....)(.{12})$/$1-$2-$3-$4-$5/r } $body =~ /"key":"([0-9a-f]{32})"/g;
    my ($status, $content) = ('200 OK', join '', @ids);
    if ($mode =~ /^later (\d+)/) {
        ($status, $content) = ("503 Later\r\nRetry-After: $1", '{"type":"urn:hashmill:problem:queue-full","detail":"The queue is full."}');
        unlink "$dir/mode";
    }
    elsif ($mode =~ /^full (\d+)/) {
        ($status, $content) = ('503 Full', qq({"type":"urn:hashmill:problem:queue-full","detail":"The queue has $1 items."}));
        $1 > 1 ? spew("$dir/mode", 'full ' . ($1 - 1)) : unlink "$dir/mode";
    }
    $content = $1 if $mode =~ /^say (.*)/;
    ($status, $content) = ('404 Not Found', '<h1>Not Found</h1>') if $mode eq 'foreign';
    print {$socket} "HTTP/1.1 $status\r\nConnection: close\r\nContent-Length: " . length($content) . "\r\n\r\n$content";
    close $socket;
    return;
}

sub seen { my $seen = slurp("$dir/seen") // ''; unlink "$dir/seen"; return $seen }
sub silent_port { my ($port) = free_port_pair(); return "http://127.0.0.1:$port" }

subtest 'keys' => sub {
    is $ann->run('put', @files, '-n', 1)->{code}, 0, 'a client puts';
    is_deeply [sort $ann->lines($ann->run('ls', '-q'))], [sort $ann->lines($ann->run('put', @files, '-n', 1))], 'and lists what is its own';
    is $as{ben}->run('ls')->{out}, '', 'another client has nothing';
    my ($id) = $ann->lines($ann->run('ls', '-q'));
    is $as{ben}->run('get', $id)->{code}, 3, 'to it the item is unknown: exit code 3';
    for my $verb (['ls'], ['get', $id], ['put', @files, '-n', 2], ['pull'], ['rm', $id], ['run', @files, '-n', 2], ['wait', $id],
        ['workers'], ['decisions'], ['admin', 'pause', 'intake']) {
        my $done = $ann->run({ env => { HASHMILL_KEY_FILE => '' } }, @$verb, '--job', 'no-key') if $verb->[0] =~ /^(?:put|run)$/;
        $done //= $ann->run({ env => { HASHMILL_KEY_FILE => '' } }, @$verb);
        is $done->{code}, 4, "$verb->[0] without a key: exit code 4";
        like $done->{err}, qr/\Ahashmill: .+ Name the file with it by --key-file or KEY_FILE\.$/m, 'and what to do';
    }
    is $as{vera}->run('put', @files, '-n', 1)->{code}, 4, 'a viewer puts nothing';
    is $as{vera}->run('workers')->{code}, 0, 'and sees the workers';
    is $ann->run('workers')->{code}, 4, 'which a client does not';
    is $as{olga}->run('ls', '-q', '--client', 'ann')->{out}, $ann->run('ls', '-q')->{out}, '--client, for an operator';
    is $ann->run('ls', '--client', 'ben')->{code}, 4, 'not for a client';
    my $done = $as{ben}->run('put', @files, '-n', 11);
    is $done->{code}, 1, 'a quota that waiting does not help: exit code 1';
    $done = $as{idle}->run('put', @files, '-n', 102);
    is $done->{code}, 1, 'more work than a quota ever has room for: exit code 1';
    like $done->{err}, qr/\A(?:hashmill: .*: An item with 102 iterations is never taken .*use fewer.*\n){3}\z/, 'at once, and why';
    is $as{idle}->run('put', @files, '-n', 102, '--send-body', '--job', 'bodies')->{code}, 1, 'also of bodies';
    my ($few) = $as{few}->files(last => 'the last');
    is $as{few}->run('put', @files, '-n', 1)->{code}, 0, 'as much as a quota allows';
    $done = $as{few}->run('put', $few, '-n', 1, '--timeout', 1);
    is $done->{code}, 5, 'a quota that may have room later: exit code 5';
    like $done->{err}, qr/trying again, first in.*\n.*--timeout is over/, 'and why';
};

subtest 'the file of the key' => sub {
    my $file = "$ann->{dir}/key";
    chmod 0644, $file;
    my $done = $ann->run('ls');
    is $done->{code}, 2, 'readable by others: exit code 2';
    like $done->{err}, qr/may be read or changed by others \(mode 0644.*chmod 600/, 'and the remedy';
    chmod 0600, $file;
    is $ann->run({ env => { HASHMILL_KEY_FILE => '' } }, 'ls', '--key-file', $file)->{code}, 0, '--key-file';
    is $ann->run('ls', '--key-file', "$file-none")->{code}, 2, 'a file that is not there';
    spew($file, "two words\n");
    is $ann->run('ls')->{code}, 2, 'a file that holds no key';
    spew($file, 'k' x 300);
    is $ann->run('ls')->{code}, 2, 'or more than a key can have';
    spew($file, "wrong\n");
    $done = $ann->run('ls');
    is $done->{code}, 4, 'a key that is none';
    like $done->{err}, qr/not known at this node .* file that --key-file or KEY_FILE names/, 'and where it comes from';
    spew($file, "$key{ann}\n");
    is $ann->run('ls', '--url', 'http://example.net')->{code}, 2, 'a key does not go over plain http to another machine';
};

subtest 'settings' => sub {
    mkdir "$ann->{dir}/config";
    mkdir "$ann->{dir}/config/hashmill";
    local $ann->{env} = { $ann->{env}->%* };
    delete $ann->{env}->@{qw(HASHMILL_URL HASHMILL_KEY_FILE)};
    spew("$ann->{dir}/config/hashmill/config", "URL=$url\nKEY_FILE=$ann->{dir}/key\n");
    is $ann->run('ls')->{code}, 0, 'those of the config file';
    is $ann->run({ env => { HASHMILL_URL => silent_port() } }, 'ls', '--timeout', 1)->{code}, 5, 'the environment wins';
    is $ann->run({ env => { HASHMILL_URL => silent_port() } }, 'ls', '--url', "$url/")->{code}, 0, 'and --url over that';
    spew("$ann->{dir}/config/hashmill/config", "URLS=$url\n");
    my $done = $ann->run('ls');
    is $done->{code}, 2, 'a setting that is none: exit code 2';
    like $done->{err}, qr/config line 1: URLS is not a setting/, 'and where';
    unlink "$ann->{dir}/config/hashmill/config";
};

subtest 'nodes in turn' => sub {
    my $silent = silent_port();
    my $done = $ann->run('put', @files, '-n', 1, '--job', 'turn', '--url', "$silent,$url");
    is $done->{code}, 0, 'the second node takes what the first does not';
    like $done->{err}, qr/\Ahashmill: \Q$silent\E: .*; going on with \Q$url\E\n\z/, 'which is said once';
    is $ann->run('pull', '-q', '--url', "$silent $url")->{code}, 0, 'pull, too';
    is $ann->run('pull', '--out', "$dir/out", '--url', $silent, '--timeout', 1)->{code}, 5, 'pull of a node that does not answer';
    is $ann->run('pull', '--out', "$dir/out")->{code}, 0, 'may go on at another';
    $done = $ann->run('put', @files, '-n', 2, '--job', 'turn', '--url', $silent, '--timeout', 1);
    is $done->{code}, 5, 'no node answers: exit code 5';
    $done = $ann->run('put', @files, '-n', 2, '--job', 'turn', '--url', $url);
    is $done->{code}, 0, 'what no node has got goes to another';
    is $ann->run('rm', $ann->lines($done))->{code}, 0, 'and is there';
    is $ann->run('put', @files, '-n', 10_000_000_000_000, '--job', 'refused')->{code}, 1, 'what a node refuses';
    $done = $ann->run('wait', '--job', 'refused', '--timeout', 1);
    is_deeply [$done->@{qw(code err)}], [0, ''], 'is no item of the job';
};

subtest 'calls to all nodes' => sub {
    my $both = silent_port() . ",$url";
    my $done = $as{olga}->run('admin', 'pause', 'intake', '--url', $both, '--timeout', 2);
    is $done->{code}, 5, 'a node does not answer: exit code 5';
    is $done->{out}, "$url paused: intake\n", 'the other is paused';
    $mill->call('POST', '/admin/resume?what=intake');
    $ann->run('put', @files, '-n', 9, '--job', 'all');
    $done = $ann->run('rm', '--state', 'waiting', '--url', $both, '--timeout', 2);
    is $done->{code}, 5, 'rm --state waiting: exit code 5';
    is $done->{out}, "3\n", 'and what waits at the other is cancelled';
};

subtest 'many that are refused together' => sub {
    my @many = $ann->files(map { +"many$_" => "many $_" } 1 .. 16);
    $mill->call('POST', '/admin/pause?what=intake');
    my $put = $ann->start('put', '--send-body', @many, '-n', 1, '--job', 'together');
    ok wait_until(20, sub { $ann->err($put) =~ /paused.*; trying again/ }), 'all wait';
    $mill->call('POST', '/admin/resume?what=intake');
    my $begun = Time::HiRes::time();
    is $ann->end($put)->{code}, 0, 'and are put';
    cmp_ok Time::HiRes::time() - $begun, '<', 13, 'after its Retry-After: they have failed once, and not sixteen times';
};

my $id = '01a20ad5-c32f-71c5-8024-c9d0da90077a';
subtest 'a node that takes a request and does not answer' => sub {
    my ($pid, $fake) = fake_node();
    spew("$dir/mode", 'foreign');
    for my $verb (['ls'], ['get', '01a20ad5-c32f-71c5-8024-c9d0da90077a']) {
        my $done = $ann->run(@$verb, '--url', $fake);
        is $done->{code}, 1, "$verb->[0] at what is no node: exit code 1, not 3";
        like $done->{err}, qr/status 404 .* is it a hashmill\?/, 'and the question';
    }
    seen();
    spew("$dir/mode", 'hold');
    my $first = $ann->start('put', @files, '-n', 3, '--job', 'swallowed', '--url', "$fake,$url");
    ok wait_until(20, sub { -s "$dir/seen" }), 'has it when the client is killed';
    $ann->end($first, 'KILL');
    spew("$dir/mode", 'swallow');
    my @keys = sort { $a cmp $b } seen() =~ /"key":"([0-9a-f]{32})"/g;
    my $second = $ann->start('put', @files, '-n', 3, '--job', 'swallowed', '--url', "$url,$fake");
    ok wait_until(20, sub { $ann->err($second) =~ /\Q$fake\E: .*; trying again/ }), 'also by the next run, though another node is there';
    is $ann->end($second, 'INT')->{code}, 130, 'which is stopped';
    my ($other) = $ann->files(other => 'another file');
    my $without = $ann->run('put', @files, $other, '-n', 3, '--job', 'swallowed', '--url', $url);
    is $without->{code}, 1, 'without that node: exit code 1';
    like $without->{err}, qr/\A(?:.*was sent to \Q$fake\E, .*name that node in --url.*\n){3}\z/, 'and the remedy';
    is $ann->run('rm', $ann->lines($without))->{code}, 0, 'what was not sent to it is put';
    unlink "$dir/mode";
    my $done = $ann->run('put', @files, '-n', 3, '--job', 'swallowed', '--url', "$url,$fake");
    is $done->{code}, 0, 'until it answers';
    is_deeply [map { s/-//gr } $ann->lines($done)], [map { my $n = $_; grep { $_ eq $n } @keys } map { s/-//gr } $ann->lines($done)],
        'with the keys that it has seen before';
    is $as{olga}->run('ls', '-q', '--state', 'waiting')->{out}, '', 'the other node has nothing of it';
    seen();
    spew("$dir/mode", 'swallow');
    my $fresh = $ann->start('put', @files, '-n', 6, '--job', 'swallowed', '--url', "$fake,$url");
    ok wait_until(20, sub { 2 * @files == (() = (slurp("$dir/seen") // '') =~ /"key"/g) }), 'what it has not answered it gets again';
    is $ann->end($fresh, 'INT')->{code}, 130, 'which is stopped';
    is $as{olga}->run('ls', '-q', '--state', 'waiting')->{out}, '', 'the other node has nothing of that either';
    seen();
    spew("$dir/mode", 'later 2');
    my $begun = Time::HiRes::time();
    is $ann->run('put', @files, '-n', 4, '--job', 'later', '--url', $fake)->{code}, 0, 'later';
    cmp_ok Time::HiRes::time() - $begun, '>=', 2, 'not before Retry-After';
    spew("$dir/mode", 'full 3');
    my $full = $ann->run('put', @files, '-n', 5, '--job', 'later', '--url', $fake);
    is $full->{code}, 0, 'full for a while';
    like $full->{err}, qr/\A.*The queue has 3 items.*trying again.*\n.*answers again.*\n\z/, 'which is said once, whatever the number';
    spew("$dir/mode", 'say {}');
    for my $verb (['get', $id], ['wait', $id], ['ls'], ['pull'], ['rm', '--state', 'waiting']) {
        my $odd = $ann->run(@$verb, '--url', $fake, '--timeout', 20);
        is $odd->{code}, 1, "@$verb of what is no node: exit code 1";
        like $odd->{err}, qr/is it a hashmill/, 'and why';
    }
    kill 'KILL', $pid;
    waitpid $pid, 0;
};

finish();
