# HTTP/1.1 messages (RFC 9112) and what RFC 9110 says of methods, targets and replies, on both listeners: what is
# understood, and that nothing is stored for a message that two readers could read differently.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use JSON::PP ();
use Test::More;
use Hashmill;
use Hashmill::FastCGI;

use constant ROUNDS => 10; # of clients that go

my $mill = Hashmill->start(LEASE_SECONDS => 600);
my $worker_port = $mill->{port} + 1;
my $close = "Host: localhost\r\nConnection: close\r\n";
my $put = "PUT /enqueue?iterations=5 HTTP/1.1\r\n";

# The whole answer to these bytes; half: the sending side is shut after them.
sub answer_to ($bytes, %options) {
    my $socket = $mill->connection($options{port} // $mill->{port});
    print {$socket} $bytes;
    $socket->flush;
    shutdown $socket, 1 if $options{half};
    local $/ = undef;
    return readline($socket) // '';
}

# The statuses in an answer, in their order.
sub statuses ($answer) { return join ' ', $answer =~ m{HTTP/1\.1 (\d+) }g }

sub status_of ($bytes, %options) { return statuses(answer_to($bytes, %options)) }

# A refusal closes the connection, and its body is a problem.
sub refused ($status, $name, $bytes, %options) {
    my ($head, $body) = split /\r\n\r\n/, answer_to($bytes, %options), 2;
    my $problem = eval { JSON::PP::decode_json($body // '') };
    my $inside = ref $problem eq 'HASH' ? $problem->{status} // 'none' : 'no problem';
    is +($head =~ m{^HTTP/1\.1 (\d+)})[0] . ' ' . $inside, "$status $status", $name;
    return $head;
}

sub count_items { my $items = $mill->stats->{items}; my $sum = 0; $sum += $_ for values %$items; return $sum }

# A worker's call with a bad body, so that refusals before the body is read can be told apart.
sub worker_call ($lines, $body = '{}') {
    return "POST /results HTTP/1.1\r\n${close}Authorization: Bearer $mill->{token}\r\n${lines}\r\n$body";
}

# A lease for one item, as a worker sends it.
sub lease_request ($seconds) {
    my $body = JSON::PP::encode_json({ protocol => 1, request => uuid(), items => 1, iterations => 100,
        wait => $seconds, worker => $mill->worker_fields });
    return "POST /lease HTTP/1.1\r\n${close}Authorization: Bearer $mill->{token}\r\nContent-Length: " . length($body)
        . "\r\n\r\n$body";
}

subtest 'a client that shuts its sending side' => sub {
    my $before = count_items();
    my $answer = answer_to("$put${close}Content-Length: 3\r\n\r\nabc", half => 1);
    is statuses($answer), 201, 'is told that its item is stored';
    my ($id) = $answer =~ /"id":"([^"]+)"/;
    is count_items(), $before + 1, 'which it is, once';
    is status_of("$put${close}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", half => 1), 201, 'in chunks';
    is status_of("PUT /enqueue?iterations=5 HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", half => 1), 201, 'by HTTP/1.0';
    is status_of("GET $_ HTTP/1.1\r\n$close\r\n", half => 1), 200, "GET $_" for '/healthz', '/stats', "/items/$id",
        "/items/$id?wait=0", "/items/$id?%77ait=1";
    is status_of("HEAD /items/$id?wait=5 HTTP/1.1\r\n$close\r\n", half => 1), 200, 'HEAD, which does not wait';
    is status_of("POST /pullCompleted?top=1 HTTP/1.1\r\n$close\r\n", half => 1), 200, 'POST /pullCompleted';
    is status_of("DELETE /items/$id HTTP/1.1\r\n$close\r\n", half => 1), 204, 'DELETE /items/ID';
    is status_of("GET /x HTTP/1.1\r\n$close\r\n", half => 1), 404, 'an error';
    is status_of(worker_call("Content-Length: 2\r\n"), half => 1, port => $worker_port), 400, 'POST /results';
};

# Whoever has gone cannot be told from who has shut its sending side: on a long poll both are forgotten.
subtest 'a client that goes from a long poll' => sub {
    $mill->work_all;
    my $id = $mill->new_item('is looked at', 5);
    $mill->lease(iterations => 100);
    for my $half (0, 1) {
        my $socket = $mill->connection;
        print {$socket} "GET /items/$id?wait=30 HTTP/1.1\r\n$close\r\n";
        $socket->flush;
        ok $mill->wait_parked(1), 'a look is parked';
        $half ? shutdown $socket, 1 : close $socket;
        ok $mill->wait_parked(0), $half ? 'and forgotten when its client shuts its sending side' : 'and when it goes';
    }
    my $right = 0;
    for my $half ((0, 1) x (ROUNDS / 2)) {
        my $goes = $mill->connection($worker_port);
        print {$goes} lease_request(25);
        $goes->flush;
        $mill->wait_parked(1) or last;
        $half ? shutdown $goes, 1 : close $goes;
        $mill->wait_parked(0) or last;
        my $item = $mill->new_item("after who goes", 5);
        $right += (answer_to(lease_request(25), port => $worker_port) =~ /"items":\[\{"id":"([^"]+)/)[0] eq $item;
    }
    is $right, ROUNDS, 'what comes later is leased to a worker that is there, every time';
    $right = 0;
    for (1 .. ROUNDS) {
        my $item = $mill->new_item('there before', 5);
        $right++, next if answer_to(lease_request(0), port => $worker_port, half => 1) =~ /\Q$item/; # it was quicker
        $right += (answer_to(lease_request(25), port => $worker_port) =~ /"items":\[\{"id":"([^"]+)/)[0] eq $item;
    }
    is $right, ROUNDS, 'and what was there before';
};

subtest 'methods and targets' => sub {
    my $before = count_items();
    like refused(405, 'TRACE', "TRACE /healthz HTTP/1.1\r\n$close\r\n"), qr/^Allow: /m, 'Allow';
    unlike answer_to("TRACE /healthz HTTP/1.1\r\n${close}Secret: s3cret\r\n\r\n"), qr/s3cret/, 'which returns nothing';
    like refused(405, 'OPTIONS', "OPTIONS /enqueue HTTP/1.1\r\n$close\r\n"), qr/^Allow: PUT\r?$/m,
        'Allow says what there is';
    refused(400, 'OPTIONS *', "OPTIONS * HTTP/1.1\r\n$close\r\n");
    refused(400, 'CONNECT', "CONNECT x:80 HTTP/1.1\r\n$close\r\n");
    refused(400, 'a method in small letters', "get /healthz HTTP/1.1\r\n$close\r\n");
    is status_of("GET http://another.example/healthz HTTP/1.1\r\n$close\r\n"), 200, 'the absolute form';
    for my $target ('/health z', "/healthz\x01", 'healthz', "/healthz\x7f") {
        refused(400, 'no target: ' . $target =~ s/[^ -~]/./gr, "GET $target HTTP/1.1\r\n$close\r\n");
    }
    is count_items(), $before, 'nothing is stored';
};

subtest 'versions' => sub {
    is status_of("GET /healthz HTTP/1.0\r\n\r\n"), 200, 'HTTP/1.0';
    is status_of("PUT /enqueue?iterations=5 HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"), 201,
        'which knows no 100 Continue';
    is status_of("GET /healthz HTTP/1.2\r\n$close\r\n"), 200, 'a later HTTP/1.x';
    refused(501, 'HTTP/2 without TLS', "GET /healthz HTTP/2.0\r\n$close\r\n");
    refused(400, 'its preface', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    refused(400, 'no version', "GET /healthz HTTP/\r\n$close\r\n");
    unlike answer_to("PUT /enqueue?iterations=5\r\n\r\nabc"), qr/"id"/, 'HTTP/0.9 stores nothing';
};

subtest 'Host' => sub {
    my %bad = ('none' => '', 'empty' => "Host:\r\n", 'two' => "Host: a\r\nHost: b\r\n",
        'one twice' => "Host: a\r\nHost: a\r\n",
        'no host' => "Host: a/b\r\n");
    for my $port ($mill->{port}, $worker_port) {
        refused(400, "$_, port $port", "GET /healthz HTTP/1.1\r\nConnection: close\r\n$bad{$_}\r\n", port => $port)
            for sort keys %bad;
    }
    my $answer = answer_to("$put${close}Content-Length: 3\r\n\r\nabc" =~ s/Host: localhost/Host: evil.example/r);
    unlike $answer, qr/evil/, 'no reply is made from it';
};

subtest 'header lines' => sub {
    my %bad = ('a blank before the colon' => 'Content-Digest : x', 'a folded line' => "X: a\r\n b",
        'a tab folds, too' => "X: a\r\n\tb",
        'a NUL' => "X: a\0b", 'a lone CR' => "X: a\rb", 'a control character in a name' => "X\x01: a");
    my $before = count_items();
    for my $name (sort keys %bad) {
        refused(400, $name, "$put${close}$bad{$name}\r\nContent-Length: 3\r\n\r\nabc");
        refused(400, "$name, worker listener", worker_call("$bad{$name}\r\nContent-Length: 2\r\n"), port => $worker_port);
    }
    refused(400, 'a folded first line',
        "PUT /enqueue?iterations=5 HTTP/1.1\r\n X: a\r\n${close}Content-Length: 3\r\n\r\nabc");
    is count_items(), $before, 'nothing is stored';
    is status_of("$put${close}$_\r\nContent-Length: 3\r\n\r\nabc"), 201, "$_: dropped"
        for 'Content-Digest', 'Content(Digest: x', 'Idempotency_Key: a b', 'If_Match: "x"';
    is status_of("\r\n$put${close}Content-Length: 3\r\n\r\nabc"), 201, 'an empty line before a request is skipped';
    is status_of("$put${close}Content-Length: 3\r\n\r\nabc" =~ s/\r\n/\n/gr), 201, 'a bare LF ends a line';
};

subtest 'Content-Length' => sub {
    my $before = count_items();
    for my $length ('-1', '+3', '3, 3', '0x3', '3x', '', '3 3', '99999999999999999999999', "3\r\nContent-Length: 3",
        "3\r\nContent-Length: 4")
    {
        refused(400, "\"$length\"" =~ s/[^ -~]/./gr, "$put${close}Content-Length: $length\r\n\r\nabc");
        refused(400, 'worker listener', worker_call("Content-Length: $length\r\n"), port => $worker_port);
    }
    refused(400, 'none: no body', "$put${close}\r\n");
    refused(400, 'none by HTTP/1.0: no body', "PUT /enqueue?iterations=5 HTTP/1.0\r\n\r\nabc", half => 1);
    is answer_to("$put${close}Content-Length: 5\r\n\r\nabc", half => 1), '', 'a body that ends early is not answered';
    is count_items(), $before, 'nothing is stored';
};

subtest 'Transfer-Encoding' => sub {
    my $before = count_items();
    my $chunks = "3\r\nabc\r\n0\r\n\r\n";
    my %bad = ("with Content-Length" => [400, "Content-Length: 3\r\nTransfer-Encoding: chunked"],
        'before Content-Length' => [400, "Transfer-Encoding: chunked\r\nContent-Length: 3"],
        'twice' => [400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"],
        'twice in a line' => [501, 'Transfer-Encoding: chunked, chunked'],
        'gzip' => [501, 'Transfer-Encoding: gzip, chunked'],
        'identity' => [501, "Transfer-Encoding: identity"], 'another' => [501, 'Transfer-Encoding: xchunked'],
        'with a tab' => [501, "Transfer-Encoding: \tchunked"]);
    for my $name (sort keys %bad) {
        my ($status, $lines) = $bad{$name}->@*;
        refused($status, $name, "$put${close}$lines\r\n\r\n$chunks");
        refused($status, "$name, worker listener", worker_call("$lines\r\n", "2\r\n{}\r\n0\r\n\r\n"), port => $worker_port);
    }
    refused(400, 'by HTTP/1.0', "PUT /enqueue?iterations=5 HTTP/1.0\r\n${close}Transfer-Encoding: chunked\r\n\r\n$chunks");
    is count_items(), $before, 'nothing is stored';
    is status_of("$put${close}Transfer-Encoding: ChunKed\r\n\r\n$chunks"), 201, 'in any letters';
};

subtest 'chunks' => sub {
    my $before = count_items();
    my $chunked = "$put${close}Transfer-Encoding: chunked\r\n\r\n";
    my %bad = ('0x' => "0x3\r\nabc\r\n0\r\n\r\n", 'negative' => "-3\r\nabc\r\n0\r\n\r\n",
        'no number' => "x\r\nabc\r\n0\r\n\r\n",
        'over 64 bits' => "10000000000000003\r\nabc\r\n0\r\n\r\n", 'nearly 64 bits' => "fffffffffffffff\r\nabc\r\n0\r\n\r\n",
        'too long for its size' => "3\r\nabcd\r\n0\r\n\r\n");
    refused(400, $_, $chunked . $bad{$_}) for sort keys %bad;
    is answer_to("${chunked}3\r\nab", half => 1), '', 'one that ends early is not answered';
    is answer_to("${chunked}3\r\nabc\r\n", half => 1), '', 'nor a body without its last';
    is count_items(), $before, 'nothing is stored';
    like answer_to("${chunked}1;a=b;c=\"d\"\r\na\r\n2;x\r\nbc\r\n0;y\r\n\r\n"), qr/"digest":"ddaf35a193617aba/,
        'extensions are ignored';
    like answer_to("${chunked}3\r\nabc\r\n0\r\nContent-Digest: junk\r\nX: y\r\n\r\n"), qr/"digest":"ddaf35a193617aba/,
        'and so are trailers';
};

subtest 'connections' => sub {
    my $one = "${put}Host: localhost\r\nContent-Length: 3\r\n\r\nabc";
    my $last = "GET /healthz HTTP/1.1\r\n$close\r\n";
    my $before = count_items();
    is status_of("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n$one$one$last"), '404 201 201 200', 'pipelined: in their order';
    is status_of("$one${last}$one"), '201 200', 'what follows Connection: close is not read';
    is count_items(), $before + 3, 'as many are stored';
    is statuses(answer_to("$one$last", half => 1)), '201 200', 'also for a client that shuts its sending side';
    like answer_to($last), qr/^Connection: close\r?$/m, 'close is said';
    is status_of("${put}Host: localhost\r\nContent-Length: 0\r\nConnection: Transfer-Encoding\r\n\r\n$one$last"), '400 201 200',
        'a body of no bytes is none of the next request';
    is status_of("POST /pullCompleted?top=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($one) . "\r\n\r\n$one$last"),
        '200 200', 'a request inside a body is no request';
    like status_of("${put}Host: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$one"), qr/^400$/,
        'nothing is read behind a message of two lengths';
};

subtest 'replies' => sub {
    my $id = $mill->new_item('replies', 5);
    my ($head) = answer_to("HEAD /items/$id HTTP/1.1\r\n$close\r\n");
    my ($get, $body) = split /(?<=\r\n\r\n)/, answer_to("GET /items/$id HTTP/1.1\r\n$close\r\n"), 2;
    s/^(?:Date|X-Request-Id): \N+\n//mg for $head, $get;
    is $head, $get, 'HEAD has the header fields of GET and no body';
    is +($get =~ /^Content-Length: (\d+)/m)[0], length $body, 'Content-Length';
    for my $bytes ($put . "${close}Content-Length: 3\r\n\r\nabc", "GET /x HTTP/1.1\r\n$close\r\n",
        "GET /healthz HTTP/1.1\r\n$close\r\n",
        "DELETE /items/$id HTTP/1.1\r\n$close\r\n", "GET / HTTP/1.1\r\n\r\n")
    {
        my $answer = answer_to($bytes);
        like $answer, qr/^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r?$/m, 'Date';
        like $answer, qr/^Cache-Control: no-store\r?$/m, 'Cache-Control';
        unlike $answer, qr/^(?:ETag|Last-Modified|Set-Cookie|Accept-Ranges|Content-Encoding|Vary): /mi,
            'and no field that promises more';
    }
    for my $socket (qw(public-wait public)) {
        my $peer = fcgi_connect("$mill->{settings}{RUN_DIR}/$socket.sock");
        $peer->syswrite(fcgi_begin(REQUEST_METHOD => 'GET', DOCUMENT_URI => '/stats', QUERY_STRING => '') . fcgi_body(''));
        is +(fcgi_reply($peer))[0], $socket eq 'public' ? 200 : 421, "GET /stats on $socket.sock";
    }
    my $none = answer_to("DELETE /items/$id HTTP/1.1\r\n$close\r\n");
    like $none, qr/^HTTP\/1\.1 204 [^\r]+\r\n(?:(?!Content-Length|Transfer-Encoding)\N+\n)+\r\n\z/,
        '204 has no body and no length';
};

finish();
