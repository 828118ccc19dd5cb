"""schemas.py FROM CRDS… TO: JSON schemas as kubeconform reads them.

FROM holds those of Kubernetes as kubernetes-validate brings them, which name each other by addresses; CRDS are
definitions of an operator's own kinds.
"""

import json
import pathlib
import sys

import yaml

source, *definitions, to = map(pathlib.Path, sys.argv[1:])
to.mkdir(parents=True)
for file in source.glob("*.json"):
    schema = json.loads(file.read_text().replace('"/api/_definitions.json#', '"_definitions.json#'))
    schema.pop("$id", None)
    (to / file.name).write_text(json.dumps(schema))


def strict(schema):
    """An object has no keys beside those that are named."""
    if isinstance(schema, dict):
        if "properties" in schema and "x-kubernetes-preserve-unknown-fields" not in schema:
            schema.setdefault("additionalProperties", False)
        for inner in schema.values():
            strict(inner)
    elif isinstance(schema, list):
        for inner in schema:
            strict(inner)


for file in definitions:
    spec = yaml.safe_load(file.read_text())["spec"]
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        strict(schema["properties"].get("spec"))
        schema["additionalProperties"] = False
        name = "-".join([spec["names"]["kind"].lower(), spec["group"].split(".")[0], version["name"]])
        (to / f"{name}.json").write_text(json.dumps(schema))
