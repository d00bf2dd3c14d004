//! The effective configuration, for the start-up line.

use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use super::cache::DEFAULT_DISK;
use crate::cache::{CacheConfig, DiskConfig};
use crate::service::origin::OriginSource;
use crate::service::tls::CertificateFiles;
use crate::storage::s3::S3Config;
use crate::storage::s3::client::Access;
use crate::units::{format_duration, format_size};
use crate::web::{Browse, CorsPolicy};

impl Config {
    /// All settings with the values that are in force, by the names of their variables. No setting
    /// is a secret; credentials are the SDK's.
    #[must_use]
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let Self {
            listen,
            admin_listen,
            log_format,
            origins_written: written,
            origin_defaults: defaults,
            public_url,
            service,
        } = self;
        let (web, server, timeouts) = (&service.web, &service.server, &defaults.timeouts);
        let off = || "off".to_owned();
        let switch = |on: bool| if on { "on".to_owned() } else { off() };
        let tls_file = |which: fn(&CertificateFiles) -> &PathBuf| {
            let files = service.tls.as_ref().map(|tls| &tls.files);
            or_nothing(files.map(|files| which(files).display()).as_ref())
        };
        let mut settings = vec![
            ("S3REEL_ORIGINS", written.join(" ")),
            ("S3REEL_BUCKET", self.short(|s3| s3.bucket.to_string())),
            ("S3REEL_PREFIX", self.short(|s3| s3.prefix.to_string())),
            ("S3REEL_LISTEN", listen.to_string()),
            (
                "S3REEL_ADMIN_LISTEN",
                admin_listen.map_or_else(off, |address| address.to_string()),
            ),
            (
                "S3REEL_TLS_CERTIFICATE",
                tls_file(|files| &files.certificate),
            ),
            ("S3REEL_TLS_KEY", tls_file(|files| &files.key)),
            ("S3REEL_WORKERS", server.workers.to_string()),
            (
                "S3REEL_FORCE_PATH_STYLE",
                defaults
                    .force_path_style
                    .map_or_else(|| "auto".to_owned(), switch),
            ),
            (
                "S3REEL_ANONYMOUS",
                switch(matches!(defaults.access, Access::Anonymous)),
            ),
            ("S3REEL_CORS_ORIGINS", cors(&web.cors)),
            ("S3REEL_CACHE_CONTROL", web.cache_control.to_string()),
            ("S3REEL_BROWSE", switch(web.browse == Browse::On)),
        ];
        settings.extend(cache(&service.cache));
        settings.extend([
            ("S3REEL_MAX_STREAMS", web.streams.total.to_string()),
            (
                "S3REEL_MAX_STREAMS_PER_ADDRESS",
                web.streams
                    .per_address
                    .map_or_else(off, |streams| streams.to_string()),
            ),
            (
                "S3REEL_SIGNED_URL_KEYS",
                or_nothing(service.key_files.as_ref()),
            ),
            ("S3REEL_PUBLIC_URL", or_nothing(public_url.as_ref())),
            (
                "S3REEL_SIGNED_URL_GRACE",
                time(
                    web.signed_urls
                        .as_ref()
                        .map_or(Duration::ZERO, |signed| signed.grace),
                ),
            ),
            ("S3REEL_TRUSTED_PROXIES", web.trusted_proxies.to_string()),
            ("S3REEL_ORIGIN_CONNECT_TIMEOUT", time(timeouts.connect)),
            (
                "S3REEL_ORIGIN_FIRST_BYTE_TIMEOUT",
                time(timeouts.first_byte),
            ),
            ("S3REEL_ORIGIN_IDLE_TIMEOUT", time(timeouts.idle)),
            ("S3REEL_ORIGIN_MIN_RATE", format_size(timeouts.min_rate)),
            (
                "S3REEL_ORIGIN_CONCURRENCY",
                defaults.concurrency.to_string(),
            ),
            (
                "S3REEL_REQUEST_HEAD_TIMEOUT",
                time(server.request_head_timeout),
            ),
            ("S3REEL_KEEP_ALIVE", time(web.keep_alive)),
            ("S3REEL_VIEWER_HOLD", time(web.viewer_hold)),
            ("S3REEL_VIEWER_TIMEOUT", time(server.viewer.timeout)),
            (
                "S3REEL_VIEWER_MIN_RATE",
                format_size(server.viewer.min_rate),
            ),
            ("S3REEL_DRAIN_DELAY", time(server.drain_delay)),
            ("S3REEL_DRAIN_TIMEOUT", time(server.drain_timeout)),
            ("S3REEL_LOG_FORMAT", log_format.to_string()),
        ]);
        settings
    }

    /// What the short form says; empty where the list is used.
    fn short(&self, what: impl Fn(&S3Config) -> String) -> String {
        match self.service.origins.as_slice() {
            [only] if self.origins_written.is_empty() => match &only.source {
                OriginSource::S3(s3) => what(s3),
                OriginSource::File(_) | OriginSource::Databricks(_) => String::new(),
            },
            _ => String::new(),
        }
    }
}

fn time(duration: Duration) -> String {
    format_duration(duration)
}

fn or_nothing(setting: Option<&impl ToString>) -> String {
    setting.map_or_else(String::new, ToString::to_string)
}

fn cors(policy: &CorsPolicy) -> String {
    match policy {
        CorsPolicy::Off => String::new(),
        CorsPolicy::Any => "*".to_owned(),
        CorsPolicy::Listed(origins) => origins.join(","),
    }
}

fn cache(cache: &CacheConfig) -> [(&'static str, String); 7] {
    let disk = cache.disk.as_ref();
    let folder = |disk: &DiskConfig| disk.folder.display().to_string();
    [
        ("S3REEL_CACHE_MEMORY", format_size(cache.memory)),
        ("S3REEL_CACHE_DIR", disk.map_or_else(String::new, folder)),
        (
            "S3REEL_CACHE_DISK",
            format_size(disk.map_or(DEFAULT_DISK, |disk| disk.capacity)),
        ),
        ("S3REEL_BLOCK_SIZE", format_size(cache.block_size)),
        ("S3REEL_METADATA_TTL", time(cache.metadata_ttl)),
        ("S3REEL_STALE_IF_ERROR", time(cache.stale_if_error)),
        ("S3REEL_READ_AHEAD", format_size(cache.read_ahead)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{Settings, known_variables};

    #[test]
    fn every_setting_is_told_with_the_value_in_force() {
        let settings = Settings {
            bucket: Some("media".to_owned()),
            keep_alive: Some("90s".to_owned()),
            cors_origins: Some("https://a.example".to_owned()),
            ..Settings::default()
        };
        let effective = Config::parse(&settings).unwrap().effective();
        let names: Vec<_> = effective.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, known_variables());
        let value = |wanted| {
            effective
                .iter()
                .find(|(name, _)| *name == wanted)
                .unwrap()
                .1
                .as_str()
        };
        assert_eq!(value("S3REEL_KEEP_ALIVE"), "90s");
        assert_eq!(value("S3REEL_CORS_ORIGINS"), "https://a.example");
        assert_eq!(value("S3REEL_DRAIN_TIMEOUT"), "20s");
        assert_eq!(value("S3REEL_BUCKET"), "media");
        assert_eq!(value("S3REEL_ORIGINS"), "");
        let settings = Settings {
            origins: vec!["/=s3://a-b?region=x, /c=file:/srv".to_owned()],
            ..Settings::default()
        };
        let effective = Config::parse(&settings).unwrap().effective();
        let told = effective.iter().take(2).map(|(_, value)| value.as_str());
        let told: Vec<_> = told.collect();
        assert_eq!(told, ["/=s3://a-b?region=x /c=file:/srv", ""]);
    }
}
