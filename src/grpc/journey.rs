//! JourneyService.

use std::pin::Pin;

use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};

use super::caller::Binding;
use super::proto::journey_service_server::JourneyService;
use super::read::Wrong;
use super::status::{refusal, status};
use super::{Shared, convert, gpc, proto};
use crate::engine::{
    AttributeChange, EventInput, ExperienceView, GetCustomer, JourneyView, LimitView, OutcomeView, Sent, SetAttributes,
};

/// JourneyService over an engine.
#[derive(Debug)]
pub struct JourneyApi(pub Shared);

#[tonic::async_trait]
impl JourneyService for JourneyApi {
    async fn record_events(
        &self,
        request: Request<proto::RecordEventsRequest>,
    ) -> Result<Response<proto::RecordEventsResponse>, Status> {
        let signal = gpc::is_set(request.metadata());
        let binding = Binding::of(&request);
        record(&self.0, request.into_inner(), signal, &binding).await.map(Response::new)
    }

    type StreamEventsStream = Pin<Box<dyn Stream<Item = Result<proto::RecordEventsResponse, Status>> + Send>>;

    async fn stream_events(
        &self,
        request: Request<Streaming<proto::RecordEventsRequest>>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let shared = self.0.clone();
        let signal = gpc::is_set(request.metadata());
        let binding = Binding::of(&request);
        let [mut stopping, stopped] = [shared.stopping.clone(), shared.stopping.clone()];
        let stop = Box::pin(async move { drop(stopping.wait_for(|stopping| *stopping).await) });
        // The message that is being recorded when the server stops is the last one, and gets its answer.
        let messages = futures_util::StreamExt::take_until(request.into_inner(), stop);
        let answers = messages.then(move |message| {
            let (shared, binding) = (shared.clone(), binding.clone());
            async move { record(&shared, message?, signal, &binding).await }
        });
        let end = futures_util::stream::once(async move { stopped.borrow().then(|| Err(stopping_now())) });
        Ok(Response::new(Box::pin(answers.chain(end.filter_map(|end| end)))))
    }

    async fn set_attributes(
        &self,
        request: Request<proto::SetAttributesRequest>,
    ) -> Result<Response<proto::SetAttributesResponse>, Status> {
        let signal = gpc::is_set(request.metadata());
        let binding = Binding::of(&request);
        binding.customer(&request.get_ref().customer_id)?;
        let request = request.into_inner();
        if signal {
            gpc::record(&self.0, &binding, std::iter::once(request.customer_id.as_str())).await;
        }
        let mut wrong = Wrong::default();
        let mut value = |(name, wire)| {
            let value = wrong.value(&format!("attributes[{name}]"), wire);
            (name, value)
        };
        let mut attributes: Vec<_> = request.attributes.into_iter().map(&mut value).collect();
        attributes.sort_by(|a, b| a.0.cmp(&b.0));
        let change = AttributeChange { customer: request.customer_id, attributes, time_zone: request.time_zone };
        let Shared { engine, clock, .. } = &self.0;
        let change = wrong.or(SetAttributes::new(change, engine.rules())).map_err(|error| status(&error))?;
        let dropped = engine.store_attributes(change, clock.now()).await.map_err(|error| status(&error))?;
        Ok(Response::new(proto::SetAttributesResponse { dropped }))
    }

    async fn get_customer(
        &self,
        request: Request<proto::GetCustomerRequest>,
    ) -> Result<Response<proto::GetCustomerResponse>, Status> {
        Binding::of(&request).customer(&request.get_ref().customer_id)?;
        self.0.audit.note(&request, "JourneyService/GetCustomer", &request.get_ref().customer_id).await?;
        let customer_id = request.into_inner().customer_id;
        let engine = &self.0.engine;
        let look = GetCustomer::new(&customer_id, engine.rules()).map_err(|error| status(&error))?;
        let view = engine.execute(&look, self.0.clock.now()).await.map_err(|error| status(&error))?;
        Ok(Response::new(proto::GetCustomerResponse {
            customer_id,
            journeys: view.journeys.into_iter().map(journey).collect(),
            pressure: view.pressure,
            hurt: view.hurt,
            limits: view.limits.into_iter().map(limit).collect(),
            attributes: view
                .attributes
                .iter()
                .map(|(name, value)| (name.clone(), convert::wire_value(value)))
                .collect(),
            outcomes: view.outcomes.into_iter().map(outcome).collect(),
            bad_experiences: view.bad_experiences.into_iter().map(experience).collect(),
        }))
    }
}

fn stopping_now() -> Status {
    refusal(Code::Unavailable, "STOPPING", "the server stops: send the messages without an answer again")
}

async fn record(
    shared: &Shared,
    request: proto::RecordEventsRequest,
    signal: bool,
    binding: &Binding,
) -> Result<proto::RecordEventsResponse, Status> {
    for event in &request.events {
        binding.both(&event.customer_id, &event.channel)?;
    }
    if signal {
        gpc::record(shared, binding, request.events.iter().map(|event| event.customer_id.as_str())).await;
    }
    let events = request.events.into_iter().map(event).collect();
    let results =
        shared.engine.record_events_async(events, shared.clock.now()).await.map_err(|error| status(&error))?;
    Ok(proto::RecordEventsResponse { results: convert::results(results) })
}

fn event(event: proto::Event) -> Sent<EventInput> {
    let mut wrong = Wrong::default();
    let item = EventInput {
        event_id: event.event_id,
        customer: event.customer_id,
        kind: event.r#type,
        channel: event.channel,
        occurred: wrong.moment("occurred_at", event.occurred_at),
        fields: wrong.facts("fields", event.fields),
    };
    Sent { item, wrong: wrong.0 }
}

fn journey(view: JourneyView) -> proto::JourneyState {
    proto::JourneyState {
        journey: view.journey,
        stage: view.stage,
        entered_at: Some(convert::timestamp(view.entered)),
        started_at: Some(convert::timestamp(view.started)),
    }
}

fn limit(view: LimitView) -> proto::LimitState {
    proto::LimitState {
        limit: view.limit,
        used: view.used,
        at_most: view.at_most,
        refills_at: view.refills.map(convert::timestamp),
    }
}

fn outcome(view: OutcomeView) -> proto::PastOutcome {
    proto::PastOutcome {
        action_id: view.action,
        channel: view.channel,
        outcome: convert::wire_outcome(view.outcome),
        occurred_at: Some(convert::timestamp(view.at)),
    }
}

fn experience(view: ExperienceView) -> proto::BadExperience {
    proto::BadExperience {
        event_type: view.event,
        occurred_at: Some(convert::timestamp(view.at)),
        points: view.points,
        repaired: view.repaired,
    }
}
