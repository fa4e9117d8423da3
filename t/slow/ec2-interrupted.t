# deploy.sh and destroy.sh are interrupted, by a call of AWS that fails or by kill -9 right after one was done: the
# next run goes on from there, and in the end everything is there once, or gone. At three of the changes that they make;
# with HASHMILL_SLOW=2 at each: a run gets one change further than the one before it. Slow: only with HASHMILL_SLOW=1 or 2.

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
is $aws->strayed, 0, 'no call went elsewhere';
is_deeply [glob $aws->dir . '/tmp/*'], [], 'no temporary file is left, not even by what was killed';

$aws->stop;
done_testing();
