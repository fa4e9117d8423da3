# Header fields of requests. Several lines of one name are one value (RFC 9110, 5.2 and 5.3), with any version of nginx.
# Fields that change the meaning of the body, or the condition for storing it, are obeyed or refused, never ignored.
# Fields that ask for a form of the reply are weighed.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha256 sha512);
use MIME::Base64 qw(encode_base64);
use Test::More;
use JSON::PP ();
use Hashmill;
use Hashmill::FastCGI;

my $mill = Hashmill->start;
my $worker_port = $mill->{port} + 1;
my @stored;

sub field ($algorithm, $digest) { return "$algorithm=:" . encode_base64($digest, '') . ':' }

# One request with lines of header fields, its body abc unless the lines say otherwise; the answer's status, type and
# the whole of it.
sub ask ($method, $path, $lines, $port = $mill->{port}, $body = 'abc') {
    my $socket = $mill->connection($port);
    print {$socket} join "\r\n", "$method $path HTTP/1.1", 'Host: localhost', 'Connection: close',
        'Content-Length: ' . length $body, @$lines, '', $body;
    local $/ = undef;
    my $answer = readline($socket) // '';
    my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)};
    my ($type) = $answer =~ m{^Content-Type: ([^\r]+)}m;
    push @stored, $answer =~ m{^Location: (\S+)}m;
    return ($status // 0, $type // 'none', $answer);
}

sub put ($iterations, @lines) { return ask('PUT', "/enqueue?iterations=$iterations", \@lines) }

# The answer is a problem that a client can read, whatever the client has sent.
sub refused ($status, $name, @answer) {
    my ($head, $body) = split /\r\n\r\n/, $answer[2], 2;
    my $problem = eval { JSON::PP::decode_json($body // '') };
    my $inside = ref $problem eq 'HASH' ? $problem->{status} // 'none' : 'no problem';
    is "$answer[0] $answer[1] " . $inside, "$status application/problem+json $status", $name;
    return $head;
}

sub count_items { my $items = $mill->stats->{items}; my $sum = 0; $sum += $_ for values %$items; return $sum }

# The server's answer when nginx passes the lines as these FastCGI parameters.
sub fastcgi (%parameters) {
    my $peer = fcgi_connect("$mill->{settings}{RUN_DIR}/public.sock");
    $peer->syswrite(fcgi_begin(REQUEST_METHOD => 'PUT', DOCUMENT_URI => '/enqueue', QUERY_STRING => 'iterations=5',
        CONTENT_LENGTH => 3, %parameters) . fcgi_body('abc') . fcgi_body(''));
    return (fcgi_reply($peer))[0];
}

# The two ways in which nginx hands over lines: several parameters before 1.23, one joined later.
sub both (@lines) { return (\@lines, join ', ', @lines) }

my $good_256 = field('sha-256', sha256('abc'));
my $good_512 = field('sha-512', sha512('abc'));
my $bad_256 = field('sha-256', sha256('abd'));
my $bad_512 = field('sha-512', sha512('abd'));

subtest 'Content-Digest on several lines' => sub {
    my $before = count_items();
    refused(400, 'the second is wrong', put(5, "Content-Digest: $good_256", "Content-Digest: $bad_512"));
    refused(400, 'the first is wrong', put(5, "Content-Digest: $bad_256", "Content-Digest: $good_512"));
    refused(400, 'the third is wrong',
        put(5, "Content-Digest: x=:QQ:", "content-digest: $good_256", "CONTENT-DIGEST: $bad_512"));
    refused(400, 'the second is none', put(5, "Content-Digest: $good_256", 'Content-Digest: junk'));
    refused(400, 'the second is empty', put(5, "Content-Digest: $good_256", 'Content-Digest:'));
    refused(400, 'a member is cut', put(5, 'Content-Digest: ' . substr($good_256, 0, 20),
        'Content-Digest: ' . substr $good_256, 20));
    is count_items(), $before, 'nothing is stored';
    is +(put(5, "Content-Digest: $good_256", "Content-Digest: $good_512"))[0], 201, 'both are right';
    is fastcgi(HTTP_CONTENT_DIGEST => $_), 400, 'wrong by any nginx' for both($good_256, $bad_512);
    is fastcgi(HTTP_CONTENT_DIGEST => $_), 201, 'right by any nginx' for both($good_256, $good_512);
};

subtest 'Idempotency-Key on several lines' => sub {
    my $before = count_items();
    my %twice = ('two keys' => ['one', 'two'], 'one key twice' => ['one', 'one'], 'an empty one behind' => ['one', ''],
        'an empty one before' => ['', 'one'], 'three' => ['', 'one', ''], 'two empty ones' => ['', '']);
    for my $name (sort keys %twice) {
        my @lines = map { "Idempotency-Key: $_" } $twice{$name}->@*;
        refused(400, "enqueue: $name", put(5, @lines));
        refused(400, "pull: $name", ask('POST', '/pullCompleted?top=1', \@lines));
        is fastcgi(HTTP_IDEMPOTENCY_KEY => $_), 400, "$name by any nginx" for both($twice{$name}->@*);
    }
    is count_items(), $before, 'nothing is stored';
    my @ids = map { (put(5, "Idempotency-Key:$_"))[2] =~ /"id":"([^"]+)/ } ' a,b', "\ta,b\t ", 'a,b';
    is_deeply \@ids, [($ids[0]) x 3], 'blanks around a key are no part of it, a comma is';
};

subtest 'Accept' => sub {
    my %type = (
        'text/plain' => ['text/plain'], 'text/plain;q=0' => ['text/plain;q=0'],
        'JSON with 0' => ['application/json;q=0, text/plain'], 'JSON with less' => ['application/json;q=0.1, text/plain'],
        'text with less' => ['text/plain;q=0.1, application/json'],
        'two lines' => ['image/png', 'text/plain'], 'a line that takes back' => ['text/plain', 'application/json'],
        'weights on lines' => ['application/json;q=0.5', 'text/plain;q=0.7'], 'nothing acceptable' => ['image/png'],
        'neither' => ['*/*;q=0'],
    );
    my %plain = map { $_ => 1 } 'text/plain', 'JSON with 0', 'JSON with less', 'two lines', 'weights on lines';
    for my $name (sort keys %type) {
        my @lines = map { "Accept: $_" } $type{$name}->@*;
        my $wanted = $plain{$name} ? 'text/plain' : 'application/json';
        is_deeply [(put(5, @lines))[0, 1]], [201, $wanted], "enqueue: $name";
        is_deeply [(ask('POST', '/pullCompleted?top=1', \@lines))[0, 1]], [200, $wanted], "pull: $name";
        is fastcgi(HTTP_ACCEPT => $_), 201, "$name by any nginx" for both($type{$name}->@*);
    }
    is_deeply [(ask('GET', '/stats', ['Accept: text/plain']))[0, 1]], [200, 'application/json'],
        'what is JSON only is JSON';
    refused(404, 'a problem is a problem', ask('GET', '/x', ['Accept: text/plain']));
    is +(put(5, 'Accept-Encoding: identity;q=0, gzip', 'Accept-Charset: x', 'Accept-Language: tlh'))[0], 201,
        'codings, charsets and languages are disregarded';
};

subtest 'a part of a body' => sub {
    my $before = count_items();
    for my $value ('bytes 6-8/9', 'bytes 0-2/3', 'bytes */3', 'x', '') {
        refused(400, "Content-Range: $value", put(5, "Content-Range: $value"));
    }
    refused(400, 'on two lines', put(5, 'Content-Range: bytes 0-1/5', 'Content-Range: bytes 2-4/5'));
    refused(400, "a worker's", ask('POST', '/results', ["Authorization: Bearer $mill->{token}",
        'Content-Range: bytes 0-1/2'], $worker_port, '{}'));
    is count_items(), $before, 'nothing is stored';
    is +(put(5, 'Range: bytes=0-1', 'If-Range: "x"'))[0], 201, 'Range means nothing on PUT';
    is +(ask('DELETE', $stored[-1], ['Content-Range: bytes 0-2/9']))[0], 204, 'nor this without a body to read';
};

subtest 'Content-Encoding' => sub {
    my $before = count_items();
    my %bad = ('gzip' => ['gzip'], 'in capitals' => ['GZIP'], 'unknown' => ['aws-chunked'], 'two' => ['identity, br'],
        'on two lines' => ['identity', 'gzip'], 'the first' => ['gzip', 'identity'], 'odd' => ["\xff\"\\"],
        'longer' => ['identityx']);
    for my $name (sort keys %bad) {
        my $head = refused(415, $name, put(5, map { "Content-Encoding: $_" } $bad{$name}->@*));
        like $head, qr/^Accept-Encoding: identity\r?$/m, 'Accept-Encoding';
        is fastcgi(HTTP_CONTENT_ENCODING => $_), 415, "$name by any nginx" for both($bad{$name}->@*);
    }
    refused(415, "a worker's", ask('POST', '/lease', ["Authorization: Bearer $mill->{token}", 'Content-Encoding: gzip'],
        $worker_port, '{}'));
    is count_items(), $before, 'nothing is stored';
    is +(put(5, "Content-Encoding: $_"))[0], 201, "\"$_\" is no coding" for 'identity', 'Identity, identity', '';
    is +(put(5, "Content-Type: $_"))[0], 201, "the body may be $_" for 'text/html;charset=x', 'multipart/form-data', '';
};

subtest 'Expect' => sub {
    my $before = count_items();
    for my $value ('x', 'x=y', '100-continue, x', '200-ok', '100-continues', "\"\xff") {
        refused(417, $value =~ s/[^ -~]/./gr, put(5, "Expect: $value"));
    }
    is fastcgi(HTTP_EXPECT => $_), 417, 'on two lines by any nginx' for both('100-continue', 'x');
    refused(417, 'on GET', ask('GET', '/healthz', ['Expect: x']));
    refused(417, "a worker's", ask('POST', '/lease', ["Authorization: Bearer $mill->{token}", 'Expect: x'], $worker_port,
        '{}'));
    is count_items(), $before, 'nothing is stored';
    for my $value ('100-continue', '100-Continue') {
        like +(put(5, "Expect: $value"))[2], qr{^HTTP/1\.1 100 Continue\r\n\r\nHTTP/1\.1 201 }, "$value is met";
    }
    is fastcgi(HTTP_EXPECT => $_), 201, 'a repeated one' for both('100-continue', '100-continue');
    refused(413, 'a body announced as too large is refused without 100',
        ask('PUT', '/enqueue?iterations=5', ['Expect: 100-continue'], $mill->{port}, 'x' x 262_145));
};

subtest 'conditions' => sub {
    my $id = $mill->new_item('conditions', 5);
    my $before = count_items();
    my @authorized = "Authorization: Bearer $mill->{token}";
    for my $condition ('If-Match: "x"', 'If-Match: W/"x"', 'If-Match: "x", *', 'If-Match:', 'If-Match: x') {
        refused(412, "enqueue, $condition", put(5, $condition));
        refused(412, "pull, $condition", ask('POST', '/pullCompleted?top=1', [$condition]));
        refused(412, "many, $condition", ask('POST', '/items', ['Content-Type: application/x-ndjson', $condition]));
        refused(412, "cancel, $condition", ask('DELETE', "/items/$id", [$condition]));
        refused(412, "lease, $condition", ask('POST', '/lease', [@authorized, $condition], $worker_port, '{}'));
    }
    refused(412, 'enqueue, If-Match: *', put(5, 'If-Match: *'));
    refused(412, 'many, If-None-Match: *', ask('POST', '/items', ['Content-Type: application/x-ndjson', 'If-None-Match: *']));
    refused(412, 'cancel, If-None-Match: *', ask('DELETE', "/items/$id", ['If-None-Match: *']));
    is count_items(), $before, 'nothing is stored';
    is $mill->state_of($id), 'waiting', 'nothing is cancelled';
    is fastcgi(HTTP_IF_MATCH => $_), 412, 'several lines by any nginx' for both('"x"', '"y"');

    my @dates = ('If-Modified-Since: Sun, 29 Nov 2099 10:00:00 GMT', 'If-Unmodified-Since: Sun, 29 Nov 1998 10:00:00 GMT');
    for my $condition ('If-None-Match: *', 'If-None-Match: "x"', @dates) {
        is +(put(5, $condition))[0], 201, "enqueue, $condition: holds or is ignored";
    }
    for my $condition ('If-None-Match: "x"', 'If-Range: "x"', 'Range: bytes=0-1', @dates) {
        is +(ask('GET', "/items/$id", [$condition]))[0], 200, "look, $condition: the whole item";
    }
    for my $path ('/items', "/items/$id", "/items/$id?wait=0", "/items/$id?%77ait=1", "/items/$id?wait=1", '/healthz', '/stats') {
        refused(412, "$path, If-Match", ask('GET', $path, ['If-Match: "x"']));
        like +(ask('GET', $path, ['If-None-Match: *']))[2], qr{^HTTP/1\.1 304 (?:\N+\n)+\r\n\z},
            "$path, If-None-Match: *: 304 without a body";
        is +(ask($_, $path, ['If-Match: *']))[0], 200, "$_ $path, If-Match: *" for 'GET', 'HEAD';
    }
    refused(404, "an unknown item is unknown, $_", ask('GET', '/items/' . uuid(), [$_]))
        for 'If-Match: "x"', 'If-None-Match: *';
    is +(ask('DELETE', "/items/$id", ['If-Match: *', 'If-None-Match: "x"']))[0], 204, 'cancel, If-Match: *: it is there';
};

subtest 'Authorization' => sub {
    my $right = "Authorization: Bearer $mill->{token}";
    my $body = '{"protocol":1,"worker":{"name":"w","cores":1,"kernel":"k","rate":0}}';
    my $retire = sub (@lines) { return (ask('POST', '/retire', \@lines, $worker_port, $body))[0] };
    is $retire->($right), 204, 'one line';
    is $retire->("authorization:\t bearer  $mill->{token}\t "), 204, 'blanks around it';
    like $retire->($right, $right), qr/^40[01]$/, 'two lines';
    like $retire->('Authorization: Bearer x', $right), qr/^40[01]$/, 'a wrong one before';
    like $retire->($right, 'Authorization: Bearer x'), qr/^40[01]$/, 'a wrong one behind';
    is $retire->("Authorization: Bearer $mill->{token}, Bearer x"), 401, 'two in one';
    for my $value (map { both(@$_) } ["Bearer $mill->{token}", 'x'], ["Bearer $mill->{token}", '']) {
        my $peer = fcgi_connect("$mill->{settings}{RUN_DIR}/worker.sock");
        $peer->syswrite(fcgi_begin(REQUEST_METHOD => 'POST', DOCUMENT_URI => '/retire', CONTENT_LENGTH => length $body,
            HTTP_AUTHORIZATION => $value) . fcgi_body($body) . fcgi_body(''));
        is +(fcgi_reply($peer))[0], 401, 'two lines by any nginx';
    }
};

subtest 'what is ignored' => sub {
    for my $line ('Prefer: respond-async, wait=5, handling=strict', 'TE: trailers, gzip', 'Trailer: Content-Digest',
        'Cookie: a=b', 'From: x', 'Referer: x', 'Max-Forwards: 0', 'Cache-Control: only-if-cached',
        'Pragma: no-cache', 'Upgrade: h2c', 'X-HTTP-Method-Override: DELETE', 'Forwarded: for=x', 'Idempotency_Key: a b',
        'Content-Language: x', 'Content-Location: /x', 'Content-Disposition: x', 'Digest: SHA-256=x', 'Content-MD5: x', "X-Odd: \xff\"\\")
    {
        is_deeply [(put(5, $line))[0, 1]], [201, 'application/json'], $line =~ s/[^ -~]/./gr;
    }
};

finish();
