//! One connection that sends calls when they are due, and counts how each was answered.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout_at};

use super::frames::{self, ACK, DATA, END_STREAM, GOAWAY, HEADERS, PING, RESET, SETTINGS};

/// Which calls are sent.
#[derive(Clone)]
pub struct Calls {
    pub path: &'static str,
    /// The message of a call by its number.
    pub message: Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>,
    pub deadline: Duration,
    pub cancel: bool,
    /// How many may be in progress on a connection.
    pub at_once: usize,
}

/// How calls were answered.
#[derive(Default)]
pub struct Tally {
    pub due: u64,
    pub answered: u64,
    pub in_time: u64,
    pub refused: u64,
    pub silent: u64,
    /// How long answers in time took since they were due.
    took: Vec<Duration>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.due += other.due;
        self.answered += other.answered;
        self.in_time += other.in_time;
        self.refused += other.refused;
        self.silent += other.silent;
        self.took.extend(other.took);
    }

    /// A percentile of the answers in time, in milliseconds.
    pub fn percentile(&mut self, share: f64) -> f64 {
        self.took.sort_unstable();
        let place = ((self.took.len() as f64 * share) as usize).min(self.took.len().saturating_sub(1));
        self.took.get(place).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    }
}

/// What is known of a call in progress.
struct Open {
    due: Instant,
    silent: bool,
    has_message: bool,
}

/// Sends this connection's share of the calls until a moment, and waits a little for the last answers.
pub async fn run(
    address: SocketAddr,
    calls: Calls,
    (number, connections): (usize, usize),
    rate: f64,
    until: Instant,
) -> Tally {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&frames::greeting()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut state = State { calls, open: HashMap::new(), waiting: VecDeque::new(), next: 1, tally: Tally::default() };
    let (begun, step) = (Instant::now(), Duration::from_secs_f64(connections as f64 / rate));
    let mut due = begun + step.mul_f64(number as f64 / connections as f64);
    let (mut ticks, mut buffer, mut input) = (interval(Duration::from_millis(1)), vec![0; 1 << 18], Vec::new());
    let end = tokio::time::Instant::from_std(until + Duration::from_millis(300));
    let mut sequence = number as u64;
    loop {
        let now = Instant::now();
        if rate.is_finite() {
            while due <= now && due < until {
                state.waiting.push_back((due, sequence));
                state.tally.due += 1;
                sequence += connections as u64;
                due += step;
            }
        } else {
            while now < until && state.open.len() + state.waiting.len() < state.calls.at_once {
                state.waiting.push_back((now, sequence));
                state.tally.due += 1;
                sequence += connections as u64;
            }
        }
        let out = state.output(now);
        // A server that does not read is waited for, as any client would.
        if !out.is_empty() && timeout_at(end, writer.write_all(&out)).await.is_err() {
            break;
        }
        tokio::select! {
            read = reader.read(&mut buffer) => match read {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    input.extend(&buffer[..read]);
                    let answer = state.take(&mut input);
                    if !answer.is_empty() && writer.write_all(&answer).await.is_err() {
                        break;
                    }
                }
            },
            _ = ticks.tick() => {}
            () = tokio::time::sleep_until(end) => break,
        }
        if rate.is_infinite() && now >= until && state.open.is_empty() {
            break;
        }
    }
    state.tally
}

struct State {
    calls: Calls,
    open: HashMap<u32, Open>,
    /// Calls that are due, and wait for a place.
    waiting: VecDeque<(Instant, u64)>,
    next: u32,
    tally: Tally,
}

impl State {
    /// What to send now.
    fn output(&mut self, now: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        let deadline = self.calls.deadline;
        let late: Vec<u32> =
            self.open.iter().filter(|(_, call)| now >= call.due + deadline).map(|(stream, _)| *stream).collect();
        if self.calls.cancel {
            for stream in late {
                self.open.remove(&stream);
                frames::frame(&mut out, RESET, 0, stream, &8_u32.to_be_bytes());
            }
        }
        while self.open.len() < self.calls.at_once
            && let Some((due, sequence)) = self.waiting.pop_front()
        {
            // A call that was due too long ago is not even sent.
            let Some(left) = (due + deadline).checked_duration_since(now).filter(|left| !left.is_zero()) else {
                continue;
            };
            frames::call(&mut out, self.next, self.calls.path, left, &(self.calls.message)(sequence));
            self.open.insert(self.next, Open { due, silent: false, has_message: false });
            self.next += 2;
        }
        out
    }

    /// Takes in whole frames; returns what they ask to be sent.
    fn take(&mut self, input: &mut Vec<u8>) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        while let Some(head) = input.get(at..at + 9) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags, stream) = (head[3], head[4], u32::from_be_bytes(head[5..9].try_into().unwrap()));
            let Some(payload) = input.get(at + 9..at + 9 + length) else { break };
            at += 9 + length;
            match kind {
                SETTINGS if flags & ACK == 0 => frames::frame(&mut out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frames::frame(&mut out, PING, ACK, 0, payload),
                GOAWAY => eprintln!("GOAWAY {:?}", String::from_utf8_lossy(&payload[8..])),
                DATA | HEADERS | RESET => self.answered(stream, (kind, flags), payload),
                _ => {}
            }
        }
        input.drain(..at);
        out
    }

    fn answered(&mut self, stream: u32, (kind, flags): (u8, u8), payload: &[u8]) {
        let Some(call) = self.open.get_mut(&stream) else { return };
        if kind == DATA {
            // A decision begins with its id, field 1; an answer that decided nothing has none.
            call.has_message = true;
            call.silent = self.calls.path.ends_with("/Decide") && payload.get(5) != Some(&0x0a);
        }
        if kind != RESET && flags & END_STREAM == 0 {
            return;
        }
        let (due, silent) = (call.due, call.silent);
        // An error has no message.
        let refused = kind == RESET || !call.has_message;
        self.open.remove(&stream);
        let took = due.elapsed();
        match (refused, silent) {
            (true, _) => self.tally.refused += 1,
            (false, true) => self.tally.silent += 1,
            (false, false) => {
                self.tally.answered += 1;
                if took <= self.calls.deadline {
                    self.tally.in_time += 1;
                    self.tally.took.push(took);
                }
            }
        }
    }
}
