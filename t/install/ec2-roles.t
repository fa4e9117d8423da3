# What the roles of a stack's machines permit: calls with their credentials, at an emulator of AWS that decides by the
# policies that deploy.sh gave them (t/support/iam.py). A node launches its own workers by their launch template and
# nothing else, and no machine reads what is another's.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use JSON::PP qw(encode_json);
use Test::More;
use Hashmill::Aws;
use Hashmill::Util;

plan skip_all => Hashmill::Aws::missing() if Hashmill::Aws::missing();

my $root = "$FindBin::Bin/../..";
my $aws = Hashmill::Aws->start;
my $bucket = 'hashmill-one-123456789012-eu-west-1';
my $token = 'hmm_hashmill-one-0-a~' . 'x' x 43;

my ($deployed, $output) = $aws->deploy('--stack', 'one');
is $deployed, 0, 'there is a stack' or BAIL_OUT($output);
$aws->calls;
my %role = map { $_ => $aws->as_role("hashmill-one-eu-west-1-$_") } qw(node0 node1 worker);
my %node = map { tag($_, 'hashmill:node') => $_ } $aws->instances('hashmill:role', 'node');
my %group = map { $_->{GroupName} =~ s/.*-//r => $_->{GroupId} }
    $aws->call(qw(ec2 describe-security-groups --filters), 'Name=tag:hashmill:stack,Values=one')->{SecurityGroups}->@*;

sub tag ($thing, $key) {
    my ($tag) = grep { $_->{Key} eq $key } $thing->{Tags}->@*;
    return $tag->{Value};
}

# provider-ec2 as a node runs it.
sub provider ($number, @arguments) {
    my $settings = $aws->dir . "/ec2.env$number";
    spew($settings, $aws->call(qw(ssm get-parameter --with-decryption --name), "/hashmill/one/node$number/ec2.env")->{Parameter}{Value});
    my $template = "$root/scripts/aws/worker.sh.in";
    return $aws->run('providers/provider-ec2', { $role{"node$number"}->%*, EC2_SETTINGS => $settings, WORKER_TEMPLATE => $template, MACHINE_TOKEN => $token },
        @arguments);
}

my @launch; # the call of RunInstances that provider-ec2 makes
subtest 'a node and its workers' => sub {
    my ($code, $id) = provider(0, 'launch', 'hashmill-one-0-a');
    is $code, 0, 'are launched' or diag $id;
    my ($call) = grep { grep { $_ eq 'run-instances' } @$_ } $aws->calls;
    @launch = map { m{^file:} ? 'text' : $_ } @$call;
    shift @launch while $launch[0] ne 'ec2';
    my ($machine) = $aws->instances('hashmill:role', 'worker');
    is "$machine->{InstanceId}\n", $id, 'as a machine';
    is $machine->{InstanceType}, 'c7a.medium', 'of their type';
    is $machine->{MetadataOptions}{HttpTokens}, 'required', 'with a metadata service by tokens only';
    is $machine->{IamInstanceProfile}{Arn} =~ s{.*/}{}r, 'hashmill-one-eu-west-1-worker', 'with their role';
    is_deeply [map { $_->{GroupId} } $machine->{NetworkInterfaces}[0]{Groups}->@*], [$group{workers}], 'in their group';
    my $disk = $aws->call(qw(ec2 describe-volumes --volume-ids), $machine->{BlockDeviceMappings}[0]{Ebs}{VolumeId})->{Volumes}[0];
    ok $disk->{Encrypted}, 'with an encrypted disk';
    like $aws->user_data($machine->{InstanceId}), qr/\Q$token\E/, 'and a token of its own';
    is +(provider(0, 'list'))[0], 0, 'are listed';
    my ($denied, $why) = provider(1, 'terminate', $machine->{InstanceId});
    isnt $denied, 0, 'are not terminated by the other node';
    like $why, qr/UnauthorizedOperation/, 'which may not';
    is +(provider(0, 'terminate', $machine->{InstanceId}))[0], 0, 'but by their own';
    is scalar($aws->instances('hashmill:role', 'worker')), 0, 'are gone';
    $code = (provider(0, 'launch', 'hashmill-one-1-a'))[0];
    isnt $code, 0, "are not launched under a name of the other node's";
};

# Tags for each kind that provider-ec2 tags, and what is changed in them.
sub tagged (%change) {
    my %tag = ('hashmill:stack' => 'one', 'hashmill:role' => 'worker', 'hashmill:machine' => 'hashmill-one-0-b', Name => 'hashmill-one-0-b', %change);
    my $tags = join ',', map { "{Key=$_,Value=$tag{$_}}" } grep { defined $tag{$_} } sort keys %tag;
    return ('--tag-specifications', map { "ResourceType=$_,Tags=[$tags]" } qw(instance volume network-interface));
}

my $runs = 0;
subtest 'RunInstances' => sub {
    my $try = sub (@change) {
        return $aws->refused($role{node0}, @launch, '--client-token', 'try' . ++$runs, @change);
    };
    is $try->(), '', 'as provider-ec2 does: permitted';
    is $try->('--instance-market-options', 'MarketType=spot', tagged(), "ResourceType=spot-instances-request,Tags=[{Key=hashmill:stack,Value=one},{Key=hashmill:role,Value=worker}]"),
        '', 'a spot instance, too';

    my %own = map { tag($_, 'hashmill:node') => $_->{NetworkInterfaces}[0]{NetworkInterfaceId} } values %node;
    my $subnet = $node{0}{NetworkInterfaces}[0]{SubnetId};
    my $data = { ImageId => 'ami-0841e304792db6a16', InstanceType => 'c7a.medium', MetadataOptions => { HttpTokens => 'required' } };
    my $foreign = $aws->call(qw(ec2 create-launch-template --launch-template-name foreign --launch-template-data), encode_json($data))
        ->{LaunchTemplate}{LaunchTemplateId};
    my @change = (
        'another type of machine'                       => ['--instance-type', 'c7a.48xlarge'],
        'a metadata service that gives without a token' => ['--metadata-options', 'HttpTokens=optional,HttpPutResponseHopLimit=1'],
        'one that containers reach'                     => ['--metadata-options', 'HttpTokens=required,HttpPutResponseHopLimit=2'],
        'another image'                                 => ['--image-id', 'ami-0841e304792db6a16'],
        'the network interface of the other node'       => ['--network-interfaces', "DeviceIndex=0,NetworkInterfaceId=$own{1}"],
        'that of its own node'                          => ['--network-interfaces', "DeviceIndex=0,NetworkInterfaceId=$own{0}"],
        'it as a second one'                            => ['--network-interfaces', "DeviceIndex=0,SubnetId=$subnet,Groups=$group{workers}", "DeviceIndex=1,NetworkInterfaceId=$own{1}"],
        'the group of the nodes'                        => ['--network-interfaces', "DeviceIndex=0,SubnetId=$subnet,Groups=$group{nodes}"],
        'another network than the template has'         => ['--network-interfaces', "DeviceIndex=0,SubnetId=$subnet,Groups=$group{workers}"],
        'a larger disk'                                 => ['--block-device-mappings', 'DeviceName=/dev/xvda,Ebs={VolumeSize=1000,Encrypted=true}'],
        'a disk of a snapshot'                          => ['--block-device-mappings', 'DeviceName=/dev/xvdb,Ebs={SnapshotId=snap-0123456789abcdef0}'],
        'a key to log in with'                          => ['--key-name', 'mine'],
        'the role of a node'                            => ['--iam-instance-profile', 'Name=hashmill-one-eu-west-1-node1'],
        'another launch template'                       => ['--launch-template', "LaunchTemplateId=$foreign"],
        'a name of the other node'                      => [tagged('hashmill:machine' => 'hashmill-one-1-b')],
        'a name of a node whose number begins alike'    => [tagged('hashmill:machine' => 'hashmill-one-01-b')],
        'no name'                                       => [tagged('hashmill:machine' => undef)],
        'a node'                                        => [tagged('hashmill:role' => 'node', 'hashmill:node' => 1)],
        'what deploy.sh would take for a node\'s'       => [tagged('hashmill:node' => 1)],
        'another stack'                                 => [tagged('hashmill:stack' => 'two')],
        'no tag of the stack'                           => [tagged('hashmill:stack' => undef)],
    );
    while (my ($what, $change) = splice @change, 0, 2) {
        is $try->(@$change), 'UnauthorizedOperation', "refused: $what";
    }
    my @bare = ('--image-id', 'ami-0841e304792db6a16', qw(--instance-type c7a.medium --metadata-options), 'HttpTokens=required,HttpPutResponseHopLimit=1',
        '--network-interfaces', "DeviceIndex=0,SubnetId=$subnet,Groups=$group{workers}", '--iam-instance-profile', 'Name=hashmill-one-eu-west-1-worker');
    is $aws->refused($role{node0}, qw(ec2 run-instances --count 1), @bare, tagged()), 'UnauthorizedOperation', 'refused: the same without a launch template';
    $aws->call(qw(ec2 delete-launch-template --launch-template-id), $foreign);
};

# Tries calls with a role: those that are permitted, then those that are not.
sub tries ($role, $good, $bad) {
    for my $case (@$good) {
        is $aws->refused($role{$role}, @$case), '', "$role may: " . join ' ', @$case[0, 1], grep { /[\/.]/ } @$case;
    }
    for my $case (@$bad) {
        like $aws->refused($role{$role}, @$case), qr/^(?:UnauthorizedOperation|AccessDenied(?:Exception)?)$/, "$role may not: " . join ' ', @$case;
    }
    return;
}

sub parameters ($of) { return [qw(ssm get-parameters-by-path --with-decryption --path), "/hashmill/one/$of"] }

my ($id, $volume) = ($node{1}{InstanceId}, tag($node{1}, 'hashmill:volume'));
my @nobody = (
    [qw(ssm get-parameter --with-decryption --name /hashmill/one/node0/secrets.env)],
    [qw(ssm get-parameters-by-path --recursive --path /hashmill/one)],
    [qw(ssm put-parameter --overwrite --value x --name /hashmill/one/node0/package.sha256)],
    ['s3api', 'put-object', '--bucket', $bucket, qw(--key hashmill.deb)],
    ['s3api', 'get-object', '--bucket', $bucket, qw(--key other /dev/null)],
    [qw(ec2 describe-instance-attribute --attribute userData --instance-id), $id],
    [qw(ec2 terminate-instances --instance-ids), $id],
    [qw(ec2 create-tags --tags), 'Key=hashmill:node,Value=0', '--resources', $id],
    [qw(ec2 delete-volume --volume-id), $volume],
    [qw(ec2 detach-volume --volume-id), $volume],
    [qw(ec2 modify-instance-metadata-options --http-tokens optional --instance-id), $id],
    [qw(ec2 create-launch-template --launch-template-name hashmill-one-worker --launch-template-data {})],
    [qw(iam put-role-policy --role-name hashmill-one-eu-west-1-node0 --policy-name hashmill --policy-document {})],
);
subtest 'a node reads and changes nothing of the other' => sub {
    tries('node0', [parameters('node0'), ['s3api', 'get-object', '--bucket', $bucket, qw(--key hashmill.deb /dev/null)], [qw(ec2 describe-instances)]],
        [parameters('node1'), parameters('worker'), @nobody]);
    tries('node1', [parameters('node1')], [parameters('node0')]);
};

subtest 'a worker reads its certificate, and that is all' => sub {
    tries('worker', [parameters('worker')], [parameters('node0'), ['s3api', 'get-object', '--bucket', $bucket, qw(--key hashmill.deb /dev/null)],
        [qw(ec2 describe-instances)], \@launch, @nobody]);
};

subtest "a bucket that is another account's" => sub {
    my @get = ('s3api', 'get-object', '--bucket', $bucket, qw(--key hashmill.deb --expected-bucket-owner));
    is $aws->refused({}, @get, '123456789012', '/dev/null'), '', 'the own one is read';
    is $aws->refused({}, @get, '210987654321', '/dev/null'), 'AccessDenied', 'another is not, by who may read it';
};

is_deeply [sort map { s{^parameter /hashmill/one/}{}r } grep { m{^parameter .*one/node1/} } $aws->inventory],
    [map { "node1/$_" } qw(ca.pem ec2.env keys listener.key listener.pem package.sha256 peer.key peer.pem public.key public.pem secrets.env)],
    'each node has its parameters';
$aws->stop;
done_testing();
