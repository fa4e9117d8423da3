package Hashmill::Aws;

# AWS for a test: an emulator of its own, and the AWS CLI as `aws` in PATH; each of its calls is logged and can be
# disturbed; see t/support/aws.py. Nothing reaches anything else: proxies are set to a port that only counts, and `curl`
# says itself what checkip.amazonaws.com would say.
#
#     plan skip_all => Hashmill::Aws::missing() if Hashmill::Aws::missing();
#     my $aws = Hashmill::Aws->start;
#     my ($code, $output) = $aws->run('deploy.sh', '--stack', 'a');
#     $aws->call(qw(ec2 describe-instances));       # its answer, decoded
#     $aws->stop;

use v5.36;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use FindBin    ();
use IO::Socket::INET ();
use List::Util qw(first);
use JSON::PP   qw(decode_json);

use Hashmill::Process;
use Hashmill::Util;

my $root = "$FindBin::Bin/../..";
my $tool = "$FindBin::Bin/../support/aws.py";

$SIG{INT} = $SIG{TERM} = sub { exit 1 };

# Why there can be no AWS here; empty when there can.
sub missing {
    state $why = do {
        my $found = qx{python3 -c 'import awscli.clidriver, moto.server' 2>&1};
        $? == 0 ? '' : 'python3 has no awscli or no moto[server] here (pip install awscli "moto[server]")';
    };
    return $why;
}

sub start ($class) {
    my $dir = tempdir('hm-aws-XXXXXX', TMPDIR => 1);
    my $self = bless { dir => $dir, port => free_port_pair(), owner => $$ }, $class;
    $self->{trap} = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64, Blocking => 0) or die;
    mkdir "$dir/bin" or die;
    mkdir "$dir/tmp" or die;
    spew("$dir/bin/aws", "#!/bin/sh\nexec /usr/bin/python3 -IS $tool call \"\$@\"\n");
    my $curl = (first { -x } map { "$_/curl" } split /:/, $ENV{PATH}) // die 'no curl';
    spew("$dir/bin/curl", "#!/bin/sh\ncase \"\$*\" in *checkip.amazonaws.com*) echo 192.0.2.77 ;; *) exec $curl \"\$@\" ;; esac\n");
    chmod 0755, map { "$dir/bin/$_" } qw(aws curl) or die;
    spew("$dir/calls", '');
    spew("$dir/hashmill.deb", 'not really a package');
    $self->{emulator} = Hashmill::Process->start(log => "$dir/emulator.log",
        command => ['python3', $tool, 'emulator', $self->{port}]);
    $self->{cli} = Hashmill::Process->start(log => "$dir/cli.log", env => { $self->environment },
        command => ['python3', $tool, 'cli', "$dir/cli.sock", $self->endpoint]);
    my $ready = wait_until(120, sub {
        -S "$dir/cli.sock" && IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port});
    });
    die "no AWS: " . $self->{emulator}->log . $self->{cli}->log if !$ready;
    return $self;
}

sub dir ($self)      { return $self->{dir} }
sub endpoint ($self) { return "http://127.0.0.1:$self->{port}" }

# What a script's environment has in a test.
sub environment ($self) {
    my $trap = 'http://127.0.0.1:' . $self->{trap}->sockport;
    return (PATH => "$self->{dir}/bin:$ENV{PATH}", TMPDIR => "$self->{dir}/tmp", HASHMILL_HOME => "$self->{dir}/home",
        AWS_TEST_SOCKET => "$self->{dir}/cli.sock", AWS_TEST_LOG => "$self->{dir}/calls",
        AWS_ACCESS_KEY_ID => 'AKIATEST', AWS_SECRET_ACCESS_KEY => 'secret', AWS_CONFIG_FILE => '/dev/null',
        AWS_SHARED_CREDENTIALS_FILE => '/dev/null', AWS_EC2_METADATA_DISABLED => 'true', RETRY_SECONDS => 0.1,
        (map { $_ => $trap, uc $_ => $trap } qw(http_proxy https_proxy)), no_proxy => '127.0.0.1',
        NO_PROXY => '127.0.0.1', AWS_ENDPOINT_URL => $self->endpoint, AWS_DEFAULT_REGION => 'eu-west-1');
}

# Runs a script of scripts/ with more for its environment in a first hash; its exit code (128 + the signal's number)
# and output.
sub run ($self, $script, @arguments) {
    my %more = ref $arguments[0] ? (shift @arguments)->%* : ();
    my $log = "$self->{dir}/output";
    unlink $log;
    my $process = Hashmill::Process->start(log => $log, env => { $self->environment, %more }, cwd => '/',
        command => [qw(bash -c), 'echo $$ >"$0"; exec "$@"', "$self->{dir}/pid", "$root/scripts/$script", @arguments]);
    my $status = $process->wait_exit(300) // die "$script does not end: " . $process->log;
    return ($status & 127 ? 128 + ($status & 127) : $status >> 8, $process->log);
}

# deploy.sh with a package; does not wait for machines, as none boots here.
sub deploy ($self, @arguments) {
    my @more = ref $arguments[0] ? shift @arguments : ();
    return $self->run('deploy.sh', @more, '--package', "$self->{dir}/hashmill.deb", '--no-wait', @arguments);
}

# The credentials of a role, as the metadata service of a machine hands them out, for the environment.
sub as_role ($self, $role) {
    my $answer = $self->call(qw(sts assume-role --role-session-name test --role-arn), "arn:aws:iam::123456789012:role/$role");
    my %key = $answer->{Credentials}->%*;
    return { AWS_ACCESS_KEY_ID => $key{AccessKeyId}, AWS_SECRET_ACCESS_KEY => $key{SecretAccessKey}, AWS_SESSION_TOKEN => $key{SessionToken} };
}

# What AWS refuses a call for, with credentials in a first hash: the code, or nothing.
sub refused ($self, $credentials, @arguments) {
    local %ENV = (%ENV, $self->environment, %$credentials, AWS_TEST_LOG => "$self->{dir}/own-calls");
    open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', "$self->{dir}/bin/aws", '--endpoint-url', $self->endpoint, @arguments or die;
    my $text = do { local $/ = undef; <$pipe> };
    close $pipe and return '';
    return $text =~ /An error occurred \((\w+)\)/ ? $1 : $text;
}

# What the AWS CLI answers to a call of the test's own, decoded from JSON.
sub call ($self, @arguments) {
    local %ENV = (%ENV, $self->environment, AWS_TEST_LOG => "$self->{dir}/own-calls");
    open my $pipe, '-|', "$self->{dir}/bin/aws", '--endpoint-url', $self->endpoint, '--output', 'json', @arguments or die;
    my $text = do { local $/ = undef; <$pipe> };
    close $pipe;
    return length($text // '') ? decode_json($text) : undef;
}

# The calls that scripts have made since the last look, each an array of arguments.
sub calls ($self) {
    my @calls = map { decode_json($_) } split /\n/, slurp("$self->{dir}/calls");
    spew("$self->{dir}/calls", '');
    return @calls;
}

# Whether a call changes something.
sub is_change ($call) { return !grep { /^(?:describe|get|list|head)-|^wait$/ } $call->@* }

# Instances with a tag's value that are not terminated.
sub instances ($self, $key, $value) {
    my $answer = $self->call(qw(ec2 describe-instances --filters), "Name=tag:$key,Values=$value");
    return grep { $_->{State}{Name} ne 'terminated' } map { $_->{Instances}->@* } $answer->{Reservations}->@*;
}

# The user data of an instance.
sub user_data ($self, $id) {
    my $answer = $self->call(qw(ec2 describe-instance-attribute --attribute userData --instance-id), $id);
    require MIME::Base64;
    return MIME::Base64::decode_base64($answer->{UserData}{Value});
}

# Everything of the kinds that a stack may consist of, in the whole account: lines "KIND NAME", sorted.
sub inventory ($self) {
    my @lines = split /\n/, qx{python3 $tool inventory @{[$self->endpoint]}};
    die "no inventory\n" if $?;
    return sort grep { $_ ne 'group default' } @lines;
}

# How many calls went to a proxy, and so not to the endpoint.
sub strayed ($self) {
    my $count = 0;
    $count++ while $self->{trap}->accept;
    return $count;
}

sub stop ($self) {
    for my $process (grep { $_ && $_->alive } @$self{qw(emulator cli)}) {
        $process->kill('TERM');
        defined $process->wait_exit(10) or $process->kill('KILL');
    }
    remove_tree($self->{dir}) if !$ENV{HASHMILL_KEEP};
    return;
}

sub DESTROY ($self) {
    local ($@, $?, $!);
    $self->stop if $self->{owner} == $$;
    return;
}

1;
