//! What the check says of Chromium, Chromium itself shows.

use serde_json::json;

use super::servers::server;
use super::table::ROWS;
use crate::support::scripted::answer;
use crate::support::{Browser, Scripted};

/// Rules that break in seeks of films which are too long to be read at once, and those that tell
/// nothing of Chromium: the sample is short, its bytes are no HEVC, and other bytes are no film.
const NOT_SHOWN: [&str; 4] = [
    "status-is-success",
    "part-has-status-206",
    "total-is-constant",
    "bytes-agree",
];

const PLAY: &str = "
    const player = add('video', {});
    player.muted = true;
    player.src = given[0];
    player.play().catch(() => {});
    await until('it plays or fails', () => player.error || player.currentTime > 0.2);
    const said = player.error ? 'fails' : 'plays';
    player.remove();
    return said;
";

#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_what_the_check_says_it_plays_and_fails_where_it_says_so() {
    let html = [("Content-Type", "text/html")];
    let page = Scripted::start(move |_| vec![answer("200 OK", &html, "<!doctype html><body>")]);
    let page = page.await;
    let browser = Browser::chromium().await;
    browser.open(&format!("http://{}/", page.address())).await;
    let mut wrong = Vec::new();
    let mut shown = [0, 0];
    for row in ROWS {
        let [_, verdict, ..] = row.verdicts;
        if NOT_SHOWN.iter().any(|rule| verdict.contains(rule)) {
            continue;
        }
        let server = server(row.film.bytes(), row.flaw).await;
        let url = format!("http://{}/film", server.address());
        let said = browser.run(PLAY, vec![json!(url)]).await;
        let fails = verdict.starts_with("fails");
        if said != if fails { "fails" } else { "plays" } {
            wrong.push(format!("{}: {verdict}, and it {said}", row.what));
        }
        shown[usize::from(fails)] += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        shown[0] > 15 && shown[1] > 5,
        "too little was shown: {shown:?}"
    );
}
