package Hashmill::OpenApi;

# docs/openapi.yaml for tests. t/support/openapi.py reads it. Its outline is kept in the directory of the build: to read
# the YAML takes half a second.

use v5.36;
use File::Basename qw(dirname);
use File::Spec::Functions qw(rel2abs);
use JSON::PP qw(decode_json encode_json);

use Hashmill::Util;

my $root = rel2abs(dirname(__FILE__) . '/../../..');
my $file = "$root/docs/openapi.yaml";
my $reader = "$root/t/support/openapi.py";

# Debian's python3, which has the modules of its packages.
sub run_reader ($what, $input = undef) {
    my $command = "/usr/bin/python3 $reader $what" . (defined $input ? " <$input" : '');
    my $said = qx{$command};
    die "$command failed: install python3-jsonschema and python3-yaml\n" if $? != 0;
    return $said;
}

# Which calls there are: {calls => {"GET /items" => {query => {name => schema}, problems => {status => [names]}}}, other =>
# the problems of other requests, types => [names], version}.
sub outline {
    state $outline = do {
        my $build = rel2abs($ENV{HASHMILL_BUILD} // "$root/build/test");
        my $kept = "$build/openapi.json";
        my $is_new = -e $kept && !grep { (stat $_)[9] >= (stat $kept)[9] } $file, $reader;
        my $text = $is_new ? slurp($kept) : run_reader('outline');
        if (!$is_new && -w $build) {
            spew("$kept.$$", $text); # another test may do the same
            rename "$kept.$$", $kept or die "$kept: $!\n";
        }
        decode_json($text);
    };
    return $outline;
}

# What is wrong by the file with a reply of the public listener, if that is a problem.
sub faults_of ($reply) {
    return if ($reply->header('content-type') // '') ne 'application/problem+json' || !$reply->{method} || $reply->{method} eq 'HEAD';
    my ($path) = ($reply->{url} // '') =~ m{^\w+://[^/]+(/[^?]*)} or return;
    my $problem = eval { $reply->json };
    return 'has no such body' if ref $problem ne 'HASH';
    my $call = outline()->{calls}{"$reply->{method} " . $path =~ s!^/items/[^/]+$!/items/{id}!r};
    my $names = ($call ? $call->{problems} : outline()->{other})->{$reply->status} // return 'does not have status ' . $reply->status;
    my ($name) = ($problem->{type} // '') =~ /^urn:hashmill:problem:([a-z-]+)$/ or return 'has no such type';
    my %known = map { $_ => 1 } qw(type title status detail request_id), $name eq 'count-differs' ? 'count' : ();
    return ((grep { $_ eq $name } @$names) ? () : "does not have $name of status " . $reply->status,
        map { "does not have the member $_" } grep { !$known{$_} } sort keys %$problem);
}

# What is wrong with the file itself, a line each.
sub faults_of_file { return split /\n/, run_reader('lint') }

# What is wrong by the file with answers, each [name, reply]; a line each. The file is for what is said to the reader.
sub faults_of_answers ($spare, @answers) {
    spew($spare, join '', map {
        my ($name, $reply) = @$_;
        my ($path) = $reply->{url} =~ m{^\w+://[^/]+(/.*)$};
        encode_json({ name => $name, method => $reply->{method}, path => $path, status => $reply->status,
            headers => $reply->{headers}, body => $reply->content }) . "\n";
    } @answers);
    return split /\n/, run_reader('answers', $spare);
}

1;
