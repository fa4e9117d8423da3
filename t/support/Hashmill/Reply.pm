package Hashmill::Reply;

# The reply to one HTTP request, and the client that asked.

use v5.36;
use parent 'Exporter';
use HTTP::Tiny ();
use JSON::PP qw(decode_json);
use Test::More ();

use Hashmill::OpenApi;

our @EXPORT = qw(is_problem);

# Each problem that a test meets on the public listener must be in docs/openapi.yaml; one that is not fails the test.
sub new ($class, $response, $listener = 'public') {
    my $self = bless {%$response}, $class;
    my @faults = $listener eq 'public' ? Hashmill::OpenApi::faults_of($self) : ();
    Test::More::fail("$self->{method} $self->{url}: docs/openapi.yaml " . join ', ', @faults) if @faults;
    return $self;
}

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

# Asserts an RFC 9457 reply of this status that tells the client what to do.
sub is_problem ($reply, $status, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $problem = eval { $reply->json };
    my @wrong;
    push @wrong, 'status is ' . $reply->status if $reply->status != $status;
    push @wrong, 'not problem+json' if ($reply->header('content-type') // '') ne 'application/problem+json';
    push @wrong, 'no JSON object' if ref $problem ne 'HASH';
    if (ref $problem eq 'HASH') {
        push @wrong, 'type' if ($problem->{type} // '') !~ /^urn:hashmill:problem:[a-z-]+$/;
        push @wrong, "no $_" for grep { !length($problem->{$_} // '') } qw(title detail);
        push @wrong, 'status inside differs' if ($problem->{status} // 0) != $status;
    }
    push @wrong, 'no line break at the end' if $reply->content !~ /\}\n\z/;
    push @wrong, 'no Allow' if $status == 405 && !$reply->header('allow');
    push @wrong, 'no Retry-After'
        if ($status == 503 || $status == 507) && ($reply->header('retry-after') // '') !~ /^\d+$/;
    Test::More::is(join(', ', @wrong), '', "$name: $status with a problem to read")
        or Test::More::diag($reply->status . ' ' . $reply->content);
    return $problem;
}

package Hashmill::Reply::Client;

use parent -norequire, 'HTTP::Tiny';

sub _request ($self, @arguments) {
    my $response = eval { $self->SUPER::_request(@arguments) };
    $response->{method} = $arguments[0] if $response;
    return $response // die "no answer: $@";
}

1;
