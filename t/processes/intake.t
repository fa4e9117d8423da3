# The processes for PUT /enqueue: what comes on the connections that nginx keeps, straight from a test and through
# nginx; and what is answered when one of them or the writer stops, hangs or dies with many requests in hand.

use v5.36;
use Digest::SHA qw(sha256_base64 sha512_base64 sha512_hex);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use IO::Select;
use List::Util qw(sum0 uniq);
use Test::More;
use Hashmill;
use Hashmill::FastCGI;
use Hashmill::Keys;
use Hashmill::Load;

use constant { PROCESSES => 2, CONNECTIONS_MAX => 256, OWN_SOCKETS => 2, BODY_MAX => 262_144, OPERATION_SECONDS => 5 };

$SIG{PIPE} = 'IGNORE'; # a peer that is refused is closed while this one still sends
my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann');
my $mill = Hashmill->start(KEYS => "$dir/keys", key => $key{ann}, OPERATION_SECONDS => OPERATION_SECONDS);
my $clock_ms = 0;

# Moves the server's clock, rather than to wait.
sub move_on ($ms) { return $mill->move_clock(steady_ms => $clock_ms += $ms) }

# How many items there are. A new writer may lock the database for a moment.
sub count_items {
    my $count;
    wait_until(30, sub { defined($count = eval { ($mill->sql('SELECT count(*) FROM item'))[0][0] }) });
    return $count;
}

# --- straight at the socket -------------------------------------------------------------------------

sub connect_intake { return fcgi_connect("$mill->{settings}{RUN_DIR}/intake.sock") }

# The head of an enqueue, some of its parameters changed; undef leaves one out.
sub head ($length, %changes) {
    my %all = (REQUEST_METHOD => 'PUT', DOCUMENT_URI => '/enqueue', QUERY_STRING => 'iterations=1',
        CONTENT_LENGTH => $length, HTTP_AUTHORIZATION => "Bearer $key{ann}", %changes);
    delete @all{ grep { !defined $all{$_} } keys %all };
    return fcgi_begin_kept(%all);
}

# A body to its end.
sub body ($bytes) { return join '', map { fcgi_body($_) } unpack('(a32000)*', $bytes), '' }

sub ask ($peer, $bytes) {
    print {$peer} $bytes;
    $peer->flush;
    return fcgi_answer($peer);
}

sub put ($peer, $body, %changes) { return ask($peer, head(length $body, %changes) . body($body)) }

sub is_put ($peer, $body, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $text) = put($peer, $body);
    return ok $status == 201 && index($text, sha512_hex($body)) > 0, $name || diag "$status $text";
}

# Whether the server has closed a connection, within a minute.
sub is_closed ($peer) {
    my $bytes;
    return IO::Select->new($peer)->can_read(60) && !sysread $peer, $bytes, 1;
}

# Bytes sent to it that it has not received.
sub unread ($peer) {
    my $bytes = pack 'i', 0;
    ioctl $peer, 0x5411, $bytes or die "ioctl: $!"; # SIOCOUTQ
    return unpack 'i', $bytes;
}

sub is_silent ($peer) { return !IO::Select->new($peer)->can_read(0) }

subtest 'a kept connection' => sub {
    my $peer = connect_intake();
    is_put($peer, random_body($_), "a body of $_ bytes") for 1, 111, 112, 4096, 65_535, 65_536, BODY_MAX, 3;
    print {$peer} fcgi_begin(REQUEST_METHOD => 'PUT', DOCUMENT_URI => '/enqueue', QUERY_STRING => 'iterations=1', CONTENT_LENGTH => 4,
        HTTP_AUTHORIZATION => "Bearer $key{ann}") . body('last');
    $peer->flush;
    my ($status, $text) = fcgi_answer($peer);
    is $status, 201, 'one that is not to be kept';
    is +(put($peer, 'another'))[0], 0, 'is closed after the answer';
    $peer = connect_intake();
    print({$peer} $_), $peer->flush for split //, head(3) . body('abc');
    is +(fcgi_answer($peer))[0], 201, 'byte by byte';
    is_put($peer, 'next', 'and the next one');
    print {$peer} head(5) . body('first');
    $peer->flush;
    is +(fcgi_answer($peer))[0], 201, 'an answer';
    $peer->shutdown(1);
    ok is_closed($peer), 'closed by its peer, it is closed';
};

subtest 'other calls' => sub {
    my $peer = connect_intake();
    my %calls = ('GET /stats' => 421, 'GET /healthz' => 421, 'POST /pullCompleted' => 421, 'POST /items' => 421, 'GET /enqueue' => 405,
        'GET /nothing' => 404, 'POST /lease' => 404, 'HEAD /stats' => 421);
    for my $call (sort keys %calls) {
        my ($method, $path) = split / /, $call;
        my $query = $path eq '/pullCompleted' ? 'top=1' : '';
        my $body = $path eq '/items' ? 'x' x 100 : '';
        is +(put($peer, $body, REQUEST_METHOD => $method, DOCUMENT_URI => $path, QUERY_STRING => $query,
            $path eq '/items' ? (CONTENT_TYPE => 'application/x-ndjson') : ()))[0], $calls{$call}, "$call is none of this process";
        is_put($peer, $call, 'the connection serves');
    }
};

subtest 'refused by its head' => sub {
    my $peer = connect_intake();
    my $before = count_items();
    my $puts = 0;
    my %heads = ('no iterations' => [400, QUERY_STRING => ''], 'iterations=0' => [400, QUERY_STRING => 'iterations=0'],
        'no key' => [401, HTTP_AUTHORIZATION => undef], 'a wrong key' => [401, HTTP_AUTHORIZATION => 'Bearer ' . 'x' x 60],
        'a Content-Digest that is none' => [400, HTTP_CONTENT_DIGEST => 'sha-512=:AAAA:'],
        'an Idempotency-Key that is none' => [400, HTTP_IDEMPOTENCY_KEY => "a\tb"],
        'too large' => [413, CONTENT_LENGTH => BODY_MAX + 1], 'no length' => [400, CONTENT_LENGTH => 'x']);
    for my $name (sort keys %heads) {
        my ($status, %changes) = $heads{$name}->@*;
        for my $length (0, 100) {
            is +(put($peer, 'x' x $length, %changes))[0], $status, "$name, with $length bytes: $status";
            is_put($peer, "$name $length", 'the connection serves');
            $puts++;
        }
    }
    is count_items(), $before + $puts, 'nothing else is stored';
};

subtest 'bodies that are not as announced' => sub {
    my $peer = connect_intake();
    my $before = count_items();
    my @bodies = ([400, 10, 'x' x 9], [400, 10, 'x' x 11], [400, 10, ''], [400, 0, ''], [400, undef, ''], [400, undef, 'x'], [400, 0, 'x'],
        [413, 10, 'x' x (BODY_MAX + 1)], [413, BODY_MAX, 'x' x (BODY_MAX + 1)], [413, BODY_MAX, 'x' x (2 * BODY_MAX)],
        [413, 2 * BODY_MAX, 'x'], [400, BODY_MAX, 'x' x (BODY_MAX - 1)]);
    for my $case (@bodies) {
        my ($status, $announced, $body) = @$case;
        my $name = length($body) . ' bytes, announced ' . ($announced // 'none');
        is +(ask($peer, head($announced) . body($body)))[0], $status, "$name: $status";
        is_put($peer, $name, 'the connection serves');
    }
    is count_items(), $before + @bodies, 'nothing else is stored';
};

subtest 'no requests' => sub {
    my $before = count_items();
    my $whole = head(4) . body('body');
    my $padded = substr($whole, 0, 6) . "\x09" . substr($whole, 7);
    my %wrong = (noise => "\xff" x 64, 'another version' => "\x02" . substr($whole, 1), 'a body first' => fcgi_body('x'),
        'no role' => substr($whole, 0, 9) . "\x07" . substr($whole, 10),
        'no parameters' => substr($whole, 0, 16) . body('body'), 'junk for parameters' => substr($whole, 0, 16) . pack('CCnnCC', 1, 4, 1, 9, 0, 0) . "\xff" x 9
            . pack('CCnnCC', 1, 4, 1, 0, 0, 0),
        'another request' => head(4) . pack('CCnnCC', 1, 5, 2, 4, 0, 0) . 'body', 'an abort' => head(4) . pack('CCnnCC', 1, 2, 1, 0, 0, 0),
        'two at once' => $whole . $whole, 'one byte more' => "${whole}\x01");
    for my $name (sort keys %wrong) {
        my $peer = connect_intake();
        is_put($peer, $name, 'a good one before') if $name ne 'noise';
        my ($status) = ask($peer, $wrong{$name});
        ok $status == 0 || $status >= 400, "$name is not taken: $status";
        ok is_closed($peer), 'its connection is closed';
    }
    is count_items(), $before + keys(%wrong) - 1, 'nothing of them is stored';
    is +(put(connect_intake(), 'others'))[0], 201, 'others are served';
};

# --- silent peers -----------------------------------------------------------------------------------

subtest 'silent peers' => sub {
    my $before = count_items();
    my $head = head(100);
    my %pieces = ('half a header' => substr($head, 0, 4), 'a header' => substr($head, 0, 8), 'half a head' => substr($head, 0, 60),
        'no body' => $head, 'half a body' => $head . fcgi_body('x' x 50), 'no end of the body' => $head . fcgi_body('x' x 100),
        'no body of one that is refused' => head(100, QUERY_STRING => ''));
    my %peers = map { $_ => [connect_intake(), connect_intake()] } keys %pieces;
    is_put($_, 'before', 'a good one before') for map { $_->[1] } values %peers;
    for my $name (keys %pieces) {
        for my $peer ($peers{$name}->@*) {
            print {$peer} $pieces{$name};
            $peer->flush;
        }
    }
    my @idle = map { connect_intake() } 1 .. 4;
    is_put(connect_intake(), 'straight', 'others are served');
    is $mill->enqueue('through nginx', 1)->status, 201, 'also through nginx';
    move_on(2100);
    for my $name (sort keys %peers) {
        my $status = $name =~ /refused|body/ ? 400 : 0; # who has said what it wants is told
        is_deeply [map { (fcgi_answer($_))[0] } $peers{$name}->@*], [$status, $status], "$name: answered $status";
        ok is_closed($peers{$name}[$_]), 'and closed' for 0, 1;
    }
    ok is_silent($_), 'who has asked for nothing may stay' for @idle;
    is_put($idle[0], 'late', 'and ask');
    move_on(10_100);
    ok is_closed($_), 'but not for ever' for @idle[1 .. 3];
    is count_items(), $before + keys(%pieces) + 3, 'nothing of them is stored';
};

# How many sockets the intake processes hold.
sub held {
    return sum0 map { scalar grep { (readlink // '') =~ /^socket:/ } glob "/proc/$_/fd/*" } $mill->children('intake');
}

# Waits until nginx has closed the connections that it does not use; how many sockets are left.
sub held_idle {
    ok wait_until(30, sub { held() <= PROCESSES * OWN_SOCKETS }), 'no connection is there' or diag 'held: ' . held();
    return held();
}

subtest 'more bodies than there is memory for' => sub {
    my $none = held_idle();
    my @silent = map { connect_intake() } 1 .. 40;
    for my $peer (@silent) {
        print {$peer} head(100) . fcgi_body('x' x 50);
        $peer->flush;
    }
    ok wait_until(30, sub { held() >= $none + @silent }), 'all are connected';
    my $peer = connect_intake();
    print {$peer} head(4) . body('wait');
    $peer->flush;
    my $ended = sub { return scalar grep { !is_silent($_) } @silent };
    my $moves = 0;
    while ($ended->() < @silent && $moves++ < 10) {
        my $count = $ended->();
        move_on(2100);
        ok wait_until(30, sub { $ended->() > $count }), 'those that were received from are ended';
    }
    is +(fcgi_answer($peer))[0], 201, 'another request waits, and is served';
    cmp_ok $moves, '<', 10, 'all of them are ended';
    my %count = map { $_ => 1 } map { (fcgi_answer($_))[0] } @silent;
    delete $count{0}; # who waits for memory for 10 s is told nothing
    is_deeply [keys %count], [400], 'and told so';
};

subtest 'more connections than are held' => sub {
    my $none = held_idle();
    my @peers = map { connect_intake() } 1 .. PROCESSES * CONNECTIONS_MAX + 20;
    ok wait_until(30, sub { held() >= $none + PROCESSES * CONNECTIONS_MAX }), 'so many are held';
    my $last = $peers[-1];
    print {$last} head(4) . body('last');
    $last->flush;
    ok is_silent($last), 'one more waits';
    close $_ for splice @peers, 0, 40;
    is +(fcgi_answer($last))[0], 201, 'until there is room';
    is_put($peers[$_], "connection $_", 'the others serve') for 0, 200, 400;
    push @peers, map { connect_intake() } 1 .. 40;
    ok wait_until(30, sub { held() >= $none + PROCESSES * CONNECTIONS_MAX }), 'so many are held again';
    $last = $peers[-1];
    print {$last} head(4) . body('last');
    $last->flush;
    my $asked = 0;
    while (is_silent($last) && $asked < 100) {
        is_put($peers[$asked], "busy $asked", 'a busy one is served');
        $asked++;
    }
    cmp_ok $asked, '<', 100, 'and makes room for one that waits';
    is +(fcgi_answer($last))[0], 201, 'which is served';
    is +(fcgi_answer($peers[0]))[0], 0, 'as the busy one is closed then';
};

# Sends what there is room for while nobody receives; returns the rest.
sub send_some ($peer, $bytes) {
    $peer->blocking(0);
    my $sent = syswrite $peer, $bytes or die "send: $!";
    $peer->blocking(1);
    return substr $bytes, $sent;
}

subtest 'processes that stood still' => sub {
    held_idle();
    my $body = random_body(BODY_MAX);
    my $request = head(BODY_MAX) . body($body);
    my @slow = map { connect_intake() } 1 .. 2;
    for my $peer (@slow) {
        print {$peer} substr $request, 0, 1000;
        $peer->flush;
        ok wait_until(30, sub { unread($peer) == 0 }), 'a request begins';
    }
    my @idle = map { connect_intake() } 1 .. 300;
    is_put($_, 'idle', 'a connection is kept') for @idle;
    my @children = $mill->children('intake');
    kill 'STOP', @children;
    my @rest = map { send_some($_, substr $request, 1000) } @slow;
    print({$_} head(5) . body('later')), $_->flush for @idle;
    move_on(11_000);
    kill 'CONT', @children;
    print({ $slow[$_] } $rest[$_]), $slow[$_]->flush for 0, 1;
    is_deeply [map { (fcgi_answer($_))[0] } @slow], [201, 201], 'what came meanwhile is in time';
    my %count;
    $count{ (fcgi_answer($_))[0] }++ for @idle;
    is_deeply \%count, { 201 => scalar @idle }, 'on idle connections, too';
};

# --- through nginx ----------------------------------------------------------------------------------

sub statuses (@answers) {
    my %count;
    $count{ $_->{status} }++ for @answers;
    return \%count;
}

subtest 'many bodies at once' => sub {
    for my $round (1 .. 4) {
        my @puts = map { { body => random_body(1 + int rand($round == 4 ? BODY_MAX : 10**$round * 5)) } } 1 .. 64;
        my @answers = at_once($mill, @puts);
        is_deeply statuses(@answers), { 201 => 64 }, 'all are taken';
        my @digests = map { $_->{content} =~ /"digest":"(\w+)"/ } @answers;
        is_deeply \@digests, [map { sha512_hex($_->{body}) } @puts], 'each gets the digest of its own body';
        my %stored = map { @$_ } $mill->sql('SELECT lower(hex(digest)), 1 FROM item');
        is scalar(grep { !$stored{$_} } @digests), 0, 'which is stored';
    }
};

subtest 'keys that are repeated' => sub {
    my $before = count_items();
    my @puts = map { { body => 'body ' . $_ % 20, headers => { 'Idempotency-Key' => 'key-' . $_ % 20 } } } 1 .. 64;
    my @answers = at_once($mill, @puts);
    is_deeply statuses(@answers), { 201 => 64 }, 'all are taken';
    my %ids;
    for my $number (0 .. $#puts) {
        my ($id) = $answers[$number]{content} =~ /"id":"([^"]+)"/;
        $ids{ $puts[$number]{body} }{$id} = 1;
    }
    is_deeply [map { scalar keys %$_ } values %ids], [(1) x 20], 'one id for each key';
    is count_items(), $before + 20, 'and one item';
    $puts[$_]{body} = 'another' for grep { $_ % 2 } 0 .. $#puts;
    is_deeply statuses(at_once($mill, @puts)), { 201 => 32, 422 => 32 }, 'of another body it is refused, among the others';
};

subtest 'Content-Digest' => sub {
    my $before = count_items();
    my @puts = map { { body => random_body(1 + int rand 5000) } } 1 .. 64;
    for my $number (0 .. $#puts) {
        my $body = $puts[$number]{body};
        my $said = $number % 4 < 2 ? $body : "$body.";
        my ($name, $digest) = $number % 2 ? ('sha-512', sha512_base64($said)) : ('sha-256', sha256_base64($said));
        $puts[$number]{headers} = { 'Content-Digest' => "$name=:$digest:" };
    }
    my @answers = at_once($mill, @puts);
    is_deeply [map { $_->{status} } @answers], [map { $_ % 4 < 2 ? 201 : 400 } 0 .. $#puts], 'right and wrong ones are told apart';
    is scalar(grep { $_->{content} =~ /digest-mismatch/ } @answers), 32, 'for that reason';
    is count_items(), $before + 32, 'the right ones are stored';
};

subtest 'refused ones among others' => sub {
    my $before = count_items();
    my @puts = map { { body => random_body(100 * $_), iterations => $_ % 3 ? 1 : 0 } } 1 .. 63;
    is_deeply statuses(at_once($mill, @puts)), { 201 => 42, 400 => 21 }, 'each is answered for itself';
    is count_items(), $before + 42, 'as many are stored';
};

# --- ends of processes ------------------------------------------------------------------------------

my @repeated = $mill->sql('SELECT hex(digest), count(*) FROM item GROUP BY 1 HAVING count(*) > 1'); # by the tests above

# Lets the code work while clients enqueue; all that they were answered.
sub under_load ($code) {
    my $clients = 16;
    my $before = count_items();
    my $load = background(sub { crowd($mill, $clients) });
    ok wait_until(30, sub { count_items() > $before + $clients }), 'there is load';
    $code->();
    my $now = count_items();
    ok wait_until(30, sub { count_items() > $now + $clients }), 'it goes on';
    my $seen = $load->stop->result;
    my $stored = count_items() - $before;
    my $taken = keys $seen->{items}->%*;
    my $unknown = grep { /outcome-unknown/ } $seen->{odd}->@*;
    ok $stored >= $taken && $stored <= $taken + $unknown, "what is stored is what was answered: $stored, $taken" or diag $unknown;
    is_deeply [$mill->sql('SELECT hex(digest), count(*) FROM item GROUP BY 1 HAVING count(*) > 1')], \@repeated, 'none is stored twice';
    my %stored = map { $_->[0] => 1 } $mill->sql('SELECT lower(hex(digest)) FROM item');
    is scalar(grep { !$stored{$_} } values $seen->{items}->%*), 0, 'and each that was taken is';
    return $seen;
}

sub is_fully_served ($seen, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply $seen->{odd}, [], "$name: $seen->{answers}{201} requests, none answered otherwise than 201";
}

# Whether there are so many intake processes, none of these.
sub replaced (@gone) {
    my %gone = map { $_ => 1 } @gone;
    my @now = $mill->children('intake');
    return @now == PROCESSES && !grep { $gone{$_} } @now;
}

subtest 'SIGTERM of one under load' => sub {
    my $seen = under_load(sub {
        for my $round (1 .. 3) {
            my ($child) = $mill->children('intake');
            kill 'TERM', $child;
            ok wait_until(30, sub { replaced($child) }), "round $round: it ends, and the master starts another";
        }
    });
    is_fully_served($seen, 'SIGTERM');
};

subtest 'reloads under load' => sub {
    my $seen = under_load(sub {
        for my $round (1 .. 5) {
            my @children = $mill->children('intake');
            ok $mill->reload, "reload $round";
            ok replaced(@children), 'has new processes';
        }
    });
    is_fully_served($seen, 'reloads');
};

subtest 'kill -9 under load' => sub {
    $mill->expect_log(qr/was killed by SIGKILL/);
    my $seen = under_load(sub {
        for my $role (qw(intake writer) x 3) {
            my ($child) = $mill->children($role);
            my $before = count_items();
            kill 'KILL', $child;
            ok wait_until(30, sub { count_items() > $before + 16 }), "$role: it goes on";
        }
    });
    is_deeply [grep { !/^503 .*"urn:hashmill:problem:(?:outcome-unknown|unavailable)"/ } $seen->{odd}->@*], [], 'none is answered otherwise than 201 or 503';
    note scalar($seen->{odd}->@*), ' of ', $seen->{answers}{201}, ' were answered 503';
};

# 40 enqueues with keys of their own that are in hand while the writer is stopped: their connections.
my @in_hand;
sub in_hand ($writer, $name) {
    my $none = held_idle();
    kill 'STOP', $writer;
    @in_hand = map { { body => "$name $_ " . 'x' x ($_ * 50), headers => { 'Idempotency-Key' => "$name-$_" } } } 1 .. 40;
    my @sockets = send_at_once($mill, @in_hand);
    ok wait_until(30, sub { held() >= $none + @in_hand }), 'all are in hand';
    return @sockets;
}

# The answers are 201 or 503; what was answered 201 is there, and sent again each is there once.
sub is_kept ($before, @answers) {
    my %count = statuses(@answers)->%*;
    is_deeply [grep { !/^(?:201|503)$/ } keys %count], [], 'each is answered, 201 or 503: ' . join ', ', map { "$_ x $count{$_}" } sort keys %count;
    is scalar(grep { $_->{status} == 503 && $_->{content} !~ /problem:(?:outcome-unknown|unavailable)/ } @answers), 0, 'which says what is known';
    my @again;
    ok wait_until(60, sub { @again = at_once($mill, @in_hand); return !grep { $_->{status} != 201 } @again }), 'sent again, all are taken';
    my ($ids, $first) = map { [map { $_->{content} =~ /"id":"([^"]+)"/ ? $1 : '' } @$_] } \@again, \@answers;
    is scalar(grep { $first->[$_] ne '' && $answers[$_]{status} == 201 && $first->[$_] ne $ids->[$_] } 0 .. $#answers), 0, 'what was taken at first has its id';
    is count_items(), $before + @in_hand, 'none is there twice';
    return \%count;
}

subtest 'kill -9 of one with many in hand' => sub {
    my $before = count_items();
    my ($writer) = $mill->children('writer');
    my @sockets = in_hand($writer, 'intake');
    my %held = map { my $child = $_; $child => scalar grep { (readlink // '') =~ /^socket:/ } glob "/proc/$_/fd/*" } $mill->children('intake');
    my ($child) = sort { $held{$b} <=> $held{$a} } keys %held;
    kill 'KILL', $child;
    ok wait_until(30, sub { replaced($child) }), 'the master starts another';
    kill 'CONT', $writer;
    my $count = is_kept($before, answers_at_once(@sockets));
    cmp_ok $count->{503}, '>', 0, 'those of the killed one are not known';
};

subtest 'kill -9 of the writer with many in hand' => sub {
    my $before = count_items();
    my ($writer) = $mill->children('writer');
    my @sockets = in_hand($writer, 'writer');
    kill 'KILL', $writer;
    is_kept($before, answers_at_once(@sockets));
};

subtest 'a writer that hangs' => sub {
    my $before = count_items();
    my ($writer) = $mill->children('writer');
    my @sockets = in_hand($writer, 'hung');
    move_on(OPERATION_SECONDS * 1000 + 100);
    my @answers = answers_at_once(@sockets);
    is_deeply statuses(@answers), { 503 => scalar @in_hand }, 'all are answered';
    is scalar(grep { $_->{content} =~ /The queue did not answer in time|The queue cannot be reached/ } @answers), scalar @in_hand,
        'by the server, before nginx loses its patience';
    kill 'CONT', $writer;
    is_kept($before, @answers);
    is_deeply [$mill->children('writer')], [$writer], 'it is the same writer';
    is $mill->enqueue('after it', 1)->status, 201, 'which goes on';
};

subtest 'settings' => sub {
    spew("$dir/one.env", "PROCESSES_INTAKE=1\n");
    my $said = qx{@{[$mill->program('hashmill-fcgi')]} -t -c $dir/one.env 2>&1};
    is $? >> 8, 1, 'one process would be none during its restart';
    like $said, qr/PROCESSES_INTAKE.* 2\b/, 'which is said';
};

finish();
