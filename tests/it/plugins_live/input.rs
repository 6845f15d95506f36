//! Bad input to the command line and HTTP: one sentence that says what to do, nothing changed.
use std::path::PathBuf;

use serde_json::Value;

use super::{Said, Stage, guest};
use crate::client::TYPE_GROUP;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const DUTY: &str = "logmill:plugin/partitioning@0.1.0-dev";
const TYPES: &str = "logmill:plugin/types@0.1.0-dev";
const LARGEST: usize = 32 << 20;

/// A component that imports empty instances and exports the first of them under other names.
fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let name = |name: &str| [&[0, name.len() as u8][..], name.as_bytes()].concat();
    let section = |id: u8, items: Vec<Vec<u8>>| {
        let body = [vec![items.len() as u8], items.concat()].concat();
        // Lengths in two bytes of LEB128.
        let length = [(body.len() & 0x7f) as u8 | 0x80, (body.len() >> 7) as u8];
        [vec![id], length.to_vec(), body].concat()
    };
    let imports = imports.iter().map(|import| [name(import), vec![5, 0]].concat()).collect();
    let exports = exports.iter().map(|export| [name(export), vec![5, 0, 0]].concat()).collect();
    let types = section(7, vec![vec![0x42, 0]]);
    [COMPONENT.to_vec(), types, section(10, imports), section(11, exports)].concat()
}

/// Files that are not installed, and a part of the sentence that says why.
fn bad_files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = std::fs::read(guest("identity")).expect("a guest");
    let wasi = component(&[TYPES, "wasi:io/poll@0.2.6"], &[DUTY]);
    let newer = component(&[TYPES], &["logmill:plugin/partitioning@0.2.0"]);
    let both = component(&[TYPES], &[DUTY, "logmill:plugin/assigning@0.1.0-dev"]);
    vec![
        ("empty", Vec::new(), "empty"),
        ("text", b"fn partition() {}".to_vec(), "no WebAssembly component"),
        ("module", b"\0asm\x01\0\0\0".to_vec(), "logmill plugin componentize"),
        ("cut", good[..good.len() / 2].to_vec(), "build it again"),
        ("wasi", wasi, "plugins get no WASI"),
        ("newer", newer, "build it against this broker's wit/logmill.wit"),
        ("two-duties", both, "split it"),
        ("no-duty", component(&[TYPES], &[]), "exports no duty"),
        ("hollow", component(&[TYPES], &[DUTY]), "build it again"),
        ("foreign", component(&["acme:things/stuff@1.0.0"], &[DUTY]), "acme:things/stuff"),
        ("large", vec![0; LARGEST + 1], "32"),
    ]
}

/// Everything that an order about plugins could have changed.
fn state(stage: &Stage) -> Vec<Value> {
    let mut all = vec![stage.json(&["plugin", "ls"]), stage.json(&["plugin", "bindings"])];
    for name in ["by-airport", "weighted", "newest-by-header"] {
        all.push(stage.json(&["plugin", "show", name]));
    }
    all.push(stage.json(&["topic", "describe", "flights"]));
    let folder = std::fs::read_dir(stage.broker.data().join("plugins")).expect("a folder");
    let mut files: Vec<String> = folder
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    all.push(files.into());
    all
}

fn stage() -> Stage {
    let stage = Stage::start(2, &[]);
    stage.live("by-airport@1", "by-airport");
    stage.install("by-airport@2", "identity");
    stage.live("weighted@1", "weighted-1");
    stage.live("newest-by-header@1", "newest-by-header");
    stage.install("newest-by-header@2", "newest-by-header");
    stage.kafka("setup").create_topic("flights", 3, &[]);
    stage.bind("by-airport", &["--topic", "flights"], &["EWR=0", "others=1"]);
    stage.bind("weighted", &["--group", "readers"], &["heavy=3"]);
    stage.wait_binding("flights", |state| state == "live");
    stage
}

/// One sentence on standard error, nothing on standard output, exit code 1; else what is wrong.
fn why_unfit(said: &Said, part: &str) -> Option<String> {
    let is_sentence = said.err.trim_end().lines().count() == 1 && said.err.len() < 600;
    let is_plain = !said.err.contains('\u{1b}') && said.out.is_empty();
    if said.code == 1 && is_sentence && is_plain && said.err.contains(part) {
        return None;
    }
    Some(format!("{part:?} is wanted, code 1, one sentence: {said:?}"))
}

#[track_caller]
fn is_one_sentence(said: &Said, part: &str) {
    assert_eq!(why_unfit(said, part), None);
}

#[track_caller]
fn is_error(told: (u16, String), status: u16, part: &str) {
    let (given, body) = told;
    let error: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{given}: {body}"));
    let message = error["message"].as_str().expect("a sentence");
    assert_eq!(given, status, "{body}");
    assert!(message.contains(part) && !message.contains('\n'), "{part:?} is not in {message}");
}

#[test]
fn bad_components_are_refused_and_leave_nothing_behind() {
    let stage = stage();
    let before = state(&stage);
    let bearer = stage.bearer();
    let file = |name: &str| -> PathBuf { stage.broker.folder().join(name) };
    for (name, bytes, part) in bad_files() {
        let path = file(name);
        std::fs::write(&path, &bytes).expect("a writable folder");
        let path = path.display().to_string();
        let said = stage.said(&["plugin", "install", &path, "--as", "fresh@1"]);
        is_one_sentence(&said, part);
        let headers = [("authorization", bearer.as_str())];
        let status = if name == "large" { 413 } else { 400 };
        let told = stage.http("PUT", "/v1/plugins/fresh/versions/1", &headers, &bytes);
        is_error(told, status, if name == "empty" { "The body is empty" } else { part });
    }
    let nowhere = file("nowhere.wasm").display().to_string();
    is_one_sentence(
        &stage.said(&["plugin", "install", &nowhere, "--as", "fresh@1"]),
        "Cannot read",
    );
    // A length that is announced too large is refused before the body comes.
    let headers = [("authorization", bearer.as_str()), ("content-length", "99999999999")];
    let told = stage.http("PUT", "/v1/plugins/fresh/versions/1", &headers, b"");
    is_error(told, 413, "32 MiB");
    assert_eq!(state(&stage), before);
}

#[test]
fn orders_that_make_no_sense_are_refused_and_change_nothing() {
    let stage = stage();
    let before = state(&stage);
    let good = guest("by-airport").display().to_string();
    let assignor = guest("weighted-1").display().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["install", &good, "--as", "Loud@1"], "lower case"),
        (&["install", &good, "--as", "by-airport@1"], "already installed"),
        (&["install", &assignor, "--as", "by-airport@3"], "choose another name"),
        (&["install", &good, "--as", "uniform@1"], "reserved"),
        (&["show", "nobody"], "not installed"),
        (&["activate", "nobody@1"], "not installed"),
        (&["activate", "by-airport@9"], "has the versions 1, 2"),
        // Version 2 takes no settings, and the binding has some.
        (&["activate", "by-airport@2"], "refused its settings"),
        (&["rollback", "by-airport"], "no previous version"),
        (&["rollback", "nobody"], "not installed"),
        (&["deactivate", "by-airport"], "logmill plugin unbind"),
        (&["deactivate", "weighted"], "is bound to group readers"),
        (&["deactivate", "nobody"], "not installed"),
        (&["pause", "nobody"], "not installed"),
        (&["rm", "by-airport@1"], "activate another version"),
        (&["rm", "by-airport@9"], "not installed"),
        (&["bind", "nobody", "--topic", "flights"], "not installed"),
        (&["bind", "by-airport", "--topic", "nowhere", "--set", "EWR=0"], "nowhere"),
        (&["bind", "by-airport", "--group", "readers", "--set", "EWR=0"], "a topic only"),
        (&["bind", "weighted", "--topic", "flights"], "a group only"),
        (&["bind", "by-airport", "--topic", "__consumer_offsets", "--set", "EWR=0"], "topic"),
        (&["bind", "by-airport@9", "--topic", "flights", "--set", "EWR=0"], "not installed"),
        (&["bind", "by-airport", "--topic", "flights", "--set", "EWR=x"], "partition number"),
        (&["bind", "weighted", "--group", "others", "--set", "a=-1"], "a weight from 0"),
        (
            &["bind", "by-airport", "--topic", "flights", "--policy", "open", "--set", "A=0"],
            "A partitioner takes the failure policy closed, not open.",
        ),
        (
            &["bind", "newest-by-header", "--topic", "flights", "--policy", "closed"],
            "The binding of a compaction policy has no failure policy to choose.",
        ),
        (&["bind", "weighted", "--group", "readers", "--mode", "advise"], "mode"),
        (&["unbind", "by-airport", "--topic", "nowhere"], "not bound"),
        (&["unbind", "weighted", "--group", "nobody"], "not bound"),
    ];
    let mut unfit = Vec::new();
    for (arguments, part) in cases {
        let said = stage.said(&[&["plugin"][..], arguments].concat());
        println!("{arguments:?}: {}", said.err.trim_end());
        unfit.extend(why_unfit(&said, part).map(|why| format!("{arguments:?}: {why}")));
    }
    assert!(unfit.is_empty(), "{}", unfit.join("\n"));
    assert_eq!(state(&stage), before);
    // Removing what is pinned, and what is active without being bound.
    stage.cli(&["plugin", "bind", "by-airport@1", "--topic", "flights", "--set", "EWR=0"]);
    is_one_sentence(&stage.said(&["plugin", "rm", "by-airport@1"]), "by-airport@1 is");
    is_one_sentence(&stage.said(&["plugin", "rm", "newest-by-header@1"]), "active");
    stage.cli(&["plugin", "rm", "newest-by-header@2"]);
    let left = stage.json(&["plugin", "show", "newest-by-header"]);
    assert_eq!(left["summary"]["versions"], serde_json::json!(["1"]));
    // What no binding follows is deactivated, and then it goes.
    let said = stage.said(&["plugin", "rm", "newest-by-header@1"]);
    is_one_sentence(&said, "logmill plugin deactivate newest-by-header");
    stage.cli(&["plugin", "deactivate", "newest-by-header"]);
    let said = stage.said(&["plugin", "deactivate", "newest-by-header"]);
    is_one_sentence(&said, "No version of newest-by-header is active");
    let counted = || stage.http("GET", "/metrics", &[], b"").1.contains("\"newest-by-header\"");
    stage.cli(&["plugin", "ps"]);
    stage.cli(&["plugin", "rm", "newest-by-header@1"]);
    assert!(!counted(), "a removed version leaves the page");
    is_one_sentence(&stage.said(&["plugin", "show", "newest-by-header"]), "not installed");
}

#[test]
fn http_wants_a_token_and_no_web_page() {
    let stage = stage();
    let before = state(&stage);
    let bearer = stage.bearer();
    let with = |more: (&'static str, &'static str)| [("authorization", bearer.as_str()), more];
    let path = "/v1/plugins/by-airport/activate";
    let body = br#"{"version":"1"}"#;
    is_error(stage.http("POST", path, &[], body), 401, "admin.token");
    let wrong = [("authorization", "Bearer 0123456789abcdef0123456789abcdef")];
    is_error(stage.http("POST", path, &wrong, body), 401, "not this broker's");
    let page = with(("origin", "https://evil.example"));
    is_error(stage.http("POST", path, &page, body), 403, "web pages");
    let rebound = with(("host", "evil.example:9644"));
    is_error(stage.http("POST", path, &rebound, body), 403, "Host");
    let plain = with(("accept", "*/*"));
    is_error(stage.http("POST", path, &plain, b"{"), 400, "JSON");
    is_error(stage.http("POST", path, &plain, br#"{"version":"9"}"#), 400, "has the versions");
    is_error(stage.http("POST", "/v1/plugins/nobody/activate", &plain, body), 404, "not installed");
    is_error(stage.http("DELETE", "/v1/plugins/by-airport/versions/1", &plain, b""), 409, "is");
    is_error(stage.http("DELETE", "/v1/bindings?plugin=by-airport", &plain, b""), 400, "query");
    let unknown = br#"{"plugin":"by-airport","target":{"topic":"flights"},"colour":"red"}"#;
    is_error(stage.http("POST", "/v1/bindings", &plain, unknown), 400, "colour");
    is_error(stage.http("PUT", "/v1/plugins/x%20y/versions/1", &plain, b"x"), 400, "letter");
    is_error(stage.http("GET", "/v1/nothing", &[], b""), 404, "nothing at");
    assert_eq!(state(&stage), before);
    // The command line without a token, and with a wrong one.
    for token in ["/nonexistent/token", "wrong"] {
        let path = stage.broker.folder().join(token);
        if token == "wrong" {
            std::fs::write(&path, "0123456789abcdef0123456789abcdef").expect("a file");
        }
        let path = path.display().to_string();
        let said = stage.said(&["plugin", "pause", "by-airport", "--token-file", &path]);
        is_one_sentence(&said, "admin.token");
    }
    assert_eq!(state(&stage), before);
}

#[test]
fn bindings_by_kafkas_protocol_pass_the_same_checks() {
    let stage = stage();
    let before = state(&stage);
    let mut kafka = stage.kafka("admin");
    let invalid_config = 40;
    let cases: &[(&str, &str, &str)] = &[
        ("nobody", "", "no such plugin"),
        ("by-airport", "EWR=0", "an assignor is needed"),
        ("weighted@7", "", "not installed"),
        ("weighted", "a=-1", "a weight from 0"),
        ("uniform", "", "built-in"),
    ];
    for (plugin, settings, part) in cases {
        let changes =
            [("assignor.plugin", Some(*plugin)), ("assignor.plugin.settings", Some(*settings))];
        let (code, text) = kafka.alter(TYPE_GROUP, "others", &changes);
        assert_eq!(code, invalid_config, "{plugin}: {text:?}");
        let text = text.expect("a sentence");
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let configs = [("partitioner.plugin", "by-airport"), ("partitioner.plugin.settings", "A=x")];
    let (code, text) = kafka.try_create_topic("fresh", 1, &configs);
    assert_eq!(code, invalid_config, "{text:?}");
    assert!(text.is_some_and(|text| text.contains("partition number")));
    assert_eq!(stage.said(&["topic", "describe", "fresh"]).code, 1);
    assert_eq!(state(&stage), before);
}
