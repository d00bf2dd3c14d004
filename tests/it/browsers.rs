//! What pages in a real browser may do with objects, on other origins and on ours.

use std::collections::HashMap;

use s3reel::embedded_s3::samples::SAMPLES;
use s3reel::web::CorsPolicy;
use serde_json::{Value, json};

use crate::support::scripted::answer;
use crate::support::{Browser, Scripted, TestS3, TestService, content};

/// Which policies the services have, as the pages see them.
const POLICIES: [&str; 4] = ["any", "listed", "unlisted", "off"];

/// A browser, pages of another origin, and a service over the same bucket for each policy. They
/// end in this order.
struct Stage {
    browser: Browser,
    services: HashMap<&'static str, TestService>,
    pages: Scripted,
    s3: TestS3,
}

impl Stage {
    /// All of it, with the browser on an empty page of the other origin.
    async fn set() -> Self {
        let s3 = TestS3::embedded().await;
        for (name, bytes) in SAMPLES {
            s3.put(name, *bytes).await;
        }
        let pages = pages().await;
        let mut services = HashMap::new();
        for policy in POLICIES {
            let cors = match policy {
                "any" => "*".to_owned(),
                "listed" => format!("https://player.example, {}", by_name(&pages)),
                "unlisted" => format!("https://player.example, {}", by_address(&pages)),
                _ => String::new(),
            };
            let cors = CorsPolicy::parse(&cors).unwrap();
            let service = TestService::with(&s3, |config| config.web.cors = cors).await;
            services.insert(policy, service);
        }
        let browser = Browser::chromium().await;
        browser.open(&format!("{}/", by_name(&pages))).await;
        Self {
            browser,
            services,
            pages,
            s3,
        }
    }

    fn url(&self, policy: &str, target: &str) -> String {
        format!("http://{}{target}", self.services[policy].address())
    }

    /// What a page reads of an answer: see `ask` in `browser.js`.
    async fn ask(&self, policy: &str, target: &str, options: Value) -> Value {
        let given = vec![json!(self.url(policy, target)), options];
        self.browser.run("return ask(...given);", given).await
    }

    /// What a player with these attributes shows of a sample: see `watch` in `browser.js`.
    async fn watch(&self, policy: &str, target: &str, mut attributes: Value) -> Value {
        attributes["src"] = json!(self.url(policy, target));
        let script = "const player = add('video', given[0]);
                      try { return await watch(player); } finally { dismiss(player); }";
        self.browser.run(script, vec![attributes]).await
    }

    /// Whether a picture with these attributes is shown: `load` or `error`.
    async fn picture(&self, policy: &str, target: &str, mut attributes: Value) -> Value {
        attributes["src"] = json!(self.url(policy, target));
        let script = "return first(add('img', given[0]), 'load', 'error');";
        self.browser.run(script, vec![attributes]).await
    }
}

/// Pages of another origin: an empty one, and one that embeds only what agrees to it.
async fn pages() -> Scripted {
    Scripted::start(|asked| {
        let fields = [
            ("Content-Type", "text/html"),
            ("Cross-Origin-Embedder-Policy", "require-corp"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ];
        let page = "<!doctype html><title>page</title><body>";
        vec![match asked.line.split(' ').nth(1) {
            Some("/") => answer("200 OK", &fields[..1], page),
            Some("/isolated") => answer("200 OK", &fields, page),
            _ => answer("404 Not Found", &[], ""),
        }]
    })
    .await
}

/// The origin of the pages by name: another site than the services', too.
fn by_name(pages: &Scripted) -> String {
    format!("http://localhost:{}", pages.address().port())
}

/// The same pages by address, which is another origin to a browser.
fn by_address(pages: &Scripted) -> String {
    format!("http://{}", pages.address())
}

/// What a page gets whose request the browser refused, or whose answer it withheld.
fn refused() -> Value {
    json!({ "refused": "TypeError" })
}

/// Statuses of an answer and the fields that a page may read of it, sorted.
fn readable(answer: &Value) -> (u64, Vec<String>) {
    let fields = answer["fields"].as_object();
    let fields = fields.unwrap_or_else(|| panic!("{answer}"));
    let mut names: Vec<_> = fields.keys().cloned().collect();
    names.sort();
    (answer["status"].as_u64().unwrap(), names)
}

/// What a problem says, read by a page.
fn problem(answer: &Value) -> Value {
    let bytes = serde_json::from_value::<Vec<u8>>(answer["bytes"].clone()).unwrap();
    serde_json::from_slice::<Value>(&bytes).unwrap()["type"].take()
}

#[tokio::test]
async fn a_page_of_another_origin_reads_every_answer_that_the_policy_opens_to_it() {
    let stage = Stage::set().await;
    let bytes = content(1, 3000);
    stage.s3.put("a", bytes.clone()).await;
    let of_objects =
        "accept-ranges cache-control content-length content-type etag last-modified x-request-id";
    let of_objects: Vec<_> = of_objects.split(' ').collect();
    for policy in ["any", "listed"] {
        let ask = |target, options| stage.ask(policy, target, options);
        let whole = ask("/a", json!({})).await;
        assert_eq!(readable(&whole).0, 200, "{policy}");
        assert_eq!(readable(&whole).1, of_objects, "{policy}");
        assert_eq!(whole["bytes"], json!(bytes), "{policy}");
        let etag = &whole["fields"]["etag"];
        let date = &whole["fields"]["last-modified"];

        // The second and third forms of Range are not on the Fetch standard's safelist.
        for (range, first, last) in [
            ("bytes=8-2007", 8, 2007),
            ("bytes=-10", 2990, 2999),
            ("bytes=2999-9999", 2999, 2999),
        ] {
            let part = ask("/a", json!({ "headers": { "Range": range } })).await;
            let (status, mut names) = readable(&part);
            names.retain(|name| name != "content-range");
            assert_eq!((status, names.len()), (206, of_objects.len()), "{part}");
            let fields = &part["fields"];
            assert_eq!(
                fields["content-range"],
                format!("bytes {first}-{last}/3000")
            );
            assert_eq!(fields["content-length"], (last - first + 1).to_string());
            assert_eq!(fields["accept-ranges"], "bytes");
            assert_eq!(&fields["etag"], etag);
            assert_eq!(part["bytes"], json!(bytes[first..=last]), "{range}");
        }
        for (headers, status, length) in [
            (json!({ "If-None-Match": etag }), 304, 0),
            (json!({ "If-None-Match": "\"other\"" }), 200, 3000),
            (json!({ "If-Modified-Since": date }), 304, 0),
            (json!({ "If-Match": etag }), 200, 3000),
            (json!({ "If-Unmodified-Since": date }), 200, 3000),
            (json!({ "If-Range": etag, "Range": "bytes=0-9" }), 206, 10),
            (
                json!({ "If-Range": "\"other\"", "Range": "bytes=0-9" }),
                200,
                3000,
            ),
        ] {
            let answer = ask("/a", json!({ "headers": headers })).await;
            assert_eq!(answer["status"], status, "{policy} {headers}: {answer}");
            assert_eq!(&answer["fields"]["etag"], etag, "{policy} {headers}");
            assert_eq!(answer["bytes"].as_array().unwrap().len(), length);
        }
        let head = ask("/a", json!({ "method": "HEAD" })).await;
        assert_eq!(readable(&head), readable(&whole), "{policy}");
        assert_eq!(head["fields"]["content-length"], "3000", "{policy}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_reads_what_went_wrong() {
    let stage = Stage::set().await;
    stage.s3.put("a", content(1, 3000)).await;
    let long = format!("/{}", "x".repeat(9000));
    let beyond = json!({ "headers": { "Range": "bytes=3000-" } });
    let changed = json!({ "headers": { "If-Match": "\"other\"" } });
    for policy in ["any", "listed"] {
        for (target, options, status, name) in [
            ("/none", json!({}), 404, "not-found"),
            ("/%zz", json!({}), 400, "key-refused"),
            (&long, json!({}), 414, "target-too-long"),
            ("/a", beyond.clone(), 416, "range-not-satisfiable"),
            ("/a", changed.clone(), 412, "precondition-failed"),
            ("/a", json!({ "method": "POST" }), 405, "method-not-allowed"),
        ] {
            let answer = stage.ask(policy, target, options).await;
            let (read, fields) = readable(&answer);
            assert_eq!(read, status, "{policy}: {answer}");
            assert_eq!(problem(&answer), format!("urn:s3reel:problem:{name}"));
            assert!(fields.contains(&"x-request-id".to_owned()), "{answer}");
            if status == 416 {
                assert_eq!(answer["fields"]["content-range"], "bytes */3000");
            }
        }
    }
}

#[tokio::test]
async fn a_page_of_another_origin_reads_nothing_that_the_policy_does_not_open_to_it() {
    let stage = Stage::set().await;
    stage.s3.put("a", content(1, 3000)).await;
    for policy in ["unlisted", "off"] {
        for (target, options) in [
            ("/a", json!({})),
            ("/a", json!({ "method": "HEAD" })),
            ("/a", json!({ "headers": { "Range": "bytes=0-9" } })),
            ("/a", json!({ "headers": { "If-Match": "*" } })),
            ("/a", json!({ "credentials": "include" })),
            ("/none", json!({})),
        ] {
            let answer = stage.ask(policy, target, options.clone()).await;
            assert_eq!(answer, refused(), "{policy} {target} {options}");
        }
        // It was the browser that withheld them: unread they come, as for a picture.
        let unread = stage.ask(policy, "/a", json!({ "mode": "no-cors" })).await;
        assert_eq!(unread, json!({ "status": 0, "fields": {}, "bytes": [] }));
    }
    for policy in ["any", "listed"] {
        for options in [
            json!({ "headers": { "X-Other": "1" } }),
            json!({ "method": "DELETE" }),
            json!({ "method": "PUT", "body": "x" }),
        ] {
            let answer = stage.ask(policy, "/a", options.clone()).await;
            assert_eq!(answer, refused(), "{policy} {options}");
        }
    }
    // Credentials are for pages that are known by name.
    let with_credentials = json!({ "credentials": "include" });
    let answer = stage.ask("any", "/a", with_credentials.clone()).await;
    assert_eq!(answer, refused());
    let answer = stage.ask("listed", "/a", with_credentials).await;
    assert_eq!(answer["status"], 200, "{answer}");

    // A frame with an opaque origin, which sends `Origin: null`.
    for policy in POLICIES {
        let script =
            "const heard = new Promise(resolve => onmessage = ({ data }) => resolve(data));
            const page = `<script>fetch('${given[0]}', { cache: 'no-store' })
                .then(answer => answer.status, error => error.name)
                .then(what => parent.postMessage(what, '*'))<` + '/script>';
            add('iframe', { sandbox: 'allow-scripts', srcdoc: page });
            return heard;";
        let given = vec![json!(stage.url(policy, "/a"))];
        let heard = stage.browser.run(script, given).await;
        let expected = if policy == "any" {
            json!(200)
        } else {
            json!("TypeError")
        };
        assert_eq!(heard, expected, "{policy}");
    }

    // The same pages by address: what was listed is not any more, and the other way round.
    let page = format!("{}/", by_address(&stage.pages));
    stage.browser.open(&page).await;
    assert_eq!(stage.ask("listed", "/a", json!({})).await, refused());
    let answer = stage.ask("unlisted", "/a", json!({})).await;
    assert_eq!(answer["status"], 200, "{answer}");
}

/// How a film that played looks, its pixels readable or not.
fn assert_played(seen: &Value, readable: bool, what: &str) {
    assert_eq!(seen["width"], 480, "{what}: {seen}");
    assert_eq!(seen["height"], 270, "{what}: {seen}");
    let reached = seen["reached"].as_f64().unwrap();
    assert!((0.79..0.82).contains(&reached), "{what}: {seen}");
    if readable {
        let colours = seen["pixels"].as_u64();
        assert!(colours.is_some_and(|many| many > 20), "{what}: {seen}");
    } else {
        assert_eq!(seen["pixels"], "SecurityError", "{what}: {seen}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_plays_films_and_looks_at_what_the_policy_opens_to_it() {
    let stage = Stage::set().await;
    let [plain, anonymous, credentials] = [
        json!({}),
        json!({ "crossorigin": "anonymous" }),
        json!({ "crossorigin": "use-credentials" }),
    ];
    for (policy, attributes, readable) in [
        ("any", &anonymous, true),
        ("listed", &anonymous, true),
        ("listed", &credentials, true),
        ("any", &plain, false),
        ("off", &plain, false),
    ] {
        let seen = stage.watch(policy, "/clock.mp4", attributes.clone()).await;
        assert_played(&seen, readable, &format!("{policy} {attributes}"));
    }
    for (policy, attributes) in [
        ("any", &credentials),
        ("unlisted", &anonymous),
        ("off", &anonymous),
    ] {
        let seen = stage.watch(policy, "/clock.mp4", attributes.clone()).await;
        assert_eq!(seen, json!({ "error": 4 }), "{policy} {attributes}");
    }
    for film in ["/clock-moov-last.mp4", "/clock.webm"] {
        let seen = stage.watch("any", film, anonymous.clone()).await;
        assert_played(&seen, true, film);
    }
    let heard = stage.watch("any", "/tone.mp3", anonymous.clone()).await;
    assert!(heard["reached"].as_f64().is_some(), "{heard}");

    // Captions are read by the page, so that they need what reading needs.
    let script = "const film = add('video', { crossorigin: 'anonymous' });
        const track = add('track', { kind: 'captions', default: '', src: given[0] }, film);
        track.track.mode = 'hidden';
        if (await first(track, 'load', 'error') === 'error') return 'error';
        return [...track.track.cues].map(cue => [cue.startTime, cue.text]);";
    for policy in POLICIES {
        let given = vec![json!(stage.url(policy, "/clock.vtt"))];
        let cues = stage.browser.run(script, given).await;
        if matches!(policy, "any" | "listed") {
            assert_eq!(cues.as_array().unwrap().len(), 8, "{policy}: {cues}");
            assert_eq!(cues[1], json!([3, "Seconds 3 to 6"]), "{policy}");
        } else {
            assert_eq!(cues, "error", "{policy}");
        }
    }
}

#[tokio::test]
async fn a_page_that_embeds_only_what_agrees_embeds_objects_under_a_star_policy() {
    let stage = Stage::set().await;
    let [plain, anonymous] = [json!({}), json!({ "crossorigin": "anonymous" })];
    for policy in POLICIES {
        // Without such a demand of the page everything can be embedded, whatever the policy.
        let shown = stage.picture(policy, "/clock.jpg", plain.clone()).await;
        assert_eq!(shown, "load", "{policy}");
    }
    let page = format!("{}/isolated", by_name(&stage.pages));
    stage.browser.open(&page).await;
    let isolated = stage.browser.run("return crossOriginIsolated;", vec![]);
    assert_eq!(isolated.await, true);
    for (policy, attributes, outcome) in [
        ("any", &plain, "load"),
        ("any", &anonymous, "load"),
        ("listed", &plain, "error"),
        ("listed", &anonymous, "load"),
        ("unlisted", &plain, "error"),
        ("unlisted", &anonymous, "error"),
        ("off", &plain, "error"),
        ("off", &anonymous, "error"),
    ] {
        let shown = stage.picture(policy, "/clock.jpg", attributes.clone());
        assert_eq!(shown.await, outcome, "{policy} {attributes}");
    }
    let seen = stage.watch("any", "/clock.mp4", plain).await;
    assert_played(&seen, false, "isolated");
}
