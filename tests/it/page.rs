//! The page under `/-/` in a real browser.

use s3reel::web::Browse;
use serde_json::json;

use crate::support::devices::{ENTER, LEFT, RIGHT, Screen, TAB};
use crate::support::page::{LISTED, MEDIA, Visit, sample};
use crate::support::{Browser, Scripted, Step, TestS3, TestService};

#[tokio::test]
async fn a_film_plays_on_a_phone_and_on_a_desk_in_light_and_dark() {
    let visit = Visit::begin().await;
    let mut papers = Vec::new();
    for screen in [Screen::Phone, Screen::Desktop] {
        for dark in [false, true] {
            let on = format!("{screen:?}, dark: {dark}");
            visit.browser.look_at(screen, dark).await;
            visit.open("/-/player/clock.mp4").await;
            visit.see(LISTED).await;
            visit.see(&format!("{MEDIA}?.poster")).await;
            let watched = visit.run(&format!("return watch({MEDIA});")).await;
            let reached = watched["reached"].as_f64().unwrap();
            assert!((0.79..0.82).contains(&reached), "{on}: {watched}");
            let looks = "const film = document.querySelector('video').getBoundingClientRect();
                const list = document.getElementById('lists').getBoundingClientRect();
                const small = [...document.querySelectorAll('main :is(button, select, input, a)')]
                    .filter(one => one.offsetParent && one.getBoundingClientRect().height < 24);
                return { wide: document.documentElement.scrollWidth > innerWidth,
                         film: film.left >= 0 && film.right <= innerWidth && film.width > innerWidth / 2,
                         beside: list.left >= film.right,
                         small: small.map(one => one.outerHTML),
                         paper: getComputedStyle(document.body).backgroundColor };";
            let looks = visit.run(looks).await;
            let beside = screen == Screen::Desktop;
            assert_eq!(looks["wide"], false, "{on}: {looks}");
            assert_eq!(looks["film"], true, "{on}: {looks}");
            assert_eq!(looks["beside"], beside, "{on}: {looks}");
            assert_eq!(looks["small"], json!([]), "{on}: {looks}");
            papers.push(looks["paper"].clone());
        }
    }
    assert_ne!(papers[0], papers[1], "dark looks like light");
    assert_eq!(papers[0..2], papers[2..4]);

    // Nothing came from elsewhere, and nothing was refused.
    let foreign = "return performance.getEntriesByType('resource').map(({ name }) => name)
        .filter(name => new URL(name).origin !== location.origin);";
    assert_eq!(visit.run(foreign).await, json!([]));
    assert_eq!(visit.browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn captions_beside_a_film_are_found_and_can_be_switched() {
    let visit = Visit::begin().await;
    let captions = sample("clock.vtt");
    for key in ["f/a.mp4", "f/ab.mp4"] {
        visit.s3.put(key, sample("clock.mp4")).await;
    }
    for key in ["f/a.en.vtt", "f/a.de.vtt", "f/ab.fr.vtt"] {
        visit.s3.put(key, captions).await;
    }
    visit.s3.put("f/a.png", sample("clock.jpg")).await;
    visit.open("/-/player/f/a.mp4").await;
    visit
        .see("document.getElementById('captions').options.length")
        .await;
    let offered = "return [...document.getElementById('captions').options].map(one => one.text);";
    let offered = visit.run(offered).await;
    assert_eq!(offered, json!(["Off", "German", "English"]));
    let poster = visit.run(&format!("return {MEDIA}.poster;")).await;
    assert!(poster.as_str().unwrap().ends_with("/f/a.png"), "{poster}");
    let showing = "return [...document.querySelector('video').textTracks]
        .filter(track => track.mode === 'showing').map(track => track.language);";
    // The browser's own language is on from the start.
    assert_eq!(visit.run(showing).await, json!(["en"]));
    visit
        .see(&format!("{MEDIA}.textTracks[1].cues?.length === 8"))
        .await;
    for (choice, expected) in [("Off", json!([])), ("German", json!(["de"]))] {
        let choose = "const select = document.getElementById('captions');
            const option = [...select.options].find(one => one.text === given[0]);
            select.value = option.value;
            select.dispatchEvent(new Event('change', { bubbles: true }));";
        visit.browser.run(choose, vec![json!(choice)]).await;
        assert_eq!(visit.run(showing).await, expected, "{choice}");
    }
    // The player's own menu moves the bar's choice.
    let own = format!("for (const track of {MEDIA}.textTracks) track.mode = 'disabled';");
    visit.run(&own).await;
    visit
        .see("document.getElementById('captions').value === ''")
        .await;
    assert_eq!(visit.browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn the_page_is_used_by_keyboard_alone() {
    let visit = Visit::begin().await;
    visit.open("/-/").await;
    visit.see(LISTED).await;
    // To a file, and into it.
    let mut way = Vec::new();
    while way.last().is_none_or(|at| at != "clock.mp4") {
        assert!(way.len() < 20, "{way:?}");
        visit.browser.press(TAB).await;
        way.push(visit.focus().await);
    }
    let expected = [
        "s3reel",
        "All media",
        "search",
        "clock-moov-last.mp4",
        "clock.jpg",
        "clock.mp4",
    ];
    assert_eq!(way, expected);
    visit.browser.press(ENTER).await;
    visit.see(&format!("{MEDIA}?.currentTime > 0.1")).await;
    assert_eq!(visit.target().await, "/-/player/clock.mp4");
    assert_eq!(visit.focus().await, "clock.mp4");

    visit.browser.press(' ').await;
    visit.see(&format!("{MEDIA}.paused")).await;
    let paused_at = visit.time().await;
    visit.browser.press(RIGHT).await;
    visit.browser.press(RIGHT).await;
    visit.browser.press(LEFT).await;
    let moved = visit.time().await - paused_at;
    assert!((4.9..5.1).contains(&moved), "{moved}");
    let top = visit.run("return scrollY;").await;
    assert_eq!(top, 0, "space scrolls");
    visit.browser.press(' ').await;
    visit.see(&format!("!{MEDIA}.paused")).await;

    // From the film on, everything comes in the order that it is seen in.
    visit
        .run(&format!("{MEDIA}.pause(); {MEDIA}.focus();"))
        .await;
    let mut order: Vec<String> = Vec::new();
    while order.last().is_none_or(|at| at != "search") {
        assert!(order.len() < 30, "{order:?}");
        visit.browser.press(TAB).await;
        order.push(visit.focus().await);
    }
    order.retain(|at| at != "video");
    let expected = [
        "speed",
        "captions",
        "float",
        "copy-link",
        "open",
        "copy-curl",
        "All media",
        "search",
    ];
    assert_eq!(order, expected);

    // Each has a name, for those who do not see it.
    let usable = visit.browser.usable().await;
    let nameless: Vec<_> = usable.iter().filter(|(_, name)| name.is_empty()).collect();
    assert!(nameless.is_empty() && usable.len() > 15, "{usable:?}");
    for told in [
        ("combobox", "Speed"),
        ("combobox", "Captions"),
        ("searchbox", "Search for names here that begin with"),
        ("button", "Copy the curl command"),
    ] {
        let (role, name) = told;
        assert!(
            usable.contains(&(role.to_owned(), name.to_owned())),
            "{usable:?}"
        );
    }

    // In a field the keys are the field's.
    visit.browser.write("x y").await;
    visit.browser.press(LEFT).await;
    let typed = visit
        .run("return document.getElementById('search').value;")
        .await;
    assert_eq!(typed, "x y");
    assert_eq!(visit.run(&format!("return {MEDIA}.paused;")).await, true);

    // Whoever clicks on the picture has the page's keys.
    visit.browser.click("video").await;
    let before = visit.time().await;
    visit.browser.press(RIGHT).await;
    assert!(visit.time().await > before + 4.0, "an arrow after a click");
}

#[tokio::test]
async fn the_bar_changes_speed_floats_the_picture_and_copies_the_link() {
    let visit = Visit::begin().await;
    let grant = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    visit
        .browser
        .devtools("Browser.grantPermissions", grant)
        .await;
    visit.s3.put("d & é/50% + 1.mp4", sample("clock.mp4")).await;
    visit.open("/-/?prefix=d%20%26%20%C3%A9/").await;
    visit.see(LISTED).await;
    visit.browser.click("#objects a").await;
    visit.see(&format!("{MEDIA}?.currentTime > 0.1")).await;
    let speed = "const select = document.getElementById('speed');
        select.value = '2';
        select.dispatchEvent(new Event('change', { bubbles: true }));";
    visit.run(speed).await;
    visit.see(&format!("{MEDIA}.playbackRate === 2")).await;

    visit.browser.click("#copy-link").await;
    visit
        .see("document.getElementById('said').textContent === 'Copied.'")
        .await;
    let copied = visit.run("return navigator.clipboard.readText();").await;
    assert_eq!(copied.as_str().unwrap(), visit.browser.address().await);
    assert_eq!(
        visit.target().await,
        "/-/player/d%20%26%20%C3%A9/50%25%20%2B%201.mp4"
    );

    visit.browser.click("#float").await;
    visit
        .see("document.getElementById('float').ariaPressed === 'true'")
        .await;
    visit.see("document.pictureInPictureElement").await;
    visit.browser.click("#float").await;
    visit.see("!document.pictureInPictureElement").await;

    // The link opens the same again; what plays next keeps the speed, what a folder shows does not.
    visit.open(&visit.target().await).await;
    visit.see(&format!("{MEDIA}?.readyState > 0")).await;
    assert_eq!(visit.text("#title").await, "50% + 1.mp4");
    visit.see(LISTED).await;
    visit.run(speed).await;
    visit.browser.click("#crumbs a").await;
    visit
        .see("document.querySelectorAll('#objects a').length > 3")
        .await;
    visit.browser.click("#objects a.audio").await;
    visit
        .see("document.querySelector('audio')?.playbackRate === 2")
        .await;
    assert_eq!(visit.browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn what_plays_goes_on_while_its_viewer_looks_around() {
    let visit = Visit::begin().await;
    visit.s3.put("films/one.mp4", sample("clock.mp4")).await;
    visit.open("/-/").await;
    visit.see(LISTED).await;
    visit.browser.click("#objects a.video").await;
    visit.see(&format!("{MEDIA}?.currentTime > 0.1")).await;
    let playing = visit.text("#title").await;
    visit.browser.click("#folders a").await;
    visit
        .see("document.querySelector('#objects a')?.dataset.key === 'films/one.mp4'")
        .await;
    assert_eq!(visit.target().await, "/-/?prefix=films/");
    assert_eq!(visit.focus().await, "films");
    assert_eq!(visit.text("#title").await, playing);
    let home = visit
        .run("return document.querySelector('.brand').pathname;")
        .await;
    assert_eq!(home, "/-/");
    assert_eq!(visit.run(&format!("return {MEDIA}.paused;")).await, false);
    visit.browser.click("#objects a").await;
    visit
        .see("document.querySelector('#title').textContent === 'one.mp4'")
        .await;
    // Back to the folder, to the first film, to the beginning.
    for (target, title) in [
        ("/-/?prefix=films/", "one.mp4"),
        ("/-/player/clock-moov-last.mp4", playing.as_str()),
        ("/-/", "Choose what to play"),
    ] {
        visit
            .run("history.back(); await first(window, 'popstate');")
            .await;
        assert_eq!(visit.target().await, target);
        let shown = format!("document.querySelector('#title').textContent === '{title}'");
        visit.see(&shown).await;
    }
}

#[tokio::test]
async fn what_was_typed_finds_the_names_that_begin_with_it() {
    let visit = Visit::begin().await;
    for key in [
        "films/old/a.mp4",
        "films/one.mp4",
        "films/On.mp4",
        "films/two + 2.mp4",
    ] {
        visit.s3.put(key, sample("clock.mp4")).await;
    }
    visit.open("/-/?prefix=films/").await;
    visit.see(LISTED).await;
    let names =
        "return [...document.querySelectorAll('#lists .name')].map(one => one.textContent);";
    visit.browser.click("#search").await;
    for (typed, target, expected, status) in [
        ("o", "o", json!(["old", "one.mp4"]), "1 folder, 1 file"),
        ("n", "on", json!(["one.mp4"]), "1 file"),
        ("x", "onx", json!([]), "Nothing here begins with “onx”."),
    ] {
        visit.browser.write(typed).await;
        visit
            .see(&format!(
                "document.getElementById('status').textContent.startsWith('{status}')"
            ))
            .await;
        assert_eq!(visit.run(names).await, expected, "{target}");
        assert_eq!(visit.target().await, format!("/-/?prefix=films/{target}"));
        assert_eq!(visit.focus().await, "search");
    }
    // An address holds a search, too, and one of another name is no search for all.
    visit.open("/-/?prefix=films/two%20%2B").await;
    visit.see(LISTED).await;
    assert_eq!(visit.run(names).await, json!(["two + 2.mp4"]));
    let typed = visit
        .run("return document.getElementById('search').value;")
        .await;
    assert_eq!(typed, "two +");
    // What was found plays, and stays beside it.
    visit.browser.click("#objects a").await;
    visit.see(&format!("{MEDIA}?.readyState > 0")).await;
    assert_eq!(visit.run(names).await, json!(["two + 2.mp4"]));
    visit.browser.click("#search").await;
    visit
        .run("document.getElementById('search').value = '';")
        .await;
    visit.browser.press(ENTER).await;
    visit
        .see("document.querySelectorAll('#lists .name').length === 4")
        .await;
    assert_eq!(visit.text("#title").await, "two + 2.mp4");
    assert_eq!(visit.target().await, "/-/player/films/two%20%2B%202.mp4");
    assert_eq!(visit.browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_long_folder_is_shown_in_pages() {
    let visit = Visit::begin().await;
    for number in 0..1003 {
        visit.s3.put(&format!("n/{number:04}.mp3"), "x").await;
    }
    visit.open("/-/?prefix=n/").await;
    visit.see(LISTED).await;
    assert_eq!(visit.text("#status").await, "1000 files so far");
    visit.run("document.getElementById('more').focus();").await;
    visit.browser.press(ENTER).await;
    visit
        .see("document.getElementById('status').textContent === '1003 files'")
        .await;
    // A keyboard goes on where the new ones begin.
    assert_eq!(visit.focus().await, "1000.mp3");
    let more = visit
        .run("return document.getElementById('more').hidden;")
        .await;
    assert_eq!(more, true);
    let keys = "return new Set([...document.querySelectorAll('#objects a')].map(a => a.dataset.key)).size;";
    assert_eq!(visit.run(keys).await, 1003);
}

#[tokio::test]
async fn mounts_are_folders_whose_films_play_although_the_origin_at_the_top_does_not_answer() {
    let s3 = TestS3::embedded().await;
    s3.put("films/clock.mp4", sample("clock.mp4")).await;
    let down = Scripted::start_raw(|_| vec![Step::Reset]).await;
    let origins = vec![
        super::origins::scripted("/", &down),
        super::origins::origin("/lectures", &s3),
    ];
    let service = TestService::of(origins, |setup| setup.web.browse = Browse::On).await;
    let browser = Browser::chromium().await;
    browser.look_at(Screen::Desktop, false).await;
    let visit = Visit {
        browser,
        service,
        s3,
    };
    visit.open("/-/").await;
    visit.see(LISTED).await;
    let told = visit.text("#status").await;
    assert!(
        told.contains("1 folder. The rest could not be listed: "),
        "{told}"
    );
    for folder in ["lectures/", "lectures/films/"] {
        let is_shown =
            format!("document.querySelector('#folders a')?.dataset.prefix === '{folder}'");
        visit.see(&is_shown).await;
        visit.browser.click("#folders a").await;
    }
    visit.see("document.querySelector('#objects a')").await;
    visit.browser.click("#objects a").await;
    visit.see(&format!("{MEDIA}?.currentTime > 0.1")).await;
    assert_eq!(visit.target().await, "/-/player/lectures/films/clock.mp4");
}
