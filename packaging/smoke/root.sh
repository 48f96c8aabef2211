# The root: a fresh Debian, with systemd as its first process where this machine can boot one.
#
# Sets booted (empty: no systemd), leader (its first process), and gives inside, beside and service.

booted= leader= nspawn= netns= daemon= target=

suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
include=systemd,systemd-sysv,dbus,curl,ca-certificates
base=${CARGO_TARGET_DIR:-target}/smoke-root-$suite-$(echo "$include" | cksum | cut -d ' ' -f 1).tar

# A fresh Debian, once; it is kept in target/.
root_fetch() {
    [ ! -e "$base" ] || return 0
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -n 1)
    mkdir -p "$(dirname "$base")"
    debootstrap --variant=minbase --include=$include "$suite" "$work/base" "${mirror%/}" >"$work/debootstrap.log" 2>&1 ||
        { tail -n 5 "$work/debootstrap.log"; return 1; }
    tar -C "$work/base" -cf "$base.new" . && mv "$base.new" "$base"
    rm -rf "$work/base"
}

root_make() {
    step "a fresh Debian"
    mkdir "$root"
    tar -C "$root" -xpf "$base"
    ln -sf /dev/null "$root/etc/systemd/system/systemd-resolved.service"
    # Nothing is fetched from here on: what is installed is what lies in /packages.
    : >"$root/etc/apt/sources.list"
    mkdir "$root/packages"
    cp "$deb" "$deb_next" "$root/packages/"
}

root_boot() {
    if [ -n "$may_boot" ]; then
        # nspawn keeps Landlock from a container by default, and its version in Debian 12 knows no group for it.
        systemd-nspawn -q -D "$root" --private-network --register=no --keep-unit --system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self' -b --console=pipe </dev/null >"$work/boot.log" 2>&1 &
        nspawn=$!
        for _ in $(seq 100); do
            kill -0 $nspawn 2>/dev/null || break
            leader=$(pgrep -P $nspawn | head -n 1 || true)
            if [ -n "$leader" ] && [ "$(cat "/proc/$leader/comm" 2>/dev/null)" = systemd ]; then
                booted=yes
                if inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; then break; fi
                booted=
            fi
            sleep 0.3
        done
    fi
    if [ -n "$booted" ]; then
        step "systemd $(inside systemctl --version | awk 'NR == 1 { print $2 }') has booted in it"
    else
        step "NO SYSTEMD: no systemd is booted in a container here; the unit's command is run by this script instead,"
        step "            as its user and with its capability, but without its sandbox and without the store of sockets"
        [ -z "$nspawn" ] || kill "$nspawn" 2>/dev/null || true
        nspawn= leader= netns=portward-smoke-$$
        ip netns add "$netns"
        ip -n "$netns" link set lo up
        mount -t proc proc "$root/proc"
    fi
    # The PBX of the documentation.
    beside ip address add 172.31.31.2/32 dev lo
}

root_end() {
    [ -z "${fetching-}" ] || kill "$fetching" 2>/dev/null || true
    pkill -KILL -f "baresip -f $work/baresip" 2>/dev/null || true
    [ -z "$target" ] || pkill -KILL -f "$here/target.py $work/record" 2>/dev/null || true
    [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true
    if [ -n "$nspawn" ]; then
        kill -TERM "$nspawn" 2>/dev/null || true
        for _ in $(seq 50); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$nspawn" 2>/dev/null || true
    fi
    [ -z "$netns" ] || ip netns del "$netns" 2>/dev/null || true
    umount "$root/proc" 2>/dev/null || true
}

# In the root, as its administrator.
inside() {
    local clean="env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 SYSTEMD_PAGER="
    if [ -n "$booted" ]; then
        timeout 120 nsenter -t "$leader" -m -u -i -n -p -C -r -w -- $clean "$@" </dev/null
    else
        timeout 120 ip netns exec "$netns" chroot "$root" $clean "$@" </dev/null
    fi
}
# On the root's network, with this machine's programs.
beside() { if [ -n "$booted" ]; then nsenter -t "$leader" -n -- "$@"; else ip netns exec "$netns" "$@"; fi; }

# The unit, or where there is no systemd its command as its user.
service() {
    if [ -n "$booted" ]; then inside systemctl "$1" portward; return; fi
    case $1 in
    start)
        mkdir -p "$root/var/lib/portward"
        inside chown portward:portward /var/lib/portward
        inside systemd-tmpfiles --create portward.conf
        ip netns exec "$netns" chroot "$root" setpriv --reuid portward --regid portward --init-groups \
            --inh-caps +net_bind_service --ambient-caps +net_bind_service --no-new-privs \
            /usr/bin/portward run 2>>"$work/daemon.log" &
        daemon=$!
        ;;
    stop) kill -TERM "$daemon"; wait "$daemon" || true; daemon= ;;
    restart) service stop; service start ;;
    reload) inside portward check >>"$work/daemon.log" 2>&1 && kill -HUP "$daemon" ;;
    is-active) [ -n "$daemon" ] && kill -0 "$daemon" ;;
    esac
}
main_pid() { if [ -n "$booted" ]; then inside systemctl show -P MainPID portward; else echo "$daemon"; fi; }

target_start() {
    : >"$work/record"
    beside python3 $here/target.py "$work/record" http:127.0.0.1:8000 http:172.31.31.2:80 sip:172.31.31.2:5060 >/dev/null 2>&1 </dev/null &
    target=$!
    until_true "the target listens" beside bash -c '</dev/tcp/172.31.31.2/5060'
    : >"$work/record"
}
get() { beside curl -sS --noproxy '*' -m 60 -H "Host: ${2:-pbx.example.net}" "http://127.0.0.1:90$1"; }
