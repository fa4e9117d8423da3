package Hashmill::Faults;

# A disk that fails when the test says so, by t/support/shim/fault.c:
#
#     my $disk = Hashmill::Faults->new;
#     my $mill = Hashmill->start(wrap => $disk->wrap);
#     $disk->set('fsync', path => 'hashmill.db-wal', left => 1);   # the next fsync of the WAL fails
#     $disk->clear;

use v5.36;
use File::Temp ();
use Hashmill;
use Hashmill::Util;

use constant BYTES => 256; # of struct control

my %bits = (fsync => 1, read => 2, write => 4, space => 8, slow => 16, grow => 32, quota => 64, size => 128);

sub new ($class) {
    my $library = Hashmill::build_directory() . '/shim/fault.so';
    die "no $library: make sanitized builds it\n" if !-e $library;
    my $file = File::Temp->new(TEMPLATE => 'hm-faults-XXXXXX', TMPDIR => 1);
    spew("$file", "\0" x BYTES);
    return bless { library => $library, file => $file }, $class;
}

# The command that runs another with this disk.
sub wrap ($self) { return ['env', "LD_PRELOAD=$self->{library}", "SHIM_FAULTS=$self->{file}"] }

# Writes at a place of the file, which the processes have mapped.
sub put ($self, $at, $bytes) {
    open my $out, '+<:raw', "$self->{file}" or die;
    seek $out, $at, 0;
    syswrite $out, $bytes;
    close $out;
    return;
}

# Sets the faults from now on: fsync, read, write (EIO), space (ENOSPC when writing or allocating), grow (only when
# allocating), quota and size (as space, with EDQUOT and EFBIG), slow. Options: path, percent, left (how many),
# delay_us.
sub set ($self, $faults, %options) {
    my $mode = 0;
    $mode |= $bits{$_} // die "no fault $_\n" for split / /, $faults;
    $self->put(0, pack 'l', 0);
    $self->put(4, pack 'llll a*', $options{percent} // 100, $options{delay_us} // 0, $options{left} // -1, 0,
        ($options{path} // '') . "\0");
    $self->put(0, pack 'l', $mode);
    return;
}

sub clear ($self) { $self->put(0, pack 'l', 0); return }

# How many have happened since they were set.
sub count ($self) { return unpack 'x16 l', slurp("$self->{file}") }

1;
