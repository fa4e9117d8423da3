# shellcheck shell=bash
# The Debian and Ubuntu packages that hashmill needs, by purpose, and how the missing ones are
# installed. Sourced by the scripts that need it, with the repository as working directory.

# The libraries are listed in the Makefile, which also works without this file.
read -ra packages_libraries <<<"$(sed -n 's/^PACKAGES := //p' Makefile)"
# shellcheck disable=SC2034  # used by the scripts that source this file
{
    packages_build=(gcc libc6-dev make pkg-config "${packages_libraries[@]}")
    packages_run=(nginx curl)
    packages_demo=(perl)
    packages_test=(perl openssl python3 sqlite3 strace valgrind iproute2 debhelper lintian)
    packages_bench_mill=(clang python3)
    packages_bench=(wrk nghttp2-client python3 python3-flask gunicorn gnuplot-nox)
    packages_lint=(clang clang-format clang-tidy cppcheck shellcheck python3-pyflakes)
}

# Installs as root the packages given as arguments. A package's own service is not started, now or at
# boot: nginx would listen on port 80 of every address.
# shellcheck disable=SC2016  # the shell that root runs expands these
install_as_root='
    set -eu
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap "rm -f $policy" EXIT
        printf "#!/bin/sh\nexit 101\n" >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq -o DPkg::Lock::Timeout=120
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" >/dev/null
    case " $* " in *" nginx "*) update-rc.d nginx disable ;; esac
'

# Installs those of the packages that are missing, as root or by sudo; else says how and fails.
install_packages() {
    local package missing=()
    for package; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0
    if ((EUID == 0)); then
        echo "installing ${missing[*]}"
        sh -c "$install_as_root" sh "${missing[@]}"
    elif command -v sudo >/dev/null; then
        echo "installing ${missing[*]} (sudo may ask for your password)"
        sudo sh -c "$install_as_root" sh "${missing[@]}"
    else
        echo "missing; have root install them: apt-get install ${missing[*]}" >&2
        return 1
    fi
}
