//! What a real browser makes of an object that it is sent to, on our own origin.

use s3reel::embedded_s3::samples::SAMPLES;
use s3reel::embedded_s3::shelf::Metadata;
use serde_json::json;

use crate::support::scripted::answer;
use crate::support::{Browser, Scripted, TestS3, TestService, until};

#[tokio::test]
async fn a_browser_that_is_sent_to_a_film_or_a_tone_plays_it() {
    let s3 = TestS3::embedded().await;
    for (name, bytes) in SAMPLES {
        s3.put(name, *bytes).await;
    }
    let service = TestService::over(&s3).await;
    let browser = Browser::chromium().await;
    for (name, width) in [
        ("clock.mp4", 480),
        ("clock-moov-last.mp4", 480),
        ("clock.webm", 480),
        ("tone.mp3", 0),
    ] {
        browser.open(&url(&service, name)).await;
        let script = "return watch(document.querySelector('video, audio'));";
        let seen = browser.run(script, vec![]).await;
        assert_eq!(seen["width"], width, "{name}: {seen}");
        let reached = seen["reached"].as_f64().unwrap();
        assert!((0.79..0.82).contains(&reached), "{name}: {seen}");
    }
}

/// Where scripts report that they ran, with a page that has one that does.
async fn reports() -> Scripted {
    Scripted::start(|asked| {
        let host = asked.header("host").unwrap_or_default();
        vec![match asked.line.split(' ').nth(1) {
            Some("/control") => {
                let page = html(&report(host, "control"));
                answer("200 OK", &[("Content-Type", "text/html")], page)
            }
            _ => answer("404 Not Found", &[], ""),
        }]
    })
    .await
}

/// What has been reported so far.
fn reported(reports: &Scripted) -> Vec<String> {
    let targets = reports.asked().into_iter().filter_map(|asked| {
        let target = asked.line.split(' ').nth(1)?;
        target.strip_prefix("/ran-").map(ToOwned::to_owned)
    });
    targets.collect()
}

/// A script that reports by this name.
fn report(reports: &str, name: &str) -> String {
    format!("fetch('http://{reports}/ran-{name}', {{ mode: 'no-cors' }});")
}

fn html(script: &str) -> String {
    format!("<!doctype html><title>ran</title><body><p>text</p><script>{script}</script></body>")
}

fn svg(script: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='30'>\
         <rect width='40' height='30' fill='red'/><script>{script}</script></svg>"
    )
}

fn xhtml(script: &str) -> String {
    format!(
        "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>ran</title></head>\
         <body><script>{script}</script></body></html>"
    )
}

/// Makes a text of a script.
type Write = fn(&str) -> String;

/// A script and nothing else.
fn script(script: &str) -> String {
    script.to_owned()
}

/// Names, stored types and texts.
type Stored = (&'static str, Option<&'static str>, Write);

/// What a browser would run on its way to it, and what says nothing and looks like that.
const ACTIVE: &[Stored] = &[
    ("page.html", Some("text/html"), html),
    ("page.xhtml", Some("application/xhtml+xml"), xhtml),
    ("page.xml", Some("text/xml"), xhtml),
    ("drawing.svg", Some("image/svg+xml"), svg),
    ("film.mp4", Some("Text/HTML; charset=utf-8"), html),
    ("two.bin", Some("image/png, text/html"), html),
    ("unnamed", None, html),
];

/// The same under types that a browser shows.
const SHOWN: &[Stored] = &[
    ("page.txt", Some("text/plain"), html),
    ("clip.mp4", Some("video/mp4"), html),
    ("drawing.png", None, svg),
];

/// Scripts by name and content, but not by type.
const SCRIPTS: &[Stored] = &[
    ("script.txt", Some("text/plain"), script),
    ("script.bin", Some("application/octet-stream"), script),
    ("script.js", None, script),
    ("script", None, script),
    ("script.mp4", Some("video/mp4"), script),
    ("script.json", Some("application/json"), script),
];

fn url(service: &TestService, name: &str) -> String {
    format!("http://{}/{name}", service.address())
}

#[tokio::test]
async fn nothing_that_is_stored_runs_on_our_origin() {
    let s3 = TestS3::embedded().await;
    let reports = reports().await;
    let address = reports.address().to_string();
    let text = |name: &str, write: Write| write(&report(&address, name));
    let picture = SAMPLES.iter().find(|(name, _)| *name == "clock.jpg");
    s3.put("clock.jpg", picture.expect("a picture").1).await;
    for (name, content_type, write) in ACTIVE.iter().chain(SHOWN).chain(SCRIPTS) {
        let metadata = Metadata {
            content_type: content_type.map(ToOwned::to_owned),
            ..Metadata::default()
        };
        s3.put_with(name, text(name, *write), metadata).await;
    }
    let service = TestService::over(&s3).await;
    let browser = Browser::chromium().await;
    let control = format!("http://{address}/control");

    // The same page from a sender that says no more than its type does run.
    browser.open(&control).await;
    until("the control reports", async || {
        reported(&reports) == ["control"]
    })
    .await;

    // A picture of ours is a document of our origin without any policy of its own.
    let picture = url(&service, "clock.jpg");
    browser.open(&picture).await;
    for (name, _, write) in ACTIVE {
        browser.open(&url(&service, name)).await;
        let expected = text(name, *write);
        until(name, async || {
            let mut downloads = browser.downloads().into_values();
            downloads.any(|bytes| bytes == expected.as_bytes())
        })
        .await;
        assert_eq!(browser.address().await, picture, "{name}");
    }
    for (name, _, _) in SHOWN {
        browser.open(&url(&service, name)).await;
        assert_eq!(browser.address().await, url(&service, name));
        let seen = "return [document.title === 'ran', document.scripts.length];";
        assert_eq!(browser.run(seen, vec![]).await, json!([false, 0]), "{name}");
    }
    browser.open(&picture).await;
    let loaded = "return first(add('script', { src: given[0] }), 'load', 'error');";
    for (name, _, _) in ACTIVE.iter().chain(SHOWN).chain(SCRIPTS) {
        let outcome = browser.run(loaded, vec![json!(format!("/{name}"))]).await;
        assert_eq!(outcome, "error", "{name}");
    }
    // A drawing is shown where pictures are, which never runs what is in it.
    let drawn = "const image = add('img', { src: '/drawing.svg' });
        return [await first(image, 'load', 'error'), image.naturalWidth];";
    assert_eq!(browser.run(drawn, vec![]).await, json!(["load", 40]));
    // Nor does a frame run it: what it is sent to is a download there too.
    for (frame, attribute) in [("iframe", "src"), ("embed", "src"), ("object", "data")] {
        let before = browser.downloads().len();
        let script = "add(given[0], { [given[1]]: '/drawing.svg' });";
        let given = vec![json!(frame), json!(attribute)];
        browser.run(script, given).await;
        until(frame, async || browser.downloads().len() > before).await;
    }

    // What had run would have reported before this page does.
    browser.open(&control).await;
    let controls =
        |reported: Vec<String>| reported.iter().filter(|name| *name == "control").count();
    until("the control reports again", async || {
        controls(reported(&reports)) == 2
    })
    .await;
    assert_eq!(reported(&reports), ["control", "control"]);
}
