//! Time and CPU of one run, percentiles, and the JSON line.
//!
//! Owns: when counting starts and ends.
//! Start reading at: [`Meter`].
use std::time::{Duration, Instant};

use crate::{Failed, kernel};

/// Ticks a second of /proc/stat; Linux gives user space 100 on every machine that we know.
const TICKS: f64 = 100.0;

/// Counts from its making on.
pub struct Meter {
    begin: Instant,
    cpu: Duration,
    machine_s: f64,
}

/// What a run took of its own process, up to its last byte.
pub struct Cost {
    pub wall_s: f64,
    pub cpu_s: f64,
}

impl Meter {
    pub fn start() -> Result<Self, Failed> {
        Ok(Self { machine_s: machine_s()?, cpu: kernel::process_cpu()?, begin: Instant::now() })
    }

    pub fn cost(&self) -> Result<Cost, Failed> {
        let wall_s = self.begin.elapsed().as_secs_f64();
        Ok(Cost { wall_s, cpu_s: (kernel::process_cpu()? - self.cpu).as_secs_f64() })
    }

    /// Busy seconds of all cores since the start, by whoever.
    pub fn machine_s(&self) -> Result<f64, Failed> {
        Ok(machine_s()? - self.machine_s)
    }
}

/// Busy seconds of all cores since the machine started; what the host kept is not in it.
fn machine_s() -> Result<f64, Failed> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let first = text.lines().next().unwrap_or_default();
    let fields: Vec<u64> =
        first.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = fields[..] else {
        return Err("/proc/stat has too few fields".into());
    };
    Ok((user + nice + system + irq + softirq) as f64 / TICKS)
}

/// The line of a run that moved `bytes`.
pub fn line(name: &str, path: &str, bytes: u64, cost: &Cost, machine_s: f64, more: &str) -> String {
    let Cost { wall_s, cpu_s } = cost;
    let what = format!(r#""program":"{name}","path":"{path}","bytes":{bytes}"#);
    let took = format!(r#""wall_s":{wall_s:.6},"cpu_s":{cpu_s:.6},"machine_s":{machine_s:.3}"#);
    format!("{{{what},{took}{more}}}")
}

/// `,"p50_ms":…,"p99_ms":…,"p999_ms":…` of these samples.
pub fn percentiles(samples: &mut [Duration]) -> Result<String, Failed> {
    samples.sort_unstable();
    let at = |per_mille: usize| {
        let index = (samples.len() * per_mille / 1000).min(samples.len().saturating_sub(1));
        samples.get(index).map(|took| took.as_secs_f64() * 1000.0).ok_or("no samples")
    };
    Ok(format!(r#","p50_ms":{:.4},"p99_ms":{:.4},"p999_ms":{:.4}"#, at(500)?, at(990)?, at(999)?))
}
