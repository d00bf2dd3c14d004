//! Signed URLs and cookies from outside: what is open, what is refused, and until when.

use std::time::Duration;

use s3reel::cache::CacheConfig;
use s3reel::signing::minting::{Covered, Ticket, signed_url};
use s3reel::signing::{Access, KeyPairId};
use s3reel::web::Browse;
use s3reel::web::viewer_address::TrustedProxies;

use crate::support::signed::{
    KEYS, LATER, Link, ONE, PUBLIC_URL, access, films, is, now, private_key, signed, to_films,
};
use crate::support::{PATIENCE, content};

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
    assert!(is(service.s3_calls("GetObject").await, calls));
    assert!(is(service.s3_calls("HeadObject").await, 0.0));
    assert!(is(service.figure(looks).await, hits));
    assert_eq!(link.ask(&mut client, "GET", &[]).await.status, 200);
    assert!(is(service.figure(looks).await, hits + 1.0));
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
            resource: Covered::Pattern(format!("{pattern}/films/*")),
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
async fn a_network_is_that_of_the_viewer_and_only_proxies_that_are_trusted_say_who_it_is() {
    let s3 = films().await;
    let forwarded = [("X-Forwarded-For", "203.0.113.9")];
    let for_network = |network: &str| {
        let ticket = Ticket {
            resource: Covered::Address(format!("{PUBLIC_URL}{ONE}")),
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
