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
use IO::Select ();
use Time::HiRes qw(sleep time);

use Hashmill::Job;
use Hashmill::Util;

our @EXPORT = qw(answers_at_once at_once body_of crowd enqueue_key enqueuer judge persist pull_key pull_rest puller send_at_once);

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

# --- many at once, from one process ---------------------------------------------------------------

# The bytes of PUT /enqueue: body, iterations (1), headers; the connection is kept unless it is the last.
sub put_bytes ($node, $put, $last) {
    my %headers = (Host => 'localhost', 'Content-Length' => length $put->{body}, $last ? (Connection => 'close') : (),
        $node->{key} ? (Authorization => "Bearer $node->{key}") : (), ($put->{headers} // {})->%*);
    return 'PUT /enqueue?iterations=' . ($put->{iterations} // 1) . " HTTP/1.1\r\n"
        . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers) . "\r\n$put->{body}";
}

# Cuts one answer off the bytes that have come: {status, head, content}; nothing while it is not whole.
sub cut_answer ($bytes) {
    my ($head) = $$bytes =~ /\A(HTTP\/1\.1 .*?\r\n\r\n)/s or return;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;
    return if length $$bytes < length($head) + ($length // 0);
    my $content = substr $$bytes, length $head, $length // 0;
    substr $$bytes, 0, length($head) + ($length // 0), '';
    return { status => substr($head, 9, 3), head => $head, content => $content };
}

# Sends all of them but for a last byte, and then that of each: they come to the server together. Their connections.
sub send_at_once ($node, @puts) {
    my @bytes = map { put_bytes($node, $_, 1) } @puts;
    my @sockets = map { $node->connection } @puts;
    $_->blocking(1) for @sockets;
    print { $sockets[$_] } substr $bytes[$_], 0, -1 for 0 .. $#puts;
    $_->flush for @sockets;
    for my $number (0 .. $#puts) {
        print { $sockets[$number] } substr $bytes[$number], -1;
        $sockets[$number]->flush;
    }
    return @sockets;
}

# The answers on such connections; status 0: none.
sub answers_at_once (@sockets) {
    local $/ = undef;
    return map { my $bytes = readline($_) // ''; cut_answer(\$bytes) // { status => 0, head => '', content => $bytes } } @sockets;
}

sub at_once ($node, @puts) { return answers_at_once(send_at_once($node, @puts)) }

# So many clients on kept connections, each with one enqueue after the other until the job is told to stop. {answers => how
# many of each status, 0 for none; items => {id => digest}; odd => what is wrong with answers, or not 201}.
sub crowd ($node, $clients) {
    my %seen = (answers => {}, items => {}, odd => []);
    my $select = IO::Select->new;
    my (%digest, %came, $count);
    my $send = sub ($socket) {
        my $body = "$$ " . ++$count . ' x' x ($count * 7919 % 3000);
        $digest{$socket} = sha512_hex($body);
        syswrite $socket, put_bytes($node, { body => $body }, 0);
    };
    my $begin = sub {
        my $socket = $node->connection;
        $select->add($socket);
        $came{$socket} = '';
        $send->($socket);
    };
    $begin->() for 1 .. $clients;
    while ($select->count > 0) {
        for my $socket ($select->can_read(60)) {
            my $more = sysread $socket, $came{$socket}, 65536, length $came{$socket};
            my $answer = cut_answer(\$came{$socket}) // ($more ? next : { status => 0, content => "closed: $came{$socket}" });
            $seen{answers}{ $answer->{status} }++;
            my ($id, $digest) = $answer->{content} =~ /"id":"([^"]+)","digest":"([^"]+)"/;
            if ($answer->{status} == 201 && $digest eq $digest{$socket}) { $seen{items}{$id} = $digest }
            else { push $seen{odd}->@*, "$answer->{status} $answer->{content}" }
            if (stopping() || !$more) { $select->remove($socket); close $socket }
            else { $send->($socket) }
            $begin->() if !$more && !stopping();
        }
    }
    return \%seen;
}

1;
