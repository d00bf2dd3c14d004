//! CORS: who may read answers across origins.

use s3reel::web::CorsPolicy;

use crate::support::{TestS3, TestService, content};

const ORIGIN: (&str, &str) = ("Origin", "https://player.example");

#[tokio::test]
async fn a_star_policy_opens_every_answer_without_credentials() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::over(&s3).await;
    for (method, target, fields, status) in [
        ("GET", "/a", vec![ORIGIN], 200),
        ("GET", "/a", vec![ORIGIN, ("Range", "bytes=0-1")], 206),
        ("GET", "/a", vec![ORIGIN, ("Range", "bytes=99-")], 416),
        ("GET", "/a", vec![ORIGIN, ("If-None-Match", "*")], 304),
        ("GET", "/none", vec![ORIGIN], 404),
        ("GET", "/%zz", vec![ORIGIN], 400),
        ("POST", "/a", vec![ORIGIN], 405),
        (
            "OPTIONS",
            "/a",
            vec![ORIGIN, ("Access-Control-Request-Method", "GET")],
            204,
        ),
    ] {
        let answer = service.ask(method, target, &fields).await;
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("*"),
            "{status}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("vary"), None);
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("cross-origin")
        );
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("Content-Range"), "{exposed}");
    }
    let preflight = service.ask("OPTIONS", "/a", &[ORIGIN]).await;
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    assert!(
        allowed.contains("Range") && allowed.contains("If-Range"),
        "{allowed}"
    );
    assert!(preflight.header("access-control-max-age").is_some());
}

#[tokio::test]
async fn a_listed_origin_is_echoed_and_no_other_is() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::with(&s3, |config| {
        config.web.cors =
            CorsPolicy::parse("https://player.example, http://localhost:3000").unwrap();
    })
    .await;
    for (origin, echoed) in [
        ("https://player.example", true),
        ("http://localhost:3000", true),
        ("https://player.example.evil", false),
        ("https://player.example:8443", false),
        ("null", false),
    ] {
        for (method, target) in [("GET", "/a"), ("GET", "/none"), ("OPTIONS", "/a")] {
            let answer = service.ask(method, target, &[("Origin", origin)]).await;
            let expected = echoed.then_some(origin);
            assert_eq!(answer.header("access-control-allow-origin"), expected);
            let credentials = answer.header("access-control-allow-credentials");
            assert_eq!(credentials, echoed.then_some("true"));
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
    assert_eq!(service.get("/a", &[]).await.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn with_cors_off_no_field_of_it_is_sent() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::with(&s3, |config| config.web.cors = CorsPolicy::Off).await;
    for method in ["GET", "OPTIONS"] {
        let answer = service.ask(method, "/a", &[ORIGIN]).await;
        let field = answer.headers().find(|(name, _)| {
            name.starts_with("access-control") || name == "vary" || name.starts_with("cross-origin")
        });
        assert_eq!(field, None, "{method}");
    }
}
