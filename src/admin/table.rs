//! What the admin port answers: one table, from which the port, its index and ADMIN.md are made.
//!
//! Owns: paths, methods and their descriptions (API).
//! Leaves to others: answering (`routes`), who may ask (`guard`).
//! Invariant: what is not in the table is not served, so the page cannot tell of less or more.
//! Start reading at: [`ROUTES`].
use axum::Router;
use axum::routing::{MethodRouter, delete, get, post, put};

use crate::admin::routes::{self, Ports};

/// One request that is understood.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) does: &'static str,
    /// An example of the body, or what it is; empty: none is needed.
    pub(super) body: &'static str,
    /// The type of the answer in `shard::desk`, in brackets for a list.
    pub(super) answer: &'static str,
    serve: fn() -> MethodRouter<Ports>,
}

impl Route {
    const fn new(
        method: &'static str,
        path: &'static str,
        answer: &'static str,
        does: &'static str,
        serve: fn() -> MethodRouter<Ports>,
    ) -> Self {
        Self { method, path, does, body: "", answer, serve }
    }

    const fn with_body(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }
}

const COMPONENT: &str = "the component (a .wasm file) itself";
const TOPIC: &str = r#"{"name":"flights","partitions":6,"settings":{"retention.ms":"600000"}}"#;
const COMPACT: &str = r#"{"dry_run":true,"approve":false}"#;
const VERSION: &str = r#"{"version":"1"}"#;
const BINDING: &str = concat!(
    r#"{"plugin":"by-airport","target":{"topic":"flights"},"mode":"verify","#,
    r#""settings":{"EWR":"0","JFK":"2"}}"#
);

/// Every request that is understood.
#[rustfmt::skip]
pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/", "text", "this list", || get(routes::index)),
    Route::new("GET", "/health", "HealthReply", "is the broker well? 503 if not",
        || get(routes::health)),
    Route::new("GET", "/metrics", "text", "OpenMetrics, for Prometheus", || get(routes::metrics)),
    Route::new("GET", "/v1/config", "[ConfigEntry]", "the settings in force",
        || get(routes::config)),
    Route::new("GET", "/v1/topics", "[TopicSummary]", "all topics", || get(routes::topics)),
    Route::new("POST", "/v1/topics", "TopicDetail", "creates a topic",
        || post(routes::create_topic)).with_body(TOPIC),
    Route::new("GET", "/v1/topics/{topic}", "TopicDetail", "one topic", || get(routes::topic)),
    Route::new("POST", "/v1/topics/{topic}/compact", "CompactReport", "runs one compaction pass",
        || post(routes::compact)).with_body(COMPACT),
    Route::new("GET", "/v1/plugins", "[PluginSummary]", "all plugins", || get(routes::plugins)),
    Route::new("GET", "/v1/plugins/ps", "[PluginPsRow]", "what plugins do right now",
        || get(routes::plugin_ps)),
    Route::new("GET", "/v1/plugins/{name}", "PluginDetail", "one plugin with its versions",
        || get(routes::plugin)),
    Route::new("PUT", "/v1/plugins/{name}/versions/{version}", "PluginVersion",
        "checks, compiles and registers a version", || put(routes::install)).with_body(COMPONENT),
    Route::new("DELETE", "/v1/plugins/{name}/versions/{version}", "DoneReply",
        "removes a version that nothing uses", || delete(routes::remove)),
    Route::new("POST", "/v1/plugins/{name}/activate", "ActivateReply",
        "makes a version the active one on all shards", || post(routes::activate))
        .with_body(VERSION),
    Route::new("POST", "/v1/plugins/{name}/rollback", "ActivateReply",
        "makes the version before the active one again", || post(routes::rollback)),
    Route::new("POST", "/v1/plugins/{name}/deactivate", "DoneReply",
        "makes no version the active one", || post(routes::deactivate)),
    Route::new("POST", "/v1/plugins/{name}/pause", "DoneReply", "stops calling a plugin",
        || post(routes::pause)),
    Route::new("POST", "/v1/plugins/{name}/resume", "DoneReply", "calls it again",
        || post(routes::resume)),
    Route::new("GET", "/v1/bindings", "[Binding]", "all bindings", || get(routes::bindings)),
    Route::new("POST", "/v1/bindings", "Binding", "binds a plugin to a topic or a group",
        || post(routes::bind)).with_body(BINDING),
    Route::new("DELETE", "/v1/bindings", "DoneReply",
        "takes a plugin off: ?plugin=NAME&topic=NAME or ?plugin=NAME&group=NAME",
        || delete(routes::unbind)),
    Route::new("GET", "/v1/groups", "[GroupSummary]", "all consumer groups",
        || get(routes::groups)),
    Route::new("GET", "/v1/groups/{group}", "GroupDetail", "one group with members and offsets",
        || get(routes::group)),
];

/// Everything of the table, served.
pub(super) fn router() -> Router<Ports> {
    ROUTES.iter().fold(Router::new(), |all, route| all.route(route.path, (route.serve)()))
}

/// The list for `GET /`.
pub(super) fn index() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!("Logmill {version}, admin port; ADMIN.md in its sources says more.\n\n");
    for route in ROUTES {
        let Route { method, path, does, body, answer, .. } = route;
        let body = if body.is_empty() { String::new() } else { format!("; body: {body}") };
        out.push_str(&format!("{method:<6} {path:<39} {does}{body}; answer: {answer}\n"));
    }
    out
}
