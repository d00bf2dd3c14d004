//! Behind a real load balancer, and over TLS that it speaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::haproxy::{HaProxy, free_address, tls_before};
use crate::support::program::{Program, serve};
use crate::support::{Client, TestS3, content, in_time, until};

const OPERATING: &str = include_str!("../../src/manual/operating.md");

const LENGTH: usize = 20_000_000;

/// The configuration of the manual, for these addresses.
fn configuration_of_the_manual(addresses: [std::net::SocketAddr; 3]) -> String {
    let (_, block) = OPERATING
        .split_once("```text\ndefaults\n")
        .expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    let mut configuration = format!("defaults\n{block}");
    for (told, ours) in ["0.0.0.0:80", "192.0.2.1:8080", "192.0.2.2:8080"]
        .into_iter()
        .zip(addresses)
    {
        assert_eq!(configuration.matches(told).count(), 1, "{told}");
        configuration = configuration.replace(told, &ours.to_string());
    }
    configuration
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_no_request() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let [front, first, second] = [free_address(), free_address(), free_address()];
    let start = |address: std::net::SocketAddr| {
        let mut command = serve(&s3);
        command
            .args(["--listen", &address.to_string(), "--workers", "1"])
            .args(["--drain-delay", "2s", "--drain-timeout", "15s"]);
        let mut program = Program::start(command);
        program.log_address();
        program
    };
    let mut instances = [start(first), start(second)];
    let configuration = configuration_of_the_manual([front, first, second]);
    let balancer = HaProxy::start(&configuration, front, |_| {}).await;
    let both_are_up = async || {
        balancer.is_up("s3reel", "first").await && balancer.is_up("s3reel", "second").await
    };
    until("both are up", both_are_up).await;

    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut viewers = tokio::task::JoinSet::new();
    for viewer in 0..4_usize {
        let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
        viewers.spawn(async move {
            let whole = content(1, LENGTH);
            let mut client = Client::connect(front).await;
            let mut at = viewer * 1000;
            while !over.load(Ordering::Relaxed) {
                at = (at * 31 + 7) % (LENGTH - 100_000);
                let last = at + 65_535;
                let range = format!("bytes={at}-{last}");
                let fields = [("Range", range.as_str())];
                let asking = client.ask("GET", "/film.mp4", &fields);
                let response = in_time("an answer", asking).await;
                assert_eq!(response.status, 206, "{}", response.head);
                assert!(response.body == whole[at..=last], "other bytes");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // One viewer that watches on while the instance that serves it goes.
    let mut watching = Client::connect(front).await;
    watching.request("GET", "/film.mp4", &[]).await;
    let (_, status) = watching.head().await;
    assert_eq!(status, 200);
    let mut seen = watching.take(1_000_000).await;

    for (index, address) in [first, second].into_iter().enumerate() {
        let before = answered.load(Ordering::Relaxed);
        instances[index].signal("TERM");
        if index == 0 {
            until("others are served meanwhile", async || {
                answered.load(Ordering::Relaxed) > before + 20
            })
            .await;
            seen.extend(in_time("the rest", watching.take(LENGTH - 1_000_000)).await);
        }
        let (status, _) = instances[index].wait();
        assert!(status.success(), "{status}");
        instances[index] = start(address);
        until("both are up again", both_are_up).await;
        let before = answered.load(Ordering::Relaxed);
        until("the load goes on", async || {
            answered.load(Ordering::Relaxed) > before + 20
        })
        .await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(viewer) = viewers.join_next().await {
        viewer.expect("a viewer that lost no request");
    }
    assert!(seen == content(1, LENGTH), "cut or mixed");
}

#[tokio::test]
async fn s3_is_reached_over_tls_if_its_certificate_is_trusted_and_not_otherwise() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let trust = tempfile::tempdir().expect("a folder");
    let (_balancer, front) = tls_before(&s3, trust.path()).await;
    for (file, status) in [("certificate.pem", 206), ("nothing.pem", 502)] {
        std::fs::write(trust.path().join("nothing.pem"), "").expect("a file");
        let mut command = serve(&s3);
        command
            .env(
                "AWS_ENDPOINT_URL_S3",
                format!("https://localhost:{}", front.port()),
            )
            .env("SSL_CERT_FILE", trust.path().join(file))
            .env_remove("SSL_CERT_DIR");
        let mut program = Program::start(command);
        let mut viewer = Client::connect(program.log_address()).await;
        for first in [0, 5_000_000] {
            let range = format!("bytes={first}-");
            let fields = [("Range", range.as_str())];
            let asking = viewer.ask("GET", "/film.mp4", &fields);
            let response = in_time("an answer", asking).await;
            assert_eq!(response.status, status, "{file}: {}", response.head);
            if status == 206 {
                assert!(response.body == content(1, LENGTH)[first..], "other bytes");
            }
        }
        drop(viewer);
        if status == 502 {
            program.log_lines_until("certificate");
        }
    }
    // Through a proxy it needs the SDK's client, which cannot do without certificates.
    let mut command = serve(&s3);
    command
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("SSL_CERT_FILE", trust.path().join("nothing.pem"))
        .env_remove("SSL_CERT_DIR");
    let mut program = Program::start(command);
    program.log_lines_until("no root certificates are found: install ca-certificates");
    let (status, _) = program.wait();
    assert_eq!(status.code(), Some(1));
}
