# The files of TLS: what scripts/tls.sh makes, what the programs say about bad ones at their start, and
# when certificates expire.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Authority;
use Hashmill::TlsNode;

my $dir = tempdir('hm-tls-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $authority = Hashmill::Authority->new;
my $tls_sh = "$FindBin::Bin/../../scripts/tls.sh";

sub openssl (@arguments) { return Hashmill::Authority::openssl(@arguments) }
sub mode_of ($file)      { return sprintf '%o', (stat $file)[2] & 0777 }

# A field of a certificate.
sub field ($file, @option) { return openssl('x509', '-noout', '-in', $file, @option) }

# Runs a command; its exit code and what it has said.
sub run (@command) {
    open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command or die;
    my $said = join '', <$pipe>;
    close $pipe;
    return ($? >> 8, $said);
}

subtest 'what else is there stays' => sub {
    my $place = "$dir/taken";
    mkdir $place or die;
    mkdir "$place/worker.key" or die;
    my @make = ($tls_sh, 'worker', $authority->dir);
    my ($code, $said) = run(@make, $place);
    is $code, 1, 'a directory in the place of a key';
    like $said, qr{worker\.key is a directory and stays}, 'is named';
    is_deeply [glob "$place/worker.key/*"], [], 'and nothing is put into it';
    rmdir "$place/worker.key";
    system('mkfifo', "$place/worker.pem") == 0 or die;
    is((run(@make, $place))[0], 1, 'a FIFO in the place of a certificate');
    ok -p "$place/worker.pem", 'stays';
    unlink "$place/worker.pem";
    unlink "$place/ca.pem";
    symlink "$dir/other", "$place/ca.pem" or die;
    is((run(@make, $place))[0], 1, 'a link in the place of the authority');
    ok -l "$place/ca.pem" && !-e "$dir/other", 'stays';
    spew("$dir/file", "kept\n");
    ($code, $said) = run(@make, "$dir/file");
    is $code, 1, 'a file in the place of the directory';
    like $said, qr/is no directory/, 'is named';
    is slurp("$dir/file"), "kept\n", 'and stays';
    local $ENV{OPENSSL_CONF} = '/nonexistent';
    is((run(@make, "$dir/configured"))[0], 0, "somebody's own configuration of openssl changes nothing");
};

subtest 'what tls.sh makes' => sub {
    my $place = "$dir/node";
    my $ca = $authority->ca;
    my $first = slurp($ca);
    $authority->run('ca', $authority->dir);
    is slurp($ca), $first, 'an authority that is there stays';
    $authority->run('node', $authority->dir, $place, '10.1.2.3', 'node.example', 'fd00::1');
    $authority->worker($place);
    $authority->run('public', $authority->dir, $place, '198.51.100.7');
    is join(' ', sort map { s{.*/}{}r } glob "$place/* $place/.t*"),
        'ca.pem listener.key listener.pem peer.key peer.pem public.key public.pem worker.key worker.pem', 'these files and no other';
    is mode_of("$place/$_"), '600', "$_ is its owner's" for qw(listener.key peer.key public.key worker.key);
    is mode_of("$place/$_"), '644', "$_ is for all" for qw(ca.pem listener.pem peer.pem public.pem worker.pem);
    is mode_of($authority->dir . '/ca.key'), '600', 'ca.key is its owner\'s';
    like field("$place/listener.pem", '-ext', 'subjectAltName'),
        qr/IP Address:10\.1\.2\.3, DNS:node\.example, IP Address:FD00:0:0:0:0:0:0:1\n/, 'addresses and names';
    like field("$place/public.pem", '-ext', 'subjectAltName'), qr/^\s*IP Address:198\.51\.100\.7$/m, 'clients find a node at its address';
    for my $case (['listener', 'sslserver', 'sslclient'], ['public', 'sslserver', 'sslclient'], ['peer', 'sslclient', 'sslserver'], ['worker', 'sslclient', 'sslserver']) {
        my ($name, $good, $bad) = @$case;
        my @verify = ('openssl', 'verify', '-CAfile', $ca, '-purpose');
        is((run(@verify, $good, "$place/$name.pem"))[0], 0, "$name: $good");
        isnt((run(@verify, $bad, "$place/$name.pem"))[0], 0, "$name: no $bad");
    }
    like field("$place/$_.pem", '-subject'), qr/OU = $_,/, "OU=$_" for qw(peer worker);
    unlike field("$place/$_.pem", '-subject'), qr/OU = (?:peer|worker)/, "$_ has no role" for qw(listener public);
    my %before = map { $_ => slurp($_) } glob "$place/*";
    { local $ENV{DAYS} = 5; $authority->run('node', $authority->dir, $place, '10.1.2.3') }
    isnt slurp("$place/$_"), $before{"$place/$_"}, "$_ is new" for qw(listener.key listener.pem peer.key peer.pem);
    is slurp("$place/worker.key"), $before{"$place/worker.key"}, 'worker.key is not';
    is((run('openssl', 'x509', '-noout', '-checkend', 4 * 86400, '-in', "$place/peer.pem"))[0], 0, 'DAYS of life');
    isnt((run('openssl', 'x509', '-noout', '-checkend', 6 * 86400, '-in', "$place/peer.pem"))[0], 0, 'and no more');
};

subtest 'what tls.sh refuses' => sub {
    my @cases = ([[], qr/tls\.sh ca DIR/], (map { [[$_, $authority->dir, "$dir/x"], qr/tls\.sh: $_ takes .*addresses of the node/] } qw(node public)),
        [['worker', "$dir/none", "$dir/x"], qr/no authority in .*tls\.sh ca/],
        map { [['node', $authority->dir, "$dir/x", $_], qr/neither an address nor a name/] }
            "a\nb", 'a,DNS:b', 'a b', '', '-x', '@x');
    for my $case (@cases) {
        my ($code, $said) = run($tls_sh, $case->[0]->@*);
        isnt $code, 0, "refused: @{$case->[0]}";
        like $said, $case->[1], 'says why';
    }
    isnt((run($tls_sh, 'node', $authority->dir, "$dir/x", '300.1.1.1'))[0], 0, 'an address that is none');
    is join(' ', glob "$dir/x/.t* $dir/x/*.key"), '', 'nothing half done is left';
    spew("$dir/ca.pem", 'x');
    like((run($tls_sh, 'ca', $dir))[1], qr/ca\.pem without its key/, 'an authority without its key');
    unlink "$dir/ca.pem";
    spew("$dir/ca.key", 'x');
    is((run($tls_sh, 'ca', $dir))[0], 0, 'a key without its authority was never used');
};

# Settings of both programs that only these tests change.
my $place = $authority->node;
$authority->worker($place);
my %good = (TLS_CA => "$place/ca.pem", TLS_CERT => "$place/peer.pem", TLS_KEY => "$place/peer.key");
my %program = (
    'hashmill-worker' => { WORKER_TOKEN => 'x' x 32, NODES => 'https://127.0.0.1:1' },
    'hashmill-fcgi'   => { PEER_TOKEN => 'x' x 32, PEERS => '1=https://127.0.0.1:1', TLS_LISTENER_CERT => "$place/listener.pem" },
);

# What a program says about its settings; and whether they will do.
sub check ($name, %settings) {
    local %ENV = (%ENV, $program{$name}->%*, %good, %settings);
    my ($code, $said) = run(Hashmill::build_directory() . "/$name", '-t');
    return ($code == 0, $said);
}

subtest 'settings' => sub {
    spew("$dir/text.pem", "no certificate\n");
    spew("$dir/broken.pem", slurp("$place/ca.pem") . slurp("$place/ca.pem") =~ s/\n.{20}/\n/r);
    system("openssl ec -aes128 -passout pass:x -in $place/peer.key -out $dir/locked.key 2>/dev/null") == 0 or die;
    my $expired = $authority->client('/OU=worker', -1);
    my $soon = $authority->client('/OU=worker', 20);
    for my $name (sort keys %program) {
        my ($good, $said) = check($name);
        ok $good, "$name: good ones" or diag $said;
        unlike $said, qr/warn:/, "$name: without a warning";
        my @cases = (
            [{ TLS_CA => '' }, qr/an https URL needs TLS_CA, .*TLS_CA=\/etc/], [{ TLS_KEY => '' }, qr/TLS_CERT and TLS_KEY go together/],
            [{ TLS_CERT => '' }, qr/TLS_CERT and TLS_KEY go together/],
            [{ TLS_CA => "$dir/none" }, qr/TLS_CA: cannot read \S+none: No such file/],
            [{ TLS_CERT => "$dir/none" }, qr/TLS_CERT: cannot read \S+none: No such file/],
            [{ TLS_KEY => "$dir/none" }, qr/TLS_KEY: cannot read \S+none: No such file/],
            [{ TLS_CA => "$dir/text.pem" }, qr/TLS_CA: \S+text.pem has no certificate in PEM form/],
            [{ TLS_CA => "$dir/broken.pem" }, qr/TLS_CA: \S+ has no certificate in PEM form, or a broken one/],
            [{ TLS_CERT => "$dir/text.pem" }, qr/TLS_CERT: \S+text.pem has no certificate in PEM form/],
            [{ TLS_KEY => "$dir/text.pem" }, qr/TLS_KEY: \S+text.pem has no private key in PEM form/],
            [{ TLS_KEY => "$dir/locked.key" }, qr/TLS_KEY: \S+ has no private key .*, or one that needs a passphrase/],
            [{ TLS_KEY => "$place/worker.key" }, qr/TLS_KEY: \S+worker.key is not the key of the certificate in TLS_CERT, \S+peer.pem/],
            [{ TLS_CA => $dir }, qr/TLS_CA: /],
        );
        push @cases, [{ NODES => 'http://127.0.0.1:1', RETIRE_NODE => 'HTTPS://127.0.0.1:1', TLS_CA => '' }, qr/needs TLS_CA/]
            if $name eq 'hashmill-worker';
        push @cases, [{ TLS_LISTENER_CERT => "$dir/none" }, qr/TLS_LISTENER_CERT: cannot read/],
            [{ TLS_LISTENER_CERT => "$dir/text.pem" }, qr/TLS_LISTENER_CERT: .* no certificate/] if $name eq 'hashmill-fcgi';
        for my $case (@cases) {
            ($good, $said) = check($name, $case->[0]->%*);
            ok !$good, "$name: refused: @{[sort keys $case->[0]->%*]}";
            like $said, $case->[1], 'says why';
        }
        ($good, $said) = check($name, TLS_CERT => "$expired.pem", TLS_KEY => "$expired.key");
        ok $good, "$name: an expired one is no reason to stop";
        like $said, qr/warn: TLS_CERT: the certificate in \S+ expired at \d{4}-\d\d-\d\dT/, 'but said';
        ($good, $said) = check($name, TLS_CERT => "$soon.pem", TLS_KEY => "$soon.key");
        ok $good && $said =~ /warn: TLS_CERT: the certificate in \S+ expires in (?:19|20) days, at /, "$name: one that expires soon";
    }
    ok((check('hashmill-worker', NODES => 'http://127.0.0.1:1', TLS_CA => '', TLS_CERT => '', TLS_KEY => ''))[0], 'none, and no https');
    ok((check('hashmill-fcgi', PEERS => '', map { $_ => '' } qw(TLS_CA TLS_CERT TLS_KEY TLS_LISTENER_CERT)))[0], 'nor for a node');
};

subtest 'tokens in the clear' => sub {
    my %none = map { $_ => '' } qw(TLS_CA TLS_CERT TLS_KEY TLS_LISTENER_CERT);
    my %url = ('hashmill-worker' => [map { my $key = $_; sub ($url) { return ($key => $url) } } qw(NODES RETIRE_NODE)],
        'hashmill-fcgi' => [sub ($url) { return (PEERS => "1=$url") }]);
    for my $name (sort keys %url) {
        for my $setting ($url{$name}->@*) {
            my ($key) = $setting->('');
            my %local = (%none, $name eq 'hashmill-worker' ? (NODES => 'http://127.0.0.1:1') : ());
            for my $far ('http://10.0.0.9:8081', 'http://node9:8081', 'HTTP://127.0.0.1.example', 'http://[fd00::1]:1') {
                my ($good, $said) = check($name, %local, $setting->($far));
                ok !$good, "$name: $key=$far is refused";
                like $said, qr/$key: .*everybody on the way.*https.*PLAIN_TOKENS=yes/, 'says why, and what to do';
                ok((check($name, %local, $setting->($far), PLAIN_TOKENS => 'yes'))[0], 'unless PLAIN_TOKENS=yes');
            }
            for my $near ('http://127.0.0.1:8081', 'http://127.1.2.3', 'http://localhost:8081', 'http://[::1]:8081') {
                my ($good, $said) = check($name, %local, $setting->($near));
                ok $good, "$name: $key=$near is taken";
                unlike $said, qr/PLAIN_TOKENS/, 'without a word';
            }
        }
        like((check($name, PLAIN_TOKENS => 'perhaps'))[1], qr/PLAIN_TOKENS must be yes or no/, "$name: yes or no");
    }
    my ($good, $said) = check('hashmill-worker', %none, NODES => 'http://127.0.0.1:1,http://10.0.0.9:1');
    ok !$good, 'the second of two nodes counts, too';
};

subtest 'when certificates expire' => sub {
    my $mill = Hashmill::TlsNode->start(authority => $authority, PROCESSES_PUBLIC => 1);
    my $place = $mill->place;
    my %days = map { $_->{name} => $_->{days_left} } $mill->stats->{certificates}->@*;
    is_deeply \%days, { ca => 3649, client => 824, listener => 824 }, 'days left';
    my %name = (ca => 'ca', client => 'peer', listener => 'listener');
    for my $one ($mill->stats->{certificates}->@*) {
        my $at = field("$place/$name{$one->{name}}.pem", '-enddate', '-dateopt', 'iso_8601');
        is $one->{expires_at} =~ s/T/ /r =~ s/\.000Z/Z/r, $at =~ s/^notAfter=|\n//gr, "$one->{name} as openssl says";
    }
    my $warned = sub { return map { $_->{detail} } grep { $_->{code} eq 'certificate' } $mill->stats->{warnings}->@* };
    is_deeply [$warned->()], [], 'none is warned of';
    my $listener = sub { (grep { $_->{name} eq 'listener' } $mill->stats->{certificates}->@*)[0] };
    { local $ENV{DAYS} = 10; $authority->node($place) }
    is $listener->()->{days_left}, 824, 'a file is not read for each request';
    $mill->move_clock(steady_ms => 61_000);
    is $listener->()->{days_left}, 9, 'but after a minute';
    like join("\n", $warned->()), qr/^TLS_CERT expires at .*\nTLS_LISTENER_CERT expires at .*Put a new certificate in its place\.$/, 'two are warned of';
    rename "$place/listener.pem", "$place/away.pem" or die;
    $mill->move_clock(steady_ms => 122_000);
    is_deeply $listener->(), { name => 'listener', error => 'TLS_LISTENER_CERT cannot be read or is broken; hashmill-fcgi -t says more' },
        'a file that is gone';
    like +($warned->())[1], qr/^TLS_LISTENER_CERT cannot be read/, 'is warned of';
    is $mill->get('/healthz')->status, 200, 'which stops nothing';
    rename "$place/away.pem", "$place/listener.pem" or die;
    $mill->move_clock(steady_ms => 183_000, wall_ms => 11 * 86_400_000);
    is $listener->()->{days_left}, -2, 'one that has expired';
    like +($warned->())[1], qr/^TLS_LISTENER_CERT has expired at /, 'so is this';
    unlike $mill->server_log, qr/warn: TLS_/, 'nothing was said at the start';
    my $said = sub { my @lines = $mill->server_log =~ /warn: (TLS_.*)/g; return @lines };
    $mill->move_clock(steady_ms => 86_400_000 + 10_000);
    ok wait_until(20, sub { $said->() == 2 }), 'a day later two are said to have expired';
    like $_, qr/^TLS_(?:CERT|LISTENER_CERT): the certificate in \S+ expired at /, $_ for $said->();
    $mill->move_clock(steady_ms => 2 * 86_400_000 - 60_000);
    $mill->get('/healthz') for 1 .. 5;
    is $said->(), 2, 'once a day';
    $mill->move_clock(steady_ms => 2 * 86_400_000 + 60_000);
    ok wait_until(20, sub { $said->() == 4 }), 'but every day';
    my $plain = Hashmill->start;
    ok !exists $plain->stats->{certificates}, 'nothing about certificates without any';
};

finish();
