//! DescribeGroups (key 15): state and members of groups.
//!
//! Leaves to others: the groups (`group`), asking other shards (`shard::group_asks`).
//! Source: KafkaApis#handleDescribeGroupsRequest; KIP-1043 for error 69 from version 6 on.
use crate::api::{Close, Request, operations, route};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::shard::group_asks::DescribeGroup;
use crate::wire::generated::describe_groups_request::DescribeGroupsRequest;
use crate::wire::generated::describe_groups_response::{DescribeGroupsResponse, DescribedGroup};

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: DescribeGroupsRequest = request.body()?;
    let (version, asked_operations) = (request.version, body.include_authorized_operations);
    let asked: Vec<_> = (body.groups.into_iter())
        .map(|group| {
            let placed = route::placed(&request.core, &group);
            let answer = placed.map(|(shard, partition)| {
                let group = group.clone();
                request.core.ask(shard, DescribeGroup { partition, group, version })
            });
            (group, answer)
        })
        .collect();
    let mut groups = Vec::with_capacity(asked.len());
    for (group_id, answer) in asked {
        let failed = |error: ErrorCode| DescribedGroup {
            group_id: group_id.clone(),
            error_code: error.code(),
            ..Default::default()
        };
        let mut described = match answer {
            Err(error) => failed(error),
            Ok(asked) => match asked.told().await.map_err(|_| Close::Shard)? {
                Some(described) => described,
                None => failed(ErrorCode::NotCoordinator),
            },
        };
        let asked = asked_operations && described.error_code == ErrorCode::None.code();
        described.authorized_operations = operations::if_asked(asked, operations::OF_GROUPS);
        groups.push(described);
    }
    request.respond(&DescribeGroupsResponse { groups, ..Default::default() })
}
