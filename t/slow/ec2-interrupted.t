# deploy.sh and destroy.sh are interrupted, by a call of AWS that fails or by kill -9 right after one was done: the
# next run goes on from there, and in the end everything is there once, or gone. At three of the changes that they make;
# with HASHMILL_SLOW=2 at each: a run gets one change further than the one before it. Then at each change by which a lost
# node is replaced. Slow: only with HASHMILL_SLOW=1 or 2.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Aws;
use Hashmill::Util;

plan skip_all => 'slow; set HASHMILL_SLOW=1' if !$ENV{HASHMILL_SLOW};
plan skip_all => Hashmill::Aws::missing() if Hashmill::Aws::missing();

my $aws = Hashmill::Aws->start;
my $nothing = join "\n", $aws->inventory;
my $killed = 128 + 9;

# How the Nth change is disturbed: every other one by a kill.
sub disturbance ($n) {
    return { AWS_TEST_FAIL => $n % 2 ? "$n:lost:" . $aws->dir . '/pid' : "$n:error:InternalError" };
}

# What there is of a stack, without names that are AWS's: each kind and how many.
sub census ($stack) {
    my %count;
    for my $line ($aws->inventory) {
        my ($kind, $name) = split / /, $line, 2;
        $count{$kind eq 'parameter' || $kind eq 'bucket' || $kind eq 'role' || $kind eq 'profile' ? $line =~ s/\Q$stack\E/STACK/r : $kind}++;
    }
    return join "\n", map { "$count{$_} $_" } sort keys %count;
}

# Deploys until it succeeds, the first runs being disturbed at one of the changes each.
sub deploy_disturbed ($stack, @at) {
    for my $n (@at) {
        my ($code, $output) = $aws->deploy(disturbance($n), '--stack', $stack);
        my @calls = $aws->calls;
        return if $code == 0; # it had fewer changes to make
        my ($what) = "@{$calls[-1]}" =~ /((?:ec2|iam|s3api|ssm) \S+)/;
        ok $n % 2 ? $code == $killed : $code != 0, "deploy.sh is interrupted at change $n, $what";
    }
    my ($code, $output) = $aws->deploy('--stack', $stack);
    is $code, 0, 'the next run ends well' or diag $output;
    $aws->calls;
    return;
}

# The same with destroy.sh.
sub destroy_disturbed ($stack, @at) {
    for my $n (@at) {
        my ($code) = $aws->run('destroy.sh', disturbance($n), '--stack', $stack, '--yes');
        my @calls = $aws->calls;
        return if $code == 0 && (grep { Hashmill::Aws::is_change($_) } @calls) < $n;
        isnt $code, 0, "destroy.sh is interrupted at change $n";
    }
    my ($code, $output) = $aws->run('destroy.sh', '--stack', $stack, '--yes');
    is $code, 0, 'the next run ends well' or diag $output;
    $aws->calls;
    return;
}

# What AWS is known to be late with interrupts nothing.
my $late = 'InvalidParameterValue Value (x) for parameter iamInstanceProfile.name is invalid.';
my ($code, $output) = $aws->deploy({ AWS_TEST_FAIL => "run-instances:error:$late" }, '--stack', 'whole');
is $code, 0, 'a new instance profile that is not known yet is waited for' or die $output;
my @calls = $aws->calls;
is scalar(grep { "@$_" =~ / run-instances / } @calls), 3, 'it was';
my $changes = grep { Hashmill::Aws::is_change($_) } @calls;
my $whole = census('whole');
($code, $output) = $aws->run('destroy.sh', { AWS_TEST_FAIL => 'delete-security-group:error:DependencyViolation' },
    '--stack', 'whole', '--yes');
is $code, 0, 'a security group still in use is, too' or diag $output;
@calls = $aws->calls;
is scalar(grep { "@$_" =~ / delete-security-group / } @calls), 3, 'it was';
my $removals = grep { Hashmill::Aws::is_change($_) } @calls;

# A run that is killed right behind its first change, and one whose second fails, have both made one.
my @runs = $ENV{HASHMILL_SLOW} > 1 ? map { [[($_) x $changes], [($_) x $removals]] } 1, 2 : [[3, 14, 23], [1, 4]];
for my $number (0 .. $#runs) {
    my ($at, $removals_at) = $runs[$number]->@*;
    subtest "interrupted at @$at of $changes" => sub {
        deploy_disturbed("s$number", @$at);
        is census("s$number"), $whole, 'everything is there once';
        destroy_disturbed("s$number", @$removals_at);
        is join("\n", $aws->inventory), $nothing, "destroy.sh, interrupted at @$removals_at of $removals, leaves nothing";
    };
}

# A node loses its volume, and each step of its replacement is done but not heard of, or fails.
subtest 'the replacement of a node is interrupted' => sub {
    my ($code, $output) = $aws->deploy('--stack', 'lost');
    is $code, 0, 'there are two nodes' or diag $output;
    my $before = census('lost');
    for my $how ('lost:' . $aws->dir . '/pid', 'error:InternalError') {
        my @filters = map { "Name=tag:hashmill:$_" } 'stack,Values=lost', 'role,Values=queue', 'node,Values=0';
        my ($queue) = $aws->call(qw(ec2 describe-volumes --filters), @filters)->{Volumes}->@*;
        my ($lost, $old) = ($queue->{VolumeId}, $queue->{Attachments}[0]{InstanceId});
        $aws->call(qw(ec2 detach-volume --volume-id), $lost, '--instance-id', $old);
        $aws->call(qw(ec2 delete-volume --volume-id), $lost);
        for my $step (qw(terminate-instances create-volume run-instances attach-volume)) {
            ($code) = $aws->deploy({ AWS_TEST_FAIL => "$step:$how" }, '--stack', 'lost');
            isnt $code, 0, "at $step: " . $how =~ s/:.*//r;
            $aws->calls;
        }
        ($code, $output) = $aws->deploy('--stack', 'lost');
        is $code, 0, 'the next run ends well' or diag $output;
        is census('lost'), $before, 'everything is there once';
        my ($node) = grep { grep { $_->{Key} eq 'hashmill:node' && $_->{Value} eq '0' } $_->{Tags}->@* } $aws->instances('hashmill:stack', 'lost');
        isnt $node->{InstanceId}, $old, 'the node is another instance';
        like $aws->user_data($node->{InstanceId}), qr{^echo 'peer' >/etc/hashmill/ec2-first$}m, 'whose queue begins as the other node says';
        $aws->calls;
    }
    is +($aws->run('destroy.sh', '--stack', 'lost', '--yes'))[0], 0, 'they go again';
    $aws->calls;
    is join("\n", $aws->inventory), $nothing, 'nothing is left';
};
is $aws->strayed, 0, 'no call went elsewhere';
is_deeply [glob $aws->dir . '/tmp/*'], [], 'no temporary file is left, not even by what was killed';

$aws->stop;
done_testing();
