//! Mischief that every kind of hostile plugin can do, chosen by the setting `mode`.

use std::cell::RefCell;
use std::hint::black_box;

use logmill_sdk::{Settings, log};

thread_local! {
    static HOARD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Busy work: about `steps` nanoseconds.
pub fn work(steps: u64) -> u64 {
    let step = |sum: u64, step| black_box(sum.wrapping_mul(6_364_136_223_846_793_005) ^ step);
    (0..steps).fold(1, step)
}

/// Takes and touches `mib` MiB, kept until the instance is dropped.
pub fn hoard(mib: usize) {
    HOARD.with_borrow_mut(|hoard| {
        hoard.extend((0..mib).map(|_| black_box(vec![1_u8; 1 << 20])));
    });
}

/// Runs until the stack is gone.
fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { black_box(recurse(depth + 1)) + 1 }
}

/// The mode; `init-loop`, `init-bomb`, `init-trap` and `init-fail` never get past this.
pub fn start(settings: &Settings) -> Result<String, String> {
    let mode = settings.required("mode")?.to_owned();
    match mode.as_str() {
        "init-fail" => Err("refused as asked".into()),
        other => {
            if let Some(mischief) = other.strip_prefix("init-") {
                run(mischief);
            }
            Ok(mode)
        }
    }
}

/// Does what the mode says; comes back only from the modes that are slow or greedy but legal.
pub fn run(mode: &str) {
    match mode {
        "loop" => loop {
            black_box(work(1_000));
        },
        "slow" => drop(black_box(work(20_000_000))),
        "short" => drop(black_box(work(200_000))),
        "hoard" => hoard(60),
        "bomb" => loop {
            hoard(1);
        },
        "trap" => panic!("as asked"),
        "stack" => drop(black_box(recurse(0))),
        "flood" => loop {
            log::info("flood");
        },
        "chatty" => {
            log::warn("one line\nwith a second \u{1b}[31mline\u{7}");
            log::info(&"long ".repeat(1_000));
        }
        _ => {}
    }
}
