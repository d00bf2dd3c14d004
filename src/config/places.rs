//! Where origins are that are no buckets: folders and volumes, as a setting writes them.

use super::origin_url::Defaults;
use super::parameters::{Parameters, decoded};
use crate::storage::databricks::{Credentials, VolumePath, WorkspaceUrl};
use crate::storage::file::FolderPath;

/// A folder: `file:/path`, or `file:///path` as other programs write it.
pub fn folder(location: &str, parameters: &mut Parameters<'_>) -> Option<FolderPath> {
    let path = location.strip_prefix("//").unwrap_or(location);
    let path = decoded(path).ok().filter(|path| {
        let has_dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
        path.starts_with('/') && !has_dots && !path.chars().any(char::is_control)
    });
    if path.is_none() {
        let allowed = "file: is followed by the absolute path of a folder, such as file:/srv/media";
        parameters.fault(allowed.to_owned());
    }
    path.and_then(|path| FolderPath::parse(&path).ok())
}

/// The workspace of a volume; every fault of its variables is one of the origin.
pub fn workspace(
    parameters: &mut Parameters<'_>,
    defaults: &Defaults,
) -> Option<(WorkspaceUrl, Credentials)> {
    match &defaults.workspace {
        Ok(workspace) => Some(workspace.clone()),
        Err(faults) => {
            for fault in faults {
                parameters.fault(fault.to_string());
            }
            None
        }
    }
}

/// A volume: `databricks:/Volumes/catalog/schema/volume`, and perhaps a folder in it.
pub fn volume(location: &str, parameters: &mut Parameters<'_>) -> Option<VolumePath> {
    let volume = decoded(location).ok();
    let volume = volume.and_then(|path| VolumePath::parse(&path).ok());
    if volume.is_none() {
        let allowed =
            "databricks: is followed by /Volumes/catalog/schema/volume, and perhaps a folder";
        parameters.fault(allowed.to_owned());
    }
    volume
}
