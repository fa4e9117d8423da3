# The id of a request: from the client or nginx, in the answer, in problems, in the log and in nginx's access log.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);
use Hashmill;
use Hashmill::FastCGI;
use Hashmill::Util;

my $mill = Hashmill->start(LOG_FORMAT => 'json', LOG_LEVEL => 'debug');
my $access = "$mill->{dir}/nginx/access.log";

# The id in the header of an answer.
sub id_of ($reply) { return $reply->header('x-request-id') // '' }

# The lines of a log that have this id, as objects.
sub lines_of ($file, $id) {
    return grep { ($_->{request} // '') eq $id } map { eval { JSON::PP->new->utf8->decode($_) } // fail("no JSON: $_") }
        split /\n/, slurp($file) // '';
}

# The line of a request in the access log, once nginx has written it.
sub access_of ($id) {
    my @lines;
    wait_until(10, sub { @lines = lines_of($access, $id) });
    return $lines[-1] // {};
}

# What the server has said of it.
sub said_of ($id) { return map { $_->{message} } lines_of("$mill->{dir}/server.log", $id) }

subtest 'whose it is' => sub {
    is id_of($mill->get('/healthz', 'X-Request-Id' => $_)), $_, 'a sane one of the client: ' . substr $_, 0, 9
        for 'a', 'Trace_1.2-3', 'x' x 64;
    for my $bad ('x' x 65, 'a b', 'a"b', 'a/b', 'a, b', '%0a', '{}') {
        my $reply = $mill->get('/healthz', 'X-Request-Id' => $bad);
        is $reply->status, 200, 'one that is not sane is not refused';
        like id_of($reply), qr/^[0-9a-f]{32}$/, 'nginx makes another';
    }
    my ($other) = $mill->raw_request("GET /healthz HTTP/1.0\r\nX-Request-Id: a\xc3\xa4\xff\r\n\r\n") =~ /^X-Request-Id: (.*)\r$/m;
    like $other, qr/^[0-9a-f]{32}$/, 'nor is one with bytes beyond ASCII';
    isnt id_of($mill->get('/healthz')), id_of($mill->get('/healthz')), 'each request without one gets its own';
    like $mill->raw_request("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: one\r\nX-Request-Id: two\r\nConnection: close\r\n\r\n"),
        qr/^X-Request-Id: (?:[0-9a-f]{32}|one)\r$/m, 'of two there is one';
};

subtest 'problems of the server' => sub {
    my $reply = $mill->get('/nothing?secret=s3cr3t', 'X-Request-Id' => 'of-a-problem', Authorization => 'Bearer s3cr3t');
    is is_problem($reply, 404, 'an unknown path')->{request_id}, 'of-a-problem', 'the id is in the problem';
    is id_of($reply), 'of-a-problem', 'and in the header';
    is_deeply [said_of('of-a-problem')], ['GET /nothing is answered 404'], 'and in the log of the process';
    my $line = access_of('of-a-problem');
    is "@$line{qw(method path status address)}", 'GET /nothing 404 127.0.0.1', 'and in the access log';
    ok $line->{seconds} >= 0 && $line->{server_seconds} ne '', 'with how long it took';
    unlike slurp($access), qr/s3cr3t/, 'but neither the query nor the credential';
    my $next = $mill->get('/nothing');
    is id_of($next), $next->json->{request_id}, 'one that nginx made';
    my $other = Hashmill::Reply->new($mill->{http}->request('POST', $mill->worker_url . '/lease', { headers => { 'X-Request-Id' => 'a-worker' } }));
    is is_problem($other, 401, 'a call of workers')->{request_id}, 'a-worker', 'the other listener has it, too';
};

subtest 'problems of nginx' => sub {
    my $large = $mill->call('PUT', '/enqueue?iterations=1', content => 'x' x 262_145, headers => { 'X-Request-Id' => 'too-large' });
    is is_problem($large, 413, 'a large body')->{request_id}, 'too-large', 'the id is in it';
    is id_of($large), 'too-large', 'and in the header';
    is access_of('too-large')->{path}, '/enqueue', 'the access log has the path that was asked for';
    my $inside = $mill->get('/.problem/413');
    is is_problem($inside, 404, 'a page of nginx')->{request_id}, id_of($inside), 'one that nginx made is the same in both';
    my $raw = $mill->raw_request("GET /\x01 HTTP/1.1\r\n\r\n");
    my ($id) = $raw =~ /^X-Request-Id: ([0-9a-f]{32})\r$/m;
    my ($body) = $raw =~ /\r\n\r\n(.*)/s;
    is decode_json($body)->{request_id}, $id, 'so when there is no request at all';
    is access_of($id)->{status}, 400, 'which is in the access log';
};

subtest 'files' => sub {
    is id_of($mill->get($_, 'X-Request-Id' => 'a-file')), 'a-file', $_ for qw(/openapi.yaml /ui/ /ui/main.js /ui/nothing);
    is $mill->get('/ui', 'X-Request-Id' => 'a-file')->{redirects}[0]{headers}{'x-request-id'}, 'a-file', 'a redirect';
};

subtest 'a long poll' => sub {
    my $item = $mill->new_item('waited for', 5);
    my $job = background(sub {
        my $reply = $mill->call('GET', "/items/$item?wait=30", headers => { 'X-Request-Id' => 'a-wait' });
        return ($reply->status, id_of($reply));
    });
    $mill->wait_parked(1);
    my $short = $mill->get("/items/$item?wait=x", 'X-Request-Id' => 'beside-it');
    is is_problem($short, 400, 'another request of the same process')->{request_id}, 'beside-it', 'has its own id';
    $mill->work_all;
    is_deeply [$job->result], [200, 'a-wait'], 'the answer has its id';
    is_deeply [said_of('a-wait')], ["GET /items/$item is answered 200"], 'so has the line in the log';
};

subtest 'a pull that waits' => sub {
    $mill->pull(10); # what there is
    my $job = background(sub { my $reply = $mill->pull(1, wait => 30); return ($reply->status, id_of($reply)) });
    $mill->wait_parked(1);
    $mill->new_item('done at once', 1);
    my ($status, $id) = $job->result;
    is $status, 200, 'it gets an item';
    is_deeply [said_of($id)], [('POST /pullCompleted is answered 200') x 2], 'both processes that had it know it by one id';
};

subtest 'many at once' => sub {
    my $reply = $mill->call('POST', '/items', content => "{}\n", headers => { 'Content-Type' => 'application/x-ndjson' });
    like id_of($reply), qr/^[0-9a-f]{32}$/, 'the id is in the header';
    is_deeply [sort keys decode_json($reply->content)->{problem}->%*], [qw(detail status title type)], 'and not in each line once more';
};

subtest 'without nginx' => sub {
    my $path = "$mill->{settings}{RUN_DIR}/public.sock";
    for my $id ('', 'a b', "a\nb", '"', 'x' x 65) {
        my $socket = fcgi_connect($path);
        $socket->syswrite(fcgi_begin(REQUEST_METHOD => 'GET', DOCUMENT_URI => '/nothing', REQUEST_ID => $id) . fcgi_body(''));
        my ($status, $text) = fcgi_reply($socket);
        is $status, 404, 'an id that is none is no reason to refuse';
        unlike $text, qr{request_id}, 'and is in no problem';
    }
};

subtest 'what is in the access log' => sub {
    my $item = $mill->new_item('nobody computes it', 5);
    my $wait = background(sub { $mill->call('GET', "/items/$item?wait=2", headers => { 'X-Request-Id' => 'a-long-wait' })->status });
    my ($writer) = $mill->children('writer');
    $mill->wait_parked(1);
    kill 'STOP', $writer;
    my $slow = background(sub { $mill->enqueue('slow', 1, 'X-Request-Id' => 'a-slow-one')->status });
    sleep 1.3; # of nginx's time, which the test cannot move
    kill 'CONT', $writer;
    is_deeply [$slow->result], [201], 'a request that took long';
    cmp_ok access_of('a-slow-one')->{seconds}, '>', 1, 'is there';
    is_deeply [$wait->result], [200], 'a wait that took long';
    is $mill->enqueue('fine', 1, 'X-Request-Id' => 'all-is-well')->status, 201, 'an enqueue';
    $mill->get('/nothing', 'X-Request-Id' => 'the-last');
    access_of('the-last');
    is scalar(lines_of($access, $_)), 0, "$_ is not there" for qw(all-is-well a-wait a-long-wait);
};

finish();
