//! Compaction of logs with transactions, as Kafka writes them and its cleaner treats them.
use super::compaction::pass;
use super::*;
use crate::base::Rng;
use crate::log::names::{TXN_INDEX, file_path};
use crate::sim::each_seed;

const HOUR_MS: i64 = 3_600_000;

/// What a test appends; the numbers are producers.
#[derive(Clone, Copy)]
enum Write<'a> {
    Plain(&'a str, &'a str),
    Data(i64, &'a str, &'a str),
    Commit(i64),
    Abort(i64),
}
use Write::{Abort, Commit, Data, Plain};

/// Appends batches of one record; a number per producer counts its sequence.
fn append(log: &Log, next: &mut [i32; 10], writes: &[Write<'_>]) {
    for write in writes {
        let (mut spec, key, value) = match *write {
            Plain(key, value) => (spec(None), key.as_bytes().to_vec(), value.as_bytes().to_vec()),
            Data(id, key, value) => {
                let sequence = next[id as usize];
                next[id as usize] += 1;
                (spec(Some((id, 0, sequence))), key.into(), value.into())
            }
            Commit(id) => (spec(Some((id, 0, -1))), vec![0, 0, 0, 1], vec![0; 6]),
            Abort(id) => (spec(Some((id, 0, -1))), vec![0, 0, 0, 0], vec![0; 6]),
        };
        spec.control = matches!(write, Commit(_) | Abort(_));
        spec.transactional = !matches!(write, Plain(..));
        let mut builder = BatchBuilder::new(&spec);
        builder.push(Offset(0), 1, Some(&key), Some(&value), []).unwrap();
        drop(log.append(&builder.finish_checked().unwrap(), Acks::Leader, 5).unwrap().ack);
    }
}

/// Closes the log's segment and opens it again: only replay reads marks, it is how the
/// transactions of another broker end here.
async fn again(env: &Env, log: &Log, epoch: i32) -> Rc<Log> {
    log.roll().await.unwrap();
    log.close().await.unwrap();
    let start = Start::Unclean { recovery_point: None };
    open(env, config(), epoch, start).await.unwrap()
}

/// A row as Kafka writes it: version, producer, first offset, mark, last stable offset.
fn row(producer: i64, first: i64, mark: i64) -> Vec<u8> {
    let numbers = [producer, first, mark, mark + 1].map(i64::to_be_bytes).concat();
    [&[0, 0], &numbers[..]].concat()
}

fn config() -> LogConfig {
    LogConfig { delete_retention_ms: HOUR_MS, ..LogConfig::default() }
}

/// Offset and content of every batch; C or A for marks, `!` behind them for a horizon, `-` for
/// batches without records.
async fn shown(log: &Log) -> String {
    let mut out = Vec::new();
    for (header, bytes) in read_all(log).await {
        let records = Records::decode(&bytes, 1 << 20).unwrap();
        let horizon = if header.delete_horizon_ms().is_some() { "!" } else { "" };
        let what = match records.rows.first() {
            None => "-".to_owned(),
            Some(row) if header.is_control() => {
                if records.key(row).unwrap()[3] == 1 { "C" } else { "A" }.to_owned()
            }
            Some(row) => String::from_utf8(records.value(row).unwrap().to_vec()).unwrap(),
        };
        out.push(format!("{}:{what}{horizon}", header.base_offset));
    }
    out.join(" ")
}

#[test]
fn committed_data_is_compacted_and_aborted_data_goes() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, config(), 0, Start::New).await.unwrap();
        let writes = [
            Plain("a", "old"),
            Data(1, "a", "kept"),
            Data(2, "a", "void"),
            Data(2, "b", "void"),
            Commit(1),
            Plain("b", "b"),
            Abort(2),
            Data(1, "c", "c1"),
            Data(1, "c", "c2"),
            Commit(1),
            Data(2, "z", "z"),
            Commit(2),
            Plain("d", "d"),
        ];
        append(&log, &mut [0; 10], &writes);
        log.flush().await.unwrap();
        assert_eq!(log.ends().last_stable_offset, Offset(1), "the transactions are open");
        let log = again(&env, &log, 1).await;
        assert_eq!(log.ends().last_stable_offset, Offset(13));
        // An aborted record is nobody's newest; marks stay, their data was still there.
        let report = pass(&log, 1_000, 0, 100).await;
        assert_eq!(shown(&log).await, "1:kept 4:C 5:b 6:A 8:c2 9:C 10:z 11:C 12:d");
        assert_eq!((report.records_before, report.records_after), (13, 9));
        // The abort mark has outlived its data: it gets a horizon, and goes when that is over.
        pass(&log, 2_000, 13, 100).await;
        assert_eq!(shown(&log).await, "1:kept 4:C 5:b 6:A! 8:c2 9:C 10:z 11:C 12:d");
        pass(&log, 1_999 + HOUR_MS, 13, 100).await;
        assert_eq!(shown(&log).await, "1:kept 4:C 5:b 6:A! 8:c2 9:C 10:z 11:C 12:d");
        let report = pass(&log, 2_000 + HOUR_MS, 13, 100).await;
        assert_eq!(shown(&log).await, "1:kept 4:C 5:b 8:c2 9:C 10:z 11:C 12:d");
        assert_eq!(report.dropped, 1);
    });
}

#[test]
fn many_aborted_transactions_take_several_passes_and_little_memory() {
    let world = quiet_world();
    run(&world, async |env| {
        let small = LogConfig { segment_bytes_max: 2_000, ..config() };
        let log = open(&env, small, 0, Start::New).await.unwrap();
        let (mut next, mut want) = ([0; 10], Vec::new());
        for round in 0..60 {
            let keys = [format!("a{round}"), format!("c{round}")];
            let writes = [Data(1, &keys[0], "x"), Abort(1), Data(2, &keys[1], "y"), Commit(2)];
            append(&log, &mut next, &writes);
            want.push(4 * round + 2);
        }
        append(&log, &mut next, &[Data(1, "z", "y"), Commit(1)]);
        want.push(240);
        let log = again(&env, &log, 1).await;
        let (mut first_dirty, mut passes) = (0, 0);
        let end = log.ends().log_end;
        while first_dirty < end.0 {
            // Room for 16 transactions.
            let report = pass(&log, 1_000, first_dirty, 100).await;
            assert!(first_dirty < report.clean_end.0, "it goes on");
            assert!(report.memory_bytes <= 101 * 30 + 1_024, "{} bytes", report.memory_bytes);
            (first_dirty, passes) = (report.clean_end.0, passes + 1);
        }
        assert!(3 <= passes, "{passes} passes");
        let mut data = read_all(&log).await;
        data.retain(|(header, _)| !header.is_control() && 0 < header.record_count);
        let data: Vec<i64> = data.iter().map(|(header, _)| header.base_offset.0).collect();
        assert_eq!(data, want);
    });
}

/// A compacted log whose one transaction wrote a key that has a newer value.
async fn with_one_superseded(env: &Env) -> Rc<Log> {
    let log = open(env, config(), 0, Start::New).await.unwrap();
    let writes = [Data(3, "a", "1"), Commit(3), Plain("a", "2"), Plain("x", "x")];
    append(&log, &mut [0; 10], &writes);
    let log = again(env, &log, 1).await;
    pass(&log, 1_000, 0, 100).await;
    log
}

#[test]
fn a_producer_of_which_only_a_mark_is_left_keeps_its_epoch() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = with_one_superseded(&env).await;
        // The last batch of data stays empty: the sequence hangs on it.
        assert_eq!(shown(&log).await, "0:- 1:C 2:2 3:x");
        let log = again(&env, &log, 2).await;
        assert_eq!(log.producer_count(), 1);
    });
}

#[test]
fn a_mark_goes_after_its_data_once_its_producer_is_forgotten() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = with_one_superseded(&env).await;
        log.set_config(LogConfig { producer_expiration_ms: 1_000, ..config() });
        for sequence in 0..2 {
            env.sleep_ms(700_000).await;
            let other = batch_of(&spec(Some((9, 0, sequence))), 5, &["y"]);
            drop(log.append(&other, Acks::Leader, 5).unwrap().ack);
        }
        assert_eq!(log.producer_count(), 1);
        // Nothing else changes in that segment, and still: first the empty batch, then the mark.
        for (now_ms, want) in [
            (2_000, "1:C 2:2 3:x 4:y 5:y"),
            (3_000, "1:C! 2:2 3:x 4:y 5:y"),
            (2_999 + HOUR_MS, "1:C! 2:2 3:x 4:y 5:y"),
            (3_000 + HOUR_MS, "2:2 3:x 4:y 5:y"),
        ] {
            pass(&log, now_ms, 4, 100).await;
            assert_eq!(shown(&log).await, want, "at {now_ms}");
        }
    });
}

#[test]
fn a_transaction_that_ends_behind_the_pass_is_known_there() {
    for (end, want) in [(Abort(1), "0:a 3:b"), (Commit(1), "1:t 3:b")] {
        let world = quiet_world();
        run(&world, async move |env| {
            let log = open(&env, config(), 0, Start::New).await.unwrap();
            let mut next = [0; 10];
            append(&log, &mut next, &[Plain("k", "a"), Data(1, "k", "t")]);
            append(&log, &mut next, &[Data(2, "o", "o"), Plain("b", "b")]);
            log.roll().await.unwrap();
            // The newest batch of each producer would stay as an empty one.
            append(&log, &mut next, &[Data(1, "y", "y"), end, Data(2, "o", "p"), Commit(2)]);
            log.flush().await.unwrap();
            let start = Start::Unclean { recovery_point: None };
            let log = open(&env, config(), 1, start).await.unwrap();
            assert_eq!(log.ends().last_stable_offset, Offset(8));
            let range = log.compaction_range(Offset(0), 1_000);
            assert_eq!(range.end, Offset(4), "the end of what is closed");
            log.compact(&CompactionJob::new(range, 1_000), None).await.unwrap();
            let all = shown(&log).await;
            let (closed, _) = all.split_once(" 4:").unwrap();
            // Producer 2 wrote its key again, but behind the pass.
            assert_eq!(closed.replace(" 2:o", ""), want, "{all}");
        });
    }
}

#[test]
fn rows_of_aborted_transactions_stay_as_long_as_their_data_was_there() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, config(), 0, Start::New).await.unwrap();
        let writes = [Data(1, "a", "1"), Abort(1), Data(2, "b", "2"), Abort(2), Plain("c", "c")];
        let mut next = [0; 10];
        append(&log, &mut next, &writes);
        // Producer 1 goes on; of producer 2 the last batch stays, though empty.
        append(&log, &mut next, &[Data(1, "d", "d"), Commit(1)]);
        let log = again(&env, &log, 1).await;
        let path = file_path("data/flights-3", Offset(0), TXN_INDEX);
        let files = Files::unwatched(&env);
        files.write_whole(&path, [row(1, 0, 1), row(2, 2, 3)].concat()).await.unwrap();
        pass(&log, 1_000, 0, 100).await;
        let rows = files.read_whole(&path).await.unwrap().unwrap();
        assert_eq!(&rows[..], [row(1, 0, 1), row(2, 2, 3)].concat());
        pass(&log, 2_000, 7, 100).await;
        assert_eq!(&files.read_whole(&path).await.unwrap().unwrap()[..], row(2, 2, 3));
    });
}

#[test]
fn a_power_cut_loses_no_row_of_an_aborted_transaction() {
    let rows = [(Offset(0), row(1, 0, 1)), (Offset(3), row(2, 3, 4))];
    each_seed(25, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let (mut dice, rows) = (Rng::new(seed), rows.clone());
        let mut shards = world.boot(MachineId::FIRST, 1);
        let written = rows.clone();
        let log = world.block_on(&mut shards, async move |env| {
            let log = open(&env, config(), 0, Start::New).await.unwrap();
            let mut next = [0; 10];
            append(&log, &mut next, &[Data(1, "a", "1"), Abort(1), Plain("a", "a")]);
            log.roll().await.unwrap();
            append(&log, &mut next, &[Data(2, "b", "2"), Abort(2), Plain("b", "b")]);
            append(&log, &mut next, &[Data(1, "c", "1"), Data(2, "d", "2"), Commit(1), Commit(2)]);
            let log = again(&env, &log, 1).await;
            let files = Files::unwatched(&env);
            for (base, row) in written {
                let path = file_path("data/flights-3", base, TXN_INDEX);
                files.write_whole(&path, row).await.unwrap();
            }
            files.sync_dir("data/flights-3").await.unwrap();
            log
        });
        let end = log.ends().log_end;
        shards[0].env().spawn(async move {
            pass(&log, 1_000_000, 0, 7).await;
        });
        world.run_for(&mut shards, 1 + dice.below(6_000_000));
        world.power_cut(MachineId::FIRST, shards);
        let mut shards = world.boot(MachineId::FIRST, 1);
        world.block_on(&mut shards, async move |env| {
            let start = Start::Unclean { recovery_point: Some(end) };
            drop(open(&env, config(), 2, start).await.unwrap());
            let mut found = Vec::new();
            for entry in env.list_dir("data/flights-3").await.unwrap() {
                if entry.name.ends_with(TXN_INDEX) {
                    let path = format!("data/flights-3/{}", entry.name);
                    let content = Files::unwatched(&env).read_whole(&path).await.unwrap().unwrap();
                    found.extend_from_slice(&content);
                }
            }
            assert_eq!(found, rows.map(|(_, row)| row).concat(), "in the old form or the new");
        });
    });
}
