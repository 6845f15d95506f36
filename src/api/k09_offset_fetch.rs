//! OffsetFetch (key 9): committed offsets, of one group or several.
//!
//! Leaves to others: the offsets (`group`), asking other shards (`shard::group_asks`).
//! Source: KIP-709, KIP-447, KIP-848.
use crate::api::route;
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::group::{fetch_groups, fetch_response};
use crate::model::ErrorCode;
use crate::shard::group_asks::FetchOffsets;
use crate::wire::generated::offset_fetch_request::OffsetFetchRequest;
use crate::wire::generated::offset_fetch_response::OffsetFetchResponseGroup;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: OffsetFetchRequest = request.body()?;
    let (version, require_stable) = (request.version, body.require_stable);
    let mut asked = Vec::new();
    for group in fetch_groups(body.clone(), version) {
        let group_id = group.group_id.clone();
        let placed = route::placed(&request.core, &group_id);
        let answer = placed.map(|(shard, partition)| {
            let ask = FetchOffsets { partition, group, version, require_stable };
            request.core.ask(shard, ask)
        });
        asked.push((group_id, answer));
    }
    let mut groups = Vec::with_capacity(asked.len());
    for (group_id, answer) in asked {
        let failed = |error: ErrorCode| OffsetFetchResponseGroup {
            group_id: group_id.clone(),
            error_code: error.code(),
            ..Default::default()
        };
        groups.push(match answer {
            Err(error) => failed(error),
            Ok(asked) => match asked.told().await.map_err(|_| Close::Shard)? {
                Some(told) => told,
                None => failed(ErrorCode::NotCoordinator),
            },
        });
    }
    request.respond(&fetch_response(&body, groups, version))
}
