package Hashmill::Metrics;

# What GET /metrics of a Hashmill says, as a test reads it.

use v5.36;
use parent 'Exporter';

use Hashmill::Reply;

our @EXPORT = qw(metrics metrics_call metrics_url);

sub metrics_url ($mill) { return "http://$mill->{address}:$mill->{metrics_port}" }

# One request on the listener for metrics; returns a Hashmill::Reply.
sub metrics_call ($mill, $method = 'GET', $path = '/metrics', %headers) {
    return Hashmill::Reply->new(Hashmill::Reply::client()->request($method, metrics_url($mill) . $path,
        { headers => \%headers }), 'metrics');
}

# Each series and its value: 'hashmill_items{state="waiting"}' => 3.
sub metrics ($mill) {
    my $reply = metrics_call($mill);
    die 'GET /metrics: ' . $reply->status . ' ' . $reply->content . "\n" if $reply->status != 200;
    return { $reply->content =~ /^(?!#)(\S.*) (\S+)$/mg };
}

1;
