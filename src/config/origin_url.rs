//! One origin as a setting writes it, `PATH=URL`, to types.
//!
//! Everything after the first `=` is percent-decoded once, part by part, so that white space and commas,
//! which separate entries, can be written as `%20` and `%2C`. `+` stands for itself.

use std::num::NonZeroU64;
use std::path::Path;

use super::parameters::{Parameters, decoded};
use super::places::{folder, volume, workspace};
use crate::object::mount::Mount;
use crate::object::{BucketName, KeyPrefix};
use crate::service::origin::{OriginConfig, OriginSource};
use crate::signing;
use crate::storage::databricks::credentials::CredentialsError;
use crate::storage::databricks::{Credentials, DatabricksConfig, WorkspaceUrl};
use crate::storage::file::FileConfig;
use crate::storage::s3::S3Config;
use crate::storage::s3::client::{Access, OriginTimeouts};
use crate::storage::s3::config::{EndpointUrl, Payer, RegionName};
use crate::storage::s3::trust::CaFile;
use crate::units::parse_size;
use crate::web::CorsPolicy;

/// What holds for every origin that does not say otherwise.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// Time limits.
    pub timeouts: OriginTimeouts,
    /// Calls that may await the head of their answer at once.
    pub concurrency: usize,
    /// `S3REEL_FORCE_PATH_STYLE`.
    pub force_path_style: Option<bool>,
    /// `S3REEL_ANONYMOUS`.
    pub access: Access,
    /// `S3REEL_CORS_ORIGINS`, if it is set at all.
    pub cors: Option<CorsPolicy>,
    /// The workspace of all volumes, of `DATABRICKS_HOST` and its like; what is wrong with them is a fault
    /// only where there is a volume.
    pub workspace: Result<(WorkspaceUrl, Credentials), Vec<CredentialsError>>,
}

/// The kinds of URLs that there are, for the fault.
const KINDS: &str = "an origin is PATH=URL with a URL such as s3://bucket/prefix, file:/folder or \
     databricks:/Volumes/catalog/schema/volume";

/// Reads an entry.
///
/// # Errors
/// Every fault there is, each as what is allowed.
pub fn parse(entry: &str, defaults: &Defaults) -> Result<OriginConfig, Vec<String>> {
    let mut faults = Vec::new();
    let Some((place, url)) = entry.split_once('=') else {
        return Err(vec![KINDS.to_owned()]);
    };
    let mount = Mount::parse(place).map_err(|error| faults.push(error.to_string()));
    let (location, query) = url.split_once('?').unwrap_or((url, ""));
    let kind = if let Some(rest) = location.strip_prefix("s3://") {
        Some(Kind::S3(rest))
    } else if let Some(rest) = location.strip_prefix("file:") {
        Some(Kind::File(rest))
    } else {
        location.strip_prefix("databricks:").map(Kind::Databricks)
    };
    let (Some(kind), false) = (kind, url.contains('#')) else {
        faults.push(KINDS.to_owned());
        return Err(faults);
    };
    let mut parameters = Parameters::read(query, &mut faults);
    let origin = origin(&kind, &mut parameters, defaults);
    parameters.refuse_the_rest(kind.parameters());
    match (mount, origin) {
        (Ok(mount), Some(origin)) if faults.is_empty() => Ok(OriginConfig { mount, ..origin }),
        _ => Err(faults),
    }
}

enum Kind<'a> {
    S3(&'a str),
    File(&'a str),
    Databricks(&'a str),
}

impl Kind<'_> {
    /// The parameters that it has, for the fault.
    const fn parameters(&self) -> &'static str {
        match self {
            Self::S3(_) => {
                "region, endpoint, profile, path_style, requester_pays, anonymous, ca_file, \
                 connect_timeout, first_byte_timeout, idle_timeout, min_rate, concurrency, cors, \
                 max_answer and keys"
            }
            Self::File(_) => "concurrency, cors, max_answer and keys",
            Self::Databricks(_) => {
                "connect_timeout, first_byte_timeout, idle_timeout, min_rate, concurrency, cors, \
                 max_answer and keys"
            }
        }
    }
}

fn origin(
    kind: &Kind<'_>,
    parameters: &mut Parameters<'_>,
    defaults: &Defaults,
) -> Option<OriginConfig> {
    let source = match kind {
        Kind::S3(rest) => {
            let timeouts = timeouts(parameters, defaults.timeouts);
            s3(rest, parameters, defaults, timeouts).map(|s3| OriginSource::S3(Box::new(s3)))
        }
        Kind::File(rest) => folder(rest, parameters).map(|folder| {
            let timeouts = defaults.timeouts;
            OriginSource::File(FileConfig { folder, timeouts })
        }),
        Kind::Databricks(rest) => {
            let timeouts = timeouts(parameters, defaults.timeouts);
            let workspace = workspace(parameters, defaults);
            let volume = volume(rest, parameters);
            volume.zip(workspace).map(|(volume, (host, credentials))| {
                OriginSource::Databricks(Box::new(DatabricksConfig {
                    host,
                    volume,
                    credentials,
                    timeouts,
                    most_idle: usize::MAX,
                }))
            })
        }
    };
    let concurrency = parameters.take("concurrency", |text| match text.parse() {
        Ok(calls @ 1..=1_000_000) => Ok(calls),
        _ => Err("a whole number from 1 to 1000000".to_owned()),
    });
    let cors = parameters.take("cors", |text| {
        CorsPolicy::parse(&text.replace('+', ","))
            .map_err(|_| "`*`, empty, or origins with `+` between them".to_owned())
    });
    let max_answer = parameters.take("max_answer", |text| {
        let bytes = parse_size(text).map_err(|error| error.to_string())?;
        NonZeroU64::new(bytes).ok_or_else(|| "a size above zero, such as 8MiB".to_owned())
    });
    let access = parameters.take("keys", |text| {
        signing::Access::parse(text).ok_or_else(|| {
            "`none`, or ids of key pairs with `+` between them, each of 1 to 128 letters, digits, \
             `-` and `_`"
                .to_owned()
        })
    });
    let source = source?;
    // What is on this machine's disk is nobody's business elsewhere unless someone says so.
    let is_folder = matches!(source, OriginSource::File(_));
    let cors = cors.or_else(|| {
        let private = is_folder && defaults.cors.is_none();
        private.then_some(CorsPolicy::Off)
    });
    Some(OriginConfig {
        concurrency: concurrency.unwrap_or(defaults.concurrency),
        cors,
        max_answer,
        access: access.unwrap_or_default(),
        ..OriginConfig::of(source)
    })
}

fn s3(
    location: &str,
    parameters: &mut Parameters<'_>,
    defaults: &Defaults,
    timeouts: OriginTimeouts,
) -> Option<S3Config> {
    let (bucket, prefix) = split_bucket(location);
    let bucket = BucketName::parse(bucket);
    let bucket = bucket.map_err(|error| parameters.fault(error.to_string()));
    let prefix = decoded(prefix)
        .and_then(|prefix| KeyPrefix::parse(&prefix).map_err(|error| error.to_string()));
    let prefix = prefix.map_err(|error| parameters.fault(format!("prefix: {error}")));
    let region = parameters.take("region", |text| {
        RegionName::parse(text).ok_or_else(|| "a region such as eu-north-1".to_owned())
    });
    let endpoint = parameters.take("endpoint", |text| {
        EndpointUrl::parse(text).ok_or_else(|| {
            "an http or https URL such as https://s3.example:9000, without user, query and fragment"
                .to_owned()
        })
    });
    let profile = parameters.take("profile", |text| {
        let is_name = !text.is_empty() && !text.chars().any(char::is_control);
        let is_name = is_name.then(|| text.to_owned());
        is_name.ok_or_else(|| "the name of a profile in the AWS files".to_owned())
    });
    let force_path_style = parameters.switch("path_style");
    let payer = parameters.switch("requester_pays");
    let anonymous = parameters.switch("anonymous");
    let ca_file = parameters.take("ca_file", |text| {
        CaFile::read(Path::new(text)).map_err(|error| format!("the file {error}"))
    });
    if anonymous == Some(true) && payer == Some(true) {
        parameters.fault("requester_pays: who pays has to be known, so not anonymous".to_owned());
    }
    if anonymous == Some(true) && profile.is_some() {
        parameters.fault("profile: anonymous requests have no credentials".to_owned());
    }
    let (bucket, prefix) = (bucket.ok()?, prefix.ok()?);
    if force_path_style == Some(true) && !bucket.may_be_in_paths() {
        parameters.fault(
            "path_style: access points and directory buckets cannot stand in the path".to_owned(),
        );
    }
    let access = match anonymous {
        Some(true) => Access::Anonymous,
        // Whoever names a profile wants its credentials, whatever holds for others.
        None if profile.is_none() => defaults.access.clone(),
        Some(false) | None => Access::Chain,
    };
    let default_style = defaults
        .force_path_style
        .filter(|_| bucket.may_be_in_paths());
    Some(S3Config {
        prefix,
        force_path_style: force_path_style.or(default_style),
        region,
        endpoint,
        profile,
        payer: match payer {
            Some(true) => Payer::Requester,
            Some(false) | None => Payer::Owner,
        },
        ca_file,
        timeouts,
        ..S3Config::of(bucket, access)
    })
}

/// Bucket and prefix. The ARN of an access point has slashes of its own.
fn split_bucket(location: &str) -> (&str, &str) {
    let from = match location.find("accesspoint/") {
        Some(at) if location.starts_with("arn:") => at + "accesspoint/".len(),
        _ => 0,
    };
    let (_, rest) = location.split_at_checked(from).unwrap_or((location, ""));
    match rest.find('/') {
        Some(slash) => {
            let (bucket, prefix) = location.split_at(from + slash);
            (bucket, prefix.strip_prefix('/').unwrap_or(prefix))
        }
        None => (location, ""),
    }
}

fn timeouts(parameters: &mut Parameters<'_>, default: OriginTimeouts) -> OriginTimeouts {
    OriginTimeouts {
        connect: parameters
            .duration("connect_timeout")
            .unwrap_or(default.connect),
        first_byte: parameters
            .duration("first_byte_timeout")
            .unwrap_or(default.first_byte),
        idle: parameters.duration("idle_timeout").unwrap_or(default.idle),
        min_rate: parameters
            .take("min_rate", |text| {
                parse_size(text).map_err(|error| error.to_string())
            })
            .unwrap_or(default.min_rate),
        total: default.total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::databricks::credentials;
    use std::time::Duration;

    fn defaults() -> Defaults {
        Defaults {
            timeouts: OriginTimeouts::default(),
            concurrency: 256,
            force_path_style: None,
            access: Access::Chain,
            cors: None,
            workspace: credentials::from_variables(|name| match name {
                "DATABRICKS_HOST" => Some("https://a.cloud.databricks.com".to_owned()),
                "DATABRICKS_TOKEN" => Some("dapi-hidden".to_owned()),
                _ => None,
            }),
        }
    }

    fn s3_of(entry: &str) -> S3Config {
        match parse(entry, &defaults()).unwrap().source {
            OriginSource::S3(s3) => *s3,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bucket_and_prefix_come_apart_also_behind_an_arn() {
        let arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/films";
        let outpost = "arn:aws:s3-outposts:us-west-2:1:outpost/op-1/accesspoint/films";
        let global = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap";
        let colon = "arn:aws:s3:us-west-2:123456789012:accesspoint:films";
        for (location, bucket, prefix) in [
            ("films", "films", ""),
            ("films/", "films", ""),
            ("films/a", "films", "a/"),
            ("films/a/b/", "films", "a/b/"),
            ("films/a%20b%2Cc+d", "films", "a b,c+d/"),
            ("films--usw2-az1--x-s3/a", "films--usw2-az1--x-s3", "a/"),
            (arn, arn, ""),
            (&format!("{arn}/a/b"), arn, "a/b/"),
            (&format!("{outpost}/a"), outpost, "a/"),
            (&format!("{global}/a"), global, "a/"),
            (&format!("{colon}/a"), colon, "a/"),
        ] {
            let s3 = s3_of(&format!("/=s3://{location}"));
            assert_eq!((s3.bucket.as_str(), s3.prefix.as_str()), (bucket, prefix));
        }
    }

    #[test]
    fn every_parameter_reaches_its_place() {
        let origin = parse(
            "/x=s3://films/a?region=eu-north-1&endpoint=https://s3.example:9000/&profile=a%20b\
             &path_style=off&requester_pays=on&anonymous=off&connect_timeout=2s\
             &first_byte_timeout=4s&idle_timeout=5s&min_rate=1KiB&concurrency=7\
             &cors=https://a.example+https://b.example&max_answer=8MiB&keys=K1+K2",
            &defaults(),
        )
        .unwrap();
        assert_eq!(origin.concurrency, 7);
        let both = ["https://a.example", "https://b.example"].map(ToOwned::to_owned);
        assert_eq!(origin.cors, Some(CorsPolicy::Listed(both.to_vec())));
        assert_eq!(
            origin.max_answer.map(NonZeroU64::get),
            Some(8 * 1024 * 1024)
        );
        assert_eq!(Some(origin.access), signing::Access::parse("K1+K2"));
        let OriginSource::S3(s3) = origin.source else {
            panic!("{:?}", origin.source);
        };
        assert_eq!(s3.region.unwrap().as_str(), "eu-north-1");
        assert_eq!(s3.endpoint.unwrap().as_str(), "https://s3.example:9000");
        assert_eq!(s3.profile.as_deref(), Some("a b"));
        assert_eq!(s3.force_path_style, Some(false));
        assert_eq!(s3.payer, Payer::Requester);
        assert!(matches!(s3.access, Access::Chain));
        let seconds = |duration: Duration| duration.as_secs();
        assert_eq!(seconds(s3.timeouts.connect), 2);
        assert_eq!(seconds(s3.timeouts.first_byte), 4);
        assert_eq!(seconds(s3.timeouts.idle), 5);
        assert_eq!(s3.timeouts.min_rate, 1024);
    }

    #[test]
    fn what_is_not_said_is_as_for_all_and_folders_are_read_by_no_page() {
        let mut all = defaults();
        all.concurrency = 9;
        all.access = Access::Anonymous;
        all.force_path_style = Some(true);
        let origin = parse("/=s3://films", &all).unwrap();
        assert_eq!((origin.concurrency, &origin.cors), (9, &None));
        assert_eq!(origin.access, signing::Access::AnyKey);
        let OriginSource::S3(s3) = origin.source else {
            panic!("{:?}", origin.source);
        };
        assert!(matches!(s3.access, Access::Anonymous));
        assert_eq!(s3.force_path_style, Some(true));
        let entry = "/=s3://films?profile=a";
        let OriginSource::S3(s3) = parse(entry, &all).unwrap().source else {
            panic!("{entry}");
        };
        assert!(matches!(s3.access, Access::Chain));
        let folder = |defaults: &Defaults, entry| parse(entry, defaults).unwrap().cors;
        assert_eq!(folder(&all, "/=file:/srv"), Some(CorsPolicy::Off));
        assert_eq!(folder(&all, "/=file:/srv?cors=*"), Some(CorsPolicy::Any));
        all.cors = Some(CorsPolicy::Any);
        assert_eq!(folder(&all, "/=file:/srv"), None);
        let public = parse("/=s3://films?keys=none", &all).unwrap();
        assert_eq!(public.access, signing::Access::Public);
    }

    #[test]
    fn every_fault_of_an_entry_is_told() {
        for (entry, parts) in [
            ("/a=s3://ab", vec!["a bucket name has"]),
            (
                "/a=s3://films/../x",
                vec!["prefix: the path contains a . or .."],
            ),
            (
                "/a=s3://films?region",
                vec!["region: a parameter is name=value"],
            ),
            (
                "/a=s3://films?region=a&region=b",
                vec!["region is there twice"],
            ),
            (
                "/a=s3://films?region=%zz",
                vec!["region: a % is not followed"],
            ),
            (
                "/a=s3://films?endpoint=s3.example",
                vec!["endpoint=s3.example: an http"],
            ),
            (
                "/a=s3://films?path_style=maybe",
                vec!["path_style=maybe: `on`"],
            ),
            (
                "/a=s3://films?idle_timeout=0s",
                vec!["idle_timeout=0s: a duration above"],
            ),
            (
                "/a=s3://films?max_answer=0",
                vec!["max_answer=0: a size above zero"],
            ),
            ("/a=s3://films?keys=a b", vec!["keys=a b: `none`"]),
            (
                "/a=s3://films?ca_file=/none",
                vec!["ca_file=/none: the file cannot be read"],
            ),
            (
                "/a=s3://films--a--x-s3?path_style=on",
                vec!["path_style: access points"],
            ),
            (
                "/a=s3://films?anonymous=on&requester_pays=on&profile=a",
                vec!["requester_pays: who pays", "profile: anonymous"],
            ),
            ("/a=s3://films#a", vec!["an origin is PATH=URL"]),
            (
                "/a=file:srv",
                vec!["file: is followed by the absolute path"],
            ),
            (
                "/a=file://host/srv",
                vec!["file: is followed by the absolute path"],
            ),
            (
                "/a=file:/srv/../etc",
                vec!["file: is followed by the absolute path"],
            ),
            (
                "/a=file:/srv?region=a",
                vec!["region is no parameter here; there are concurrency"],
            ),
            (
                "/a=databricks:/Volumes/c",
                vec!["databricks: is followed by /Volumes"],
            ),
            (
                "a=s3://ab?region=.&cors=null&colour=red",
                vec![
                    "a path begins",
                    "a bucket name",
                    "region=.",
                    "cors=null",
                    "colour is no",
                ],
            ),
        ] {
            let faults = parse(entry, &defaults()).unwrap_err();
            assert_eq!(faults.len(), parts.len(), "{entry}: {faults:?}");
            for part in parts {
                let is_told = faults.iter().any(|fault| fault.contains(part));
                assert!(is_told, "{entry}: {part:?} is missing in {faults:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "/?/?[a-z/=:?&%+.]{0,60}") {
            let _ = parse(&text, &defaults());
        }
    }
}
