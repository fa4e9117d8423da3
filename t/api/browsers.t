# What the pages of other sites can have a browser do: read nothing, and change nothing. By which names a node is
# called, and what its operator is told while everybody may call it.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::FastCGI;
use Hashmill::Keys;

my $mill = Hashmill->start(HOSTS => 'mill.example, Other.example');
my $host = "127.0.0.1:$mill->{port}";
my $id = $mill->new_item('item', 5);

# The answer to a request with these header lines.
sub answer ($of, $method, $path, @lines) {
    return $of->raw_request(join "\r\n", "$method $path HTTP/1.1", 'Connection: close', 'Content-Length: 0', @lines, '', '');
}

sub status_of ($answer) { return $answer =~ m{\AHTTP/1\.1 (\d+) } ? $1 : 0 }
sub problem_of ($answer) { return $answer =~ /"urn:hashmill:problem:([a-z-]+)"/ ? $1 : '' }

# Asserts that it is refused, with nothing for the page of another site in it.
sub refused ($answer, $problem, $name) {
    is status_of($answer) . ' ' . problem_of($answer), "403 $problem", $name;
    unlike $answer, qr/^Access-Control-/mi, "$name: no page may read it";
    return;
}

my %foreign = (
    'a cross-site request' => ['Sec-Fetch-Site: cross-site'],
    'with its own Origin besides' => ['Sec-Fetch-Site: cross-site', "Origin: http://$host"],
    'another Origin' => ['Origin: http://evil.example'],
    'a page without one' => ['Origin: null'],
    'another port' => ['Sec-Fetch-Site: same-site', 'Origin: http://127.0.0.1:1'],
    'two of them' => ["Origin: http://$host", "Origin: http://$host"],
    'an empty one' => ['Origin:'],
);
my %own = (
    'a program' => [],
    'a page of its own' => ['Sec-Fetch-Site: same-origin', "Origin: http://$host"],
    'an old browser' => ["Origin: http://$host"],
    'a person' => ['Sec-Fetch-Site: none'],
    'a site beside it, of the same Origin' => ['Sec-Fetch-Site: same-site', "Origin: http://$host"],
);

subtest 'calls that change something' => sub {
    for my $name (sort keys %foreign) {
        refused(answer($mill, @$_, "Host: $host", $foreign{$name}->@*), 'cross-site', "$name: @$_")
            for ['PUT', '/enqueue?iterations=1'], ['POST', '/pullCompleted?top=1'], ['DELETE', "/items/$id"],
                ['OPTIONS', '/enqueue?iterations=1'], ['POST', '/x'];
        is status_of(answer($mill, $_, "/items/$id", "Host: $host", $foreign{$name}->@*)), 200, "$name may $_" for qw(GET HEAD);
    }
    for my $name (sort keys %own) {
        is status_of(answer($mill, 'POST', '/pullCompleted?top=1', "Host: $host", $own{$name}->@*)), 200, $name;
    }
    is status_of(answer($mill, 'POST', '/pullCompleted?top=1', 'Host: localhost:80', 'Origin: http://localhost')), 200,
        'the default port need not be named';
    is_deeply $mill->stats->{items}, { $mill->stats->{items}->%*, waiting => 1 }, 'no refused call has done anything';
    is $mill->state_of($id), 'waiting', 'not to the item either';
    is_problem($mill->call('PUT', '/enqueue?iterations=1', content => 'x' x 200_000,
        headers => { Origin => 'http://evil.example' }), 403, 'a large body');
    unlike $mill->get('/stats', Origin => 'http://evil.example', 'Sec-Fetch-Site' => 'cross-site')->{headers}{$_} // '',
        qr/./, "$_ is not sent" for qw(access-control-allow-origin access-control-allow-methods);
    is $mill->worker_call('/lease', { protocol => 1, request => uuid(), items => 1, iterations => 1, wait => 0,
        worker => Hashmill::worker_fields() }, Origin => 'http://evil.example')->status, 200,
        'the calls of workers need their token, and nothing else';
};

subtest 'parts of a page' => sub {
    for my $site (qw(cross-site same-site)) {
        refused(answer($mill, 'GET', $_, "Host: $host", "Sec-Fetch-Site: $site", 'Sec-Fetch-Dest: object'), 'cross-site', "$site: $_")
            for "/items/$id", "/items/$id?wait=1", '/stats';
        is status_of(answer($mill, 'HEAD', '/stats', "Host: $host", "Sec-Fetch-Site: $site", 'Sec-Fetch-Dest: empty')), 403, "$site: HEAD";
        is status_of(answer($mill, 'GET', '/stats', "Host: $host", "Sec-Fetch-Site: $site", 'Sec-Fetch-Mode: navigate',
            'Sec-Fetch-Dest: document')), 200, "$site: a link";
    }
    is status_of(answer($mill, 'GET', '/stats', "Host: $host", "Sec-Fetch-Site: $_", 'Sec-Fetch-Dest: empty')), 200, "$_ may have them"
        for qw(same-origin none);
};

subtest 'names' => sub {
    for my $known ($host, '192.0.2.1', '[::1]:8080', 'localhost', 'a.localhost:1', 'mill.example', 'MILL.example:80',
        'other.example')
    {
        is status_of(answer($mill, 'GET', '/stats', "Host: $known")), 200, "Host: $known";
    }
    for my $path ('/stats', "/items/$id", "/items/$id?wait=1", '/x') {
        refused(answer($mill, 'GET', $path, "Host: $_"), 'foreign-host', "Host: $_, $path")
            for 'evil.example', "evil.example:$mill->{port}", 'a.mill.example';
    }
    my @rebound = ('Host: evil.example', 'Origin: http://evil.example', 'Sec-Fetch-Site: same-origin');
    refused(answer($mill, 'POST', '/pullCompleted?top=1', @rebound), 'foreign-host', 'a name that was made to lead here');
    like answer($mill, 'GET', '/stats', @rebound), qr/address.*HOSTS.*KEYS/, 'and says what to do';
    is status_of(answer($mill, 'GET', '/healthz', 'Host: evil.example')), 200, '/healthz has every name';
    is status_of($mill->raw_request("GET /stats HTTP/1.0\r\n\r\n")), 200, 'HTTP/1.0 needs none';
    refused($mill->raw_request("GET http://127.0.0.1/stats HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        'foreign-host', 'Host counts beside the absolute form');
};

# The answer to GET /stats that came in at this address of the machine.
sub called_at ($address) {
    my $peer = fcgi_connect("$mill->{settings}{RUN_DIR}/public.sock");
    $peer->syswrite(fcgi_begin(REQUEST_METHOD => 'GET', DOCUMENT_URI => '/stats', QUERY_STRING => '',
        REMOTE_ADDR => '192.0.2.9', SERVER_ADDR => $address) . fcgi_body(''));
    return (fcgi_reply($peer))[0];
}

sub warnings { return [$mill->server_log =~ / warn: (the listener for clients is open at .*)/g] }

subtest 'an open listener' => sub {
    is called_at($_), 200, "called at $_" for '127.0.0.1', '127.9.9.9', '::1', 'unix:';
    is_deeply warnings(), [], 'this machine is no reason to warn';
    called_at('192.0.2.1') for 1 .. 20; # by several processes
    is scalar warnings()->@*, 1, 'a call over a network is, once';
    like warnings()->[0], qr/at 192\.0\.2\.1: .*set KEYS.*127\.0\.0\.1/, 'with what to do';
    $mill->move_clock(steady_ms => 3_599_000);
    called_at('192.0.2.1');
    is scalar warnings()->@*, 1, 'not before an hour has gone';
    $mill->move_clock(steady_ms => 3_601_000);
    called_at('2001:db8::1') for 1 .. 20;
    is scalar warnings()->@*, 2, 'then it says so again';
};

subtest 'with KEYS' => sub {
    my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    key_file("$dir/keys", 'client alice');
    my $before = warnings()->@*;
    ok $mill->reload(KEYS => "$dir/keys"), 'reloaded';
    unlike answer($mill, 'GET', '/stats', 'Host: evil.example'), qr/foreign-host/, 'every name is taken: a page has no key';
    refused(answer($mill, 'POST', '/pullCompleted?top=1', "Host: $host", 'Origin: null'), 'cross-site', 'another site still is not');
    called_at('192.0.2.1');
    is scalar warnings()->@*, $before, 'and nobody is warned';
};

subtest 'HOSTS' => sub {
    for my $bad ('http://mill.example', 'mill.example:80', 'mill.example,*.example', "m\xc3\xbcll.example") {
        $mill->write_settings(HOSTS => $bad);
        my ($code, $said) = $mill->command('-t');
        is $code, 1, "-t refuses $bad";
        like $said, qr/HOSTS: ".*" must be a name/, 'and says why';
    }
    $mill->write_settings(HOSTS => '');
    is +($mill->command('-t'))[0], 0, 'none is fine';
};

finish();
