# An upgrade while a call, a download, a tunnel and new connections go on: none of the new ones is lost, the download is
# finished, the call and the tunnel go on until the drain is over.

# A new connection each, with an answer from the inside; a minute's patience, because the drain may take its time.
visit_http() { [ "$(get /new)" = target ]; }
visit_https() {
    [ "$(beside curl -sS --noproxy '*' -m 60 --cacert "$root/etc/portward/certs/server/pbx.crt" \
        --resolve pbx.example.net:453:127.0.0.1 https://pbx.example.net:453/new)" = target ]
}
visit_sip() { beside python3 $here/phone.py 5070 /dev/null register; }

# $1: the package's name; then the command.
upgrade_under_load() {
    local name=$1 before lost good number
    shift
    step "$name: an upgrade while a call, a download, a tunnel and new connections go on"
    sed -i 's/^forwarded = \[\].*/forwarded = "all"/' "$root/etc/portward/portward.toml"
    printf '\n[limits]\ndrain_timeout = "8s"\n' >>"$root/etc/portward/portward.toml"
    if [ -n "$booted" ]; then
        # Less than the drain takes: Portward itself asks systemd for the rest.
        mkdir -p "$root/etc/systemd/system/portward.service.d"
        printf '[Service]\nTimeoutStopSec=3s\n' >"$root/etc/systemd/system/portward.service.d/smoke.conf"
        inside systemctl daemon-reload
    fi
    service reload || fail "reload"
    before=$(main_pid)
    : >"$work/record"
    rm -f "$work"/{done,call,slow*,tunnel.*,new*}
    (get /slow >"$work/slow" 2>"$work/slow.error"; echo $? >"$work/slow.code") &
    beside bash -c 'exec 3<>/dev/tcp/127.0.0.1/90
        printf "GET /t HTTP/1.1\r\nHost: pbx.example.net\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" >&3
        timeout 60 cat <&3 >/dev/null; date +%s%3N >"$1"' - "$work/tunnel.end" &
    beside python3 $here/phone.py 5070 "$work/call" &
    until_true "the download has begun" grep -q slow "$work/record"
    until_true "the tunnel has begun" grep -q 'GET /t' "$work/record"
    until_true "the call is up" grep -q INFO "$work/call"
    local clients=() visitor
    for visitor in http http https sip sip; do
        (for number in $(seq 400); do
            [ ! -e "$work/done" ] || break
            if "visit_$visitor" 2>>"$work/new.error"; then echo "good $visitor"; else echo "lost $visitor"; fi
            sleep 0.05
        done >>"$work/new") &
        clients+=($!)
    done
    local begin
    for visitor in http https sip; do until_true "new connections are served: $visitor" grep -q "good $visitor" "$work/new"; done
    begin=$(date +%s%3N)
    "$@" >"$work/upgrade.log" 2>&1 || { cat "$work/upgrade.log"; fail "the upgrade"; }
    [ -n "$booted" ] || service restart
    until_true "$name runs after the upgrade" service is-active
    until_true "the tunnel has ended" test -e "$work/tunnel.end"
    until_true "the call has ended" grep -q END "$work/call"
    number=$(wc -l <"$work/new")
    more() { [ "$(wc -l <"$work/new")" -gt $((number + 20)) ]; }
    until_true "new connections are served after the upgrade" more
    touch "$work/done"
    wait "${clients[@]}"
    until_true "the download has an end" test -e "$work/slow.code"
    [ "$(cat "$work/slow.code")" = 0 ] && [ "$(wc -c <"$work/slow")" = 100000 ] || fail "the download was cut off: $(cat "$work/slow.error")"
    [ "$before" != "$(main_pid)" ] || fail "the upgrade did not restart it"
    lost=$(grep -c lost "$work/new" || true)
    good=$(grep -c good "$work/new" || true)
    local tunnel=$(($(cat "$work/tunnel.end") - begin)) spoke call
    spoke=$(($(awk '$2 == "INFO" { last = $1 } END { print last }' "$work/call") - begin))
    call=$(($(awk '$2 == "END" { print $1 }' "$work/call") - begin))
    step "$name: $good new connections were served, $lost lost; the tunnel ended after $tunnel ms, the call after $call ms ($spoke ms: its last answer)"
    # The drain begins some time after the upgrade; it never ends anybody sooner than its 8 s.
    [ "$tunnel" -ge 7900 ] && [ "$call" -ge 7900 ] || fail "somebody was cut off before the drain's end"
    [ "$spoke" -ge 6000 ] || fail "the call was silent during the drain"
    # Without systemd nobody keeps the sockets.
    if [ -n "$booted" ]; then [ "$lost" = 0 ] || { cat "$work/new.error"; fail "new connections were lost"; }; fi
    rm -rf "$root/etc/systemd/system/portward.service.d"
    [ -z "$booted" ] || inside systemctl daemon-reload
    grep -q '^forwarded = "all"' "$root/etc/portward/portward.toml" || fail "the edited configuration was overwritten"
    ! grep -q 'Said by the next version' "$root/etc/portward/portward.toml" || fail "the edited configuration was overwritten"
}
