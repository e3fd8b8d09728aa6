//! AdminService.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::convert::{duration, timestamp};
use super::proto::admin_service_server::AdminService;
use super::status::status;
use super::{Shared, proto};
use crate::domain::time::Moment;

/// How many parts of a backup wait for the network.
const AHEAD: usize = 4;
/// How long a part may wait: a client that does not read must not block other backups.
const PATIENCE: Duration = Duration::from_secs(60);

/// AdminService over an engine.
#[derive(Debug)]
pub struct AdminApi {
    shared: Shared,
    /// Permits for simultaneous backups.
    backups: Arc<Semaphore>,
}

impl AdminApi {
    /// The service over an engine.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        Self { shared, backups: Arc::new(Semaphore::new(1)) }
    }
}

#[tonic::async_trait]
impl AdminService for AdminApi {
    type BackupStream = ReceiverStream<Result<proto::BackupResponse, Status>>;

    async fn backup(&self, request: Request<proto::BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        self.shared.audit.note(&request, "AdminService/Backup", "").await?;
        let busy = |_| Status::resource_exhausted("another backup is in progress; try again when it is done");
        let alone = Arc::clone(&self.backups).try_acquire_owned().map_err(busy)?;
        let (parts, stream) = mpsc::channel(AHEAD);
        let (engine, runtime) = (Arc::clone(&self.shared.engine), tokio::runtime::Handle::current());
        // Runs on its own thread for as long as the client reads; the call does not wait for it, and it reports its own
        // errors.
        drop(tokio::task::spawn_blocking(move || {
            let _alone = alone;
            let mut take = |path: &str, chunk: Vec<u8>| {
                let part = proto::BackupResponse { path: path.into(), chunk, done: false };
                let sent = runtime.block_on(parts.send_timeout(Ok(part), PATIENCE));
                sent.map_err(|_| io::Error::other("the client has disconnected, or does not read"))
            };
            let copied = engine.back_up(&mut take).map_err(|error| status(&error));
            let end = copied.map(|()| proto::BackupResponse { done: true, ..proto::BackupResponse::default() });
            // If the client has gone away, the end does not matter.
            drop(runtime.block_on(parts.send_timeout(end, PATIENCE)));
        }));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_clock(
        &self,
        request: Request<proto::GetClockRequest>,
    ) -> Result<Response<proto::GetClockResponse>, Status> {
        self.shared.audit.note(&request, "AdminService/GetClock", "").await?;
        let Shared { clock, engine, .. } = &self.shared;
        let now = clock.now();
        Ok(Response::new(proto::GetClockResponse {
            time: Some(timestamp(now)),
            step: clock.0.step().map(duration),
            purges_held_until: engine.purges_held_until(now).map(timestamp),
        }))
    }

    async fn accept_clock(
        &self,
        request: Request<proto::AcceptClockRequest>,
    ) -> Result<Response<proto::AcceptClockResponse>, Status> {
        self.shared.audit.note(&request, "AdminService/AcceptClock", "").await?;
        let Shared { clock, engine, .. } = &self.shared;
        clock.0.accept();
        engine.hold_purges(Moment::DISTANT_PAST);
        tracing::info!(now = %clock.now(), "the machine's clock was accepted");
        Ok(Response::new(proto::AcceptClockResponse { time: Some(timestamp(clock.now())) }))
    }
}
