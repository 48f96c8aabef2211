"""The files that go into the packages."""

import hashlib
import json
import os
import re
import uuid
import zlib
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import licences
from tree import ROOT

PAGE = """\
What is in Portward {version} beside Portward itself
{underline}

The program portward is licensed under the Apache License, version 2.0. It is linked with the parts below, which have
licences of their own: crates (libraries of Rust from https://crates.io), the standard library of Rust, and the C library
AWS-LC in the crate aws-lc-sys. No part was changed. "Macro" says that the part itself is not in the program, but code that
it has written.

Each part has its version, its licence (an SPDX expression: where it says "OR", either licence may be chosen), the address of
its source, and the numbers of the licence and notice texts that came with it. The texts stand behind the list, each once.
The same list for machines is portward.cdx.json, an SBOM.

Source code under the Mozilla Public License
--------------------------------------------

{mozilla}

Parts
-----

{parts}
"""


def licence_page(program, notices):
    title = f"What is in Portward {program.root.version} beside Portward itself"
    text = PAGE.format(
        version=program.root.version,
        underline="=" * len(title),
        mozilla="\n".join(mozilla(program)),
        parts="\n\n".join(entry(part, notices) for part in program.parts.values()),
    )
    users = {}
    for part in program.parts.values():
        for number in notices.of[part.key]:
            users.setdefault(number, []).append(part.title)
    for number, body in enumerate(notices.texts, 1):
        head = f"Text {number}, of {', '.join(users[number])}"
        text += f"\n{'=' * 100}\n{wrapped(head)}\n{'=' * 100}\n\n{body}\n"
    return text


def mozilla(program):
    yield "The source code of these parts is available under the Mozilla Public License, version 2.0, at no charge:"
    for part in program.parts.values():
        others = licences.KNOWN_BY.keys() - licences.SOURCE_TO_BE_NAMED
        if not licences.satisfied(part.licence, others | {f"{name} WITH LLVM-exception" for name in others}):
            yield f"    {part.title}: {part.download} and {part.repository}"


def entry(part, notices):
    lines = [
        part.title + (" (macro)" if part.kind == "macro" else ""),
        f"    licence: {part.licence}",
        f"    source: {part.download or part.repository}",
    ]
    if part.download and part.repository:
        lines.append(f"    repository: {part.repository}")
    numbers = ", ".join(map(str, notices.of[part.key]))
    return "\n".join([*lines, f"    texts: {numbers}"])


def wrapped(text, width=100):
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return "\n".join(lines)


def cyclonedx(program):
    """https://cyclonedx.org/docs/1.6/json/: every part, with hash and licence, and which needs which."""
    root = component(program.root)
    everything = [program.root, *program.parts.values()]
    references = {part.key: part.purl for part in everything}
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": released().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lifecycles": [{"phase": "build"}],
            "authors": [{"name": name} for name in program.root.authors or ["The Portward authors"]],
            "component": {**root, "type": "application"},
        },
        "components": [component(part) for part in program.parts.values()],
        "dependencies": [
            {"ref": part.purl, **({"dependsOn": sorted(references[key] for key in part.needs)} if part.needs else {})}
            for part in everything
        ],
    }
    # The number stands for the content: the same content has the same number.
    content = hashlib.sha256(json.dumps(bom, sort_keys=True).encode()).hexdigest()
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'portward-sbom:{content}')}"
    return json.dumps(bom, indent=1, ensure_ascii=False) + "\n"


def released():
    """SOURCE_DATE_EPOCH, or the day of the newest entry of packaging/changelog: never the clock."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        return datetime.fromtimestamp(int(epoch), timezone.utc)
    signed = re.search(r"(?m)^ -- .*>  (.*)$", (ROOT / "packaging/changelog").read_text())[1]
    return parsedate_to_datetime(signed).astimezone(timezone.utc)


def component(part):
    simple = re.fullmatch(r"[\w.+-]+", part.licence)
    licence = {"license": {"id": part.licence}} if simple else {"expression": part.licence}
    made = {"type": "library", "bom-ref": part.purl, "name": part.name, "version": part.version, "purl": part.purl}
    if part.authors:
        made["authors"] = [{"name": name} for name in part.authors]
    if part.kind != "portward":
        # A macro's code ran on the building machine.
        made["scope"] = "excluded" if part.kind == "macro" else "required"
    if part.checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": part.checksum}]
    made["licenses"] = [licence]
    references = [("distribution", part.download), ("vcs", part.repository), ("website", part.homepage)]
    made["externalReferences"] = [{"type": kind, "url": url} for kind, url in references if url]
    return {key: value for key, value in made.items() if value}


def auditable(program):
    """The list that `cargo audit bin`, trivy and syft read from a program; the format of cargo-auditable."""
    crates = sorted([program.root, *program.crates], key=lambda part: part.key)
    index = {part.key: number for number, part in enumerate(crates)}
    listed = []
    for part in crates:
        one = {"name": part.name, "version": part.version, "source": "crates.io"}
        if part.kind == "portward":
            one.update(source="local", root=True)
        if part.kind == "macro":
            one["kind"] = "build"
        needs = sorted(index[key] for key in part.needs if key in index)
        if needs:
            one["dependencies"] = needs
        listed.append(one)
    return zlib.compress(json.dumps({"packages": listed}, separators=(",", ":")).encode(), 9)


def rpm_license(program):
    """Fedora's form: every expression once, joined by AND."""
    found = sorted({part.licence for part in program.parts.values()} - {program.root.licence})
    bracketed = [f"({licence})" if " OR " in licence else licence for licence in found]
    return " AND ".join([program.root.licence, *bracketed]) + "\n"
