//! Kafka's metadata records, and what becomes of them.
use super::*;
use crate::base::Bytes;
use crate::cluster::{AdoptError, Kraft, KraftError, adopt};
use crate::model::LeaderEpoch;
use crate::wire::Message;
use crate::wire::generated::config_record::ConfigRecord;
use crate::wire::generated::partition_change_record::PartitionChangeRecord;
use crate::wire::generated::partition_record::PartitionRecord;
use crate::wire::generated::producer_ids_record::ProducerIdsRecord;
use crate::wire::generated::remove_topic_record::RemoveTopicRecord;
use crate::wire::generated::topic_record::TopicRecord;
use crate::wire::protocol::encode_whole;

const SHOP: TopicId = TopicId([3; 16]);
const GONE: TopicId = TopicId([4; 16]);

fn record<M: Message>(message: &M) -> Bytes {
    let mut out = vec![1, M::KEY as u8, 0];
    out.extend_from_slice(&encode_whole(message, 0).unwrap());
    out.into()
}

fn topic(name: &str, id: TopicId) -> Bytes {
    record(&TopicRecord { name: name.to_owned(), topic_id: id })
}

fn partition(id: TopicId, index: i32, replicas: &[i32]) -> Bytes {
    let (replicas, leader) = (replicas.to_vec(), replicas[0]);
    let isr = replicas.clone();
    record(&PartitionRecord {
        partition_id: index,
        topic_id: id,
        replicas,
        isr,
        leader,
        leader_epoch: 4,
        partition_epoch: 9,
        ..PartitionRecord::default()
    })
}

fn setting(name: &str, value: &str) -> Bytes {
    record(&ConfigRecord {
        resource_type: 2,
        resource_name: "shop".to_owned(),
        name: name.to_owned(),
        value: Some(value.to_owned()),
    })
}

fn kraft(records: &[Bytes]) -> Kraft {
    let mut kraft = Kraft::default();
    records.iter().for_each(|record| kraft.take(record).unwrap());
    kraft.finish()
}

#[test]
fn topics_keep_ids_settings_and_epochs_and_new_producer_ids_start_above() {
    let change = PartitionChangeRecord {
        partition_id: 1,
        topic_id: SHOP,
        leader: 1,
        ..PartitionChangeRecord::default()
    };
    let ids = ProducerIdsRecord { broker_id: 1, broker_epoch: 1, next_producer_id: 7_000 };
    let begin = Bytes::from(vec![1, 23, 0, 0]);
    let kraft = kraft(&[
        topic("gone", GONE),
        partition(GONE, 0, &[1]),
        topic("shop", SHOP),
        partition(SHOP, 0, &[1]),
        partition(SHOP, 1, &[1]),
        record(&change),
        setting("retention.ms", "5000"),
        setting("no.such.setting", "1"),
        record(&RemoveTopicRecord { topic_id: GONE }),
        record(&ids),
        // A transaction of metadata that never ended.
        begin,
        topic("never", TopicId([5; 16])),
    ]);
    let config = config(&[]);
    let mut draft = Draft::new(&Image::empty(), 1);
    let notes = adopt(&mut draft, &config, &kraft, 5).unwrap();
    assert!(notes.len() == 1 && notes[0].contains("no.such.setting"), "{notes:?}");
    let image = draft.image();
    assert_eq!(image.topic_count(), 1);
    let shop = image.topic_by_id(SHOP).unwrap();
    assert_eq!(shop.configs.get("retention.ms").map(String::as_str), Some("5000"));
    let epochs: Vec<_> = shop.partitions.iter().map(|one| one.leader_epoch).collect();
    assert_eq!(epochs, [LeaderEpoch(5), LeaderEpoch(6)]);
    assert!(7_000 <= image.next_producer_id().0);
    // A start that was cut short does it again, and finds nothing to do.
    let before = draft.entries().len();
    adopt(&mut draft, &config, &kraft, 6).unwrap();
    assert_eq!(draft.entries().len(), before);
}

#[test]
fn what_cannot_be_taken_over_is_one_sentence() {
    let config = config(&[]);
    let adopted = |records: &[Bytes]| {
        let mut draft = Draft::new(&Image::empty(), 1);
        adopt(&mut draft, &config, &kraft(records), 5)
    };
    let several = adopted(&[topic("shop", SHOP), partition(SHOP, 0, &[1, 2])]).unwrap_err();
    assert!(several.to_string().contains("partition 0 on the nodes 1, 2"), "{several}");
    let gap = adopted(&[topic("shop", SHOP), partition(SHOP, 1, &[1])]).unwrap_err();
    assert!(matches!(gap, AdoptError::Gap { missing: 0, .. }), "{gap}");
    let mut newer = topic("shop", SHOP).to_vec();
    newer[2] = 9;
    let error = Kraft::default().take(&newer.into()).unwrap_err();
    assert!(matches!(error, KraftError::Newer { version: 9, .. }), "{error}");
    assert!(Kraft::default().take(&Bytes::from(vec![1, 2])).is_err());
}
