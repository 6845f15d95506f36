//! Ticker: moves the engine's epoch on a thread, but only while a guest runs on that thread.
//!
//! Owns: a timer signal per thread that runs guests, and the wall clock of slices.
//! A tick only says "look at the clock" (`meter`): ticks of other threads do no harm. A signal
//! lands on the very thread that runs the guest; a ticker thread would wait for a core while the
//! guest holds it (measured: slices of 2 to 5 ms instead of 250 µs).
//! Invariant: arming is lazy and sticky: a call at full load only stores a flag; the handler
//! disarms the timer after [`IDLE_TICKS_MAX`] ticks without a guest, and a shard before it sleeps.
//! Start reading at: [`enter`], then `on_tick`.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::Relaxed};
use std::sync::{LazyLock, Once};
use std::time::{Duration, Instant};

use wasmtime::Engine;

use crate::plugin::world::engine;

/// Period of the ticks. With "yield at the first tick after 40 µs" slices stay below 250 µs.
pub const TICK: Duration = Duration::from_micros(200);
/// Ticks without a guest before the timer stops: 10 ms.
pub const IDLE_TICKS_MAX: u32 = 50;

const IDLE: u32 = 0;
const RUNNING: u32 = 1;
const RAN: u32 = 2;

/// The timer of one thread; lives for ever, because a signal may be on its way.
struct SignalTimer {
    engine: &'static Engine,
    timer: AtomicPtr<libc::c_void>,
    flag: AtomicU32,
    is_armed: AtomicBool,
    idle_ticks: AtomicU32,
}

/// What a thread holds; its timer goes with the thread.
struct Own(Option<&'static SignalTimer>);

impl Drop for Own {
    fn drop(&mut self) {
        let Some(own) = self.0 else { return };
        // SAFETY: the timer was created by `install` and is deleted once, here. A signal that is
        // still on its way reads `own`, which is never freed.
        unsafe { libc::timer_delete(own.timer.load(Relaxed)) };
    }
}

thread_local! {
    static OWN: Own = Own(install());
    /// Whether a guest ever ran on this thread: only then does it get a timer.
    static IS_USED: Cell<bool> = const { Cell::new(false) };
}

/// A guest starts to run on this thread.
pub fn enter() {
    IS_USED.set(true);
    OWN.with(|own| {
        let Some(own) = own.0 else { return };
        own.flag.store(RUNNING, Relaxed);
        if !own.is_armed.load(Relaxed) {
            own.is_armed.store(true, Relaxed);
            own.idle_ticks.store(0, Relaxed);
            own.set(TICK);
        }
    });
}

/// The guest returned or yielded.
pub fn leave() {
    OWN.with(|own| {
        if let Some(own) = own.0 {
            own.flag.store(RAN, Relaxed);
        }
    });
}

/// Stops the ticks of this thread, so that a system call that waits is not interrupted.
pub fn disarm() {
    if !IS_USED.get() {
        return;
    }
    OWN.with(|own| {
        if let Some(own) = own.0
            && own.is_armed.load(Relaxed)
        {
            own.flag.store(IDLE, Relaxed);
            own.set(Duration::ZERO);
            own.is_armed.store(false, Relaxed);
        }
    });
}

/// Whether this thread gets ticks now. For tests.
pub fn is_armed() -> bool {
    IS_USED.get() && OWN.with(|own| own.0.is_some_and(|own| own.is_armed.load(Relaxed)))
}

/// The timer of the calling thread; `None`: the kernel has no more timers, a thread ticks instead.
fn install() -> Option<&'static SignalTimer> {
    let own: &'static SignalTimer = Box::leak(Box::new(SignalTimer {
        engine: engine(),
        timer: AtomicPtr::default(),
        flag: AtomicU32::new(IDLE),
        is_armed: AtomicBool::new(false),
        idle_ticks: AtomicU32::new(0),
    }));
    install_handler();
    // SAFETY: plain structures are zeroed and filled; both live on this stack until the call ends.
    let created = unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal();
        event.sigev_notify_thread_id = libc::syscall(libc::SYS_gettid) as i32;
        event.sigev_value.sival_ptr = std::ptr::from_ref(own).cast_mut().cast();
        let mut timer = std::ptr::null_mut();
        let result = libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer);
        own.timer.store(timer, Relaxed);
        result == 0
    };
    if created {
        return Some(own);
    }
    static FALLBACK: Once = Once::new();
    FALLBACK.call_once(|| {
        tracing::warn!("no timer signal for plugins: a thread ticks, slices may be longer");
        let thread = std::thread::Builder::new().name("plugin-ticker".into());
        let ticking = thread.spawn(|| {
            loop {
                std::thread::sleep(TICK);
                engine().increment_epoch();
            }
        });
        drop(ticking.expect("a thread for the ticker"));
    });
    None
}

fn install_handler() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: the structure is zeroed and filled; the handler does only what a handler may:
        // atomics and `timer_settime`. It runs on the alternate stack, because the interrupted code
        // may stand on a guest's fibre.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_tick as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigaction(signal(), &action, std::ptr::null_mut())
        };
        assert_eq!(result, 0, "a real-time signal can be handled");
    });
}

impl SignalTimer {
    /// A period of zero stops the timer.
    fn set(&self, period: Duration) {
        let time = libc::timespec { tv_sec: 0, tv_nsec: period.as_nanos() as i64 };
        let spec = libc::itimerspec { it_interval: time, it_value: time };
        let timer = self.timer.load(Relaxed);
        // SAFETY: the timer lives as long as the thread, on which alone this runs; `spec` outlives
        // the call.
        unsafe { libc::timer_settime(timer, 0, &spec, std::ptr::null_mut()) };
    }
}

fn signal() -> i32 {
    libc::SIGRTMIN() + 3
}

extern "C" fn on_tick(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands back the pointer that `install` gave, to memory never freed.
    let own = unsafe { &*(*info).si_value().sival_ptr.cast::<SignalTimer>() };
    // Same thread as the guest: relaxed is enough.
    if own.flag.load(Relaxed) == IDLE {
        let idle_ticks = own.idle_ticks.fetch_add(1, Relaxed);
        if IDLE_TICKS_MAX <= idle_ticks && own.is_armed.load(Relaxed) {
            own.set(Duration::ZERO);
            own.is_armed.store(false, Relaxed);
        }
        return;
    }
    own.idle_ticks.store(0, Relaxed);
    own.engine.increment_epoch();
    if own.flag.load(Relaxed) == RAN {
        own.flag.store(IDLE, Relaxed);
    }
}

/// Nanoseconds of a clock that never jumps, from some moment of this process.
pub fn monotonic_ns() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}
