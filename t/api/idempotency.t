# Idempotency-Key: a client that got no answer may ask again without harm.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

my $mill = Hashmill->start;

subtest 'enqueue' => sub {
    my @key = ('Idempotency-Key' => 'order-4711');
    my $first = $mill->enqueue('body', 5, @key);
    is $first->status, 201, 'the first time';
    my $again = $mill->enqueue('body', 5, @key);
    is $again->status, 201, 'the second time';
    is_deeply $again->json, $first->json, 'the same item';
    is $mill->stats->{items}{waiting}, 1, 'only one is there';
    is_problem($mill->enqueue('other', 5, @key), 422, 'another body');
    is_problem($mill->enqueue('body', 6, @key), 422, 'another n');
    is $mill->stats->{items}{waiting}, 1, 'still only one';
    isnt $mill->enqueue('body', 5, 'Idempotency-Key' => 'order-4712')->json->{id}, $first->json->{id},
        'another key is another item';
    isnt $mill->enqueue('body', 5)->json->{id}, $first->json->{id}, 'and so is none';

    $mill->work_all;
    is $mill->enqueue('body', 5, @key)->json->{id}, $first->json->{id}, 'the same when it is done';
    $mill->pull(10);
    is $mill->enqueue('body', 5, @key)->json->{id}, $first->json->{id}, 'and when it was pulled';
    is $mill->stats->{items}{waiting}, 0, 'it is not computed again';
};

subtest 'many at once' => sub {
    my %ids = map { $_->[0] => 1 } parallel(8, sub {
        return $mill->enqueue('race', 5, 'Idempotency-Key' => 'race')->json->{id};
    });
    is scalar keys %ids, 1, 'eight clients with one key get one item';
    $mill->work_all;
    $mill->pull(10);
};

subtest 'pull' => sub {
    my @ids = map { $mill->new_item("pull $_", 1) } 1 .. 5;
    my %key = (headers => { 'Idempotency-Key' => 'batch-1' });
    my $first = $mill->pull(3, %key)->json;
    is scalar @$first, 3, 'the first time';
    is_deeply $mill->pull(3, %key)->json, $first, 'the same batch again, in the same order';
    is_problem($mill->pull(2, %key), 422, 'another top');
    is_problem($mill->pull(3, %key, order => 'oldest'), 422, 'another order');
    is_deeply [map { $_->{id} } $mill->pull(3)->json->@*], [@ids[1, 0]], 'others get the rest';
    is_deeply $mill->pull(3, %key)->json, $first, 'and the batch stays what it was';
};

subtest 'an empty pull is not recorded' => sub {
    my %key = (headers => { 'Idempotency-Key' => 'early' });
    is_deeply $mill->pull(1, %key)->json, [], 'nothing yet';
    my $id = $mill->new_item('later', 1);
    is $mill->pull(1, %key)->json->[0]{id}, $id, 'the same key later gets what has come';
};

subtest 'keys that are none' => sub {
    my %bad = ('empty' => '', 'too long' => 'k' x 256, 'a blank inside' => 'a b', 'a tab inside' => "a\tb");
    for my $name (sort keys %bad) {
        is_problem($mill->enqueue('body', 5, 'Idempotency-Key' => $bad{$name}), 400, "enqueue: $name");
        is_problem($mill->pull(1, headers => { 'Idempotency-Key' => $bad{$name} }), 400, "pull: $name");
    }
    like $mill->raw_request("PUT /enqueue?iterations=5 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        . "Content-Length: 1\r\nIdempotency-Key: k\xc3\xa9y\r\n\r\nx"), qr{^HTTP/1.1 400 }, 'not ASCII';
    is $mill->enqueue('body', 5, 'Idempotency-Key' => 'k' x 255)->status, 201, '255 characters are taken';
};

subtest 'after a crash' => sub {
    my @key = ('Idempotency-Key' => 'kept');
    my $id = $mill->enqueue('kept', 5, @key)->json->{id};
    $mill->new_item('kept too', 1);
    my %pull_key = (headers => { 'Idempotency-Key' => 'kept-batch' });
    my $batch = $mill->pull(1, %pull_key)->json;
    $mill->kill_everything;
    $mill->start_server;
    $mill->start_nginx;
    is $mill->enqueue('kept', 5, @key)->json->{id}, $id, 'an enqueue is remembered';
    is_problem($mill->enqueue('other', 5, @key), 422, 'with its body');
    is_deeply $mill->pull(1, %pull_key)->json, $batch, 'and a pull with its batch';
};

finish();
