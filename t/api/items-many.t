# POST /items: many items with one request, each by the digest of its body.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha256 sha512 sha512_hex);
use File::Temp qw(tempdir);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Test::More;
use Hashmill;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client few items=3', 'client some items=3', 'client short iterations_max=10', 'client little work=5', 'client paced rate=1/2',
    'viewer vera');
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{ann}, ITERATIONS_MAX => 1000);
my $json = JSON::PP->new->canonical;

sub post ($body, %headers) {
    return $mill->call('POST', '/items', content => $body, headers => { 'Content-Type' => 'application/x-ndjson', %headers });
}

sub line_of ($body, $iterations = 1, %more) { return $json->encode({ digest => sha512_hex($body), iterations => $iterations, %more }) }

# What each line of a reply says: its id, or the name of its problem.
sub answers ($reply) {
    return 'status ' . $reply->status if $reply->status != 200;
    return map { $_->{id} // $_->{problem}{type} =~ s/^urn:hashmill:problem://r } map { $json->decode($_) } split /\n/, $reply->content;
}

sub problem_of ($line) { return (answers(post("$line\n")))[0] }

subtest 'items' => sub {
    my $reply = post(join '', map { line_of("body $_", $_) . "\n" } 1 .. 3);
    is $reply->header('content-type'), 'application/x-ndjson', 'are answered in lines';
    like $reply->content, qr/\A(?:.+\n){3}\z/, 'none of them empty';
    my @ids = answers($reply);
    is scalar(@ids), 3, 'one each';
    is $mill->item($ids[0])->json->{value}, sha512_hex('body 1'), 'the first is done: its first link is its digest';
    is $mill->item($ids[$_])->json->{iterations}, $_ + 1, 'in their order' for 1, 2;
    my $worker = $mill->start_worker;
    is $mill->item($ids[2], wait => 30)->json->{value}, value_of('body 3', 3), 'a worker does the others';
    $mill->stop_workers;
};

subtest 'the form of lines' => sub {
    is scalar(answers(post(line_of('a') . "\n" . line_of('b')))), 2, 'the last one needs no end';
    is_deeply [map { /^[0-9a-f-]{36}$/ ? 'id' : $_ } answers(post(line_of('a') . "\r\n" . line_of('b') . "\r\n"))], ['id', 'id'],
        'CR LF';
    like problem_of(line_of('a', 1, more => { what => 'ever' })), qr/^[0-9a-f-]{36}$/, 'more members';
    is_deeply [answers(post(line_of('a') . "\n\n" . line_of('b')))]->[1], 'bad-body', 'an empty line is none';
};

subtest 'bad lines' => sub {
    my $digest = sha512_hex('a');
    my %bad = (
        'a member twice, once with an escape' => sprintf('{"digest":"%s","\\u0064igest":"%s","iterations":1}', $digest, $digest),
        '127 digits' => sprintf('{"digest":"%s","iterations":1}', substr $digest, 1),
        'upper case' => sprintf('{"digest":"%s","iterations":1}', uc $digest),
        'no digest' => '{"iterations":1}',
        'no iterations' => sprintf('{"digest":"%s"}', $digest),
        'no iterations at all' => line_of('a', 0),
        'a fraction' => sprintf('{"digest":"%s","iterations":1.5}', $digest),
        'too many for the node' => line_of('a', 1001),
        'the same member twice' => sprintf('{"digest":"%s","iterations":1,"iterations":2}', $digest),
        'the same digest twice' => sprintf('{"digest":"%s","digest":"%s","iterations":1}', $digest, $digest),
        'no UTF-8' => sprintf(qq({"digest":"%s","iterations":1,"a":"\xff"}), $digest),
        'an array' => '[]', 'no JSON' => 'digest=1', 'half of it' => '{"digest":"',
        'a key with a blank' => line_of('a', 1, key => 'a b'), 'an empty key' => line_of('a', 1, key => ''),
        'a long key' => line_of('a', 1, key => 'k' x 256), 'a key that is none' => line_of('a', 1, key => 5),
    );
    for my $what (sort keys %bad) {
        my @answers = answers(post(line_of("before $what") . "\n$bad{$what}\n" . line_of("after $what") . "\n"));
        like $answers[1], qr/^bad-(?:body|parameter)$/, $what;
        like "@answers[0, 2]", qr/^[0-9a-f-]{36} [0-9a-f-]{36}$/, 'the lines beside it are taken';
    }
    is problem_of(line_of('a', 1, more => 'x' x 4096)), 'too-large', 'a long line';
    for my $count (2, 50) {
        my $reply = post(join '', map { line_of($_) } 1 .. $count);
        is scalar(answers($reply)), 1, "$count lines without their ends are one";
        like $json->decode($reply->content)->{problem}{detail}, qr/must end with a line feed: with curl use --data-binary/, 'which is told';
    }
};

subtest 'bad requests' => sub {
    my $count = $mill->stats->{items}{done};
    is_problem(post(''), 400, 'no line');
    is_problem(post(join "\n", map { line_of($_) } 1 .. 1001), 400, '1,001 lines');
    is_problem(post(line_of('a'), 'Content-Type' => 'application/json'), 415, 'another type');
    is_problem(post(line_of('a'), 'Content-Encoding' => 'gzip'), 415, 'a content coding');
    my $long = line_of('a', 1, more => 'x' x 3000) . "\n";
    is post($long x 180)->status, 413, 'more than 512 KiB';
    is_problem(post(line_of('a'), Authorization => "Bearer $key{vera}"), 403, 'a viewer');
    is_problem($mill->call('POST', '/items?a=1', content => line_of('a'), headers => { 'Content-Type' => 'application/x-ndjson' }), 400, 'a parameter');
    my $problem = is_problem(post(line_of('a', 1, key => 'k'), 'Idempotency-Key' => 'k'), 400, 'a key of all lines');
    like $problem->{detail}, qr/give each line a key/, 'says what to do';
    is $mill->stats->{items}{done}, $count, 'nothing of them is stored';
    is scalar(answers(post(join "\n", map { line_of("many $_") } 1 .. 1000))), 1000, '1,000 lines are taken';
    is $mill->stats->{items}{done}, $count + 1000, 'and stored';
};

subtest 'digests of the body' => sub {
    my $body = line_of('digest') . "\n";
    my $field = sub ($algorithm, $digest) { return "$algorithm=:" . encode_base64($digest, '') . ':' };
    my $good = $field->('sha-256', sha256($body));
    my $count = $mill->stats->{items}{done};
    for my $name ('Content-Digest', 'Repr-Digest') {
        for my $bad ($field->('sha-512', sha512('another')), $field->('sha-256', sha256('another')), 'sha-512=AAAA') {
            my $problem = is_problem(post($body, $name => $bad), 400, "$name: $bad");
            like $problem->{detail}, qr/\Q$name\E.*Nothing was stored/, 'the detail says which';
        }
    }
    is $mill->stats->{items}{done}, $count, 'nothing of them is stored';
    is scalar(answers(post($body, 'Content-Digest' => $good, 'Repr-Digest' => $field->('sha-512', sha512($body))))), 1, 'right ones';
    is $mill->stats->{items}{done}, $count + 1, 'are taken';
};

subtest 'keys' => sub {
    my @first = answers(post(line_of('keyed', 5, key => 'one') . "\n" . line_of('other', 5, key => 'two')));
    is_deeply [answers(post(line_of('keyed', 5, key => 'one') . "\n" . line_of('other', 5, key => 'two')))], \@first, 'the same again';
    is problem_of(line_of('keyed', 6, key => 'one')), 'key-conflict', 'for something else';
    is $mill->enqueue('keyed', 5, 'Idempotency-Key' => 'one')->json->{id}, $first[0], 'the same key as of an enqueue';
    my @twice = answers(post(line_of('t', 5, key => 'three') . "\n" . line_of('t', 5, key => 'three') . "\n" . line_of('u', 5, key => 'three')));
    is $twice[0], $twice[1], 'twice in one request';
    is $twice[2], 'key-conflict', 'and once for something else';
};

subtest 'quotas' => sub {
    my $reply = post((join "\n", map { line_of($_) } 1 .. 5), Authorization => "Bearer $key{few}");
    my @answers = answers($reply);
    is_deeply [@answers[3, 4]], ['quota-items', 'quota-items'], "are a line's problem";
    unlike "@answers[0 .. 2]", qr/quota/, 'what is within them is taken';
    is $reply->header('ratelimit'), '"items";r=0', 'and the field says what is left';
    cmp_ok $json->decode((split /\n/, $reply->content)[4])->{retry_after}, '>', 0, 'with a time to wait';
    is +(answers(post(line_of('a', 11), Authorization => "Bearer $key{short}")))[0], 'quota-iterations', 'iterations_max, too';
};

subtest 'a rate' => sub {
    my $reply = post((join "\n", map { line_of("rate $_") } 1 .. 12), Authorization => "Bearer $key{paced}");
    my @after = map { $json->decode($_)->{retry_after} // 0 } split /\n/, $reply->content;
    is_deeply \@after, [0, 0, 1 .. 10], 'each line that is over it waits for its own turn';
};

subtest 'a refusal' => sub {
    for my $case (['short', 11, '11 .* at most 10'], ['little', 7, '7 .* at most 5'], ['little', 1001, 'at most 1000']) {
        my ($name, $iterations, $says) = @$case;
        my %as = (Authorization => "Bearer $key{$name}");
        my $problem = $json->decode(post(line_of('a', $iterations), %as)->content)->{problem};
        like $problem->{detail}, qr/$says/, "of $iterations iterations for $name has the numbers";
        my $alone = $mill->call('PUT', "/enqueue?iterations=$iterations", content => 'a', headers => \%as)->json;
        is_deeply $problem, { map { $_ eq 'request_id' ? () : ($_ => $alone->{$_}) } keys %$alone },
            'and is that of a request for this item alone';
    }
};

# What of time a line says, and what a request for that item alone.
sub waits ($name, $iterations) {
    my $headers = { Authorization => "Bearer $key{$name}" };
    my $line = $json->decode(post(line_of('a', $iterations), %$headers)->content);
    return [$line->{retry_after}, $mill->call('PUT', "/enqueue?iterations=$iterations", content => 'a', headers => $headers)->header('retry-after')];
}

subtest 'what is left, and when to try again' => sub {
    my $as_some = sub ($body) { return post($body, Authorization => "Bearer $key{some}") };
    my $left = sub ($reply) { return [map { $reply->header($_) } 'ratelimit-policy', 'ratelimit'] };
    is_deeply $left->($as_some->(line_of('a') . "\n{}\n")), ['"items";q=3', '"items";r=2'], 'after one item';
    is_deeply $left->($as_some->("{}\n")), [undef, undef], 'after none the node does not say';
    is_deeply $left->($as_some->(line_of($_))), ['"items";q=3', "\"items\";r=$_"], "then $_" for 1, 0;
    is_deeply $left->($as_some->(line_of('b'))), ['"items";q=3', '"items";r=0'], 'a refused one';
    my $waits = waits('few', 1);
    cmp_ok $waits->[0], '>', 1, 'beyond a quota';
    is $waits->[0], $waits->[1], 'a line has the Retry-After of a request for it alone';
    is_deeply waits('short', 11), [3600, 3600], 'also beyond iterations_max';
    is $json->decode(post('{}')->content)->{retry_after}, undef, 'none if it never helps';
    $mill->reload(OPERATION_SECONDS => 1);
    my ($writer) = $mill->children('writer');
    kill 'STOP', $writer;
    my $reply = $as_some->(line_of('a'));
    kill 'CONT', $writer;
    is_deeply [answers($reply)], ['outcome-unknown'], 'a writer that does not answer';
    is $json->decode($reply->content)->{retry_after}, 1, 'has nothing of earlier requests';
    is_deeply $left->($reply), [undef, undef], 'and nobody knows what is left';
    $mill->reload(OPERATION_SECONDS => 5);
};

subtest 'a writer that dies' => sub {
    my $body = join "\n", map { line_of("killed $_", 1, key => "killed-$_") } 1 .. 1000;
    $mill->expect_log(qr/writer/);
    my %id;
    for my $round (1 .. 5) {
        my ($writer) = $mill->children('writer');
        my $child = fork // die;
        if ($child == 0) {
            select undef, undef, undef, 0.003 * $round;
            kill 'KILL', $writer;
            POSIX::_exit(0);
        }
        my $reply = post($body);
        waitpid $child, 0;
        my @answers = answers($reply);
        for my $line (0 .. $#answers) {
            my $answer = $answers[$line];
            next if $answer !~ /^[0-9a-f-]{36}$/;
            $id{$line} //= $answer;
            $id{$line} eq $answer or fail "line $line has two ids";
        }
        ok wait_until(30, sub { $mill->call('GET', '/healthz')->status == 200 }), 'another takes its place';
    }
    my @answers = answers(post($body));
    is scalar(grep { ($id{$_} // $answers[$_]) ne $answers[$_] } 0 .. 999), 0, 'what was answered stays, and nothing is there twice';
    my ($rows) = $mill->sql("SELECT count(*), count(DISTINCT key) FROM item WHERE key GLOB 'killed-*'");
    is_deeply $rows, [1000, 1000], 'every line once';
};

finish();
