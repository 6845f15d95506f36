//! Kafka's messages and record schemas, one module each.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients kafka-group-coordinator kafka-transaction-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
#![allow(clippy::all, rustdoc::all)]
use crate::wire::{Api, Codec, Kind};

pub mod aborted_txn;
pub mod add_offsets_to_txn_request;
pub mod add_offsets_to_txn_response;
pub mod add_partitions_to_txn_request;
pub mod add_partitions_to_txn_response;
pub mod add_raft_voter_request;
pub mod add_raft_voter_response;
pub mod allocate_producer_ids_request;
pub mod allocate_producer_ids_response;
pub mod alter_client_quotas_request;
pub mod alter_client_quotas_response;
pub mod alter_configs_request;
pub mod alter_configs_response;
pub mod alter_partition_reassignments_request;
pub mod alter_partition_reassignments_response;
pub mod alter_partition_request;
pub mod alter_partition_response;
pub mod alter_replica_log_dirs_request;
pub mod alter_replica_log_dirs_response;
pub mod alter_share_group_offsets_request;
pub mod alter_share_group_offsets_response;
pub mod alter_user_scram_credentials_request;
pub mod alter_user_scram_credentials_response;
pub mod api_versions_request;
pub mod api_versions_response;
pub mod assign_replicas_to_dirs_request;
pub mod assign_replicas_to_dirs_response;
pub mod begin_quorum_epoch_request;
pub mod begin_quorum_epoch_response;
pub mod broker_heartbeat_request;
pub mod broker_heartbeat_response;
pub mod broker_registration_request;
pub mod broker_registration_response;
pub mod config_record;
pub mod consumer_group_current_member_assignment_key;
pub mod consumer_group_current_member_assignment_value;
pub mod consumer_group_describe_request;
pub mod consumer_group_describe_response;
pub mod consumer_group_heartbeat_request;
pub mod consumer_group_heartbeat_response;
pub mod consumer_group_member_metadata_key;
pub mod consumer_group_member_metadata_value;
pub mod consumer_group_metadata_key;
pub mod consumer_group_metadata_value;
pub mod consumer_group_partition_metadata_key;
pub mod consumer_group_partition_metadata_value;
pub mod consumer_group_regular_expression_key;
pub mod consumer_group_regular_expression_value;
pub mod consumer_group_target_assignment_member_key;
pub mod consumer_group_target_assignment_member_value;
pub mod consumer_group_target_assignment_metadata_key;
pub mod consumer_group_target_assignment_metadata_value;
pub mod consumer_protocol_assignment;
pub mod consumer_protocol_subscription;
pub mod control_record_type_schema;
pub mod controller_registration_request;
pub mod controller_registration_response;
pub mod create_acls_request;
pub mod create_acls_response;
pub mod create_delegation_token_request;
pub mod create_delegation_token_response;
pub mod create_partitions_request;
pub mod create_partitions_response;
pub mod create_topics_request;
pub mod create_topics_response;
pub mod default_principal_data;
pub mod delete_acls_request;
pub mod delete_acls_response;
pub mod delete_groups_request;
pub mod delete_groups_response;
pub mod delete_records_request;
pub mod delete_records_response;
pub mod delete_share_group_offsets_request;
pub mod delete_share_group_offsets_response;
pub mod delete_share_group_state_request;
pub mod delete_share_group_state_response;
pub mod delete_topics_request;
pub mod delete_topics_response;
pub mod describe_acls_request;
pub mod describe_acls_response;
pub mod describe_client_quotas_request;
pub mod describe_client_quotas_response;
pub mod describe_cluster_request;
pub mod describe_cluster_response;
pub mod describe_configs_request;
pub mod describe_configs_response;
pub mod describe_delegation_token_request;
pub mod describe_delegation_token_response;
pub mod describe_groups_request;
pub mod describe_groups_response;
pub mod describe_log_dirs_request;
pub mod describe_log_dirs_response;
pub mod describe_producers_request;
pub mod describe_producers_response;
pub mod describe_quorum_request;
pub mod describe_quorum_response;
pub mod describe_share_group_offsets_request;
pub mod describe_share_group_offsets_response;
pub mod describe_topic_partitions_request;
pub mod describe_topic_partitions_response;
pub mod describe_transactions_request;
pub mod describe_transactions_response;
pub mod describe_user_scram_credentials_request;
pub mod describe_user_scram_credentials_response;
pub mod elect_leaders_request;
pub mod elect_leaders_response;
pub mod end_quorum_epoch_request;
pub mod end_quorum_epoch_response;
pub mod end_txn_marker;
pub mod end_txn_request;
pub mod end_txn_response;
pub mod envelope_request;
pub mod envelope_response;
pub mod expire_delegation_token_request;
pub mod expire_delegation_token_response;
pub mod feature_level_record;
pub mod fetch_request;
pub mod fetch_response;
pub mod fetch_snapshot_request;
pub mod fetch_snapshot_response;
pub mod find_coordinator_request;
pub mod find_coordinator_response;
pub mod get_telemetry_subscriptions_request;
pub mod get_telemetry_subscriptions_response;
pub mod group_metadata_key;
pub mod group_metadata_value;
pub mod heartbeat_request;
pub mod heartbeat_response;
pub mod incremental_alter_configs_request;
pub mod incremental_alter_configs_response;
pub mod init_producer_id_request;
pub mod init_producer_id_response;
pub mod initialize_share_group_state_request;
pub mod initialize_share_group_state_response;
pub mod join_group_request;
pub mod join_group_response;
pub mod k_raft_version_record;
pub mod leader_change_message;
pub mod leave_group_request;
pub mod leave_group_response;
pub mod legacy_offset_commit_key;
pub mod legacy_offset_commit_value;
pub mod list_config_resources_request;
pub mod list_config_resources_response;
pub mod list_groups_request;
pub mod list_groups_response;
pub mod list_offsets_request;
pub mod list_offsets_response;
pub mod list_partition_reassignments_request;
pub mod list_partition_reassignments_response;
pub mod list_transactions_request;
pub mod list_transactions_response;
pub mod metadata_request;
pub mod metadata_response;
pub mod offset_commit_key;
pub mod offset_commit_request;
pub mod offset_commit_response;
pub mod offset_commit_value;
pub mod offset_delete_request;
pub mod offset_delete_response;
pub mod offset_fetch_request;
pub mod offset_fetch_response;
pub mod offset_for_leader_epoch_request;
pub mod offset_for_leader_epoch_response;
pub mod partition_change_record;
pub mod partition_record;
pub mod produce_request;
pub mod produce_response;
pub mod producer_ids_record;
pub mod push_telemetry_request;
pub mod push_telemetry_response;
pub mod read_share_group_state_request;
pub mod read_share_group_state_response;
pub mod read_share_group_state_summary_request;
pub mod read_share_group_state_summary_response;
pub mod remove_raft_voter_request;
pub mod remove_raft_voter_response;
pub mod remove_topic_record;
pub mod renew_delegation_token_request;
pub mod renew_delegation_token_response;
pub mod request_header;
pub mod response_header;
pub mod sasl_authenticate_request;
pub mod sasl_authenticate_response;
pub mod sasl_handshake_request;
pub mod sasl_handshake_response;
pub mod share_acknowledge_request;
pub mod share_acknowledge_response;
pub mod share_fetch_request;
pub mod share_fetch_response;
pub mod share_group_current_member_assignment_key;
pub mod share_group_current_member_assignment_value;
pub mod share_group_describe_request;
pub mod share_group_describe_response;
pub mod share_group_heartbeat_request;
pub mod share_group_heartbeat_response;
pub mod share_group_member_metadata_key;
pub mod share_group_member_metadata_value;
pub mod share_group_metadata_key;
pub mod share_group_metadata_value;
pub mod share_group_state_partition_metadata_key;
pub mod share_group_state_partition_metadata_value;
pub mod share_group_target_assignment_member_key;
pub mod share_group_target_assignment_member_value;
pub mod share_group_target_assignment_metadata_key;
pub mod share_group_target_assignment_metadata_value;
pub mod snapshot_footer_record;
pub mod snapshot_header_record;
pub mod streams_group_current_member_assignment_key;
pub mod streams_group_current_member_assignment_value;
pub mod streams_group_describe_request;
pub mod streams_group_describe_response;
pub mod streams_group_heartbeat_request;
pub mod streams_group_heartbeat_response;
pub mod streams_group_member_metadata_key;
pub mod streams_group_member_metadata_value;
pub mod streams_group_metadata_key;
pub mod streams_group_metadata_value;
pub mod streams_group_target_assignment_member_key;
pub mod streams_group_target_assignment_member_value;
pub mod streams_group_target_assignment_metadata_key;
pub mod streams_group_target_assignment_metadata_value;
pub mod streams_group_topology_description_update_request;
pub mod streams_group_topology_description_update_response;
pub mod streams_group_topology_key;
pub mod streams_group_topology_value;
pub mod sync_group_request;
pub mod sync_group_response;
pub mod topic_record;
pub mod transaction_log_key;
pub mod transaction_log_value;
pub mod txn_offset_commit_request;
pub mod txn_offset_commit_response;
pub mod unregister_broker_request;
pub mod unregister_broker_response;
pub mod unregister_controller_request;
pub mod unregister_controller_response;
pub mod update_features_request;
pub mod update_features_response;
pub mod update_raft_voter_request;
pub mod update_raft_voter_response;
pub mod vote_request;
pub mod vote_response;
pub mod voters_record;
pub mod write_share_group_state_request;
pub mod write_share_group_state_response;
pub mod write_txn_markers_request;
pub mod write_txn_markers_response;

/// Every API that has a valid version, by key.
pub static APIS: [Api; 91] = [
    Api { key: 0, name: "Produce", version_min: 3, version_max: 13, flexible_from: 9, latest_unstable: false, broker: true, controller: false },
    Api { key: 1, name: "Fetch", version_min: 4, version_max: 18, flexible_from: 12, latest_unstable: false, broker: true, controller: true },
    Api { key: 2, name: "ListOffsets", version_min: 1, version_max: 11, flexible_from: 6, latest_unstable: false, broker: true, controller: false },
    Api { key: 3, name: "Metadata", version_min: 0, version_max: 13, flexible_from: 9, latest_unstable: false, broker: true, controller: false },
    Api { key: 8, name: "OffsetCommit", version_min: 2, version_max: 10, flexible_from: 8, latest_unstable: false, broker: true, controller: false },
    Api { key: 9, name: "OffsetFetch", version_min: 1, version_max: 10, flexible_from: 6, latest_unstable: false, broker: true, controller: false },
    Api { key: 10, name: "FindCoordinator", version_min: 0, version_max: 6, flexible_from: 3, latest_unstable: false, broker: true, controller: false },
    Api { key: 11, name: "JoinGroup", version_min: 0, version_max: 9, flexible_from: 6, latest_unstable: false, broker: true, controller: false },
    Api { key: 12, name: "Heartbeat", version_min: 0, version_max: 4, flexible_from: 4, latest_unstable: false, broker: true, controller: false },
    Api { key: 13, name: "LeaveGroup", version_min: 0, version_max: 5, flexible_from: 4, latest_unstable: false, broker: true, controller: false },
    Api { key: 14, name: "SyncGroup", version_min: 0, version_max: 5, flexible_from: 4, latest_unstable: false, broker: true, controller: false },
    Api { key: 15, name: "DescribeGroups", version_min: 0, version_max: 6, flexible_from: 5, latest_unstable: false, broker: true, controller: false },
    Api { key: 16, name: "ListGroups", version_min: 0, version_max: 5, flexible_from: 3, latest_unstable: false, broker: true, controller: false },
    Api { key: 17, name: "SaslHandshake", version_min: 0, version_max: 1, flexible_from: i16::MAX, latest_unstable: false, broker: true, controller: true },
    Api { key: 18, name: "ApiVersions", version_min: 0, version_max: 5, flexible_from: 3, latest_unstable: false, broker: true, controller: true },
    Api { key: 19, name: "CreateTopics", version_min: 2, version_max: 7, flexible_from: 5, latest_unstable: false, broker: true, controller: true },
    Api { key: 20, name: "DeleteTopics", version_min: 1, version_max: 6, flexible_from: 4, latest_unstable: false, broker: true, controller: true },
    Api { key: 21, name: "DeleteRecords", version_min: 0, version_max: 2, flexible_from: 2, latest_unstable: false, broker: true, controller: false },
    Api { key: 22, name: "InitProducerId", version_min: 0, version_max: 6, flexible_from: 2, latest_unstable: true, broker: true, controller: false },
    Api { key: 23, name: "OffsetForLeaderEpoch", version_min: 2, version_max: 4, flexible_from: 4, latest_unstable: false, broker: true, controller: false },
    Api { key: 24, name: "AddPartitionsToTxn", version_min: 0, version_max: 5, flexible_from: 3, latest_unstable: false, broker: true, controller: false },
    Api { key: 25, name: "AddOffsetsToTxn", version_min: 0, version_max: 4, flexible_from: 3, latest_unstable: false, broker: true, controller: false },
    Api { key: 26, name: "EndTxn", version_min: 0, version_max: 5, flexible_from: 3, latest_unstable: false, broker: true, controller: false },
    Api { key: 27, name: "WriteTxnMarkers", version_min: 1, version_max: 2, flexible_from: 1, latest_unstable: false, broker: true, controller: false },
    Api { key: 28, name: "TxnOffsetCommit", version_min: 0, version_max: 6, flexible_from: 3, latest_unstable: false, broker: true, controller: false },
    Api { key: 29, name: "DescribeAcls", version_min: 1, version_max: 3, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 30, name: "CreateAcls", version_min: 1, version_max: 3, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 31, name: "DeleteAcls", version_min: 1, version_max: 3, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 32, name: "DescribeConfigs", version_min: 1, version_max: 4, flexible_from: 4, latest_unstable: false, broker: true, controller: true },
    Api { key: 33, name: "AlterConfigs", version_min: 0, version_max: 2, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 34, name: "AlterReplicaLogDirs", version_min: 1, version_max: 2, flexible_from: 2, latest_unstable: false, broker: true, controller: false },
    Api { key: 35, name: "DescribeLogDirs", version_min: 1, version_max: 5, flexible_from: 2, latest_unstable: false, broker: true, controller: false },
    Api { key: 36, name: "SaslAuthenticate", version_min: 0, version_max: 2, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 37, name: "CreatePartitions", version_min: 0, version_max: 3, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 38, name: "CreateDelegationToken", version_min: 1, version_max: 3, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 39, name: "RenewDelegationToken", version_min: 1, version_max: 2, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 40, name: "ExpireDelegationToken", version_min: 1, version_max: 2, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 41, name: "DescribeDelegationToken", version_min: 1, version_max: 3, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 42, name: "DeleteGroups", version_min: 0, version_max: 3, flexible_from: 2, latest_unstable: false, broker: true, controller: false },
    Api { key: 43, name: "ElectLeaders", version_min: 0, version_max: 2, flexible_from: 2, latest_unstable: false, broker: true, controller: true },
    Api { key: 44, name: "IncrementalAlterConfigs", version_min: 0, version_max: 1, flexible_from: 1, latest_unstable: false, broker: true, controller: true },
    Api { key: 45, name: "AlterPartitionReassignments", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 46, name: "ListPartitionReassignments", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 47, name: "OffsetDelete", version_min: 0, version_max: 0, flexible_from: i16::MAX, latest_unstable: false, broker: true, controller: false },
    Api { key: 48, name: "DescribeClientQuotas", version_min: 0, version_max: 1, flexible_from: 1, latest_unstable: false, broker: true, controller: false },
    Api { key: 49, name: "AlterClientQuotas", version_min: 0, version_max: 1, flexible_from: 1, latest_unstable: false, broker: true, controller: true },
    Api { key: 50, name: "DescribeUserScramCredentials", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 51, name: "AlterUserScramCredentials", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 52, name: "Vote", version_min: 0, version_max: 2, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 53, name: "BeginQuorumEpoch", version_min: 0, version_max: 1, flexible_from: 1, latest_unstable: false, broker: false, controller: true },
    Api { key: 54, name: "EndQuorumEpoch", version_min: 0, version_max: 1, flexible_from: 1, latest_unstable: false, broker: false, controller: true },
    Api { key: 55, name: "DescribeQuorum", version_min: 0, version_max: 2, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 56, name: "AlterPartition", version_min: 2, version_max: 3, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 57, name: "UpdateFeatures", version_min: 0, version_max: 2, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 58, name: "Envelope", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 59, name: "FetchSnapshot", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 60, name: "DescribeCluster", version_min: 0, version_max: 2, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 61, name: "DescribeProducers", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 62, name: "BrokerRegistration", version_min: 0, version_max: 4, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 63, name: "BrokerHeartbeat", version_min: 0, version_max: 2, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 64, name: "UnregisterBroker", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 65, name: "DescribeTransactions", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 66, name: "ListTransactions", version_min: 0, version_max: 2, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 67, name: "AllocateProducerIds", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 68, name: "ConsumerGroupHeartbeat", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 69, name: "ConsumerGroupDescribe", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 70, name: "ControllerRegistration", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 71, name: "GetTelemetrySubscriptions", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 72, name: "PushTelemetry", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 73, name: "AssignReplicasToDirs", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 74, name: "ListConfigResources", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 75, name: "DescribeTopicPartitions", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 76, name: "ShareGroupHeartbeat", version_min: 1, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 77, name: "ShareGroupDescribe", version_min: 1, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 78, name: "ShareFetch", version_min: 1, version_max: 2, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 79, name: "ShareAcknowledge", version_min: 1, version_max: 2, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 80, name: "AddRaftVoter", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 81, name: "RemoveRaftVoter", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
    Api { key: 82, name: "UpdateRaftVoter", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: false, controller: true },
    Api { key: 83, name: "InitializeShareGroupState", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 84, name: "ReadShareGroupState", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 85, name: "WriteShareGroupState", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 86, name: "DeleteShareGroupState", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 87, name: "ReadShareGroupStateSummary", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 88, name: "StreamsGroupHeartbeat", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 89, name: "StreamsGroupDescribe", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 90, name: "DescribeShareGroupOffsets", version_min: 0, version_max: 1, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 91, name: "AlterShareGroupOffsets", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 92, name: "DeleteShareGroupOffsets", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 93, name: "StreamsGroupTopologyDescriptionUpdate", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: false },
    Api { key: 94, name: "UnregisterController", version_min: 0, version_max: 0, flexible_from: 0, latest_unstable: false, broker: true, controller: true },
];

/// Every message of the protocol with its codec, by name.
pub static CODECS: [Codec; 241] = [
    Codec::of::<aborted_txn::AbortedTxn>("AbortedTxn", Kind::Data),
    Codec::of::<add_offsets_to_txn_request::AddOffsetsToTxnRequest>("AddOffsetsToTxnRequest", Kind::Request),
    Codec::of::<add_offsets_to_txn_response::AddOffsetsToTxnResponse>("AddOffsetsToTxnResponse", Kind::Response),
    Codec::of::<add_partitions_to_txn_request::AddPartitionsToTxnRequest>("AddPartitionsToTxnRequest", Kind::Request),
    Codec::of::<add_partitions_to_txn_response::AddPartitionsToTxnResponse>("AddPartitionsToTxnResponse", Kind::Response),
    Codec::of::<add_raft_voter_request::AddRaftVoterRequest>("AddRaftVoterRequest", Kind::Request),
    Codec::of::<add_raft_voter_response::AddRaftVoterResponse>("AddRaftVoterResponse", Kind::Response),
    Codec::of::<allocate_producer_ids_request::AllocateProducerIdsRequest>("AllocateProducerIdsRequest", Kind::Request),
    Codec::of::<allocate_producer_ids_response::AllocateProducerIdsResponse>("AllocateProducerIdsResponse", Kind::Response),
    Codec::of::<alter_client_quotas_request::AlterClientQuotasRequest>("AlterClientQuotasRequest", Kind::Request),
    Codec::of::<alter_client_quotas_response::AlterClientQuotasResponse>("AlterClientQuotasResponse", Kind::Response),
    Codec::of::<alter_configs_request::AlterConfigsRequest>("AlterConfigsRequest", Kind::Request),
    Codec::of::<alter_configs_response::AlterConfigsResponse>("AlterConfigsResponse", Kind::Response),
    Codec::of::<alter_partition_reassignments_request::AlterPartitionReassignmentsRequest>("AlterPartitionReassignmentsRequest", Kind::Request),
    Codec::of::<alter_partition_reassignments_response::AlterPartitionReassignmentsResponse>("AlterPartitionReassignmentsResponse", Kind::Response),
    Codec::of::<alter_partition_request::AlterPartitionRequest>("AlterPartitionRequest", Kind::Request),
    Codec::of::<alter_partition_response::AlterPartitionResponse>("AlterPartitionResponse", Kind::Response),
    Codec::of::<alter_replica_log_dirs_request::AlterReplicaLogDirsRequest>("AlterReplicaLogDirsRequest", Kind::Request),
    Codec::of::<alter_replica_log_dirs_response::AlterReplicaLogDirsResponse>("AlterReplicaLogDirsResponse", Kind::Response),
    Codec::of::<alter_share_group_offsets_request::AlterShareGroupOffsetsRequest>("AlterShareGroupOffsetsRequest", Kind::Request),
    Codec::of::<alter_share_group_offsets_response::AlterShareGroupOffsetsResponse>("AlterShareGroupOffsetsResponse", Kind::Response),
    Codec::of::<alter_user_scram_credentials_request::AlterUserScramCredentialsRequest>("AlterUserScramCredentialsRequest", Kind::Request),
    Codec::of::<alter_user_scram_credentials_response::AlterUserScramCredentialsResponse>("AlterUserScramCredentialsResponse", Kind::Response),
    Codec::of::<api_versions_request::ApiVersionsRequest>("ApiVersionsRequest", Kind::Request),
    Codec::of::<api_versions_response::ApiVersionsResponse>("ApiVersionsResponse", Kind::Response),
    Codec::of::<assign_replicas_to_dirs_request::AssignReplicasToDirsRequest>("AssignReplicasToDirsRequest", Kind::Request),
    Codec::of::<assign_replicas_to_dirs_response::AssignReplicasToDirsResponse>("AssignReplicasToDirsResponse", Kind::Response),
    Codec::of::<begin_quorum_epoch_request::BeginQuorumEpochRequest>("BeginQuorumEpochRequest", Kind::Request),
    Codec::of::<begin_quorum_epoch_response::BeginQuorumEpochResponse>("BeginQuorumEpochResponse", Kind::Response),
    Codec::of::<broker_heartbeat_request::BrokerHeartbeatRequest>("BrokerHeartbeatRequest", Kind::Request),
    Codec::of::<broker_heartbeat_response::BrokerHeartbeatResponse>("BrokerHeartbeatResponse", Kind::Response),
    Codec::of::<broker_registration_request::BrokerRegistrationRequest>("BrokerRegistrationRequest", Kind::Request),
    Codec::of::<broker_registration_response::BrokerRegistrationResponse>("BrokerRegistrationResponse", Kind::Response),
    Codec::of::<consumer_group_current_member_assignment_key::ConsumerGroupCurrentMemberAssignmentKey>("ConsumerGroupCurrentMemberAssignmentKey", Kind::RecordKey),
    Codec::of::<consumer_group_current_member_assignment_value::ConsumerGroupCurrentMemberAssignmentValue>("ConsumerGroupCurrentMemberAssignmentValue", Kind::RecordValue),
    Codec::of::<consumer_group_describe_request::ConsumerGroupDescribeRequest>("ConsumerGroupDescribeRequest", Kind::Request),
    Codec::of::<consumer_group_describe_response::ConsumerGroupDescribeResponse>("ConsumerGroupDescribeResponse", Kind::Response),
    Codec::of::<consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest>("ConsumerGroupHeartbeatRequest", Kind::Request),
    Codec::of::<consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse>("ConsumerGroupHeartbeatResponse", Kind::Response),
    Codec::of::<consumer_group_member_metadata_key::ConsumerGroupMemberMetadataKey>("ConsumerGroupMemberMetadataKey", Kind::RecordKey),
    Codec::of::<consumer_group_member_metadata_value::ConsumerGroupMemberMetadataValue>("ConsumerGroupMemberMetadataValue", Kind::RecordValue),
    Codec::of::<consumer_group_metadata_key::ConsumerGroupMetadataKey>("ConsumerGroupMetadataKey", Kind::RecordKey),
    Codec::of::<consumer_group_metadata_value::ConsumerGroupMetadataValue>("ConsumerGroupMetadataValue", Kind::RecordValue),
    Codec::of::<consumer_group_partition_metadata_key::ConsumerGroupPartitionMetadataKey>("ConsumerGroupPartitionMetadataKey", Kind::RecordKey),
    Codec::of::<consumer_group_partition_metadata_value::ConsumerGroupPartitionMetadataValue>("ConsumerGroupPartitionMetadataValue", Kind::RecordValue),
    Codec::of::<consumer_group_regular_expression_key::ConsumerGroupRegularExpressionKey>("ConsumerGroupRegularExpressionKey", Kind::RecordKey),
    Codec::of::<consumer_group_regular_expression_value::ConsumerGroupRegularExpressionValue>("ConsumerGroupRegularExpressionValue", Kind::RecordValue),
    Codec::of::<consumer_group_target_assignment_member_key::ConsumerGroupTargetAssignmentMemberKey>("ConsumerGroupTargetAssignmentMemberKey", Kind::RecordKey),
    Codec::of::<consumer_group_target_assignment_member_value::ConsumerGroupTargetAssignmentMemberValue>("ConsumerGroupTargetAssignmentMemberValue", Kind::RecordValue),
    Codec::of::<consumer_group_target_assignment_metadata_key::ConsumerGroupTargetAssignmentMetadataKey>("ConsumerGroupTargetAssignmentMetadataKey", Kind::RecordKey),
    Codec::of::<consumer_group_target_assignment_metadata_value::ConsumerGroupTargetAssignmentMetadataValue>("ConsumerGroupTargetAssignmentMetadataValue", Kind::RecordValue),
    Codec::of::<consumer_protocol_assignment::ConsumerProtocolAssignment>("ConsumerProtocolAssignment", Kind::Data),
    Codec::of::<consumer_protocol_subscription::ConsumerProtocolSubscription>("ConsumerProtocolSubscription", Kind::Data),
    Codec::of::<control_record_type_schema::ControlRecordTypeSchema>("ControlRecordTypeSchema", Kind::Data),
    Codec::of::<controller_registration_request::ControllerRegistrationRequest>("ControllerRegistrationRequest", Kind::Request),
    Codec::of::<controller_registration_response::ControllerRegistrationResponse>("ControllerRegistrationResponse", Kind::Response),
    Codec::of::<create_acls_request::CreateAclsRequest>("CreateAclsRequest", Kind::Request),
    Codec::of::<create_acls_response::CreateAclsResponse>("CreateAclsResponse", Kind::Response),
    Codec::of::<create_delegation_token_request::CreateDelegationTokenRequest>("CreateDelegationTokenRequest", Kind::Request),
    Codec::of::<create_delegation_token_response::CreateDelegationTokenResponse>("CreateDelegationTokenResponse", Kind::Response),
    Codec::of::<create_partitions_request::CreatePartitionsRequest>("CreatePartitionsRequest", Kind::Request),
    Codec::of::<create_partitions_response::CreatePartitionsResponse>("CreatePartitionsResponse", Kind::Response),
    Codec::of::<create_topics_request::CreateTopicsRequest>("CreateTopicsRequest", Kind::Request),
    Codec::of::<create_topics_response::CreateTopicsResponse>("CreateTopicsResponse", Kind::Response),
    Codec::of::<default_principal_data::DefaultPrincipalData>("DefaultPrincipalData", Kind::Data),
    Codec::of::<delete_acls_request::DeleteAclsRequest>("DeleteAclsRequest", Kind::Request),
    Codec::of::<delete_acls_response::DeleteAclsResponse>("DeleteAclsResponse", Kind::Response),
    Codec::of::<delete_groups_request::DeleteGroupsRequest>("DeleteGroupsRequest", Kind::Request),
    Codec::of::<delete_groups_response::DeleteGroupsResponse>("DeleteGroupsResponse", Kind::Response),
    Codec::of::<delete_records_request::DeleteRecordsRequest>("DeleteRecordsRequest", Kind::Request),
    Codec::of::<delete_records_response::DeleteRecordsResponse>("DeleteRecordsResponse", Kind::Response),
    Codec::of::<delete_share_group_offsets_request::DeleteShareGroupOffsetsRequest>("DeleteShareGroupOffsetsRequest", Kind::Request),
    Codec::of::<delete_share_group_offsets_response::DeleteShareGroupOffsetsResponse>("DeleteShareGroupOffsetsResponse", Kind::Response),
    Codec::of::<delete_share_group_state_request::DeleteShareGroupStateRequest>("DeleteShareGroupStateRequest", Kind::Request),
    Codec::of::<delete_share_group_state_response::DeleteShareGroupStateResponse>("DeleteShareGroupStateResponse", Kind::Response),
    Codec::of::<delete_topics_request::DeleteTopicsRequest>("DeleteTopicsRequest", Kind::Request),
    Codec::of::<delete_topics_response::DeleteTopicsResponse>("DeleteTopicsResponse", Kind::Response),
    Codec::of::<describe_acls_request::DescribeAclsRequest>("DescribeAclsRequest", Kind::Request),
    Codec::of::<describe_acls_response::DescribeAclsResponse>("DescribeAclsResponse", Kind::Response),
    Codec::of::<describe_client_quotas_request::DescribeClientQuotasRequest>("DescribeClientQuotasRequest", Kind::Request),
    Codec::of::<describe_client_quotas_response::DescribeClientQuotasResponse>("DescribeClientQuotasResponse", Kind::Response),
    Codec::of::<describe_cluster_request::DescribeClusterRequest>("DescribeClusterRequest", Kind::Request),
    Codec::of::<describe_cluster_response::DescribeClusterResponse>("DescribeClusterResponse", Kind::Response),
    Codec::of::<describe_configs_request::DescribeConfigsRequest>("DescribeConfigsRequest", Kind::Request),
    Codec::of::<describe_configs_response::DescribeConfigsResponse>("DescribeConfigsResponse", Kind::Response),
    Codec::of::<describe_delegation_token_request::DescribeDelegationTokenRequest>("DescribeDelegationTokenRequest", Kind::Request),
    Codec::of::<describe_delegation_token_response::DescribeDelegationTokenResponse>("DescribeDelegationTokenResponse", Kind::Response),
    Codec::of::<describe_groups_request::DescribeGroupsRequest>("DescribeGroupsRequest", Kind::Request),
    Codec::of::<describe_groups_response::DescribeGroupsResponse>("DescribeGroupsResponse", Kind::Response),
    Codec::of::<describe_log_dirs_request::DescribeLogDirsRequest>("DescribeLogDirsRequest", Kind::Request),
    Codec::of::<describe_log_dirs_response::DescribeLogDirsResponse>("DescribeLogDirsResponse", Kind::Response),
    Codec::of::<describe_producers_request::DescribeProducersRequest>("DescribeProducersRequest", Kind::Request),
    Codec::of::<describe_producers_response::DescribeProducersResponse>("DescribeProducersResponse", Kind::Response),
    Codec::of::<describe_quorum_request::DescribeQuorumRequest>("DescribeQuorumRequest", Kind::Request),
    Codec::of::<describe_quorum_response::DescribeQuorumResponse>("DescribeQuorumResponse", Kind::Response),
    Codec::of::<describe_share_group_offsets_request::DescribeShareGroupOffsetsRequest>("DescribeShareGroupOffsetsRequest", Kind::Request),
    Codec::of::<describe_share_group_offsets_response::DescribeShareGroupOffsetsResponse>("DescribeShareGroupOffsetsResponse", Kind::Response),
    Codec::of::<describe_topic_partitions_request::DescribeTopicPartitionsRequest>("DescribeTopicPartitionsRequest", Kind::Request),
    Codec::of::<describe_topic_partitions_response::DescribeTopicPartitionsResponse>("DescribeTopicPartitionsResponse", Kind::Response),
    Codec::of::<describe_transactions_request::DescribeTransactionsRequest>("DescribeTransactionsRequest", Kind::Request),
    Codec::of::<describe_transactions_response::DescribeTransactionsResponse>("DescribeTransactionsResponse", Kind::Response),
    Codec::of::<describe_user_scram_credentials_request::DescribeUserScramCredentialsRequest>("DescribeUserScramCredentialsRequest", Kind::Request),
    Codec::of::<describe_user_scram_credentials_response::DescribeUserScramCredentialsResponse>("DescribeUserScramCredentialsResponse", Kind::Response),
    Codec::of::<elect_leaders_request::ElectLeadersRequest>("ElectLeadersRequest", Kind::Request),
    Codec::of::<elect_leaders_response::ElectLeadersResponse>("ElectLeadersResponse", Kind::Response),
    Codec::of::<end_quorum_epoch_request::EndQuorumEpochRequest>("EndQuorumEpochRequest", Kind::Request),
    Codec::of::<end_quorum_epoch_response::EndQuorumEpochResponse>("EndQuorumEpochResponse", Kind::Response),
    Codec::of::<end_txn_marker::EndTxnMarker>("EndTxnMarker", Kind::Data),
    Codec::of::<end_txn_request::EndTxnRequest>("EndTxnRequest", Kind::Request),
    Codec::of::<end_txn_response::EndTxnResponse>("EndTxnResponse", Kind::Response),
    Codec::of::<envelope_request::EnvelopeRequest>("EnvelopeRequest", Kind::Request),
    Codec::of::<envelope_response::EnvelopeResponse>("EnvelopeResponse", Kind::Response),
    Codec::of::<expire_delegation_token_request::ExpireDelegationTokenRequest>("ExpireDelegationTokenRequest", Kind::Request),
    Codec::of::<expire_delegation_token_response::ExpireDelegationTokenResponse>("ExpireDelegationTokenResponse", Kind::Response),
    Codec::of::<fetch_request::FetchRequest>("FetchRequest", Kind::Request),
    Codec::of::<fetch_response::FetchResponse>("FetchResponse", Kind::Response),
    Codec::of::<fetch_snapshot_request::FetchSnapshotRequest>("FetchSnapshotRequest", Kind::Request),
    Codec::of::<fetch_snapshot_response::FetchSnapshotResponse>("FetchSnapshotResponse", Kind::Response),
    Codec::of::<find_coordinator_request::FindCoordinatorRequest>("FindCoordinatorRequest", Kind::Request),
    Codec::of::<find_coordinator_response::FindCoordinatorResponse>("FindCoordinatorResponse", Kind::Response),
    Codec::of::<get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest>("GetTelemetrySubscriptionsRequest", Kind::Request),
    Codec::of::<get_telemetry_subscriptions_response::GetTelemetrySubscriptionsResponse>("GetTelemetrySubscriptionsResponse", Kind::Response),
    Codec::of::<group_metadata_key::GroupMetadataKey>("GroupMetadataKey", Kind::RecordKey),
    Codec::of::<group_metadata_value::GroupMetadataValue>("GroupMetadataValue", Kind::RecordValue),
    Codec::of::<heartbeat_request::HeartbeatRequest>("HeartbeatRequest", Kind::Request),
    Codec::of::<heartbeat_response::HeartbeatResponse>("HeartbeatResponse", Kind::Response),
    Codec::of::<incremental_alter_configs_request::IncrementalAlterConfigsRequest>("IncrementalAlterConfigsRequest", Kind::Request),
    Codec::of::<incremental_alter_configs_response::IncrementalAlterConfigsResponse>("IncrementalAlterConfigsResponse", Kind::Response),
    Codec::of::<init_producer_id_request::InitProducerIdRequest>("InitProducerIdRequest", Kind::Request),
    Codec::of::<init_producer_id_response::InitProducerIdResponse>("InitProducerIdResponse", Kind::Response),
    Codec::of::<initialize_share_group_state_request::InitializeShareGroupStateRequest>("InitializeShareGroupStateRequest", Kind::Request),
    Codec::of::<initialize_share_group_state_response::InitializeShareGroupStateResponse>("InitializeShareGroupStateResponse", Kind::Response),
    Codec::of::<join_group_request::JoinGroupRequest>("JoinGroupRequest", Kind::Request),
    Codec::of::<join_group_response::JoinGroupResponse>("JoinGroupResponse", Kind::Response),
    Codec::of::<k_raft_version_record::KRaftVersionRecord>("KRaftVersionRecord", Kind::Data),
    Codec::of::<leader_change_message::LeaderChangeMessage>("LeaderChangeMessage", Kind::Data),
    Codec::of::<leave_group_request::LeaveGroupRequest>("LeaveGroupRequest", Kind::Request),
    Codec::of::<leave_group_response::LeaveGroupResponse>("LeaveGroupResponse", Kind::Response),
    Codec::of::<legacy_offset_commit_key::LegacyOffsetCommitKey>("LegacyOffsetCommitKey", Kind::RecordKey),
    Codec::of::<legacy_offset_commit_value::LegacyOffsetCommitValue>("LegacyOffsetCommitValue", Kind::RecordValue),
    Codec::of::<list_config_resources_request::ListConfigResourcesRequest>("ListConfigResourcesRequest", Kind::Request),
    Codec::of::<list_config_resources_response::ListConfigResourcesResponse>("ListConfigResourcesResponse", Kind::Response),
    Codec::of::<list_groups_request::ListGroupsRequest>("ListGroupsRequest", Kind::Request),
    Codec::of::<list_groups_response::ListGroupsResponse>("ListGroupsResponse", Kind::Response),
    Codec::of::<list_offsets_request::ListOffsetsRequest>("ListOffsetsRequest", Kind::Request),
    Codec::of::<list_offsets_response::ListOffsetsResponse>("ListOffsetsResponse", Kind::Response),
    Codec::of::<list_partition_reassignments_request::ListPartitionReassignmentsRequest>("ListPartitionReassignmentsRequest", Kind::Request),
    Codec::of::<list_partition_reassignments_response::ListPartitionReassignmentsResponse>("ListPartitionReassignmentsResponse", Kind::Response),
    Codec::of::<list_transactions_request::ListTransactionsRequest>("ListTransactionsRequest", Kind::Request),
    Codec::of::<list_transactions_response::ListTransactionsResponse>("ListTransactionsResponse", Kind::Response),
    Codec::of::<metadata_request::MetadataRequest>("MetadataRequest", Kind::Request),
    Codec::of::<metadata_response::MetadataResponse>("MetadataResponse", Kind::Response),
    Codec::of::<offset_commit_key::OffsetCommitKey>("OffsetCommitKey", Kind::RecordKey),
    Codec::of::<offset_commit_request::OffsetCommitRequest>("OffsetCommitRequest", Kind::Request),
    Codec::of::<offset_commit_response::OffsetCommitResponse>("OffsetCommitResponse", Kind::Response),
    Codec::of::<offset_commit_value::OffsetCommitValue>("OffsetCommitValue", Kind::RecordValue),
    Codec::of::<offset_delete_request::OffsetDeleteRequest>("OffsetDeleteRequest", Kind::Request),
    Codec::of::<offset_delete_response::OffsetDeleteResponse>("OffsetDeleteResponse", Kind::Response),
    Codec::of::<offset_fetch_request::OffsetFetchRequest>("OffsetFetchRequest", Kind::Request),
    Codec::of::<offset_fetch_response::OffsetFetchResponse>("OffsetFetchResponse", Kind::Response),
    Codec::of::<offset_for_leader_epoch_request::OffsetForLeaderEpochRequest>("OffsetForLeaderEpochRequest", Kind::Request),
    Codec::of::<offset_for_leader_epoch_response::OffsetForLeaderEpochResponse>("OffsetForLeaderEpochResponse", Kind::Response),
    Codec::of::<produce_request::ProduceRequest>("ProduceRequest", Kind::Request),
    Codec::of::<produce_response::ProduceResponse>("ProduceResponse", Kind::Response),
    Codec::of::<push_telemetry_request::PushTelemetryRequest>("PushTelemetryRequest", Kind::Request),
    Codec::of::<push_telemetry_response::PushTelemetryResponse>("PushTelemetryResponse", Kind::Response),
    Codec::of::<read_share_group_state_request::ReadShareGroupStateRequest>("ReadShareGroupStateRequest", Kind::Request),
    Codec::of::<read_share_group_state_response::ReadShareGroupStateResponse>("ReadShareGroupStateResponse", Kind::Response),
    Codec::of::<read_share_group_state_summary_request::ReadShareGroupStateSummaryRequest>("ReadShareGroupStateSummaryRequest", Kind::Request),
    Codec::of::<read_share_group_state_summary_response::ReadShareGroupStateSummaryResponse>("ReadShareGroupStateSummaryResponse", Kind::Response),
    Codec::of::<remove_raft_voter_request::RemoveRaftVoterRequest>("RemoveRaftVoterRequest", Kind::Request),
    Codec::of::<remove_raft_voter_response::RemoveRaftVoterResponse>("RemoveRaftVoterResponse", Kind::Response),
    Codec::of::<renew_delegation_token_request::RenewDelegationTokenRequest>("RenewDelegationTokenRequest", Kind::Request),
    Codec::of::<renew_delegation_token_response::RenewDelegationTokenResponse>("RenewDelegationTokenResponse", Kind::Response),
    Codec::of::<request_header::RequestHeader>("RequestHeader", Kind::Header),
    Codec::of::<response_header::ResponseHeader>("ResponseHeader", Kind::Header),
    Codec::of::<sasl_authenticate_request::SaslAuthenticateRequest>("SaslAuthenticateRequest", Kind::Request),
    Codec::of::<sasl_authenticate_response::SaslAuthenticateResponse>("SaslAuthenticateResponse", Kind::Response),
    Codec::of::<sasl_handshake_request::SaslHandshakeRequest>("SaslHandshakeRequest", Kind::Request),
    Codec::of::<sasl_handshake_response::SaslHandshakeResponse>("SaslHandshakeResponse", Kind::Response),
    Codec::of::<share_acknowledge_request::ShareAcknowledgeRequest>("ShareAcknowledgeRequest", Kind::Request),
    Codec::of::<share_acknowledge_response::ShareAcknowledgeResponse>("ShareAcknowledgeResponse", Kind::Response),
    Codec::of::<share_fetch_request::ShareFetchRequest>("ShareFetchRequest", Kind::Request),
    Codec::of::<share_fetch_response::ShareFetchResponse>("ShareFetchResponse", Kind::Response),
    Codec::of::<share_group_current_member_assignment_key::ShareGroupCurrentMemberAssignmentKey>("ShareGroupCurrentMemberAssignmentKey", Kind::RecordKey),
    Codec::of::<share_group_current_member_assignment_value::ShareGroupCurrentMemberAssignmentValue>("ShareGroupCurrentMemberAssignmentValue", Kind::RecordValue),
    Codec::of::<share_group_describe_request::ShareGroupDescribeRequest>("ShareGroupDescribeRequest", Kind::Request),
    Codec::of::<share_group_describe_response::ShareGroupDescribeResponse>("ShareGroupDescribeResponse", Kind::Response),
    Codec::of::<share_group_heartbeat_request::ShareGroupHeartbeatRequest>("ShareGroupHeartbeatRequest", Kind::Request),
    Codec::of::<share_group_heartbeat_response::ShareGroupHeartbeatResponse>("ShareGroupHeartbeatResponse", Kind::Response),
    Codec::of::<share_group_member_metadata_key::ShareGroupMemberMetadataKey>("ShareGroupMemberMetadataKey", Kind::RecordKey),
    Codec::of::<share_group_member_metadata_value::ShareGroupMemberMetadataValue>("ShareGroupMemberMetadataValue", Kind::RecordValue),
    Codec::of::<share_group_metadata_key::ShareGroupMetadataKey>("ShareGroupMetadataKey", Kind::RecordKey),
    Codec::of::<share_group_metadata_value::ShareGroupMetadataValue>("ShareGroupMetadataValue", Kind::RecordValue),
    Codec::of::<share_group_state_partition_metadata_key::ShareGroupStatePartitionMetadataKey>("ShareGroupStatePartitionMetadataKey", Kind::RecordKey),
    Codec::of::<share_group_state_partition_metadata_value::ShareGroupStatePartitionMetadataValue>("ShareGroupStatePartitionMetadataValue", Kind::RecordValue),
    Codec::of::<share_group_target_assignment_member_key::ShareGroupTargetAssignmentMemberKey>("ShareGroupTargetAssignmentMemberKey", Kind::RecordKey),
    Codec::of::<share_group_target_assignment_member_value::ShareGroupTargetAssignmentMemberValue>("ShareGroupTargetAssignmentMemberValue", Kind::RecordValue),
    Codec::of::<share_group_target_assignment_metadata_key::ShareGroupTargetAssignmentMetadataKey>("ShareGroupTargetAssignmentMetadataKey", Kind::RecordKey),
    Codec::of::<share_group_target_assignment_metadata_value::ShareGroupTargetAssignmentMetadataValue>("ShareGroupTargetAssignmentMetadataValue", Kind::RecordValue),
    Codec::of::<snapshot_footer_record::SnapshotFooterRecord>("SnapshotFooterRecord", Kind::Data),
    Codec::of::<snapshot_header_record::SnapshotHeaderRecord>("SnapshotHeaderRecord", Kind::Data),
    Codec::of::<streams_group_current_member_assignment_key::StreamsGroupCurrentMemberAssignmentKey>("StreamsGroupCurrentMemberAssignmentKey", Kind::RecordKey),
    Codec::of::<streams_group_current_member_assignment_value::StreamsGroupCurrentMemberAssignmentValue>("StreamsGroupCurrentMemberAssignmentValue", Kind::RecordValue),
    Codec::of::<streams_group_describe_request::StreamsGroupDescribeRequest>("StreamsGroupDescribeRequest", Kind::Request),
    Codec::of::<streams_group_describe_response::StreamsGroupDescribeResponse>("StreamsGroupDescribeResponse", Kind::Response),
    Codec::of::<streams_group_heartbeat_request::StreamsGroupHeartbeatRequest>("StreamsGroupHeartbeatRequest", Kind::Request),
    Codec::of::<streams_group_heartbeat_response::StreamsGroupHeartbeatResponse>("StreamsGroupHeartbeatResponse", Kind::Response),
    Codec::of::<streams_group_member_metadata_key::StreamsGroupMemberMetadataKey>("StreamsGroupMemberMetadataKey", Kind::RecordKey),
    Codec::of::<streams_group_member_metadata_value::StreamsGroupMemberMetadataValue>("StreamsGroupMemberMetadataValue", Kind::RecordValue),
    Codec::of::<streams_group_metadata_key::StreamsGroupMetadataKey>("StreamsGroupMetadataKey", Kind::RecordKey),
    Codec::of::<streams_group_metadata_value::StreamsGroupMetadataValue>("StreamsGroupMetadataValue", Kind::RecordValue),
    Codec::of::<streams_group_target_assignment_member_key::StreamsGroupTargetAssignmentMemberKey>("StreamsGroupTargetAssignmentMemberKey", Kind::RecordKey),
    Codec::of::<streams_group_target_assignment_member_value::StreamsGroupTargetAssignmentMemberValue>("StreamsGroupTargetAssignmentMemberValue", Kind::RecordValue),
    Codec::of::<streams_group_target_assignment_metadata_key::StreamsGroupTargetAssignmentMetadataKey>("StreamsGroupTargetAssignmentMetadataKey", Kind::RecordKey),
    Codec::of::<streams_group_target_assignment_metadata_value::StreamsGroupTargetAssignmentMetadataValue>("StreamsGroupTargetAssignmentMetadataValue", Kind::RecordValue),
    Codec::of::<streams_group_topology_description_update_request::StreamsGroupTopologyDescriptionUpdateRequest>("StreamsGroupTopologyDescriptionUpdateRequest", Kind::Request),
    Codec::of::<streams_group_topology_description_update_response::StreamsGroupTopologyDescriptionUpdateResponse>("StreamsGroupTopologyDescriptionUpdateResponse", Kind::Response),
    Codec::of::<streams_group_topology_key::StreamsGroupTopologyKey>("StreamsGroupTopologyKey", Kind::RecordKey),
    Codec::of::<streams_group_topology_value::StreamsGroupTopologyValue>("StreamsGroupTopologyValue", Kind::RecordValue),
    Codec::of::<sync_group_request::SyncGroupRequest>("SyncGroupRequest", Kind::Request),
    Codec::of::<sync_group_response::SyncGroupResponse>("SyncGroupResponse", Kind::Response),
    Codec::of::<transaction_log_key::TransactionLogKey>("TransactionLogKey", Kind::RecordKey),
    Codec::of::<transaction_log_value::TransactionLogValue>("TransactionLogValue", Kind::RecordValue),
    Codec::of::<txn_offset_commit_request::TxnOffsetCommitRequest>("TxnOffsetCommitRequest", Kind::Request),
    Codec::of::<txn_offset_commit_response::TxnOffsetCommitResponse>("TxnOffsetCommitResponse", Kind::Response),
    Codec::of::<unregister_broker_request::UnregisterBrokerRequest>("UnregisterBrokerRequest", Kind::Request),
    Codec::of::<unregister_broker_response::UnregisterBrokerResponse>("UnregisterBrokerResponse", Kind::Response),
    Codec::of::<unregister_controller_request::UnregisterControllerRequest>("UnregisterControllerRequest", Kind::Request),
    Codec::of::<unregister_controller_response::UnregisterControllerResponse>("UnregisterControllerResponse", Kind::Response),
    Codec::of::<update_features_request::UpdateFeaturesRequest>("UpdateFeaturesRequest", Kind::Request),
    Codec::of::<update_features_response::UpdateFeaturesResponse>("UpdateFeaturesResponse", Kind::Response),
    Codec::of::<update_raft_voter_request::UpdateRaftVoterRequest>("UpdateRaftVoterRequest", Kind::Request),
    Codec::of::<update_raft_voter_response::UpdateRaftVoterResponse>("UpdateRaftVoterResponse", Kind::Response),
    Codec::of::<vote_request::VoteRequest>("VoteRequest", Kind::Request),
    Codec::of::<vote_response::VoteResponse>("VoteResponse", Kind::Response),
    Codec::of::<voters_record::VotersRecord>("VotersRecord", Kind::Data),
    Codec::of::<write_share_group_state_request::WriteShareGroupStateRequest>("WriteShareGroupStateRequest", Kind::Request),
    Codec::of::<write_share_group_state_response::WriteShareGroupStateResponse>("WriteShareGroupStateResponse", Kind::Response),
    Codec::of::<write_txn_markers_request::WriteTxnMarkersRequest>("WriteTxnMarkersRequest", Kind::Request),
    Codec::of::<write_txn_markers_response::WriteTxnMarkersResponse>("WriteTxnMarkersResponse", Kind::Response),
];
