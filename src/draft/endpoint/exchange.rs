//! One request on a thread of its own, so that silence and cancellation are noticed while it
//! waits for the network.

use std::error::Error;
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::RequestBuilder;
use reqwest::header::{LOCATION, RETRY_AFTER};

use crate::draft::cancelled;
use crate::failure::{Context, Failure};
use crate::progress::Cancel;

use super::{EndpointConfig, retry, shown};

/// Why a request brought no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Repeating the request would not help.
    Final(Failure),
    /// A fault that may pass; `wait` is what the server asks for.
    Passing { failure: Failure, wait: Option<Duration> },
    /// The server refused a parameter that has been given up now.
    Dialect(Failure),
}

impl Trouble {
    /// A passing fault for which the server asks no certain wait.
    pub fn passing(failure: Failure) -> Self {
        Self::Passing { failure, wait: None }
    }

    /// Puts the place before the message.
    pub fn context(self, place: &str) -> Self {
        match self {
            Self::Final(failure) => Self::Final(failure.context(place)),
            Self::Passing { failure, wait } => {
                Self::Passing { failure: failure.context(place), wait }
            }
            Self::Dialect(failure) => Self::Dialect(failure.context(place)),
        }
    }
}

/// What a response says before its body.
#[derive(Debug)]
pub(super) struct Head {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub location: Option<String>,
}

enum Piece {
    Head(Head),
    Bytes(Vec<u8>),
    End,
    /// The request failed or the body broke off.
    Broken {
        why: String,
        connecting: bool,
    },
}

/// A request under way. Dropping it closes the connection at the next piece that arrives.
pub(super) struct Exchange<'a> {
    pieces: Receiver<Piece>,
    config: &'a EndpointConfig,
    cancel: &'a Cancel,
    started: Instant,
    heard: Instant,
    any_bytes: bool,
}

impl<'a> Exchange<'a> {
    /// Sends the request.
    pub fn start(
        request: RequestBuilder,
        config: &'a EndpointConfig,
        cancel: &'a Cancel,
    ) -> Result<Self, Trouble> {
        const WAITING: usize = 16;
        if cancel.is_cancelled() {
            return Err(Trouble::Final(cancelled()));
        }
        let (sender, pieces) = sync_channel(WAITING);
        thread::Builder::new()
            .name("endpoint".to_owned())
            .spawn(move || carry_out(request, &sender))
            .because("a thread for the request cannot be started")
            .map_err(Trouble::Final)?;
        let now = Instant::now();
        Ok(Self { pieces, config, cancel, started: now, heard: now, any_bytes: false })
    }

    /// Waits for the response's head.
    pub fn head(&mut self) -> Result<Head, Trouble> {
        match self.next()? {
            Piece::Head(head) => Ok(head),
            Piece::Broken { why, connecting } => Err(self.broken(&why, connecting)),
            Piece::Bytes(_) | Piece::End => Err(self.broken("no answer", false)),
        }
    }

    /// Waits for the next bytes of the body; none at its end.
    pub fn bytes(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        match self.next()? {
            Piece::Bytes(bytes) => {
                self.any_bytes = true;
                Ok(Some(bytes))
            }
            Piece::Broken { why, connecting } => Err(self.broken(&why, connecting)),
            Piece::End | Piece::Head(_) => Ok(None),
        }
    }

    /// Reads the beginning of a refused request's body, as far as it comes.
    pub fn error_body(&mut self) -> Result<Vec<u8>, Trouble> {
        const MOST: usize = 64 << 10;
        let mut body = Vec::new();
        while body.len() < MOST {
            match self.bytes() {
                Ok(Some(bytes)) => body.extend(bytes),
                Err(trouble) if self.cancel.is_cancelled() => return Err(trouble),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(body)
    }

    fn next(&mut self) -> Result<Piece, Trouble> {
        const LOOK: Duration = Duration::from_millis(25);
        loop {
            if self.cancel.is_cancelled() {
                return Err(Trouble::Final(cancelled()));
            }
            let patience =
                if self.any_bytes { self.config.stall_timeout } else { self.config.first_timeout };
            if self.heard.elapsed() >= patience {
                return Err(Trouble::Final(self.silent(patience)));
            }
            if self.started.elapsed() >= self.config.total_timeout {
                return Err(Trouble::Final(self.silent(self.config.total_timeout)));
            }
            match self.pieces.recv_timeout(LOOK) {
                Ok(piece) => {
                    self.heard = Instant::now();
                    return Ok(piece);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Piece::End),
            }
        }
    }

    fn silent(&self, patience: Duration) -> Failure {
        let what = if self.any_bytes { "the answer did not go on" } else { "no answer came" };
        Failure::user(format!("{}: {what} within {:.0?}", shown(&self.config.url), patience))
            .hint("The server may be overloaded, or the model too large for its machine.")
    }

    fn broken(&self, why: &str, connecting: bool) -> Trouble {
        let place = shown(&self.config.url);
        Trouble::passing(match (connecting, self.any_bytes) {
            (true, _) => Failure::user(format!("{place}: no connection: {why}"))
                .hint("Check that the server runs and that the address is right."),
            (false, true) => Failure::user(format!("{place}: the answer broke off: {why}")),
            (false, false) => Failure::user(format!("{place}: the answer cannot be read: {why}"))
                .hint("Check that an OpenAI-compatible server is at this address."),
        })
    }
}

/// Sends the request and passes on what comes, until the other side no longer listens.
fn carry_out(request: RequestBuilder, sender: &SyncSender<Piece>) {
    const PIECE: usize = 16 << 10;
    // A failed send means that nobody waits any more.
    let tell = |piece| sender.send(piece).is_ok();
    let mut response = match request.send() {
        Ok(response) => response,
        Err(error) => {
            let connecting = error.is_connect();
            tell(Piece::Broken { why: deepest(&error.without_url()), connecting });
            return;
        }
    };
    let header = |name| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let head = Head {
        status: response.status().as_u16(),
        retry_after: header(RETRY_AFTER).and_then(|value| retry::asked(&value)),
        location: header(LOCATION),
    };
    if !tell(Piece::Head(head)) {
        return;
    }
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = match response.read(&mut buffer) {
            Ok(0) => Piece::End,
            Ok(read) => Piece::Bytes(buffer[..read].to_vec()),
            Err(error) => Piece::Broken { why: deepest(&error), connecting: false },
        };
        let last = !matches!(piece, Piece::Bytes(_));
        if !tell(piece) || last {
            return;
        }
    }
}

/// The message of the innermost cause, which names what happened.
fn deepest(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
