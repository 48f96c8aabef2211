"""Holds an SBOM to the official JSON schema of CycloneDX, and its graph to its list.

    schema.py FILE    the schemas are those that the package cyclonedx-python-lib brings with it
"""

import importlib.util
import json
import sys
from pathlib import Path

import jsonschema_rs

bom = json.loads(Path(sys.argv[1]).read_text())
folder = Path(importlib.util.find_spec("cyclonedx").submodule_search_locations[0]) / "schema/_res"


def schema(name):
    return json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())


schemas = {
    name: schema(name) for name in (f"bom-{bom['specVersion']}", "spdx", "jsf-0.82", "cryptography-defs")
}


def retrieve(uri):
    return schemas[uri.rsplit("/", 1)[1].removesuffix(".schema.json").removesuffix(".SNAPSHOT")]


validator = jsonschema_rs.Draft7Validator(
    schemas[f"bom-{bom['specVersion']}"], retriever=retrieve, validate_formats=True
)
wrong = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(bom)]

# What the schema cannot say.
references = [part["bom-ref"] for part in [bom["metadata"]["component"], *bom["components"]]]
if len(set(references)) != len(references):
    wrong.append("a bom-ref is there twice")
graph = {edge["ref"]: edge.get("dependsOn", []) for edge in bom["dependencies"]}
if sorted(graph) != sorted(references):
    wrong.append("not every component is in the graph once")
reached, waiting = set(), [references[0]]
while waiting:
    reference = waiting.pop()
    if reference not in reached:
        reached.add(reference)
        waiting.extend(graph.get(reference, []))
if reached != set(references):
    wrong.append(f"the program does not lead to {sorted(set(references) ^ reached)}")

for line in wrong:
    print(line)
sys.exit(bool(wrong))
