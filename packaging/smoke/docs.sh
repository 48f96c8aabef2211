# docs/first-rules.md, followed line by line by a newcomer: its blocks of shell are run as they stand, and where it says that
# a telephone is registered one is: baresip. And the lines of `portward demo`, pasted as they stand.

alike() {
    sed -E -e 's/^REVERSE-PROXY [0-9]+ [^ ]+ /REVERSE-PROXY /' -e 's/\(new\)$//' -e 's/sha256:[0-9a-f]+/sha256:/' \
        -e 's/[0-9-]{10} to [0-9-]{10}, [0-9]+ days/DAYS/' -e 's/portward [0-9.]+ is ready/portward is ready/' -e 's/[0-9]+ workers/workers/' -e 's/confined: .*/confined/' \
        -e 's/[[:space:]]+$//'
}

docs_follow() {
    step "docs/first-rules.md, line by line, with baresip as the telephone"
    # What the reader types, up to the telephone and from there on. sudo is what the reader has; here root is root.
    local part
    for part in before after; do
        {
            echo 'set -e -o pipefail; cd /packages/first; sudo() { "$@"; }'
            awk -v part=$part '
                /^<!-- phone -->$/ { after = 1 }
                /^```/ { shell = ($0 == "```sh"); next }
                shell && (part == "after") == (after + 0) { print }' docs/first-rules.md
        } >"$root/packages/$part.sh"
    done
    grep -q 'portward check' "$root/packages/before.sh" && grep -q journalctl "$root/packages/after.sh" ||
        fail "docs/first-rules.md has no steps before and after <!-- phone -->"
    mkdir "$root/packages/first"
    cp "$deb" "$root/packages/first/"
    : >"$work/record"
    inside bash /packages/before.sh >"$work/docs.log" 2>&1 || { cat "$work/docs.log"; fail "a newcomer is stuck before the telephone"; }
    grep -q 'GET /PBX0/APPCLIENT' "$work/record" || fail "the PBX saw no request"

    mkdir "$work/baresip"
    cat >"$work/baresip/config" <<'END'
poll_method epoll
sip_listen 127.0.0.1:0
net_interface lo
module_path /usr/lib/baresip/modules
module g711.so
module_tmp account.so
module_app menu.so
END
    echo '<sip:alice@example.net;transport=tcp>;auth_pass=x;outbound="sip:127.0.0.1:5070;transport=tcp";regint=600' >"$work/baresip/accounts"
    : >"$work/baresip/contacts"
    beside timeout 60 baresip -f "$work/baresip" -v >"$work/baresip.log" 2>&1 </dev/null &
    registered() { grep -q 'REGISTER sip:example.net' "$work/record" && grep -q '200 OK' "$work/baresip.log"; }
    until_true "the telephone has registered" registered
    inside bash /packages/after.sh >>"$work/docs.log" 2>&1 || { cat "$work/docs.log"; fail "a newcomer is stuck behind the telephone"; }
    grep -q 'REVERSE-PROXY .* sip:alice@example.net REGISTER -> 172.31.31.2:5060(new)' "$work/docs.log" ||
        { cat "$work/docs.log"; fail "the journal does not show the REGISTER"; }
    # What the page says that the reader will see, line by line, but for what differs from one machine and day to another.
    awk '/^```/ { text = ($0 == "```text"); next } text && NF && !/…/' docs/first-rules.md | alike >"$work/docs.said"
    alike <"$work/docs.log" >"$work/docs.seen"
    [ "$(wc -l <"$work/docs.said")" -gt 30 ] || fail "docs/first-rules.md shows no output"
    if grep -vxFf "$work/docs.seen" "$work/docs.said"; then fail "docs/first-rules.md shows lines that a reader does not see"; fi
    pkill -KILL -f "baresip -f $work/baresip" || true
    inside apt-get purge -q -y portward >"$work/purge.log" 2>&1 || { cat "$work/purge.log"; fail "apt-get purge"; }
    rm -rf "$root/etc/portward" "$root/packages/first"
}

# The demonstration stays up; what it prints is typed in another shell.
demo_follow() {
    step "portward demo, each of its lines pasted"
    cat >"$root/packages/demo.sh" <<'END'
portward demo >/tmp/demo.log 2>&1 &
demo=$!
for _ in $(seq 150); do if grep -q '^# H.323 (H.460.17): gatekeeper' /tmp/demo.log; then break; fi; sleep 0.2; done
sed '1,/^Paste, into another terminal/d' /tmp/demo.log | grep -vE '^(#|info: |warning: |REVERSE-PROXY )' | grep . >/tmp/demo.lines
while IFS= read -r line; do
    case $line in
    *ldapsearch*) command -v ldapsearch >/dev/null || continue; wanted=0 ;;
    *unknown.example* | */boaform/*) wanted=52 ;;
    *--from*) wanted=1 ;;
    *) wanted=0 ;;
    esac
    (cd / && bash -c "$line" </dev/null 2>&1)
    code=$?
    [ $code = $wanted ] || { echo "ended with $code: $line"; exit 1; }
done </tmp/demo.lines
kill -TERM $demo && wait $demo || { echo "the demonstration ended with $?"; exit 1; }
if ls -d /tmp/portward-demo-* 2>/dev/null; then echo "it has left files"; exit 1; fi
END
    inside bash /packages/demo.sh >"$work/demo.log" 2>&1 || { cat "$work/demo.log"; fail "a line of the demonstration"; }
    local seen
    for seen in 'This is the master PBX' 'This is the app platform' '404 Not Found' 'Server: master PBX, plain' \
        'Server: master PBX, TLS' 'h323:hq@dvl-ckl2.net/branch-b -> ' 'unknown-host (21 in a minute)' \
        'rejected: blacklisted' 'is no longer listed' 'by hand: spam'; do
        grep -qF "$seen" "$work/demo.log" || { cat "$work/demo.log"; fail "the demonstration's lines do not show: $seen"; }
    done
}
