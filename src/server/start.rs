//! `logmill serve`: from arguments to a running broker, and back to an orderly end.
//!
//! Owns: the order of a start and of a stop, what a panic does, which sentence a failed start ends
//! with. Leaves to others: what shards do (`shards` names the way to it), HTTP (`admin`).
//! Invariant: whatever can be refused is refused before a log is touched; the marker of a clean
//! stop is written only after every shard has closed its logs; a panic outside the admin thread
//! ends the process at once, so that a half-dead broker never goes on answering.
//! Start reading at: [`serve`].
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::admin::{Admin, AdminLimits, AdminToken, TokenError};
use crate::config::{BrokerConfig, Endpoint, Loaded};
use crate::env::Outside;
use crate::io::{Node, RingError, machine};
use crate::observe::{LoggingError, Metrics, start_logging};
use crate::plugin::{Compiler, Host, HostError};
use crate::server::args::ConfigArgs;
use crate::server::data_dir::{DataDir, DataDirError};
use crate::server::log_dirs::{self, LogDirs, OneDir};
use crate::server::outdoors::{self, ADMIN_THREAD};
use crate::server::ports::{self, PortError};
use crate::server::ring::{self, MaskError};
use crate::server::settings::{self, SettingsError};
use crate::server::shards::{self, ShardParts};
use crate::shard::dirs::LogDirectory;

/// How long shards may take to close their logs.
const STOP_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long answers under way on the admin port are waited for.
const ADMIN_WAIT_MAX: Duration = Duration::from_secs(1);

/// Why a broker does not run (any more).
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Logging(#[from] LoggingError),
    #[error(transparent)]
    RingMask(#[from] MaskError),
    #[error(transparent)]
    Ring(#[from] RingError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("This version serves one listener; `listeners` names {count}.")]
    Listeners { count: usize },
    #[error("The data directory {path:?} is not UTF-8; rename it.")]
    Path { path: std::path::PathBuf },
    #[error("Cannot name this executable: {0}.")]
    Executable(std::io::Error),
    #[error(transparent)]
    Plugins(#[from] HostError),
    #[error("Cannot start a thread: {0}.")]
    Thread(std::io::Error),
    #[error("{0}")]
    Boot(String),
    #[error("{0}. The broker ends; the next start recovers what lies in the others.")]
    StorageGone(String),
    #[error("Not every log was closed; the next start recovers them.")]
    Unclean,
    #[error("The shards did not stop within 60 s; the next start recovers their logs.")]
    Slow,
}

/// What happens to a running process, told to its main thread.
#[derive(Debug)]
pub enum Event {
    /// Clients are served at this address.
    Serving(SocketAddr),
    BootFailed(String),
    /// The first signal; the second ends the process by itself.
    Signal(&'static str),
    /// The node cannot go on without what failed.
    StorageGone(String),
    /// The answer to [`shards::stop`]: log directories whose logs are all closed.
    Stopped {
        clean: Vec<Arc<str>>,
    },
    AdminEnded,
}

/// Runs a broker until it is told to stop.
pub fn serve(args: &ConfigArgs) -> Result<(), StartError> {
    let started = Instant::now();
    start_logging(None)?;
    end_on_panic();
    let Loaded { config, notes } = settings::load(args)?;
    for note in notes {
        tracing::warn!("{note}");
    }
    let config = Arc::new(config);
    raise_limits();
    let cores = machine::cores().map_err(StartError::Thread)?;
    let shards = if config.shards == 0 { cores.len() as u16 } else { config.shards };
    let node = Node::start(shards, ring::settings()?)?;
    let (address, advertised) = kafka_port(&config)?;
    let admin_port = admin_port(&config)?;
    let metadata = config.metadata_log_dir.as_deref();
    let dirs = LogDirs::open(&config.log_dirs, metadata, config.node_id)?;
    let token = AdminToken::load_or_create(dirs.home().path())?;
    let metrics = Metrics::new();
    let parts = shard_parts(&config, &metrics, &dirs, shards, address, advertised)?;
    describe(&parts, &dirs);
    let (events_in, events) = channel();
    let outside = node.outside();
    shards::start(&node, &parts, &cores, &events_in).map_err(StartError::Thread)?;
    let admin = |address| {
        let (desk, limits) = (shards::desk(node.outside()), AdminLimits::default());
        Admin { desk, metrics: metrics.clone(), token: token.clone(), address, limits }
    };
    let admin = admin_port.map(|listener| (admin(address_of(&listener)), listener));
    let admin_stop = outdoors::start(admin, events_in.clone()).map_err(StartError::Thread)?;
    let ended = run(&events, &events_in, &outside, started);
    drop(admin_stop);
    let _ = events.recv_timeout(ADMIN_WAIT_MAX);
    let clean = ended?;
    let is_clean = |dir: &&DataDir| clean.iter().any(|path| Path::new(&**path) == dir.path());
    for dir in dirs.in_use().filter(is_clean) {
        dir.mark_clean()?;
    }
    match parts.log_dirs.iter().all(|dir| dir.id.is_err() || clean.contains(&dir.path)) {
        true => tracing::info!("stopped"),
        false => return Err(StartError::Unclean),
    }
    Ok(())
}

/// Waits until the broker has stopped; gives the log directories whose logs are all closed.
fn run(
    events: &Receiver<Event>,
    events_in: &Sender<Event>,
    outside: &Outside,
    started: Instant,
) -> Result<Vec<Arc<str>>, StartError> {
    let (mut serving, mut stop_by) = (false, None::<Instant>);
    loop {
        let event = match stop_by {
            Some(end) => events.recv_timeout(end.saturating_duration_since(Instant::now())),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Serving(address)) => {
                serving = true;
                let ms = started.elapsed().as_millis() as u64;
                tracing::info!(%address, ms, "serving Kafka clients");
            }
            Ok(Event::BootFailed(sentence)) => return Err(StartError::Boot(sentence)),
            Ok(Event::StorageGone(sentence)) => return Err(StartError::StorageGone(sentence)),
            Ok(Event::Signal(name)) => {
                tracing::info!("{name}: stopping (a second one ends the process at once)");
                stop_by = Some(Instant::now() + STOP_WAIT_MAX);
                if !serving {
                    shards::stop_start(outside);
                }
            }
            Ok(Event::Stopped { clean }) => return Ok(clean),
            Ok(Event::AdminEnded) => (),
            Err(RecvTimeoutError::Timeout) => return Err(StartError::Slow),
            Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender"),
        }
        // A stop that comes during the boot waits for its end, unless that waits for room: a
        // half-opened log is not closed.
        if serving && stop_by.is_some() {
            serving = false;
            shards::stop(outside, events_in.clone());
        }
    }
}

/// A panic is our own broken promise: what it left behind cannot be trusted.
///
/// On the admin thread only the request that met it fails.
pub(super) fn end_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        print(panic);
        if name == ADMIN_THREAD {
            tracing::error!(thread = name, "panic while an admin request was served");
            return;
        }
        tracing::error!(thread = name, "panic: the process ends now, the next start recovers");
        std::process::abort();
    }));
}

fn raise_limits() {
    match machine::raise_descriptors() {
        Ok(limit) => tracing::debug!(descriptors = limit.soft, "raised the limit"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of descriptors"),
    }
}

/// Where Kafka clients are served, and what they are told; proves that the port can be had.
fn kafka_port(config: &BrokerConfig) -> Result<(SocketAddr, Endpoint), StartError> {
    let [listener] = config.listeners.as_slice() else {
        return Err(StartError::Listeners { count: config.listeners.len() });
    };
    let setting = format!("listeners={}://", listener.name);
    let address = ports::resolve(&listener.bind, &setting)?;
    // Shard 0 opens the port itself. Until then it is free again; the trial is for the sentence.
    let address = address_of(&ports::bind_patiently(address, &setting)?);
    let mut advertised = listener.advertised.clone();
    if advertised.port == 0 {
        advertised.port = address.port();
    }
    Ok((address, advertised))
}

fn admin_port(config: &BrokerConfig) -> Result<Option<TcpListener>, StartError> {
    const ADMIN_SETTING: &str = "admin.listener=";
    let Some(place) = &config.admin_listener else { return Ok(None) };
    let address = ports::resolve(place, ADMIN_SETTING)?;
    if !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "the admin port is open to other machines, without encryption: only its token \
             (admin.token) protects it; admin.listener=127.0.0.1:PORT keeps it to this machine"
        );
    }
    Ok(Some(ports::bind_patiently(address, ADMIN_SETTING)?))
}

fn address_of(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound socket has an address")
}

fn shard_parts(
    config: &Arc<BrokerConfig>,
    metrics: &Arc<Metrics>,
    dirs: &LogDirs,
    shards: u16,
    address: SocketAddr,
    advertised: Endpoint,
) -> Result<Arc<ShardParts>, StartError> {
    let executable = std::env::current_exe().map_err(StartError::Executable)?;
    let compiler = Compiler::Child(executable);
    let home = dirs.home();
    let plugins = Host::open(&home.path().join("plugins"), compiler, metrics.clone())?;
    let log_dirs = dirs.all().filter(|dir| dir.holds_logs);
    let log_dirs = log_dirs.map(|dir| log_directory(dir, home)).collect::<Result<_, _>>()?;
    Ok(Arc::new(ShardParts {
        config: config.clone(),
        metrics: metrics.clone(),
        meta: home.meta.clone(),
        data_dir: text(home.path())?,
        log_dirs,
        shards,
        address,
        advertised,
        plugins,
        connections: (0..shards).map(|_| AtomicU32::new(0)).collect(),
    }))
}

fn text(path: &Path) -> Result<Arc<str>, StartError> {
    let text = path.to_str().ok_or_else(|| StartError::Path { path: path.to_owned() })?;
    Ok(text.into())
}

/// A log directory as the shards know it.
pub(super) fn log_directory(dir: &OneDir, home: &DataDir) -> Result<LogDirectory, StartError> {
    let name = dir.name.clone();
    match &dir.opened {
        Ok(opened) => {
            let (ended_cleanly, id) = (ended_cleanly(opened, home), opened.meta.directory_id);
            Ok(LogDirectory { name, path: text(opened.path())?, ended_cleanly, id: Ok(id) })
        }
        Err(error) => {
            let path = text(&log_dirs::absolute(&name))?;
            Ok(LogDirectory { name, path, ended_cleanly: false, id: Err(error.to_string()) })
        }
    }
}

/// Whether what lies in a log directory was closed: by the process before this one, or because
/// there is nothing.
fn ended_cleanly(dir: &DataDir, home: &DataDir) -> bool {
    dir.ended_cleanly || (dir.is_new && dir.path() != home.path() && !dir.holds_folders())
}

fn describe(parts: &ShardParts, dirs: &LogDirs) {
    let home = dirs.home();
    let ended_cleanly = dirs.in_use().all(|dir| ended_cleanly(dir, home));
    // How the process before this one ended.
    let last_end = match (home.is_new, ended_cleanly) {
        (true, _) => "none, this is the first start",
        (false, true) => "clean",
        (false, false) => "crash",
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        node = parts.meta.node_id.0,
        cluster = parts.meta.cluster_id,
        data = %parts.data_dir,
        log_dirs = parts.log_dirs.len(),
        shards = parts.shards,
        last_end,
        "logmill starts"
    );
}
