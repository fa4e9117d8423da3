# What operators do with a node: they pause parts of it and let them go on, end quarantines, and are told later who did what.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json encode_json);
use Test::More;
use Hashmill;
use Hashmill::Keys;
use Hashmill::Recovery;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'operator olga', 'operator otto', 'viewer vera', 'worker walt');
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{olga});

sub as ($name, $method, $path, %options) {
    return $mill->call($method, $path, %options, headers => { ($options{headers} // {})->%*, Authorization => "Bearer $key{$name}" });
}

sub put ($body, %headers) { return as('ann', 'PUT', '/enqueue?iterations=5', content => $body, headers => \%headers) }
sub admin ($what, $name = 'olga') { return as($name, 'POST', "/admin/$what") }
sub paused ($reply) { return $reply->status == 200 ? join ' ', $reply->json->{paused}->@* : 'status ' . $reply->status }
# How many items a lease got: 204 is none.
sub leased ($reply) { return $reply->status == 204 ? 0 : $reply->status == 200 ? scalar $reply->json->{items}->@* : 'status ' . $reply->status }

# What the view says: "who what about items", the last first.
sub actions () { return map { join ' ', @$_ } $mill->sql("SELECT who, why FROM decisions WHERE who <> 'the scaler'") }

# Sends a lease that waits, and returns its connection.
sub waiting_lease () {
    my $parked = $mill->stats->{parked};
    my $socket = $mill->connection($mill->{port} + 1);
    my $body = encode_json({ protocol => 1, request => uuid(), items => 1, iterations => 1000, wait => 20, worker => $mill->worker_fields });
    $socket->print(join "\r\n", 'POST /lease HTTP/1.1', 'Host: localhost', 'Connection: close', "Authorization: Bearer $mill->{token}",
        'Content-Type: application/json', 'Content-Length: ' . length $body, '', $body);
    $mill->wait_parked($parked + 1) or $mill->give_up('the lease is not parked');
    return $socket;
}

sub answer_of ($socket) {
    local $/ = undef;
    return readline($socket) // '';
}

subtest 'what is asked for' => sub {
    for my $call ('pause', 'resume', 'pause?what=', 'pause?what=all', 'resume?what=Intake', 'pause?what=intake,leasing') {
        my $reply = admin($call);
        is_problem($reply, 400, $call);
        like $reply->json->{detail}, qr/what=intake, what=leasing or what=scaling/, 'it says what to give';
    }
    is_problem(admin('pause?what=intake&why=night'), 400, 'an unknown parameter');
    is_problem(admin('pause?what=intake&what=leasing'), 400, 'one that is given twice');
    is_problem(admin('stop?what=intake'), 404, 'another call');
    is_problem(as('olga', 'GET', '/admin/pause?what=intake'), 405, 'another method');
    is_deeply $mill->stats->{paused}, [], 'nothing is paused';
    is_deeply [actions()], [], 'and nothing was done';
};

subtest 'who may' => sub {
    for my $call ('pause?what=intake', 'resume?what=intake', 'release?name=walt') {
        is_problem(admin($call, $_), 403, "$call, $_") for qw(ann vera walt);
        is_problem($mill->call('POST', "/admin/$call", headers => { Authorization => '' }), 401, "$call, nobody");
    }
    is_deeply $mill->stats->{paused}, [], 'nothing is paused';
};

subtest 'the intake' => sub {
    my $known = put('known', 'Idempotency-Key' => 'known')->json->{id};
    is paused(admin('pause?what=intake')), 'intake', 'is paused';
    is paused(admin('pause?what=intake', 'otto')), 'intake', 'once more, which changes nothing';
    my $reply = put('new');
    is_problem($reply, 503, 'an item is refused');
    is $reply->json->{type}, 'urn:hashmill:problem:paused', 'as paused';
    is $reply->header('retry-after'), 10, 'to be sent later';
    like $reply->json->{detail}, qr/operator.*paused.*resumes/, 'it says who can change it';
    is_problem(put('new', 'Idempotency-Key' => 'new'), 503, 'one with a new key, too');
    is put('known', 'Idempotency-Key' => 'known')->json->{id}, $known, 'one that is known gets its id';
    is_problem(put('other', 'Idempotency-Key' => 'known'), 422, 'and is not another one');
    my $many = as('ann', 'POST', '/items', headers => { 'Content-Type' => 'application/x-ndjson' }, content => join '',
        map { encode_json({ digest => sha512_hex($_->[0]), iterations => 5, key => $_->[1] }) . "\n" } ['known', 'known'], ['new', 'new']);
    my @lines = map { decode_json($_) } split /\n/, $many->content;
    is $lines[0]{id}, $known, 'of many the known one gets its id';
    is $lines[1]{problem}{type}, 'urn:hashmill:problem:paused', 'the others are refused';
    is $lines[1]{problem}{status}, 503, 'with the same status';
    is $lines[1]{retry_after}, 10, 'to be sent later';
    is_deeply $mill->stats->{paused}, ['intake'], 'operators see it';
    is_deeply as('vera', 'GET', '/stats')->json->{paused}, ['intake'], 'viewers as well';
    is as('ann', 'GET', '/stats')->json->{paused}, undef, 'it is none of the counts of a client';
    is $mill->work_all, 1, 'workers go on';
    is scalar as('ann', 'POST', '/pullCompleted?top=5')->json->@*, 1, 'and so do pulls';
    is paused(admin('resume?what=intake', 'otto')), '', 'it goes on';
    is put('new')->status, 201, 'and takes items';
    is_deeply [actions()], ['otto resume intake', 'olga pause intake'], 'who did it is known, each change once';
};

subtest 'leasing' => sub {
    my $grant = $mill->lease(items => 1)->json;
    put("item $_") for 1 .. 3;
    is paused(admin('pause?what=leasing')), 'leasing', 'is paused';
    is $mill->lease->status, 204, 'a lease is answered as when nothing waits';
    my $parked = waiting_lease();
    is leased($mill->lease(request => $grant->{lease})), 1, 'a lease of before can be asked for again';
    my $first = $grant->{items}[0];
    is_deeply $mill->report({ id => $first->{id}, lease => $grant->{lease}, remaining => 0,
        chain => advance($first->{chain}, $first->{remaining}) })->json->{taken}, [$first->{id}], 'and reported';
    put('while it is paused');
    is $mill->stats->{parked}, 1, 'a lease waits on, whatever comes';
    is $mill->stats->{items}{waiting}, 4, 'as do the items';
    is_deeply [$mill->sql("SELECT * FROM queue WHERE state = 'paused'")], [['paused', '', 'leasing: by an operator']], 'the view says it';
    is paused(admin('resume?what=leasing')), '', 'it goes on';
    like answer_of($parked), qr/"items":\[\{/, 'and the lease that waited gets an item at once';
    is $mill->work_all, 3, 'others get the rest';
    is_deeply [$mill->sql("SELECT * FROM queue WHERE state = 'paused'")], [], 'the view says nothing more';
};

subtest 'over a restart' => sub {
    is paused(admin("pause?what=$_")), $_ eq 'scaling' ? 'scaling' : 'leasing scaling', "$_ is paused" for 'scaling', 'leasing';
    my $id = put('kept')->json->{id};
    ok $mill->reload, 'a reload';
    is_deeply $mill->stats->{paused}, ['leasing', 'scaling'], 'changes nothing';
    my ($writer) = $mill->children('writer');
    $mill->expect_log(qr/writer/);
    kill 'KILL', $writer;
    ok wait_until(20, sub { (($mill->children('writer'))[0] // $writer) != $writer && leased($mill->lease) eq 0 }), 'nor does a new writer';
    ok $mill->stop_server, 'the server stops';
    $mill->start_server;
    ok wait_until(20, sub { $mill->call('GET', '/healthz')->status == 200 }), 'and starts';
    is_deeply $mill->stats->{paused}, ['leasing', 'scaling'], 'both are paused still';
    is leased($mill->lease), 0, 'nothing is leased';
    like $mill->server_log, qr/leasing is still paused by an operator: POST \/admin\/resume\?what=leasing/, 'the log says how it goes on';
    like $mill->server_log, qr/ leasing is paused by olga \(request \w+\)$/m, 'and who paused it';
    is paused(admin('resume?what=scaling', 'otto')), 'leasing', 'one goes on,';
    is paused(admin('resume?what=leasing', 'otto')), '', 'and the other';
    like $mill->server_log, qr/ leasing is resumed by otto \(request \w+\)$/m, 'which the log says';
    is_deeply [map { $_->{why} } $mill->stats->{fleet}{decisions}->@*], ['scaling is resumed by otto', 'scaling is paused by olga'],
        'and the decisions, of scaling';
    is leased($mill->lease), 1, 'items are leased';
};

subtest 'a quarantine' => sub {
    is +($mill->command('--quarantine', 'walt'))[0], 0, 'begins';
    my sub of_walt () {
        return $mill->worker_call('/lease', { protocol => 1, request => uuid(), items => 1, iterations => 1e12, wait => 0,
            worker => $mill->worker_fields }, Authorization => "Bearer $key{walt}")->status;
    }
    is of_walt(), 403, 'its workers get nothing';
    is_problem(admin('release'), 400, 'a release of nobody');
    is_problem(admin("release?name=$_"), 400, "of '$_'") for '', 'a%0Ab', 'a%1b%5b2J', 'a%20b', 'x' x 65;
    is_problem(admin('release?name=nobody'), 404, 'of somebody else');
    is_problem(admin('release?what=walt'), 400, 'with another parameter');
    is of_walt(), 403, 'it goes on';
    is admin('release?name=walt', 'otto')->status, 204, 'an operator ends it';
    isnt of_walt(), 403, 'its workers are back';
    is_problem(admin('release?name=walt'), 404, 'a second time there is nothing to end');
    is +($mill->command('--quarantine', 'walt'))[0], 0, 'it begins again';
    is +($mill->command('--release', 'walt'))[0], 0, 'and ends by the option';
    is_deeply [(actions())[0, 1]], [' release walt', 'otto release walt'], 'both are known';
};

subtest 'pulls and cancels' => sub {
    $mill->work_all;
    as('ann', 'POST', '/pullCompleted?top=1000');
    my $before = () = actions();
    my @ids = map { put("for the operator $_")->json->{id} } 1 .. 4;
    is as('ann', 'DELETE', "/items/$ids[3]")->status, 204, 'a client cancels one';
    is as('olga', 'DELETE', "/items/$ids[$_]")->status, 204, 'an operator another' for 2, 2;
    is as('olga', 'DELETE', '/items/' . uuid())->status, 404, 'and one that is not there';
    is scalar as('olga', 'POST', '/pullCompleted?top=5&client=ann')->json->@*, 0, 'nothing is to be pulled';
    $mill->work_all;
    my %again = (headers => { 'Idempotency-Key' => 'again' });
    is scalar as('olga', 'POST', '/pullCompleted?top=5&client=ann', %again)->json->@*, 2, 'two are' for 1, 2;
    is as('olga', 'DELETE', "/items/$ids[0]")->status, 409, 'what is pulled is not cancelled';
    my @own = actions();
    is_deeply [@own[0 .. @own - $before - 1]], ['olga pull ann: 2 items', "olga cancel $ids[2]: 1 items"], 'a row for each thing that was done';
    my ($at) = $mill->sql('SELECT at FROM decisions LIMIT 1');
    like $at->[0], qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'with its time in UTC';
};

subtest 'a damaged database' => sub {
    is paused(admin('pause?what=intake')), 'intake', 'the intake is paused';
    is +($mill->command('--backup', "$dir/backup.db"))[0], 0, 'a backup is made';
    my $backup = $mill->stats->{backup}{last_at};
    my @before = actions();
    $mill->kill_everything;
    my ($code, $text) = recover($mill, "$mill->{dir}/new.db");
    is $code, 0, 'is recovered' or diag $text;
    is put_in_place($text), 2, 'and put in place';
    is +($mill->init)[0], 0, 'to be served';
    $mill->restart;
    is_deeply [actions()], \@before, 'what was done is known';
    is_problem(put('new again'), 503, 'and what was paused is');
    is $mill->stats->{backup}{last_at}, $backup, 'and when the backup was made';
};

subtest 'without keys' => sub {
    my $open = Hashmill->start;
    is paused($open->call('POST', '/admin/pause?what=intake')), 'intake', 'everybody is an operator';
    is_problem($open->enqueue('a body', 5), 503, 'for everybody');
    is paused($open->call('POST', '/admin/resume?what=intake')), '', 'and lets it go on';
    $open->call('DELETE', '/items/' . $open->new_item('one', 5));
    $open->new_item('two', 1);
    $open->pull(1);
    is_deeply [map { $_->[0] } $open->sql('SELECT who || why FROM decisions')], ['resume intake', 'pause intake'], 'a client is none';
    is_problem($open->call('POST', '/admin/pause?what=intake', headers => { 'Sec-Fetch-Site' => 'cross-site' }), 403, "not another site's page");
    $open->close_instance;
};

finish();
