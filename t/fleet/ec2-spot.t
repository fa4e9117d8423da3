# scripts/aws/spot-watch asks a metadata service, which this test is, until there is a notice; nothing else makes it
# end. The user data of machines is short and checked by shell, the policies are JSON.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use File::Temp qw(tempdir);
use IO::Socket::INET ();
use JSON::PP qw(decode_json);
use Test::More;
use Hashmill::Process;
use Hashmill::Util;

my $root = "$FindBin::Bin/../..";
my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);

# A metadata service: each request is a line in "requests"; what it does stands in "mode".
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16) or die;
spew("$dir/mode", 'nothing');
my $server = fork // die;
serve() if $server == 0;
END { kill 'KILL', $server if $server }

sub serve {
    my $tokens = 0;
    while (my $client = $listener->accept) {
        my $head = '';
        while (my $line = <$client>) { $head .= $line; last if $line eq "\r\n" }
        my $mode = slurp("$dir/mode");
        my ($method, $path) = split / /, $head;
        my $answer = answer('404 Not Found', '');
        if ($mode eq 'broken') { $answer = answer('500 Error', '') }
        elsif ($method eq 'PUT' && $path eq '/latest/api/token' && $head =~ /^X-aws-ec2-metadata-token-ttl-seconds: 21600\r$/mi) {
            my $token = 'token' . ++$tokens;
            $answer = answer('200 OK', $token);
        }
        elsif ($head !~ /^X-aws-ec2-metadata-token: token$tokens\r$/mi || $mode eq 'expired') {
            spew("$dir/mode", 'nothing') if $mode eq 'expired';
            $answer = answer('401 Unauthorized', '');
        }
        elsif ($path eq '/latest/meta-data/spot/instance-action' && $mode eq 'notice') {
            $answer = answer('200 OK', qq({"action":"terminate","time":"2026-01-01T00:02:00Z"}\e[31m\n));
        }
        open my $log, '>>', "$dir/requests" or die;
        print {$log} "$method $path " . substr($answer, 0, 3) . "\n";
        close $log;
        print {$client} "HTTP/1.1 $answer";
        close $client;
    }
    exit 0;
}

sub answer ($status, $body) { return "$status\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body" }

sub requests ($pattern) { return scalar grep { /$pattern/ } split /\n/, slurp("$dir/requests") // '' }

my $watch = Hashmill::Process->start(log => "$dir/watch.log", command => ["$root/scripts/aws/spot-watch"],
    env => { IMDS => 'http://127.0.0.1:' . $listener->sockport, SPOT_SECONDS => 0.05, http_proxy => 'http://127.0.0.1:1' });
ok wait_until(30, sub { requests('^GET .* 404') > 3 }), 'it asks again and again';
is requests('^PUT'), 1, 'with one token';
spew("$dir/mode", 'expired');
ok wait_until(30, sub { requests('^PUT') == 2 }), 'with another when that is not taken any more';
spew("$dir/mode", 'broken');
my $errors = requests(' 500');
ok wait_until(30, sub { requests(' 500') > $errors + 2 }), 'a service that fails is asked on';
ok $watch->alive, 'and says nothing';
spew("$dir/mode", 'notice');
ok defined $watch->wait_exit(30), 'a notice ends it';
is $watch->exit_code, 3, 'with the exit code that its unit powers off for';
is $watch->log, qq(notice: {"action":"terminate","time":"2026-01-01T00:02:00Z"}[31m\n), 'it tells what it read, without control characters';
like slurp("$root/scripts/install/hashmill-spot.service"), qr/\nExecStopPost=.*EXIT_STATUS" != 3 .* systemctl --no-block poweroff/, 'indeed it does';

$watch = Hashmill::Process->start(log => "$dir/watch2.log", command => ["$root/scripts/aws/spot-watch"], env => { IMDS => 'http://127.0.0.1:1', SPOT_SECONDS => 0.05 });
ok !defined $watch->wait_exit(1), 'without a service it waits for one';
$watch->kill('TERM');
ok defined $watch->wait_exit(10), 'and ends when told to';

for my $file (glob "$root/scripts/aws/*-policy.json") {
    my $text = slurp($file) =~ s/\@[A-Z_]+\@/x/gr;
    ok eval { decode_json($text)->{Version} eq '2012-10-17' }, "$file is a policy";
}
for my $file (glob "$root/scripts/aws/*.sh.in") {
    cmp_ok -s $file, '<', 8_192, "$file leaves room";
    is system('bash', '-n', $file), 0, 'and is a script';
}
done_testing();
