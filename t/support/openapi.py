"""docs/openapi.yaml for tests; t/support/Hashmill/OpenApi.pm is how a test in Perl uses it.

openapi.py outline   prints as JSON which calls there are, with their query parameters and problems
openapi.py lint      says what is wrong with the file itself, its examples too; a line each
openapi.py answers   reads a line of JSON for each answer of a server: name, method, path, status, headers, body; says
                     what is not as the file has it, a line each
"""
import copy
import json
import pathlib
import re
import sys

import yaml
from jsonschema import Draft202012Validator, RefResolver
from jsonschema.exceptions import SchemaError

FILE = pathlib.Path(__file__).parents[2] / "docs/openapi.yaml"
METHODS = ("get", "put", "post", "delete")
URN = "urn:hashmill:problem:"
# The header fields of answers that the file names where they can be.
FIELDS = ("location", "link", "retry-after", "ratelimit", "ratelimit-policy", "www-authenticate", "allow", "accept-encoding")
# What each object of OpenAPI 3.1 may have here, besides x- and what is optional and not used.
MEMBERS = {
    "root": {"openapi", "info", "servers", "security", "tags", "paths", "components"},
    "operation": {"operationId", "tags", "summary", "description", "security", "parameters", "requestBody", "responses"},
    "parameter": {"name", "in", "required", "schema", "description"},
    "header": {"required", "schema", "description"},
    "response": {"description", "headers", "content"},
    "requestBody": {"description", "required", "content"},
    "media": {"schema", "example", "examples"},
    "components": {"securitySchemes", "parameters", "headers", "schemas", "responses"},
}


class Loader(yaml.SafeLoader):
    """A loader that refuses a key that is there twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def strict(schema):
    """A copy in which no object has other members than those that are named: one that is new must come into the file."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(part) for name, part in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        closed["additionalProperties"] = False
    return closed


class Api:
    def __init__(self):
        self.whole = yaml.load(FILE.read_text(), Loader)
        self.closed = copy.deepcopy(self.whole)
        for part in ("paths", "components"):
            self.closed[part] = strict(self.whole[part])
        self.resolver = RefResolver("", self.closed)
        self.wrong = []

    def say(self, where, what):
        self.wrong.append(f"{where}: {what}")

    def get(self, thing):
        """What a reference means, or the thing itself."""
        return self.resolver.resolve(thing["$ref"])[1] if "$ref" in thing else thing

    def calls(self):
        for path, item in self.closed["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method], [self.get(p) for p in item.get("parameters", []) + item[method].get("parameters", [])]

    # --- what Perl is told ---

    def problems(self, responses):
        named = {}
        for status, response in responses.items():
            for media in self.get(response).get("content", {}).values():
                types = media["schema"].get("properties", {}).get("type", {}).get("enum", [])
                if types:
                    named[status] = [name.removeprefix(URN) for name in types]
        return named

    def outline(self):
        calls = {}
        for path, method, call, parameters in self.calls():
            calls[f"{method.upper()} {path}"] = {
                "query": {p["name"]: {**self.get(p["schema"]), "required": p.get("required", False)} for p in parameters if p["in"] == "query"},
                "problems": self.problems(call["responses"]),
            }
        types = self.whole["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
        return {"version": self.whole["info"]["version"], "calls": calls, "types": [name.removeprefix(URN) for name in types],
                "other": self.problems(self.whole["x-other-requests"]["responses"])}

    # --- values ---

    def check_value(self, where, schema, value):
        for error in Draft202012Validator(schema, resolver=self.resolver).iter_errors(value):
            self.say(where, f"{error.json_path}: {error.message[:300]}")

    def check_text(self, where, kind, media, text):
        """The body of a request or an answer."""
        try:
            if "x-line" in media:
                for line in text.splitlines():
                    self.check_value(where, media["x-line"], json.loads(line))
            is_json = kind.endswith("json") and "x-line" not in media
            self.check_value(where, media["schema"], json.loads(text) if is_json else text)
        except json.JSONDecodeError as error:
            self.say(where, f"no JSON: {error}")

    def check_example(self, where, kind, media):
        examples = [media["example"]] if "example" in media else []
        examples += [example["value"] for example in media.get("examples", {}).values()]
        for example in examples:
            self.check_text(where, kind, media, json.dumps(example) if kind.endswith("json") and "x-line" not in media else example)

    # --- the file itself ---

    def check_members(self, where, kind, thing):
        for name in thing:
            if name not in MEMBERS[kind] and not name.startswith("x-"):
                self.say(where, f"{name} is no member of a {kind}")

    def check_schema(self, where, schema):
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            self.say(where, error.message)

    def check_content(self, where, content):
        for kind, media in content.items():
            self.check_members(f"{where} {kind}", "media", media)
            self.check_schema(f"{where} {kind}", media["schema"])
            self.check_example(f"{where} {kind}", kind, media)

    def check_response(self, where, response):
        self.check_members(where, "response", response)
        if not response.get("description"):
            self.say(where, "no description")
        for name, header in response.get("headers", {}).items():
            self.check_members(f"{where} {name}", "header", self.get(header))
            self.check_schema(f"{where} {name}", self.get(header)["schema"])
        self.check_content(where, response.get("content", {}))

    def check_parameter(self, where, parameter):
        self.check_members(where, "parameter", parameter)
        self.check_schema(where, parameter["schema"])
        if parameter["in"] not in ("query", "header", "path"):
            self.say(where, f"in {parameter['in']}")

    def check_call(self, where, path, call, parameters):
        self.check_members(where, "operation", call)
        for parameter in parameters:
            self.check_parameter(f"{where} {parameter['name']}", parameter)
        in_path = {p["name"] for p in parameters if p["in"] == "path" and p.get("required")}
        if in_path != set(re.findall(r"\{(\w+)\}", path)):
            self.say(where, "the parameters of the path are not those of its template")
        if "requestBody" in call:
            self.check_members(where, "requestBody", call["requestBody"])
            self.check_content(where, call["requestBody"]["content"])
        for status, response in call["responses"].items():
            if not re.fullmatch("[2-5][0-9][0-9]", str(status)) or not isinstance(status, str):
                self.say(where, f"{status} must be a status in quotes")
            self.check_response(f"{where} {status}", self.get(response))

    def references(self, thing):
        if isinstance(thing, dict):
            if "$ref" in thing:
                yield thing["$ref"]
            for part in thing.values():
                yield from self.references(part)
        elif isinstance(thing, list):
            for part in thing:
                yield from self.references(part)

    def lint(self):
        used = set(self.references(self.whole))
        for reference in used:
            self.get({"$ref": reference})
        self.check_members("the file", "root", self.whole)
        self.check_members("components", "components", self.whole["components"])
        if not re.fullmatch(r"3\.1\.\d+", self.whole["openapi"]):
            self.say("openapi", "is not 3.1")
        for kind, parts in self.whole["components"].items():
            for name in parts:
                if kind != "securitySchemes" and f"#/components/{kind}/{name}" not in used:
                    self.say(name, "nothing refers to it")
        for name, schema in self.whole["components"]["schemas"].items():
            self.check_schema(name, schema)
        names = [call.get("operationId") for _, _, call, _ in self.calls()]
        if len(set(names)) != len(names) or None in names:
            self.say("operationId", "each call must have its own")
        for path, method, call, parameters in self.calls():
            self.check_call(f"{method} {path}", path, call, parameters)
        for status, response in self.whole["x-other-requests"]["responses"].items():
            self.check_response(f"other {status}", self.get(response))

    # --- what a server answers ---

    def responses_of(self, method, path):
        path = re.sub(r"^/items/[^/]+$", "/items/{id}", path.split("?")[0])
        call = self.closed["paths"].get(path, {}).get("get" if method == "HEAD" else method.lower())
        return (call or self.closed["x-other-requests"])["responses"]

    def check_headers(self, where, declared, found):
        declared = {name.lower(): self.get(header) for name, header in declared.items()}
        for name in FIELDS:
            value = found.get(name)
            if name not in declared:
                if value is not None:
                    self.say(where, f"the header field {name} is not in the file")
            elif value is not None:
                schema = declared[name]["schema"]
                self.check_value(f"{where} {name}", schema, int(value) if schema.get("type") == "integer" else value)
            elif declared[name].get("required"):
                self.say(where, f"no header field {name}")

    def check_answer(self, answer):
        where = answer["name"]
        response = self.responses_of(answer["method"], answer["path"]).get(str(answer["status"]))
        if response is None:
            self.say(where, f"no status {answer['status']} in the file: {answer['body'][:200]}")
            return
        response = self.get(response)
        self.check_headers(where, response.get("headers", {}), answer["headers"])
        content = response.get("content", {})
        kind = answer["headers"].get("content-type")
        if answer["method"] == "HEAD" or (not content and answer["body"] == ""):
            return
        if kind not in content:
            self.say(where, f"no {kind} in the file")
            return
        self.check_text(where, kind, content[kind], answer["body"])


def main():
    api = Api()
    if sys.argv[1] == "outline":
        print(json.dumps(api.outline(), sort_keys=True))
    elif sys.argv[1] == "lint":
        api.lint()
    else:
        for line in sys.stdin:
            api.check_answer(json.loads(line))
    print("".join(f"{line}\n" for line in api.wrong), end="")


main()
