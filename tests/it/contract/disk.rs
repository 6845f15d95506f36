//! Files and names, on the ring and in the simulator.
use logmill::base::Bytes;
use logmill::env::{DirEntry, IoError, OpenHow};

use super::{on_both, pattern};

#[test]
fn a_gathered_write_is_read_back_and_synced() {
    on_both(|env, dir| async move {
        let file = env.open(&format!("{dir}/gathered"), OpenHow::Create).await.unwrap();
        let data: Vec<Bytes> = (0..600).map(|at| Bytes::from(pattern(at % 50, at as u8))).collect();
        let want: Vec<u8> = data.iter().flat_map(|slice| slice.to_vec()).collect();
        env.write_all_at(&file, 7, data).await.unwrap();
        env.sync_data(&file).await.unwrap();
        assert_eq!(env.read_at(&file, 7, want.len() + 99).await.unwrap(), want);
        assert_eq!(env.read_at(&file, 0, 7).await.unwrap()[..], [0; 7]);
        assert_eq!(env.file_bytes(&file).await.unwrap(), 7 + want.len() as u64);
        let past = env.read_at(&file, 1 << 40, 10).await.unwrap();
        assert!(past.is_empty(), "reading behind the end gives nothing");
    });
}

#[test]
fn a_large_write_and_read_take_the_ring_and_small_ones_do_not_differ() {
    on_both(|env, dir| async move {
        let file = env.open(&format!("{dir}/large"), OpenHow::CreateNew).await.unwrap();
        for (at, len) in [(0, 300_000), (300_000, 10), (50_000, 4_097), (300_010, 4_096)] {
            let data = pattern(len, len as u8);
            let (left, right) = data.split_at(len / 3);
            let slices = vec![Bytes::copy_from_slice(left), Bytes::copy_from_slice(right)];
            env.write_all_at(&file, at, slices).await.unwrap();
            assert!(env.read_at(&file, at, len).await.unwrap() == data);
        }
        assert_eq!(env.file_bytes(&file).await.unwrap(), 304_106);
    });
}

#[test]
fn open_makes_or_refuses_as_it_is_told() {
    on_both(|env, dir| async move {
        let path = format!("{dir}/one");
        assert_eq!(env.open(&path, OpenHow::Read).await.err(), Some(IoError::NotFound));
        assert_eq!(env.open(&path, OpenHow::ReadWrite).await.err(), Some(IoError::NotFound));
        assert!(!env.exists(&path).await.unwrap());
        drop(env.open(&path, OpenHow::CreateNew).await.unwrap());
        assert!(env.exists(&path).await.unwrap());
        assert_eq!(env.open(&path, OpenHow::CreateNew).await.err(), Some(IoError::AlreadyExists));
        let writer = env.open(&path, OpenHow::Create).await.unwrap();
        env.write_all_at(&writer, 0, vec![Bytes::from_static(b"abc")]).await.unwrap();
        let reader = env.open(&path, OpenHow::Read).await.unwrap();
        assert_eq!(env.read_at(&reader, 0, 9).await.unwrap(), "abc");
        let refused = env.write_all_at(&reader, 0, vec![Bytes::from_static(b"x")]).await;
        assert!(refused.is_err(), "opened for reading only");
        let missing = env.open(&format!("{dir}/no/where"), OpenHow::Create).await;
        assert_eq!(missing.err(), Some(IoError::NotFound));
    });
}

#[test]
fn names_are_listed_renamed_and_removed() {
    on_both(|env, dir| async move {
        let at = |name: &str| format!("{dir}/{name}");
        env.create_dir_all(&at("a/b")).await.unwrap();
        env.create_dir_all(&at("a")).await.unwrap();
        for name in ["two", "one", "a/three"] {
            let file = env.open(&at(name), OpenHow::Create).await.unwrap();
            env.write_all_at(&file, 0, vec![Bytes::from(name.as_bytes().to_vec())]).await.unwrap();
        }
        let entry = |name: &str, is_dir| DirEntry { name: name.to_owned(), is_dir };
        let all = [entry("a", true), entry("one", false), entry("two", false)];
        assert_eq!(env.list_dir(&dir).await.unwrap(), all);
        env.rename(&at("one"), &at("two")).await.unwrap();
        env.sync_dir(&dir).await.unwrap();
        let two = env.open(&at("two"), OpenHow::Read).await.unwrap();
        assert_eq!(env.read_at(&two, 0, 9).await.unwrap(), "one", "the new name has the old file");
        assert_eq!(env.rename(&at("one"), &at("x")).await, Err(IoError::NotFound));
        assert_eq!(env.remove_file(&at("one")).await, Err(IoError::NotFound));
        assert!(env.remove_file(&at("a")).await.is_err(), "a directory is no file");
        env.remove_dir_all(&at("a")).await.unwrap();
        assert_eq!(env.list_dir(&at("a")).await.err(), Some(IoError::NotFound));
        env.remove_file(&at("two")).await.unwrap();
        assert!(env.list_dir(&dir).await.unwrap().is_empty());
        assert_eq!(env.read_at(&two, 0, 9).await.unwrap(), "one", "open files outlive their name");
    });
}

#[test]
fn truncation_cuts_and_grows_with_zeros() {
    on_both(|env, dir| async move {
        let file = env.open(&format!("{dir}/cut"), OpenHow::Create).await.unwrap();
        env.write_all_at(&file, 0, vec![Bytes::from(pattern(5_000, 1))]).await.unwrap();
        env.truncate(&file, 1_000).await.unwrap();
        assert_eq!(env.file_bytes(&file).await.unwrap(), 1_000);
        env.truncate(&file, 1_500).await.unwrap();
        let got = env.read_at(&file, 0, 9_999).await.unwrap();
        assert!(got[..1_000] == pattern(5_000, 1)[..1_000] && got[1_000..] == [0; 500]);
    });
}

#[test]
fn a_file_system_says_how_much_room_it_has() {
    on_both(|env, dir| async move {
        let before = env.space(&dir).await.unwrap();
        assert!(0 < before.usable_bytes && before.usable_bytes <= before.total_bytes);
        assert_eq!(env.space(&dir).await.unwrap().total_bytes, before.total_bytes);
        let missing = env.space(&format!("{dir}/nowhere")).await;
        assert_eq!(missing.err(), Some(IoError::NotFound));
    });
}

#[test]
fn uncached_reads_find_the_same_or_say_that_there_are_none() {
    on_both(|env, dir| async move {
        let file = env.open(&format!("{dir}/cold"), OpenHow::Create).await.unwrap();
        let data = pattern(300_000, 3);
        env.write_all_at(&file, 0, vec![Bytes::from(data.clone())]).await.unwrap();
        env.sync_data(&file).await.unwrap();
        for (at, want) in [(0, 300_000), (7, 100), (4_096, 4_096), (299_990, 500), (1 << 40, 10)] {
            env.drop_cached(&file, at, want as u32).await.unwrap();
            let from = (at as usize).min(data.len());
            let there = &data[from..data.len().min(from + want)];
            match env.read_uncached_at(&file, at, want).await {
                Ok(found) => assert!(found == there, "{at} {want}"),
                Err(error) => assert_eq!(error, IoError::UNSUPPORTED),
            }
            assert!(env.read_at(&file, at, want).await.unwrap() == there, "{at} {want}");
        }
        // What is not durable yet stays.
        env.write_all_at(&file, 10, vec![Bytes::from_static(b"dirty")]).await.unwrap();
        env.drop_cached(&file, 0, 300_000).await.unwrap();
        assert_eq!(env.read_at(&file, 10, 5).await.unwrap(), "dirty");
    });
}
