# What an administrator does with an installed package, whichever it was.

# $1 has just been installed: it runs as its user, in its sandbox, and lets nobody in.
use_fresh() {
    step "$1: it runs as its user, and lets nobody in"
    until_true "$1 has started" service is-active
    until_true "port 90 is open" beside bash -c '</dev/tcp/127.0.0.1/90'
    local pid
    pid=$(main_pid)
    [ "$(inside stat -c %U:%G /var/lib/portward)" = portward:portward ] || fail "the state's owner"
    [ "$(inside stat -c '%a %U:%G' /etc/portward/certs/server)" = "750 root:portward" ] || fail "the folder of keys"
    [ "$(inside stat -c '%a %U:%G' /etc/portward/portward.toml)" = "644 root:root" ] || fail "portward.toml's mode"
    inside grep -qE "^Uid:\s+$(inside id -u portward)\s" "/proc/$pid/status" || fail "its user"
    inside grep -qE '^CapEff:\s+0000000000000400$' "/proc/$pid/status" || fail "capabilities: $(inside grep Cap "/proc/$pid/status")"
    inside grep -qE '^NoNewPrivs:\s+1$' "/proc/$pid/status" || fail "no_new_privs"
    # proc(5): what is not dumpable belongs to root, whoever runs it.
    [ "$(inside stat -c %U "/proc/$pid/environ")" = root ] || fail "it can be dumped and traced"
    socket_is_ready() { [ "$(inside stat -c '%a %U:%G' /run/portward/portward.sock)" = "660 portward:portward-admin" ]; }
    until_true "the socket belongs to portward-admin" socket_is_ready
    if [ -n "$booted" ]; then
        inside systemd-analyze verify --man=no portward.service /usr/share/portward/examples/systemd/portward.socket || fail "systemd-analyze verify"
        local exposure
        exposure=$(inside systemd-analyze security --no-pager portward.service | sed -nE 's/.*Overall exposure.*: ([0-9.]+) .*/\1/p')
        step "$1: systemd-analyze security: $exposure"
        awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 1.5) }' || fail "exposure $exposure"
        inside journalctl -u portward --no-pager -o cat | grep 'confined: .*Landlock: executes nothing, writes only in /var/lib/portward and /run/portward' >/dev/null ||
            fail "it has not confined itself"
    fi
    inside bash -c '. /usr/share/bash-completion/completions/portward && complete -p portward' >/dev/null || fail "completions"
    : >"$work/record"
    if get /x >/dev/null 2>&1; then fail "an empty table let something in"; fi
    [ ! -s "$work/record" ] || fail "the target saw something: $(cat "$work/record")"
}

# A rule, a wrong rule, a certificate, somebody who may administer.
use_rules() {
    step "$1: a rule, a reload, a request"
    cat >"$work/rules" <<'END'
[[host]]
name = "pbx.example.net"
target = "127.0.0.1"
http = [{ path = "/", tcp = 8000 }]

[[host]]
name = "example.net"
target = "172.31.31.2"
sip = { tcp = 5060, tls = false }
END
    cp "$work/rules" "$root/etc/portward/rules/pbx.toml"
    service reload || fail "reload"
    served() { [ "$(get /hello)" = target ]; }
    until_true "the target answers" served
    grep -q 'GET /hello' "$work/record" || fail "the target's record"
    if get /hello other.example.net >/dev/null 2>&1; then fail "another host was served"; fi

    step "$1: a wrong file is refused, with its place, and changes nothing"
    printf '[[host]]\nname = "pbx.example.net"\ntarget = 7\n' >"$root/etc/portward/rules/pbx.toml"
    if service reload >"$work/reload" 2>&1; then fail "a wrong file was taken"; fi
    served || fail "a wrong file broke the running table"
    if inside portward check >"$work/check" 2>&1; then fail "check has found nothing"; fi
    grep -q 'pbx.toml:3:' "$work/check" || fail "check names no place"
    cp "$work/rules" "$root/etc/portward/rules/pbx.toml"
    service reload || fail "reload"

    step "$1: a key that the service cannot read, then a certificate that opens the TLS ports"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=pbx.example.net \
        -addext subjectAltName=DNS:pbx.example.net -keyout "$root/etc/portward/certs/server/pbx.key" \
        -out "$root/etc/portward/certs/server/pbx.crt" 2>/dev/null
    inside chmod 0600 /etc/portward/certs/server/pbx.key
    if inside portward check >"$work/check" 2>&1; then fail "check as root has not seen that the service cannot read its key"; fi
    grep -q "the service's user, portward: .*Permission denied" "$work/check" && grep -q certs/server/pbx.key "$work/check" ||
        { cat "$work/check"; fail "check does not name the key"; }
    inside chown root:portward /etc/portward/certs/server/pbx.key
    inside chmod 0640 /etc/portward/certs/server/pbx.key
    inside portward check >/dev/null 2>&1 || fail "check"
    service reload || fail "reload"
    until_true "HTTPS is served" beside curl -sS --noproxy '*' --cacert "$root/etc/portward/certs/server/pbx.crt" \
        --resolve pbx.example.net:453:127.0.0.1 -m 5 https://pbx.example.net:453/hello

    step "$1: portward-admin may administer and reads no key; nobody else may"
    inside getent passwd ops >/dev/null || inside useradd -G portward-admin ops
    inside getent passwd stranger >/dev/null || inside useradd stranger
    as() { local who=$1; shift; inside setpriv --reuid "$who" --regid "$who" --init-groups "$@"; }
    as ops portward blacklist add 203.0.113.9 --note smoke >/dev/null || fail "an administrator cannot administer"
    as ops portward blacklist | grep 203.0.113.9 >/dev/null || fail "the entry is not there"
    if as ops cat /etc/portward/certs/server/pbx.key >/dev/null 2>&1; then fail "portward-admin can read a key"; fi
    if as stranger portward blacklist >/dev/null 2>&1; then fail "a stranger can administer"; fi
    service restart
    until_true "it runs again" service is-active
    until_true "the target answers" served
    until_true "the socket belongs to portward-admin" socket_is_ready
    as ops portward blacklist | grep 203.0.113.9 >/dev/null || fail "the blacklist has not outlived a restart"

    step "$1: a blacklist that the service cannot read stays as it is, check names it, and it comes back"
    local list=/var/lib/portward/blacklist.jsonl
    inside chown root:root "$list"
    if inside portward check >"$work/check" 2>&1; then fail "check as root has not seen that the service cannot read its blacklist"; fi
    grep -q "the service's user, portward: the blacklist cannot be read: Permission denied" "$work/check" ||
        { cat "$work/check"; fail "check does not name the blacklist"; }
    cp "$root$list" "$work/list"
    service restart
    until_true "it runs again" service is-active
    until_true "the target answers" served
    until_true "the socket belongs to portward-admin" socket_is_ready
    as ops portward blacklist add 203.0.113.10 >/dev/null
    [ -z "$booted" ] || inside systemctl show -P StatusText portward | grep -q "$list cannot be read" || fail "the status does not name the blacklist"
    service restart
    cmp "$root$list" "$work/list" || fail "a blacklist that cannot be read was replaced"
    inside chown portward:portward "$list"
    until_true "it runs again" service is-active
    until_true "the socket belongs to portward-admin" socket_is_ready
    is_back() { as ops portward blacklist | grep 203.0.113.9 >/dev/null; }
    until_true "the blacklist is back" is_back
    as ops portward blacklist clear >/dev/null
}

# What only systemd can show.
use_service() {
    local before
    changed() { [ "$(main_pid)" != "$before" ] && service is-active; }

    step "$1: a crash refuses nobody: systemd keeps the sockets and starts it again"
    # Eight services, each on both families.
    [ "$(inside systemctl show -P NFileDescriptorStore portward)" = 16 ] || fail "the store does not hold the sockets"
    before=$(main_pid)
    inside sh -c "kill -KILL $before"
    served || fail "a connection right after a crash"
    until_true "it was started again" changed

    step "$1: when it hangs the watchdog ends it"
    mkdir -p "$root/etc/systemd/system/portward.service.d"
    printf '[Service]\nWatchdogSec=5s\nTimeoutAbortSec=1s\n' >"$root/etc/systemd/system/portward.service.d/smoke.conf"
    inside systemctl daemon-reload
    service restart
    before=$(main_pid)
    sleep 8
    if changed; then fail "the watchdog ended it although it lives"; fi
    inside sh -c "kill -STOP $before"
    until_true "the watchdog ends it" changed
    served || fail "a connection after the watchdog"

    step "$1: without any capability, on ports above 1024 (the drop-in of docs/install.md)"
    printf '[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n' >"$root/etc/systemd/system/portward.service.d/smoke.conf"
    cp "$root/etc/portward/portward.toml" "$work/portward.toml"
    sed -i -e 's/^http = 90/http = 8090/' -e 's/^https = 453/https = 8453/' -e 's/^ldap = 399/ldap = 3399/' -e 's/^ldaps = 646/ldaps = 6646/' \
        "$root/etc/portward/portward.toml"
    inside systemctl daemon-reload
    service restart
    inside grep -qE '^CapEff:\s+0000000000000000$' "/proc/$(main_pid)/status" || fail "it still has a capability"
    [ "$(beside curl -sS --noproxy '*' -m 10 -H 'Host: pbx.example.net' http://127.0.0.1:8090/hello)" = target ] || fail "port 8090"
    rm -r "$root/etc/systemd/system/portward.service.d"
    cp "$work/portward.toml" "$root/etc/portward/portward.toml"
    inside systemctl daemon-reload
    service restart
    served || fail "port 90 again"

    step "$1: a stop closes the ports; the example of a socket unit opens them; what [listen] does not name is an error"
    service stop
    if beside bash -c '</dev/tcp/127.0.0.1/90' 2>/dev/null; then fail "port 90 is open after a stop"; fi
    cp "$root/usr/share/portward/examples/systemd/portward.socket" "$root/etc/systemd/system/"
    inside systemctl daemon-reload
    inside systemctl start portward.socket
    service start
    until_true "it has been started with the unit's sockets" served
    inside journalctl -u portward --no-pager -o cat | grep '0.0.0.0:90 (http), open since before' >/dev/null || fail "the unit's socket is not used"
    service stop
    sed -i 's/^http = 90/http = 91/' "$root/etc/portward/portward.toml"
    if service start >/dev/null 2>&1; then fail "a socket that [listen] does not name was accepted"; fi
    inside journalctl -u portward --no-pager -o cat | grep 'passed by LISTEN_FDS, but \[listen\] has no such address' >/dev/null || fail "no word of the mismatch"
    inside systemctl stop portward.socket
    rm "$root/etc/systemd/system/portward.socket"
    inside systemctl daemon-reload
    cp "$work/portward.toml" "$root/etc/portward/portward.toml"
    inside systemctl reset-failed portward
    service start
    served || fail "without the socket unit"
}
