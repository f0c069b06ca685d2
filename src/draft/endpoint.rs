//! A model behind an OpenAI-compatible `POST {url}/chat/completions`
//! (<https://platform.openai.com/docs/api-reference/chat>; spoken by llama.cpp, vLLM, Ollama, …).

use std::fmt;
use std::sync::Once;
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::failure::{Context, Failure, Result};
use crate::pair::{Message, Tool};
use crate::progress::Cancel;

use super::Drafter;

mod answer;
mod exchange;
mod retry;
mod sse;

use answer::Reader;
use exchange::{Exchange, Trouble};

/// Where a model is served and how patient to be with it. The key is never shown or logged.
#[derive(Clone)]
pub struct EndpointConfig {
    /// Base address, for example `http://127.0.0.1:8000/v1`.
    pub url: String,
    /// Model name sent.
    pub model: String,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait from the request to the first byte of the answer: the server reads the prompt.
    pub first_timeout: Duration,
    /// Longest silence within an answer.
    pub stall_timeout: Duration,
    /// Longest time for one answer.
    pub total_timeout: Duration,
    /// How often a request is repeated after a passing fault.
    pub retries: u32,
    /// Wait before the first repetition; doubled for each further one.
    pub backoff: Duration,
    /// Longest wait before a repetition, also where the server asks for more.
    pub longest_wait: Duration,
    /// Longest answer in bytes of text; what comes after it is not read.
    pub text_limit: usize,
    key: Option<String>,
}

impl EndpointConfig {
    /// Patience that suits a small server on the same machine as well as a hosted one.
    pub fn new(url: &str, model: &str, key: Option<String>) -> Self {
        Self {
            url: url.trim().to_owned(),
            model: model.trim().to_owned(),
            connect_timeout: Duration::from_secs(10),
            first_timeout: Duration::from_mins(5),
            stall_timeout: Duration::from_mins(1),
            total_timeout: Duration::from_mins(30),
            retries: 4,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_mins(1),
            text_limit: 256 << 10,
            key: key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()),
        }
    }

    /// Tells whether the key would cross a network unencrypted: worth a warning.
    pub fn sends_key_in_the_clear(&self) -> bool {
        let far_and_plain =
            Url::parse(&self.url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url));
        self.key.is_some() && far_and_plain
    }
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConfig")
            .field("url", &shown(&self.url))
            .field("model", &self.model)
            .field("has_key", &self.key.is_some())
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// A model served over the network.
pub struct Endpoint {
    config: EndpointConfig,
    address: Url,
    client: Client,
    cancel: Cancel,
    dialect: Dialect,
    cut: bool,
}

/// Parameters that some servers refuse; learnt from their first answer.
#[derive(Clone, Copy)]
struct Dialect {
    /// `max_completion_tokens` in place of `max_tokens`.
    completion_tokens: bool,
    temperature: bool,
}

impl Endpoint {
    /// Checks the address and prepares a client; sends nothing yet.
    ///
    /// # Errors
    /// When the address is no `http` or `https` address or holds a password, the model has no
    /// name, or the key cannot be sent in a header.
    pub fn new(config: EndpointConfig, cancel: Cancel) -> Result<Self> {
        let address = completions_address(&config.url)?;
        if config.model.is_empty() {
            return Err(Failure::user("no model is named for the endpoint")
                .hint("Give the name under which the server offers the model."));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        if let Some(key) = &config.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                Failure::user("the key holds characters that cannot be sent")
                    .hint("Check the value of HONE_API_KEY.")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        install_tls_provider();
        let silence = config.first_timeout.max(config.stall_timeout);
        let mut builder = Client::builder()
            .default_headers(headers)
            .redirect(same_server_only())
            .user_agent(concat!("hone/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            // Our own clock is the exact one; this lets a thread that nobody waits for end.
            .timeout(silence.saturating_add(Duration::from_secs(5)));
        if is_loopback(&address) {
            builder = builder.no_proxy();
        }
        let client = builder.build().because("the network client cannot be made")?;
        let dialect = Dialect { completion_tokens: false, temperature: true };
        Ok(Self { config, address, client, cancel, dialect, cut: false })
    }

    fn body(&self, asked: &Asked<'_>) -> Value {
        let messages: Vec<Value> = asked.messages.iter().map(wire_message).collect();
        let mut body = json!({"model": self.config.model, "messages": messages, "stream": true});
        if !asked.tools.is_empty() {
            body["tools"] = json!(asked.tools);
        }
        let limit =
            if self.dialect.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        body[limit] = asked.max_tokens.into();
        if self.dialect.temperature {
            body["temperature"] = json!(asked.temperature);
        }
        body
    }

    /// One request and its answer.
    fn attempt(&mut self, body: &Value, on_text: &mut dyn FnMut(&str)) -> Result<String, Trouble> {
        let request = self.client.post(self.address.clone()).json(body);
        let mut exchange = Exchange::start(request, &self.config, &self.cancel)?;
        let head = exchange.head()?;
        if !(200..300).contains(&head.status) {
            let body = exchange.error_body()?;
            drop(exchange);
            return Err(self.refusal(&head, &body));
        }
        let mut reader = Reader::new(self.config.text_limit);
        let place = shown(self.address.as_str());
        while let Some(bytes) = exchange.bytes()? {
            reader.push(&bytes, on_text).map_err(|trouble| trouble.context(&place))?;
            if reader.is_done() {
                break;
            }
        }
        let answer = reader.finish(on_text).map_err(|trouble| trouble.context(&place))?;
        self.cut = answer.cut;
        Ok(answer.text)
    }

    /// Explains an answer that is not a success, and learns the server's dialect from it.
    fn refusal(&mut self, head: &exchange::Head, body: &[u8]) -> Trouble {
        let said = answer::error_text(&String::from_utf8_lossy(body));
        let said = self.without_key(&said);
        let place = shown(self.address.as_str());
        let status = head.status;
        let failure = |what: &str| {
            let colon = if said.is_empty() { "" } else { ": " };
            Failure::user(format!("{place}: {what} (status {status}){colon}{said}"))
        };
        let key_hint = match self.config.key {
            Some(_) => "Check the key in the environment variable HONE_API_KEY.",
            None => {
                "No key was sent. Set the environment variable HONE_API_KEY to the server's key."
            }
        };
        match status {
            400 if self.dialect.temperature && said.contains("temperature") => {
                self.dialect.temperature = false;
                Trouble::Dialect(failure("it takes no temperature"))
            }
            400 if !self.dialect.completion_tokens && said.contains("max_completion_tokens") => {
                self.dialect.completion_tokens = true;
                Trouble::Dialect(failure("it wants another name for the token limit"))
            }
            429 if said.contains("insufficient_quota")
                || said.contains("exceeded your current quota") =>
            {
                Trouble::Final(failure("the account has no credit left"))
            }
            408 | 425 | 429 | 500 | 502..=504 | 507..=599 => {
                let what =
                    if status == 429 { "it is asked too often" } else { "the server failed" };
                Trouble::Passing { failure: failure(what), wait: head.retry_after }
            }
            401 | 403 => Trouble::Final(failure("access was refused").hint(key_hint)),
            404 => Trouble::Final(failure("nothing is there").hint(format!(
                "Check the address (it usually ends in /v1) and the model name \"{}\".",
                self.config.model
            ))),
            300..=399 => {
                let target = head.location.as_deref().unwrap_or("another place");
                Trouble::Final(failure("the server points elsewhere").hint(format!(
                    "It names {}. If you trust that address, use it instead; neither text nor key was sent there.",
                    shown(target)
                )))
            }
            _ => Trouble::Final(failure("the request was refused").hint(format!(
                "Check the model name \"{}\" and that the passage fits its context.",
                self.config.model
            ))),
        }
    }

    /// Some servers repeat the key in their message.
    fn without_key(&self, text: &str) -> String {
        match &self.config.key {
            Some(key) => text.replace(key.as_str(), "[key]"),
            None => text.to_owned(),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Drafter for Endpoint {
    fn name(&self) -> String {
        self.config.model.clone()
    }

    fn complete(
        &mut self,
        messages: &[Message],
        max_tokens: usize,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<String> {
        // Low, so that quotes stay verbatim.
        self.ask(&Asked { messages, tools: &[], max_tokens, temperature: 0.2 }, on_text)
    }

    fn was_cut(&self) -> bool {
        self.cut
    }
}

/// One request.
pub struct Asked<'a> {
    /// The conversation so far.
    pub messages: &'a [Message],
    /// Tools offered.
    pub tools: &'a [Tool],
    /// Most tokens of the answer.
    pub max_tokens: usize,
    /// 0 takes the likeliest token at every step.
    pub temperature: f64,
}

impl Endpoint {
    /// Asks, again after passing faults, and gives the whole answer. Calls of tools are written
    /// after the text in the Hermes form, one block each.
    ///
    /// # Errors
    /// As for [`Drafter::complete`].
    pub fn ask(&mut self, asked: &Asked<'_>, on_text: &mut dyn FnMut(&str)) -> Result<String> {
        self.cut = false;
        let mut repeated = 0;
        let mut shown_any = false;
        loop {
            if shown_any {
                on_text("\n");
                shown_any = false;
            }
            let body = self.body(asked);
            let trouble = match self.attempt(&body, &mut |text| {
                shown_any = true;
                on_text(text);
            }) {
                Ok(text) => return Ok(text),
                Err(trouble) => trouble,
            };
            let (failure, wanted) = match trouble {
                Trouble::Final(failure) => return Err(failure),
                // Cannot go round for ever: each parameter is given up once.
                Trouble::Dialect(failure) => {
                    tracing::info!("{failure}; asking again without it");
                    continue;
                }
                Trouble::Passing { failure, wait } => (failure, wait),
            };
            if repeated == self.config.retries {
                let times = match repeated {
                    0 => return Err(failure),
                    1 => "once".to_owned(),
                    n => format!("{n} times"),
                };
                return Err(
                    failure.hint(format!("The request was repeated {times}. Try again later."))
                );
            }
            let wait = retry::wait(&self.config, repeated, wanted);
            tracing::info!("{failure}; asking again in {:.1} s", wait.as_secs_f64());
            retry::sleep(wait, &self.cancel)?;
            repeated += 1;
        }
    }
}

/// The address requests go to, from the base address a user gives.
fn completions_address(given: &str) -> Result<Url> {
    let bad = |why: &str| {
        Failure::user(format!("the endpoint's address \"{}\" {why}", shown(given)))
            .hint("It looks like http://127.0.0.1:8000/v1 or https://HOST/v1.")
    };
    let mut url = Url::parse(given).map_err(|error| bad(&format!("cannot be used: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad("is not an http or https address"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("holds a user name or password")
            .hint("Put the server's key in the environment variable HONE_API_KEY."));
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with("/chat/completions") {
        url.set_path(&format!("{path}/chat/completions"));
    }
    Ok(url)
}

/// An address without what may be secret in it: user, password, query.
fn shown(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            // Fails only for addresses that have no host and so no user either.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            url.to_string()
        }
        // Not even an address: only what stands before anything that may be a secret.
        Err(_) => {
            address.split(['?', '#', '@']).next().unwrap_or_default().chars().take(100).collect()
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Follows a redirect only where it keeps the request whole (307, 308) and on the same server:
/// neither the key nor the document's text goes to a server that the user did not name.
fn same_server_only() -> Policy {
    const MOST: usize = 3;
    Policy::custom(|attempt| {
        let same = attempt
            .previous()
            .first()
            .is_some_and(|first| first.origin() == attempt.url().origin());
        let whole = matches!(attempt.status().as_u16(), 307 | 308);
        if same && whole && attempt.previous().len() <= MOST {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// Chooses ring as the process's TLS provider, which reqwest is built to expect, unless one was
/// chosen before.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A message as the wire format wants it: calls carry their arguments as a JSON string.
fn wire_message(message: &Message) -> Value {
    let mut wire = json!({"role": message.role.as_str(), "content": message.content});
    if !message.tool_calls.is_empty() {
        wire["tool_calls"] = message
            .tool_calls
            .iter()
            .map(|call| {
                let arguments = Value::Object(call.function.arguments.clone()).to_string();
                json!({"id": call.id, "type": call.kind,
                       "function": {"name": call.function.name, "arguments": arguments}})
            })
            .collect();
    }
    if let Some(id) = &message.tool_call_id {
        wire["tool_call_id"] = id.as_str().into();
    }
    wire
}

#[cfg(test)]
mod tests;
