//! Signed URLs and cookies from outside: what is asked for, what is refused, and what is told.

use std::time::Duration;

use s3reel::cache::CacheConfig;
use s3reel::embedded_s3::shelf::Metadata;
use s3reel::service::ServiceConfig;
use s3reel::signing::minting::{Ticket, signed_url};
use s3reel::signing::{Access, KeyPairId};
use s3reel::web::viewer_address::TrustedProxies;
use s3reel::web::{Browse, CorsPolicy};

use crate::support::client::encoded;
use crate::support::scripted::answer;
use crate::support::signed::{KEYS, LATER, Link, PUBLIC_URL, now, private_key, sign_everything};
use crate::support::{PATIENCE, Scripted, TestS3, TestService, content, until};

const ONE: &str = "/films/one.mp4";

/// A bucket with a few films.
async fn films() -> TestS3 {
    let s3 = TestS3::embedded().await;
    for key in ["films/one.mp4", "films/two.mp4", "other/three.mp4"] {
        s3.put(key, content(1, 1000)).await;
    }
    s3
}

/// A service that asks for signatures, with other changes.
async fn signed(s3: &TestS3, change: impl FnOnce(&mut ServiceConfig)) -> TestService {
    TestService::with(s3, |config| {
        sign_everything(config);
        change(config);
    })
    .await
}

/// Changes who may read, and how long.
fn access(config: &mut ServiceConfig, access: Access, grace: Duration) {
    let signed = config.web.signed_urls.as_mut().unwrap();
    (signed.access, signed.grace) = (access, grace);
}

/// A link to the folder of films.
fn to_films(expires: u64) -> Link {
    Link::of_ours(ONE, Some("/films/*"), KEYS[0], expires)
}

#[tokio::test]
async fn everything_has_to_be_signed_but_preflights_and_health_checks() {
    let s3 = films().await;
    for browse in [Browse::On, Browse::Off] {
        let service = signed(&s3, |config| config.web.browse = browse).await;
        let mut client = service.client().await;
        let all = Link::to_everything();
        for target in [
            ONE,
            "/none",
            "/",
            "/-/",
            "/-/list",
            "/-/list?prefix=films%2F",
            "/-/app.js",
            "/-/none",
            "/-/player/films/one.mp4",
            "/-/livez/",
            "/-/readyzz",
        ] {
            for method in ["GET", "HEAD"] {
                let unsigned = client.ask(method, target, &[]).await;
                assert_eq!(unsigned.status, 403, "{method} {target}");
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let link = Link {
                    path: path.to_owned(),
                    query: (!query.is_empty()).then(|| query.to_owned()),
                    ..all.clone()
                };
                let opened = link.ask(&mut client, method, &[]).await;
                assert_ne!(opened.status, 403, "{method} {target}");
                let opened = link.in_cookies().ask(&mut client, method, &[]).await;
                assert_ne!(opened.status, 403, "{method} {target}");
            }
            let preflight = client
                .ask("OPTIONS", target, &[("Origin", "https://a.example")])
                .await;
            assert_eq!(preflight.status, 204, "{target}");
            assert_eq!(
                client.ask("DELETE", target, &[]).await.status,
                405,
                "{target}"
            );
        }
        for target in ["/-/livez", "/-/readyz"] {
            assert_eq!(client.ask("GET", target, &[]).await.status, 200, "{target}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_one_and_the_same_and_costs_neither_s3_nor_the_cache_a_look() {
    let s3 = films().await;
    let service = signed(&s3, |config| config.cache = CacheConfig::default()).await;
    let mut client = service.client().await;
    let link = to_films(LATER);
    assert_eq!(link.ask(&mut client, "GET", &[]).await.status, 200);
    let looks = "s3reel_cache_requests_total{outcome=\"hit\"}";
    let (calls, hits) = (
        service.s3_calls("GetObject").await,
        service.figure(looks).await,
    );
    let mut bodies = Vec::new();
    for (target, cookie) in [
        (ONE.to_owned(), "a=b"),
        ("/none".to_owned(), ""),
        (to_films(1).target(), ""),
        (
            to_films(LATER)
                .with_claim("Key-Pair-Id", Some("KNONE"))
                .target(),
            "",
        ),
        (format!("{ONE}?Signature="), ""),
        (format!("{ONE}?Expires=1&{}", "x".repeat(1000)), ""),
    ] {
        let refused = client
            .ask(
                "GET",
                &target,
                &[("Cookie", cookie), ("Range", "bytes=0-1")],
            )
            .await;
        assert_eq!(refused.status, 403, "{target}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert_eq!(refused.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(refused.header("etag"), None);
        assert_eq!(refused.header("cache-status"), None);
        let mut problem = refused.json();
        assert_eq!(problem["type"], "urn:s3reel:problem:forbidden");
        problem["request_id"].take();
        bodies.push(problem);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    assert_eq!(service.s3_calls("GetObject").await, calls);
    assert_eq!(service.s3_calls("HeadObject").await, 0.0);
    assert_eq!(service.figure(looks).await, hits);
    assert_eq!(link.ask(&mut client, "GET", &[]).await.status, 200);
    assert_eq!(service.figure(looks).await, hits + 1.0);
}

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
    assert_eq!(service.s3_calls("GetObject").await, 1.0);
}

#[tokio::test]
async fn a_signature_is_about_the_public_url_and_never_about_the_host_that_is_asked() {
    let s3 = films().await;
    let service = signed(&s3, |_| {}).await;
    let mut client = service.client().await;
    let link = to_films(LATER);
    for (host, pattern, status) in [
        ("evil.example", PUBLIC_URL, 200),
        ("media.example", PUBLIC_URL, 200),
        ("evil.example", "https://evil.example", 403),
        ("media.example", "http://media.example", 403),
        ("media.example", "https://media.example:443", 403),
    ] {
        let ticket = Ticket {
            resource: format!("{pattern}/films/*"),
            expires: LATER,
            not_before: None,
            addresses: None,
        };
        let id = KeyPairId::parse(KEYS[0].0).unwrap();
        let claims = ticket.sign(&id, &private_key(KEYS[0].1)).unwrap();
        let target = signed_url(ONE, &claims);
        client
            .send(format!(
                "GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: {host}\r\n\r\n"
            ))
            .await;
        assert_eq!(
            client.response("GET").await.status,
            status,
            "{host} {pattern}"
        );
        // A target with a host in it, as proxies are asked.
        client
            .send(format!(
                "GET http://{host}{target} HTTP/1.1\r\nHost: {host}\r\n\r\n"
            ))
            .await;
        assert_eq!(
            client.response("GET").await.status,
            status,
            "{host} {pattern}"
        );
    }
    assert_eq!(link.ask(&mut client, "GET", &[]).await.status, 200);
}

#[tokio::test]
async fn what_stands_there_twice_is_400_and_a_url_that_is_signed_ignores_cookies() {
    let s3 = films().await;
    let service = signed(&s3, |_| {}).await;
    let mut client = service.client().await;
    for link in [to_films(LATER), Link::of_ours(ONE, None, KEYS[0], LATER)] {
        for (name, value) in &link.claims {
            let target = format!("{}&{name}={value}", link.target());
            let twice = client.ask("GET", &target, &[]).await;
            assert_eq!(twice.status, 400, "{name}");
            let problem = twice.json();
            assert_eq!(problem["type"], "urn:s3reel:problem:signature-duplicated");
            assert!(problem["detail"].as_str().unwrap().contains(name.as_str()));
            assert!(!problem.to_string().contains(value.as_str()) || value.len() < 8);
            let cookies = format!("{}; CloudFront-{name}={value}", link.cookies().join("; "));
            let twice = client.ask("GET", ONE, &[("Cookie", &cookies)]).await;
            assert_eq!(twice.status, 400, "{name}");

            // Any one parameter of a signed URL is one.
            let cookies = link.cookies().join("; ");
            let with_cookies = async |client: &mut crate::support::Client, target: &str| {
                client
                    .ask("GET", target, &[("Cookie", &cookies)])
                    .await
                    .status
            };
            assert_eq!(with_cookies(&mut client, ONE).await, 200);
            let target = format!("{ONE}?{name}={value}");
            assert_eq!(with_cookies(&mut client, &target).await, 403, "{name}");
            assert_eq!(
                with_cookies(&mut client, &format!("{ONE}?{name}")).await,
                403,
                "{name}"
            );
        }
        let cookies = [("Cookie", "CloudFront-Signature=x; CloudFront-Signature=y")];
        assert_eq!(link.ask(&mut client, "GET", &cookies).await.status, 200);
    }
}

#[tokio::test]
async fn a_link_ends_at_its_second() {
    let s3 = films().await;
    let service = signed(&s3, |_| {}).await;
    let mut client = service.client().await;
    for link in [
        to_films,
        |end| to_films(end).in_cookies(),
        |end| Link::of_ours(ONE, None, KEYS[1], end),
    ] {
        let end = now() + 2;
        let link = link(end);
        let (mut in_time, mut late) = (0, 0);
        let begun = std::time::Instant::now();
        while late < 3 {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            let before = now();
            let status = link.ask(&mut client, "GET", &[]).await.status;
            if now() < end {
                assert_eq!(status, 200, "{}", link.name);
                in_time += 1;
            } else if before >= end {
                assert_eq!(status, 403, "{}", link.name);
                late += 1;
            }
        }
        assert!(in_time > 0, "{} was never good", link.name);
    }
}

#[tokio::test]
async fn a_film_that_began_in_time_goes_on_for_the_grace_by_ranges_only() {
    let s3 = films().await;
    let hour = Duration::from_secs(3600);
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
        ("GET", "/-/", &[]),
        ("GET", "/-/list", &[]),
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
async fn a_network_is_that_of_the_viewer_and_only_proxies_that_are_trusted_say_who_it_is() {
    let s3 = films().await;
    let forwarded = [("X-Forwarded-For", "203.0.113.9")];
    let for_network = |network: &str| {
        let ticket = Ticket {
            resource: format!("{PUBLIC_URL}{ONE}"),
            expires: LATER,
            not_before: None,
            addresses: Some(s3reel::signing::policy::network(network).unwrap()),
        };
        let id = KeyPairId::parse(KEYS[0].0).unwrap();
        signed_url(ONE, &ticket.sign(&id, &private_key(KEYS[0].1)).unwrap())
    };
    for (proxies, told, network, status) in [
        ("", &[][..], "127.0.0.0/8", 200),
        ("", &[], "203.0.113.0/24", 403),
        ("", &forwarded, "203.0.113.0/24", 403),
        ("", &forwarded, "127.0.0.0/8", 200),
        ("127.0.0.1", &forwarded, "203.0.113.0/24", 200),
        ("127.0.0.1", &forwarded, "127.0.0.0/8", 403),
        ("127.0.0.1", &forwarded, "203.0.113.9", 200),
        ("127.0.0.1", &forwarded, "203.0.113.8", 403),
        (
            "127.0.0.1",
            &[("X-Forwarded-For", "203.0.113.9, 198.51.100.1")],
            "203.0.113.0/24",
            403,
        ),
        (
            "127.0.0.1",
            &[("X-Forwarded-For", "unknown")],
            "203.0.113.0/24",
            403,
        ),
    ] {
        let service = signed(&s3, |config| {
            config.web.trusted_proxies = TrustedProxies::parse(proxies).unwrap();
        })
        .await;
        let answer = service.get(&for_network(network), told).await;
        assert_eq!(answer.status, status, "{proxies:?} {told:?} {network}");
    }
}

#[tokio::test]
async fn a_wildcard_covers_its_folder_and_no_way_out_of_it() {
    let s3 = films().await;
    s3.put("films/sub folder/one.mp4", content(1, 10)).await;
    let service = signed(&s3, |_| {}).await;
    let mut client = service.client().await;
    for link in [to_films(LATER), to_films(LATER).in_cookies()] {
        for path in [
            "/films/one.mp4",
            "/films/two.mp4",
            "/films/sub%20folder/one.mp4",
            "/films/sub%20folder%2Fone.mp4",
        ] {
            let answer = link.ask_for(&mut client, "GET", path, &[]).await;
            assert_eq!(answer.status, 200, "{path}");
        }
        for path in [
            "/other/three.mp4",
            "/films",
            "/Films/one.mp4",
            "/films%2Fone.mp4",
            "//films/one.mp4",
            "/x/films/one.mp4",
            "/",
            "/-/",
            "/-/list",
            "/-/player/films/one.mp4",
        ] {
            let answer = link.ask_for(&mut client, "GET", path, &[]).await;
            assert_eq!(answer.status, 403, "{path}");
        }
        for dots in ["..", "%2e%2e", ".%2E", "%2E."] {
            for slash in ["/", "%2F", "%2f"] {
                let path = format!("/films/{dots}{slash}other/three.mp4");
                let answer = link.ask_for(&mut client, "GET", &path, &[]).await;
                assert!(
                    matches!(answer.status, 400 | 403),
                    "{path}: {}",
                    answer.status
                );
            }
        }
    }
    // Under the part that is ours, where paths are no keys.
    let all = Link::to_everything();
    for path in ["/-/player/../list", "/-/player/%2e%2e/list", "/-/./list"] {
        assert_eq!(
            all.ask_for(&mut client, "GET", path, &[]).await.status,
            403,
            "{path}"
        );
    }
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
async fn a_part_of_the_key_space_can_be_public_or_for_some_keys_only() {
    let s3 = films().await;
    let ecdsa = KeyPairId::parse("KECDSA").unwrap();
    let link = |key| Link::of_ours(ONE, Some("/*"), key, LATER);
    for (of, unsigned, rsa, of_ecdsa) in [
        (Access::AnyKey, 403, 200, 200),
        (Access::Public, 200, 200, 200),
        (Access::Keys(vec![ecdsa.clone()]), 403, 403, 200),
        (Access::Keys(vec![]), 403, 403, 403),
    ] {
        let service = signed(&s3, |config| {
            config.web.browse = Browse::On;
            access(config, of.clone(), Duration::ZERO);
        })
        .await;
        let mut client = service.client().await;
        let plain = client.ask("GET", ONE, &[]).await;
        assert_eq!(plain.status, unsigned, "{of:?}");
        if unsigned == 200 {
            let cache_control = plain.header("cache-control").unwrap();
            assert!(cache_control.contains("public"), "{cache_control}");
            // What would be 400 elsewhere is nobody's business here.
            let twice = client
                .ask("GET", &format!("{ONE}?Expires=1&Expires=1"), &[])
                .await;
            assert_eq!(twice.status, 200);
        }
        assert_eq!(
            link(KEYS[0]).ask(&mut client, "GET", &[]).await.status,
            rsa,
            "{of:?}"
        );
        assert_eq!(
            link(KEYS[1]).ask(&mut client, "GET", &[]).await.status,
            of_ecdsa,
            "{of:?}"
        );
        // The page is about everything, and needs a signature in any case.
        assert_eq!(
            client.ask("GET", "/-/list", &[]).await.status,
            403,
            "{of:?}"
        );
    }
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
