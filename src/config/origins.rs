//! What is served: a list of origins, or one bucket in its short form.

use super::faults::Reader;
use super::origin_url::{self, Defaults};
use super::settings::Settings;
use crate::object::{BucketName, KeyPrefix};
use crate::service::origin::{OriginConfig, OriginSource};
use crate::storage::s3::S3Config;

const ORIGINS: &str = "S3REEL_ORIGINS";

/// Most origins of one service. Each has connections of its own in every worker.
const MOST_ORIGINS: usize = 64;

/// The entries of the list, which white space and commas separate.
pub fn entries(settings: &Settings) -> impl Iterator<Item = &str> {
    settings
        .origins
        .iter()
        .flat_map(|text| text.split([',', ' ', '\t', '\n', '\r']))
        .filter(|entry| !entry.is_empty())
}

/// All origins, as far as they can be read; what cannot is remembered in `read`.
pub fn origins(read: &mut Reader, settings: &Settings, defaults: &Defaults) -> Vec<OriginConfig> {
    let entries: Vec<&str> = entries(settings).collect();
    if entries.is_empty() {
        return short_form(read, settings, defaults).into_iter().collect();
    }
    for (variable, value) in [
        ("S3REEL_BUCKET", &settings.bucket),
        ("S3REEL_PREFIX", &settings.prefix),
    ] {
        if let Some(value) = value {
            let allowed = "it is the short form of S3REEL_ORIGINS, which is set too: say it there as \
                 /=s3://bucket/prefix, or unset one of the two";
            read.fault(variable, Some(value), allowed);
        }
    }
    if entries.len() > MOST_ORIGINS {
        let allowed = format!("at most {MOST_ORIGINS} origins, not {}", entries.len());
        read.fault(ORIGINS, Some(""), &allowed);
        return Vec::new();
    }
    let mut origins: Vec<OriginConfig> = Vec::new();
    for entry in entries {
        match origin_url::parse(entry, defaults) {
            Ok(origin) => {
                if let Some(other) = origins.iter().find(|known| known.mount == origin.mount) {
                    let allowed = format!(
                        "{} is taken by {} already; every origin has a place of its own",
                        other.mount, other.source
                    );
                    read.fault(ORIGINS, Some(entry), &allowed);
                }
                origins.push(origin);
            }
            Err(faults) => {
                for allowed in faults {
                    read.fault(ORIGINS, Some(entry), &allowed);
                }
            }
        }
    }
    origins
}

/// `S3REEL_BUCKET` and `S3REEL_PREFIX`.
fn short_form(read: &mut Reader, settings: &Settings, defaults: &Defaults) -> Option<OriginConfig> {
    let text = settings.bucket.as_ref();
    if text.is_none() {
        read.fault(
            "S3REEL_BUCKET",
            None,
            "the name of the bucket to serve, or S3REEL_ORIGINS for several; one of the two is required",
        );
    }
    let bucket = read.optional("S3REEL_BUCKET", text, |text| {
        BucketName::parse(text).map_err(|error| error.to_string())
    });
    let prefix = read.optional("S3REEL_PREFIX", settings.prefix.as_ref(), |text| {
        KeyPrefix::parse(text).map_err(|error| error.to_string())
    });
    let s3 = S3Config {
        prefix: prefix.unwrap_or_default(),
        force_path_style: defaults.force_path_style,
        timeouts: defaults.timeouts,
        ..S3Config::of(bucket?, defaults.access.clone())
    };
    Some(OriginConfig {
        concurrency: defaults.concurrency,
        ..OriginConfig::of(OriginSource::S3(Box::new(s3)))
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::settings::Settings;
    use crate::service::ServiceConfig;

    fn read(origins: &[&str]) -> Result<ServiceConfig, String> {
        let settings = Settings {
            origins: origins.iter().map(|text| (*text).to_owned()).collect(),
            ..Settings::default()
        };
        Config::parse_with(&settings, workspace)
            .map(|config| config.service)
            .map_err(|faults| faults.to_string())
    }

    fn workspace(name: &str) -> Option<String> {
        match name {
            "DATABRICKS_HOST" => Some("https://a.cloud.databricks.com".to_owned()),
            "DATABRICKS_TOKEN" => Some("dapi-hidden".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_volume_needs_a_workspace_and_other_origins_do_not() {
        let settings = |origin: &str| Settings {
            origins: vec![origin.to_owned()],
            ..Settings::default()
        };
        let volume = settings("/=databricks:/Volumes/c/s/v");
        let faults = Config::parse_with(&volume, |_| None)
            .unwrap_err()
            .to_string();
        for name in [
            "DATABRICKS_HOST",
            "DATABRICKS_CLIENT_ID",
            "DATABRICKS_TOKEN",
        ] {
            assert!(faults.contains(name), "{faults}");
        }
        assert!(Config::parse_with(&settings("/=file:/srv"), |_| None).is_ok());
        let config = Config::parse_with(&volume, workspace).unwrap();
        let told = format!("{config:?} {:?}", config.effective());
        assert!(
            told.contains("/Volumes/c/s/v") && !told.contains("hidden"),
            "{told}"
        );
    }

    fn told(origins: &[&str]) -> Vec<String> {
        let service = read(origins).unwrap();
        let told = service.origins.iter();
        told.map(|origin| format!("{}={}", origin.mount, origin.source))
            .collect()
    }

    #[test]
    fn entries_stand_in_one_text_or_in_several() {
        let expected = [
            "/=s3://films/",
            "/old=s3://archive/a/",
            "//h/x=file:/srv/a b",
            "/uc=databricks:/Volumes/c/s/v",
        ];
        let variable = "/=s3://films, /old=s3://archive/a\n//h/x=file:/srv/a%20b,\
             /uc=databricks:/Volumes/c/s/v/";
        assert_eq!(told(&[variable]), expected);
        assert_eq!(
            told(&[
                "/=s3://films",
                "/old=s3://archive/a/",
                "//h/x=file:///srv/a%20b",
                "/uc=databricks:/Volumes/c/s/v",
            ]),
            expected
        );
    }

    #[test]
    fn every_conflict_and_every_fault_is_told_at_once() {
        let faults = read(&[
            "/a=s3://films",
            "/a/=s3://others",
            "/b=s3://films?colour=red&region=a.b",
            "c=s3://films",
            "//h:80/=s3://films",
            "/-/=s3://films",
            "/d=ftp://films",
            "nonsense",
        ])
        .unwrap_err();
        for part in [
            "S3REEL_ORIGINS=\"/a/=s3://others\": /a is taken by s3://films/ already",
            "S3REEL_ORIGINS=\"/b=s3://films?colour=red&region=a.b\": region=a.b: a region",
            "colour is no parameter here; there are region, endpoint",
            "S3REEL_ORIGINS=\"c=s3://films\": a path begins with",
            "//h:80/=s3://films\": between `//` and the next `/`",
            "/-/=s3://films\": `/-/` is reserved",
            "/d=ftp://films\": an origin is PATH=URL",
            "S3REEL_ORIGINS=\"nonsense\": an origin is PATH=URL",
        ] {
            assert!(faults.contains(part), "{part:?} is missing in:\n{faults}");
        }
        assert_eq!(faults.lines().count(), 8, "{faults}");
    }

    #[test]
    fn the_short_form_and_the_list_do_not_go_together() {
        let settings = Settings {
            origins: vec!["/=s3://films".to_owned()],
            bucket: Some("films".to_owned()),
            prefix: Some("a".to_owned()),
            ..Settings::default()
        };
        let faults = Config::parse(&settings).unwrap_err().to_string();
        assert_eq!(faults.lines().count(), 2, "{faults}");
        assert!(faults.contains("S3REEL_BUCKET=\"films\": it is the short form"));
        assert!(faults.contains("S3REEL_PREFIX=\"a\": it is the short form"));
        // Set to nothing is not set.
        let settings = Settings {
            origins: vec![String::new()],
            bucket: Some("films".to_owned()),
            ..Settings::default()
        };
        assert_eq!(Config::parse(&settings).unwrap().service.origins.len(), 1);
    }

    #[test]
    fn more_origins_than_there_is_room_for_are_refused() {
        let all: Vec<_> = (0..65)
            .map(|number| format!("/{number}=s3://films"))
            .collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        assert!(read(&all[..64]).is_ok());
        assert!(read(&all).unwrap_err().contains("at most 64 origins"));
    }
}
