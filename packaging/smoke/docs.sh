# docs/first-rules.md, followed line by line by a newcomer: its blocks of shell are run as they stand, and where it says that
# a telephone is registered one is: baresip.

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
