package Hashmill::Soak::Disk;

# A node's disk that is full.

use v5.36;

use Hashmill::Util;

# Fills the small disk of a node to the last byte; whoever writes gets there first now and then, so again.
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

1;
