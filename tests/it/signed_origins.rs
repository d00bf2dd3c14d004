//! Signatures and several origins: each says which keys open it.

use s3reel::signing::{Access, KeyPairId};
use s3reel::web::Browse;

use crate::origins::origin;
use crate::support::program::command;
use crate::support::signed::{KEYS, LATER, Link, signed_over};
use crate::support::{TestS3, TestService, content};

#[tokio::test]
async fn each_origin_says_which_keys_open_it_and_its_listing() {
    let s3 = TestS3::embedded().await;
    s3.put("one.mp4", content(1, 1000)).await;
    let only = |id: &str| Access::Keys(vec![KeyPairId::parse(id).unwrap()]);
    let mut films = origin("/films", &s3);
    films.access = only(KEYS[0].0);
    let mut posters = origin("/posters", &s3);
    posters.access = Access::Public;
    let others = origin("/", &s3);
    let service = signed_over(vec![films, posters, others], |setup| {
        setup.web.browse = Browse::On;
    })
    .await;
    let mut client = service.client().await;
    let statuses = async |target: &str, client: &mut _| {
        let mut found = Vec::new();
        for key in KEYS {
            let link = Link::of_ours(target, Some("/*"), key, LATER);
            found.push(link.ask(client, "GET", &[]).await.status);
        }
        found
    };
    for (target, unsigned, rsa, ecdsa) in [
        ("/films/one.mp4", 403, 200, 403),
        ("/posters/one.mp4", 200, 200, 200),
        ("/one.mp4", 403, 200, 200),
        // Whoever may not read an origin does not see what is in it.
        ("/-/list?prefix=films/", 403, 200, 403),
        ("/-/list?prefix=films%2Fone", 403, 200, 403),
        ("/-/list?prefix=posters/", 403, 200, 200),
        ("/-/list?prefix=", 403, 200, 200),
        ("/-/", 403, 200, 200),
        // In another spelling it is the same origin.
        ("/%66ilms/one.mp4", 403, 200, 403),
        ("/films%2Fone.mp4", 403, 200, 403),
        // Servers that take two slashes for one would have it below the other mount.
        ("/posters//..one.mp4", 404, 404, 404),
        ("//films/one.mp4", 403, 404, 404),
        ("/%2Ffilms/one.mp4", 403, 404, 404),
        ("/posters/../films/one.mp4", 400, 400, 400),
        ("/posters/%2E%2E/films/one.mp4", 400, 400, 400),
    ] {
        assert_eq!(
            client.ask("GET", target, &[]).await.status,
            unsigned,
            "{target}"
        );
        assert_eq!(
            statuses(target, &mut client).await,
            [rsa, ecdsa],
            "{target}"
        );
    }
    // The top of an origin leads to the page about it, and the signature goes along.
    let link = Link::of_ours("/films/", Some("/*"), KEYS[0], LATER);
    let found = link.ask(&mut client, "GET", &[]).await;
    assert_eq!(found.status, 303);
    let location = found.header("location").unwrap();
    assert!(
        location.starts_with("/-/?prefix=films/&Policy="),
        "{location}"
    );
}

#[test]
fn keys_of_an_origin_that_are_not_there_are_a_fault_and_never_an_open_door() {
    let output = command(&[
        "serve",
        "--origin",
        "/films=s3://films?keys=KNONE",
        "--origin",
        "/posters=s3://films?keys=none",
    ])
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("keys=KNONE"), "{told}");
    assert!(told.contains("a key of S3REEL_SIGNED_URL_KEYS"), "{told}");
    assert!(!told.contains("/posters"), "{told}");
    assert_eq!(told.matches("S3REEL_").count(), 2, "{told}");
}

#[tokio::test]
async fn a_signature_for_one_host_opens_nothing_of_another() {
    let s3 = TestS3::embedded().await;
    s3.put("one.mp4", content(1, 1000)).await;
    let hosts = ["//media.example/", "//other.example/"].map(|place| origin(place, &s3));
    let service = signed_over(hosts.to_vec(), |setup| {
        setup.web.browse = Browse::On;
    })
    .await;
    let mut client = service.client().await;
    for target in ["/one.mp4", "/-/list", "/-/", "/"] {
        // All of the public address, which is that of the first host.
        let link = Link::of_ours(target, Some("/*"), KEYS[0], LATER).target();
        let mut statuses = Vec::new();
        for host in ["media.example", "other.example", "third.example"] {
            let request = format!("GET {link} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            client.send(&request).await;
            statuses.push(client.response("GET").await.status);
            let absolute = format!("GET http://{host}{link} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            client.send(&absolute).await;
            statuses.push(client.response("GET").await.status);
        }
        let nothing = if target == "/one.mp4" { 404 } else { 200 };
        let first = if target == "/" { 303 } else { 200 };
        let third = if target == "/" { 303 } else { nothing };
        assert_eq!(statuses, [first, first, 403, 403, third, third], "{target}");
    }
}

#[tokio::test]
async fn viewers_are_not_told_the_names_of_origins() {
    let s3 = TestS3::embedded().await;
    let origins = ["/", "/customer"].map(|place| origin(place, &s3));
    let service = TestService::of(origins.to_vec(), |_| {}).await;
    let told = service.get("/-/readyz", &[]).await;
    assert_eq!(
        (told.status, told.body.as_slice()),
        (200, &b"serving\n"[..])
    );
    let told = service.admin("/readyz").await;
    assert!(String::from_utf8_lossy(&told.body).contains("/customer"));
}
