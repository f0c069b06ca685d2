//! A small HTTP server that answers as a test tells it to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use serde_json::json;
use sha2::{Digest, Sha256};

/// A request as far as the tests look at it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path and query.
    pub path: String,
    /// First byte asked for.
    pub range: Option<u64>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// An answer, possibly cut short.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    sent: Option<usize>,
}

impl Answer {
    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), sent: None }
    }

    /// An answer that points elsewhere.
    pub fn redirect(to: &str) -> Self {
        let headers = vec![("Location".to_owned(), to.to_owned())];
        Self { headers, ..Self::status(302) }
    }

    /// Closes the connection after so many bytes of the body.
    pub fn cut_after(self, bytes: usize) -> Self {
        Self { sent: Some(bytes), ..self }
    }
}

/// A file's bytes from `range` on.
pub fn body(bytes: &[u8], range: Option<u64>) -> Answer {
    let start = range.unwrap_or(0) as usize;
    let mut answer = Answer { body: bytes[start..].to_vec(), ..Answer::status(200) };
    if range.is_some() {
        answer.status = 206;
        let value = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
        answer.headers.push(("Content-Range".to_owned(), value));
    }
    answer
}

/// The hub's answer about a repository; weights and tokenizer are "large files" with a checksum.
pub fn listing(files: &[(String, Vec<u8>)]) -> Answer {
    let siblings: Vec<_> = files
        .iter()
        .map(|(name, bytes)| {
            let mut sibling = json!({"rfilename": name, "size": bytes.len()});
            if name.ends_with(".safetensors") || name == "tokenizer.json" {
                sibling["lfs"] = json!({"sha256": sha256(bytes), "size": bytes.len()});
            }
            sibling
        })
        .collect();
    let text = json!({"id": "owner/toy", "sha": "a".repeat(40), "siblings": siblings}).to_string();
    body(text.as_bytes(), None)
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digits: Vec<String> =
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// A server that runs until it is dropped.
pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub address: String,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server on a thread of `scope`.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        answer: impl Fn(&Request) -> Answer + Send + 'scope,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        scope.spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                // A client that hangs up early is no concern of the server.
                let _ = serve(&stream.unwrap(), &answer);
            }
        });
        Self { address, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let host = self.address.trim_start_matches("http://");
        let _ = TcpStream::connect(host);
    }
}

fn serve(stream: &TcpStream, answer: &impl Fn(&Request) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut request = Request { path, range: None, authorization: None };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((key, value)) = line.trim().split_once(": ") else {
            break;
        };
        match key.to_ascii_lowercase().as_str() {
            "range" => {
                let start = value.trim_start_matches("bytes=").trim_end_matches('-');
                request.range = start.parse().ok();
            }
            "authorization" => request.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let answer = answer(&request);
    let mut head = format!(
        "HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n",
        answer.status,
        answer.body.len()
    );
    for (key, value) in &answer.headers {
        head += &[key, ": ", value, "\r\n"].concat();
    }
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    let sent = answer.sent.unwrap_or(answer.body.len()).min(answer.body.len());
    stream.write_all(&answer.body[..sent])
}
