# What nginx keeps of GET /stats: without KEYS one answer for all who ask within a second, for nobody whom the server would
# answer otherwise; with KEYS nothing.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use List::Util qw(uniq);
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::Job;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann', 'client ben', 'operator olga', 'viewer vera');
my $mill = Hashmill->start(LOG_LEVEL => 'debug');

# How often the server has answered this call.
sub answered ($what) { return scalar(() = $mill->server_log =~ /: \Q$what\E is answered /g) }

# The answer to a request with these lines besides its Host.
sub raw ($request, @lines) {
    return $mill->raw_request(join "\r\n", "$request HTTP/1.1", (grep { /^Host:/ } @lines) ? () : 'Host: localhost',
        'Connection: close', @lines, '', '');
}
sub status_of ($answer) { return +($answer =~ m{^HTTP/1\.1 (\d+)})[0] }

subtest 'many who look' => sub {
    my $before = answered('GET /stats');
    my $begun = time;
    my @seen = map { @$_ } parallel(8, sub ($) { map { $mill->get('/stats')->json->{now} } 1 .. 100 });
    my $seconds = int(time) - int($begun) + 1; # of the clock, begun ones too
    is scalar @seen, 800, 'all are answered';
    my $moments = uniq @seen;
    cmp_ok $moments, '<=', $seconds, "with that of few moments: $moments in $seconds s";
    is answered('GET /stats') - $before, $moments, 'and for each the server was asked once';
};

subtest 'what they get' => sub {
    my ($one, $other) = map { $mill->get('/stats', 'X-Request-Id' => $_) } 'one', 'other';
    is $one->header('x-request-id') . ' ' . $other->header('x-request-id'), 'one other', 'the id of their own request';
    is $other->header('cache-control'), 'no-store', 'to be kept by nobody else';
    is $other->header('x-accel-expires'), undef, 'nothing of what the server tells nginx';
    for my $round (1 .. 3) {
        $mill->new_item("item $round", 100);
        ok wait_until(3, sub { $mill->get('/stats')->json->{items}{waiting} == $round }), 'what is new, soon';
    }
};

subtest 'who is answered by the server' => sub {
    my @cases = (
        [200, 'GET /stats?'], [200, 'HEAD /stats'], [200, 'GET /stats', 'Authorization: Bearer x'],
        [304, 'GET /stats', 'If-None-Match: *'], [412, 'GET /stats', 'If-Match: "a"'], [417, 'GET /stats', 'Expect: much'],
        [200, 'GET /stats', 'If-Unmodified-Since: Mon, 30 Nov 2015 12:00:00 GMT'], [200, 'GET /stats', 'Content-Length: 0'], [400, 'GET /stats?x=1'], [405, 'POST /stats'],
        [403, 'GET /stats', 'Host: evil.example'],
        map { [403, 'GET /stats', "Sec-Fetch-Site: $_", 'Sec-Fetch-Dest: image'] } qw(cross-site same-site),
    );
    for my $case (@cases) {
        my ($status, $request, @lines) = @$case;
        my $call = $request =~ s/\?.*//r =~ s/^HEAD/GET/r;
        for my $round (1 .. 3) { # in one of them there is an answer that could be given
            status_of(raw('GET /stats')) == 200 or fail 'a kept answer';
            my $before = answered($call);
            is status_of(raw($request, @lines)), $status, "$request @lines";
            is answered($call) - $before, 1, 'is asked of the server';
        }
    }
    like raw('GET /stats', 'Host: evil.example'), qr/foreign-host/, 'a foreign Host is refused as before';
    like raw('HEAD /stats') . raw('GET /stats'), qr/\{"version"/, 'what HEAD got is for nobody who wants a body';
};

# What is in nginx's memory of answers.
sub kept () { my @files = glob "$mill->{dir}/nginx/cache/*"; return @files }

subtest 'names in Host' => sub {
    ok $mill->reload(HOSTS => 'mill.example'), 'the node has a name';
    my @same = map { ($_, "$_:8080") } qw(localhost 127.0.0.1 192.0.2.255 [::1]);
    ok wait_until(60, sub { # one of these rounds is within a second
        my $before = answered('GET /stats');
        my %seen = map { (raw('GET /stats', "Host: $_") =~ /"now":"(.*?)"/)[0], 1 } @same;
        return keys %seen == 1 && answered('GET /stats') - $before == 1;
    }), 'addresses and localhost get one answer';
    ok wait_until(60, sub {
        my $before = answered('GET /stats');
        my @answers = map { raw('GET /stats', "Host: mill.example$_") } '', ':8080';
        return (grep { status_of($_) == 200 } @answers) == 2 && answered('GET /stats') - $before == 1;
    }), 'a name of HOSTS one of its own';
    ok wait_until(60, sub { !kept() }), 'what nginx keeps goes again';
    my @made_up = map { ("a$_.localhost", "localhost:$_.", "a$_.localhost:1", "127.0.0.$_." , "LOCALHOST.$_.localhost.") } 1 .. 20;
    raw('GET /stats', "Host: $_") for @made_up, 'MILL.example';
    is_deeply [kept()], [], 'of names that are made up it keeps nothing';
    raw('GET /stats', "Host: localhost:$_") for 1 .. 100;
    cmp_ok scalar(kept()), '<=', 20, 'and ports do not count';
};

# Who asks, by what it gets.
sub seen_by ($who) {
    my $stats = $mill->get('/stats', $who ? (Authorization => "Bearer $key{$who}") : ())->json;
    return $stats->{client} // ($stats->{fleet} ? $stats->{role} : 'nobody');
}

subtest 'keys that come' => sub {
    is seen_by(''), 'everybody', 'everybody sees it';
    ok $mill->reload(KEYS => "$dir/keys"), 'KEYS is set';
    ok wait_until(3, sub { $mill->get('/stats')->status == 401 }), 'nobody sees it without a key, at once or when the second is over';
    my %wanted = (ann => 'ann', ben => 'ben', olga => 'operator', vera => 'viewer', '' => 'nobody');
    my @wrong;
    for my $who (map { sort keys %wanted } 1 .. 60) {
        my $seen = seen_by($who);
        push @wrong, "$who sees $seen" if $seen ne $wanted{$who};
    }
    is_deeply \@wrong, [], 'then each sees its own, in turn';
};

subtest 'with keys' => sub {
    my @ann = (Authorization => "Bearer $key{ann}");
    my %answers = (200 => $mill->get('/stats', @ann), 401 => $mill->get('/stats'), 304 => $mill->get('/stats', @ann, 'If-None-Match' => '*'),
        404 => $mill->get('/stats/nothing', @ann), 400 => $mill->get('/stats?x=1', @ann));
    for my $status (sort keys %answers) {
        is $answers{$status}->status, $status, "an answer $status";
        is $answers{$status}->header('cache-control'), 'private, no-store', 'is for its caller alone';
    }
    is $mill->get('/items', @ann)->header('cache-control'), 'no-store', 'of other calls as before';
    my %before = map { $_ => 1 } glob "$mill->{dir}/nginx/cache/*"; # of the time without keys
    $mill->get('/stats', Authorization => "Bearer $key{$_}") for qw(ann olga);
    $mill->get('/stats');
    is_deeply [grep { !$before{$_} } glob "$mill->{dir}/nginx/cache/*"], [], 'nginx keeps nothing';
};

finish();
