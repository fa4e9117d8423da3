package Hashmill::FastCGI;

# The few FastCGI records (version 1, request 1) with which a test speaks to the server's sockets in nginx's place: to
# send what nginx never would, or more slowly.

use v5.36;
use parent 'Exporter';
use IO::Select ();
use IO::Socket::UNIX ();

our @EXPORT = qw(fcgi_answer fcgi_begin fcgi_begin_kept fcgi_body fcgi_connect fcgi_reply);

sub fcgi_connect ($path) {
    return IO::Socket::UNIX->new(Peer => $path) // die "$path: $!";
}

sub record ($type, $content) { return pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content }

# The records that open a request with these parameters. An array value gives several parameters of one name, as nginx
# before 1.23 sends a header field of several lines.
sub fcgi_begin (%parameters) { return begin(0, %parameters) }

# The same; the connection is to be kept for another request.
sub fcgi_begin_kept (%parameters) { return begin(1, %parameters) }

sub begin ($keep, %parameters) {
    my $pairs = '';
    for my $name (sort keys %parameters) {
        for my $value (ref $parameters{$name} ? $parameters{$name}->@* : $parameters{$name}) {
            $pairs .= join '', map { length $_ < 128 ? chr length $_ : pack 'N', length($_) | 1 << 31 } $name, $value;
            $pairs .= $name . $value;
        }
    }
    return record(1, pack 'nCx5', 1, $keep) . record(4, $pairs) . record(4, '');
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

# So many bytes; fewer when the connection is closed before, or silent for a minute.
sub bytes_of ($socket, $length) {
    my $bytes = '';
    while (length $bytes < $length) {
        last if !IO::Select->new($socket)->can_read(60) || !sysread $socket, $bytes, $length - length $bytes, length $bytes;
    }
    return $bytes;
}

# One answer on a connection that is kept: as fcgi_reply, but nothing behind it is read. Status 0: none came whole.
sub fcgi_answer ($socket) {
    my $text = '';
    while (1) {
        my $header = bytes_of($socket, 8);
        return (0, $text) if length $header < 8;
        my ($type, $length, $padding) = (unpack 'CCnnCC', $header)[1, 3, 4];
        my $content = bytes_of($socket, $length + $padding);
        $text .= substr $content, 0, $length if $type == 6;
        return ($text =~ /^Status: (\d+)/mi ? $1 : 200, $text) if $type == 3;
    }
}

1;
