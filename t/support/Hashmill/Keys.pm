package Hashmill::Keys;

# Files of the setting KEYS.
#
#     my %key = key_file("$dir/keys", 'client ann', 'client ben weight=3', 'operator olga');   # the keys by name

use v5.36;
use parent 'Exporter';

use Hashmill;
use Hashmill::Util;

our @EXPORT = qw(new_key key_file);

# A new key, and the line of KEYS for it. What: role, name and attributes as --key takes them.
sub new_key ($what) {
    my $program = Hashmill::build_directory() . '/hashmill-fcgi';
    my (undef, $key, undef, $line) = split /\n/, qx{$program --key $what};
    return ($key, $line // die "--key $what: no line\n");
}

# Writes a file with a new key for each.
sub key_file ($file, @whats) {
    my (%key, @lines);
    for my $what (@whats) {
        my (undef, $name) = split / /, $what;
        ($key{$name}, my $line) = new_key($what);
        push @lines, "$line\n";
    }
    spew($file, join '', @lines);
    chmod 0600, $file or die "$file: $!\n";
    return %key;
}

1;
