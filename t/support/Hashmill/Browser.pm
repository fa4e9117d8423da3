package Hashmill::Browser;

# A real browser for a test: Debian's Chromium, driven by t/support/browser.py. It reaches loopback only.
#
#     plan skip_all => Hashmill::Browser::missing() if Hashmill::Browser::missing();
#     my $browser = Hashmill::Browser->start('mill.example' => '127.0.0.1');    # names, and where they lead
#     $browser->open('http://mill.example:8080/');      # returns when the page has loaded
#     my $title = $browser->run('return document.title');
#     my $status = $browser->run('return fetch(arguments[0]).then(r => r.status)', '/stats');
#     $browser->press(qw(TAB ENTER));                 # t/support/browser.py lists the commands
#     ok $browser->sees('return document.title === "new"'), 'the title changes';    # within 30 s
#     $browser->stop;

use v5.36;
use File::Temp qw(tempdir);
use FindBin    ();
use IPC::Open2 qw(open2);
use JSON::PP   qw(decode_json encode_json);

use Hashmill::Util;

my @programs = qw(/usr/bin/chromium /usr/bin/chromedriver);
my $tool = "$FindBin::Bin/../support/browser.py";

# Why there can be no browser here; empty when there can. With HASHMILL_ROOT=1, where all is installed, that is a failure.
sub missing {
    state $why = do {
        my @missing = grep { !-x } @programs;
        push @missing, 'selenium for python3' if system(q{/usr/bin/python3 -c 'import selenium' 2>/dev/null}) != 0;
        join ', ', map { "no $_" } @missing;
    };
    die "$why\n" if $why && $ENV{HASHMILL_ROOT};
    return $why && "$why here (Debian: chromium-driver, python3-selenium)";
}

sub start ($class, %names) {
    my $dir = tempdir('hm-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $self = bless { dir => $dir, owner => $$ }, $class;
    local $ENV{HOME} = $dir;
    $self->{pid} = open2($self->{from}, $self->{to}, 'sh', '-c', 'exec "$@" 2>"$0"', "$dir/log",
        '/usr/bin/python3', $tool, $dir, map { "$_=$names{$_}" } sort keys %names);
    $self->{to}->autoflush;
    $self->answer;
    return $self;
}

sub open ($self, $url)             { return $self->command('open', $url) }
sub run ($self, $script, @arguments) { return $self->command('run', $script, @arguments) }

sub press ($self, @keys)           { return $self->command('press', @keys) }
sub choose ($self, $input, $file)  { return $self->command('choose', $input, $file) }
sub hide ($self)                   { return $self->command('hide') }
sub show ($self)                   { return $self->command('show') }
sub cdp ($self, $name, %parameters) { return $self->command('cdp', $name, \%parameters) }
sub console ($self)                { return $self->command('console')->@* }
sub requests ($self)               { return $self->command('requests')->@* }

# Waits until a script returns something true, and returns that.
sub sees ($self, $script, @arguments) {
    return wait_until(30, sub { $self->run($script, @arguments) });
}

# The text of the element with this id.
sub text ($self, $id) { return $self->run('return document.getElementById(arguments[0]).innerText.trim()', $id) }

# Waits until that text matches; what it is then.
sub reads ($self, $id, $pattern) {
    wait_until(30, sub { $self->text($id) =~ $pattern });
    return $self->text($id);
}

sub click ($self, $selector) { return $self->run('document.querySelector(arguments[0]).click()', $selector) }

sub command ($self, @command) {
    print { $self->{to} } encode_json(\@command), "\n";
    return $self->answer;
}

sub answer ($self) {
    my $line = readline($self->{from}) // die 'the browser has ended: ' . (slurp("$self->{dir}/log") // '');
    my $answer = decode_json($line);
    die "the browser: $answer->{error}\n" if exists $answer->{error};
    return $answer->{value};
}

sub stop ($self) {
    return if $$ != $self->{owner} || !$self->{to};
    close delete $self->{to};
    waitpid $self->{pid}, 0;
    return;
}

sub DESTROY ($self) {
    local ($?, $@);
    $self->stop;
    return;
}

1;
