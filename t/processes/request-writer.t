# The id of a request in what the writer logs of it, in plain and as JSON: a batch has the operations of many.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use IPC::Open2 qw(open2);
use JSON::PP;
use Test::More;
use Hashmill;
use Hashmill::Util;

# The writer's lines with this text, each with the id of its request.
sub writer_lines ($mill, $text) {
    my @lines;
    for my $line (split /\n/, $mill->server_log) {
        my $json = $line =~ /^\{/ ? JSON::PP->new->decode($line) : undef;
        my ($role, $message, $id) = $json ? @$json{qw(role message request)}
            : $line =~ /^\S+ \S+ (\S+) \w+: (.*?)(?: \(request (\S+)\))?$/;
        push @lines, [$message, $id] if ($role // '') eq 'writer' && $message =~ $text;
    }
    return @lines;
}

# That the writer logged this text for that request, and for no other.
sub is_of ($mill, $text, $id, $what) {
    return is_deeply [map { $_->[1] } writer_lines($mill, $text)], [$id], $what;
}

sub operate ($mill, $path, $id) { return $mill->call('POST', $path, headers => { 'X-Request-Id' => $id }) }

# A call of a worker with an id of its own.
sub work ($mill, $id, $path, %fields) {
    return $mill->worker_call($path, { protocol => 1, worker => Hashmill::worker_fields(), %fields }, 'X-Request-Id' => $id);
}

sub lease ($mill, $id, $wait = 0) {
    return work($mill, $id, '/lease', request => uuid(), items => 10, iterations => 1e12, wait => $wait);
}

sub test_operator ($mill) {
    my $reply = operate($mill, '/admin/pause?what=leasing', 'an-operator');
    is $reply->header('x-request-id'), 'an-operator', 'who pauses is answered with the id';
    is_of($mill, qr/^leasing is paused/, 'an-operator', 'which the writer knows, too');
    operate($mill, '/admin/pause?what=leasing', 'once-more');
    operate($mill, '/admin/resume?what=leasing', 'goes-on');
    is_of($mill, qr/^leasing is resumed/, 'goes-on', 'and that of who lets it go on');
    is_deeply [writer_lines($mill, qr/^leasing is paused/)], [['leasing is paused by an operator', 'an-operator']],
        'a pause that is no change is not told';
    return;
}

sub test_worker ($mill) {
    my $id = $mill->new_item('reported wrongly', 100);
    my $grant = lease($mill, 'a-lease')->json;
    my ($item) = $grant->{items}->@*;
    my $reply = work($mill, 'a-false-report', '/results',
        items => [{ id => $id, lease => $grant->{lease}, remaining => $item->{remaining}, chain => 'ab' x 64 }]);
    is_deeply $reply->json->{lost}, [$id], 'a false chain is refused';
    is_of($mill, qr/^item $id: worker test .*another chain/, 'a-false-report', 'and logged with the id of the report');
    return;
}

# The worker has the item of test_worker in hand, and may have no other.
sub test_wait ($mill) {
    my $wait = background(sub { return lease($mill, 'one-that-waits', 25)->status });
    ok $mill->wait_parked(1), 'a lease waits';
    my ($former) = $mill->children('writer');
    kill 'KILL', $former;
    ok wait_until(10, sub { my ($writer) = $mill->children('writer'); $writer && $writer != $former }), 'there is another writer';
    ok $mill->wait_parked(1), 'where it waits again';
    $mill->enqueue('for another worker', 100, 'X-Request-Id' => 'ends-the-wait');
    is_deeply [$wait->result], [204], 'until there is an item, which this worker does not get';
    is_of($mill, qr/more items in hand/, 'one-that-waits', 'the line about it has the id of the lease, which is older than the batch');
    return;
}

sub test_batch ($mill) {
    my $in_hand = open2(my $out, my $in, 'sqlite3', $mill->{settings}{DATABASE});
    print {$in} "BEGIN IMMEDIATE; SELECT 'holds it';\n";
    $in->flush;
    is scalar(readline $out), "holds it\n", 'another program holds the lock';
    is $mill->enqueue('cannot be stored', 1, 'X-Request-Id' => 'of-a-batch')->status, 503, 'an enqueue fails';
    close $in;
    waitpid $in_hand, 0;
    is_deeply [writer_lines($mill, qr/^a batch failed/)], [['a batch failed with the requests of-a-batch', undef]],
        'a batch that fails names its requests';
    return;
}

for my $format ('text', 'json') {
    subtest "LOG_FORMAT=$format" => sub {
        my $mill = Hashmill->start(LOG_FORMAT => $format, IN_HAND_START => 1, OPERATION_SECONDS => 4);
        $mill->expect_log($_) for qr/reports another chain/, qr/holds the lock for writing/;
        test_operator($mill);
        test_worker($mill);
        test_wait($mill);
        test_batch($mill);
        is_deeply [grep { $_->[1] } writer_lines($mill, qr/database can be written|still paused/)], [], 'what is of no request has no id';
        $mill->close_instance;
    };
}

finish();
