# POST /pullCompleted?wait=S: a pull that waits until an item is done.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use HTTP::Tiny;
use IO::Select;
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::FastCGI;

my $mill = Hashmill->start;

# Sends a pull that waits, and returns its connection.
sub waiting_pull ($query = 'top=10&wait=30', @headers) {
    my $parked = $mill->stats->{parked};
    my $socket = $mill->connection;
    $socket->print(join "\r\n", "POST /pullCompleted?$query HTTP/1.1", 'Host: localhost', 'Connection: close', 'Content-Length: 0',
        @headers, '', '');
    $mill->wait_parked($parked + 1) or $mill->give_up('the pull is not parked');
    return $socket;
}

sub answer_of ($socket) {
    local $/ = undef;
    my $text = readline($socket) // '';
    return $text =~ /^HTTP\/1\.1 200 .*?\r\n\r\n(.*)/s ? $1 : "no answer: $text";
}

sub ids_of ($json) { return [$json =~ /"id":"([^"]+)"/g] }

sub is_open ($socket) { return !IO::Select->new($socket)->can_read(0) }

subtest 'what is there already' => sub {
    my $id = $mill->new_item('there', 1);
    is_deeply [map { $_->{id} } $mill->pull(10, wait => 30)->json->@*], [$id], 'is handed out at once';
    is_deeply $mill->pull(10, wait => 1)->json, [], 'nothing after the wait';
    is_problem($mill->pull(10, wait => $_), 400, "wait=$_") for 31, -1, 'x';
    is_deeply $mill->pull(10, wait => 0)->json, [], 'wait=0 does not wait';
};

subtest 'what becomes done' => sub {
    my $pull = waiting_pull();
    my $id = $mill->new_item('one', 1);
    is_deeply ids_of(answer_of($pull)), [$id], 'by an enqueue';
    my $item = $mill->new_item('two', 3);
    $pull = waiting_pull();
    my $grant = $mill->lease->json;
    $mill->report({ id => $item, lease => $grant->{lease}, remaining => 0, chain => advance($grant->{items}[0]{chain}, 2) });
    is_deeply ids_of(answer_of($pull)), [$item], 'by a report';
    like answer_of(waiting_pull('top=10&wait=1')), qr/^(?:2\r\n)?\[\]/, 'and nothing when nothing is';
    $pull = waiting_pull('top=10&wait=30', 'Accept: text/plain');
    $id = $mill->new_item('three', 1);
    like answer_of($pull), qr/\Q$id\E [0-9a-f]{128}\n/, 'as lines';
};

subtest 'fields of the reply' => sub {
    my $pull = waiting_pull();
    $mill->new_item('fields', 1);
    my $head = (do { local $/ = undef; readline $pull } =~ /^HTTP\/1\.1 200 .*?\r\n(.*?)\r\n\r\n/s)[0] // '';
    my %count;
    $count{ lc $_ }++ for $head =~ /^([^:\r\n]+):/mg;
    is $count{'cache-control'}, 1, 'it may not be kept';
    is_deeply [grep { $count{$_} > 1 } sort keys %count], [], 'no field is there twice';
};

subtest 'one pull for an item' => sub {
    my @pulls = map { waiting_pull("top=1&wait=30") } 1 .. 3;
    my $id = $mill->new_item('for the first', 1);
    is_deeply ids_of(answer_of($pulls[0])), [$id], 'the oldest is answered';
    ok is_open($pulls[1]) && is_open($pulls[2]), 'the others wait on';
    my @ids = map { $mill->new_item("next $_", 1) } 1 .. 2;
    is_deeply [sort map { ids_of(answer_of($_))->@* } @pulls[1, 2]], [sort @ids], 'until there are items for them';
};

subtest 'a client that goes' => sub {
    my $gone = waiting_pull();
    close $gone;
    ok $mill->wait_parked(0), 'is forgotten';
    my $id = $mill->new_item('not lost', 1);
    is $mill->state_of($id), 'done', 'nothing is handed out to it';
    is_deeply [map { $_->{id} } $mill->pull(10)->json->@*], [$id], 'the next pull has it';
};

subtest 'an answer that leads to no pull' => sub {
    my $socket = fcgi_connect("$mill->{settings}{RUN_DIR}/public-wait.sock");
    $socket->syswrite(fcgi_begin(REQUEST_METHOD => 'POST', DOCUMENT_URI => '/pullCompleted', QUERY_STRING => 'top=1&wait=30',
        CONTENT_LENGTH => 0) . fcgi_body(''));
    ok $mill->wait_parked(1), 'a pull waits';
    my $pull = waiting_pull();
    my $id = $mill->new_item('for the second', 1);
    like +(fcgi_reply($socket))[1], qr/X-Accel-Redirect/, 'it is answered, and does not go on';
    is_deeply ids_of(answer_of($pull)), [$id], 'the next one has the item soon';
};

subtest 'a key' => sub {
    my $pull = waiting_pull('top=10&wait=30', 'Idempotency-Key: again');
    my $id = $mill->new_item('keyed', 1);
    is_deeply ids_of(answer_of($pull)), [$id], 'a pull with a key waits';
    my $begun = time;
    my %again = (headers => { 'Idempotency-Key' => 'again' });
    is_deeply [map { $_->{id} } $mill->pull(10, wait => 30, %again)->json->@*], [$id], 'the same again does not';
    is_problem($mill->pull(9, wait => 30, %again), 422, 'nor does it with another top');
};

subtest 'a server that stops' => sub {
    my $pull = waiting_pull();
    $mill->{server}->kill('HUP');
    like answer_of($pull), qr/\[\]/, 'answers with nothing, which is nothing lost';
    ok wait_until(20, sub { $mill->call('GET', '/healthz')->status == 200 }), 'and works on';
    $pull = waiting_pull();
    my ($writer) = $mill->children('writer');
    $mill->expect_log(qr/writer/);
    kill 'KILL', $writer;
    my $id;
    ok wait_until(20, sub { my $reply = $mill->enqueue('after the writer', 1); $id = $reply->json->{id} if $reply->status == 201 }), 'a new writer';
    is_deeply ids_of(answer_of($pull)), [$id], 'knows who waits';
};

finish();
