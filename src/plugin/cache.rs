//! Cache: native code, compiled by a child process, kept with its own SHA-256.
//!
//! Owns: the directory (mode 0700), the file format, the child and its limits.
//! Invariant: bytes reach `deserialize` only after their digest was checked; nothing is mapped from
//! a file. File: magic 8, key 32, digest 32, length 8 (little endian), code.
//! Start reading at: [`Cache::load`], then [`compile_child_main`].
#![allow(unsafe_code)]

use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use crate::plugin::inspect::{Digest, InstallError};
use crate::plugin::log_gate::escaped;
use crate::plugin::world::engine;

const MAGIC: &[u8; 8] = b"LMNATIV1";
const HEADER_BYTES: usize = 80;
pub const COMPILE_MEMORY_BYTES_MAX: u64 = 2 << 30;
pub const COMPILE_CPU_SECONDS_MAX: u64 = 60;
pub const COMPILE_WALL_MAX: Duration = Duration::from_secs(120);
const CODE_BYTES_MAX: u64 = 256 << 20;
const MESSAGE_BYTES_MAX: u64 = 4 << 10;
/// The argument by which the executable knows that it is the child.
pub const CHILD_ARGUMENT: &str = "--compile-plugin-in-child";

/// Who compiles.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// This executable, started again with [`CHILD_ARGUMENT`]; `main` must call
    /// [`early_main`](crate::plugin::early_main) first.
    Child(PathBuf),
    /// The calling thread; for tests of other things.
    Here,
}

/// How [`Cache::load`] came to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Cached,
    Compiled,
    /// A file was there and was not what it said.
    Recompiled,
}

/// What lies in the cache under a name.
enum Kept {
    Whole(Component),
    Damaged,
    Nothing,
}

/// Native code of all components that this node ever ran.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    compiler: Compiler,
    memory_bytes_max: u64,
    /// One compilation at a time.
    turn: Mutex<()>,
}

impl Cache {
    pub fn open(directory: PathBuf, compiler: Compiler) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let memory_bytes_max = COMPILE_MEMORY_BYTES_MAX;
        Ok(Self { directory, compiler, memory_bytes_max, turn: Mutex::new(()) })
    }

    /// Sets what a compiling child may allocate. For tests.
    pub fn set_memory_bytes_max(&mut self, bytes: u64) {
        self.memory_bytes_max = bytes;
    }

    /// Native code of the component with these bytes, from the cache or compiled now. Blocks.
    pub fn load(&self, wasm: &[u8]) -> Result<(Component, Found), InstallError> {
        let key = key(wasm);
        let path = self.path(&key);
        if let Kept::Whole(component) = self.look(&path, &key)? {
            return Ok((component, Found::Cached));
        }
        // What is there already never waits for the compilation of something else.
        let turn = self.turn.lock();
        let _turn = turn.unwrap_or_else(std::sync::PoisonError::into_inner);
        let existed = match self.look(&path, &key)? {
            Kept::Whole(component) => return Ok((component, Found::Cached)),
            Kept::Damaged => true,
            Kept::Nothing => false,
        };
        let code = match &self.compiler {
            Compiler::Here => compile(wasm)?,
            Compiler::Child(executable) => self.compile_in_child(executable, wasm, &path)?,
        };
        self.keep(&path, &key, &code).map_err(|error| store_error(&path, &error))?;
        let component =
            component(&code).map_err(|error| InstallError::Compile(format!("{error:#}")))?;
        Ok((component, if existed { Found::Recompiled } else { Found::Compiled }))
    }

    fn look(&self, path: &Path, key: &[u8; 32]) -> Result<Kept, InstallError> {
        let file = match std::fs::read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::Nothing),
            Err(error) => return Err(store_error(path, &error)),
        };
        // The digest says that the bytes are ours; `deserialize` checks version and flags.
        Ok(match checked(&file, key).map(component) {
            Some(Ok(component)) => Kept::Whole(component),
            Some(Err(_)) | None => Kept::Damaged,
        })
    }

    /// Whether whole native code of this component lies here. Blocks.
    pub fn holds(&self, wasm: &[u8]) -> bool {
        let key = key(wasm);
        std::fs::read(self.path(&key)).is_ok_and(|file| checked(&file, &key).is_some())
    }

    /// Where the native code of this component lies. For tests.
    pub fn path_of(&self, wasm: &[u8]) -> PathBuf {
        self.path(&key(wasm))
    }

    /// Forgets the native code of a component.
    pub fn remove(&self, wasm: &[u8]) {
        // It may never have been compiled; what stays is found damaged or unused, never wrong.
        let _ = std::fs::remove_file(self.path(&key(wasm)));
    }

    fn path(&self, key: &[u8; 32]) -> PathBuf {
        self.directory.join(format!("{}.native", Digest(*key)))
    }

    fn keep(&self, path: &Path, key: &[u8; 32], code: &[u8]) -> std::io::Result<()> {
        let (digest, length) = (Sha256::digest(code), (code.len() as u64).to_le_bytes());
        let whole = path.with_extension("whole.tmp");
        write_private(&whole, &[MAGIC, key, &digest, &length, code])?;
        std::fs::rename(&whole, path)
    }

    fn compile_in_child(
        &self,
        executable: &Path,
        wasm: &[u8],
        path: &Path,
    ) -> Result<Vec<u8>, InstallError> {
        let (source, target) = (path.with_extension("wasm.tmp"), path.with_extension("code.tmp"));
        let io = |error: std::io::Error| store_error(path, &error);
        write_private(&source, &[wasm]).map_err(io)?;
        let outcome = self.run_child(executable, &source, &target);
        std::fs::remove_file(&source).map_err(io)?;
        let code = std::fs::read(&target);
        let _ = std::fs::remove_file(&target);
        let (status, text) = outcome?;
        match status.code() {
            Some(0) => code.map_err(io),
            Some(1) => Err(InstallError::Compile(text)),
            _ => Err(InstallError::CompileLimit(format!("{status}"))),
        }
    }

    /// Runs the child to its end; its status and what it wrote to stderr, cut.
    fn run_child(
        &self,
        executable: &Path,
        source: &Path,
        target: &Path,
    ) -> Result<(ExitStatus, String), InstallError> {
        let io = |error: std::io::Error| store_error(executable, &error);
        let mut child = Command::new(executable)
            .arg(CHILD_ARGUMENT)
            .args([source, target])
            .arg(self.memory_bytes_max.to_string())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io)?;
        let end = Instant::now() + COMPILE_WALL_MAX;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(io)? {
                break status;
            }
            if end <= Instant::now() {
                child.kill().map_err(io)?;
                child.wait().map_err(io)?;
                return Err(InstallError::CompileLimit(format!("{COMPILE_WALL_MAX:?}")));
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let mut text = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            stderr.take(MESSAGE_BYTES_MAX).read_to_end(&mut text).map_err(io)?;
        }
        let text = String::from_utf8_lossy(&text);
        Ok((status, escaped(text.trim())))
    }
}

fn store_error(path: &Path, error: &std::io::Error) -> InstallError {
    InstallError::Store(format!("{}: {error}", path.display()))
}

/// What native code depends on: the component, the runtime's version, flags, processor features.
fn key(wasm: &[u8]) -> [u8; 32] {
    // Fixed start value, so that the hash is the same in every process of one build.
    let mut flags = std::hash::DefaultHasher::new();
    engine().precompile_compatibility_hash().hash(&mut flags);
    let mut all = Sha256::new();
    all.update(flags.finish().to_le_bytes());
    all.update(Sha256::digest(wasm));
    all.finalize().into()
}

fn checked<'a>(file: &'a [u8], key: &[u8; 32]) -> Option<&'a [u8]> {
    let (header, code) = file.split_at_checked(HEADER_BYTES)?;
    let length = u64::from_le_bytes(header[72..80].try_into().expect("8 bytes"));
    let good = &header[..8] == MAGIC
        && header[8..40] == key[..]
        && length == code.len() as u64
        && header[40..72] == Sha256::digest(code)[..];
    good.then_some(code)
}

fn component(code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are what our own compiler wrote, either just now or into our private
    // directory with a digest that the caller has checked. `deserialize` copies them.
    unsafe { Component::deserialize(engine(), code) }
}

fn compile(wasm: &[u8]) -> Result<Vec<u8>, InstallError> {
    let code = engine().precompile_component(wasm);
    code.map_err(|error| InstallError::Compile(escaped(&format!("{error:#}").replace('\n', " "))))
}

fn write_private(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

/// The child: `source target memory`. Limits itself before it reads a byte.
pub fn compile_child_main(arguments: &[&str]) -> Result<(), String> {
    let [source, target, memory] = arguments[..] else {
        return Err("three arguments are needed: source, target, memory".into());
    };
    limit_self(memory.parse().map_err(|_| "the memory limit is no number")?)?;
    let wasm = std::fs::read(source).map_err(|error| error.to_string())?;
    let code = engine().precompile_component(&wasm).map_err(|error| format!("{error:#}"))?;
    write_private(Path::new(target), &[&code]).map_err(|error| error.to_string())
}

fn limit_self(memory_bytes: u64) -> Result<(), String> {
    let limits = [
        (libc::RLIMIT_AS, memory_bytes),
        (libc::RLIMIT_CPU, COMPILE_CPU_SECONDS_MAX),
        (libc::RLIMIT_FSIZE, CODE_BYTES_MAX),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, 16),
    ];
    for (resource, max) in limits {
        let limit = libc::rlimit { rlim_cur: max, rlim_max: max };
        // SAFETY: plain system call on a structure that outlives it.
        let result = unsafe { libc::setrlimit(resource, &limit) };
        if result != 0 {
            return Err(format!("limit {resource}: {}", std::io::Error::last_os_error()));
        }
    }
    // SAFETY: plain system calls; the structure outlives them, 0 is this process.
    unsafe {
        let idle = libc::sched_param { sched_priority: 0 };
        // A machine that forbids idle priority compiles at the ordinary one.
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &idle);
        // Dies with the broker.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    Ok(())
}
