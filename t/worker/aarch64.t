# The kernels for aarch64, as the Makefile builds them there, under an emulator: t/unit/worker/kernels.c on a processor that
# has the SHA-512 instructions, and on one that has not. There is no OpenSSL for it here: t/support/plain takes its place.

use v5.36;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use List::Util qw(first);
use Test::More;
use Hashmill::Util;

use constant TARGET => 'aarch64-linux-gnu';

my %compiler = (gcc => TARGET . '-gcc', clang => 'clang --target=' . TARGET);
my @kernels = map { "arm-x$_" } 1 .. 4;

sub program ($name) { return first { -x } map { "$_/$name" } split /:/, $ENV{PATH} }

plan skip_all => 'this is such a machine: t/unit/worker/kernels.c tests them' if qx(uname -m) eq "aarch64\n";
my $why = join ', ', map { "no $_" } grep { !program($_) } $compiler{gcc}, 'qemu-aarch64';
$why ||= 'no C library for aarch64' if !-e '/usr/' . TARGET . '/lib/libc.a';
die "$why\n" if $why && $ENV{HASHMILL_ROOT};
plan skip_all => "$why here (Debian: gcc-@{[TARGET]} libc6-dev-arm64-cross qemu-user)" if $why;

my $root = "$FindBin::Bin/../..";
my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chdir $root or die;

# A command's exit code, or 128 and its signal, and what it prints.
sub output ($command) {
    my $text = qx{$command 2>&1};
    return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $text);
}

# Builds the unit test; its path.
sub build ($name) {
    my $build = "$dir/$name";
    my @objects = map { "$build/$_.o" } (map { "lib/$_" } qw(clock hex json_check log random)),
        (map { "worker/kernels/$_" } qw(kernels processor selftest sha512_arm sha512_constants)),
        't/support/plain/sha512_openssl', 't/unit/worker/kernels';
    my ($code, $text) = output("make -s BUILD=$build CC='$compiler{$name}' CPPFLAGS=-DSTART_MS=60000 @objects");
    is $code, 0, 'the kernels are built' or diag $text;
    ($code, $text) = output("$compiler{$name} -static -o $build/kernels @objects -lm");
    is $code, 0, 'and the test' or diag $text;
    return "$build/kernels";
}

for my $name (reverse sort keys %compiler) {
    subtest "built by $name" => sub {
        plan skip_all => "no $name" if !program($name eq 'gcc' ? $compiler{gcc} : $name);
        my $test = build($name);
        my ($code, $text) = output("qemu-aarch64 -cpu max $test");
        is $code, 0, 'on a processor that has the instructions' or diag $text;
        is_deeply [$text =~ /^ok \d+ - (arm-x\d)$/mg], \@kernels, 'all compute rightly';
        is_deeply [$text =~ /^ok \d+ - (arm-x\d) alone$/mg], \@kernels, 'and can be chosen';

        ($code, $text) = output("qemu-aarch64 -cpu cortex-a53 $test");
        is $code, 0, 'on one that has them not' or diag $text;
        is_deeply [$text =~ /^ok \d+ - (arm-x\d) # SKIP/mg], \@kernels, 'none is used';
        is_deeply [$text =~ /^ok \d+ - (\S+) alone$/mg], ['openssl'], 'or can be chosen';
    };
}

done_testing();
