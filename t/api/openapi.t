# docs/openapi.yaml: a valid description, which has the calls of the route table and no others, with their parameters,
# bounds and problems, and which the server's answers fit. That each problem which any other test meets fits, too, is for
# t/support/Hashmill/Reply.pm.

use v5.36;
use Digest::SHA qw(sha512_hex);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;
use Hashmill::Keys;
use Hashmill::OpenApi;

my $root = "$FindBin::Bin/../..";
my $outline = Hashmill::OpenApi::outline();
my $calls = $outline->{calls};

subtest 'the file' => sub {
    is_deeply [Hashmill::OpenApi::faults_of_file()], [], 'is OpenAPI 3.1, and its examples fit';
    my ($version) = slurp("$root/Makefile") =~ /^VERSION := (.*)$/m;
    is $outline->{version}, $version, 'has the version of the program';
};

subtest 'the route table' => sub {
    my %route = map {
        my ($method, $path, $parameters) = /"(\w+)",\s*"([^"]+)",\s*\{(.*?)\}/s;
        ("$method " . $path =~ s!/$!/{id}!r => [sort $parameters =~ /"(\w+)"/g]);
    } slurp("$root/fcgi/api/routes.c") =~ /\{(CALLER_CLIENT,.*?\{.*?\})/gs;
    cmp_ok scalar keys %route, '>=', 12, 'is read';
    is_deeply { map { $_ => [sort keys $calls->{$_}{query}->%*] } keys %$calls }, \%route, 'has these calls with these parameters';
};

subtest 'problems' => sub {
    my %status = slurp("$root/fcgi/http/problem.c") =~ /\] = \{"([a-z-]+)",\s*"[^"]*",\s*(\d+)/g;
    delete @status{qw(protocol quarantined certificate needed superseded peer-alive)}; # of the other listener
    my $nginx = join '', map { slurp("$root/nginx/hashmill-$_.conf") } qw(server public);
    my @by_nginx = $nginx =~ /return (\d+) '\{"type":"urn:hashmill:problem:([a-z-]+)"/g;
    while (my ($status, $name) = splice @by_nginx, 0, 2) { $status{$name} = $status }
    delete $status{certificate};
    is_deeply [sort $outline->{types}->@*], [sort keys %status], 'are those of the server and of nginx';
    my %found;
    for my $problems ($outline->{other}, map { $_->{problems} } values %$calls) {
        for my $status (keys %$problems) { $found{$_}{$status} = 1 for $problems->{$status}->@* }
    }
    is_deeply \%found, { map { $_ => { $status{$_} => 1 } } keys %status }, 'each somewhere, with its status';
};

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client bob items=3 work=5000000 rate=10/20 iterations_max=1000000', 'client carl rate=1/3', 'operator olga', 'viewer vera');
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{ann}, ITERATIONS_MAX => '9007199254740991', REMAINING_MAX => '9007199254740991');
my @answers;

# One call, by whom (undef: nobody); its answer is looked at in the end.
sub ask ($status, $who, $method, $path, %options) {
    $options{headers} = { Authorization => defined $who ? "Bearer $key{$who}" : '', ($options{headers} // {})->%* };
    my $reply = $mill->call($method, $path, %options);
    my $name = "$method " . substr($path, 0, 60) . ' by ' . ($who // 'nobody') . " $status";
    is $reply->status, $status, $name or diag $reply->content;
    push @answers, [$name, $reply];
    return $reply;
}

sub put ($status, $who, $body, $iterations, %headers) {
    return ask($status, $who, 'PUT', "/enqueue?iterations=$iterations", content => $body, headers => \%headers);
}

sub lines ($status, $who, $lines, %headers) {
    return ask($status, $who, 'POST', '/items', content => $lines, headers => { 'Content-Type' => 'application/x-ndjson', %headers });
}

sub line ($iterations) { return '{"digest":"' . sha512_hex(uuid()) . "\",\"iterations\":$iterations}\n" }

subtest 'GET /openapi.yaml' => sub {
    my $file = slurp("$root/docs/openapi.yaml");
    my $call = sub ($method, %headers) { $mill->call($method, '/openapi.yaml', headers => { Authorization => '', %headers }) };
    my $reply = $call->('GET');
    is $reply->status, 200, 'needs no key';
    ok $reply->content eq $file, 'and is answered with the file';
    is $reply->header('content-type'), 'application/yaml', 'as YAML';
    is $reply->header('cache-control'), 'no-cache', 'which may be kept, and is asked for again';
    is $call->('GET', 'If-None-Match' => $reply->header('etag'))->status, 304, 'when it has changed';
    my $head = $call->('HEAD');
    is $head->status . $head->content, 200, 'HEAD is answered, too';
    is $head->header('content-length'), length $file, 'with the length';
    for my $method (qw(POST PUT DELETE)) {
        my $refused = $call->($method);
        is_problem($refused, 405, $method);
        is $refused->header('allow'), 'GET, HEAD', 'and what is allowed';
    }
};

my $id;
subtest 'good calls' => sub {
    $id = put(201, 'ann', 'a', 1000, 'Idempotency-Key' => 'a')->json->{id};
    put(201, 'ann', 'b', 1, Accept => 'text/plain');
    put(201, 'bob', 'c', 1) for 1, 2;
    lines(200, 'ann', line(1000) . line(0) . "\n" . 'x' x 5000 . "\n" . line(1));
    lines(200, 'bob', line(1) . line(1) . line(2e6));
    lines(200, 'carl', line(1) x 4);
    ask(200, $_, 'GET', '/items?limit=1') for qw(ann olga vera);
    ask(200, 'ann', $_, "/items/$id") for qw(GET HEAD);
    ask(200, 'ann', 'GET', '/items?state=done');
    ask(200, 'olga', 'POST', "/admin/$_?what=leasing") for qw(pause resume);
    ask(200, undef, 'GET', '/healthz?probe=live');
    ask(200, $_, 'GET', '/stats') for qw(ann bob olga vera);
    ask(200, 'olga', 'GET', '/stats/history?span=30d');
    ask(304, 'olga', 'GET', '/stats/history', headers => { 'If-None-Match' => '*' });
    ask(304, 'ann', 'GET', $_, headers => { 'If-None-Match' => '*' }) for '/items', "/items/$id", '/stats', '/healthz';
    ask(204, 'ann', 'DELETE', "/items/$id");
    ask(200, 'ann', 'GET', "/items/$id");
    my $count = ask(409, 'ann', 'DELETE', '/items?state=waiting&confirm=0')->json->{count};
    ask(200, 'ann', 'DELETE', "/items?state=waiting&confirm=$count");
    ask(200, 'ann', 'POST', '/pullCompleted?top=1', headers => { 'Idempotency-Key' => 'pull' });
    ask(200, 'bob', 'POST', '/pullCompleted?top=10&order=oldest&wait=1', headers => { Accept => 'text/plain' });
    ask(200, 'olga', 'POST', '/pullCompleted?top=10&client=nobody');
    is +($mill->command('--quarantine', 'walt'))[0], 0, 'a quarantine';
    ask(200, 'olga', 'GET', '/stats');
    ask(204, 'olga', 'POST', '/admin/release?name=walt');
};

subtest 'a worker in the counts' => sub {
    my $worker = $mill->start_worker;
    my $done = put(201, 'ann', 'd', 1000)->json->{id};
    ok wait_until(30, sub { $mill->item($done)->json->{state} eq 'done' }), 'it works';
    ask(200, 'olga', 'GET', '/stats');
    ask(200, 'ann', 'GET', "/items/$done?wait=1");
    ask(409, 'ann', 'DELETE', "/items/$done");
    $mill->stop_workers;
    $mill->{workers} = [];
};

subtest 'bad calls' => sub {
    my $sample = { map { $_ => "/items/$id" } 'GET /items/{id}', 'DELETE /items/{id}' };
    for my $call (sort keys %$calls) {
        my ($method, $path) = split / /, $call;
        $path = $sample->{$call} // $path;
        ask(400, 'olga', $method, "$path?no=such");
        ask(401, undef, $method, $path) if $path ne '/healthz';
        ask(403, 'olga', $method, $path, headers => { 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Dest' => 'image' });
        ask(403, 'vera', $method, $path) if $method ne 'GET';
        ask(414, 'olga', $method, "$path?" . 'x' x 9000);
        ask(417, 'olga', $method, $path, headers => { Expect => 'a miracle' });
        ask(431, 'olga', $method, $path, headers => { Large => 'x' x 9000 });
        ask(412, 'olga', $method, $path, headers => { 'If-Match' => '"a"' }) if $method ne 'GET';
        ask(413, 'olga', $method, $path, content => 'x' x 600_000);
    }
    ask(412, 'ann', 'GET', '/items', headers => { 'If-Match' => '"a"' });
    ask(400, 'ann', 'PUT', '/enqueue?iterations=1', content => 'a', headers => $_)
        for { 'Content-Digest' => 'x' }, { 'Content-Digest' => 'sha-256=:' . 'A' x 43 . '=:' }, { 'Content-Range' => 'bytes 0-1/2' };
    put(400, 'ann', '', 1);
    put(415, 'ann', 'a', 1, 'Content-Encoding' => 'gzip');
    put(422, 'ann', 'another', 1000, 'Idempotency-Key' => 'a');
    put(429, 'bob', 'a', 1_000_001);
    put(201, 'bob', 'a', 1) for 1 .. 3 - ask(200, 'bob', 'GET', '/stats')->json->{items}{done};
    put(429, 'bob', 'a', 1);
    lines(400, 'ann', line(1), 'Idempotency-Key' => 'a');
    lines(400, 'ann', "\n" x 1001);
    lines(415, 'ann', line(1), 'Content-Type' => 'text/plain');
    lines(415, 'ann', line(1), 'Content-Encoding' => 'gzip');
    ask(404, 'ann', 'GET', '/items?after=' . uuid());
    ask(404, 'ann', $_, '/items/' . uuid()) for qw(GET DELETE HEAD);
    ask(403, 'ann', $_->[0], $_->[1]) for ['GET', '/items?client=bob'], ['DELETE', '/items?state=waiting&confirm=0&client=bob'],
        ['POST', '/pullCompleted?top=1&client=bob'], ['POST', '/admin/pause?what=intake'], ['GET', '/stats/history'];
    ask(422, 'ann', 'POST', '/pullCompleted?top=2', headers => { 'Idempotency-Key' => 'pull' });
    ask(400, 'ann', 'POST', '/pullCompleted?top=2', headers => { 'Idempotency-Key' => 'a b' });
    ask(400, 'olga', 'POST', '/pullCompleted?top=2');
    ask(404, 'olga', 'POST', '/admin/release?name=nobody');
    ask(404, 'ann', 'GET', '/nowhere');
    ask(405, 'ann', $_, '/stats') for qw(PUT TRACE);
    ask(200, 'olga', 'POST', '/admin/pause?what=intake');
    put(503, 'ann', 'paused', 1);
    lines(200, 'ann', line(1));
    ask(200, 'olga', 'POST', '/admin/resume?what=intake');
};

# A value that a parameter takes; and those that are just beyond what it takes.
sub good_value ($schema) { return $schema->{const} // ($schema->{enum} // [])->[0] // $schema->{minimum} // ($schema->{format} ? uuid() : 'x') }

sub bad_values ($schema) {
    return 'other' if $schema->{enum} || $schema->{const} || ($schema->{format} // '') eq 'uuid';
    return ($schema->{minimum} - 1, $schema->{maximum} + 1, 'x', '1.5') if $schema->{type} eq 'integer';
    return $schema->{maxLength} ? 'x' x ($schema->{maxLength} + 1) : ('', 'a%0Ab', 'x' x 65);
}

subtest 'bounds of parameters' => sub {
    for my $call (sort keys %$calls) {
        my ($method, $path) = split / /, $call =~ s/\{id\}/$id/r;
        my $query = $calls->{$call}{query};
        my %needed = map { $_ => good_value($query->{$_}) } grep { $query->{$_}{required} } keys %$query;
        $needed{client} = 'x' if $query->{client};
        my $with = sub (%more) {
            my %all = (%needed, %more);
            return "$path?" . join '&', map { "$_=$all{$_}" } grep { defined $all{$_} } sort keys %all;
        };
        for my $name (sort keys %$query) {
            my $schema = $query->{$name};
            ask(400, 'olga', $method, $with->($name => $_), content => 'x') for bad_values($schema);
            ask(400, 'olga', $method, $with->($name => undef), content => 'x') if $schema->{required};
            for my $value ($schema->{minimum} // (), $name eq 'wait' ? () : $schema->{maximum} // (), ($schema->{enum} // [])->@*) {
                my $reply = $mill->call($method, $with->($name => $value), content => uuid(), headers => { Authorization => "Bearer $key{olga}" });
                isnt $reply->status, 400, "$call takes $name=$value" or diag $reply->content;
            }
        }
    }
};

subtest 'without KEYS, and full' => sub {
    my ($with_keys, $open) = ($mill, Hashmill->start(ITEMS_MAX => 1));
    $mill = $open;
    put(201, undef, 'a', 1000);
    put(503, undef, 'b', 1000);
    lines(200, undef, line(1000));
    ask(200, undef, 'GET', $_) for '/items', '/stats', '/healthz';
    $mill = $with_keys;
};

# A page of a name that leads here; the client of the other calls sends no Host of its own.
subtest 'by a foreign name' => sub {
    my $open = Hashmill->start;
    for my $call (grep { !m{/healthz} } sort keys %$calls) {
        my ($method, $path) = split / /, $call =~ s/\{id\}/$id/r;
        my ($status, $head, $body) = $open->raw_request("$method $path HTTP/1.1\r\nHost: hashmill.example\r\nConnection: close\r\n\r\n")
            =~ /\AHTTP\S+ (\d+).*?\r\n(.*?)\r\n\r\n(.*)\z/s;
        is $status, 403, "$call is refused";
        push @answers, ["$call by a foreign name", Hashmill::Reply->new({ status => $status, method => $method, url => $open->url . $path,
            headers => { map { lc($1) => $2 if /^(\S+): (.*)/ } split /\r\n/, $head }, content => $body })];
    }
};

subtest 'the server is away' => sub {
    $mill->stop_server;
    $mill->{server_may_be_gone} = 1;
    $mill->expect_log(qr{\[crit\].* connect\(\) to unix:\S+/(?:public|intake)\.sock failed});
    ask(503, undef, split(/ /, $_ =~ s/\{id\}/$id/r)) for sort keys %$calls;
};

is_deeply [Hashmill::OpenApi::faults_of_answers("$dir/answers", @answers)], [], 'every answer is as the file has it';

finish();
