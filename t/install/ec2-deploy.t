# scripts/deploy.sh and scripts/destroy.sh against an emulator of AWS: what they make is as docs/ec2.md says, made
# once, repaired, changed and taken away again, with no secret where it can be seen.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Compress::Zlib qw(crc32);
use Digest::SHA qw(sha256_hex);
use IO::Socket::INET ();
use JSON::PP qw(decode_json encode_json);
use List::Util qw(uniq);
use Test::More;
use Hashmill::Aws;
use Hashmill::Process;
use Hashmill::Util;

plan skip_all => Hashmill::Aws::missing() if Hashmill::Aws::missing();

my $aws = Hashmill::Aws->start;
my $nothing = join "\n", $aws->inventory;

# The secrets of a stack: tokens and keys, the lines of the latter one by one. The two that are printed are not among
# them.
sub secrets ($stack) {
    my $home = $aws->dir . "/home/$stack";
    my @tokens = grep { !/^hm|^yes$/ } slurp("$home/tokens") =~ /=([\w-]+)/g;
    my @lines = map { grep { !/^-/ } split /\n/, slurp($_) } glob "$home/{ca,node0,node1,worker}/*.key";
    return (@tokens, @lines);
}

sub tag ($thing, $key) {
    my ($tag) = grep { $_->{Key} eq $key } ($thing->{Tags} // $thing->{TagSet} // [])->@*;
    return $tag->{Value};
}

# What is kept of tokens.
sub tokens { return slurp($aws->dir . '/home/one/tokens') =~ /^(\w+)=([\w-]+)$/mg }

# Whether a key has the form of hashmill-fcgi --key, with its checksum in the digits of base 62.
sub key_is_good ($key, $letter) {
    my ($text, $check) = $key =~ /\A(hm${letter}_[A-Za-z0-9_-]{43})([0-9A-Za-z]{6})\z/ or return 0;
    my ($sum, $digits) = (0, join '', 0 .. 9, 'A' .. 'Z', 'a' .. 'z');
    $sum = $sum * 62 + index $digits, $_ for split //, $check;
    return $sum == crc32($text);
}

# The file KEYS that goes with what is kept.
sub keys_file {
    my %kept = tokens();
    return join '', (map { "$_ $_ " . sha256_hex($kept{"${_}_key"}) . "\n" } qw(client operator)),
        slurp($aws->dir . '/home/one/keys') // '';
}

# The parameter of that name, decrypted.
sub parameter ($name) {
    return $aws->call(qw(ssm get-parameter --with-decryption --name), $name)->{Parameter};
}

subtest 'it looks before it does anything' => sub {
    my ($code, $output) = $aws->run('deploy.sh', '--dry-run');
    is $code, 0, '--dry-run ends well' or diag $output;
    like $output, qr/create +node 1, a t3.small.*\n.*a month +together/s, 'it says what it would make and what that costs';
    is scalar(grep { Hashmill::Aws::is_change($_) } $aws->calls), 0, 'it changes nothing';
    is join("\n", $aws->inventory), $nothing, 'nothing is there';
    ($code, $output) = $aws->deploy('--stack', 'Not a name');
    isnt $code, 0, 'a bad name is refused';
    like $output, qr/--stack: Not a name is not a name/, 'with the reason';
    is scalar($aws->calls), 0, 'before any call';
    ($code, $output) = $aws->deploy({ ALLOW_CIDR => 'everybody' });
    like $output, qr/ALLOW_CIDR must be like/, 'a bad setting is refused';
    ($code, $output) = $aws->deploy({ AWS_ENDPOINT_URL => 'http://127.0.0.1:1' });
    like $output, qr/does not take the credentials/, 'no answer is told as such';
    ($code, $output) = $aws->deploy({ PATH => '/nowhere' });
    isnt $code, 0, 'without tools it ends';
    $aws->calls;
};

# The volumes with the queues of a stack, by node.
sub queues ($stack) {
    my $answer = $aws->call(qw(ec2 describe-volumes --filters), "Name=tag:hashmill:stack,Values=$stack", 'Name=tag:hashmill:role,Values=queue');
    my %queue = map { tag($_, 'hashmill:node') // 'none' => $_ } $answer->{Volumes}->@*;
    return %queue;
}

# The zone of a node, which is that of its network interface (the emulator says something else of the instance).
sub zone ($node) {
    return $aws->call(qw(ec2 describe-network-interfaces --network-interface-ids), $node->{NetworkInterfaces}[0]{NetworkInterfaceId})
        ->{NetworkInterfaces}[0]{AvailabilityZone};
}

# The instance that is a node.
sub node ($stack, $number) {
    my ($node) = grep { tag($_, 'hashmill:node') eq $number } $aws->instances('hashmill:stack', $stack);
    return $node;
}

# What the user data of an instance says of its volume: its id, and how its queue begins.
sub told ($id) {
    my $data = $aws->user_data($id);
    return join ' ', $data =~ m{^again /usr/lib/hashmill/ec2-volume '(.*)'$}m, $data =~ m{^echo '(.*)' >/etc/hashmill/ec2-first$}m;
}

# What comes in from addresses, "PORT:CIDR".
sub open_ports {
    return join ' ', sort map { my $p = $_; map { "$p->{FromPort}:$_->{CidrIp}" } $p->{IpRanges}->@* }
        $aws->call('ec2', 'describe-security-groups', '--filters', 'Name=group-name,Values=hashmill-one-nodes')->{SecurityGroups}[0]{IpPermissions}->@*;
}

my %before;
subtest 'a new stack' => sub {
    my ($code, $output) = $aws->deploy('--stack', 'one');
    is $code, 0, 'it is made' or diag $output;
    my $trust = "--cacert '" . $aws->dir . "/home/one/ca/ca.pem'";
    my $with = '-H "Authorization: Bearer $KEY"';
    like $output, qr{\n  date \| curl \Q$trust $with\E -T - 'https://[\d.]+/enqueue\?iterations=1000000'\n  curl \Q$trust $with\E -X POST 'https://[\d.]+/pullCompleted\?top=10'\n},
        'it ends with two commands';
    my ($getting) = $output =~ /^  KEY=\$\((.*)\)$/m;
    my %kept = tokens();
    is qx{$getting}, "$kept{client_key}\n", 'and how to have the key for them';
    my @calls = $aws->calls;
    for my $role (qw(client operator)) {
        my $key = $kept{"${role}_key"};
        ok key_is_good($key, substr $role, 0, 1), "a key for the role $role is made";
        is scalar(() = $output =~ /\Q$key\E/g), 1, 'and printed once';
        like $output, qr/^  \Q$key\E   the key of ${role}s/m, 'with what it is for';
        is scalar(grep { index($_, $key) >= 0 } encode_json(\@calls), map { parameter($_->{Name})->{Value} }
            grep { $_->{Name} =~ m{^/hashmill/} } $aws->call(qw(ssm describe-parameters))->{Parameters}->@*), 0, 'it goes nowhere else';
    }
    $aws->calls;
    my @s3 = grep { !/ (?:list-buckets|create-bucket) / } grep { / s3api / } map { " @$_ " } @calls;
    is scalar(grep { !/ --expected-bucket-owner 123456789012 / } @s3), 0, 'each call of S3 about the bucket says whose it must be' or diag join "\n", @s3;
    is scalar(grep { my $c = " @$_ "; index($c, ' --endpoint-url ' . $aws->endpoint . ' ') < 0 } @calls), 0, 'each call names the endpoint';
    is $aws->strayed, 0, 'none goes elsewhere';
    my $seen = encode_json(\@calls) . $output;
    is scalar(grep { index($seen, $_) >= 0 } secrets('one')), 0, 'no secret is in arguments or output';

    my @nodes = sort { tag($a, 'hashmill:node') <=> tag($b, 'hashmill:node') } $aws->instances('hashmill:stack', 'one');
    is scalar(@nodes), 2, 'there are two nodes';
    is scalar(uniq map { $_->{NetworkInterfaces}[0]{SubnetId} } @nodes), 2, 'in the subnets of two zones';
    my %group = map { $_->{GroupName} => $_ } $aws->call('ec2', 'describe-security-groups', '--filters', 'Name=tag:hashmill:stack,Values=one')->{SecurityGroups}->@*;
    is_deeply [sort keys %group], [qw(hashmill-one-nodes hashmill-one-workers)], 'and two groups';
    for my $number (0, 1) {
        my $node = $nodes[$number];
        my $data = $aws->user_data($node->{InstanceId});
        like $data, qr/\A#!\/bin\/bash\n.*^NODE=$number$/ms, "node $number has its user data";
        cmp_ok length $data, '<', 16_384, 'which is short enough';
        like $data, qr{^AssertPathIsMountPoint=/var/lib/hashmill$}m, 'by which it serves from its volume only';
        unlike $data, qr/\@[A-Z_]+\@/, 'and filled in';
        is scalar(grep { index($data . encode_json($node), $_) >= 0 } secrets('one')), 0, 'without a secret, as its tags';
        is $node->{IamInstanceProfile}{Arn} =~ s{.*/}{}r, "hashmill-one-eu-west-1-node$number", 'it has a role of its own';
        is_deeply [map { $_->{GroupId} } $node->{NetworkInterfaces}[0]{Groups}->@*], [$group{'hashmill-one-nodes'}{GroupId}], 'its group';
        is $node->{MetadataOptions}{HttpTokens}, 'required', 'and a metadata service with tokens only';
        my $disk = $aws->call(qw(ec2 describe-volumes --volume-ids), $node->{BlockDeviceMappings}[0]{Ebs}{VolumeId})->{Volumes}[0];
        is_deeply [@$disk{qw(VolumeType Size)}, $disk->{Encrypted} ? 1 : 0], ['gp3', 8, 1], 'its disk is encrypted';
        is tag($disk, 'hashmill:stack'), 'one', 'and has the tag';
        my $queue = { queues('one') }->{$number};
        is_deeply [@$queue{qw(VolumeType Size)}, $queue->{Encrypted} ? 1 : 0], ['gp3', 20, 1], 'its queue has a volume, which is encrypted';
        is $queue->{AvailabilityZone}, zone($node), 'in its zone';
        is_deeply [map { $_->{InstanceId} } $queue->{Attachments}->@*], [$node->{InstanceId}], 'attached to it';
        ok !$queue->{Attachments}[0]{DeleteOnTermination}, 'and outlives it';
        is tag($node, 'hashmill:volume'), $queue->{VolumeId}, 'as its tag says';
        is told($node->{InstanceId}), "$queue->{VolumeId} " . ($number ? 'peer' : 'new'), 'it knows that, and how its queue begins';
        my $other = $nodes[1 - $number]{PrivateIpAddress};
        my $settings = parameter("/hashmill/one/node$number/secrets.env");
        is $settings->{Type}, 'SecureString', 'its settings are encrypted';
        like $settings->{Value}, qr{^KEYS=/etc/hashmill/keys$}m, 'they let nobody in without a key';
        is parameter("/hashmill/one/node$number/keys")->{Value}, keys_file(), 'which are these two';
        like $settings->{Value}, qr{^PEERS=@{[1 - $number]}=https://\Q$other\E:8443$}m, 'and name the other node';
        my $cert = $aws->dir . "/home/one/node$number/listener.pem";
        is parameter("/hashmill/one/node$number/listener.pem")->{Value} =~ s/\s+\z//r, slurp($cert) =~ s/\s+\z//r, 'its certificate is there';
        like scalar(qx{openssl x509 -in $cert -noout -checkip $node->{PrivateIpAddress}}), qr/does match/, 'for its address';
        my $home = $aws->dir . '/home/one';
        my ($address) = map { $_->{PublicIp} } grep { tag($_, 'hashmill:node') eq $number } $aws->call(qw(ec2 describe-addresses))->{Addresses}->@*;
        spew("$home/given.pem", parameter("/hashmill/one/node$number/public.pem")->{Value});
        like scalar(qx{openssl x509 -in $home/given.pem -noout -checkip $address}), qr/does match/, 'it has a certificate for clients, too, for its Elastic IP';
        like scalar(qx{openssl verify -purpose sslserver -CAfile $home/ca/ca.pem $home/given.pem 2>&1}), qr/: OK$/, 'of the authority of the stack';
        isnt system("openssl verify -purpose sslclient -CAfile $home/ca/ca.pem $home/given.pem >$home/given.log 2>&1"), 0, 'by which it can call nobody';
        unlink map { "$home/given.$_" } qw(pem log);
        like $settings->{Value}, qr/^MACHINE_SECRET=([0-9a-f]{64})$/m, 'it has the MACHINE_SECRET';
    }
    my ($secret) = slurp($aws->dir . '/home/one/tokens') =~ /^machine_secret=(\w+)$/m;
    my @with = map { $_->{Name} } grep { $_->{Name} =~ m{^/hashmill/} && index(parameter($_->{Name})->{Value}, $secret) >= 0 }
        $aws->call(qw(ssm describe-parameters))->{Parameters}->@*;
    is_deeply [sort @with], [map { "/hashmill/one/node$_/secrets.env" } 0, 1], 'as nodes have, and nobody else';
    is_deeply [sort map { m{^parameter .*/(worker/.*)} } $aws->inventory], [map { "worker/$_" } qw(ca.pem worker.key worker.pem)], 'workers have no token there';
    my @rules = map { my $p = $_; map { "$p->{FromPort} " . ($_->{CidrIp} // $_->{GroupId}) } $p->{IpRanges}->@*, $p->{UserIdGroupPairs}->@* }
        $group{'hashmill-one-nodes'}{IpPermissions}->@*;
    is_deeply [sort @rules], [sort('443 192.0.2.77/32', map { "8443 $_->{GroupId}" } values %group)], 'only what must come in does, clients from here';
    is_deeply $group{'hashmill-one-workers'}{IpPermissions}, [], 'to workers nothing';
    my $bucket = 'hashmill-one-123456789012-eu-west-1';
    my $block = $aws->call(qw(s3api get-public-access-block --bucket), $bucket)->{PublicAccessBlockConfiguration};
    is scalar(grep { $_ } values %$block), 4, 'the bucket is private';
    ok $aws->call(qw(s3api get-bucket-encryption --bucket), $bucket), 'and encrypted';
    ok !-e $aws->dir . '/home/one/ca/ca.key' || ((stat _)[2] & 077) == 0, "the authority's key is nobody else's";
    unlike join("\n", $aws->inventory), qr/ca\.key/, 'and stays here';
    is_deeply [glob $aws->dir . '/tmp/*'], [], 'no temporary file is left';
    %before = map { $_ => 1 } $aws->inventory;
};

subtest 'the same again' => sub {
    my $tokens = slurp($aws->dir . '/home/one/tokens');
    my ($code, $output) = $aws->run('deploy.sh', { HEALTHZ_SECONDS => 0, https_proxy => q(), HTTPS_PROXY => q() }, '--package', $aws->dir . '/hashmill.deb', '--stack', 'one');
    isnt $code, 0, 'nodes that are not well are a failure';
    like $output, qr/node 0 \([\d.]+\) is not well after 0 s\. The log of its boot: aws ec2 get-console-output/, 'that is told';
    is_deeply [sort $aws->inventory], [sort keys %before], 'everything is there once';
    is slurp($aws->dir . '/home/one/tokens'), $tokens, 'with the same tokens';
    unlike $output, qr/created|launched|stored|made/, 'nothing is made';
    unlike $output, qr/hm[co]_/, 'no key is printed again';
    $aws->calls;
};

# The emulator's Elastic IPs are addresses of this machine.
subtest 'waiting for the nodes' => sub {
    my %public = map { tag($_, 'hashmill:node') => $_->{PublicIp} } $aws->call(qw(ec2 describe-addresses))->{Addresses}->@*;
    my @free = grep { IO::Socket::INET->new(LocalAddr => $_, LocalPort => 443, Listen => 8, ReuseAddr => 1) } values %public;
    plan skip_all => 'port 443 of the addresses cannot be had: ' . join ' ', values %public if @free < 2;
    my $wait = sub ($seconds, %certificate_of) {
        my @servers = map {
            my $files = $aws->dir . "/home/one/node$certificate_of{$_}/public";
            Hashmill::Process->start(log => $aws->dir . "/server$_.log",
                command => [qw(openssl s_server -www -quiet -accept), "$public{$_}:443", '-cert', "$files.pem", '-key', "$files.key"]);
        } 0, 1;
        my @result = $aws->run('deploy.sh', { HEALTHZ_SECONDS => $seconds, map { $_ => join ',', '127.0.0.1', values %public } qw(no_proxy NO_PROXY) },
            '--package', $aws->dir . '/hashmill.deb', '--stack', 'one');
        $_->kill('KILL') && $_->wait_exit(10) for @servers;
        return @result;
    };
    my ($code, $output) = $wait->(60, 0 => 0, 1 => 1);
    is $code, 0, 'it ends well when both answer, with their certificates' or diag $output;
    like $output, qr/node 0 is well\n.*node 1 is well\n/, 'and says so';
    ($code, $output) = $wait->(3, 0 => 1, 1 => 0);
    isnt $code, 0, 'a certificate of another address is not taken';
    $aws->calls;
};

subtest 'other settings' => sub {
    my $key = $aws->dir . '/key.pub';
    spew($key, "ssh-ed25519 AAAA me\n");
    spew($aws->dir . '/hashmill.deb', 'another package');
    my $certificate = slurp($aws->dir . '/home/one/node0/listener.pem');
    my %before = tokens();
    my @public = map { $aws->dir . "/public.$_" } qw(pem key);
    spew($_, slurp($aws->dir . '/home/one/node0/listener.' . s/.*\.//r)) for @public;
    my ($code, $output) = $aws->deploy({ ALLOW_CIDR => '192.0.2.0/24,198.51.100.0/24', SSH_CIDR => '203.0.113.9', WORKERS_MAX => 7 },
        '--stack', 'one', '--ssh', $key, '--tls', join(',', @public), '--rotate');
    is $code, 0, 'it ends well' or diag $output;
    is open_ports(), '22:203.0.113.9/32 443:192.0.2.0/24 443:198.51.100.0/24', 'other addresses come in, the old ones do not, to the port of TLS';
    like $output, qr{curl -H "Authorization: Bearer \$KEY" -T - 'https://}, 'which clients are told, to trust as they do';
    my %now = tokens();
    is_deeply [grep { $now{$_} eq $before{$_} } qw(worker_token peer_token machine_secret client_key operator_key)], [],
        '--rotate makes other tokens and keys and another secret';
    is scalar(() = $output =~ /\Q$_\E/g), 1, 'prints a new key' for @now{qw(client_key operator_key)};
    is $now{machine_secret_old}, $before{machine_secret}, 'keeps the secret of machines that run';
    for my $number (0, 1) {
        my $settings = parameter("/hashmill/one/node$number/secrets.env")->{Value};
        is_deeply { $settings =~ /^((?:WORKER|PEER|MACHINE)_\w+)=(.*)$/mg }, { WORKER_TOKEN => $now{worker_token}, PEER_TOKEN => $now{peer_token},
            MACHINE_SECRET => $now{machine_secret}, MACHINE_SECRET_OLD => $now{machine_secret_old} }, "and node $number has them";
        is parameter("/hashmill/one/node$number/keys")->{Value}, keys_file(), 'with the new keys and no old one';
    }
    is parameter('/hashmill/one/node1/public.key')->{Value} =~ s/\s+\z//r, slurp($public[1]) =~ s/\s+\z//r, 'nodes have the certificate for clients and its key';
    is parameter('/hashmill/one/node1/public.key')->{Type}, 'SecureString', 'encrypted';
    like parameter('/hashmill/one/node1/secrets.env')->{Value}, qr/^WORKERS_MAX=7$/m, 'nodes have other settings';
    is parameter('/hashmill/one/node1/authorized_keys')->{Value} =~ s/\n//r, 'ssh-ed25519 AAAA me', 'and a key for SSH';
    is $aws->call(qw(s3api head-object --key hashmill.deb --bucket hashmill-one-123456789012-eu-west-1))->{ContentLength}, 15, 'the package is another';
    isnt slurp($aws->dir . '/home/one/node0/listener.pem'), $certificate, 'the certificates, too';
    is parameter('/hashmill/one/node0/listener.pem')->{Value} =~ s/\s+\z//r, slurp($aws->dir . '/home/one/node0/listener.pem') =~ s/\s+\z//r, 'and the node has it';
    $aws->calls;
};

subtest 'further keys' => sub {
    my $file = $aws->dir . '/home/one/keys';
    my ($hash, $other) = map { $_ x 32 } qw(a1 b2);
    my %tokens = tokens();
    my $form = 'it must read ROLE NAME SHA256HEX';
    my %fault = (
        'client ann' => $form, "guest ann $hash" => $form, "client -ann $hash" => $form, "client\tann $hash" => $form,
        "client ann $hash until=tomorrow" => $form, "client ann $hash weight=0" => $form, "client ann $hash rate=5" => $form,
        "client ann $hash until=2027-02-30" => 'there is no such day', "worker ann $hash items=5" => 'items= is for the key of a client',
        "client ann $hash items=5 items=5" => 'items= stands twice', "worker shared $hash" => 'no key can have this name',
        "worker mill-0-0123456789ab $hash" => 'no key can have this name', "client ben $other" => 'this key is there twice',
        'client ann ' . sha256_hex($tokens{client_key}) => 'this key is there twice', "client client $hash items=5" => 'the lines of client differ',
        "operator ben $hash items=6" => 'the lines of ben differ',
    );
    $aws->calls;
    for my $bad (sort keys %fault) {
        spew($file, "# of the mill\n\nclient ben $other items=5 until=2027-01-31\n$bad\n");
        my ($code, $output) = $aws->deploy('--stack', 'one');
        isnt $code, 0, "\"$bad\" is refused";
        like $output, qr{/one/keys, line 4: \Q$fault{$bad}\E}, 'with its line and what to do';
    }
    spew($file, join '', map { sprintf "client c%d %064x\n", $_, $_ } 1 .. 120);
    like +($aws->deploy('--stack', 'one'))[1], qr{/one/keys has more than 7900 bytes}, 'so are too many';
    is scalar(grep { Hashmill::Aws::is_change($_) } $aws->calls), 0, 'before anything is changed';
    spew($file, "# of the mill\nclient ann $hash weight=3 items=5 work=6 rate=7/8 iterations_max=9 until=2027-01-31\n"
        . "operator ann $other rate=7/8 items=5 iterations_max=9 work=6 weight=3\nclient client ${\('c3' x 32)} weight=1");
    my ($code, $output) = $aws->deploy('--stack', 'one');
    is $code, 0, 'good ones are taken' or diag $output;
    is parameter("/hashmill/one/node$_/keys")->{Value}, keys_file(), "node $_ has them behind those of deploy.sh" for 0, 1;
    unlike $output, qr/hm[co]_/, 'which stay';
    $aws->calls;
};

subtest 'a rotation that is interrupted' => sub {
    my %before = tokens();
    my ($code, $output) = $aws->deploy({ AWS_TEST_FAIL => 'put-parameter:error:InternalError' }, '--stack', 'one', '--rotate');
    isnt $code, 0, 'it fails';
    my %made = tokens();
    is $made{machine_secret_old}, $before{machine_secret}, 'another secret is made';
    unlike $output, qr/hm[co]_/, 'no key is printed that no node has';
    is parameter('/hashmill/one/node0/secrets.env')->{Value} =~ /^MACHINE_SECRET=(.*)$/m && $1, $before{machine_secret}, 'which no node has';
    ($code, $output) = $aws->deploy('--stack', 'one', '--rotate');
    is $code, 0, 'the same command goes on' or diag $output;
    like $output, qr/^  \Q$made{client_key}\E /m, 'and prints the keys';
    is parameter('/hashmill/one/node0/keys')->{Value}, keys_file(), 'which nodes have, with the further ones of before';
    delete @made{qw(rotating unshown)};
    is_deeply { tokens() }, \%made, 'with that one: machines that run are let in by both nodes';
    $aws->calls;
};

subtest 'repair' => sub {
    my ($first, $second) = $aws->instances('hashmill:stack', 'one');
    my %address = map { $_->{PrivateIpAddress} => 1 } $first, $second;
    $aws->call(qw(ec2 terminate-instances --instance-ids), $first->{InstanceId});
    $aws->call(qw(ec2 stop-instances --instance-ids), $second->{InstanceId});
    $aws->call(qw(ssm delete-parameter --name /hashmill/one/worker/worker.key));
    $aws->call(qw(iam remove-role-from-instance-profile --instance-profile-name hashmill-one-eu-west-1-worker --role-name hashmill-one-eu-west-1-worker));
    my ($code, $output) = $aws->deploy('--stack', 'one');
    is $code, 0, 'it ends well' or diag $output;
    my @nodes = $aws->instances('hashmill:stack', 'one');
    is_deeply [map { $_->{State}{Name} } @nodes], ['running', 'running'], 'both nodes run';
    is_deeply { map { $_->{PrivateIpAddress} => 1 } @nodes }, \%address, 'under the same addresses';
    ok parameter('/hashmill/one/worker/worker.key'), 'what was deleted is there again';
    is $aws->call(qw(iam get-instance-profile --instance-profile-name hashmill-one-eu-west-1-worker))->{InstanceProfile}{Roles}[0]{RoleName},
        'hashmill-one-eu-west-1-worker', 'the profile has its role';
    is open_ports(), '443:192.0.2.0/24 443:198.51.100.0/24', 'clients come from where they came from';
    like $output, qr{^deploy\.sh: ALLOW_CIDR is not set: clients are let in from 192\.0\.2\.0/24,198\.51\.100\.0/24, as before$}m, 'with a warning';
    unlike parameter('/hashmill/one/node1/secrets.env')->{Value}, qr/^WORKERS_MAX=/m, 'another setting that is not there any more has its default again';
    is parameter('/hashmill/one/node1/public.pem')->{Value} =~ s/\s+\z//r, slurp($aws->dir . '/home/one/node1/public.pem') =~ s/\s+\z//r,
        "and without --tls nodes have the stack's own certificates";
    is scalar(grep { /authorized_keys/ } $aws->inventory), 0, 'and nobody is let in by SSH';
    is scalar(() = $aws->inventory), scalar(keys %before), 'there is nothing more than at first';
    $aws->calls;
};

subtest 'a stack of an older deploy.sh' => sub {
    my $shared = 'hashmill-one-eu-west-1-node';
    my $id = node('one', 0)->{InstanceId};
    my $profile = sub { node('one', 0)->{IamInstanceProfile}{Arn} =~ s{.*/}{}r };
    $aws->call(qw(iam create-role --assume-role-policy-document {} --role-name), $shared);
    $aws->call(qw(iam create-instance-profile --instance-profile-name), $shared);
    $aws->call(qw(iam add-role-to-instance-profile --instance-profile-name), $shared, '--role-name', $shared);
    my %tokens = tokens();
    spew($aws->dir . '/home/one/tokens', "worker_token=$tokens{worker_token}\npeer_token=$tokens{peer_token}\n");
    my $association = $aws->call(qw(ec2 describe-iam-instance-profile-associations --filters), "Name=instance-id,Values=$id")
        ->{IamInstanceProfileAssociations}[0]{AssociationId};
    $aws->call(qw(ec2 replace-iam-instance-profile-association --association-id), $association, '--iam-instance-profile', "Name=$shared");
    my ($group) = $aws->call(qw(ec2 describe-security-groups --filters), 'Name=group-name,Values=hashmill-one-nodes')->{SecurityGroups}[0]{GroupId};
    $aws->call(qw(ec2 authorize-security-group-ingress --protocol tcp --port 80 --cidr 0.0.0.0/0 --group-id), $group);
    is $profile->(), $shared, 'has one role for both nodes';
    my ($code, $output) = $aws->deploy('--stack', 'one');
    is $code, 0, 'it goes on' or diag $output;
    is $profile->(), "${shared}0", 'with a role for each';
    is scalar(grep { / \Q$shared\E$/ } $aws->inventory), 0, 'the other is gone';
    is open_ports(), '443:0.0.0.0/0 443:192.0.2.0/24 443:198.51.100.0/24', 'clients come from where they came from, by TLS';
    my %now = tokens();
    is $now{peer_token}, $tokens{peer_token}, 'tokens are kept';
    like $now{machine_secret}, qr/^[0-9a-f]{64}$/, 'and it gets a MACHINE_SECRET';
    like $output, qr/^  \Q$now{client_key}\E /m, 'and keys, which are printed';
    is parameter('/hashmill/one/node1/keys')->{Value}, keys_file(), 'and its nodes have';
    $aws->calls;
};

subtest 'other launch templates' => sub {
    my $templates = sub { join ' ', sort map { $_->{LaunchTemplateId} } $aws->call(qw(ec2 describe-launch-templates))->{LaunchTemplates}->@* };
    my $in = sub { join ' ', sort map { split /,/ } parameter('/hashmill/one/node0/ec2.env')->{Value} =~ /^TEMPLATES=(.*)$/m };
    my $before = $templates->();
    is $in->(), $before, 'a node has one for each subnet';
    my ($code, $output) = $aws->deploy({ INSTANCE_TYPE => 'c7a.large', ALLOW_CIDR => '192.0.2.0/24' }, '--stack', 'one');
    is $code, 0, 'with another type' or diag $output;
    is open_ports(), '443:192.0.2.0/24', 'and other clients';
    unlike $output, qr/ALLOW_CIDR/, 'which is no warning';
    is scalar(grep { index($templates->(), $_) >= 0 } split / /, $before), 0, 'there are others';
    is $in->(), $templates->(), 'which nodes have';
    $aws->calls;
};

subtest 'a node that is lost' => sub {
    my %queue = queues('one');
    my $old = node('one', 1)->{InstanceId};
    $aws->call(qw(ec2 terminate-instances --instance-ids), $old);
    is { queues('one') }->{1}{State}, 'available', 'leaves its volume';
    my ($code, $output) = $aws->deploy('--stack', 'one');
    is $code, 0, 'it is launched again' or diag $output;
    is { queues('one') }->{1}{VolumeId}, $queue{1}{VolumeId}, 'with the same volume';
    is { queues('one') }->{1}{Attachments}[0]{InstanceId}, node('one', 1)->{InstanceId}, 'which is attached to it';
    isnt node('one', 1)->{InstanceId}, $old, 'and to nothing else';
    is told(node('one', 1)->{InstanceId}), "$queue{1}{VolumeId} peer", 'that it waits for';
    is scalar(grep { "@$_" =~ /create-volume|terminate-instances/ } $aws->calls), 0, 'nothing else was made or ended';
};

subtest 'a volume that is lost' => sub {
    my %queue = queues('one');
    my ($lost, $old) = ($queue{0}{VolumeId}, node('one', 0)->{InstanceId});
    $aws->call(qw(ec2 detach-volume --force --volume-id), $lost, '--instance-id', $old);
    $aws->call(qw(ec2 delete-volume --volume-id), $lost);
    my ($code, $output) = $aws->run('deploy.sh', '--dry-run', '--stack', 'one');
    like $output, qr/^  terminate node 0, $old: its volume $lost is gone.*\n  create    node 0/m, 'the plan has it';
    is node('one', 0)->{InstanceId}, $old, 'and does not do it';
    $aws->calls;
    ($code, $output) = $aws->deploy('--stack', 'one');
    is $code, 0, 'its node is replaced' or diag $output;
    is_deeply [map { /(terminate-instances|instance-terminated|run-instances|create-volume|attach-volume)/ } map { "@$_" } $aws->calls],
        [qw(terminate-instances instance-terminated create-volume run-instances attach-volume)], 'the old one is terminated first';
    my %now = queues('one');
    isnt node('one', 0)->{InstanceId}, $old, 'by another instance';
    is told(node('one', 0)->{InstanceId}), "$now{0}{VolumeId} peer", 'with another volume, whose queue begins as the other node says';
    is $now{1}{VolumeId}, $queue{1}{VolumeId}, 'the other has its own';
    $aws->calls;
};

subtest 'volumes that a person must look at' => sub {
    my $id = node('one', 1)->{InstanceId};
    my $volume = { queues('one') }->{1}{VolumeId};
    my $refused = sub ($what, $why) {
        my ($code, $output) = $aws->deploy('--stack', 'one');
        isnt $code, 0, "refused: $what";
        like $output, $why, 'with the reason';
        is scalar(grep { Hashmill::Aws::is_change($_) } $aws->calls), 0, 'before any change';
    };
    $aws->call(qw(ec2 delete-tags --tags Key=hashmill:node --resources), $volume);
    $refused->('a volume without its tags', qr/the volume of node 1, $volume, is there, but not its tags/);
    my $tags = 'Tags=[{Key=hashmill:stack,Value=one},{Key=hashmill:role,Value=queue},{Key=hashmill:node,Value=1}]';
    $aws->call(qw(ec2 create-tags --resources), $volume, '--tags', 'Key=hashmill:node,Value=1');
    my $other = $aws->call(qw(ec2 create-volume --size 1 --availability-zone eu-west-1b --tag-specifications), "ResourceType=volume,$tags")->{VolumeId};
    $refused->('two for a node', qr/node 1 has two volumes, (?:$volume and $other|$other and $volume):/);
    $aws->call(qw(ec2 delete-volume --volume-id), $other);
    $aws->call(qw(ec2 delete-tags --tags Key=hashmill:volume --resources), $id);
    $refused->('a node of an older deploy.sh', qr/node 1, $id, has its queue on the disk that it boots from/);
    $aws->call(qw(ec2 create-tags --resources), $id, '--tags', "Key=hashmill:volume,Value=$volume");
    my ($code) = $aws->deploy('--stack', 'one');
    is $code, 0, 'put right, it goes on';
    $aws->calls;
};

subtest 'the end' => sub {
    my $tag = 'Tags=[{Key=hashmill:stack,Value=one},{Key=hashmill:role,Value=worker}]';
    my $worker = $aws->call(qw(ec2 run-instances --image-id ami-0841e304792db6a16 --tag-specifications), "ResourceType=instance,$tag",
        "ResourceType=volume,$tag", '--network-interfaces', 'DeviceIndex=0,DeleteOnTermination=true')->{Instances}[0]{InstanceId};
    # A stack whose name begins alike.
    $aws->call(qw(ec2 allocate-address --domain vpc --tag-specifications), 'ResourceType=elastic-ip,Tags=[{Key=hashmill:stack,Value=one-two}]');
    $aws->call(qw(ssm put-parameter --type String --value x --name /hashmill/one-two/node0/a));
    $aws->call(qw(iam create-role --role-name hashmill-one-two-eu-west-1-node --assume-role-policy-document {}));
    my %queue = queues('one');
    my @queues = map { $_->{VolumeId} } values %queue;
    my ($code, $output) = $aws->run('destroy.sh', '--stack', 'one');
    like $output, qr/^  volume with a queue $_$/m, 'it says that there are queues' for @queues;
    isnt $code, 0, 'when nobody can be asked, nothing is removed';
    is scalar(grep { Hashmill::Aws::is_change($_) } $aws->calls), 0, 'indeed';
    ($code, $output) = $aws->run('destroy.sh', '--stack', 'one', '--yes', '--backup');
    is $code, 0, 'it is removed' or diag $output;
    like $output, qr/terminated \Q$worker\E/, 'workers are terminated, too';
    my @kept = $output =~ /kept: snapshot (snap-\w+);/g;
    my $kept = $aws->call(qw(ec2 describe-snapshots --snapshot-ids), @kept)->{Snapshots};
    is_deeply [sort map { $_->{VolumeId} } @$kept], [sort @queues], 'the volumes with the queues are kept as snapshots';
    my @left = grep { !/one-two|^address|elastic-ip|snap-/ } $aws->inventory;
    is join("\n", @left), $nothing, 'nothing else is left';
    is scalar(grep { /one-two|^address/ } $aws->inventory), 3, 'of the other stack, all is';
    ok !-e $aws->dir . '/home/one', 'here neither';
    ($code, $output) = $aws->run('destroy.sh', '--stack', 'one', '--yes');
    is $code, 0, 'again it has nothing to do';
    is $aws->strayed, 0, 'no call went elsewhere';
    is_deeply [glob $aws->dir . '/tmp/*'], [], 'no temporary file is left';
};

subtest 'from the snapshots' => sub {
    my %snapshot = map { tag($_, 'hashmill:backup') => $_->{SnapshotId} }
        $aws->call(qw(ec2 describe-snapshots --owner-ids self --filters), 'Name=tag-key,Values=hashmill:backup')->{Snapshots}->@*;
    my %zone = (0 => 'eu-west-1c', 1 => 'eu-west-1a');
    my %made;
    for my $number (0, 1) {
        my $tags = "Tags=[{Key=hashmill:stack,Value=one},{Key=hashmill:role,Value=queue},{Key=hashmill:node,Value=$number}]";
        $made{$number} = $aws->call(qw(ec2 create-volume --encrypted --snapshot-id), $snapshot{"node$number"}, '--availability-zone',
            $zone{$number}, '--tag-specifications', "ResourceType=volume,$tags")->{VolumeId};
    }
    my ($code, $output) = $aws->deploy('--stack', 'one');
    is $code, 0, 'nodes come back' or diag $output;
    for my $number (0, 1) {
        is told(node('one', $number)->{InstanceId}), "$made{$number} peer", "node $number has the volume made of its own";
        is zone(node('one', $number)), $zone{$number}, 'and is where that is';
    }
    is +($aws->run('destroy.sh', '--stack', 'one', '--yes'))[0], 0, 'they go again';
    is scalar({ queues('one') }->%*), 0, 'with their volumes';
};

$aws->stop;
done_testing();
