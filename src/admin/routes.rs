//! Routes of the admin port: a path and a method become one desk request.
//!
//! Owns: parsing of bodies, HTTP statuses.
//! Leaves to others: paths (`table`), who may call (`guard`).
//! Invariant: an error is always `{"error": code, "message": sentence}`.
//! Start reading at: [`router`].
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::admin::body::{self, BodyFault};
use crate::admin::{Admin, guard, table};
use crate::base::Bytes;
use crate::shard::desk::{
    BindingSpec, BindingTarget, CompactOptions, DeskAnswer, DeskCode, DeskError, DeskReply,
    DeskRequest, PluginInstall, TopicSpec,
};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const WHO_HEADER: &str = "x-logmill-who";
const WHO_CHARS_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 64;
/// Names that would be mistaken for a built-in assignor or for a route.
const NAMES_RESERVED: &[&str] = &["uniform", "range", "ps"];

/// What a handler needs.
#[derive(Clone)]
pub(super) struct Ports {
    admin: Admin,
    uploads: Arc<Semaphore>,
}

/// The whole admin port as one service.
pub(super) fn router(admin: Admin) -> Router {
    let uploads = Arc::new(Semaphore::new(admin.limits.uploads_max));
    let ports = Ports { admin: admin.clone(), uploads };
    table::router()
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(admin, guard::check))
        .with_state(ports)
}

/// An error on its way out.
pub(super) struct Refusal(pub(super) DeskError);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            DeskCode::NotFound => StatusCode::NOT_FOUND,
            DeskCode::Conflict => StatusCode::CONFLICT,
            DeskCode::BadRequest => StatusCode::BAD_REQUEST,
            DeskCode::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            DeskCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            DeskCode::Unauthorized => StatusCode::UNAUTHORIZED,
            DeskCode::Forbidden => StatusCode::FORBIDDEN,
            DeskCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        };
        let mut response = (status, Json(self.0)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

pub(super) type Answer = Result<Json<DeskReply>, Refusal>;

impl Ports {
    async fn ask(&self, request: DeskRequest) -> Answer {
        self.ask_within(request, self.admin.limits.answer_ms_max).await
    }

    /// For orders that compile, prepare shards or rewrite logs.
    async fn order(&self, request: DeskRequest) -> Answer {
        self.ask_within(request, self.admin.limits.work_ms_max).await
    }

    async fn ask_within(&self, request: DeskRequest, ms: u64) -> Answer {
        let answer: DeskAnswer = self.admin.desk.ask(request, Duration::from_millis(ms)).await;
        answer.map(Json).map_err(Refusal)
    }

    /// A JSON body of bounded size; an empty one is `{}`.
    async fn json<T: DeserializeOwned>(&self, body: Body) -> Result<T, Refusal> {
        let limit = self.admin.limits.json_bytes_max;
        let bytes = self.body(body, limit, "The JSON body").await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map_err(|error| {
            Refusal(DeskError::bad_request(format!("The JSON body is not understood: {error}.")))
        })
    }

    async fn body(&self, body: Body, limit: usize, what: &str) -> Result<Bytes, Refusal> {
        let wait = Duration::from_millis(self.admin.limits.body_ms_max);
        body::read(body, limit, wait).await.map_err(|fault| {
            let message = match fault {
                BodyFault::TooLarge => return too_large(what, limit),
                BodyFault::Broken => format!("{what} did not arrive whole."),
                BodyFault::Late => {
                    format!("{what} did not arrive within {} s.", wait.as_secs_f64())
                }
            };
            Refusal(DeskError::bad_request(message))
        })
    }
}

/// The names in a path; what cannot be one is refused in our own form.
pub(super) struct Named<T>(T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(names)| Self(names)).map_err(|_| {
            Refusal(DeskError::bad_request("The path is not understood; names are UTF-8 text."))
        })
    }
}

fn too_large(what: &str, limit: usize) -> Refusal {
    let limit = match limit {
        mib if mib % (1 << 20) == 0 => format!("{} MiB", mib >> 20),
        kib if kib % (1 << 10) == 0 => format!("{} KiB", kib >> 10),
        bytes => format!("{bytes} bytes"),
    };
    let message = format!("{what} is larger than {limit}, the most that is taken.");
    Refusal(DeskError::new(DeskCode::TooLarge, message))
}

async fn no_route(request: Request) -> Refusal {
    let path = request.uri().path();
    Refusal(DeskError::not_found(format!("There is nothing at {path}; / lists what there is.")))
}

async fn no_method(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let error = DeskError::bad_request(format!("{path} does not take {method}."));
    (StatusCode::METHOD_NOT_ALLOWED, Json(error)).into_response()
}

/// The list of all requests, as text.
pub(super) async fn index() -> String {
    table::index()
}

pub(super) async fn health(State(ports): State<Ports>) -> Response {
    let answer = ports.ask(DeskRequest::Health).await;
    let ready = match &answer {
        Ok(Json(DeskReply::Health(health))) => health.status == "ok",
        _ => true,
    };
    let mut response = answer.into_response();
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

pub(super) async fn metrics(State(ports): State<Ports>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], ports.admin.metrics.render()).into_response()
}

pub(super) async fn config(State(ports): State<Ports>) -> Answer {
    ports.ask(DeskRequest::ConfigShow).await
}

pub(super) async fn topics(State(ports): State<Ports>) -> Answer {
    ports.ask(DeskRequest::TopicList).await
}

pub(super) async fn create_topic(State(ports): State<Ports>, body: Body) -> Answer {
    let spec: TopicSpec = ports.json(body).await?;
    ports.order(DeskRequest::TopicCreate(spec)).await
}

pub(super) async fn topic(State(ports): State<Ports>, Named(topic): Named<String>) -> Answer {
    ports.ask(DeskRequest::TopicDescribe { topic }).await
}

pub(super) async fn compact(
    State(ports): State<Ports>,
    Named(topic): Named<String>,
    body: Body,
) -> Answer {
    let options: CompactOptions = ports.json(body).await?;
    ports.order(DeskRequest::TopicCompact { topic, options }).await
}

pub(super) async fn plugins(State(ports): State<Ports>) -> Answer {
    ports.ask(DeskRequest::PluginList).await
}

pub(super) async fn plugin_ps(State(ports): State<Ports>) -> Answer {
    ports.ask(DeskRequest::PluginPs).await
}

pub(super) async fn plugin(State(ports): State<Ports>, Named(name): Named<String>) -> Answer {
    ports.ask(DeskRequest::PluginShow { name }).await
}

pub(super) async fn install(
    State(ports): State<Ports>,
    Named((name, version)): Named<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    check_name("plugin name", &name)?;
    check_name("version", &version)?;
    if NAMES_RESERVED.contains(&name.as_str()) {
        let message = format!("The name {name} is reserved; choose another one.");
        return Err(Refusal(DeskError::bad_request(message)));
    }
    let limit = ports.admin.limits.component_bytes_max;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if (limit as u64) < announced {
        body::drain(body).await;
        return Err(too_large("The component", limit));
    }
    let Ok(_permit) = ports.uploads.try_acquire() else {
        let message = "Other uploads are under way; try again when they are done.";
        return Err(Refusal(DeskError::not_ready(message)));
    };
    let bytes = ports.body(body, limit, "The component").await?;
    if bytes.is_empty() {
        let message = "The body is empty; send the component (a .wasm file) as the body.";
        return Err(Refusal(DeskError::bad_request(message)));
    }
    let who = who(&headers);
    ports.order(DeskRequest::PluginInstall(PluginInstall { name, version, bytes, who })).await
}

/// Who sent it, as far as the sender tells; for the audit trail, not for a decision.
fn who(headers: &HeaderMap) -> String {
    let given = headers.get(WHO_HEADER).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kept = given.chars().filter(|c| c.is_ascii_graphic()).take(WHO_CHARS_MAX);
    let kept: String = kept.collect();
    if kept.is_empty() { "admin".to_owned() } else { kept }
}

fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && name.len() <= NAME_CHARS_MAX && name.chars().all(plain) {
        return Ok(());
    }
    Err(Refusal(DeskError::bad_request(format!(
        "The {what} must begin with a letter or digit and hold at most {NAME_CHARS_MAX} letters, \
         digits, dots, hyphens, underscores or plus signs."
    ))))
}

pub(super) async fn remove(
    State(ports): State<Ports>,
    Named((name, version)): Named<(String, String)>,
) -> Answer {
    ports.order(DeskRequest::PluginRemove { name, version }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivateBody {
    version: String,
}

pub(super) async fn activate(
    State(ports): State<Ports>,
    Named(name): Named<String>,
    body: Body,
) -> Answer {
    let ActivateBody { version } = ports.json(body).await?;
    ports.order(DeskRequest::PluginActivate { name, version }).await
}

pub(super) async fn rollback(State(ports): State<Ports>, Named(name): Named<String>) -> Answer {
    ports.order(DeskRequest::PluginRollback { name }).await
}

pub(super) async fn deactivate(State(ports): State<Ports>, Named(name): Named<String>) -> Answer {
    ports.order(DeskRequest::PluginDeactivate { name }).await
}

pub(super) async fn pause(State(ports): State<Ports>, Named(name): Named<String>) -> Answer {
    ports.order(DeskRequest::PluginPause { name }).await
}

pub(super) async fn resume(State(ports): State<Ports>, Named(name): Named<String>) -> Answer {
    ports.order(DeskRequest::PluginResume { name }).await
}

pub(super) async fn bindings(State(ports): State<Ports>) -> Answer {
    ports.ask(DeskRequest::BindingList).await
}

pub(super) async fn bind(State(ports): State<Ports>, body: Body) -> Answer {
    let spec: BindingSpec = ports.json(body).await?;
    ports.order(DeskRequest::Bind(spec)).await
}

/// `DELETE /v1/bindings?plugin=by-airport&topic=flights` (or `&group=…`).
pub(super) async fn unbind(
    State(ports): State<Ports>,
    query: Result<Query<BTreeMap<String, String>>, QueryRejection>,
) -> Answer {
    let mut query = query.map(|Query(query)| query).unwrap_or_default();
    let plugin = query.remove("plugin");
    let topic = query.remove("topic").map(BindingTarget::Topic);
    let group = query.remove("group").map(BindingTarget::Group);
    let target = match (topic, group) {
        (Some(target), None) | (None, Some(target)) => Some(target),
        _ => None,
    };
    let (Some(plugin), Some(target), true) = (plugin, target, query.is_empty()) else {
        let message =
            "The query must be ?plugin=<name>&topic=<name> or ?plugin=<name>&group=<name>.";
        return Err(Refusal(DeskError::bad_request(message)));
    };
    ports.order(DeskRequest::Unbind { plugin, target }).await
}

pub(super) async fn groups(State(ports): State<Ports>) -> Answer {
    ports.ask(DeskRequest::GroupList).await
}

pub(super) async fn group(State(ports): State<Ports>, Named(group): Named<String>) -> Answer {
    ports.ask(DeskRequest::GroupDescribe { group }).await
}
