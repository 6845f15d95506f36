//! Shards, producer ids and new ids.
use super::{World, new_id, topic};
use crate::base::Rng;
use crate::cluster::{ApplyError, Command, PRODUCER_ID_BLOCK, ProducerIdBlock};
use crate::model::{NodeId, ProducerId};

fn loads(world: &World) -> Vec<u32> {
    let mut loads = vec![0; usize::from(world.image.shards())];
    for topic in world.image.topics() {
        topic.partitions.iter().for_each(|p| loads[usize::from(p.shard.0)] += 1);
    }
    loads
}

#[test]
fn partitions_spread_evenly_over_any_number_of_shards() {
    let mut world = World::new(&[]);
    let mut rng = Rng::new(5);
    for at in 0..40 {
        let partitions = 1 + i32::try_from(rng.below(7)).unwrap();
        world.create(&topic(&format!("t{at}"), partitions));
    }
    for shards in [3, 2, 1, 3, 8] {
        assert!(world.plan().place(world.image.shards()).is_none());
        let before = world.image.clone();
        let command = world.plan().place(shards).unwrap();
        world.run(command);
        let loads = loads(&world);
        assert_eq!(loads.len(), usize::from(shards));
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        let share = world.image.partition_count().div_ceil(u64::from(shards));
        assert!(u64::from(*most) <= share && 0 < *least, "{loads:?}");
        // Nobody whose shard is still there and not overfull has moved when shards were added.
        if before.shards() < shards {
            let moved: usize = world
                .image
                .topics()
                .flat_map(|topic| topic.partitions.iter().zip(0..).map(|(p, i)| (topic.id, i, p)))
                .filter(|(id, index, p)| before.placement(*id, *index) != Some(p.shard))
                .count();
            let new = u64::from(shards - before.shards()) * share;
            assert!(moved as u64 <= new, "{moved} moved");
        }
        world.create(&topic(&format!("more{shards}{}", world.image.version()), 5));
    }
}

#[test]
fn producer_ids_are_given_away_once() {
    let mut world = World::new(&[]);
    let allocate = world.plan().allocate_producer_ids(ProducerId(0));
    world.run(allocate.clone());
    let mut block = ProducerIdBlock::of(&allocate).unwrap();
    assert_eq!(block.take(), Some(ProducerId(0)));
    assert_eq!((1..PRODUCER_ID_BLOCK).filter_map(|_| block.take()).count(), 999);
    assert_eq!(block.take(), None);
    assert_eq!(world.image.next_producer_id(), ProducerId(1_000));
    // A log from elsewhere holds larger ids.
    let above = world.plan().allocate_producer_ids(ProducerId(5_000));
    world.run(above);
    assert_eq!(world.image.next_producer_id(), ProducerId(6_000));
    let again = world.try_run(allocate).unwrap_err();
    assert_eq!(again, ApplyError::ProducerIdsTaken { next: 6_000 });
    let last = Command::AllocateProducerIds { node: NodeId(1), first: i64::MAX, count: 1 };
    assert!(world.try_run(last).is_err(), "the ids end");
}

#[test]
fn new_ids_are_random_and_never_begin_with_a_dash() {
    let mut rng = Rng::new(1);
    for _ in 0..10_000 {
        let id = new_id(rng.next_u64(), rng.next_u64());
        assert!(!id.is_zero());
        assert!(!id.to_string().starts_with('-'), "{id}");
        assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (4, 2), "version 4");
    }
}
