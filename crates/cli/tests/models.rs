//! Commands that run models: run, chat, logits, serve; with tiny models of random weights.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use lantern_protocol::{MessageStatus, Role, SamplingSettings, SettingsPatch};
use support::{Home, golden, signal};

fn greedy(home: &Home, extra: &[&str]) -> String {
    let model = golden("qwen2-Q8_0.gguf");
    let mut args = vec!["run", &model, "the prompt", "--temp", "0", "--raw", "--max-tokens", "12"];
    args.extend(extra);
    home.run(&args).good().out
}

#[test]
fn run_answers_the_same_way_twice_and_prints_nothing_but_the_answer() {
    let home = Home::new();
    let answer = greedy(&home, &[]);
    assert!(!answer.trim().is_empty(), "no answer");
    assert_eq!(greedy(&home, &[]), answer);
    let model = golden("qwen2-Q8_0.gguf");
    let piped =
        home.pipe(&["run", &model, "-", "--temp", "0", "--raw", "--max-tokens", "12"], "the prompt").good();
    assert_eq!(piped.out, answer);
    let seeded = |seed: &str| {
        home.run(&[
            "run", &model, "x", "--raw", "--temp", "1.5", "--top-k", "0", "--top-p", "1", "--min-p", "0",
            "--seed", seed, "-n", "16",
        ])
        .good()
        .out
    };
    assert_eq!(seeded("7"), seeded("7"));
    assert_ne!(seeded("7"), seeded("8"));
}

#[test]
fn run_uses_the_chat_template_unless_told_not_to_and_stops_where_asked() {
    let home = Home::new();
    let model = golden("qwen2-Q8_0.gguf");
    let templated = home
        .run(&["run", &model, "the prompt", "--temp", "0", "-n", "12", "--system", "Be brief.", "--stats"])
        .good();
    assert!(templated.err.contains("12 written"), "{}", templated.err);
    let answer = greedy(&home, &[]);
    let stop: String = answer.chars().skip(3).take(2).collect();
    let cut = greedy(&home, &["--stop", &stop]);
    assert!(
        answer.starts_with(cut.trim_end_matches('\n')) && !cut.contains(&stop),
        "{cut:?} of {answer:?} with stop {stop:?}"
    );
    home.run(&["run", &model, "x", "--temp", "-1"]).failed("invalid_sampling");
}

#[test]
fn a_prompt_that_is_too_long_is_refused_with_both_numbers() {
    let home = Home::new();
    let model = golden("qwen2-Q8_0.gguf");
    let refused =
        home.pipe(&["run", &model, "-", "--raw"], &"word ".repeat(20_000)).failed("context_overflow");
    assert_eq!(refused.out, "");
    assert!(refused.err.chars().filter(char::is_ascii_digit).count() >= 6, "{}", refused.err);
}

/// A model of random weights would talk until its context is full.
fn limit_answers(home: &Home) {
    let sampling = SamplingSettings { temperature: 0.0, max_tokens: Some(24), ..SamplingSettings::default() };
    let patch = SettingsPatch { sampling: Some(sampling), ..SettingsPatch::default() };
    home.with_app(async |app| app.update_settings(patch).await.unwrap());
}

#[test]
fn a_chat_has_several_turns_and_is_kept() {
    let home = Home::new();
    home.run(&["import", &golden("qwen2-Q8_0.gguf")]).good();
    limit_answers(&home);
    let chat = home
        .pipe(
            &["chat", "qwen2"],
            "hello there\n\n/help\nand again\n/new\nsomething else\n/exit\nnever sent\n",
        )
        .good();
    assert!(!chat.out.trim().is_empty(), "no answer: {}", chat.err);
    home.pipe(&["chat", "--last"], "a third one\n").good();

    let views = home.with_app(async |app| {
        let mut views = Vec::new();
        for row in app.list_conversations(None).await.unwrap() {
            views.push(app.conversation(&row.conversation.id).await.unwrap());
        }
        views
    });
    let asked: Vec<Vec<_>> = views
        .iter()
        .map(|view| {
            view.messages.iter().filter(|m| m.role == Role::User).map(|m| m.content.as_str()).collect()
        })
        .collect();
    assert_eq!(asked, [vec!["something else", "a third one"], vec!["hello there", "and again"]]);
    for message in views.iter().flat_map(|view| &view.messages).filter(|m| m.role == Role::Assistant) {
        assert!(matches!(message.status, MessageStatus::Complete | MessageStatus::Truncated), "{message:?}");
    }
}

#[test]
fn logits_are_those_of_the_golden_data() {
    let home = Home::new();
    let root = lantern_golden::path("");
    let manifest = std::fs::read_to_string(root.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let case = manifest
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["file"] == "models/llama_tied-F32.gguf")
        .unwrap();
    let ids: Vec<String> = case["prompt_ids"].as_array().unwrap().iter().map(|id| id.to_string()).collect();
    let out = home.dir.path().join("logits.safetensors");
    home.run(&[
        "logits",
        "--model",
        &golden("llama_tied-F32.gguf"),
        "--ids",
        &ids.join(","),
        "--out",
        out.to_str().unwrap(),
    ])
    .good();

    let ours = std::fs::read(out).unwrap();
    let ours = safetensors::SafeTensors::deserialize(&ours).unwrap();
    let ours = ours.tensor("logits").unwrap();
    assert_eq!(ours.shape(), [ids.len(), 512]);
    let golden = std::fs::read(root.join(case["logits"].as_str().unwrap())).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&golden).unwrap();
    let golden = golden.tensor("logits").unwrap();
    let floats = |bytes: &[u8]| {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>()
    };
    let (ours, golden) = (floats(ours.data()), floats(golden.data()));
    let worst = ours.iter().zip(&golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 0.002, "logits differ by up to {worst}");
}

/// `lantern serve`, with its address and key.
struct Served {
    child: Child,
    address: String,
    key: String,
}

impl Served {
    fn start(home: &Home, model: &str) -> Self {
        let mut child = home
            .command(Home::program())
            .args(["serve", "--port", "0", "--model", model])
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut value = |name: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(name)
                .unwrap_or_else(|| panic!("{line} should begin with {name}"))
                .trim()
                .to_owned()
        };
        let (url, key) = (value("url"), value("key"));
        let address = url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap().to_owned();
        Self { child, address, key }
    }

    /// The whole answer to a request with these lines and this body.
    fn ask(&self, line: &str, headers: &str, body: &str) -> String {
        let (mut stream, len) = (TcpStream::connect(&self.address).unwrap(), body.len());
        let host = &self.address;
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {len}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn key_header(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.key)
    }

    /// Ends it as `kill` does.
    fn end(mut self) {
        signal(&self.child, "TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert!(TcpStream::connect(&self.address).is_err(), "the port is still taken");
    }
}

#[test]
fn serve_tells_its_address_wants_the_key_and_ends_when_asked() {
    let home = Home::new();
    home.run(&["import", &golden("qwen2-Q8_0.gguf")]).good();
    let served = Served::start(&home, "qwen2");
    let good = served.ask("GET /v1/models", &served.key_header(), "");
    assert!(good.starts_with("HTTP/1.1 200") && good.contains("qwen2-Q8_0"), "{good}");
    assert!(served.ask("GET /v1/models", "", "").starts_with("HTTP/1.1 401"));
    served.end();
}

#[test]
fn a_file_that_is_served_can_be_named_by_other_programs() {
    let home = Home::new();
    let served = Served::start(&home, &golden("qwen2-Q8_0.gguf"));
    let key = served.key_header();
    let listed = served.ask("GET /v1/models", &key, "");
    assert!(listed.contains(r#""id":"qwen2-Q8_0""#) && listed.contains(r#""loaded":true"#), "{listed}");
    let body = r#"{"model": "qwen2-Q8_0", "prompt": "x", "max_tokens": 4, "temperature": 0}"#;
    let answer = served.ask("POST /v1/completions", &key, body);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"completion_tokens\":4"), "{answer}");
    served.end();
    assert!(!home.run(&["list"]).good().out.contains("qwen2"), "it was not imported");
}

#[test]
fn models_of_other_servers_answer_in_the_terminal() {
    let (there, here) = (Home::new(), Home::new());
    let served = Served::start(&there, &golden("qwen2-Q8_0.gguf"));
    let url = format!("http://{}/v1", served.address);
    here.run(&["remote", "add", "box", &url, "--key", &served.key]).good();
    let asked = ["run", "box/qwen2-Q8_0", "the prompt", "--temp", "0", "--raw", "-n", "12", "--stats"];
    let answer = here.run(&asked).good();
    assert_eq!(answer.out, greedy(&Home::new(), &[]));
    assert!(answer.err.contains("12 written") && answer.err.contains("on its server"), "{}", answer.err);
    let talk = here.pipe(&["chat", "box/qwen2-Q8_0"], "hello\n/exit\n").good();
    assert!(!talk.out.trim().is_empty(), "{}", talk.err);
    here.run(&["run", "box/other", "x"]).failed("model_not_found");
    served.end();
    here.run(&["run", "box/qwen2-Q8_0", "x"]).failed("remote_unreachable");
}

#[test]
fn an_interrupted_answer_keeps_what_was_printed() {
    let home = Home::new();
    let model = golden("qwen2-Q8_0.gguf");
    // A random model goes on until the context is full.
    let mut child = home.spawn(&[
        "run", &model, "x", "--seed", "7", "--raw", "--temp", "1.5", "--top-k", "0", "--top-p", "1",
        "--min-p", "0",
    ]);
    // The first byte may be a part of a character.
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 1]).unwrap();
    signal(&child, "INT");
    let done = child.wait_with_output().unwrap();
    let (code, err) = (done.status.code(), String::from_utf8_lossy(&done.stderr));
    assert!(matches!(code, Some(130 | 0)), "{code:?} {err}");
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn a_draft_model_gives_the_same_answer_or_is_refused() {
    let home = Home::new();
    let run = |more: &[&str]| {
        let qwen3 = golden("qwen3-Q8_0.gguf");
        let args = ["run", &qwen3, "the prompt", "--temp", "0", "--raw", "--max-tokens", "40"];
        home.run(&[&args[..], more].concat())
    };
    let (plain, draft) = (run(&["--no-guess"]).good().out, golden("qwen2-Q8_0.gguf"));
    assert_eq!(run(&[]).good().out, plain);
    assert_eq!(run(&["--draft", &draft]).good().out, plain);
    let refused = run(&["--draft", &golden("gemma3-Q8_0.gguf")]);
    assert!(
        refused.code != Some(0) && refused.err.contains("cannot guess for this model"),
        "{}",
        refused.err
    );
    assert!(run(&["--draft", "no-such-model"]).code != Some(0));
    assert!(run(&["--draft", &draft, "--no-guess"]).code != Some(0), "one of the two");
}

#[test]
fn a_packed_copy_gives_the_same_answer_and_goes_with_its_model() {
    let home = Home::new();
    home.run(&["import", &golden("qwen2-Q8_0.gguf")]).good();
    let copies = || lantern_app::packed_copies(&home.data()).list().unwrap();
    let run = |more: &[&str]| {
        let args = ["run", "qwen2-Q8_0", "the prompt", "--temp", "0", "--raw", "--max-tokens", "12"];
        home.run(&[&args[..], more].concat()).good().out
    };
    let plain = run(&[]);
    assert!(copies().is_empty(), "nobody asked for a copy");
    assert_eq!(run(&["--keep-packed"]), plain);
    assert_eq!(copies().len(), 1, "a short run does not end before its copy is whole");
    assert_eq!(run(&["--keep-packed"]), plain);
    let bench =
        ["bench", "--model", "qwen2-Q8_0", "-p", "4", "-n", "2", "-r", "1", "--keep-packed", "--json"];
    assert_eq!(home.run(&bench).good().json()["from_packed_copy"], true);
    assert!(home.run(&["doctor"]).out.contains("copies of 1, "), "doctor knows of it");
    home.run(&["rm", "qwen2-Q8_0"]).good();
    assert!(copies().is_empty(), "the copy stayed behind");
    let bench = home.run(&[
        "bench",
        "--model",
        &golden("qwen2-Q8_0.gguf"),
        "-p",
        "4",
        "-n",
        "2",
        "-r",
        "1",
        "--keep-packed",
    ]);
    assert!(bench.good().out.contains("the next time from a packed copy"));
}
