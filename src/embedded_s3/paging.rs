//! Listings, cut into pages as ListObjectsV2 does.

use super::shelf::Entry;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// Keys have to start with this.
    pub prefix: String,
    /// Whether keys are rolled up at the next `/`.
    pub by_folder: bool,
    /// Only what sorts after this.
    pub after: Option<String>,
    /// Most items of the page.
    pub limit: usize,
}

/// One page, in the order of the keys' bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects and folders.
    pub items: Vec<Item>,
    /// Whether more follows.
    pub truncated: bool,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An object.
    Object(String, Entry),
    /// What lies before the next `/`.
    Folder(String),
}

impl Item {
    /// The key or prefix, by which items are sorted.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::Folder(name) => name,
        }
    }
}

/// Whether a collector wants to see more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collected {
    /// It does.
    More,
    /// The page is full.
    Full,
}

/// Collects a page from keys that are given in order.
#[derive(Debug)]
pub struct Collector<'a> {
    request: &'a PageRequest,
    page: Page,
}

impl<'a> Collector<'a> {
    /// An empty page.
    #[must_use]
    pub fn new(request: &'a PageRequest) -> Self {
        Self {
            request,
            page: Page::default(),
        }
    }

    /// Adds a key if it belongs on the page. The entry is made only if it does.
    pub fn add(&mut self, key: &str, entry: impl FnOnce() -> Option<Entry>) -> Collected {
        let Some(rest) = key.strip_prefix(self.request.prefix.as_str()) else {
            return Collected::More;
        };
        let folder = rest
            .find('/')
            .filter(|_| self.request.by_folder)
            .and_then(|slash| rest.get(..=slash))
            .map(|folder| format!("{}{folder}", self.request.prefix));
        let name = folder.as_deref().unwrap_or(key);
        let is_before = |limit: &str| name <= limit;
        let seen = self.request.after.as_deref().is_some_and(is_before)
            || self
                .page
                .items
                .last()
                .is_some_and(|last| last.name() == name);
        if seen {
            return Collected::More;
        }
        if self.page.items.len() >= self.request.limit {
            self.page.truncated = true;
            return Collected::Full;
        }
        let item = match folder {
            Some(folder) => Some(Item::Folder(folder)),
            None => entry().map(|entry| Item::Object(key.to_owned(), entry)),
        };
        self.page.items.extend(item);
        Collected::More
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> Page {
        self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[&str] = &["a", "b/1", "b/2", "b/c/3", "d", "e/1"];

    fn names(page: &Page) -> Vec<&str> {
        page.items.iter().map(Item::name).collect()
    }

    fn page(request: &PageRequest) -> Page {
        let entry = Entry {
            length: 0,
            etag: String::new(),
            modified: std::time::SystemTime::UNIX_EPOCH,
            metadata: super::super::shelf::Metadata::default(),
        };
        let mut collector = Collector::new(request);
        for key in KEYS {
            if collector.add(key, || Some(entry.clone())) == Collected::Full {
                break;
            }
        }
        collector.finish()
    }

    #[test]
    fn a_listing_by_folder_rolls_up_at_the_next_slash() {
        let request = |prefix: &str| PageRequest {
            prefix: prefix.to_owned(),
            by_folder: true,
            after: None,
            limit: 1000,
        };
        assert_eq!(names(&page(&request(""))), ["a", "b/", "d", "e/"]);
        assert_eq!(names(&page(&request("b/"))), ["b/1", "b/2", "b/c/"]);
        assert_eq!(names(&page(&request("b"))), ["b/"]);
        assert_eq!(names(&page(&request("x"))), [""; 0]);
    }

    #[test]
    fn pages_of_any_size_join_to_the_whole_listing() {
        for by_folder in [true, false] {
            for limit in 1..=7 {
                let mut request = PageRequest {
                    by_folder,
                    limit,
                    ..PageRequest::default()
                };
                let mut seen = Vec::new();
                loop {
                    let page = page(&request);
                    seen.extend(page.items.iter().map(|item| item.name().to_owned()));
                    request.after = seen.last().cloned();
                    if !page.truncated {
                        break;
                    }
                }
                let whole = if by_folder {
                    vec!["a", "b/", "d", "e/"]
                } else {
                    KEYS.to_vec()
                };
                assert_eq!(seen, whole, "pages of {limit}");
            }
        }
    }
}
