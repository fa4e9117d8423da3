package Hashmill::Soak::Disk;

# A node's disk that is full, slow, or fails (t/support/shim/fault.c).

use v5.36;

use Hashmill::Util;

# Fills the small disk of a node to the last byte; tries again, as others write meanwhile.
sub fill ($node) {
    my $filler = $node->disk_dir . '/filler';
    my $size = 0;
    for my $try (1 .. 20) {
        my ($free) = qx{stat -f -c '%a %S' '@{[$node->disk_dir]}'} =~ /^(\d+ \d+)/ or last;
        my ($blocks, $block) = split / /, $free;
        last if $blocks == 0;
        $size += $blocks * $block;
        system("fallocate -l $size '$filler' 2>/dev/null") == 0 or $size -= $block;
    }
    return 0 if !-e $filler;
    return sub { unlink $filler };
}

# Every fsync takes some 5 to 50 ms longer.
sub slow ($node, $dice) { return shim($node, 'slow', delay_us => int(5000 + 45_000 * $dice)) }

# Makes reads and writes, or fsyncs, of the database fail now and then, until the node gives up for good. The node is
# not started again before the fault is over.
sub fail ($node, $faults, $dice) {
    my $end = shim($node, $faults, percent => 1 + int($dice * 100)) or return 0;
    $node->{failing} = 1;
    $node->{disk_failed} = 1;
    $node->expect_log(qr/ (?:writer|public|worker|peering|replica|scaler)\S* error: |master error: the writer could not start/);
    return sub { $end->(); delete $node->{failing} };
}

sub shim ($node, $faults, %how) {
    return 0 if $node->{failing};
    $node->{shim}->set($faults, path => $node->{settings}{DATABASE}, %how);
    return sub { $node->{shim}->clear };
}

1;
