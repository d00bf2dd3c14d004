//! The real service, in process, on a free port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use s3reel::cache::CacheConfig;
use s3reel::config::DEFAULT_CACHE_CONTROL;
use s3reel::object::BucketName;
use s3reel::object::representation::FieldValue;
use s3reel::service::key_files::KeyFiles;
use s3reel::service::listen::listen;
use s3reel::service::origin::{DEFAULT_CONCURRENCY, OriginConfig, OriginSource};
use s3reel::service::tls::TlsConfig;
use s3reel::service::{Running, ServerConfig, ServiceConfig, start};
use s3reel::signing;
use s3reel::storage::s3::S3Config;
use s3reel::storage::s3::client::{Access, ExplicitAccess};
use s3reel::telemetry::Metrics;
use s3reel::web::streams::StreamLimits;
use s3reel::web::viewer_address::TrustedProxies;
use s3reel::web::{Browse, CorsPolicy, Hosts, WebConfig};

use super::client::{Client, Response};
use super::{TestS3, in_time};

/// A running service. Dropping it checks that nothing was left in flight.
pub struct TestService {
    running: Option<Running>,
}

impl TestService {
    /// A service over a bucket with test-sized time limits.
    pub async fn over(s3: &TestS3) -> Self {
        Self::with(s3, |_| {}).await
    }

    /// The same with a change of its settings.
    pub async fn with(s3: &TestS3, change: impl FnOnce(&mut Setup)) -> Self {
        Self::at(s3.bucket(), s3.access().clone(), change).await
    }

    /// A service over whatever listens at an address.
    pub async fn at_address(address: SocketAddr, change: impl FnOnce(&mut Setup)) -> Self {
        let access = ExplicitAccess {
            endpoint: format!("http://{address}"),
            region: "us-east-1".to_owned(),
            access_key_id: "AKIATESTTESTTEST".to_owned(),
            secret_access_key: "test-secret".to_owned(),
        };
        Self::at("test-bucket", access, change).await
    }

    /// A service over a bucket of an S3.
    pub async fn at(bucket: &str, access: ExplicitAccess, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::of(bucket, access);
        change(&mut setup);
        Self::started(setup.into()).await
    }

    /// A service over these origins.
    pub async fn of(origins: Vec<OriginConfig>, change: impl FnOnce(&mut Setup)) -> Self {
        let nothing = ExplicitAccess {
            endpoint: "http://127.0.0.1:1".to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: String::new(),
            secret_access_key: String::new(),
        };
        let mut setup = Setup::of("not-served", nothing);
        change(&mut setup);
        let config = ServiceConfig {
            origins,
            ..setup.into()
        };
        Self::started(config).await
    }

    async fn started(config: ServiceConfig) -> Self {
        let viewers = listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let admin = listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let running = Box::pin(start(config, viewers, Some(admin)))
            .await
            .expect("a start");
        Self {
            running: Some(running),
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs until it is dropped")
    }

    /// Where viewers connect.
    pub fn address(&self) -> SocketAddr {
        self.running().address()
    }

    /// A new connection of a viewer.
    pub async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
        self.client().await.ask(method, target, fields).await
    }

    /// A GET on a connection of its own.
    pub async fn get(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.ask("GET", target, fields).await
    }

    /// A GET of the admin listener.
    pub async fn admin(&self, target: &str) -> Response {
        self.admin_ask("GET", target).await
    }

    /// A request to the admin listener.
    pub async fn admin_ask(&self, method: &str, target: &str) -> Response {
        let address = self.running().admin_address().expect("an admin listener");
        let mut client = Client::connect(address).await;
        client.ask(method, target, &[]).await
    }

    /// The figures themselves, which outlive it.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.running().shared().metrics)
    }

    /// The value of a figure; 0 if it has not been counted yet. Where its origin is not named, that
    /// of all together.
    pub async fn figure(&self, name: &str) -> f64 {
        let figures = self.admin("/metrics").await;
        figure_in(&String::from_utf8(figures.body).expect("text"), name)
    }

    /// Calls to S3 for one operation that were answered well.
    pub async fn s3_calls(&self, operation: &str) -> f64 {
        self.figure(&format!(
            "s3reel_s3_requests_total{{operation=\"{operation}\",outcome=\"ok\"}}"
        ))
        .await
    }

    /// Answers that ended before their last byte, by who ended them and why.
    pub async fn aborted(&self, side: &str, reason: &str) -> f64 {
        self.figure(&format!(
            "s3reel_responses_aborted_total{{reason=\"{reason}\",side=\"{side}\"}}"
        ))
        .await
    }

    /// Ends it in the orderly way.
    pub async fn stop(mut self) {
        let running = self.running.take().expect("it runs");
        in_time("the end", running.stop()).await;
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        if std::thread::panicking() {
            return;
        }
        // Answers end a moment after their last byte was read here.
        let metrics = &running.shared().metrics;
        let started = Instant::now();
        let streams = metrics.streams_open();
        let bodies = || {
            let text = String::from_utf8(metrics.encode().expect("figures")).expect("text");
            figure_in(&text, "s3reel_s3_bodies_open")
        };
        while metrics.requests_in_flight() > 0 || streams.get() > 0 || bodies() > 0.0 {
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "left behind: {} requests, {} streams, {} bodies of S3",
                metrics.requests_in_flight(),
                streams.get(),
                bodies()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The value of a figure in Prometheus' text. Series that differ in their origin only count as one if
/// none is named.
pub fn figure_in(text: &str, name: &str) -> f64 {
    let without_origin = |series: &str| {
        let Some((name, labels)) = series.split_once('{') else {
            return series.to_owned();
        };
        let labels: Vec<_> = labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| !label.starts_with("origin="))
            .collect();
        if labels.is_empty() {
            name.to_owned()
        } else {
            format!("{name}{{{}}}", labels.join(","))
        }
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(series, _)| *series == name || without_origin(series) == name)
        .filter_map(|(_, value)| value.parse::<f64>().ok())
        .sum()
}

/// What a service over one bucket is made of.
pub struct Setup {
    pub s3: S3Config,
    pub concurrency: usize,
    pub access: signing::Access,
    pub web: WebConfig,
    pub tls: Option<TlsConfig>,
    pub key_files: Option<KeyFiles>,
    pub cache: CacheConfig,
    pub server: ServerConfig,
}

impl From<Setup> for ServiceConfig {
    fn from(setup: Setup) -> Self {
        Self {
            origins: vec![OriginConfig {
                concurrency: setup.concurrency,
                access: setup.access,
                ..OriginConfig::of(OriginSource::S3(Box::new(setup.s3)))
            }],
            web: setup.web,
            tls: setup.tls,
            key_files: setup.key_files,
            cache: setup.cache,
            server: setup.server,
        }
    }
}

impl Setup {
    /// Defaults, but for an end without ceremony and two workers however many cores there are.
    pub fn of(bucket: &str, access: ExplicitAccess) -> Self {
        let bucket = BucketName::parse(bucket).expect("a bucket name");
        Self {
            s3: S3Config::of(bucket, Access::Explicit(access)),
            concurrency: DEFAULT_CONCURRENCY,
            access: signing::Access::AnyKey,
            web: WebConfig {
                cors: CorsPolicy::Any,
                cache_control: FieldValue::parse(DEFAULT_CACHE_CONTROL).expect("a value"),
                browse: Browse::Off,
                keep_alive: Duration::from_secs(75),
                viewer_hold: Duration::from_secs(10),
                streams: StreamLimits::default(),
                trusted_proxies: TrustedProxies::default(),
                hosts: Hosts::Any,
                signed_urls: None,
            },
            tls: None,
            key_files: None,
            // What S3 is asked is what most tests look at; `caching` turns it on.
            cache: CacheConfig {
                memory: 0,
                ..CacheConfig::default()
            },
            server: ServerConfig {
                workers: 2,
                drain_delay: Duration::ZERO,
                drain_timeout: Duration::from_secs(1),
                ..ServerConfig::default()
            },
        }
    }
}
