package Hashmill::Reply;

# What came back for one HTTP request, and the client that asked.

use v5.36;
use HTTP::Tiny ();
use JSON::PP qw(decode_json);

sub new ($class, $response) { return bless {%$response}, $class }

# The status; 599 when there was no answer at all.
sub status ($self)         { return $self->{status} }
sub content ($self)        { return $self->{content} // '' }
sub header ($self, $name)  { return $self->{headers}{$name} }

sub json ($self) {
    my $data = eval { decode_json($self->{content}) };
    return $data if defined $data;
    die "no JSON in $self->{status} $self->{content}\n";
}

# A client that never sends anything twice; HTTP::Tiny would, for PUT and DELETE.
sub client ($timeout = 60) { return Hashmill::Reply::Client->new(timeout => $timeout, keep_alive => 0) }

package Hashmill::Reply::Client;

use parent -norequire, 'HTTP::Tiny';

sub _request ($self, @arguments) {
    my $response = eval { $self->SUPER::_request(@arguments) };
    return $response // die "no answer: $@";
}

1;
