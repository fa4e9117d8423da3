package Hashmill::Terminal;

# A real terminal with a shell in it, by tmux: a test types, resizes it and looks at the screen.
#
#     my $terminal = Hashmill::Terminal->start(columns => 80, env => { TERM => 'screen' });
#     $terminal->type("echo hello\n");
#     $terminal->wait_for(qr/^hello$/m);
#     $terminal->resize(40);
#     is $terminal->screen, '...';
#
# The prompt is "$ ". Lines of the screen come without spaces at their ends, and without empty lines at the end.

use v5.36;
use Encode qw(decode);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Hashmill::Util;

# Why there is no terminal, or undef.
sub missing {
    return system('tmux -V >/dev/null 2>&1') == 0 ? undef : 'apt-get install tmux';
}

# columns and lines (80 and 24), in => a directory, env => { of the shell }. Returns when the shell waits.
sub start ($class, %options) {
    my $dir = tempdir('hm-XXXXXX', TMPDIR => 1);
    my $self = bless { dir => $dir, owner => $$ }, $class;
    my %env = (TERM => 'screen', LC_ALL => 'C.UTF-8', TZ => 'UTC0', PS1 => '$ ', ENV => '', HOME => $dir, PATH => $ENV{PATH},
        ($options{env} // {})->%*);
    spew("$dir/conf", "set -g status off\nset -g history-limit 1000\n");
    local %ENV = ($ENV{TMPDIR} ? (TMPDIR => $ENV{TMPDIR}) : (), PATH => $ENV{PATH}, LC_ALL => 'C.UTF-8', TERM => 'screen');
    $self->tmux('-f', "$dir/conf", 'new-session', '-d', '-x', $options{columns} // 80, '-y', $options{lines} // 24,
        '-c', $options{in} // $dir,
        # What tmux sets for its own goes on: programs see by it what their terminal is.
        "exec env -i TMUX=\"\$TMUX\" @{[ map { quoted(\"$_=$env{$_}\") } sort keys %env ]} sh");
    $self->wait_for(qr/^\$$/m);
    return $self;
}

sub quoted ($text) { return q{'} . $text =~ s/'/'\\''/gr . q{'} }

# Runs a command of tmux; what it prints.
sub tmux ($self, @command) {
    open my $pipe, '-|:raw', 'tmux', '-u', '-S', "$self->{dir}/socket", @command or die "tmux: $!";
    local $/ = undef;
    my $text = <$pipe> // '';
    close $pipe or die "tmux @command: exit code " . ($? >> 8) . "\n";
    return decode('UTF-8', $text);
}

# Types text; "\n" is the key Enter, "\cC" Ctrl-C.
sub type ($self, $text) {
    $self->tmux('send-keys', '-H', map { sprintf '%x', ord($_ eq "\n" ? "\r" : $_) } split //, $text);
    return;
}

sub resize ($self, $columns, $lines = 24) {
    $self->tmux('resize-window', '-x', $columns, '-y', $lines);
    return;
}

# What the screen shows; with `all` also what has left it at the top.
sub screen ($self, $all = 0) {
    my $text = $self->tmux('capture-pane', '-p', $all ? ('-S', '-') : ());
    return $text =~ s/ +$//gmr =~ s/\n+\z//r;
}

# Waits until the screen matches; what it shows then. False, with what it shows as a diagnostic, after a minute.
sub wait_for ($self, $pattern) {
    my $screen;
    return $screen if wait_until(60, sub { $screen = $self->screen; $screen =~ $pattern });
    Test::More::diag("not on the screen: $pattern\n$screen");
    return;
}

# From now on all bytes that come to the terminal go into a file, too: see output.
sub record ($self) {
    $self->tmux('pipe-pane', "cat >$self->{dir}/output");
    return;
}

# The bytes since then.
sub output ($self) { return slurp("$self->{dir}/output") // '' }

sub DESTROY ($self) {
    return if $self->{owner} != $$ || $self->{gone}++;
    local ($@, $?, $!);
    eval { $self->tmux('kill-server') };
    remove_tree($self->{dir});
    return;
}

1;
