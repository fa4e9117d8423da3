package Hashmill::FastCGI;

# The few FastCGI records (version 1, request 1) with which a test speaks to the server's sockets in nginx's place: to
# send what nginx never would, or more slowly.

use v5.36;
use parent 'Exporter';
use IO::Socket::UNIX ();

our @EXPORT = qw(fcgi_begin fcgi_body fcgi_connect fcgi_reply);

sub fcgi_connect ($path) {
    return IO::Socket::UNIX->new(Peer => $path) // die "$path: $!";
}

sub record ($type, $content) { return pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content }

# The records that open a request with these parameters. An array value gives several parameters of one name, as nginx
# before 1.23 sends a header field of several lines.
sub fcgi_begin (%parameters) {
    my $pairs = '';
    for my $name (sort keys %parameters) {
        for my $value (ref $parameters{$name} ? $parameters{$name}->@* : $parameters{$name}) {
            $pairs .= join '', map { length $_ < 128 ? chr length $_ : pack 'N', length($_) | 1 << 31 } $name, $value;
            $pairs .= $name . $value;
        }
    }
    return record(1, pack 'nCx5', 1, 0) . record(4, $pairs) . record(4, '');
}

# A piece of the body; '' ends it.
sub fcgi_body ($bytes) { return record(5, $bytes) }

# Everything the server sends until it closes: status and the rest as text. Status 0: nothing came.
sub fcgi_reply ($socket) {
    my ($bytes, $text) = ('', '');
    while (sysread $socket, $bytes, 65536, length $bytes) { }
    while (length $bytes >= 8) {
        my ($type, $length, $padding) = (unpack 'CCnnCC', $bytes)[1, 3, 4];
        $text .= substr $bytes, 8, $length if $type == 6;
        substr $bytes, 0, 8 + $length + $padding, '';
        last if $type == 3;
    }
    return (0, '') if $text eq '';
    return ($text =~ /^Status: (\d+)/mi ? $1 : 200, $text);
}

1;
