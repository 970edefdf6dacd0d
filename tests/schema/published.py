"""Schemas in the style of published ones, and documents that satisfy them, from a seed.

Each family draws which fields, bounds and compositions it has, so that no two schemas are alike;
what they are made of is what published schemas use: $defs and recursion, anyOf of a short and a long
form, oneOf told apart by a constant, patternProperties, if and then, dependentRequired, not. No
keyword is avoided because the compiler refuses it. A pattern carries `examples`, from which
documents take their strings.

    python tests/schema/published.py [COUNT]    prints them, a JSON object a line
"""

import json
import random
import re
import sys

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WORDS = ("name title label kind status owner source target region zone path host port image script "
         "version channel theme mode level size width height weight count limit offset total price "
         "currency amount rate score color shape unit email phone city street country code note "
         "comment summary author editor license branch commit digest token scope role group team "
         "project issue milestone release package module plugin rule action event trigger schedule "
         "timeout retries backoff priority weight threshold metric sensor reading patient visit "
         "dose route drug allergy diagnosis symptom procedure section finding plan history").split()
TEXTS = ("stable", "A short description.", "see the manual", "naïve café", "line one\nline two", "42",
         "https://example.org/", "Dr. Müller said “rest”", "x", "C:\\temp", "日本語のテキスト", "")
PATTERNS = (("^[a-z][a-z0-9-]*$", ("web", "build-2")), ("^v?\\d+\\.\\d+\\.\\d+$", ("1.2.3", "v10.0.1")),
            ("^[A-Z]{2,3}$", ("CHF", "DE")), ("^#[0-9a-fA-F]{6}$", ("#00ff7A",)),
            ("^[A-Za-z_][A-Za-z0-9_]*$", ("_id", "Name1")), ("\\S", ("word",)),
            ("^\\d{4}-\\d{2}$", ("2024-05",)), ("^[0-9a-f]{40}$", ("0123456789" * 4,)),
            ("^(?:[0-9]{1,3}\\.){3}[0-9]{1,3}(?:/[0-9]{1,2})?$", ("10.0.0.0/8",)),
            ("^\\+?[0-9 ()-]{6,20}$", ("+41 44 123 45 67",)), ("^\\$\\{\\{.*\\}\\}$", ("${{ x }}",)),
            ("^[A-Z]\\d{2}(\\.\\d{1,2})?$", ("J18.9", "I10")), ("^(?!-)[a-z-]+$", ("on-call",)))
FORMATS = {"date": "2024-02-29", "date-time": "2024-02-29T12:30:00Z", "time": "08:15:00+01:00",
           "email": "ada@example.org", "uri": "https://example.org/a?b=c#d", "ipv4": "192.168.0.1",
           "uuid": "123e4567-e89b-12d3-a456-426614174000", "duration": "P3DT4H",
           "hostname": "www.example.org", "uri-reference": "../a/b?c", "ipv6": "2001:db8::1"}
KEYS = ("build", "test_1", "x-data", "lint", "deploy-all", "A", "GET", "/users/{id}", "en-US", "200")


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, options):
        return self.rng.choice(options)

    def words(self, low, high):
        return self.rng.sample(sorted(set(WORDS)), self.rng.randint(low, high))

    def note(self, schema):
        if self.chance(0.5):
            schema["description"] = " ".join(self.words(3, 9)) + "."
        if self.chance(0.08):
            schema["title"] = self.pick(WORDS).title()
        if self.chance(0.03):
            schema["deprecated"] = True
        if self.chance(0.04):
            schema["$comment"] = "kept for older clients"
        return schema

    # ── Values ──

    def text(self):
        roll = self.rng.random()
        schema = {"type": "string"}
        if roll < 0.12:
            schema["format"] = self.pick(sorted(FORMATS))
        elif roll < 0.27:
            schema["pattern"], examples = self.pick(PATTERNS)
            schema["examples"] = list(examples)
        elif roll < 0.42:
            schema["minLength"] = self.rng.randint(0, 3)
            if self.chance(0.7):
                schema["maxLength"] = self.pick((10, 64, 100, 255, 2048))
        elif roll < 0.5:
            schema["default"] = self.pick(TEXTS)
        return schema

    def number(self):
        schema = {"type": self.pick(("integer", "integer", "number"))}
        if self.chance(0.5):
            schema["minimum"] = self.pick((0, 1, -90, -180, 0.5 if schema["type"] == "number" else 2))
        if self.chance(0.35):
            schema["maximum"] = self.pick((10, 90, 100, 180, 65535, 1000000))
        elif self.chance(0.1):
            schema["exclusiveMaximum"] = 1000
        if self.chance(0.06):
            schema["multipleOf"] = self.pick((1, 5, 10) if schema["type"] == "integer" else (0.5, 0.01))
        return schema

    def enum(self):
        values = self.words(2, 9)
        if self.chance(0.1):
            values.append(None)
        schema = {"enum": values}
        if self.chance(0.6):
            schema["type"] = ["string", "null"] if None in values else "string"
        return schema

    def array(self, depth):
        schema = {"type": "array", "items": self.value(depth - 1)}
        if self.chance(0.3):
            schema["minItems"] = self.rng.randint(0, 3)
        if self.chance(0.25):
            schema["maxItems"] = self.rng.randint(3, 20)
        if self.chance(0.06):
            schema["uniqueItems"] = True
        return schema

    def map(self, depth):
        schema = {"type": "object"}
        roll = self.rng.random()
        if roll < 0.5:
            schema["additionalProperties"] = self.value(depth - 1)
        else:
            schema["patternProperties"] = {
                self.pick(("^[a-zA-Z_][\\w-]*$", "^x-", "^[a-z]{2}(-[A-Z]{2})?$", "^/", "^.+$",
                           "^[1-5]([0-9]{2}|XX)$")): self.value(depth - 1)}
            if self.chance(0.7):
                schema["additionalProperties"] = False
        if self.chance(0.2):
            schema["propertyNames"] = self.pick(({"pattern": "^[A-Za-z]"}, {"maxLength": 63},
                                                 {"enum": list(KEYS)}, {"minLength": 1}))
        if self.chance(0.15):
            schema["minProperties"] = 1
        return schema

    def object(self, depth, low=2, high=8, names=None):
        names = names or self.words(low, high)
        schema = {"type": "object", "properties": {name: self.value(depth - 1) for name in names}}
        required = [name for name in names if self.chance(0.4)]
        if required:
            schema["required"] = required
        if self.chance(0.55):
            schema["additionalProperties"] = False
        self.compose(schema, names)
        return schema

    def compose(self, schema, names):
        """What ties the fields of an object together."""
        if len(names) < 2:
            return
        first, second = names[0], names[1]
        if self.chance(0.04):
            schema["dependentRequired"] = {first: [second]}
        if self.chance(0.03):
            schema["if"] = {"properties": {first: {"const": TEXTS[0]}}, "required": [first]}
            schema["then"] = {"required": [second]}
        if self.chance(0.03):
            schema["not"] = {"required": [first, second]}
        if self.chance(0.04):
            schema[self.pick(("anyOf", "oneOf"))] = [{"required": [first]}, {"required": [second]}]

    def value(self, depth):
        roll = self.rng.random()
        if depth <= 0 or roll < 0.55:
            return self.note(self.pick((self.text, self.text, self.text, self.number, self.enum,
                                        lambda: {"type": "boolean"}))())
        if roll < 0.7:
            return self.note(self.array(depth))
        if roll < 0.84:
            return self.note(self.object(depth, 1, 5))
        if roll < 0.9:
            return self.note(self.map(depth))
        if roll < 0.97:     # a short form and a long one
            one = self.text()
            other = self.pick((self.array, self.object, self.map))(depth)
            return self.note({self.pick(("anyOf", "oneOf")): [one, other]})
        return self.pick(({"type": ["string", "null"]}, {"type": ["integer", "string"]},
                          {"const": self.pick(WORDS)}, {"type": "null"}, {}, True))

    # ── Families ──

    def document(self, name, body, defs=None):
        schema = {"$schema": DIALECT} if self.chance(0.8) else {}
        if self.chance(0.6):
            schema["$id"] = f"https://example.org/{name.replace(' ', '-')}.schema.json"
        schema["title"] = name
        schema.update(body)
        if defs:
            schema["$defs"] = defs
        return schema

    def package(self):
        person = {"description": "A person", "type": ["object", "string"], "required": ["name"],
                  "properties": {"name": {"type": "string"}, "url": {"type": "string", "format": "uri"},
                                 "email": {"type": "string", "format": "email"}}}
        versions = {"type": "object", "additionalProperties": {"type": "string"}}
        strings = {"type": "array", "items": {"type": "string"}}
        fields = {
            "description": {"type": "string"}, "keywords": dict(strings),
            "homepage": {"type": "string", "format": "uri"},
            "bugs": {"type": ["object", "string"], "properties": {"url": {"type": "string", "format": "uri"}}},
            "license": {"anyOf": [{"type": "string"}, {"enum": ["MIT", "ISC", "Apache-2.0"]}]},
            "author": {"$ref": "#/$defs/person"}, "files": dict(strings),
            "contributors": {"type": "array", "items": {"$ref": "#/$defs/person"}},
            "main": {"type": "string"}, "bin": {"type": ["string", "object"],
                                                "additionalProperties": {"type": "string"}},
            "exports": {"$ref": "#/$defs/exports"}, "private": {"type": "boolean"},
            "type": {"enum": ["commonjs", "module"], "default": "commonjs"},
            "scripts": {"type": "object", "properties": {n: {"type": "string"} for n in self.words(2, 8)},
                        "additionalProperties": {"type": "string"}},
            "dependencies": {"$ref": "#/$defs/versions"}, "devDependencies": {"$ref": "#/$defs/versions"},
            "engines": versions, "os": dict(strings), "publishConfig": {"type": "object"},
            "repository": {"anyOf": [{"type": "object", "properties": {
                "type": {"type": "string"}, "url": {"type": "string"}}}, {"type": "string"}]},
            "workspaces": {"anyOf": [strings, {"type": "object", "properties": {"packages": strings}}]},
        }
        if self.chance(0.25):
            fields["keywords"]["uniqueItems"] = True
        kept = {k: v for k, v in fields.items() if self.chance(0.6)}
        exports = {"anyOf": [{"type": ["string", "null"]}, {
            "type": "object", "additionalProperties": {"$ref": "#/$defs/exports"}}]}
        kept = {"name": {"type": "string", "maxLength": 214, "minLength": 1,
                         "pattern": "^(?:(?:@(?:[a-z0-9-*~][a-z0-9-*._~]*)?/[a-z0-9-._~])|[a-z0-9-~])[a-z0-9-._~]*$",
                         "examples": ["left-pad", "@scope/name"]}, "version": {"type": "string"}, **kept}
        body = {"type": "object", "properties": kept, "required": ["name", "version"]}
        if self.chance(0.3):
            body["patternProperties"] = {"^_": {"description": "private"}}
        return self.document("package manifest", body, {
            "person": person, "versions": versions, "exports": exports})

    def api(self):
        """A component of an API, with its errors and pages."""
        entity = self.object(2, 4, 10)
        entity["properties"]["id"] = self.pick(({"type": "string", "format": "uuid"},
                                                {"type": "integer", "format": "int64", "minimum": 1}))
        entity["properties"]["created_at"] = {"type": "string", "format": "date-time", "readOnly": True}
        entity["required"] = sorted(set(entity.get("required", [])) | {"id"})
        defs = {"Entity": entity, "Error": {"type": "object", "required": ["code", "message"], "properties": {
            "code": {"type": "integer", "format": "int32"}, "message": {"type": "string"},
            "details": {"type": "array", "items": {"type": "object"}}}}}
        variants = self.words(2, 5)
        for variant in variants:
            shape = self.object(2, 1, 4)
            shape["properties"]["type"] = {"const": variant} if self.chance(0.7) else {"enum": [variant]}
            shape["required"] = sorted(set(shape.get("required", [])) | {"type"})
            defs[variant.title()] = shape
        shapes = [{"$ref": f"#/$defs/{v.title()}"} for v in variants]
        entity["properties"]["shape"] = {self.pick(("oneOf", "oneOf", "anyOf")): shapes}
        body = self.pick((
            {"$ref": "#/$defs/Entity"},
            {"type": "object", "required": ["items"], "properties": {
                "items": {"type": "array", "items": {"$ref": "#/$defs/Entity"}, "maxItems": 100},
                "next": {"type": ["string", "null"]}, "total": {"type": "integer", "minimum": 0}}},
            {"oneOf": [{"type": "object", "required": ["data"], "additionalProperties": False,
                        "properties": {"data": {"$ref": "#/$defs/Entity"}}},
                       {"type": "object", "required": ["error"], "additionalProperties": False,
                        "properties": {"error": {"$ref": "#/$defs/Error"}}}]},
            {"allOf": [{"$ref": "#/$defs/Error"}, {"type": "object", "properties": {
                "trace": {"type": "string"}}, "required": ["trace"]}]}))
        return self.document("API component", body, defs)

    def fhir(self):
        kind = self.pick(("Observation", "Patient", "MedicationRequest", "Condition", "Encounter"))
        ref = lambda name: {"$ref": f"#/$defs/{name}"}
        many = lambda name: {"type": "array", "items": ref(name)}
        defs = {
            "id": {"type": "string", "pattern": "^[A-Za-z0-9\\-\\.]{1,64}$", "examples": ["a1"]},
            "code": {"type": "string", "pattern": "^[^\\s]+(\\s[^\\s]+)*$", "examples": ["final"]},
            "dateTime": {"type": "string", "examples": ["2024-02-29"], "pattern":
                         "^([0-9]{4})(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1]))?)?$"},
            "Extension": {"type": "object", "properties": {
                "url": {"type": "string"}, "valueString": {"type": "string"}, "valueBoolean": {"type": "boolean"},
                "extension": many("Extension")}, "required": ["url"], "additionalProperties": False},
            "Coding": {"type": "object", "properties": {
                "system": {"type": "string"}, "code": ref("code"), "display": {"type": "string"},
                "userSelected": {"type": "boolean"}, "extension": many("Extension")}, "additionalProperties": False},
            "CodeableConcept": {"type": "object", "properties": {
                "coding": many("Coding"), "text": {"type": "string"}}, "additionalProperties": False},
            "Period": {"type": "object", "properties": {"start": ref("dateTime"), "end": ref("dateTime")},
                       "additionalProperties": False},
            "Reference": {"type": "object", "properties": {
                "reference": {"type": "string"}, "type": {"type": "string"}, "identifier": ref("Identifier"),
                "display": {"type": "string"}}, "additionalProperties": False},
            "Identifier": {"type": "object", "properties": {
                "use": {"enum": ["usual", "official", "temp", "secondary", "old"]}, "type": ref("CodeableConcept"),
                "value": {"type": "string"}, "period": ref("Period"), "assigner": ref("Reference")},
                "additionalProperties": False},
            "Quantity": {"type": "object", "properties": {
                "value": {"type": "number"}, "comparator": {"enum": ["<", "<=", ">=", ">"]},
                "unit": {"type": "string"}, "code": ref("code")}, "additionalProperties": False},
        }
        fields = {"id": ref("id"), "identifier": many("Identifier"), "status": {
            "enum": ["registered", "preliminary", "final", "amended"]}, "code": ref("CodeableConcept"),
            "subject": ref("Reference"), "effectivePeriod": ref("Period"), "valueQuantity": ref("Quantity"),
            "valueString": {"type": "string"}, "extension": many("Extension"), "language": ref("code"),
            "note": {"type": "array", "items": self.object(1, 1, 3)}, "gender": {"enum": ["male", "female", "other"]},
            "birthDate": ref("dateTime"), "active": {"type": "boolean"}, "performer": many("Reference")}
        kept = {k: v for k, v in fields.items() if self.chance(0.65)}
        body = {"type": "object", "properties": {"resourceType": {"const": kind}, **kept},
                "required": ["resourceType"], "additionalProperties": False}
        if self.chance(0.3):
            defs["Resource"] = {**body, "properties": {**body["properties"], "contained": {
                "type": "array", "items": {"$ref": "#/$defs/Resource"}}}}
            body = {"oneOf": [{"$ref": "#/$defs/Resource"}, {
                "type": "object", "required": ["resourceType"], "additionalProperties": False,
                "properties": {"resourceType": {"const": "Bundle"}, "entry": many("Resource")}}]}
        return self.document(kind, body, defs)

    def workflow(self):
        names = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        events = self.words(4, 12)
        filters = {"type": "object", "properties": {
            "branches": names, "branches-ignore": names, "paths": names}, "additionalProperties": False}
        if self.chance(0.3):
            filters["not"] = {"required": ["branches", "branches-ignore"]}
        step = {"type": "object", "additionalProperties": False, "properties": {
            "id": {"type": "string"}, "name": {"type": "string"}, "if": {"type": ["boolean", "number", "string"]},
            "uses": {"type": "string"}, "run": {"type": "string"}, "with": {"$ref": "#/$defs/env"},
            "env": {"$ref": "#/$defs/env"}, "timeout-minutes": {"anyOf": [{"type": "number"}, {
                "$ref": "#/$defs/expression"}]}, "continue-on-error": {"type": "boolean"}}}
        step[self.pick(("anyOf", "oneOf"))] = [{"required": ["uses"]}, {"required": ["run"]}]
        job = {"type": "object", "required": ["runs-on"], "additionalProperties": False, "properties": {
            "runs-on": {"anyOf": [{"type": "string"}, names]}, "needs": {"anyOf": [{"$ref": "#/$defs/name"}, names]},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1},
            "env": {"$ref": "#/$defs/env"}, "strategy": {"type": "object", "required": ["matrix"], "properties": {
                "matrix": {"anyOf": [{"type": "object", "additionalProperties": {"type": "array"}},
                                     {"$ref": "#/$defs/expression"}]}, "fail-fast": {"type": "boolean"}}}}}
        reuse = {"type": "object", "required": ["uses"], "additionalProperties": False, "properties": {
            "uses": {"type": "string", "pattern": "^(.+\\/)+(.+)\\.(ya?ml)(@.+)?$", "examples": ["./a/b.yml"]},
            "secrets": {"oneOf": [{"$ref": "#/$defs/env"}, {"type": "string", "enum": ["inherit"]}]}}}
        triggers = {"oneOf": [{"enum": events}, {"type": "array", "items": {"enum": events}, "minItems": 1},
                              {"type": "object", "additionalProperties": False, "properties": {
                                  e: {"$ref": "#/$defs/filters"} if self.chance(0.5) else {"type": "null"}
                                  for e in events}}]}
        if self.chance(0.3):
            triggers["oneOf"][1]["uniqueItems"] = True
        body = {"type": "object", "required": ["on", "jobs"], "additionalProperties": False, "properties": {
            "name": {"type": "string"}, "on": triggers, "env": {"$ref": "#/$defs/env"},
            "concurrency": {"oneOf": [{"type": "string"}, self.object(1, 1, 3)]},
            "jobs": {"type": "object", "minProperties": 1, "additionalProperties": False, "patternProperties": {
                "^[_a-zA-Z][a-zA-Z0-9_-]*$": {"oneOf": [{"$ref": "#/$defs/job"}, {"$ref": "#/$defs/reuse"}]}}}}}
        env = {"anyOf": [{"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
                         {"$ref": "#/$defs/expression"}]}
        if self.chance(0.5):
            env = env["anyOf"][0]
        return self.document("workflow", body, {
            "step": step, "job": job, "reuse": reuse, "filters": filters, "env": env,
            "name": {"type": "string", "pattern": "^[_a-zA-Z][a-zA-Z0-9_-]*$", "examples": ["build"]},
            "expression": {"type": "string", "pattern": "^\\$\\{\\{(.|[\r\n])*\\}\\}$", "examples": ["${{ a }}"]}})

    def linked(self):
        value = {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, {"$ref": "#/$defs/node"},
                           {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/node"}]}}]}
        node = {"type": "object", "properties": {
            "@id": {"type": "string", "format": self.pick(("uri", "uri-reference"))},
            "@type": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}},
            "patternProperties": {"^[^@]": {"$ref": "#/$defs/value"}}, "additionalProperties": False}
        names = self.words(2, 6)
        body = {"type": "object", "required": ["@context", "@type"], "properties": {
            "@context": {"anyOf": [{"const": "https://schema.org"}, {"type": "array", "items": {
                "anyOf": [{"type": "string", "format": "uri"}, {"type": "object"}]}}]},
            "@type": {"enum": ["Person", "Place", "Event", "Product"]},
            **{n: {"$ref": "#/$defs/value"} for n in names}}}
        if self.chance(0.3):
            body["additionalProperties"] = {"$ref": "#/$defs/value"}
        return self.document("linked data", body, {"node": node, "value": value})

    def tools(self):
        calls = []
        for name in self.words(1, 6):
            arguments = self.object(self.pick((1, 1, 2)), 1, 6)
            arguments["additionalProperties"] = False
            calls.append({"type": "object", "description": f"Calls {name}.", "properties": {
                "name": {"const": name}, "arguments": arguments}, "required": ["name", "arguments"],
                "additionalProperties": False})
        one = calls[0] if len(calls) == 1 else {self.pick(("anyOf", "oneOf")): calls}
        if self.chance(0.4):
            one = {"type": "array", "items": one, "minItems": 1, "maxItems": 4}
        return self.document("tool call", one)

    def geojson(self):
        position = {"type": "array", "minItems": 2, "items": {"type": "number"}}
        if self.chance(0.5):
            position["maxItems"] = 3
        levels = [position]
        for low in (2, 4, 1):
            levels.append({"type": "array", "items": levels[-1], "minItems": low})
        shapes = {"Point": levels[0], "LineString": levels[1], "Polygon": {"type": "array", "items": levels[2]},
                  "MultiPoint": {"type": "array", "items": levels[0]}}
        kept = {k: v for k, v in shapes.items() if k == "Point" or self.chance(0.7)}
        box = {"type": "array", "minItems": 4, "items": {"type": "number"}}
        geometries = [{"title": k, "type": "object", "required": ["type", "coordinates"], "properties": {
            "type": {"type": "string", "enum": [k]}, "coordinates": v, "bbox": box}} for k, v in kept.items()]
        feature = {"type": "object", "required": ["type", "properties", "geometry"], "properties": {
            "type": {"type": "string", "enum": ["Feature"]}, "id": {"oneOf": [{"type": "number"}, {"type": "string"}]},
            "properties": {"oneOf": [{"type": "null"}, {"type": "object"}]},
            "geometry": {"oneOf": [{"type": "null"}, *geometries]}, "bbox": box}}
        body = self.pick((feature, {"oneOf": geometries} if len(geometries) > 1 else geometries[0], {
            "type": "object", "required": ["type", "features"], "properties": {
                "type": {"enum": ["FeatureCollection"]}, "features": {"type": "array", "items": feature}}}))
        return self.document("GeoJSON", body)

    def configuration(self):
        severity = {"anyOf": [{"enum": [0, 1, 2]}, {"enum": ["off", "warn", "error"]}]}
        rules = {n: {"anyOf": [{"$ref": "#/$defs/severity"}, {
            "type": "array", "prefixItems": [{"$ref": "#/$defs/severity"}], "items": self.value(1),
            "minItems": 1}]} for n in self.words(3, 14)}
        body = {"type": "object", "properties": {
            "extends": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "rules": {"type": "object", "properties": rules, "additionalProperties": {"$ref": "#/$defs/severity"}},
            "target": {"anyOf": [{"enum": ["es5", "es2020", "esnext"]}, {
                "pattern": "^([Ee][Ss]([356]|(20(1[56789]|2[012]))|[Nn][Ee][Xx][Tt]))$", "type": "string",
                "examples": ["ES2020"]}]}, **self.object(2, 2, 10)["properties"]}}
        if self.chance(0.4):
            body["additionalProperties"] = False
            body["patternProperties"] = {"^x-": {}}
        self.compose(body, list(body["properties"])[3:])
        return self.document("configuration", body, {"severity": severity})

    def service(self):
        """Containers that need one another, with short and long forms."""
        unit = self.object(2, 4, 12)
        unit["properties"].update({
            "ports": {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}, self.object(1, 1, 4)]}},
            "environment": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {
                "type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}]}})
        if self.chance(0.25):
            unit["properties"]["ports"]["uniqueItems"] = True
        named = {"type": "object", "additionalProperties": False,
                 "patternProperties": {"^[a-zA-Z0-9._-]+$": {"$ref": "#/$defs/unit"}}}
        body = {"type": "object", "properties": {
            "version": {"type": "string"}, "name": {"type": "string"}, "services": named,
            "volumes": self.map(2)}, "patternProperties": {"^x-": {}}, "additionalProperties": False}
        return self.document("services", body, {"unit": unit})

    def record(self):
        """A form, an event, a row."""
        return self.document(" ".join(self.words(1, 2)), self.object(3, 3, 12))

    def tree(self):
        """Comments below comments, folders, expressions."""
        names = self.words(1, 4)
        node = self.object(1, names=[*names])
        node["properties"]["children"] = {"type": "array", "items": {"$ref": "#/$defs/node"}}
        if self.chance(0.5):
            node["properties"]["parent"] = {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}
        if self.chance(0.3):
            node["properties"]["children"]["maxItems"] = 2
        root = {"$ref": "#/$defs/node"} if self.chance(0.6) else {
            "type": "object", "properties": {"root": {"$ref": "#/$defs/node"}}, "required": ["root"]}
        return self.document("tree", root, {"node": node})

    FAMILIES = (package, api, fhir, workflow, linked, tools, geojson, configuration, service, record,
                tools, api, record, tree)


# ── Documents ──

class Sampler:
    """A document for a schema, right in most cases: the caller validates it."""

    def __init__(self, root, seed):
        self.root, self.rng = root, random.Random(seed)

    def of(self, schema, depth=0):
        if not isinstance(schema, dict):
            return self.rng.choice(TEXTS)
        if "$ref" in schema:
            schema = self.resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.rng.choice(schema["enum"])
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches and "properties" not in schema:
            return self.of(branches[0] if depth > 8 else self.rng.choice(branches), depth + 1)
        if "allOf" in schema:
            parts = [self.of(part, depth + 1) for part in schema["allOf"]]
            return {k: v for part in parts if isinstance(part, dict) for k, v in part.items()}
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = self.rng.choice(kind) if isinstance(kind, list) else kind
        return getattr(self, kind)(schema, depth)

    def resolve(self, schema):
        found = self.root
        for part in schema["$ref"].removeprefix("#").split("/")[1:]:
            found = found[part]
        return found

    def null(self, _schema, _depth):
        return None

    def boolean(self, _schema, _depth):
        return self.rng.random() < 0.5

    def integer(self, schema, _depth):
        low = schema.get("minimum", 0)
        step = schema.get("multipleOf", 1)
        return min(-(-low // step) * step + step * self.rng.randint(0, 40), schema.get("maximum", 1 << 40))

    def number(self, schema, depth):
        value = self.integer({**schema, "multipleOf": schema.get("multipleOf", 0.5)}, depth)
        return round(value, 3)

    def string(self, schema, _depth):
        if "examples" in schema:
            return self.rng.choice(schema["examples"])
        if "format" in schema:
            return FORMATS[schema["format"]]
        text = self.rng.choice(TEXTS)
        while len(text) < schema.get("minLength", 0):
            text += "abc"
        return text[:schema.get("maxLength", 1 << 20)]

    def array(self, schema, depth):
        low = schema.get("minItems", 0)
        count = low if depth > 6 else min(low + self.rng.randint(0, 3), schema.get("maxItems", 99))
        prefix = schema.get("prefixItems", [])
        return [self.of(prefix[i] if i < len(prefix) else schema.get("items", True), depth + 1)
                for i in range(count)]

    def object(self, schema, depth):
        made = {}
        required = set(schema.get("required", []))
        for branch in schema.get("oneOf", schema.get("anyOf", []))[:1]:
            required |= set(branch.get("required", []))
        for name, value in schema.get("properties", {}).items():
            if name in required or (depth < 7 and self.rng.random() < 0.4):
                made[name] = self.of(value, depth + 1)
        others = list(schema.get("patternProperties", {}).items())
        if isinstance(schema.get("additionalProperties"), dict):
            others.append(("", schema["additionalProperties"]))
        for pattern, value in others if depth < 7 or schema.get("minProperties") else []:
            for key in self.rng.sample(KEYS, 2):
                if re.search(pattern, key):
                    made[key] = self.of(value, depth + 1)
        return made


def published(count, seed=7):
    """(name, schema) `count` times."""
    for i in range(count):
        maker = Maker(seed * 1000003 + i)
        family = Maker.FAMILIES[i % len(Maker.FAMILIES)]
        yield f"{family.__name__} {i}", family(maker)


def documents(schema, count, seed=1):
    """At most `count` documents that `jsonschema` finds valid, without a text twice in an object."""
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema)
    found = []
    for attempt in range(count * 8):
        try:
            value = Sampler(schema, seed * 977 + attempt).of(schema)
        except (RecursionError, KeyError, IndexError):
            continue
        if len(found) < count and value not in found and validator.is_valid(value):
            found.append(value)
    return found


if __name__ == "__main__":
    for name, schema in published(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        print(json.dumps({"name": name, "schema": schema}, ensure_ascii=False))
