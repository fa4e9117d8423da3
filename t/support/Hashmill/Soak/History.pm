package Hashmill::Soak::History;

# What was asked and answered. Each client writes a file of its own, one JSON object a line, as it happens, so that
# nothing is lost when it dies; the judge reads all files. Times are seconds since the soak began. The entries, by op:
#
#   enqueue  key, n, node                status, id, digest
#   pull     key, top, order, node       status, items: [[id, value, iterations], ...]
#   look     id, node, home              status, state, remaining, value, iterations
#   cancel   id, node, home              status
#   lie      lie, node                   status, taken, lost: ids; false: ids that must not be taken;
#                                        allowed: statuses that are right
#   stats    node                        status, items, remaining
#   stopped  what, node                  why: a process that ended by itself
#   lost     node, copy                  its disk is gone; it gets everything from the other one
#   alone    node                        both had to wait for the other; this one did not any more
#   end      node, moment                items, remaining, as /stats has them in the end
#   rows     node, moment                items, remaining, as a count over the rows has them
#   row      node                        id, state, iterations, remaining, chain, digest
#   gave_up  what                        somebody had no answer until the end
#
# with begin and end of each request. Status 599 is no answer.

use v5.36;
use JSON::PP ();
use Time::HiRes qw(time);

my $codec = JSON::PP->new->utf8->canonical;

# A history in a directory that began at that time; each process makes its own writer from it.
sub new ($class, $dir, $began = time) { return bless { dir => $dir, began => $began }, $class }

sub now ($self) { return sprintf('%.4f', time - $self->{began}) + 0 }

# The same history, with a file for the writer of this name.
sub writer ($self, $name) {
    open my $file, '>>:raw', "$self->{dir}/$name.jsonl" or die "$self->{dir}/$name.jsonl: $!\n";
    $file->autoflush(1);
    return bless { %$self, file => $file, name => $name }, ref $self;
}

sub note ($self, %entry) {
    print { $self->{file} } $codec->encode({ by => $self->{name}, end => $self->now, %entry }), "\n";
    return;
}

# Asks by the code, which returns a Hashmill::Reply, and notes the entry; after success with what `read` takes out of
# the answer.
sub ask ($self, $entry, $ask, $read = sub ($reply) { return () }) {
    my $begin = $self->now;
    my $reply = $ask->();
    my $status = $reply->status;
    my $success = $status >= 200 && $status < 300;
    my @more = $success ? eval { $read->($reply) } : ();
    @more = (unreadable => "$@" . $reply->content) if $success && $@;
    @more = (said => substr $reply->content, 0, 300) if !$success;
    $self->note(%$entry, begin => $begin, status => $status, @more);
    return $reply;
}

# Calls the code with every entry of a directory, those of each file in order.
sub each_entry ($dir, $code) {
    for my $path (sort glob "$dir/*.jsonl") {
        open my $file, '<:raw', $path or die "$path: $!\n";
        while (my $line = <$file>) {
            last if $line !~ /\n\z/; # its writer died
            $code->($codec->decode($line));
        }
        close $file;
    }
    return;
}

1;
