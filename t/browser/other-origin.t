# What a page of another site can do by its visitor's browser, a real one: read nothing and change nothing, neither from
# its own address nor by a name of its own that leads to the node by now (DNS rebinding). What the page tries is
# evil.html. nginx logs what came in, so that a call which the browser itself refused is no proof.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Browser;
use Hashmill::Process;

plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();

my $dir = tempdir('hm-evil-XXXXXX', TMPDIR => 1, CLEANUP => 1);
mkdir "$dir/site" or die;
copy("$FindBin::Bin/evil.html", "$dir/site/index.html") or die;
my $browser = Hashmill::Browser->start(map { $_ => '127.0.0.1' } 'evil.example', 'rebound.example');

# The evil site's server.
sub serve_site ($port) {
    my $server = Hashmill::Process->start(log => "$dir/site.log",
        command => [qw(/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory), "$dir/site", $port]);
    wait_until(30, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }) or die $server->log;
    return $server;
}

sub stop_site ($server) {
    $server->kill('KILL');
    return $server->wait_exit(20);
}

# nginx's configuration, with a line in the log for each request.
sub logging ($text) {
    return nginx_whole($text) =~ s/^http \{/http {\n    log_format calls '\$status \$request';/mr =~ s{access_log /dev/null combined if=0}{access_log "$dir/calls" calls}gr;
}

# All that is in the database of items, clients and counts; without the clock, which each batch moves.
sub rows ($mill) {
    return join "\n", map { "@$_" } (map { $mill->sql(".dump $_") } qw(item client pull audit)),
        $mill->sql('SELECT waiting, leased, done, pulled, cancelled, remaining, paused FROM tally');
}

# Has the page that the browser shows attack a node, by this URL of it. Asserts that the calls came in, among them those
# of @more, and have changed nothing. Returns what the page has learned.
sub attack ($mill, $node, @more) {
    my ($done, $waiting) = $mill->{items}->@*;
    my $before = rows($mill);
    spew("$dir/calls", '');
    my $result = $browser->run('return attack(...arguments)', $node, $done, $waiting);
    my %missing = map { $_ => 1 } 1 .. $result->{pulls};
    # Some of them come when the page is through.
    wait_until(30, sub { delete @missing{ slurp("$dir/calls") =~ m{/pullCompleted\?top=(\d+)}g }; !%missing });
    is_deeply [sort keys %missing], [], "each of $result->{pulls} pulls came in";
    my @calls = split /\n/, slurp("$dir/calls");
    is_deeply [grep { !/^(?:\d+ (?:GET|HEAD)|40[13]) / } @calls], [], 'what could change something was refused';
    my @expected = ('GET /stats', 'GET /items/', 'HEAD /stats', 'POST /items ', 'POST /enqueue', @more);
    for my $call (@expected) {
        cmp_ok scalar(grep { /^\d+ $call/ } @calls), '>=', 1, "$call came in";
    }
    is rows($mill), $before, 'no row has changed';
    is $mill->state_of($done), 'done', 'the item that is done was not pulled';
    is $mill->state_of($waiting), 'waiting', 'the one that waits was not cancelled';
    return $result->{learned};
}

# A node, with an item that is done and one that waits.
sub start_node (%settings) {
    my $mill = Hashmill->start(nginx_change => \&logging, %settings);
    $mill->{items} = [$mill->new_item('done', 1), $mill->new_item('waiting', 1000)];
    return $mill;
}

# Has the site answer first by the node's port, and then the node, as if the name led elsewhere; the page stays.
sub rebind ($mill) {
    $mill->stop_nginx;
    my $site = serve_site($mill->{port});
    $browser->open("http://rebound.example:$mill->{port}/");
    stop_site($site);
    $mill->start_nginx;
    return "http://rebound.example:$mill->{port}";
}

my ($key, $line) = (split /\n/, qx{@{[Hashmill::build_directory()]}/hashmill-fcgi --key client ann})[1, 3];
spew("$dir/keys", "$line\n");
chmod 0600, "$dir/keys" or die;

my $port = free_port_pair();
my $site = serve_site($port);
for my $case (['without KEYS'], ['with KEYS', KEYS => "$dir/keys", key => $key]) {
    my ($name, %settings) = @$case;
    my $mill = start_node(%settings);
    my $node = $mill->url;

    subtest "$name: the page of another site" => sub {
        $browser->open("http://evil.example:$port/");
        is_deeply attack($mill, $node, 'OPTIONS /enqueue', 'OPTIONS /items/'), {}, 'it has learned nothing';
    };
    subtest "$name: a page of another port" => sub {
        $browser->open("http://127.0.0.1:$port/");
        is_deeply attack($mill, $node, 'OPTIONS /enqueue', 'OPTIONS /items/'), {}, 'it has learned nothing';
    };
    subtest "$name: DNS rebinding" => sub {
        my $problem = $settings{KEYS} ? 'unauthorized' : 'foreign-host';
        my $learned = attack($mill, rebind($mill), 'PUT /enqueue', 'DELETE /items/');
        is_deeply [grep { !/^(?:40[13] )?(?:\{"type":"urn:hashmill:problem:$problem"|$)/ } values %$learned], [],
            'it has learned only that it is refused';
        cmp_ok scalar(keys %$learned), '>=', 20, 'which it could read';
    };
    subtest "$name: a page of its own" => sub {
        $browser->open("$node/healthz");
        my $call = sub ($method, $path) {
            return $browser->run('const [url, method, key] = arguments;
                return fetch(url, {method, headers: key ? {Authorization: `Bearer ${key}`} : {}}).then(reply => reply.text())',
                $path, $method, $settings{key});
        };
        like $call->('GET', '/stats'), qr/"done":1/, 'it reads';
        like $call->('POST', '/pullCompleted?top=1'), qr/"id":"$mill->{items}[0]"/, 'and pulls';
        is $mill->state_of($mill->{items}[0]), 'pulled', 'so the item is handed out';
    };
}
stop_site($site);
$browser->stop;
finish();
