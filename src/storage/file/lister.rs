//! Listings of a folder, one level and one page at a time.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::time::Instant;

use super::folder::{Folder, names_a_file};
use super::pool::Work;
use super::reader::FileReader;
use crate::object::key::MAX_KEY_BYTES;
use crate::storage::error::ReadError;
use crate::storage::{BoxFuture, ListRequest, ListedObject, Listing, ObjectLister};

/// Most entries of a page, as in S3.
const PAGE: usize = 1000;

impl ObjectLister for FileReader {
    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, ReadError>> {
        Box::pin(async move {
            let started = Instant::now();
            let target = format!("list of {}", request.prefix);
            let limit = self.folder.config().timeouts.total;
            let work = move |folder: &Folder| page(folder, &request, PAGE);
            let listed = self.folder.with(Work::Listing, limit, &target, work).await;
            self.count("list", started, listed.as_ref().err());
            listed
        })
    }
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
}

/// One page of keys in the order of their bytes. However many files the folder has, no more names
/// than a page has are kept.
fn page(root: &Folder, request: &ListRequest, limit: usize) -> io::Result<Listing> {
    let prefix = request.prefix.as_str();
    let (path, name_begins) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    // A prefix that begins with `/` names no folder of ours.
    if prefix.starts_with('/') {
        return Ok(Listing::default());
    }
    let Some(folder) = root.folder(path)? else {
        return Ok(Listing::default());
    };
    let level = prefix.get(..prefix.len() - name_begins.len());
    let level = level.unwrap_or_default();
    let after = request.after.as_deref().unwrap_or_default();
    let mut first: BTreeMap<String, Kind> = BTreeMap::new();
    for entry in folder.dir().entries()? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.starts_with(name_begins) || !names_a_file(&name) {
            continue;
        }
        let file_type = entry.file_type()?;
        let kind = if file_type.is_dir() {
            Kind::Folder
        } else {
            Kind::File
        };
        let slash = if kind == Kind::Folder { "/" } else { "" };
        let key = format!("{level}{name}{slash}");
        let is_beyond = |last: &String| first.len() > limit && key > *last;
        let is_last = first
            .last_key_value()
            .is_some_and(|(last, _)| is_beyond(last));
        if key.len() > MAX_KEY_BYTES || key.as_str() <= after || is_last {
            continue;
        }
        // Links are files if they lead to one inside, and what else there is is not listed. Links to
        // folders are not either, since they could lead in circles.
        if kind == Kind::File && !file_type.is_file() && !leads_to_a_file(root, &key) {
            continue;
        }
        first.insert(key, kind);
        if first.len() > limit.saturating_add(1) {
            first.pop_last();
        }
    }
    Ok(listing(&folder, level, &first, limit))
}

fn leads_to_a_file(root: &Folder, key: &str) -> bool {
    matches!(root.file(key), Ok(Some(_)))
}

fn listing(
    folder: &Folder,
    level: &str,
    entries: &BTreeMap<String, Kind>,
    limit: usize,
) -> Listing {
    let mut listing = Listing::default();
    for (key, kind) in entries.iter().take(limit) {
        match kind {
            Kind::Folder => listing.folders.push(key.clone()),
            Kind::File => listing.objects.extend(listed(folder, level, key)),
        }
    }
    let last = entries.keys().nth(limit.saturating_sub(1));
    let has_more = |last: &&String| {
        let beyond = (Bound::Excluded((*last).clone()), Bound::Unbounded);
        entries.range(beyond).next().is_some()
    };
    listing.next = last.filter(has_more).cloned();
    listing
}

/// A file of the level; `None` if it has gone meanwhile.
fn listed(folder: &Folder, level: &str, key: &str) -> Option<ListedObject> {
    let name = key.strip_prefix(level)?;
    let metadata = folder.dir().metadata(name).ok()?;
    let modified = metadata.modified().ok()?.into_std();
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok();
    Some(ListedObject {
        key: key.to_owned(),
        size: metadata.len(),
        modified: since.and_then(|since| i64::try_from(since.as_secs()).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn request(prefix: &str, after: Option<String>) -> ListRequest {
        ListRequest {
            prefix: prefix.to_owned(),
            after,
        }
    }

    #[test]
    fn pages_of_any_size_join_to_the_whole_level() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("films/new")).unwrap();
        fs::create_dir(root.path().join(".hidden")).unwrap();
        for name in ["a", "b", "films.txt", "films/c", "z", ".dot"] {
            fs::write(root.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("a", root.path().join("link")).unwrap();
        std::os::unix::fs::symlink("films", root.path().join("linked")).unwrap();
        std::os::unix::fs::symlink(".dot", root.path().join("hidden")).unwrap();
        let folder = Folder::open(root.path()).unwrap();
        for (prefix, all) in [
            ("", vec!["a", "b", "films.txt", "films/", "link", "z"]),
            ("f", vec!["films.txt", "films/"]),
            ("films/", vec!["films/c", "films/new/"]),
            ("films/n", vec!["films/new/"]),
            ("nothing/", vec![]),
            ("/", vec![]),
            ("../", vec![]),
            (".hidden/", vec![]),
            ("a/", vec![]),
        ] {
            for limit in 1..=7 {
                let mut seen = Vec::new();
                let mut after = None;
                loop {
                    let page = page(&folder, &request(prefix, after), limit).unwrap();
                    let objects = page.objects.into_iter().map(|object| object.key);
                    let mut keys: Vec<_> = page.folders.into_iter().chain(objects).collect();
                    assert!(keys.len() <= limit);
                    keys.sort_unstable();
                    seen.extend(keys);
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(seen, all, "{prefix} in pages of {limit}");
            }
        }
    }
}
