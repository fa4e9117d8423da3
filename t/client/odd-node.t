# hashmill asks what is no node, or a broken one: it takes no reply for what it is not, prints nothing that commands a
# terminal, and does not ask without a pause.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use JSON::PP ();
use Test::More;
use Hashmill;
use Hashmill::Client;
use Hashmill::OddNode;

my ($id, $other) = map { "01a20ad5-c32f-71c5-8024-c9d0da90077$_" } 'a', 'b';
my $value = 'ab' x 64;
my $json = JSON::PP->new->ascii->canonical;
my $esc = "\e[2J\x{9b}2J\n\x{202e}";

# Runs hashmill against a node that answers so. The requests are in its {requests}.
sub asked ($answer, @arguments) {
    my $node = Hashmill::OddNode->start(ref $answer ? $answer : sub ($) { (200, $answer) });
    my $client = Hashmill::Client->new(undef, url => $node->url);
    $client->files(a => 'alpha', b => 'beta');
    my $done = $client->run({ cwd => $client->dir }, @arguments);
    $done->{requests} = [$node->requests];
    $done->{dir} = $client;
    return $done;
}

sub item (%members) { return $json->encode({ id => $id, state => 'done', iterations => 5, remaining => 0, value => $value, %members }) }

subtest 'what a node does not say' => sub {
    my $page = '<html>Welcome to our network</html>';
    my @cases = (
        (map { ['a page of a portal', $page, @$_] } ['get', $id], ['wait', $id], ['ls'], ['pull'], ['rm', $id],
            ['workers'], ['top'], ['top', '--json'], ['admin', 'pause', 'intake'], ['admin', 'release', 'x'], ['put', 'a', '-n', 5],
            ['put', 'a', '-n', 5, '--send-body'], ['run', 'a', '-n', 5]),
        (map { ['another item', item(id => $other), $_, $id] } 'get', 'wait'),
        (map { ['an object for a list', '{}', $_] } 'ls', 'pull'),
        (map { ['a list for an object', '[1]', @$_] } ['get', $id], ['top', '--json'], ['admin', 'pause', 'intake']),
        ['no id', '{"state":"done"}', 'get', $id],
        (map { my $odd = $_; map { ["$odd->[0] that is none", $odd->[1], @$_] } ['get', $id], ['wait', $id] }
            ['a state', item(state => $esc)], ['a time', item(enqueued_at => $esc)], ['a value', item(value => $esc)],
            ['a value of another length', item(value => 'abcd')], ['a number', item(iterations => -5)], ['a number', '{"id":"' . $id . '","iterations":1e400}'],
            ['a number', '{"id":"' . $id . '","iterations":9223372036854775807}'], ['a number', item(iterations => 5, remaining => 6)]),
        (map { my $odd = $_; map { ['a list with such', "[$odd]", $_] } 'pull', 'ls' } item(value => $esc), item(id => '../../etc/passwd')),
        ['a page that is the next', sub ($) { (200, '[]', "Link: </items?limit=1000>; rel=\"next\"") }, 'ls'],
    );
    for my $case (@cases) {
        my ($name, $answer, @arguments) = @$case;
        my $done = asked($answer, @arguments);
        is "$done->{code} $done->{out}", '1 ', "$name, $arguments[0]: exit code 1, and nothing is printed";
        like $done->{err}, qr/the reply is not what a node says; is it a hashmill\?\n\z/, 'and why';
    }
    is asked($page, 'rm', '--state', 'waiting')->{code}, 1, 'rm --state, too';
};

subtest 'lines of POST /items' => sub {
    my $line = "{\"id\":\"$id\"}\n";
    for my $answer ($line, $line x 3, "$line\n", "$line\0$line", "$line\{\"id\":\"" . ('x' x 36) . "\"}\n") {
        my $done = asked($answer, 'put', 'a', 'b', '-n', 5);
        is $done->{code}, 1, 'not one for each file: exit code 1';
        like $done->{out}, qr/\A(?:$id\n)+\z/, 'an id that was there';
    }
    my $done = asked($line . $json->encode({ problem => { status => 500, detail => "odd$esc" } }) . "\n", 'put', 'a', 'b', '-n', 5);
    is $done->{code}, 1, 'a 500 for one line: exit code 1';
    is $done->{err}, 'hashmill: b: odd\x1b[2J\xc2\x9b2J\x0a\xe2\x80\xae' . "\n", 'what it says of it commands no terminal';
};

subtest 'what is printed' => sub {
    my $odd = $json->encode({ fleet => { workers => [{ name => "w$esc" }] }, paused => ["p$esc"] });
    is asked($odd, 'workers', '-q')->{out}, "w?[2J??2J????\n", 'workers';
    like asked($odd, 'admin', 'pause', 'intake')->{out}, qr/ paused: p\?\[2J\?\?2J\?\?\?\?\n\z/, 'admin';
    for my $stats ('{}', "{\n \"a\" :\r\n [1,\n2]}\n", $odd) {
        my $out = asked($stats, 'top', '--json')->{out};
        is_deeply $json->decode($out =~ s/\n\z//r), { type => 'stats', $json->decode($stats)->%* }, 'top --json: valid JSON';
        unlike $out, qr/[\n\r]./, 'in one line';
    }
};

subtest 'a node that does not hold its replies' => sub {
    my $done = asked(item(state => 'leased', remaining => 1) =~ s/"value":"\w+"/"strikes":0/r, 'wait', $id, '--timeout', 2);
    is $done->{code}, 6, 'wait: exit code 6';
    cmp_ok scalar($done->{requests}->@*), '<', 12, 'does not ask without a pause';
    $done = asked('[]', 'pull', '-f', '--timeout', 2);
    is $done->{code}, 5, 'pull -f: exit code 5';
    cmp_ok scalar($done->{requests}->@*), '<', 12, 'does not, either';
    for my $status (410, 422) {
        $done = asked(sub ($) { ($status, '{"detail":"The batch is gone."}') }, 'pull', '--timeout', 5);
        is "$done->{code} " . $done->{requests}->@*, '1 1', "pull: a $status to a new key is not asked for again";
    }
};

subtest 'numbers near the end of all numbers' => sub {
    my $most = 9007199254740991;
    my @ids = map { sprintf '01a20ad5-c32f-71c5-8024-%012x', $_ } 1 .. 2000;
    my $list = '[' . join(',', map { qq({"id":"$_","state":"leased","iterations":$most,"remaining":1,"rate":1e308,"eta_seconds":1e308}) } reverse @ids) . ']';
    my $done = asked(sub ($request) { (200, $request->{line} =~ m{/items/(\S+)\?} ? item(id => $1, state => 'waiting', value => '') : $list) },
        'wait', @ids, '--timeout', 2, '--progress', 'line');
    is $done->{code}, 6, 'many such items: exit code 6';
    like $done->{err}, qr/^hashmill: 0 of 2000 items, .*ETA/m, 'and a line of progress';
};

subtest 'replies that have no end, or none that can be read' => sub {
    for my $reply ("no HTTP\n", "HTTP/1.1 100 Continue\r\n\r\n" x 20_000, "HTTP/1.1 200 OK\r\n" . "X: y\r\n" x 100_000, "HTTP/1.1 200 OK\r\n\r\n" . ' ' x 2_000_000,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") {
        my $done = asked(sub ($) { $reply }, 'ls', '--timeout', 1);
        is $done->{code}, 5, 'such a reply: exit code 5';
        like $done->{err}, qr/trying again.*--timeout is over\n\z/s, 'and why';
    }
    my $whole = "HTTP/1.1 200 OK\r\nContent-Length: 46\r\nConnection: close\r\n\r\n{\"id\":\"$id\"}\n";
    for my $length (grep { $_ % 5 == 0 } 1 .. length($whole) - 1) {
        my $done = asked(sub ($) { state $count = 0; $count++ ? $whole : substr $whole, 0, $length }, 'put', 'a', '-n', 5);
        my %keys = map { $_->{body} =~ /"key":"(\w+)"/ ? ($1 => 1) : () } $done->{requests}->@*;
        is "$done->{code} $done->{out}" . keys %keys, "0 $id\n1", "one that is cut after $length bytes is asked for again, with its key";
    }
    my $busy = asked(sub ($) { state $count = 0; (429, '{"detail":"Busy for ' . $count++ . ' s."}') }, 'ls', '--timeout', 2);
    is scalar(() = $busy->{err} =~ /Busy for/g), 1, 'a reason that differs in its number only is said once';
    my $moved = Hashmill::OddNode->start(sub ($) { (200, '[]') });
    my $done = asked(sub ($) { (302, '', 'Location: ' . $moved->url . '/items') }, 'ls');
    is "$done->{code} " . $moved->requests, '1 0', 'one that sends elsewhere is not followed';
};

finish();
