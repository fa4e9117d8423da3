package Hashmill::FakeReplica;

# The replica of a node's database, as kept by a peer that a test plays (Hashmill::FakePeer, with replica => a path).
# Pages make a file there. Batches are not applied, but checked to follow from each other, by an implementation of the
# check that hashmill has no part in.

use v5.36;
use Digest::SHA qw(sha256);
use JSON::PP ();

use Hashmill::Util;

use constant { HEAD => 48, PAGE => 4096 };

sub new ($class, $node, $path) { return bless { node => $node, path => $path }, $class }

# The answer to a call of /peer/replica/NAME.
sub answer ($self, $name, $body) {
    return { node => $self->{node}, known => undef, replica => $self->{kept} } if $name eq 'replica/state';
    my $result = $name eq 'replica/compare' ? 'ok' : $name eq 'replica/pages' ? $self->take_pages($body) : $self->take_batches($body);
    return { node => $self->{node}, result => $result, batch => 0 + ($self->{kept}{batch} // 0) };
}

sub take_pages ($self, $body) {
    my $bytes = pack 'H*', $body->{BYTES};
    open my $file, $body->{part} == 0 ? '+>:raw' : '+<:raw', $self->{path} or die "$self->{path}: $!";
    for (my $at = 0; $at < length $bytes; $at += 8 + PAGE) {
        sysseek $file, unpack('q<', substr $bytes, $at, 8), 0;
        syswrite $file, substr($bytes, $at + 8, PAGE);
    }
    truncate $file, $body->{bytes} if $body->{last};
    close $file or die "$self->{path}: $!";
    $self->look($body) if $body->{last};
    return 'ok';
}

# Looks into the file that has come.
sub look ($self, $body) {
    my ($batch, $check) = split /\|/, qx{sqlite3 -readonly 'file:$self->{path}?immutable=1' 'SELECT batch, hex(batch_check) FROM tally'};
    chomp $check;
    $self->{check} = pack 'H*', $check;
    $self->{kept} = { id => $body->{database}, epoch => 0 + $body->{epoch}, schema => 0 + $body->{schema}, batch => 0 + $batch,
        check => lc $check, complete => JSON::PP::false, bad => JSON::PP::false, as_of => 1_700_000_000_000, bytes => -s $self->{path} };
    return;
}

sub take_batches ($self, $body) {
    my $kept = $self->{kept} // return 'none';
    return 'other' if $body->{database} ne $kept->{id} || $body->{epoch} != $kept->{epoch} || $body->{schema} != $kept->{schema};
    my $bytes = pack 'H*', $body->{BYTES};
    while (length $bytes) {
        my ($magic, $size, $number, $check) = unpack 'a4 V q< a32', $bytes;
        my $changes = substr $bytes, HEAD, $size;
        return 'bad' if $magic ne 'HMB1' || length $changes != $size;
        return 'gap' if $number != $kept->{batch} + 1;
        return 'bad' if $check ne sha256($self->{check} . pack('q>', $number) . $changes);
        ($self->{check}, $kept->{check}) = ($check, unpack "H*", $check);
        $kept->{batch} = $number;
        $bytes = substr $bytes, HEAD + $size;
    }
    return 'ok';
}

1;
