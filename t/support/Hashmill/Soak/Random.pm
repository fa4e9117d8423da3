package Hashmill::Soak::Random;

# Numbers that look random and are a function of a name alone, on every machine and with every Perl.

use v5.36;
use Digest::SHA qw(sha256);

sub new ($class, $name) { return bless { name => $name, count => 0 }, $class }

# From 0 up to, not including, 1.
sub unit ($self) { return unpack('N', sha256("$self->{name} " . $self->{count}++)) / 2**32 }

sub between ($self, $low, $high) { return $low + $self->unit * ($high - $low) }

sub pick ($self, @choices) { return $choices[int($self->unit * @choices)] }

# The list in another order.
sub shuffled ($self, @list) {
    for my $last (reverse 1 .. $#list) {
        my $other = int($self->unit * ($last + 1));
        @list[$last, $other] = @list[$other, $last];
    }
    return @list;
}

1;
