//! What there is, level by level.

use s3reel::storage::{ListRequest, Listing, ObjectLister};

use crate::support::Origin;

async fn list(lister: &dyn ObjectLister, prefix: &str, after: Option<String>) -> Listing {
    let request = ListRequest {
        prefix: prefix.to_owned(),
        after,
    };
    lister.list(request).await.unwrap()
}

#[tokio::test]
async fn a_level_has_its_objects_and_the_folders_below() {
    for origin in Origin::all().await {
        let name = origin.name();
        let lister = origin.readers().await.lister;
        for key in ["a.mp4", "films/b.mp4", "films/new/c.mp4", "films.txt", "z"] {
            origin.put(key, "12345").await;
        }
        for (prefix, folders, objects) in [
            ("", &["films/"][..], &["a.mp4", "films.txt", "z"][..]),
            ("films/", &["films/new/"], &["films/b.mp4"]),
            ("films/new/", &[], &["films/new/c.mp4"]),
            // A prefix is one of keys, not of folders.
            ("f", &["films/"], &["films.txt"]),
            ("films/n", &["films/new/"], &[]),
            ("films/b", &[], &["films/b.mp4"]),
            ("nothing", &[], &[]),
            ("nothing/", &[], &[]),
            ("films//", &[], &[]),
        ] {
            let listing = list(&*lister, prefix, None).await;
            assert_eq!(listing.folders, folders, "{name} {prefix}");
            let mut keys: Vec<_> = listing.objects.iter().map(|object| &object.key).collect();
            keys.sort_unstable();
            assert_eq!(keys, objects, "{name} {prefix}");
            assert!(
                listing.objects.iter().all(|object| object.size == 5),
                "{name}"
            );
            assert!(
                listing
                    .objects
                    .iter()
                    .all(|object| object.modified > Some(1_600_000_000))
            );
            assert!(listing.next.is_none(), "{name} {prefix}");
        }
    }
}

#[tokio::test]
async fn a_long_level_comes_in_pages_that_join_to_all_of_it() {
    const COUNT: usize = 1203;
    for origin in Origin::all().await {
        let name = origin.name();
        let lister = origin.readers().await.lister;
        for number in 0..COUNT {
            origin.put(&format!("many/{number:05}"), "x").await;
        }
        let mut keys = Vec::new();
        let mut after = None;
        let mut pages = 0;
        loop {
            let listing = list(&*lister, "many/", after).await;
            assert!(listing.objects.len() <= 1000, "{name}");
            keys.extend(listing.objects.into_iter().map(|object| object.key));
            pages += 1;
            after = listing.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, 2, "{name}");
        let expected = (0..COUNT).map(|number| format!("many/{number:05}"));
        assert!(
            keys.iter().eq(expected.collect::<Vec<_>>().iter()),
            "{name}"
        );
    }
}
