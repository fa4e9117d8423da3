# GET and DELETE /items/ID: an item's whole life as its client sees it, and the long poll.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Time::HiRes qw(time);
use Hashmill;

my $mill = Hashmill->start(WAIT_SLOTS_PUBLIC => 3);

sub leased_alone ($mill, $id) {
    my $grant = $mill->lease->json;
    is_deeply [map { $_->{id} } $grant->{items}->@*], [$id], 'a worker leases it';
    return ({ id => $id, lease => $grant->{lease}, remaining => 0 }, $grant->{items}[0]{chain});
}

subtest 'from waiting to pulled' => sub {
    my $id = $mill->new_item('life', 4);
    my $item = $mill->item($id)->json;
    is_deeply { %$item{qw(id state iterations remaining strikes)} },
        { id => $id, state => 'waiting', iterations => 4, remaining => 3, strikes => 0 }, 'waiting';
    like $item->{enqueued_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'enqueued_at';
    ok !exists $item->{value} && !exists $item->{completed_at}, 'no value yet';

    my ($report, $chain) = leased_alone($mill, $id);
    is $mill->state_of($id), 'leased', 'leased';
    $mill->report({ %$report, remaining => 1, chain => advance($chain, 2) });
    is $mill->item($id)->json->{remaining}, 1, 'its progress shows';
    $mill->report({ %$report, chain => advance($chain, 3) });
    $item = $mill->item($id)->json;
    is_deeply { %$item{qw(state remaining value)} },
        { state => 'done', remaining => 0, value => value_of('life', 4) }, 'done';
    like $item->{completed_at}, qr/Z$/, 'completed_at';
    $mill->pull(1);
    $item = $mill->item($id)->json;
    is_deeply { %$item{qw(state value)} }, { state => 'pulled', value => value_of('life', 4) }, 'pulled';
};

subtest 'HEAD' => sub {
    my $id = $mill->new_item('head', 1);
    my $reply = $mill->call('HEAD', "/items/$id");
    is $reply->status, 200, 'as GET';
    is $reply->content, '', 'without the body';
    is $mill->call('HEAD', '/items/' . uuid())->status, 404, 'also for an id that does not exist';
    $mill->pull(1);
};

subtest 'ids that are none' => sub {
    for my $id (uuid(), '00000000-0000-0000-0000-000000000000', 'x', '1', uuid() . 'x', substr(uuid(), 1),
        uuid() . '/', "'; drop table item; --", 'x' x 500) {
        (my $path = "/items/$id") =~ s/([ ';])/sprintf '%%%02X', ord $1/ge;
        is_problem($mill->get($path), 404, "GET $id");
        is_problem($mill->call('DELETE', $path), 404, "DELETE $id");
    }
    is_problem($mill->item(uuid(), wait => 5), 404, 'a wait for none is not held');
};

subtest 'DELETE' => sub {
    my $id = $mill->new_item('cancelled', 5);
    is $mill->call('DELETE', "/items/$id")->status, 204, 'a waiting item';
    is $mill->state_of($id), 'cancelled', 'its state';
    is $mill->call('DELETE', "/items/$id")->status, 204, 'and again';
    is $mill->lease->status, 204, 'no worker gets it';

    $id = $mill->new_item('cancelled late', 5);
    my ($report, $chain) = leased_alone($mill, $id);
    is $mill->call('DELETE', "/items/$id")->status, 204, 'a leased item';
    my $verdict = $mill->report({ %$report, chain => advance($chain, 4) })->json;
    is_deeply $verdict, { taken => [], lost => [$id] }, 'its result is not taken';
    is $mill->state_of($id), 'cancelled', 'it stays cancelled';

    $id = $mill->new_item('too late', 1);
    is_problem($mill->call('DELETE', "/items/$id"), 409, 'a done item');
    is $mill->pull(1)->json->[0]{id}, $id, 'is still handed out';
    is_problem($mill->call('DELETE', "/items/$id"), 409, 'a pulled item');
};

subtest 'wait' => sub {
    my $id = $mill->new_item('waited for', 3);
    for my $wait (qw(-1 31 1e1 x 01 1.5), '', '1&wait=1') {
        is_problem($mill->item($id, wait => $wait), 400, "wait=$wait");
    }
    is $mill->item($id, wait => 0)->json->{state}, 'waiting', 'wait=0 answers at once';

    my $client = background(sub { my $reply = $mill->item($id, wait => 30); ($reply->status, $reply->json) });
    ok $mill->wait_parked(1), 'a wait is parked';
    my $begin = time;
    $mill->work_all;
    my ($status, $item) = $client->result;
    is_deeply [$status, $item->@{qw(id state value)}], [200, $id, 'done', value_of('waited for', 3)],
        'it is answered when the value is there';
    cmp_ok time - $begin, '<', 10, 'long before its time was over';
    is $mill->item($id, wait => 30)->json->{state}, 'done', 'a wait for a done item is not held';
    $mill->pull(1);
};

subtest 'a wait that ends without a value' => sub {
    my $id = $mill->new_item('never done', 3);
    my $begin = time;
    is $mill->item($id, wait => 1)->json->{state}, 'waiting', 'shows the state as it is';
    cmp_ok time - $begin, '>', 0.9, 'after its time';

    my $client = background(sub { $mill->item($id, wait => 30)->json->{state} });
    ok $mill->wait_parked(1), 'parked';
    $mill->call('DELETE', "/items/$id");
    is $client->result, 'cancelled', 'a cancelled item ends it too';
};

subtest 'more waits than are held' => sub {
    my $id = $mill->new_item('popular', 3);
    my @clients = map { waiting_client($mill, $id) } 1 .. 3;
    ok $mill->wait_parked(3), 'as many as WAIT_SLOTS_PUBLIC are held';
    is_problem($mill->item($id, wait => 5), 503, 'one more');
    @clients = ();
    ok $mill->wait_parked(0), 'clients that vanish free their places';
    my $client = background(sub { $mill->item($id, wait => 30)->json->{state} });
    ok $mill->wait_parked(1), 'for others';
    $mill->work_all;
    is $client->result, 'done', 'which are served';
};

# A client that asks and then only holds its connection.
sub waiting_client ($mill, $id) {
    my $socket = $mill->connection;
    print {$socket} "GET /items/$id?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    $socket->flush;
    return $socket;
}

finish();
