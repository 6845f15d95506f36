//! Tests of the HTTP layer against a real server on a free port: who may call, limits, errors.
//!
//! The desk behind it answers fixed values; what the broker decides is tested in `tests/it`.
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::admin::table::ROUTES;
use crate::admin::{Admin, AdminLimits, AdminToken, Desk, DeskCallback, TokenError, serve};
use crate::observe::Metrics;
use crate::shard::desk::{
    BindingTarget, DeskError, DeskReply, DeskRequest, DoneReply, HealthReply,
};

const TOKEN: &str = "0123456789abcdef0123";

/// A server on its own thread; stops when it is dropped.
struct Port {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<DeskRequest>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Port {
    fn open(limits: AdminLimits) -> Self {
        Self::open_with(limits, fixed_answer)
    }

    fn open_with(limits: AdminLimits, answer: fn(&DeskRequest, DeskCallback)) -> Self {
        Self::open_at("127.0.0.1:0", limits, answer)
    }

    fn open_at(place: &str, limits: AdminLimits, answer: fn(&DeskRequest, DeskCallback)) -> Self {
        let listener = TcpListener::bind(place).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let desk = Desk::new(move |request, callback| {
            answer(&request, callback);
            seen.lock().unwrap().push(request);
        });
        let token = AdminToken::fixed(TOKEN);
        let admin = Admin { desk, metrics: Metrics::new(), token, address, limits };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let stopped = async move {
                let _ = stopped.await;
            };
            runtime.unwrap().block_on(serve(listener, admin, stopped)).unwrap();
        });
        Self { address, asked, stop: Some(stop), thread: Some(thread) }
    }

    /// Sends these bytes and reads the answer to its end.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn send(&self, line: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        self.raw(
            format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
    }

    fn write(&self, line: &str, body: &str) -> String {
        self.send(line, &format!("Authorization: Bearer {TOKEN}\r\n"), body)
    }

    fn asked(&self) -> Vec<DeskRequest> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(|thread| thread.join());
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

fn fixed_answer(request: &DeskRequest, callback: DeskCallback) {
    callback(match request {
        DeskRequest::Health => {
            Ok(DeskReply::Health(HealthReply { status: "ok".to_owned(), ..HealthReply::default() }))
        }
        DeskRequest::TopicList => Ok(DeskReply::Topics(Vec::new())),
        DeskRequest::PluginRemove { .. } => Err(DeskError::conflict("It is bound to 1 topic.")),
        DeskRequest::GroupDescribe { .. } => Err(DeskError::not_found("No such group.")),
        _ => Ok(DeskReply::Done(DoneReply { message: "done".to_owned() })),
    });
}

#[track_caller]
fn check(answer: &str, status: u16, part: &str) {
    let head = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&head) && answer.contains(part), "want {status} {part}: {answer}");
}

#[test]
fn health_and_metrics_are_open_to_everybody() {
    let port = Port::open(AdminLimits::default());
    let far = "Connection: close\r\nHost: broker.example\r\nOrigin: https://a.example\r\n\r\n";
    check(&port.raw(format!("GET /health HTTP/1.1\r\n{far}").as_bytes()), 200, "\"ok\"");
    let metrics = port.raw(format!("GET /metrics HTTP/1.1\r\n{far}").as_bytes());
    check(&metrics, 200, "# EOF");
    assert!(metrics.contains("application/openmetrics-text"), "{metrics}");
}

#[test]
fn a_host_that_is_not_this_machine_reaches_nothing() {
    let port = Port::open(AdminLimits::default());
    let ask = |host: &str| {
        port.raw(format!("GET /v1/topics HTTP/1.1\r\nConnection: close\r\n{host}\r\n").as_bytes())
    };
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1:9644", "127.0.0.1.nip.io", ""]
    {
        check(&ask(&format!("Host: {host}\r\n")), 403, "forbidden");
    }
    check(&ask("Host: localhost\r\nHost: evil.example\r\n"), 403, "forbidden");
    assert_eq!(port.asked(), []);
    for host in ["localhost", "LOCALHOST:9644", "127.0.0.1:1", "[::1]:9644", "127.8.8.8"] {
        check(&ask(&format!("Host: {host}\r\n")), 200, "[]");
    }
}

#[test]
fn writes_need_the_token_and_no_origin() {
    let port = Port::open(AdminLimits::default());
    let path = "POST /v1/plugins/a/rollback";
    check(&port.send(path, "", ""), 401, "admin.token");
    check(&port.send(path, "", ""), 401, "www-authenticate: Bearer");
    for wrong in ["Bearer ", "Bearer 0123456789abcdef0124", "Basic 0123456789abcdef0123", "x"] {
        let header = format!("Authorization: {wrong}\r\n");
        check(&port.send(path, &header, ""), 401, "not this broker's");
    }
    let good = format!("Authorization: Bearer {TOKEN}\r\n");
    for origin in ["https://a.example", "null", "http://localhost:9644"] {
        let headers = format!("{good}Origin: {origin}\r\n");
        check(&port.send(path, &headers, ""), 403, "Origin");
    }
    check(&port.send("PUT /v1/plugins/a/versions/1", "", "wasm"), 401, "unauthorized");
    check(&port.send("DELETE /v1/bindings?plugin=a&topic=t", "", ""), 401, "unauthorized");
    assert_eq!(port.asked(), []);
    check(&port.send(path, &good, ""), 200, "done");
    check(&port.send("POST /v1/plugins/a/deactivate", &good, ""), 200, "done");
    let (rolled, off) = ("a".to_owned(), "a".to_owned());
    let want =
        [DeskRequest::PluginRollback { name: rolled }, DeskRequest::PluginDeactivate { name: off }];
    assert_eq!(port.asked(), want);
}

#[test]
fn a_token_is_carried_whole_or_not_at_all() {
    let token = AdminToken::fixed(TOKEN);
    for wrong in ["", "0", &TOKEN[1..], &TOKEN[..19], &format!("{TOKEN}0"), "\0"] {
        assert!(!token.is_carried_by(format!("Bearer {wrong}").as_bytes()), "{wrong:?}");
    }
    assert!(token.is_carried_by(format!("bearer  {TOKEN} ").as_bytes()));
}

#[test]
fn on_a_port_that_others_reach_reads_need_the_token_too() {
    let port = Port::open_at("0.0.0.0:0", AdminLimits::default(), fixed_answer);
    let ask = |host: &str, more: &str| {
        let line = "GET /v1/topics HTTP/1.1\r\nConnection: close\r\n";
        port.raw(format!("{line}Host: {host}\r\n{more}\r\n").as_bytes())
    };
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    check(&ask("192.0.2.7:9644", ""), 401, "unauthorized");
    check(&ask("192.0.2.7:9644", &token), 200, "[]");
    check(&ask("evil.example", &token), 403, "forbidden");
    assert_eq!(port.asked(), [DeskRequest::TopicList]);
}

#[test]
fn a_component_over_the_cap_is_refused_with_its_limit() {
    let limits = AdminLimits { component_bytes_max: 2048, ..AdminLimits::default() };
    let port = Port::open(limits);
    let large = "x".repeat(2049);
    check(&port.write("PUT /v1/plugins/a/versions/1", &large), 413, "2 KiB");
    let chunked = format!(
        "PUT /v1/plugins/a/versions/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n\
         801\r\n{large}\r\n0\r\n\r\n"
    );
    check(&port.raw(chunked.as_bytes()), 413, "2 KiB");
    assert_eq!(port.asked(), []);
    check(&port.write("PUT /v1/plugins/a/versions/1", &large[1..]), 200, "done");
    let [DeskRequest::PluginInstall(install)] = &port.asked()[..] else { panic!("one install") };
    assert_eq!((install.bytes.len(), install.who.as_str()), (2048, "admin"));
}

#[test]
fn a_large_refused_upload_still_reads_its_answer() {
    let port = Port::open(AdminLimits::default());
    let large = "x".repeat(40 << 20);
    check(&port.write("PUT /v1/plugins/a/versions/1", &large), 413, "32 MiB");
    check(&port.send("PUT /v1/plugins/a/versions/1", "", &large), 401, "unauthorized");
    assert_eq!(port.asked(), []);
}

#[test]
fn bad_bodies_names_and_paths_get_one_sentence() {
    let limits = AdminLimits { json_bytes_max: 512, ..AdminLimits::default() };
    let port = Port::open(limits);
    let bad = [
        ("POST /v1/plugins/a/activate", "{", 400, "not understood"),
        ("POST /v1/plugins/a/activate", "", 400, "missing field `version`"),
        ("POST /v1/plugins/a/activate", r#"{"version":"1","x":1}"#, 400, "unknown field `x`"),
        ("POST /v1/topics/t/compact", r#"{"dryrun":true}"#, 400, "unknown field `dryrun`"),
        ("POST /v1/bindings", r#"{"plugin":"a","target":{"disk":"x"}}"#, 400, "disk"),
        ("DELETE /v1/bindings?plugin=a", "", 400, "?plugin=<name>&topic=<name>"),
        ("DELETE /v1/bindings?plugin=a&topic=t&group=g", "", 400, "?plugin=<name>"),
        ("PUT /v1/plugins/uniform/versions/1", "x", 400, "reserved"),
        ("PUT /v1/plugins/..%2fa/versions/1", "x", 400, "must begin with a letter"),
        ("PUT /v1/plugins/a/versions/%22", "x", 400, "version must begin"),
        ("PUT /v1/plugins/a/versions/1", "", 400, "The body is empty"),
        ("GET /v1/groups/%ff", "", 400, "UTF-8"),
        ("GET /v1/nothing", "", 404, "There is nothing at /v1/nothing; / lists"),
        ("POST /v1/topics", "", 400, "missing field `name`"),
        ("POST /v1/topics", r#"{"name":"t","parts":1}"#, 400, "unknown field `parts`"),
        ("POST /v1/topics/t", "", 405, "does not take POST"),
    ];
    for (line, body, status, part) in bad {
        let answer = port.write(line, body);
        check(&answer, status, part);
        assert!(answer.contains(r#"{"error":""#), "{line}: {answer}");
    }
    check(&port.write("POST /v1/bindings", &" ".repeat(600)), 413, "larger than 512 bytes");
    assert_eq!(port.asked(), []);
}

#[test]
fn the_desks_refusals_have_their_status() {
    let port = Port::open(AdminLimits::default());
    check(&port.write("DELETE /v1/plugins/a/versions/1", ""), 409, "It is bound to 1 topic.");
    check(&port.write("GET /v1/groups/a%2Fb", ""), 404, r#""error":"not_found""#);
    check(&port.write("DELETE /v1/bindings?plugin=a&group=a%2Fb", ""), 200, "done");
    let target = BindingTarget::Group("a/b".to_owned());
    let unbind = DeskRequest::Unbind { plugin: "a".to_owned(), target };
    let group = DeskRequest::GroupDescribe { group: "a/b".to_owned() };
    assert_eq!(port.asked()[1..], [group, unbind]);
}

#[test]
fn a_silent_and_a_gone_shard_are_told_apart() {
    let limits = AdminLimits { answer_ms_max: 20, ..AdminLimits::default() };
    let silent = Port::open_with(limits, |_, callback| std::mem::forget(callback));
    check(&silent.write("GET /v1/topics", ""), 503, "did not answer within 0.02 s");
    let gone = Port::open_with(limits, |_, callback| drop(callback));
    check(&gone.write("GET /v1/topics", ""), 503, "is stopping");
}

#[test]
fn connections_are_bounded_and_age() {
    let limits =
        AdminLimits { connections_max: 1, connection_ms_max: 50, ..AdminLimits::default() };
    let port = Port::open(limits);
    let _idle = TcpStream::connect(port.address).unwrap();
    // The second connection is served as soon as the idle one has reached its age.
    check(&port.write("GET /health", ""), 200, "ok");
}

#[test]
fn the_token_file_is_made_once_private_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let first = AdminToken::load_or_create(dir.path()).unwrap();
    let path = dir.path().join("admin.token");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    assert!(AdminToken::load_or_create(dir.path()).unwrap() == first);
    assert!(first.is_carried_by(first.bearer().as_bytes()));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(AdminToken::load_or_create(dir.path()).unwrap() == first);
    assert_eq!(mode(), 0o600);
    std::fs::write(&path, "short\n").unwrap();
    let error = AdminToken::load_or_create(dir.path()).unwrap_err();
    assert!(matches!(error, TokenError::Malformed { .. }), "{error}");
}

#[test]
fn everything_in_the_table_is_served_and_listed() {
    let port = Port::open(AdminLimits::default());
    let index = port.send("GET /", "", "");
    check(&index, 200, "ADMIN.md");
    for route in ROUTES {
        let path = route.path.replace(['{', '}'], "");
        let body = if route.path.contains("versions") { "x" } else { route.body };
        let answer = port.write(&format!("{} {path}", route.method), body);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let line = format!("{} {}", route.method, route.path);
        assert!(!["404", "405"].contains(&status) || answer.contains("No such group"), "{line}");
        assert!(!answer.contains("not understood"), "the example of {line}: {answer}");
        assert!(index.contains(route.path) && index.contains(route.does), "{line}");
    }
}
