#!/usr/bin/env python3
"""Writes src/wire/generated/ from Apache Kafka's published message definitions.

Usage:
    tools/wiregen.py            regenerate src/wire/generated/
    tools/wiregen.py --check    regenerate into a temporary folder and compare; exit 1 on a difference

The definitions are the JSON files inside the jars named in ARTIFACTS. A jar is taken from where
`make setup` left it, else Maven is asked for it. `--jars DIR` takes the jars from a folder instead.

What the output relies on: src/wire/{mod,reader,writer}.rs (`Wire`, `Message`, `Codec`, `Api`).
Python 3.11, standard library only.
"""

import argparse
import filecmp
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

KAFKA = "4.4.0"
ARTIFACTS = ["kafka-clients", "kafka-group-coordinator", "kafka-transaction-coordinator"]
# Records of Kafka's own metadata log, as far as adopting a directory needs them.
METADATA_KAFKA = "4.3.1"
METADATA_ARTIFACT = "kafka-metadata"
METADATA = (
    "TopicRecord PartitionRecord PartitionChangeRecord RemoveTopicRecord ConfigRecord "
    "ProducerIdsRecord FeatureLevelRecord"
).split()
ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "src" / "wire" / "generated"
FOREVER = 32767

HEADER = """\
//! {what}
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! ({source} {kafka}, Apache-2.0). Do not edit: change the generator and run it again.
"""

# ---------------------------------------------------------------- definitions


def fetched(group, artifact, version):
    """Path of a jar: as `make setup` left it, else in Maven's local repository or through Maven."""
    name = f"{artifact}-{version}.jar"
    setup = pathlib.Path(os.environ.get("LOGMILL_SETUP_DIR", ROOT / ".setup"))
    local = pathlib.Path.home() / ".m2/repository" / group.replace(".", "/") / artifact / version
    for folder in (setup / "kafka-clients", setup / "kafka", local):
        if (folder / name).exists():
            return folder / name
    get = ["mvn", "-q", "-B", "dependency:get", "-Dtransitive=false"]
    subprocess.run(get + [f"-Dartifact={group}:{artifact}:{version}"], check=True)
    return local / name


def version_of(artifact):
    return METADATA_KAFKA if artifact == METADATA_ARTIFACT else KAFKA


def jar(artifact, jars):
    version = version_of(artifact)
    if jars:
        return pathlib.Path(jars) / f"{artifact}-{version}.jar"
    return fetched("org.apache.kafka", artifact, version)


def definitions(jars):
    """Every message definition that has a valid version, with the artifact that it came from."""
    found = []
    for artifact in ARTIFACTS:
        with zipfile.ZipFile(jar(artifact, jars)) as archive:
            for name in sorted(archive.namelist()):
                if not re.fullmatch(r"common/message/\w+\.json", name):
                    continue
                text = archive.read(name).decode()
                definition = json.loads(re.sub(r"(?m)^\s*//.*$", "", text))
                if definition["validVersions"] != "none":
                    found.append((artifact, definition))
    with zipfile.ZipFile(jar(METADATA_ARTIFACT, jars)) as archive:
        for name in sorted(METADATA):
            text = archive.read(f"common/metadata/{name}.json").decode()
            definition = json.loads(re.sub(r"(?m)^\s*//.*$", "", text))
            found.append((METADATA_ARTIFACT, definition))
    return found


def versions(text):
    """`3+`, `2-5`, `7` or `none` as an inclusive pair; None for no version."""
    if text is None or text == "none":
        return None
    if text.endswith("+"):
        return (int(text[:-1]), FOREVER)
    first, _, last = text.partition("-")
    return (int(first), int(last or first))


def both(a, b):
    if a is None or b is None:
        return None
    first, last = max(a[0], b[0]), min(a[1], b[1])
    return (first, last) if first <= last else None


# ---------------------------------------------------------------- names

KEYWORDS = set(
    "as async await box break const continue crate dyn else enum extern final fn for if impl in let "
    "loop macro match mod move mut override priv pub ref return self static struct super trait try "
    "type typeof unsafe unsized use virtual where while yield abstract become do gen".split()
)


def snake(name):
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    return name + "_" if name in KEYWORDS else name


# ---------------------------------------------------------------- types

# Kafka's type: (Rust type, bytes on the wire at least)
PRIMITIVES = {
    "bool": ("bool", 1),
    "int8": ("i8", 1),
    "int16": ("i16", 2),
    "int32": ("i32", 4),
    "int64": ("i64", 8),
    "uint16": ("u16", 2),
    "uint32": ("u32", 4),
    "float64": ("f64", 8),
    "uuid": ("TopicId", 16),
    "string": ("String", 1),
    "bytes": ("Bytes", 1),
    "records": ("Records", 1),
}


class Field:
    """One field as it occurs in the versions `around` of the struct that holds it."""

    def __init__(self, spec, around):
        self.kafka = spec["name"]
        self.name = snake(spec["name"])
        self.type = spec["type"]
        declared = versions(spec.get("versions", spec.get("taggedVersions")))
        self.versions = both(declared, around)
        self.around = around
        self.tag = spec.get("tag")
        if self.tag is not None:
            assert both(versions(spec["taggedVersions"]), declared) == declared, self.kafka
        self.ignorable = spec.get("ignorable", False)
        self.nullable = both(versions(spec.get("nullableVersions")), self.versions)
        self.classic = spec.get("flexibleVersions") == "none"
        self.option = self.nullable is not None or self.type == "records"
        self.default = self.rust_default(spec.get("default", ""))

    def element(self):
        return self.type.removeprefix("[]")

    def struct(self):
        name = self.element()
        return None if name in PRIMITIVES else name

    def is_error_code(self):
        """Kafka's number for what went wrong, which the writer notes for the metrics."""
        return self.type == "int16" and self.kafka.endswith("ErrorCode")

    def marked(self):
        """A nullable struct in a tagged field says null otherwise than elsewhere."""
        return self.tag is not None and self.option and self.struct() == self.type

    def rust(self):
        inner = self.struct() or PRIMITIVES[self.element()][0]
        if self.type.startswith("[]"):
            inner = f"Vec<{inner}>"
        return f"Option<{inner}>" if self.option else inner

    def rust_default(self, default):
        """The default as a Rust expression, None where it is the type's own.

        Without a default Kafka takes the empty value, also where the field is nullable. Only the
        text "null" means null: JSON's null is no default for Kafka's generator.
        """
        if self.type == "records":
            return None
        text = default if isinstance(default, str) else json.dumps(default)
        text = "" if default is None else text
        if self.option:
            if text == "null":
                return None
            return "Some(Default::default())" if text == "" else f'Some("{text}".to_owned())'
        assert text != "null", f"{self.kafka}: null by default but never nullable"
        if text in ("", "false") or self.type.startswith("[]") or self.struct():
            return None
        if self.type == "bool":
            return "true"
        assert self.type.startswith(("int", "uint")), (self.kafka, text)
        number = int(text, 0)
        return str(number) if number != 0 else None

    def is_default(self):
        """A Rust condition that holds when the field has its default."""
        this = f"self.{self.name}"
        if self.option:
            return f"{this}.is_none()" if self.default is None else f"{this} == {self.default}"
        if self.type == "bool":
            return this if self.default else f"!{this}"
        if self.type.startswith("[]") or self.type in ("string", "bytes"):
            return f"{this}.is_empty()"
        if self.type == "uuid":
            return f"{this}.is_zero()"
        if self.struct():
            return f"{this} == {self.struct()}::default()"
        return f"{this} == {self.default or ('0.0' if self.type == 'float64' else '0')}"


def condition(inner, around):
    """A Rust condition for `v` in `inner`, given that it is in `around`; None when always true."""
    assert inner is not None
    parts = []
    if around[0] < inner[0] and inner[0] == inner[1]:
        return f"v == {inner[0]}"
    if around[0] < inner[0]:
        parts.append(f"v >= {inner[0]}")
    if inner[1] < around[1]:
        parts.append(f"v <= {inner[1]}")
    if len(parts) == 2:
        return f"({inner[0]}..={inner[1]}).contains(&v)"
    return parts[0] if parts else None


class Struct:
    def __init__(self, name, about, specs, around):
        self.name = name
        self.about = about
        self.around = around
        self.fields = [f for f in (Field(s, around) for s in specs) if f.versions]


class Definition:
    """One message: its structs, outermost first."""

    def __init__(self, artifact, spec):
        self.artifact = artifact
        self.name = spec["name"]
        self.kind = spec["type"]
        self.key = spec.get("apiKey", -1)
        self.valid = versions(spec["validVersions"])
        flexible = versions(spec["flexibleVersions"])
        self.flexible_from = FOREVER if flexible is None else flexible[0]
        self.listeners = spec.get("listeners", [])
        self.unstable = spec.get("latestVersionUnstable", False)
        self.structs = []
        self.common = {s["name"]: s for s in spec.get("commonStructs", [])}
        self.add(self.name, f"{self.name}, versions {self.valid[0]} to {self.valid[1]}.",
                 spec["fields"], self.valid)
        for name, common in self.common.items():
            around = both(versions(common["versions"]), self.valid)
            if around:
                self.add(name, "", common["fields"], around)
        self.by_name = {s.name: s for s in self.structs}
        assert len(self.by_name) == len(self.structs), f"{self.name}: a struct is there twice"
        self.assert_not_recursive(self.name, ())

    def add(self, name, about, specs, around):
        struct = Struct(name, about, specs, around)
        self.structs.append(struct)
        for spec in specs:
            field = Field(spec, around)
            if field.versions and field.struct() and "fields" in spec:
                assert field.struct() not in self.common
                self.add(field.struct(), "", spec["fields"], field.versions)

    def assert_not_recursive(self, name, path):
        assert name not in path, f"{self.name}: {name} holds itself, decoding must not recurse"
        for field in self.by_name[name].fields:
            if field.struct():
                self.assert_not_recursive(field.struct(), path + (name,))

    def min_bytes(self, struct):
        """The fewest bytes that one value of this struct takes in any version."""
        def at(version):
            total = 1 if self.flexible_from <= version else 0
            for field in struct.fields:
                if field.tag is not None or not both(field.versions, (version, version)):
                    continue
                total += self.field_min_bytes(field)
            return total
        return max(1, min(at(v) for v in range(struct.around[0], struct.around[1] + 1)))

    def field_min_bytes(self, field):
        if field.type.startswith("[]") or (field.option and field.struct()):
            return 1
        if field.struct():
            return self.min_bytes(self.by_name[field.struct()])
        return PRIMITIVES[field.type][1]


# ---------------------------------------------------------------- output


def doc(text, indent):
    text = " ".join(text.split())
    return [f"{indent}/// {text}"] if text else []


def struct_lines(definition, struct):
    simple = all(f.default is None for f in struct.fields)
    lines = doc(struct.about, "")
    lines.append(f"#[derive(Clone, Debug, {'Default, ' if simple else ''}PartialEq)]")
    lines.append(f"pub struct {struct.name} {{")
    for field in struct.fields:
        lines.append(f"    pub {field.name}: {field.rust()},")
    lines.append("}")
    if not simple:
        lines += ["", f"impl Default for {struct.name} {{", "    fn default() -> Self {", "        Self {"]
        for field in struct.fields:
            lines.append(f"            {field.name}: {field.default or 'Default::default()'},")
        lines += ["        }", "    }", "}"]
    lines += ["", f"impl Wire for {struct.name} {{"]
    lines.append(f"    const BYTES_MIN: usize = {definition.min_bytes(struct)};")
    lines += [""] + read_lines(definition, struct) + [""] + write_lines(definition, struct) + ["}", ""]
    return lines


def guarded(guard, statement, indent):
    if guard is None:
        return [f"{indent}{statement}"]
    return [f"{indent}if {guard} {{", f"{indent}    {statement}", f"{indent}}}"]


def read_lines(definition, struct):
    version = "v" if struct.fields else "_v"
    out = [f"    fn read(r: &mut Reader, {version}: i16) -> Result<Self, WireError> {{"]
    out.append("        let mut it = Self::default();" if struct.fields else "        let it = Self {};")
    for field in (f for f in struct.fields if f.tag is None):
        get = "get_classic" if field.classic else "get"
        statement = f"it.{field.name} = r.{get}(v)?;"
        out += guarded(condition(field.versions, struct.around), statement, "        ")
        out += null_check(field, "it", 'WireError::null("{}", v)', "        ")
    tagged = sorted((f for f in struct.fields if f.tag is not None), key=lambda f: f.tag)
    if tagged:
        out += ["        r.tagged(&mut |r, tag| {", "            match tag {"]
        for field in tagged:
            guard = condition(field.versions, tag_around(definition, struct))
            guard = f" if {guard}" if guard else ""
            get = "get_marked" if field.marked() else "get"
            out.append(f"                {field.tag}{guard} => it.{field.name} = r.{get}(v)?,")
        out += ["                _ => return Ok(false),", "            }", "            Ok(true)"]
        out.append("        })?;")
    elif definition.flexible_from != FOREVER:
        out.append("        r.skip_tagged()?;")
    return out + ["        Ok(it)", "    }"]


def tag_around(definition, struct):
    return both(struct.around, (definition.flexible_from, FOREVER))


def null_check(field, this, error, indent):
    """Refuses a null in versions where the field may not be one."""
    if not field.option or field.nullable == field.versions:
        return []
    guard = f"{this}.{field.name}.is_none()"
    if field.nullable is not None:
        inner = condition(field.nullable, field.versions)
        outer = condition(field.versions, field.around)
        guard += f" && !({inner})" + (f" && {outer}" if outer else "")
    else:
        outer = condition(field.versions, field.around)
        guard += f" && {outer}" if outer else ""
    error = error.format(field.name)
    return [f"{indent}if {guard} {{", f"{indent}    return Err({error});", f"{indent}}}"]


def write_lines(definition, struct):
    version = "v" if struct.fields else "_v"
    flexible = definition.flexible_from != FOREVER
    writer = "w" if struct.fields or flexible else "_w"
    out = [f"    fn write(&self, {writer}: &mut Writer, {version}: i16) -> Result<(), WireError> {{"]
    for field in (f for f in struct.fields if f.tag is None):
        put = "put_classic" if field.classic else "put"
        if definition.kind == "response" and field.is_error_code():
            put = "put_error"
        out += null_check(field, "self", 'WireError::null("{}", v)', "        ")
        guard = condition(field.versions, struct.around)
        statement = f"w.{put}(&self.{field.name}, v)?;"
        out += guarded(guard, statement, "        ")
        if guard and not field.ignorable:
            out[-1] = f"        }} else if !({field.is_default()}) {{"
            out.append(f'            return Err(WireError::absent("{field.name}", v));')
            out.append("        }")
    tagged = sorted((f for f in struct.fields if f.tag is not None), key=lambda f: f.tag)
    if tagged:
        out.append("        let mut tags = w.tagged();")
        for field in tagged:
            guard = condition(field.versions, struct.around)
            out.append(f"        if !({field.is_default()}) {{")
            put = "put_marked" if field.marked() else "put"
            if definition.kind == "response" and field.is_error_code():
                put = "put_error"
            statement = f"tags.{put}({field.tag}, &self.{field.name}, v)?;"
            out += guarded(guard, statement, "            ")
            if guard and not field.ignorable:
                out[-1] = "            } else {"
                out.append(f'                return Err(WireError::absent("{field.name}", v));')
                out.append("            }")
            out.append("        }")
        out.append("        w.put_tagged(tags);")
    elif flexible:
        out.append("        w.put_no_tagged();")
    return out + ["        Ok(())", "    }"]


def module(definition):
    top = definition.structs[0]
    text = "\n".join("\n".join(struct_lines(definition, s)) for s in definition.structs)
    types = {t for s in definition.structs for f in s.fields for t in re.findall(r"\w+", f.rust())}
    model = "use crate::model::TopicId;\n" if "TopicId" in types else ""
    base = "use crate::base::Bytes;\n" if "Bytes" in types else ""
    records = ["Records"] if "Records" in types else []
    wire = ["Message", "Reader", *records, "Wire", "WireError", "Writer"]
    flexible = "i16::MAX" if definition.flexible_from == FOREVER else definition.flexible_from
    version = version_of(definition.artifact)
    header = HEADER.format(what=f"`{definition.name}`.", source=definition.artifact, kafka=version)
    return (
        f"{header}{base}{model}use crate::wire::{{{', '.join(wire)}}};\n\n{text}\n"
        f"impl Message for {top.name} {{\n"
        f"    const KEY: i16 = {definition.key};\n"
        f"    const VERSIONS: std::ops::RangeInclusive<i16> = {definition.valid[0]}..={definition.valid[1]};\n"
        f"    const FLEXIBLE_FROM: i16 = {flexible};\n"
        "}\n"
    )


KINDS = {
    "request": "Request",
    "response": "Response",
    "coordinator-key": "RecordKey",
    "coordinator-value": "RecordValue",
    "data": "Data",
    "header": "Header",
}


def mod_rs(all_definitions):
    source = " ".join(ARTIFACTS)
    text = HEADER.format(what="Kafka's messages and record schemas, one module each.",
                         source=source, kafka=KAFKA)
    text += "#![allow(clippy::all, rustdoc::all)]\n"
    text += "use crate::wire::{Api, Codec, Kind};\n\n"
    ordered = sorted(all_definitions, key=lambda d: snake(d.name))
    text += "".join(f"pub mod {snake(d.name)};\n" for d in ordered)
    requests = sorted((d for d in all_definitions if d.kind == "request"), key=lambda d: d.key)
    text += "\n/// Every API that has a valid version, by key.\n"
    text += f"pub static APIS: [Api; {len(requests)}] = [\n"
    for d in requests:
        flexible = "i16::MAX" if d.flexible_from == FOREVER else d.flexible_from
        text += (
            f'    Api {{ key: {d.key}, name: "{d.name.removesuffix("Request")}", '
            f"version_min: {d.valid[0]}, version_max: {d.valid[1]}, flexible_from: {flexible}, "
            f"latest_unstable: {str(d.unstable).lower()}, "
            f"broker: {str('broker' in d.listeners).lower()}, "
            f"controller: {str('controller' in d.listeners).lower()} }},\n"
        )
    text += "];\n\n/// Every message of the protocol with its codec, by name.\n"
    ordered = [d for d in ordered if d.kind != "metadata"]
    text += f"pub static CODECS: [Codec; {len(ordered)}] = [\n"
    for d in ordered:
        text += f'    Codec::of::<{snake(d.name)}::{d.name}>("{d.name}", Kind::{KINDS[d.kind]}),\n'
    return text + "];\n"


def generate(out, jars):
    found = [Definition(artifact, spec) for artifact, spec in definitions(jars)]
    names = [snake(d.name) for d in found]
    assert len(set(names)) == len(names), "two messages share a module name"
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.rs"):
        old.unlink()
    for definition in found:
        (out / f"{snake(definition.name)}.rs").write_text(module(definition))
    (out / "mod.rs").write_text(mod_rs(found))
    return found


def check(jars):
    with tempfile.TemporaryDirectory() as folder:
        fresh = pathlib.Path(folder) / "generated"
        generate(fresh, jars)
        names = {p.name for p in fresh.iterdir()} | {p.name for p in OUT.iterdir()}
        _, differ, missing = filecmp.cmpfiles(fresh, OUT, names, shallow=False)
    if differ or missing:
        print("src/wire/generated/ is not what tools/wiregen.py writes:", *sorted(differ + missing))
        return 1
    print(f"src/wire/generated/: {len(names)} files are what tools/wiregen.py writes")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--jars", help="folder that holds the jars")
    args = parser.parse_args()
    if args.check:
        return check(args.jars)
    found = generate(OUT, args.jars)
    print(f"wrote {len(found)} messages to {OUT.relative_to(ROOT)}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
