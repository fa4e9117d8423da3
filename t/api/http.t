# What holds for every call: paths, methods, parameters, limits and the form of errors. The log has
# no error at the end although every request here is a mistake.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(time);
use Hashmill;

my $mill = Hashmill->start;
my $id = $mill->new_item('item', 5);

subtest 'paths' => sub {
    for my $path ('/', '/x', '/enqueue/', '/Enqueue', '/enqueue/x', '/item', '/items/', "/items/$id/", "/items/$id/x",
        '/pullcompleted', '/healthz/', '/lease', '/results', '/retire', '/peer/x',
        '/x/%2e%2e/etc/passwd', '/.problem/413')
    {
        is_problem($mill->get($path), 404, "GET $path");
    }
    is_problem($mill->call('POST', "/$_", content => '{}'), 404, "POST /$_ on the public listener")
        for qw(lease results retire);
    is_problem($mill->worker_call($_, '{}'), 404, "$_ on the worker listener")
        for '/enqueue', '/pullCompleted', "/items/$id", '/stats', '/x';
};

subtest 'methods' => sub {
    my %allowed = ('/enqueue?iterations=5' => 'PUT', '/pullCompleted?top=1' => 'POST',
        "/items/$id" => 'GET, HEAD, DELETE', '/healthz' => 'GET, HEAD', '/stats' => 'GET, HEAD');
    for my $path (sort keys %allowed) {
        my %allow = map { $_ => 1 } split /, /, $allowed{$path};
        for my $method (grep { !$allow{$_} } qw(GET HEAD PUT POST DELETE PATCH OPTIONS FROB)) {
            my $reply = $mill->call($method, $path, content => $method =~ /GET|HEAD/ ? '' : 'x');
            if ($method eq 'HEAD') { is $reply->status, 405, "HEAD $path" }
            else                   { is_problem($reply, 405, "$method $path") }
            is_deeply { map { $_ => 1 } split /, */, $reply->header('allow') // '' }, \%allow, 'Allow';
        }
    }
    my $reply = $mill->{http}->request('GET', $mill->worker_url . '/lease',
        { headers => { Authorization => "Bearer $mill->{token}" } });
    is_problem(Hashmill::Reply->new($reply, 'worker'), 405, 'GET /lease');
    is $reply->{headers}{allow}, 'POST', 'Allow';
    is $mill->stats->{items}{waiting}, 1, 'nothing happened';
};

subtest 'parameters' => sub {
    for my $call (['GET', "/items/$id?x=1"], ['GET', "/items/$id?wait=0&x"], ['GET', "/items/$id?wait=0%"],
        ['GET', "/items/$id?wait=%zz"], ['DELETE', "/items/$id?force=1"], ['DELETE', "/items/$id?wait=1"],
        ['GET', '/stats?x=1'], ['GET', '/healthz?x'], ['GET', '/stats?' . 'x&' x 1000],
        ['POST', '/pullCompleted?top=1&x=1'], ['PUT', '/enqueue?iterations=5&x=1'])
    {
        is_problem($mill->call(@$call, content => $call->[0] eq 'PUT' ? 'x' : ''), 400, substr "@$call", 0, 80);
    }
    for my $query ('iterations', 'iterations=', '=', '=5', 'iterations=5&=', 'iterations=5&=5', 'iterations=5;',
        'iterations=5%26', 'iterations=5&iterations=5', 'iterations=5&iterations', 'iterations=5&%00', 'iterations%00=5',
        'iterations=+5', 'iterations=5+', 'iterations+=5', '&', '', 'iterations=5&+', 'iterations=5&&x', '?iterations=5',
        'iterations=5&%26')
    {
        is_problem($mill->call('PUT', "/enqueue?$query", content => 'x'), 400, "?$query");
    }
    is $mill->state_of($id), 'waiting', 'nothing happened';
    is $mill->stats->{items}{waiting}, 1, 'nothing was stored';
};

subtest 'empty pieces of a query' => sub {
    for my $query ('iterations=1&', '&iterations=1', '&&iterations=1&&', 'iterations=%31&') {
        is $mill->call('PUT', "/enqueue?$query", content => 'x')->status, 201, "?$query";
    }
    is scalar $mill->call('POST', "/pullCompleted?$_")->json->@*, 1, "?$_"
        for 'top=1&', '&top=1', 'top=1&&order=latest', '&order=oldest&top=1&';
    is $mill->get($_)->status, 200, $_ for '/stats?', '/stats?&', '/healthz?&&probe=live&', "/items/$id?", "/items/$id?&";
    is $mill->get("/items/$id?$_")->json->{state}, 'waiting', "?$_" for 'wait=1&', '&wait=1', '&&wait=1&&', 'wait=0&';
};

subtest 'a wait on the short pool' => sub {
    # nginx sends ?%77ait= there; as many of them as there are processes must not block it.
    my $begin = time;
    my @states = map { $_->[0] } parallel(6, sub { $mill->get("/items/$id?%77ait=30")->json->{state} });
    is_deeply \@states, [('waiting') x 6], 'is answered with the state as it is';
    cmp_ok time - $begin, '<', 15, 'at once';
    is_problem($mill->get("/items/$id?%77ait=31"), 400, 'after the same checks');
    is $mill->get("/items/$id?wait=%30")->json->{state}, 'waiting', 'wait=%30 is wait=0';
};

subtest 'limits of nginx' => sub {
    is_problem($mill->call('PUT', '/enqueue?iterations=5', content => 'x' x 300_000), 413, 'a large body');
    is_problem($mill->call('POST', '/pullCompleted?top=1', content => 'x' x 100_000), 413, 'a body that nobody needs');
    is_problem($mill->get('/' . 'x' x 20_000), 414, 'a long path');
    is_problem($mill->get('/healthz', 'X-Long' => 'x' x 20_000), 431, 'a long header field');
    my @chunks = ('x' x 10_000) x 30;
    is_problem($mill->call('PUT', '/enqueue?iterations=5', content => sub { shift @chunks }), 413,
        'a large chunked body');
    is $mill->stats->{items}{waiting}, 1, 'nothing was stored';
};

subtest 'a server that is away' => sub {
    my $away = Hashmill->start;
    $away->expect_log(qr/connect\(\) to unix:/);
    $away->{server_may_be_gone} = 1;
    $away->{server}->kill('KILL');
    $away->{server}->wait_exit(10);
    is_problem($away->call('PUT', '/enqueue?iterations=5', content => 'x' x $_), 503, "a body of $_ bytes") for 1, 20_000, 262_144;
    is_problem($away->get('/stats'), 503, 'no body');
    is_problem($away->get('/items/' . uuid() . $_), 503, "a look$_") for '', '?wait=0', '?wait=5';
    is_problem($away->worker_call('/results', ' ' x 500_000), 503, "a worker's body");
};

subtest 'nginx needs no disk' => sub {
    my $sound = Hashmill->start;
    for my $name (qw(body fastcgi)) {
        rmdir "$sound->{dir}/nginx/$name" or die;
        spew("$sound->{dir}/nginx/$name", 'no directory: a temporary file cannot be made');
    }
    my $body = 'x' x 262_144;
    my @chunks = unpack '(a1000)*', $body;
    is $sound->enqueue($body, 1)->status, 201, 'for the largest body';
    is $sound->call('PUT', '/enqueue?iterations=1', content => sub { shift @chunks })->status, 201,
        'nor when it comes in pieces';
    $sound->new_item("item $_", 1) for 1 .. 998;
    is scalar $sound->pull(1000)->json->@*, 1000, 'nor for the largest reply';
};

subtest 'no HTTP at all' => sub {
    my $put = "PUT /enqueue?iterations=5 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    for my $bytes ("x\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "\0" x 100, "\x16\x03\x01\x02\0\n", "${put}Content-Length: -1\r\n\r\n",
        "${put}Content-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxx",
        "${put}Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    {
        my $answer = $mill->raw_request($bytes);
        unlike $answer, qr{^HTTP/1\.1 2}, 'no success for ' . $bytes =~ s/[^ -~]/./gr;
    }
    is $mill->stats->{items}{waiting}, 1, 'nothing was stored';
    is $mill->enqueue('still here', 5)->status, 201, 'the next one is served';
};

subtest 'what a client sends does not come back raw' => sub {
    my $reply = $mill->get('/items/%22%3Cscript%3E%0d%0aX-Evil:%201');
    is_problem($reply, 404, 'a path with quotes and line breaks');
    is $reply->header('x-evil'), undef, 'makes no header';
    is_problem($mill->get('/stats?%22%0a%00%ff=1'), 400, 'a parameter with odd bytes');
};

subtest 'replies' => sub {
    for my $path ('/healthz', '/stats', "/items/$id", '/x') {
        my $reply = $mill->get($path);
        is $reply->header('cache-control'), 'no-store', "$path: not to be cached";
        is $reply->header('server'), 'nginx', 'no version of anything';
        like $reply->content, qr/[^\n]\n\z/, 'ends with a line break';
    }
};

finish();
