package Hashmill::Load;

# Well-behaved clients of one or more nodes: each change has an Idempotency-Key and is repeated until it is answered.
# They run beside a test:
#
#     my @enqueuers = map { my $node = $_; background(sub { enqueuer($node, 'a' . $node->{settings}{NODE}) }) } @nodes;
#     my @pullers = ...puller...
#     my @enqueued = map { $_->stop->result } @enqueuers;
#     my @pulled = map { $_->stop->result } @pullers;
#     is_deeply judge(\@enqueued, \@pulled), { lost => [], twice => [], wrong => [] };

use v5.36;
use parent 'Exporter';
use Digest::SHA qw(sha512_hex);
use Time::HiRes qw(sleep time);

use Hashmill::Job;
use Hashmill::Util;

our @EXPORT = qw(body_of enqueue_key enqueuer judge persist pull_key pull_rest puller);

# Asks until the answer is 200 or 201; before that only 503 and no answer are allowed.
sub persist ($ask, $seconds = 60) {
    my $end = time + $seconds;
    my $reply;
    while (time < $end) {
        $reply = $ask->();
        my $status = $reply->status;
        return $reply if $status == 200 || $status == 201;
        die "answered $status " . $reply->content . "\n" if $status != 503 && $status != 599;
        sleep 0.05;
    }
    die "no answer for $seconds s, last: " . $reply->status . ' ' . $reply->content . "\n";
}

# The body that belongs to a key, so that it can be sent again.
sub body_of ($key) { return "$key " x (1 + 50 * (ord(substr $key, -1) % 7)) }

# One keyed enqueue at a node, the first or another one with this key.
sub enqueue_key ($node, $key, $iterations) {
    return $node->enqueue(body_of($key), $iterations, 'Idempotency-Key' => $key);
}

# One keyed pull.
sub pull_key ($node, $key, $top, %options) {
    return $node->pull($top, headers => { 'Idempotency-Key' => $key }, %options);
}

# Enqueues at a node until told to stop, or `most` items. iterations => code that gives the number, pause => seconds
# after each. Returns [id, digest, iterations, key] for each.
sub enqueuer ($node, $name, %options) {
    my $iterations = $options{iterations} // sub { 1 + int rand 2000 };
    my @items;
    for (my $count = 0; !stopping() && $count < ($options{most} // 1e9); $count++) {
        my ($key, $n) = ("$name-$count", $iterations->());
        my $item = persist(sub { enqueue_key($node, $key, $n) })->json;
        die "the digest of another body\n" if $item->{digest} ne sha512_hex(body_of($key));
        push @items, [$item->{id}, $item->{digest}, $n, $key];
        sleep($options{pause} // 0.02);
    }
    return @items;
}

# Pulls at a node until told to stop and then until nothing is left there. Returns [id, value,
# iterations] for each item.
sub puller ($node, $name, %options) {
    my @items;
    for (my $count = 0; ; $count++) {
        my $last = stopping();
        my $batch = persist(sub { pull_key($node, "$name-$count", $options{top} // 20) })->json;
        push @items, map { [$_->@{qw(id value iterations)}] } @$batch;
        return @items if $last && !@$batch;
        die "far too much was pulled\n" if @items > 100_000;
        sleep 0.05 if !@$batch;
    }
}

# Pulls at nodes what is left until nothing has come from any of them for a while.
sub pull_rest (@nodes) {
    state $number = 0;
    my (@items, $empty);
    my $end = time + 60;
    while (time < $end && ($empty // 0) < 5) {
        my @came = map { my $node = $_; my $key = 'rest-' . ++$number;
            persist(sub { pull_key($node, $key, 100) })->json->@* } @nodes;
        $empty = @came ? 0 : ($empty // 0) + 1;
        push @items, map { [$_->@{qw(id value iterations)}] } @came;
        sleep 0.1 if !@came;
    }
    return @items;
}

# What is wrong with the pulled items: ids that were enqueued and never pulled, ids that were pulled more than once, and
# ids with a wrong value at least once.
sub judge ($enqueued, $pulled) {
    my (%values, %times);
    for my $item (@$pulled) {
        $times{ $item->[0] }++;
        $values{ $item->[0] }{ $item->[1] } = 1;
    }
    my (@lost, @wrong);
    for my $item (@$enqueued) {
        my ($id, $digest, $n) = @$item;
        if (!$times{$id}) { push @lost, $id; next }
        my $value = advance($digest, $n - 1);
        push @wrong, $id if join(' ', keys $values{$id}->%*) ne $value;
    }
    return { lost => \@lost, wrong => \@wrong, twice => [sort grep { $times{$_} > 1 } keys %times] };
}

1;
