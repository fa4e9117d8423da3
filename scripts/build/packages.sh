# shellcheck shell=bash
# The Debian and Ubuntu packages that hashmill needs, by purpose, and how the missing ones are
# installed. Sourced by the scripts that need it, with the repository as working directory.

# What the Debian package is built with is listed in debian/control and nowhere else. The programs alone need
# of it only the libraries.
mapfile -t packages_libraries < <(sed -n '/^Build-Depends:/,/^[A-Z]/s/^ *\([^ ]*-dev\),*$/\1/p' debian/control)
if ((${#packages_libraries[@]} != $(grep -c -- '-dev' debian/control))); then
    echo "debian/control: Build-Depends names each library on a line of its own, without a version" >&2
    exit 1
fi
# shellcheck disable=SC2034  # used by the scripts that source this file
{
    packages_build=(gcc libc6-dev make pkg-config python3 "${packages_libraries[@]}")
    packages_run=(nginx curl libjs-dygraphs)
    packages_demo=(perl)
    packages_test=(git iproute2 jq libnginx-mod-http-lua libpq-dev lintian locales nftables nodejs openssl perl postgresql prometheus python3-jsonschema python3-requests python3-yaml sqlite3 strace systemd tmux valgrind)
    # Ubuntu has this browser as a snap only; there the tests that need one are left out.
    ! grep -qx 'ID=debian' /etc/os-release || packages_test+=(chromium chromium-driver python3-selenium)
    # What builds the kernels for aarch64 elsewhere, and runs them.
    packages_arm=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
    [[ $(dpkg --print-architecture) != arm64 ]] || packages_arm=()
    packages_test+=("${packages_arm[@]}")
    packages_bench_mill=(clang)
    packages_bench=(wrk nghttp2-client python3-flask gunicorn gnuplot-nox)
    packages_bench_brokers=(beanstalkd redis-server)
    packages_fresh=(debootstrap git)
    packages_lint=("${packages_arm[@]}" clang clang-format clang-tidy cppcheck shellcheck python3-pyflakes)
}

# What root runs. A package's own service is not started, now or at boot: nginx would listen on port 80 of
# every address, Prometheus on port 9090, beanstalkd and Redis on ports of this machine. PostgreSQL makes no cluster
# when it is installed here for the first time; the tests make their own.
# shellcheck disable=SC2016  # the shell that root runs expands these
install_as_root='
    set -eu
    policy=/usr/sbin/policy-rc.d
    made="# made by hashmill while it installs packages"
    if [ ! -e "$policy" ] || grep -qxF "$made" "$policy"; then # that of an installation that was killed, too
        trap "rm -f $policy" EXIT
        trap "exit 130" INT TERM HUP # which does what EXIT says only then
        printf "#!/bin/sh\n%s\nexit 101\n" "$made" >"$policy"
        chmod 755 "$policy"
    fi
    clusters=/etc/postgresql-common/createcluster.conf
    if [ ! -e "$clusters" ]; then
        case " $* " in *" postgresql "*)
            mkdir -p "${clusters%/*}"
            printf "%s\ncreate_main_cluster = false\n" "$made" >"$clusters" ;;
        esac
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq -o DPkg::Lock::Timeout=120
    apt-get -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" >/dev/null
    for service in nginx prometheus beanstalkd redis-server; do
        case " $* " in *" $service "*) update-rc.d "$service" disable ;; esac
    done
'

# Runs apt-get with the arguments, as root or by sudo; else says how and fails.
install_by() {
    if ((EUID == 0)); then
        echo "apt-get $*"
        sh -c "$install_as_root" sh "$@"
    elif command -v sudo >/dev/null; then
        echo "apt-get $* (sudo may ask for your password)"
        sudo sh -c "$install_as_root" sh "$@"
    else
        echo "packages are missing; have root install them, in $PWD: apt-get $*" >&2
        return 1
    fi
}

# Installs those of the packages that are missing.
install_packages() {
    local package missing=()
    for package; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]} == 0)) || install_by install "${missing[@]}"
}

# Installs what the Debian package is built with, unless all of it is there.
install_build_dependencies() {
    dpkg-checkbuilddeps 2>/dev/null || install_by build-dep ./
}
