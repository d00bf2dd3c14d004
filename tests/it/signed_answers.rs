//! What is answered where everything has to be signed, and what is told of it.

use std::time::Duration;

use s3reel::cache::CacheConfig;
use s3reel::embedded_s3::shelf::Metadata;
use s3reel::signing::Access;
use s3reel::web::{Browse, CorsPolicy};

use crate::support::client::encoded;
use crate::support::scripted::answer;
use crate::support::signed::{
    KEYS, LATER, Link, ONE, access, films, is, now, sign_everything, signed, to_films,
};
use crate::support::{Scripted, TestS3, TestService, content, until};

#[tokio::test]
async fn neither_parameters_nor_cookies_reach_s3() {
    let origin = Scripted::start(|_| {
        let fields = [("ETag", "\"v1\""), ("Content-Type", "video/mp4")];
        vec![answer("200 OK", &fields, "film")]
    })
    .await;
    let service = TestService::at_address(origin.address(), sign_everything).await;
    let mut client = service.client().await;
    let url = Link {
        query: Some("own=1".to_owned()),
        ..to_films(LATER)
    };
    for link in [url, to_films(LATER).in_cookies()] {
        assert_eq!(link.ask(&mut client, "GET", &[]).await.status, 200);
    }
    let objects: Vec<_> = origin
        .asked()
        .into_iter()
        .filter(|asked| asked.target().contains(ONE))
        .collect();
    assert_eq!(objects.len(), 2);
    let claims = to_films(LATER);
    for asked in objects {
        for secret in [
            "Policy",
            "Key-Pair-Id",
            "KRSA",
            "own",
            claims.claim("Policy").unwrap(),
        ] {
            assert!(!asked.head.contains(secret), "{secret} in {}", asked.head);
        }
        assert_eq!(asked.header("cookie"), None);
    }
}

#[tokio::test]
async fn links_of_one_film_share_what_is_kept_of_it() {
    let s3 = films().await;
    let service = signed(&s3, |config| config.cache = CacheConfig::default()).await;
    let mut client = service.client().await;
    for link in [
        to_films(LATER),
        to_films(LATER + 1),
        to_films(LATER).in_cookies(),
        Link::of_ours(ONE, None, KEYS[1], LATER),
        Link {
            query: Some("x=1".to_owned()),
            ..to_films(LATER)
        },
    ] {
        assert_eq!(
            link.ask(&mut client, "GET", &[]).await.body,
            content(1, 1000)
        );
    }
    assert!(is(service.s3_calls("GetObject").await, 1.0));
}

#[tokio::test]
async fn a_film_that_began_in_time_goes_on_for_the_grace_by_ranges_only() {
    let s3 = films().await;
    let hour = Duration::from_hours(1);
    let service = signed(&s3, |config| {
        config.web.browse = Browse::On;
        access(config, Access::AnyKey, hour);
    })
    .await;
    let mut client = service.client().await;
    let range = [("Range", "bytes=500-")];
    let ended = Link::of_ours(ONE, Some("/*"), KEYS[0], now() - 1800);
    assert_eq!(ended.ask(&mut client, "GET", &range).await.status, 206);
    assert_eq!(
        ended
            .clone()
            .in_cookies()
            .ask(&mut client, "GET", &range)
            .await
            .status,
        206
    );
    for (method, path, fields) in [
        ("GET", ONE, &[][..]),
        ("HEAD", ONE, &range),
        ("HEAD", ONE, &[]),
        ("GET", ONE, &[("Range", "bytes")]),
        ("GET", ONE, &[("Range", "x=0-1")]),
        // Two of them are none.
        (
            "GET",
            ONE,
            &[("Range", "bytes=0-1"), ("Range", "bytes=0-1")],
        ),
        ("GET", "/-/", &[]),
        ("GET", "/-/list", &[]),
        ("GET", "/-/list", &range),
        ("GET", "/-/player/films/one.mp4", &range),
    ] {
        let answer = ended.ask_for(&mut client, method, path, fields).await;
        assert_eq!(answer.status, 403, "{method} {path} {fields:?}");
    }
    let long_ago = Link::of_ours(ONE, Some("/*"), KEYS[0], now() - 3601);
    assert_eq!(long_ago.ask(&mut client, "GET", &range).await.status, 403);
    let figures = service.admin("/metrics").await.body;
    let figures = String::from_utf8(figures).unwrap();
    let late = "s3reel_auth_decisions_total{key_pair_id=\"KRSA\",result=\"allowed_late\"} 2";
    assert!(figures.contains(late), "{figures}");
}

#[tokio::test]
async fn a_stream_in_flight_runs_on_when_its_link_ends() {
    let s3 = TestS3::embedded().await;
    // More than fits between the service and a viewer that does not read.
    let film = content(1, 24 * 1024 * 1024);
    s3.put("films/one.mp4", film.clone()).await;
    let service = signed(&s3, |_| {}).await;
    let end = now() + 2;
    let link = to_films(end);
    let mut viewer = service.client().await;
    viewer.request("GET", &link.target(), &[]).await;
    let (head, status) = viewer.head().await;
    assert_eq!(status, 200, "{head}");
    until("the link has ended", async || {
        link.ask(&mut service.client().await, "HEAD", &[])
            .await
            .status
            == 403
    })
    .await;
    assert_eq!(viewer.take(film.len()).await, film);
    // The connection is good, and the link is not.
    assert_eq!(
        link.ask(&mut viewer, "GET", &[("Range", "bytes=1-")])
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn no_shared_cache_may_keep_a_signed_answer_and_no_other_server_hears_of_its_address() {
    let s3 = films().await;
    let stored = Metadata {
        cache_control: Some("public, max-age=60, s-maxage=600".to_owned()),
        ..Metadata::default()
    };
    s3.put_with("films/stored.mp4", content(1, 1000), stored)
        .await;
    for cache in [0, 64 * 1024 * 1024] {
        let service = signed(&s3, |config| config.cache.memory = cache).await;
        let mut client = service.client().await;
        for (path, sent) in [
            (ONE, "private, max-age=0, must-revalidate"),
            ("/films/stored.mp4", "private, max-age=60"),
        ] {
            let link = to_films(LATER);
            let whole = link.ask_for(&mut client, "GET", path, &[]).await;
            let etag = whole.header("etag").unwrap().to_owned();
            for (method, fields, status) in [
                ("GET", vec![], 200),
                ("HEAD", vec![], 200),
                ("GET", vec![("Range", "bytes=0-1")], 206),
                ("GET", vec![("Range", "bytes=0-1,900-")], 206),
                ("GET", vec![("If-None-Match", etag.as_str())], 304),
            ] {
                let answer = link.ask_for(&mut client, method, path, &fields).await;
                assert_eq!(answer.status, status);
                assert_eq!(
                    answer.header("cache-control"),
                    Some(sent),
                    "{}",
                    answer.head
                );
                assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
            }
        }
        let missing = to_films(LATER)
            .ask_for(&mut client, "GET", "/films/none", &[])
            .await;
        assert_eq!(
            (missing.status, missing.header("cache-control")),
            (404, Some("no-store"))
        );
    }
    // Where nothing has to be signed, all stays as it is stored.
    let service = TestService::over(&s3).await;
    let open = service.get("/films/stored.mp4", &[]).await;
    assert_eq!(
        open.header("cache-control"),
        Some("public, max-age=60, s-maxage=600")
    );
    assert_eq!(open.header("referrer-policy"), None);
}

#[tokio::test]
async fn a_listed_origin_may_send_cookies_and_reads_refusals_too() {
    let s3 = films().await;
    let origin = "https://player.example";
    let service = signed(&s3, |config| {
        config.web.cors = CorsPolicy::Listed(vec![origin.to_owned()]);
    })
    .await;
    let mut client = service.client().await;
    let link = to_films(LATER).in_cookies();
    for (path, status) in [(ONE, 200), ("/other/three.mp4", 403), ("/films/none", 404)] {
        let answer = link
            .ask_for(&mut client, "GET", path, &[("Origin", origin)])
            .await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(answer.header("vary"), Some("Origin"));
        let other = link
            .ask_for(
                &mut client,
                "GET",
                path,
                &[("Origin", "https://evil.example")],
            )
            .await;
        assert_eq!(other.header("access-control-allow-origin"), None);
        assert_eq!(other.header("access-control-allow-credentials"), None);
    }
    let star = signed(&s3, |_| {}).await;
    let answer = link
        .ask(&mut star.client().await, "GET", &[("Origin", origin)])
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn the_page_and_its_links_carry_the_signature_on() {
    let s3 = films().await;
    let service = signed(&s3, |config| config.web.browse = Browse::On).await;
    let mut client = service.client().await;
    let all = Link::to_everything();
    let claims = all.claims_in_query();
    let front = all.ask(&mut client, "GET", &[]).await;
    assert_eq!(front.status, 303);
    assert_eq!(
        front.header("location"),
        Some(format!("/-/?{claims}").as_str())
    );
    for path in ["/-/", "/-/player/films/one.mp4"] {
        let page = all.ask_for(&mut client, "GET", path, &[]).await;
        let text = String::from_utf8(page.body).unwrap();
        let escaped = claims.replace('&', "&amp;");
        for file in ["app.js", "style.css", "icon.svg", "./"] {
            assert!(
                text.contains(&format!("{file}?{escaped}\"")),
                "{file} in {text}"
            );
        }
        let cookies = all
            .clone()
            .in_cookies()
            .ask_for(&mut client, "GET", path, &[])
            .await;
        let text = String::from_utf8(cookies.body).unwrap();
        assert!(
            text.contains("app.js\"") && !text.contains("Signature"),
            "{text}"
        );
    }
    let script = all.ask_for(&mut client, "GET", "/-/app.js", &[]).await;
    let text = String::from_utf8(script.body).unwrap();
    let imports: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("import "))
        .collect();
    assert!(imports.len() > 3, "{text}");
    for import in imports {
        assert!(import.ends_with(&format!(".js?{claims}';")), "{import}");
    }
    // What is not signed in the query is not made one.
    let injected = format!("/-/?{claims}&x=%22%3E%3Cscript%3E");
    let page = client.ask("GET", &injected, &[]).await;
    let text = String::from_utf8(page.body).unwrap();
    assert!(page.status == 200 && !text.contains("%22%3E"), "{text}");
    let listing = Link {
        query: Some(format!("prefix={}", encoded("films/"))),
        ..all.clone()
    };
    let listing = listing
        .ask_for(&mut client, "GET", "/-/list", &[])
        .await
        .json();
    assert_eq!(listing["objects"].as_array().unwrap().len(), 2, "{listing}");
    // As much room for a listing's own query as without a signature.
    let long = Link {
        query: Some(format!("prefix={}", "%61".repeat(1000))),
        ..all
    };
    assert_eq!(
        long.ask_for(&mut client, "GET", "/-/list", &[])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn decisions_are_counted_by_result_and_by_keys_that_are_known() {
    let s3 = films().await;
    let service = signed(&s3, |_| {}).await;
    let mut client = service.client().await;
    let link = to_films(LATER);
    let mut ask = async |link: &Link| link.ask(&mut client, "GET", &[]).await.status;
    ask(&link).await;
    ask(&link).await;
    ask(&link.clone().with_claim("Key-Pair-Id", Some("KMADEUP"))).await;
    ask(&link.clone().with_claim("Key-Pair-Id", Some("KECDSA"))).await;
    ask(&to_films(1)).await;
    ask(&link.clone().with_claim("Signature", None)).await;
    ask(&Link {
        claims: vec![],
        ..link.clone()
    })
    .await;
    ask(&Link {
        path: "/other/three.mp4".to_owned(),
        ..link.clone()
    })
    .await;
    let figures = String::from_utf8(service.admin("/metrics").await.body).unwrap();
    let counted: Vec<_> = figures
        .lines()
        .filter_map(|line| line.strip_prefix("s3reel_auth_decisions_total"))
        .collect();
    assert_eq!(
        counted,
        [
            "{key_pair_id=\"-\",result=\"malformed\"} 1",
            "{key_pair_id=\"-\",result=\"missing\"} 1",
            "{key_pair_id=\"-\",result=\"unknown_key\"} 1",
            "{key_pair_id=\"KECDSA\",result=\"bad_signature\"} 1",
            "{key_pair_id=\"KRSA\",result=\"allowed\"} 2",
            "{key_pair_id=\"KRSA\",result=\"expired\"} 1",
            "{key_pair_id=\"KRSA\",result=\"other_resource\"} 1",
        ]
    );
}
