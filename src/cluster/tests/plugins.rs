//! Plugins: versions, activation, rollback, removal and bindings keep their rules.
use expect_test::expect;

use super::{BindRequest, ConfigTarget, TopicRef, World, seed, sets, told, topic, with_configs};
use crate::cluster::{ApplyError, Command, PluginKind, Target};
use crate::config::parse_plugin_ref;

const PARTITIONER: PluginKind = PluginKind::Partitioner;
const ASSIGNOR: PluginKind = PluginKind::Assignor;
const POLICY: PluginKind = PluginKind::CompactionPolicy;

fn bound(world: &World, plugin: &str) -> Vec<String> {
    world.image.bindings_of(plugin).map(|b| format!("{} {}", b.target, b.plugin)).collect()
}

#[test]
fn names_are_unique_over_all_kinds_and_built_in_ones_are_taken() {
    let mut world = World::new(&[]);
    world.plugin("weighted", "1", ASSIGNOR);
    let refusal =
        |name: &str, version, kind| told(world.plan().register_plugin(&seed(name, version, kind)));
    assert_eq!(
        refusal("weighted", "2", PARTITIONER),
        "INVALID_CONFIG: weighted is an assignor, and this component is a partitioner; choose \
         another name."
    );
    assert_eq!(
        refusal("weighted", "1", ASSIGNOR),
        "INVALID_CONFIG: weighted@1 is already installed, and a version never changes; choose \
         another version."
    );
    expect!["INVALID_CONFIG: uniform is the name of a built-in assignor; choose another name."]
        .assert_eq(&refusal("uniform", "1", ASSIGNOR));
    assert!(refusal("range", "1", PARTITIONER).contains("built-in"));
    assert!(refusal("By Airport", "1", PARTITIONER).contains("is no name for a plugin"));
    assert!(refusal("a", "", PARTITIONER).contains("is no version"));
}

#[test]
fn an_allow_list_pins_digests() {
    let open = "ab".repeat(32);
    let allow = format!("plugin.allow=sha256:{}", open.to_uppercase());
    let world = World::new(&[&allow]);
    assert!(world.plan().register_plugin(&seed("a", "1", ASSIGNOR)).is_ok());
    let mut other = seed("a", "1", ASSIGNOR);
    other.digest = "cd".repeat(32);
    assert!(told(world.plan().register_plugin(&other)).contains("not in plugin.allow"));
}

#[test]
fn activating_and_rolling_back_moves_between_two_versions() {
    let mut world = World::new(&[]);
    world.plugin("w", "1", ASSIGNOR);
    assert!(told(world.plan().rollback_plugin("w")).contains("no previous version"));
    world.plugin("w", "2", ASSIGNOR);
    let state = |world: &World| {
        let w = world.image.plugin("w").unwrap();
        (w.active.clone().unwrap(), w.previous.clone(), w.generation)
    };
    assert_eq!(state(&world), ("2".into(), Some("1".into()), 2));
    let back = world.plan().rollback_plugin("w").unwrap();
    world.run(back.clone());
    assert_eq!(state(&world), ("1".into(), Some("2".into()), 3));
    let late = world.try_run(back).unwrap_err();
    assert_eq!(late, ApplyError::PluginGeneration { name: "w".into(), known: 3 });
    let again = world.plan().activate_plugin("w", "1").unwrap();
    world.run(again);
    assert_eq!(state(&world), ("1".into(), Some("2".into()), 4));
    assert_eq!(
        told(world.plan().activate_plugin("w", "9")),
        "INVALID_CONFIG: w@9 is not installed; w has the versions 1, 2."
    );
    assert_eq!(
        told(world.plan().activate_plugin("x", "9")),
        "INVALID_CONFIG: There is no plugin x; install it first (`logmill plugin install`)."
    );
}

#[test]
fn what_is_active_previous_or_bound_is_not_removed() {
    let mut world = World::new(&[]);
    world.plugin("p", "1", PARTITIONER);
    world.plugin("p", "2", PARTITIONER);
    let three = world.plan().register_plugin(&seed("p", "3", PARTITIONER)).unwrap();
    world.run(three);
    world.create(&with_configs("pinned", &[("partitioner.plugin", "p@3")]));
    let refusal = |world: &World, version| told(world.plan().remove_plugin("p", version));
    assert!(refusal(&world, "1").contains("p@1 is the previous version"));
    assert!(refusal(&world, "2").contains("p@2 is active"));
    assert!(refusal(&world, "3").contains("p@3 is bound to topic pinned"));
    assert!(refusal(&world, "4").contains("is not installed"));
    let forced = Command::RemovePluginVersion { name: "p".into(), version: "3".into() };
    assert!(matches!(world.try_run(forced), Err(ApplyError::PluginInUse { .. })));

    let unbind = world.plan().unbind("p", ConfigTarget::Topic("pinned")).unwrap();
    world.run(unbind);
    let off = world.plan().deactivate_plugin("p").unwrap();
    world.run(off);
    for version in ["3", "1", "2"] {
        let remove = world.plan().remove_plugin("p", version).unwrap();
        world.run(remove);
    }
    assert!(world.image.plugin("p").is_none());
}

#[test]
fn what_a_binding_follows_is_not_deactivated_and_nothing_active_is_told() {
    let mut world = World::new(&[]);
    world.plugin("p", "1", PARTITIONER);
    world.create(&with_configs("t", &[("partitioner.plugin", "p")]));
    let said = told(world.plan().deactivate_plugin("p"));
    assert!(said.contains("p is bound to topic t; take it off first"), "{said}");
    let unbind = world.plan().unbind("p", ConfigTarget::Topic("t")).unwrap();
    world.run(unbind);
    let off = world.plan().deactivate_plugin("p").unwrap();
    world.run(off);
    let said = told(world.plan().deactivate_plugin("p"));
    assert!(said.contains("No version of p is active"), "{said}");
}

#[test]
fn a_setting_may_name_only_a_plugin_that_fits_and_can_run() {
    let mut world = World::new(&[]);
    world.plugin("w", "1", ASSIGNOR);
    let idle = world.plan().register_plugin(&seed("idle", "1", PARTITIONER)).unwrap();
    world.run(idle);
    let refusal = |value: &str| world.refusal(&with_configs("t", &[("partitioner.plugin", value)]));
    let prefix = |value: &str| {
        format!("INVALID_CONFIG: Invalid value {value} for configuration partitioner.plugin:")
    };
    assert_eq!(
        refusal("none"),
        format!(
            "{} there is no such plugin; install it first (`logmill plugin install`)",
            prefix("none")
        )
    );
    assert_eq!(
        refusal("w"),
        format!("{} it is an assignor, and a partitioner is needed", prefix("w"))
    );
    assert_eq!(
        refusal("idle"),
        format!(
            "{} no version of it is active; activate one (`logmill plugin activate idle@VERSION`) \
             or name a version here",
            prefix("idle")
        )
    );
    assert_eq!(refusal("idle@2"), format!("{} version 2 is not installed", prefix("idle@2")));
    world.create(&with_configs("t", &[("partitioner.plugin", "idle@1")]));
    let offsets = with_configs("__consumer_offsets", &[("partitioner.plugin", "idle@1")]);
    assert!(world.refusal(&offsets).contains("the broker's own topics take no partitioner"));
    let group = sets(&[("assignor.plugin", "uniform")]);
    let built_in = told(world.plan().alter_configs(ConfigTarget::Group("g"), &group));
    assert!(built_in.contains("built-in assignors are chosen by the clients"), "{built_in}");
}

#[test]
fn bindings_follow_the_settings_that_name_a_plugin() {
    let mut world = World::new(&[]);
    world.plugin("p", "1", PARTITIONER);
    world.plugin("c", "1", POLICY);
    world.plugin("a", "1", ASSIGNOR);
    let compacted = [
        ("cleanup.policy", "compact"),
        ("compaction.policy.plugin", "c"),
        ("partitioner.plugin", "p@1"),
    ];
    world.create(&with_configs("t", &compacted));
    world.alter(ConfigTarget::Group("g"), &[("assignor.plugin", "a")]);
    assert_eq!(bound(&world, "p"), ["topic t p@1"]);
    assert_eq!(bound(&world, "c"), ["topic t c"]);
    assert_eq!(bound(&world, "a"), ["group g a"]);
    assert!(told(world.plan().deactivate_plugin("a")).contains("a is bound to group g"));
    let version = |plugin: &str| {
        let plugin = parse_plugin_ref(plugin).unwrap();
        world.image.version_for(&plugin).map(|version| version.version.clone())
    };
    assert_eq!((version("a"), version("a@2"), version("z")), (Some("1".into()), None, None));

    world.alter(ConfigTarget::Topic("t"), &[("partitioner.plugin", "p")]);
    assert_eq!(bound(&world, "p"), ["topic t p"]);
    world.alter(ConfigTarget::Topic("t"), &[("partitioner.plugin", "")]);
    assert!(bound(&world, "p").is_empty());
    let delete = world.plan().delete_topic(TopicRef::Name("t")).unwrap();
    world.run(delete);
    assert!(bound(&world, "c").is_empty());
    let unbind = world.plan().unbind("a", ConfigTarget::Group("g")).unwrap();
    world.run(unbind);
    assert!(world.image.bindings().next().is_none() && world.image.group_configs("g").is_none());
}

#[test]
fn binding_through_the_desk_writes_the_targets_settings() {
    let mut world = World::new(&[]);
    world.plugin("p", "1", PARTITIONER);
    world.plugin("a", "1", ASSIGNOR);
    world.create(&topic("t", 1));
    let settings = [("JFK".to_owned(), "0;1".to_owned()), ("LGA".to_owned(), "2".to_owned())];
    let request = |plugin: &str, target| BindRequest {
        plugin: parse_plugin_ref(plugin).unwrap(),
        target,
        mode: Some("advise"),
        failure_policy: None,
        settings: &settings,
    };
    let bind = world.plan().bind(&request("p@1", ConfigTarget::Topic("t"))).unwrap().unwrap();
    world.run(bind);
    let configs = &world.image.topic("t").unwrap().configs;
    let settings_of = crate::config::TopicSettings::effective(world.plan().values(), configs);
    let binding = settings_of.partitioner.unwrap();
    assert_eq!(binding.settings, settings);
    assert_eq!(binding.mode, crate::config::PartitionerMode::Advise);
    let targets: Vec<&Target> = world.image.bindings_of("p").map(|b| &b.target).collect();
    assert_eq!(targets, [&Target::Topic("t".into())]);
    assert_eq!(world.plan().bind(&request("p@1", ConfigTarget::Topic("t"))), Ok(None));
    expect!["INVALID_CONFIG: A partitioner can be bound to a topic only."]
        .assert_eq(&told(world.plan().bind(&request("p", ConfigTarget::Group("g")))));
    expect!["INVALID_CONFIG: The binding of an assignor has no mode to choose."]
        .assert_eq(&told(world.plan().bind(&request("a", ConfigTarget::Group("g")))));
    let mut open = request("p", ConfigTarget::Topic("t"));
    open.failure_policy = Some("open");
    assert!(told(world.plan().bind(&open)).contains("takes the failure policy closed, not open"));
    assert!(told(world.plan().unbind("p", ConfigTarget::Topic("u"))).contains("not bound there"));
}
