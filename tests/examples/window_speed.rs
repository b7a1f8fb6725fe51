//! How fast the window is, measured in the real web view: opening a conversation of 10,000 messages, text that streams
//! into it, and an answer of 200 kB. Prints figures and asserts nothing; `cargo xtask window-speed` runs it.

#[cfg(target_os = "linux")]
mod speed {
    use std::fmt::Write as _;
    use std::time::Duration;

    use axum::routing::{get, post};
    use axum::{Json, Router};
    use lantern_protocol::MessageStatus;
    use lantern_store::{Exchange, Finish, Place, Question, Store};
    use lantern_tests::desktop::Desktop;
    use lantern_tests::home::Home;
    use lantern_tests::page::{Page, id};
    use lantern_tests::processes::{descendants, name};
    use serde_json::{Value, json};

    const MESSAGES: usize = 10_000;
    const LONG: usize = 200_000;
    /// Tokens streamed, and how many a second.
    const TOKENS: usize = 3000;
    const RATE: u64 = 200;

    pub async fn measure() {
        let home = Home::empty();
        fill(&home);
        let url = serve().await;
        let desktop = Desktop::start(home).await;
        let window = desktop.open().await;
        let page = &window.page;
        let server = json!({"server": {"name": "box", "url": url, "key": ""}});
        page.invoke("add_remote_server", server).await.expect("the server is added");

        println!("    {}", used(window.id()));
        println!("opening {MESSAGES} messages: {}", open(page, "Ten thousand").await);
        println!("    {}", used(window.id()));
        println!("the same over the bridge alone: {}", fetch(page).await);
        println!("    {}", used(window.id()));
        watch(page).await;
        scroll(page).await;
        println!("scrolling through them: {}", frames(page).await);
        println!("    {}", used(window.id()));

        pick(page).await;
        open(page, "Ten thousand").await;
        // What lies before its end is still on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
        page.send("Stream, please.").await;
        page.wait_for_text().await;
        watch(page).await;
        page.wait_for_end().await;
        println!("{RATE} tokens/s into {MESSAGES} messages: {}", frames(page).await);
        println!("    {}", used(window.id()));

        watch(page).await;
        println!("opening an answer of {} kB: {}", LONG / 1000, open(page, "Two hundred").await);
        println!("    {}", used(window.id()));
        tokio::time::sleep(Duration::from_secs(3)).await;
        println!("while it appears: {}", frames(page).await);
        println!("    {}", used(window.id()));
        page.send("LONG").await;
        page.wait_for_text().await;
        watch(page).await;
        page.wait_for_end().await;
        println!("{} kB as they stream: {}", LONG / 1000, frames(page).await);
        println!("    {}", used(window.id()));
        window.close().await;
    }

    /// Milliseconds of processor time that the program and its web view have taken so far. On a busy machine they say more
    /// than the time that passes.
    fn used(app: u32) -> String {
        let of = |id: &u32| {
            let line = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let rest = line.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            let ticks = |place: usize| {
                rest.split_whitespace().nth(place).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
            };
            // A tick is a hundredth of a second on every Linux that people have.
            10 * (ticks(11) + ticks(12))
        };
        let web: u64 = descendants(app).iter().filter(|id| name(**id).starts_with("WebKitWeb")).map(of).sum();
        format!("[processor: program {} ms, page {web} ms]", of(&app))
    }

    /// Milliseconds from the click to the first frame that shows an answer.
    async fn open(page: &Page, title: &str) -> String {
        page.wait(&id("conversation-open", "")).await;
        let script = "const [title, done] = arguments;
            const row = [...document.querySelectorAll('[data-testid=conversation-open]')]
              .find((one) => one.textContent.includes(title));
            const start = performance.now();
            const old = document.querySelector('[data-testid=message-assistant]');
            const look = () => {
              const now = document.querySelector('[data-testid=message-assistant]');
              if (!now || now === old) return requestAnimationFrame(look);
              requestAnimationFrame(() => done(performance.now() - start));
            };
            row.click();
            requestAnimationFrame(look)";
        let taken = page.session().run_async(script, json!([title])).await.expect("it opens");
        format!("{:.0} ms", taken.as_f64().unwrap_or(f64::NAN))
    }

    /// What `get_conversation` itself takes, and how much it brings.
    async fn fetch(page: &Page) -> String {
        let script = "const [done] = arguments;
            const invoke = window.__TAURI_INTERNALS__.invoke;
            invoke('list_conversations', { query: null }).then(async (all) => {
              const { conversation: { id } } = all.find(({ conversation }) => conversation.title.includes('Ten'));
              const start = performance.now();
              const view = await invoke('get_conversation', { id });
              const taken = performance.now() - start;
              done([taken, JSON.stringify(view).length]);
            })";
        let taken = page.session().run_async(script, json!([])).await.expect("it is fetched");
        let [milliseconds, bytes] = [&taken[0], &taken[1]].map(|one| one.as_f64().unwrap_or(f64::NAN));
        format!("{milliseconds:.0} ms for {:.1} MB", bytes / 1e6)
    }

    /// Notes the time between frames from now on.
    async fn watch(page: &Page) {
        let script = "window.gaps = []; window.watching = (window.watching ?? 0) + 1;
            const mine = window.watching; let last = performance.now();
            const frame = () => { const now = performance.now(); window.gaps.push(now - last); last = now;
              if (mine === window.watching) requestAnimationFrame(frame) };
            requestAnimationFrame(frame)";
        page.value(script, json!([])).await;
    }

    async fn frames(page: &Page) -> String {
        let gaps = page.value("window.watching += 1; return window.gaps", json!([])).await;
        let mut gaps: Vec<f64> = serde_json::from_value(gaps).expect("numbers");
        gaps.sort_by(f64::total_cmp);
        let at = |percent: usize| gaps.get(gaps.len() * percent / 100).copied().unwrap_or(f64::NAN);
        let late = gaps.iter().filter(|gap| **gap > 50.0).count();
        let most = gaps.last().copied().unwrap_or(f64::NAN);
        let (frames, half, most_of) = (gaps.len(), at(50), at(99));
        format!(
            "{frames} frames, median {half:.0} ms, 99 % within {most_of:.0} ms, longest {most:.0} ms, {late} over 50 ms"
        )
    }

    async fn scroll(page: &Page) {
        let script = "const [done] = arguments; let left = 200;
            const list = document.querySelector('[data-testid=message-list]');
            const step = () => { list.scrollTop -= 180; if (--left > 0) requestAnimationFrame(step); else done(true) };
            step()";
        page.session().run_async(script, json!([])).await.expect("it scrolls");
    }

    async fn pick(page: &Page) {
        page.click(&id("nav-settings", "")).await;
        page.wait(&id("remote-server", "[data-state=\"reachable\"]")).await;
        page.click(&id("new-chat", "")).await;
        // No model is here, so the first one that a server offers is made the default.
        page.set(json!({"defaultModel": "box/words"})).await;
    }

    /// Words as a model would write them: paragraphs, lists, code.
    fn words(length: usize) -> String {
        let mut text = String::with_capacity(length + 400);
        for part in 0.. {
            if text.len() >= length {
                break;
            }
            let _ = match part % 6 {
                0 => write!(
                    text,
                    "## Part {part}\n\nThe lamp of the *{part}th* lighthouse burns oil, and its lens throws **one** beam.\n\n"
                ),
                1 => write!(text, "- a lamp\n- a lens of order {part}\n- `clockwork`\n\n"),
                2 => write!(text, "```python\nfor ring in range({part}):\n    print(ring * 2)\n```\n\n"),
                _ => write!(
                    text,
                    "It was lit in {} and has been seen from ships ever since, by night and in fog, for as far as {part} miles and more. Its keeper wrote every hour into a book, of which most is lost.\n\n",
                    1700 + part % 200
                ),
            };
        }
        text.truncate(length);
        text
    }

    fn fill(home: &Home) {
        std::fs::create_dir_all(home.data()).expect("the home can be written");
        let mut store = Store::open(&home.data()).expect("a new database").store;
        let mut say = |place: Place, answer: &str| {
            let question = Question::New { place, content: "And then?".into() };
            let exchange = Exchange { question, model: Some("box/words".into()), keep_model: true };
            let asked = store.ask(&exchange).expect("it is stored");
            store.append(&asked.assistant_message.id, answer).expect("it is stored");
            let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
            store.finish(&asked.assistant_message.id, &finish).expect("it is stored");
            asked.conversation.id
        };
        say(Place::New { title: "Two hundred thousand letters".into() }, &words(LONG));
        let mut place = Place::New { title: "Ten thousand messages".into() };
        for number in 0..MESSAGES / 2 {
            let answer = words(200 + (number * 7919) % 1200);
            place = Place::End { conversation_id: say(place, &answer) };
        }
    }

    /// Tokens of five letters at the rate that was asked for; of `LONG` ten times as many letters at once.
    async fn serve() -> String {
        let answer = async |body: Json<Value>| {
            let asked = body["messages"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
            let long = asked["content"].as_str() == Some("LONG");
            let (length, piece) = if long { (LONG, 50) } else { (TOKENS * 5, 5) };
            let letters: Vec<char> = words(length).chars().collect();
            let mut lines: Vec<String> = letters
                .chunks(piece)
                .map(|some| json!({"choices": [{"delta": {"content": some.iter().collect::<String>()}}]}))
                .map(|event| format!("data: {event}\n\n"))
                .collect();
            let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
            lines.push(format!("data: {end}\n\ndata: [DONE]\n\n"));
            let mut clock = tokio::time::interval(Duration::from_millis(1000 / RATE));
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
            let paced =
                futures::stream::unfold((lines.into_iter(), clock), async |(mut lines, mut clock)| {
                    let line = lines.next()?;
                    clock.tick().await;
                    Some((Ok::<_, std::io::Error>(line), (lines, clock)))
                });
            axum::body::Body::from_stream(paced)
        };
        let models = async || Json(json!({"data": [{"id": "words", "max_model_len": 16_000_000}]}));
        let server = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(answer))
            .layer(axum::extract::DefaultBodyLimit::max(64 << 20));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/v1", listener.local_addr().expect("it has an address"));
        tokio::spawn(async move { axum::serve(listener, server).await });
        url
    }
}

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() {
    speed::measure().await;
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("The window is driven through WebKitGTK, which is Linux's alone.");
}
