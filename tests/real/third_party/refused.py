"""A crate that may not be passed on as it is stops the script that writes the licences, which names the crate."""

import sys
import tempfile
import tomllib
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, "packaging/third-party")

import licences  # noqa: E402
import tree  # noqa: E402

MIT = "Permission is hereby granted … The above copyright notice and this permission notice shall be included …"


def crate(folder, name, licence, text=None):
    place = Path(folder) / name
    place.mkdir(exist_ok=True)
    if text:
        (place / "LICENSE").write_text(text)
    return tree.Part(name, "1.0.0", licence, f"pkg:cargo/{name}@1.0.0", place)


def refusal(*parts):
    program = tree.Program(tree.Part("portward", "0", "", "", Path()), {part.key: part for part in parts}, Path())
    try:
        licences.Notices(program)
    except tree.Unfit as error:
        return str(error)
    return ""


with tempfile.TemporaryDirectory() as folder:
    licences.TEXTS = Path(folder) / "texts"
    licences.TEXTS.mkdir()
    good = crate(folder, "good", "MIT", MIT)
    assert refusal(good) == "", refusal(good)
    for part, said in [
        (crate(folder, "bare", "MIT"), "no text of MIT"),
        (crate(folder, "pointer", "MIT", "Licensed under MIT."), "no text of MIT"),
        (crate(folder, "other", "Apache-2.0", MIT), "no text of Apache-2.0"),
        (crate(folder, "half", "Apache-2.0 AND MIT", MIT), "no text of Apache-2.0 AND MIT"),
        (crate(folder, "viral", "GPL-3.0-only", MIT), "not allowed"),
        (crate(folder, "both", "MIT AND GPL-3.0-only", MIT), "not allowed"),
        (crate(folder, "exception", "Apache-2.0 WITH Other-exception", MIT), "not allowed"),
        (crate(folder, "nothing", "", MIT), "SPDX"),
        (crate(folder, "words", "MIT or so", MIT), "SPDX"),
        (crate(folder, "open", "(MIT", MIT), "SPDX"),
    ]:
        message = refusal(good, part)
        assert said in message, f"{part.name}: {message!r}"
        assert part.name in message, message
    choice = crate(folder, "choice", "MIT OR GPL-3.0-only", MIT)
    assert refusal(choice) == "", refusal(choice)

    # A text of its repository mends it, and a folder that nothing needs is told.
    (licences.TEXTS / "bare").mkdir()
    assert "not needed" in refusal(good)
    (licences.TEXTS / "bare" / "LICENSE").write_text(MIT)
    assert refusal(crate(folder, "bare", "MIT")) == ""

# There is one list of allowed licences, and it is read as cargo-deny reads it.
table = tomllib.loads(Path("deny.toml").read_text())["licenses"]
to_all, to_one = licences.allowed()
assert to_all == set(table["allow"]) != set(), to_all
assert to_one == {entry["crate"]: set(entry["allow"]) for entry in table["exceptions"]}, to_one
