# hashmill over https and through a proxy.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use Test::More;
use Hashmill;
use Hashmill::Authority;
use Hashmill::Client;
use Hashmill::Keys;

my $dir = tempdir('hm-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %key = key_file("$dir/keys", 'client ann');
my ($authority, $other) = map { Hashmill::Authority->new } 1, 2;
my $place = $authority->node;
my ($port) = free_port_pair();
my $tls = "listen 127.0.0.1:$port ssl; ssl_certificate $place/listener.pem; ssl_certificate_key $place/listener.key;";
my $mill = Hashmill->start(KEYS => "$dir/keys", nginx_change => sub ($text) { $text =~ s/(?=listen \S+:\d+ )/$tls\n/ or die; $text });
my $client = Hashmill::Client->new($mill, key => $key{ann}, url => "https://127.0.0.1:$port");

is $client->run({ env => { HASHMILL_TLS_CA => $authority->ca } }, 'ls')->{code}, 0, 'a node whose certificate TLS_CA has signed';
for my $env ({}, { HASHMILL_TLS_CA => $other->ca }) {
    my $done = $client->run({ env => $env }, 'run', "$dir/keys", '-n', 1);
    is $done->{code}, 1, 'any other: exit code 1, at once';
    like $done->{err}, qr/certificate/, 'and why';
}
my $done = $client->run({ env => { HASHMILL_TLS_CA => "$dir/none" } }, 'ls');
is $done->{code}, 2, 'a file that is not there: exit code 2';
like $done->{err}, qr/\Ahashmill: TLS_CA: /, 'and which';

# To its proxy a client names the whole URL, and nginx takes that.
my %proxy = (http_proxy => $mill->url, HASHMILL_PLAIN_TOKENS => 'yes', HASHMILL_URL => 'http://queue.invalid', no_proxy => '');
is $client->run({ env => \%proxy }, 'ls', '--timeout', 20)->{code}, 0, 'through the proxy of the environment';
is $client->run({ env => { %proxy, no_proxy => 'queue.invalid' } }, 'ls', '--timeout', 1)->{code}, 5, 'but to what no_proxy names';
my %other = (%proxy, http_proxy => 'http://proxy.invalid:3128', HASHMILL_URL => $mill->url, HASHMILL_PLAIN_TOKENS => 'no');
is $client->run({ env => \%other }, 'ls', '--timeout', 5)->{code}, 0, 'nor to this machine, for which a key may be in the clear';

finish();
