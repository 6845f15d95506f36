//! Sockets: each operation, streams that stop and arm again, cancellation by drop.
use std::net::{Ipv4Addr, SocketAddr};

use logmill::env::{Env, IoError, Socket, yield_now};
use logmill::sim::Faults;

use super::{CHUNK_BYTES, CHUNKS, in_worlds, on_both, pattern};

pub fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

pub async fn pair(env: &Env) -> (Socket, Socket) {
    let listener = env.listen(any_port()).await.unwrap();
    let mut accepting = env.accept_many(&listener);
    let client = env.connect(listener.address).await.unwrap();
    (client, accepting.next().await.unwrap().0)
}

#[test]
fn multishot_accept_gives_every_connection_once_with_its_peer() {
    on_both(|env, _| async move {
        let listener = env.listen(any_port()).await.unwrap();
        let mut accepting = env.accept_many(&listener);
        let mut clients = Vec::new();
        for _ in 0..40 {
            clients.push(env.connect(listener.address).await.unwrap());
        }
        let mut peers = Vec::new();
        for _ in 0..40 {
            let (socket, peer) = accepting.next().await.unwrap();
            clients.push(socket);
            peers.push(peer);
        }
        peers.sort();
        peers.dedup();
        assert_eq!(peers.len(), 40, "every peer has an address of its own");
        assert!(peers.iter().all(|peer| peer.ip() == listener.address.ip() && peer.port() != 0));
    });
}

#[test]
fn a_taken_port_is_an_error_of_its_own() {
    on_both(|env, _| async move {
        let listener = env.listen(any_port()).await.unwrap();
        let taken = listener.address;
        assert_eq!(env.listen(taken).await.err(), Some(IoError::AddressInUse));
        drop(listener);
        yield_now().await;
        env.sleep_ms(5).await;
        assert!(env.listen(taken).await.is_ok(), "free again after the listener closed");
        env.sleep_ms(5).await;
        assert_eq!(env.connect(taken).await.err(), Some(IoError::Refused));
    });
}

#[test]
fn an_exact_receive_fills_its_buffer_across_many_sends() {
    on_both(|env, _| async move {
        let (client, server) = pair(&env).await;
        let sender = env.clone();
        env.spawn(async move {
            for part in pattern(300_000, 1).chunks(70_001) {
                sender.send_all(&client, vec![part.to_vec().into()]).await.unwrap();
                yield_now().await;
            }
        });
        let mut buf = env.frame_buf(300_001);
        buf.push(9);
        let got = env.receive_exact(&server, buf, 300_001).await.unwrap();
        assert!(got[0] == 9 && got[1..] == pattern(300_000, 1));
        let got = env.receive_exact(&server, Vec::new(), 1).await;
        assert_eq!(got.unwrap_err(), IoError::Truncated);
    });
}

#[test]
fn a_slow_reader_runs_the_pool_out_of_chunks_and_loses_nothing() {
    on_both(|env, _| async move {
        let (client, server) = pair(&env).await;
        let (other_client, other_server) = pair(&env).await;
        let total = 40 * CHUNKS as usize * CHUNK_BYTES;
        for socket in [client, other_client] {
            let sender = env.clone();
            env.spawn(async move {
                sender.send_all(&socket, vec![pattern(total, 2).into()]).await.unwrap();
            });
        }
        let mut readers = Vec::new();
        for socket in [server, other_server] {
            let (done, promise) = env.promise();
            readers.push(done);
            let reader = env.clone();
            env.spawn(async move {
                let mut stream = reader.receive_many(&socket);
                reader.sleep_ms(5).await;
                let (mut got, mut held) = (Vec::new(), Vec::new());
                while got.len() < total {
                    let chunk = stream.next().await.unwrap().unwrap();
                    got.extend_from_slice(&chunk);
                    held.push(chunk);
                    if 2 <= held.len() {
                        held.clear();
                        yield_now().await;
                    }
                }
                assert!(got == pattern(total, 2));
                promise.keep(Ok(0));
            });
        }
        for reader in readers {
            reader.await.result.unwrap();
        }
    });
}

#[test]
fn unread_streams_do_not_keep_the_pool_from_one_that_is_read() {
    on_both(|env, _| async move {
        let mut unread = Vec::new();
        for _ in 0..CHUNKS + 3 {
            let (client, server) = pair(&env).await;
            let stream = env.receive_many(&server);
            env.send_all(&client, vec![pattern(3 * CHUNK_BYTES, 7).into()]).await.unwrap();
            unread.push((client, stream));
        }
        env.sleep_ms(2).await;
        let (client, server) = pair(&env).await;
        let mut stream = env.receive_many(&server);
        env.send_all(&client, vec![pattern(8 * CHUNK_BYTES, 8).into()]).await.unwrap();
        let mut got = Vec::new();
        while got.len() < 8 * CHUNK_BYTES {
            got.extend_from_slice(&stream.next().await.unwrap().unwrap());
        }
        assert!(got == pattern(8 * CHUNK_BYTES, 8));
        for (_client, mut stream) in unread {
            let mut got = Vec::new();
            while got.len() < 3 * CHUNK_BYTES {
                got.extend_from_slice(&stream.next().await.unwrap().unwrap());
            }
            assert!(got == pattern(3 * CHUNK_BYTES, 7));
        }
    });
}

#[test]
fn a_paused_stream_gives_what_it_has_and_exact_receive_continues_there() {
    on_both(|env, _| async move {
        let (client, server) = pair(&env).await;
        let (over, told) = env.promise();
        let sender = env.clone();
        env.spawn(async move {
            sender.send_all(&client, vec![pattern(50_000, 3).into()]).await.unwrap();
            let _ = over.await;
        });
        let mut stream = env.receive_many(&server);
        let mut got = stream.next().await.unwrap().unwrap().to_vec();
        stream.pause();
        while let Some(chunk) = stream.next().await {
            got.extend_from_slice(&chunk.unwrap());
        }
        let half = got.len().max(25_000);
        let mut got = env.receive_exact(&server, got, half).await.unwrap();
        stream.resume();
        while got.len() < 50_000 {
            got.extend_from_slice(&stream.next().await.unwrap().unwrap());
        }
        assert!(got == pattern(50_000, 3));
        told.keep(Ok(0));
    });
}

#[test]
fn a_half_closed_connection_still_carries_the_answer() {
    on_both(|env, _| async move {
        let (client, server) = pair(&env).await;
        let other = env.clone();
        env.spawn(async move {
            let mut stream = other.receive_many(&server);
            let mut got = Vec::new();
            while let Some(chunk) = stream.next().await {
                got.extend_from_slice(&chunk.unwrap());
            }
            other.send_all(&server, vec![got.into()]).await.unwrap();
        });
        env.send_all(&client, vec![pattern(900, 4).into()]).await.unwrap();
        env.shutdown_send(&client).await.unwrap();
        let got = env.receive_exact(&client, Vec::new(), 900).await.unwrap();
        assert!(got == pattern(900, 4));
        assert!(env.receive_chunk(&client).await.unwrap().is_none());
    });
}

#[test]
fn dropped_operations_leave_the_kernel_their_memory_and_return_every_chunk() {
    on_both(|env, _| async move {
        let (client, server) = pair(&env).await;
        for round in 0..30 {
            let (other, socket) = (env.clone(), server.clone());
            let task = env.spawn(async move {
                // Never finishes: the peer sends less. The buffer is freed by its completion only.
                let _ = other.receive_exact(&socket, Vec::new(), 1 << 20).await;
            });
            let (other, socket) = (env.clone(), server.clone());
            let many = env.spawn(async move {
                let mut stream = other.receive_many(&socket);
                while stream.next().await.is_some() {}
            });
            yield_now().await;
            env.send_all(&client, vec![pattern(300, round).into()]).await.unwrap();
            env.spawner().abort(task);
            if round % 2 == 0 {
                yield_now().await;
            }
            env.spawner().abort(many);
            env.sleep_ms(u64::from(round % 3 == 0)).await;
        }
        drop((client, server));
        for _ in 0..1_000 {
            if env.in_flight() == 0 {
                break;
            }
            env.sleep_ms(1).await;
        }
        assert_eq!((env.in_flight(), env.chunks_held()), (0, 0));
    });
}

#[test]
fn a_reset_reaches_the_reader_as_an_error() {
    in_worlds(Faults { reset_per_1000: 1_000, ..Faults::NONE }, |env, _| async move {
        let (client, server) = pair(&env).await;
        let sent = env.send_all(&client, vec![pattern(9, 0).into()]).await;
        assert_eq!(sent.unwrap_err(), IoError::Reset);
        let mut stream = env.receive_many(&server);
        assert_eq!(stream.next().await.unwrap().unwrap_err(), IoError::Reset);
        assert!(stream.next().await.is_none());
    });
}
