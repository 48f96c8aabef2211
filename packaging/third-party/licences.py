"""Licences: whether they are allowed, and the texts that they oblige to pass on."""

import functools
import html
import re
from pathlib import Path

from tree import ROOT, Unfit

# Texts of crates that do not carry their own: a folder a crate.
TEXTS = Path(__file__).resolve().parent / "texts"
NOTICE = re.compile(r"(un)?licen[cs]e|copying|copyright|notice|patents", re.IGNORECASE)
CODE = {".rs", ".c", ".h", ".py", ".go", ".toml", ".json"}
NOT_LINKED = {"tests", "test", "benches", "examples", "fuzz", "target"}

# A sentence by which a licence's text is known.
KNOWN_BY = {
    "0BSD": "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",
    "Apache-2.0": "Apache License Version 2.0, January 2004",
    "BSD-2-Clause": "2. Redistributions in binary form must reproduce the above copyright notice",
    "BSD-3-Clause": "be used to endorse or promote products derived from this software without specific prior written permission",
    "BSL-1.0": "Boost Software License - Version 1.0",
    "ISC": "and this permission notice appear in all copies",
    "LLVM-exception": "LLVM Exceptions to the Apache 2.0 License",
    "MIT": "The above copyright notice and this permission notice",
    "MIT-0": "and to permit persons to whom the Software is furnished to do so. THE SOFTWARE IS PROVIDED",
    "MPL-2.0": "Mozilla Public License Version 2.0",
    "Unicode-3.0": "UNICODE LICENSE V3",
    "Unlicense": "This is free and unencumbered software released into the public domain",
    "Zlib": "This software is provided 'as-is', without any express or implied warranty",
}
# Licences whose code may be passed on as a program if it is said where its source is.
SOURCE_TO_BE_NAMED = {"MPL-2.0"}
QUOTED = re.compile(r'"([^"]+)"')


def allowed():
    """The licences that deny.toml allows to every crate, and those that it allows to one: the table `[licenses]`.

    Python has read TOML since 3.11 only, and older ones build packages too; this reads as much of it as stands there. What
    it does not understand is not allowed.
    """
    text = re.sub(r"(?m)^\s*#.*$", "", (ROOT / "deny.toml").read_text())
    table = re.search(r"(?ms)^\[licenses\]$(.*?)(?=^\[)", text + "\n[")
    listed = table and re.search(r"(?m)^allow = \[([^\]]*)\]", table[1])
    if not listed:
        raise Unfit("deny.toml has no list of allowed licences")
    exceptions = re.findall(r'\{ crate = "([^"]+)", allow = \[([^\]]*)\] \}', table[1])
    return set(QUOTED.findall(listed[1])), {crate: set(QUOTED.findall(names)) for crate, names in exceptions}


def satisfied(expression, given):
    """Whether an SPDX expression holds where the licences `given` may be chosen; ValueError if it is none."""
    tokens = re.findall(r"[()]|[\w.+-]+", expression)

    def either():
        value = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = either()
            if not tokens or tokens.pop(0) != ")":
                raise ValueError
            return value
        if token in (")", "AND", "OR", "WITH"):
            raise ValueError
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            token = f"{token} WITH {tokens.pop(0)}"
        return token in given

    try:
        value = either()
    except IndexError:
        raise ValueError(expression) from None
    if tokens:
        raise ValueError(expression)
    return value


def recognised(text):
    """The licences whose words stand in a text."""
    words = " ".join(re.sub(r"[*#=\"`]|^\s*//", " ", text).split()).lower()
    found = {name for name, sentence in KNOWN_BY.items() if " ".join(sentence.replace('"', " ").split()).lower() in words}
    if {"Apache-2.0", "LLVM-exception"} <= found:
        found.add("Apache-2.0 WITH LLVM-exception")
    return found


class Notices:
    """All texts, each once, and which parts they belong to."""

    def __init__(self, program):
        self.texts = []  # in the order of the parts
        self.of = {}  # a part's key -> numbers of its texts, from 1
        self._numbers = {}
        to_all, to_one = allowed()
        for part in program.parts.values():
            may = to_all | to_one.get(part.name, set())
            try:
                is_allowed = satisfied(part.licence, may)
            except ValueError:
                raise Unfit(f"{part.title}: its licence, {part.licence!r}, is no SPDX expression") from None
            if not is_allowed:
                raise Unfit(f"{part.title}: {part.licence} is not allowed by deny.toml")
            texts = texts_of(part, program)
            had = set().union(*map(recognised, texts))
            if not satisfied(part.licence, may & had):
                raise Unfit(
                    f"{part.title}: no text of {part.licence} comes with it (found: {', '.join(sorted(had)) or 'none'}): "
                    f"put the one of its repository into packaging/third-party/texts/{part.name}/"
                )
            self.of[part.key] = sorted({self._number(text) for text in texts})
        bare = {part.name for part in program.crates if not own(part)}
        for name in sorted(folder.name for folder in TEXTS.iterdir()):
            if name not in bare:
                raise Unfit(f"packaging/third-party/texts/{name} is not needed any more: remove it")

    def _number(self, text):
        words = " ".join(text.split())
        if words not in self._numbers:
            self.texts.append("\n".join(line.rstrip() for line in text.strip("\n").splitlines()))
            self._numbers[words] = len(self.texts)
        return self._numbers[words]


def texts_of(part, program):
    if part.kind == "std":
        return std(program.rust)
    if own(part):
        return own(part)
    if (TEXTS / part.name).is_dir():
        return [read(path) for path in sorted((TEXTS / part.name).iterdir())]
    # Several crates of one repository: its texts are sometimes packed with the first alone.
    for other in program.crates:
        if part.repository and other.repository == part.repository and other.licence == part.licence and own(other):
            return own(other)
    return []


def own(part):
    """The licences and notices that a crate carries."""
    return carried(part.folder, part.license_file)


@functools.cache
def carried(folder, named):
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or path.suffix.lower() in CODE or NOT_LINKED & set(inside.parts[:-1]):
            continue
        in_folder = len(inside.parts) > 1 and inside.parts[-2].lower() in ("licenses", "licences")
        if in_folder or str(inside) == named or NOTICE.match(path.name):
            found.append(read(path))
    return [text for text in found if text]


def read(path):
    text = path.read_text(encoding="utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\f", "")
    # A link that was packed as a file names another file, and is no text.
    return text if len(text.split()) > 1 else ""


def std(toolchain):
    """The standard library's own notices: its page, and each text that is folded up in it."""
    page = toolchain / "share/doc/rust/COPYRIGHT-library.html"
    if not page.is_file():
        raise Unfit(f"{page} is missing: the toolchain of https://rustup.rs has it")
    content = page.read_text(encoding="utf-8")
    folded = re.compile(r"<pre>(.*?)</pre>", re.DOTALL)
    texts = [html.unescape(text) for text in folded.findall(content)]
    prose = re.sub(r"(?s)<head>.*?</head>|<details>.*?</details>|<ul>.*?</ul>|<[^>]+>", "", folded.sub("", content))
    lines = [line.strip() for line in html.unescape(prose).splitlines()]
    return ["\n".join(line for line in lines if line), *texts, *plain(toolchain)]


def plain(toolchain):
    """The texts that the page names without folding them in."""
    folder = toolchain / "share/doc/rust/licenses"
    return [read(folder / f"{name}.txt") for name in ("Apache-2.0", "BSD-2-Clause", "MIT", "Unicode-3.0")]
