//! GetReport: what was said and what became of it, counted over the decision log.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use super::read::Wrong;
use super::status::{status, wrong_field};
use super::{Shared, convert, proto};
use crate::domain::time::Moment;
use crate::engine::{Rate, Report, ReportRow};

/// The stream of a report: how far it is, and last the report.
pub type ReportStream = Pin<Box<dyn Stream<Item = Result<proto::GetReportResponse, Status>> + Send>>;

/// How many bytes are read between two messages.
const STEP: u64 = 16 << 20;

/// Counts on another thread, and tells how far it is.
pub fn report(shared: &Shared, request: proto::GetReportRequest) -> Result<Response<ReportStream>, Status> {
    let mut wrong = Wrong::default();
    let from = wrong.moment("from", request.from).unwrap_or(Moment::DISTANT_PAST);
    let to = wrong.moment("to", request.to).unwrap_or(Moment::DISTANT_FUTURE);
    wrong.none()?;
    if from >= to {
        return Err(wrong_field("to", "must be later than `from`"));
    }
    let (engine, (send, receive)) = (Arc::clone(&shared.engine), mpsc::channel(4));
    tokio::task::spawn_blocking(move || {
        let mut told = 0;
        let mut progress = |bytes_read, bytes_total| {
            if bytes_read - told >= STEP {
                told = bytes_read;
                // A reader that is slow, or gone, misses it.
                _ = send.try_send(Ok(proto::GetReportResponse { bytes_read, bytes_total, report: None }));
            }
        };
        let counted = engine.report((from, to), &mut progress).map(|report| proto::GetReportResponse {
            report: Some(wire(report)),
            ..proto::GetReportResponse::default()
        });
        _ = send.blocking_send(counted.map_err(|error| status(&error)));
    });
    Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
}

fn wire(report: Report) -> proto::Report {
    let Report { rows, silences, stopped, decisions, sampled, overwritten, sample_of } = report;
    let silences = silences.into_iter().map(|row| proto::SilenceCount {
        reason: row.reason,
        channel: row.channel,
        count: row.count,
    });
    let stopped = stopped.into_iter().map(|row| proto::StoppedCount {
        action_id: row.action,
        channel: row.channel,
        gate: row.gate,
        count: row.count,
    });
    proto::Report {
        rows: rows.into_iter().map(row).collect(),
        silences: silences.collect(),
        stopped: stopped.collect(),
        decisions,
        sampled,
        overwritten,
        sample_of,
    }
}

fn row(row: ReportRow) -> proto::ReportRow {
    let [presented, clicked, accepted, rejected, complained] = row.outcomes;
    let rate = |count| Rate::of(count, row.said).map(|Rate { value, low, high }| proto::Rate { value, low, high });
    proto::ReportRow {
        action_id: row.action,
        channel: row.channel,
        week: row.week.map(convert::timestamp),
        said: row.said,
        presented,
        clicked,
        accepted,
        rejected,
        complained,
        presented_rate: rate(presented),
        clicked_rate: rate(clicked),
        accepted_rate: rate(accepted),
        rejected_rate: rate(rejected),
        complained_rate: rate(complained),
    }
}
