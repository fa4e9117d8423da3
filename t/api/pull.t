# POST /pullCompleted: which items, in which order, in which form, and each only once.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

my $mill = Hashmill->start;

sub ids ($reply) { return [map { $_->{id} } $reply->json->@*] }

subtest 'nothing there' => sub {
    my $waiting = $mill->new_item('not done', 5);
    my $reply = $mill->pull(10);
    is $reply->status, 200, 'is no error';
    is_deeply $reply->json, [], 'but an empty list';
    is $mill->pull(10, headers => { Accept => 'text/plain' })->content, '', 'or an empty text';
    is $mill->state_of($waiting), 'waiting', 'what is not done stays';
    $mill->call('DELETE', "/items/$waiting");
};

subtest 'order' => sub {
    my @ids = map { $mill->new_item("body $_", 1) } 1 .. 6;
    is_deeply ids($mill->pull(2)), [@ids[5, 4]], 'the latest completed first';
    is_deeply ids($mill->pull(1, order => 'oldest')), [$ids[0]], 'order=oldest';
    is_deeply ids($mill->pull(1, order => 'latest')), [$ids[3]], 'order=latest';
    is_deeply ids($mill->pull(1000)), [@ids[2, 1]], 'each item once, the rest when there are fewer';
    is_deeply ids($mill->pull(1000)), [], 'then none';
};

subtest 'completion counts, not enqueueing' => sub {
    my @ids = map { $mill->new_item("slow $_", 2) } 1 .. 2;
    my $grant = $mill->lease->json;
    my %leased = map { $_->{id} => $_ } $grant->{items}->@*;
    for my $id (reverse @ids) {
        $mill->report({ id => $id, lease => $grant->{lease}, remaining => 0,
            chain => advance($leased{$id}{chain}, 1) });
    }
    is_deeply ids($mill->pull(2)), \@ids, 'the one that was done last comes first';
};

subtest 'fields' => sub {
    my $id = $mill->new_item('fields', 3);
    $mill->work_all;
    my $reply = $mill->pull(1);
    like $reply->header('content-type'), qr{^application/json}, 'JSON';
    my ($item) = $reply->json->@*;
    is_deeply [sort keys %$item], [qw(completed_at enqueued_at id iterations value)], 'the fields';
    is $item->{id}, $id, 'id';
    is $item->{value}, value_of('fields', 3), 'value';
    is $item->{iterations}, 3, 'iterations';
    like $item->{$_}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, $_ for qw(enqueued_at completed_at);
    cmp_ok $item->{enqueued_at}, 'le', $item->{completed_at}, 'in this order';
    is $mill->state_of($id), 'pulled', 'its state afterwards';
    is $mill->item($id)->json->{value}, value_of('fields', 3), 'its value can still be read';
};

subtest 'text/plain' => sub {
    my @ids = map { $mill->new_item("text $_", 1) } 1 .. 2;
    my $reply = $mill->pull(5, headers => { Accept => 'text/plain' });
    like $reply->header('content-type'), qr{^text/plain}, 'its type';
    is $reply->content, join('', map { "$ids[$_-1] " . value_of("text $_", 1) . "\n" } 2, 1),
        'one line an item';
};

subtest 'a full pull' => sub {
    # 1,000 is the most; done by their enqueueing, spread over a few clients.
    my %wanted = map { $_ => 1 } map { @$_ } parallel(4, sub ($client) {
        return map { $mill->new_item("many $client $_", 1) } 1 .. 251;
    });
    my $first = ids($mill->pull(1000));
    is scalar @$first, 1000, '1,000 at once';
    my $rest = ids($mill->pull(1000));
    is scalar @$rest, 4, 'the others after them';
    is scalar(grep { $wanted{$_} } @$first, @$rest), 1004, 'all of them ours';
};

subtest 'what is refused' => sub {
    my $id = $mill->new_item('stays', 1);
    my %query = (
        'no top' => '', 'zero' => 'top=0', 'negative' => 'top=-1', 'exponent' => 'top=1e3', 'over 1,000' => 'top=1001',
        '2^63' => 'top=9223372036854775808', 'repeated' => 'top=1&top=1', 'trailing junk' => 'top=1x',
        'leading zero' => 'top=01', 'empty' => 'top=', 'unknown order' => 'top=1&order=first',
        'empty order' => 'top=1&order=', 'order twice' => 'top=1&order=oldest&order=oldest',
        'unknown parameter' => 'top=1&limit=1',
    );
    is_problem($mill->call('POST', "/pullCompleted?$query{$_}"), 400, $_) for sort keys %query;
    is $mill->state_of($id), 'done', 'and nothing was handed out';
};

finish();
