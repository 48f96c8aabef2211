"""Holds a package's papers to its program: every crate that the program names is in them, and in the program's own list.

    python3 parts.py PROGRAM FOLDER VERSION    the folder has portward.cdx.json and THIRD-PARTY-LICENSES.txt
"""

import json
import re
import struct
import sys
import zlib
from pathlib import Path


def section(elf, wanted):
    """The bytes of a section of a 64-bit little-endian ELF file, as scanners find it: by its name."""
    table = struct.unpack_from("<Q", elf, 0x28)[0]
    size, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + number * size) for number in range(count)]
    strings = headers[names][4]
    for name, _, _, _, offset, length in headers:
        if elf[strings + name : elf.index(b"\0", strings + name)] == wanted:
            return elf[offset : offset + length]
    sys.exit(f"no section {wanted.decode()}")


program, folder, version = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), sys.argv[3]
bom = json.loads((folder / "portward.cdx.json").read_text())
parts = {(part["name"], part["version"]) for part in bom["components"]}
crates = {(part["name"], part["version"]) for part in bom["components"] if part["purl"].startswith("pkg:cargo/")}
packages = json.loads(zlib.decompress(section(program, b".dep-v0")))["packages"]
own = {(package["name"], package["version"]) for package in packages if package["source"] == "crates.io"}
compiled = {match[1].decode() for match in re.finditer(rb"/registry/src/[\w.-]+/([\w.+-]+)/", program)}
wrong = [f"in the program, and not in the SBOM: {name}" for name in compiled - {"-".join(crate) for crate in crates}]
if len(compiled) < 50:
    wrong.append(f"the program names {len(compiled)} crates only")
if own != crates:
    wrong.append(f"the program's own list differs from the SBOM: {sorted(own ^ crates)}")
if bom["metadata"]["component"]["version"] != version:
    wrong.append(f"the SBOM is of {bom['metadata']['component']['version']}, the package of {version}")
text = (folder / "THIRD-PARTY-LICENSES.txt").read_text()
wrong += [f"not in the licences: {name} {number}" for name, number in parts if f"\n{name} {number}" not in text]
for line in wrong:
    print(line)
sys.exit(bool(wrong))
