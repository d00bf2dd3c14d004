//! S3 in its variants: other regions, who pays, directory buckets, credentials and authorities of each
//! origin.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use s3reel::storage::s3::config::Payer;

use crate::support::haproxy::tls_before;
use crate::support::program::{Program, address_in, command};
use crate::support::scripted::{answer, empty_listing, error, raw};
use crate::support::{Asked, Client, Scripted, Step, TestS3, TestService, content, in_time, until};

/// The region that a request was signed for.
fn signed_for(asked: &Asked) -> String {
    let scope = asked.header("authorization").unwrap_or_default();
    scope.split('/').nth(2).unwrap_or_default().to_owned()
}

/// A refusal that names the region in its field.
fn redirected(asked: &Asked, region: &str) -> Vec<Step> {
    let field = [("x-amz-bucket-region", region)];
    if asked.line.starts_with("HEAD") {
        return vec![raw(
            "301 Moved Permanently",
            &[field[0], ("Content-Length", "0")],
            "",
        )];
    }
    let body = "<?xml version=\"1.0\"?><Error><Code>PermanentRedirect</Code>\
                <Message>use another endpoint</Message></Error>";
    vec![answer("301 Moved Permanently", &field, body)]
}

/// A refusal that names it in its text only, which HEAD has none of.
fn malformed(asked: &Asked, region: &str) -> Vec<Step> {
    if asked.line.starts_with("HEAD") {
        return vec![raw("400 Bad Request", &[("Content-Length", "0")], "")];
    }
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code>\
         <Message>unexpected scope</Message><Region>{region}</Region></Error>"
    );
    vec![answer("400 Bad Request", &[], body)]
}

#[tokio::test]
async fn the_region_of_a_bucket_is_learned_once_whichever_call_comes_first() {
    for (refuse, method) in [
        (redirected as fn(&Asked, &str) -> Vec<Step>, "GET"),
        (redirected, "HEAD"),
        (malformed, "GET"),
        (malformed, "HEAD"),
    ] {
        // The listing of the start is answered, so nothing is learned by it.
        let s3 = Scripted::start(move |asked| {
            if signed_for(asked) != "eu-north-1" {
                return refuse(asked, "eu-north-1");
            }
            let etag = ("ETag", "\"1\"");
            if asked.line.starts_with("HEAD") {
                return vec![raw("200 OK", &[etag, ("Content-Length", "4")], "")];
            }
            if asked.header("range").is_some() {
                let part = ("Content-Range", "bytes 0-0/4");
                return vec![answer("206 Partial Content", &[etag, part], "f")];
            }
            vec![answer("200 OK", &[etag], "film")]
        })
        .await;
        let service = TestService::at_address(s3.address(), |_| {}).await;
        for _ in 0..3 {
            let film = service.ask(method, "/film.mp4", &[]).await;
            assert_eq!(film.status, 200, "{method}: {}", film.head);
        }
        let film = service.get("/film.mp4", &[]).await;
        assert_eq!(film.body, b"film");
        let wrong = s3.asked();
        let wrong = wrong
            .iter()
            .filter(|asked| signed_for(asked) == "us-east-1");
        // HEAD without a text asks once more, to learn the code; a worker that has not been asked yet
        // has learned it too.
        assert!(wrong.count() <= 2, "{method}: {:#?}", s3.asked());
    }
}

#[tokio::test]
async fn the_question_of_the_start_learns_the_region_for_all() {
    let s3 = Scripted::start_raw(|asked| {
        if signed_for(asked) != "eu-north-1" {
            return redirected(asked, "eu-north-1");
        }
        if asked.is_for_an_object() {
            return vec![answer("200 OK", &[("ETag", "\"1\"")], "film")];
        }
        vec![Step::Send(empty_listing())]
    })
    .await;
    let service = TestService::at_address(s3.address(), |_| {}).await;
    until("the bucket is known", async || {
        service.admin("/readyz").await.body == b"serving\nbucket: answering\n"
    })
    .await;
    for _ in 0..4 {
        assert_eq!(service.get("/film.mp4", &[]).await.status, 200);
    }
    assert_eq!(s3.asked().len(), 4, "{:#?}", s3.asked());
}

#[tokio::test]
async fn an_origin_that_names_ever_other_regions_is_not_followed_for_ever() {
    let count = AtomicUsize::new(0);
    let s3 = Scripted::start(move |asked| {
        let region = format!("region-{}", count.fetch_add(1, Ordering::Relaxed));
        redirected(asked, &region)
    })
    .await;
    let service = TestService::at_address(s3.address(), |_| {}).await;
    for _ in 0..10 {
        let refused = service.get("/film.mp4", &[]).await;
        assert_eq!(refused.status, 502);
        let kind = &refused.json()["type"];
        assert_eq!(kind, "urn:s3reel:problem:storage-misconfigured");
    }
    assert!(s3.asked().len() <= 13, "{}", s3.asked().len());
}

#[tokio::test]
async fn a_region_that_could_lead_elsewhere_is_not_believed() {
    let s3 = Scripted::start(|asked| redirected(asked, "evil.example/")).await;
    let service = TestService::at_address(s3.address(), |_| {}).await;
    assert_eq!(service.get("/film.mp4", &[]).await.status, 502);
    assert_eq!(s3.asked().len(), 1);
}

#[tokio::test]
async fn who_pays_is_said_with_every_call_or_with_none() {
    for payer in [Payer::Owner, Payer::Requester] {
        let s3 = Scripted::start_raw(|asked| {
            if !asked.is_for_an_object() {
                return vec![Step::Send(empty_listing())];
            }
            let etag = ("ETag", "\"1\"");
            if asked.line.starts_with("HEAD") {
                return vec![raw("200 OK", &[etag, ("Content-Length", "4")], "")];
            }
            // The first answer breaks off, and is continued.
            if asked.header("range").is_none() {
                let whole = raw("200 OK", &[etag, ("Content-Length", "4")], "fi");
                return vec![whole, Step::Reset];
            }
            let part = ("Content-Range", "bytes 2-3/4");
            vec![answer("206 Partial Content", &[etag, part], "lm")]
        })
        .await;
        let service = TestService::at_address(s3.address(), |setup| {
            setup.s3.payer = payer;
            setup.web.browse = s3reel::web::Browse::On;
        })
        .await;
        assert_eq!(service.get("/film.mp4", &[]).await.body, b"film");
        assert_eq!(service.ask("HEAD", "/film.mp4", &[]).await.status, 200);
        assert_eq!(service.get("/-/list", &[]).await.status, 200);
        let all = s3.all_asked();
        let lists = all.iter().filter(|asked| !asked.is_for_an_object()).count();
        assert!(lists >= 2 && all.len() >= lists + 3, "{all:#?}");
        for asked in all {
            let told = asked.header("x-amz-request-payer");
            let expected = (payer == Payer::Requester).then_some("requester");
            assert_eq!(told, expected, "{}", asked.line);
        }
    }
}

#[tokio::test]
async fn a_directory_bucket_is_read_within_a_session() {
    let s3 = Scripted::start_raw(|asked| {
        if asked.target().contains("session") {
            let body = "<?xml version=\"1.0\"?><CreateSessionResult><Credentials>\
                        <SessionToken>token-of-session</SessionToken>\
                        <SecretAccessKey>secret-of-session</SecretAccessKey>\
                        <AccessKeyId>KEYOFSESSION</AccessKeyId>\
                        <Expiration>2099-01-01T00:00:00Z</Expiration>\
                        </Credentials></CreateSessionResult>";
            let kind = ("Content-Type", "application/xml");
            return vec![answer("200 OK", &[kind], body)];
        }
        let in_session = asked.header("x-amz-s3session-token") == Some("token-of-session")
            && asked
                .header("authorization")
                .is_some_and(|field| field.contains("KEYOFSESSION"));
        if !in_session {
            return vec![error("403 Forbidden", "AccessDenied")];
        }
        if !asked.is_for_an_object() {
            return vec![Step::Send(empty_listing())];
        }
        vec![answer("200 OK", &[("ETag", "\"1\"")], "film")]
    })
    .await;
    let service = TestService::at_address(s3.address(), |setup| {
        setup.s3.bucket = s3reel::object::BucketName::parse("films--use1-az4--x-s3").unwrap();
    })
    .await;
    for _ in 0..5 {
        let film = service.get("/film.mp4", &[]).await;
        assert_eq!(
            (film.status, film.body),
            (200, b"film".to_vec()),
            "{:#?}",
            s3.all_asked()
        );
    }
    let sessions = s3.all_asked();
    let sessions = sessions
        .iter()
        .filter(|asked| asked.target().contains("session"));
    // One for the question of the start and one for each worker at most.
    assert!((1..=3).contains(&sessions.count()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_origin_is_read_with_its_own_endpoint_and_credentials() {
    let (one, other) = (TestS3::embedded().await, TestS3::embedded().await);
    one.put("a.mp4", content(1, 1000)).await;
    other.put("a.mp4", content(2, 1000)).await;
    // The cache asks for its first block.
    let public = Scripted::start(|_| {
        let fields = [("ETag", "\"1\""), ("Content-Range", "bytes 0-5/6")];
        vec![answer("206 Partial Content", &fields, "public")]
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("config");
    let profile = |name: &str, s3: &TestS3| {
        let access = s3.access();
        format!(
            "[profile {name}]\nregion = us-east-1\naws_access_key_id = {}\n\
             aws_secret_access_key = {}\n",
            access.access_key_id, access.secret_access_key
        )
    };
    let text = format!("{}{}", profile("one", &one), profile("other", &other));
    std::fs::write(&profiles, text).unwrap();
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"]);
    let entry = |place: &str, s3: &TestS3, profile: &str| {
        let (bucket, endpoint) = (s3.bucket(), &s3.access().endpoint);
        format!("{place}=s3://{bucket}?endpoint={endpoint}&profile={profile}")
    };
    command
        .env("AWS_CONFIG_FILE", &profiles)
        .arg("--origin")
        .arg(entry("/one", &one, "one"))
        .arg("--origin")
        .arg(entry("/other", &other, "other"))
        .arg("--origin")
        // The other's keys at this one's door.
        .arg(entry("/wrong", &one, "other"))
        .arg("--origin")
        .arg(format!(
            "/public=s3://anyone?endpoint=http://{}&anonymous=on&region=us-east-1",
            public.address()
        ));
    let mut program = Program::start(command);
    let address = program.log_address();
    let mut viewer = Client::connect(address).await;
    for (target, status, body) in [
        ("/one/a.mp4", 200, content(1, 1000)),
        ("/other/a.mp4", 200, content(2, 1000)),
        ("/public/a.mp4", 200, b"public".to_vec()),
    ] {
        let answer = in_time(target, viewer.ask("GET", target, &[])).await;
        assert_eq!(answer.status, status, "{target}: {}", answer.head);
        assert!(answer.body == body, "{target}");
    }
    let refused = in_time("a refusal", viewer.ask("GET", "/wrong/a.mp4", &[])).await;
    assert_eq!(refused.status, 502);
    assert!(!public.asked().is_empty());
    for asked in public.asked() {
        assert_eq!(asked.header("authorization"), None, "{}", asked.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_that_do_not_answer_are_named_together_and_the_rest_is_served() {
    let good = TestS3::embedded().await;
    good.put("a.mp4", content(1, 100)).await;
    let access = good.access();
    let unlisted = Scripted::start_denying_lists(|_| vec![answer("200 OK", &[], "x")]).await;
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"]);
    command
        .env("AWS_REGION", &access.region)
        .env("AWS_ACCESS_KEY_ID", &access.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &access.secret_access_key)
        .env("AWS_ENDPOINT_URL_S3", &access.endpoint)
        .env(
            "S3REEL_ORIGINS",
            format!(
                "/=s3://media /gone=s3://films?endpoint=http://127.0.0.1:1\n\
                 /unknown=s3://no-such-bucket,/unlisted=s3://films?endpoint=http://{}",
                unlisted.address()
            ),
        );
    let mut program = Program::start(command);
    let lines = program.log_lines_until("origins that do not answer yet");
    let log = lines.join("\n");
    let last = lines.last().unwrap();
    for part in [
        "/gone (s3://films/): ",
        "unreachable",
        "/unknown (s3://no-such-bucket/): ",
        "NoSuchBucket",
    ] {
        assert!(last.contains(part), "{part:?} is missing in {last}");
    }
    assert!(
        log.contains("origins that answer and may be listed: /\n"),
        "{log}"
    );
    assert!(log.contains("ones: /unlisted"), "{log}");
    assert!(!log.contains(&access.secret_access_key));
    let serving = lines
        .iter()
        .find(|line| line.contains("serving on http://"));
    let address = address_in(serving.unwrap());
    let mut viewer = Client::connect(address).await;
    let film = in_time("the film", viewer.ask("GET", "/a.mp4", &[])).await;
    assert_eq!((film.status, film.body), (200, content(1, 100)));
    let gone = in_time("a refusal", viewer.ask("GET", "/gone/a.mp4", &[])).await;
    assert_eq!(gone.status, 502);
}

#[test]
fn wrong_origins_are_all_told_with_exit_code_2() {
    let output = command(&[
        "serve",
        "--origin",
        "/=s3://films?colour=red",
        "--origin",
        "/=s3://others",
        "--origin",
        "/a=ftp://films",
        "--bucket",
        "films",
    ])
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for part in [
        "S3REEL_BUCKET=\"films\": it is the short form of S3REEL_ORIGINS",
        "/=s3://films?colour=red\": colour is no parameter here",
        "/a=ftp://films\": an origin is PATH=URL",
    ] {
        assert!(told.contains(part), "{part:?} is missing in:\n{told}");
    }
}

#[tokio::test]
async fn an_endpoint_with_an_authority_of_its_own_is_trusted_by_its_origin_alone() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 100_000)).await;
    let access = s3.access();
    let folder = tempfile::tempdir().unwrap();
    let (_balancer, front) = tls_before(&s3, folder.path()).await;
    let endpoint = format!("https://localhost:{}", front.port());
    let entry = |place: &str, file: &str| {
        let file = folder.path().join(file);
        format!(
            "{place}=s3://media?endpoint={endpoint}&ca_file={}",
            file.display()
        )
    };
    for proxy in ["", "http://127.0.0.1:1"] {
        let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"]);
        command
            .env("AWS_REGION", &access.region)
            .env("AWS_ACCESS_KEY_ID", &access.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &access.secret_access_key)
            .env("HTTPS_PROXY", proxy)
            .args(["--origin", &entry("/own", "certificate.pem")])
            .args(["--origin", &format!("/none=s3://media?endpoint={endpoint}")]);
        let mut program = Program::start(command);
        let mut viewer = Client::connect(program.log_address()).await;
        // The proxy is not gone through: its client would not know the authority.
        let film = in_time("the film", viewer.ask("GET", "/own/film.mp4", &[])).await;
        assert_eq!(film.status, 200, "{proxy}: {}", film.head);
        assert!(film.body == content(1, 100_000));
        let refused = in_time("a refusal", viewer.ask("GET", "/none/film.mp4", &[])).await;
        assert_eq!(refused.status, 502);
        if proxy.is_empty() {
            program.log_lines_until("invalid peer certificate");
        }
    }
    std::fs::write(folder.path().join("none.pem"), "").unwrap();
    let output = command(&["serve", "--origin", &entry("/", "none.pem")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("has to hold certificates of authorities"),
        "{told}"
    );
}

#[tokio::test]
async fn servers_of_several_kinds_are_served_side_by_side() {
    let mut all = TestS3::all().await;
    all.push(TestS3::embedded().await);
    let mut origins = Vec::new();
    for (number, s3) in (1..).zip(&all) {
        s3.put("film.mp4", content(number, 300_000)).await;
        origins.push(super::origins::origin(&format!("/{number}"), s3));
    }
    let service = TestService::of(origins, super::origins::caching).await;
    for (number, s3) in (1..).zip(&all) {
        let target = format!("/{number}/film.mp4");
        let whole = content(number, 300_000);
        for (range, part) in [
            ("bytes=0-1", &whole[..2]),
            ("bytes=-1000", &whole[299_000..]),
        ] {
            let answer = service.get(&target, &[("Range", range)]).await;
            assert_eq!(answer.status, 206, "{}", s3.name());
            assert!(answer.body == part, "{} {range}", s3.name());
        }
        assert!(
            service.get(&target, &[]).await.body == whole,
            "{}",
            s3.name()
        );
    }
    tokio::time::timeout(Duration::from_secs(10), service.stop())
        .await
        .unwrap();
}
