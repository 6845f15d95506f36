//! What `wit-bindgen` makes of `wit/logmill.wit`; the rest of this crate wraps it.
//!
//! Interfaces that several worlds import are generated once, in [`partitioner`].

pub mod partitioner {
    wit_bindgen::generate!({
        path: "../wit",
        world: "partitioner",
        pub_export_macro: true,
        export_macro_name: "export_partitioner_world",
        default_bindings_module: "logmill_sdk::bindings::partitioner",
    });
}

pub mod assignor {
    wit_bindgen::generate!({
        path: "../wit",
        world: "assignor",
        with: {
            "logmill:plugin/types@0.1.0-dev": super::partitioner::logmill::plugin::types,
            "logmill:plugin/log@0.1.0-dev": super::partitioner::logmill::plugin::log,
        },
        pub_export_macro: true,
        export_macro_name: "export_assignor_world",
        default_bindings_module: "logmill_sdk::bindings::assignor",
    });
}

pub mod policy {
    wit_bindgen::generate!({
        path: "../wit",
        world: "compaction-policy",
        with: {
            "logmill:plugin/types@0.1.0-dev": super::partitioner::logmill::plugin::types,
            "logmill:plugin/log@0.1.0-dev": super::partitioner::logmill::plugin::log,
            "logmill:plugin/records@0.1.0-dev": super::partitioner::logmill::plugin::records,
            "logmill:plugin/record-values@0.1.0-dev":
                super::partitioner::logmill::plugin::record_values,
        },
        pub_export_macro: true,
        export_macro_name: "export_policy_world",
        default_bindings_module: "logmill_sdk::bindings::policy",
    });
}
