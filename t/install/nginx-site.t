# scripts/install/nginx-site: what it changes in Debian's configuration of nginx, and that it puts everything back when
# nginx does not accept it.

use v5.36;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../support";
use Test::More;
use Hashmill::Util;

my $dir = tempdir('hm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $etc = "$dir/etc/nginx";

# Nobody's nginx and systemd are touched: both are programs that only note how they are called.
make_path("$dir/bin");
for my $program (qw(nginx systemctl)) {
    spew("$dir/bin/$program", "#!/bin/sh\necho \"$program \$*\" >>$dir/calls\ntest ! -e $dir/refuse\n");
    chmod 0700, "$dir/bin/$program";
}

# Debian's files as they are behind an installation of nginx.
sub fresh {
    system('rm', '-rf', "$dir/etc", "$dir/calls", "$dir/refuse");
    make_path(map { "$etc/$_" } qw(sites-enabled sites-available modules-enabled));
    make_path("$dir/etc/hashmill/nginx");
    spew("$dir/if_inet6", "fe80000000000000005056fffe000001 02 40 20 80     eth0\n");
    spew("$etc/sites-available/$_", '') for qw(default hashmill);
    spew("$etc/nginx.conf", "worker_processes auto;\nevents {\n\tworker_connections 768;\n}\n");
    symlink "$etc/sites-available/default", "$etc/sites-enabled/default" or die;
    return;
}

# Runs it; its exit code.
sub site ($verb) {
    local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
    local $ENV{NGINX_ETC} = $etc;
    local $ENV{HASHMILL_ETC} = "$dir/etc/hashmill";
    local $ENV{IF_INET6} = "$dir/if_inet6";
    system("$FindBin::Bin/../../scripts/install/nginx-site $verb 2>$dir/errors");
    return $? >> 8;
}

# Every file and link, with where it leads.
sub state_of_etc {
    return join "\n", map { $_ . ' ' . (readlink // slurp($_)) } sort glob "$etc/*/* $etc/nginx.conf* $dir/etc/hashmill/nginx/*";
}

fresh();
my $before = state_of_etc();
is site('enable'), 0, 'enable';
is readlink "$etc/sites-enabled/hashmill", "$etc/sites-available/hashmill", 'the site is in';
ok -l "$etc/modules-enabled/60-hashmill.conf", 'so are the main settings';
ok !-l "$etc/sites-enabled/default", "Debian's site is out";
my $tuned = qr/^worker_processes \d+;\nevents \{\n\tworker_connections 4096;\n\}\n\z/;
like slurp("$etc/nginx.conf"), $tuned, "Debian's numbers of processes and connections are those of a node";
ok !-l "$dir/etc/hashmill/nginx/slow-bodies.conf", 'without its module for Lua no body is timed';
like slurp("$dir/calls"), qr/^nginx -t/m, 'nginx was asked';
my $enabled = state_of_etc();
is site('enable'), 0, 'enable again';
is state_of_etc(), $enabled, 'changes nothing';
spew("$dir/refuse", '');
is site('disable'), 1, 'disable fails when nginx does not accept it';
is state_of_etc(), $enabled, 'and changes nothing';
unlink "$dir/refuse";
is site('disable'), 0, 'disable';
is state_of_etc(), $before, 'is the other way round';

spew("$etc/modules-enabled/50-mod-http-lua.conf", '');
is site('enable'), 0, 'with that module';
like readlink "$dir/etc/hashmill/nginx/slow-bodies.conf", qr{/nginx/slow-bodies\.conf$}, 'bodies that are too slow are cut off';
unlink "$etc/modules-enabled/50-mod-http-lua.conf";
is site('enable'), 0, 'when it has gone';
ok !-l "$dir/etc/hashmill/nginx/slow-bodies.conf", 'they are not, and nginx goes on';
is site('disable'), 0, 'disable';
is state_of_etc(), $before, 'puts all back';

fresh();
my $ipv6 = "$dir/etc/hashmill/nginx/listen-public-ipv6.conf";
is site('enable'), 0, 'without ::1';
ok !-l $ipv6, 'nginx does not listen there';
spew("$dir/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n");
is site('enable'), 0, 'with it';
like readlink $ipv6, qr{/nginx/listen-public-ipv6\.conf$}, 'clients are served there, too';
unlink "$dir/if_inet6";
is site('enable'), 0, 'when it has gone';
ok !-l $ipv6, 'they are not, and nginx goes on';
symlink '/dev/null', $ipv6 or die;
is site('enable'), 0, 'a link to /dev/null';
is readlink $ipv6, '/dev/null', 'stays';
spew("$dir/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n");
is site('enable'), 0, 'also with ::1';
is readlink $ipv6, '/dev/null', 'and keeps it out';
unlink $ipv6;
is site('enable'), 0, 'enable';
is site('disable'), 0, 'and disable';
is state_of_etc(), $before, 'puts all back';

fresh();
spew("$etc/nginx.conf", my $own = "worker_processes 7;\nevents {\n\tworker_connections 9999;\n}\n");
is site('enable'), 0, 'enable where somebody has chosen the numbers';
is slurp("$etc/nginx.conf"), $own, 'leaves them';
fresh();
is site('enable'), 0, 'enable, and then nginx.conf is edited';
spew("$etc/nginx.conf", my $edited = slurp("$etc/nginx.conf") . "# ours\n");
is site('disable'), 0, 'disable';
is slurp("$etc/nginx.conf"), $edited, 'leaves what was edited';

fresh();
spew("$dir/refuse", '');
is site('enable'), 1, 'enable fails when nginx does not accept it';
is state_of_etc(), $before, 'and changes nothing';
like slurp("$dir/errors"), qr/does not accept/, 'but says so';
is site('tune'), 1, 'so does tune';
is state_of_etc(), $before, 'which changes nothing either';
unlink "$dir/refuse";
is site('tune'), 0, 'tune';
like slurp("$etc/nginx.conf"), $tuned, 'sets both';
ok !-e "$etc/nginx.conf.before", 'and leaves nothing else';

fresh();
symlink '/dev/null', "$etc/sites-enabled/hashmill" or die;
is site('enable'), 0, 'a site that is kept out';
is readlink "$etc/sites-enabled/hashmill", '/dev/null', 'stays out';
ok -l "$etc/sites-enabled/default", "and Debian's stays in";

fresh();
unlink "$etc/sites-enabled/default";
spew("$etc/sites-enabled/default", 'own');
is site('enable'), 0, 'a default site that is no link';
is slurp("$etc/sites-enabled/default"), 'own', 'is left alone';

# The site itself is what the real nginx accepts. Its files with other places:
my $files = "$FindBin::Bin/../../nginx";
make_path("$dir/real");
sub adapted ($name) {
    return slurp("$files/$name") =~ s{/usr/share/hashmill/nginx|/etc/hashmill/nginx}{$dir/real}gr =~ s{/var/log/nginx/error\.log}{stderr}r
        =~ s{/var/log/nginx/hashmill\.log}{$dir/real/access.log}gr =~ s{/run/hashmill-nginx}{$dir/real/kept}r;
}
spew("$dir/real/$_", adapted($_)) for map { s{.*/}{}r } glob "$files/hashmill-*.conf";
spew("$dir/real/listen-$_.conf", "listen unix:$dir/real/$_.sock;\n") for qw(public worker metrics);

# What nginx says of a site behind other lines; '' when it accepts it.
sub refusal ($site, $load = '') {
    my $temporary = join '', map { "${_}_temp_path $dir/real/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    spew("$dir/real/nginx.conf", "${load}pid $dir/real/pid;\nevents {}\nhttp {\naccess_log off;\n$temporary$site}\n");
    my $said = qx{@{[nginx_program()]} -t -e stderr -p $dir/real -c $dir/real/nginx.conf 2>&1};
    return $? == 0 ? '' : $said;
}

my $site = adapted('site.conf');
is refusal($site), '', 'nginx accepts the site';
my $port = free_port_pair();
spew("$dir/real/listen-public.conf", adapted('listen-public-plain.conf') =~ s/8080/$port/r);
is refusal($site), '', 'with the listener of the package';
spew("$dir/real/listen-metrics.conf", adapted('listen-metrics-plain.conf') =~ s/9080/$port + 1/er);
is refusal($site), '', 'and that of metrics';
spew("$dir/real/listen-public-ipv6.conf", adapted('listen-public-ipv6.conf') =~ s/8080/$port/r =~ s/\[::1\]/127.0.0.2/r);
is refusal($site), '', 'and another beside it';
spew("$dir/real/listen-public.conf", "listen $port default_server backlog=4096;\n");
is refusal($site), '', 'and one that an operator has opened';
spew("$dir/real/listen-public.conf", "listen unix:$dir/real/public.sock;\n");
spew("$dir/real/unlimited.conf", "geo \$hashmill_unlimited { default 0; 192.0.2.7 1; }\n");
is refusal($site), '', 'with others who have no limits';
SKIP: {
    my $modules = '/usr/lib/nginx/modules';
    skip 'libnginx-mod-http-lua is not installed', 1 if !-e "$modules/ngx_http_lua_module.so";
    symlink "$files/slow-bodies.conf", "$dir/real/slow-bodies.conf";
    is refusal($site, join '', map { "load_module $modules/$_.so;\n" } qw(ndk_http_module ngx_http_lua_module)), '', 'with its module for Lua';
}
# What version 0.1.0 had in its site: an administrator who has changed that keeps it.
my $former = $site =~ s/^ *include \S+slow-bodies.*\n//gmr
    =~ s/^(server \{)/$1 limit_conn hashmill_connections 1000; limit_req zone=hashmill_requests burst=4000 nodelay;/gmr;
is refusal("limit_conn_zone \$binary_remote_addr zone=hashmill_connections:10m;\n"
    . "limit_req_zone \$binary_remote_addr zone=hashmill_requests:10m rate=2000r/s;\n$former"), '', 'and a site of before';

system('rm', '-rf', $etc);
unlink "$dir/calls";
is site('enable'), 0, 'without nginx';
ok !-e "$dir/calls", 'nothing happens';
is site('nonsense'), 2, 'an unknown verb';
done_testing();
