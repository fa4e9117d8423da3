package Hashmill::Recovery;

# A database that a disk has damaged, and hashmill-fcgi --recover:
#
#     $mill->stop_server;
#     lose_pages($mill->{settings}{DATABASE}, 30, 7);
#     my ($code, $text) = recover($mill, "$mill->{dir}/new.db");
#     put_in_place($text);

use v5.36;
use parent 'Exporter';

use Hashmill::Process;
use Hashmill::Util;

our @EXPORT = qw(lose_pages lose_rows put_in_place recover);

# Overwrites every $step-th page of a database from $first on with zeros, like a disk that has lost them. Removes the
# WAL, which may have the pages, too.
sub lose_pages ($path, $first, $step) {
    unlink "$path-wal";
    open my $file, '+<:raw', $path or die "$path: $!\n";
    my $pages = (-s $path) / 4096;
    for (my $page = $first; $page < $pages; $page += $step) {
        sysseek $file, 4096 * $page, 0;
        syswrite $file, "\0" x 4096;
    }
    close $file or die "$path: $!\n";
    return;
}

# Overwrites pages that hold only rows of items, except every tenth. Returns how many rows they had.
sub lose_rows ($path) {
    my @leaves = split /\n/, qx(sqlite3 $path "SELECT pageno, ncell FROM dbstat WHERE name = 'item' AND pagetype = 'leaf' ORDER BY pageno");
    unlink "$path-wal";
    open my $file, '+<:raw', $path or die "$path: $!\n";
    my ($seen, $rows) = (0, 0);
    for my $leaf (@leaves) {
        my ($page, $cells) = split /\|/, $leaf;
        next if ++$seen % 10 == 0;
        $rows += $cells;
        sysseek $file, 4096 * ($page - 1), 0;
        syswrite $file, "\0" x 4096;
    }
    close $file or die "$path: $!\n";
    return $rows;
}

# Runs it; its exit code and what it printed.
sub recover ($mill, $file, @wrap) {
    my $process = Hashmill::Process->start(log => "$file.log", env => $mill->environment,
        command => [@wrap, $mill->program('hashmill-fcgi'), '-c', $mill->settings_file, '--recover', $file]);
    $process->wait_exit(60);
    return ($process->exit_code, slurp("$file.log"));
}

# Runs the commands that --recover printed. Returns how many.
sub put_in_place ($text) {
    my @commands = $text =~ /^    (.*)$/mg;
    system('sh', '-c', $_) == 0 or die "$_ failed\n" for @commands;
    return scalar @commands;
}

1;
