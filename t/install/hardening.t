# What the compiler has against the use of memory errors is in both programs as the Makefile builds them, in every object
# of hashmill's own: read off them by readelf.

use v5.36;
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill;

my $build = $ENV{HASHMILL_BUILD_NORMAL} // "$FindBin::Bin/../../build";
plan skip_all => "no programs in $build" if !has_build($build);
plan skip_all => 'no readelf: it comes with binutils' if system('command -v readelf >/dev/null') != 0;

# What each object of a program was compiled with, by its name: gcc writes that down.
sub options_of ($program) {
    my %options;
    my $options = '';
    for (qx(readelf --wide --debug-dump=info --dwarf-depth=1 $program 2>/dev/null)) {
        $options = $1 if /DW_AT_producer\s*:.*?(GNU C.*|clang.*)$/;
        $options{$1} = $options if /DW_AT_name\s*:.*?((?:fcgi|worker|client|lib)\/\S+\.c|\S+\/sql\.c)$/;
    }
    return %options;
}

for my $name (qw(hashmill-fcgi hashmill-worker hashmill)) {
    my $program = "$build/$name";
    my $head = qx(readelf --wide --file-header --program-headers --dynamic $program);
    like $head, qr/^  Type: +DYN /m, "$name: at another address each time";
    like $head, qr/^  GNU_RELRO /m, 'what is relocated at the start is read-only then';
    like $head, qr/FLAGS_1\).*\bNOW\b/, 'and that is everything';
    like $head, qr/^  GNU_STACK .* RW /m, 'the stack cannot be executed';
    my $symbols = qx(readelf --wide --dyn-syms $program);
    like $symbols, qr/ __stack_chk_fail\b/, 'frames have a canary';
    my %checked = map { $_ => 1 } $symbols =~ / __(\w+)_chk\b/g;
    cmp_ok scalar keys %checked, '>', 2, 'copies are checked: ' . join ' ', sort keys %checked;

    my %options = options_of($program);
    cmp_ok scalar keys %options, '>', 20, 'its objects say how they were compiled';
    my @gnu = grep { $options{$_} =~ /^GNU/ } sort keys %options;
    for my $flag (qw(-fstack-protector-strong -fstack-clash-protection), qx(uname -m) eq "x86_64\n" ? '-fcf-protection' : ()) {
        is join(' ', grep { $options{$_} !~ /\Q$flag\E/ } @gnu), '', "with $flag, all of them";
    }
}

my $flags = qx(make -s -f - flags CC=clang 2>&1 <<'END'
include Makefile
flags: ; \@echo \$(HARDENING)
END
);
SKIP: {
    skip 'no clang', 1 if system('command -v clang >/dev/null') != 0;
    like $flags, qr/-fstack-protector-strong -fstack-clash-protection .*-D_FORTIFY_SOURCE=3/, 'clang gets them, too';
}

done_testing();
