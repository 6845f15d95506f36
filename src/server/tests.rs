//! Tests of the data directory: identity, lock, how the last process ended.
use std::path::Path;

use crate::model::NodeId;
use crate::server::data_dir::DataDirError;
use crate::server::log_dirs::LogDirs;
use crate::server::meta::MetaError;
use crate::server::start::{end_on_panic, log_directory};

fn open(dir: &Path, node: i32) -> Result<LogDirs, DataDirError> {
    open_all(&[dir], None, node)
}

fn open_all(dirs: &[&Path], metadata: Option<&Path>, node: i32) -> Result<LogDirs, DataDirError> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let names: Vec<String> = dirs.iter().map(|dir| text(dir)).collect();
    LogDirs::open(&names, metadata.map(text).as_deref(), NodeId(node))
}

#[test]
fn the_first_start_makes_ids_that_stay() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a/data");
    let first = open(&data, 1).unwrap().home().meta.clone();
    let text = std::fs::read_to_string(data.join("meta.properties")).unwrap();
    for line in [
        "version=1".to_owned(),
        "node.id=1".to_owned(),
        format!("cluster.id={}", first.cluster_id),
        format!("directory.id={}", first.directory_id),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert_eq!(first.cluster_id.len(), 22);
    assert_eq!(open(&data, 1).unwrap().home().meta, first);
}

#[test]
fn a_directory_of_kafka_keeps_its_ids() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("meta.properties");
    let kafka = "#\n#Sat Nov 21 07:00:00 UTC 2026\nnode.id=5\nversion=1\n\
                 cluster.id=MkU3OEVBNTcwNTJENDM2Qg\n";
    std::fs::write(&path, kafka).unwrap();
    let first = open(dir.path(), 5).unwrap().home().meta.clone();
    assert_eq!((first.cluster_id.as_str(), first.node_id.0), ("MkU3OEVBNTcwNTJENDM2Qg", 5));
    // An older Kafka wrote no directory id; the one made now stays.
    let again = open(dir.path(), 5).unwrap().home().meta.clone();
    assert_eq!(again.directory_id, first.directory_id);
}

#[test]
fn another_node_a_newer_version_and_damage_are_refused_and_left_alone() {
    let cases = [
        ("version=1\nnode.id=2\ncluster.id=x\n", "belongs to node 2, but node.id is 1"),
        ("version=7\nnode.id=1\ncluster.id=x\n", "version \"7\""),
        ("node.id=1\ncluster.id=x\n", "version \"none\""),
        ("version=1\nnode.id=one\ncluster.id=x\n", "it has no node.id"),
        ("version=1\nnode.id=1\n", "it has no cluster.id"),
        ("version=1\nnode.id=1\ncluster.id=x\ndirectory.id=!\n", "directory.id is no id"),
    ];
    for (text, part) in cases {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meta.properties");
        std::fs::write(&path, text).unwrap();
        let error = open(dir.path(), 1).unwrap_err();
        assert!(matches!(error, DataDirError::Meta(_)), "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    let error = MetaError::Damaged { path: "/m".into(), what: "x".to_owned() };
    assert_eq!(error.to_string(), "/m is damaged: x; restore it from a copy.");
}

#[test]
fn a_second_broker_is_told_who_is_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), 1).unwrap();
    let error = open(dir.path(), 1).unwrap_err().to_string();
    let holder = format!("is in use by process {} (", std::process::id());
    assert!(error.contains(&holder), "{error}");
    drop(first);
    open(dir.path(), 1).unwrap();
}

#[test]
fn only_a_marked_stop_counts_as_clean_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), 1).unwrap();
    assert!(first.home().is_new && !first.home().ended_cleanly);
    first.home().mark_clean().unwrap();
    drop(first);
    assert!(dir.path().join(".kafka_cleanshutdown").exists());
    let second = open(dir.path(), 1).unwrap();
    assert!(!second.home().is_new && second.home().ended_cleanly);
    assert!(!dir.path().join(".kafka_cleanshutdown").exists());
    drop(second);
    assert!(!open(dir.path(), 1).unwrap().home().ended_cleanly);
}

#[test]
fn a_directory_without_an_identity_that_holds_partitions_was_not_closed() {
    let all = tempfile::tempdir().unwrap();
    let paths = ["home", "new", "full", "closed"].map(|name| all.path().join(name));
    for path in &paths[2..] {
        std::fs::create_dir_all(path.join("flights-0")).unwrap();
    }
    std::fs::create_dir_all(paths[1].join("lost+found")).unwrap();
    std::fs::write(paths[3].join(".kafka_cleanshutdown"), "").unwrap();
    let dirs = open_all(&paths.each_ref().map(|path| path.as_path()), None, 1).unwrap();
    let ended = |dir| log_directory(dir, dirs.home()).unwrap().ended_cleanly;
    assert_eq!(dirs.all().map(ended).collect::<Vec<_>>(), [false, true, false, true]);
}

/// The paths of those in use, shortened to their names, the home first.
fn in_use(dirs: &LogDirs) -> Vec<String> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let home = name(dirs.home().path());
    let others = dirs.in_use().map(|dir| name(dir.path())).filter(|name| *name != home);
    std::iter::once(home.clone()).chain(others).collect()
}

#[test]
fn the_metadata_is_found_wherever_it_lies_among_the_directories() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    let first = open_all(&[&a, &b], None, 1).unwrap();
    assert_eq!(in_use(&first), ["a", "b"]);
    let ids: Vec<_> = first.in_use().map(|dir| dir.meta.clone()).collect();
    assert_eq!(ids[0].cluster_id, ids[1].cluster_id);
    assert_ne!(ids[0].directory_id, ids[1].directory_id);
    drop(first);
    // A start that ended before there was a metadata log, then others in another order.
    assert_eq!(in_use(&open_all(&[&b, &a], None, 1).unwrap()), ["a", "b"]);
    std::fs::create_dir(a.join("metadata")).unwrap();
    assert_eq!(in_use(&open_all(&[&c, &b, &a], None, 1).unwrap()), ["a", "c", "b"]);
    // Without it there would be another cluster.
    let error = open_all(&[&b, &c], None, 1).unwrap_err().to_string();
    assert!(error.starts_with("The metadata of "), "{error}");
    assert!(error.contains(&format!("directory.id={}, which", ids[0].directory_id)), "{error}");
    // It may be moved.
    std::fs::rename(a.join("metadata"), c.join("metadata")).unwrap();
    assert_eq!(in_use(&open_all(&[&a, &b, &c], None, 1).unwrap()), ["c", "a", "b"]);
    let error = open_all(&[&a, &b, &c], Some(&a), 1).unwrap_err().to_string();
    assert!(error.contains("metadata, but metadata.log.dir="), "{error}");
    let error = open_all(&[&a, &b], None, 1).unwrap_err();
    assert!(matches!(error, DataDirError::MetadataMissing { .. }), "{error}");
    std::fs::create_dir(b.join("metadata")).unwrap();
    let error = open_all(&[&a, &b, &c], None, 1).unwrap_err().to_string();
    assert!(error.starts_with("There are two metadata logs, "), "{error}");
}

#[test]
fn the_metadata_may_have_a_directory_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, m] = ["a", "b", "m"].map(|name| folder.path().join(name));
    let dirs = open_all(&[&a, &b], Some(&m), 1).unwrap();
    assert_eq!(in_use(&dirs), ["m", "a", "b"]);
    let for_logs: Vec<bool> = dirs.all().map(|dir| dir.holds_logs).collect();
    assert_eq!(for_logs, [true, true, false]);
    drop(dirs);
    assert_eq!(in_use(&open_all(&[&a, &b], Some(&m), 1).unwrap()), ["m", "a", "b"]);
}

#[test]
fn directories_that_do_not_belong_together_are_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, link] = ["a", "b", "link"].map(|name| folder.path().join(name));
    drop(open(&a, 1).unwrap());
    drop(open(&b, 1).unwrap());
    let error = open_all(&[&a, &b], None, 1).unwrap_err().to_string();
    for dir in [&a, &b] {
        let file = dir.join("meta.properties").display().to_string();
        assert!(error.contains(&format!("{file} says cluster.id=")), "{error}");
    }
    std::os::unix::fs::symlink(&a, &link).unwrap();
    let error = open_all(&[&a, &link], None, 1).unwrap_err().to_string();
    assert!(error.ends_with("are the same directory; name it once in log.dirs."), "{error}");
    std::fs::copy(a.join("meta.properties"), b.join("meta.properties")).unwrap();
    let error = open_all(&[&a, &b], None, 1).unwrap_err().to_string();
    assert!(error.contains("one directory is a copy of the other"), "{error}");
}

#[test]
fn one_directory_that_cannot_be_opened_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    std::fs::write(&b, "a file").unwrap();
    // Before there is a metadata log nobody knows what lies in the one that is broken.
    let error = open_all(&[&a, &b], None, 1).unwrap_err();
    assert!(matches!(error, DataDirError::Make { .. }), "{error}");
    std::fs::create_dir(a.join("metadata")).unwrap();
    let dirs = open_all(&[&b, &a], None, 1).unwrap();
    assert_eq!(in_use(&dirs), ["a"]);
    let why = dirs.all().next().unwrap().opened.as_ref().unwrap_err().to_string();
    assert!(why.starts_with("Cannot make the data directory"), "{why}");
}

#[test]
fn a_partition_on_another_disk_than_its_log_directory_is_refused() {
    use std::os::unix::fs::MetadataExt as _;
    let all = tempfile::tempdir().unwrap();
    let [home, other] = ["home", "other"].map(|name| all.path().join(name));
    let disk = |path: &Path| path.metadata().map(|found| found.dev()).ok();
    let memory = Path::new("/dev/shm");
    if disk(memory).is_none() || disk(memory) == disk(all.path()) {
        println!("skipped: there is no other file system here");
        return;
    }
    let elsewhere = tempfile::tempdir_in(memory).unwrap();
    for folder in [home.join("metadata"), other.clone(), all.path().join("beside")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    // Beside its log directory, but on its disk.
    std::os::unix::fs::symlink(all.path().join("beside"), other.join("near-0")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), other.join("not a partition")).unwrap();
    let dirs = open_all(&[&home, &other], None, 1).unwrap();
    assert_eq!(in_use(&dirs), ["home", "other"]);
    drop(dirs);
    std::os::unix::fs::symlink(elsewhere.path(), other.join("flights-0")).unwrap();
    let dirs = open_all(&[&home, &other], None, 1).unwrap();
    assert_eq!(in_use(&dirs), ["home"]);
    let error = dirs.all().find_map(|dir| dir.opened.as_ref().err()).unwrap().to_string();
    assert!(error.contains("flights-0 lies on another disk than its log directory"), "{error}");
    drop(dirs);
    let error = open(&other, 1).unwrap_err().to_string();
    assert!(error.contains("; name a directory on that disk in log.dirs"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open(&file.join("data"), 1).unwrap_err().to_string();
    assert!(error.starts_with("Cannot make the data directory"), "{error}");
    assert!(error.ends_with("with --set log.dirs=DIRECTORY."), "{error}");
    let foreign = DataDirError::Foreign { dir: "/opt/x".into(), owner: "kafka".to_owned() };
    let want = "The data directory /opt/x belongs to kafka, and this user may not write in it; \
                run the broker as its owner, or name another directory with --set \
                log.dirs=DIRECTORY.";
    assert_eq!(foreign.to_string(), want);
}

/// In the child of the test below: panics on a thread of the name that the parent gave.
fn panic_on(thread: String) -> ! {
    end_on_panic();
    let panicking = std::thread::Builder::new().name(thread).spawn(|| panic!("on purpose"));
    let _ = panicking.unwrap().join();
    // Reached only when the process outlives the panic.
    std::process::exit(0);
}

#[test]
fn a_panic_ends_the_process_except_on_the_admin_thread() {
    use std::os::unix::process::ExitStatusExt as _;
    const NAME: &str = "server::tests::a_panic_ends_the_process_except_on_the_admin_thread";
    if let Ok(thread) = std::env::var("LOGMILL_TEST_PANIC_ON") {
        panic_on(thread);
    }
    let status = |thread: &str| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args([NAME, "--exact", "--nocapture"]).env("LOGMILL_TEST_PANIC_ON", thread);
        child.output().unwrap().status
    };
    const SIGABRT: i32 = 6;
    assert_eq!(status("shard-1").signal(), Some(SIGABRT));
    assert_eq!(status("worker-0").signal(), Some(SIGABRT));
    assert_eq!(status("admin").code(), Some(0));
}
