//! Drafting over the network, against a server that misbehaves in every way we know of, and
//! against a real one where there is one (`tests/llama_server.sh`).

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the right answer")]

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use hone::document::Passage;
use hone::draft::{Drafter, Embedded, Endpoint, EndpointConfig, draft_passage, language_of};
use hone::engine::{Base, Precision};
use hone::failure::Failure;
use hone::model;
use hone::pair::{Language, Message, ReviewState, Role};
use hone::progress::Cancel;
use hone::text::Span;

use crate::support::fault_server::{
    END, FaultServer, STREAM_HEAD, Turn, delta, raw, status, streamed,
};
use crate::support::toy_model;

const KEY: &str = "sk-test-key";

fn config(url: &str) -> EndpointConfig {
    let mut config = EndpointConfig::new(url, "test-model", Some(KEY.to_owned()));
    config.connect_timeout = Duration::from_secs(2);
    config.first_timeout = Duration::from_secs(5);
    config.stall_timeout = Duration::from_secs(5);
    config.backoff = Duration::from_millis(5);
    config.longest_wait = Duration::from_millis(300);
    config.retries = 3;
    config
}

struct Outcome {
    answer: Result<String, Failure>,
    streamed: String,
    cut: bool,
    took: Duration,
}

fn ask(config: EndpointConfig) -> Outcome {
    let mut endpoint = Endpoint::new(config, Cancel::default()).unwrap();
    let mut streamed = String::new();
    let started = Instant::now();
    let question = [Message::text(Role::User, "질문?")];
    let answer = endpoint.complete(&question, 64, &mut |text| streamed.push_str(text));
    Outcome { answer, streamed, cut: endpoint.was_cut(), took: started.elapsed() }
}

/// A failure as a person would see it; the key must not be in it.
fn told(outcome: &Outcome) -> String {
    let failure = outcome.answer.as_ref().unwrap_err();
    let told = format!("{} | {}", failure.message, failure.hints.join(" "));
    assert!(!told.contains(KEY), "{told}");
    told
}

#[test]
fn a_streamed_answer_is_put_together() {
    let server = FaultServer::start(vec![streamed(&["활하중은 ", "2.5", " kN/m²"])]);
    let outcome = ask(config(&server.url));
    assert_eq!(outcome.answer.unwrap(), "활하중은 2.5 kN/m²");
    assert_eq!(outcome.streamed, "활하중은 2.5 kN/m²");
    assert!(!outcome.cut);
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert!(request.contains(&format!("authorization: Bearer {KEY}")));
    let body: serde_json::Value =
        serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["model"], "test-model");
    assert_eq!(body["max_tokens"], 64);
    assert_eq!(body["stream"], true);
    assert_eq!(body["messages"][0]["content"], "질문?");
}

#[test]
fn bytes_may_come_one_by_one_and_with_any_line_ends() {
    let body = format!(": wait\r\n\r\n{}{END}", delta("하중과 무게")).replace("\n\n", "\r\n\r\n");
    let server = FaultServer::start(vec![Box::new(move |stream| {
        let _ = stream.write_all(STREAM_HEAD.as_bytes());
        for byte in body.as_bytes() {
            let _ = stream.write_all(&[*byte]);
            let _ = stream.flush();
        }
    })]);
    assert_eq!(ask(config(&server.url)).answer.unwrap(), "하중과 무게");
}

#[test]
fn a_server_that_does_not_stream_is_understood() {
    for (body, text, cut) in [
        (
            r#"{"choices":[{"message":{"role":"assistant","content":"전체 답"},"finish_reason":"stop"}]}"#,
            "전체 답",
            false,
        ),
        (
            r#" {"choices":[{"message":{"content":[{"type":"text","text":"parts"}]},"finish_reason":"length"}],"error":null}"#,
            "parts",
            true,
        ),
        (r#"{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}"#, "", false),
    ] {
        let server = FaultServer::start(vec![status("200 OK", "", body)]);
        let outcome = ask(config(&server.url));
        assert_eq!(outcome.answer.unwrap(), text);
        assert_eq!((outcome.streamed.as_str(), outcome.cut), (text, cut));
    }
}

#[test]
fn passing_faults_are_waited_out() {
    let ok = || streamed(&["ok"]);
    let cases: Vec<(&str, Vec<Turn>, usize)> = vec![
        (
            "429, seconds",
            vec![status("429 Too Many Requests", "retry-after: 0\r\n", "{}"), ok()],
            2,
        ),
        (
            "429, date",
            vec![
                status(
                    "429 Too Many Requests",
                    "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                    "",
                ),
                ok(),
            ],
            2,
        ),
        (
            "500 twice",
            vec![
                status("500 Internal Server Error", "", "oops"),
                status("503 Service Unavailable", "", ""),
                ok(),
            ],
            3,
        ),
        ("closed at once", vec![raw(""), ok()], 2),
        ("garbage", vec![raw(&b"\x00\xff\x12garbage\r\n\r\n"[..]), ok()], 2),
        ("cut before text", vec![raw(STREAM_HEAD), ok()], 2),
        (
            "broken JSON",
            vec![raw(format!("{STREAM_HEAD}data: {{\"choices\":[{{\n\n{END}")), ok()],
            2,
        ),
        ("garbage as body", vec![raw(format!("{STREAM_HEAD}\u{1}\u{2} nothing\n\n")), ok()], 2),
        (
            "error in the stream",
            vec![
                raw(format!(
                    "{STREAM_HEAD}data: {{\"error\":{{\"message\":\"slot busy\",\"code\":500}}}}\n\n"
                )),
                ok(),
            ],
            2,
        ),
        (
            "short body",
            vec![raw("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\":"), ok()],
            2,
        ),
    ];
    for (name, turns, requests) in cases {
        let server = FaultServer::start(turns);
        let outcome = ask(config(&server.url));
        assert_eq!(outcome.answer.as_deref(), Ok("ok"), "{name}");
        assert_eq!(server.requests().len(), requests, "{name}");
    }
}

#[test]
fn a_stream_cut_in_its_text_starts_over() {
    let cut = raw(format!("{STREAM_HEAD}{}", delta("half of")));
    let server = FaultServer::start(vec![cut, streamed(&["the whole"])]);
    let outcome = ask(config(&server.url));
    assert_eq!(outcome.answer.unwrap(), "the whole");
    assert_eq!(outcome.streamed, "half of\nthe whole");
}

#[test]
fn the_servers_wish_to_wait_is_kept_up_to_a_limit() {
    let server = FaultServer::start(vec![
        status("429 Too Many Requests", "retry-after: 3600\r\n", "{}"),
        streamed(&["ok"]),
    ]);
    let outcome = ask(config(&server.url));
    assert!(outcome.answer.is_ok());
    assert!(outcome.took >= Duration::from_millis(300) && outcome.took < Duration::from_secs(4));
}

#[test]
fn repeating_ends_and_says_so() {
    let server = FaultServer::start(vec![status("502 Bad Gateway", "", "<html>")]);
    let outcome = ask(config(&server.url));
    let told = told(&outcome);
    assert!(told.contains("status 502") && told.contains("repeated 3 times"), "{told}");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn faults_that_do_not_pass_are_told_at_once_with_what_to_do() {
    let echo = format!(r#"{{"error":{{"message":"Incorrect API key provided: {KEY}."}}}}"#);
    for (turn, parts) in [
        (status("401 Unauthorized", "", &echo), ["status 401", "HONE_API_KEY"]),
        (status("403 Forbidden", "", "{}"), ["status 403", "HONE_API_KEY"]),
        (status("404 Not Found", "", r#"{"detail":"Not Found"}"#), ["/v1", "test-model"]),
        (
            status("400 Bad Request", "", r#"{"error":{"message":"context too long"}}"#),
            ["context too long", "test-model"],
        ),
        (
            status(
                "429 Too Many Requests",
                "",
                r#"{"error":{"message":"You exceeded","code":"insufficient_quota"}}"#,
            ),
            ["no credit", "status 429"],
        ),
        (status("200 OK", "", "<!doctype html><p>hello"), ["web page", "/v1"]),
        (status("200 OK", "", r#"{"object":"list","data":[]}"#), ["no choices", "list"]),
        (
            raw(format!(
                "{STREAM_HEAD}data: {{\"error\":{{\"message\":\"too long\",\"code\":400}}}}\n\n"
            )),
            ["too long", "127.0.0.1"],
        ),
    ] {
        let server = FaultServer::start(vec![turn, streamed(&["must not be asked for"])]);
        let outcome = ask(config(&server.url));
        let told = told(&outcome);
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        assert_eq!(server.requests().len(), 1, "{told}");
    }
}

#[test]
fn nobody_listening_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let outcome = ask(config(&format!("http://127.0.0.1:{port}/v1")));
    let told = told(&outcome);
    assert!(told.contains("no connection") && told.contains("server runs"), "{told}");
}

#[test]
fn silence_ends_in_a_timeout() {
    let hold = Duration::from_secs(20);
    let mute: Turn = Box::new(move |_| thread::sleep(hold));
    let stalled: Turn = Box::new(move |stream| {
        let _ = write!(stream, "{STREAM_HEAD}{}", delta("begun"));
        thread::sleep(hold);
    });
    for (turn, part) in [(mute, "no answer came"), (stalled, "did not go on")] {
        let server = FaultServer::start(vec![turn]);
        let mut config = config(&server.url);
        config.first_timeout = Duration::from_millis(300);
        config.stall_timeout = Duration::from_millis(300);
        let outcome = ask(config);
        assert!(told(&outcome).contains(part), "{}", told(&outcome));
        assert!(outcome.took < Duration::from_secs(5));
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_stream_that_only_keeps_itself_alive_ends_too() {
    let server = FaultServer::start(vec![Box::new(|stream| {
        let _ = stream.write_all(STREAM_HEAD.as_bytes());
        while stream.write_all(b": still here\n\n").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    })]);
    let mut config = config(&server.url);
    config.total_timeout = Duration::from_millis(400);
    let outcome = ask(config);
    assert!(outcome.answer.is_err());
    assert!(outcome.took < Duration::from_secs(5));
}

#[test]
fn an_answer_without_end_is_capped() {
    let endless: Turn = Box::new(|stream| {
        let piece = delta("가나다라 ").repeat(50);
        let _ = stream.write_all(STREAM_HEAD.as_bytes());
        while stream.write_all(piece.as_bytes()).is_ok() {}
    });
    let server = FaultServer::start(vec![endless]);
    let mut limited = config(&server.url);
    limited.text_limit = 10_000;
    let outcome = ask(limited);
    let text = outcome.answer.unwrap();
    assert!(text.len() <= 10_000 && text.len() > 9_990);
    assert!(outcome.cut && text.starts_with("가나다라 가"));

    // Endless bytes that are no text at all.
    let filler: Turn = Box::new(|stream| {
        let piece = ":".repeat(1 << 16);
        let _ = stream.write_all(STREAM_HEAD.as_bytes());
        while stream.write_all(piece.as_bytes()).is_ok() {}
    });
    let server = FaultServer::start(vec![filler]);
    let outcome = ask(config(&server.url));
    assert!(told(&outcome).contains("MiB"));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn cancelling_ends_the_wait() {
    let slow: Turn = Box::new(|stream| {
        let _ = write!(stream, "{STREAM_HEAD}{}", delta("begun"));
        thread::sleep(Duration::from_secs(20));
    });
    let refusing = status("503 Service Unavailable", "retry-after: 60\r\n", "");
    for turn in [slow, refusing] {
        let server = FaultServer::start(vec![turn]);
        let mut config = config(&server.url);
        config.longest_wait = Duration::from_mins(1);
        let cancel = Cancel::default();
        let mut endpoint = Endpoint::new(config, cancel.clone()).unwrap();
        let canceller = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            cancel.cancel();
        });
        let started = Instant::now();
        let answer = endpoint.complete(&[Message::text(Role::User, "?")], 8, &mut |_| {});
        assert!(answer.unwrap_err().message.contains("cancelled"));
        assert!(started.elapsed() < Duration::from_secs(5));
        canceller.join().unwrap();
    }
}

#[test]
fn redirects_stay_on_the_server() {
    let elsewhere = FaultServer::start(vec![streamed(&["stolen"])]);
    let target = format!("{}/chat/completions", elsewhere.url);
    for line in
        ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let server = FaultServer::start(vec![status(line, &format!("location: {target}\r\n"), "")]);
        let outcome = ask(config(&server.url));
        assert!(told(&outcome).contains(&target), "{}", told(&outcome));
    }
    assert!(elsewhere.requests().is_empty(), "neither key nor text may leave");

    let server = FaultServer::start(vec![
        status("308 Permanent Redirect", "location: /other/chat/completions\r\n", ""),
        streamed(&["moved"]),
    ]);
    assert_eq!(ask(config(&server.url)).answer.unwrap(), "moved");
    let requests = server.requests();
    assert!(
        requests[1].starts_with("POST /other/chat/completions") && requests[1].contains("질문")
    );
}

#[test]
fn refused_parameters_are_given_up() {
    let server = FaultServer::start(vec![
        status(
            "400 Bad Request",
            "",
            r#"{"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}"#,
        ),
        status(
            "400 Bad Request",
            "",
            r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.2"}}"#,
        ),
        streamed(&["ok"]),
    ]);
    assert_eq!(ask(config(&server.url)).answer.unwrap(), "ok");
    let last = &server.requests()[2];
    assert!(last.contains("\"max_completion_tokens\":64") && !last.contains("temperature"));
}

fn passage(page: u32, context: &[&str], text: &str) -> Passage {
    Passage {
        page,
        span: Span { start: 0, end: text.chars().count() },
        context: context.iter().map(|&heading| heading.to_owned()).collect(),
        text: text.to_owned(),
    }
}

#[test]
fn drafts_come_over_the_wire() {
    let text = "The nominal live load of an office is 2.5 kN/m2.";
    let answer = r#"[{"question":"What live load applies to an office?","answer":"It is 2.5 kN/m2.","quote":"live load of an office is 2.5 kN/m2"}]"#;
    let server = FaultServer::start(vec![streamed(&[&answer[..50], &answer[50..]])]);
    let mut endpoint = Endpoint::new(config(&server.url), Cancel::default()).unwrap();
    let report = draft_passage(&mut endpoint, &passage(4, &[], text), "code.pdf", 1).unwrap();
    assert_eq!(report.refused, Vec::<String>::new());
    assert_eq!(report.drafts[0].meta.author.as_deref(), Some("test-model"));
    assert_eq!(report.drafts[0].meta.page, Some(4));
}

const KOREAN_PASSAGE: &str = include_str!("../fixtures/passage.ko.txt");
const ENGLISH_PASSAGE: &str = include_str!("../fixtures/passage.en.txt");

/// Drafts from a real server. `HONE_TEST_ENDPOINT` is its address and `HONE_TEST_MODEL` the model's
/// name; with `HONE_TEST_EXPECT_DRAFTS` set, each passage must give a draft.
#[test]
#[ignore = "needs a server; run tests/llama_server.sh"]
fn real_server() {
    let Ok(url) = std::env::var("HONE_TEST_ENDPOINT") else {
        println!("skipped: HONE_TEST_ENDPOINT is not set");
        return;
    };
    let model = std::env::var("HONE_TEST_MODEL").unwrap_or_else(|_| "model".to_owned());
    let must_draft = std::env::var_os("HONE_TEST_EXPECT_DRAFTS").is_some();
    let mut endpoint =
        Endpoint::new(EndpointConfig::new(&url, &model, None), Cancel::default()).unwrap();
    draft_both(&mut endpoint, must_draft);
}

/// Drafts from a real model in this program. `HONE_TEST_GGUF` is its file.
#[test]
#[ignore = "needs a model; set HONE_TEST_GGUF"]
fn real_embedded() {
    let Ok(path) = std::env::var("HONE_TEST_GGUF") else {
        println!("skipped: HONE_TEST_GGUF is not set");
        return;
    };
    let must_draft = std::env::var_os("HONE_TEST_EXPECT_DRAFTS").is_some();
    let (base, codec) = load(path.as_ref());
    draft_both(&mut Embedded::new("embedded", &base, &codec, Cancel::default()), must_draft);
}

fn load(path: &std::path::Path) -> (Base, model::Codec) {
    let mut opened = model::open(&path.to_string_lossy()).unwrap();
    let go_on = &mut |_| std::ops::ControlFlow::Continue(());
    let base = Base::load(&opened.config, opened.source.as_mut(), Precision::fastest(), go_on);
    (base.unwrap().unwrap(), opened.codec)
}

#[test]
fn an_embedded_model_streams_stops_and_tells_when_it_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.gguf");
    toy_model::ToyGguf::new("qwen2").write(&path);
    let (base, codec) = load(&path);
    let cancel = Cancel::default();
    let mut model = Embedded::new("toy", &base, &codec, cancel.clone());
    assert_eq!(model.name(), "toy");
    let ask = |model: &mut Embedded<'_>, question: &str, tokens| {
        let mut streamed = String::new();
        let question = [Message::text(Role::User, question)];
        let answer = model.complete(&question, tokens, &mut |text| streamed.push_str(text));
        (answer, streamed)
    };
    let (answer, streamed) = ask(&mut model, "Hi", 8);
    let answer = answer.unwrap();
    assert_eq!(answer, streamed);
    assert!(!answer.is_empty() && model.was_cut());
    assert_eq!(ask(&mut model, "Hi", 8).0.unwrap(), answer, "the same question, the same answer");

    let (answer, _) = ask(&mut model, &"long ".repeat(100), 8);
    assert!(answer.unwrap_err().message.contains("context"));

    // A stop asked for in the middle of the answer.
    let question = [Message::text(Role::User, "Hi")];
    let stopped = model.complete(&question, 50, &mut |_| cancel.cancel());
    assert!(stopped.unwrap_err().message.contains("cancelled"));
}

/// Has the Korean and the English passage drafted, shows what came, and checks its source.
#[expect(clippy::print_stdout, reason = "run by hand to be read")]
fn draft_both(model: &mut dyn Drafter, must_draft: bool) {
    for (language, text) in
        [(Language::Korean, KOREAN_PASSAGE), (Language::English, ENGLISH_PASSAGE)]
    {
        assert_eq!(language_of(text), language);
        let passage = passage(1, &[], text.trim());
        let started = Instant::now();
        let report = draft_passage(model, &passage, "passage.txt", 3).unwrap();
        println!("== {} in {:.1} s", language.code(), started.elapsed().as_secs_f64());
        for draft in &report.drafts {
            let meta = &draft.meta;
            println!(
                "Q {}\nA {}\n  quote: {}\n  tags: {:?}",
                draft.messages[0].content,
                draft.messages[1].content,
                meta.quote.as_deref().unwrap_or_default(),
                meta.tags
            );
            assert_eq!(meta.state, Some(ReviewState::Draft));
            assert_eq!(Some(meta.span.unwrap().of(&passage.text)), meta.quote.as_deref());
        }
        for reason in &report.refused {
            println!("refused: {reason}");
        }
        assert!(!report.drafts.is_empty() || !report.refused.is_empty());
        assert!(!must_draft || !report.drafts.is_empty(), "no draft in {}", language.code());
    }
}
