//! The program as its users run it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use s3reel::embedded_s3::samples::SAMPLES;

use crate::support::film::{Break, Fault, film};
use crate::support::program::{Program, address_in, command, serve};
use crate::support::{Client, TestS3, content, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_plays_its_samples_and_no_variable_of_the_caller_reaches_it() {
    let mut command = command(&["demo"]);
    command
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        .env("AWS_ACCESS_KEY_ID", "wrong")
        .env("AWS_PROFILE", "none")
        .env("AWS_REGION", "nowhere");
    // A taken port is no obstacle.
    let _taken = TcpListener::bind("127.0.0.1:8080");
    let started = Instant::now();
    let mut program = Program::start(command);
    let address = program.printed_address();
    let mut browser = Client::connect(address).await;
    for (name, bytes) in SAMPLES {
        let whole = browser.ask("GET", &format!("/{name}"), &[]).await;
        assert_eq!(whole.status, 200, "{name}");
        assert!(whole.body == *bytes, "{name}: other bytes");
        assert_eq!(whole.header("access-control-allow-origin"), None);
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    let mut rebound = Client::connect(address).await;
    rebound
        .send("GET /clock.mp4 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .await;
    assert_eq!(rebound.response("GET").await.status, 421);
    let listing = browser.ask("GET", "/-/list", &[]).await.json();
    assert_eq!(listing["objects"].as_array().unwrap().len(), SAMPLES.len());
    assert_eq!(browser.ask("GET", "/", &[]).await.status, 303);
    program.signal("INT");
    let (status, took) = program.wait();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_a_profiles_process_and_the_endpoint_from_its_services() {
    let s3 = TestS3::embedded().await;
    s3.put("a.mp4", content(1, 1000)).await;
    let access = s3.access();
    let folder = tempfile::tempdir().unwrap();
    let told = serde_json::json!({
        "Version": 1,
        "AccessKeyId": access.access_key_id,
        "SecretAccessKey": access.secret_access_key,
    });
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, told.to_string()).unwrap();
    let profile = folder.path().join("config");
    let text = format!(
        "[profile films]\nregion = us-east-1\nservices = local\n\
         credential_process = cat {}\n[services local]\ns3 =\n  endpoint_url = {}\n",
        keys.display(),
        access.endpoint
    );
    std::fs::write(&profile, text).unwrap();
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"]);
    command
        .env("S3REEL_BUCKET", s3.bucket())
        .env("AWS_CONFIG_FILE", &profile)
        .env("AWS_PROFILE", "films");
    let mut program = Program::start(command);
    let address = program.log_address();
    let answer = Client::connect(address)
        .await
        .ask("GET", "/a.mp4", &[])
        .await;
    assert_eq!(answer.body, content(1, 1000), "{}", answer.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_region_or_credentials_the_operator_is_told_and_not_the_viewer() {
    let (key, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    for (variables, cause) in [
        (vec![("AWS_REGION", "us-east-1")], "credentials"),
        (vec![(key, "a"), (secret, "b")], "region"),
    ] {
        let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"]);
        command.env("S3REEL_BUCKET", "media").envs(variables);
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        if cause == "region" {
            command.env_remove("AWS_ENDPOINT_URL");
        }
        let mut program = Program::start(command);
        let address = program.log_address();
        let answer = Client::connect(address)
            .await
            .ask("GET", "/a.mp4", &[])
            .await;
        assert_eq!(answer.status, 502, "{cause}");
        assert_eq!(
            answer.json()["type"],
            "urn:s3reel:problem:storage-misconfigured"
        );
        let log = program.log_lines_until("misconfigured").concat();
        assert!(log.to_lowercase().contains(cause), "{log}");
    }
}

#[test]
fn a_folder_that_cannot_be_played_is_told_with_exit_code_2() {
    let output = command(&["demo", "/nonexistent/folder"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("/nonexistent/folder cannot be played"),
        "{told}"
    );
}

#[test]
fn wrong_settings_are_all_told_at_once_with_exit_code_2() {
    let output = command(&["serve", "--workers", "many"])
        .env("S3REEL_LISTEN", "nowhere")
        .env("S3REEL_DRAIN_DELAY", "5")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for variable in [
        "S3REEL_BUCKET",
        "S3REEL_WORKERS",
        "S3REEL_LISTEN",
        "S3REEL_DRAIN_DELAY",
    ] {
        assert!(told.contains(variable), "{variable} is missing in {told}");
    }
    let unknown_flag = command(&["serve", "--bukket", "x"]).output().unwrap();
    assert_eq!(unknown_flag.status.code(), Some(2));
}

#[test]
fn a_port_that_is_taken_is_told_by_the_name_of_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = command(&["serve", "--bucket", "media", "--listen", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("S3REEL_LISTEN={address}")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_takes_everything_from_the_environment_and_ends_on_sigterm() {
    for s3 in TestS3::all().await {
        s3.put("films/a.mp4", content(1, 1000)).await;
        let access = s3.access();
        let mut command = command(&["serve"]);
        command
            .env("S3REEL_BUCKET", s3.bucket())
            .env("S3REEL_PREFIX", "films")
            .env("S3REEL_LISTEN", "127.0.0.1:0")
            .env("S3REEL_ADMIN_LISTEN", "127.0.0.1:0")
            .env("S3REEL_DRAIN_DELAY", "0s")
            .env("S3REEL_DRAIN_TIMEOUT", "1s")
            .env("S3REEL_BUCKTE", "misspelt")
            .env("AWS_ENDPOINT_URL", &access.endpoint)
            .env("AWS_REGION", &access.region)
            .env("AWS_ACCESS_KEY_ID", &access.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &access.secret_access_key);
        let mut program = Program::start(command);
        let log = program.log_lines_until("health and metrics on");
        assert!(log[0].contains("S3REEL_BUCKTE is not a setting"), "{log:?}");
        let serving = log.iter().find(|line| line.contains("serving on")).unwrap();
        let address = address_in(serving);
        assert!(
            !log.concat().contains(&access.secret_access_key) || access.secret_access_key == "test"
        );
        let answer = Client::connect(address)
            .await
            .ask("GET", "/a.mp4", &[])
            .await;
        assert_eq!(answer.body, content(1, 1000), "{}", s3.name());
        let admin = address_in(log.last().unwrap()).to_string();
        let health = crate::support::program::command(&["health", "--admin-listen", &admin]);
        assert!(status_of(health));
        let health =
            crate::support::program::command(&["health", &format!("http://{address}/-/livez")]);
        assert!(status_of(health));
        let health =
            crate::support::program::command(&["health", &format!("http://{address}/none")]);
        assert!(!status_of(health));
        // Huge pages make new memory several times as dear.
        assert_eq!(program.status_number("THP_enabled:"), 0);
        program.signal("TERM");
        let (status, _) = program.wait();
        assert_eq!(status.code(), Some(0));
    }
}

fn status_of(mut command: std::process::Command) -> bool {
    command.output().unwrap().status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let s3 = TestS3::embedded().await;
    let mut command = serve(&s3);
    command.env("S3REEL_DRAIN_DELAY", "1h");
    let mut program = Program::start(command);
    let address = program.log_address();
    program.signal("TERM");
    crate::support::until("it drains", async || {
        Client::connect(address)
            .await
            .ask("GET", "/-/readyz", &[])
            .await
            .status
            == 503
    })
    .await;
    program.signal("TERM");
    let (status, took) = program.wait();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_log_lines_are_json_and_a_hostile_path_forges_none() {
    let s3 = TestS3::embedded().await;
    let mut command = serve(&s3);
    command.env("S3REEL_LOG_FORMAT", "json");
    let mut program = Program::start(command);
    let log = program.log_lines_until("serving on http://");
    let address = address_in(log.last().unwrap());
    let target = "/a%0d%0aforged?Signature=secret";
    Client::connect(address)
        .await
        .ask("GET", target, &[("Range", "bytes=0-1")])
        .await;
    let log = program.log_lines_until("s3reel::access");
    let line: serde_json::Value = serde_json::from_str(log.last().unwrap()).unwrap();
    assert_eq!(line["status"], 400);
    assert_eq!(line["path"], "/a%0d%0aforged");
    assert!(
        line["request_id"].is_string() && line["duration_ms"].is_number(),
        "{line}"
    );
    assert!(!log.concat().contains("Signature"), "a query in the log");
}

#[tokio::test]
async fn what_is_done_again_for_a_request_is_logged_with_its_id() {
    let origin = film(
        1_000_000,
        [
            None,
            Some(Fault::Nothing(Break::Close)),
            Some(Fault::Body(300_000, Break::Close)),
        ],
    )
    .await;
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"]);
    command
        .env("S3REEL_BUCKET", "test-bucket")
        .env(
            "AWS_ENDPOINT_URL_S3",
            format!("http://{}", origin.address()),
        )
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST")
        .env("AWS_SECRET_ACCESS_KEY", "test-secret")
        .env("RUST_LOG", "warn,s3reel=debug,actix_http=off");
    let mut program = Program::start(command);
    let mut viewer = Client::connect(program.log_address()).await;
    for (id, target) in [("well", "/film.mp4"), ("broken", "/other.mp4")] {
        let fields = [("X-Request-Id", id), ("Range", "bytes=0-")];
        let response = in_time("an answer", viewer.ask("GET", target, &fields)).await;
        assert!(response.complete, "{id}");
    }
    let log = program.log_lines_until("s3reel::access request request_id=broken");
    for what in ["made again in", "opened again"] {
        let line = log
            .iter()
            .find(|line| line.contains(what))
            .unwrap_or_else(|| panic!("{what}: {log:#?}"));
        assert!(line.ends_with("request_id=broken"), "{line}");
    }
}
