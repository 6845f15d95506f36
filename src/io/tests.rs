//! What only the real driver has: signals, privileges, a shard that ends amid its operations.
use std::cell::Cell;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;

use crate::base::Bytes;
use crate::env::driver::Wait;
use crate::env::{Env, OpenHow};
use crate::io::{Feature, Features, Node, Settings, block_on};
use crate::model::ShardId;

fn settings(features: Features) -> Settings {
    Settings {
        entries: 64,
        chunks: 4,
        chunk_bytes: 1_024,
        workers: 1,
        features,
        ..Settings::default()
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// Some of everything: sockets, a file larger than inline, a sync, work, a sleep.
async fn exercise(env: Env, dir: String) {
    let listener = env.listen(any_port()).await.unwrap();
    let mut accepting = env.accept_many(&listener);
    let client = env.connect(listener.address).await.unwrap();
    let (server, _) = accepting.next().await.unwrap();
    let file = env.open(&format!("{dir}/file"), OpenHow::Create).await.unwrap();
    for round in 0..20u8 {
        let data = Bytes::from(vec![round; 200_000]);
        let (sender, socket, copy) = (env.clone(), client.clone(), data.clone());
        env.spawn(async move { sender.send_all(&socket, vec![copy]).await.unwrap() });
        let got = env.receive_exact(&server, env.frame_buf(data.len()), data.len()).await.unwrap();
        assert!(got == data);
        env.write_all_at(&file, 0, vec![data.clone()]).await.unwrap();
        env.sync_data(&file).await.unwrap();
        assert!(env.read_at(&file, 0, data.len()).await.unwrap() == data);
        assert_eq!(env.work(move || u32::from(round) + 1).await, u32::from(round) + 1);
        env.sleep_ms(1).await;
    }
}

extern "C" fn ignore(_signal: libc::c_int) {}

#[test]
fn timer_signals_at_any_moment_harm_nothing() {
    for features in [Features::ALL, Features::ALL.without(Feature::DeferTaskrun), Features::NONE] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        // SAFETY: all zeroes is a valid `sigaction`; the handler does nothing. Without SA_RESTART
        // every call that can be interrupted is.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ignore as *const () as usize;
            assert_eq!(libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut()), 0);
        }
        let (stop, left) = (AtomicBool::new(false), AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: takes no pointers.
                sender.send(unsafe { libc::pthread_self() } as usize).unwrap();
                let run = std::panic::AssertUnwindSafe(|| {
                    block_on(settings(features), |env| exercise(env, path)).expect("io_uring");
                });
                let result = std::panic::catch_unwind(run);
                stop.store(true, SeqCst);
                // Stays until the last signal was sent, so that its number means this thread.
                while !left.load(SeqCst) {
                    std::thread::yield_now();
                }
                result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            });
            let thread = receiver.recv().unwrap() as libc::pthread_t;
            while !stop.load(SeqCst) {
                // SAFETY: the thread lives until `left` is set.
                unsafe { libc::pthread_kill(thread, libc::SIGUSR2) };
                std::thread::yield_now();
            }
            left.store(true, SeqCst);
        });
    }
}

#[test]
fn an_ordinary_user_with_eight_mebibytes_of_locked_memory_runs_shards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("work").to_str().unwrap().to_owned();
    // SAFETY: the limit is a local. Only the thread below gives up its privileges: the raw system
    // call changes one thread, and it ends with the test.
    std::thread::spawn(move || unsafe {
        std::fs::create_dir(&path).unwrap();
        let limit = libc::rlimit { rlim_cur: 8 << 20, rlim_max: 8 << 20 };
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit);
        if libc::geteuid() == 0 {
            let name = std::ffi::CString::new(path.clone()).unwrap();
            assert_eq!(libc::chown(name.as_ptr(), 65_534, 65_534), 0);
            let parent = std::path::Path::new(&path).parent().unwrap();
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(parent, open).unwrap();
            assert_eq!(libc::syscall(libc::SYS_setresgid, 65_534, 65_534, 65_534), 0);
            assert_eq!(libc::syscall(libc::SYS_setresuid, 65_534, 65_534, 65_534), 0);
            assert_ne!(libc::geteuid(), 0);
        }
        let node = Node::start(8, Settings::default()).expect("io_uring");
        let mut shards: Vec<_> = (0..8).map(|id| node.shard(ShardId(id)).unwrap()).collect();
        let done = Rc::new(Cell::new(false));
        let (env, flag) = (shards[7].env(), done.clone());
        env.clone().spawn(async move {
            exercise(env, path).await;
            flag.set(true);
        });
        while !done.get() {
            for shard in &mut shards {
                shard.turn(Wait::No);
            }
        }
    })
    .join()
    .unwrap();
}

#[test]
fn a_shard_that_ends_amid_its_operations_gives_everything_back() {
    let masks = Feature::ALL.map(|feature| Features::ALL.without(feature));
    for features in masks.into_iter().chain([Features::ALL, Features::NONE]) {
        let node = Node::start(1, settings(features)).expect("io_uring");
        let mut shard = node.shard(ShardId(0)).expect("io_uring");
        let (env, address) = (shard.env(), Rc::new(Cell::new(None)));
        let place = address.clone();
        env.clone().spawn(async move {
            let listener = env.listen(any_port()).await.unwrap();
            place.set(Some(listener.address));
            let mut accepting = env.accept_many(&listener);
            loop {
                let (socket, _) = accepting.next().await.unwrap();
                for exact in [false, true] {
                    let (waiting, socket) = (env.clone(), socket.clone());
                    env.spawn(async move {
                        if exact {
                            drop(waiting.receive_exact(&socket, Vec::new(), 1 << 20).await);
                        } else {
                            while waiting.receive_many(&socket).next().await.is_some() {}
                        }
                    });
                }
            }
        });
        shard.run_until(|| address.get().is_some());
        let mut clients: Vec<TcpStream> =
            (0..3).map(|_| TcpStream::connect(address.get().unwrap()).unwrap()).collect();
        while shard.env().spawner().live() < 1 + 2 * clients.len() {
            shard.turn(Wait::No);
        }
        for _ in 0..10 {
            shard.turn(Wait::No);
        }
        drop(shard);
        for client in &mut clients {
            assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "closed in good order");
        }
        assert!(TcpStream::connect(address.get().unwrap()).is_err(), "nobody listens any more");
    }
}
