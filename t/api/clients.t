# What is whose, with KEYS: each client has its own items, keys, values and counts; operators have all, viewers see all.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client ben', 'client old until=2020-12-31', 'operator olga', 'viewer vera',
    'worker walt');

my $mill = Hashmill->start;
my $before = $mill->new_item('before there were keys', 1);
$mill->{key} = $key{olga};
$mill->reload(KEYS => "$dir/keys");

sub as ($name, $method, $path, %options) {
    my $headers = { ($options{headers} // {})->%*, Authorization => "Bearer $key{$name}" };
    return $mill->call($method, $path, %options, headers => $headers);
}

sub put ($name, $body, $iterations, %headers) {
    return as($name, 'PUT', "/enqueue?iterations=$iterations", content => $body, headers => \%headers);
}

sub pulled ($name, $query = 'top=10', %headers) {
    my $reply = as($name, 'POST', "/pullCompleted?$query", headers => \%headers);
    return $reply->status == 200 ? [map { $_->{id} } $reply->json->@*] : $reply->status;
}

subtest 'without a key' => sub {
    for my $call (['GET', '/stats'], ['GET', "/items/$before"], ['DELETE', "/items/$before"], ['GET', '/nothing'],
        ['POST', '/pullCompleted?top=1'], ['PUT', '/enqueue?iterations=1']) {
        my $reply = $mill->call(@$call, headers => { Authorization => '' });
        is_problem($reply, 401, "@$call");
        is $reply->header('www-authenticate'), 'Bearer', 'says how';
    }
    is $mill->call('GET', '/healthz', headers => { Authorization => '' })->status, 200, '/healthz is open';
};

subtest 'keys that do not count' => sub {
    my sub stats_with ($authorization) { return $mill->call('GET', '/stats', headers => { Authorization => $authorization }) }
    is_problem(stats_with("Bearer $key{old}"), 401, 'one whose time is over');
    is_problem(stats_with($_), 401, "'$_'") for 'Bearer', 'Bearer nonsense', "Basic $key{ann}", "Bearer $key{ann}x", $key{ann};
    my (undef, $unknown) = split /\n/, qx{@{[Hashmill::build_directory()]}/hashmill-fcgi --key client ann};
    my $refused = is_problem(stats_with("Bearer $unknown"), 401, 'one that is not in the file');
    like $refused->{detail}, qr/^This key is not known at this node \(any more\)\. Send /, 'which is told';
    is_deeply { stats_with("Bearer $key{old}")->json->%*, request_id => $refused->{request_id} }, $refused, 'with the same words for both';
    like stats_with('')->json->{detail}, qr/^Send /, 'without any it is to be sent';
    is_problem(stats_with("Bearer $key{walt}"), 403, "a worker's");
    is_problem(stats_with("Bearer $mill->{token}"), 403, 'WORKER_TOKEN');
    is stats_with(" bearer  $key{ann} ")->status, 200, 'small letters and blanks do not matter';
    my $reply = $mill->raw_request("GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        . "Authorization: Bearer $key{ann}\r\nAuthorization: Bearer $key{olga}\r\n\r\n");
    like $reply, qr/^HTTP\/1\.1 400 .*a header field that is there twice \(Host, Authorization\)/s, 'not two of them';
    is_problem($mill->call('GET', "/stats?access_token=$key{olga}", headers => { Authorization => '' }), 401, 'none in the query');
    unlike $mill->server_log, qr/hm[wcov]_/, 'the log shows no key';
};

my $ann = put('ann', 'one', 1)->json->{id};
my $ben = put('ben', 'one', 1)->json->{id};

subtest 'looking' => sub {
    is as('ann', 'GET', "/items/$ann")->json->{id}, $ann, 'at its own item';
    for my $path ("/items/$ben", "/items/$ben?wait=10", "/items/$before") {
        is_problem(as('ann', 'GET', $path), 404, "at another's: $path");
    }
    my $none = is_problem(as('ann', 'GET', "/items/" . uuid()), 404, 'at none');
    like $none->{detail}, qr/or it is another client's\.$/, 'which may be another one\'s';
    is_deeply { as('ann', 'GET', "/items/$ben")->json->%*, request_id => $none->{request_id} }, $none, 'in the same words';
    is as($_, 'GET', "/items/$ann")->status, 200, "$_ sees it" for 'olga', 'vera';
    is as($_, 'GET', "/items/$before")->status, 200, "and nobody's, $_" for 'olga', 'vera';
};

subtest 'pulling' => sub {
    is_deeply pulled('vera'), 403, 'is not for viewers';
    is_deeply pulled('olga'), 400, 'an operator says whose';
    is_deeply pulled('ann', 'top=10&client=ben'), 403, "a client has its own";
    is_deeply pulled('ann'), [$ann], 'each gets its own';
    is_deeply pulled('ann'), [], 'once';
    is_deeply pulled('olga', 'top=10&client=ben'), [$ben], "an operator gets a client's";
    is_deeply pulled('olga', 'top=10&client='), [$before], "and nobody's";
    is_deeply pulled('olga', 'top=10&client=nobody'), [], 'of an unknown one nothing';
    is_deeply pulled('olga', 'top=10&client=' . 'x' x 65), 400, 'of none nothing';
};

subtest 'cancelling' => sub {
    my $id = put('ann', 'long', 1000)->json->{id};
    is_problem(as('ben', 'DELETE', "/items/$id"), 404, "not another's");
    is_problem(as('vera', 'DELETE', "/items/$id"), 403, 'not by a viewer');
    is as('ann', 'GET', "/items/$id")->json->{state}, 'waiting', 'it waits still';
    is as('ann', 'DELETE', "/items/$id")->status, 204, 'its own';
    $id = put('ben', 'long', 1000)->json->{id};
    is as('olga', 'DELETE', "/items/$id")->status, 204, 'an operator cancels any';
};

subtest 'Idempotency-Keys' => sub {
    my %same = ('Idempotency-Key' => 'same');
    my $of_ann = put('ann', 'a', 1, %same)->json->{id};
    my $of_ben = put('ben', 'b', 1, %same);
    is $of_ben->status, 201, "another's key is free";
    isnt $of_ben->json->{id}, $of_ann, 'for another item';
    is put('ann', 'a', 1, %same)->json->{id}, $of_ann, 'again the same for each';
    is put('ben', 'b', 1, %same)->json->{id}, $of_ben->json->{id}, 'of them';
    is_problem(put('ann', 'other', 1, %same), 422, 'its own key is taken');
    is_deeply pulled('ann', 'top=5', %same), [$of_ann], 'a pull with a key';
    is_deeply pulled('ben', 'top=5', %same), [$of_ben->json->{id}], 'the same of another';
    is_deeply pulled('ann', 'top=5', %same), [$of_ann], 'again';
    is_deeply pulled('ann', 'top=6', %same), 422, 'with another top';
    is_deeply pulled('olga', 'top=5&client=ann', %same), [$of_ann], 'an operator repeats it for the client';
};

subtest 'counts' => sub {
    put('ann', $_, 50) for 1 .. 3;
    my $own = as('ann', 'GET', '/stats')->json;
    is_deeply $own->{items}, { waiting => 3, leased => 0, done => 0, pulled => 2, cancelled => 1 }, 'a client sees its own';
    is $own->{remaining}, 3 * 49, 'and its work';
    is $own->{client}, 'ann', 'under its name';
    is_deeply [sort keys %$own], [qw(client items node quota rates remaining role version weight)], 'and nothing of machines';
    is as('ben', 'GET', '/stats')->json->{items}{waiting}, 0, 'not those of others';
    is as('vera', 'GET', '/stats')->json->{items}{waiting}, 3, 'a viewer sees all';
    ok exists as('olga', 'GET', '/stats')->json->{fleet}, 'an operator, too';
    my @shown = $mill->sql('SELECT client, count(*) FROM items GROUP BY client ORDER BY client');
    is_deeply \@shown, [['', 1], ['ann', 6], ['ben', 3]], 'the view shows whose each is';
    $mill->stop_server;
    $mill->start_server;
    is as('ann', 'GET', '/stats')->json->{items}{waiting}, 3, 'the same after a start';
};

subtest 'what is leased and cancelled costs' => sub {
    is as('ann', 'DELETE', '/items?state=waiting&confirm=3')->status, 200, 'nothing waits';
    my @ben = map { put('ben', "waits $_", 1000)->json->{id} } 1 .. 6;
    my $leased = 0;
    for my $round (1 .. 4) {
        my $id = put('ann', "cancelled $round", 10**12)->json->{id};
        $leased += grep { $_->{id} eq $id } $mill->lease(items => 1, iterations => 1000000)->json->{items}->@*;
        as('ann', 'DELETE', "/items/$id");
    }
    is $leased, 1, 'a client that cancels what it got leased is not always first';
    as('ben', 'DELETE', "/items/$_") for @ben;
};

subtest 'without KEYS again' => sub {
    my $warning = qr/ warn: KEYS is not set, but 2 clients have items here: everybody who reaches the public listener sees/;
    unlike $mill->server_log, $warning, 'so far there were keys, or no items of clients';
    for my $times (1, 2) {
        $mill->reload(KEYS => '');
        is scalar(() = $mill->server_log =~ /$warning/g), $times, 'each start warns of it';
    }
    delete $mill->{key};
    is $mill->item($ann)->status, 200, 'everybody sees everything';
    my $id = $mill->new_item('open', 1);
    is_deeply [map { $_->{id} } $mill->pull(10)->json->@*], [$id], "a pull gets nobody's";
    is $mill->call('POST', '/pullCompleted?top=10&client=ann')->status, 200, "or a client's that it names";
};

finish();
