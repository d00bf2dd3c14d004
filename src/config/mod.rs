//! Settings, from text to types.
//!
//! [`settings`] is the text as flags and environment variables give it; [`Config::parse`] reads
//! all of it and reports every fault at once.

mod cache;
pub mod faults;
pub mod origin_url;
mod origins;
mod parameters;
mod places;
pub mod settings;
mod signing;
pub mod summary;
mod tls;

use std::net::SocketAddr;

use crate::connection::ViewerLimits;
use crate::object::representation::FieldValue;
use crate::service::origin::DEFAULT_CONCURRENCY;
use crate::service::{ServerConfig, ServiceConfig};
use crate::signing::PublicUrl;
use crate::storage::databricks;
use crate::storage::s3::client::{Access, OriginTimeouts};
use crate::telemetry::logging::LogFormat;
use crate::units::parse_size;
use crate::web::streams::StreamLimits;
use crate::web::viewer_address::TrustedProxies;
use crate::web::{Browse, CorsPolicy, Hosts, WebConfig};
use faults::{Faults, Reader};
use origin_url::Defaults;
use settings::Settings;

/// Everything that `s3reel serve` runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where viewers connect.
    pub listen: SocketAddr,
    /// Where health and figures are; `None` when they are off.
    pub admin_listen: Option<SocketAddr>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// The origins as they were written; empty for the short form.
    pub origins_written: Vec<String>,
    /// What holds for origins that do not say otherwise.
    pub origin_defaults: Defaults,
    /// The address that the outside knows the service by, if it is told.
    pub public_url: Option<PublicUrl>,
    /// The service itself.
    pub service: ServiceConfig,
}

impl Config {
    /// Reads all settings.
    ///
    /// # Errors
    /// Every fault there is, each with its variable, its value and what is allowed.
    pub fn parse(settings: &Settings) -> Result<Self, Faults> {
        Self::parse_with(settings, |name| std::env::var(name).ok())
    }

    /// The same, with the variables that are not ours (`DATABRICKS_*`) from wherever `variable` looks.
    ///
    /// # Errors
    /// Those of [`Config::parse`].
    pub fn parse_with(
        settings: &Settings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Faults> {
        let mut read = Reader::default();
        let listen = read.address("S3REEL_LISTEN", settings.listen.as_ref());
        let admin_listen = admin_listen(&mut read, settings.admin_listen.as_ref());
        let log_format = read.optional("S3REEL_LOG_FORMAT", settings.log_format.as_ref(), |text| {
            LogFormat::parse(text).ok_or_else(|| "`text` or `json`".to_owned())
        });
        let tls = tls::tls(&mut read, settings);
        let timeouts = timeouts(&mut read, settings);
        let server = server(&mut read, settings);
        let cors = read.optional(
            "S3REEL_CORS_ORIGINS",
            settings.cors_origins.as_ref(),
            |text| CorsPolicy::parse(text).map_err(|error| error.to_string()),
        );
        let web = web(&mut read, settings, cors.clone());
        let concurrency = concurrency(&mut read, settings);
        let force_path_style = read.switch(
            "S3REEL_FORCE_PATH_STYLE",
            settings.force_path_style.as_ref(),
        );
        let anonymous = read.switch("S3REEL_ANONYMOUS", settings.anonymous.as_ref());
        let cache = cache::cache(&mut read, settings);
        let origin_defaults = Defaults {
            timeouts,
            concurrency,
            force_path_style,
            access: match anonymous {
                Some(true) => Access::Anonymous,
                Some(false) | None => Access::Chain,
            },
            cors,
            workspace: databricks::credentials::from_variables(variable),
        };
        let origins = origins::origins(&mut read, settings, &origin_defaults);
        let (public_url, signed) = signing::signed_urls(&mut read, settings);
        // Without one there is a fault, and so no configuration.
        let Some(mut web) = web else {
            return Err(read.into_faults());
        };
        let (signed_urls, key_files) = signed.unzip();
        signing::check_origins(&mut read, key_files.as_ref(), &origins);
        web.signed_urls = signed_urls;
        let config = Self {
            listen: listen.unwrap_or(DEFAULT_LISTEN),
            admin_listen,
            log_format: log_format.unwrap_or_default(),
            origins_written: origins::entries(settings).map(ToOwned::to_owned).collect(),
            origin_defaults,
            public_url,
            service: ServiceConfig {
                origins,
                web,
                server,
                cache,
                tls,
                key_files,
            },
        };
        read.finish(config)
    }
}

/// `S3REEL_LISTEN`'s default: this machine only, until someone decides otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// `S3REEL_ADMIN_LISTEN`'s default.
pub const DEFAULT_ADMIN_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9091);

/// `S3REEL_CACHE_CONTROL`'s default: kept, but asked about each time, which a 304 makes cheap.
pub const DEFAULT_CACHE_CONTROL: &str = "public, max-age=0, must-revalidate";

/// `S3REEL_KEEP_ALIVE`'s default, above the 60 s of common balancers so that they close first.
pub const DEFAULT_KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(75);

/// `S3REEL_VIEWER_HOLD`'s default, longer than the gaps between a playing viewer's reads.
pub const DEFAULT_VIEWER_HOLD: std::time::Duration = std::time::Duration::from_secs(10);

fn admin_listen(read: &mut Reader, text: Option<&String>) -> Option<SocketAddr> {
    match text.map(String::as_str) {
        Some("off") => None,
        Some(_) => read.address("S3REEL_ADMIN_LISTEN", text),
        None => Some(DEFAULT_ADMIN_LISTEN),
    }
}

fn timeouts(read: &mut Reader, settings: &Settings) -> OriginTimeouts {
    let default = OriginTimeouts::default();
    let mut limit = |name: &'static str, text: Option<&String>| read.positive_duration(name, text);
    OriginTimeouts {
        connect: limit(
            "S3REEL_ORIGIN_CONNECT_TIMEOUT",
            settings.origin_connect_timeout.as_ref(),
        )
        .unwrap_or(default.connect),
        first_byte: limit(
            "S3REEL_ORIGIN_FIRST_BYTE_TIMEOUT",
            settings.origin_first_byte_timeout.as_ref(),
        )
        .unwrap_or(default.first_byte),
        idle: limit(
            "S3REEL_ORIGIN_IDLE_TIMEOUT",
            settings.origin_idle_timeout.as_ref(),
        )
        .unwrap_or(default.idle),
        min_rate: read
            .optional(
                "S3REEL_ORIGIN_MIN_RATE",
                settings.origin_min_rate.as_ref(),
                |text| parse_size(text).map_err(|error| error.to_string()),
            )
            .unwrap_or(default.min_rate),
        total: default.total,
    }
}

fn concurrency(read: &mut Reader, settings: &Settings) -> usize {
    read.optional(
        "S3REEL_ORIGIN_CONCURRENCY",
        settings.origin_concurrency.as_ref(),
        |text| match text.parse() {
            Ok(calls @ 1..=1_000_000) => Ok(calls),
            _ => Err("a whole number from 1 to 1000000".to_owned()),
        },
    )
    .unwrap_or(DEFAULT_CONCURRENCY)
}

fn server(read: &mut Reader, settings: &Settings) -> ServerConfig {
    let default = ServerConfig::default();
    ServerConfig {
        workers: read
            .optional(
                "S3REEL_WORKERS",
                settings.workers.as_ref(),
                |text| match text.parse() {
                    Ok(workers @ 1..=512) => Ok(workers),
                    _ => Err("a whole number from 1 to 512".to_owned()),
                },
            )
            .unwrap_or(default.workers),
        request_head_timeout: read
            .positive_duration(
                "S3REEL_REQUEST_HEAD_TIMEOUT",
                settings.request_head_timeout.as_ref(),
            )
            .unwrap_or(default.request_head_timeout),
        viewer: viewer_limits(read, settings),
        drain_delay: read
            .duration("S3REEL_DRAIN_DELAY", settings.drain_delay.as_ref())
            .unwrap_or(default.drain_delay),
        drain_timeout: read
            .duration("S3REEL_DRAIN_TIMEOUT", settings.drain_timeout.as_ref())
            .unwrap_or(default.drain_timeout),
    }
}

fn viewer_limits(read: &mut Reader, settings: &Settings) -> ViewerLimits {
    let default = ViewerLimits::default();
    let timeout = settings.viewer_timeout.as_ref();
    let min_rate = settings.viewer_min_rate.as_ref();
    ViewerLimits {
        timeout: read
            .positive_duration("S3REEL_VIEWER_TIMEOUT", timeout)
            .unwrap_or(default.timeout),
        min_rate: read
            .size("S3REEL_VIEWER_MIN_RATE", min_rate)
            .unwrap_or(default.min_rate),
        window: default.window,
    }
}

fn web(read: &mut Reader, settings: &Settings, cors: Option<CorsPolicy>) -> Option<WebConfig> {
    let cache_control = read.optional(
        "S3REEL_CACHE_CONTROL",
        settings.cache_control.as_ref(),
        |text| {
            FieldValue::parse(text)
                .filter(|value| value.as_str().is_ascii())
                .ok_or_else(|| {
                    "a Cache-Control field value such as `public, max-age=3600`".to_owned()
                })
        },
    );
    let browse = read.switch("S3REEL_BROWSE", settings.browse.as_ref());
    let keep_alive = read.positive_duration("S3REEL_KEEP_ALIVE", settings.keep_alive.as_ref());
    let viewer_hold = read.positive_duration("S3REEL_VIEWER_HOLD", settings.viewer_hold.as_ref());
    let streams = stream_limits(read, settings);
    let trusted_proxies = trusted_proxies(read, settings);
    Some(WebConfig {
        cors: cors.unwrap_or(CorsPolicy::Any),
        cache_control: match cache_control {
            Some(value) => value,
            None => FieldValue::parse(DEFAULT_CACHE_CONTROL)?,
        },
        browse: if browse == Some(true) {
            Browse::On
        } else {
            Browse::Off
        },
        keep_alive: keep_alive.unwrap_or(DEFAULT_KEEP_ALIVE),
        viewer_hold: viewer_hold.unwrap_or(DEFAULT_VIEWER_HOLD),
        streams,
        trusted_proxies,
        hosts: Hosts::Any,
        signed_urls: None,
    })
}

fn stream_limits(read: &mut Reader, settings: &Settings) -> StreamLimits {
    let default = StreamLimits::default();
    let name = "S3REEL_MAX_STREAMS_PER_ADDRESS";
    let text = settings.max_streams_per_address.as_ref();
    let per_address = match text.map(String::as_str) {
        None | Some("off") => None,
        Some(value) => {
            if settings.trusted_proxies.is_none() {
                read.fault(name, Some(value), NEEDS_TRUSTED_PROXIES);
            }
            read.streams(name, text)
        }
    };
    StreamLimits {
        total: read
            .streams("S3REEL_MAX_STREAMS", settings.max_streams.as_ref())
            .unwrap_or(default.total),
        per_address,
    }
}

/// Why a limit for each address is no configuration by itself.
const NEEDS_TRUSTED_PROXIES: &str = "behind a balancer every viewer has the balancer's address, so \
     set S3REEL_TRUSTED_PROXIES too: to the balancer's networks, or to nothing if viewers connect \
     here themselves";

fn trusted_proxies(read: &mut Reader, settings: &Settings) -> TrustedProxies {
    read.optional(
        "S3REEL_TRUSTED_PROXIES",
        settings.trusted_proxies.as_ref(),
        |text| TrustedProxies::parse(text).map_err(|error| error.to_string()),
    )
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::origin::OriginSource;

    fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings {
            bucket: Some("media".to_owned()),
            ..Settings::default()
        };
        change(&mut settings);
        settings
    }

    #[test]
    fn a_bucket_alone_is_a_configuration_with_the_contracts_defaults() {
        let config = Config::parse(&settings(|_| {})).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.admin_listen.unwrap().to_string(), "127.0.0.1:9091");
        assert_eq!(config.service.origins.len(), 1);
        assert_eq!(config.service.origins[0].source.to_string(), "s3://media/");
        assert_eq!(config.service.origins[0].mount.to_string(), "/");
        assert_eq!(config.service.origins[0].concurrency, 256);
        assert_eq!(config.service.web.cors, CorsPolicy::Any);
        assert_eq!(config.service.web.browse, Browse::Off);
        assert_eq!(config.service.web.keep_alive.as_secs(), 75);
        assert_eq!(
            config.service.web.cache_control.as_str(),
            "public, max-age=0, must-revalidate"
        );
    }

    #[test]
    fn every_setting_reaches_its_place() {
        let config = Config::parse(&settings(|settings| {
            settings.prefix = Some("films".to_owned());
            settings.listen = Some("[::1]:1234".to_owned());
            settings.admin_listen = Some("off".to_owned());
            settings.cors_origins = Some(String::new());
            settings.browse = Some("on".to_owned());
            settings.force_path_style = Some("false".to_owned());
            settings.anonymous = Some("true".to_owned());
            settings.origin_idle_timeout = Some("250ms".to_owned());
            settings.origin_concurrency = Some("7".to_owned());
            settings.log_format = Some("json".to_owned());
            settings.drain_delay = Some("0s".to_owned());
        }))
        .unwrap();
        assert_eq!(config.listen.port(), 1234);
        assert_eq!(config.admin_listen, None);
        assert_eq!(config.log_format, LogFormat::Json);
        let service = config.service;
        let OriginSource::S3(s3) = &service.origins[0].source else {
            panic!("{:?}", service.origins);
        };
        assert_eq!(s3.prefix.as_str(), "films/");
        assert_eq!(service.web.cors, CorsPolicy::Off);
        assert_eq!(service.web.browse, Browse::On);
        assert_eq!(s3.force_path_style, Some(false));
        assert!(matches!(s3.access, Access::Anonymous));
        assert_eq!(s3.timeouts.idle.as_millis(), 250);
        assert_eq!(service.origins[0].concurrency, 7);
        assert_eq!(service.server.drain_delay.as_millis(), 0);
    }

    #[test]
    fn a_limit_for_each_address_needs_a_word_on_proxies() {
        let read = |limit: &str, proxies: Option<&str>| {
            Config::parse(&settings(|settings| {
                settings.max_streams_per_address = Some(limit.to_owned());
                settings.trusted_proxies = proxies.map(ToOwned::to_owned);
            }))
            .map(|config| config.service.web.streams.per_address)
        };
        assert_eq!(read("8", Some("10.0.0.0/8")), Ok(Some(8)));
        assert_eq!(read("8", Some("")), Ok(Some(8)));
        assert_eq!(read("off", None), Ok(None));
        let fault = read("8", None).unwrap_err().to_string();
        assert!(
            fault.contains("S3REEL_MAX_STREAMS_PER_ADDRESS=\"8\": behind a balancer")
                && fault.contains("S3REEL_TRUSTED_PROXIES"),
            "{fault}"
        );
        assert!(read("0", Some("")).is_err());
        let fault = read("8", Some("10.0.0.1/8")).unwrap_err().to_string();
        assert!(
            fault.contains("S3REEL_TRUSTED_PROXIES=\"10.0.0.1/8\""),
            "{fault}"
        );
    }

    #[test]
    fn all_faults_are_listed_at_once_with_variable_value_and_what_is_allowed() {
        let faults = Config::parse(&Settings {
            listen: Some("here".to_owned()),
            workers: Some("0".to_owned()),
            keep_alive: Some("75".to_owned()),
            browse: Some("maybe".to_owned()),
            ..Settings::default()
        })
        .unwrap_err()
        .to_string();
        for part in [
            "S3REEL_BUCKET is not set: the name of the bucket",
            "S3REEL_LISTEN=\"here\"",
            "S3REEL_WORKERS=\"0\": a whole number from 1 to 512",
            "S3REEL_KEEP_ALIVE=\"75\": a duration is",
            "S3REEL_BROWSE=\"maybe\": `on` or `off`",
        ] {
            assert!(faults.contains(part), "{part:?} is missing in:\n{faults}");
        }
        assert_eq!(faults.lines().count(), 5, "{faults}");
    }
}
