# The packages themselves: built, looked at by the distributions' own tools, and their files compared with a list.

# Root is needed for the root alone: who called sudo builds.
as_builder() {
    if [ -n "${SUDO_USER-}" ]; then runuser -u "$SUDO_USER" -- env PATH="$PATH" HOME="$HOME" "$@"; else "$@"; fi
}

packages_build() {
    step "the packages, and each once more with a higher version and another portward.toml"
    local log=$work/build.log
    deb=$(as_builder packaging/build-deb 2>"$log" | tail -n 1) && [ -e "$deb" ] || { tail -n 20 "$log"; fail "the deb does not build"; }
    rpm=$(as_builder packaging/build-rpm 2>"$log" | tail -n 1) && [ -e "$rpm" ] || { tail -n 20 "$log"; fail "the rpm does not build"; }
    mkdir "$work/next"
    git ls-files -z | xargs -0 cp --parents -P -t "$work/next" 2>/dev/null || true
    ln -s "$PWD/target" "$work/next/target"
    echo "# Said by the next version." >>"$work/next/packaging/etc/portward.toml"
    deb_next=$(cd "$work/next" && packaging/build-deb 0.1.0+next 2>"$log" | tail -n 1) || { tail -n 20 "$log"; fail "the next deb"; }
    rpm_next=$(cd "$work/next" && packaging/build-rpm 0.1.1 2>"$log" | tail -n 1) || { tail -n 20 "$log"; fail "the next rpm"; }
}

packages_look() {
    step "lintian and rpmlint"
    lintian --fail-on error,warning "$deb" || fail "lintian has something to say"
    rpmlint -c packaging/rpm/rpmlint.toml "$rpm" >"$work/rpmlint" 2>&1 && grep -q ' 0 errors, 0 warnings' "$work/rpmlint" ||
        { cat "$work/rpmlint"; fail "rpmlint has something to say"; }

    step "the SBOM and the licences of all crates, beside the program in both packages"
    mkdir -p "$work/deb.tree" "$work/rpm.tree"
    dpkg-deb -x "$deb" "$work/deb.tree"
    rpm2archive - <"$rpm" | tar -xz -C "$work/rpm.tree"
    local version
    version=$(dpkg-deb -f "$deb" Version)
    papers_look deb "$version"
    papers_look rpm "$version"
    rpm -qp --nosignature --qf '%{LICENSE}\n' "$rpm" | grep -q '^Apache-2.0 AND .* AND MPL-2.0 AND ' ||
        fail "the rpm's License tag is not that of the whole program"

    step "the files of both packages, with modes and owners"
    dpkg-deb -c "$deb" | awk '$1 !~ /^d/ { sub(/^\./, "", $6); print $1, $2, $6 }' | sort -k3 >"$work/deb.files"
    rpm -qplv --nosignature "$rpm" 2>/dev/null | awk '$1 !~ /^d/ { print $1, $3 "/" $4, $9 }' | sort -k3 >"$work/rpm.files"
    local kind
    for kind in deb rpm; do
        # UPDATE_GOLDEN=1 writes the lists anew; read the difference before it is committed.
        if [ -n "${UPDATE_GOLDEN-}" ]; then cp "$work/$kind.files" packaging/expected.$kind; fi
        diff -u packaging/expected.$kind "$work/$kind.files" || fail "the $kind holds other files than packaging/expected.$kind"
    done
}

papers_look() {
    python3 "$here/parts.py" "$work/$1.tree/usr/bin/portward" "$work/$1.tree/usr/share/doc/portward" "$2" ||
        fail "what the $1 says of its parts"
}
