"""What cargo builds into the program: the crates, where each comes from, and which needs which.

`cargo tree` knows the features with which a crate is really built; `cargo metadata` knows its licence and its folder;
Cargo.lock knows the hash of what was downloaded.
"""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# C and assembly that a crate brings with it and links in: where its own version stands, and what it is.
FOREIGN = {
    "aws-lc-sys": {
        "name": "aws-lc",
        "version": ("aws-lc/include/openssl/base.h", r'AWSLC_VERSION_NUMBER_STRING "([^"]+)"'),
        "purl": "pkg:github/aws/aws-lc@v{version}",
        "repository": "https://github.com/aws/aws-lc",
    },
}
# What compiles such code: a crate whose build script needs one of these brings some.
COMPILERS = {"cc", "cmake", "nasm-rs"}


class Unfit(Exception):
    """The tree cannot be described as it is; the message says what is to be done."""


@dataclass
class Part:
    """One thing that is in the program."""

    name: str
    version: str
    licence: str
    purl: str
    folder: Path
    kind: str = "crate"  # or "macro", "foreign", "std", "portward"
    authors: list = field(default_factory=list)
    repository: str = ""
    homepage: str = ""
    checksum: str = ""
    license_file: str = ""
    needs: set = field(default_factory=set)  # keys of Program.parts

    @property
    def key(self):
        return (self.name, self.version)

    @property
    def title(self):
        return f"{self.name} {self.version}"

    @property
    def download(self):
        """The source exactly as it was compiled."""
        if not self.checksum:
            return ""
        return f"https://static.crates.io/crates/{self.name}/{self.name}-{self.version}.crate"


@dataclass
class Program:
    root: Part
    parts: dict  # (name, version) -> Part, without the root, sorted
    rust: Path  # the toolchain's folder

    @property
    def crates(self):
        return [part for part in self.parts.values() if part.kind in ("crate", "macro")]


def run(*command):
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise Unfit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def read():
    rustc = dict(line.split(": ", 1) for line in run("rustc", "-vV").splitlines() if ": " in line)
    graph, macros = built("normal", rustc["host"])
    with_build, _ = built("normal,build", rustc["host"])
    compiling = {key for key in graph if COMPILERS & {name for name, _ in with_build[key] - graph[key]}}
    known = packages(rustc["host"])
    hashes = checksums()
    parts = {}
    for key, needs in graph.items():
        parts[key] = part(known[key], hashes.get(key, ""), needs, macros)
    root = parts.pop(next(key for key in parts if key[0] == "portward"))
    root.kind, root.purl = "portward", f"pkg:generic/portward@{root.version}"
    for key in compiling:
        add_foreign(parts[key], parts)
    add_std(rustc["release"], root, parts)
    return Program(root, dict(sorted(parts.items())), Path(run("rustc", "--print", "sysroot").strip()))


def built(edges, host):
    """Which crate needs which, of those that are linked in, and the macros that write code into them.

    What a macro is made of (syn, quote …) runs on the building machine alone and is left out. The edges "normal" leave
    out build scripts and tests too.
    """
    text = run("cargo", "tree", "--locked", "--edges", edges, "--target", host, "--prefix", "depth", "--format", " {p}")
    graph, macros, path, macro_depth = {}, set(), [], None
    for line in text.splitlines():
        depth, name, version, rest = re.fullmatch(r"(\d+) (\S+) v(\S+)(.*)", line).groups()
        depth, key = int(depth), (name, version)
        if macro_depth is not None and depth > macro_depth:
            continue
        macro_depth = depth if "(proc-macro)" in rest else None
        if macro_depth is not None:
            macros.add(key)
        graph.setdefault(key, set())
        path[depth:] = [key]
        if depth:
            graph[path[depth - 1]].add(key)
    return graph, macros


def packages(host):
    text = run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host)
    return {(package["name"], package["version"]): package for package in json.loads(text)["packages"]}


def checksums():
    """SHA-256 of each crate's archive. Cargo.lock is written by cargo alone, one key a line."""
    found, key = {}, {}
    for line in (ROOT / "Cargo.lock").read_text().splitlines():
        match = re.fullmatch(r'(name|version|checksum) = "(.*)"', line)
        if match:
            key[match[1]] = match[2]
        elif line == "[[package]]":
            key = {}
        if "checksum" in key:
            found[key["name"], key["version"]] = key["checksum"]
    return found


def part(package, checksum, needs, macros):
    name, version = package["name"], package["version"]
    key = (name, version)
    if name != "portward" and not (checksum and (package["source"] or "").startswith("registry+")):
        raise Unfit(f"{name} {version} is not from crates.io: say in tree.py where its source is")
    # What stands before licences were expressions: "MIT/Apache-2.0".
    licence = re.sub(r"\s*/\s*", " OR ", package["license"] or "")
    return Part(
        name,
        version,
        licence,
        f"pkg:cargo/{name}@{version.replace('+', '%2B')}",
        Path(package["manifest_path"]).parent,
        "macro" if key in macros else "crate",
        [author.split(" <")[0] for author in package["authors"]],
        package["repository"] or "",
        package["homepage"] or "",
        checksum,
        package["license_file"] or "",
        needs,
    )


def add_foreign(crate, parts):
    """The C library in a crate is a part of its own: what is found wrong with it is published under its own name."""
    about = FOREIGN.get(crate.name)
    if about is None:
        raise Unfit(f"{crate.title} compiles foreign code: describe it in FOREIGN of tree.py")
    file, pattern = about["version"]
    match = re.search(pattern, (crate.folder / file).read_text())
    if not match:
        raise Unfit(f"{crate.title}: no version in {file}: mend FOREIGN of tree.py")
    purl = about["purl"].format(version=match[1])
    foreign = Part(about["name"], match[1], crate.licence, purl, crate.folder, "foreign", repository=about["repository"])
    parts[foreign.key] = foreign
    crate.needs.add(foreign.key)


def add_std(release, root, parts):
    std = Part("rust-std", release, "(MIT OR Apache-2.0) AND Unicode-3.0", f"pkg:generic/rust-std@{release}", ROOT, "std")
    std.authors = ["The Rust Project Developers"]
    std.repository = "https://github.com/rust-lang/rust"
    std.homepage = "https://www.rust-lang.org"
    parts[std.key] = std
    root.needs.add(std.key)
