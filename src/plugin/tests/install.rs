//! Install: what is refused and with which sentence, the store, the cache of native code.

use super::{Bench, none, wasm};
use crate::plugin::cache::{Cache, Found};
use crate::plugin::{
    COMPONENT_BYTES_MAX, CallError, Compiler, Digest, Host, InstallError, Instance, LoadError,
    PluginKind, StoreError, inspect,
};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

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

#[track_caller]
fn refused(bytes: &[u8], word: &str) -> InstallError {
    let error = inspect(bytes).expect_err("refused");
    let text = error.to_string();
    assert!(text.contains(word), "{text}");
    assert!(!text.contains('\n'), "one line: {text}");
    error
}

#[test]
fn what_is_no_component_is_told_so() {
    assert_eq!(refused(b"", "empty"), InstallError::Empty);
    assert_eq!(refused(b"PK\x03\x04 a zip file", "no WebAssembly"), InstallError::NotWasm);
    let module = b"\0asm\x01\0\0\0";
    assert_eq!(refused(module, "logmill plugin componentize"), InstallError::CoreModule);
    refused(&[COMPONENT, b"\xff\xff garbage"].concat(), "cannot be read");
    refused(COMPONENT, "exports no duty");
    let large = vec![0; COMPONENT_BYTES_MAX + 1];
    refused(&large, "at most");
}

#[test]
fn imports_outside_of_the_kind_are_refused_by_name() {
    let duty = "logmill:plugin/partitioning@0.1.0-dev";
    let types = "logmill:plugin/types@0.1.0-dev";
    let wasi = component(&[types, "wasi:io/poll@0.2.6", "wasi:clocks/wall-clock@0.2.6"], &[duty]);
    let error = refused(&wasi, "--stub-wasi");
    assert!(matches!(error, InstallError::Wasi(names) if names.len() == 2));
    let group = component(&["logmill:plugin/group@0.1.0-dev"], &[duty]);
    refused(&group, "a partitioner does not get");
    let unknown = component(&["logmill:plugin/clock@0.1.0-dev"], &[duty]);
    refused(&unknown, "does not have");
    let foreign = component(&["acme:things/stuff@1.0.0"], &[duty]);
    refused(&foreign, "acme:things/stuff");
    let load = component(
        &["logmill:plugin/group-load@0.1.0-dev"],
        &["logmill:plugin/assigning@0.1.0-dev"],
    );
    refused(&load, "group-load");
}

#[test]
fn another_version_of_the_interface_is_refused() {
    let types = "logmill:plugin/types@0.1.0-dev";
    let old = component(&[types], &["logmill:plugin/partitioning@0.0.9"]);
    refused(&old, "built for logmill:plugin@0.0.9");
    let released =
        component(&["logmill:plugin/types@0.1.0"], &["logmill:plugin/partitioning@0.1.0-dev"]);
    refused(&released, "built for logmill:plugin@0.1.0,");
    let both = component(
        &[types],
        &["logmill:plugin/partitioning@0.1.0-dev", "logmill:plugin/assigning@0.1.0-dev"],
    );
    refused(&both, "exactly one duty");
}

#[test]
fn exports_that_only_look_right_are_refused_before_anything_is_kept() {
    let bench = Bench::new();
    let types = "logmill:plugin/types@0.1.0-dev";
    let fake = component(&[types], &["logmill:plugin/partitioning@0.1.0-dev"]);
    let error = bench.host.install("fake", "1", &fake).expect_err("no functions");
    assert!(matches!(error, InstallError::Link(_) | InstallError::Compile(_)), "{error}");
    let found = bench.host.load(Digest::of(&fake)).expect_err("not kept");
    assert!(matches!(found, LoadError::Store(StoreError::Missing { .. })), "{found}");
}

#[test]
fn every_flipped_byte_and_every_cut_is_an_error_or_a_component() {
    let good = wasm("identity");
    for at in (0..good.len()).step_by(211) {
        let mut bad = good.clone();
        bad[at] ^= 0x41;
        let _ = inspect(&bad);
        let _ = inspect(&good[..at]);
    }
}

#[test]
fn the_kind_and_what_a_plugin_sees_are_read_from_its_bytes() {
    for (name, kind, imports) in [
        ("identity", PluginKind::Partitioner, &["records.count"][..]),
        ("by-airport", PluginKind::Partitioner, &["records.keys"]),
        (
            "newest-by-header",
            PluginKind::CompactionPolicy,
            &["pass.expired-tombstones", "pass.offsets", "records.header", "records.keys"],
        ),
        (
            "weighted-1",
            PluginKind::Assignor,
            &[
                "group-members.client-ids",
                "group.copies",
                "group.member-count",
                "group.partition-counts",
                "group.subscriptions",
            ],
        ),
    ] {
        let bytes = wasm(name);
        let info = inspect(&bytes).expect(name);
        assert_eq!((info.kind, info.imports.join(" ")), (kind, imports.join(" ")), "{name}");
        assert_eq!((info.wit_version.as_str(), info.bytes), ("0.1.0-dev", bytes.len() as u64));
        assert_eq!(info.digest.to_string().parse(), Ok(info.digest));
    }
}

#[test]
fn an_install_says_what_the_dry_run_found() {
    let bench = Bench::new();
    let installed = bench.host.install("identity", "1", &wasm("identity")).expect("installed");
    assert_eq!(installed.dry_run, "ok");
    let installed = bench.host.install("by-airport", "1", &wasm("by-airport")).expect("installed");
    assert!(installed.dry_run.starts_with("needs settings: no setting"), "{}", installed.dry_run);
}

#[test]
fn a_removed_component_is_gone_and_a_damaged_one_is_named() {
    let bench = Bench::new();
    let live = bench.live("identity");
    let digest = live.label.digest;
    drop(live);
    let path = bench.directory.path().join(format!("{digest}.wasm"));
    let mut bytes = std::fs::read(&path).expect("kept");
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).expect("damaged");
    bench.host.load(digest).expect("this process still has it");
    let metrics = bench.metrics.clone();
    let next = Host::open(bench.directory.path(), Compiler::Here, metrics).expect("a host");
    let error = next.load(digest).expect_err("damaged").to_string();
    assert!(error.contains("is damaged: install it again"), "{error}");
    next.install("identity", "1", &wasm("identity")).expect("installed again");
    bench.host.remove(digest).expect("removed");
    let error = bench.host.load(digest).expect_err("gone").to_string();
    assert!(error.contains("install it again"), "{error}");
    bench.host.remove(digest).expect("twice is no error");
}

#[test]
fn a_damaged_cache_file_is_found_and_compiled_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = Cache::open(directory.path().join("native"), Compiler::Here).expect("a cache");
    let wasm = wasm("identity");
    let load = || cache.load(&wasm).expect("a component").1;
    assert_eq!(load(), Found::Compiled);
    assert_eq!(load(), Found::Cached);
    let path = cache.path_of(&wasm);
    let good = std::fs::read(&path).expect("a file");
    for at in [0, 8, 40, 72, 80, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).expect("written");
        assert_eq!(load(), Found::Recompiled, "byte {at}");
        assert_eq!(load(), Found::Cached);
    }
    std::fs::write(&path, &good[..good.len() - 1]).expect("written");
    assert_eq!(load(), Found::Recompiled, "cut");
}

#[test]
fn only_the_owner_may_read_the_cache() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::new();
    bench.live("identity");
    let native = bench.directory.path().join("native");
    assert_eq!(std::fs::metadata(&native).expect("there").mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&native).expect("there") {
        let mode = entry.expect("an entry").metadata().expect("there").mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn code_of_another_kind_is_not_asked() {
    let bench = Bench::new();
    let live = bench.live("weighted-1");
    let error = Instance::make(&live, &none()).map(|_| ());
    assert!(error.is_ok(), "made, but:");
    let mut instance = Instance::make(&live, &none()).expect("made");
    let batch = super::batch(super::keys(&["a"]), 1);
    let answer = super::call(&mut instance, &batch);
    assert!(matches!(answer, Err(CallError::NotReady(_))), "{answer:?}");
}
