//! Log gate: what of a plugin's log lines reaches the broker's log.
//!
//! Owns: escaping, the cut at [`LINE_BYTES_MAX`], the rate. One gate per plugin version, shared by
//! its instances on all threads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of one line, before escaping.
pub const LINE_BYTES_MAX: usize = 1 << 10;
/// Lines a second of one plugin version.
pub const LINES_PER_SECOND_MAX: u64 = 20;

/// Levels of the WIT's `log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Counts lines in windows of one second.
#[derive(Debug, Default)]
pub struct LogGate {
    /// Second of the window, shifted left by 32, and lines in it.
    window: AtomicU64,
    left_out: AtomicU64,
    lines_total: AtomicU64,
}

impl LogGate {
    /// Whether a line may pass now, and how many were left out before it.
    pub fn admit(&self, now_ns: u64) -> Option<u64> {
        self.lines_total.fetch_add(1, Relaxed);
        let second = now_ns / 1_000_000_000 + 1;
        let mut before = self.window.load(Relaxed);
        loop {
            let lines = if before >> 32 == second { before & u64::from(u32::MAX) } else { 0 };
            if LINES_PER_SECOND_MAX <= lines {
                self.left_out.fetch_add(1, Relaxed);
                return None;
            }
            let after = second << 32 | (lines + 1);
            match self.window.compare_exchange_weak(before, after, Relaxed, Relaxed) {
                Ok(_) => return Some(self.left_out.swap(0, Relaxed)),
                Err(now) => before = now,
            }
        }
    }

    /// Lines that the plugin wrote so far, left out or not.
    pub fn lines_total(&self) -> u64 {
        self.lines_total.load(Relaxed)
    }

    /// Writes one line to the broker's log, if the rate allows it.
    pub fn line(&self, plugin: &str, version: &str, level: Level, text: &str, now_ns: u64) {
        let Some(left_out) = self.admit(now_ns) else { return };
        if 0 < left_out {
            tracing::warn!(plugin, version, left_out, "lines of the plugin were left out");
        }
        let text = escaped(text);
        match level {
            Level::Debug => tracing::debug!(plugin, version, "{text}"),
            Level::Info => tracing::info!(plugin, version, "{text}"),
            Level::Warn => tracing::warn!(plugin, version, "{text}"),
            Level::Error => tracing::error!(plugin, version, "{text}"),
        }
    }
}

/// The text, cut, with control characters written out: one line that no terminal takes for orders.
pub fn escaped(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(LINE_BYTES_MAX)];
    let mut line = String::with_capacity(cut.len());
    for character in cut.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if cut.len() < text.len() {
        line.push('…');
    }
    line
}
