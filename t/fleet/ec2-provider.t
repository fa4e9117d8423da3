# scripts/providers/provider-ec2 against an emulator of AWS: by itself, and asked by the scaler of a real server, with a real
# worker in the place of the machine that boots nowhere.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use JSON::PP qw(encode_json);
use Test::More;
use Time::HiRes qw(time);
use Hashmill;
use Hashmill::Fleet;
use Hashmill::Aws;

plan skip_all => Hashmill::Aws::missing() if Hashmill::Aws::missing();

my $root = "$FindBin::Bin/../..";
my $aws = Hashmill::Aws->start;
my ($group, $image);

# A server whose provider is provider-ec2.
package Ec2Mill {
    use parent -norequire, 'Hashmill';
    sub environment ($self) {
        my %all = ($self->SUPER::environment->%*, $aws->environment, main::places());
        delete $all{MACHINE_TOKEN}; # the server makes it
        return \%all;
    }
}

# Where the settings and the template of the user data are in a test, and a token as hashmill-fcgi gives it to `launch`.
my $token = 'hmm_mill-0-abc~' . 'A_-b' x 10 . 'xyz';
sub places {
    return (EC2_SETTINGS => $aws->dir . '/ec2.env', WORKER_TEMPLATE => "$root/scripts/aws/worker.sh.in", MACHINE_TOKEN => $token);
}

sub provider (@arguments) {
    my %more = ref $arguments[0] ? (shift @arguments)->%* : ();
    return $aws->run('providers/provider-ec2', { places(), %more }, @arguments);
}

sub workers { return $aws->instances('hashmill:role', 'worker') }

sub tag ($thing, $key) {
    my ($tag) = grep { $_->{Key} eq $key } $thing->{Tags}->@*;
    return $tag->{Value};
}

# The arguments of the calls of run-instances since the last look.
sub launches { return grep { / run-instances / } map { " @$_ " } $aws->calls }

# A launch template for a subnet, as deploy.sh makes it.
sub template ($subnet) {
    my %value = (IMAGE => $image, INSTANCE_TYPE => 'c7a.medium', WORKER_PROFILE => 'workers', SUBNET => $subnet, WORKER_GROUP => $group, ROOT_DEVICE => '/dev/xvda');
    my $data = slurp("$root/scripts/aws/worker-template.json") =~ s/\@(\w+)\@/$value{$1}/gr;
    return $aws->call(qw(ec2 create-launch-template --launch-template-name), "workers-$subnet", '--launch-template-data', $data)->{LaunchTemplate}{LaunchTemplateId};
}

my @subnets = map { $_->{SubnetId} } $aws->call(qw(ec2 describe-subnets))->{Subnets}->@*;
$group = $aws->call(qw(ec2 create-security-group --group-name workers --description x))->{GroupId};
$image = $aws->call(qw(ssm get-parameter --name /aws/service/debian/release/12/latest/amd64))->{Parameter}{Value};
$aws->call(qw(iam create-instance-profile --instance-profile-name workers));
my @templates = map { template($_) } @subnets;
my $settings = join "\n", 'STACK=one', 'AWS_REGION=eu-west-1', 'NODES=https://10.0.0.4:8443,https://10.0.1.4:8443',
    'RETIRE_NODE=https://10.0.1.4:8443', 'TEMPLATES=' . join(',', @templates), 'AWS_ENDPOINT_URL=' . $aws->endpoint, '';
spew($aws->dir . '/ec2.env', $settings);
$aws->call(qw(ec2 create-volume --size 1 --availability-zone eu-west-1a)); # what is not ours

subtest 'launch' => sub {
    my ($code, $id) = provider('launch', 'mill-0-abc');
    is $code, 0, 'it ends well' or diag $id;
    like $id, qr/\Ai-[0-9a-f]+\n\z/, 'it prints an id';
    my ($call) = launches();
    like $call, qr/ --client-token [0-9a-f]{64} /, 'the call has a client token';
    is index($call, ' --endpoint-url ' . $aws->endpoint . ' ') >= 0, 1, 'and the endpoint';
    unlike $call, qr/MarketType/, 'no spot instance is asked for';
    my ($machine) = workers();
    is "$machine->{InstanceId}\n", $id, 'it is there';
    is_deeply [map { tag($machine, $_) } qw(hashmill:stack hashmill:role hashmill:machine Name)], [qw(one worker mill-0-abc mill-0-abc)], 'with its tags';
    is $machine->{InstanceType}, 'c7a.medium', 'of the type of the template';
    is $machine->{SubnetId}, $subnets[0], 'in its subnet';
    is $machine->{MetadataOptions}{HttpTokens}, 'required', 'with a metadata service by tokens';
    is $machine->{IamInstanceProfile}{Arn} =~ s{.*/}{}r, 'workers', 'and its role';
    my $shutdown = $aws->call(qw(ec2 describe-instance-attribute --attribute instanceInitiatedShutdownBehavior --instance-id), $machine->{InstanceId});
    is $shutdown->{InstanceInitiatedShutdownBehavior}{Value}, 'terminate', 'powered off, it is gone';
    my $disk = $aws->call(qw(ec2 describe-volumes --volume-ids), $machine->{BlockDeviceMappings}[0]{Ebs}{VolumeId})->{Volumes}[0];
    ok $disk->{Encrypted}, 'its disk is encrypted';
    my $data = $aws->user_data($machine->{InstanceId});
    cmp_ok length $data, '<', 16_384, 'its user data is short enough';
    unlike $data, qr/\@[A-Z_]+\@/, 'filled in';
    like $data, qr{^retire_node='https://10\.0\.1\.4:8443'\nmachine='mill-0-abc'$}m, 'with its name and node';
    like $data, qr{'MACHINE_TOKEN=%s\\n' '\Q$token\E' }, 'and its token';
    is index($call, $token), -1, 'which is in no argument';
    my ($again, $same) = provider('launch', 'mill-0-abc');
    is $same, $id, 'launched again it is the same';
    is scalar(launches()), 0, 'and not asked for again';
    is scalar(workers()), 1, 'it is one';
};

subtest 'list and terminate' => sub {
    my ($machine) = workers();
    my (undef, $second) = provider('launch', 'mill-0-def');
    my ($code, $list) = provider('list');
    is $code, 0, 'it ends well';
    my @lines = map { [split] } split /\n/, $list;
    is_deeply [sort map { "$_->[0] $_->[1] $_->[3]" } @lines],
        [sort "$machine->{InstanceId} running mill-0-abc", ($second =~ s/\n//r) . ' running mill-0-def'], 'both are listed';
    cmp_ok abs($lines[0][2] - time), '<', 300, 'with when they were launched';
    ($code, $list) = provider('terminate', $machine->{InstanceId}, 'i-0123456789abcdef0', $second =~ s/\n//r);
    is $code, 0, 'they are terminated, and an unknown one is no failure' or diag $list;
    is scalar(workers()), 0, 'they are gone';
    is_deeply [provider('list')], [0, ''], 'none is listed';
    is scalar(grep { /^address|^interface/ } $aws->inventory), 0, 'nothing of them is left';
    $aws->calls;
};

subtest 'what goes wrong' => sub {
    my ($code, $why) = provider('launch', 'a b');
    isnt $code, 0, 'a bad name is refused';
    is $why, "provider-ec2: a b is not a name for a machine\n", 'with the reason';
    ($code, $why) = provider({ EC2_SETTINGS => '/nowhere' }, 'list');
    like $why, qr{^provider-ec2: STACK is missing or wrong in /nowhere\n\z}, 'missing settings are named';
    ($code, $why) = provider({ TEMPLATES => 'lt-1;id' }, 'launch', 'x');
    like $why, qr{^provider-ec2: TEMPLATES is missing or wrong}, 'and wrong ones';
    for my $bad ('', 'hmm_x', "$token'; reboot; '") {
        ($code, $why) = provider({ MACHINE_TOKEN => $bad }, 'launch', 'x');
        is $why, "provider-ec2: MACHINE_TOKEN is missing or wrong; hashmill-fcgi sets it when it has a MACHINE_SECRET\n", "no token: $bad";
    }
    ($code, $why) = provider({ AWS_ENDPOINT_URL => 'http://127.0.0.1:1' }, 'list');
    isnt $code, 0, 'no answer is a failure';
    like $why, qr{^provider-ec2: listing: .*Could not connect to the endpoint.*\n\z}, 'told in a line';
    is scalar(workers()), 0, 'nothing was launched';
    $aws->calls;

    ($code, my $id) = provider({ AWS_TEST_FAIL => '1:error:InsufficientInstanceCapacity' }, 'launch', 'mill-0-full');
    is $code, 0, 'when a zone has no room, another has' or diag $id;
    my @launches = launches();
    is scalar(@launches), 2, 'two were asked';
    is_deeply [map { /LaunchTemplateId=(\S+)/ } @launches], [@templates[0, 1]], 'one after the other';
    isnt +($launches[0] =~ /--client-token (\w+)/)[0], ($launches[1] =~ /--client-token (\w+)/)[0], 'each with its client token';
    ($code, $why) = provider({ AWS_TEST_FAIL => '1:error:UnauthorizedOperation' }, 'launch', 'mill-0-denied');
    is $code, 1, 'another failure is one';
    like $why, qr/^provider-ec2: launching mill-0-denied: .*UnauthorizedOperation.*\n\z/, 'and told';
    is scalar(launches()), 1, 'without asking elsewhere';

    ($code) = provider({ AWS_TEST_FAIL => '1:lost:' . $aws->dir . '/pid' }, 'launch', 'mill-0-lost');
    is $code, 128 + 9, 'a call is killed before it has the answer';
    my ($first) = launches() =~ /--client-token (\w+)/;
    ($code, $id) = provider('launch', 'mill-0-lost');
    is scalar(grep { tag($_, 'hashmill:machine') eq 'mill-0-lost' } workers()), 1, 'the next one makes no second machine';
    $aws->calls;
};

subtest 'spot instances' => sub {
    my ($code, $id) = provider({ SPOT => 1 }, 'launch', 'mill-0-spot');
    is $code, 0, 'it ends well' or diag $id;
    my ($call) = launches();
    like $call, qr/MarketType=spot/, 'a spot instance is asked for';
    my ($machine) = grep { tag($_, 'hashmill:machine') eq 'mill-0-spot' } workers();
    is $machine->{InstanceLifecycle}, 'spot', 'and there is one';
    is +(provider('terminate', map { $_->{InstanceId} } workers()))[0], 0, 'all are terminated';
};

subtest 'asked by the scaler' => sub {
    my $mill = Ec2Mill->start(PROVIDER => "$root/scripts/providers/provider-ec2", FLEET => 'mill', WAIT_LAUNCH_SECONDS => 1, LIST_SECONDS => 1,
        WORKERS_MAX => 1);
    my $item = $mill->new_item('body', 1000);
    ok wait_until(120, sub { workers() }), 'an item that waits has an instance launched';
    my ($machine) = workers();
    my $name = tag($machine, 'hashmill:machine');
    like $name, qr/^mill-0-/, 'under a name of the node';
    ok wait_until(120, sub { grep { ($_->{id} // '') eq $machine->{InstanceId} } $mill->stats->{fleet}{machines}->@* }), 'the node knows it';
    # This is what its user data would have started there.
    my $worker = $mill->start_worker(WORKER_MACHINE => $name, MACHINE_TOKEN => Hashmill::Fleet::machine_token($mill, $name), RETIRE_NODE => $mill->worker_url, IDLE_SECONDS => 1);
    is $mill->item($item, wait => 30)->json->{value}, value_of('body', 1000), 'its worker computes the value';
    is $worker->wait_exit(60), 0, 'it retires when there is nothing to do';
    ok wait_until(120, sub { !workers() }), 'then the instance is terminated';
    ok wait_until(60, sub { !$mill->stats->{fleet}{machines}->@* }), 'and counts no more';
    my @all = $aws->calls;
    is scalar(grep { encode_json($_) =~ /\Q$mill->{token}\E|hmm_mill/ } @all), 0, 'no call has a token in its arguments';
    is scalar(grep { my $c = " @$_ "; index($c, ' --endpoint-url ' . $aws->endpoint . ' ') < 0 } @all), 0, 'each names the endpoint';
    is $aws->strayed, 0, 'none went elsewhere';
};

is_deeply [glob $aws->dir . '/tmp/*'], [], 'no temporary file is left';
$aws->stop;
finish();
