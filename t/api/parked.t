# Parked requests: who is answered first, that nobody is woken for nothing, and that an item for a client that has gone
# goes to the next one at once.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use JSON::PP ();
use Hashmill;

use constant ROUNDS => 25; # of races

my $mill = Hashmill->start(LEASE_SECONDS => 600);

# A worker that asks for one item and only holds its connection.
sub parked_worker ($name) {
    my $socket = $mill->connection($mill->{port} + 1);
    my $body = JSON::PP::encode_json({ protocol => 1, request => uuid(), items => 1, iterations => 100,
        wait => 25, worker => { $mill->worker_fields->%*, name => $name } });
    print {$socket} "POST /lease HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ",
        "$mill->{token}\r\nContent-Length: ", length $body, "\r\n\r\n$body";
    $socket->flush;
    return $socket;
}

# The id that such a worker is given.
sub given ($socket) {
    local $/ = undef;
    return (readline($socket) // '') =~ /"items":\[\{"id":"([^"]+)"/ ? $1 : 'nothing';
}

subtest 'the oldest lease first' => sub {
    my @workers;
    for my $number (1 .. 3) {
        push @workers, parked_worker("worker $number");
        ok $mill->wait_parked($number), "$number parked";
    }
    for my $left (reverse 0 .. $#workers) {
        my $id = $mill->new_item('one item', 10);
        is given(shift @workers), $id, 'the one that has waited longest gets it';
        is $mill->stats->{parked}, $left, 'the others stay parked';
    }
};

subtest 'no more than there is work for' => sub {
    my @workers = map { parked_worker("worker $_") } 1 .. 5;
    ok $mill->wait_parked(5), 'five are parked';
    my @ids = map { $mill->new_item("item $_", 10) } 1 .. 2;
    ok $mill->wait_parked(3), 'two items wake two of them';
    is $mill->stats->{items}{waiting}, 0, 'which have them';
    @workers = ();
    ok $mill->wait_parked(0), 'the others go';
};

subtest 'looks at one item' => sub {
    my @ids = map { $mill->new_item("looked at $_", 10) } 1 .. 2;
    my @first = map { background(sub { $mill->item($ids[0], wait => 30)->json->{state} }) } 1 .. 3;
    my $second = background(sub { $mill->item($ids[1], wait => 30)->json->{state} });
    ok $mill->wait_parked(4), 'four are parked';
    is $mill->call('DELETE', "/items/$ids[0]")->status, 204, 'one item comes to its end';
    is $_->result, 'cancelled', 'who looks at it is told' for @first;
    is $mill->stats->{parked}, 1, 'who looks at the other is not';
    $mill->call('DELETE', "/items/$ids[1]");
    is $second->result, 'cancelled', 'until that one does';
};

# The client goes just when its item comes: whichever is seen first, the item is not lost with it.
subtest 'a client that goes as its item comes' => sub {
    my $right = 0;
    for my $round (1 .. ROUNDS) {
        my $goes = parked_worker('goes');
        $mill->wait_parked(1) or last;
        my $stays = parked_worker('stays');
        $mill->wait_parked(2) or last;
        close $goes;
        my $id = $mill->new_item("round $round", 10);
        $right += given($stays) eq $id;
    }
    is $right, ROUNDS, 'the next one gets it at once, every time';
};

finish();
