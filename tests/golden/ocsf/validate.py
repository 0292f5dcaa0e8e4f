#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares records with the closed JSON schema that their rows generate.

  validate.py SCHEMA PROGRAM...   runs test programs; every record that they write is checked
  validate.py SCHEMA FILE.json... checks files, one record a line

Understands the part of JSON Schema 2020-12 that safeguard-ocsf-schema uses, and refuses a schema that
uses more. Says TAP.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

KNOWN = {"$schema", "title", "$defs", "$ref", "oneOf", "allOf", "type", "properties", "required",
         "additionalProperties", "items", "enum", "const", "pattern", "minimum"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


class Schema:
    def __init__(self, root):
        self.root = root
        self.refuse_unknown(root)

    def refuse_unknown(self, schema):
        unknown = set(schema) - KNOWN
        if unknown:
            raise ValueError(f"the schema uses {sorted(unknown)}")
        nested = [*schema.get("$defs", {}).values(), *schema.get("properties", {}).values(),
                  *schema.get("oneOf", []), *schema.get("allOf", [])]
        if "items" in schema:
            nested.append(schema["items"])
        for one in nested:
            self.refuse_unknown(one)

    def problems(self, value, schema=None, path="$"):
        """All that is wrong with a value, as a list of sentences."""
        schema = self.root if schema is None else schema
        if "$ref" in schema:
            schema = self.root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        found = self.plain(value, schema, path)
        for one in schema.get("allOf", []):
            found += self.problems(value, one, path)
        if "oneOf" in schema:
            each = [self.problems(value, one, path) for one in schema["oneOf"]]
            if sum(not p for p in each) != 1:
                found.append(f"{path} is not one of them: {min(each, key=len)}")
        if isinstance(value, dict):
            found += self.members(value, schema, path)
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                found += self.problems(item, schema["items"], f"{path}[{i}]")
        return found

    @staticmethod
    def plain(value, schema, path):
        found = []
        kind = schema.get("type")
        # For Python, true is an integer.
        if kind and (not isinstance(value, TYPES[kind])
                     or (kind == "integer" and isinstance(value, bool))):
            return [f"{path} is no {kind}"]
        if "const" in schema and value != schema["const"]:
            found.append(f"{path} is not {schema['const']}")
        if "enum" in schema and (value not in schema["enum"] or isinstance(value, bool)):
            found.append(f"{path} is {value}, none of {schema['enum']}")
        if "minimum" in schema and value < schema["minimum"]:
            found.append(f"{path} is below {schema['minimum']}")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{path} is {value!r}, not {schema['pattern']}")
        return found

    def members(self, value, schema, path):
        known = schema.get("properties", {})
        found = [f"{path} has no {key}" for key in schema.get("required", []) if key not in value]
        for key, member in value.items():
            if key in known:
                found += self.problems(member, known[key], f"{path}.{key}")
            elif not schema.get("additionalProperties", True):
                found.append(f"{path} has {key}")
        return found


def no_doubles(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key twice: {sorted(k for k in keys if keys.count(k) > 1)}")
    return dict(pairs)


def record_problems(schema, line):
    try:
        record = json.loads(line.decode("utf-8"), object_pairs_hook=no_doubles)
    except ValueError as e:
        return [f"no JSON: {e}"]
    found = schema.problems(record)
    if not found and record["type_uid"] != record["class_uid"] * 100 + record["activity_id"]:
        found.append("type_uid does not fit class_uid and activity_id")
    return found


def lines_of_program(program):
    """Runs a test and gives back every record that it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        records = os.path.join(folder, "records")
        done = subprocess.run([program], env={**os.environ, "SAFEGUARD_RECORDS": records},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise RuntimeError(done.stdout.decode(errors="replace"))
        with open(records, "rb") as f:
            return f.read().splitlines()


def lines_of(source):
    if source.endswith(".json"):
        with open(source, "rb") as f:
            return f.read().splitlines()
    return lines_of_program(source)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = Schema(json.load(f))
    sources = sys.argv[2:]
    print(f"1..{len(sources)}")
    bad = 0
    for number, source in enumerate(sources, 1):
        lines = lines_of(source)
        wrong = [(line, p) for line in lines if (p := record_problems(schema, line))]
        ok = lines and not wrong
        bad += not ok
        print(f"{'ok' if ok else 'not ok'} {number} - {os.path.basename(source)}:"
              f" {len(lines)} records")
        for line, problems in wrong[:5]:
            print(f"# {problems}\n# {line[:400]!r}")
    return 1 if bad or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
