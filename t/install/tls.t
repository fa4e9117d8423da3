# The listeners with TLS: who is let in, and with what words the others are kept out.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Digest::SHA qw(sha512_hex);
use Test::More;
use Hashmill;
use Hashmill::Authority;
use Hashmill::TlsNode;

my $authority = Hashmill::Authority->new;
my $stranger = Hashmill::Authority->new;
my $peer_token = sha512_hex(random_body(32));
# Nobody listens where its peer should be.
my $mill = Hashmill::TlsNode->start(authority => $authority, PEERS => '1=https://127.0.0.1:9', PEER_TOKEN => $peer_token);

my $worker = $authority->worker . '/worker';
my $peer = $mill->place . '/peer';
my $lease = { protocol => 1, request => uuid(), items => 1, iterations => 9, wait => 0, worker => $mill->worker_fields };
my @worker_calls = qw(/lease /results /retire);
my @peer_calls = map { "/peer/$_" } qw(hello done reserve pulls look cancel replica/state replica/batches none);

# A call with a token and a certificate, or without (undef).
sub call ($path, $token, $cert, %headers) {
    return $mill->worker_call($path, $lease, cert => $cert,
        Authorization => defined $token ? "Bearer $token" : undef, %headers);
}

# Asserts a problem of the type certificate that says this.
sub is_kept_out ($reply, $words, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $problem = is_problem($reply, 403, $name);
    is $problem->{type}, 'urn:hashmill:problem:certificate', "$name: for the certificate";
    like $problem->{detail}, $words, "$name: says why";
    return;
}

subtest 'who belongs' => sub {
    is call('/lease', $mill->{token}, $worker)->status, 204, 'a worker';
    is call('/peer/done', $peer_token, $peer)->status, 400, 'a node, which is understood';
    my $id = $mill->new_item('over TLS', 5);
    is $mill->work_all, 1, 'a whole conversation of a worker';
    is $mill->item($id)->json->{value}, value_of('over TLS', 5), 'brings the value';
};

subtest 'both locks' => sub {
    for my $path (@worker_calls) {
        my $reply = call($path, undef, $worker);
        is_problem($reply, 401, "$path: a certificate, but no token");
        is $reply->header('www-authenticate'), 'Bearer', 'WWW-Authenticate';
        is_problem(call($path, "$mill->{token}x", $worker), 401, "$path: a certificate and another token");
        is_problem(call($path, $peer_token, $worker), 403, "$path: a worker's certificate and a node's token");
        is_kept_out(call($path, $mill->{token}, undef), qr/client certificate/, "$path: a token, but no certificate");
    }
    is_problem(call($_, undef, $peer), 401, "$_: a node without a token") for @peer_calls;
};

subtest 'roles' => sub {
    for my $token ($mill->{token}, $peer_token, undef) {
        my $who = !defined $token ? 'no token' : $token eq $peer_token ? 'the node\'s token' : 'the worker\'s token';
        is_kept_out(call($_, $token, $worker), qr/OU=peer.*role worker/, "$_ by a worker with $who") for @peer_calls;
        is_kept_out(call($_, $token, $peer), qr/OU=worker.*role peer/, "$_ by a node with $who") for @worker_calls;
    }
};

# Another configuration of nginx than ours, that does not say who calls, lets nobody in.
subtest 'a listener that passes no role' => sub {
    for my $case (['CLIENT_ROLE', ''], ['CLIENT_ROLE', 'fastcgi_param CLIENT_ROLE "";'], ['CLIENT_ROLE|HTTPS', '']) {
        my ($names, $instead) = @$case;
        my $other = Hashmill::TlsNode->start(authority => $authority, PROCESSES_PUBLIC => 1,
            own => { worker_change => sub ($text) { return $text =~ s/^fastcgi_param (?:$names) .*/$instead/gmr } });
        my $name = "without $names" . ($instead ? ', which is empty' : '');
        for my $cert ($other->place . '/peer', $worker) {
            my $reply = $other->worker_call('/lease', $lease, cert => $cert);
            is_kept_out($reply, qr/does not pass the role/, "$name: @{[$cert =~ m{(\w+)$}]}");
        }
        next if $names =~ /HTTPS/;
        ok $other->reload(TLS_LISTENER_CERT => ''), 'the settings do not speak of TLS';
        is_kept_out($other->worker_call('/lease', $lease), qr/does not pass the role/, "$name: nginx does");
    }
};

# Subjects, and the role that each has.
subtest 'what a subject says' => sub {
    my @subjects = (
        ['/OU=worker' => 'worker'], ['/OU=peer' => 'peer'], ['/C=IE/O=x/OU=worker/CN=y' => 'worker'],
        ['/O=a, b \\\\/OU=worker/CN=c, d' => 'worker'], ['/CN=K\x{c3}\x{b6}ln/OU=worker' => 'worker'],
        ['/O=x/CN=y' => 'none'], ['/OU=workers' => 'none'], ['/OU=Worker' => 'none'], ['/OU=xworker' => 'none'],
        ['/OU=worker /CN=y' => 'none'], ['/OU=none' => 'none'], ['/CN=worker' => 'none'], ['/O=worker' => 'none'],
        ['/CN=OU=worker' => 'none'], ['/CN=x,OU=worker' => 'none'], ['/CN=OU=worker,O=x' => 'none'],
        ['/CN=x\\\\,OU=worker' => 'none'], ['/CN=x\\\\\\\\,OU=worker,O=y' => 'none'], ['/CN=",OU=worker' => 'none'],
        ['/OU=peer,OU=worker' => 'none'], ['/OU=worker,O=x' => 'none'], ['/OU=worker/OU=peer' => 'none'],
        ['/OU=peer/OU=worker' => 'none'], ['/OU=worker/OU=worker' => 'none'], ['/OU=x/OU=worker' => 'none'],
        ['/CN=x+OU=worker' => 'none'], ['/OU=worker+CN=x' => 'none'],
    );
    for my $case (@subjects) {
        my ($subject, $role) = @$case;
        my $cert = $authority->client($subject);
        my $at_lease = call('/lease', $mill->{token}, $cert);
        my $at_peer = call('/peer/done', $peer_token, $cert);
        is $at_lease->status, $role eq 'worker' ? 204 : 403, "$subject as a worker";
        is $at_peer->status, $role eq 'peer' ? 400 : 403, "$subject as a node";
        like $at_lease->json->{detail}, qr/role \Q$role\E\.$/, "$subject: $role" if $role ne 'worker';
    }
};

subtest 'certificates that are not accepted' => sub {
    my $other = $stranger->worker . '/worker';
    my $expired = $authority->client('/OU=worker', -1);
    my $self = $authority->place;
    Hashmill::Authority::openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
        '-subj', '/OU=worker', '-keyout', "$self.key", '-out', "$self.pem");
    is_kept_out(call('/lease', $mill->{token}, $other), qr/FAILED:.*(?:issuer|verify)/, 'of another authority');
    is_kept_out(call('/lease', $mill->{token}, $expired), qr/FAILED:certificate has expired/, 'expired');
    is_kept_out(call('/lease', $mill->{token}, $self), qr/FAILED:self.signed/, 'signed by itself');
    is_kept_out(call('/lease', $mill->{token}, $mill->place . '/listener'), qr/FAILED:.*purpose/, 'a server\'s');
    is_kept_out(call('/peer/done', $peer_token, $stranger->node . '/peer'), qr/FAILED:/, 'a node of another authority');
};

subtest 'what a client says of itself has no effect' => sub {
    for my $name (qw(CLIENT_ROLE Client-Role client-role HTTP_CLIENT_ROLE X-Client-Role SSL-Client-S-DN)) {
        is_kept_out(call('/lease', $mill->{token}, $peer, $name => 'worker'), qr/role peer/, "the field $name");
        is_kept_out(call('/peer/done', $peer_token, $worker, $name => ''), qr/role worker/, "an empty $name");
    }
    my $query = $mill->tls_call('POST', '/lease?CLIENT_ROLE=worker', cert => $peer, content => '{}',
        headers => { Authorization => "Bearer $mill->{token}" });
    is_kept_out($query, qr/role peer/, 'a parameter');
};

subtest 'the package' => sub {
    my $path = '/package/hashmill.deb';
    is_problem($mill->tls_call('GET', $path, cert => $worker), 404, 'a worker, and there is none');
    mkdir "$mill->{dir}/package" or die;
    spew("$mill->{dir}/package/hashmill.deb", my $package = random_body(100_000));
    spew("$mill->{dir}/package/other", 'x');
    my $reply = $mill->tls_call('GET', $path, cert => $worker);
    is $reply->status, 200, 'a worker gets it';
    ok $reply->content eq $package, 'as it is';
    is $reply->header('content-type'), 'application/vnd.debian.binary-package', 'under its type';
    is_kept_out($mill->tls_call('GET', $path, cert => $peer), qr/OU=worker/, 'a node does not');
    is_kept_out($mill->tls_call('GET', $path), qr/client certificate/, 'nor who has no certificate');
    is_kept_out($mill->tls_call('GET', $path, cert => $stranger->worker . '/worker'), qr/FAILED/, 'nor a stranger');
    is_kept_out($mill->tls_call('GET', $path, cert => $authority->client('/OU=workers')), qr/OU=worker/, 'nor no role');
    is_kept_out($mill->tls_call('GET', "$path?x=1", cert => $peer), qr/OU=worker/, 'nor with parameters');
    for my $other ('/package/', '/package', '/package/other', '/package/../package/other', '/package/hashmill.deb/') {
        my $status = $mill->tls_call('GET', $other, cert => $worker, arguments => ['--path-as-is'])->status;
        is $status, 401, "$other is a path like any other";
    }
    is_problem($mill->get($path), 404, 'the public listener has none');
    is_problem($mill->public_call('GET', $path, cert => $worker), 404, 'nor with TLS');
    is_problem($mill->tls_call('GET', '/.problem/package', cert => $worker), 404, 'no location by its name');
};

subtest 'the public listener' => sub {
    for my $path (@worker_calls, @peer_calls) {
        is_problem($mill->call('POST', $path, headers => { Authorization => "Bearer $mill->{token}" }), 404, $path);
        is_problem($mill->public_call('POST', $path, cert => $worker, content => '{}',
            headers => { Authorization => "Bearer $mill->{token}" }), 404, "$path over TLS");
    }
    is $mill->public_call('GET', '/healthz')->status, 200, 'over TLS, no certificate is asked for';
    my $reply = $mill->public_call('PUT', '/enqueue?iterations=3', content => 'a body');
    is $reply->status, 201, 'an enqueue';
    is $mill->work_all, 1, 'that is computed';
    is $mill->public_call('GET', '/items/' . $reply->json->{id})->json->{value}, value_of('a body', 3), 'and looked at';
    is $mill->public_call('GET', '/healthz', ca => $stranger->ca)->status, 599, 'its certificate is the authority\'s';
};

# Whether a handshake in that version of TLS succeeds. The client may do anything itself.
sub handshake ($version) {
    my $port = $mill->{port} + 1;
    my $said = qx(openssl s_client -connect 127.0.0.1:$port -$version -cipher 'ALL:\@SECLEVEL=0' \\
        -cert $worker.pem -key $worker.key -CAfile ${\$authority->ca} </dev/null 2>&1);
    return $said =~ /^New, \S+, Cipher is (?!\(NONE\))/m ? 'done' : $said;
}

subtest 'versions' => sub {
    is handshake($_), 'done', $_ for qw(tls1_2 tls1_3);
    like handshake($_), qr/alert protocol version/, "$_: refused by the server" for qw(tls1 tls1_1);
    my $plain = $mill->tls_call('POST', '/lease', url => $mill->Hashmill::worker_url, content => '{}');
    is_problem($plain, 403, 'plain HTTP to the TLS listener');
    like $plain->json->{detail}, qr/https/, 'says what to do';
};

finish();
