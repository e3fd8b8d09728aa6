//! ListDecisions: pages of past decisions.

use std::hash::BuildHasher as _;

use tonic::{Request, Response, Status};

use super::caller::Binding;
use super::read::Wrong;
use super::status::{status, wrong_field};
use super::{Shared, convert, proto};
use crate::decision_log::Place;
use crate::engine::DecisionQuery;

/// The size of a page, and the most.
const PAGE: usize = 50;
const MOST: usize = 500;

/// One page.
pub async fn list(
    shared: &Shared,
    request: Request<proto::ListDecisionsRequest>,
) -> Result<Response<proto::ListDecisionsResponse>, Status> {
    Binding::of(&request).both(&request.get_ref().customer_id, &request.get_ref().channel)?;
    shared.audit.note(&request, "DecisionService/ListDecisions", &request.get_ref().customer_id).await?;
    let (query, mark) = query(request.into_inner())?;
    let page = shared.engine.past_decisions(query, shared.clock.now()).await;
    let (decisions, next) = page.map_err(|error| status(&error))?;
    Ok(Response::new(proto::ListDecisionsResponse {
        decisions: decisions.iter().map(|record| convert::past_decision(record)).collect(),
        next_page_token: next.map_or_else(String::new, |place| token(place, mark)),
    }))
}

/// The query of a request, and the mark that its page tokens bear.
fn query(request: proto::ListDecisionsRequest) -> Result<(DecisionQuery, u64), Status> {
    let proto::ListDecisionsRequest { customer_id, action_id, channel, from, to, page_size, page_token } = request;
    let mut wrong = Wrong::default();
    let (from, to) = (wrong.moment("from", from), wrong.moment("to", to));
    wrong.none()?;
    let asked = (&customer_id, &action_id, &channel, from, to);
    let mark = foldhash::quality::FixedState::with_seed(1).hash_one(asked);
    let before = match page_token.as_str() {
        "" => None,
        token => Some(place(token, mark).ok_or_else(|| {
            wrong_field(
                "page_token",
                "is not the next_page_token of a page of this query; leave it empty to begin again",
            )
        })?),
    };
    let most = match page_size {
        0 => PAGE,
        size => usize::try_from(size).unwrap_or(MOST).min(MOST),
    };
    Ok((DecisionQuery { customer: customer_id, action: action_id, channel, from, to, before, most }, mark))
}

fn token(Place { segment, offset }: Place, mark: u64) -> String {
    format!("{segment:x}-{offset:x}-{mark:016x}")
}

fn place(token: &str, mark: u64) -> Option<Place> {
    let (place, own) = token.rsplit_once('-')?;
    let (segment, offset) = place.split_once('-')?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    (number(own)? == mark).then_some(Place { segment: number(segment)?, offset: number(offset)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_belongs_to_its_query() {
        let request = |customer: &str, token: &str| proto::ListDecisionsRequest {
            customer_id: customer.into(),
            page_token: token.into(),
            page_size: 9_999,
            ..proto::ListDecisionsRequest::default()
        };
        let (first, mark) = query(request("anna", "")).unwrap();
        assert_eq!((first.before, first.most), (None, 500), "the size is coerced");
        let token = token(Place { segment: 7, offset: 1_234 }, mark);
        let (second, _) = query(request("anna", &token)).unwrap();
        assert_eq!(second.before, Some(Place { segment: 7, offset: 1_234 }));
        for (customer, token) in [("ben", token.as_str()), ("anna", "7-4d2"), ("anna", "x"), ("anna", "7-4d2-0")] {
            assert_eq!(query(request(customer, token)).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }
}
