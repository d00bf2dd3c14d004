//! The text of settings: every flag has an environment variable of the same name.

use clap::{Args, CommandFactory};

/// Settings of `s3reel serve`, not yet read. They stay text here because the command line parser
/// would stop at the first wrong one.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// What to serve where, repeatable: `PATH=URL` such as `/=s3://films/published`,
    /// `/old=s3://archive?region=eu-north-1`, `/local=file:/srv/media`,
    /// `/uc=databricks:/Volumes/c/s/v` or `//host/path=URL`.
    #[arg(long = "origin", env = "S3REEL_ORIGINS", value_name = "PATH=URL")]
    pub origins: Vec<String>,
    /// The bucket to serve: short for `--origin /=s3://NAME/PREFIX`.
    #[arg(long, env = "S3REEL_BUCKET", value_name = "NAME")]
    pub bucket: Option<String>,
    /// Serve only keys under this prefix; it ends at a `/`, added if missing.
    #[arg(long, env = "S3REEL_PREFIX", value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Where viewers connect [default: 127.0.0.1:8080].
    #[arg(long, env = "S3REEL_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Where health and metrics are; `off` disables them [default: 127.0.0.1:9091].
    #[arg(long, env = "S3REEL_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<String>,
    /// PEM file of a certificate and its issuers; set, viewers are spoken to over TLS.
    #[arg(long, env = "S3REEL_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<String>,
    /// PEM file of its private key; required with a certificate.
    #[arg(long, env = "S3REEL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Threads that serve viewers [default: the number of cores].
    #[arg(long, env = "S3REEL_WORKERS", value_name = "NUMBER")]
    pub workers: Option<String>,
    /// Put the bucket in the path of S3 requests [default: on if an endpoint URL is configured].
    #[arg(long, env = "S3REEL_FORCE_PATH_STYLE", value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    pub force_path_style: Option<String>,
    /// Read a public bucket without credentials [default: off].
    #[arg(long, env = "S3REEL_ANONYMOUS", value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    pub anonymous: Option<String>,
    /// Pages of which origins may read answers: `*`, a comma list, or empty for none [default: *].
    #[arg(long, env = "S3REEL_CORS_ORIGINS", value_name = "ORIGINS")]
    pub cors_origins: Option<String>,
    /// Cache-Control for objects that have none stored [default: public, max-age=0, must-revalidate].
    #[arg(long, env = "S3REEL_CACHE_CONTROL", value_name = "VALUE")]
    pub cache_control: Option<String>,
    /// Show the bucket at /-/ [default: off].
    #[arg(long, env = "S3REEL_BROWSE", value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    pub browse: Option<String>,
    /// Bytes of blocks of objects that are kept in memory, 0 for no cache [default: 256MiB].
    #[arg(long, env = "S3REEL_CACHE_MEMORY", value_name = "SIZE")]
    pub cache_memory: Option<String>,
    /// Folder for blocks on disk, which outlive the process; one process alone may have it.
    #[arg(long, env = "S3REEL_CACHE_DIR", value_name = "FOLDER")]
    pub cache_dir: Option<String>,
    /// Bytes of blocks that are kept there [default: 10GiB].
    #[arg(long, env = "S3REEL_CACHE_DISK", value_name = "SIZE")]
    pub cache_disk: Option<String>,
    /// Bytes of a block, a power of two from 64KiB to 16MiB [default: 1MiB].
    #[arg(long, env = "S3REEL_BLOCK_SIZE", value_name = "SIZE")]
    pub block_size: Option<String>,
    /// How long what is known of an object is believed before S3 is asked again [default: 10s].
    #[arg(long, env = "S3REEL_METADATA_TTL", value_name = "DURATION")]
    pub metadata_ttl: Option<String>,
    /// How much longer it is believed while S3 cannot be asked [default: 0s].
    #[arg(long, env = "S3REEL_STALE_IF_ERROR", value_name = "DURATION")]
    pub stale_if_error: Option<String>,
    /// Most bytes that are fetched ahead of what a viewer has taken [default: 8MiB].
    #[arg(long, env = "S3REEL_READ_AHEAD", value_name = "SIZE")]
    pub read_ahead: Option<String>,
    /// Most answers with objects at once [default: 4000].
    #[arg(long, env = "S3REEL_MAX_STREAMS", value_name = "NUMBER")]
    pub max_streams: Option<String>,
    /// Most of them for one viewer's address, or `off` [default: off].
    #[arg(
        long,
        env = "S3REEL_MAX_STREAMS_PER_ADDRESS",
        value_name = "NUMBER|off"
    )]
    pub max_streams_per_address: Option<String>,
    /// Public keys of signed URLs and cookies, `KEYPAIRID=file.pem,...`; set, everything has to be signed.
    #[arg(long, env = "S3REEL_SIGNED_URL_KEYS", value_name = "KEYS")]
    pub signed_url_keys: Option<String>,
    /// The address that links begin with, which signatures cover; required with keys.
    #[arg(long, env = "S3REEL_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// How long after its end a signature still opens requests with Range [default: 0s].
    #[arg(long, env = "S3REEL_SIGNED_URL_GRACE", value_name = "DURATION")]
    pub signed_url_grace: Option<String>,
    /// Addresses and networks of proxies that tell viewers' addresses truly.
    #[arg(long, env = "S3REEL_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
    /// Longest wait for a connection to S3 [default: 1s].
    #[arg(long, env = "S3REEL_ORIGIN_CONNECT_TIMEOUT", value_name = "DURATION")]
    pub origin_connect_timeout: Option<String>,
    /// Longest wait for the head of an answer of S3, each attempt [default: 3s].
    #[arg(
        long,
        env = "S3REEL_ORIGIN_FIRST_BYTE_TIMEOUT",
        value_name = "DURATION"
    )]
    pub origin_first_byte_timeout: Option<String>,
    /// Longest silence of S3 within a body that the viewer is ready for [default: 6s].
    #[arg(long, env = "S3REEL_ORIGIN_IDLE_TIMEOUT", value_name = "DURATION")]
    pub origin_idle_timeout: Option<String>,
    /// Bytes a second that S3 has to send, over 30 s that the viewer is ready for them [default: 16KiB].
    #[arg(long, env = "S3REEL_ORIGIN_MIN_RATE", value_name = "SIZE")]
    pub origin_min_rate: Option<String>,
    /// Calls to S3 that may await the head of their answer at once [default: 256].
    #[arg(long, env = "S3REEL_ORIGIN_CONCURRENCY", value_name = "N")]
    pub origin_concurrency: Option<String>,
    /// Longest wait for a request head [default: 10s].
    #[arg(long, env = "S3REEL_REQUEST_HEAD_TIMEOUT", value_name = "DURATION")]
    pub request_head_timeout: Option<String>,
    /// How long an idle connection of a viewer stays open [default: 75s].
    #[arg(long, env = "S3REEL_KEEP_ALIVE", value_name = "DURATION")]
    pub keep_alive: Option<String>,
    /// How long a viewer may take nothing before its read from S3 is given up [default: 10s].
    #[arg(long, env = "S3REEL_VIEWER_HOLD", value_name = "DURATION")]
    pub viewer_hold: Option<String>,
    /// How long a viewer may take nothing before its connection is closed [default: 15m].
    #[arg(long, env = "S3REEL_VIEWER_TIMEOUT", value_name = "DURATION")]
    pub viewer_timeout: Option<String>,
    /// Bytes a second that a viewer takes at least unless it pauses [default: 1KiB].
    #[arg(long, env = "S3REEL_VIEWER_MIN_RATE", value_name = "SIZE")]
    pub viewer_min_rate: Option<String>,
    /// How long after SIGTERM new connections are still taken [default: 5s].
    #[arg(long, env = "S3REEL_DRAIN_DELAY", value_name = "DURATION")]
    pub drain_delay: Option<String>,
    /// How long open streams may go on after that [default: 20s].
    #[arg(long, env = "S3REEL_DRAIN_TIMEOUT", value_name = "DURATION")]
    pub drain_timeout: Option<String>,
    /// `text` or `json` [default: text].
    #[arg(long, env = "S3REEL_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// The name that every variable of ours starts with.
const VARIABLE_PREFIX: &str = "S3REEL_";

/// All variables that settings are read from, in the order of the help text.
#[must_use]
pub fn known_variables() -> Vec<String> {
    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        settings: Settings,
    }
    Alone::command()
        .get_arguments()
        .filter_map(|argument| argument.get_env())
        .map(|variable| variable.to_string_lossy().into_owned())
        .collect()
}

/// Those of `names` that look like settings of ours but are none: most likely misspelt.
#[must_use]
pub fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let known = known_variables();
    names
        .filter(|name| name.starts_with(VARIABLE_PREFIX) && !known.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_noticed_and_foreign_ones_are_not() {
        let names = ["S3REEL_BUCKET", "S3REEL_BUCKTE", "PATH", "S3REELX"];
        let unknown = unknown_variables(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(unknown, ["S3REEL_BUCKTE"]);
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            settings: Settings,
        }
        for argument in Alone::command().get_arguments() {
            let Some(flag) = argument.get_long().filter(|flag| *flag != "help") else {
                continue;
            };
            let variable = match flag {
                // One of them, and all of them.
                "origin" => "S3REEL_ORIGINS".to_owned(),
                _ => format!("S3REEL_{}", flag.to_uppercase().replace('-', "_")),
            };
            let env = argument
                .get_env()
                .map(|env| env.to_string_lossy().into_owned());
            assert_eq!(env, Some(variable));
        }
    }
}
