//! Tests of the command line: parsing, wording, and the sentences for what goes wrong.
use std::net::TcpListener;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser as _};
use expect_test::{Expect, expect};

use crate::admin::{Admin, AdminLimits, AdminToken, Desk, serve};
use crate::observe::Metrics;
use crate::plugin::DRY_RUN_NEEDS;
use crate::server::args::{Args, Command, Remote};
use crate::server::cli::{
    self, CliError, componentize, group_text, plugin_text, topic_text, words,
};
use crate::shard::desk::{
    ActivateReply, AssignedPartitions, BEING_LOADED, Binding, BindingMode, BindingPolicy,
    BindingSpec, BindingTarget, CompactPartition, CompactReport, DeskError, DeskReply, DeskRequest,
    GroupDetail, GroupMember, GroupOffset, GroupSummary, PartitionDetail, PluginDetail,
    PluginPsRow, PluginVersion, TopicDetail, TopicSpec, TopicSummary,
};

fn parse(line: &str) -> Result<Command, String> {
    let args = Args::try_parse_from(line.split(' '));
    args.map(|args| args.command).map_err(|error| error.to_string())
}

#[track_caller]
fn refuses(line: &str, part: &str) {
    let error = parse(line).expect_err("this line is wrong");
    assert!(error.contains(part), "{error}");
}

#[test]
fn wrong_lines_are_refused_with_what_is_missing() {
    refuses("logmill plugin install a.wasm --as by-airport", "NAME@VERSION");
    refuses("logmill plugin install a.wasm", "--as");
    refuses("logmill plugin activate a@", "NAME@VERSION");
    refuses("logmill plugin bind a", "--topic");
    refuses("logmill plugin bind a --topic t --group g", "cannot be used with");
    refuses("logmill plugin bind a --topic t --mode route", "advise");
    refuses("logmill plugin bind a --topic t --policy last-good", "possible values: closed, open");
    refuses("logmill plugin bind a --topic t --set x", "KEY=VALUE");
    refuses("logmill plugn", "plugin");
}

#[test]
fn remote_options_may_stand_anywhere() {
    for line in [
        "logmill --admin http://h:1 --json plugin ps --token-file f",
        "logmill plugin --admin http://h:1 --json --token-file f ps",
        "logmill plugin ps --admin http://h:1 --json --token-file f",
    ] {
        let remote = Args::try_parse_from(line.split(' ')).unwrap().remote;
        assert_eq!((remote.admin.as_str(), remote.json), ("http://h:1", true));
        assert_eq!(remote.token_file, Some(PathBuf::from("f")));
    }
}

#[test]
fn every_command_and_every_option_has_a_line_of_help() {
    fn walk(command: &clap::Command, path: &str, bare: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        let is_bare = |help: Option<&clap::builder::StyledStr>| {
            help.is_none_or(|help| help.to_string().trim().is_empty())
        };
        bare.extend(is_bare(command.get_about()).then(|| path.clone()));
        for argument in command.get_arguments() {
            let id = argument.get_id();
            bare.extend(is_bare(argument.get_help()).then(|| format!("{path} <{id}>")));
        }
        command.get_subcommands().for_each(|sub| walk(sub, &path, bare));
    }
    let mut bare = Vec::new();
    walk(&Args::command(), "", &mut bare);
    assert!(bare.is_empty(), "{bare:#?}");
}

fn by_airport() -> PluginVersion {
    PluginVersion {
        name: "by-airport".to_owned(),
        version: "1.1.0".to_owned(),
        kind: "partitioner".to_owned(),
        digest: "9f2c41aa00".to_owned(),
        bytes: 24_600,
        wit: "0.1.0".to_owned(),
        reads: vec!["keys".to_owned()],
        compiled: true,
        compiled_ms: Some(11),
        dry_run: Some("ok".to_owned()),
        ..PluginVersion::default()
    }
}

#[track_caller]
fn reads(text: &str, want: Expect) {
    want.assert_eq(text);
}

/// For long sentences: each part on a line of its own.
#[track_caller]
fn reads_in_parts(text: &str, want: Expect) {
    want.assert_eq(&text.replace("; ", ";\n").replace("  wit", "\n  wit"));
}

#[test]
fn plugin_answers_read_as_documented() {
    reads_in_parts(
        &plugin_text::installed(&by_airport()),
        expect![[r#"
        by-airport@1.1.0 is installed: partitioner, 24 KiB, sha256:9f2c41aa…
          reads: keys
          built for interface 0.1.0;
        compiled in 11 ms
          tried: ok
          next: logmill plugin activate by-airport@1.1.0"#]],
    );
    let mut waits = by_airport();
    waits.dry_run = Some(format!("{DRY_RUN_NEEDS}no setting names an airport"));
    let text = plugin_text::installed(&waits);
    let line =
        "  each binding must give it settings (--set KEY=VALUE): no setting names an airport";
    assert!(text.lines().any(|shown| shown == line) && !text.contains("needs"), "{text}");
    let mut reply = ActivateReply {
        name: "by-airport".to_owned(),
        version: "1.1.0".to_owned(),
        generation: 7,
        shards_ready: 2,
        shards: 2,
        elapsed_ms: 3,
        before: Some("1.0.3".to_owned()),
    };
    reads_in_parts(
        &plugin_text::activated(&reply),
        expect![[r#"
        by-airport@1.1.0 is live on 2/2 shards after 3 ms (generation 7);
        before: 1.0.3 (`logmill plugin rollback by-airport`)"#]],
    );
    reads_in_parts(
        &plugin_text::rolled_back(&reply),
        expect![[r#"
        by-airport@1.1.0 is back: live on 2/2 shards after 3 ms (generation 7);
        before: 1.0.3"#]],
    );
    reply.before = None;
    reads_in_parts(
        &plugin_text::activated(&reply),
        expect![[r#"
        by-airport@1.1.0 is live on 2/2 shards after 3 ms (generation 7);
        nothing was active before"#]],
    );
    let spec = BindingSpec {
        plugin: "by-airport".to_owned(),
        pin: None,
        target: BindingTarget::Topic("flights".to_owned()),
        mode: Some(BindingMode::Verify),
        policy: Some(BindingPolicy::Closed),
        settings: [("JFK", "0"), ("LGA", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    };
    let (kind, version, state) = ("partitioner", Some("1.1.0".to_owned()), "live");
    let (kind, state) = (kind.to_owned(), state.to_owned());
    let binding = Binding { spec, kind, version, state };
    let want = "by-airport is bound to topic flights (verify, closed): live, version 1.1.0";
    assert_eq!(plugin_text::bound(&binding), want);
    let state = format!("unready: by-airport@1.1.0 {BEING_LOADED}");
    let text = plugin_text::bound(&Binding { state, ..binding.clone() });
    assert!(text.ends_with(": live in a moment, version 1.1.0"), "{text}");
    reads(
        &plugin_text::bindings(&[binding]),
        expect![[r#"
        TARGET         PLUGIN      VERSION  MODE    POLICY  STATE  SETTINGS
        topic flights  by-airport  1.1.0    verify  closed  live   JFK=0 LGA=1
    "#]],
    );
}

#[test]
fn a_plugin_shows_what_its_versions_read_and_which_wait_for_a_compile() {
    let (mut old, mut gone, new) = (by_airport(), by_airport(), by_airport());
    (old.version, old.state, old.compiled) = ("1.0.0".to_owned(), "previous".to_owned(), false);
    (gone.version, gone.compiled, gone.reads) = ("0.9.0".to_owned(), false, Vec::new());
    gone.state = "unready: damaged".to_owned();
    let mut detail = PluginDetail { versions: vec![gone, old, new], ..PluginDetail::default() };
    detail.versions[2].state = "active".to_owned();
    (detail.summary.name, detail.summary.kind) = ("by-airport".into(), "partitioner".into());
    reads(
        &plugin_text::detail(&detail),
        expect![[r#"
        by-airport: partitioner, no version is active

        VERSION  STATE             DIGEST            SIZE    WIT    COMPILED  BY  READS
        0.9.0    unready: damaged  sha256:9f2c41aa…  24 KiB  0.1.0  no        -   unknown
        1.0.0    previous          sha256:9f2c41aa…  24 KiB  0.1.0  no        -   keys
        1.1.0    active            sha256:9f2c41aa…  24 KiB  0.1.0  yes       -   keys

        No bindings."#]],
    );
}

#[test]
fn ps_is_an_aligned_table() {
    let row = |name: &str, bindings: &str, state: &str| PluginPsRow {
        name: name.to_owned(),
        active: Some("1.1.0".to_owned()),
        bindings: bindings.to_owned(),
        state: state.to_owned(),
        ..PluginPsRow::default()
    };
    let mut busy = row("by-map", "topic t", "live");
    busy.previous = Some("1.0.3".to_owned());
    (busy.calls_per_second, busy.p99_ns) = (Some(8211.2), Some(6_000));
    busy.cpu_percent = Some(0.42);
    let mut broken = row("weighted", "2 groups", "breaker: probe in 4 s");
    (broken.p99_ns, broken.failed_total) = (Some(2_100_000), 3);
    reads(
        &plugin_text::ps(&[busy, broken]),
        expect![[r#"
        NAME      ACTIVE  PREV   BINDINGS  STATE                  CALLS/S  P99     CPU   FAILED
        by-map    1.1.0   1.0.3  topic t   live                   8,211    6 µs    0.4%  0
        weighted  1.1.0   -      2 groups  breaker: probe in 4 s           2.1 ms        3
    "#]],
    );
}

#[test]
fn a_compaction_says_what_stays_and_what_was_left_alone() {
    let part = |partition, skipped: &str, keys: &[&str]| CompactPartition {
        partition,
        skipped: skipped.to_owned(),
        sample_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..CompactPartition::default()
    };
    let mut report = CompactReport {
        topic: "last-flight".to_owned(),
        policy: "newest-by-header@1".to_owned(),
        partitions: vec![part(0, "", &["N14228", "a\u{1b}[2J"]), part(1, "no closed segment", &[])],
        records_before: 331_264,
        records_after: 4_043,
        bytes_before: 40 << 20,
        bytes_after: 700 << 10,
        elapsed_ms: 812,
        dry_run: false,
    };
    reads_in_parts(
        &topic_text::compacted(&report),
        expect![[r#"
        last-flight: 4,043 of 331,264 records stay, 327,221 go;
        700 KiB of 40 MiB kept;
        1 of 2 partitions in 812 ms;
        policy: newest-by-header@1
          partition 1 was left alone: no closed segment
    "#]],
    );
    report.dry_run = true;
    report.policy.clear();
    reads_in_parts(
        &topic_text::compacted(&report),
        expect![[r#"
        last-flight: 4,043 of 331,264 records would stay, 327,221 would go;
        700 KiB of 40 MiB kept;
        1 of 2 partitions in 812 ms;
        policy: Kafka's rule, newest offset per key
          partition 1 was left alone: no closed segment
          some of the keys: "N14228" "a\u{1b}[2J"
    "#]],
    );
    reads_in_parts(
        &topic_text::left_alone(&report).unwrap(),
        expect![[r#"
        1 of 2 partitions of last-flight could not be compacted;
        partition 1: no closed segment."#]],
    );
    report.partitions.pop();
    assert_eq!(topic_text::left_alone(&report), None);
}

#[test]
fn a_group_shows_who_computed_its_assignment() {
    let member = |client: &str, partitions: &[i32]| GroupMember {
        member_id: format!("{client}-1f"),
        client_id: client.to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        group_instance_id: None,
        assignment: vec![AssignedPartitions {
            topic: "flights".to_owned(),
            partitions: partitions.to_vec(),
        }],
    };
    let detail = GroupDetail {
        summary: GroupSummary {
            group: "planes".to_owned(),
            state: "Stable".to_owned(),
            group_type: "Classic".to_owned(),
            protocol_type: "consumer".to_owned(),
            members: 2,
            generation: 4,
            assignor: Some("weighted".to_owned()),
        },
        assigned_by: "weighted@2".to_owned(),
        assigned_by_digest: "0123456789".to_owned(),
        members: vec![member("big-1", &[0, 1, 2, 5]), member("small-1", &[3])],
        offsets: vec![GroupOffset {
            topic: "flights".to_owned(),
            partition: 0,
            committed: 90,
            high_watermark: Some(100),
        }],
    };
    reads(
        &group_text::detail(&detail),
        expect![[r#"
        planes: Stable, generation 4, 2 members; assigned by weighted@2 sha256:01234567…

        CLIENT   MEMBER      HOST        COUNT  PARTITIONS
        big-1    big-1-1f    /127.0.0.1  4      flights: 0-2 5
        small-1  small-1-1f  /127.0.0.1  1      flights: 3

        TOPIC    PARTITION  COMMITTED  END  LAG
        flights  0          90         100  10
    "#]],
    );
}

#[test]
fn topics_read_as_documented() {
    let topic = TopicSummary { name: "flights".into(), partitions: 6, ..Default::default() };
    let own = TopicSummary { internal: true, name: "__own".into(), ..Default::default() };
    reads(
        &topic_text::list(&[own, topic]),
        expect![[r#"
        NAME     PARTITIONS  SIZE  PLUGINS  INTERNAL
        __own    0           0 B   -        yes
        flights  6           0 B   -        -
    "#]],
    );
    let partitions = vec![PartitionDetail::default(); 6];
    let detail = TopicDetail { name: "flights".into(), partitions, ..Default::default() };
    assert_eq!(topic_text::created(&detail), "Topic flights is created, with 6 partitions.");
    refuses("logmill topic create flights --partitions many", "many");
    refuses("logmill topic create flights --set retention.ms", "KEY=VALUE");
    let spec = TopicSpec { name: "flights".into(), ..Default::default() };
    assert_eq!(serde_json::to_string(&spec).unwrap(), r#"{"name":"flights","settings":{}}"#);
}

#[test]
fn a_topic_says_what_is_wrong_with_a_partition() {
    let failed = PartitionDetail { not_compacted: "it traps".into(), ..Default::default() };
    let gone = PartitionDetail { offline: "no disk".into(), ..failed.clone() };
    let partitions = vec![failed, gone];
    let detail = TopicDetail { name: "flights".into(), partitions, ..Default::default() };
    let said = topic_text::detail(&detail);
    assert!(said.contains("not compacted: it traps\n") && said.contains("offline: no disk\n"));
}

#[test]
fn sentences_end() {
    let ends = ["It is so.", "Is it?", "--set x: no value"].map(words::sentence);
    assert_eq!(ends, ["It is so.", "Is it?", "--set x: no value."]);
}

#[test]
fn figures_are_short() {
    let bytes = [0, 1023, 1024, 24_600, 1 << 20, (3 << 30) + (1 << 29)].map(words::bytes);
    reads(&bytes.join(" | "), expect!["0 B | 1023 B | 1 KiB | 24 KiB | 1 MiB | 3.5 GiB"]);
    let times = [0, 999, 6_000, 2_100_000, 3_000_000_000, 7_200_000_000_000].map(words::nanos);
    reads(&times.join(" | "), expect!["0 ns | 999 ns | 6 µs | 2.1 ms | 3 s | 2 h"]);
    let counts = [0, 999, 1000, 1_204_113].map(words::count);
    reads(&counts.join(" | "), expect!["0 | 999 | 1,000 | 1,204,113"]);
    reads(&words::ranges(&[0, 1, 2, 4, 7, 8, i32::MAX]), expect!["0-2 4 7-8 2147483647"]);
    reads(&words::ranges(&[]), expect![[""]]);
}

fn remote(admin: &str, token_file: PathBuf) -> Remote {
    Remote { admin: admin.to_owned(), token_file: Some(token_file), json: false }
}

/// The sentence with which this line fails against a broker at `admin`.
#[track_caller]
fn sentence(admin: &str, token_file: PathBuf, line: &str) -> String {
    let remote = remote(admin, token_file);
    let failed = cli::run(parse(line).unwrap(), &remote);
    let sentence = failed.expect_err("this cannot succeed").to_string();
    assert!(!sentence.contains('\n'), "{sentence}");
    sentence
}

#[test]
fn no_broker_and_no_token_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("admin.token");
    // A port that was free a moment ago and on which nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let admin = format!("http://{port}");
    let said = sentence(&admin, token.clone(), "logmill topic ls");
    let want = format!(
        "No broker answers at {admin} (connection refused); start one with `logmill serve`, or \
         name its admin port with --admin."
    );
    assert_eq!(said, want);
    let said = sentence(&admin, token.clone(), "logmill plugin rollback a");
    assert!(said.starts_with("There is no admin token at"), "{said}");
    assert!(said.contains("--token-file"), "{said}");
    for (bytes, part) in [(&b""[..], "holds no admin token"), (b"\xff\xfe", "Cannot read the")] {
        std::fs::write(&token, bytes).unwrap();
        let said = sentence(&admin, token.clone(), "logmill plugin rollback a");
        assert!(said.contains(part) && said.contains("LOGMILL_TOKEN_FILE"), "{said}");
    }
    let said = sentence(&admin, dir.path().to_owned(), "logmill plugin rollback a");
    assert!(said.starts_with("Cannot read the admin token"), "{said}");
    let said = sentence(&admin, PathBuf::new(), "logmill plugin rollback a");
    assert!(said.starts_with("The name of the token file is empty;"), "{said}");
    for url in ["https://x", "ftp://x", "http://", "http://a b", "http://u@h", "h/p?q"] {
        let said = sentence(url, token.clone(), "logmill topic ls");
        assert!(said.contains("is not an admin URL"), "{url}: {said}");
    }
}

#[test]
fn something_else_on_the_port_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap().to_string();
    let other = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    });
    let said = sentence(&admin, "none".into(), "logmill group ls");
    assert!(said.contains("not the admin port of a Logmill broker"), "{said}");
    other.join().unwrap();
}

/// On a port that others reach reads need the token too.
#[test]
fn a_read_without_a_token_says_so_when_one_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = listener.local_addr().unwrap();
    let token = AdminToken::load_or_create(dir.path()).unwrap();
    let desk = Desk::new(|_, callback| callback(Ok(DeskReply::Topics(Vec::new()))));
    let limits = AdminLimits::default();
    let admin = Admin { desk, metrics: Metrics::new(), token, address, limits };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stopped = async move { stopped.await.unwrap_or(()) };
        runtime.block_on(serve(listener, admin, stopped)).unwrap();
    });
    let url = format!("http://127.0.0.1:{}", address.port());
    let said = sentence(&url, dir.path().join("none"), "logmill topic ls");
    assert!(said.starts_with("There is no admin token at"), "{said}");
    let remote = remote(&url, dir.path().join("admin.token"));
    cli::run(parse("logmill topic ls").unwrap(), &remote).unwrap();
    stop.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn a_brokers_refusal_is_printed_as_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let token = AdminToken::load_or_create(dir.path()).unwrap();
    let desk = Desk::new(|request, callback| {
        let install = match request {
            DeskRequest::PluginInstall(install) => install,
            DeskRequest::ConfigShow => return callback(Ok(DeskReply::Config(Vec::new()))),
            _ => return callback(Ok(DeskReply::Topics(Vec::new()))),
        };
        let len = install.bytes.len();
        callback(Err(DeskError::bad_request(format!("These {len} bytes are no component."))));
    });
    let metrics = Metrics::new();
    let admin = Admin { desk, metrics, token, address, limits: AdminLimits::default() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stopped = async move { stopped.await.unwrap_or(()) };
        runtime.block_on(serve(listener, admin, stopped)).unwrap();
    });
    let (url, token) = (format!("http://{address}"), dir.path().join("admin.token"));
    let file = dir.path().join("a.wasm");
    std::fs::write(&file, [7; 300_000]).unwrap();
    let line = format!("logmill plugin install {} --as a@1", file.display());
    assert_eq!(sentence(&url, token.clone(), &line), "These 300000 bytes are no component.");

    let wrong = dir.path().join("wrong.token");
    std::fs::write(&wrong, "0123456789abcdef").unwrap();
    let said = sentence(&url, wrong, &line);
    assert!(said.starts_with("The token is not this broker's"), "{said}");

    std::fs::File::create(&file).unwrap().set_len((32 << 20) + 1).unwrap();
    let said = sentence(&url, token.clone(), &line);
    assert!(said.contains("a component may have 32 MiB at most"), "{said}");
    std::fs::write(&file, "").unwrap();
    let want = format!("{} is empty; name a component (a .wasm file).", file.display());
    assert_eq!(sentence(&url, token.clone(), &line), want);
    let said = sentence(&url, token.clone(), "logmill config show zzz");
    assert!(said.starts_with("No setting has \"zzz\" in its name;"), "{said}");
    let said = sentence(&url, token.clone(), "logmill plugin install /no/such.wasm --as a@1");
    assert!(said.starts_with("Cannot read /no/such.wasm"), "{said}");

    let remote = remote(&url, token);
    cli::run(parse("logmill topic ls").unwrap(), &remote).unwrap();
    stop.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn componentize_refuses_what_is_no_module() {
    let cases: [(&[u8], &str); 4] = [
        (b"hello", "not a WebAssembly module"),
        (b"", "not a WebAssembly module"),
        (b"\0asm\x0d\0\x01\0", "a component already"),
        (b"\0asm\x01\0\0\0\xff\xff", "cannot be made a component"),
    ];
    for (bytes, part) in cases {
        let said = componentize::encode(bytes).unwrap_err();
        assert!(said.contains(part) && !said.contains('\n'), "{said}");
    }
    let failed = componentize::run("/no/such".as_ref(), "/no/out".as_ref()).unwrap_err();
    assert!(matches!(failed, CliError::File { what: "read", .. }), "{failed}");
}

#[test]
fn names_travel_whole_in_a_path() {
    assert_eq!(cli::segment("a/b ü%"), "a%2Fb%20%C3%BC%25");
    assert_eq!(cli::segment(".."), "%2E%2E");
}
