package Hashmill::TlsNode;

# An instance whose worker listener speaks TLS, with the files of a deployment in other places. Its public listener is
# plain HTTP, and TLS on a socket of its own: see public_call.

use v5.36;
use parent 'Hashmill';
use File::Temp qw(tempdir);
use FindBin ();
use JSON::PP qw(encode_json);

use Hashmill::Authority;
use Hashmill::Reply;
use Hashmill::Util;

my $root = "$FindBin::Bin/../..";

# Starts it; authority => who signs its certificates, own => { worker_change => sub { what it returns of
# hashmill-worker.conf is used } }, the rest as Hashmill's.
sub start ($class, %options) {
    my $authority = delete $options{authority};
    my $place = $authority->node;
    my $self = $class->SUPER::start(TLS_CA => "$place/ca.pem", TLS_CERT => "$place/peer.pem",
        TLS_KEY => "$place/peer.key", TLS_LISTENER_CERT => "$place/listener.pem", %options);
    $self->{authority} = $authority;
    return $self;
}

# The directory of its certificates.
sub place ($self) { return $self->{place} //= $self->{settings}{TLS_LISTENER_CERT} =~ s{/[^/]+$}{}r }

sub worker_url ($self) { return $self->SUPER::worker_url =~ s/^http:/https:/r }

# A worker with a certificate, in a directory of its own.
sub start_worker ($self, %settings) {
    my $place = $self->{worker_place} //= $self->{authority}->worker;
    return $self->SUPER::start_worker(TLS_CA => "$place/ca.pem", TLS_CERT => "$place/worker.pem",
        TLS_KEY => "$place/worker.key", %settings);
}

# A file of nginx/ with the places of this instance; more are pairs of texts.
sub adapted ($self, $name, @more) {
    my %place = ('/etc/hashmill/tls' => $self->place, '/var/lib/hashmill-package' => "$self->{dir}/package", @more);
    my $text = slurp("$root/nginx/$name") // die "no nginx/$name\n";
    $text =~ s/\Q$_\E/$place{$_}/g for keys %place;
    $text = $self->{worker_change}->($text) if $name eq 'hashmill-worker.conf' && $self->{worker_change};
    spew("$self->{dir}/$name", $text);
    return "include $self->{dir}/$name;";
}

sub nginx_configuration ($self) {
    my $text = $self->SUPER::nginx_configuration;
    my $port = $self->{port} + 1;
    my $listen = $self->adapted('listen-worker-tls.conf', 'listen 8443' => "listen $self->{listen}:$port");
    my $worker = $self->adapted('hashmill-worker.conf');
    my $public = $self->adapted('listen-public-tls.conf', 'listen 443' => "listen unix:$self->{dir}/public-tls.sock",
        '/public.' => '/listener.');
    $text =~ s/listen \S+:$port backlog=\d+;/$listen/ or die "no listener of workers\n";
    $text =~ s{include "\S+/hashmill-worker\.conf";}{$worker} or die "no calls of workers\n";
    $text =~ s/^\}\n\z/
        server { $public include $root\/nginx\/hashmill-server.conf; include $root\/nginx\/hashmill-public.conf; }
        server { listen unix:$self->{dir}\/status.sock; location \/ { stub_status; } }\n}\n/m or die "no end\n";
    return $text;
}

# How many connections nginx has accepted since it was started.
sub accepted ($self) {
    my ($all) = qx(curl -s --unix-socket $self->{dir}/status.sock http://localhost/) =~ /^ (\d+) /m;
    return $all;
}

# One request over TLS on the worker listener. options: cert => a path without .pem and .key, ca => what is
# trusted, content, headers, arguments => [more for curl], url. No answer is status 599, with the reason.
sub tls_call ($self, $method, $path, %options) {
    state $spare = tempdir('hm-call-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my @command = ('curl', '-sS', '--noproxy', '*', '-m', 30, '-X', $method, '-D', "$spare/head", '-o', "$spare/body",
        '-w', '%{http_code}', '--cacert', $options{ca} // $self->place . '/ca.pem');
    push @command, '--cert', "$options{cert}.pem", '--key', "$options{cert}.key" if $options{cert};
    push @command, '-H', "$_: $options{headers}{$_}" for sort keys(($options{headers} // {})->%*);
    push @command, '--data-binary', $options{content} if defined $options{content};
    push @command, ($options{arguments} // [])->@*, ($options{url} // $self->worker_url) . $path;
    unlink "$spare/head", "$spare/body";
    open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command or die "curl: $!\n";
    my $said = join '', <$pipe>;
    return Hashmill::Reply->new({ status => 599, content => $said, headers => {} }) if !close $pipe;
    my %headers = map { /^([^:]+): *(.*?)\r?$/ ? (lc $1, $2) : () } split /\n/, slurp("$spare/head");
    return Hashmill::Reply->new({ status => $said, content => slurp("$spare/body") // '', headers => \%headers });
}

# The same on the public listener with TLS.
sub public_call ($self, $method, $path, %options) {
    return $self->tls_call($method, $path, url => 'https://127.0.0.1',
        %options, arguments => ['--unix-socket', "$self->{dir}/public-tls.sock", ($options{arguments} // [])->@*]);
}

# As Hashmill's, with the certificate of a worker; cert => another, or undef for none, among the headers.
sub worker_call ($self, $path, $data, %headers) {
    my $place = $self->{own_place} //= $self->{authority}->worker;
    my $cert = exists $headers{cert} ? delete $headers{cert} : "$place/worker";
    my %all = ('Content-Type' => 'application/json', Authorization => "Bearer $self->{token}", %headers);
    delete $all{$_} for grep { !defined $all{$_} } keys %all;
    return $self->tls_call('POST', $path, cert => $cert, headers => \%all,
        content => ref $data ? encode_json($data) : $data);
}

1;
