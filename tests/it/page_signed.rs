//! The page under `/-/` where everything has to be signed, in a real browser.

use serde_json::json;

use crate::support::page::{LISTED, MEDIA, Visit, sample};
use crate::support::signed::{Link, now, sign_everything};
use crate::support::until;

/// A page, with a film that has captions and a poster in a folder.
async fn visit() -> Visit {
    let visit = Visit::with(sign_everything).await;
    for (key, name) in [
        ("f/a.mp4", "clock.mp4"),
        ("f/a.en.vtt", "clock.vtt"),
        ("f/a.jpg", "clock.jpg"),
    ] {
        visit.s3.put(key, sample(name)).await;
    }
    visit
}

/// Plays, with everything that the page finds beside the film, and goes elsewhere and back.
async fn plays_it_all(visit: &Visit) {
    visit.see(LISTED).await;
    visit.see(&format!("{MEDIA}?.poster")).await;
    let poster = "const image = new Image(); image.src = document.querySelector('video').poster;
        return [await first(image, 'load', 'error'), image.naturalWidth > 0];";
    assert_eq!(visit.run(poster).await, json!(["load", true]));
    visit
        .see(&format!("{MEDIA}.textTracks[0]?.cues?.length === 8"))
        .await;
    let watched = visit.run(&format!("return watch({MEDIA});")).await;
    let reached = watched["reached"].as_f64().unwrap();
    assert!((0.79..0.82).contains(&reached), "{watched}");
    // By its own links: the folder above, another film in it.
    visit
        .run("document.querySelector('#crumbs a').click();")
        .await;
    visit
        .see("document.querySelector('#objects [data-key=\"clock.webm\"]')")
        .await;
    visit
        .run("document.querySelector('#objects [data-key=\"clock.webm\"]').click();")
        .await;
    visit
        .see(&format!("{MEDIA}?.currentSrc.includes('/clock.webm')"))
        .await;
    visit.see(&format!("{MEDIA}.currentTime > 0.1")).await;
    visit.run("history.back();").await;
    // What it shows is there again from its address alone.
    visit.run("location.reload();").await;
    visit.see(LISTED).await;
    let mut complaints = visit.browser.complaints().await;
    // Of the page that has the cookies set, which names no icon.
    complaints.retain(|complaint| !complaint.contains("favicon.ico"));
    assert_eq!(complaints, [""; 0]);
}

/// What all requests of the page had in their query.
async fn addresses(visit: &Visit) -> Vec<String> {
    let names = "return performance.getEntriesByType('resource').map(({ name }) => name);";
    let names = visit.run(names).await;
    let names = names.as_array().unwrap().iter();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_page_that_was_opened_by_a_signed_url_plays_with_captions_poster_and_list() {
    let visit = visit().await;
    let claims = Link::to_everything().claims_in_query();
    visit.open(&format!("/-/player/f/a.mp4?{claims}")).await;
    visit.see(LISTED).await;
    plays_it_all(&visit).await;
    let asked = addresses(&visit).await;
    assert!(asked.len() > 8, "{asked:?}");
    for address in asked {
        assert!(address.contains(&claims), "{address}");
    }
    // What a viewer copies is what opens it.
    visit.open(&format!("/-/player/f/a.mp4?{claims}")).await;
    visit.see(&format!("{MEDIA}?.duration > 0")).await;
    let curl = visit.text("#curl-text").await;
    let address = format!("http://{}/f/a.mp4?{claims}", visit.service.address());
    assert_eq!(curl, format!("curl -r 0-1 -i '{address}'"));
    let open = "return document.getElementById('open').href;";
    assert_eq!(visit.run(open).await, json!(address));
    // An object that is replaced is asked for under an address that is signed, too.
    visit.s3.put("f/a.mp4", sample("clock-moov-last.mp4")).await;
    visit.run(&format!("{MEDIA}.currentTime = 2;")).await;
    visit
        .see("!document.getElementById('problem').hidden")
        .await;
    visit.run("document.getElementById('retry').click();").await;
    visit
        .see(&format!(
            "{MEDIA}.src.includes('?version=') && {MEDIA}.currentTime > 0"
        ))
        .await;
    let replaced = visit.run(&format!("return {MEDIA}.src;")).await;
    assert!(replaced.as_str().unwrap().ends_with(&claims), "{replaced}");
}

#[tokio::test]
async fn a_page_that_was_opened_with_cookies_plays_with_captions_poster_and_list() {
    let visit = visit().await;
    // A page of the same origin that nobody needs a signature for has the cookies set.
    visit.open("/-/livez").await;
    for cookie in Link::to_everything().cookies() {
        let set = "document.cookie = given[0] + '; path=/';";
        visit.browser.run(set, vec![json!(cookie)]).await;
    }
    visit.open("/-/player/f/a.mp4").await;
    plays_it_all(&visit).await;
    for address in addresses(&visit).await {
        assert!(!address.contains("Signature"), "{address}");
    }
}

#[tokio::test]
async fn a_page_whose_link_ends_while_it_is_open_says_so() {
    let visit = visit().await;
    let link = Link::of_ours("/-/", Some("/*"), ("KRSA", "rsa"), now() + 5);
    visit.open(&format!("/-/?{}", link.claims_in_query())).await;
    visit.see(LISTED).await;
    until("the link has ended", async || {
        let link = link.clone();
        link.ask(&mut visit.service.client().await, "HEAD", &[])
            .await
            .status
            == 403
    })
    .await;
    visit
        .run("document.querySelector('#objects [data-key=\"clock.mp4\"]').click();")
        .await;
    visit
        .see("!document.getElementById('problem').hidden")
        .await;
    let told = visit.text("#problem-text").await;
    assert!(
        told.contains("needs a valid signed URL or signed cookies"),
        "{told}"
    );
    assert!(told.contains("Request id"), "{told}");
}
