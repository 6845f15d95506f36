//! The admin token: who may read a file of the data directory may change the broker.
//!
//! Owns: making the file, checking its mode, comparing. Leaves to others: who must show it.
//! Invariant: the file has mode 0600 before a byte of the token is in it; comparing takes the same
//! time wherever the first difference lies.
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Name of the file in the data directory.
pub const TOKEN_FILE: &str = "admin.token";

const TOKEN_BYTES: usize = 32;
/// Shortest text that is taken for a token; a person may have written the file.
const TOKEN_CHARS_MIN: usize = 16;
const TOKEN_FILE_BYTES_MAX: u64 = 4096;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot {what} the admin token {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "{} holds no token of at least 16 printable characters; remove the file and the broker \
         makes a new one at its next start",
        path.display()
    )]
    Malformed { path: PathBuf },
}

/// The secret that writes need.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(Arc<str>);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

impl AdminToken {
    /// Reads `admin.token` in `data_dir`, or makes it at the first start.
    ///
    /// A file that others may read is tightened to 0600 with a warning.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, TokenError> {
        let path = data_dir.join(TOKEN_FILE);
        if !path.exists() {
            create(&path)?;
        }
        let io = |what| {
            let path = path.clone();
            move |source| TokenError::Io { what, path, source }
        };
        let mode = std::fs::metadata(&path).map_err(io("look at"))?.permissions().mode();
        if mode & 0o077 != 0 {
            let tight = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, tight).map_err(io("protect"))?;
            tracing::warn!(path = %path.display(), "others could read the admin token; now 0600");
        }
        Self::read(&path)
    }

    /// Reads a token file as the command line does.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let io = |source| TokenError::Io { what: "read", path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(io)?;
        file.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
        let token = text.trim();
        let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < TOKEN_CHARS_MIN || !printable {
            return Err(TokenError::Malformed { path: path.to_owned() });
        }
        Ok(Self(token.into()))
    }

    /// The value of the `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether an `Authorization` header carries this token.
    pub fn is_carried_by(&self, authorization: &[u8]) -> bool {
        let Some((scheme, given)) = authorization.split_at_checked("Bearer ".len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && same(given.trim_ascii(), self.0.as_bytes())
    }

    #[cfg(test)]
    pub(super) fn fixed(text: &str) -> Self {
        Self(text.into())
    }
}

/// Equality without an early exit.
fn same(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |bits, (a, b)| bits | (a ^ b));
    left.len() == right.len() && std::hint::black_box(differing) == 0
}

/// Writes a fresh token beside `path`, then renames: a crash leaves no half of one.
fn create(path: &Path) -> Result<(), TokenError> {
    let io = |source| TokenError::Io { what: "make", path: path.to_owned(), source };
    let mut secret = [0; TOKEN_BYTES];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut secret)).map_err(io)?;
    let fresh = path.with_extension("token.new");
    let _ = std::fs::remove_file(&fresh);
    let mut how = OpenOptions::new();
    let mut file = how.write(true).create_new(true).mode(0o600).open(&fresh).map_err(io)?;
    file.write_all(format!("{}\n", URL_SAFE_NO_PAD.encode(secret)).as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)?;
    std::fs::rename(&fresh, path).map_err(io)
}
