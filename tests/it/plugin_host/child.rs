//! The compiling child: its cache, its limits, its words.

use logmill::plugin::cache::{Cache, Found};
use logmill::plugin::{Compiler, InstallError};

use super::{Bench, executable, wasm};

#[test]
fn native_code_is_compiled_by_a_child_once() {
    let bench = Bench::new();
    let digest = bench.install("murmur2");
    let native = bench.directory.path().join("native");
    let files = || std::fs::read_dir(&native).expect("there").count();
    assert_eq!(files(), 1, "nothing is left behind");
    bench.host.load(digest).expect("from the cache");
    assert_eq!(files(), 1);
    bench.host.remove(digest).expect("removed");
    assert_eq!(files(), 0);
}

#[test]
fn a_child_that_fails_says_why_and_one_out_of_memory_harms_nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    let compiler = Compiler::Child(executable());
    let mut cache = Cache::open(directory.path().to_owned(), compiler).expect("a cache");
    let error = cache.load(b"not a component").map(|_| ()).expect_err("no component");
    let InstallError::Compile(text) = &error else { panic!("{error:?}") };
    assert!(!text.is_empty() && !text.contains('\n'), "{text}");
    cache.set_memory_bytes_max(8 << 20);
    let error = cache.load(&wasm("murmur2")).map(|_| ()).expect_err("too little memory");
    let is_limit = matches!(error, InstallError::CompileLimit(_) | InstallError::Compile(_));
    assert!(is_limit, "{error:?}");
    cache.set_memory_bytes_max(2 << 30);
    assert_eq!(cache.load(&wasm("murmur2")).expect("enough memory").1, Found::Compiled);
    assert_eq!(cache.load(&wasm("murmur2")).expect("there").1, Found::Cached);
    let left = std::fs::read_dir(directory.path()).expect("there").count();
    assert_eq!(left, 1, "nothing is left behind");
}

#[test]
fn a_compiler_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let compiler = Compiler::Child("/nowhere/logmill".into());
    let cache = Cache::open(directory.path().to_owned(), compiler).expect("a cache");
    let error = cache.load(&wasm("murmur2")).map(|_| ()).expect_err("no child");
    assert!(error.to_string().contains("/nowhere/logmill"), "{error}");
}
